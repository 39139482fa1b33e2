"""direction: a frozen readout along a direction that was located before; nothing teaches it.

    reading(t) = z(t) . vector + bias          z the raw latents;  0 until ``opens_at``, when it is attached

As a column of the scorecard it lets a reward be wired to a concept whose address was found (with the signal ``belief``;
concept-level steering: Byrnes, "Intro to brain-like-AGI safety", post 14). As the assessor it is a value edited by
hand. A direction belongs to one network: it comes from a probe's file (``imprint.probes.exchange.probe_files``), whose
card says at which site it was found and what the hash of the weights was, or is given as numbers. A file is read when
the setup is made, and the setup keeps the numbers.

Each seed has its own direction, since learners of other seeds keep the concept elsewhere; ``every`` is for vectors
that are meant for all. At ``opens_at`` the hash of each learner is compared with its card. A life is repeated to the
bit when setup, seeds that train together, and machine are the same, so a direction that was located at an age of one
run fits the same seed at the same age of a run whose steering alone is another.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from imprint.models.assessors.base import Assessor, AssessorSettings, Owner
from imprint.models.errors import DamagedFileError, ImprintError, unknown_name
from imprint.models.settings import FrozenSettings, Weight
from imprint.models.store import read_tensors


class Located(FrozenSettings):
    """A direction in the latents of one network."""

    vector: tuple[Weight, ...] = Field(min_length=1)
    """``[D]``."""
    bias: float = Field(0.0, ge=-1e6, le=1e6)
    """Reading where the latents are 0."""
    concept: str = ""
    """What the probe was fitted to, from its card."""
    site: str = ""
    """Where, from its card; empty: not known, and not compared."""
    model_hash: str = ""
    """SHA-256 of the network's weights; empty: not known, and not compared."""


class Direction(Assessor):
    """A frozen linear reading of latents."""

    class Settings(AssessorSettings):
        signal: str = ""
        """Nothing teaches it. As the assessor: the signal whose sign says which value is the reverse of intended."""
        lag: int = Field(0, ge=0, le=0)
        """It reads what is there now."""
        directions: dict[int | Literal["every"], Located]
        """Seed (or ``every``) -> a probe's file, or ``vector`` and ``bias``."""
        level: str | None = None
        """Of a probe of several classes: the class whose column is read."""

        @model_validator(mode="before")
        @classmethod
        def _from_files(cls, given: Any) -> Any:
            """Files replaced by what they hold."""
            if not isinstance(given, dict) or not isinstance(given.get("directions"), dict):
                return given
            level = given.get("level")
            found = {k: _from_file(Path(v), level) if isinstance(v, str) else v for k, v in given["directions"].items()}
            return {**given, "directions": found}

        @field_validator("directions")
        @classmethod
        def _some(cls, directions: dict[Any, Located]) -> dict[Any, Located]:
            if not directions:
                raise ValueError("name a probe's file, or a vector, for each seed or for 'every'")
            return directions

        @model_validator(mode="after")
        def _never_closes(self) -> Direction.Settings:
            if self.closes_at is not None:
                raise ValueError(f"closes_at is {self.closes_at}, but a direction learns nothing; leave it out")
            return self

    rule = "none: the direction was located before"
    learns = False
    kept = ("weight", "bias", "attached")
    settings: Settings

    def __init__(self, settings: Direction.Settings, seeds: int, width: int) -> None:
        super().__init__(settings, seeds, width)
        self.weight, self.bias = torch.zeros(seeds, width), torch.zeros(seeds)

    def attach(self, s: int, owner: Owner) -> None:
        """Read along the direction of this seed. Raises :class:`ImprintError` when it is another network's."""
        known = self.settings.directions
        located = known.get(owner.seed, known.get("every"))
        if located is None:
            seeds = ", ".join(map(str, known))
            raise ImprintError(f"seed {owner.seed} has no direction; directions are given for {seeds}, or for 'every'.")
        if len(located.vector) != self.width:
            raise ImprintError(
                f"the direction of seed {owner.seed} has {len(located.vector)} numbers and the learner's latents have "
                f"{self.width}; expected a direction located at {owner.site} of this learner."
            )
        if located.site and located.site.partition("@")[0] != owner.site:
            raise ImprintError(
                f"the direction of seed {owner.seed} was located at {located.site}, and values are read at "
                f"{owner.site}; locate {located.concept or 'the concept'} there."
            )
        if owner.digest is not None and located.model_hash and (now := owner.digest()) != located.model_hash:
            raise ImprintError(
                f"the direction of seed {owner.seed} was located in a network with the hash {located.model_hash[:12]}, "
                f"and its learner has {now[:12]} at {self.settings.opens_at} experiences. A direction says nothing "
                "about other weights: set opens_at to the age at which it was located, in the same setup and seed."
            )
        self.weight[s] = torch.tensor(located.vector)
        self.bias[s] = located.bias
        self.attached[s] = True

    def predict(self, latents: Tensor) -> Tensor:
        """Reading ``[S, n, T]``."""
        return torch.einsum("sntd,sd->snt", latents, self.weight.to(latents.dtype)) + self.bias[:, None, None]

    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """Mean squared difference between reading and signal ``[S]``; nothing is learned."""
        return (self.predict(latents.detach()) - signal).square().mean((1, 2))

    def linear(self, seed: int) -> tuple[Tensor, Tensor]:
        """Vector and bias."""
        return self.weight[seed], self.bias[seed]


def _from_file(path: Path, level: str | None) -> dict[str, Any]:
    """What a linear probe's file with a card says, as :class:`Located` takes it. Raises :class:`ImprintError`."""
    if not path.is_file():
        raise ImprintError(f"directions names {path}, which is no file; expected one of save_probe.")
    tensors, header = read_tensors(path)
    if "card" not in header or not {"weight", "bias"} <= tensors.keys() or tensors["weight"].dim() != 2:
        kind = header.get("kind", "no probe")
        raise DamagedFileError(f"{path} holds {kind}; expected a linear probe with a card, of save_probe.")
    card = json.loads(header["card"])
    classes, columns = list(card["classes"]), tensors["weight"].shape[1]
    column = 0
    if columns > 1 or level is not None:
        names = classes if columns > 1 else classes[1:]
        if level not in names:
            raise unknown_name(f"level (a class of the probe in {path})", level, names)
        column = names.index(level)
    return {
        "vector": tuple(tensors["weight"][:, column].double().tolist()),
        "bias": float(tensors["bias"][column]),
        **{name: card[name] for name in ("concept", "site", "model_hash")},
    }
