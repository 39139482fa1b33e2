"""Samples of edited networks, drawn and edited together, for the benchmark of intervals (:mod:`benchmarks.coverage`).

Every batch is checked: the public functions give the intervals of its first sample.

Letters: R repeats, G groups, n rows, d width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.causal.edit_runs import accuracy_lost, squared_change
from imprint.probes.causal.experiments import ablations, dose_response, erasure, patching
from imprint.probes.interventions.ablate import derangement
from imprint.probes.samples.clusters import Clusters, Interval
from imprint.probes.subjects.subject import Subject

SIZES = ((15, 20), (200, 3))
"""(groups, rows of each)."""
WIDTH = 12
"""Width of the edited site."""
NOISE, SHIFT = 0.5, 0.5
"""Standard deviations of the concept's reading within its values, and of the effects of groups."""
POPULATION = 25_000
"""Groups of 20 rows from which truths follow."""
STRENGTHS = (-1.0, 1.0)


@dataclass(frozen=True)
class Checked:
    """One interval and the truth."""

    interval: str
    case: str
    seeds: int
    groups: int
    low: float
    high: float
    truth: float


VALUES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": lambda x, other: 0.7**0.5 * x[..., 0] + 0.3**0.5 * other,
    "oblique": lambda x, other: 0.5 * x[..., 0] + 0.5 * x[..., 1] + 0.3**0.5 * other,
    "clipped": lambda x, other: (2 * x[..., 0] + 0.5 * x[..., 1]).clamp(-1, 1) + 0.3**0.5 * other,
    "rectified": lambda x, other: torch.relu(x[..., 0] + 0.5 * x[..., 1]) + 0.3**0.5 * other,
}
"""Values of activations ``[..., d]`` of the site and of a reading ``[...]`` beside it."""


CURVED = ("clipped", "rectified")
"""Values of which a site's part of a change differs from row to row."""


