"""Acts of newborns whose cause is known by construction, the experiments that are done on them, and rules that name it.

A *claim* is a report that newborns of some species do something at the sight (or sound) of a pattern A, more than at a
comparison. Its cause is planted:

    artefact   nothing of that kind: A is merely more salient than the comparison (arousal), or the scorer, who knows
               what is shown, sees what is expected
    learned    A went along with comfort before birth or on the first day, and the learning subsystem learned it
    steering   a hardcoded detector of A in the steering subsystem drives the act
    wired      the learning subsystem is born with weights that respond to A

Every newborn has a learning subsystem of its own: random tanh units, and an assessor ``valence`` that learns in the
womb and on the first day, by the three-factor rule, which patterns go along with comfort. A, the comparison and B are
met as often as each other; the comparison and B (and A, unless it was learned) never with comfort, another pattern
always. What was learned is met on the first day alone, or before birth alone, so that nothing extinguishes it. A
newborn acts at a trial with probability

    logistic( base + vigour (salience + strength (detector + value)) )

What makes attribution hard: half of the acts that were learned are carried out by the steering subsystem, so that they
go when it is lesioned; half of the species are frail, their vigour suffers from a silent womb; every surgery costs
vigour; acts differ in strength and newborns in base rate; a silent womb does nothing to what is learned after birth.

Experiments, each on newborns of its own:

    report       as the claim was made: scored by somebody who knows, against a less salient comparison
    blind        scored blindly, against a comparison of the same salience, as are all that follow
    swapped      reared with A and B exchanged
    silent       nothing of A in the womb; the first day as usual
    sham         surgery without a lesion
    no steering  the steering subsystem lesioned;  no learner: the learning subsystem

Rules that name a cause see numbers of acts and nothing else. ``tree`` asks in the order of the source: is the act real
(``blind``)? if so, does it follow what was experienced (``swapped``)? if not, which lesion takes more of it? The others
leave something out:

    naive           what is seen at birth is wired
    not blind       takes the report for real
    silent womb     calls learned what a silent womb halves
    no rearing      never asks what was experienced: what goes with the learner is wired
    no lesions      calls wired what is real and was not learned
    lesions first   asks for lesions before experience, and for experience only of what goes with the learner

Letters: C claims, G experiments, N newborns of each, I = C G N, D units, P patterns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.valence import Valence
from imprint.models.chance import generator

CAUSES = ("artefact", "learned", "steering", "wired")
GROUPS = ("report", "blind", "swapped", "silent", "sham", "no steering", "no learner")
TESTED = ("A", "comparison", "B")
PATTERNS = 6
"""A, comparison, B, and three more; the first of these goes along with comfort, the last is met in place of an A."""
INPUTS, UNITS, NOISE = 10, 32, 0.3
"""Size of a pattern, random units of a learner, and standard deviation of a pattern from one occasion to the next."""
LESSONS, MEETINGS, RATE = 40, 12, 1.5
"""Learning steps before birth and on the first day together, patterns met in each, and the rate of the rule."""
BASE, SALIENCE, SEES = -1.0, 1.0, 0.3
"""Log odds of an act at nothing; what a more salient stimulus adds; P(a scorer who knows sees an act that was none)."""
STRENGTH = (1.0, 3.0)
FRAIL, SURGERY = 0.3, (0.5, 1.0)
"""Vigour of the frail after a silent womb, and range of that after surgery."""
SHOWN = 0.01
"""One-sided level at which an act counts as real."""
Counts = Mapping[tuple[str, str], NDArray[np.float64]]
"""Experiment and pattern -> share of trials with an act, ``[C, N]``."""


class Claims(NamedTuple):
    """What is planted, each ``[C]``."""

    cause: Tensor
    """Index into :data:`CAUSES`."""
    kind: Tensor
    """Whether an artefact is the scorer's (not arousal); whether what was learned was learned on the first day."""
    carried: Tensor
    """Whether a learned act is carried out by the steering subsystem."""
    frail: Tensor
    strength: Tensor

    def of(self, cause: str) -> Tensor:
        """Which claims have this cause, bool ``[C]``."""
        return self.cause == CAUSES.index(cause)


def planted(count: int, strength: tuple[float, float], rng: torch.Generator) -> Claims:
    """``count`` claims, as many of each cause."""
    kind, carried, frail = (torch.rand(3, count, generator=rng) < 0.5).unbind(0)
    low, high = strength
    size = low + (high - low) * torch.rand(count, generator=rng)
    return Claims(torch.arange(count) % len(CAUSES), kind, carried, frail, size)


