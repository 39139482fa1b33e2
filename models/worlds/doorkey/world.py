"""doorkey: recorded episodes of the original MiniGrid DoorKey, with concepts read from its true state.

**Description.** A walled grid (``MiniGrid-DoorKey-6x6-v0`` unless set otherwise, made by ``gymnasium.make`` and left
unmodified) is divided by a wall with one locked door. The agent starts on the left, where a key lies; the green goal is
in the right-hand corner. An episode is the first T steps after a reset; the *decision* moment is the last.

**Observation** ``[n, T, 13, 7, 7]``: MiniGrid's own egocentric 7 x 7 view (agent in the middle of the bottom row,
facing up) as seven one-hot planes (empty, wall, key, goal, door open, door closed, door locked; an unseen cell is
zero in all of them), then six constant planes, the action taken *at* that step (left, right, forward, pickup, drop,
toggle). MiniGrid's compass and mission text are left out.

**Behaviour.** Each episode has a random list of errands (fetch the key, open the door, perhaps drop the key, walk
through, perhaps shut the door behind, perhaps walk up to the goal; often cut short, sometimes empty), carried out along
shortest paths and mixed step by step with random actions (probability 0, 0.1 or 0.3; 1 without errands). An action that
would step onto the goal and so end the episode is replaced by a turn. Episodes that end in the doorway are discarded,
because the door cannot be shut in the counterfactual.

**Concepts** are facts of the true state at the decision step, before the action of that step. Two can be set:
``carrying_key`` and ``door_open``. The others follow from them and the rest of the state: ``key_in_view`` (lying in
a visible cell), ``door_in_view``, ``goal_in_view``, ``beyond_door`` (in the goal's room), ``goal_near`` and
``goal_distance`` (walking steps: at most half the grid's side, at most the side, more), ``door_open_unseen`` (open
and out of view: needs memory) and ``key_out_of_sight`` (lying out of view, and shown before: needs memory).
*Note*: MiniGrid shows a carried key in the agent's own cell, so ``carrying_key`` is given by the current frame, and
with it most of ``key_out_of_sight``.

**Designs.** ``train`` draws uniformly from a pool of recorded episodes, made once per process. ``balanced`` resamples
the pool so that the concepts in ``balance`` are independent and equally frequent over the combinations that occur at
least ``MIN_CELL`` times; :meth:`DoorKey.missing_cells` names the rest. ``do`` is refused: a simulated past cannot be
set.
**Counterfactuals** change the state at the decision step only and have MiniGrid render the last frame again; earlier
frames are kept. A key put back lies on its start cell or, if the agent stands there, on the nearest free cell of that
room.

**Senses**: ``greenness`` (part of the visible cells that are goal), ``draught`` (not visible: 1 while the door is
open), ``weight`` (1 while the hand holds a key), ``motion`` (part of the cells that changed). **Body**: none.
**Split.** A map is (wall column, door row, key cell). A third of all maps, a Latin pattern, is held out; groups are
maps (6 x 6 has 24 maps for training and 12 held out; 8 x 8 has 200 and 100).

Source: Chevalier-Boisvert et al. 2023, Minigrid & Miniworld (arXiv 2306.13831). Version 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.errors import ImprintError, unknown_name
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, Design, World
from imprint.models.worlds.doorkey import episodes

VIEW = 7
HAND = (VIEW - 1, VIEW // 2)
"""Row and column of the agent's own cell in its view."""
MIN_CELL = 8
"""Combinations of balanced concepts with fewer recorded episodes than this are left out."""
IN_VIEW = ("key_in_view", "door_in_view", "goal_in_view")
FACTS = (*IN_VIEW, "beyond_door", "goal_near", "goal_distance", "door_open_unseen", "key_out_of_sight")
DISTANCES = ("near", "middle", "far")


