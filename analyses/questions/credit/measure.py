"""Teach a valence on compounds of cues in a learner's latents, as in conditioning experiments with animals.

A learner is trained in the nursery by its own objective. Then a linear assessor (a valence) reads its latents of the
first frame and is taught by the three-factor rule in two phases; half of the trials of a phase show cues, half show
none and are not rewarded. The second phase is the same for all: both cues, A and B, are shown and rewarded.

    blocked    A rewarded, until V(A) >= 0.9 on other trials            compound   A shown without reward
    shuffled   A shown, reward on random trials

    strength V(B)       mean of v(B shown) - v(nothing shown), all else the same, on held-out trials
    gain                V(B) after the second phase - V(B) before it
    blocking ratio      sum over cues of the gain, blocked / sum over cues of the gain, compound
    left over           1 - V(AB) before the second phase, blocked: the error that the delta rule has left to share out
    overlap             cosine of the mean displacements of the latents by A and by B, in standard deviations
    overshadowing       V(the more salient cue) / (V(A) + V(B)), compound; salience: length of the mean displacement

Both groups share an error out among the same latents, so that by the rule (Rescorla & Wagner 1972) the blocking ratio
is what was left over, whatever the overlap of the latents, as far as trials are alike. Latents are standardised once;
the running standardisation of the assessor is off, since it changes the value of one cue when another begins to be
shown. (It alone made an earlier edition find that new cues are learned faster than familiar ones, which the rule does
not say.) A cue that was not learned to the end leaves much over and cannot block (Kamin 1969), so the first phase has a
criterion and not a length. The rule is run in three bases: the latents as they were learned; the same latents whitened;
and *planted* latents, each of one cue alone. All are standardised.

Letters: S seeds, n rows, D width, K combinations of cues, a groups that are taught side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.engine import Say
from imprint.models.assessors.base import FLOOR
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learners.base import Learner
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.worlds.base import World
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.subjects.subject import Subject

CUES = ("red", "lamp", "from_left")
PAIRS = (("red", "lamp"), ("red", "from_left"))
BANK, TEST, BATCH, ROWS = 600, 300, 64, 64
LEARNED, LOOK_EVERY = 0.9, 100
"""V(A) at which a first cue counts as learned, and the number of updates between two looks at it."""
RATE = 1.8
"""Rate of the rule, which is stable below 2."""
STEADY = 1 - 1e-9
"""Memory of the running moments: they stay what they are when an assessor is made, 0 and 1."""
SMALLEST = 1e-3
"""Principal components with less than this part of the largest variance are left out when latents are whitened."""
REWARDS = ("rewarded", "unrewarded", "random")
Phase = tuple[tuple[str, ...], str]
"""Cues that are shown, and one of :data:`REWARDS`."""
Numbers = dict[tuple[str, str], Tensor]
"""(measure, cue or pair) -> one number per seed ``[S]``."""


class Trials(NamedTuple):
    """Latents ``[K, S, n, D]`` of trials under every combination of cues."""

    bank: Tensor
    """On which the valence is taught."""
    criterion: Tensor
    """Other trials, on which is seen whether a cue is learned."""
    test: Tensor
    """Other trials again, on which strengths are measured."""


def code(cues: Sequence[str]) -> int:
    """Index of a combination of cues along K."""
    return sum(1 << CUES.index(cue) for cue in cues)


def measure(
    *, setup: Mapping[str, Any], seeds: Sequence[int], updates: int, most: int, untrained: bool, say: Say
) -> pd.DataFrame:
    """Rows of basis, measure, cue, seed and value.

    ``updates``: steps of the rule in a phase; ``most``: of the first phase of blocked groups, which has a criterion, in
    latents that were learned.
    """
    plan = load_setup(setup, expect=Setup)
    world = plan.make_world()
    experiences = 0 if untrained else plan.schedule.experiences
    learners = trained(plan, world, seeds, experiences=experiences, say=say)
    sizes = {"trials": BANK, "criterion": TEST, "test": TEST}
    shown = Trials(*(latents_of_cues(learners, world, n, name) for name, n in sizes.items()))
    bases = {"as learned": standardised(shown)}
    if not untrained:
        bases |= {"whitened": whitened(shown), "planted": planted(shown)}
    rows: list[dict[str, Any]] = []
    for done, (basis, trials) in enumerate(bases.items()):
        say(done, len(bases), f"conditioning, {basis}")
        longest = updates if untrained or basis != "as learned" else most
        rows += [
            {"basis": basis, "measure": measure, "cue": cue, "seed": seed, "value": float(value)}
            for (measure, cue), values in conditioned(trials, updates=updates, most=longest).items()
            for seed, value in zip(seeds, values, strict=True)
        ]
    return pd.DataFrame(rows)


def trained(plan: Setup, world: World, seeds: Sequence[int], *, experiences: int, say: Say) -> list[Learner]:
    """Learners after their experiences, trained by their own objective without any reward."""
    frame = frame_of(world)
    cohort = Cohort([plan.make_learner(frame, rng=birth(seed)) for seed in seeds], plan.schedule.learning_rate)
    streams = [Experience(world, plan.schedule.batch, seed) for seed in seeds]
    for age in range(0, experiences, plan.schedule.batch):
        loss = cohort.learn(torch.stack([stream.next().observation for stream in streams])).loss
        say(age, experiences, f"training learners, loss {float(loss.mean()):.4f}")
    return cohort.unstack()


def latents_of_cues(learners: Sequence[Learner], world: World, n: int, name: str) -> Tensor:
    """Latents ``[K, S, n, D]`` of the first frame under every combination of cues; rows differ in nothing else."""
    latents = []
    for combination in range(1 << len(CUES)):
        do = {cue: bool(combination >> i & 1) for i, cue in enumerate(CUES)}
        batch = world.sample(n, rng=generator("credit", name), design="balanced", do=do)
        latents.append(torch.stack([learner.latents(batch.observation[:, :1])[:, 0] for learner in learners]))
    return torch.stack(latents)


def standardised(trials: Trials) -> Trials:
    """All less the mean of trials of the bank that show nothing, in standard deviations over the bank."""
    scale = (trials.bank.transpose(0, 1).flatten(1, 2).var(1) + FLOOR).rsqrt()
    nothing = trials.bank[0].mean(1)
    return Trials(*((latents - nothing[:, None]) * scale[:, None] for latents in trials))


def whitened(trials: Trials) -> Trials:
    """All in principal components of unit variance over the bank; components that are too small are zero."""
    mean = trials.bank.mean((0, 2), keepdim=True)
    x = (trials.bank - mean).transpose(0, 1).flatten(1, 2)
    values, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x / x.shape[1])
    large = values > SMALLEST * values[:, -1:]
    turn = vectors * torch.where(large, values.clamp(min=1e-12).rsqrt(), 0.0)[:, None]
    return standardised(Trials(*(torch.einsum("ksnd,sde->ksne", latents - mean, turn) for latents in trials)))


def planted(trials: Trials) -> Trials:
    """Latents of one cue each, three for the first cue and one for each other: what the rule does without overlap."""
    on = torch.tensor([[float(k >> i & 1) for i in (0, 0, 0, *range(1, len(CUES)))] for k in range(1 << len(CUES))])
    return Trials(*(on[:, None, None].expand(-1, *latents.shape[1:3], -1) for latents in trials))


class Groups:
    """Valences of a groups of subjects times S seeds, taught side by side on the same rows."""

    def __init__(self, bank: Tensor, count: int) -> None:
        self.bank, self.count, self.seeds = bank, count, bank.shape[1]
        settings = Valence.Settings(signal="pay", lag=0, rate=RATE, memory=STEADY)
        self.valence = Valence(settings, count * self.seeds, bank.shape[-1])
        for seed in range(self.valence.seeds):
            self.valence.load(seed, {"updates": torch.tensor(1 / (1 - STEADY))})

    def teach(
        self, phases: Sequence[Phase], updates: int, *, rng: torch.Generator, open_: Tensor | None = None
    ) -> None:
        """``updates`` steps of the rule, a phase for each group; ``open_`` bool ``[a, S]``: who learns (None: all)."""
        gate = torch.ones(self.count * self.seeds, dtype=torch.bool) if open_ is None else open_.flatten()
        shown = torch.tensor([code(cues) for cues, _ in phases])[:, None]
        kind = torch.tensor([REWARDS.index(reward) for _, reward in phases])
        for _ in range(updates):
            row = torch.randint(0, self.bank.shape[2], (BATCH,), generator=rng)
            shows = torch.arange(BATCH) % 2 == 0
            latents = self.bank[torch.where(shows, shown, 0), :, row].transpose(1, 2)
            at_random = shows[torch.randperm(BATCH, generator=rng)]
            signal = torch.stack([shows, torch.zeros_like(shows), at_random]).float()[kind]
            signal = signal[:, None].expand(-1, self.seeds, -1)
            self.valence.update(latents.flatten(0, 1)[:, :, None], signal.flatten(0, 1)[:, :, None], gate)

    def teach_until_learned(self, cues: Sequence[str], criterion: Tensor, most: int, *, rng: torch.Generator) -> Tensor:
        """One rewarded cue for each group until its strength on ``criterion`` is :data:`LEARNED`.

        Returns whether it came to that, bool ``[a, S]``. Each group of each seed stops by itself, at the latest after
        ``most`` steps.
        """
        open_ = torch.ones(self.count, self.seeds, dtype=torch.bool)
        for start in range(0, most, LOOK_EVERY):
            phases: list[Phase] = [((cue,), "rewarded") for cue in cues]
            self.teach(phases, min(LOOK_EVERY, most - start), rng=rng, open_=open_)
            open_ &= self.strengths([(cue,) for cue in cues], criterion) < LEARNED
            if not bool(open_.any()):
                break
        return ~open_

    def strengths(self, cues: Sequence[Sequence[str]], test: Tensor) -> Tensor:
        """V ``[a, S]`` of each group's ``cues``, all shown at once: v(shown) - v(nothing shown), mean over rows."""
        means = torch.stack([test[[code(each) for each in cues]], test[[0] * len(cues)]]).mean(3)
        shown, nothing = (self.valence.predict(each.flatten(0, 1)[:, None, None]) for each in means)
        return (shown - nothing).reshape(self.count, self.seeds)


