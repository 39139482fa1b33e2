"""Callbacks of other libraries, and folders of checkpoints, add what they should under the ages that were planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from imprint.analyses.evaluate.studies import checkpoints
from imprint.analyses.evaluate.studies.callbacks.transformers import StudyCallback as TrainerCallback
from imprint.models.errors import DamagedFileError, ImprintError
from tests.analyses.evaluate.studies.planted import network


class Recorder:
    """A study that notes what it is given."""

    def __init__(self) -> None:
        self.added: list[tuple[int, int, bool]] = []
        self.subjects: list[Any] = []

    def add(self, subject: Any, *, age: int, seed: int, untrained: bool = False) -> bool:
        self.added.append((seed, age, untrained))
        self.subjects.append(subject)
        return True


def test_an_agent_of_stable_baselines3_is_added_at_the_planned_steps() -> None:
    library = pytest.importorskip("stable_baselines3")
    from imprint.analyses.evaluate.studies.callbacks.stable_baselines import StudyCallback

    study, weights = Recorder(), list[torch.Tensor]()

    def weights_of(model: Any) -> Any:
        weights.append(next(model.policy.parameters()).detach().clone())
        return model

    callback = StudyCallback(study, seed=4, ages=[0, 32, 50, 64, 999], subject=weights_of)
    library.PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, seed=0).learn(64, callback=callback)
    assert study.added == [(4, 0, False), (4, 32, False), (4, 50, False), (4, 64, False)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def test_a_trainer_s_model_is_added_at_the_planned_steps_and_not_under_ages_it_does_not_have() -> None:
    from transformers import TrainerState

    for start, expected in ((0, [0, 2, 3]), (2, [2, 3])):
        study = Recorder()
        callback = TrainerCallback(study, seed=1, ages=[3, 0, 2, 9], subject=lambda model: model)
        callback.on_train_begin(None, TrainerState(global_step=start), None, model="net")
        for step in range(start + 1, 5):
            callback.on_step_end(None, TrainerState(global_step=step), None, model="net")
        assert study.added == [(1, age, False) for age in expected] and set(study.subjects) == {"net"}


def test_checkpoints_are_found_loaded_and_added_in_order(tmp_path: Path) -> None:
    for seed, age in ((0, 100), (0, 5), (12, 5)):
        (tmp_path / f"run{seed}").mkdir(exist_ok=True)
        save_file(network(seed + age).state_dict(), tmp_path / f"run{seed}" / f"step_{age}.safetensors")
    study, state = Recorder(), torch.get_rng_state()
    options = {"pattern": "run{seed}/step_{age}.safetensors", "untrained": 2}
    files = list(checkpoints.added(study, tmp_path, lambda: network(0), **options))
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        "run0/step_5.safetensors",
        "run0/step_100.safetensors",
        "run12/step_5.safetensors",
    ]
    assert study.added == [(0, 0, True), (1, 0, True), (0, 5, False), (0, 100, False), (12, 5, False)]
    assert torch.equal(study.subjects[3].model[0].weight, network(100)[0].weight)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ImprintError, match=r"holds no file named seed-.*It holds run0/step_100.safetensors"):
        list(checkpoints.added(study, tmp_path, lambda: network(0)))
    with pytest.raises(ImprintError, match=r"expected \{seed\} and \{age\} once each"):
        checkpoints.found(tmp_path, "run{seed}.safetensors")
    with pytest.raises(ImprintError, match=r"does not fit the model that the factory makes.*size mismatch"):
        list(checkpoints.added(study, tmp_path, lambda: torch.nn.Sequential(torch.nn.Linear(3, 16)), **options))
    (tmp_path / "run0" / "step_5.safetensors").write_bytes(b"nothing")
    with pytest.raises(DamagedFileError, match="cannot be read as safetensors"):
        list(checkpoints.added(study, tmp_path, lambda: network(0), **options))
