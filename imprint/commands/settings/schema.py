"""The JSON schema of setup files, with which editors complete keys, show meanings and mark slips.

It has every kind of world, learner, steering signal and so on that is installed, with its settings. The file that
ships, ``setups/schema/setup.json``, is what ``imprint show --schema nursery`` prints. What only a whole setup can tell,
such as whether a concept exists in the world, is left to loading it.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from imprint.commands.settings.described import families_of, meanings_of
from imprint.models.registry import Family
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup

Schema = dict[str, Any]
EXTENDS = {
    "type": "string",
    "description": "Name of a setup that ships, or a YAML file; what is left out is taken from it.",
}


def schema_text() -> str:
    """The schema as the file that ships."""
    return json.dumps(setup_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def setup_schema() -> Schema:
    """The schema of a file that describes a setup of learners or of agents (draft 7)."""
    defs: Schema = {}
    learners, agents = (_setup(kind, defs) for kind in (Setup, AgentSetup))
    of_agents = {"anyOf": [{"required": [key]} for key in AgentSetup.families()]}
    either = {"if": {"required": ["extends"]}, "then": {"anyOf": [learners, agents]}, "else": learners}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "imprint setup",
        "type": "object",
        "allOf": [{"if": of_agents, "then": agents, "else": either}],
        "$defs": defs,
    }


def _setup(kind: type[AlignmentSetup], defs: Schema) -> Schema:
    """Reference to the schema of one kind of setup, in which only a file that extends none must be complete."""
    schema = _settings(kind, f"{kind.__name__}.", defs)
    parts = {field: _part(family, defs) for field, family in families_of(kind).items()}
    for field, part in parts.items():
        own = schema["properties"][field]
        schema["properties"][field] = {
            "array": {**own, "items": part},
            "object": {**own, "additionalProperties": part} if field == "scorecard" else {**part, **_described(own)},
            "null": {"anyOf": [part, {"type": "null"}], **_described(own)},
        }[own.get("type", "null")]
    schema["properties"]["extends"] = EXTENDS
    complete = {"required": schema.pop("required", [])}
    schema |= {"if": {"not": {"required": ["extends"]}}, "then": complete}
    defs[kind.__name__] = schema
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _described(schema: Schema) -> Schema:
    return {key: schema[key] for key in ("description", "title") if key in schema}


def _part(family: Family, defs: Schema) -> Schema:
    """A part with a ``kind`` and the settings of that kind."""
    names = family.names()
    cases = []
    for name in names:
        key = f"{family.name}.{name}"
        if key not in defs:
            schema = _settings(family.load(name).Settings, f"{key}.", defs)
            schema["properties"] = {"kind": {"const": name}, **schema.get("properties", {})}
            schema.pop("required", None)  # a file may extend another, which has it
            defs[key] = schema
        cases.append({"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": _ref(key)})
    kinds = {"kind": {"enum": names, "description": f"Which of the {family.name}; see imprint list {family.name}."}}
    return {"type": "object", "properties": kinds, "allOf": cases}


def _ref(key: str) -> Schema:
    return {"$ref": f"#/$defs/{key}"}


def _settings(model: type[BaseModel], prefix: str, defs: Schema) -> Schema:
    """Schema of a settings class with the meaning of every field; those of nested classes go to ``defs``."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    nested = schema.pop("$defs", {})
    models = {one.__name__: one for one in _models(model)}
    for name, inner in nested.items():
        defs[f"{prefix}{name}"] = _explained(inner, models[name]) if name in models else inner
    return _explained(schema, model)


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Settings classes that occur in the fields of a class, at any depth."""
    found: list[type[BaseModel]] = []
    todo: list[Any] = [field.annotation for field in model.model_fields.values()]
    while todo:
        kind = todo.pop()
        todo += getattr(kind, "__args__", ())
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.append(kind)
            todo += [field.annotation for field in kind.model_fields.values()]
    return found


def _explained(schema: Schema, model: type[BaseModel]) -> Schema:
    """The schema without titles and with the meaning of every field."""
    docs = meanings_of(model)
    schema.pop("title", None)
    for name, field in schema.get("properties", {}).items():
        field.pop("title", None)
        if docs.get(name):
            field["description"] = docs[name]
    return schema
