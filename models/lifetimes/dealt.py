"""One upbringing, kept as many runs: what is lived once is dealt out to the folder of every setup.

A checkpoint in the folder of a setup holds what a life of that setup alone would have left there, byte for byte, so
that each run goes on by itself. That needs assessors whose window stays open (``closes_at`` is None): of one that has
shut, a shared life draws no more errors of its signals.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.lifetimes.lifetime import header_of, read_checkpoint
from imprint.models.lifetimes.shared import CLOSING, SharedLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, part_of, with_prefix, write_tensors

OWN = ("learner.", "experience.")
"""What the names begin with of tensors that all setups have in common."""


class DealtLifetime(SharedLifetime):
    """Some seeds that live once for many setups, each of which keeps them in a folder of its own."""

    def __init__(self, setups: Sequence[Setup], seeds: Sequence[int], folders: Sequence[RunFolder]) -> None:
        if shut := [setup.name for setup in setups if setup.assessor[CLOSING] is not None]:
            raise ImprintError(
                f"{shut[0]} has an assessor that closes (assessor.{CLOSING}); lives that are kept as runs need "
                "one that stays open. Raise it alone."
            )
        super().__init__(setups, seeds, folders[0])
        self.setups, self.folders = tuple(setups), tuple(folders)

    def has_kept(self, age: int) -> bool:
        """Whether all checkpoints of an age are there, in every folder."""
        return all(folder.checkpoint(seed, age).exists() for folder in self.folders for seed in self.seeds)

    def keep(self, age: int) -> None:
        """Write the checkpoints of an age, of every setup."""
        for s, seed in enumerate(self.seeds):
            whole = self.state(s)
            common = {name: value for name, value in whole.items() if name.startswith(OWN)}
            for setup, folder, (track, steering) in zip(self.setups, self.folders, self._places(), strict=True):
                along = with_prefix("assessor.", part_of(whole, f"track.{track}."))
                along |= with_prefix("scorecard.", part_of(whole, f"scorecard.{steering}."))
                along["steering.generator"] = whole[f"steering.{steering}"]
                write_tensors(folder.checkpoint(seed, age), common | along, **header_of(setup, seed, age))

    def kept(self, age: int) -> list[dict[str, Tensor]]:
        """States of all seeds, put together from the checkpoints of every setup."""
        states = []
        for seed in self.seeds:
            whole: dict[str, Tensor] = {}
            for setup, folder, (track, steering) in zip(self.setups, self.folders, self._places(), strict=True):
                own = read_checkpoint(setup, folder, seed, age)
                whole |= {name: value for name, value in own.items() if name.startswith(OWN)}
                whole |= with_prefix(f"track.{track}.", part_of(own, "assessor."))
                whole |= with_prefix(f"scorecard.{steering}.", part_of(own, "scorecard."))
                whole[f"steering.{steering}"] = own["steering.generator"]
            states.append(whole)
        return states

    def _places(self) -> list[tuple[int, int]]:
        """Track and steering of every setup."""
        return [(variant.track, self.along.steering[variant.track]) for variant in self.along.variants]
