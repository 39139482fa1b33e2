"""``imprint study``: a folder of checkpoints becomes a run with a page; slips are one message."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import save_file
from typer.main import get_command

import imprint
from imprint.commands.app import app
from imprint.models.files import parse_yaml
from tests.analyses.evaluate.studies.planted import LIFE, network
from tests.commands.commands import answered, printed, refused

ASKED = ("--factory", "kennels:network", "--intended", "food", "--proxies", "bell")
QUICK = ("--set", "evaluation.episodes=300", "--set", "evaluation.resamples=200", "--set", "evaluation.nulls=5")
LOUD = """

class Loud(Kennel):
    def derive(self, concepts):
        return concepts.assign(loud=concepts["bell"] | concepts["food"])
"""
"""A world with a third concept."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of the user's and checkpoints of two seeds."""
    planted = "import torch\nfrom tests.analyses.evaluate.studies.planted import Kennel, network as made\n\n\n"
    (tmp_path / "kennels.py").write_text(
        f"{planted}def network():\n    return made(int(torch.randint(10**6, ())))\n\n\nnumber = 3\n{LOUD}"
    )
    for seed in range(2):
        for age, food, bell in LIFE:
            (tmp_path / "mine" / f"seed-{seed}").mkdir(parents=True, exist_ok=True)
            save_file(
                network(seed, food, bell).state_dict(), tmp_path / "mine" / f"seed-{seed}" / f"age-{age}.safetensors"
            )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "kennels", raising=False)
    return tmp_path


def test_a_folder_of_checkpoints_becomes_a_run_with_a_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("study", "mine", *ASKED, "--world", "kennels:Kennel", *QUICK)
    shown = printed(capsys, *command)
    assert shown.count("examined mine/seed-") == 4 and "intended" in shown
    assert "report  runs/mine/report.html" in shown and (here / "runs" / "mine" / "report.html").is_file()
    before = (here / "runs" / "mine" / "findings.parquet").read_bytes()
    again = printed(capsys, *command)
    assert "examined" not in again and (here / "runs" / "mine" / "findings.parquet").read_bytes() == before


def test_every_argument_of_a_study_can_be_given(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (here / "mine").glob("*/age-10.*"):
        place.unlink()
    more = ("--sites", "1", "--concepts", "loud", "--rewarded", "False", "--name", "kennel-2", "--unit", "batches")
    words = ("--question", "Hunger, or the bell?", "--untrained", "1", "--out", "there")
    shown = answered(capsys, "study", "mine", *ASKED, "--world", "kennels:Loud", *QUICK, *more, *words)
    assert shown["run"] == "there" and shown["verdict"] == "reversed" and shown["failed"] == {}
    setup = parse_yaml((here / "there" / "setup.yaml").read_text(), "it")
    findings = pd.read_parquet(here / "there" / "findings.parquet")
    kept = [setup[key] for key in ("name", "question", "rewarded", "unit")]
    assert kept == ["kennel-2", words[1], "False", "batches"]
    located = findings[findings["analysis"] == "locate"]
    assert "loud" in set(located["concept"]) and set(located["site"].dropna()) == {"1"}
    taken = {option.name for option in get_command(app).commands["study"].params} | {"decision", "evaluation"}
    of_labels_or_out = {"groups", "inputs", "folder"}
    assert set(inspect.signature(imprint.Study).parameters) - of_labels_or_out <= taken


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--world", "kennels:Kenel"), ["unknown name in kennels for --world 'Kenel'", "Did you mean 'Kennel'?"]),
        (("--world", "kenels:Kennel"), ["unknown module of --world 'kenels'", "Did you mean 'kennels'?"]),
        (("--world", "Kennel"), ["--world is 'Kennel'", "MODULE:NAME"]),
        (("--world", "kennels:Kennel", "--factory", "kennels:number"), ["--factory kennels:number is a int"]),
        (("--world", "kennels:Kennel", "--set", "evaluation.episods=3"), ["evaluation.episods", "'episodes'"]),
        (("--world", "kennels:Kennel", "--set", "world.size=3"), ["unknown setting of a study 'world.size'"]),
        (("--world", "kennels:Kennel", "--pattern", "age-{age}"), ["expected {seed} and {age} once each"]),
    ],
)
def test_slips_are_one_message(
    here: Path, changed: tuple[str, ...], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "study", "mine", *ASKED, *changed)
    assert all(word in message for word in words), message
