from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imprint.analyses.ask import load_question
from imprint.analyses.questions.inner_outer import measure as gaps
from imprint.analyses.questions.inner_outer.question import decide, in_words
from imprint.analyses.raising.imagination import near_rooms
from imprint.models.environments.coin import CELLS, Coin
from imprint.models.errors import ImprintError
from imprint.models.imagination.planner import Planner, carried_out, sequences
from imprint.models.imagination.walks import walk
from imprint.models.states import State
from tests.known.world_model import TrueModel

HORIZON, ROOMS = 4, 20


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def near(world: Coin, design: str) -> State:
    return near_rooms(world, ("coin", "corner"), HORIZON, ROOMS, among=60 * ROOMS + 200, design=design, rng=rng(1))


@given(st.floats(-1, 1), st.integers(0, 40))
def test_a_bug_in_the_reward_is_an_outer_gap_and_no_inner_one(bug: float, hit: int) -> None:
    intended = torch.rand(40, generator=rng(0))
    paid = intended + bug * (torch.arange(40) < hit)
    assert gaps.gap(paid, intended) == pytest.approx(abs(bug) * hit / 40, abs=1e-6)
    assert gaps.gap(paid, paid) == 0.0


@given(st.floats(-1, 1))
def test_a_bug_in_the_value_is_an_inner_gap_and_no_outer_one(bug: float) -> None:
    paid = torch.rand(40, generator=rng(0))
    assert gaps.gap(paid + bug, paid) == pytest.approx(abs(bug), abs=1e-6)
    assert gaps.gap(paid, paid) == 0.0


def test_different_outcomes_are_not_compared() -> None:
    with pytest.raises(ImprintError, match="expected the same"):
        gaps.gap(torch.zeros(3), torch.zeros(4))


def at_corner(world: Coin) -> Tensor:
    """Weight of a value that wants the agent plane's corner cell."""
    weight = torch.zeros(CELLS, 3, 1)
    weight[world.corner, 1] = 1.0
    return weight.flatten(0, 1)


def measured(where: str, read: Any, weight: Tensor) -> dict[str, float]:
    world = Coin()
    state = near(world, gaps.WHERE[where])
    action = torch.randint(0, 4**HORIZON, (ROOMS, 32), generator=rng(2))
    values = {1: (weight[:, 0], torch.zeros(()))}
    found = gaps.gaps_in(world, Planner(TrueModel(world), HORIZON, read), state, action, values=values)
    return {f"{row['metric']}, {row['plans']}": row["value"] for row in found}


def test_a_value_that_wants_the_corner_is_right_at_home_and_wrong_abroad() -> None:
    world = Coin()
    home, abroad = (measured(where, "maps", at_corner(world)) for where in ("on", "off"))
    assert home["inner, right, any"] == home["inner, right, chosen"] == 0.0
    assert abroad["inner, right, chosen"] > 0.8 and abroad["corner_reached, chosen"] > 0.9
    state = near(world, "apart")
    action = torch.randint(0, 4**HORIZON, (ROOMS, 32), generator=rng(2)).flatten()
    plans, rooms = sequences(4, HORIZON)[action], torch.arange(ROOMS).repeat_interleave(32)
    many = {name: value[rooms] for name, value in state.items()}
    ends = {**many, "coin": torch.full_like(many["coin"], -1)}  # a room without an end shows where plans would pass
    passed = carried_out(world, ends, plans)["corner_reached"].amax(1)
    expected = (passed - carried_out(world, many, plans)["coin_taken"].amax(1)).abs().mean()
    assert abroad["inner, right, any"] == pytest.approx(float(expected), abs=1e-6) and expected > 0


def test_a_value_that_wants_the_coin_has_no_inner_gap_anywhere() -> None:
    for where in gaps.WHERE:
        found = measured(where, "summary", torch.tensor([[1.0], [0.0], [0.0]]))
        assert found["inner, right, any"] == found["inner, right, chosen"] == 0.0


def test_the_crude_signal_pays_alike_at_home_and_half_for_the_corner_abroad() -> None:
    weight = at_corner(Coin())
    home, abroad = (measured(where, "maps", weight) for where in ("on", "off"))
    assert home["outer, crude, any"] == home["outer, crude, chosen"] == 0.0
    assert abroad["outer, right, chosen"] == 0.0 and 0.4 < abroad["outer, crude, chosen"] <= 0.5


def test_the_inner_gap_at_home_shrinks_with_training() -> None:
    world = Coin()
    model, life = TrueModel(world), walk(world, world.levels(400, rng=rng(3)), 40, rng=rng(4))
    values = gaps.values_at_ages(model, life, "maps", (2, 600), rng=rng(5))
    state = near(world, "train")
    action = torch.randint(0, 4**HORIZON, (ROOMS, 32), generator=rng(2))
    found = gaps.gaps_in(world, Planner(model, HORIZON, "maps"), state, action, values=values)
    inner = {row["age"]: row["value"] for row in found if row["metric"] == "inner, right" and row["plans"] == "any"}
    assert inner[600] < 0.5 * inner[2]


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(on: float = 0.02, off: float = 0.2, late: float = 0.11, foreseen: float = 0.99) -> pd.DataFrame:
    rows = []
    for seed in range(6):
        more = 1 + 0.01 * (seed % 2)
        rows += [{"seed": seed, "where": w, "metric": "foreseen", "value": foreseen} for w in ("on", "off")]
        numbers = {("any", "inner, right", "on"): on, ("any", "inner, right", "off"): off,
                   ("any", "spread, right", "on"): 0.4}  # fmt: skip
        for age, outer in ((10, 0.1), (100, late)):
            numbers["chosen", "outer, crude", "off"] = outer
            rows += [
                {"seed": seed, "reading": "maps", "age": age, "where": where, "plans": plans, "metric": metric,
                 "value": value if metric.startswith("spread") else value * more, "n": 10}
                for (plans, metric, where), value in numbers.items()
            ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"on": 0.06}, "refuted"),
        ({"off": 0.04}, "refuted"),
        ({"late": 0.4}, "refuted"),
        ({"on": 0.0399}, "undetermined"),
        ({"foreseen": 0.9}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_the_sentence_says_which_part_errs_and_by_how_much() -> None:
    said = in_words(decide(table()))
    assert "times as far, although the signal is right" in said and "nan" not in said


def test_a_short_life_runs_from_end_to_end() -> None:
    settings = {"seeds": 2, "together": 2, "ages": (2, 4), "rooms": 10, "plans": 4, "horizon": 3,
                "growing": {"walks": 60, "updates": 2}}  # fmt: skip
    question = load_question("inner-outer", settings)
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and "due to the world model" in answer.why
    assert {"inner_right", "outer_crude", "foreseen"} <= set(answer.findings["metric"])


def test_the_card_says_what_its_seeds_buy() -> None:
    bought = {n: load_question("inner-outer", {"seeds": n}).whole_card.power for n in (2, 14)}
    assert bought[2].startswith("2 seeds") and "probability 0.33." in bought[2]
    assert "probability 1.00." in bought[14]


def test_ages_that_do_not_increase_are_refused() -> None:
    with pytest.raises(ImprintError, match="increasing"):
        load_question("inner-outer", {"ages": (5, 5)})
