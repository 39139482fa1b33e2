"""The base class of all settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(ge=1, le=65_536)]
"""Number of units of a layer."""
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A number that something is multiplied with or compared with."""


class FrozenSettings(BaseModel):
    """Settings that do not change once they are validated; unknown keys, NaN and infinities are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
