"""Sixteen seeds of the default learner together against one after another, and against what the machine can do.

Stacking seeds saves the cost of starting operations; it cannot save arithmetic. So the benchmark also counts the floating
point operations of one step and compares the rate of *one run alone* with the machine's own matrix-product rate, at the
matrix sizes the learner uses and at large ones, measured in the same run.
"""

from __future__ import annotations

import statistics

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Row, arguments, matrix_product_rate, show, timed
from imprint.models.cohort import Cohort
from imprint.models.lifetime import birth, generator
from imprint.models.setup import Setup, frame_of, load_setup

SEEDS = 16


def cohort_of(setup: Setup, seeds: range) -> tuple[Cohort, torch.Tensor]:
    """Newborns and one batch each."""
    world = setup.make_world()
    batches = [world.sample(setup.schedule.batch, rng=generator("experience", s)).observation for s in seeds]
    return Cohort(setup, frame_of(world), [birth(s) for s in seeds]), torch.stack(batches)


def seconds_per_step(cohort: Cohort, observation: torch.Tensor, steps: int) -> float:
    """Median wall time of a step, after two to warm up."""
    for _ in range(2):
        cohort.learn(observation)
    return statistics.median(timed(lambda: cohort.learn(observation))[1].wall for _ in range(steps))


def learner_shaped_rate(setup: Setup) -> float:
    """GFLOP per second of plain matrix products of the learner's own shapes, forward and both gradients."""
    world = setup.make_world()
    learner = setup.make_learner(frame_of(world), rng=birth(0))
    rows = setup.schedule.batch * frame_of(world).steps
    total, spent = 0.0, 0.0
    for name, weight in learner.named_parameters():
        if weight.ndim != 2:
            continue
        n = (
            rows * (learner.dense.in_features // learner.convolution.out_features)
            if name.startswith("convolution")
            else rows
        )
        x, w, g = torch.randn(n, weight.shape[1]), weight.detach(), torch.randn(n, weight.shape[0])
        for product in (lambda: x @ w.T, lambda: g @ w, lambda: g.T @ x):
            spent += min(timed(product)[1].wall for _ in range(6))
            total += 2.0 * n * weight.numel()
    return total / spent / 1e9


def main() -> None:
    """Time both ways, in turns, and print the ratio."""
    options = arguments(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    setup, steps = load_setup("nursery"), 3 if options.quick else 12
    together, alone = cohort_of(setup, range(SEEDS)), [cohort_of(setup, range(s, s + 1)) for s in range(SEEDS)]
    four = cohort_of(setup, range(setup.schedule.together))
    one_by_one = sum(seconds_per_step(*one, steps) for one in alone)
    stacked = seconds_per_step(*together, steps)
    few = seconds_per_step(*four, steps) / setup.schedule.together
    with FlopCounterMode(display=False) as counter:
        alone[0][0].learn(alone[0][1])
    rate = counter.get_total_flops() / (one_by_one / SEEDS) / 1e9
    peak, shaped = matrix_product_rate(), learner_shaped_rate(setup)
    ratio = one_by_one / stacked
    show(
        f"lifetimes: {SEEDS} seeds of the default learner, one step of {setup.schedule.batch} episodes each",
        [
            Row("one after another", one_by_one * 1e3, "ms"),
            Row("together", stacked * 1e3, "ms"),
            Row("ratio", ratio, "x", "at least 3", ratio >= 3),
            Row(f"{setup.schedule.together} together (the setup's own size), per seed", few * 1e3, "ms"),
            Row("operations in one step of one run", counter.get_total_flops() / 1e6, "MFLOP"),
            Row("rate of one run alone", rate, "GFLOP/s"),
            Row("matrix products of the learner's own shapes", shaped, "GFLOP/s", note="the most any way of running it can reach"),
            Row("matrix products of 1536 x 1536", peak, "GFLOP/s"),
            Row("one run alone, as part of its own shapes' rate", rate / shaped, "", note="near 1: compute-bound, stacking cannot help"),
        ],
        as_json=options.json,
    )  # fmt: skip


if __name__ == "__main__":
    main()