class Planted(nn.Module):
    """A site of :data:`WIDTH` units, of which the first shows the concept, and one reading beside it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.site = kind, nn.Identity()

    def forward(self, seen: Tensor) -> Tensor:
        """Value ``[n]`` of observations ``[n, d + 1]``."""
        return VALUES[self.kind](self.site(seen[:, :WIDTH]), seen[:, WIDTH])


@dataclass(frozen=True)
class Rows:
    """Samples of grouped rows."""

    concept: Tensor
    """bool ``[R, n]``"""
    seen: Tensor
    """``[R, n, d + 1]``"""
    flipped: Tensor
    """``[R, n, d + 1]`` with the concept at its other value and all else kept."""

    @classmethod
    def draw(cls, size: tuple[int, int, int], shift: float, *, rng: torch.Generator) -> Rows:
        """R samples of G groups of equal size; ``shift``: standard deviation of the effects of groups."""
        repeats, groups, _ = size
        concept = torch.randint(0, 2, size, generator=rng).bool()
        noise = torch.randn(*size, WIDTH + 1, generator=rng)
        noise += shift * torch.randn(repeats, groups, 1, WIDTH + 1, generator=rng)
        noise[..., 0] *= NOISE
        sides = []
        for sign in (2.0 * concept - 1, 1 - 2.0 * concept):
            seen = noise.clone()
            seen[..., 0] += sign
            seen[..., WIDTH] += 0.5 * sign
            sides.append(seen.flatten(1, 2))
        return cls(concept.flatten(1), *sides)


def truths(kind: str, shift: float) -> dict[str, float]:
    """Every statistic of a population, by hand."""
    rows = Rows.draw((1, POPULATION, 20), shift, rng=torch.Generator().manual_seed(11))
    seen, concept = rows.seen[0].double(), rows.concept[0].double()
    x, other = seen[:, :WIDTH], seen[:, WIDTH]

    def value(of: Tensor, beside: Tensor = other) -> Tensor:
        return VALUES[kind](of, beside)

    before = value(x)
    variance = before.var()

    def cost(of: Tensor) -> float:
        return float((value(of) - before).square().mean() / variance)

    apart, z = x - x.mean(0), concept - concept.mean()
    cross = apart.T @ z / len(z)
    reading = torch.linalg.solve(apart.T @ apart / len(z), cross)
    erased = x - torch.outer(apart @ reading / (cross @ reading), cross)
    direction = cross / cross.norm()
    step = direction * (x @ direction).std()
    moved = sum(s * float((value(x + s * step) - before).mean()) for s in STRENGTHS)
    flipped = rows.flipped[0].double()
    counterfactual = value(flipped[:, :WIDTH], flipped[:, WIDTH])
    change = before - counterfactual
    right = ((before > 0) == concept.bool()).double() - ((value(erased) > 0) == concept.bool()).double()
    return {
        "erasure": cost(erased),
        "erasure, answers": float(right.mean()),
        "ablation, zero": cost(torch.zeros_like(x)),
        "ablation, mean": cost(x.mean(0).expand_as(x)),
        "ablation, resample": cost(x.roll(20 * 7, 0)),
        "patching": float(((value(x, flipped[:, WIDTH]) - counterfactual) * change).sum() / change.square().sum()),
        "dose-response": moved / sum(s * s for s in STRENGTHS) / float(variance.sqrt()),
    }


@dataclass(frozen=True)
class Batch:
    """Many samples with the same groups, edited together; the statistics of one are those of the public functions."""

    value: Callable[[Tensor, Tensor], Tensor]
    rows: Rows
    clusters: Clusters
    donor: Tensor
    """``[n]`` row from which each row is resampled."""

    @cached_property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Activations ``[R, n, d]``, the reading beside them and the value, ``[R, n]``, in float64."""
        seen = self.rows.seen.double()
        x, other = seen[..., :WIDTH], seen[..., WIDTH]
        return x, other, self.value(x, other)

    def change(self, x: Tensor) -> Tensor:
        """Edited minus unedited value ``[R, n]``."""
        return self.value(x, self.parts[1]) - self.parts[2]

    def cost(self, x: Tensor, kept: Tensor) -> Tensor:
        """Mean squared change ``[R]`` in variances of the value, over the rows kept."""
        before = self.parts[2][:, kept]
        return self.change(x)[:, kept].square().mean(1) / before.var(1, correction=0)

    def covariance(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean ``[R, 1, d]``, covariance ``[R, d, d]``, and covariance ``[R, d]`` with the concept."""
        x, z = self.parts[0][:, kept], self.rows.concept[:, kept].double()
        mean = x.mean(1, keepdim=True)
        z = (z - z.mean(1, keepdim=True))[..., None]
        return mean, (x - mean).mT @ (x - mean) / x.shape[1], ((x - mean).mT @ z / x.shape[1])[..., 0]

    def erased(self, block: int | None) -> Tensor:
        """Activations without the concept, by erasers fitted without a block."""
        x, (mean, covariance, cross) = self.parts[0], self.covariance(self.clusters.kept(block))
        reading = torch.linalg.solve(covariance, cross)
        reading = reading / (reading * cross).sum(1, keepdim=True)
        return x - ((x - mean) @ reading[..., None]) * cross[:, None]

    def slope(self, block: int | None) -> Tensor:
        """Slope ``[R]`` along the direction of the concept."""
        kept = self.clusters.kept(block)
        x, (_, covariance, cross) = self.parts[0], self.covariance(kept)
        unit = torch.nn.functional.normalize(cross, dim=1)
        step = unit * (unit[:, None] @ covariance @ unit[..., None])[..., 0].sqrt()
        moved = [strength * self.change(x + strength * step[:, None])[:, kept].mean(1) for strength in STRENGTHS]
        spread = self.parts[2][:, kept].std(1, correction=0)
        return torch.stack(moved).sum(0) / sum(s * s for s in STRENGTHS) / spread

    def answers_lost(self) -> Tensor:
        """1 ``[R, n]`` where the right answer, the sign of the value, is lost by erasure, -1 where it is gained."""
        before, answer, after = self.parts[2], self.rows.concept, self.parts[2].clone()
        for block in self.clusters.blocks:
            edited = self.value(self.erased(block), self.parts[1])
            after = torch.where(self.clusters.block == block, edited, after)
        return ((before > 0) == answer).double() - ((after > 0) == answer).double()

    def intervals(self) -> Iterator[tuple[str, Sequence[Interval]]]:
        """Name, and the interval of every sample."""
        x, _, before = self.parts
        refitted: dict[str, Callable[[int | None], Tensor]] = {
            "erasure": lambda block: self.cost(self.erased(block), self.clusters.kept(block)),
            "ablation, mean": lambda block: self.cost(
                self.covariance(self.clusters.kept(block))[0].expand_as(x), self.clusters.kept(block)
            ),
            "dose-response": self.slope,
        }
        for name, statistic in refitted.items():
            yield name, self.clusters.refitted(statistic)[1]
        yield "erasure, answers", list(map(self.clusters.mean, self.answers_lost()))
        around = (before - before.mean(1, keepdim=True)).square()
        zero, resampled = (self.change(edited).square() for edited in (torch.zeros_like(x), x[:, self.donor]))
        yield "ablation, zero", list(map(self.clusters.ratio, zero, around))
        yield (
            "ablation, resample",
            [self.clusters.ratio(*both, donor=self.donor) for both in zip(resampled, around, strict=True)],
        )
        yield from self.patched()

    def patched(self) -> Iterator[tuple[str, Sequence[Interval]]]:
        """The same for patching alone."""
        x, _, before = self.parts
        flipped = self.rows.flipped.double()
        counterfactual = self.value(flipped[..., :WIDTH], flipped[..., WIDTH])
        restored, change = self.value(x, flipped[..., WIDTH]) - counterfactual, before - counterfactual
        yield "patching", list(map(self.clusters.ratio, restored * change, change.square()))


def interventions(intervals: int, *, seed: int) -> Iterator[Checked]:
    """Erasure, ablation, patching, dose and response. Patching has half of the cases: linear values are restored alike.

    Raises :class:`ImprintError` when a batch does not give what the public functions give for its first sample.
    """
    for kind, shift in itertools.product(VALUES, (0.0, SHIFT)):
        truth, case = truths(kind, shift), f"{kind}, groups {'differ' if shift else 'alike'}"
        for number, (groups, size) in enumerate(SIZES):
            of = np.repeat(np.arange(groups), size)
            rng = torch.Generator().manual_seed(seed * 1000 + number)
            for again in range(2):
                rows = Rows.draw((-(-intervals // 8), groups, size), shift, rng=rng)
                draw = torch.Generator().manual_seed(seed)
                clusters = Clusters.of(len(of), of, rng=draw)
                batch = Batch(VALUES[kind], rows, clusters, derangement(len(of), of, rng=draw))
                for name, each in batch.patched() if again else batch.intervals():
                    if name != "patching" or kind in CURVED:
                        yield from (Checked(name, case, 1, groups, low, high, truth[name]) for low, high in each)
            check(batch, kind, of, seed=seed)


def check(batch: Batch, kind: str, groups: np.ndarray, *, seed: int) -> None:
    """Raise :class:`ImprintError` unless the public functions give the intervals of a batch's first sample."""
    subject, concept = Subject(Planted(kind).eval(), sites=["site"]), batch.rows.concept[0]
    found: dict[str, Interval] = {}
    for name, cost in (("erasure", squared_change), ("erasure, answers", accuracy_lost(concept))):
        row = erasure(subject, batch.rows.seen[0], concept, ["site"], cost=cost, **common(groups, seed)).iloc[0]
        found[name] = row["low"], row["high"]
    table = ablations(subject, batch.rows.seen[0], ["site"], **common(groups, seed))
    found |= {f"ablation, {row['how']}": (row["low"], row["high"]) for row in table.to_dict("records")}
    row = patching(subject, batch.rows.seen[0], batch.rows.flipped[0], ["site"], **common(groups, seed)).iloc[0]
    found["patching"] = row["low"], row["high"]
    sought = {"concept": concept, "strengths": STRENGTHS, **common(groups, seed)}
    dose = dose_response(subject, batch.rows.seen[0], "site", **sought)
    found["dose-response"] = dose.low, dose.high
    for name, (expected, *_) in batch.intervals():
        if not np.allclose(expected, found[name], atol=1e-4):
            raise ImprintError(f"{name} of {kind} is {found[name]}; the batch gives {expected}.")


def common(groups: np.ndarray, seed: int) -> dict[str, Any]:
    """Arguments that deal groups to blocks, and rows to donors, as the batch does."""
    return {"groups": groups, "placebos": 0, "rng": torch.Generator().manual_seed(seed)}
