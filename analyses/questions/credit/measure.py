"""Teach a valence on compounds of cues in a learner's latents, as in conditioning experiments with animals.

A learner is trained in the nursery by its own objective. Then a linear assessor (a valence) reads its latents of the
first frame and is taught by the three-factor rule in phases; half of the trials of a phase show cues, half show none
and are not rewarded.

    compound   A shown without reward, then AB rewarded                blocked    A rewarded, then AB rewarded
    shuffled   A shown, reward on random trials, then AB rewarded      alone      A rewarded
    familiar   B shown without reward, then AB rewarded                novel      no cue shown, then AB rewarded

    strength of a cue   V(B) = mean of v(B shown) - v(nothing shown), all else the same
    blocking ratio      sum over cues of V(B), blocked / sum over cues of V(B), compound
    overshadowing       V(the more salient cue) / (V(A) + V(B)) after AB rewarded; salience: length of the mean
                        displacement, in standard deviations

The rule shares an error out by the size of each latent (Rescorla & Wagner 1972), so that a predicted reward leaves
nothing for a second cue (Kamin 1969) as far as their latents do not overlap. It is therefore run in three bases: the
latents as they were learned; the same latents whitened; and *planted* latents, each of one cue alone.

Letters: S seeds, n rows, D width, K combinations of cues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.engine import Say
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
SMALLEST = 1e-3
"""Principal components with less than this part of the largest variance are left out when latents are whitened."""
Phase = tuple[tuple[str, ...], str]
"""Cues that are shown, and whether they are ``rewarded``, ``unrewarded`` or rewarded at ``random``."""
Numbers = dict[tuple[str, str], Tensor]
"""(measure, cue or pair) -> one number per seed ``[S]``."""


def code(cues: Sequence[str]) -> int:
    """Index of a combination of cues along K."""
    return sum(1 << CUES.index(cue) for cue in cues)


def measure(*, setup: Mapping[str, Any], seeds: Sequence[int], updates: int, untrained: bool, say: Say) -> pd.DataFrame:
    """Rows of basis, measure, cue, seed and value; ``updates``: steps of the rule in a phase."""
    plan = load_setup(setup, expect=Setup)
    world = plan.make_world()
    experiences = 0 if untrained else plan.schedule.experiences
    learners = trained(plan, world, seeds, experiences=experiences, say=say)
    bank, test = (latents_of_cues(learners, world, n, name) for n, name in ((BANK, "trials"), (TEST, "test")))
    bases = {"as learned": (bank, test), "whitened": whitened(bank, test), "planted": planted(bank, test)}
    rows: list[dict[str, Any]] = []
    for done, (basis, (trials, held_out)) in enumerate(bases.items()):
        say(done, len(bases), f"conditioning, {basis}")
        rows += [
            {"basis": basis, "measure": measure, "cue": cue, "seed": seed, "value": float(value)}
            for (measure, cue), values in conditioned(trials, held_out, updates).items()
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


def whitened(bank: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both in principal components of unit variance over ``bank``; components that are too small are zero."""
    mean = bank.mean((0, 2), keepdim=True)
    x = (bank - mean).transpose(0, 1).flatten(1, 2)
    values, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x / x.shape[1])
    large = values > SMALLEST * values[:, -1:]
    turn = vectors * torch.where(large, values.clamp(min=1e-12).rsqrt(), 0.0)[:, None]
    inside, outside = (torch.einsum("ksnd,sde->ksne", latents - mean, turn) for latents in (bank, test))
    return inside, outside


