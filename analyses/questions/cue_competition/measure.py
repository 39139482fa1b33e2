"""The suite on learned latents: learners that grew up in the world of the cues, and assessors that read along.

A learner grows up by its own objective on trials in which cues, contexts and outcomes are drawn independently, so that
nothing predicts anything. Then a copy of it goes through the schedule of each group
(:mod:`imprint.analyses.questions.cue_competition.suite`), a trial a step, seen by a litter of :data:`LITTER` who see it
in another light each, and assessors read its latents:

    short-term      the next step's reward, at the last cue, by the delta rule         (assessor ``valence``)
    long-term       temporal differences over all steps of a trial                     (assessor ``long_term``, ``sum``)
    scorecard       a long-term column for each need, taught with its outcome, and a homeostat that foresees relief

The reward is the relief of a homeostat with a set point of 1 for food and salt. Learners:

    growing    it goes on learning by its own objective while it is conditioned
    grown      its latents stay as they were
    newborn    initial weights, which stay (untrained control)
    shuffled   as growing, but at each trial every group gets what follows in a group drawn at random (shuffled control)

Each seed has looks of its own. Assessors have seen the latents of the learner's youth, unrewarded; their running
standardisation is on, as in every setup.

Letters: S seeds, G groups, p presentations of a litter, K tests, q presentations of a test, T steps, D latent width.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.cue_competition.closed_form import DISCOUNT, INTAKE, RULES, WORTH, assessed, closed
from imprint.analyses.questions.cue_competition.suite import (
    BASELINE,
    EFFECTS,
    END,
    GROUPS,
    MARKS,
    NEEDS,
    REVALUED,
    TESTS,
    effect,
    in_order,
    whole,
)
from imprint.models.assessors.base import Assessor
from imprint.models.assessors.long_term import LongTerm
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learners.base import LEARNERS, Frame, Learner
from imprint.models.learning.cohort import Cohort
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.homeostat import Homeostat
from imprint.models.worlds.conditioning.world import Conditioning

ARMS = ("growing", "grown", "newborn", "shuffled")
LEARNING = ("growing", "shuffled")
LITTER, LOOKS, YOUTH, BATCH = 4, 24, 4096, 32
"""Presentations of a trial, and of a test; different trials of a youth, and how many of them are seen at once."""
POINTS = {f"{need}_level": 1.0 for need in NEEDS}
LINEAR = {"power": 1.0, "root": 1.0, "high": 100.0, "weights": dict.fromkeys(POINTS, WORTH)}
FELT = Homeostat(
    Homeostat.Settings(name="relief", set_points=POINTS, before={f"{n}_level": f"{n}_before" for n in NEEDS}, **LINEAR)
)
FORESEEN = Homeostat(
    Homeostat.Settings(name="hope", set_points=POINTS, expected={f"{n}_level": n for n in NEEDS}, gain=INTAKE, **LINEAR)
)
Readings = dict[tuple[str, str, int], Tensor]
"""(group, test, mark) -> V ``[S]``."""


class Settled(NamedTuple):
    """How learners are made and how fast everything learns."""

    learner: str
    options: Mapping[str, Any]
    experiences: int
    learning_rate: float
    """Of the learner, in its youth and while it is conditioned."""
    rate: float
    """Of the assessors."""


class Shown(NamedTuple):
    """All trials of all groups of some seeds, and the tests."""

    trials: Tensor
    """``[120, S, G, p, T, C, H, W]``"""
    came: dict[str, Tensor]
    """Need -> units of its outcome, ``[120, S, G, p, T]``."""
    tests: Tensor
    """``[S, K q, T, C, H, W]``"""


def measure(
    *, seeds: Sequence[int], arms: Sequence[str], learner: str, options: Mapping[str, Any], experiences: int,
    learning_rate: float, rate: float, say: Say,
) -> pd.DataFrame:  # fmt: skip
    """Rows of learner (an arm), assessor, measure (an effect, or V of A when all is learned), seed and value."""
    plan = Settled(learner, options, experiences, learning_rate, rate)
    worlds = [
        Conditioning(Conditioning.Settings(schedule=whole(list(GROUPS.values())), look_seed=s, needs=NEEDS))
        for s in seeds
    ]
    say(0, len(arms) + 1, "youth")
    raised = {experiences: youth(plan, worlds, seeds, experiences), 0: youth(plan, worlds, seeds, 0)}
    shown = shown_to(worlds, seeds)
    rows: list[dict[str, Any]] = []
    for done, arm in enumerate(arms, 1):
        say(done, len(arms) + 1, f"conditioning, {arm}")
        young = raised[0 if arm == "newborn" else experiences]
        for (assessor, name), sizes in conditioned(arm, plan, young, shown, seeds).items():
            rows += [
                {"learner": arm, "assessor": assessor, "measure": name, "seed": seed, "value": float(value)}
                for seed, value in zip(seeds, sizes, strict=True)
            ]
    return pd.DataFrame(rows)


def oracle(*, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows as of :func:`measure`, learner ``planted``: effects by each rule, and how far an assessor is from them."""
    rows: list[dict[str, Any]] = []
    for done, rule in enumerate(RULES):
        say(done, len(RULES), f"closed form, {rule}")
        exact, found = closed(rule), assessed(rule, len(seeds), seeds[0])
        off = torch.stack([(found[key] - value).abs() for key, value in exact.items()]).amax(0)
        about = {"learner": "planted", "assessor": rule}
        for s, seed in enumerate(seeds):
            rows.append({**about, "measure": "off", "seed": seed, "value": float(off[s])})
            for name in EFFECTS:
                own = effect(name, {key: float(value[s]) for key, value in found.items()})
                rows.append({**about, "measure": name, "seed": seed, "value": own})
    return pd.DataFrame(rows)


