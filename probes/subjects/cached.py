"""Activations that TransformerLens has already captured: an ``ActivationCache`` as ``{site: [n, d]}``.

What ``run_with_cache`` returns holds [n, position, ...] per hook. It is read exactly as a subject reads a site, so that
``name@position`` means the same here and there.

Letters: n observations, d width of a site.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.subjects.site import Site, copied, require_finite, require_readable


def from_activation_cache(cache: Any, names: Sequence[str], position: int | None = None) -> dict[str, Tensor]:
    """Activations ``{site: [n, d]}`` of a TransformerLens ``ActivationCache``, as :meth:`Subject.activations` gives.

    Arguments:
        cache: from ``run_with_cache``, with its batch axis.
        names: hook names, as in the cache.
        position: along axis 1, as in ``name@position`` (which the sites are then called); None: everything, flattened.
    """
    held = dict(cache.items())
    if not getattr(cache, "has_batch_dim", True):
        raise ImprintError("this cache has no batch axis; run run_with_cache with remove_batch_dim=False.")
    found: dict[str, Tensor] = {}
    for name in names:
        if name not in held:
            raise unknown_name("hook in this cache", name, held)
        site = Site(name if position is None else f"{name}@{position}", name, position)
        value = held[name]
        require_readable(site, value, len(value))
        value = copied(site.name, site.read(value))
        require_finite(site.name, value)
        found[site.name] = value
    if len({len(value) for value in found.values()}) > 1:
        raise ImprintError(f"the hooks differ in rows: { {name: len(value) for name, value in found.items()} }.")
    return found
