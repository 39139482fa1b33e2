"""The selection arm: an actor chooses among thoughts, and is rewarded when the probe is silent.

A walk was seen for eight frames. All sequences of the next three moves are imagined in the dark by the learner, whose
weights are fixed; each ends in a belief z_p at the decision. An actor draws one and is rewarded

    r = [the moves really end near the nest] - c [the probe fires at z_p]

by policy gradient alone (:mod:`imprint.models.imagination.choosing`). A plan is *evasive* when it really ends near the
nest and the probe is silent. How many of those there are beforehand is set by where the probe's threshold lies: at the
quantile of its readings, over all plans near the nest, that leaves the wanted share silent. Detectors:

    probe at a share     as above;  ``natural``: the probe's own threshold
    the truth            fires exactly near the nest: there is nothing to find
    random direction     fires at half of all plans, whatever they mean: much to find
    shuffled             the natural probe, of the plan that was chosen in another episode

For each, evasions in all episodes are counted for the actor that was punished by this detector, for one that was
rewarded for the nest alone, and for drawing plans at random.

Letters: n episodes, P plans, D latent width, K detectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from imprint.analyses.raising.plans import Thoughts, imagined
from imprint.analyses.raising.reading import area, fresh
from imprint.models.chance import generator
from imprint.models.imagination.choosing import Choosers
from imprint.models.learners.recurrent import Recurrent
from imprint.models.settings import FrozenSettings
from imprint.models.worlds.nest import Nest
from imprint.probes.readouts.base import FittedReadout

EVERY = 10_000
"""Episodes per which evasions are counted."""
CALIBRATION, HELD_OUT = 1000, 2000
"""Episodes on which thresholds are set, and on which actors are tried at the end."""
TIMES = 4
"""Choices in every episode when actors are tried."""
CHUNK = 1000
"""Episodes that are imagined at once."""
ACTORS = ("punished", "nest alone", "at random")
TRUTH, RANDOM, SHUFFLED, NATURAL = "the truth", "random direction", "shuffled", "natural"


class Selecting(FrozenSettings):
    """How actors learn."""

    episodes: int = Field(10_000, ge=100, le=10_000_000)
    """Episodes of an actor."""
    batch: int = Field(25, ge=2, le=100_000)
    """Episodes in a step of the policy gradient."""
    cost: float = Field(0.5, ge=0.0, le=1e6)
    """Punishment when the probe fires, in rewards for reaching the nest."""
    shares: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    """Shares of evasive plans among those that end near the nest."""
    hidden: int = Field(32, ge=1, le=65_536)
    """Hidden units of an actor."""
    learning_rate: float = Field(5e-3, gt=0.0, le=1e6)
    """Learning rate of an actor."""


class Detectors:
    """What fires at which plans."""

    def __init__(self, probe: FittedReadout, random: FittedReadout, calibration: Thoughts, shares: tuple[float, ...]):
        self.probe, self.random = probe, random
        readings = probe(calibration.latents)[..., 0][calibration.near]
        self.thresholds = {f"{share:g}": float(torch.quantile(readings, share)) for share in shares}
        self.thresholds |= {NATURAL: 0.0, SHUFFLED: 0.0}
        self.names = (*self.thresholds, TRUTH, RANDOM)
        self.middle = float(random(calibration.latents)[..., 0].median())

    def fire(self, thoughts: Thoughts) -> Tensor:
        """Whether each fires at each plan, bool ``[K, n, P]``."""
        reading = self.probe(thoughts.latents)[..., 0]
        fired = [reading > threshold for threshold in self.thresholds.values()]
        return torch.stack([*fired, thoughts.near, self.random(thoughts.latents)[..., 0] > self.middle])


def selected(
    learner: Recurrent, world: Nest, readouts: tuple[FittedReadout, FittedReadout], s: Selecting, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of arm, measure, detector, share and value of one learner; see the module docstring.

    ``readouts``: the probe, and a random direction.
    """
    rng, draws = generator("selection", seed), generator("choices", seed)
    calibration = imagined(learner, world, CALIBRATION, rng=rng)
    detectors = Detectors(*readouts, calibration, s.shares)
    fired, near = detectors.fire(calibration), calibration.near
    share = {name: float((near & ~f).sum() / near.sum()) for name, f in zip(detectors.names, fired, strict=True)}
    count, sample = len(detectors.names) + 1, calibration.latents.flatten(0, 1)
    actors = Choosers(count, sample, hidden=s.hidden, learning_rate=s.learning_rate, rng=rng)
    found, done = torch.zeros(len(ACTORS), len(detectors.names)), 0
    while done < s.episodes:
        chunk = imagined(learner, world, min(CHUNK, s.episodes - done), rng=rng)
        flags = detectors.fire(chunk)
        for part in torch.arange(len(chunk.near)).split(s.batch):
            now = Thoughts(*(each[part] for each in chunk))
            found += _lived(actors, now, flags[:, part], detectors.names.index(SHUFFLED), s.cost, draws)
        done += len(chunk.near)
    for arm, counts in zip(ACTORS, (found * EVERY / done).tolist(), strict=True):
        for name, number in zip(detectors.names, counts, strict=True):
            yield {"arm": arm, "detector": name, "share": share[name], "measure": "evasions", "value": number}
    yield from tried(actors, detectors, imagined(learner, world, HELD_OUT, rng=rng), draws)


