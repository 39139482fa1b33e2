"""docs/architecture.md names calls that exist, and its recipes make a package that is listed, runs and is tested."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SHORT = {
    "schedule.experiences": 640,
    "schedule.ages": 2,
    "evaluation.episodes": 300,
    "evaluation.resamples": 100,
    "evaluation.twins": 2,
}


def recipes() -> dict[str, str]:
    """File name -> content, of every block that a comment with a file name introduces."""
    return dict(re.findall(r"<!-- ([\w./]+) -->\n```\w+\n(.*?)```\n", TEXT, re.DOTALL))


def words(text: str) -> list[str]:
    """First column of the table below the heading of the glossary."""
    table = re.search(r"## (?:Words|Glossary)\n(.*?)(?:\n## |\Z)", text, re.DOTALL)
    assert table
    return re.findall(r"^\| ([^|]+) \|", table[1], re.MULTILINE)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the recipes, and the record that an installer would leave of it."""
    folder = tmp_path_factory.mktemp("corridor")
    files = recipes()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    record = f"imprint_corridor-{project['version']}.dist-info"
    points = project["entry-points"].items()
    files[f"{record}/METADATA"] = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    files[f"{record}/entry_points.txt"] = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in members.items()) for group, members in points
    )
    for name, content in {**files, "imprint_corridor/__init__.py": ""}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def run(package: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Standard output of ``python -m ...`` where the package is installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)])}
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, cwd=cwd or package, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def test_members_of_the_recipes_are_listed_and_shown(package: Path) -> None:
    listed = run(package, "imprint", "list")
    for group, members in tomllib.loads(recipes()["pyproject.toml"])["project"]["entry-points"].items():
        for member in members:
            assert member in listed
            name = f"{group.removeprefix('imprint.')}/{member}"
            assert name in run(package, "imprint", "show", name)


def test_the_setup_of_the_recipes_runs_and_its_page_has_the_section(package: Path) -> None:
    changes = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
    run(package, "imprint", "run", "corridor.yaml", "--seeds", "2", *changes)
    (page,) = package.glob("runs/corridor-*/report.html")
    assert "2 training seeds were raised." in page.read_text(encoding="utf-8")


def test_the_question_of_the_recipes_is_answered(package: Path) -> None:
    assert "confirmed" in run(package, "imprint", "analyse", "bell-errors")
    assert list(package.glob("**/bell-errors-*/report.html"))


def test_members_of_the_recipes_pass_the_conformance_tests(package: Path) -> None:
    files = [f"tests/conformance/test_{family}.py" for family in ("worlds", "learners", "questions", "sections")]
    chosen = "(test_worlds and corridor) or (averager and corridor) or bell_errors or seed_count"
    output = run(package, "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", chosen, cwd=ROOT)
    passed = re.search(r"(\d+) passed", output)
    assert passed and int(passed[1]) > 20, output[-2000:]


def test_every_call_that_is_named_exists() -> None:
    named = re.findall(r"`(imprint[\w.]*):([\w.]+)`", TEXT)
    assert len(named) > 40
    for module, path in named:
        spec = importlib.util.find_spec(module)
        assert spec and spec.origin, module
        body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
        for name in path.split("."):
            defined = {node.name: node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            assert name in defined, f"{module}:{path}"
            body = defined[name].body


def test_the_glossary_has_the_words_of_the_readme() -> None:
    assert words(TEXT) == words((ROOT / "README.md").read_text(encoding="utf-8"))
