"""examples/package, a package of one's own, is installed: its parts are listed, run, and pass the conformance tests."""

from __future__ import annotations

import json
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


FAMILIES = ("worlds", "environments", "learners", "steering", "questions", "sections")
CHOSEN = "(test_worlds and corridor) or (averager and corridor) or hall or receptor or bell_errors or seed_count"
COMMANDS: dict[str, list[str]] = {
    "list": ["list", "--all"],
    **{name: ["run", name, *(f"--set={key}={value}" for key, value in few.items())] for name, few in SHORT.items()},
    "bell-errors": ["analyse", "bell-errors"],
}
PROGRAM = """
import contextlib, io, json, os, sys
import pytest
from imprint.analyses import engine
from imprint.cli import main
engine.available_cores = lambda: 1  # cells run here, and no process starts for them
commands, root, tests = json.loads(sys.argv[1])
for name, words in commands.items():
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main(words)
    open(name, "w").write(said.getvalue())
os.chdir(root)
sys.exit(pytest.main(tests))
"""
"""One process for everything, since it takes longer to start one than to do most of it."""


@pytest.fixture(scope="module")
def said(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where every command has left its output and its runs, and what pytest says of the conformance tests."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # what the commands imported is not rewritten
    tests = [
        "-q",
        "-p",
        "no:cacheprovider",
        *quiet,
        "-k",
        CHOSEN,
        *(f"tests/conformance/test_{name}.py" for name in FAMILIES),
    ]
    words = json.dumps([COMMANDS, str(ROOT), tests])
    command = [sys.executable, "-c", PROGRAM, words]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return folder, f"{ended.stdout}\n{ended.stderr}\nexit code {ended.returncode}"


def points() -> dict[str, dict[str, str]]:
    """Group -> name -> value of the package's entry points."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups: dict[str, dict[str, str]] = project["entry-points"]
    return groups


def test_the_template_has_a_part_of_every_kind_and_all_are_listed(said: tuple[Path, str]) -> None:
    families = {group.removeprefix("imprint."): list(members) for group, members in points().items()}
    assert {"worlds", "environments", "learners", "steering", "setups", "questions", "sections"} <= set(families)
    families["setups"] = [path.stem for path in SOURCE.glob("imprint_corridor/setups/*.yaml")]
    listed = (said[0] / "list").read_text(encoding="utf-8")
    assert [name for members in families.values() for name in members if name not in listed] == []


@pytest.mark.parametrize("setup", SHORT)
def test_its_setups_are_run_by_name_and_the_page_has_its_section(said: tuple[Path, str], setup: str) -> None:
    pages = list(said[0].glob(f"runs/{setup}-*/report.html"))
    assert len(pages) == 1, said[1][-3000:]
    assert "2 training seeds were raised." in pages[0].read_text(encoding="utf-8")


def test_its_question_is_answered(said: tuple[Path, str]) -> None:
    assert "confirmed" in (said[0] / "bell-errors").read_text(encoding="utf-8"), said[1][-3000:]
    assert list(said[0].glob("**/bell-errors-*/report.html"))


def test_its_parts_pass_the_conformance_tests(said: tuple[Path, str]) -> None:
    passed = re.search(r"(\d+) passed", said[1])
    assert passed and int(passed[1]) > 40 and said[1].endswith("exit code 0"), said[1][-3000:]
