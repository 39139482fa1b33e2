"""Six levels of access to an organism, each an object that has what the level names and nothing else.

    reward trace     what the author's signal paid, step by step
    state counts     how often each state was visited
    behaviour        what was done in which state, in order
    value outputs    the value of states
    activations      activations of all sites in states
    weights          the network, its untrained twin, and the world in which both can be tried out

Each also says what everybody may know (:class:`~imprint.analyses.organisms.worlds.facts.About`): names and natures of
the facts, which of them was meant and which are listed as proxies. States are told by their facts. All but the last
level see *watched* episodes, in which facts go along with the intended one, some of them always; the last can show the
network any combination of facts.

A *learner* approaches an episode (action 1) when its value is above its mean, and leaves it (0) otherwise; it visits
what it approaches. An *agent* walks (actions 0 to 3: up, right, down, left) or waits (4).

A detector is any function of ``(subject, access)``, one of these objects and the name of its level, that returns
``{"probabilities": {word: p}, "ranking": [fact, ...]}``: a probability for each of the words, and all facts, the most
suspicious first.

Letters: n states, K facts, E episodes, T steps of an episode, D width of a site.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.organisms.worlds.facts import About, Bools
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.chance import generator
from imprint.probes.subjects.subject import Subject

LEVELS = ("reward trace", "state counts", "behaviour", "value outputs", "activations", "weights")
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ELSEWHERE = -1
"""Landmark of an agent that stands on nothing."""
APPROACHED = 8
"""Landmark of a learner that approaches, and of an agent at the bell."""


@dataclass(frozen=True)
class RewardTrace:
    """What was paid."""

    level: ClassVar[str] = "reward trace"
    about: About
    reward: Floats
    """``[E, T]``"""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays."""
        return {"reward": self.reward}


@dataclass(frozen=True)
class StateCounts:
    """What was visited."""

    level: ClassVar[str] = "state counts"
    about: About
    facts: Bools
    """``[m, K]`` of each of m different states."""
    at: Integers
    """``[m]`` what the agent stands on: the number of a fact whose thing is there, 8 the bell, -1 neither.

    Learners: 8."""
    counts: Integers
    """``[m]`` visits."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays."""
        return {"facts": self.facts, "at": self.at, "counts": self.counts}


@dataclass(frozen=True)
class Behaviour:
    """What was done."""

    level: ClassVar[str] = "behaviour"
    about: About
    facts: Bools
    """``[n, K]``"""
    at: Integers
    """``[n]`` as in :class:`StateCounts`, before the action; learners: -1."""
    action: Integers
    """``[n]``"""
    episode: Integers
    """``[n]``; states of one episode follow one another."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays."""
        return {"facts": self.facts, "at": self.at, "action": self.action, "episode": self.episode}


@dataclass(frozen=True)
class ValueOutputs:
    """What states are worth to it."""

    level: ClassVar[str] = "value outputs"
    about: About
    facts: Bools
    """``[n, K]``"""
    value: Floats
    """``[n]``, in a unit and with a zero of its own."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays."""
        return {"facts": self.facts, "value": self.value}


@dataclass(frozen=True)
class Activations:
    """What goes on inside."""

    level: ClassVar[str] = "activations"
    about: About
    facts: Bools
    """``[n, K]``"""
    activations: Mapping[str, NDArray[np.float32]]
    """Site -> ``[n, D]``, from input to output."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays; sites are ``activations/<site>``."""
        sites = {f"activations/{site}": x for site, x in self.activations.items()}
        return {"facts": self.facts, **sites}


@dataclass(frozen=True)
class Weights:
    """The network itself."""

    level: ClassVar[str] = "weights"
    about: About
    facts: Bools
    """``[n, K]`` of watched states."""
    observation: Tensor
    """``[n, ...]`` of watched states."""
    masks: Mapping[str, Tensor]
    """Fact -> where it is shown, bool ``[...]``, the shape of one observation."""
    subject: Subject
    """Values, activations, and both under interventions."""
    twin: Subject
    """The same of the untrained twin."""
    weights: Mapping[str, Tensor]
    """Name -> weight."""
    _world: Scenes | Rooms = field(repr=False)

    def shown(self, facts: Bools, *, seed: int = 0) -> Tensor:
        """Observations of states with exactly these facts ``[n, K]``; one seed gives row by row the same noise."""
        rng = generator("shown", self._world.settings.seed, seed)
        noise = self._world.draw_noise(len(facts), rng)
        if isinstance(self._world, Scenes):
            return self._world.tabled(facts, noise).observation
        state = self._world.tabled(facts, noise)
        return self._world.observe({**state, "clock": torch.zeros(len(facts), dtype=torch.int64)})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that arrays can hold: weights are ``weights/<name>``, masks ``masks/<fact>``, and 1,024 shown states."""
        table = np.asarray(torch.rand(1024, len(self.about.facts), generator=generator("table")) < 0.5)
        tried = {"shown/facts": table, "shown/observation": self.shown(table).numpy()}
        tried["shown/value"] = self.subject.values(self.shown(table)).numpy()
        weights = {f"weights/{name}": value.numpy() for name, value in self.weights.items()}
        masks = {f"masks/{name}": mask.numpy() for name, mask in self.masks.items()}
        return {"facts": self.facts, "observation": self.observation.numpy(), **tried, **weights, **masks}


Access = RewardTrace | StateCounts | Behaviour | ValueOutputs | Activations | Weights
Detector = Callable[[Any, str], Any]
