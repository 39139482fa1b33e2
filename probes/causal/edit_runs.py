"""Edit runs: the values of the same observations under many edits, and the cost of each edit.

The cost of an edit is the mean over rows of a function ``cost(before [n], after [n]) -> [n]``. :func:`squared_change`
is ``(after - before)^2 / variance of before``: 0 when the value does not change, 1 when every row gets the mean value,
2 when every row gets the value of an unrelated row. :func:`accuracy_lost` is for values whose sign is an answer.

Letters: n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions.base import Intervention, edited_values
from imprint.probes.samples.resamples import Resamples
from imprint.probes.subjects.subject import Subject

Where = str | tuple[str, ...]
"""A place: one site, or several sites that are edited together."""
Cost = Callable[[Tensor, Tensor], Tensor]
"""``before [n], after [n] -> [n]``: the cost of an edit on each row."""
JOINED = " + "
"""Separator between the names of sites edited together."""
ROUNDING = 1e-6
"""Changes below this part of the largest value count as rounding errors of a float32 forward pass."""
CONSTANT = 1e-11
"""A variance below this part of the mean square counts as zero."""


def spread(value: Tensor) -> Tensor:
    """Variance of ``value [n]``; NaN for a constant value, so that costs relative to it are NaN, too."""
    variance = value.var(correction=0)
    return torch.where(variance <= CONSTANT * value.square().mean(), torch.nan, variance)


def squared_change(before: Tensor, after: Tensor) -> Tensor:
    """Squared change ``[n]`` of the value in variances of the unedited value; NaN when that value is constant.

    Changes below :data:`ROUNDING` count as zero: a forward pass may round differently when a tensor that it does not
    use has changed.
    """
    change = after - before
    change = torch.where(change.abs() <= ROUNDING * before.abs().amax(), 0.0, change)
    return change.square() / spread(before)


def accuracy_lost(label: Tensor) -> Cost:
    """Cost for values whose sign answers ``label [n]`` (0 or 1): 1 for a right answer lost, -1 for one gained."""
    answer = label.bool()

    def cost(before: Tensor, after: Tensor) -> Tensor:
        if len(answer) != len(before):
            raise ImprintError(f"there are {len(answer)} labels for {len(before)} rows; expected as many.")
        return ((before > 0) == answer).double() - ((after > 0) == answer).double()

    return cost


@dataclass(frozen=True)
class EditRuns:
    """A subject and observations, their unedited values, and resamples of groups for intervals."""

    subject: Subject
    observation: Tensor
    """``[n, ...]``"""
    before: Tensor
    """``[n]`` unedited values, float64."""
    draws: Resamples
    """Resamples of the groups of rows."""

    @classmethod
    def of(
        cls, subject: Subject, observation: Tensor, groups: object, resamples: int, *, rng: torch.Generator
    ) -> EditRuns:
        """Compute the unedited values and resample the groups (``[n]``; None: each row is its own group)."""
        draws = Resamples.of(len(observation), groups, count=resamples, rng=rng)
        return cls(subject, observation, subject.values(observation).double(), draws)

    def values(self, edits: Mapping[str, Intervention], rows: Tensor | None = None) -> Tensor:
        """Edited values, float64, of all rows ``[n]`` or of those selected by ``rows`` (bool ``[n]``)."""
        observation = self.observation if rows is None else self.observation[rows]
        return edited_values(self.subject, observation, edits).double()

    def changes(self, edits: Mapping[str, Intervention]) -> Tensor:
        """Edited minus unedited values ``[n]``."""
        return self.values(edits) - self.before

    def effect(self, costs: Tensor, placebos: Sequence[Tensor]) -> dict[str, float]:
        """effect, low, high, placebo, placebo_high and n, from the costs ``[n]`` of an edit and of its placebos."""
        low, high = self.draws.mean(costs)
        placebo = placebo_summary([float(costs.mean()) for costs in placebos])
        return {"effect": float(costs.mean()), "low": low, "high": high, **placebo, "n": len(costs)}


def placebo_summary(placebos: Sequence[float]) -> dict[str, float]:
    """Mean and largest effect of the placebos; NaN without placebos."""
    drawn = torch.tensor(placebos or [float("nan")], dtype=torch.float64)
    return {"placebo": float(drawn.mean()), "placebo_high": float(drawn.max())}


def places(sites: Sequence[Where]) -> list[tuple[str, ...]]:
    """Each place as a tuple of site names. Raises :class:`ImprintError` for a bare name or an empty list."""
    if isinstance(sites, str) or not len(sites):
        raise ImprintError(f"sites is {sites!r}; expected a list of names, or of tuples of names edited together.")
    return [(where,) if isinstance(where, str) else tuple(where) for where in sites]


def names_in(places: Sequence[tuple[str, ...]]) -> list[str]:
    """The names of all sites that occur in the places, each once."""
    return list(dict.fromkeys(name for place in places for name in place))
