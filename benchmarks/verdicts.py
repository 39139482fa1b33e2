"""Simulation of the verdicts of ``locate``: how often it says what is not so, and how often what is.

Activations and labels are drawn with the truth known. A *cell* is one concept at one site; where cells are counted one
by one, they are called present at p < .05. ``before`` is the rule that compares a score with twenty shuffles within
groups by Student's t, from the same readings. Parts: ``nulls`` (rows that follow one another), ``rare`` (rare
classes), ``power``, ``uniform`` (p-values of independent noise), ``twins``, ``confounded``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from threadpoolctl import threadpool_limits

from benchmarks.measure import Row, at_least, at_most, show
from imprint.analyses.locate.judging import judge
from imprint.analyses.locate.locate import locate
from imprint.analyses.locate.material import Material, Plan
from imprint.analyses.locate.nulls import FEWEST
from imprint.analyses.locate.reading import Reading
from imprint.analyses.statistics import benjamini_hochberg
from imprint.probes.readouts.ridge import Ridge

WIDTH, CONCEPTS, NULLS = 16, 10, 20
SLOW = {
    "AR(.95), 10 x 40": (0.95, 10, 40),
    "AR(.95), 40 x 40": (0.95, 40, 40),
    "AR(.9), 20 x 40": (0.9, 20, 40),
    "AR(.8), 40 x 20": (0.8, 40, 20),
    "switch, random walk, 20 x 40": (1.0, 20, 40),
    "switch, random walk, 100 x 20": (1.0, 100, 20),
}
"""Null -> coefficient of the autoregression (1: a random walk, and labels that switch on once), groups, rows each."""


def walks(coefficient: float, groups: int, rows: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Autoregressive series ``[groups * rows, width]`` in groups, from stationarity; a random walk from 0."""
    steps = rng.normal(size=(rows, groups, width))
    if coefficient < 1:
        steps[1:] *= np.sqrt(1 - coefficient**2)
    for t in range(1, rows):
        steps[t] += coefficient * steps[t - 1]
    return steps.transpose(1, 0, 2).reshape(groups * rows, width)