# -- youth -----------------------------------------------------------------------------------------------------------


def made(plan: Settled, seeds: int, width: int) -> dict[str, Assessor]:
    """New assessors of so many subjects; columns of the scorecard are called like their need."""
    long_term = LongTerm.Settings(signal="relief", form="sum", discount=DISCOUNT, rate=plan.rate)
    columns = {need: LongTerm(long_term, seeds, width) for need in NEEDS}
    return {
        "short-term": Valence(Valence.Settings(signal="relief", rate=plan.rate), seeds, width),
        "long-term": LongTerm(long_term, seeds, width),
        **columns,
    }


def youth(
    plan: Settled, worlds: Sequence[Conditioning], seeds: Sequence[int], experiences: int
) -> tuple[list[Learner], dict[str, Assessor]]:
    """Learners after their youth, and assessors that have seen latents and no reward."""
    batches = [
        w.sample(YOUTH, rng=generator("youth", s), design="balanced").observation
        for w, s in zip(worlds, seeds, strict=True)
    ]
    seen = torch.stack(batches)
    frame = Frame(seen.shape[2], *seen.shape[3:])
    kind = LEARNERS.load(plan.learner)
    learners = [kind.born(kind.Settings(**plan.options), frame, rng=birth(seed)) for seed in seeds]
    cohort, rows = Cohort(learners, plan.learning_rate), torch.arange(len(seeds))[:, None]
    rngs = [generator("order of a youth", seed) for seed in seeds]
    for _ in range(0, experiences, BATCH):
        drawn = torch.stack([torch.randint(0, YOUTH, (BATCH,), generator=rng) for rng in rngs])
        cohort.learn(seen[rows, drawn])
    with torch.no_grad():
        latents = cohort.call(seen[:, :512])
    assessors = made(plan, len(seeds), latents.shape[-1])
    open_, nothing = torch.ones(len(seeds), dtype=torch.bool), torch.zeros(latents.shape[:3])
    for assessor in assessors.values():
        for _ in range(100):  # so that a trial moves its memory of means and variances, of .99, by a hundredth
            assessor.update(latents, nothing, open_)
    return cohort.unstack(), assessors


# -- what is shown ---------------------------------------------------------------------------------------------------


def shown_to(worlds: Sequence[Conditioning], seeds: Sequence[int]) -> Shown:
    """Everything that the groups of these seeds are shown."""
    orders = [in_order(plan) for plan in GROUPS.values()]
    given = [orders[g][i] for i in range(MARKS[-1]) for g in range(len(orders)) for _ in range(LITTER)]
    trials, contexts = [trial for trial, _ in given], [phase.context for _, phase in given]
    frames, came, tests = [], [], []
    for world, seed in zip(worlds, seeds, strict=True):
        batch = world.given(trials, contexts, rng=generator("trials", seed))
        frames.append(batch.observation.unflatten(0, (MARKS[-1], len(orders), LITTER)))
        felt = world.senses(batch, set(NEEDS))
        came.append({need: felt[need].unflatten(0, frames[0].shape[:3]) for need in NEEDS})
        read = [test for test in TESTS.values() for _ in range(LOOKS)]
        rng = generator("tests", seed)
        tests.append(world.given([test.trial for test in read], [test.context for test in read], rng=rng).observation)
    units = {need: torch.stack([each[need] for each in came], 1) for need in NEEDS}
    return Shown(torch.stack(frames, 1), units, torch.stack(tests))


def levels() -> dict[str, Tensor]:
    """Need -> level before each trial of each group, ``[120, G]``."""
    orders = [in_order(plan) for plan in GROUPS.values()]
    return {
        need: torch.tensor([[1 - {**NEEDS, **order[i][1].needs}[need] for order in orders] for i in range(MARKS[-1])])
        for need in NEEDS
    }


