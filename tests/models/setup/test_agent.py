"""Setups of agents are validated whole; every mistake names the field, what came, what is allowed and the near miss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from imprint.analyses.evaluate.run import read_setup
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.registry import setups
from imprint.models.setup.agent import AgentSchedule, AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.setup.naming import digest_of
from imprint.models.steering.base import Body, Senses
from imprint.models.store import RunFolder

OF_AGENTS = sorted(name for name in setups() if isinstance(load_setup(name), AgentSetup))


def coin(**changes: Any) -> AgentSetup:
    return load_setup("coin", changes=changes, expect=AgentSetup)


@pytest.mark.parametrize("name", OF_AGENTS)
def test_shipped_setups_of_agents_fit_their_world(name: str) -> None:
    setup = load_setup(name, expect=AgentSetup)
    environment = setup.make_environment(copies=2)
    agent = setup.make_agent(environment.view, rng=torch.Generator().manual_seed(0))
    acted = agent(environment.observe(environment.levels(2, rng=environment.rng)), agent.blank(2))
    assert acted.logits.shape == (2, environment.view.actions)
    assert setup.planned[0] == 0 and setup.planned[-1] >= setup.schedule.experiences


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment.kind": "coyn"}, "unknown environment 'coyn'. Did you mean 'coin'"),
        ({"environment.vareid": 0.5}, "environment.vareid: unknown key. Did you mean 'varied'"),
        ({"environment.varied": 1.5}, "environment.varied: Input should be less than or equal to 1"),
        ({"agent.kind": "actor-critic"}, "unknown agent 'actor-critic'. Did you mean 'actor_critic'"),
        ({"agent.widths": []}, "agent.widths: expected at least 1 of them"),
        ({"learning.pay": "delite"}, "unknown steering signal in learning.pay 'delite'. Did you mean 'delight'"),
        ({"learning.epoch": 3}, "learning.epoch: unknown key. Did you mean 'epochs'"),
        ({"learning.minibatches": 3}, "3 minibatches do not divide 1024 copies"),
        ({"learning.algorithm": "a2c"}, "a2c learns once from each rollout"),
        ({"schedule.sedes": 3}, "schedule.sedes: unknown key. Did you mean 'seeds'"),
        ({"schedule.batch": 64}, "schedule.batch: unknown key"),
        ({"schedule.ages": [64, 128]}, "start with birth"),
        ({"evaluation.level": 10}, "evaluation.level: unknown key. Did you mean 'levels'"),
        ({"decision.dominates": 0.3}, "greater than 0.5"),
        ({"steering": []}, "steering is empty"),
        ({"steering.0": {"kind": "detector", "name": "delight", "sense": "coin_taken", "delay": 2}},
         "steering.0.delay is 2; expected 0, since agents are rewarded in the same step"),
        ({"steering.0.weights": {"coin_takn": 1.0}}, "unknown sense 'coin_takn'. Did you mean 'coin_taken'"),
        ({"steering.0.body": "hunger"}, "unknown body state 'hunger'"),
        ({"steering.0": {"kind": "curiosity", "name": "delight", "sense": "suprise"}}, "unknown sense 'suprise'"),
        ({"intended": "coinn"}, "unknown goal of coin 'coinn'. Did you mean 'coin'"),
        ({"proxies": ["korner"]}, "unknown goal of coin 'korner'. Did you mean 'corner'"),
        ({"proxies": []}, "proxies is empty"),
        ({"proxies": ["coin"]}, "name something twice"),
        ({"concepts": ["coin_sell"]}, "unknown fact of coin 'coin_sell'. Did you mean 'coin_cell'"),
        ({"agent": None}, "agent"),
    ],
)  # fmt: skip
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImprintError) as error:
        coin(**changes).make_environment()
    assert message in str(error.value)


def test_the_kind_of_setup_is_seen_from_its_parts() -> None:
    assert isinstance(load_setup("coin"), AgentSetup) and isinstance(load_setup("nursery"), Setup)
    assert all(isinstance(load_setup(name), AlignmentSetup) for name in setups())
    with pytest.raises(ImprintError, match="coin is a setup of an agent in an environment; expected one of a learner"):
        load_setup("coin", expect=Setup)
    with pytest.raises(ImprintError, match="nursery is a setup of a learner in a static world; expected one of an a"):
        load_setup("nursery", expect=AgentSetup)
    assert load_setup(coin()) == coin()


def test_the_digest_knows_what_matters() -> None:
    base = coin()
    assert coin(description="other words").digest == base.digest
    assert coin(**{"environment.varied": 0.0, "learning.clip": 0.2}).digest == base.digest
    different = [
        {"environment.varied": 0.01}, {"learning.discount": 0.9}, {"learning.shuffled_pay": True},
        {"agent.widths": [64]}, {"schedule.seeds": 4}, {"decision.gain": 0.2}, {"evaluation.levels": 500},
        {"schedule.shared_birth": 0},
    ]  # fmt: skip
    names = {coin(**changes).digest for changes in different}
    assert len(names) == len(different) and base.digest not in names


def test_the_varied_coin_differs_in_its_world_alone() -> None:
    one, other = coin().resolved(), load_setup("coin-varied").resolved()
    assert {key for key in one if one[key] != other[key]} == {"name", "description", "question", "environment"}
    assert other["environment"] == {**one["environment"], "varied": 0.03}


def test_ages_are_whole_rollouts_from_birth_to_the_end() -> None:
    setup = coin()
    assert setup.planned[0] == 0 and len(setup.planned) == 7
    assert all(age % (1024 * 16) == 0 for age in setup.planned)
    assert 1_500_000 <= setup.planned[-1] < 1_500_000 + 1024 * 16
    given = coin(**{"schedule.ages": [0, 16384, 40000], "schedule.experiences": 40000})
    assert given.planned == (0, 16384, 49152)
    assert AgentSchedule(ages=(0, 500)).experiences == 500


def test_a_world_with_a_surprise_of_its_own_is_told_apart_from_novelty(monkeypatch: pytest.MonkeyPatch) -> None:
    curious = coin(**{"steering.0": {"kind": "curiosity", "name": "delight", "sense": "surprise"}})
    cls = type(curious.make_environment())
    senses = cls.senses
    monkeypatch.setattr(cls, "senses", lambda *a: {**senses(*a), "surprise": torch.ones(1)})
    with pytest.raises(ImprintError, match="coin has a sense 'surprise' of its own"):
        curious.make_environment()


def test_signals_are_made_in_order() -> None:
    setup = coin(steering=[
        {"kind": "detector", "name": "felt", "sense": "corner_reached"},
        {"kind": "reward", "name": "delight", "weights": {"felt": 1.0, "coin_taken": 1.0}},
    ])  # fmt: skip
    setup.make_environment()
    felt, delight = setup.make_signals()
    senses = Senses({"corner_reached": torch.tensor([[0.0, 1.0]]), "coin_taken": torch.tensor([[0.0, 0.0]])})
    rng = torch.Generator()
    value = felt(senses, Body({}), rng=rng)
    assert delight(senses.plus("felt", value), Body({}), rng=rng).tolist() == [[0.0, 1.0]]


def test_a_run_made_under_the_first_edition_of_the_rule_is_read(tmp_path: Path) -> None:
    stored = coin().resolved()
    stored["decision"] = {"capable": 0.75, "gain": 0.15, "dominates": 0.75, "costs": 0.1, "fits": 0.1, "agree": 0.8}
    del stored["environment"]["marked"]
    folder = RunFolder(tmp_path / f"coin-{digest_of(stored)}")
    folder.path.mkdir()
    folder.setup_file.write_text(yaml.safe_dump(stored), encoding="utf-8")
    read = read_setup(folder)
    assert isinstance(read, AgentSetup) and read.decision.edition == 1
    folder.setup_file.write_text(
        yaml.safe_dump({**stored, "intended": "corner", "proxies": ["coin"]}), encoding="utf-8"
    )
    with pytest.raises(DamagedFileError, match="was begun in its folder; it was changed since"):
        read_setup(folder)
