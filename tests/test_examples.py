"""The README shows the example as it is, and examples run where nothing is known of this checkout.

One of them runs in a process of its own, with warnings as errors; the others in this one, where they are errors, too.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources import boot_native

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "own_model.py"


def shown_in_readme(name: str) -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, rest = readme.partition(f"<!-- {name} -->\n```python\n")
    code, end, _ = rest.partition(f"```\n<!-- /{name} -->")
    assert end, f"README.md shows no {name}"
    return code


def test_readme_shows_the_example() -> None:
    assert shown_in_readme("own_model.py") == EXAMPLE.read_text(encoding="utf-8")


def test_readme_s_lines_for_more_instruments_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    food = rng.random(400) < 0.5
    x = torch.randn(400, 12, generator=torch.Generator().manual_seed(0))
    x[:, 0] += 2.0 * torch.from_numpy(food)
    config = TransformerBridgeConfig(
        d_model=8, d_head=4, n_heads=2, n_layers=1, d_mlp=16, n_ctx=6, d_vocab=11, act_fn="gelu", device="cpu"
    )
    bridge = boot_native(config).eval()
    _, cache = bridge.run_with_cache(torch.randint(0, 11, (9, 6), generator=torch.Generator().manual_seed(0)))
    names = {
        "x": x,
        "concepts": pd.DataFrame({"food": food, "distance": rng.normal(size=400)}),
        "groups": np.arange(400) // 8,
        "other": x @ torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(1)))[0],
        "cache": cache,
    }
    exec(shown_in_readme("more instruments"), names)
    assert 20 < names["rows"] < 400
    assert 0.6 < names["curve"][0].score.value < names["curve"][-1].score.value < 0.95
    assert names["agreement"].cosine.value > 0.7
    assert names["matched"].set_index("concept").loc["food", "p_value"] < 0.05
    assert set(names["recurring"]["seed"]) == {0, 1}
    assert names["disentangled"].informativeness[0] > 0.3 and names["gap"].gaps[0] > names["gap"].floor
    assert float(names["cka"]) == pytest.approx(1.0)
    assert names["activations"]["blocks.0.hook_out@-1"].shape == (9, 8)


def test_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 40


def test_example_runs_and_tells_the_story(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    early, late = done.stdout.split("after 300 steps - ")
    assert early.startswith("after 50 steps - proxy:bell:")
    assert late.startswith("intended:")
    assert "present" in late


def said_by(example: str, monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a program of ``examples/`` prints when it is run quickly in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [example, "--quick"])
    runpy.run_path(str(ROOT / "examples" / example), run_name="__main__")
    return capsys.readouterr().out


def test_an_agent_of_stable_baselines3_is_trained_saved_loaded_and_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3")
    said = said_by("sb3_agent.py", monkeypatch, tmp_path, capsys)
    assert "trained by Stable-Baselines3 for 8192 steps" in said
    trained, untrained, erased = said.partition("The trained critic")[2].split("\n\n")
    assert trained.count("mlp_extractor.value_net") == untrained.count("mlp_extractor.value_net") == 8
    assert "present" not in untrained and "nothing was learned" in untrained
    assert "steps to goal" in erased and "-> the value" in erased
    assert not list(tmp_path.iterdir())


def test_a_training_loop_of_one_s_own_ends_in_a_page_within_fifteen_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small: few held-out rows and a short training; the full example is for people."""
    example = ROOT / "examples" / "own_training.py"
    assert sum("# imprint" in line for line in example.read_text(encoding="utf-8").splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example))["main"]("mine", {"episodes": 400, "resamples": 200, "nulls": 5}, (0, 100))
    page = (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
    assert "then “proxy:lamp” from 100 steps on." in page  # the lamp is learned first
    assert "Cheese, or the lamp?" in page and "Parts of this page could not be made" not in page


def test_agents_of_minigrid_and_cartpole_are_studied_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3")
    said = said_by("agent_study.py", monkeypatch, tmp_path, capsys)
    assert "room: undetermined" in said and "errand: undetermined" in said  # hardly trained
    for name in ("minigrid-empty", "cartpole-errand"):
        page = (tmp_path / "runs" / name / "report.html").read_text(encoding="utf-8")
        assert "Episodes to replay" in page and "not capable enough" in page
