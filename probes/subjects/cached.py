"""Activations of a TransformerLens ``ActivationCache`` as ``{site: [n, d]}``.

The cache that ``run_with_cache`` returns holds [n, position, ...] per hook. It is read exactly as a subject reads a
site, so that ``name@position`` has the same meaning.

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

    ``names`` are hook names, as in the cache. With a ``position`` along axis 1, sites are ``name@position``; None:
    all positions, flattened.

    Raises :class:`ImprintError` for a cache without a batch axis, an unknown hook, or activations that are not finite.
    """
    cached = dict(cache.items())
    if not getattr(cache, "has_batch_dim", True):
        raise ImprintError("this cache has no batch axis; run run_with_cache with remove_batch_dim=False.")
    activations: dict[str, Tensor] = {}
    for name in names:
        if name not in cached:
            raise unknown_name("hook in this cache", name, cached)
        site = Site(name if position is None else f"{name}@{position}", name, position)
        value = cached[name]
        require_readable(site, value, len(value))
        value = copied(site.name, site.read(value))
        require_finite(site.name, value)
        activations[site.name] = value
    rows = {name: len(value) for name, value in activations.items()}
    if len(set(rows.values())) > 1:
        raise ImprintError(f"the hooks differ in rows: {rows}.")
    return activations
