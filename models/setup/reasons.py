"""What is wrong with given settings, in sentences; nothing heavier than pydantic is imported here."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from imprint.models.errors import near_miss


def explain(error: ValidationError, *, prefix: str = "", model: type[BaseModel] | None = None) -> str:
    """All reasons of a validation error, one a line: the field, what was given, what is allowed, the closest name."""
    lines, every = [], error.errors()
    within = {item["loc"][:-1] for item in every}
    for item in every:
        if item["type"] == "too_short" and item["loc"] in within:
            continue  # it counts the entries that are left of those that are refused one by one
        path = tuple(str(x) for x in ((prefix,) if prefix else ()) + item["loc"])
        if item["type"] == "extra_forbidden":
            owner = _model_at(model, item["loc"][:-1])
            lines.append(unknown_key(path, sorted(owner.model_fields) if owner else []))
        else:
            lines.append(reason(item, ".".join(path)))
    return "\n".join(lines)


def unknown_key(path: tuple[str, ...], allowed: list[str]) -> str:
    """What is said of a key that no settings have; ``allowed``: those that could stand there, none if not known."""
    hint = near_miss(path[-1], allowed)
    return f"{'.'.join(path)}: unknown key.{hint}" + (f" Allowed: {', '.join(allowed)}." if allowed else "")


def reason(item: ErrorDetails, path: str) -> str:
    """What is said of a field whose value pydantic refused."""
    if item["type"] == "missing":
        return f"{path}: missing; it has no default."
    if item["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"{path}: expected a mapping of its fields, such as {path}.KEY=VALUE (came: {item.get('input')!r})."
    came = "" if isinstance(item.get("input"), dict) else f" (came: {item.get('input')!r})"
    why = item["msg"].removeprefix("Value error, ").rstrip(".")
    if item["type"] in ("tuple_type", "list_type"):
        why = "expected a list, such as [1, 2]"
    elif item["type"] == "too_short":
        why = f"expected at least {item['ctx']['min_length']} of them"
    return f"{path}: {why}{came}." if path else f"{why}."


def _model_at(model: type[BaseModel] | None, path: tuple[Any, ...]) -> type[BaseModel] | None:
    """The settings class of the part of a setup that ``path`` leads to."""
    for key in path:
        if model is None or key not in model.model_fields:
            return None
        kind = model.model_fields[key].annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return model
