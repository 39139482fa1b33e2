"""Signals that read the learner: lives resume to the bit, seeds are apart, and beliefs are left alone unless asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.files import write_bytes
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, model_hash, part_of, read_tensors
from imprint.probes.exchange.probe_files import ProbeCard, save_probe
from imprint.probes.readouts.ridge import Ridge

AGES = [0, 48, 112, 160]
SMALL = {"schedule.experiences": 160, "schedule.batch": 16, "schedule.ages": AGES, "learner.hidden": 16}
ERRORS = {"miss": 0.1, "false_alarm": 0.05, "delay": 1}
EVERYTHING = {
    "steering": [
        {"kind": "detector", "name": "contact", "sense": "warmth", **ERRORS},
        {"kind": "judge", "name": "beauty", "standard": {"redness": 0.3}, "noise": 0.1, **ERRORS},
        {"kind": "social", "name": "joy", "feeling": "contact", "honesty": 0.8, **ERRORS},
        {"kind": "default_on", "name": "fear", "off": "familiar", "weight": -1.0, **ERRORS},
        {"kind": "present_need", "name": "worth", "columns": {"familiar": 1.0, "lovely": 0.5},
         "needs": {"familiar": "hunger"}, "need_noise": 0.1},
        {"kind": "belief", "name": "hope", "reading": "located", "sense": "joy", **ERRORS},
        {"kind": "reward", "name": "comfort", "weights": {"hope": 1.0, "worth": 1.0, "fear": 0.5}, "low": -2.0},
    ],
    "scorecard": {
        "familiar": {"kind": "imprinting", "signal": "contact", "events": 60, "lag": 0},
        "lovely": {"kind": "long_term", "signal": "beauty"},
        "located": {"kind": "direction", "opens_at": 48, "directions": {"every": {"vector": [0.1] * 64}}},
    },
    "assessor": {"kind": "valence", "signal": "comfort", "lag": 1},
}  # fmt: skip
CLOSED = {"kind": "belief", "name": "comfort", "reading": "warm", "gradient_into_learner": 0.5}
WARM = {"warm": {"kind": "valence", "signal": "contact", "lag": 0}}


def small(**changes: Any) -> Setup:
    return load_setup("nursery", changes={**SMALL, **changes}, expect=Setup)


def raised(setup: Setup, path: Path, seeds: tuple[int, ...] = (0, 1)) -> dict[tuple[int, int], bytes]:
    LearnerLifetime(setup, seeds, RunFolder(path)).live()
    return {(s, a): RunFolder(path).checkpoint(s, a).read_bytes() for s in seeds for a in setup.planned}


def learner_of(path: Path, seed: int, age: int = 160) -> dict[str, torch.Tensor]:
    return part_of(read_tensors(RunFolder(path).checkpoint(seed, age))[0], "learner.learner.")


@pytest.mark.parametrize("steering", ["every kind", "gradient into the learner"])
def test_resumed_equals_uninterrupted_to_the_byte(tmp_path: Path, steering: str) -> None:
    contact = EVERYTHING["steering"][0]  # type: ignore[index]
    setup = small(**EVERYTHING if steering == "every kind" else {"steering": [contact, CLOSED], "scorecard": WARM})
    whole = raised(setup, tmp_path / "whole")
    for keep in (1, 3):
        path = tmp_path / f"cut-{keep}"
        for seed in (0, 1):
            for age in AGES[:keep]:
                write_bytes(RunFolder(path).checkpoint(seed, age), whole[seed, age])
        assert raised(setup, path) == whole
    if steering == "every kind":
        tensors, _ = read_tensors(RunFolder(tmp_path / "whole").checkpoint(1, 160))
        assert tensors["scorecard.located.attached"] and tensors["scorecard.familiar.opened"]
        assert all(float(tensors[f"scorecard.{c}.weight"].abs().max()) > 0 for c in setup.scorecard)


def test_beliefs_are_bent_only_by_a_gradient_that_was_asked_for(tmp_path: Path) -> None:
    setups = {
        "plain": small(),
        "open": small(**{"steering.1": {**CLOSED, "gradient_into_learner": 0.0}, "scorecard": WARM}),
        "closed": small(**{"steering.1": CLOSED, "scorecard": WARM}),
    }
    assert [setup.shapes_learner for setup in setups.values()] == [False, False, True]
    for name, setup in setups.items():
        raised(setup, tmp_path / name)
    for seed in (0, 1):
        plain, left, bent = (learner_of(tmp_path / name, seed) for name in setups)
        assert all(torch.equal(plain[key], left[key]) for key in plain), "the same life, to the bit"
        assert any(not torch.equal(plain[key], bent[key]) for key in plain)
    life = LearnerLifetime(setups["closed"], (0, 1), RunFolder(tmp_path / "closed"))
    life.live()
    before = {name: value.clone() for name, value in life.cohort.parameters.items()}
    next(iter(life.cohort.parameters.values())).detach()[0] = float("nan")
    life.step()
    alone = {name: (value[1] - before[name][1]).abs().max() for name, value in life.cohort.parameters.items()}
    assert life.cohort.alive.tolist() == [False, True] and max(alone.values()) > 0


def test_a_reward_wired_to_a_located_direction_fits_that_learner_and_no_other(tmp_path: Path) -> None:
    setup = small()
    raised(setup, tmp_path / "first")
    files: dict[str, str] = {}
    for seed in (0, 1):
        kept = LearnerLifetime.revive(setup, RunFolder(tmp_path / "first"), seed, 112)
        batch = setup.make_world(0).sample(80, rng=torch.Generator().manual_seed(seed))
        rows = kept.learner.latents(batch.observation)[:, 3]
        card = ProbeCard("caregiver", f"{kept.learner.latent_hook}@hidden", model_hash=model_hash(kept.learner))
        readout = Ridge().fit(rows.numpy(), batch.concepts["caregiver"].to_numpy())
        files[str(seed)] = str(save_probe(tmp_path / f"{seed}.safetensors", readout, card))

    def wired(directions: dict[str, str], opens_at: int = 112) -> Setup:
        column = {"kind": "direction", "opens_at": opens_at, "directions": directions}
        belief = {"kind": "belief", "name": "comfort", "reading": "mother"}
        return small(**{"steering.1": belief, "scorecard": {"mother": column}})

    setup = wired(files)
    raised(setup, tmp_path / "wired")
    values = [LearnerLifetime.revive(setup, RunFolder(tmp_path / "wired"), 0, age).weight for age in AGES]
    assert [float(value.abs().max()) > 0 for value in values] == [False, False, False, True]
    again = load_setup(setup.resolved(), expect=Setup)
    assert again.digest == setup.digest and files["0"] not in str(again.resolved()), "the setup keeps the numbers"
    for wrong, why in (
        (wired({"0": files["1"], "1": files["0"]}), "says nothing about other weights"),
        (wired(files, opens_at=48), "at 48 experiences"),
        (wired({"0": files["0"]}), "seed 1 has no direction"),
    ):
        with pytest.raises(ImprintError, match=why):
            raised(wrong, tmp_path / why)
    narrow = load_setup(wired({"every": files["0"]}, 0), changes={"learner.width": 12}, expect=Setup)
    with pytest.raises(ImprintError, match="has 64 numbers and the learner's latents have 12"):
        LearnerLifetime(narrow, (0,), RunFolder(tmp_path / "other")).step()
    with pytest.raises(ImprintError, match="which is no file"):
        wired({"0": str(tmp_path / "missing.safetensors")})


def test_slips_in_a_scorecard_are_named() -> None:
    for changes, why in (
        ({"scorecard": {"warm": {"kind": "valence", "signal": "contakt"}}}, "Did you mean 'contact'"),
        ({"scorecard": {"contact": {"kind": "valence", "signal": "contact"}}}, "called like a steering signal"),
        ({"scorecard": {"a b": {"kind": "valence", "signal": "contact"}}}, "lower-case letters"),
        ({"scorecard": {"warm": {"kind": "valence", "signal": "contact", "lagg": 2}}}, "scorecard.warm.lagg"),
        ({"scorecard": {"odd": {"kind": "direction", "directions": {}}}}, "a probe's file, or a vector"),
        ({"steering.1": {**CLOSED, "reading": "warmth"}, "scorecard": WARM}, "reads no column of the scorecard"),
    ):
        with pytest.raises(ImprintError, match=why):
            small(**changes)
    with pytest.raises(ImprintError, match="no gradient goes from a reading into an agent"):
        load_setup("coin", changes={"steering": [CLOSED], "learning.pay": "comfort"})
    direction = {"kind": "direction", "directions": {"every": {"vector": [0.1]}}, "lag": 0}
    for column, why in ((WARM["warm"] | {"lag": 1}, "lag is 1; expected 0"), (direction, "that a signal teaches")):
        with pytest.raises(ImprintError, match=why):
            load_setup("coin", changes={"scorecard": {"warm": column | {"signal": "delight"}}})
    column, memory = {"kind": "valence", "signal": "delight", "lag": 0}, {"kind": "recurrent"}
    for name, agent, why in (("warm", {"kind": "actor_critic"}, "memory"), ("bumped", memory, "called like a sense")):
        plan = load_setup("coin", changes={"agent": agent, "scorecard": {name: column}}, expect=AgentSetup)
        with pytest.raises(ImprintError, match=why):
            plan.make_agent(plan.make_environment().view, rng=torch.Generator())
    unread = {**CLOSED, "gradient_into_learner": 0.0}
    life = LearnerLifetime(small(**{"steering.1": unread, "scorecard": {"wam": WARM["warm"]}}), (0,), RunFolder(Path()))
    with pytest.raises(UnknownNameError, match="Did you mean 'wam'"):
        life.step()
