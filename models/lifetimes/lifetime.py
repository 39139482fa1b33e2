"""The contract of a lifetime: seeds of one setup trained together, kept at every planned age, resumable to the bit.

A subclass writes how one learning step goes (``step``), what of one seed a checkpoint must hold so that training can go
on from it (``state``, ``load``), and what its network is (``born``, ``weights``, ``alive``). This class gives the rest:
training up to every planned age, checkpoints, resuming after a kill, and reading seeds back from a run.

Letters: S seeds.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from imprint.models.chance import birth, generator
from imprint.models.errors import AGAIN, DamagedFileError
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, part_of, read_tensors, write_tensors

SetupT = TypeVar("SetupT", Setup, AgentSetup)
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True)
class Progress:
    """What a lifetime reports while it runs."""

    age: int
    """Experiences so far."""
    total: int
    """Experiences planned."""
    loss: tuple[float, ...]
    """Objective per seed."""


class Lifetime(ABC, Generic[SetupT, NetworkT]):
    """Some seeds of one setup, trained together and kept in a run folder."""

    weights: ClassVar[str]
    """What the names of the network's parameters begin with in a checkpoint."""
    alive: ClassVar[str]
    """Name of the tensor in a checkpoint that says whether the seed has not diverged."""

    def __init__(self, setup: SetupT, seeds: Sequence[int], folder: RunFolder) -> None:
        self.setup: SetupT = setup
        self.seeds, self.folder = tuple(seeds), folder
        self.ages, self.age = setup.planned, 0

    # -- what a subclass writes ----------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def born(cls, setup: SetupT, rng: torch.Generator) -> NetworkT:
        """The untrained network of a setup, its initial weights drawn from ``rng`` alone."""

    @classmethod
    @abstractmethod
    def revive(cls, setup: SetupT, folder: RunFolder, seed: int, age: int) -> Any:
        """What is examined of one seed at one age. Raises as :meth:`network_at`."""

    @abstractmethod
    def step(self) -> Tensor:
        """One learning step of all seeds, by which :attr:`age` grows; losses ``[S]``."""

    @abstractmethod
    def state(self, s: int) -> dict[str, Tensor]:
        """Everything the future of the ``s``-th seed depends on."""

    @abstractmethod
    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""

    # -- training ------------------------------------------------------------------------------------------------

    def live(self, report: Callable[[Progress], None] | None = None) -> None:
        """Train to the last planned age and keep every age; goes on from the last age before the first gap."""
        if done := list(itertools.takewhile(self.has_kept, self.ages)):
            self.age = done[-1]
            self.load(self.kept(self.age))
        for age in self.ages[len(done) :]:
            while self.age < age:
                loss = self.step()
                if report is not None:
                    report(Progress(self.age, self.ages[-1], tuple(loss.tolist())))
            self.keep(age)

    def keep(self, age: int) -> None:
        """Write the checkpoints of an age."""
        for s, seed in enumerate(self.seeds):
            write_tensors(self.folder.checkpoint(seed, age), self.state(s), **header_of(self.setup, seed, age))

    def kept(self, age: int) -> list[dict[str, Tensor]]:
        """States of all seeds, as the checkpoints of an age hold them."""
        return [read_checkpoint(self.setup, self.folder, seed, age) for seed in self.seeds]

    def has_kept(self, age: int) -> bool:
        """Whether all checkpoints of an age are there."""
        return all(self.folder.checkpoint(seed, age).exists() for seed in self.seeds)

    # -- reading back --------------------------------------------------------------------------------------------

    @classmethod
    def network_at(cls, setup: SetupT, folder: RunFolder, seed: int, age: int) -> tuple[NetworkT, dict[str, Tensor]]:
        """The network of one seed at one age, in evaluation mode, and all tensors of the checkpoint.

        Raises :class:`DamagedFileError` for a file that was changed or belongs to another setup, seed or age.
        """
        tensors = read_checkpoint(setup, folder, seed, age)
        network = cls.born(setup, birth(setup.schedule.born_as(seed)))
        weights = part_of(tensors, cls.weights)
        if odd := sorted(weights.keys() ^ {name for name, _ in network.named_parameters()}):
            raise DamagedFileError(
                f"{folder.checkpoint(seed, age)} does not fit the network of this setup: parameter {odd[0]!r} is in "
                "only one of the two. Delete the file and run again with --resume."
            )
        network.load_state_dict(weights, strict=False)  # buffers are not learned; every parameter was checked above
        return network.eval(), tensors

    @classmethod
    def living_ages(cls, setup: SetupT, folder: RunFolder, seed: int) -> list[int]:
        """Planned ages that were kept and at which the seed had not diverged."""
        kept = [age for age in setup.planned if folder.checkpoint(seed, age).exists()]
        return [age for age in kept if bool(read_checkpoint(setup, folder, seed, age)[cls.alive])]

    @classmethod
    def twin(cls, setup: SetupT, index: int) -> NetworkT:
        """An untrained network with initial weights that no seed of the run has, in evaluation mode."""
        return cls.born(setup, generator("twin", index)).eval()


def header_of(setup: AlignmentSetup, seed: int, age: int) -> dict[str, str]:
    """What a checkpoint says it is."""
    return {"setup": setup.run_name, "seed": str(seed), "age": str(age)}


def read_checkpoint(setup: AlignmentSetup, folder: RunFolder, seed: int, age: int) -> dict[str, Tensor]:
    """A checkpoint's tensors, refused when the file is another seed's, age's or setup's."""
    path = folder.checkpoint(seed, age)
    tensors, header = read_tensors(path)
    for name, expected in header_of(setup, seed, age).items():
        if header.get(name) != expected:
            raise DamagedFileError(f"{path} says it is of {name} {header.get(name)}; expected {expected}. {AGAIN}")
    return tensors
