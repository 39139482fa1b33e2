"""Learners that grew up with enough salt, and what they go for on the first day without it.

In the world ``conditioning`` one cue is followed by food, one by salt, one by water and one by nothing. The deficits of
food and water are drawn anew for every trial; of salt nothing is ever missing, so that salt always takes the body away
from its set point and is always punished. A trial's reward is the relief of a ``homeostat`` with three needs,

    relief = sum_k d_k^2 - (d_k - intake c_k)^2            d the deficits, c the units that came in

which is d - .25 for one unit and an intake of .5. A learner grows up by its own objective, and assessors read along;
none of them sends a gradient into it:

    scorecard       a column for each need, taught with the units that come in; the homeostat foresees their relief
    cached          a value, taught with the reward
    informed        the same, given the deficits and their products with every latent besides: reward = d c - .25 c is
                    linear in these, so that it can tell exactly how the worth of a cue depends on what is missing
    dealt           a scorecard taught with what came in in other trials (shuffled control)

Of the scorecard there are variants that learned the same:

    lesioned        the homeostat is told that no salt is missing, whatever is
    scrambled       each need reads the column of the next one
    another's       the columns are those of another seed, whose cues look otherwise and whose units are its own

A choice shows all four cues, each in a light of its own, and takes the one with the largest value. *right* is the part
of choices, with deficits drawn anew each time, of the cue whose true relief is the largest.

Letters: S seeds, n trials, T steps, D latent width, N needs, K cues, q choices, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learners.base import LEARNERS, Frame
from imprint.models.learning.cohort import Cohort
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.homeostat import Homeostat
from imprint.models.worlds.conditioning.schedule import CONTEXT, Trial
from imprint.models.worlds.conditioning.world import Conditioning

NEEDS = ("food", "salt", "water")
SALT = NEEDS.index("salt")
CUES = ("F", "S", "W", "N")
"""Followed by food, salt, water and nothing."""
SCHEDULE = "F+ 1, S+salt 1, W+water 1, N- 1"
INTAKE = 0.5
YOUTH, BATCH, CHOICES = 4096, 32, 256
SATED, DEPRIVED = (0.5, 0.0, 0.5), (0.5, 1.0, 0.5)
"""Deficits of food, salt and water as in youth, on average, and on the first day without salt."""
RELEARNED = (0, 1, 2, 4, 8, 16, 32, 64)
"""Times that each cue was met under the new deficit."""
BITS, KEPT = range(1, 13), 0.95
LEVELS = {f"{need}_level": 1.0 for need in NEEDS}
WHOLE: Mapping[str, Any] = {"set_points": LEVELS, "power": 2.0, "root": 1.0, "high": 1e3}
FELT = Homeostat(Homeostat.Settings(name="relief", before={f"{n}_level": f"{n}_before" for n in NEEDS}, **WHOLE))
FORESEEN = Homeostat(Homeostat.Settings(name="hope", expected={f"{n}_level": n for n in NEEDS}, gain=INTAKE, **WHOLE))
SCORECARDS = ("scorecard", "lesioned", "scrambled", "another's", "dealt")
ARMS = (*SCORECARDS, "cached", "informed")


class Youth(NamedTuple):
    """How learners are made, for how long they live, and how fast everything learns."""

    learner: str
    options: Mapping[str, Any]
    experiences: int
    learning_rate: float
    rate: float
    """Of the assessors."""


class Raised(NamedTuple):
    """Learners of some seeds that are grown, and their assessors."""

    cohort: Cohort
    columns: Sequence[Valence]
    """One for each need."""
    dealt: Sequence[Valence]
    cached: Valence
    informed: Valence


def relief(came: Tensor, deficits: Tensor) -> Tensor:
    """What the homeostat gives, ``[...]``, for units that came in and deficits before, both ``[..., N]``."""
    flat, missing = came.reshape(-1, len(NEEDS)), deficits.expand_as(came).reshape(-1, len(NEEDS))
    felt = {f"{need}_before": 1 - missing[:, k : k + 1] for k, need in enumerate(NEEDS)}
    felt |= {f"{need}_level": 1 - missing[:, k : k + 1] + INTAKE * flat[:, k : k + 1] for k, need in enumerate(NEEDS)}
    return FELT(Senses(felt), Body({}), rng=generator("relief")).reshape(came.shape[:-1])


def foreseen(columns: Tensor, deficits: Tensor) -> Tensor:
    """Relief ``[...]`` that readings of the scorecard ``[..., N]`` lead one to expect under ``deficits``."""
    flat, missing = columns.reshape(-1, len(NEEDS)), deficits.expand_as(columns).reshape(-1, len(NEEDS))
    felt = {need: flat[:, k : k + 1] for k, need in enumerate(NEEDS)}
    felt |= {f"{need}_level": 1 - missing[:, k : k + 1] for k, need in enumerate(NEEDS)}
    return FORESEEN(Senses(felt), Body({}), rng=generator("hope")).reshape(columns.shape[:-1])


def given(latents: Tensor, deficits: Tensor) -> Tensor:
    """Latents ``[..., D]``, their products with every deficit ``[..., N]``, and the deficits: ``[..., F]``."""
    products = (latents[..., None] * deficits[..., None, :]).flatten(-2)
    return torch.cat([latents, products, deficits.expand(*latents.shape[:-1], len(NEEDS))], -1)


# -- a life ------------------------------------------------------------------------------------------------------------


def homes(seeds: Sequence[int]) -> list[Conditioning]:
    """The world of each seed, with cues that look as in no other."""
    needs = dict.fromkeys(NEEDS, 1.0)
    return [Conditioning(Conditioning.Settings(schedule=SCHEDULE, rows=1, look_seed=s, needs=needs)) for s in seeds]


def drawn(n: int, rng: torch.Generator, *, salt: bool) -> Tensor:
    """Deficits ``[n, N]`` from 0 to 1; ``salt``: whether salt can be missing."""
    deficits = torch.rand(n, len(NEEDS), generator=rng)
    return deficits if salt else deficits * torch.tensor([float(need != "salt") for need in NEEDS])


def raised(seeds: Sequence[int], worlds: Sequence[Conditioning], plan: Youth) -> Raised:
    """Learners and assessors after their youth."""
    batches = [w.sample(YOUTH, rng=generator("youth", s)) for w, s in zip(worlds, seeds, strict=True)]
    seen = torch.stack([batch.observation for batch in batches])
    senses = [w.senses(batch, set(NEEDS)) for w, batch in zip(worlds, batches, strict=True)]
    came = torch.stack([torch.stack([each[need][:, -1] for need in NEEDS], -1) for each in senses])
    life = born(seeds, Frame(seen.shape[2], *seen.shape[3:]), plan)
    rngs, rows = [generator("life", s) for s in seeds], torch.arange(len(seeds))[:, None]
    for _ in range(0, plan.experiences, BATCH):
        chosen = torch.stack([torch.randint(0, YOUTH, (BATCH,), generator=rng) for rng in rngs])
        deficits = torch.stack([drawn(BATCH, rng, salt=False) for rng in rngs])
        _live(life, life.cohort.learn(seen[rows, chosen]).latents, came[rows, chosen], deficits)
    return life


def born(seeds: Sequence[int], frame: Frame, plan: Youth) -> Raised:
    """Newborn learners and assessors that know nothing."""
    kind = LEARNERS.load(plan.learner)
    learners = [kind.born(kind.Settings(**plan.options), frame, rng=birth(s)) for s in seeds]
    cohort = Cohort(learners, plan.learning_rate)
    with torch.no_grad():
        blank = torch.zeros(len(seeds), 1, frame.steps, frame.channels, frame.height, frame.width)
        width = cohort.call(blank).shape[-1]
    settings = Valence.Settings(signal="relief", rate=plan.rate)
    own, dealt = ([Valence(settings, len(seeds), width) for _ in NEEDS] for _ in range(2))
    informed = Valence(settings, len(seeds), (1 + len(NEEDS)) * width + len(NEEDS))
    return Raised(cohort, own, dealt, Valence(settings, len(seeds), width), informed)


def _live(life: Raised, latents: Tensor, came: Tensor, deficits: Tensor) -> None:
    """Assessors learn from latents ``[S, n, T, D]``, units that came in and deficits ``[S, n, N]``."""
    for k in range(len(NEEDS)):
        teach(life.columns[k], latents, came[..., k])
        teach(life.dealt[k], latents, came[..., k].roll(1, 1))
    teach(life.cached, latents, relief(came, deficits))
    teach(life.informed, given(latents, deficits[:, :, None]), relief(came, deficits))


def teach(assessor: Valence, latents: Tensor, outcome: Tensor) -> None:
    """One step on the last cue and the outcome ``[S, n]`` that follows it."""
    signal = torch.stack([torch.zeros_like(outcome), outcome], -1)
    assessor.update(latents[:, :, -2:], signal, torch.ones(len(latents), dtype=torch.bool))


# -- choices -----------------------------------------------------------------------------------------------------------


def shown(worlds: Sequence[Conditioning], seeds: Sequence[int]) -> Tensor:
    """Every cue in :data:`CHOICES` lights, ``[S, K q, T, C, H, W]``."""
    trials = [trial for trial in worlds[0].schedule.trials for _ in range(CHOICES)]
    return _frames(worlds, seeds, trials, "choices")


def _frames(worlds: Sequence[Conditioning], seeds: Sequence[int], trials: Sequence[Trial], name: str) -> Tensor:
    """These trials in the world of each seed, ``[S, n, T, C, H, W]``."""
    contexts = [CONTEXT] * len(trials)
    made = [w.given(trials, contexts, rng=generator(name, s)) for w, s in zip(worlds, seeds, strict=True)]
    return torch.stack([batch.observation for batch in made])


def by_cue(numbers: Tensor) -> Tensor:
    """Numbers ``[S, K q, ...]`` of every cue: ``[S, K, q, ...]``."""
    return numbers.reshape(len(numbers), len(CUES), -1, *numbers.shape[2:])


class Choosing:
    """What grown learners choose among the four cues under any deficits."""

    def __init__(self, life: Raised, tests: Tensor) -> None:
        self.life, self.tests = life, tests
        self.look()

    def look(self) -> None:
        """Latents at the cue, ``[S, K q, 1, D]``, of the learners as they are now."""
        with torch.no_grad():
            self.latents: Tensor = self.life.cohort.call(self.tests)[:, :, -2:-1]

    def read(self, columns: Sequence[Valence]) -> Tensor:
        """Readings of the scorecard, ``[S, K, q, N]``."""
        return by_cue(torch.stack([column.predict(self.latents)[..., 0] for column in columns], -1))

    def values(self, arm: str, deficits: Tensor) -> Tensor:
        """Value of every cue, ``[S, K, q]``, under ``deficits`` ``[q, N]``."""
        if arm in SCORECARDS:
            columns = self.read(self.life.dealt if arm == "dealt" else self.life.columns)
            if arm == "another's":
                columns = self._of_another()
            if arm == "scrambled":
                columns = columns.roll(1, -1)
            if arm == "lesioned":
                deficits = deficits * torch.tensor([float(need != "salt") for need in NEEDS])
            return foreseen(columns, deficits)
        latents = self.latents
        if arm == "informed":
            each = deficits.repeat(len(CUES), 1)[None, :, None].expand(len(latents), -1, -1, -1)
            return by_cue(self.life.informed.predict(given(latents, each))[..., 0])
        return by_cue(self.life.cached.predict(latents)[..., 0])

    def _of_another(self) -> Tensor:
        """Readings by the columns of the seed before."""
        parts = []
        for column in self.life.columns:
            linear = [column.linear((s - 1) % len(self.latents)) for s in range(len(self.latents))]
            weight, bias = (torch.stack(each) for each in zip(*linear, strict=True))
            parts.append(torch.einsum("snd,sd->sn", self.latents[:, :, 0], weight) + bias[:, None])
        return by_cue(torch.stack(parts, -1))

    def goes_for_salt(self, arm: str, deficits: Sequence[float]) -> Tensor:
        """Part of the choices that are of the salt cue, ``[S]``."""
        values = self.values(arm, torch.tensor(deficits).repeat(CHOICES, 1))
        return (values.argmax(1) == CUES.index("S")).float().mean(1)

    def right(self, arm: str, *, salt: bool) -> Tensor:
        """Part of the choices that bring the largest true relief, ``[S]``; ``salt``: whether it can be missing."""
        deficits = drawn(CHOICES, generator("deficits"), salt=salt)
        outcomes = torch.eye(len(CUES), len(NEEDS))
        best = relief(outcomes[:, None].expand(-1, CHOICES, -1), deficits).argmax(0)
        return (self.values(arm, deficits).argmax(1) == best).float().mean(1)


# -- afterwards --------------------------------------------------------------------------------------------------------


def relearning(choosing: Choosing, worlds: Sequence[Conditioning], seeds: Sequence[int]) -> dict[int, Tensor]:
    """Times that each cue was met under the new deficit -> choices of salt by the cached value, ``[S]``."""
    life, found = choosing.life, {}
    trials = [t for _ in range(max(RELEARNED)) for t in worlds[0].schedule.trials]
    with torch.no_grad():
        latents = life.cohort.call(_frames(worlds, seeds, trials, "relearning"))
    came = torch.tensor([[float(t.size and t.outcome == need) for need in NEEDS] for t in trials])
    reward = relief(came, torch.tensor(DEPRIVED)).expand(len(seeds), -1)
    for i in range(len(trials) + 1):
        if i % len(CUES) == 0 and i // len(CUES) in RELEARNED:
            found[i // len(CUES)] = choosing.goes_for_salt("cached", DEPRIVED)
        if i < len(trials):
            teach(life.cached, latents[:, i : i + 1], reward[:, i : i + 1])
    return found


def rounded(values: Tensor, bits: int) -> Tensor:
    """Numbers ``[S, ...]`` at the nearest of 2^bits levels, spread evenly over the range of each seed's."""
    flat = values.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    step = ((high - low) / ((1 << bits) - 1)).clamp(min=1e-12)
    return (((flat - low) / step).round() * step + low).reshape(values.shape)


