"""Activations stay on their device: nothing is fetched from it inside a loop over batches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BATCHES = re.compile(r"\bbatch in |batches\b|stream\b|\.split\(")
"""What the head of a loop over batches of rows holds."""
FETCHES = ("cpu", "numpy", "item", "tolist")
"""Methods that wait for a device."""


def fetches(tree: ast.AST) -> Iterator[int]:
    """Lines that fetch from a device inside a loop over batches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            heads, bodies = [f"{ast.unparse(node.target)} in {ast.unparse(node.iter)}"], list[ast.AST](node.body)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            heads = [f"{ast.unparse(g.target)} in {ast.unparse(g.iter)}" for g in node.generators]
            bodies = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        else:
            continue
        if any(BATCHES.search(head) for head in heads):
            calls = (call for body in bodies for call in ast.walk(body) if isinstance(call, ast.Call))
            yield from (c.lineno for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr in FETCHES)


@pytest.mark.parametrize("room", ["probes", "analyses"])
def test_nothing_is_fetched_inside_a_loop_over_batches(room: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / room).rglob("*.py")
        for line in fetches(ast.parse(path.read_text()))
    }
    assert not found


def test_a_fetch_in_a_loop_is_seen() -> None:
    assert list(fetches(ast.parse("for batch in stream:\n    x = f(batch)\n    y.append(x.cpu())")))
    assert list(fetches(ast.parse("rows = [part.detach().cpu() for part in x.split(8)]")))
    assert not list(fetches(ast.parse("for batch in stream:\n    total += f(batch)\nx = total.cpu()")))
