"""Setups are validated whole; every mistake names the field, what came, what is allowed and the near miss."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.registry import setups
from imprint.models.setup.learner import Schedule
from imprint.models.setup.load import load_setup

MUTANTS = 100


@pytest.mark.parametrize("name", sorted(setups()))
def test_shipped_setups_load_and_survive_a_round_trip(name: str) -> None:
    setup = load_setup(name)
    assert setup.name == name
    assert setup.description and setup.question
    again = load_setup(yaml.safe_load(yaml.safe_dump(setup.resolved())))
    assert again == setup and again.digest == setup.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world.kind": "nursary"}, "Did you mean 'nursery'"),
        ({"world.colour_que": 0.5}, "world.colour_que: unknown key. Did you mean 'colour_cue'"),
        ({"schedule.sedes": 3}, "schedule.sedes: unknown key. Did you mean 'seeds'"),
        ({"schedule.seeds": 0}, "greater than or equal to 1"),
        ({"schedule.seeds": "many"}, r"came: 'many'"),
        ({"schedule.ages": [64, 128]}, "start with birth"),
        ({"intended": "caregver"}, "Did you mean 'caregiver'"),
        ({"proxies": ["red", "red"]}, "name something twice"),
        ({"proxies": []}, "proxies is empty"),
        ({"assessor.signal": "comfrot"}, "Did you mean 'comfort'"),
        ({"assessor.closes_at": 0}, "not after opens_at"),
        ({"assessor.opens_at": 51_200}, "opens_at is 51200; expected less than 51200, the lifetime"),
        ({"steering.0.miss": 1.5}, "less than or equal to 1"),
        ({"learner.kind": None}, "unknown learner"),
        ({"name": "../elsewhere"}, "pattern"),
        ({"schedule.learning_rate": float("inf")}, "schedule.learning_rate: Input should be a finite number"),
        ({"world.colour_cue": float("nan")}, "world.colour_cue: Input should be a finite number"),
        ({"steering.0.miss": float("nan")}, "steering.0.miss: Input should be a finite number"),
        ({"evaluation.episodes": 10**10}, "less than or equal to 10000000"),
        ({"schedule.experiences": 10**400}, "less than or equal to 1000000000000"),
        ({"steering.²": 1}, "not a part of the setup"),
        ({"steering.7.miss": 1}, r"a list is there, whose entries are 0 \(contact\), 1 \(comfort\)"),
        ({"assessor..lag": 1}, "one point between"),
        ({"assessor.lag": True}, "truth values"),
        ({"schedule.seeds": True}, "truth values"),
        ({"steering.².miss": 1}, "not a part of the setup"),
        ({"world": 5}, "world: expected a mapping of its fields"),
        ({"world": {"kind": ["nursery"]}}, "unknown world"),
        ({"steering": {"a": 1}}, "steering"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImprintError, match=message.replace("[", r"\[") if "came" not in message else message):
        load_setup("nursery", changes=changes).make_world(0)


def test_unknown_setup_suggests_the_near_miss() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'nursery-late'"):
        load_setup("nursery-lat")


def test_not_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")
    with pytest.raises(ImprintError, match="expected a mapping"):
        load_setup(path)
    path.write_text("a: [1\n")
    with pytest.raises(ImprintError, match="not readable YAML"):
        load_setup(path)


def test_the_digest_knows_what_matters() -> None:
    base = load_setup("nursery")
    assert load_setup("nursery", changes={"description": "other words"}).digest == base.digest
    assert load_setup("nursery", changes={"world.colour_cue": 0.81}).digest != base.digest
    assert load_setup("nursery", changes={"world.colour_cue": 0.8}).digest == base.digest


def test_a_shared_birth_is_another_experiment_and_none_is_the_one_it_was() -> None:
    base = load_setup("nursery", changes={"schedule.worlds": 1})
    assert load_setup(base, changes={"schedule.shared_birth": 0}).digest != base.digest
    content = {k: v for k, v in base.resolved().items() if k not in ("description", "question")}
    later = {"shared_birth": None, "worlds": 1, "first_seed": 0}
    assert content.pop("scorecard") == {} and content.pop("routing") is None
    assert content.pop("rule") == {"kind": "backprop"}
    assert {name: content["schedule"].pop(name) for name in later} == later
    assert hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8] == base.digest


def test_extends_merges_and_a_new_kind_replaces() -> None:
    late = load_setup("nursery-late")
    assert late.assessor["opens_at"] > 0 and late.world == load_setup("nursery").world
    swapped = load_setup({"extends": "nursery", "name": "other", "learner": {"kind": "recurrent"}})
    assert swapped.learner["kind"] == "recurrent" and "temperature" not in swapped.learner


def test_ages_are_whole_batches_from_birth_to_the_end() -> None:
    ages = Schedule(experiences=1000, batch=64, ages=6).whole(64)
    assert ages[0] == 0 and ages[-1] == 1024 and all(age % 64 == 0 for age in ages)
    assert list(ages) == sorted(set(ages))
    assert Schedule(batch=64, ages=(0, 64, 6400)).whole(64) == (0, 64, 6400)


def test_a_setup_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"extends: {tmp_path / 'b.yaml'}\nname: a\n")
    (tmp_path / "b.yaml").write_text(f"extends: {tmp_path / 'a.yaml'}\nname: b\n")
    with pytest.raises(ImprintError, match=r"extends itself: .*a\.yaml -> .*b\.yaml -> .*a\.yaml"):
        load_setup(tmp_path / "a.yaml")
    with pytest.raises(ImprintError, match="extends is 5"):
        load_setup({"extends": 5})


NUMBERS: list[Any] = [None, True, -1, 0, 0.5, 10**30, float("nan"), float("inf")]
TEXTS: list[Any] = ["", "x" * 5000, "\0", "²", "1e400", b"x"]
NESTED: list[Any] = [
    [],
    [[]],
    {},
    {"kind": None},
    {"a": {"b": {}}},
    [1, "a", None],
    {"kind": "nursery"},
    {1: 2},
    {1, 2},
]
ODD = (*NUMBERS, *TEXTS, *NESTED)


def mutated(data: Any, rng: random.Random) -> Any:
    """One entry, somewhere in nested settings, replaced, removed or renamed."""
    keys = list(data) if isinstance(data, dict) else list(range(len(data)))
    key = rng.choice(keys)
    if isinstance(data[key], dict | list) and data[key] and rng.random() < 0.7:
        data[key] = mutated(data[key], rng)
    elif isinstance(data, dict) and rng.random() < 0.2:
        data[rng.choice(["", "knd", "0", "a.b"])] = data.pop(key)
    else:
        data[key] = rng.choice(ODD)
    return data


@pytest.mark.parametrize("name", ["nursery", "doorkey", "coin", "meadow-predator"])
def test_whatever_a_setup_says_it_loads_or_raises_our_error(name: str) -> None:
    rng, base = random.Random(name), load_setup(name).resolved()
    refused = 0
    for _ in range(MUTANTS):
        try:
            load_setup(mutated(copy.deepcopy(base), rng))
        except ImprintError:
            refused += 1
    assert MUTANTS / 3 < refused < MUTANTS
