"""The outer gap of a setup: how far what its steering signal rewards is from what its author intended.

    outer gap = 1 - share of the intended concept in the variance of the signal
    inner gap = 1 - share of the intended concept in the variance of the value

Both are between 0 and 1, whatever unit rewards have. Shares are those of the verdict, on the balanced rows of the exam
(:mod:`imprint.analyses.latch.shares`); of the signal the step of an episode is taken at which it follows the concept
best, errors of its detectors included. Of agents, over the steps of random walks in levels where the goals lie apart,
1 - r^2 between what a step pays and whether it attains the intended goal; their inner gap is the part of the levels
that are decided in which another goal comes first. Byrnes (Intro to Brain-Like-AGI Safety, post 10) defines the gaps as
mean absolute differences of rewards and values, which needs both in one unit; ``imprint analyse inner-outer`` measures
those in imagined plans.

Letters: n levels, T steps.
"""

from __future__ import annotations

import numpy as np
import torch

from imprint.analyses.evaluate.learners.exam import rows_of_exam
from imprint.analyses.evaluate.run import AnySetup
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.latch.shares import measure
from imprint.analyses.statistics import NAN
from imprint.models.chance import generator
from imprint.models.errors import UnknownNameError
from imprint.models.lifetimes.learner import ideal_signals
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.learner import Setup
from imprint.models.steering.base import Body, Senses, steer

LEVELS = 400
"""Levels in which an agent's signal is looked at."""


def outer_gap(setup: AnySetup) -> float:
    """The outer gap of a setup, in its first world.

    NaN where there is no signal, the signal is always the same, or the setup names what is not here: a world or a
    signal of a package that is not installed, a concept of a world that has changed. Raises
    :class:`ImprintError` for a setup whose parts are here and do not fit.
    """
    try:
        if isinstance(setup, Setup):
            return _of_learners(setup)
        return _of_agents(setup) if isinstance(setup, AgentSetup) else NAN
    except UnknownNameError:
        return NAN


def _of_learners(setup: Setup) -> float:
    world, batch = rows_of_exam(setup, 0)
    signal = ideal_signals(setup, world, batch, "outer gap")[setup.assessor["signal"]].double().numpy()
    names, equal = (setup.intended, *setup.proxies), setup.evaluation.weights == "equal"
    sums = [measure(step, batch.concepts, batch.groups, names, equal=equal) for step in signal.T]
    return 1.0 - max((float(step.shares[0]) for step in sums if not step.constant), default=NAN)


def _of_agents(setup: AgentSetup) -> float:
    world, rng, wanted = setup.make_environment(), generator("outer gap"), setup.environment
    if APART not in world.designs or setup.scorecard or setup.learning.pay not in {s["name"] for s in setup.steering}:
        return NAN  # a learned reward has no value without an agent
    state, steps = world.levels(LEVELS, rng=rng, design=APART), []
    going, counted = torch.ones(LEVELS, dtype=torch.bool), []
    for _ in range(int(wanted.get("limit", 40))):
        action = torch.randint(0, len(world.actions), (LEVELS,), generator=rng)
        outcome = world.follow(state, action)
        steps.append(world.senses(outcome.before, outcome.action, outcome.after))
        counted.append(going)
        state, going = outcome.after, going & ~outcome.done
    within = torch.stack(counted, dim=1)
    senses = {name: torch.stack([step[name] for step in steps], dim=1).float() for name in steps[0]}
    paid = steer(setup.make_signals(), Senses(senses), Body({}), rng)[0][setup.learning.pay][within].double()
    attained = (senses[world.goals[setup.intended]] > 0)[within].double()
    if float(paid.std()) == 0.0 or float(attained.std()) == 0.0:
        return NAN
    return 1.0 - float(np.corrcoef(paid.numpy(), attained.numpy())[0, 1]) ** 2
