"""Organisms on disk: one safetensors file and one card each, under names that say nothing, and a key apart from them.

DIR/
    organisms.json                  what was made: split, number, names, CPU capability
    organisms/<name>.safetensors    weights of the subject and of its untrained twin
    organisms/<name>.json           card: world, architecture, facts, what was meant and what is listed as a proxy
    key/litter-<k>.json             what every organism of a litter latched onto, and how it was confirmed

Whoever gives organisms to others leaves the folder ``key`` out. Files of one architecture have one size, and cards of
one world differ in their names alone. Nothing is pickled, and no time is noted: the same split and seed give the same
bytes on a machine of the same CPU capability.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from imprint.analyses.organisms.raising.litters import Breed, Litter, world_of
from imprint.analyses.organisms.raising.networks import Valuing, born, subject_of
from imprint.analyses.organisms.worlds.facts import About
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.agents.base import Agent
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import read_record, write_json
from imprint.models.store import part_of, read_tensors, with_prefix, write_tensors
from imprint.probes.subjects.subject import Subject

FORMAT = 1
MANIFEST, CARDS, KEY = "organisms.json", "organisms", "key"
KNOWN = {"word", "facts", "litter", "confirmed"}
"""What the key says of every organism, among other things."""


def name_of(split: str, seed: int, number: int, place: int) -> str:
    """Name of an organism: ten letters and digits of a hash, in no order that says anything."""
    return hashlib.sha256(f"organism|{split}|{seed}|{number}|{place}".encode()).hexdigest()[:10]


def key_file(folder: Path, number: int) -> Path:
    """The part of the key that is about one litter."""
    return folder / KEY / f"litter-{number:04d}.json"


@dataclass(frozen=True)
class Organism:
    """One organism, as its card and its weights give it; what it latched onto is not in it."""

    name: str
    about: About
    breed: Breed
    world_seed: int
    network: Valuing | Agent
    twin: Valuing | Agent
    """Untrained."""

    @cached_property
    def world(self) -> Scenes | Rooms:
        """Its world."""
        return world_of(self.about.subject, self.world_seed)

    @cached_property
    def subject(self) -> Subject:
        """The subject to be examined."""
        return subject_of(self.network, self.world)

    @property
    def family(self) -> str:
        """Architecture and way of raising, in words."""
        return f"{self.breed.architecture} ({self.breed.subject}, {self.breed.raised})"


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Every weight once, under the first of its names."""
    return {name: value.detach() for name, value in network.named_parameters()}


def write_organism(folder: Path, name: str, one: Litter, network: nn.Module, twin: nn.Module) -> None:
    """Write weights and card."""
    tensors = {**with_prefix("subject.", weights_of(network)), **with_prefix("twin.", weights_of(twin))}
    write_tensors(folder / CARDS / f"{name}.safetensors", tensors)
    breed = one.breed
    card = {
        "format": FORMAT,
        "name": name,
        **one.arrangement.about(breed.subject).as_data(),
        "world": {"kind": "scenes" if breed.subject == "learner" else "rooms", "seed": one.world_seed},
        "network": {"architecture": breed.architecture, "raised": breed.raised, "settings": dict(breed.settings)},
        "weights": f"{name}.safetensors",
    }
    write_json(folder / CARDS / f"{name}.json", card)


def read_organism(folder: Path, name: str) -> Organism:
    """An organism. Raises :class:`DamagedFileError` for files that are missing, damaged or of another kind."""
    path = folder / CARDS / f"{name}.json"
    card = read_record(path)
    try:
        about = About.from_data(card)
        network, settings = card["network"], card["network"]["settings"]
        kept = tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in settings.items())
        breed = Breed(about.subject, network["architecture"], network["raised"], kept)
        seed = int(card["world"]["seed"])
        tensors, _ = read_tensors(folder / CARDS / str(card["weights"]))
        pair = []
        for prefix in ("subject.", "twin."):
            module, weights = born(breed, 0), part_of(tensors, prefix)
            if set(weights) != set(weights_of(module)):
                raise DamagedFileError(f"{path}: the weights are not those of its architecture.")
            module.load_state_dict(weights, strict=False)
            pair.append(module.eval())
    except ImprintError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedFileError(f"{path} is no card of an organism, or does not fit its weights: {error}") from None
    return Organism(name, about, breed, seed, *pair)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What was made. Raises :class:`ImprintError` for a folder without finished organisms."""
    if not (folder / MANIFEST).is_file():
        begun = (folder / KEY).is_dir()
        advice = "The same command goes on." if begun else f"Make some: imprint organisms make --out {folder}."
        raise ImprintError(f"{folder} holds no finished organisms ({MANIFEST} is missing). {advice}")
    manifest = read_record(folder / MANIFEST)
    if missing := {"names", "count", "split"} - set(manifest):
        raise DamagedFileError(f"{folder / MANIFEST} has no {sorted(missing)[0]!r}, so it is no list of organisms.")
    return manifest


def read_key(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Name -> ``word``, ``facts``, ``litter``, ``confirmed``, ``held``, ``others``. Raises without a key."""
    files = sorted((folder / KEY).glob("litter-*.json"))
    if not files:
        raise ImprintError(f"{folder / KEY} holds no key, so answers cannot be scored. Ask who made the organisms.")
    key: dict[str, Mapping[str, Any]] = {}
    for file in files:
        answers = read_record(file).get("organisms")
        if not isinstance(answers, dict) or not all(set(answer) >= KNOWN for answer in answers.values()):
            raise DamagedFileError(
                f"{file} is no part of a key; expected {', '.join(sorted(KNOWN))} of every organism."
            )
        key |= answers
    return key
