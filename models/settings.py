"""The base class of all settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class FrozenSettings(BaseModel):
    """Settings that do not change once they are validated; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def later(default: Any, **constraints: Any) -> Any:
    """A field that came into use later: the digest of a setup leaves it out at its default, so old runs keep names."""
    return Field(default, json_schema_extra={"later": True}, **constraints)


def without_later(settings: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` of settings without fields made by :func:`later` that are at their defaults."""
    fields = settings.model_fields
    extras = {name: fields[name].json_schema_extra for name in values if name in fields}
    new = {name for name, extra in extras.items() if isinstance(extra, dict) and extra.get("later")}
    return {name: value for name, value in values.items() if name not in new or value != fields[name].default}