def bits_needed(choosing: Choosing) -> Tensor:
    """Bits ``[S]`` with which all that the scorecard rests on must be kept, for :data:`KEPT` of what is right to stay.

    That is the network up to its latents, and the columns; every tensor is rounded by itself. NaN: more than the most
    that were tried. What it comes to is an upper bound, since nothing was trained to be short.
    """
    life, whole = choosing.life, choosing.right("scorecard", salt=True)
    learned = {name: value for name, value in life.cohort.parameters.items() if not name.startswith("decoder")}
    kept = {name: value.detach().clone() for name, value in learned.items()}
    weights = [column.weight for column in life.columns]
    numbers = sum(value[0].numel() for value in [*kept.values(), *weights]) + len(NEEDS)
    good = []
    for bits in BITS:
        with torch.no_grad():
            for name, value in kept.items():
                learned[name].copy_(rounded(value, bits))
        for column, weight in zip(life.columns, weights, strict=True):
            column.weight = rounded(weight, bits)
        choosing.look()
        good.append(choosing.right("scorecard", salt=True) >= KEPT * whole)
    with torch.no_grad():
        for name, value in kept.items():
            learned[name].copy_(value)
    for column, weight in zip(life.columns, weights, strict=True):
        column.weight = weight
    choosing.look()
    enough = torch.stack(good).flip(0).float().cumprod(0).sum(0)
    return torch.where(enough > 0, numbers * (len(BITS) + 1 - enough), float("nan"))


