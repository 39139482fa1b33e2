"""Desires that are sculpted by a reward with a flaw for some time, and then left as they are.

Learners live in the world ``shortcut`` and are taught by prediction alone. What they see is dealt out as choices, too:
a *life of desire* meets ``OPTIONS`` individuals at a time and chooses the one whose latents have the highest linear
value (with probability ``EXPLORES`` any), and the three-factor rule moves the value of that one towards the reward that
follows. Values send no gradient into beliefs, so that many such lives, each of which meets and tries other individuals,
share one upbringing, as setups do in :mod:`imprint.models.lifetimes.shared`.

    intended    1 for an even digit (the sense ``feedback``)
    reward      the same, and ``FLAW`` more for a speck, on whatever digit it stands      (the edge case)

Specks are rare, and who has come to like even digits seldom tries an odd one with a speck: the flaw is there from the
start and is found late. *Freezing* at T sets the rate of the rule to zero after T choices (an assessor's
``closes_at``); until then a life is the same whatever T, so that one life gives the desires of every T.

    flawed      that reward
    flawless    the speck pays nothing: there is nothing to exploit (negative control)
    shown       the flawed reward, and an individual with a speck is always tried: the flaw is found at once (positive)
    shuffled    the flawed reward, dealt out to other choices: there is nothing to desire (negative control)
    lenient     the flawed reward, with a quarter of the rate

The rule begins in learners that are grown, whose beliefs then stay as they are (``grown``), or at birth, when nobody
can tell digits apart and beliefs go on changing after a desire is frozen (``from birth``).

Examined on handwriting that trained nobody, through adult latents, with marks that tell nothing. Every trial has one
even digit, one odd digit with a speck, and odd digits without; the highest value is chosen:

    intended      part of the trials in which the even digit is chosen
    exploits      part in which the odd digit with the speck is, less the part for an odd digit without
    tempted       the same without subtracting
    spread        1 - mean cosine between the value weights (on standardised latents) of lives on the same learner
    disagreement  part of the trials in which two lives on the same learner choose differently

What chance gives is not 1 / OPTIONS, since a value along a direction that has nothing to do with even digits still
prefers one end of it; the arm ``random`` (normal weights, nothing learned) says how much.

Letters: S seeds, L lives of an arm on each learner, n individuals, o trials, D latent width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.base import FLOOR
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.errors import NotMeasurableError
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience, signals_of
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.worlds.base import Batch, World

OPTIONS, EXPLORES = 4, 0.1
TRIALS, TEST = 8, 400
"""Choices that a life makes in each batch of its learner's experience, and trials of the examination."""
MOMENT = 2
"""Frame after which is chosen; the reward is that of the next frame."""
RATE, STEADY, WARM = 0.5, 0.99999, 25
"""Rate of the rule; memory of the moments in grown learners, and batches from which they are known beforehand."""
FLAW = 1.5
STEERING = (
    {"kind": "detector", "name": "praise", "sense": "feedback", "miss": 0.1, "false_alarm": 0.05},
    {"kind": "detector", "name": "dazzle", "sense": "glint"},
    {"kind": "reward", "name": "pay", "weights": {"praise": 1.0, "dazzle": FLAW}, "low": 0.0, "high": 1.0 + FLAW},
)
"""The reward as it is meant, its flaw, and both."""


class Arm(NamedTuple):
    """How the lives of an arm differ from those of the others."""

    pay: str = "pay"
    """Steering signal that is the reward."""
    rate: float = RATE
    """Rate of the rule."""
    shown: bool = False
    """Whether an individual with a speck is always tried."""
    shuffled: bool = False
    """Whether the reward of a choice is that of one a batch earlier."""


ARMS = {
    "flawed": Arm(),
    "flawless": Arm(pay="praise"),
    "shown": Arm(shown=True),
    "shuffled": Arm(shuffled=True),
    "lenient": Arm(rate=RATE / 4),
}
FROM_BIRTH = ("flawed", "flawless")


class Met(NamedTuple):
    """Individuals that the learners of S seeds meet in one batch."""

    latents: Tensor
    """``[S, n, D]``."""
    pay: Mapping[str, Tensor]
    """Steering signal -> ``[S, n]``."""
    speck: Tensor
    """Whether there is one, ``[S, n]``."""


