"""examples/package, a package of one's own, is installed: its parts are listed, run, and pass the conformance tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "examples" / "package"
FEW = {"schedule.seeds": 2, "schedule.ages": 2, "evaluation.resamples": 100, "evaluation.twins": 2}
FEW |= {"evaluation.placebos": 2, "evaluation.nulls": 5}
SHORT = {
    "corridor": {**FEW, "schedule.experiences": 640, "evaluation.episodes": 300, "evaluation.latch_twins": 5},
    "hall": {
        **FEW,
        "schedule.experiences": 1024,
        "schedule.together": 2,
        "agent.widths": [32, 32],
        "learning.copies": 32,
        "learning.minibatches": 2,
        "evaluation.levels": 60,
        "evaluation.states": 400,
    },
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package, built from a copy of its sources."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip += ["--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")]
    ended = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder / "site"


def run(installed: Path, *arguments: str, cwd: Path) -> str:
    """Standard output of ``python -m ...`` where the package is installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def points() -> dict[str, dict[str, str]]:
    """Group -> name -> value of the package's entry points."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups: dict[str, dict[str, str]] = project["entry-points"]
    return groups


def test_the_template_has_a_part_of_every_kind_and_all_are_listed(installed: Path, tmp_path: Path) -> None:
    families = {group.removeprefix("imprint."): list(members) for group, members in points().items()}
    assert {"worlds", "environments", "learners", "steering", "setups", "questions", "sections"} <= set(families)
    families["setups"] = [path.stem for path in SOURCE.glob("imprint_corridor/setups/*.yaml")]
    listed = run(installed, "imprint", "list", cwd=tmp_path)
    assert [name for members in families.values() for name in members if name not in listed] == []


@pytest.mark.parametrize("setup", SHORT)
def test_its_setups_are_run_by_name_and_the_page_has_its_section(installed: Path, tmp_path: Path, setup: str) -> None:
    changes = [word for key, value in SHORT[setup].items() for word in ("--set", f"{key}={value}")]
    run(installed, "imprint", "run", setup, *changes, cwd=tmp_path)
    (page,) = tmp_path.glob(f"runs/{setup}-*/report.html")
    assert "2 training seeds were raised." in page.read_text(encoding="utf-8")


def test_its_question_is_answered(installed: Path, tmp_path: Path) -> None:
    assert "confirmed" in run(installed, "imprint", "analyse", "bell-errors", cwd=tmp_path)
    assert list(tmp_path.glob("**/bell-errors-*/report.html"))


def test_its_parts_pass_the_conformance_tests(installed: Path) -> None:
    families = ("worlds", "environments", "learners", "steering", "questions", "sections")
    files = [f"tests/conformance/test_{family}.py" for family in families]
    chosen = "(test_worlds and corridor) or (averager and corridor) or hall or receptor or bell_errors or seed_count"
    output = run(installed, "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", chosen, cwd=ROOT)
    passed = re.search(r"(\d+) passed", output)
    assert passed and int(passed[1]) > 40, output[-2000:]
