"""The documentation site: every page is in its contents, and a tutorial does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import imprint

DOCS = Path(__file__).resolve().parents[2] / "docs"
TREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
CELL = re.compile(r"```\{code-cell\} python\n(.*?)```", re.DOTALL)


def listed(page: Path) -> set[str]:
    """Pages in the contents of a page."""
    lines = [line for tree in TREE.findall(page.read_text(encoding="utf-8")) for line in tree.splitlines()]
    return {line for line in lines if line and not line.startswith(":")}


def test_every_page_is_in_the_contents() -> None:
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    pages = {page for page in pages if not page.startswith("reference/api/")}
    assert listed(DOCS / "index.md") | listed(DOCS / "questions.md") | {"index"} == pages


def test_the_reference_has_every_public_name() -> None:
    text = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^   (\w+)$", text, flags=re.MULTILINE)) == set(imprint.__all__) - {"__version__"}


@pytest.mark.parametrize("path", sorted((DOCS / "tutorials").glob("*.md")), ids=lambda path: path.stem)
def test_tutorials_are_python(path: Path) -> None:
    cells = CELL.findall(path.read_text(encoding="utf-8"))
    assert len(cells) >= 2
    for cell in cells:
        compile(re.sub(r"^:tags:.*$", "", cell, flags=re.MULTILINE), path.name, "exec")


def test_the_tutorial_on_activations_finds_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in CELL.findall((DOCS / "tutorials" / "activations.md").read_text(encoding="utf-8")):
        exec(cell, names)
    verdicts = names["table"].set_index(["concept", "site"])["verdict"]  # type: ignore[attr-defined]
    assert verdicts.to_dict() == {
        ("food", "early"): "given by input",
        ("food", "late"): "present",
        ("lamp", "early"): "given by input",
        ("lamp", "late"): "given by input",
    }
    assert names["given"].set_index("concept")["verdict"]["food"] == "present"  # type: ignore[attr-defined]
