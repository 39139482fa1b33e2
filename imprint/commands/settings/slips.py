"""Slips in the settings of a setup, answered before torch is imported.

The file is compared with the JSON schema that ships (:mod:`imprint.commands.settings.schema`; a test keeps it equal to
the program's own): keys and kinds that do not exist, and texts, numbers and choices out of their range, in the words
that loading the setup would say. What only the whole setup can tell, such as whether a concept exists in the world, is
left to loading it, and so are parts from other packages, which the schema does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from imprint.commands.names import families
from imprint.models import registry
from imprint.models.errors import ImprintError
from imprint.models.setup.lines import with_lines
from imprint.models.setup.raw import written_setup
from imprint.models.setup.reasons import reason, unknown_key

SCHEMA = "schema/setup.json"
"""Where the schema ships, seen from the setups."""
TYPES: dict[str, type] = {"integer": int, "number": float, "string": str, "boolean": bool}
BOUNDS = {
    **{"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"},
    **{"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"},
}
"""Word of the schema -> what pydantic calls it."""

Schema = dict[str, Any]


def check_setup(name: str, changes: Mapping[str, Any] | None = None) -> None:
    """Refuse a setup that does not exist, or whose settings, with ``changes`` (dotted keys), the schema refuses.

    Raises :class:`ImprintError` with all reasons, each with file and line.
    """
    data = written_setup(registry.setup_file(name), changes)
    if "study" in data:  # which loading refuses
        return
    kind = "AgentSetup" if {"environment", "agent"} & data.keys() else "Setup"
    if reasons := list(_slips(data, _definitions()[kind], ())):
        raise ImprintError(with_lines("\n".join(reasons), name, changes or ()))


@cache
def _definitions() -> dict[str, Schema]:
    folder = registry.folders_of("imprint.setups")[0]
    found: dict[str, Schema] = json.loads((folder / SCHEMA).read_text(encoding="utf-8"))["$defs"]
    return found


def _slips(value: Any, schema: Schema, path: tuple[str, ...]) -> Iterator[str]:
    """Reasons why the schema refuses a value; nothing where loading has to say."""
    schema = _certain(value, schema)
    if "allOf" in schema:
        schema = _kind(value, schema)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        for key, item in value.items():
            if key in fields:
                yield from _slips(item, fields[key], (*path, key))
            elif isinstance(others := schema.get("additionalProperties"), dict):
                yield from _slips(item, others, (*path, key))
            elif others is False and not path and (there := _inside(key, value, fields)):
                yield f"{key}: unknown key. Did you mean {there!r}?"
            elif others is False:
                yield unknown_key((*path, key), sorted(fields.keys() - {"kind", "extends"}))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _slips(item, schema.get("items", {}), (*path, str(place)))
    elif schema.get("type") == "object" and path:
        name = ".".join(path)
        yield reason({"type": "dict_type", "loc": path, "msg": "", "input": value}, name)
    elif schema.get("type") in TYPES:
        yield from _refused(value, schema, path)


def _inside(key: str, parts: Schema, fields: Schema) -> str:
    """The dotted name of a key that one of the setup's parts has; empty where none has."""
    for name, schema in fields.items():
        part = _certain(parts.get(name), schema)
        if key in (_kind(parts.get(name), part) if "allOf" in part else part).get("properties", {}):
            return f"{name}.{key}"
    return ""


def _certain(value: Any, schema: Schema) -> Schema:
    """The schema that holds for the value; empty where it is one of several, or where None stands for none."""
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1 or (value is None and len(options) < len(schema["anyOf"])):
            return {}
        return _certain(value, options[0])
    return _definitions()[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _kind(value: Any, schema: Schema) -> Schema:
    """The schema of the kind that a part names; empty for kinds of other packages and for what names none."""
    if not isinstance(value, dict) or not isinstance(kind := value.get("kind"), str):
        return {}
    family = schema["allOf"][0]["then"]["$ref"].rpartition("/")[2].partition(".")[0]
    families()[family].require(kind)
    return _definitions().get(f"{family}.{kind}", {})


def _refused(value: Any, schema: Schema, path: tuple[str, ...]) -> Iterator[str]:
    """What pydantic says of a text, number or truth value."""
    kind: Any = Literal[tuple(schema["enum"])] if "enum" in schema else TYPES[schema["type"]]
    bounds = {name: schema[word] for word, name in BOUNDS.items() if word in schema}
    bounded: Any = Annotated[kind, Field(**bounds)]
    try:
        TypeAdapter(bounded, config=ConfigDict(allow_inf_nan=False)).validate_python(value)
    except ValidationError as error:
        yield from (reason(item, ".".join(path)) for item in error.errors())