class Newborns:
    """All newborns of all claims and experiments, ``[C, G, N]`` flat, and what they have learned."""

    def __init__(self, claims: Claims, each: int, rng: torch.Generator) -> None:
        self.claims, self.shape = claims, (len(claims.cause), len(GROUPS), each)
        patterns = torch.randn(self.shape[0], PATTERNS, INPUTS, generator=rng)
        self.patterns = self._spread(patterns[:, None, None].expand(*self.shape, -1, -1))
        individuals = len(self.patterns)
        self.weight = torch.randn(individuals, INPUTS, UNITS, generator=rng) / INPUTS**0.5
        self.valence = Valence(Valence.Settings(signal="comfort", lag=0, rate=RATE), individuals, UNITS)
        self._grow(rng)

    @staticmethod
    def _spread(values: Tensor) -> Tensor:
        return values.flatten(0, 2)

    def _each(self, values: Tensor) -> Tensor:
        """A number of each claim ``[C]`` for each of its newborns ``[I]``."""
        return self._spread(values[:, None, None].expand(self.shape))

    def _within(self, *groups: str) -> Tensor:
        """Which newborns are in these experiments, bool ``[I]``."""
        chosen = torch.tensor([group in groups for group in GROUPS])
        return self._spread(chosen[None, :, None].expand(self.shape))

    def units(self, patterns: Tensor) -> Tensor:
        """Activations ``[I, n, D]`` at patterns ``[I, n, INPUTS]``."""
        return torch.tanh(torch.einsum("ink,ikd->ind", patterns, self.weight))

    def _grow(self, rng: torch.Generator) -> None:
        """Life before birth, and then the first day: half of all lessons each."""
        learned, late = self._each(self.claims.of("learned")), self._each(self.claims.kind)
        everyone = torch.ones(len(self.patterns), dtype=torch.bool)
        swapped = self._within("swapped")[:, None]
        for lesson in range(LESSONS):
            born = lesson >= LESSONS // 2
            there = (~learned | (late == born)) & ~(self._within("silent") & (not born))
            met = torch.randint(0, PATTERNS, (len(everyone), MEETINGS), generator=rng)
            met = torch.where((met == 0) & ~there[:, None], PATTERNS - 1, met)
            comfort = ((met == 3) | ((met == 0) & learned[:, None])).float()[..., None]
            met = torch.where(swapped & (met == 0), 2, torch.where(swapped & (met == 2), 0, met))
            seen = self.patterns.gather(1, met[..., None].expand(-1, -1, INPUTS))
            seen = seen + NOISE * torch.randn(seen.shape, generator=rng)
            self.valence.update(self.units(seen)[:, :, None], comfort, everyone)

    def wired(self, units: Tensor) -> Tensor:
        """What a learner says of activations ``[I, n, D]`` that is born to tell A (1) from the comparison and B (0)."""
        a, *others = self.units(self.patterns[:, :3]).unbind(1)
        other = torch.stack(others).mean(0)
        along = a - other
        return torch.einsum("ind,id->in", units - other[:, None], along) / along.square().sum(1, keepdim=True)

    def drive(self, seen: Tensor) -> Tensor:
        """What the two subsystems make of patterns ``[I, n, INPUTS]``, after lesions: ``[I, n]``."""
        claims, units = self.claims, self.units(seen)
        value = self.valence.predict(units[:, :, None])[..., 0]
        value = torch.where(self._each(claims.of("wired"))[:, None], value + self.wired(units), value)
        carried = self._each(claims.of("learned") & claims.carried)
        value = torch.where((carried & self._within("no steering"))[:, None], 0.0, value)
        value = torch.where(self._within("no learner")[:, None], 0.0, value.clamp(0.0, 1.0))
        a = self.patterns[:, :1]
        fits = torch.cosine_similarity(seen, a.expand_as(seen), dim=2) > 0.7
        has = self._each(claims.of("steering")) & ~self._within("no steering")
        return value + (fits & has[:, None]).float()

    def acts(self, trials: int, rng: torch.Generator) -> Counts:
        """Share of ``trials`` with an act, as scored, at each pattern in each experiment."""
        claims, counts = self.claims, dict[tuple[str, str], NDArray[np.float64]]()
        vigour = self.vigour(rng)
        base = BASE + 0.5 * torch.randn(len(vigour), 1, generator=rng)
        aroused = self._each(claims.of("artefact") & ~claims.kind) & self._within("report")
        biased = self._each(claims.of("artefact") & claims.kind) & self._within("report")
        for p, name in enumerate(TESTED):
            seen = self.patterns[:, p, None] + NOISE * torch.randn(len(vigour), trials, INPUTS, generator=rng)
            salience = SALIENCE * (aroused & (name == "A"))[:, None]
            strength = self._each(claims.strength)[:, None]
            odds = base + vigour[:, None] * (salience + strength * self.drive(seen))
            acted = torch.rand(odds.shape, generator=rng) < torch.sigmoid(odds)
            thought = torch.rand(odds.shape, generator=rng) < SEES
            scored = acted | (thought & (biased & (name == "A"))[:, None])
            shares = scored.double().mean(1).reshape(self.shape).numpy()
            counts |= {(group, name): shares[:, g] for g, group in enumerate(GROUPS)}
        return counts

    def vigour(self, rng: torch.Generator) -> Tensor:
        """What is left of an act's strength after a silent womb and after surgery, ``[I]``."""
        low, high = SURGERY
        cost = low + (high - low) * torch.rand(self.shape[:2], generator=rng)
        cost = self._spread(cost[..., None].expand(self.shape))
        operated = self._within("sham", "no steering", "no learner")
        weakened = self._each(self.claims.frail) & self._within("silent")
        return torch.where(operated, cost, 1.0) * torch.where(weakened, FRAIL, 1.0)