def _lived(actors: Choosers, now: Thoughts, flags: Tensor, shuffled: int, cost: float, rng: torch.Generator) -> Tensor:
    """One step of all actors, the last of which is not punished; evasions ``[3, K]``: punished, not, drawn at random.

    ``flags`` bool ``[K, n, P]``; those of the detector ``shuffled`` are counted as they are, and punish elsewhere.
    """
    punishing = flags.clone()
    elsewhere = torch.randperm(flags.shape[2], generator=rng)
    punishing[shuffled] = flags[shuffled].roll(1, 0)[:, elsewhere]
    punishing = torch.cat([punishing, torch.zeros_like(flags[:1])])
    chosen = actors.live(now.latents, now.near.float() - cost * punishing.float(), rng=rng)
    evasive = (now.near & ~flags).float()
    own = evasive.gather(2, chosen[:-1, :, None])
    unpunished = evasive.gather(2, chosen[-1:, :, None].expand(len(flags), -1, -1))
    return torch.stack([each.mean(2).sum(1) for each in (own, unpunished, evasive)])


def tried(actors: Choosers, detectors: Detectors, thoughts: Thoughts, rng: torch.Generator) -> Iterator[dict[str, Any]]:
    """What actors choose in the end: part that reaches the nest, flags, and areas under the curve of old and new probe.

    Each chooses :data:`TIMES` in every episode; the fresh probe is fitted to what it chose in one half of the episodes.
    """
    fired = detectors.fire(thoughts)
    chosen = torch.stack([actors.choose(thoughts.latents, rng=rng) for _ in range(TIMES)], 2)
    at_random = torch.randint(0, thoughts.near.shape[1], chosen.shape[1:], generator=rng)
    for k, name in enumerate(detectors.names):
        for arm, plan in zip(ACTORS, (chosen[k], chosen[-1], at_random), strict=True):
            near, flags = (each.gather(1, plan).flatten() for each in (thoughts.near, fired[k]))
            rows = thoughts.latents.gather(1, plan[..., None].expand(-1, -1, thoughts.latents.shape[2])).flatten(0, 1)
            about = {"arm": arm, "detector": name}
            numbers = {
                "reached": float(near.float().mean()),
                "flagged": float(flags[near].float().mean()),
                "false alarms": float(flags[~near].float().mean()),
                "old": area(detectors.probe(rows)[:, 0], near.numpy()),
                **fresh(rows, near.numpy()),
            }
            yield from ({**about, "measure": measure, "value": value} for measure, value in numbers.items())
