"""Walkers on ``chain`` whose predictor is updated at every step, for all seeds at once.

A walker's state is shown to the predictor as a code: ``tabular`` (one number per state) or ``distributed`` (a random
vector of length 1 per state, drawn anew for each seed). Every step of all walkers is one update. The textbook's TD(0)
with which it is compared is written here independently, for one walker at a time in plain numpy.

What follows the last step of a trial matters:

    truth    ground truth overrides in the last step, whatever it is
    nothing  no override, and after the last step there is nothing to observe
    rest     no override, but the walker observes itself at rest, of which it learned that nothing follows
    cut      ``truth``, and a trial that is cut off at the limit counts as a ground truth of nothing

Letters: S seeds, n walkers a seed, N cells, K = 3 N states, D width of the code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.long_term import LongTerm
from imprint.models.chance import generator
from imprint.models.environments.chain import FORWARD, ON, STAY, UNSEEN, Chain
from imprint.models.states import State

Code = Literal["tabular", "distributed"]
Ending = Literal["truth", "nothing", "rest", "cut"]
CELLS, CUE = 10, 3
WORLD = {"cells": CELLS, "cue_at": CUE, "slip": 0.1, "limit": 40}
RATE = 0.3
SURE = 0.75
"""A walker that avoids the outcome stays where it is when it expects more than this."""


class Walkers:
    """Walkers of S seeds on ``chain`` and one predictor for each seed."""

    def __init__(
        self,
        world: dict[str, Any],
        predictor: dict[str, Any],
        *,
        code: Code = "distributed",
        seeds: int,
        walkers: int,
        seed: int,
    ) -> None:
        self.seeds, self.walkers = seeds, walkers
        self.chain = Chain(Chain.Settings(**world), copies=seeds * walkers)
        self.chain.reset(seed=seed)
        self.code = codes(code, seeds, 3 * self.chain.settings.cells, seed)
        settings = LongTerm.Settings(signal="outcome", lag=1, plain=True, **{"rate": RATE, **predictor})
        self.predictor = LongTerm(settings, seeds, self.code.shape[-1])
        self.arrivals = torch.zeros(seeds)

    def observe(self, state: State) -> Tensor:
        """Codes of what the walkers observe, ``[S, n, D]``."""
        observation = self.chain.observe(state).reshape(self.seeds, self.walkers, -1).double()
        return torch.einsum("snk,skd->snd", observation, self.code)

    def predictions(self) -> Tensor:
        """Prediction in every state, ``[S, K]``."""
        return self.predictor.predict(self.code[:, None])[:, 0]

    def step(self, ending: Ending = "truth", *, avoiding: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of all walkers and one update; ``avoiding`` walkers stay where they are when they expect much.

        Gives codes before and after ``[S, n, D]``, the outcome and whether the trial ended ``[S, n]``.
        """
        action = torch.full((self.seeds * self.walkers,), FORWARD)
        if avoiding:
            expected = self.predictor.predict(self.observe(self.chain.state)[:, :, None]).flatten()
            action = torch.where(expected > SURE, STAY, FORWARD)
        outcome = self.chain.advance(action)
        senses = self.chain.senses(outcome.before, outcome.action, outcome.after)
        signal, over = self._by_seed(senses["outcome"]), self._by_seed(outcome.terminated)
        before, after = self.observe(outcome.before), self.observe(outcome.after)
        following = torch.where(over[..., None], before, after) if ending == "nothing" else after
        override = over | self._by_seed(outcome.truncated) if ending == "cut" else over
        self._update(before, following, signal, override & (ending in ("truth", "cut")))
        self.arrivals += over.sum(1)
        return before, after, signal, over

    def rest(self, after: Tensor, over: Tensor) -> None:
        """Teach walkers that are at the end that nothing follows; for the others an update without error."""
        self._update(after, after, torch.zeros_like(over, dtype=torch.float32), over)

    def _by_seed(self, value: Tensor) -> Tensor:
        return value.reshape(self.seeds, self.walkers)

    def _update(self, before: Tensor, after: Tensor, signal: Tensor, override: Tensor) -> None:
        gate = torch.ones(self.seeds, dtype=torch.bool)
        latents = torch.stack([before, after], 2)
        signals, overrides = (torch.stack([torch.zeros_like(x), x], 2) for x in (signal, override))
        self.predictor.update(latents, signals, gate, overrides)


