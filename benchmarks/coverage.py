"""Benchmark of intervals: how often 95 % intervals of probes and interventions hold the truth.

``python -m benchmarks.coverage [--intervals 1400] [--only interventions] [--seed 0]`` prints one line per kind of
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
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.edited import SIZES, Checked, interventions
from imprint.analyses.locate.evidence import summarise
from imprint.analyses.locate.floors import Evidence, Resampling
from imprint.analyses.locate.plan.target import Target, target_of
from imprint.analyses.locate.probe_quality import control_task
from imprint.analyses.locate.reading import Reading, read
from imprint.analyses.statistics import rate_of
from imprint.probes.attributions.base import Attribution
from imprint.probes.readouts.base import Readout
from imprint.probes.readouts.k_sparse import KSparse
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import folds_of
from imprint.probes.scoring.attributions import pointing

READ = 16
"""Width of the activations that are read."""
SEEDS = (1, 3, 6, 8)
CONCEPTS, NULLS, TWINS, RESAMPLES = 4, 10, 3, 300


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
    targets = [target_of(name, labels[name], of, nulls=NULLS, rng=rng) for name in map(str, labels)]
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
