"""Whether a learner's own predictions are worth anything, at birth and later.

A learner is trained by an objective that no concept label enters: to foretell what comes next. Whether its output is of
use is asked in the objective's own terms, with a choice between two: of a few held-out episodes it is given the last
frames as they were, and the last frames of others in the same batch. It chooses the one that its objective finds less
surprising. What is predicted at birth has random sign, so that over births it is right in half of the trials, however
the network is built; one newborn can be right, or wrong, more often, since it has one random answer to similar trials.
An empty memory recalls nothing and cannot tell the two apart, which counts as half. Newborns, of whom there must be
many, choose between pairs of episodes, and fewer times (:data:`NEWBORN`); the grown between sixteen (:data:`GROWN`).

Decodability is another matter: a *trained* readout gets much out of random features. No readout is trained here.

Letters: S seeds, n episodes, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.birth.bits import bits_of
from imprint.models.chance import generator
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience, cohort_of
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.setup.teaching import is_written


class Trials(NamedTuple):
    """What a learner is examined with."""

    episodes: int
    """Episodes of a trial."""
    times: int
    """Trials of each learner."""


NEWBORN, GROWN = Trials(2, 10), Trials(16, 20)


def plan_of(learner: str, rule: str | None) -> Setup:
    """The nursery with this learner and rule; None for one that writes."""
    kinds = {"learner": {"kind": learner}, "rule": rule and {"kind": rule}}
    return load_setup("nursery", changes=kinds, expect=Setup)


def rightly_chosen(cohort: Cohort, trials: Sequence[Tensor]) -> Tensor:
    """Part of the trials ``[S, n, T, C, H, W]`` in which the frames as they were surprise less, ``[S]``."""
    right = []
    with torch.no_grad():
        for shown in trials:
            other = shown.clone()
            other[:, :, -1] = shown[:, :, -1].roll(1, dims=1)
            losses = [cohort.call(each, method="objective")[0] for each in (shown, other)]
            right.append((losses[0] < losses[1]).float() + 0.5 * (losses[0] == losses[1]))
    return torch.stack(right).mean(0)


def trials_of(plan: Setup, learners: int, trials: Trials) -> list[Tensor]:
    """Held-out episodes ``[S, n, T, C, H, W]``, the same for every learner."""
    world, rng = plan.make_world(0).held_out(), generator("birth trials")
    shown = [world.sample(trials.episodes, rng=rng).observation for _ in range(trials.times)]
    return [each.expand(learners, *each.shape) for each in shown]


def measure_newborns(*, learner: str, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, seed and value: how often each newborn is right."""
    plan = plan_of(learner, None if is_written(learner) else "backprop")
    frame = frame_of(plan.make_world(0))
    newborns = [plan.make_learner(frame, rng=generator("newborn", seed)) for seed in seeds]
    right = rightly_chosen(cohort_of(plan, newborns, seeds), trials_of(plan, len(seeds), NEWBORN))
    say(1, 1, f"newborn {learner}")
    about = {"part": "newborn", "arm": learner, "measure": "right"}
    return pd.DataFrame([{**about, "seed": s, "value": v} for s, v in zip(seeds, right.tolist(), strict=True)])


def measure_grown(*, learner: str, rule: str | None, seeds: Sequence[int], experiences: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, seed and value: how often each learner is right when grown.

    Bits of the specification and of the weights, too, of learners that are taught by backpropagation or that write.
    """
    plan = plan_of(learner, rule)
    world = plan.make_world(0)
    learners = [plan.make_learner(frame_of(world), rng=generator("newborn", seed)) for seed in seeds]
    cohort, batch = cohort_of(plan, learners, seeds), plan.schedule.batch
    streams, arm = [Experience(world, batch, seed) for seed in seeds], f"{learner} by {rule or 'writing'}"
    for step in range(experiences // batch):
        cohort.learn(torch.stack([stream.next().observation for stream in streams]))
        say(step, experiences // batch, arm)
    right = rightly_chosen(cohort, trials_of(plan, len(seeds), GROWN)).tolist()
    numbers = [{"right": value} for value in right]
    if rule in ("backprop", None):
        spec, weights = bits_of(plan, cohort)
        numbers = [
            {**each, "specification": spec, "weights": bits, "ratio": spec / bits}
            for each, bits in zip(numbers, weights, strict=True)
        ]
    about = {"part": "grown", "arm": arm}
    rows: list[dict[str, Any]] = []
    for seed, found in zip(seeds, numbers, strict=True):
        rows += [{**about, "seed": seed, "measure": name, "value": value} for name, value in found.items()]
    return pd.DataFrame(rows)
