"""Names that a command was given, checked before anything heavy is imported, so that a slip is answered at once."""

from __future__ import annotations

import ast
import inspect
import itertools
from functools import cache
from pathlib import Path

from imprint.models.errors import unknown_name
from imprint.models.registry import Family, folders_of

ROOMS = ("imprint.models", "imprint.probes", "imprint.analyses", "imprint.reports")


@cache
def families() -> dict[str, Family]:
    """All families, those of the models first, read from the ``Family(...)`` in the ``base.py`` of each folder."""
    calls = [
        node
        for room in ROOMS
        for folder in folders_of(room)
        for file in sorted(folder.glob("*/base.py"))
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Family"
    ]
    return {family.name: family for family in (Family(*map(ast.literal_eval, call.args)) for call in calls)}


def parsed(file: Path) -> ast.Module:
    """The syntax tree of a Python file, which is not run."""
    return ast.parse(file.read_text(encoding="utf-8"))


def require_begun(folder: Path) -> None:
    """Refuse to go on with what was never begun, naming the folders beside it."""
    if not folder.is_dir():
        beside = folder.parent.glob("*/") if folder.parent.is_dir() else ()
        advice = "Leave --resume out to begin; other settings give another folder."
        raise unknown_name("run to resume", folder, map(str, beside), advice=advice)


def fields_of(owner: ast.ClassDef) -> dict[str, str]:
    """Annotated fields of a class -> the string under each, in one line; empty where there is none."""
    fields = {}
    for node, after in itertools.pairwise([*owner.body, ast.Pass()]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            below = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            fields[node.target.id] = inspect.cleandoc(below).replace("\n", " ") if isinstance(below, str) else ""
    return fields