def planted(bank: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Latents of one cue each, three for the first cue and one for each other: what the rule does without overlap."""
    on = torch.tensor([[float(k >> i & 1) for i in (0, 0, 0, *range(1, len(CUES)))] for k in range(len(bank))])
    inside, outside = (on[:, None, None].expand(-1, *latents.shape[1:3], -1) for latents in (bank, test))
    return inside, outside


def teach(bank: Tensor, phases: Sequence[Phase], updates: int) -> Valence:
    """A valence taught in phases of ``updates`` steps on ``bank`` ``[K, S, n, D]``."""
    seeds, n, width = bank.shape[1:]
    valence = Valence(Valence.Settings(signal="pay", lag=0), seeds, width)
    rng, gate = generator("conditioning"), torch.ones(seeds, dtype=torch.bool)
    for cues, reward in phases:
        for _ in range(updates):
            row = torch.randint(0, n, (BATCH,), generator=rng)
            shows = torch.arange(BATCH) % 2 == 0
            latents = bank[torch.where(shows, code(cues), 0), :, row].transpose(0, 1)[:, :, None]
            signal = {"rewarded": shows.float(), "unrewarded": torch.zeros(BATCH)}.get(reward)
            if signal is None:
                signal = shows[torch.randperm(BATCH, generator=rng)].float()
            valence.update(latents, signal[None, :, None].expand(seeds, -1, -1), gate)
    return valence


def strength(valence: Valence, test: Tensor, cue: str) -> Tensor:
    """V of a cue, ``[S]``."""
    change = valence.predict(test[code([cue])][:, :, None]) - valence.predict(test[0][:, :, None])
    return change.mean((1, 2))


def conditioned(bank: Tensor, test: Tensor, updates: int) -> Numbers:
    """All numbers of one basis: strengths by cue and pair, and ratios and shares over all (cue ``all``)."""
    numbers: Numbers = {}
    shares: list[Tensor] = []
    strengths: dict[str, list[Tensor]] = {arm: [] for arm in ("compound", "blocked", "shuffled", "familiar", "novel")}
    errors: list[Tensor] = []
    for pair in PAIRS:
        for first, second in (pair, pair[::-1]):
            for arm, phases in _arms(first, second).items():
                valence = teach(bank, phases, updates)
                strengths[arm].append(strength(valence, test, second))
                numbers[f"strength, {arm}", f"{second} with {first}"] = strengths[arm][-1]
                if arm == "blocked":
                    errors.append(attribution_error(valence, test, second))
        alone = {cue: strength(teach(bank, [((cue,), "rewarded")], updates), test, cue) for cue in pair}
        numbers |= {("strength, alone", cue): value for cue, value in alone.items()}
        novel = teach(bank, [((), "unrewarded"), (pair, "rewarded")], updates)
        shares.append(more_salient(novel, test, pair))
        numbers["share of the more salient", " and ".join(pair)] = shares[-1]
    total = {arm: torch.stack(values).sum(0) for arm, values in strengths.items()}
    numbers["blocking ratio", "all"] = total["blocked"] / total["compound"]
    numbers["shuffled ratio", "all"] = total["shuffled"] / total["compound"]
    numbers["novel less familiar", "all"] = (total["novel"] - total["familiar"]) / len(strengths["novel"])
    numbers["share of the more salient", "all"] = torch.stack(shares).mean(0)
    numbers["attribution error", "all"] = torch.stack(errors).amax(0)
    return numbers


def _arms(first: str, second: str) -> dict[str, list[Phase]]:
    """Name of a training -> its phases; all end with both cues rewarded."""
    both: Phase = ((first, second), "rewarded")
    before: dict[str, Phase] = {
        "compound": ((first,), "unrewarded"),
        "blocked": ((first,), "rewarded"),
        "shuffled": ((first,), "random"),
        "familiar": ((second,), "unrewarded"),
        "novel": ((), "unrewarded"),
    }
    return {arm: [phase, both] for arm, phase in before.items()}


def more_salient(valence: Valence, test: Tensor, pair: tuple[str, str]) -> Tensor:
    """Part of the strength of both cues that the one with the larger displacement has, ``[S]``.

    Displacements are in standard deviations over all combinations of the test rows.
    """
    spread = test.transpose(0, 1).flatten(1, 2).std(1).clamp(min=1e-6)
    sizes = torch.stack([((test[code([c])] - test[0]).mean(1) / spread).norm(dim=1) for c in pair])
    values = torch.stack([strength(valence, test, c) for c in pair])
    top = values.gather(0, sizes.argmax(0, keepdim=True))[0]
    return top / values.sum(0)


def attribution_error(valence: Valence, test: Tensor, cue: str) -> Tensor:
    """Largest difference between integrated gradients and w * (z - z0), ``[S]``; z0: mean, and cue not shown."""
    errors = []
    for seed in range(valence.seeds):
        weight, bias = valence.linear(seed)
        head = nn.Linear(len(weight), 1)
        with torch.no_grad():
            head.weight.copy_(weight[None])
            head.bias.copy_(bias[None])
        subject = Subject(head.eval()).output(0)
        z = test[code([cue]), seed, :ROWS].contiguous()
        change = (z - test[0, seed, :ROWS]).contiguous()
        from_mean = IntegratedGradients(baseline="mean")(subject, z)
        from_unseen = IntegratedGradients(baseline="zeros")(subject, change)
        differences = (from_mean.attributions - weight * (z - z.mean(0)), from_unseen.attributions - weight * change)
        errors.append(max(float(difference.abs().max()) for difference in differences))
    return torch.tensor(errors)
