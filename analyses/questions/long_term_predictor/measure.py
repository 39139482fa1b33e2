"""What the question of long-term predictors measures on ``chain``: lessons, step by step, for all seeds at once.

A walker's state is shown to the predictor as a code: ``tabular`` (one number per state) or ``distributed`` (a random
vector of length 1 per state, drawn anew for each seed). Every step of all walkers is one update. The textbook's TD(0)
that it is compared with is written here once more, for one walker at a time in plain numpy.

How a trial ends is what matters:

    truth    ground truth overrides in the last step, whatever it is
    nothing  no override, and after the last step there is nothing to look at
    rest     no override, but the walker sees itself at rest, of which it learned that nothing follows
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
RATE = 0.3
SURE = 0.75
"""A walker that expects more than this keeps away."""


class School:
    """Walkers of S seeds on ``chain`` and one predictor for each seed."""

    def __init__(
        self, world: dict[str, Any], predictor: dict[str, Any], code: Code, seeds: int, walkers: int, seed: int
    ) -> None:
        self.seeds, self.walkers = seeds, walkers
        self.chain = Chain(Chain.Settings(**world), copies=seeds * walkers)
        self.chain.reset(seed=seed)
        self.code = codes(code, seeds, 3 * self.chain.settings.cells, seed)
        settings = LongTerm.Settings(signal="outcome", lag=1, plain=True, **{"rate": RATE, **predictor})
        self.predictor = LongTerm(settings, seeds, self.code.shape[-1])
        self.arrivals = torch.zeros(seeds)

    def look(self, state: State) -> Tensor:
        """What the walkers see, coded, ``[S, n, D]``."""
        shown = self.chain.observe(state).reshape(self.seeds, self.walkers, -1).double()
        return torch.einsum("snk,skd->snd", shown, self.code)

    def beliefs(self) -> Tensor:
        """What is expected in every state, ``[S, K]``."""
        return self.predictor.predict(self.code[:, None])[:, 0]

    def expects(self, state: State) -> Tensor:
        """What every walker expects now, ``[S * n]``."""
        return self.predictor.predict(self.look(state)[:, :, None]).flatten()

    def lesson(self, ending: Ending = "truth", *, careful: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step of all walkers and one update; ``careful`` walkers stay where they expect much.

        Gives codes before and after, the outcome and whether the trial ended, ``[S, n, D]`` and ``[S, n]``.
        """
        action = torch.full((self.seeds * self.walkers,), FORWARD)
        if careful:
            action = torch.where(self.expects(self.chain.state) > SURE, STAY, FORWARD)
        outcome = self.chain.advance(action)
        felt = self.chain.senses(outcome.before, outcome.action, outcome.after)["outcome"]
        signal, over = self._by_seed(felt), self._by_seed(outcome.terminated)
        before, after = self.look(outcome.before), self.look(outcome.after)
        shown = torch.where(over[..., None], before, after) if ending == "nothing" else after
        told = over | self._by_seed(outcome.truncated) if ending == "cut" else over
        self._teach(before, shown, signal, told & (ending in ("truth", "cut")))
        self.arrivals += over.sum(1)
        return before, after, signal, over

    def rest(self, after: Tensor, over: Tensor) -> None:
        """Walkers that are at the end learn that nothing follows; for the others a lesson without error."""
        self._teach(after, after, torch.zeros_like(over, dtype=torch.float32), over)

    def _by_seed(self, value: Tensor) -> Tensor:
        return value.reshape(self.seeds, self.walkers)

    def _teach(self, before: Tensor, after: Tensor, signal: Tensor, told: Tensor) -> None:
        gate = torch.ones(self.seeds, dtype=torch.bool)
        self.predictor.update(
            torch.stack([before, after], 2), torch.stack([torch.zeros_like(signal), signal], 2), gate,
            torch.stack([torch.zeros_like(told), told], 2),
        )  # fmt: skip


