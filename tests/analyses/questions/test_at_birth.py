"""Lesions that do what they say, the rule on planted tables, and a short life from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import ask, load_question
from imprint.analyses.findings import COLUMNS
from imprint.analyses.questions.at_birth.exhibits import TITLES
from imprint.analyses.questions.at_birth.measure import CONDITIONS, expectancy, lesioned, returns, survival
from imprint.analyses.questions.at_birth.question import AtBirth
from imprint.analyses.questions.base import Answer
from imprint.analyses.raising.lives import Lives
from imprint.models.environments.meadow.environment import STAY
from imprint.models.grids import STEPS
from imprint.models.setup.agent import AgentSetup
from imprint.models.steering.base import Body
from imprint.models.steering.reflex import Reflex


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_reflexes_escape_first_and_feed_when_nothing_looms() -> None:
    escape, feed, _ = AgentSetup(**AtBirth().setup()).make_signals()
    assert isinstance(escape, Reflex) and isinstance(feed, Reflex)
    quiet = {f"{kind}_{way}": torch.zeros(3) for kind in ("dark", "smell") for way in STEPS}
    now = quiet | {
        "looming": torch.tensor([0.0, 0.5, 0.5]), "dark": torch.tensor([1.0, 1.0, 0.0]),
        "dark_left": torch.tensor([0.0, 0.0, 0.6]), "smell_down": torch.tensor([0.4, 0.4, 0.0]),
    }  # fmt: skip
    assert escape.act(now, Body({})).tolist() == [-1, STAY, 3]
    assert feed.act(now, Body({})).tolist() == [2, 2, -1]


def test_reflexes_lengthen_life_and_a_newborn_learner_is_chance() -> None:
    setup = AgentSetup(**AtBirth().setup())
    environment = setup.make_environment(reflexes=False)
    agent = setup.make_agent(environment.view, rng=rng(0))
    found = survival(setup, environment.levels(150, rng=rng(1)), agent, seed=0)
    assert tuple(found) == CONDITIONS
    assert found["whole"]["lived"] > found["no reflexes"]["lived"] + 0.1
    assert abs(found["whole"]["lived"] - found["no learner"]["lived"]) < 0.08
    assert found["whole"]["pay"] > found["neither"]["pay"]


def test_a_lesioned_learner_knows_nothing_and_the_whole_one_is_left_alone() -> None:
    setup = AgentSetup(**AtBirth().setup())
    agent = setup.make_agent(setup.make_environment().view, rng=rng(0))
    before = [p.clone() for p in agent.parameters()]
    without = lesioned(agent)
    seen = torch.rand(5, *agent.view.shape, generator=rng(2))
    acted = without(seen, without.blank(5))
    assert not acted.logits.any() and not acted.value.any()
    assert all(torch.equal(a, b) for a, b in zip(before, agent.parameters(), strict=True)) and before[0].any()


def test_the_return_is_the_weighted_sum_of_an_episodes_senses() -> None:
    senses = {"food_eaten": torch.tensor([[1.0, 0.0, 1.0]]), "struck": torch.tensor([[0.0, 0.0, 1.0]])}
    lives = Lives(senses, torch.tensor([3]), torch.tensor([True]), torch.zeros(1, 4, 0))
    assert returns(lives, {"food_eaten": 2.0, "struck": -1.0}).tolist() == [3.0]


# -- the rule ----------------------------------------------------------------------------------------------------------

AGES = (0, 100, 200, 300, 400)


def planted(noise: float = 0.02, **changed: tuple[float, float]) -> Answer:
    """Expected length of life at birth and at the last age, geometric in between, by condition."""
    ends = {"whole": (50.0, 90.0), "no_learner": (50.0, 50.0), "no_reflexes": (20.0, 36.0), "neither": (20.0, 20.0)}
    ends |= changed
    tables = {}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows = []
        for condition in CONDITIONS:
            first, last = ends[condition.replace(" ", "_")]
            for i, age in enumerate(AGES):
                value = first * (last / first) ** (i / (len(AGES) - 1)) * np.exp(noise * rng.normal())
                rows += [{"seed": seed, "age": age, "condition": condition, "metric": metric, "value": value}
                         for metric in TITLES]  # fmt: skip
        tables[f"seed-{seed}"] = pd.DataFrame(rows)
    return AtBirth().conclude(tables, {})


def test_a_life_that_lengthens_by_the_same_factor_with_and_without_reflexes_confirms() -> None:
    """The difference that the reflexes make grows from 30 to 54 steps meanwhile, and does not count."""
    answer = planted()
    assert answer.verdict == "confirmed", answer.why
    rows = answer.exhibits[-1].frame.set_index(["lost", "age"])
    assert rows.loc[("reflexes", 0), "ratio"] == pytest.approx(2.5, rel=0.05)
    assert rows.loc[("reflexes", 400), "ratio"] == pytest.approx(2.5, rel=0.05)
    assert rows.loc[("learner", 400), "ratio"] == pytest.approx(1.8, rel=0.05)
    assert list(answer.findings.columns) == list(COLUMNS)
    assert [e.name for e in answer.exhibits] == [*TITLES, "cost"]


def test_the_rule_refutes_what_is_not_as_predicted() -> None:
    helps = planted(whole=(90.0, 90.0))
    assert helps.verdict == "refuted" and "whole / no learner 1.8" in helps.why, "a newborn learner that helps"
    alone = planted(no_reflexes=(30.0, 54.0))
    assert alone.verdict == "refuted" and "no reflexes / neither 1.5" in alone.why, (
        "an untrained learner survives alone"
    )
    assert planted(whole=(50.0, 55.0), no_reflexes=(20.0, 22.0)).verdict == "refuted", "an adult that adds little"
    leaning = planted(no_reflexes=(20.0, 20.0))
    assert leaning.verdict == "refuted" and "change over the lifetime, whole / no reflexes 1.8" in leaning.why


def test_a_change_within_the_margin_is_not_taken_for_none_when_seeds_differ_much() -> None:
    assert planted(noise=0.4).verdict == "undetermined"


def test_the_rule_needs_reflexes_that_count() -> None:
    idle = planted(no_reflexes=(50.0, 90.0), neither=(50.0, 50.0))
    assert idle.verdict == "undetermined" and "have any effect to speak of" in idle.why


def test_expected_life_does_not_level_off_at_the_limit() -> None:
    """A risk of death of .02 a step gives 50 steps whatever the limit, where the part that is lived depends on it."""
    draws = torch.rand(4000, 200, generator=rng(0)) < 0.02
    for limit in (30, 200):
        died = draws[:, :limit]
        steps = torch.where(died.any(1), died.int().argmax(1) + 1, limit)
        assert expectancy(steps, died.any(1)) == pytest.approx(50.0, rel=0.06)
    assert np.isfinite(expectancy(torch.tensor([10, 10]), torch.tensor([False, False])))


def test_a_short_life_from_end_to_end(tmp_path: Path) -> None:
    short = load_question("at-birth", {"seeds": 3, "experiences": 16_384, "ages": 3, "lives": 20})
    asked = ask(short, out=tmp_path, jobs=1)
    assert [e.name for e in asked.answer.exhibits] == [*TITLES, "cost"]
    assert "at birth, whole / no learner" in asked.answer.why
