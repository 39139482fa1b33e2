"""Reading a setup: one alignment experiment, described completely before anything runs.

A setup of learners is world + learner + steering + assessor + schedule + intended concept + proxies + decision rule in
one YAML file; for agents see :mod:`imprint.models.setup.agent`. Unknown keys and kinds are errors that suggest the
closest known one. The resolved setup, with every default filled in, is stored with the run, and its hash is part of the
run's name, so that two runs with the same name are the same experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

from pydantic import ValidationError

from imprint.models import registry
from imprint.models.errors import ImprintError
from imprint.models.files import parse_yaml, plain_data
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup, explain
from imprint.models.setup.learner import Setup
from imprint.models.setup.lines import with_lines

Source = str | Path | Mapping[str, Any] | AlignmentSetup
Changes = Mapping[str, Any] | None
S = TypeVar("S", bound=AlignmentSetup)


@overload
def load_setup(source: Source, *, changes: Changes = None) -> AlignmentSetup: ...


@overload
def load_setup(source: Source, *, changes: Changes = None, expect: type[S]) -> S: ...


def load_setup(
    source: Source, *, changes: Changes = None, expect: type[AlignmentSetup] = AlignmentSetup
) -> AlignmentSetup:
    """A setup from the name of one that ships, a YAML file, a mapping, or a setup.

    With an ``environment`` or an ``agent`` it is an ``AgentSetup``, else a :class:`Setup`; ``expect`` refuses the
    other. ``changes`` are dotted keys -> values, applied before validation (``{"schedule.seeds": 8}``; numbers index
    lists); a setup without changes is returned as it is. A YAML file may say ``extends: NAME`` and give only what
    differs; mappings are merged, everything else is replaced. Raises :class:`ImprintError` with all reasons.
    """
    if isinstance(source, expect) and not changes:
        return source
    data = raw_setup(source)
    for key, value in (changes or {}).items():
        _assign(data, str(key), plain_data(value, f"--set {key}"))
    if "study" in data:
        raise ImprintError(f"{data.get('name')} describes a study, which imprint.Study makes; it cannot be run.")
    kind = AgentSetup if {"environment", "agent"} & data.keys() else Setup
    if not issubclass(kind, expect):
        raise ImprintError(
            f"{data.get('name', 'the setup')} is a setup of {_SUBJECTS[kind.__name__]}; "
            f"expected one of {_SUBJECTS[expect.__name__]}."
        )
    try:
        return kind(**data)
    except ValidationError as error:
        reasons = explain(error, model=kind)
        if isinstance(source, str | Path):
            reasons = with_lines(reasons, source, changes or ())
        raise ImprintError(reasons) from None


_SUBJECTS = {"Setup": "a learner in a static world", "AgentSetup": "an agent in an environment"}


def raw_setup(source: Source, extended: tuple[str, ...] = ()) -> dict[str, Any]:
    """Plain data of a setup as it was written, with what it extends; ``extended``: the files that led here."""
    if isinstance(source, AlignmentSetup):
        return source.resolved()
    if isinstance(source, Mapping):
        whole: dict[str, Any] = plain_data(source, "the setup")
        return _merged(whole, extended)
    path = registry.setup_file(str(source))
    if (name := str(path.resolve())) in extended:
        raise ImprintError(f"{path} extends itself: {' -> '.join((*extended, name))}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ImprintError(f"{path} is not readable YAML: {error}") from None
    data = parse_yaml(text, path)
    if not isinstance(data, dict):
        raise ImprintError(f"{path} holds {type(data).__name__}; expected a mapping of setup fields.")
    return _merged(data, (*extended, name))


def _merged(data: dict[str, Any], extended: tuple[str, ...]) -> dict[str, Any]:
    """``data`` laid over the setup that it ``extends``, if any."""
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ImprintError(f"extends is {base!r}; expected the name of a setup that ships, or a YAML file.")

    def merge(old: Any, new: Any) -> Any:
        if isinstance(old, dict) and isinstance(new, dict) and new.get("kind", old.get("kind")) == old.get("kind"):
            return {**old, **{k: merge(old[k], v) if k in old else v for k, v in new.items()}}
        return new

    whole: dict[str, Any] = merge(raw_setup(base, extended), data)
    return whole


def _assign(data: dict[str, Any], key: str, value: Any) -> None:
    """Set the entry of nested mappings and lists that a dotted key names."""
    node: Any = data
    *path, last = key.split(".")
    for part in path:
        if isinstance(node, dict):
            node = node.setdefault(part, {})
        elif isinstance(node, list | tuple) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            raise ImprintError(f"--set {key}: {part!r} is not a part of the setup that has settings.")
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list) and last.isdecimal() and int(last) < len(node):
        node[int(last)] = value
    else:
        raise ImprintError(f"--set {key}: {last!r} cannot be set there.")