class DoorKey(World):
    """Recorded episodes of MiniGrid DoorKey; the module docstring describes the world."""

    class Settings(FrozenSettings):
        env: Literal[
            "MiniGrid-DoorKey-5x5-v0", "MiniGrid-DoorKey-6x6-v0", "MiniGrid-DoorKey-8x8-v0", "MiniGrid-DoorKey-16x16-v0"
        ] = "MiniGrid-DoorKey-6x6-v0"
        """Gymnasium id."""
        steps: int = Field(20, ge=4, le=128)
        """T, frames per episode."""
        pool: int = Field(1500, ge=50, le=10_000_000)
        """Recorded episodes for training."""
        held_out_pool: int = Field(900, ge=50, le=10_000_000)
        """Recorded episodes for examination."""
        pool_seed: int = Field(0, ge=0, lt=2**63)
        """Seed of the maps and the behaviour."""
        drop_rate: float = Field(0.4, ge=0.0, le=1.0)
        """Probability of the errand of dropping the key once the door is open."""
        shut_rate: float = Field(0.3, ge=0.0, le=1.0)
        """Probability of the errand of shutting the door; low values correlate the open door with the goal in view."""
        balance: tuple[str, ...] = ("door_open", "goal_in_view", "carrying_key")
        """Binary concepts that the balanced design makes independent."""
        maps: Literal["raising", "held_out"] = "raising"
        """Which part of the maps is used."""

        @field_validator("balance")
        @classmethod
        def _balance(cls, balance: tuple[str, ...]) -> tuple[str, ...]:
            allowed = ("carrying_key", "door_open", *(f for f in FACTS if f != "goal_distance"))
            if not balance or len(set(balance)) != len(balance):
                raise ValueError(f"balance is {balance}; expected different binary concepts, at least one")
            for name in balance:
                if name not in allowed:
                    raise unknown_name("binary concept in world.balance", name, allowed)
            return balance

    settings: Settings
    action_channels = 6
    constants = ("pool_seed",)

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """Other recorded episodes; doors, keys and goals are MiniGrid's own and have no constants."""
        return {"pool_seed": int(torch.randint(0, 2**31 - 1, (), generator=rng))}

    def __init__(self, settings: DoorKey.Settings | None = None) -> None:
        super().__init__(settings)
        self.size = episodes.SIZES[self.settings.env]
        self.factors = {"carrying_key": (False, True), "door_open": (False, True)}
        self.moments = {"early": self.settings.steps // 2 - 1, "late": self.settings.steps - 1}
        self.decision = "late"

    # -- facts ---------------------------------------------------------------------------------------------------

    @property
    def concepts(self) -> tuple[str, ...]:
        """Concepts that can be set first, then those that follow from them."""
        return (*self.factors, *FACTS)

    def values(self, concept: str) -> tuple[Any, ...]:
        """``(False, True)``, or the bins of ``goal_distance``."""
        return DISTANCES if concept == "goal_distance" else super().values(concept)

    def intervene(self, factors: pd.DataFrame, concept: str, value: Any) -> pd.DataFrame:
        """Sets ``carrying_key`` or ``door_open``; every other concept follows from the simulator's state."""
        self.require(concept)
        if concept not in self.factors:
            raise ImprintError(
                f"DoorKey cannot intervene on {concept!r}: it follows from the simulator's state. Concepts that can be "
                f"set: {', '.join(self.factors)}."
            )
        return super().intervene(factors, concept, value)

    def facts(self, factors: pd.DataFrame, noise: Mapping[str, Tensor], shown: Tensor) -> pd.DataFrame:
        """Every concept, from the state and the codes ``[n, T, 7, 7]`` shown."""
        last = shown[:, -1]
        state = dict(zip(episodes.STATE, noise["state"].T, strict=True))
        carried, opened = (torch.from_numpy(factors[f].to_numpy(dtype=bool).copy()) for f in self.factors)
        key = (last == episodes.KEY).flatten(1).any(1) & ~carried
        door = (last >= episodes.OPEN).flatten(1).any(1)
        beyond = state["x"] > state["wall"]
        goal = self.size - 2
        walk = torch.where(
            beyond,
            goal - state["x"] + goal - state["y"],
            goal - state["x"] + (state["y"] - state["door_row"]).abs() + goal - state["door_row"],
        )
        far = (walk > self.size // 2).long() + (walk > self.size)
        derived = {
            "key_in_view": key,
            "door_in_view": door,
            "goal_in_view": (last == episodes.GOAL).flatten(1).any(1),
            "beyond_door": beyond,
            "goal_near": far == 0,
            "goal_distance": [DISTANCES[i] for i in far.tolist()],
            "door_open_unseen": opened & ~door,
            "key_out_of_sight": ~carried & ~key & (shown[:, :-1] == episodes.KEY).flatten(1).any(1),
        }
        plain = {k: v.numpy() if isinstance(v, Tensor) else v for k, v in derived.items()}
        return factors.reset_index(drop=True).assign(**plain)

    # -- drawing -------------------------------------------------------------------------------------------------

    def pool(self) -> Mapping[str, Tensor]:
        """The recorded episodes of the maps in use, first axis their number."""
        count = self.settings.pool if self.settings.maps == "raising" else self.settings.held_out_pool
        s = self.settings
        habits = episodes.Habits(s.steps, s.maps, s.drop_rate, s.shut_rate)
        return episodes.recorded_pool(s.env, habits, count, s.pool_seed)

    def combinations(self) -> dict[tuple[bool, ...], Tensor]:
        """Every combination of the concepts in ``balance`` -> its rows of the pool."""
        pool = self.pool()
        table = self.facts(recorded_facts(pool), pool, pool["shown"])[list(self.settings.balance)].to_numpy(dtype=bool)
        return {
            cell: torch.from_numpy(np.flatnonzero((table == np.array(cell)).all(1)))
            for cell in product((False, True), repeat=len(self.settings.balance))
        }

    def missing_cells(self) -> tuple[Mapping[str, bool], ...]:
        """Combinations of the concepts in ``balance`` that occur fewer than ``MIN_CELL`` times in the pool."""
        rare = [cell for cell, rows in self.combinations().items() if len(rows) < MIN_CELL]
        return tuple(dict(zip(self.settings.balance, cell, strict=True)) for cell in rare)

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """``n`` recorded episodes, uniform over the pool, with replacement."""
        pool = self.pool()
        rows = torch.randint(0, len(pool["group"]), (n,), generator=rng)
        return {name: value[rows] for name, value in pool.items()}

    def _stratified(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Equally many recorded episodes of every combination; each is used once before any is used twice."""
        cells = [rows for rows in self.combinations().values() if len(rows) >= MIN_CELL]
        which = (torch.arange(n) % len(cells))[torch.randperm(n, generator=rng)]
        rows = torch.zeros(n, dtype=torch.long)
        for cell, members in enumerate(cells):
            places = torch.nonzero(which == cell).flatten()
            rounds = -(-len(places) // len(members)) or 1
            deck = torch.cat([members[torch.randperm(len(members), generator=rng)] for _ in range(rounds)])
            rows[places] = deck[: len(places)]
        return {name: value[rows] for name, value in self.pool().items()}

    def sample(
        self, n: int, *, rng: torch.Generator, design: Design = "train", do: Mapping[str, Any] | None = None
    ) -> Batch:
        """Draw ``n`` recorded episodes; ``do`` is refused."""
        if n < 1:
            raise ImprintError(f"n is {n}; expected at least 1.")
        if design not in ("train", "balanced"):
            raise unknown_name("design", design, ("train", "balanced"))
        if do:
            self.require(*do)
            raise ImprintError(
                f"DoorKey cannot draw episodes with {', '.join(do)} set: concepts are the outcome of a simulated past. "
                "Draw a batch and use counterfactual(batch, concept, value), which changes the decision step."
            )
        noise = self.draw_noise(n, rng) if design == "train" else self._stratified(n, rng)
        return self._batch(recorded_facts(noise), dict(noise))

    def _batch(self, factors: pd.DataFrame, noise: dict[str, Tensor]) -> Batch:
        shown = self._shown(factors, noise)
        groups = noise["group"].numpy().astype(np.int64)
        return Batch(_planes(shown, noise["actions"]), self.facts(factors, noise, shown), groups, noise)

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, T, 13, 7, 7]``."""
        return _planes(self._shown(concepts, noise), noise["actions"])

    def _shown(self, factors: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Codes ``[n, T, 7, 7]``; the decision frame is rendered again where a fact differs from the recorded one."""
        shown = noise["shown"]
        new = factors[list(self.factors)].to_numpy(dtype=bool)
        changed = np.flatnonzero((new != recorded_facts(noise).to_numpy(dtype=bool)).any(1))
        if len(changed) == 0:
            return shown
        shown = shown.clone()
        for row in changed.tolist():
            state = tuple(noise["state"][row].tolist())
            shown[row, -1] = episodes.rerender(self.settings.env, state, bool(new[row, 0]), bool(new[row, 1]))
        return shown

    # -- masks and steering --------------------------------------------------------------------------------------

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """Cells that show the key on the floor, the key in the hand, the door, the goal; all sensory planes of them."""
        code = _codes(batch.observation)
        sensory = (torch.arange(batch.observation.shape[2]) < episodes.LOCKED)[None, None, :, None, None]
        hand = torch.zeros(VIEW, VIEW, dtype=torch.bool)
        hand[HAND] = True
        where = {
            "key_in_view": (code == episodes.KEY) & ~hand,
            "carrying_key": (code == episodes.KEY) & hand,
            "door_open": code >= episodes.OPEN,
            "goal_in_view": code == episodes.GOAL,
        }
        return {concept: mask[:, :, None] & sensory for concept, mask in where.items()}

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``greenness``, ``weight``, ``motion``, ``draught``: ``[n, T]``, each 0 to 1."""
        code = _codes(batch.observation)
        lit = (code != episodes.UNSEEN).flatten(2).sum(2).clamp(min=1)
        motion = torch.zeros(code.shape[:2])
        motion[:, 1:] = (code[:, 1:] != code[:, :-1]).flatten(2).float().mean(2)
        draught = batch.noise["draught"].float().clone()
        draught[:, -1] = torch.from_numpy(batch.concepts["door_open"].to_numpy(dtype=np.float32).copy())
        every = {
            "greenness": (code == episodes.GOAL).flatten(2).sum(2) / lit,
            "weight": (code[:, :, HAND[0], HAND[1]] == episodes.KEY).float(),
            "motion": motion,
            "draught": draught,
        }
        return Senses({name: value for name, value in every.items() if names is None or name in names})

    def held_out(self) -> World:
        """The same environment with maps that no learner was trained on."""
        return self.with_settings(maps="held_out")


def recorded_facts(noise: Mapping[str, Tensor]) -> pd.DataFrame:
    """The settable concepts as they were when the episode was recorded."""
    return pd.DataFrame({"carrying_key": noise["carrying"].numpy(), "door_open": noise["draught"][:, -1].numpy()})


def _planes(shown: Tensor, actions: Tensor) -> Tensor:
    """Observation ``[n, T, 13, 7, 7]`` from codes ``[n, T, 7, 7]`` and actions ``[n, T]``."""
    codes = torch.arange(episodes.EMPTY, episodes.LOCKED + 1, dtype=torch.uint8)
    cells = (shown[:, :, None] == codes[:, None, None]).float()
    taken = (actions[:, :, None] == torch.arange(DoorKey.action_channels, dtype=torch.uint8)).float()
    return torch.cat([cells, taken[..., None, None].expand(*taken.shape, VIEW, VIEW)], dim=2)


def _codes(observation: Tensor) -> Tensor:
    """Codes ``[n, T, 7, 7]`` from an observation."""
    weights = torch.arange(episodes.EMPTY, episodes.LOCKED + 1, dtype=observation.dtype)
    return torch.einsum("ntchw,c->nthw", observation[:, :, : episodes.LOCKED], weights).round().long()