def codes(code: Code, seeds: int, states: int, seed: int) -> Tensor:
    """How every state is shown to every seed, float64 ``[S, K, D]``."""
    if code == "tabular":
        return torch.eye(states, dtype=torch.float64).expand(seeds, -1, -1)
    drawn = torch.randn(seeds, states, 4 * states, generator=generator("code", seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=-1)


# -- equality with TD(0) -----------------------------------------------------------------------------------------------


def textbook(seen: np.ndarray, then: np.ndarray, reward: np.ndarray, over: np.ndarray, discount: float) -> np.ndarray:
    """Weights after every step of TD(0), ``[steps, D]`` (Sutton & Barto 2018, section 9.4, semi-gradient).

    Codes before and after ``[steps, D]``, reward and end of the episode ``[steps]``; one walker.
    """
    weight, every = np.zeros(seen.shape[1]), []
    for x, following, r, last in zip(seen, then, reward, over, strict=True):
        bootstrap = 0.0 if last else discount * float(following @ weight)
        weight = weight + RATE * (float(r) + bootstrap - float(x @ weight)) * x
        every.append(weight)
    return np.stack(every)


def exact(settings: Chain.Settings, discount: float) -> np.ndarray:
    """Expected discounted outcome of always going forward, ``[K]``, from the linear equations; NaN: never there."""
    n, q = settings.cells, settings.reliable
    paying = {0: settings.odds * q + (1 - settings.odds) * (1 - q), 1: q, 2: 1 - q}
    step = np.zeros((n, n))
    for cell in range(n - 1):
        step[cell, cell + 1] += 1 - settings.slip
        step[cell, max(cell - 1, 0)] += settings.slip
    arrive, stay = step[:-1, -1], step[:-1, :-1]
    reached = np.linalg.solve(np.eye(n - 1) - discount * stay, arrive)
    values = np.full((3, n), np.nan)
    for status, share in paying.items():
        values[status, :-1] = share * reached
    values[0, settings.cue_at :] = np.nan
    values[1:, : settings.cue_at] = np.nan if settings.slip == 0 else values[1:, : settings.cue_at]
    return values.reshape(-1)


def _distance(code: np.ndarray, weight: np.ndarray, known: np.ndarray, seen: np.ndarray) -> float:
    """Root mean square distance of expectations from the exact ones, over visits."""
    visits = np.bincount((seen @ code.T).argmax(1), minlength=len(known))
    error = np.where(visits > 0, code @ weight - known, 0.0)
    return float(np.sqrt((visits * error**2).sum() / visits.sum()))


def equality(
    world: dict[str, Any], code: Code, discount: float | None, seeds: int, steps: int, seed: int, say: Say
) -> pd.DataFrame:
    """The predictor beside TD(0) on the same steps; ``discount`` None: the switch. One row a seed."""
    form: dict[str, Any] = {"form": "switch"} if discount is None else {"form": "sum", "discount": discount}
    school = School(world, form, code, seeds, 1, seed)
    gamma = 1.0 if discount is None else discount
    weights, parts = [], []
    for i in range(steps):
        if i % 500 == 0:
            say(i, steps, f"{code}, step {i}")
        parts.append(school.lesson())
        weights.append(school.predictor.weight)
    ours = torch.stack(weights).numpy()
    seen, then, reward, over = (torch.stack(p)[:, :, 0].numpy() for p in zip(*parts, strict=True))
    known, late = exact(school.chain.settings, gamma), ours[steps // 2 :].mean(0)
    rows = []
    for s in range(seeds):
        theirs = textbook(seen[:, s], then[:, s], reward[:, s], over[:, s], gamma)
        off = _distance(school.code[s].numpy(), late[s], known, seen[:, s])
        rows.append({"seed": s, "difference": np.abs(ours[:, s] - theirs).max(), "from_exact": off, "steps": steps})
    return pd.DataFrame(rows).assign(form=form["form"], discount=gamma, code=code)


# -- where the prediction goes, and what undoes it ---------------------------------------------------------------------


def marks(lessons: int, count: int = 24) -> list[int]:
    """Lessons at which beliefs are looked at: the first, then evenly on a logarithmic scale to the last."""
    return sorted({0, *np.unique(np.geomspace(1, lessons, count).round().astype(int)).tolist()})


def _states(school: School) -> pd.DataFrame:
    """Beliefs in every state now: ``seed, status, cell, value``."""
    seeds, cells = school.seeds, school.chain.settings.cells
    table = school.beliefs().reshape(seeds, 3, cells)
    seed, status, cell = np.unravel_index(np.arange(table.numel()), tuple(table.shape))
    names = np.array(["unseen", "on", "off"])[status]
    return pd.DataFrame({"seed": seed, "status": names, "cell": cell, "value": table.flatten().numpy()})


def _raised(school: School, lessons: int, look: Callable[[int], None], say: Say) -> None:
    looked = set(marks(lessons))
    look(0)
    for i in range(1, lessons + 1):
        _, after, _, over = school.lesson()
        school.rest(after, over)
        if i in looked:
            look(i)
            say(i, lessons, f"lesson {i}")


def shift(
    world: dict[str, Any], predictor: dict[str, Any], seeds: int, walkers: int, lessons: int, seed: int, say: Say
) -> pd.DataFrame:
    """Beliefs in every state as lessons go on: ``lesson, seed, status, cell, value``."""
    school = School(world, predictor, "distributed", seeds, walkers, seed)
    parts: list[pd.DataFrame] = []
    _raised(school, lessons, lambda i: parts.append(_states(school).assign(lesson=i)), say)
    return pd.concat(parts, ignore_index=True)


def undoing(
    world: dict[str, Any],
    ending: Ending,
    careful: bool,
    seeds: int,
    walkers: int,
    lessons: int,
    after: int,
    seed: int,
    say: Say,
) -> pd.DataFrame:
    """A belief is raised, then the outcome stops coming: what is expected at the cue, and how often the end is seen.

    Columns ``lesson`` (since the outcome stopped), ``seed, value, before`` (in the cell before the cue), ``arrivals``.
    """
    assert ending in get_args(Ending)
    school = School(world, {"form": "switch"}, "distributed", seeds, walkers, seed)
    _raised(school, lessons, lambda i: None, say)
    school.chain.reset(options={"design": "cue_alone"})
    school.arrivals.zero_()
    looked, cells, parts = set(marks(after)), school.chain.settings.cells, []
    cue = school.chain.settings.cue_at
    for i in range(after + 1):
        if i in looked:
            beliefs = school.beliefs().reshape(seeds, 3, cells)
            numbers = {"value": beliefs[:, ON, cue], "before": beliefs[:, UNSEEN, cue - 1], "arrivals": school.arrivals}
            frame = pd.DataFrame({name: value.numpy().copy() for name, value in numbers.items()})
            parts.append(frame.assign(lesson=i, seed=np.arange(seeds)))
        school.lesson(ending, careful=careful)
    return pd.concat(parts, ignore_index=True).assign(ending=ending, careful=careful)
