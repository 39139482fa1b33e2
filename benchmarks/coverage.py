"""Benchmark of intervals: how often 95 % intervals of probes and interventions hold the truth.

``python benchmarks/coverage.py [--intervals 1400] [--only interventions] [--seed 0]`` prints one line per kind of
interval, number of training seeds and number of groups: the coverage, its own exact interval, and the coverage of the
worst case in it. Cases differ in the value (linear, oblique to the concept, clipped, rectified) and in whether groups
have effects of their own. What is true is the same statistic of a population of half a million rows, computed here
without the code that is judged; for cross-validated scores, which have no formula, it is the mean over all samples.

Samples of a case are drawn together, and every network is as small as its case allows, so that the whole takes minutes.

Letters: R repeats, G groups, n rows, d width, S seeds.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.locate.evidence import summarise
from imprint.analyses.locate.floors import Evidence, Resampling
from imprint.analyses.locate.probe_quality import control_task
from imprint.analyses.locate.reading import Reading, Target, read, target_of
from imprint.analyses.statistics import rate_of
from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import Attribution
from imprint.probes.causal.edit_runs import accuracy_lost, squared_change
from imprint.probes.causal.experiments import ablations, dose_response, erasure, patching
from imprint.probes.interventions.ablate import derangement
from imprint.probes.readouts.base import Readout
from imprint.probes.readouts.k_sparse import KSparse
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.clusters import Clusters, Interval
from imprint.probes.samples.controls import folds_of
from imprint.probes.scoring.attributions import pointing
from imprint.probes.subjects.subject import Subject

SIZES = ((15, 20), (200, 3))
"""(groups, rows of each)."""
WIDTH, READ = 12, 16
"""Width of the edited site, and of the activations that are read."""
NOISE, SHIFT = 0.5, 0.5
"""Standard deviations of the concept's reading within its values, and of the effects of groups."""
POPULATION = 25_000
"""Groups of 20 rows from which truths follow."""
STRENGTHS = (-1.0, 1.0)
SEEDS = (1, 3, 6, 8)
CONCEPTS, NULLS, TWINS, RESAMPLES = 4, 10, 3, 300


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


# -- interventions ---------------------------------------------------------------------------------------------------

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

    def answers_lost(self, block: int | None) -> Tensor:
        """Part ``[R]`` of the rows whose right answer, the sign of the value, is lost by erasure, less those gained."""
        before, answer, erased = self.parts[2], self.rows.concept, self.erased(block)
        right = [((each > 0) == answer).double() for each in (before, self.value(erased, self.parts[1]))]
        return (right[0] - right[1])[:, self.clusters.kept(block)].mean(1)

    def intervals(self) -> Iterator[tuple[str, Sequence[Interval]]]:
        """Name, and the interval of every sample."""
        x, _, before = self.parts
        refitted: dict[str, Callable[[int | None], Tensor]] = {
            "erasure": lambda block: self.cost(self.erased(block), self.clusters.kept(block)),
            "erasure, answers": self.answers_lost,
            "ablation, mean": lambda block: self.cost(
                self.covariance(self.clusters.kept(block))[0].expand_as(x), self.clusters.kept(block)
            ),
            "dose-response": self.slope,
        }
        for name, statistic in refitted.items():
            yield name, self.clusters.refitted(statistic)[1]
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


# -- attributions ----------------------------------------------------------------------------------------------------


