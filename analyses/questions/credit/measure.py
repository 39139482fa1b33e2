"""credit_pieces: a valence meets compounds of cues in a learner's latents; what `credit` measures.

A learner grows in the nursery, by its own objective. Then an assessor reads its latents of the first frame and is
taught by the three-factor rule in phases; half of the trials of a phase show cues and are paid, half show none and
are not.

    compound   A shown unpaid, then AB paid             blocked    A paid, then AB paid
    shuffled   A shown, pay at random, then AB paid     alone      A paid
    familiar   B shown unpaid, then AB paid             novel      no cue shown, then AB paid

    strength of a cue   V(B) = mean of v(B shown) - v(nothing shown), all else the same
    blocking ratio      sum over cues of V(B), blocked / sum over cues of V(B), compound
    overshadowing       V(the more salient cue) / (V(A) + V(B)) after AB paid; salience: length of the mean
                        displacement, in standard deviations

The rule shares an error out by the size of each latent (Rescorla & Wagner 1972), so a predicted pay leaves nothing
for a second cue (Kamin 1969) as far as their latents do not overlap. It is therefore run in three bases: the latents as
they were learned; the same latents whitened; and *planted* latents, each of one cue alone.

Letters: S seeds, n rows, D width, K combinations of cues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
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
"""Cues that are shown, and how they are paid: ``paid``, ``unpaid`` or ``random``."""


def code(cues: Sequence[str]) -> int:
    """Number of a combination of cues."""
    return sum(1 << CUES.index(cue) for cue in cues)


def measure(*, setup: Mapping[str, Any], seeds: Sequence[int], updates: int, newborn: bool, say: Say) -> pd.DataFrame:
    """Rows of basis, measure, cue, seed and value."""
    plan = load_setup(setup, expect=Setup)
    world = plan.make_world()
    learners = grown(plan, world, seeds, 0 if newborn else plan.schedule.experiences, say)
    bank, test = (shown(learners, world, n, name) for n, name in ((BANK, "trials"), (TEST, "test")))
    bases = {"as learned": (bank, test), "whitened": whitened(bank, test), "planted": planted(bank, test)}
    rows: list[dict[str, Any]] = []
    for done, (basis, (trials, held_out)) in enumerate(bases.items()):
        say(done, len(bases), f"conditioning, {basis}")
        found = conditioned(trials, held_out, updates)
        rows += [
            {"basis": basis, "measure": measure, "cue": cue, "seed": seed, "value": float(value)}
            for (measure, cue), values in found.items()
            for seed, value in zip(seeds, values, strict=True)
        ]
    return pd.DataFrame(rows)


def grown(plan: Setup, world: World, seeds: Sequence[int], experiences: int, say: Say) -> list[Learner]:
    """Learners after their experiences; nothing pays them."""
    frame = frame_of(world)
    cohort = Cohort([plan.make_learner(frame, rng=birth(seed)) for seed in seeds], plan.schedule.learning_rate)
    streams = [Experience(world, plan.schedule.batch, seed) for seed in seeds]
    for age in range(0, experiences, plan.schedule.batch):
        loss = cohort.learn(torch.stack([stream.next().observation for stream in streams])).loss
        say(age, experiences, f"growing learners, loss {float(loss.mean()):.4f}")
    return cohort.unstack()


def shown(learners: Sequence[Learner], world: World, n: int, name: str) -> Tensor:
    """Latents ``[K, S, n, D]`` of the first frame under every combination of cues; rows differ in nothing else."""
    latents = []
    for combination in range(1 << len(CUES)):
        do = {cue: bool(combination >> i & 1) for i, cue in enumerate(CUES)}
        batch = world.sample(n, rng=generator("credit", name), design="balanced", do=do)
        latents.append(torch.stack([learner.latents(batch.observation[:, :1])[:, 0] for learner in learners]))
    return torch.stack(latents)


def whitened(bank: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both in principal components of unit variance over ``bank``; components too small are zero."""
    mean = bank.mean((0, 2), keepdim=True)
    x = (bank - mean).transpose(0, 1).flatten(1, 2)
    values, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x / x.shape[1])
    kept = values > SMALLEST * values[:, -1:]
    turn = vectors * torch.where(kept, values.clamp(min=1e-12).rsqrt(), 0.0)[:, None]
    inside, outside = (torch.einsum("ksnd,sde->ksne", part - mean, turn) for part in (bank, test))
    return inside, outside


