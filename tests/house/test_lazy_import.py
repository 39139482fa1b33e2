from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import imprint

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformer_lens", "pandas", "scipy", "sklearn", "plotly", "wandb")


SLIPS = [
    ["run", "nurserry"],
    ["run", "nursery", "--set", "schedle.ages=3"],
    ["run", "nursery", "--set", "schedule.ages"],
    ["run", "nursery", "--set", "schedule.agse=3"],
    ["run", "nursery", "--set", "world.colour_cue=2"],
    ["run", "coin", "--set", "agent.kind=actor"],
    ["power", "nursery", "--set", "decision.certian=.9"],
    ["sweep", "nursery", "--grid", "assessor.lga=0,1"],
    ["analyse", "adress"],
    ["show", "nurserry"],
    ["show", "worlds/nurserry"],
    ["list", "worlsd"],
    ["report", "nowhere"],
    ["locate", "nowhere"],
    ["latch", "nowhere"],
    ["expose", "nowhere"],
    ["verify", "nowhere"],
    ["view", "nowhere"],
    ["compare", "a"],
    ["compare", "nursery", "nurserry"],
]
"""Requests that name something which does not exist."""


def loaded_after(code: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after ``code``."""
    ask = f"import sys\n{code}\nprint('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_imprint_loads_nothing_heavy() -> None:
    assert loaded_after("import imprint; dir(imprint); imprint.__version__") == set()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [*((words, 0) for words in (["--help"], ["run", "--help"], ["--version"], ["list"])), *((s, 2) for s in SLIPS)],
)
def test_answering_at_once_loads_nothing_heavy(arguments: list[str], code: int) -> None:
    run = f"from imprint.cli import main\ntry: main({arguments!r})\nexcept SystemExit as end: assert end.code == {code}"
    assert loaded_after(run) == set()


def test_the_public_names_are_the_promised_ones() -> None:
    promised = {
        "locate",
        "latch",
        "World",
        "Batch",
        "Subject",
        "Latch",
        "Study",
        "AgentStudy",
        "evaluate",
        "sweep",
        "Sweep",
        "analyse",
        "expose",
        "Exposed",
        "compare",
        "power",
        "report",
        "Run",
        "verify",
        "view",
    }
    assert promised | {"Setup", "load_setup", "__version__"} == set(imprint.__all__)
    assert set(imprint.__all__) <= set(dir(imprint))


@pytest.mark.parametrize("name", imprint.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(imprint, name) is not None


def test_an_unknown_name_is_an_attribute_error_that_lists_what_there_is() -> None:
    with pytest.raises(AttributeError, match="locate"):
        imprint.lokate  # noqa: B018


def test_what_comes_along_is_silent_and_offline_unless_told_otherwise() -> None:
    ask = (
        "import os, imprint; print(os.environ['WANDB_MODE'], os.environ['HF_HUB_OFFLINE'], os.environ['WANDB_SILENT'])"
    )
    environment = {"PATH": "", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == ["disabled", "0", "true"]
