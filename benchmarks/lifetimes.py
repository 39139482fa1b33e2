"""Benchmark of sixteen stacked seeds of the default learner against sixteen single runs, one after another.

Stacking seeds saves the overhead of operations but no arithmetic. So the benchmark also counts the floating-point
operations of a training step, and compares the rate of a single run with that of matrix products on this machine, both
of the learner's matrix sizes and of large matrices, in the same run.

For stacks of one, three and six seeds it gives the processor time of a seed's step, the learner's alone and that of a
whole lifetime in turns, and what the learner's consists of: operations by kind, as torch's profiler times them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from operator import matmul
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import PRODUCTS, Row, arguments, at_least, in_words, matrix_product_rate, shares, show, timed
from imprint.models.chance import birth, generator
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

SEEDS = 16
SMALL = 4
"""Episodes per training step of a small batch."""
STACKS = (1, 3, 6)


def cohort_of(setup: Setup, seeds: range) -> tuple[Cohort, torch.Tensor]:
    """Untrained learners of the seeds, and one batch of experience for each."""
    world = setup.make_world(0)
    batches = [world.sample(setup.schedule.batch, rng=generator("experience", s)).observation for s in seeds]
    learners = [setup.make_learner(frame_of(world), rng=birth(s)) for s in seeds]
    return Cohort(learners, setup.schedule.learning_rate), torch.stack(batches)


def seconds_per_step(cohort: Cohort, observation: torch.Tensor, steps: int) -> float:
    """Median processor time of a training step, after two to warm up."""
    for _ in range(2):
        cohort.learn(observation)
    return statistics.median(timed(lambda: cohort.learn(observation))[1].cpu for _ in range(steps))


def learner_shaped_rate(setup: Setup) -> float:
    """GFLOP per CPU second of matrix products of the learner's shapes, for the forward pass and both gradients."""
    world = setup.make_world(0)
    learner: Any = setup.make_learner(frame_of(world), rng=birth(0))
    rows = setup.schedule.batch * frame_of(world).steps
    positions = learner.dense.in_features // learner.convolution.out_features
    total, spent = 0.0, 0.0
    for name, weight in learner.named_parameters():
        if weight.ndim != 2:
            continue
        n = rows * positions if name.startswith("convolution") else rows
        x, w, g = torch.randn(n, weight.shape[1]), weight.detach(), torch.randn(n, weight.shape[0])
        for product in (partial(matmul, x, w.T), partial(matmul, g, w), partial(matmul, g.T, x)):
            spent += min(timed(product)[1].cpu for _ in range(6))
            total += 2.0 * n * weight.numel()
    return total / spent / 1e9


def both_ways(setup: Setup, steps: int) -> tuple[float, float]:
    """Seconds of one training step of all seeds: one after another, and stacked."""
    alone = [cohort_of(setup, range(seed, seed + 1)) for seed in range(SEEDS)]
    together = cohort_of(setup, range(SEEDS))
    return sum(seconds_per_step(*single, steps) for single in alone), seconds_per_step(*together, steps)


def by_stack(setup: Setup, seeds: int, steps: int) -> list[Row]:
    """Processor time of a seed's step in a stack of so many seeds: of the learner, and of a whole lifetime."""
    cohort, observation = cohort_of(setup, range(seeds))
    lifetime = LearnerLifetime(setup, range(seeds), RunFolder(Path("unused")))
    jobs: dict[str, Callable[[], Any]] = {
        "the learner alone": partial(cohort.learn, observation),
        "experience, signals, assessor": lifetime.step,
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(4 * steps):
        for name, job in jobs.items():
            times[name].append(timed(job)[1].cpu * 1e3 / seeds)
    found = shares(jobs["the learner alone"], steps)
    rows = []
    for name, each in times.items():
        low, middle, _ = statistics.quantiles(each[2:], n=4)
        rows.append(Row(f"a seed's step, {seeds} stacked, {name}", low, "ms CPU", note=f"median {middle:.2f}"))
    return [*rows, Row(f"{PRODUCTS}, {seeds} stacked", found[PRODUCTS], "of it", note=in_words(found))]


def main() -> None:
    """Time both ways and print the ratio."""
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    setup, steps = load_setup("nursery", expect=Setup), 3 if options.quick else 12
    one_by_one, stacked = both_ways(setup, steps)
    small_one_by_one, small_stacked = both_ways(
        load_setup("nursery", changes={"schedule.batch": SMALL}, expect=Setup), steps
    )
    cohort, batch = cohort_of(setup, range(1))
    with FlopCounterMode(display=False) as counter:
        cohort.learn(batch)
    operations = counter.get_total_flops()
    rate = operations / (one_by_one / SEEDS) / 1e9
    peak, shaped = matrix_product_rate(), learner_shaped_rate(setup)
    stacks = [row for seeds in STACKS for row in by_stack(setup, seeds, steps)]
    small_note = "small steps are mostly overhead of operations, which stacking saves"
    show(
        f"lifetimes: {SEEDS} seeds of the default learner, one step of {setup.schedule.batch} episodes each",
        [
            Row("one after another", one_by_one * 1e3, "ms"),
            Row("together", stacked * 1e3, "ms"),
            at_least(3, "ratio", one_by_one / stacked, "x"),
            Row(f"ratio with {SMALL} episodes a step", small_one_by_one / small_stacked, "x", note=small_note),
            Row("operations in one step of one run", operations / 1e6, "MFLOP"),
            Row("rate of one run alone", rate, "GFLOP/s"),
            Row("matrix products of the learner's shapes", shaped, "GFLOP/s", note="upper bound for the learner"),
            Row("matrix products of 1536 x 1536", peak, "GFLOP/s"),
            Row("one run alone / its shapes' rate", rate / shaped, "", note="near 1: stacking cannot help"),
            *stacks,
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
