"""The scorecard of some seeds: labelled assessors whose readings steering signals can read as senses.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from imprint.models.assessors.base import Assessor
from imprint.models.store import part_of, with_prefix


class Scorecard:
    """The columns of S learners, by name."""

    def __init__(self, columns: Mapping[str, Assessor]) -> None:
        self.columns = dict(columns)

    def readings(self, latents: Tensor) -> dict[str, Tensor]:
        """Column -> reading ``[S, n, T]`` of latents ``[S, n, T, D]``; has a gradient if the latents have one."""
        return {name: column.predict(latents) for name, column in self.columns.items()}

    def update(self, latents: Tensor, signals: Mapping[str, Tensor], gate: Tensor, age: int) -> None:
        """A step of every column whose window is open, where ``gate`` ``[S]`` is true."""
        for column in self.columns.values():
            if column.learns and column.settings.open(age):
                column.update(latents, signals[column.settings.signal], gate)

    def state(self, s: int) -> dict[str, Tensor]:
        """Everything the columns of one seed have learned."""
        states: dict[str, Tensor] = {}
        for name, column in self.columns.items():
            states |= with_prefix(f"{name}.", column.state(s))
        return states

    def load(self, s: int, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        for name, column in self.columns.items():
            column.load(s, part_of(state, f"{name}."))
