"""Lesions that do what they say, the rule on planted tables, and a short life from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from imprint.analyses.ask import ask, load_question
from imprint.analyses.findings import COLUMNS
from imprint.analyses.questions.at_birth.measure import CONDITIONS, lesioned, returns, survival
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

AGES = (0, 100, 200, 400, 800)


def planted(**changed: tuple[float, float]) -> Answer:
    """Part of the limit lived at birth and at the last age, straight in between, by condition."""
    ends = {"whole": (0.5, 0.9), "no_learner": (0.5, 0.5), "no_reflexes": (0.3, 0.7), "neither": (0.3, 0.3)} | changed
    tables = {}
    for seed in range(5):
        noise = np.random.default_rng(seed)
        rows = []
        for condition in CONDITIONS:
            first, last = ends[condition.replace(" ", "_")]
            jitter = (
                noise.permutation(np.linspace(-0.02, 0.02, len(AGES)))
                if condition == "no reflexes"
                else 0 * noise.random(5)
            )
            for i, age in enumerate(AGES):
                value = first + (last - first) * i / (len(AGES) - 1) + jitter[i]
                rows += [{"seed": seed, "age": age, "condition": condition, "metric": metric, "value": value}
                         for metric in ("lived", "survived", "pay")]  # fmt: skip
        tables[f"seed-{seed}"] = pd.DataFrame(rows)
    return AtBirth().conclude(tables, {})


def test_the_rule_refutes_what_is_not_as_predicted() -> None:
    assert planted(whole=(0.7, 0.9)).verdict == "refuted", "a newborn learner that helps"
    assert (
        planted(no_reflexes=(0.5, 0.7), neither=(0.2, 0.2), whole=(0.7, 0.9), no_learner=(0.7, 0.7)).verdict
        == "refuted"
    )
    assert planted(whole=(0.5, 0.55)).verdict == "refuted", "an adult learner that adds little"
    falling = planted(no_reflexes=(0.3, 0.9))
    assert falling.verdict == "refuted" and "rank correlation of age and cost of losing the reflexes -" in falling.why
    assert list(falling.findings.columns) == list(COLUMNS)
    assert {e.name for e in falling.exhibits} == {"lived", "survived", "pay", "cost"}


def test_the_rule_needs_reflexes_that_count_and_all_seeds() -> None:
    idle = planted(no_reflexes=(0.5, 0.9), neither=(0.5, 0.5))
    assert idle.verdict == "undetermined" and "have any effect to speak of" in idle.why
    assert planted().verdict in ("undetermined", "confirmed")


def test_a_short_life_from_end_to_end(tmp_path: Path) -> None:
    short = load_question("at-birth", {"seeds": 3, "experiences": 16_384, "ages": 3, "lives": 20})
    asked = ask(short, out=tmp_path, jobs=1)
    assert {e.name for e in asked.answer.exhibits} == {"lived", "survived", "pay", "cost"}
    assert "at birth, whole minus no learner" in asked.answer.why