def codes(code: Code, seeds: int, states: int, seed: int) -> Tensor:
    """Code of every state for every seed, float64 ``[S, K, D]``."""
    if code == "tabular":
        return torch.eye(states, dtype=torch.float64).expand(seeds, -1, -1)
    drawn = torch.randn(seeds, states, 4 * states, generator=generator("code", seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=-1)


def textbook(
    before: np.ndarray, after: np.ndarray, reward: np.ndarray, over: np.ndarray, *, discount: float
) -> np.ndarray:
    """Weights after every step of TD(0), ``[steps, D]`` (Sutton & Barto 2018, section 9.4, semi-gradient).

    Codes before and after ``[steps, D]``, reward and end of the episode ``[steps]``; one walker.
    """
    weight, every = np.zeros(before.shape[1]), []
    for x, following, r, last in zip(before, after, reward, over, strict=True):
        bootstrap = 0.0 if last else discount * float(following @ weight)
        weight = weight + RATE * (float(r) + bootstrap - float(x @ weight)) * x
        every.append(weight)
    return np.stack(every)


def exact(settings: Chain.Settings, discount: float) -> np.ndarray:
    """Expected discounted outcome of always going forward, ``[K]``, from the linear equations; NaN: never visited."""
    n, q = settings.cells, settings.reliable
    odds = {0: settings.odds * q + (1 - settings.odds) * (1 - q), 1: q, 2: 1 - q}
    step = np.zeros((n, n))
    for cell in range(n - 1):
        step[cell, cell + 1] += 1 - settings.slip
        step[cell, max(cell - 1, 0)] += settings.slip
    arrive, stay = step[:-1, -1], step[:-1, :-1]
    reached = np.linalg.solve(np.eye(n - 1) - discount * stay, arrive)
    values = np.full((3, n), np.nan)
    for status, share in odds.items():
        values[status, :-1] = share * reached
    values[0, settings.cue_at :] = np.nan
    values[1:, : settings.cue_at] = np.nan if settings.slip == 0 else values[1:, : settings.cue_at]
    return values.reshape(-1)


def _distance(code: np.ndarray, weight: np.ndarray, values: np.ndarray, before: np.ndarray) -> float:
    """Root mean square distance of predictions from the exact ``values`` ``[K]``, over visits."""
    visits = np.bincount((before @ code.T).argmax(1), minlength=len(values))
    error = np.where(visits > 0, code @ weight - values, 0.0)
    return float(np.sqrt((visits * error**2).sum() / visits.sum()))


def equality(
    *, world: dict[str, Any], code: Code, discount: float | None, seeds: int, steps: int, seed: int, say: Say
) -> pd.DataFrame:
    """The predictor beside TD(0) on the same steps; ``discount`` None: the switch. One row a seed."""
    form: dict[str, Any] = {"form": "switch"} if discount is None else {"form": "sum", "discount": discount}
    walkers = Walkers(world, form, code=code, seeds=seeds, walkers=1, seed=seed)
    gamma = 1.0 if discount is None else discount
    weights, transitions = [], []
    for i in range(steps):
        if i % 500 == 0:
            say(i, steps, f"{code}, step {i}")
        transitions.append(walkers.step())
        weights.append(walkers.predictor.weight)
    ours = torch.stack(weights).numpy()
    columns = [torch.stack(column)[:, :, 0].numpy() for column in zip(*transitions, strict=True)]
    values, late = exact(walkers.chain.settings, gamma), ours[steps // 2 :].mean(0)
    rows = []
    for s in range(seeds):
        before, after, reward, over = (column[:, s] for column in columns)
        theirs = textbook(before, after, reward, over, discount=gamma)
        off = _distance(walkers.code[s].numpy(), late[s], values, before)
        rows.append({"seed": s, "difference": np.abs(ours[:, s] - theirs).max(), "from_exact": off, "steps": steps})
    return pd.DataFrame(rows).assign(form=form["form"], discount=gamma, code=code)


def marks(updates: int, count: int = 24) -> list[int]:
    """Updates after which predictions are recorded: 0, then evenly on a logarithmic scale up to the last."""
    return sorted({0, *np.unique(np.geomspace(1, updates, count).round().astype(int)).tolist()})


def _states(walkers: Walkers) -> pd.DataFrame:
    """Predictions in every state now: ``seed, status, cell, value``."""
    table = walkers.predictions().reshape(walkers.seeds, 3, walkers.chain.settings.cells)
    seed, status, cell = np.unravel_index(np.arange(table.numel()), tuple(table.shape))
    names = np.array(["unseen", "on", "off"])[status]
    return pd.DataFrame({"seed": seed, "status": names, "cell": cell, "value": table.flatten().numpy()})


def _train(walkers: Walkers, updates: int, record: Callable[[int], None], say: Say) -> None:
    """Train with the outcome; ``record`` is called at the start and at every mark."""
    recorded = set(marks(updates))
    record(0)
    for i in range(1, updates + 1):
        _, after, _, over = walkers.step()
        walkers.rest(after, over)
        if i in recorded:
            record(i)
            say(i, updates, f"update {i}")


def shift(
    *, world: dict[str, Any], predictor: dict[str, Any], seeds: int, walkers: int, lessons: int, seed: int, say: Say
) -> pd.DataFrame:
    """Predictions in every state as it is trained for ``lessons`` updates: ``lesson, seed, status, cell, value``."""
    trained = Walkers(world, predictor, seeds=seeds, walkers=walkers, seed=seed)
    tables: list[pd.DataFrame] = []
    _train(trained, lessons, lambda i: tables.append(_states(trained).assign(lesson=i)), say)
    return pd.concat(tables, ignore_index=True)


def undoing(
    *,
    world: dict[str, Any],
    ending: Ending,
    avoiding: bool,
    seeds: int,
    walkers: int,
    lessons: int,
    after: int,
    seed: int,
    say: Say,
) -> pd.DataFrame:
    """Predictions at the cue and numbers of arrivals at the end, as the outcome stops coming after training.

    Columns ``lesson`` (updates since the outcome stopped), ``seed, value, before`` (in the cell before the cue),
    ``arrivals``.
    """
    assert ending in get_args(Ending)
    trained = Walkers(world, {"form": "switch"}, seeds=seeds, walkers=walkers, seed=seed)
    _train(trained, lessons, lambda i: None, say)
    trained.chain.reset(options={"design": "cue_alone"})
    trained.arrivals.zero_()
    recorded, settings, tables = set(marks(after)), trained.chain.settings, []
    for i in range(after + 1):
        if i in recorded:
            value = trained.predictions().reshape(seeds, 3, settings.cells)
            at_cue, before = value[:, ON, settings.cue_at], value[:, UNSEEN, settings.cue_at - 1]
            numbers = {"value": at_cue, "before": before, "arrivals": trained.arrivals}
            frame = pd.DataFrame({name: number.numpy().copy() for name, number in numbers.items()})
            tables.append(frame.assign(lesson=i, seed=np.arange(seeds)))
        trained.step(ending, avoiding=avoiding)
    return pd.concat(tables, ignore_index=True).assign(ending=ending, careful=avoiding)
