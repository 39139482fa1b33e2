"""A setup draws the constants of its worlds, the same ones every time, and refuses what cannot be drawn or pooled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import BaseModel

from imprint.models.constants import draw_worlds
from imprint.models.errors import ImprintError
from imprint.models.setup.load import load_setup
from imprint.models.worlds.base import World
from imprint.models.worlds.nursery import Nursery


def test_worlds_differ_and_more_of_them_change_none_of_the_first() -> None:
    few, many = (load_setup("nursery", changes={"schedule.worlds": n}).worlds for n in (3, 6))
    assert many[:3] == few and len({str(world) for world in many}) == 6
    assert few[0] == {"caregiver": 3, "strangers": (0, 5, 8), "her_colour": "red", "her_side": "left"}


def test_seeds_take_worlds_in_turn_and_one_world_can_be_taken_out() -> None:
    setup = load_setup("coin", changes={"schedule.worlds": 4})
    assert [setup.schedule.world_of(seed) for seed in range(5)] == [0, 1, 2, 3, 0]
    assert {world["corner"] for world in setup.worlds} == {"top_left", "top_right", "bottom_left", "bottom_right"}
    alone = setup.in_world(2)
    assert alone.schedule.worlds == 1 and alone.worlds == (setup.worlds[2],)


def test_each_seed_may_have_its_own_world() -> None:
    assert load_setup("nursery").schedule.worlds == 6
    assert load_setup("nursery", changes={"schedule.seeds": 2}).schedule.worlds == 2


def test_one_world_leaves_the_name_of_a_run_as_it_was() -> None:
    assert load_setup("coin").run_name == "coin-d826549c"
    assert load_setup("coin", changes={"schedule.worlds": 2}).run_name != "coin-d826549c"


@pytest.mark.parametrize(("name", "changes", "message"), [
    ("nursery", {"schedule.worlds": 7}, "worlds is 7 but seeds is 6; expected at most one world per seed"),
    ("nursery", {"proxies": ["red", "lamp"]}, "proxies names 'red'.*name the role, 'her_colour'"),
    ("coin", {"schedule.worlds": 5}, "only 4 different worlds of Coin were found; expected at most 4"),
    ("keys", {"schedule.worlds": 2}, "Keys has no constants that differ between worlds; set 1"),
])  # fmt: skip
def test_worlds_that_cannot_be_are_refused(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImprintError, match=message):
        load_setup(name, changes=changes)


def test_a_family_without_the_contract_is_told_what_to_write() -> None:
    class Silent(World):
        def draw_noise(self, n: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
            raise NotImplementedError

        def render(self, concepts: Any, noise: Any) -> torch.Tensor:
            raise NotImplementedError

    class Wrong(Nursery):
        @classmethod
        def draw_constants(cls, settings: BaseModel, rng: torch.Generator) -> dict[str, Any]:
            return {"caregiver": 11}

    assert draw_worlds(Silent, Silent.Settings(), 1) == ({},)
    with pytest.raises(
        ImprintError, match=r"Silent.*write in the class `constants`.*`draw_constants\(settings, rng\)`"
    ):
        draw_worlds(Silent, Silent.Settings(), 2)
    with pytest.raises(ImprintError, match="gave caregiver; expected its constants: caregiver, strangers"):
        draw_worlds(Wrong, Nursery.Settings(), 2)