def measure(
    *, seeds: Sequence[int], learner: str, options: Mapping[str, Any], experiences: int, learning_rate: float,
    rate: float, say: Say,
) -> pd.DataFrame:  # fmt: skip
    """Rows of arm, measure, met (times each cue was met under the new deficit, else 0), seed and value."""
    worlds = homes(seeds)
    say(0, 3, "youth")
    life = raised(seeds, worlds, Youth(learner, options, experiences, learning_rate, rate))
    say(1, 3, "choices")
    choosing = Choosing(life, shown(worlds, seeds))
    numbers: dict[tuple[str, str, int], Tensor] = {}
    for arm in ARMS:
        numbers[arm, "salt, sated", 0] = choosing.goes_for_salt(arm, SATED)
        numbers[arm, "salt, deprived", 0] = choosing.goes_for_salt(arm, DEPRIVED)
        numbers[arm, "right", 0] = choosing.right(arm, salt=True)
        numbers[arm, "right, as in youth", 0] = choosing.right(arm, salt=False)
    numbers["scorecard", "bits", 0] = bits_needed(choosing)
    say(2, 3, "relearning")
    for met, value in relearning(choosing, worlds, seeds).items():
        numbers["cached", "salt, met again", met] = value
    return pd.DataFrame(
        {"arm": arm, "measure": name, "met": met, "seed": seed, "value": float(value)}
        for (arm, name, met), values in numbers.items()
        for seed, value in zip(seeds, values, strict=True)
    )
