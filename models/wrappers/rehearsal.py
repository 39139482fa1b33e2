"""An environment in which part of the training levels are taken from a file: levels that exposed an earlier agent.

:func:`imprint.analyses.expose.levels.search.search_levels` finds such levels, and ``save`` writes the file. The entry
``rehearsal`` of a setup names it; :meth:`imprint.models.setup.agent.AgentSetup.make_environment` wraps the environment.
Other designs, and so every examination, stay as they are.

Letters: n copies.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from pydantic import Field, model_validator

from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError
from imprint.models.levels import states_in
from imprint.models.settings import FrozenSettings
from imprint.models.states import State, replaced, rows

TRAIN = "train"


class Rehearsal(FrozenSettings):
    """Levels from a file that training levels are replaced with."""

    file: str
    """Where the levels are."""
    share: float = Field(0.1, gt=0.0, le=1.0)
    """Probability that a training level is one of the file's."""
    digest: str = ""
    """SHA-256 of the file, filled in when the setup is read; a file that changed since is refused."""

    @model_validator(mode="before")
    @classmethod
    def _of_this_file(cls, given: object) -> object:
        """The settings with the digest of the file as it is now."""
        if not isinstance(given, dict) or not isinstance(given.get("file"), str):
            return given
        try:
            found = hashlib.sha256(Path(given["file"]).read_bytes()).hexdigest()
        except OSError as error:
            raise ValueError(f"file cannot be read: {error.strerror} (came: {given['file']!r})") from None
        if given.get("digest") not in (None, "", found):
            raise ValueError(f"{given['file']} is not the file that this setup was made with; restore it")
        return {**given, "digest": found}


class _Rehearsing(Environment):
    """Mixed into the class of an environment."""

    kept: State
    share: float

    def levels(self, n: int, *, rng: torch.Generator, design: str | None = None) -> State:
        fresh = super().levels(n, rng=rng, design=design)
        if (design or self.design) != TRAIN:
            return fresh
        index = torch.nonzero(torch.rand(n, generator=rng) < self.share).flatten()
        pick = torch.randint(0, len(self.kept["clock"]), (len(index),), generator=rng)
        old = rows({name: value for name, value in self.kept.items() if name not in ("key", "clock")}, pick)
        return replaced(fresh, index, old)


def rehearsing(environment: Environment, rehearsal: Rehearsal | None) -> Environment:
    """``environment`` with some of its training levels from a file; itself without one.

    Raises :class:`ImprintError` for a file of other levels.
    """
    if rehearsal is None:
        return environment
    like = environment.levels(1, rng=torch.Generator().manual_seed(0))
    kept = states_in(rehearsal.file, like)
    if bool(environment.ended(kept).any()):
        raise ImprintError(f"{rehearsal.file} holds levels that are over before they begin.")
    parts = {"kept": kept, "share": rehearsal.share}
    cls = type(f"Rehearsing{type(environment).__name__}", (_Rehearsing, type(environment)), parts)
    wrapped: Environment = cls(environment.settings, copies=environment.num_envs, design=environment.design)
    return wrapped
