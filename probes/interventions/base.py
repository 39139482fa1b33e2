"""The contract of an intervention: a fitted, frozen change of the activations at one site.

Fitting functions look at data and return a frozen dataclass that is called inside a running forward pass. The pass may
run in another precision or on another device: the change is computed on the device of the activations, in float32 or
better, and returned in their type.

Most interventions treat all rows alike. Those that hold something for each row (activations of a source) implement
:meth:`Intervention.rows`, which selects rows, so that many observations can be run in batches.

Letters: n rows, d width of the site, k dimension of a subspace.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.registry import Family
from imprint.probes.subjects.subject import Subject
from imprint.probes.subjects.upstream import BATCH, values_under

INTERVENTIONS = Family("interventions", "imprint.probes.interventions", "Intervention")


class Intervention(ABC):
    """Abstract change of activations; concrete classes are final and frozen."""

    @final
    def __call__(self, activations: Tensor) -> Tensor:
        """Changed activations ``[n, d]``, in the type and on the device of those given."""
        if activations.dim() != 2:
            raise ImprintError(f"activations are {list(activations.shape)}; expected [n, d].")
        precise = torch.promote_types(activations.dtype, torch.float32)
        return self.change(activations.to(precise)).to(activations.dtype)

    @abstractmethod
    def change(self, activations: Tensor) -> Tensor:
        """Changed activations ``[n, d]`` of float32 or float64 ones, on the same device."""

    def rows(self, rows: slice) -> Intervention:
        """The same intervention for some of the rows; the default treats all rows alike and returns itself."""
        return self


def edited_values(
    subject: Subject, observation: Tensor, edits: Mapping[str, Intervention], *, batch_size: int = 512
) -> Tensor:
    """Value ``[n]`` under interventions (site -> intervention), including those that hold something for each row.

    :meth:`Subject.values` alone does not tell an edit which rows of the observation a batch holds.
    """
    batches = [slice(start, start + batch_size) for start in range(0, len(observation), batch_size)]
    return torch.cat([subject.rows(b).values(observation[b], edits=of_rows(edits, b)) for b in batches])


def values_of_places(
    subject: Subject,
    observation: Tensor,
    places: Sequence[Sequence[Mapping[str, Intervention]]],
    *,
    batch_size: int = BATCH,
) -> list[Tensor]:
    """Values ``[E, n]`` of :func:`edited_values`, for the E interventions at each place.

    Interventions at one place share what the model computes before it (:mod:`imprint.probes.subjects.upstream`).
    """
    return values_under(subject, observation, places, narrowed=of_rows, batch_size=batch_size)


def of_rows(edits: Mapping[str, Intervention], rows: slice) -> dict[str, Intervention]:
    """The same interventions for some of the rows."""
    return {site: edit.rows(rows) for site, edit in edits.items()}


def orthonormal(directions: Tensor) -> Tensor:
    """Orthonormal basis ``[d, k]``, in float64, of the span of ``directions`` (``[d]``, or columns ``[d, m]``).

    The lengths of the directions do not matter, and those that are zero add nothing. Directions that depend on one
    another up to half of the digits of their type count as dependent, since they may be what is left of larger numbers.
    """
    columns = directions.detach().double()
    columns = columns[:, None] if columns.dim() == 1 else columns
    if columns.dim() != 2 or not columns.numel() or not bool(torch.isfinite(columns).all()):
        raise ImprintError(f"directions are {list(directions.shape)}; expected finite numbers, [d] or columns [d, m].")
    longest = columns.abs().amax(0)
    if not bool((longest > 0).any()):
        raise ImprintError("all directions are zero, so they span nothing; expected at least one that is not.")
    columns = torch.nn.functional.normalize((columns / longest)[:, longest > 0], dim=0)
    left, size, _ = torch.linalg.svd(columns, full_matrices=False)
    kind = directions.dtype if directions.is_floating_point() else torch.float64
    basis: Tensor = left[:, size > torch.finfo(kind).eps ** 0.5 * size[0]]
    return basis


def random_basis(width: int, rank: int, *, rng: torch.Generator) -> Tensor:
    """Orthonormal basis ``[d, k]`` of a random subspace, uniform over all subspaces of dimension ``rank``."""
    if not 1 <= rank <= width:
        raise ImprintError(f"rank is {rank}; expected 1 to {width}, the width of the site.")
    return retracted(torch.randn(width, rank, generator=rng, dtype=torch.float64))


def retracted(columns: Tensor) -> Tensor:
    """Orthonormal basis ``[d, k]`` of the span of independent ``columns [d, k]``; differentiable.

    It is the Q of a QR factorisation with the diagonal of R made positive, which maps an orthonormal basis to itself.
    """
    q, r = torch.linalg.qr(columns)
    basis: Tensor = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    return basis