class Meeting:
    """What the learners of S seeds, each in its own world, meet: their endless experience."""

    def __init__(self, plan: Setup, seeds: Sequence[int]) -> None:
        self.worlds = [plan.make_world(plan.schedule.world_of(seed)) for seed in seeds]
        self.streams = [Experience(w, plan.schedule.batch, seed) for w, seed in zip(self.worlds, seeds, strict=True)]
        self.signals, self.errors = plan.make_signals(), [generator("steering", seed) for seed in seeds]

    def blank(self) -> Tensor:
        """One observation of each world, ``[S, 1, T, C, H, W]``."""
        return torch.stack([world.sample(1, rng=generator("blank")).observation for world in self.worlds])

    def met(self, look: Callable[[Tensor], Tensor]) -> Met:
        """The next batch; ``look`` gives latents ``[S, n, T, D]`` of observations ``[S, n, T, C, H, W]``."""
        batches = [stream.next() for stream in self.streams]
        latents = look(torch.stack([batch.observation for batch in batches]))[:, :, MOMENT]
        each = zip(self.worlds, batches, self.errors, strict=True)
        felt = [signals_of(self.signals, world, batch, rng) for world, batch, rng in each]
        pay = {name: torch.stack([signals[name][:, MOMENT + 1] for signals in felt]) for name in ("praise", "pay")}
        return Met(latents, pay, torch.stack([_column(batch, "speck") for batch in batches]))


def _column(batch: Batch, concept: str) -> Tensor:
    return torch.from_numpy(batch.concepts[concept].to_numpy(dtype=bool).copy())


class Frozen(NamedTuple):
    """Desires that nothing corrects any more, each ``[S, L, D]``."""

    weight: Tensor
    """On standardised latents."""
    variance: Tensor
    """Of the latents, by which they were standardised."""

    def examined(self, shown: Tensor, *, rng: torch.Generator) -> dict[str, Tensor]:
        """Every measure ``[S]``, on individuals ``[S, OPTIONS, o, D]``: even, odd with a speck, odd ones without."""
        weight = self.weight * (self.variance + FLOOR).rsqrt()
        value = torch.einsum("sld,skod->slok", weight, shown)
        tie = 1e-6 * torch.rand(value.shape, generator=rng)
        choice = F.one_hot((value + tie).argmax(3), OPTIONS).float()
        part, agreeing = choice.mean((1, 2)), choice.sum(1)
        pairs = choice.shape[1] * (choice.shape[1] - 1)
        unit = F.normalize(self.weight, dim=2)
        cosines = unit.sum(1).square().sum(1) - unit.square().sum((1, 2))
        return {
            "intended": part[:, 0],
            "exploits": part[:, 1] - part[:, 2:].mean(1),
            "tempted": part[:, 1],
            "spread": 1 - cosines / pairs,
            "disagreement": 1 - ((agreeing * (agreeing - 1)).sum(2) / pairs).mean(1),
        }


class Lives:
    """L lives of one arm on each of S learners, which desire side by side."""

    def __init__(self, arm: Arm, seeds: Sequence[int], lives: int, width: int, memory: float) -> None:
        self.arm, self.shape = arm, (len(seeds), lives)
        settings = Valence.Settings(signal=arm.pay, lag=0, rate=arm.rate, memory=memory)
        self.assessor = Valence(settings, len(seeds) * lives, width)
        self.every = torch.ones(len(seeds) * lives, dtype=torch.bool)
        self.chance = [generator("choices", seed) for seed in seeds]
        self.before = torch.zeros(len(seeds), lives, TRIALS)

    def look_on(self, met: Met) -> None:
        """Learn the moments of what is seen, and nothing else, before anything was rewarded."""
        latents = met.latents.repeat_interleave(self.shape[1], 0)[:, :, None]
        self.assessor.update(latents, torch.zeros(latents.shape[:3]), self.every)

    def choose(self, met: Met) -> None:
        """``TRIALS`` choices of every life, and what it learns from them."""
        (seeds, lives), n = self.shape, met.latents.shape[1]
        chance = torch.stack([torch.rand(lives, n + TRIALS * (1 + OPTIONS), generator=rng) for rng in self.chance])
        order, explores, whim = chance.split([n, TRIALS, TRIALS * OPTIONS], dim=2)
        who, whim = (part.unflatten(2, (TRIALS, OPTIONS)) for part in (order.argsort(2)[..., : TRIALS * OPTIONS], whim))
        seed = torch.arange(seeds)[:, None, None]
        value = self.values(met.latents[seed, who.flatten(2)]).unflatten(2, (TRIALS, OPTIONS))
        tries = torch.where(explores[..., None] < EXPLORES, whim, value + 1e-6 * whim)
        if self.arm.shown:
            tries = torch.where(met.speck[seed[..., None], who], torch.inf, tries)
        chosen = who.gather(3, tries.argmax(3, keepdim=True))[..., 0]
        paid = met.pay[self.arm.pay][seed, chosen]
        paid, self.before = (self.before, paid) if self.arm.shuffled else (paid, self.before)
        latents = met.latents[seed, chosen]
        self.assessor.update(latents.flatten(0, 1)[:, :, None], paid.flatten(0, 1)[:, :, None], self.every)

    def values(self, latents: Tensor) -> Tensor:
        """Values ``[S, L, n]`` of latents ``[S, L, n, D]``."""
        value = self.assessor.predict(latents.flatten(0, 1)[:, :, None])
        return value[:, :, 0].reshape(*self.shape, -1)

    def frozen(self) -> Frozen:
        """The desires as they are now."""
        width = self.assessor.width
        weight, variance = self.assessor.weight, self.assessor.variance
        return Frozen(*(part.clone().reshape(*self.shape, width) for part in (weight, variance)))


