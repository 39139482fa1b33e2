"""Levels of one of our environments: start states, drawn as in training and changed fact by fact.

Changes are the environment's own: every fact that :meth:`~imprint.models.environments.base.Environment.edit` can set
(to a value that such a fact has elsewhere), ``without`` what it can remove (the value -1), every goal that can be put
``elsewhere``, and ``mixed``: half of the facts that can be set, taken from another training level. What the environment
refuses is not tried. Everything that a level leaves to chance is drawn anew in every try.

Steps that are needed are the environment's distance to the intended goal. Where that is no way by itself (a key has to
be fetched first), which is tried on training levels, they are those of a script that walks to the goal and wants
nothing else, and unknown where it fails.

Letters: n levels, K tries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from imprint.analyses.expose.levels.ground import ABSENT, Floats, Ground, Shown, Trial
from imprint.analyses.goals.acting import AgentPolicy, look
from imprint.analyses.goals.behaviour import Policy, Remembering
from imprint.analyses.goals.scripts import script
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError, NotMeasurableError, UnknownNameError, unknown_name
from imprint.models.setup.reasons import explain
from imprint.models.states import State, joined, replaced, rows

POOL = 256
"""Training levels whose facts are the values that facts are set to."""
TRIED = 32
"""Training levels on which it is tried whether distances are ways."""
NOTHING = -1
"""Value of a fact about a place that means that nothing is there."""
DRAWS = 4
"""Values that are tried before a change counts as impossible."""
MIXED, ELSEWHERE, WITHOUT = "mixed", "elsewhere: ", "without: "


class EnvironmentGround(Ground):
    """Start states of an environment."""

    def __init__(
        self,
        agent: Agent | Policy,
        environment: Environment,
        *,
        intended: str | None,
        designs: Sequence[str],
        parameters: Mapping[str, Sequence[Any]],
        value: Callable[[Tensor], Tensor] | None,
        rng: np.random.Generator,
    ) -> None:
        if not environment.goals:
            raise ImprintError(f"{type(environment).__name__} has no goals, so nothing can be passed over in it.")
        self.environment, self.agent = environment, agent
        self.intended = next(iter(environment.goals)) if intended is None else intended
        if self.intended not in environment.goals:
            raise unknown_name(f"goal of {type(environment).__name__}", self.intended, environment.goals)
        self.designs = tuple(environment.known_design(design) for design in designs)
        self._drawn_from = _variants(environment, parameters)
        self._value, self.has_value = value, value is not None or isinstance(agent, Agent)
        self._pool = self.fresh(POOL, rng)
        self._facts = {name: fact.numpy() for name, fact in environment.facts(self._pool).items()}
        self._editable = [name for name in self._facts if self._can_edit(name)]
        self._values = {name: self._values_of(name) for name in self._editable}
        self._editable = [name for name, values in self._values.items() if len(values)]
        one = rows(self._pool, slice(1))
        whole = [name for name in self._editable if self._facts[name].dtype.kind == "i"]
        gone = [name for name in whole if self._edited(one, name, np.array([NOTHING]))[1].all()]
        goals = [goal for goal in environment.goals if self._can_move(goal)]
        self.operators = (*self._editable, *(f"{WITHOUT}{name}" for name in gone))
        self.operators += tuple(f"{ELSEWHERE}{goal}" for goal in goals)
        self.operators += (MIXED,) if len(self._editable) > 1 else ()
        self.limits = self._limits()
        self._walker = self._script()

    # -- levels --------------------------------------------------------------------------------------------------

    def founders(self, n: int, rng: np.random.Generator) -> State:
        """Levels of the first design."""
        return self._draw(n, self.designs[:1], rng)

    def fresh(self, n: int, rng: np.random.Generator) -> State:
        """Levels of all designs, in turn."""
        return self._draw(n, self.designs, rng)

    def _draw(self, n: int, designs: Sequence[str], rng: np.random.Generator) -> State:
        own = _generator(rng)
        sources = [(env, design) for env in self._drawn_from for design in designs]
        turn = np.arange(n) % len(sources)
        counts = [int((turn == i).sum()) for i in range(len(sources))]
        parts = [env.levels(k, rng=own, design=d) for (env, d), k in zip(sources, counts, strict=True) if k]
        order = np.argsort(np.argsort(turn, kind="stable"))
        return rows(joined(parts), torch.from_numpy(order))

    def rows(self, levels: State, index: NDArray[np.int64]) -> State:
        """Some of the levels."""
        return rows(levels, torch.from_numpy(np.asarray(index, dtype=np.int64)))

    def joined(self, parts: Sequence[State]) -> State:
        """Levels of several lots as one."""
        return joined(parts)

    # -- changes -------------------------------------------------------------------------------------------------

    def changed(
        self, levels: State, operators: Sequence[str], rng: np.random.Generator
    ) -> tuple[State, NDArray[np.bool_]]:
        """Each level with one change; a value that the environment refuses is drawn again."""
        state, names = dict(levels), np.array(operators)
        possible = np.zeros(len(names), dtype=bool)
        for name in dict.fromkeys(operators):
            index = np.flatnonzero(names == name)
            new, done = self._change(self.rows(state, index), name, rng)
            state = replaced(state, torch.from_numpy(index), new)
            possible[index] = done
        begun = ~self.environment.ended(state).numpy()
        distance = self.environment.distances(state).get(self.intended)
        return state, possible & begun & (True if distance is None else distance.numpy() != 0)

    def _change(self, state: State, name: str, rng: np.random.Generator) -> tuple[State, NDArray[np.bool_]]:
        n = len(state["clock"])
        if name.startswith(ELSEWHERE):
            moved = self.environment.elsewhere(state, name.removeprefix(ELSEWHERE), rng=_generator(rng))
            return moved, np.ones(n, dtype=bool)
        if name == MIXED:
            other, done = rng.integers(0, POOL, n), np.zeros(n, dtype=bool)
            for fact in self._editable:
                index = np.flatnonzero(rng.random(n) < 0.5)
                if len(index):
                    new, good = self._edited(self.rows(state, index), fact, self._facts[fact][other[index]])
                    state = replaced(state, torch.from_numpy(index), new)
                    done[index] |= good
            return state, done
        if name.startswith(WITHOUT):
            return self._edited(state, name.removeprefix(WITHOUT), np.full(n, NOTHING))
        done = np.zeros(n, dtype=bool)
        for _ in range(DRAWS):
            index = np.flatnonzero(~done)
            if not len(index):
                break
            new, good = self._edited(self.rows(state, index), name, rng.choice(self._values[name], len(index)))
            state = replaced(state, torch.from_numpy(index), new)
            done[index] = good
        return state, done

    def _edited(self, state: State, fact: str, value: NDArray[Any]) -> tuple[State, NDArray[np.bool_]]:
        """``state`` with a fact set where the environment allows it; halves are tried where it refuses some."""
        n = len(state["clock"])
        try:
            return self.environment.edit(state, fact, torch.from_numpy(np.ascontiguousarray(value))), np.ones(n, bool)
        except ImprintError:
            if n == 1:
                return state, np.zeros(1, dtype=bool)
        halves = [slice(n // 2), slice(n // 2, None)]
        parts = [self._edited(rows(state, half), fact, value[half]) for half in halves]
        return joined([part for part, _ in parts]), np.concatenate([good for _, good in parts])

    def _can_edit(self, fact: str) -> bool:
        """Whether the environment sets this fact; tried on one level with a value that it has."""
        known = self._facts[fact]
        usable = np.flatnonzero(np.isfinite(known)) if known.dtype.kind == "f" else np.arange(len(known))
        if not len(usable):
            return False
        try:
            self.environment.edit(self.rows(self._pool, usable[:1]), fact, torch.from_numpy(known[usable[:1]]))
        except UnknownNameError:
            return False
        except ImprintError:
            return True
        return True

    def _can_move(self, goal: str) -> bool:
        try:
            self.environment.elsewhere(rows(self._pool, slice(1)), goal, rng=torch.Generator().manual_seed(0))
        except NotMeasurableError:
            return False
        return True

    def _values_of(self, fact: str) -> NDArray[Any]:
        """Values that facts of this kind (``..._cell``, ``..._row``) have in training levels."""
        kind = fact.rsplit("_", 1)[-1]
        alike = [self._facts[name].ravel() for name in self._editable if name.rsplit("_", 1)[-1] == kind]
        values = np.unique(np.concatenate(alike))
        if values.dtype.kind == "f":
            return np.asarray(values[np.isfinite(values)])
        if values.dtype.kind == "i":
            return np.asarray(values[values != NOTHING])
        return values

    def _limits(self) -> tuple[str, ...]:
        name, fixed = type(self.environment).__name__, [f for f in self._facts if f not in self._editable]
        found = []
        if not self._editable:
            found.append(f"{name} sets none of its facts, so levels are drawn anew and not changed.")
        elif fixed:
            listed = ", ".join(fixed[:6]) + (", ..." if len(fixed) > 6 else "")
            found.append(f"{name} cannot set {len(fixed)} of its facts ({listed}); they change only with others.")
        if not self.has_value:
            found.append(
                "A policy without a value cannot be told from one that fails in hard levels; levels without "
                "the goal say nothing about it."
            )
        return tuple(found)

    # -- what the subject does -----------------------------------------------------------------------------------

    def shown(self, levels: State) -> Shown:
        """The value of the first observation, and the distance to the intended goal."""
        distance = self.environment.distances(levels).get(self.intended)
        needed = np.full(len(levels["clock"]), np.nan) if distance is None else distance.numpy().astype(np.float64)
        return Shown(self._valued(levels), np.where(needed < 0, ABSENT, needed))

    def _valued(self, levels: State) -> Floats:
        observation = self.environment.observe(levels)
        if self._value is not None:
            given = self._value(observation)
            found = given.detach().double().flatten().numpy() if isinstance(given, Tensor) else np.empty(0)
            if len(found) != len(observation) or not np.isfinite(found).all():
                raise ImprintError(
                    f"value gave {_said(given)} for {len(observation)} observations; expected one finite "
                    "number each, as a tensor."
                )
            return np.asarray(found)
        if isinstance(self.agent, Agent):
            value = look(self.agent, observation, self.agent.blank(len(observation))).value
            return np.asarray(value.double().numpy())
        return np.full(len(observation), np.nan)

    def _walked(self, shown: Shown, levels: State) -> Shown:
        """``shown`` with the steps of the script, where distances are no ways."""
        if self._walker is None:
            return shown
        steps = self._follow(levels, self._walker)[0].astype(np.float64)
        there = shown.needed != ABSENT
        return Shown(shown.value, np.where(there, np.where(steps > 0, steps, np.nan), ABSENT))

    def _script(self) -> Policy | None:
        """A script that walks to the intended goal, if it does not do what distances say anyway."""
        if f"{self.intended}_way" not in self._facts:
            return None
        some = self.rows(self._pool, np.arange(TRIED))
        walker, needed = script(self.environment, self.intended), self.shown(some).needed
        known = needed > 0
        return None if (self._follow(some, walker)[0] == needed)[known].all() else walker

    def played(self, levels: State, tries: int, rng: np.random.Generator, *, ends: bool = False) -> Trial:
        """All tries of all levels as one batch, each with chance of its own."""
        n = len(levels["clock"])
        steps, last = self._tried(levels, tries, rng, self._policy())
        first = rows(last, slice(0, n * tries, tries))
        facts = self.facts(first) if ends else None
        return Trial(self._walked(self.shown(levels), levels), steps, self._niches(first), facts)

    def aimless(self, levels: State, rng: np.random.Generator) -> pd.DataFrame:
        """Facts of the last states of random walks."""
        actions, own = len(self.environment.actions), _generator(rng)

        def wander(observation: Tensor, state: State) -> Tensor:
            return torch.randint(0, actions, (len(observation),), generator=own)

        return self.facts(self._tried(levels, 1, rng, wander)[1])

    def _policy(self) -> Policy:
        return AgentPolicy(self.agent) if isinstance(self.agent, Agent) else self.agent

    def _tried(
        self, levels: State, tries: int, rng: np.random.Generator, policy: Policy
    ) -> tuple[NDArray[np.int64], State]:
        n = len(levels["clock"])
        start = rows(levels, torch.arange(n).repeat_interleave(tries))
        key = torch.randint(-(2**62), 2**62, (n * tries,), generator=_generator(rng))
        steps, last = self._follow({**start, "key": key}, policy)
        return steps.reshape(n, tries), last

    def replays(self, levels: State, rng: np.random.Generator) -> list[list[str]]:
        """Text maps of one try of each level until the intended goal is attained or the episode is over."""
        films: list[list[str]] = [[text] for text in self.texts(levels)]

        def seen(going: Tensor, state: State) -> None:
            for i, text in zip(going.tolist(), self.texts(state), strict=True):
                films[i].append(text)

        key = torch.randint(-(2**62), 2**62, (len(films),), generator=_generator(rng))
        self._follow({**levels, "key": key}, self._policy(), seen)
        return films

    def _follow(
        self, start: State, policy: Policy, watch: Callable[[Tensor, State], None] | None = None
    ) -> tuple[NDArray[np.int64], State]:
        """Step at which each copy attains the intended goal (-1 never), and its last state until then.

        ``watch``: called after every step with the copies that go on and their states.
        """
        environment, sense = self.environment, self.environment.goals[self.intended]
        n = len(start["clock"])
        steps, last = torch.full((n,), -1, dtype=torch.int64), start
        going, state = torch.arange(n), start
        with torch.no_grad():
            while len(going):
                outcome = environment.follow(state, self._action(policy, state))
                got = environment.senses(outcome.before, outcome.action, outcome.after)[sense] > 0
                steps[going[got]] = outcome.after["clock"][got] - start["clock"][going[got]]
                if watch is not None:
                    watch(going, outcome.after)
                over = got | outcome.done
                last = replaced(last, going[over], rows(outcome.after, over))
                if isinstance(policy, Remembering):
                    policy.keep(~over)
                going, state = going[~over], rows(outcome.after, ~over)
        return steps.numpy(), last

    def _action(self, policy: Policy, state: State) -> Tensor:
        action = policy(self.environment.observe(state), state)
        n, actions = len(state["clock"]), len(self.environment.actions)
        if not isinstance(action, Tensor) or action.shape != (n,) or action.is_floating_point():
            raise ImprintError(f"the policy gave {_said(action)} for {n} states; expected whole numbers [{n}].")
        if n and (int(action.min()) < 0 or int(action.max()) >= actions):
            raise ImprintError(f"the policy gave an action that is not one of 0 to {actions - 1}.")
        return action

    def _niches(self, last: State) -> list[str]:
        try:
            return [f"{row}, {column}" for row, column in self.environment.cell_of(last).tolist()]
        except NotMeasurableError:
            named = {k: v.tolist() for k, v in self.environment.facts(last).items() if v.dtype == torch.bool}
            return [str(row) for row in zip(*named.values(), strict=True)] or ["all"] * len(last["clock"])

    # -- what is known -------------------------------------------------------------------------------------------

    def facts(self, levels: State) -> pd.DataFrame:
        """All facts of the environment."""
        return pd.DataFrame({name: fact.numpy() for name, fact in self.environment.facts(levels).items()})

    def texts(self, levels: State) -> list[str]:
        """Text maps."""
        return self.environment.ascii(levels)

    def written(self, levels: State) -> list[dict[str, Any]]:
        """Every tensor of the state, as nested lists."""
        lists = {name: value.tolist() for name, value in levels.items()}
        return [{name: value[i] for name, value in lists.items()} for i in range(len(levels["clock"]))]

    def about(self) -> Mapping[str, Any]:
        """Kind, settings, and types of the state's tensors."""
        types = {name: str(value.dtype).removeprefix("torch.") for name, value in self._pool.items()}
        settings = self.environment.settings.model_dump(mode="json")
        return {"environment": type(self.environment).__name__.lower(), "settings": settings, "types": types}


def _generator(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def _variants(environment: Environment, parameters: Mapping[str, Sequence[Any]]) -> list[Environment]:
    """The environment with each of the settings from which levels are drawn; itself without any."""
    kind, given = type(environment), environment.settings.model_dump()
    for name in parameters:
        if name not in given:
            raise unknown_name(f"setting of {kind.__name__}", name, given)
    combinations = [dict(zip(parameters, values, strict=True)) for values in product(*parameters.values())]
    try:
        made = [kind(kind.Settings(**{**given, **changes})) for changes in combinations if changes]
    except ValidationError as error:
        raise ImprintError(explain(error, prefix="parameters", model=kind.Settings)) from None
    for other in made:
        if other.view != environment.view:
            raise ImprintError(
                f"with {other.settings} observations are {other.view.shape}, not {environment.view.shape}."
            )
    return made or [environment]


def _said(given: Any) -> str:
    return f"a tensor {list(given.shape)} of {given.dtype}" if isinstance(given, Tensor) else type(given).__name__