def slow(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations, :data:`CONCEPTS` independent labels and groups of one null."""
    coefficient, groups, rows = SLOW[name]
    x = walks(coefficient, groups, rows, WIDTH, rng)
    if coefficient < 1:
        labels = walks(coefficient, groups, rows, CONCEPTS, rng) > 0
    else:
        on = rng.integers(1, rows, size=(groups, 1, CONCEPTS))
        labels = (np.arange(rows)[None, :, None] >= on).reshape(groups * rows, CONCEPTS)
    return x, labels, np.repeat(np.arange(groups), rows)


def readings(x: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, seed: int, cells: int = 1) -> list[Reading]:
    """Readings as ``locate`` makes them, of labels ``[n, C]``, each one of ``cells`` that are corrected together."""
    rng = np.random.default_rng(seed)
    of_row = np.arange(len(x), dtype=np.int64) if groups is None else groups.astype(np.int64)
    plan = Plan(of_row, Ridge(), NULLS, 5, 0.05, 200)
    table = pd.DataFrame(labels, columns=[f"c{i}" for i in range(labels.shape[1])])
    material = Material({"s": torch.from_numpy(x.astype(np.float32))}, {}, {})
    evidence = material.evidence(plan.targets(table, rng, cells=cells))
    return [e.reading for e in evidence.values()]


def before(reading: Reading) -> float:
    """P of the earlier rule."""
    nulls = reading.nulls[:NULLS]
    error = nulls.std(ddof=1) * np.sqrt(1 + 1 / len(nulls))
    return float(stats.t.sf((reading.score - nulls.mean()) / error, df=len(nulls) - 1))


def rates(draw: Callable[[int], list[Reading]], count: int, level: float = 0.05) -> tuple[float, float, int]:
    """Part of ``count`` cells, at least, with p below a level, by the rule and by the earlier one; how many cells."""
    now: list[float] = []
    then: list[float] = []
    seed = 0
    while len(now) < count:
        for reading in draw(seed):
            now.append(reading.p_null)
            then.append(before(reading))
        seed += 1
    return float((np.array(now) < level).mean()), float((np.array(then) < level).mean()), len(now)


def _slow_readings(name: str, key: tuple[int, ...], seed: int) -> list[Reading]:
    return readings(*slow(name, np.random.default_rng((*key, seed))), seed)


def nulls(count: int, seed: int) -> Iterator[Row]:
    """Labels and activations that follow one another within groups, and have nothing to do with one another."""
    for i, name in enumerate(SLOW):
        now, then, cells = rates(partial(_slow_readings, name, (seed, 1, i)), count)
        yield at_most(0.07, f"false present, {name}", now, "", note=f"before {then:.3f}; {cells} cells")


def power(count: int, seed: int) -> Iterator[Row]:
    """A planted effect, in independent rows and in rows that follow one another."""

    def independent(s: int) -> list[Reading]:
        rng = np.random.default_rng((seed, 2, s))
        x, y = rng.normal(size=(300, WIDTH)), rng.random(300) < 0.5
        x[:, 0] += 0.55 * y
        return readings(x, y[:, None], None, s)

    def grouped(s: int) -> list[Reading]:
        rng = np.random.default_rng((seed, 3, s))
        x, y, groups = rng.normal(size=(400, WIDTH)), rng.random(400) < 0.5, np.repeat(np.arange(20), 20)
        x += 0.3 * rng.normal(size=(20, WIDTH))[groups]
        x[:, 0] += 0.5 * y
        return readings(x, y[:, None], groups, s)

    def followed(s: int) -> list[Reading]:
        rng = np.random.default_rng((seed, 4, s))
        x, labels, groups = slow("AR(.8), 40 x 20", rng)
        x[:, 0] += 0.9 * labels[:, 0]
        return readings(x, labels[:, :1], groups, s)

    for name, draw in (("independent rows", independent), ("groups", grouped), ("AR(.8), 40 x 20", followed)):
        now, then, cells = rates(draw, count)
        note = f"before {then:.3f}; {cells} cells"
        yield at_most(0.05, f"power given away, {name} (now {now:.3f})", then - now, "", note=note)


def uniform(count: int, seed: int) -> Iterator[Row]:
    """Independent noise, with and without groups."""
    for i, groups in enumerate((None, np.repeat(np.arange(30), 10))):

        def draw(s: int, i: int = i, groups: Any = groups) -> list[Reading]:
            rng = np.random.default_rng((seed, 5, i, s))
            return readings(rng.normal(size=(300, WIDTH)), rng.random((300, CONCEPTS)) < 0.5, groups, s)

        now, then, cells = rates(draw, count)
        name = "groups" if i else "rows"
        yield at_most(0.06, f"p < .05 of independent noise, {name}", now, "", note=f"before {then:.3f}; {cells} cells")


def rare(grids: int, seed: int) -> Iterator[Row]:
    """Grids of 100 cells of noise, 4 to 12 positives of 400."""
    for positives in (4, 7, 10, 12):
        wrong, p = 0, np.empty((grids, 100))
        for s in range(grids):
            rng = np.random.default_rng((seed, 6, positives, s))
            labels = np.stack([rng.permutation(400) < positives for _ in range(20)], axis=1)
            every = [r for _ in range(5) for r in readings(rng.normal(size=(400, WIDTH)), labels, None, s, cells=100)]
            p[s] = [r.p_null for r in every]
            wrong += positives >= FEWEST and bool((benjamini_hochberg(p[s]) < 0.05).any())
        note = f"p < .001 in {(p < 1e-3).mean():.4f} of {p.size} cells"
        yield at_most(0.07, f"grids of noise with a present, {positives} positives", wrong / grids, "", note=note)


COUNTS = tuple(range(1, 9))
"""Numbers of twins."""


def words_with_twins(x: np.ndarray, twins: list[np.ndarray], labels: pd.DataFrame, groups: np.ndarray) -> np.ndarray:
    """Words ``[COUNTS, concepts]`` with some of the twins."""
    rng = np.random.default_rng(0)
    plan = Plan(groups, Ridge(), NULLS, 5, 0.05, 400)
    tensors = [torch.from_numpy(a.astype(np.float32)) for a in (x, *twins)]
    evidence = Material({"s": tensors[0]}, {"s": tensors[1:]}, {}).evidence(plan.targets(labels, rng, cells=3))
    words = []
    for count in COUNTS:
        cells = {c: [replace(e, untrained=e.untrained[:count])] for c, e in evidence.items() if e.untrained is not None}
        words.append(list(judge(cells, {}, alpha=0.05, resamples=400, rng=rng)["verdict"]))
    return np.array(words)


def twins(draws: int, seed: int) -> Iterator[Row]:
    """Networks against one to eight randomly initialised twins: some learned, some are random themselves."""
    learned, random = [], []
    for s in range(draws):
        rng = np.random.default_rng((seed, 7, s))
        groups = np.repeat(np.arange(20), 60)
        labels = rng.permuted(np.repeat([[True], [False]], 10, axis=1).repeat(3, axis=0).reshape(3, 20), axis=1).T
        noise = rng.normal(size=(9, 20, WIDTH))[:, groups] + rng.normal(size=(9, len(groups), WIDTH))
        noise[0, :, :3] += 4.0 * labels[groups]
        table = pd.DataFrame(labels[groups], columns=list("abc"))
        learned.append(words_with_twins(noise[0], list(noise[1:]), table, groups))
        y = rng.random((2000, 3)) < 0.5
        hidden = rng.normal(size=(2000, 24))
        hidden[:, :3] += 1.5 * y
        nets = [np.maximum(hidden @ rng.normal(size=(24, 32)), 0) for _ in range(9)]
        of_row = np.repeat(np.arange(100), 20)
        random.append(words_with_twins(nets[0], nets[1:], pd.DataFrame(y, columns=list("abc")), of_row))
    for i, count in enumerate(COUNTS):
        present, given, false = (
            float(np.mean([(words[i] == word).mean() for words in all_words]))
            for all_words, word in ((learned, "present"), (random, "given untrained"), (random, "present"))
        )
        yield at_least(0.95, f"learned is present, {count} twins", present, "", note=f"{draws} draws of 3 concepts")
        yield at_least(0.9, f"random is given untrained, {count} twins", given, "")
        yield at_most(0.05, f"random is present, {count} twins", false, "")
    present_at = np.array(learned) == "present"
    falls = float(-np.diff(present_at.mean((0, 2))).min())
    fallen = float((present_at[:, :-1] & ~present_at[:, 1:]).any(1).mean())
    note = f"in {fallen:.4f} of the concepts some twin makes the word weaker"
    yield at_most(0.0, "largest fall of P(learned is present) as a twin is added", max(falls, 0.0), "", note=note)


def confounded(draws: int, seed: int) -> Iterator[Row]:
    """Concept b is there and goes with a (equal in .9 of the rows); a is there itself, or not."""
    for name, effect, wanted in (("only b is there", 0.0, "given b"), ("both are there", 2.0, "present")):
        named = {"asked for": 0, "found by itself": 0}
        scores = []
        for s in range(draws):
            rng = np.random.default_rng((seed, 8, int(effect), s))
            a = rng.random(2000) < 0.5
            b = np.where(rng.random(2000) < 0.9, a, ~a)
            x = rng.normal(size=(2000, WIDTH))
            x[:, 0] += 2.6 * b
            x[:, 1] += effect * a
            table = pd.DataFrame({"a": a, "b": b})
            asked = locate({"s": x}, table, given="b", resamples=400, seed=s).iloc[0]
            itself = locate({"s": x}, table, resamples=400, seed=s).iloc[0]
            named["asked for"] += asked["verdict"] == wanted
            named["found by itself"] += itself["verdict"] == wanted and "goes with b" in itself["why"]
            scores.append((itself["score"], asked["score"]))
        plain, within = np.mean(scores, axis=0)
        for how, count in named.items():
            note = f"{draws} draws; score {plain:.3f}, within strata of b {within:.3f}"
            yield at_least(0.9, f"a is {wanted}, {name}, {how}", count / draws, "", note=note)


PARTS: dict[str, tuple[Callable[[int, int], Iterator[Row]], int]] = {
    "nulls": (nulls, 400),
    "power": (power, 400),
    "uniform": (uniform, 2000),
    "rare": (rare, 100),
    "twins": (twins, 200),
    "confounded": (confounded, 20),
}
"""Part -> what it does and how many cells, grids or draws it usually takes."""


def main() -> None:
    """Print the table of the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--count", type=int, help="cells, grids or draws of every row of the table")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for name in options.parts:
            part, usual = PARTS[name]
            show(name, list(part(options.count or usual, options.seed)), as_json=options.json)


if __name__ == "__main__":
    main()
