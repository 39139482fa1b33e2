"""What all outputs have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Number = float | None


class Strict(BaseModel):
    """An object without further entries."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
