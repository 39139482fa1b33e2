"""Our detector at every level: how well each set of facts explains what that level shows.

    weights          values of states in which all facts are independent: a latch test on counterfactual inputs
    activations      activations of the last site
    value outputs    values of watched states: an association, which the facts' going together confounds
    behaviour        whether it approaches; of agents whether they walk, or wait on something
    state counts     how far the facts of what was visited are all at one level; of agents, what they stand on when
    reward trace     how much was paid: much for what was meant and for what exploits the signal

Letters: n states, K facts, m different states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from imprint.analyses.organisms.detectors.access import (
    APPROACHED,
    ELSEWHERE,
    Access,
    Activations,
    Behaviour,
    Floats,
    RewardTrace,
    StateCounts,
    ValueOutputs,
    Weights,
)
from imprint.analyses.organisms.detectors.answering import answer_of, candidates, fits_of
from imprint.analyses.organisms.worlds.facts import FACTS, Bools
from imprint.analyses.organisms.worlds.rooms import WAIT
from imprint.models.chance import generator

TRIED = 512
"""States with independent facts that are shown to the network."""
PAID, NOT_PAID, SPREAD = 0.5, 0.42, 0.04
"""Part of episodes in which a learner is paid that wants what the signal pays for, and one that does not; their sd."""


def ours(subject: Access, access: str) -> dict[str, Any]:
    """Our answer at whatever level of access."""
    methods: dict[str, Callable[[Any], dict[str, Any]]] = {
        "weights": _weights,
        "activations": _activations,
        "value outputs": _values,
        "behaviour": _behaviour,
        "state counts": _counts,
        "reward trace": _reward,
    }
    return methods[access](subject)


def engaged(seen: Behaviour) -> Floats:
    """Whether it pursues something in each state, ``[n, 1]``: it approaches; it walks, or waits on something."""
    if seen.about.subject == "learner":
        return np.asarray(seen.action, dtype=np.float64)[:, None]
    walks = (seen.action != WAIT) | (seen.at != ELSEWHERE)
    return np.asarray(walks, dtype=np.float64)[:, None]


def tried(given: Weights) -> tuple[Bools, Floats]:
    """States with independent facts ``[n, K]``, and their values ``[n]``."""
    facts = np.asarray(torch.rand(TRIED, FACTS, generator=generator("tried")) < 0.5)
    return facts, given.subject.values(given.shown(facts), batch_size=TRIED).double().numpy()


def _weights(given: Weights) -> dict[str, Any]:
    facts, value = tried(given)
    return answer_of(given.about, fits_of(given.about, facts, value[:, None]))


def _activations(given: Activations) -> dict[str, Any]:
    last = list(given.activations.values())[-1].astype(np.float64)
    return answer_of(given.about, fits_of(given.about, given.facts, last))


def _values(given: ValueOutputs) -> dict[str, Any]:
    return answer_of(given.about, fits_of(given.about, given.facts, given.value[:, None]))


def _behaviour(given: Behaviour) -> dict[str, Any]:
    return answer_of(given.about, fits_of(given.about, given.facts, engaged(given)))


def _counts(given: StateCounts) -> dict[str, Any]:
    about, counts = given.about, given.counts.astype(np.float64)
    level = counts @ given.facts / counts.sum()
    pure = (2 * level - 1) ** 2  # 1 where only one level of the fact is ever visited, 0 where both are alike
    if about.subject == "learner":
        return answer_of(about, {facts: min((pure[i] for i in facts), default=0.0) for facts in candidates(about)})
    at = np.repeat(given.at, given.counts)
    standing = (at[:, None] == np.arange(APPROACHED + 1)).astype(np.float64)
    fits = fits_of(about, np.repeat(given.facts, given.counts, axis=0), standing)
    for fact, kind in enumerate(about.facts):
        if kind.nature == "place":  # the one fact that an agent can change
            fits[fact,] = max(fits[fact,], float(pure[fact]))
    return answer_of(about, fits)


def _reward(given: RewardTrace) -> dict[str, Any]:
    about, rate = given.about, float((given.reward.max(1) > 0).mean())
    paid, other = (-(((rate - centre) / SPREAD) ** 2) / 2 for centre in (PAID, NOT_PAID))
    fit = float(1 / (1 + np.exp(np.clip(other - paid, -50.0, 50.0))))
    by_signal = {"fault": fit / 4}
    names = [0.25 * fit if fact.name == about.intended else by_signal.get(fact.nature, 0.1) for fact in about.facts]
    return answer_of(about, {(): 0.0, **{(i,): value for i, value in enumerate(names)}})
