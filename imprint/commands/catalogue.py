"""``imprint list`` and ``imprint show``: what there is, found by file name and read without importing it.

A family is a folder of a room that has a ``base`` module; its members are the other files. Descriptions are the first
lines of the modules' docstrings, parsed and not run, so that listing needs no torch.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from imprint.commands.text import console, say, table
from imprint.models import registry
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.registry import Family, folders_of

ROOMS = ("imprint.models", "imprint.probes", "imprint.analyses", "imprint.reports")


def families() -> dict[str, Family]:
    """All families, those of the models first, read from the ``Family(...)`` in the ``base.py`` of each folder."""
    found = {}
    for base in (base for room in ROOMS for folder in folders_of(room) for base in sorted(folder.glob("*/base.py"))):
        for node in ast.walk(ast.parse(base.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Family":
                family = Family(*map(ast.literal_eval, node.args))
                found[family.name] = family
    return found


def _docstring(family: Family, name: str) -> str:
    file = family.source(name)
    if file is None:
        return "(from another package)"
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def _summary(family: Family, name: str) -> str:
    first = _docstring(family, name).partition("\n")[0]
    return first.removeprefix(f"{name}:").strip()


def _setup_summary(path: Path) -> str:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return "(not readable)"
    text = str(data.get("description") or data.get("question") or "") if isinstance(data, dict) else ""
    return text.partition(". ")[0].strip().rstrip(".")


def list_family(wanted: str | None) -> None:
    """Print one family, or all that have members."""
    known = families()
    if wanted is not None and wanted != "setups" and wanted not in known:
        raise unknown_name("family", wanted, ["setups", *known])
    page = console()
    if wanted in (None, "setups"):
        rows = [(name, _setup_summary(path)) for name, path in registry.setups().items()]
        page.print(table("setups", ("name", "what it is"), rows))
    for name, family in known.items():
        members = family.names() if wanted in (None, name) else ()
        if members:
            page.print()
            page.print(table(name, ("name", "what it is"), [(member, _summary(family, member)) for member in members]))
        elif wanted == name:
            say(page, f"{name}: no members yet.")


def _members(name: str) -> list[str]:
    """``family/member`` of every member called ``name``."""
    return [f"{family.name}/{name}" for family in families().values() if name in family.names()]


def show_member(name: str) -> None:
    """Print a setup as it will run, a member's docstring, settings and metrics, or the metrics of an analysis of runs.

    A name that several families share is written ``family/member``.

    Hyphens may stand for the underscores of a file name.
    """
    from imprint.analyses.findings import metrics_of_runs

    runs = metrics_of_runs()
    name = name if name in registry.setups() or Path(name).is_file() or _members(name) else name.replace("-", "_")
    family_name, slash, member = name.partition("/")
    shipped = registry.setups()
    if slash and family_name == "setups":
        name, slash = member, ""
    known = families()
    if slash and family_name in known and not Path(name).is_file():
        if member not in known[family_name].names():
            raise unknown_name(f"member of {family_name}", member, known[family_name].names())
        _show(known[family_name], member)
        return
    others = _members(name)
    if name in shipped or Path(name).is_file():
        _show_setup(name, others)
    elif len(others) == 1:
        show_member(others[0])
    elif others:
        raise ImprintError(f"{name!r} names {len(others)} things: {', '.join(others)}. Say which.")
    elif name not in runs:
        members = {member for family in known.values() for member in family.names()}
        raise unknown_name("setup or member", name, {*shipped, *members, *runs})
    if name in runs:
        console().print(_metrics(f"metrics of {name}", runs[name]))


def _show_setup(name: str, others: list[str]) -> None:
    from imprint.models.setup.load import load_setup

    setup = load_setup(name)
    page = console()
    say(page, f"# {setup.run_name}")
    page.print(
        yaml.safe_dump(setup.resolved(), sort_keys=False, allow_unicode=True, width=100).rstrip(),
        markup=False,
        soft_wrap=True,
    )
    if others:
        say(page, f"# also of this name: {', '.join(f'imprint show {other}' for other in others)}")


def _show(family: Family, name: str) -> None:
    page = console()
    say(page, f"{family.name}/{name}", "bold")
    say(page, _docstring(family, name))
    member = family.load(name)
    settings = getattr(member, "Settings", None)
    rows = _settings(settings) if settings is not None else []
    page.print()
    if rows:
        page.print(table("settings", ("name", "type", "default", "what it is"), rows))
    else:
        say(page, "no settings.")
    if metrics := getattr(member, "metrics", None):
        page.print()
        page.print(_metrics("metrics", metrics))
    _show_concepts(page, family, member)
    _show_interface(page, family, member)


def _metrics(title: str, metrics: Mapping[str, str]) -> Any:
    return table(title, ("metric", "what it is"), list(metrics.items()))


def _show_concepts(page: Any, family: Family, member: Any) -> None:
    """The concepts of a world that can be made with its defaults."""
    if family.name != "worlds" or any(field.is_required() for field in member.Settings.model_fields.values()):
        return
    world = member()
    rows = [(concept, ", ".join(map(str, world.values(concept)))) for concept in world.concepts]
    page.print()
    page.print(table("concepts", ("name", "values"), rows))


def _show_interface(page: Any, family: Family, member: Any) -> None:
    """What an interactive world with its defaults lets an agent do and an examiner know."""
    if family.name != "environments" or any(field.is_required() for field in member.Settings.model_fields.values()):
        return
    world = member()
    world.reset(seed=0)
    outcome = world.follow(world.state, world.known_actions(world.action_space.sample()))
    senses = world.senses(outcome.before, outcome.action, outcome.after)
    rows = [
        ("observation", " x ".join(map(str, world.view.shape))),
        ("actions", ", ".join(world.actions)),
        ("designs", ", ".join(world.designs)),
        ("goals", ", ".join(f"{goal} (sense {sense})" for goal, sense in world.goals.items())),
        ("senses", ", ".join(senses)),
        ("body", ", ".join(world.body(outcome.after))),
        ("facts", ", ".join(world.facts(outcome.after))),
    ]
    page.print()
    page.print(table("world", ("part", "what there is"), [row for row in rows if row[1]]))


def _settings(model: Any) -> list[tuple[str, str, str, str]]:
    docs = _field_docs(model)
    rows = []
    for name, field in model.model_fields.items():
        default = "(required)" if field.is_required() else repr(field.get_default(call_default_factory=True))
        limits = ", ".join(_limit(item) for item in field.metadata if _limit(item))
        rows.append((name, f"{_type(field.annotation)}{f' ({limits})' if limits else ''}", default, docs.get(name, "")))
    return rows


def _type(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _limit(item: Any) -> str:
    for attribute, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
        if (bound := getattr(item, attribute, None)) is not None:
            return f"{sign} {bound}"
    return ""


def _field_docs(model: type) -> dict[str, str]:
    """The string under each field of a settings class and of those it inherits from."""
    docs: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if not owner.__module__.startswith("pydantic") and owner is not object:
            docs |= _strings_under_fields(owner)
    return docs


def _strings_under_fields(owner: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, TypeError):  # no source: made at run time, or shipped without it
        return {}
    found: dict[str, str] = {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, after in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(after.value.value).replace("\n", " ")
    return found
