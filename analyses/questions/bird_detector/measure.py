"""An innate detector of looming shapes, and a learner beside it that comes to see danger where the detector is blind.

In the world ``loom`` a hardcoded detector (:mod:`imprint.models.steering.looming`) makes a newborn flee from what is
dark, overhead and grows. A learner is taught by prediction alone, and a value of its latents by the detector, ``LAG``
frames ahead. The animal flees when the detector fires, or when the value is above ``ALARM`` in any frame. In training
a shadow goes along with danger and comes before it; a cloud, which hides disc and not shadow, never occurs there.

    whole      detector or value
    innate     the detector alone: the learner is ablated
    learned    the value alone: the detector is lesioned

Arms: ``telling``, the shadow goes along with danger; ``idle``, it is as frequent without danger as with (control).

Letters: S seeds, n trials, T frames, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
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
from imprint.models.steering.looming import Looming
from imprint.models.worlds.base import Batch
from imprint.models.worlds.loom import Loom

LAG, ALARM, BATCH, PACE = 2, 0.5, 64, 4e-3
"""Frames ahead that the value predicts; value above which it makes flee; episodes of a learning step, its rate."""
TRIALS = 1200
ARMS = {"telling": {}, "idle": {"shadow_cue": 0.5, "shadow_else": 0.5}}
SENSES = {name: name for name in ("expansion", "darkness", "overhead")}
DETECTOR = Looming(Looming.Settings(name="escape", **SENSES))


def raise_animals(*, seeds: Sequence[int], arm: str, experiences: int, say: Say) -> pd.DataFrame:
    """Rows of age (newborn, grown), animal, measure, seed and value."""
    world = Loom(Loom.Settings(**ARMS[arm]))
    frame = frame_of(world)
    learners = [Conv.born(Conv.Settings(), frame, rng=birth(seed)) for seed in seeds]
    cohort = Cohort(learners, PACE)
    look = torch.no_grad()(cohort.call)
    blank = torch.stack([world.sample(1, rng=generator("blank")).observation for _ in seeds])
    value = Valence(Valence.Settings(signal="escape", lag=LAG), len(seeds), look(blank).shape[-1])
    rows = [*_examined(world, cohort, value, (arm, "newborn", seeds))]
    streams = [Experience(world, BATCH, seed) for seed in seeds]
    errors, every = [generator("steering", seed) for seed in seeds], torch.ones(len(seeds), dtype=torch.bool)
    for step in range(experiences // BATCH):
        batches = [stream.next() for stream in streams]
        latents = cohort.learn(torch.stack([batch.observation for batch in batches])).latents
        fled = [flight(world, batch, rng) for batch, rng in zip(batches, errors, strict=True)]
        value.update(latents, torch.stack(fled), every)
        say(step, experiences // BATCH, "learners grow up")
    if not bool(cohort.alive.all()):
        raise NotMeasurableError("a seed diverged: its parameters stopped being finite")
    return pd.DataFrame([*rows, *_examined(world, cohort, value, (arm, "grown", seeds))])


def flight(world: Loom, batch: Batch, rng: torch.Generator) -> Tensor:
    """What the detector makes of a batch: vigour ``[n, T]``."""
    return DETECTOR(world.senses(batch, DETECTOR.reads), world.body(batch), rng=rng)


def _examined(
    world: Loom, cohort: Cohort, value: Valence, about: tuple[str, str, Sequence[int]]
) -> list[dict[str, Any]]:
    arm, age, seeds = about
    rows: list[dict[str, Any]] = []
    shown = [trials(world, seed) for seed in seeds]
    for kind, batches in zip(("in view", "behind a cloud"), zip(*shown, strict=True), strict=True):
        with torch.no_grad():
            values = value.predict(cohort.call(torch.stack([batch.observation for batch in batches])))
        for seed, batch, guess in zip(seeds, batches, values, strict=True):
            sensed = flight(world, batch, generator("trial errors", kind, seed))
            for animal, measure, number in rates(batch.concepts, sensed, guess, kind):
                rows.append(
                    {"arm": arm, "age": age, "animal": animal, "measure": measure, "seed": seed, "value": number}
                )
    return rows


def trials(world: Loom, seed: int) -> tuple[Batch, Batch]:
    """Trials of the balanced design with the disc in view, and with it behind a cloud."""
    rng = generator("examination", seed)
    view, cloud = (world.sample(TRIALS, rng=rng, design="balanced", do={"cloud": hidden}) for hidden in (False, True))
    return view, cloud


def rates(facts: pd.DataFrame, sensed: Tensor, guess: Tensor, kind: str) -> list[tuple[str, str, float]]:
    """Animal, measure, number: how often each flees from what, with vigours and values ``[n, T]``.

    In view: ``hit`` (danger), ``false alarm`` (no danger), and the first frame of flight from danger with a shadow.
    Behind a cloud: ``shadow`` and ``no shadow``.
    """
    innate, learned = (sensed > 0).numpy(), (guess > ALARM).numpy()
    animals = {"whole": innate | learned, "innate": innate, "learned": learned}
    danger, shadow = (facts[name].to_numpy(dtype=bool) for name in ("danger", "shadow"))
    kinds = {"hit": danger, "false alarm": ~danger} if kind == "in view" else {"shadow": shadow, "no shadow": ~shadow}
    found = [(a, name, float(f[rows].any(1).mean())) for a, f in animals.items() for name, rows in kinds.items()]
    if kind == "in view":
        warned = danger & shadow
        for animal, flees in animals.items():
            first = np.where(flees.any(1), flees.argmax(1), flees.shape[1])[warned]
            found.append((animal, "first frame of flight", float(first.mean())))
    return found


def grade(*, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """How often and how vigorously the detector makes flee, by evidence in thresholds: frames of trials in view."""
    world, edges, frames = Loom(), [0, 0.5, 1, 1.5, 2.5, 99], []
    labels = ["0 to 0.5", "0.5 to 1", "1 to 1.5", "1.5 to 2.5", "above 2.5"]
    for place, seed in enumerate(seeds):
        batch, _ = trials(world, seed)
        senses = world.senses(batch, DETECTOR.reads)
        moment = DETECTOR.threat(senses) > 0
        evidence = DETECTOR.evidence(senses)[moment].numpy() / DETECTOR.settings.threshold
        vigour = flight(world, batch, generator("graded errors", seed))[moment].numpy()
        frame = pd.DataFrame({"evidence": pd.cut(evidence, edges, labels=labels), "flees": vigour > 0})
        frame["vigour"] = np.where(frame["flees"], vigour, np.nan)
        means = frame.groupby("evidence", observed=True)[["flees", "vigour"]].mean().reset_index()
        frames.append(means.astype({"evidence": str}).melt("evidence", var_name="measure").assign(seed=seed).dropna())
        say(place + 1, len(seeds), "the detector is tried")
    return pd.concat(frames, ignore_index=True)
