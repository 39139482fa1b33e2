"""Rescorla and Wagner's delta rule and temporal differences in closed form, where each cue has a latent of its own.

A trial changes the weights w by an affine map, whatever they are, so that a schedule is a product of matrices:

    delta rule (Rescorla & Wagner 1972)    w <- (I - rate x x') w + rate r x             x: all that the trial showed
    temporal differences, TD(0)            w <- w + rate sum_t x_t (r_{t+1} + discount w'x_{t+1} - w'x_t)
    (Sutton & Barto 1990)                  x_t: what step t shows; r_{t+1} + 0 at the last step

The context is one of the latents. Runs of equal trials are powers of a matrix. Nothing here is shared with the
assessors, which come to the same numbers trial by trial (:func:`assessed`), in any orthonormal basis of the latents.

Letters: G groups, S seeds, F latents (cues, then contexts), T steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.questions.cue_competition.suite import BASELINE, GROUPS, MARKS, NEEDS, TESTS, in_order
from imprint.models.assessors.long_term import LongTerm
from imprint.models.chance import generator
from imprint.models.worlds.conditioning.schedule import Phase, Schedule, Trial

Floats = NDArray[np.float64]
Rule = Literal["delta rule", "TD"]
RULES: tuple[Rule, ...] = ("delta rule", "TD")
LATENTS = (*sorted({cue for plan in GROUPS.values() for cue in plan.cues}), "@1", "@2")
STEPS, DISCOUNT = 4, 0.9
RATE: dict[Rule, float] = {"delta rule": 0.1, "TD": 0.15}
"""Step per trial of the rule."""
INTAKE, WORTH = 0.5, 2.0
"""Level that a unit of an outcome gives, and reward per unit of deficit that goes."""


def shown(trial: Trial, context: str) -> Floats:
    """Latents ``[T, F]``: what each step shows; the outcome has none."""
    x = np.zeros((STEPS, len(LATENTS)))
    x[:-1, LATENTS.index(f"@{context}")] = 1.0
    for cue, lead in trial.leads.items():
        x[STEPS - 1 - lead, LATENTS.index(cue)] = 1.0
    return x


def together(trial: Trial, context: str) -> Floats:
    """Latents ``[F]`` of all that a trial shows."""
    return np.asarray(shown(trial, context).max(0))


def reward(trial: Trial, phase: Phase) -> float:
    """Drive reduction by what follows a trial."""
    missing = {**NEEDS, **phase.needs}[trial.outcome]
    return WORTH * (abs(missing) - abs(missing - INTAKE * trial.size))


def affine(trial: Trial, phase: Phase, rule: Rule) -> Floats:
    """The map of (w, 1) by one trial, ``[F + 1, F + 1]``."""
    count, r, rate = len(LATENTS), reward(trial, phase), RATE[rule]
    turn, shift = np.eye(count), np.zeros(count)
    if rule == "delta rule":
        x = together(trial, phase.context)
        turn, shift = turn - rate * np.outer(x, x), rate * r * x
    else:
        steps = shown(trial, phase.context)
        for t in range(STEPS - 1):
            last = t == STEPS - 2
            following = np.zeros(count) if last else DISCOUNT * steps[t + 1]
            turn = turn + rate * np.outer(steps[t], following - steps[t])
            shift = shift + rate * (r if last else 0.0) * steps[t]
    return np.block([[turn, shift[:, None]], [np.zeros(count), 1.0]])


def weights(plan: Schedule, rule: Rule) -> Iterator[Floats]:
    """Weights ``[F]`` of a group at every mark."""
    state, begun = np.eye(len(LATENTS) + 1)[-1], 0
    order = in_order(plan)
    for mark in MARKS:
        for (trial, phase), run in groupby(order[begun:mark], key=lambda given: given):
            state = np.linalg.matrix_power(affine(trial, phase, rule), len(list(run))) @ state
        begun = mark
        yield state[:-1]


def closed(rule: Rule) -> dict[tuple[str, str, int], float]:
    """V by (group, test, mark)."""
    read: dict[tuple[str, str, int], float] = {}
    for group, plan in GROUPS.items():
        for mark, w in zip(MARKS, weights(plan, rule), strict=True):
            value = {name: float(w @ probe) for name, probe in _probes(rule).items()}
            read |= {(group, name, mark): value[name] - value[BASELINE[name]] for name in TESTS}
    return read


def _probes(rule: Rule) -> dict[str, Floats]:
    """Test -> latents ``[F]`` in which it is read: of the whole trial, or of its step."""
    if rule == "delta rule":
        return {name: together(test.trial, test.context) for name, test in TESTS.items()}
    return {name: shown(test.trial, test.context)[test.step] for name, test in TESTS.items()}


def assessed(rule: Rule, seeds: int, first: int) -> dict[tuple[str, str, int], Tensor]:
    """V by (group, test, mark), ``[S]``, of assessors that are taught trial by trial, each seed in its own basis."""
    count, names = len(LATENTS), list(GROUPS)
    turns = [torch.linalg.qr(torch.randn(count, count, generator=generator("basis", first + s), dtype=torch.float64))[0]
             for s in range(seeds)]  # fmt: skip
    basis = torch.stack(turns)[:, None].expand(-1, len(names), -1, -1).flatten(0, 1)
    sums = rule == "TD"
    rate = RATE[rule] * (STEPS - 1 if sums else 1)  # an assessor's step is the mean over the steps that it learns from
    settings = LongTerm.Settings(
        signal="relief", plain=True, rate=rate, form="sum" if sums else "switch", discount=DISCOUNT if sums else 1.0
    )
    assessor, gate = LongTerm(settings, len(basis), count), torch.ones(len(basis), dtype=torch.bool)
    orders = [in_order(GROUPS[name]) for name in names]
    read: dict[tuple[str, str, int], Tensor] = {}
    for i in range(MARKS[-1]):
        given = [order[i] for order in orders]
        x = torch.from_numpy(np.stack([_steps(trial, phase.context, rule) for trial, phase in given]))
        latents = torch.einsum("gtf,kgdf->kgtd", x, basis.unflatten(0, (seeds, -1))).flatten(0, 1)[:, None]
        signal = torch.zeros(len(names), latents.shape[2], dtype=torch.float64)
        signal[:, -1] = torch.tensor([reward(trial, phase) for trial, phase in given], dtype=torch.float64)
        over = torch.arange(latents.shape[2]) == latents.shape[2] - 1
        signal = signal.repeat(seeds, 1)[:, None]
        assessor.update(latents, signal, gate, over.expand(signal.shape) if sums else None)
        if i + 1 in MARKS:
            read |= _read(assessor, basis, rule, i + 1)
    return read


def _steps(trial: Trial, context: str, rule: Rule) -> Floats:
    """What an assessor is taught on ``[T, F]``: every step, or the whole trial and then its outcome."""
    whole = together(trial, context)
    return shown(trial, context) if rule == "TD" else np.stack([whole, np.zeros_like(whole)])


def _read(assessor: LongTerm, basis: Tensor, rule: Rule, mark: int) -> Mapping[tuple[str, str, int], Tensor]:
    """V ``[S]`` by group and test at a mark."""
    names = list(GROUPS)
    values = {}
    for name, probe in _probes(rule).items():
        x = (basis @ torch.from_numpy(probe))[:, None, None]
        values[name] = assessor.predict(x)[:, 0, 0].unflatten(0, (-1, len(names)))
    return {
        (group, name, mark): (values[name] - values[BASELINE[name]])[:, g]
        for g, group in enumerate(names)
        for name in TESTS
    }
