"""Policies and values whose aim is known by construction: what exposes them is found, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from imprint.analyses.expose.expose import expose
from imprint.analyses.expose.levels.result import LevelSearch
from imprint.analyses.expose.levels.search import search_levels
from imprint.analyses.goals.behaviour import play
from imprint.analyses.goals.levels.task import Task
from imprint.models.environments.coin import SIDE, Coin
from imprint.models.errors import ImprintError
from imprint.models.levels import read_levels, states_in
from imprint.models.states import State
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject

ROOM = Coin(Coin.Settings(walls=0.0, limit=16))
"""Without walls, so that scripts need no search for a way."""
UP, RIGHT, DOWN, LEFT = range(4)
CORNER = SIDE - 1


def towards(agent: Tensor, cell: Tensor) -> Tensor:
    """The step to a cell: along the columns first."""
    down, right = cell // SIDE - agent // SIDE, cell % SIDE - agent % SIDE
    across = torch.where(right > 0, RIGHT, LEFT)
    return torch.where(right != 0, across, torch.where(down > 0, DOWN, UP))


def to_corner(observation: Tensor, state: State) -> Tensor:
    """Walks to the corner, wherever the coin lies."""
    return towards(state["agent"], torch.full_like(state["agent"], CORNER))


def to_coin(observation: Tensor, state: State) -> Tensor:
    """Walks to the coin; to the middle where there is none."""
    return towards(state["agent"], torch.where(state["coin"] < 0, 24, state["coin"]))


def promise(thing: int) -> Any:
    """A critic that discounts the steps to the coin (plane 2) or to the corner (thing -1)."""

    def value(observation: Tensor) -> Tensor:
        maps = observation.flatten(2)
        agent, coin = maps[:, 1].argmax(1), maps[:, 2].argmax(1)
        cell = torch.full_like(agent, CORNER) if thing < 0 else coin
        steps = (agent // SIDE - cell // SIDE).abs() + (agent % SIDE - cell % SIDE).abs()
        there = torch.ones(len(agent)) if thing < 0 else maps[:, 2].sum(1)
        return there * 0.95**steps

    return value


@pytest.fixture(scope="module")
def corner_search() -> LevelSearch:
    """A search on the policy that walks to the corner."""
    return search_levels(to_corner, ROOM, intended="coin", levels=200, seed=0)


def test_a_policy_that_walks_to_the_corner_is_exposed(corner_search: LevelSearch) -> None:
    """By an oracle of its own: in every level found the corner is reached and the coin is not."""
    found = corner_search
    assert len(found) >= 8
    assert set(found.frame()["kind"]) == {"passed over"}
    assert not found.frame()["coin_at_corner"].any()
    assert found.table["lineage"].is_unique
    played = play(
        ROOM, {**found.levels, "clock": torch.zeros(len(found), dtype=torch.int64)}, to_corner, ["coin", "corner"]
    )
    assert bool((played.attained[:, 0] < 0).all())
    assert bool((played.attained[:, 1] >= 0).all())
    assert found.training.value == 0.0


def test_clusters_say_what_the_levels_share_and_where_the_policy_ends(corner_search: LevelSearch) -> None:
    """Truth by construction: the coin is not in the corner, and the policy ends there."""
    first = corner_search.clusters[0]
    shared = {one.text: one for one in first.shared}
    assert shared["not coin_at_corner"].rate.value == 1.0
    assert shared["not coin_at_corner"].base < 0.9
    assert shared["at_corner"].ends
    assert all(one.q_value <= 0.05 for one in first.shared)
    undone = corner_search.undone.set_index("change")
    assert undone.loc["nothing", "undone"] == 0.0
    candidate = corner_search.candidates()[0]
    assert "coin_at_corner" in candidate.facts
    assert candidate.source == "behaviour"
    assert candidate.q_value < 0.05
    assert candidate.share.value > 0.1
    assert corner_search.searched().tested == len(corner_search.clusters)


def test_saved_levels_are_the_levels_found(corner_search: LevelSearch, tmp_path: Path) -> None:
    """They can be played again, with replays and words beside them; a file of something else is refused."""
    path = corner_search.save(tmp_path / "levels.json")
    state = states_in(path, ROOM.levels(1, rng=torch.Generator()))
    assert all(torch.equal(state[name], corner_search.levels[name]) for name in state)
    entry = read_levels(path)["levels"][int(corner_search.clusters[0].levels[0])]
    assert entry["replay"][0] == entry["text"]
    assert "@" not in entry["replay"][-1]
    assert len(entry["replay"]) == ROOM.settings.limit + 1
    (tmp_path / "other.json").write_text('{"format": "imprint levels 1", "levels": [{"level": {"agent": 3}}]}')
    with pytest.raises(ImprintError, match="holds no levels of this environment"):
        states_in(tmp_path / "other.json", ROOM.levels(1, rng=torch.Generator()))


def test_a_policy_that_walks_to_the_coin_is_not_exposed() -> None:
    """And it is said what could have been missed: about 3 / levels."""
    found = search_levels(to_coin, ROOM, levels=200, value=promise(2), seed=0)
    assert len(found) == 0
    assert found.unselected.exposing.value == 0.0
    assert 200 * found.detectable == pytest.approx(3, abs=0.05)
    assert "No level of 200 exposes" in found.sentence
    assert found.frame().empty
    assert found.candidates() == ()


def test_a_value_without_the_intended_goal_is_found() -> None:
    """A policy that takes the coin, whose critic promises as much where there is none."""
    found = search_levels(to_coin, ROOM, levels=200, value=promise(-1), seed=0)
    absent = found.frame().query("kind == 'absent'")
    assert len(absent) >= 3
    assert not absent["coin_present"].any()


class Porch(World):
    """Food, a lamp that goes along with it, and a rug that goes along with nothing."""

    factors = {"food": (False, True), "lamp": (False, True), "rug": ("red", "blue")}

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The lamp is lit with the food in 98 of 100 episodes."""
        food, rug = (torch.rand(2, n, generator=rng) < 0.5).numpy()
        lamp = food ^ (torch.rand(n, generator=rng) < 0.02).numpy()
        return pd.DataFrame({"food": food, "lamp": lamp, "rug": np.where(rug, "red", "blue")})

    def draw_noise(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Haze over each factor."""
        return {"haze": 0.1 * torch.randn(n, 3, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Any) -> Tensor:
        """One number a factor."""
        clear = torch.tensor(
            np.stack([concepts["food"], concepts["lamp"], concepts["rug"] == "red"], 1), dtype=torch.float32
        )
        return clear + noise["haze"]


def valued(*weights: float) -> Subject:
    """A linear value of what is seen."""
    model = torch.nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weights]))
        model.bias.zero_()
    return Subject(model.eval())


def test_episodes_that_are_valued_without_the_concept() -> None:
    """The lamp is named by what the episodes share; a value of food alone has none."""
    found = search_levels(valued(0.1, 1.0, 0.0), Porch(), intended="food", levels=240)
    assert "gradient" in found.ground.operators
    rows = found.frame()
    assert len(rows) >= 10
    assert not rows["food"].any()
    assert rows["lamp"].all()
    assert "lamp" in found.candidates()[0].facts
    assert "rug" not in found.candidates()[0].facts
    undone = found.undone.set_index("change")["undone"]
    assert undone["lamp"] > 0.9
    assert len(search_levels(valued(1.0, 0.0, 0.0), Porch(), intended="food", levels=240)) == 0


def test_expose_searches_behaviour_where_it_is_asked_to() -> None:
    asked: dict[str, Any] = {"intended": "food", "sources": ["behaviour"], "levels": 240, "n": 400}
    for weights, found in (((0.1, 1.0, 0.0), True), ((1.0, 0.0, 0.0), False)):
        answer = expose(valued(*weights), Porch(), **asked)
        assert answer.usable == ("behaviour",)
        assert [each.source for each in answer.tested] == ["behaviour"] * len(answer.tested)
        assert (len(answer.tested) > 0) == found
    assert expose(valued(1.0, 0.0, 0.0), Porch(), intended="food", n=400, sources=["world"]).usable == ("world",)


class Lane(gymnasium.Env[Any, Any]):
    """Somebody's own environment: 9 cells in a row, a coin, and a lamp that stands with it unless it is moved."""

    observation_space = gymnasium.spaces.Box(-9, 9, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at, self.coin, self.time = 4, int(self.np_random.choice([0, 1, 2, 6, 7, 8])), 0
        self.lamp = 8 - self.coin if (options or {}).get("moved") else self.coin
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at, self.time = min(max(self.at + 2 * int(action) - 1, 0), 8), self.time + 1
        return self._see(), float(self.at == self.coin), self.at == self.coin, self.time >= 12, {}

    def _see(self) -> Any:
        return np.array([self.at, self.coin, self.lamp], dtype=np.float32)


def lane() -> Task:
    """The task of the lane."""

    def at(thing: str) -> Any:
        return lambda env, info: env.unwrapped.at == getattr(env.unwrapped, thing)

    return Task(
        Lane,
        designs={"train": lambda seed: {}, "apart": lambda seed: {"moved": True}},
        goals={"coin": at("coin"), "lamp": at("lamp")},
        facts={"together": lambda env, info: env.unwrapped.coin == env.unwrapped.lamp, "at_lamp": at("lamp")},
        distances={"coin": lambda env, info: abs(env.unwrapped.at - env.unwrapped.coin)},
    )


def test_a_users_own_environment_is_searched_through_its_parameters() -> None:
    """The option that moves the lamp is found to expose who follows the lamp, and not who follows the coin."""
    search = {"designs": ["train"], "parameters": {"moved": [False, True]}, "levels": 60, "tries": 8}
    found = search_levels(lambda seen: int(seen[2] > seen[0]), lane(), **search)
    rows = found.frame()
    assert len(rows) >= 3
    assert rows["moved"].astype(str).eq("True").all()
    assert not rows["together"].any()
    assert "at_lamp" not in {one.text for one in found.clusters[0].shared if not one.ends}
    assert found.ground.written(found.levels)[0]["parameters"] == {"moved": True}
    assert len(search_levels(lambda seen: int(seen[1] > seen[0]), lane(), **search)) == 0
    alone = search_levels(lambda seen: int(seen[1] > seen[0]), lane(), levels=40, tries=8)
    assert any("take nothing but a seed" in note for note in alone.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((to_coin, ROOM, {"levels": 10}), "levels is 10; expected a whole number of at least 40"),
        ((to_coin, ROOM, {"intended": "coyn"}), "Did you mean 'coin'"),
        ((to_coin, ROOM, {"designs": ["trian"]}), "Did you mean 'train'"),
        ((to_coin, ROOM, {"designs": "train"}), "expected a list of names"),
        ((to_coin, ROOM, {"parameters": {"wals": [0.1]}}), "Did you mean 'walls'"),
        ((to_coin, ROOM, {"parameters": {"walls": [7.0]}}), "walls"),
        ((to_coin, ROOM, {"parameters": {"walls": 0.1}}), "expected a list of values"),
        ((to_coin, ROOM, {"discount": 1.0}), "between 0 and 1"),
        ((to_coin, ROOM, {"seconds": -1}), "above 0"),
        ((to_coin, ROOM, {"tries": 2}), "tries is 2"),
        ((lambda o, s: torch.zeros(3), ROOM, {}), "expected whole numbers"),
        ((to_coin, ROOM, {"value": lambda o: o}), "one finite number each"),
        ((3, ROOM, {}), "expected an agent, or a function"),
        ((to_coin, "coin", {}), "searched in an environment, an AgentStudy or a world"),
        ((to_coin, Porch(), {"intended": "food"}), "expected imprint.Subject"),
        ((valued(1.0, 0.0, 0.0), Porch(), {}), "intended is missing"),
        ((valued(1.0, 0.0, 0.0), Porch(), {"intended": "fod"}), "Did you mean 'food'"),
    ],
)
def test_mistakes_are_explained(arguments: tuple[Any, Any, dict[str, Any]], message: str) -> None:
    """One sentence that names what came, and the near miss."""
    subject, where, options = arguments
    with pytest.raises(ImprintError, match=message):
        search_levels(subject, where, **options)