def attributions(intervals: int, *, seed: int) -> Iterator[Checked]:
    """Pointing: how often the top element lies inside the mask, when groups differ and when they do not."""
    rng = np.random.default_rng((seed, 1))
    mask = torch.tensor([[True, False, False]])
    for groups, size in SIZES:
        given = np.repeat(np.arange(groups), size)
        for shift in (0.0, 1.0):
            rates = 1 / (1 + np.exp(-(0.8 + shift * rng.normal(size=10**6))))
            for each in rng.choice(rates, size=(-(-intervals // 2), groups)):
                hits = rng.random(groups * size) < each.repeat(size)
                values = torch.from_numpy(np.stack([hits, ~hits, np.zeros_like(hits)], 1)).float()
                n = len(values)
                shown = Attribution(values, torch.ones(n), torch.zeros(n), torch.zeros(1, 3))
                found = pointing(shown, mask.expand(n, 3), groups=given)
                case = f"groups {'differ' if shift else 'alike'}"
                yield Checked("pointing", case, 1, groups, found.low, found.high, float(rates.mean()))


# -- probe scores ----------------------------------------------------------------------------------------------------


READOUTS = {"ridge": Ridge((1e-2,)), "k_sparse": KSparse()}
"""Ridge with one penalty, since how the penalty is chosen is not what is judged here."""


def probes(intervals: int, *, seed: int, readout: str) -> Iterator[Checked]:
    """Scores and selectivities of probes over seeds and groups."""
    for shift, (groups, size) in itertools.product((0.0, 1.0), SIZES):
        case = f"groups {'differ' if shift else 'alike'}"
        repeats = -(-intervals // (2 * CONCEPTS))
        rng = np.random.default_rng((seed, groups, int(shift)))
        several, alone = (
            [_readings(READOUTS[readout], (groups, size), shift, rng, seeds=seeds) for _ in range(repeats)]
            for seeds in (SEEDS[-1], 1)
        )
        for seeds in SEEDS:
            yield from _centred(
                [
                    (f"{quantity}, {readout}", case, seeds, groups, *numbers)
                    for evidence in (alone if seeds == 1 else several)
                    for quantity, numbers in _summaries(evidence, seeds, rng)
                ]
            )


def _readings(
    readout: Readout, size: tuple[int, int], shift: float, rng: np.random.Generator, *, seeds: int
) -> list[list[Evidence]]:
    """Evidence ``[concept][seed]`` of networks that differ in how strongly they show each concept.

    A single network does not differ from itself over samples: the truth is its own score.
    """
    groups, rows = size
    of = np.repeat(np.arange(groups), rows)
    labels = pd.DataFrame({f"c{c}": rng.random(len(of)) < 0.5 for c in range(CONCEPTS)})
    targets = [target_of(name, labels[name], of, nulls=NULLS, rng=rng) for name in labels]
    fold, ease = folds_of(of, 5, rng), np.exp(0.5 * shift * rng.normal(size=(groups, CONCEPTS)))[of]
    raw = (2.0 * labels.to_numpy() - 1) * ease

    def activations(strength: float) -> Tensor:
        differs = 0.3 * (seeds > 1) * rng.normal(size=CONCEPTS)[:, None]
        shown = strength * np.exp(differs) * _directions(rng)
        offsets = shift * 0.5 * rng.normal(size=(groups, READ))[of]
        return torch.from_numpy((raw @ shown + offsets + rng.normal(size=(len(of), READ))).astype(np.float32))

    def reading(strength: float, chosen: list[Target]) -> list[Reading]:
        return read(activations(strength), chosen, readout, fold=fold, groups=of)

    real = [target.real() for target in targets]
    twins = [[r.sums for r in reading(0.3, real)] for _ in range(TWINS)]
    networks = [reading(0.8, targets) for _ in range(seeds)]
    return [
        [Evidence(each[c], np.stack([twin[c] for twin in twins]), None) for each in networks] for c in range(CONCEPTS)
    ]


def _directions(rng: np.random.Generator) -> np.ndarray:
    """Directions ``[CONCEPTS, READ]`` that a few units show; the same for all seeds up to the order of units."""
    weight = np.exp(-np.arange(READ) / 3.0)
    order = np.stack([rng.permutation(READ) for _ in range(CONCEPTS)])
    return (weight / np.linalg.norm(weight))[order] * rng.choice((-1.0, 1.0), (CONCEPTS, READ))


def _summaries(
    evidence: list[list[Evidence]], seeds: int, rng: np.random.Generator
) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Quantity -> estimate, low and high of every concept."""
    draws = Resampling.draw(seeds, len(evidence[0][0].reading.sums), TWINS, resamples=RESAMPLES, rng=rng)
    for of_concept in evidence:
        found = summarise(of_concept[:seeds], draws)
        yield "score", (found.score, found.low, found.high)
        yield "selectivity", (found.selectivity, found.selectivity_low, found.selectivity_high)


def controls(intervals: int, *, seed: int) -> Iterator[Checked]:
    """Control tasks: score, score of random labels by type, and their difference, for types shared and held out."""
    for types, size in ((20, 15), *SIZES[1:]):
        rng = np.random.default_rng((seed, types, 3))
        found = []
        for _ in range(-(-intervals // 2)):
            of = np.repeat(np.arange(types), size)
            label = (rng.permutation(types) < types // 2)[of]
            x = rng.normal(size=(types, READ))[of] * 0.5 + rng.normal(size=(len(of), READ))
            x[:, 0] += 0.8 * label
            task = control_task(x, label, of, readout=READOUTS["ridge"], resamples=RESAMPLES, rng=rng)
            for design, part in (("shared", task.shared), ("held out", task.held_out)):
                for name, number in zip(("score", "control", "selectivity"), vars(part).values(), strict=True):
                    about = (f"control task, {name}", f"types {design}", 1, types)
                    found.append((*about, number.value, number.low, number.high))
        yield from _centred(found)


def _centred(found: list[tuple[str, str, int, int, float, float, float]]) -> Iterator[Checked]:
    """Intervals of scores, whose truth is the mean of the estimates of their kind."""
    table = pd.DataFrame(found, columns=["interval", "case", "seeds", "groups", "estimate", "low", "high"])
    for _, part in table.groupby(["interval", "case", "seeds", "groups"], sort=False):
        mean = float(part["estimate"].mean())
        for row in part.drop(columns="estimate").to_dict("records"):
            yield Checked(**{str(name): value for name, value in row.items()}, truth=mean)


# -- the table -------------------------------------------------------------------------------------------------------

STUDIES: dict[str, Callable[..., Iterator[Checked]]] = {
    "interventions": interventions,
    "attributions": attributions,
    **{readout: partial(probes, readout=readout) for readout in READOUTS},
    "controls": controls,
}


def table_of(checked: list[Checked]) -> pd.DataFrame:
    """Coverage by interval, seeds and groups, with the worst case of each; intervals that were refused are counted."""
    table = pd.DataFrame([vars(c) for c in checked])
    table["refused"] = table["low"].isna()
    table["held"] = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    rows = []
    for (interval, seeds, groups), part in table.groupby(["interval", "seeds", "groups"], sort=False):
        known = part[~part["refused"]]
        rate, by_case = rate_of(int(known["held"].sum()), len(known)), known.groupby("case")["held"].mean()
        worst = by_case.idxmin() if len(by_case) else ""
        about = {"interval": interval, "seeds": seeds, "groups": groups, **rate.row("coverage", count="intervals")}
        width = float((known["high"] - known["low"]).mean())
        refused = int(part["refused"].sum())
        rows.append({**about, "refused": refused, "width": width, "least": by_case.min(), "worst case": worst})
    return pd.DataFrame(rows)


def main() -> None:
    """Draw, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intervals", type=int, default=1400, help="intervals of each kind, seeds and groups")
    parser.add_argument("--only", choices=STUDIES, help="one part of the study")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in [options.only] if options.only else STUDIES:
        started = time.process_time()
        table = table_of(list(STUDIES[name](options.intervals, seed=options.seed)))
        print(table.to_string(index=False, float_format=lambda number: f"{number:.3f}"))
        print(f"{name}: {time.process_time() - started:.0f} CPU-seconds\n", flush=True)


if __name__ == "__main__":
    main()
