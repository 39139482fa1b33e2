"""The README shows the example as it is, and the example runs on a machine that knows nothing of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "own_model.py"


def test_readme_shows_the_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, rest = readme.partition("<!-- own_model.py -->\n")
    shown, end, _ = rest.partition("<!-- /own_model.py -->")
    assert end, "README.md has no own_model.py markers"
    assert shown == f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```\n"


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


def test_an_agent_of_stable_baselines3_is_trained_saved_loaded_and_examined(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "error", str(ROOT / "examples" / "sb3_agent.py"), "--quick"]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "trained by Stable-Baselines3 for 8192 steps" in done.stdout
    trained, untrained, erased = done.stdout.partition("The trained critic")[2].split("\n\n")
    assert trained.count("mlp_extractor.value_net") == untrained.count("mlp_extractor.value_net") == 8
    assert "present" not in untrained and "nothing was learned" in untrained
    assert "steps to goal" in erased and "-> the value" in erased
    assert not list(tmp_path.iterdir())