BEFORE = {"compound": "unrewarded", "shuffled": "random"}
"""Group -> what the first cue was followed by in its first phase; that of the blocked group has a criterion."""
ORDERS = tuple(order for pair in PAIRS for order in (pair, pair[::-1]))
"""First and second cue of every subject."""
FIRSTS, SECONDS = tuple(first for first, _ in ORDERS), tuple(second for _, second in ORDERS)


def conditioned(trials: Trials, *, updates: int, most: int) -> Numbers:
    """All numbers of one basis: strengths by cue and pair, and ratios and shares over all (cue ``all``)."""
    blocked, others = Groups(trials.bank, len(ORDERS)), Groups(trials.bank, len(ORDERS) * len(BEFORE))
    rng, test = generator("conditioning"), trials.test
    came = blocked.teach_until_learned(FIRSTS, trials.criterion, most, rng=rng)
    first, compound = blocked.strengths([(cue,) for cue in FIRSTS], test), blocked.strengths(ORDERS, test)
    others.teach([((cue,), reward) for reward in BEFORE.values() for cue in FIRSTS], updates, rng=rng)
    (blocked_gain, blocked_end), (gains, ends) = (_both_rewarded(groups, test, updates) for groups in (blocked, others))
    gain = {"blocked": blocked_gain, **dict(zip(BEFORE, gains.chunk(len(BEFORE)), strict=True))}
    strength = {"blocked": blocked_end, **dict(zip(BEFORE, ends.chunk(len(BEFORE)), strict=True))}
    numbers: Numbers = {}
    for i, (a, b) in enumerate(ORDERS):
        numbers |= {(f"strength, {group}", f"{b} with {a}"): each[i] for group, each in strength.items()}
        numbers |= {("strength, first", f"{a} before {b}"): first[i], ("left over", f"{b} with {a}"): 1 - compound[i]}
    shares, overlaps = shares_and_overlaps(strength["compound"], test)
    total = gain["compound"].sum(0)
    over_all = {
        "first cues learned": came.float().mean(0),
        "strength, first": first.mean(0),
        "blocking ratio": gain["blocked"].sum(0) / total,
        "left over": ((1 - compound) * gain["compound"]).sum(0) / total,
        "shuffled ratio": gain["shuffled"].sum(0) / total,
        "share of the more salient": shares,
        "overlap": overlaps,
        "attribution error": attribution_error(blocked, test, SECONDS),
    }
    over_all["blocking ratio less left over"] = over_all["blocking ratio"] - over_all["left over"]
    return numbers | {(measure, "all"): values for measure, values in over_all.items()}


