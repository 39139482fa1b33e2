"""A lifetime resumes to the bit and keeps seeds apart.

A seed that diverges is struck out without touching the others.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from imprint.models.errors import DamagedFileError
from imprint.models.files import StorageError, write_bytes
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, read_tensors, write_tensors

SMALL = {"schedule.experiences": 480, "schedule.batch": 16, "schedule.ages": [0, 48, 176, 480], "learner.hidden": 16}


def small(**changes: Any) -> Setup:
    return load_setup("nursery", changes={**SMALL, **changes})


def raised(setup: Setup, path: Path, seeds: tuple[int, ...]) -> dict[tuple[int, int], bytes]:
    LearnerLifetime(setup, seeds, RunFolder(path)).live()
    ages = setup.planned
    return {(s, a): RunFolder(path).checkpoint(s, a).read_bytes() for s in seeds for a in ages}


@pytest.mark.parametrize("kind", ["conv", "recurrent"])
def test_resumed_equals_uninterrupted_to_the_byte(tmp_path: Path, kind: str) -> None:
    learner = {"kind": kind} if kind != "conv" else {"kind": "conv", "hidden": 16}
    setup = load_setup(
        {
            "extends": "nursery",
            "learner": learner,
            "schedule": {"batch": 16, "experiences": 480, "ages": [0, 48, 176, 480]},
        }
    )
    whole = raised(setup, tmp_path / "whole", (0, 1))
    for keep in (1, 2, 3):
        path = tmp_path / f"cut-{keep}"
        for seed in (0, 1):
            for age in setup.planned[:keep]:
                write_bytes(RunFolder(path).checkpoint(seed, age), whole[seed, age])
        assert raised(setup, path, (0, 1)) == whole


def test_a_day_interrupted_in_the_middle_goes_on(tmp_path: Path) -> None:
    """Age 48 is the third of eight batches of a day; what follows must not depend on having stopped there."""
    setup = small()
    one = LearnerLifetime(setup, (0,), RunFolder(tmp_path / "a"))
    one.live()
    fresh = LearnerLifetime(setup, (0,), RunFolder(tmp_path / "b"))
    for _ in range(3):
        fresh.step()
    state = fresh.streams[0].state()
    other = LearnerLifetime(setup, (0,), RunFolder(tmp_path / "c"))
    other.streams[0].load(state)
    for _ in range(12):
        torch.testing.assert_close(
            fresh.streams[0].next().observation, other.streams[0].next().observation, rtol=0, atol=0
        )


def test_seeds_differ_and_do_not_depend_on_company(tmp_path: Path) -> None:
    setup = small()
    together = raised(setup, tmp_path / "together", (0, 1))
    assert together[0, 480] != together[1, 480]
    raised(setup, tmp_path / "alone", (1,))
    a = LearnerLifetime.revive(setup, RunFolder(tmp_path / "together"), 1, 480)
    b = LearnerLifetime.revive(setup, RunFolder(tmp_path / "alone"), 1, 480)
    for one, other in zip(a.learner.parameters(), b.learner.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_diverging_seed_is_struck_out_and_the_other_is_untouched(tmp_path: Path) -> None:
    setup = small()
    whole = raised(setup, tmp_path / "whole", (0, 1))
    lifetime = LearnerLifetime(setup, (0, 1), RunFolder(tmp_path / "broken"))
    steps = {"taken": 0}
    learn = lifetime.cohort.learn

    def poisoned(observation: torch.Tensor, *rest: Any) -> Any:
        steps["taken"] += 1
        if steps["taken"] == 5:
            observation = observation.clone()
            observation[0] = float("nan")
        return learn(observation, *rest)

    lifetime.cohort.learn = poisoned  # type: ignore[method-assign]
    lifetime.live()
    folder = RunFolder(tmp_path / "broken")
    assert folder.checkpoint(1, 480).read_bytes() == whole[1, 480]
    assert [LearnerLifetime.revive(setup, folder, 0, age).alive for age in setup.planned] == [True, True, False, False]
    assert all(
        bool(torch.isfinite(p).all()) for p in LearnerLifetime.revive(setup, folder, 0, 480).learner.parameters()
    )


def test_the_window_of_the_assessor(tmp_path: Path) -> None:
    setup = small(**{"assessor.opens_at": 160, "assessor.closes_at": 320})
    raised(setup, tmp_path, (0,))
    weights = [LearnerLifetime.revive(setup, RunFolder(tmp_path), 0, age).weight for age in setup.planned]
    assert float(weights[1].abs().max()) == 0.0
    assert float(weights[2].abs().max()) > 0.0
    setup = small(**{"assessor.closes_at": 160})
    raised(setup, tmp_path / "closed", (0,))
    weights = [LearnerLifetime.revive(setup, RunFolder(tmp_path / "closed"), 0, age).weight for age in setup.planned]
    assert torch.equal(weights[2], weights[3]) and float(weights[2].abs().max()) > 0.0


def test_damaged_checkpoints_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"x": torch.arange(64.0)}, seed="0")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(DamagedFileError, match="unreadable or truncated"):
        read_tensors(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedFileError, match="changed after it was written"):
        read_tensors(path)
    with pytest.raises(DamagedFileError):
        read_tensors(tmp_path / "missing.safetensors")


def test_a_checkpoint_of_another_seed_age_or_learner_is_refused(tmp_path: Path) -> None:
    setup, folder = small(), RunFolder(tmp_path)
    whole = raised(setup, tmp_path, (0, 1))
    write_bytes(folder.checkpoint(0, 480), whole[1, 480])
    with pytest.raises(DamagedFileError, match="of seed 1; expected 0"):
        LearnerLifetime.revive(setup, folder, 0, 480)
    write_bytes(folder.checkpoint(0, 480), whole[0, 176])
    with pytest.raises(DamagedFileError, match="of age 176; expected 480"):
        LearnerLifetime.revive(setup, folder, 0, 480)
    tensors, header = read_tensors(folder.checkpoint(0, 176))
    about = {name: header[name] for name in ("setup", "seed", "age")}
    lost = {name: value for name, value in tensors.items() if name != "learner.learner.context.weight"}
    write_tensors(folder.checkpoint(0, 176), lost, **about)
    with pytest.raises(DamagedFileError, match=r"parameter 'context\.weight'"):
        LearnerLifetime.revive(setup, folder, 0, 176)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device.*another place"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_shared_birth_gives_every_seed_one_beginning_and_a_life_of_its_own(tmp_path: Path) -> None:
    setup = small(**{"schedule.shared_birth": 1})
    LearnerLifetime(setup, (0, 1), RunFolder(tmp_path / "shared")).live()
    LearnerLifetime(small(), (0, 1), RunFolder(tmp_path / "own")).live()

    def weights(of: Setup, name: str, seed: int, age: int) -> torch.Tensor:
        learner = LearnerLifetime.revive(of, RunFolder(tmp_path / name), seed, age).learner
        return torch.cat([parameter.detach().flatten() for parameter in learner.parameters()])

    one = weights(small(), "own", 1, 0)
    assert torch.equal(weights(setup, "shared", 0, 0), one) and torch.equal(weights(setup, "shared", 1, 0), one)
    assert not torch.equal(weights(small(), "own", 0, 0), one)
    assert torch.equal(weights(setup, "shared", 1, 480), weights(small(), "own", 1, 480)), "same birth, same experience"
    assert not torch.equal(weights(setup, "shared", 0, 480), weights(setup, "shared", 1, 480))
