"""What is left of the avoidance of a danger that is known to be there and not seen, after many harmless encounters.

The nursery's caregiver plays the danger. An innate template of her fires while she is in view (``template``, g); behind
the screen she is believed, not seen. Learners are trained by prediction alone, each in a world of its own, and frozen.
On their latents z two linear assessors learn by the three-factor rule:

    belief  p(z)   what g will say one step later; while nobody is in view nothing is said, and p's own later output is
                   its target (defer mode of the long-term predictor, :mod:`imprint.models.assessors.long_term`)
    value   v(z)   the reward of its arm, of the same step

    downstream     r = -g                       only the value generalises from seen to unseen
    upstream       r = -max(g, p(z))            the reward itself generalises (no gradient into z)
    window shut    upstream, and p learns nothing after attachment: what drifts then is not p
    shuffled       upstream, signals dealt out to other episodes: there is nothing to avoid (negative control)

*Attachment*: p is taught through an ordinary life, v through a life in which nobody hides. Then come *exposures*: the
danger goes behind the screen and is there, unseen; beside each one there is one episode of every other kind (stranger
hidden, danger in view, stranger in view). p and v learn from all of them.

Measured on handwriting that trained nobody, as differences between twin episodes in which only who came differs:

    avoidance      v(stranger) - v(danger): unseen (behind the screen, at the decision moment), or seen (in front of it)
    belief         p(danger) - p(stranger), unseen or removed; the change of the first is the drift
    removed        avoidance when a stranger has stepped out where the danger went in: the belief is false
    withdrawal     part of the episodes with v below half of the punishment, danger less stranger, unseen

Bases: latents ``as learned``; of ``newborn`` learners; ``planted`` ones of which most numbers say that the danger is
there, seen or not, and one that it is seen: there upstream must keep what downstream loses.

Letters: A arms, S seeds, n episodes, T frames, D latent width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.long_term import LongTerm
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.belief import Belief
from imprint.models.worlds.base import Batch, World

ARMS = ("upstream", "downstream", "window shut", "shuffled")
KINDS = ((True, True), (True, False), (False, True), (False, False))
"""Hidden, danger: kinds of episodes; the first is an exposure."""
LIFE, TEST, BATCH, COPIES = 3000, 300, 64, 9
RATE, STEADY, CHUNKS, WITHDRAWS = 1.0, 0.9999, 50, -0.5
SENSED = Belief(Belief.Settings(name="felt", reading="danger", sense="template", weight=-1.0))
"""The reward upstream, given a reading of the belief; downstream the reading is 0."""
FRAMES = {"unseen": 3, "seen": 3, "removed": 4}
"""Frame at which each pair of twins is looked at; in the last somebody has just stepped out."""
COUNTS = (0, 10, 30, 100, 300, 1000)


class Rows(NamedTuple):
    """Episodes of S seeds."""

    latents: Tensor
    """``[S, n, T, D]``."""
    company: Tensor
    """``[S, n, T]``: 1 while anybody is in view; then ground truth overrides the belief."""
    template: Tensor
    """``[S, n, T]``: 1 while the danger is in view."""

    def of(self, index: Tensor) -> Rows:
        """The episodes ``index`` ``[S, b]`` of each seed."""
        seed = torch.arange(len(index))[:, None]
        return Rows(*(part[seed, index] for part in self))


class Twins(NamedTuple):
    """Latents ``[S, n, D]`` of episodes with the danger, and of their twins with a stranger."""

    danger: Tensor
    stranger: Tensor


class Trials(NamedTuple):
    """All that the rule is run on, in one basis."""

    seen: Rows
    """A life in which nobody hides."""
    life: Rows
    """Ordinary life."""
    kinds: list[list[Tensor]]
    """Kind of episode -> seed -> indices of such episodes of ``life``."""
    twins: dict[str, Twins]
    """``unseen``, ``seen`` and ``removed``."""


def measure(
    *, setup: Mapping[str, Any], seeds: Sequence[int], updates: int, bases: Sequence[str], say: Say
) -> pd.DataFrame:
    """Rows of basis, arm, exposures, measure, seed and value; ``updates``: steps of the rule before any exposure.

    ``bases``: ``newborn`` alone, or ``as learned`` and, if asked for, ``planted``.
    """
    plan = load_setup(setup, expect=Setup)
    worlds = [plan.make_world(plan.schedule.world_of(seed)) for seed in seeds]
    cohort = trained(plan, worlds, seeds, experiences=0 if "newborn" in bases else plan.schedule.experiences, say=say)
    shown = trials(cohort, worlds, seeds)
    rows: list[dict[str, Any]] = []
    for done, basis in enumerate(bases):
        say(done, len(bases), f"exposures, {basis}")
        each = planted(shown) if basis == "planted" else shown
        rows += [{"basis": basis, **row} for row in exposed(each, seeds, updates=updates)]
    return pd.DataFrame(rows)


def trained(plan: Setup, worlds: Sequence[World], seeds: Sequence[int], *, experiences: int, say: Say) -> Cohort:
    """Learners after their experiences, trained by their own objective without any reward."""
    learners = [plan.make_learner(frame_of(worlds[0]), rng=birth(seed)) for seed in seeds]
    cohort = Cohort(learners, plan.schedule.learning_rate)
    streams = [Experience(world, plan.schedule.batch, seed) for world, seed in zip(worlds, seeds, strict=True)]
    for age in range(0, experiences, plan.schedule.batch):
        loss = cohort.learn(torch.stack([stream.next().observation for stream in streams])).loss
        say(age, experiences, f"training learners, loss {float(loss.mean()):.4f}")
    return cohort


def trials(cohort: Cohort, worlds: Sequence[World], seeds: Sequence[int]) -> Trials:
    """Latents, signals and twins of every seed in its own world."""
    streams = [generator("belief-reward", seed) for seed in seeds]
    pairs = list(zip(worlds, streams, strict=True))
    seen = [world.sample(LIFE, rng=rng, do={"hidden": False}) for world, rng in pairs]
    life = [world.sample(LIFE, rng=rng) for world, rng in pairs]
    twins = [_twins(world.held_out(), rng) for world, rng in pairs]
    kinds = [[_of_kind(batch, hidden, danger) for batch in life] for hidden, danger in KINDS]
    return Trials(
        _rows(cohort, worlds, seen),
        _rows(cohort, worlds, life),
        kinds,
        {
            name: Twins(*(latents(cohort, [pair[name][i] for pair in twins])[:, :, frame] for i in (0, 1)))
            for name, frame in FRAMES.items()
        },
    )


@torch.no_grad()
def latents(cohort: Cohort, batches: Sequence[Batch]) -> Tensor:
    """Latents ``[S, n, T, D]`` of a batch for each seed."""
    observation = torch.stack([batch.observation for batch in batches])
    parts = [cohort.call(chunk) for chunk in observation.split(250, dim=1)]
    return torch.cat(parts, 1)


def _rows(cohort: Cohort, worlds: Sequence[World], batches: Sequence[Batch]) -> Rows:
    names = ("company", "template")
    senses = [world.senses(batch, names) for world, batch in zip(worlds, batches, strict=True)]
    return Rows(latents(cohort, batches), *(torch.stack([each[name] for each in senses]) for name in names))


def _of_kind(batch: Batch, hidden: bool, danger: bool) -> Tensor:
    fits = (batch.concepts["hidden"] == hidden) & (batch.concepts["caregiver"] == danger)
    return torch.from_numpy(np.flatnonzero(fits.to_numpy()))


def _twins(world: World, rng: torch.Generator) -> dict[str, tuple[Batch, Batch]]:
    """Pairs of batches that differ only in who came."""
    there = {
        "unseen": world.sample(TEST, rng=rng, design="balanced", do={"hidden": True, "caregiver": True}),
        "seen": world.sample(TEST, rng=rng, design="balanced", do={"hidden": False, "caregiver": True}),
    }
    there["removed"] = world.counterfactual(there["unseen"], "same_again", False)
    return {name: (batch, world.counterfactual(batch, "caregiver", False)) for name, batch in there.items()}


def planted(shown: Trials) -> Trials:
    """Latents that say, in :data:`COPIES` numbers, that the danger is there, seen or not, and whether it is seen."""

    def code(known: Tensor, sight: Tensor) -> Tensor:
        return torch.stack([*[known] * COPIES, sight, known * sight], -1)

    def rows(rows: Rows) -> Rows:
        known = torch.where(rows.company > 0, rows.template, rows.template[:, :, :1])
        return rows._replace(latents=code(known, rows.company))

    def point(known: float, sight: float) -> Tensor:
        return code(torch.tensor(known), torch.tensor(sight)).expand(len(shown.life.company), TEST, -1)

    twins = {"unseen": Twins(point(1.0, 0.0), point(0.0, 0.0)), "seen": Twins(point(1.0, 1.0), point(0.0, 1.0))}
    twins["removed"] = Twins(point(0.0, 1.0), point(0.0, 1.0))
    return Trials(rows(shown.seen), rows(shown.life), shown.kinds, twins)


class Assessors:
    """Belief and value of A arms of S seeds, which learn side by side from the same episodes."""

    def __init__(self, life: Rows) -> None:
        self.seeds, width = life.latents.shape[0], life.latents.shape[-1]
        settings: dict[str, Any] = {"rate": RATE, "memory": STEADY}
        count = len(ARMS) * self.seeds
        self.belief = LongTerm(LongTerm.Settings(signal="template", lag=1, **settings), count, width)
        self.value = Valence(Valence.Settings(signal="felt", lag=0, **settings), count, width)
        every = torch.ones(count, dtype=torch.bool)
        for chunk in self._each(life.latents).chunk(CHUNKS, dim=1):  # moments of a life, before anything is taught
            nothing = torch.zeros(chunk.shape[:3])
            self.belief.update(chunk, nothing, every, nothing.bool())
            self.value.update(chunk, nothing, every)
        self.upstream = self._gate(lambda arm: arm != "downstream")

    def _gate(self, holds: Callable[[str], bool]) -> Tensor:
        return torch.tensor([holds(arm) for arm in ARMS]).repeat_interleave(self.seeds)

    def _each(self, values: Tensor) -> Tensor:
        """``[S, ...]`` for every arm, ``[A S, ...]``."""
        return values.repeat(len(ARMS), *(1,) * (values.ndim - 1))

    def _felt(self, rows: Rows, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, company and template for every arm, ``[A S, b, T]``; the last arm's are dealt out."""
        x, company, template = (self._each(part) for part in rows)
        deal, seed = torch.rand(rows.company.shape[:2], generator=rng).argsort(1), torch.arange(self.seeds)[:, None]
        company[-self.seeds :], template[-self.seeds :] = rows.company[seed, deal], rows.template[seed, deal]
        return x, company, template

    def teach_belief(self, rows: Rows, *, attaching: bool, rng: torch.Generator) -> None:
        """One step on the same episodes ``[S, b]`` for every arm; a shut window only while attaching."""
        x, company, template = self._felt(rows, rng)
        self.belief.update(x, template, self._gate(lambda arm: attaching or arm != "window shut"), company > 0)

    def teach_value(self, rows: Rows, *, rng: torch.Generator) -> None:
        """One step on the same episodes ``[S, b]`` for every arm."""
        x, _, template = self._felt(rows, rng)
        reading = self.belief.predict(x) * self.upstream[:, None, None]
        felt = Senses({"danger": reading.flatten(0, 1), "template": template.flatten(0, 1)})
        reward = SENSED(felt, Body({}), rng=rng).view_as(template)
        self.value.update(x, reward, torch.ones(len(x), dtype=torch.bool))

    def look(self, twins: Mapping[str, Twins]) -> dict[str, Tensor]:
        """Every measure, ``[A, S]``."""

        def of(assessor: LongTerm | Valence, z: Tensor) -> Tensor:
            return assessor.predict(self._each(z)[:, :, None])[:, :, 0]

        values = {name: [of(self.value, z) for z in pair] for name, pair in twins.items()}
        beliefs = {name: [of(self.belief, z) for z in twins[name]] for name in ("unseen", "removed")}
        measures = {f"avoidance, {name}": (other - danger).mean(1) for name, (danger, other) in values.items()}
        measures |= {f"belief, {name}": (danger - other).mean(1) for name, (danger, other) in beliefs.items()}
        withdraws = [(value < WITHDRAWS).float().mean(1) for value in values["unseen"]]
        measures["withdrawal, unseen"] = withdraws[0] - withdraws[1]
        return {name: value.view(len(ARMS), self.seeds) for name, value in measures.items()}