class Group:
    """Lives of several arms that meet the same individuals, and their desires as they were when frozen."""

    def __init__(self, arms: Sequence[str], seeds: Sequence[int], lives: int, width: int, memory: float) -> None:
        self.arms = {arm: Lives(ARMS[arm], seeds, lives, width, memory) for arm in arms}
        self.frozen: dict[tuple[str, int], Frozen] = {}
        """By arm and number of choices."""
        self.made = 0

    def look_on(self, met: Met) -> None:
        """Get to know the moments of what is seen."""
        for lives in self.arms.values():
            lives.look_on(met)

    def choose(self, met: Met, times: Collection[int]) -> None:
        """Choices of every life; desires are kept at ``times``."""
        self.made += TRIALS
        for arm, lives in self.arms.items():
            lives.choose(met)
            if self.made in times:
                self.frozen[arm, self.made] = lives.frozen()


def measure(
    *, setup: Mapping[str, Any], seeds: Sequence[int], lives: int, times: Sequence[int], say: Say
) -> pd.DataFrame:
    """Rows of when, arm, time, measure, seed and value; ``times``: choices after which desires are frozen."""
    plan = load_setup(setup, expect=Setup)
    meeting = Meeting(plan, seeds)
    learners = [plan.make_learner(frame_of(meeting.worlds[0]), rng=birth(seed)) for seed in seeds]
    cohort = Cohort(learners, plan.schedule.learning_rate)
    growing, choosing = plan.schedule.experiences // plan.schedule.batch, max(times) // TRIALS
    look = torch.no_grad()(cohort.call)
    width = look(meeting.blank()).shape[-1]

    birth_on = Group(FROM_BIRTH, seeds, lives, width, Valence.Settings(signal="pay").memory)
    for step in range(growing):
        birth_on.choose(meeting.met(lambda observation: cohort.learn(observation).latents), times)
        say(step, growing + choosing, "learners grow up")
    if not bool(cohort.alive.all()):
        lost = [seed for seed, alive in zip(seeds, cohort.alive.tolist(), strict=True) if not alive]
        raise NotMeasurableError(f"seeds {lost} diverged: their parameters stopped being finite")
    grown = Group(tuple(ARMS), seeds, lives, width, STEADY)
    for _ in range(WARM):
        grown.look_on(meeting.met(look))
    for step in range(choosing):
        grown.choose(meeting.met(look), times)
        say(growing + step, growing + choosing, "desires are sculpted")

    last = grown.frozen["flawed", grown.made]
    chance = torch.randn(last.weight.shape, generator=generator("random desires", *seeds))
    grown.frozen["random", 0] = Frozen(chance, last.variance)
    shown = torch.stack([look(option)[:, :, MOMENT] for option in examination(meeting.worlds, seeds)], 1)
    rows: list[dict[str, Any]] = []
    for when, group in (("from birth", birth_on), ("grown", grown)):
        for (arm, time), desires in group.frozen.items():
            about = {"when": when, "arm": arm, "time": time}
            numbers = desires.examined(shown, rng=generator("ties", *seeds))
            for name, values in numbers.items():
                each = zip(seeds, values.tolist(), strict=True)
                rows += [{**about, "measure": name, "seed": seed, "value": value} for seed, value in each]
    return pd.DataFrame(rows)


def examination(worlds: Sequence[World], seeds: Sequence[int]) -> list[Tensor]:
    """Observations ``[S, o, T, C, H, W]`` of each option, held out: even, odd with a speck, odd ones without."""
    kinds = [(True, False), (False, True), *[(False, False)] * (OPTIONS - 2)]
    each = [(world.held_out(), generator("examination", seed)) for world, seed in zip(worlds, seeds, strict=True)]
    options = []
    for even, speck in kinds:
        do = {"even": even, "speck": speck}
        batches = [world.sample(TEST, rng=rng, design="balanced", do=do) for world, rng in each]
        options.append(torch.stack([batch.observation for batch in batches]))
    return options