def relief(came: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Tensor:
    """What the homeostat gives, of the shape of each of ``came`` ``[..., T]``; ``before`` ``[...]``."""
    felt: dict[str, Tensor] = {}
    shape = next(iter(came.values())).shape
    for need, units in came.items():
        level = before[need][..., None].expand(shape)
        felt |= {f"{need}_before": level.reshape(-1, shape[-1])}
        felt |= {f"{need}_level": (level + INTAKE * units).reshape(-1, shape[-1])}
    return FELT(Senses(felt), Body({}), rng=generator("relief")).reshape(shape)


# -- conditioning ----------------------------------------------------------------------------------------------------


def conditioned(
    arm: str, plan: Settled, young: tuple[list[Learner], dict[str, Assessor]], shown: Shown, seeds: Sequence[int]
) -> dict[tuple[str, str], Tensor]:
    """(assessor, effect) -> size ``[S]``, of learners of one arm."""
    groups, (learners, untaught) = len(GROUPS), young
    cohort = Cohort([copy.deepcopy(one) for one in learners for _ in range(groups)], plan.learning_rate)
    assessors = made(plan, len(learners) * groups, untaught["long-term"].width)
    for name, assessor in assessors.items():
        for i in range(len(learners) * groups):
            assessor.load(i, untaught[name].state(i // groups))
    read: dict[str, Readings] = {"short-term": {}, "long-term": {}}
    numbers: dict[tuple[str, str], Tensor] = {}
    for mark in taught(arm, cohort, assessors, shown, seeds):
        latents = tested(cohort, shown.tests)
        for name, readings in read.items():
            readings |= values(assessors[name].predict(latents), mark)
        if mark == END:
            numbers["scorecard", REVALUED] = revalued({need: assessors[need].predict(latents) for need in NEEDS})
    for name, readings in read.items():
        numbers |= {(name, kind): effect(kind, readings) for kind in EFFECTS}
        numbers[name, "V(A), learned"] = readings["alone", "A", END]
    return numbers


def taught(
    arm: str, cohort: Cohort, assessors: Mapping[str, Assessor], shown: Shown, seeds: Sequence[int]
) -> Iterator[int]:
    """All groups go through their trials; stops at every mark."""
    open_ = torch.ones(len(cohort.modules), dtype=torch.bool)
    before, rngs = levels(), [generator("shuffled", seed) for seed in seeds]
    own, rows = torch.arange(len(GROUPS)).repeat(len(seeds), 1), torch.arange(len(seeds))[:, None]
    for i, frames in enumerate(shown.trials):
        deal = own if arm != "shuffled" else torch.stack([torch.randperm(own.shape[1], generator=rng) for rng in rngs])
        came = {need: units[i][rows, deal] for need, units in shown.came.items()}
        level = {need: each[i][deal][..., None].expand(frames.shape[:3]) for need, each in before.items()}
        over = torch.arange(frames.shape[3]) == frames.shape[3] - 1
        signals = {"relief": relief(came, level), **came}
        signals = {name: signal.flatten(0, 1) for name, signal in signals.items()}
        if arm == "shuffled":
            frames = torch.cat([frames[:, :, :, :-1], frames[rows, deal][:, :, :, -1:]], 3)
        episodes = frames.flatten(0, 1)
        if arm in LEARNING:
            latents = cohort.learn(episodes).latents
        else:
            with torch.no_grad():
                latents = cohort.call(episodes)
        for name, assessor in assessors.items():
            signal = signals[name if name in NEEDS else "relief"]
            if isinstance(assessor, LongTerm):
                assessor.update(latents, signal, open_, over.expand(signal.shape))
            else:
                assessor.update(latents[:, :, -2:], signal[:, :, -2:], open_)
        if i + 1 in MARKS:
            yield i + 1


def tested(cohort: Cohort, tests: Tensor) -> Tensor:
    """Latents ``[S G, K q, T, D]`` of the tests."""
    with torch.no_grad():
        latents: Tensor = cohort.call(tests.repeat_interleave(len(GROUPS), 0))
    return latents


def values(predicted: Tensor, mark: int) -> Readings:
    """V from values ``[S G, K q, T]`` at a mark."""
    mean = predicted.unflatten(1, (len(TESTS), LOOKS)).mean(2).unflatten(0, (-1, len(GROUPS)))
    at = {name: mean[:, :, k, test.step] for k, (name, test) in enumerate(TESTS.items())}
    return {
        (group, name, mark): (at[name] - at[BASELINE[name]])[:, g] for g, group in enumerate(GROUPS) for name in TESTS
    }


def revalued(columns: Mapping[str, Tensor]) -> Tensor:
    """V(A) in group ``sated`` under a deficit of salt, less V(A) without one, ``[S]``, by foreseen relief."""
    by_deficit = []
    for missing in (1.0, 0.0):
        flat = {need: column.flatten(0, 1) for need, column in columns.items()}
        felt = {f"{need}_level": torch.full_like(flat[need], 0.0 if need == "food" else 1 - missing) for need in NEEDS}
        hope = FORESEEN(Senses({**flat, **felt}), Body({}), rng=generator("hope"))
        by_deficit.append(values(hope.unflatten(0, columns["salt"].shape[:2]), END)["sated", "A", END])
    return by_deficit[0] - by_deficit[1]
