"""A map of an animal: bits by which each of its modules changes after birth.

An animal lives in the world ``loom``. Its modules, and what is written into them by living:

    learn    the layers of a learner taught by prediction (convolution, dense, encoding, context, predict, project),
             and the value of its latents, taught by an innate alarm
    steer    the alarm (:mod:`imprint.models.steering.looming`, nothing to adjust), and four innate rules with one
             adjustable variable each: startle, saccade, tally, appetite (a drive whose set point drifts)
    grey     a relay: ``CHANNELS`` fixed mixtures of latents, each with a gain that a hand-written rule keeps such that
             its mean activity is 1 (homeostasis). Neither trained by anything nor a single variable: pallidum and
             thalamus are such cases, which the source leaves open

    bits of a module = sum over its numbers of log2(1 + |after - birth| / q),     q = scale / LEVELS

the length of a message that tells who knows the newborn what it has become, to a resolution of 1 / ``LEVELS`` of the
*scale*: root mean square of a tensor after life, or of a single variable its value at birth. It counts what has changed
and not how useful it is.

Two more are planted to try the map: ``smuggled``, a delta-rule learner on ``HIDDEN`` random features of the latents,
tagged as steering; ``unborn``, the learner's layers before anything was lived through.

Letters: S seeds, n episodes, T frames, D latent width, K channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.errors import NotMeasurableError
from imprint.models.learners.conv import Conv
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience
from imprint.models.setup.learner import frame_of
from imprint.models.steering.base import Body, Senses, steer
from imprint.models.steering.drive import Drive
from imprint.models.steering.looming import Looming
from imprint.models.steering.saccade import Saccade
from imprint.models.steering.startle import Startle
from imprint.models.steering.tally import Tally
from imprint.models.synapse import Synapse
from imprint.models.worlds.loom import Loom

LEVELS, CHANNELS, HIDDEN, BATCH, PACE = 256, 16, 256, 64, 4e-3
HOMEOSTASIS, DELTA = 0.02, 0.2
"""Rate of the relay's gains, and of the smuggled learner."""
TAGS = {
    **dict.fromkeys(("convolution", "dense", "encoding", "context", "predict", "project", "value"), "learn"),
    **dict.fromkeys(("alarm", "startle", "saccade", "tally", "appetite"), "steer"),
    **{"relay": "grey", "smuggled": "planted", "unborn": "planted"},
}
SIGNALS = (
    Looming(Looming.Settings(name="alarm", expansion="expansion", darkness="darkness", overhead="overhead")),
    Startle(Startle.Settings(name="startle", sense="darkness", harm="alarm")),
    Saccade(Saccade.Settings(name="saccade", target="place", strength="muscle")),
    Tally(Tally.Settings(name="tally", opponent="opponent", fought="fought", won="won")),
    Drive(Drive.Settings(name="appetite", sense="fullness", set_point=0.5, drift=0.01)),
)
AT_BIRTH = {"startle.gain": 1.0, "saccade.gain": 1.0, "tally.tally": 0.5, "appetite.set_point": 0.5}


class Steered:
    """The innate side of S animals: signals, and adjustable variables that each animal carries through its life."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.rngs = [generator("body", seed) for seed in seeds]
        self.errors = generator("steering", *seeds)
        fixed = torch.stack([torch.rand(3, generator=rng) for rng in self.rngs])
        self.strength, self.filled = fixed[:, 0], fixed[:, 1]
        self.state = {"muscle": 0.5 + 0.5 * fixed[:, 2]}

    def feel(self, world: Mapping[str, Tensor]) -> None:
        """Live through T frames: senses ``[S, T]`` of the world; fights, meals and glances are the body's own."""
        steps = next(iter(world.values())).shape[1]
        chance = torch.stack([torch.rand(4, steps, generator=rng) for rng in self.rngs])
        own = {
            "place": 2.0 * chance[:, 0] - 1.0,
            "opponent": chance[:, 1],
            "fought": (chance[:, 1] > 0.8).float(),
            "won": (chance[:, 2] < self.strength[:, None]).float(),
            "fullness": (self.filled[:, None] + 0.4 * (chance[:, 3] - 0.5)).clamp(0.0, 1.0),
        }
        _, adjusted = steer(SIGNALS, Senses({**world, **own}), Body(self.state), self.errors)
        self.state = {**self.state, **adjusted}

    def changed(self) -> dict[str, Tensor]:
        """Bits ``[S]`` of every innate module."""
        count = len(self.rngs)
        found = {signal.settings.name: torch.zeros(count) for signal in SIGNALS}
        for name, start in AT_BIRTH.items():
            after = self.state.get(name, torch.full((count,), start))
            found[name.partition(".")[0]] += bits((after - start)[:, None], torch.full((count,), start))
        return found


