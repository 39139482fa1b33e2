"""Addresses of clusters: whether anybody answers there."""

from __future__ import annotations

import re
import socket

from imprint.models.errors import ImprintError

WITHIN = 10.0
"""Seconds within which a cluster must answer."""
KNOCK_WITHIN = 5.0
"""Seconds within which a port must take a connection."""
EXAMPLES = {"dask": "tcp://host:8786", "ray": "host:6379, ray://host:10001, or auto on a machine of the cluster"}
"""Backend -> what its addresses look like."""


def no_address(backend: str) -> ImprintError:
    """The error for a cluster without an address."""
    return ImprintError(f"backend {backend} needs an address (--address), such as {EXAMPLES[backend]}.")


def nobody_answers(backend: str, address: str, why: object) -> ImprintError:
    """The error for an address at which no such cluster answers."""
    reason = " ".join(str(why).split()) or type(why).__name__
    return ImprintError(
        f"no {backend.capitalize()} cluster answers at {address!r}: {reason.rstrip('.')}. "
        f"Start it, or correct the address (such as {EXAMPLES[backend]})."
    )


def require_answer(backend: str, address: str) -> None:
    """Raise :class:`ImprintError` when an address is none, or its port takes no connection within seconds.

    Addresses without a port, of this machine (``auto``) or of this process (``inproc://``), are left to the library.
    """
    if address == "auto" or address.startswith("inproc://"):
        return
    matched = re.fullmatch(
        r"(?:(?P<scheme>[a-z]+)://)?(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/]+):(?P<port>\d{1,5})/?", address
    )
    if matched is None or int(matched["port"]) > 65535:
        raise ImprintError(
            f"{address!r} is no address of a {backend.capitalize()} cluster; expected {EXAMPLES[backend]}."
        )
    try:
        socket.create_connection((matched["host"].strip("[]"), int(matched["port"])), timeout=KNOCK_WITHIN).close()
    except OSError as error:
        raise nobody_answers(backend, address, error.strerror or error) from None