# -- rules -------------------------------------------------------------------------------------------------------------


def shown(counts: Counts, group: str) -> NDArray[np.bool_]:
    """Whether the act is shown in an experiment, ``[C]``: one-sided t test over newborns at :data:`SHOWN`."""
    difference = counts[group, "A"] - counts[group, "comparison"]
    n = difference.shape[1]
    error = np.maximum(difference.std(1, ddof=1), 1e-9) / np.sqrt(n)
    return np.asarray(difference.mean(1) / error > stats.t.ppf(1 - SHOWN, n - 1))


def size(counts: Counts, group: str, pattern: str = "A") -> NDArray[np.float64]:
    """Mean excess of acts at a pattern over those at the comparison, ``[C]``."""
    return np.asarray((counts[group, pattern] - counts[group, "comparison"]).mean(1))


def attributed(counts: Counts) -> dict[str, NDArray[np.str_]]:
    """Rule -> cause that it names, ``[C]``."""
    reported, real = shown(counts, "report"), shown(counts, "blind")
    follows = size(counts, "swapped", "B") > size(counts, "swapped")
    halved = size(counts, "silent") < size(counts, "blind") / 2
    steered = size(counts, "no steering") < size(counts, "no learner")
    innate = np.where(steered, "steering", "wired")
    rules = {
        "tree": np.where(real, np.where(follows, "learned", innate), "artefact"),
        "naive": np.where(reported, "wired", "artefact"),
        "not blind": np.where(reported, np.where(follows, "learned", innate), "artefact"),
        "silent womb": np.where(real, np.where(halved, "learned", innate), "artefact"),
        "no rearing": np.where(real, innate, "artefact"),
        "no lesions": np.where(real, np.where(follows, "learned", "wired"), "artefact"),
        "lesions first": np.where(
            real, np.where(steered, "steering", np.where(follows, "learned", "wired")), "artefact"
        ),
    }
    return {name: np.asarray(named, dtype=np.str_) for name, named in rules.items()}


RULES = ("tree", "naive", "not blind", "silent womb", "no rearing", "no lesions", "lesions first")
ARMS: Mapping[str, tuple[tuple[float, float], int, int]] = {
    "main": (STRENGTH, 1, 1),
    "no act": ((0.0, 0.0), 1, 1),
    "ample": (STRENGTH, 2, 3),
}
"""Arm -> range of strengths, and by how much newborns and trials are multiplied."""


def measure(*, seed: int, claims: int, newborns: int, trials: int, say: Say) -> pd.DataFrame:
    """A row per arm and claim: ``cause``, ``strength`` and what each rule says; ``seed`` numbers the set of claims.

    Without an act (arm ``no act``) every claim is an artefact. ``ample``: twice the newborns, three times the trials.
    """
    tables = []
    for step, (arm, (strength, more, longer)) in enumerate(ARMS.items()):
        say(step, len(ARMS), "claims are examined")
        rng = generator("newborn", seed, arm)
        made = planted(claims, strength, rng)
        group = Newborns(made, newborns * more, rng)
        named = attributed(group.acts(trials * longer, rng))
        causes = ["artefact" if arm == "no act" else CAUSES[cause] for cause in made.cause.tolist()]
        about = {"arm": arm, "seed": seed, "claim": range(claims), "cause": causes, "strength": made.strength.tolist()}
        tables.append(pd.DataFrame({**about, **named}))
    return pd.concat(tables, ignore_index=True)
