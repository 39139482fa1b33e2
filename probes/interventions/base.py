"""The contract of an intervention: a fitted, frozen change of the activations at one site.

Fitters look at data; what they return is a frozen dataclass that can be called inside a running forward pass. It may
have been fitted in another precision or on another device than the pass runs in: the change is computed where the
activations are, in float32 at least, and handed back in the type in which they came.

Most interventions treat every row alike. Those that hold something for each row (a source to take activations from) say
in :meth:`Intervention.rows` how to narrow themselves down, so that a long observation can be run in pieces.

Letters: n rows, d width of the site, k dimension of a subspace.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.registry import Family
from imprint.probes.subjects.subject import Subject

INTERVENTIONS = Family("interventions", "imprint.probes.interventions", "Intervention")

DEPENDENT = 1e-6
"""Singular values of a set of directions below this part of the largest add no dimension."""


class Intervention(ABC):
    """Abstract change of activations; concrete ones are final and frozen."""

    @final
    def __call__(self, activations: Tensor) -> Tensor:
        """Changed activations ``[n, d]``, in the type and on the device they came in."""
        if activations.dim() != 2:
            raise ImprintError(f"activations are {list(activations.shape)}; expected [n, d].")
        precise = torch.promote_types(activations.dtype, torch.float32)
        return self.change(activations.to(precise)).to(activations.dtype)

    @abstractmethod
    def change(self, activations: Tensor) -> Tensor:
        """Changed activations ``[n, d]`` of float32 or float64 ones; whatever is fitted is moved beside them."""

    def rows(self, rows: slice) -> Intervention:
        """The same intervention for some of the rows; itself, when it treats all rows alike."""
        return self


def edited_values(
    subject: Subject, observation: Tensor, edits: Mapping[str, Intervention], *, batch_size: int = 512
) -> Tensor:
    """Value ``[n]`` under interventions (site -> intervention), with each row given what its intervention holds for it.

    :meth:`Subject.values` alone runs long observations in pieces and does not tell an edit which rows it is looking at.
    """
    pieces = [slice(start, start + batch_size) for start in range(0, len(observation), batch_size)]
    return torch.cat(
        [
            subject.values(observation[piece], edits={site: edit.rows(piece) for site, edit in edits.items()})
            for piece in pieces
        ]
    )


def orthonormal(directions: Tensor) -> Tensor:
    """Orthonormal basis ``[d, k]`` in float64 of the span of ``directions`` (``[d]``, or ``[d, m]`` in columns)."""
    columns = directions.detach().double()
    columns = columns[:, None] if columns.dim() == 1 else columns
    if columns.dim() != 2 or not columns.numel() or not bool(torch.isfinite(columns).all()):
        raise ImprintError(
            f"directions are {list(directions.shape)}; expected finite numbers, [d] or [d, m] in columns."
        )
    left, size, _ = torch.linalg.svd(columns, full_matrices=False)
    if float(size[0]) == 0.0:
        raise ImprintError("all directions are zero, so they span nothing; expected at least one that is not.")
    basis: Tensor = left[:, size > DEPENDENT * size[0]]
    return basis


def random_basis(width: int, rank: int, *, rng: torch.Generator) -> Tensor:
    """Orthonormal basis ``[d, k]`` of a subspace drawn uniformly from all of that dimension."""
    if not 1 <= rank <= width:
        raise ImprintError(f"rank is {rank}; expected 1 to {width}, the width of the site.")
    return retracted(torch.randn(width, rank, generator=rng, dtype=torch.float64))


def retracted(columns: Tensor) -> Tensor:
    """Orthonormal basis ``[d, k]`` of independent ``columns [d, k]``, differentiable, each column on its old side.

    The Q of a QR factorisation is only unique up to signs. With R's diagonal made positive, a basis goes to itself.
    """
    q, r = torch.linalg.qr(columns)
    basis: Tensor = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    return basis
