"""Edit runs: the values of the same observations under many edits, and the cost of each edit.

The cost of an edit is a ratio of two sums over rows, from a function ``cost(before [n], after [n])`` of the values that
gives both summands of every row. :func:`squared_change` is the mean squared change in variances of the unedited value:
0 when the value does not change, 1 when every row gets the mean value, 2 when every row gets the value of an unrelated
row. :func:`accuracy_lost` is for values whose sign is an answer. Intervals let the variance below vary with the rows,
as well as the changes above.

Letters: n rows, q statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions.base import Intervention, edited_values, values_of_places
from imprint.probes.samples.clusters import BLOCKS, Clusters
from imprint.probes.subjects.subject import Subject

Where = str | tuple[str, ...]
"""A place: one site, or several sites that are edited together."""
Cost = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""``before [n], after [n], rows bool [n] -> above [m], below [m]`` of the m rows that are selected.

The cost of an edit is ``above.sum() / below.sum()``.
"""
JOINED = " + "
"""Separator between the names of sites edited together."""
ROUNDING = 8.0
"""Changes below this many rounding errors of the largest value count as none, and so does a spread below as many.

A forward pass may round differently when a tensor that it does not use has changed.
"""


def spread(value: Tensor) -> Tensor:
    """Standard deviation of ``value [n]``; NaN for a constant value, so that changes relative to it are NaN, too."""
    deviation = value.std(correction=0)
    return torch.where(deviation > 0, deviation, torch.nan)


def squared_change(before: Tensor, after: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Squared change of the value, and squared distance of the unedited value from its mean, of the selected rows."""
    before, after = before[rows], after[rows]
    return (after - before).square(), (before - before.mean()).square()


def accuracy_lost(label: Tensor) -> Cost:
    """Cost for values whose sign answers ``label [n]`` (0 or 1): 1 for a right answer lost, -1 for one gained."""
    answer = label.bool()

    def cost(before: Tensor, after: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        if len(answer) != len(before):
            raise ImprintError(f"there are {len(answer)} labels for {len(before)} rows; expected as many.")
        lost = (((before > 0) == answer).double() - ((after > 0) == answer).double())[rows]
        return lost, torch.ones_like(lost)

    return cost


@dataclass(frozen=True)
class EditRuns:
    """A subject and observations, their unedited values, and their groups."""

    subject: Subject
    observation: Tensor
    """``[n, ...]``"""
    before: Tensor
    """``[n]`` unedited values, float64; all the same when they differ by rounding errors alone."""
    rounding: float
    """Smaller changes of a value are rounding errors."""
    clusters: Clusters
    """The groups of rows."""
    batch_size: int = 512
    """Rows of a pass: a row rounds alike in batches of equal size."""

    @classmethod
    def of(
        cls,
        subject: Subject,
        observation: Tensor,
        groups: object,
        *,
        blocks: int = BLOCKS,
        batch_size: int = 512,
        rng: torch.Generator,
    ) -> EditRuns:
        """Compute the unedited values; ``groups`` ``[n]`` (None: each row is its own group) are dealt to blocks."""
        clusters = Clusters.of(len(observation), groups, blocks=blocks, rng=rng)
        values = subject.values(observation, batch_size=batch_size)
        before, rounding = values.double(), ROUNDING * torch.finfo(values.dtype).eps * float(values.abs().max())
        if float(before.std(correction=0)) <= rounding:
            before = before.mean().expand(len(before))
        return cls(subject, observation, before, rounding, clusters, batch_size)

    def values(self, edits: Mapping[str, Intervention]) -> Tensor:
        """Edited values ``[n]``, float64; those that changed by no more than rounding are the unedited ones."""
        return self.unless_rounding(
            edited_values(self.subject, self.observation, edits, batch_size=self.batch_size).double()
        )

    def values_of_places(self, places: Sequence[Sequence[Mapping[str, Intervention]]]) -> list[Tensor]:
        """Values ``[E, n]`` of the E edits at each place, which share the passes up to it; otherwise as above."""
        of_place = values_of_places(self.subject, self.observation, places, batch_size=self.batch_size)
        return [self.unless_rounding(values.double()) for values in of_place]

    def unless_rounding(self, values: Tensor) -> Tensor:
        """Values ``[n]``, except where they differ from the unedited ones by rounding alone."""
        return torch.where((values - self.before).abs() <= self.rounding, self.before, values)

    def costs(self, edits: Mapping[str, Intervention], cost: Cost, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What ``cost`` makes of edits on some rows (bool ``[n]``; None: on all)."""
        every = torch.ones(len(self.before), dtype=torch.bool)
        return cost(self.before, self.values(edits), every if rows is None else rows)

    def changes(self, edits: Mapping[str, Intervention]) -> Tensor:
        """Edited minus unedited values ``[n]``."""
        return self.values(edits) - self.before


@dataclass(frozen=True)
class FromPairs(Intervention):
    """The whole site taken from one side of a pair of rows, row by row."""

    sources: Tensor
    """``[2, m, d]`` activations of both sides of m pairs."""
    side: Tensor
    """``[n]`` 0 or 1, for each row."""
    pair: Tensor
    """``[n]`` number of the pair, for each row."""

    def change(self, activations: Tensor) -> Tensor:
        """The chosen activations ``[n, d]``, whatever those given are."""
        return self.sources[self.side, self.pair].to(activations)

    def rows(self, rows: slice) -> FromPairs:
        """The same for some of the rows."""
        return replace(self, side=self.side[rows], pair=self.pair[rows])


def quotient(parts: tuple[Tensor, Tensor]) -> Tensor:
    """The cost of an edit, a scalar, from both summands of each row."""
    above, below = parts
    return above.sum() / below.sum()


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
