"""A study of agents says what was built into them, keeps what it found, and refuses what does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import NormalizeObservation

import imprint
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from tests.known.hall import Hall, Network, at, walker


def number(run: Any, analysis: str, metric: str, **about: Any) -> float:
    """One estimate over seeds."""
    rows = run.findings
    rows = rows[(rows["analysis"] == analysis) & (rows["metric"] == metric) & rows["seed"].isna()]
    for column, value in about.items():
        rows = rows[rows[column] == value]
    return float(rows["estimate"].iloc[-1])


def test_networks_of_known_goals_are_judged_rightly_by_what_erasing_costs(judged: dict[str, Any]) -> None:
    assert {name: run.verdict for name, run in judged.items()} == {"coin": "intended", "lamp": "proxy:lamp"}
    for name, other in (("coin", "lamp"), ("lamp", "coin")):
        run = judged[name]
        assert number(run, "latch", "wanting", concept=name) > 0.4
        assert abs(number(run, "latch", "wanting", concept=other)) < 0.25
        assert number(run, "latch", "dominance", concept=name) > 0.8
        assert number(run, "critic", "latch_index") == pytest.approx(float(name == "lamp"), abs=0.25)
    checks = judged["coin"].findings.query("metric == 'self_check'")
    assert len(checks) == 3 and (checks["estimate"] == 1).all()  # random play and both twins


def test_a_run_of_a_study_is_a_run(judged: dict[str, Any]) -> None:
    run = judged["coin"]
    again = imprint.verify(run)
    assert [check.name for check in again.wrong] == []
    assert again.level == "registered"
    page = imprint.report(run).read_text()
    assert "The agents pursue “coin”" in page
    assert "Episodes to replay" in page and "data:image/png" in page
    assert "could not be shown" not in page.split("</head>")[1][:4000]
    table = imprint.compare([judged["coin"], judged["lamp"]])
    assert list(table["verdict"].unique()) == ["intended", "proxy:lamp"]
    setup = run.path / "setup.yaml"
    setup.write_text(setup.read_text().replace("gain: 0.15", "gain: 0.05"))
    with pytest.raises(DamagedFileError, match="was begun in its folder"):
        _ = type(run)(run.path).setup


def test_functions_are_judged_by_what_they_reach(hall: Callable[..., Any], tmp_path: Path) -> None:
    known = {"intended": walker(0), "proxy:lamp": walker(1), "undetermined": lambda observation: 0}
    for word, policy in known.items():
        study = hall(evaluation={"levels": 60, "states": 60, "resamples": 300})
        for seed in range(2):
            study.add(policy, age=1, seed=seed)
        run = study.finish(tmp_path / word.replace(":", "-"))
        assert run.verdict == word
        assert np.isnan(number(run, "latch", "wanting", concept="coin"))
        why = " ".join(run.findings.query("metric == 'limit'")["why"])
        assert "No untrained twins" in why and "judged by what it reaches alone" in why
    assert "Nothing could be erased" in str(run.latch_row()["why"])


def test_evidence_outlives_the_process_and_the_policy(hall: Callable[..., Any], tmp_path: Path) -> None:
    few = {"evaluation": {"levels": 20, "states": 40, "resamples": 100, "placebos": 2}}
    study = hall(folder=tmp_path / "kept", **few)
    assert study.add(Network(0).eval(), age=3, seed=0)
    state = torch.random.get_rng_state()
    assert not study.add(Network(0).eval(), age=3, seed=0)
    assert (0, 3) in study and (1, 3) not in study
    with pytest.raises(ImprintError, match="another model was added as seed 0 at age 3"):
        study.add(Network(1).eval(), age=3, seed=0)
    with pytest.raises(ImprintError, match="seed 1 at age 3 is the same model as seed 0 at age 3"):
        study.add(Network(0).eval(), age=3, seed=1)
    again = hall(folder=tmp_path / "kept", **few)
    assert len(again.added) == 1
    again.add(walker(1), age=5, seed=0)
    first, second = (one.finish(tmp_path / name) for one, name in ((study, "a"), (again, "b")))
    assert first.findings.equals(second.findings)
    assert torch.equal(state, torch.random.get_rng_state())
    with pytest.raises(ImprintError, match="holds another study"):
        hall(folder=tmp_path / "kept", evaluation={"levels": 21})


def test_slips_are_said_in_a_sentence(hall: Callable[..., Any]) -> None:
    drawn = itertools.count()

    class Unseeded(Hall):
        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return super().reset(seed=next(drawn))

    both = {"train": lambda seed: Hall(), "apart": lambda seed: Hall(True)}
    for changes, match in (
        ({"goals": {"coin": at("coin")}}, "at least one proxy"),
        ({"goals": {"coin": at("coin"), "lamp": 3}}, "expected a function"),
        ({"designs": {"train": lambda seed: Hall()}}, "designs lacks 'apart'"),
        ({"designs": {**both, "moves": lambda seed: Hall()}}, "Did you mean 'moved'"),
        ({"designs": {**both, "apart": lambda seed: Unseeded(True)}}, "another level when it is asked again"),
        ({"designs": {**both, "apart": lambda seed: seed}}, "raised TypeError"),
        ({"designs": {**both, "train": lambda seed: NormalizeObservation(Hall())}}, "set update_running_mean = False"),
        ({"facts": {"coin_place": lambda env, info: env.unwrapped.coins}}, "raised AttributeError"),
        ({"facts": {"coin_place": lambda env, info: object()}}, "expected a number"),
        ({"distances": {"coins": at("coin")}}, "Did you mean 'coin'"),
        ({"intended": "lmp"}, "Did you mean 'lamp'"),
        ({"evaluation": {"levles": 3}}, "Did you mean 'levels'"),
        ({"marks": {"coin": ["at", "lamp_plce"]}}, "Did you mean 'lamp_place'"),
    ):
        with pytest.raises(ImprintError, match=match):
            hall(**changes)
    with pytest.raises(ImprintError, match="info, which holds nothing"):
        hall(goals={"coin": lambda env, info: info["coin"], "lamp": at("lamp")})
    study = hall()
    with pytest.raises(ImprintError, match="nothing was added"):
        study.finish()
    with pytest.raises(UnknownNameError, match="module of the policy"):
        study.add(torch.nn.Linear(6, 4), age=0, seed=0, site="layer")


class InParts(gymnasium.ObservationWrapper[Any, Any, Any]):
    """The hall with observations that are tuples, in an array that every step overwrites."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        one = gymnasium.spaces.Box(-1, 1, (6,), np.float32)
        self.observation_space = gymnasium.spaces.Tuple((one, gymnasium.spaces.Discrete(11)))
        self.shown = np.zeros(6, np.float32)

    def observation(self, observation: Any) -> Any:
        self.shown[:] = observation
        return self.shown, int(self.unwrapped.time)  # type: ignore[attr-defined]


def test_a_function_may_take_observations_in_parts(hall: Callable[..., Any], tmp_path: Path) -> None:
    few = {"levels": 20, "states": 40, "resamples": 100, "placebos": 2}
    made = {"train": lambda seed: InParts(Hall()), "apart": lambda seed: InParts(Hall(True))}
    plain, parts = hall(evaluation=few), hall(evaluation=few, designs=made)
    to_lamp = walker(1)
    plain.add(to_lamp, age=1, seed=0)
    parts.add(lambda both: to_lamp(both[0]), age=1, seed=0)
    runs = [study.finish(tmp_path / str(i)) for i, study in enumerate((plain, parts))]
    one, other = (run.findings.query("analysis == 'behaviour'")["estimate"] for run in runs)
    assert len(one) > 4 and np.array_equal(one, other, equal_nan=True)
    with pytest.raises(ImprintError, match="observations are tuples; flatten them"):
        parts.add(Network(0).eval(), age=1, seed=1)
