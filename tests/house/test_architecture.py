"""docs/architecture.md names calls that exist, and its glossary has the README's words."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def words(text: str) -> list[str]:
    """First column of the table below the heading of the glossary."""
    table = re.search(r"## (?:Words|Glossary)\n(.*?)(?:\n## |\Z)", text, re.DOTALL)
    assert table
    return re.findall(r"^\| ([^|]+) \|", table[1], re.MULTILINE)


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
