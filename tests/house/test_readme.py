"""Every command that README and docs print can be given, and every snippet of the README does what it says.

Commands are parsed by the command line itself, and the setups, questions and settings that they name are loaded. The
long ones are not run here; those that only look are. Snippets that are programs are run by ``tests/test_examples.py``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml

import imprint
from imprint.analyses.ask import load_question
from imprint.commands.app import app
from imprint.commands.text import parse_changes
from imprint.models.setup.load import load_setup
from tests.commands.commands import arrays, printed
from tests.reports import example_run

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = typer.main.get_command(app)
LOOKING = {"list", "show", "locate"}


def commands_of(page: Path) -> list[str]:
    """Lines of the page's blocks that call ``imprint``, without prompts and comments."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split(" #")[0].split(" | ")[0].split(";"):
                words = part.strip().removeprefix("$ ")
                if words.startswith("imprint ") and "..." not in words:
                    found.append(words)
    return found


EVERY = sorted({line for page in PAGES for line in commands_of(page)})


def test_there_are_commands_of_every_kind() -> None:
    assert len(EVERY) > 30
    assert {line.split()[1] for line in EVERY} >= {"run", "analyse", "compare", "sweep", "locate", "export", "view"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example_run.write(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("line", EVERY)
def test_a_command_that_is_printed_can_be_given(line: str, run: Path) -> None:
    words = [re.sub(r"^(runs/)?\S*<hash>$|^RUN$|^runs/\S+$", str(run), word) for word in shlex.split(line)[1:]]
    command, context = COMMANDS, None
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        context = typer.Context(command, info_name="imprint", parent=context)
        inner = command.get_command(context, words[0])
        assert inner is not None, f"there is no command {words[0]}"
        command, words = inner, words[1:]
    given = command.make_context("imprint", list(words), parent=context).params if words != ["--help"] else {}
    changes = dict(parse_changes(given.get("set") or given.get("changes") or []))
    name = line.split()[1]
    if name in ("run", "sweep", "power", "compare"):
        setups = given.get("setups") or [given.get("setup")]
        for setup in [each for each in setups if each and not str(each).startswith("/") and "." not in str(each)]:
            load_setup(str(setup), changes={} if name == "sweep" else changes)
    if name == "analyse" and given.get("question"):
        load_question(str(given["question"]), changes)


@pytest.mark.parametrize("line", [line for line in commands_of(ROOT / "README.md") if line.split()[1] in LOOKING])
def test_commands_of_the_readme_that_only_look_are_run(
    line: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays(tmp_path)
    (tmp_path / "labels.csv").write_text((tmp_path / "labels.csv").read_text().replace("family", "episode", 1))
    monkeypatch.chdir(tmp_path)
    words = [word.replace("runs/nursery-*", str(run)) for word in shlex.split(line)[1:]]
    assert printed(capsys, *words)


def test_every_snippet_of_the_readme_is_one_that_is_run() -> None:
    """Two are programs of ``tests/test_examples.py``, one is a part of an example, one is a world."""
    programs, lines, world = [], "", ""
    for code in PYTHON.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if "study.add" in code:
            lines = code
        elif "class Corridor" in code:
            world = code
        else:
            programs.append(code)
    assert len(programs) == 2 and (ROOT / "examples" / "own_model.py").read_text(encoding="utf-8") in programs
    example = re.sub(r"\s+", " ", (ROOT / "examples" / "own_training.py").read_text(encoding="utf-8"))
    calls = [
        line.split("#")[0].strip() for line in lines.splitlines() if "imprint.Study(" in line or "study.add(" in line
    ]
    assert len(calls) == 3 and [call for call in calls if call.split("(")[0] not in example] == []
    names: dict[str, object] = {"imprint": imprint}
    exec(world, names)
    assert issubclass(names["Corridor"], imprint.World)  # type: ignore[arg-type]


def test_the_setup_of_the_readme_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    file = tmp_path / "dim-nursery.yaml"
    file.write_text(text, encoding="utf-8")
    assert load_setup(str(file)).resolved()["world"]["lamp_cue"] == yaml.safe_load(text)["world"]["lamp_cue"]