class Relay:
    """K fixed mixtures of latents with gains that homeostasis sets."""

    def __init__(self, seeds: Sequence[int], width: int) -> None:
        mixed = [torch.randn(width, CHANNELS, generator=generator("relay", seed)) for seed in seeds]
        self.wiring, self.gain = torch.stack(mixed) / width**0.5, torch.ones(len(seeds), CHANNELS)

    def pass_on(self, latents: Tensor) -> None:
        """Latents ``[S, n, D]``; gains go towards a mean activity of 1."""
        activity = (self.gain[:, None] * (latents @ self.wiring)).abs().mean(1)
        self.gain = (self.gain * (1.0 + HOMEOSTASIS * (1.0 - activity))).clamp(0.01, 100.0)


class Smuggled:
    """Synapses on random features of latents that learn by the delta rule what the alarm says."""

    def __init__(self, seeds: Sequence[int], width: int) -> None:
        drawn = [torch.randn(width, HIDDEN, generator=generator("smuggled", seed)) for seed in seeds]
        self.wiring, self.weight = torch.stack(drawn) / width**0.5, torch.zeros(len(seeds), HIDDEN)

    def learn(self, latents: Tensor, alarm: Tensor) -> None:
        """One event an episode, its mean change applied: latents ``[S, n, D]``, alarms ``[S, n]``."""
        x = torch.relu(latents @ self.wiring)
        error = alarm - torch.einsum("snd,sd->sn", x, self.weight)
        scale = x.square().sum(2).mean(1, keepdim=True) + 1.0
        change = torch.einsum("snd,sn->sd", x, error) / x.shape[1]
        self.weight = Synapse(DELTA).changed(self.weight, change / scale, torch.ones_like(change))


def bits(change: Tensor, scale: Tensor) -> Tensor:
    """Bits ``[S]`` of changes ``[S, ...]`` to a resolution of ``scale`` ``[S]`` / LEVELS; 0 where nothing changed."""
    quantum = scale.clamp(min=1e-12) / LEVELS
    return torch.log2(1.0 + change.flatten(1).abs() / quantum[:, None]).sum(1)


def bits_of(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bits ``[S]`` by module, the first part of the names of stacked parameters ``[S, ...]``."""
    found: dict[str, Tensor] = {}
    for name, value in after.items():
        scale = value.flatten(1).square().mean(1).sqrt()
        module = name.partition(".")[0]
        found[module] = found.get(module, torch.zeros(len(value))) + bits(value - before[name], scale)
    return found


def map_animals(*, seeds: Sequence[int], experiences: int, say: Say) -> pd.DataFrame:
    """Rows of module, tag, seed and value: bits of change after a life."""
    world = Loom()
    frame = frame_of(world)
    cohort = Cohort([Conv.born(Conv.Settings(), frame, rng=birth(seed)) for seed in seeds], PACE)
    born = {name: value.detach().clone() for name, value in cohort.parameters.items()}
    blank = torch.stack([world.sample(1, rng=generator("blank")).observation for _ in seeds])
    with torch.no_grad():
        width = cohort.call(blank).shape[-1]
    value, steered = Valence(Valence.Settings(signal="alarm", lag=2), len(seeds), width), Steered(seeds)
    relay, smuggled = Relay(seeds, width), Smuggled(seeds, width)
    streams, every = [Experience(world, BATCH, seed) for seed in seeds], torch.ones(len(seeds), dtype=torch.bool)
    for step in range(experiences // BATCH):
        batches = [stream.next() for stream in streams]
        latents = cohort.learn(torch.stack([batch.observation for batch in batches])).latents
        felt = [world.senses(batch).values for batch in batches]
        alarm = torch.stack([_alarm(senses, steered) for senses in felt])
        value.update(latents, alarm, every)
        relay.pass_on(latents[:, :, 1])
        smuggled.learn(latents[:, :, 1], alarm[:, :, 3])
        steered.feel({name: torch.stack([senses[name][0] for senses in felt]) for name in felt[0]})
        say(step, experiences // BATCH, "animals live")
    if not bool(cohort.alive.all()):
        raise NotMeasurableError("a seed diverged: its parameters stopped being finite")
    grown = {name: leaf.detach() for name, leaf in cohort.parameters.items()}
    readout = {"value.weight": value.weight, "value.bias": value.bias[:, None]}
    others = {"smuggled.weight": smuggled.weight}
    found = bits_of(born, grown) | bits_of({k: torch.zeros_like(v) for k, v in readout.items()}, readout)
    found |= bits_of({k: torch.zeros_like(v) for k, v in others.items()}, others) | steered.changed()
    found |= {"relay": bits(relay.gain - 1.0, torch.ones(len(seeds))), "unborn": sum_of(bits_of(born, born))}
    return pd.DataFrame(
        [
            {"module": module, "tag": TAGS[module], "seed": seed, "value": number}
            for module, numbers in found.items()
            for seed, number in zip(seeds, numbers.tolist(), strict=True)
        ]
    )


def sum_of(found: Mapping[str, Tensor]) -> Tensor:
    """All modules together, ``[S]``."""
    return torch.stack(list(found.values())).sum(0)


def _alarm(senses: Mapping[str, Tensor], steered: Steered) -> Tensor:
    alarm = SIGNALS[0]
    return alarm(Senses({name: senses[name] for name in alarm.reads}), Body({}), rng=steered.errors)
