"""The base class of all settings."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

Width = Annotated[int, Field(ge=1, le=65_536)]
"""Number of units of a layer."""
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A number that something is multiplied with or compared with."""


class FrozenSettings(BaseModel):
    """Settings that do not change once they are validated.

    Unknown keys, NaN and infinities are errors, and so are truth values in place of numbers: YAML reads ``yes`` and
    ``on`` as such.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any, about: Any) -> Any:
        if isinstance(value, bool) and about.field_name in cls.model_fields:
            kind = cls.model_fields[about.field_name].annotation
            if {kind, *get_args(kind)} & {int, float} and bool not in (kind, *get_args(kind)):
                raise ValueError("expected a number; yes, no, on, off, true and false are truth values")
        return value
