"""Edit runs: one observation, valued again and again under edits, and what each edit costs.

*Cost.* What an edit costs is the mean over rows of ``cost(before [n], after [n]) -> [n]``. :func:`squared_change` is
``(after - before)^2 / variance of before``: 0 when the value does not notice; 1 when all that is left of it is its
mean; 2 when it became another row's. :func:`accuracy_lost` is for values whose sign is an answer.

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
"""One site, or several that are edited together."""
Cost = Callable[[Tensor, Tensor], Tensor]
"""``before [n], after [n] -> [n]``: what the edit costs each row."""
JOINED = " + "
"""Between the names of sites edited together."""
ROUNDING = 1e-6
"""Changes below this part of the largest value are rounding errors of a float32 forward pass."""
CONSTANT = 1e-11
"""Variance below this part of the mean square is rounding error."""


def spread(value: Tensor) -> Tensor:
    """Variance of ``value [n]``; NaN where it is constant, so that nothing is ever counted in units of nothing."""
    variance = value.var(correction=0)
    return torch.where(variance <= CONSTANT * value.square().mean(), torch.nan, variance)


def squared_change(before: Tensor, after: Tensor) -> Tensor:
    """Squared change of the value, in variances of the untouched value; NaN where that is constant.

    Changes of the size of rounding errors are none: a forward pass may round differently when a tensor that it does not
    use has changed.
    """
    change = after - before
    change = torch.where(change.abs() <= ROUNDING * before.abs().amax(), 0.0, change)
    return change.square() / spread(before)


def accuracy_lost(label: Tensor) -> Cost:
    """Cost for values whose sign is the answer to ``label [n]`` (0 or 1): right before minus right after."""
    answer = label.bool()

    def cost(before: Tensor, after: Tensor) -> Tensor:
        if len(answer) != len(before):
            raise ImprintError(f"there are {len(answer)} labels for {len(before)} rows; expected as many.")
        return ((before > 0) == answer).double() - ((after > 0) == answer).double()

    return cost


@dataclass(frozen=True)
class EditRuns:
    """One subject on one observation: its untouched values, and the groups that intervals draw from."""

    subject: Subject
    observation: Tensor
    """``[n, ...]``"""
    before: Tensor
    """``[n]`` untouched values, float64."""
    draws: Resamples

    @classmethod
    def of(
        cls, subject: Subject, observation: Tensor, groups: object | None, resamples: int, *, rng: torch.Generator
    ) -> EditRuns:
        """Value the observation untouched, and draw from its groups (``[n]``; ``None``: each row its own)."""
        draws = Resamples.of(len(observation), groups, count=resamples, rng=rng)
        return cls(subject, observation, subject.values(observation).double(), draws)

    def values(self, edits: Mapping[str, Intervention], rows: Tensor | None = None) -> Tensor:
        """Edited values, float64, of all rows ``[n]`` or of those in ``rows`` (bool ``[n]``)."""
        observation = self.observation if rows is None else self.observation[rows]
        return edited_values(self.subject, observation, edits).double()

    def changes(self, edits: Mapping[str, Intervention]) -> Tensor:
        """Edited minus untouched values ``[n]``."""
        return self.values(edits) - self.before

    def effect(self, costs: Tensor, placebos: Sequence[Tensor]) -> dict[str, float]:
        """effect, low, high, placebo, placebo_high, n of the costs ``[n]`` of an edit and of its placebos."""
        low, high = self.draws.mean(costs)
        placebo = summary([float(one.mean()) for one in placebos])
        return {"effect": float(costs.mean()), "low": low, "high": high, **placebo, "n": len(costs)}


def summary(placebos: Sequence[float]) -> dict[str, float]:
    """Mean and largest of the placebos; NaN without any."""
    drawn = torch.tensor(placebos or [float("nan")], dtype=torch.float64)
    return {"placebo": float(drawn.mean()), "placebo_high": float(drawn.max())}


def places(sites: Sequence[Where]) -> list[tuple[str, ...]]:
    """Each place as a tuple of names. Raises :class:`ImprintError` for a bare name or for none."""
    if isinstance(sites, str) or not len(sites):
        raise ImprintError(f"sites is {sites!r}; expected a list of names, or of tuples of names edited together.")
    return [(where,) if isinstance(where, str) else tuple(where) for where in sites]


def names_in(wheres: Sequence[tuple[str, ...]]) -> list[str]:
    """Every site named in any place, once."""
    return list(dict.fromkeys(name for where in wheres for name in where))
