"""``imprint list`` and ``imprint show``: what there is, found by file name and read without importing it.

A family is a folder of a room that has a ``base`` module; its members are the other files. Descriptions are the first
lines of the modules' docstrings, parsed and not run, so that listing needs no torch.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import yaml

from imprint.analyses.metrics import metrics_of_runs
from imprint.commands.names import families, parsed
from imprint.commands.text import console, say, table
from imprint.models import registry
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.registry import Family, folders_of


def list_family(wanted: str | None, *, every: bool = False) -> dict[str, dict[str, str]]:
    """Print one family, how many members each family has, or ``every`` member; family -> member -> what it is."""
    known = families()
    if wanted is not None and wanted not in ("setups", *known):
        raise unknown_name("family", wanted, ["setups", *known])
    page, listed = console(), _members(wanted)
    if wanted is None and not every:
        rows = [(name, len(members), _about_family(name)) for name, members in listed.items()]
        page.print(table("what there is", ("family", "members", "what it is"), rows, right=("members",)))
        say(
            page,
            "\nOne family: imprint list setups. One member: imprint show nursery. All of them: imprint list --all.",
        )
        return listed
    for i, (name, members) in enumerate(listed.items()):
        if i:
            page.print()
        page.print(table(name, ("name", "what it is"), list(members.items())))
    if not listed:
        say(page, f"{wanted}: no members yet.")
    return listed


def _members(wanted: str | None) -> dict[str, dict[str, str]]:
    """Family -> member -> what it is, of those that have members: one family, or all."""
    listed: dict[str, dict[str, str]] = {}
    if wanted in (None, "setups"):
        listed["setups"] = {name: _about_setup(file) for name, file in registry.setups().items()}
    for family in (family for name, family in families().items() if wanted in (None, name)):
        first = {member: _docstring(family, member).partition("\n")[0] for member in family.names()}
        if first:
            listed[family.name] = {name: line.removeprefix(f"{name}:").strip() for name, line in first.items()}
    return listed


def _about_family(name: str) -> str:
    """What a member of a family is, from the first line of the module that declares the family."""
    if name == "setups":
        return "a run as one file: world, learner, steering, schedule and the rule of the verdict"
    family = families()[name]
    file = next(folder / "base.py" for folder in folders_of(family.package) if (folder / "base.py").is_file())
    first = (ast.get_docstring(parsed(file)) or "").partition("\n")[0]
    return first.removeprefix("The contract of ").rstrip(".")


def _about_setup(file: Path) -> str:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return "(not readable)"
    text = str(data.get("description") or data.get("question") or "") if isinstance(data, dict) else ""
    return text.partition(". ")[0].strip().rstrip(".")


def _docstring(family: Family, name: str) -> str:
    file = family.source(name)
    return "(from another package)" if file is None else ast.get_docstring(parsed(file)) or ""


def show_member(name: str) -> dict[str, Any]:
    """Print a setup as it will run, a member's docstring, settings and metrics, or the metrics of an analysis of runs.

    A name that several families share is written ``family/member``.

    Hyphens may stand for the underscores of a file name. Returns what was printed, as data.
    """
    family_name, slash, member = name.removeprefix("setups/").partition("/")
    if slash and family_name in families() and not Path(name).is_file():
        family, member = families()[family_name], member.replace("-", "_")
        family.require(member)
        return _show(family, member)
    if slash and member and "/" not in member and not Path(name).exists() and not name.endswith((".yaml", ".yml")):
        raise unknown_name("family", family_name, ["setups", *families()])
    name, runs = name.removeprefix("setups/"), metrics_of_runs()
    owners = [family for family in families().values() if name.replace("-", "_") in family.names()]
    full = [f"{family.name}/{name}" for family in owners]
    shown: dict[str, Any] = {"name": name, "about": ""}
    if name in registry.setups() or Path(name).is_file():
        shown = _show_setup(name, full)
    elif len(owners) == 1:
        shown = _show(owners[0], name.replace("-", "_"))
    elif owners:
        raise ImprintError(f"{name!r} names {len(full)} things: {', '.join(full)}. Say which.")
    elif Path(name).is_dir() or name.endswith((".yaml", ".yml")):
        registry.setup_file(name)
    elif name not in runs:
        members = {member for family in families().values() for member in family.names()}
        raise unknown_name("setup or member", name, {*registry.setups(), *members, *runs})
    if name in runs:
        console().print(table(f"metrics of {name}", ("metric", "what it is"), list(runs[name].items())))
        shown["metrics"] = {**shown.get("metrics", {}), **runs[name]}
    return shown


def show_schema(name: str) -> None:
    """Print the JSON schema of setup files; ``name``: that of a setup, or a file. Raises for anything else."""
    registry.setup_file(name.removeprefix("setups/"))
    from imprint.commands.settings.schema import schema_text

    sys.stdout.write(schema_text())


def _show_setup(name: str, others: list[str]) -> dict[str, Any]:
    from imprint.commands.settings.described import annotated
    from imprint.models.setup.load import load_setup

    setup = load_setup(name)
    page = console()
    say(page, f"# {setup.run_name}")
    page.print(annotated(setup).rstrip(), markup=False, soft_wrap=True)
    if others:
        say(page, f"# also of this name: {', '.join(f'imprint show {other}' for other in others)}")
    return {"name": setup.run_name, "about": setup.description, "setup": setup.resolved()}


def _show(family: Family, name: str) -> dict[str, Any]:
    from imprint.commands.settings.described import rows_of

    page = console()
    say(page, f"{family.name}/{name}", "bold")
    say(page, _docstring(family, name))
    page.print()
    member = family.load(name)
    settings = getattr(member, "Settings", None)
    rows = rows_of(settings) if settings is not None else []
    shown: dict[str, Any] = {"name": f"{family.name}/{name}", "about": _docstring(family, name)}
    shown["settings"] = [dict(zip(("name", "type", "default", "about"), row, strict=True)) for row in rows]
    if not rows:
        say(page, "no settings.")
    else:
        page.print(table("settings", ("name", "type", "default", "what it is"), rows))
    if metrics := getattr(member, "metrics", None):
        page.print()
        page.print(table("metrics", ("metric", "what it is"), list(metrics.items())))
        shown["metrics"] = dict(metrics)
    if family.name in _PARTS and not any(field.is_required() for field in member.Settings.model_fields.values()):
        title, columns, parts_of = _PARTS[family.name]
        page.print()
        parts = parts_of(member())
        page.print(table(title, columns, parts))
        shown["parts"] = dict(parts)
    return shown


def _concepts(world: Any) -> list[tuple[str, str]]:
    """The concepts of a world."""
    return [(concept, ", ".join(map(str, world.values(concept)))) for concept in world.concepts]


def _interface(environment: Any) -> list[tuple[str, str]]:
    """What an environment lets an agent do, and what is known about its state."""
    environment.reset(seed=0)
    sampled = environment.known_actions(environment.action_space.sample())
    step = environment.follow(environment.state, sampled)
    goals = [f"{goal} (reaching it is the sense {sense})" for goal, sense in environment.goals.items()]
    rows = {
        "observation": " x ".join(map(str, environment.view.shape)),
        "actions": ", ".join(environment.actions),
        "designs": ", ".join(environment.designs),
        "goals": ", ".join(goals),
        "senses": ", ".join(environment.senses(step.before, step.action, step.after)),
        "body": ", ".join(environment.body(step.after)),
        "facts": ", ".join(environment.facts(step.after)),
    }
    return [(part, text) for part, text in rows.items() if text]


_PARTS = {
    "worlds": ("concepts", ("name", "values"), _concepts),
    "environments": ("interface", ("part", "what there is"), _interface),
}
"""Family -> what else is shown of a member that can be made with its defaults: title, columns, rows."""