def exposed(shown: Trials, seeds: Sequence[int], *, updates: int) -> list[dict[str, Any]]:
    """Attachment, then exposures; every measure at :data:`COUNTS`."""
    assessors, rng, count = Assessors(shown.life), generator("exposures", *seeds), len(seeds)
    for _ in range(updates):
        assessors.teach_belief(shown.life.of(_any(count, rng)), attaching=True, rng=rng)
    for _ in range(updates):
        assessors.teach_value(shown.seen.of(_any(count, rng)), rng=rng)
    rows: list[dict[str, Any]] = []
    for exposures in range(COUNTS[-1] + 1):
        if exposures in COUNTS:
            rows += [
                {"arm": arm, "exposures": exposures, "measure": name, "seed": seed, "value": float(value)}
                for name, values in assessors.look(shown.twins).items()
                for arm, of_seeds in zip(ARMS, values, strict=True)
                for seed, value in zip(seeds, of_seeds, strict=True)
            ]
        index = [torch.stack([one[exposures % len(one)] for one in kind]) for kind in shown.kinds]
        lived = shown.life.of(torch.stack(index, 1))
        assessors.teach_value(lived, rng=rng)
        assessors.teach_belief(lived, attaching=False, rng=rng)
    return rows


def _any(seeds: int, rng: torch.Generator) -> Tensor:
    return torch.randint(0, LIFE, (seeds, BATCH), generator=rng)