def planted(bank: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Latents of one cue alone: three for the first, one for each other; what the rule does without overlap."""
    on = torch.tensor([[float(k >> i & 1) for i in (0, 0, 0, *range(1, len(CUES)))] for k in range(len(bank))])
    inside, outside = (on[:, None, None].expand(-1, part.shape[1], part.shape[2], -1) for part in (bank, test))
    return inside, outside


# -- conditioning ------------------------------------------------------------------------------------------------------


def teach(bank: Tensor, phases: Sequence[Phase], updates: int) -> Valence:
    """A valence taught in phases of ``updates`` steps on ``bank`` ``[K, S, n, D]``."""
    seeds, n, width = bank.shape[1:]
    valence = Valence(Valence.Settings(signal="pay", lag=0), seeds, width)
    rng, gate = generator("conditioning"), torch.ones(seeds, dtype=torch.bool)
    for cues, pay in phases:
        for _ in range(updates):
            row = torch.randint(0, n, (BATCH,), generator=rng)
            shows = torch.arange(BATCH) % 2 == 0
            latents = bank[torch.where(shows, code(cues), 0), :, row].transpose(0, 1)[:, :, None]
            signal = {"paid": shows.float(), "unpaid": torch.zeros(BATCH)}.get(pay)
            if signal is None:
                signal = shows[torch.randperm(BATCH, generator=rng)].float()
            valence.update(latents, signal[None, :, None].expand(seeds, -1, -1), gate)
    return valence


def strength(valence: Valence, test: Tensor, cue: str) -> Tensor:
    """V of a cue, ``[S]``."""
    change = valence.predict(test[code([cue])][:, :, None]) - valence.predict(test[0][:, :, None])
    return change.mean((1, 2))


def conditioned(bank: Tensor, test: Tensor, updates: int) -> dict[tuple[str, str], Tensor]:
    """(measure, cue or pair) -> one number per seed."""
    found: dict[tuple[str, str], Tensor] = {}
    tops: list[Tensor] = []
    sums: dict[str, list[Tensor]] = {a: [] for a in ("compound", "blocked", "shuffled", "familiar", "novel")}
    exact: list[Tensor] = []
    for pair in PAIRS:
        for first, second in (pair, pair[::-1]):
            both: Phase = ((first, second), "paid")
            arms = {
                "compound": [((first,), "unpaid"), both],
                "blocked": [((first,), "paid"), both],
                "shuffled": [((first,), "random"), both],
                "familiar": [((second,), "unpaid"), both],
                "novel": [((), "unpaid"), both],
            }
            for arm, phases in arms.items():
                valence = teach(bank, phases, updates)
                sums[arm].append(strength(valence, test, second))
                found[f"strength, {arm}", f"{second} with {first}"] = sums[arm][-1]
                if arm == "blocked":
                    exact.append(attribution_error(valence, test, second))
        alone = {cue: strength(teach(bank, [((cue,), "paid")], updates), test, cue) for cue in pair}
        found |= {("strength, alone", cue): value for cue, value in alone.items()}
        novel = teach(bank, [((), "unpaid"), (pair, "paid")], updates)
        share = more_salient(novel, test, pair)
        tops.append(share)
        found["share of the more salient", " and ".join(pair)] = share
    total = {arm: torch.stack(values).sum(0) for arm, values in sums.items()}
    found["blocking ratio", "all"] = total["blocked"] / total["compound"]
    found["shuffled ratio", "all"] = total["shuffled"] / total["compound"]
    found["novel less familiar", "all"] = (total["novel"] - total["familiar"]) / len(sums["novel"])
    found["share of the more salient", "all"] = torch.stack(tops).mean(0)
    found["attribution error", "all"] = torch.stack(exact).amax(0)
    return found


def more_salient(valence: Valence, test: Tensor, pair: tuple[str, str]) -> Tensor:
    """Part of the strength of both that the cue with the larger displacement has, ``[S]``.

    Displacements are in standard deviations over all combinations of the test rows.
    """
    spread = test.transpose(0, 1).flatten(1, 2).std(1).clamp(min=1e-6)
    sizes = torch.stack([((test[code([c])] - test[0]).mean(1) / spread).norm(dim=1) for c in pair])
    values = torch.stack([strength(valence, test, c) for c in pair])
    top = values.gather(0, sizes.argmax(0, keepdim=True))[0]
    return top / values.sum(0)


def _valued(head: nn.Linear, latents: Tensor) -> Tensor:
    value: Tensor = head(latents)[:, 0]
    return value


def attribution_error(valence: Valence, test: Tensor, cue: str) -> Tensor:
    """Largest difference between integrated gradients and w * (z - z0), ``[S]``; z0: mean, and cue not shown."""
    errors = []
    for seed in range(valence.seeds):
        weight, bias = valence.linear(seed)
        head = nn.Linear(len(weight), 1)
        with torch.no_grad():
            head.weight.copy_(weight[None])
            head.bias.copy_(bias[None])
        subject = Subject(head.eval(), partial(_valued, head))
        z = test[code([cue]), seed, :ROWS].contiguous()
        change = (z - test[0, seed, :ROWS]).contiguous()
        mean = IntegratedGradients(baseline="mean")(subject, z)
        step = IntegratedGradients(baseline="zeros")(subject, change)
        worst = max(
            float((mean.attributions - weight * (z - z.mean(0))).abs().max()),
            float((step.attributions - weight * change).abs().max()),
        )
        errors.append(worst)
    return torch.tensor(errors)