def _both_rewarded(groups: Groups, test: Tensor, updates: int) -> tuple[Tensor, Tensor]:
    """The second phase of all groups: gain and final strength of the second cue, ``[a, S]`` each."""
    times = groups.count // len(ORDERS)
    seconds = [(cue,) for cue in SECONDS] * times
    before = groups.strengths(seconds, test)
    groups.teach([(order, "rewarded") for order in ORDERS] * times, updates, rng=generator("conditioning", "both"))
    after = groups.strengths(seconds, test)
    return after - before, after


def shares_and_overlaps(strengths: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Part of a pair's strength that the more salient cue has, and cosine of both displacements, means ``[S]``.

    ``strengths`` ``[a, S]`` are those of the second cues of :data:`ORDERS`.
    """
    shares, overlaps = [], []
    for i, pair in enumerate(PAIRS):
        second, first = strengths[2 * i : 2 * i + 2]
        salient, overlap = salience(test, pair)
        shares.append(torch.where(salient == 0, first, second) / (first + second))
        overlaps.append(overlap)
    return torch.stack(shares).mean(0), torch.stack(overlaps).mean(0)


def salience(test: Tensor, pair: tuple[str, str]) -> tuple[Tensor, Tensor]:
    """Which cue of a pair displaces the latents more, int64 ``[S]``, and the cosine of both displacements ``[S]``.

    Displacements are in standard deviations over all combinations of the test rows.
    """
    spread = test.transpose(0, 1).flatten(1, 2).std(1).clamp(min=1e-6)
    moved = torch.stack([(test[code([cue])] - test[0]).mean(1) / spread for cue in pair])
    return moved.norm(dim=2).argmax(0), torch.cosine_similarity(moved[0], moved[1], dim=1)


def attribution_error(groups: Groups, test: Tensor, cues: Sequence[str]) -> Tensor:
    """Largest difference between integrated gradients and w * (z - z0), ``[S]``; z0: mean, and cue not shown."""
    errors = []
    for i in range(groups.valence.seeds):
        group, seed = divmod(i, groups.seeds)
        weight, bias = groups.valence.linear(i)
        head = nn.Linear(len(weight), 1)
        with torch.no_grad():
            head.weight.copy_(weight[None])
            head.bias.copy_(bias[None])
        subject = Subject(head.eval()).output(0)
        z = test[code([cues[group]]), seed, :ROWS].contiguous()
        change = (z - test[0, seed, :ROWS]).contiguous()
        from_mean = IntegratedGradients(baseline="mean")(subject, z)
        from_unseen = IntegratedGradients(baseline="zeros")(subject, change)
        differences = (from_mean.attributions - weight * (z - z.mean(0)), from_unseen.attributions - weight * change)
        errors.append(max(float(difference.abs().max()) for difference in differences))
    return torch.tensor(errors).reshape(groups.count, groups.seeds).amax(0)
