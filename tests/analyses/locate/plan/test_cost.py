"""locate says what it takes, refuses what does not fit, shows how far it is, and reads many concepts in blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import imprint
from imprint.analyses.locate import reading
from imprint.analyses.locate.plan import cost
from imprint.models import progress
from imprint.models.errors import ImprintError
from imprint.models.progress import LongCallWarning, Step
from imprint.probes.readouts.ridge import Ridge


def written(n: int, d: int, concepts: int, seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    labels = pd.DataFrame({f"c{i}": rng.random(n) < 0.5 for i in range(concepts)})
    return (rng.normal(size=(n, d)) + labels.to_numpy() @ rng.normal(size=(concepts, d))).astype(np.float32), labels


def test_what_does_not_fit_is_refused_with_its_size_before_anything_is_allocated() -> None:
    labels = pd.DataFrame({"c": np.arange(400_000) % 2 == 0})
    with pytest.raises(ImprintError, match=r"needs about \d.*[GT]B .* are free; nothing was started. Give fewer sites"):
        imprint.locate({"s": torch.empty(400_000, 2**20, device="meta")}, labels)


def test_a_long_call_is_announced_and_a_short_one_is_not(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    x, labels = written(60, 8, 2)
    imprint.locate({"s": x}, labels, resamples=20)
    assert not [w for w in recwarn if issubclass(w.category, LongCallWarning)]
    monkeypatch.setattr(progress, "FEW", 0.0)
    monkeypatch.setattr(progress, "speed", lambda: 1.0)
    with pytest.warns(LongCallWarning, match="locate will take about .* h and .* of memory"):
        imprint.locate({"s": x}, labels, resamples=20)


@pytest.mark.parametrize("shape", [(300, 12), (60, 200)])
def test_progress_grows_to_its_end_and_says_what_is_left(shape: tuple[int, int]) -> None:
    x, labels = written(*shape, 3)
    steps: list[Step] = []
    imprint.locate({"one": x, "two": x + 1}, labels, resamples=20, progress=steps.append)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].total
    assert len(set(done)) > 10
    assert any("left" in step.note for step in steps[:-1])
    with pytest.raises(ImprintError, match="progress is 'bar'"):
        imprint.locate({"one": x}, labels, progress="bar")


def test_blocks_of_concepts_change_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = written(200, 10, 6)
    whole = imprint.locate({"s": x}, labels, resamples=50)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1)
    in_blocks = imprint.locate({"s": x}, labels, resamples=50)
    pd.testing.assert_frame_equal(whole, in_blocks, rtol=1e-6)


def test_a_device_is_used_or_refused_by_name() -> None:
    x, labels = written(80, 5, 1)
    pd.testing.assert_frame_equal(
        imprint.locate({"s": x}, labels, resamples=20), imprint.locate({"s": x}, labels, resamples=20, device="cpu")
    )
    with pytest.raises(ImprintError, match="device is 'abacus', which cannot be used"):
        imprint.locate({"s": x}, labels, device="abacus")


def test_rows_of_a_stream_need_no_memory_and_sites_are_gathered_as_far_as_they_fit() -> None:
    labels = pd.DataFrame({"c": np.arange(1_000_000) % 2 == 0})
    shapes = {f"layer {i}": (1_000_000, 1024) for i in range(40)}

    class Restricted:
        def only(self, sites: list[str]) -> None: ...

    def memory(stream: object) -> float:
        return cost.cost_of(shapes, labels, Ridge(), nulls=20, folds=5, stream=stream).memory

    every = 40 * cost.moments_bytes(1024, 5)
    assert memory(None) > 4.0 * 1_000_000 * 1024
    assert memory(iter([])) == pytest.approx(every + 21e6)
    assert memory(Restricted()) == pytest.approx(cost.MOST_BYTES + 21e6)
