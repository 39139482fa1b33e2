"""Settings with their meaning, what they allow and their default: for ``imprint show`` and the schema of editors.

The meaning of a field is the string under it in its class, which is parsed and not run.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from imprint.commands.names import fields_of
from imprint.models.assessors.base import ASSESSORS
from imprint.models.registry import Family
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.steering.base import STEERING

WIDTH = 100
"""Characters of a line of a setup that is shown."""
LIMITS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


@cache
def meanings_of(model: type) -> dict[str, str]:
    """The string under each field of a settings class and of those it inherits from, in one line."""
    docs: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is object or owner.__module__.startswith("pydantic"):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, TypeError):  # no source: made at run time, or shipped without it
            continue
        if isinstance(tree.body[0], ast.ClassDef):
            own = {name: _plain_words(text) for name, text in fields_of(tree.body[0]).items()}
            docs |= {name: text for name, text in own.items() if text or name not in docs}
    return docs


def _plain_words(text: str) -> str:
    """A docstring without its mark-up, and without references that stand apart."""
    text = re.sub(r" ?\(:\w+:`[^`]*`\)|; :\w+:`[^`]*`", "", text)
    return " ".join(re.sub(r":\w+:`(?:[\w.]*\.)?(\w+)`", r"\1", text).replace("``", "`").split())


def allowed(field: FieldInfo) -> str:
    """Type and limits of a field."""
    bounds = [(sign, getattr(item, name, None)) for item in field.metadata for name, sign in LIMITS]
    limits = [f"{sign} {bound:,}" for sign, bound in bounds if bound is not None]
    limits += [f"matching {item.pattern}" for item in field.metadata if getattr(item, "pattern", None)]
    return ", ".join([type_of(field.annotation), *limits])


def type_of(annotation: Any) -> str:
    """A type as people write it: ``int``, ``int or None``, ``"equal" or "prevalence"``."""
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return "mapping" if annotation is dict else annotation.__name__
    name, inner = str(getattr(annotation, "__origin__", annotation)), get_args(annotation)
    if "Literal" in name:
        return " or ".join(repr(value) for value in inner)
    if "Union" in name:
        return " or ".join(map(type_of, inner))
    if "Annotated" in name:
        return type_of(inner[0])
    if "tuple" in name or "list" in name:
        return f"list of {type_of(inner[0])}"
    return "mapping" if "dict" in name or "Mapping" in name else name.replace("typing.", "")


def default_of(field: FieldInfo) -> str:
    """The default of a field, or that it has none."""
    if field.is_required():
        return "(required)"
    default = field.get_default(call_default_factory=True)
    return "see below" if isinstance(default, BaseModel) else repr(default)


def rows_of(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Name, type with limits, default and meaning of every field."""
    docs = meanings_of(model)
    return [(name, allowed(f), default_of(f), docs.get(name, "")) for name, f in model.model_fields.items()]


def families_of(model: type[AlignmentSetup]) -> dict[str, Family]:
    """Field of a setup -> the family that its parts are members of."""
    return {**model.families(), "steering": STEERING, "scorecard": ASSESSORS}


def annotated(setup: AlignmentSetup) -> str:
    """A setup as YAML in which a comment before every field says what it means, allows and defaults to."""
    kind = type(setup)
    return "\n".join(_lines(setup.resolved(), kind, families_of(kind), "")) + "\n"


def _lines(data: Mapping[str, Any], model: type[BaseModel], parts: Mapping[str, Family], indent: str) -> Iterator[str]:
    docs = meanings_of(model)
    for name, value in data.items():
        if name not in model.model_fields:
            yield from _plain(name, value, indent)
            continue
        field = model.model_fields[name]
        yield from _comment(docs.get(name, ""), field, indent, whole=name not in parts)
        inner = field.annotation
        nested = next((t for t in (inner, *get_args(inner)) if isinstance(t, type) and issubclass(t, BaseModel)), None)
        if name in parts:
            yield from _parts(name, value, parts[name], indent)
        elif nested is not None and isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, nested, {}, indent + "  ")
        else:
            yield from _plain(name, value, indent)


def _parts(name: str, value: Any, family: Family, indent: str) -> Iterator[str]:
    """A part with a kind, a list of such parts, or a mapping of names to them."""
    if isinstance(value, dict) and "kind" in value:
        yield f"{indent}{name}:"
        yield from _part(value, family, indent + "  ")
    elif isinstance(value, dict) and value:
        yield f"{indent}{name}:"
        for key, part in value.items():
            yield from _parts(str(key), part, family, indent + "  ")
    elif isinstance(value, list | tuple) and value:
        yield f"{indent}{name}:"
        for part in value:
            first, *rest = _part(part, family, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
    else:
        yield from _plain(name, value, indent)


def _part(value: Mapping[str, Any], family: Family, indent: str) -> Iterator[str]:
    yield f"{indent}kind: {value['kind']}  # imprint show {family.name}/{value['kind']}"
    settings = family.load(str(value["kind"])).Settings
    yield from _lines({key: item for key, item in value.items() if key != "kind"}, settings, {}, indent)


def _comment(meaning: str, field: FieldInfo, indent: str, *, whole: bool) -> Iterator[str]:
    nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    for line in textwrap.wrap(meaning, WIDTH - len(indent) - 2, break_long_words=False):
        yield f"{indent}# {line}"
    if whole and not nested:
        default = "no default" if field.is_required() else f"default {default_of(field)}"
        yield f"{indent}# {allowed(field)}; {default}"


def _plain(name: str, value: Any, indent: str) -> Sequence[str]:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=math.inf, default_flow_style=True)
    return [f"{indent}{name}: {text.removesuffix(chr(10)).removesuffix('...').rstrip()}"]
