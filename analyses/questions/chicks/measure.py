"""Newborns that see one object and nothing else, are imprinted on it by a crude detector, and are given a choice.

Each training seed has its own object in the world ``rearing``. Five *learners* live through the same episodes:

    contrast, prediction               ``conv`` and ``recurrent``, taught by their own objectives
    contrast, prediction, untrained    the same networks as they were born
    pixels                             no network: each frame, averaged over 2 x 2 pixels

On each, an assessor ``imprinting`` reads along for every *detector* and *window*. Detectors are hardcoded:

    matter     something is lit                       (``detector``)
    motion     something moves                        (``detector``)
    head       head-like and moving at once           (``judge``: two senses against a standard)
    shuffled   the last, of another episode of the batch: nothing to be imprinted on (negative control)

A window opens at the first event and closes after so many (``brief``, ``long``), never (``always``), or is ``long``
and cannot open before the learner is half grown (``late``). Learners go on learning after a window closed.

Reared with a ``scrambled`` object, whose pixels change places, an animal can come to know its colours and nothing else.

In a trial, the own object and another one, both moving, are seen in independent views and at independent places, with
a crest on both or on none; each is valued by the mean over all frames but the first. ``nothing`` is an empty display.
``rival`` sets the own object, still and without a crest, against a moving crested one that has nothing in common.

Letters: S seeds, n trials, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.chicks.references import ANCHOR, CONDITIONS, STEEPNESS
from imprint.models.assessors.imprinting import Imprinting
from imprint.models.chance import birth, generator
from imprint.models.errors import NotMeasurableError
from imprint.models.learners.base import LEARNERS, Frame
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience, signals_of
from imprint.models.setup.learner import frame_of
from imprint.models.steering.base import Signal
from imprint.models.steering.detector import Detector
from imprint.models.steering.judge import Judge
from imprint.models.worlds.base import Batch
from imprint.models.worlds.rearing import COLOURS, SHAPES, Rearing

BATCH, RATE, TRIALS = 64, 4e-3, 256
MISS, ALARM = 0.1, 0.01
"""Errors of every detector, per step."""
BRIEF, LONG = 64, 1024
"""Events after which a window closes."""
LEARNERS_TAUGHT = {"contrast": "conv", "prediction": "recurrent"}
"""Name -> kind of the network."""
UNTRAINED = ", untrained"
DETECTORS = ("matter", "motion", "head", "shuffled")
WINDOWS = ("brief", "long", "always", "late")
CHANGES = {
    "1 colour": (1, 0, False),
    "1 shape": (0, 1, False),
    "1 colour and shape": (1, 1, False),
    "2 colours": (2, 0, False),
    "2 shapes": (0, 2, False),
    "2 colours and shapes": (2, 2, False),
    "exchanged": (0, 0, True),
}
"""Condition -> how many colours and shapes are new, and whether the shapes are exchanged between the faces.

One new colour and one new shape are on the same face.
"""


def detectors() -> list[Signal]:
    """The crude detectors."""
    errors = {"miss": MISS, "false_alarm": ALARM}
    return [
        Detector(Detector.Settings(name="something", sense="matter", **errors)),
        Detector(Detector.Settings(name="mover", sense="motion", **errors)),
        Judge(Judge.Settings(name="mother", standard={"head": 1.0, "motion": 1.0}, tolerance=0.3, floor=0.1, **errors)),
    ]


def pixels(observation: Tensor) -> Tensor:
    """Frames averaged over 2 x 2 pixels, flat: ``[S, n, T, 192]``."""
    pooled: Tensor = F.avg_pool2d(observation.flatten(0, 2), 2)
    return pooled.reshape(*observation.shape[:3], -1)


def windows(seeds: int, width: int, grown: int) -> dict[str, Imprinting]:
    """An assessor of every window; ``grown``: age in experiences before which ``late`` stays shut."""
    changes: dict[str, dict[str, int]] = {"brief": {"events": BRIEF}, "long": {"events": LONG}, "always": {}}
    changes["late"] = {"events": LONG, "opens_at": grown}
    made = {name: Imprinting.Settings(signal="detector", lag=0, **more) for name, more in changes.items()}
    return {name: Imprinting(settings, seeds * len(DETECTORS), width) for name, settings in made.items()}


class Nest:
    """The seeds of one batch of work, each in its own chamber, and all learners that live in them."""

    def __init__(self, seeds: Sequence[int], learners: Sequence[str], *, scrambled: bool, grown: int) -> None:
        self.seeds = seeds
        self.chambers = [chamber(seed) for seed in seeds]
        lived = [world.with_settings(scrambled=scrambled) for world in self.chambers]
        self.streams = [Experience(world, BATCH, seed) for world, seed in zip(lived, seeds, strict=True)]
        self.errors = [generator("steering", seed) for seed in seeds]
        self.signals = detectors()
        frame = frame_of(self.chambers[0])
        self.cohorts = {name: self._born(name, frame) for name in learners if name != "pixels"}
        self.look: dict[str, Callable[[Tensor], Tensor]] = {
            name: torch.no_grad()(cohort.call) for name, cohort in self.cohorts.items()
        }
        if "pixels" in learners:
            self.look["pixels"] = pixels
        blank = torch.zeros(len(seeds), 1, frame.steps, frame.channels, frame.height, frame.width)
        widths = {name: look(blank).shape[-1] for name, look in self.look.items()}
        self.imprints = {name: windows(len(seeds), width, grown) for name, width in widths.items()}

    def _born(self, name: str, frame: Frame) -> Cohort:
        cls = LEARNERS.load(LEARNERS_TAUGHT[name.removesuffix(UNTRAINED)])
        return Cohort([cls.born(cls.Settings(), frame, rng=birth(seed)) for seed in self.seeds], RATE)

    def live(self, age: int) -> None:
        """One batch of every seed's experience; ``age``: experiences before it."""
        batches = [stream.next() for stream in self.streams]
        observation = torch.stack([batch.observation for batch in batches])
        signal = torch.stack([self._felt(*each) for each in zip(self.chambers, batches, self.errors, strict=True)])
        for name, look in self.look.items():
            taught = name in LEARNERS_TAUGHT
            latents = self.cohorts[name].learn(observation).latents if taught else look(observation)
            self._imprint(name, latents, signal, age)

    def _felt(self, world: Rearing, batch: Batch, rng: torch.Generator) -> Tensor:
        """Signals ``[detectors, n, T]`` of one seed's batch."""
        felt = signals_of(self.signals, world, batch, rng)
        mother = felt["mother"]
        return torch.stack([felt["something"], felt["mover"], mother, mother.roll(1, 0)])

    def _imprint(self, name: str, latents: Tensor, signal: Tensor, age: int) -> None:
        each, signal = latents.repeat_interleave(len(DETECTORS), 0), signal.flatten(0, 1)
        for assessor in self.imprints[name].values():
            most = assessor.settings.events
            over = most is not None and bool((assessor.events >= most).all())
            if assessor.settings.open(age) and not over:
                assessor.update(each, signal, torch.ones(len(each), dtype=torch.bool))

    def values(self, name: str, latents: Tensor) -> dict[str, Tensor]:
        """Window -> value ``[S, detectors, n]`` of latents ``[S, n, T, D]``: the mean over all frames but the first."""
        each = latents[:, :, 1:].repeat_interleave(len(DETECTORS), 0)
        shape = (len(self.seeds), len(DETECTORS), -1)
        return {window: a.predict(each).mean(2).reshape(shape) for window, a in self.imprints[name].items()}


def chamber(seed: int) -> Rearing:
    """The world of a training seed, in which only the object is its own."""
    constants = Rearing.draw_constants(Rearing.Settings(), generator("chamber", seed))
    return Rearing(Rearing.Settings(**constants))


def features(world: Rearing, condition: str, n: int, rng: torch.Generator) -> dict[str, np.ndarray]:
    """Factors of ``n`` other objects, changed as ``condition`` says; new colours and shapes are drawn at random."""
    colours, shapes, exchanged = CHANGES[condition]
    face = torch.randint(0, 2, (n,), generator=rng).numpy()
    both = {}
    kinds = (("colour", COLOURS, world.settings.colours, colours), ("shape", SHAPES, world.settings.shapes, shapes))
    for kind, every, own, count in kinds:
        others = np.array([value for value in every if value not in own])
        new = others[torch.rand(n, len(others), generator=rng).argsort(1)[:, :2].numpy()]
        for side, name in enumerate(("front", "back")):
            kept = own[1 - side] if kind == "shape" and exchanged else own[side]
            changed = (face == side) & (count == 1) | np.full(n, count == 2)
            both[f"{kind}_{name}"] = np.where(changed, new[:, side], kept)
    return both


def trials(world: Rearing, seed: int) -> dict[str, Batch]:
    """What is seen on the displays, :data:`TRIALS` episodes each: the own object, and what it is compared with."""
    rng = generator("trials", seed)
    crest = np.arange(TRIALS) % 2 == 0
    moving: dict[str, Any] = {"shown": True, "moves": True, "crest": crest}
    shown = {name: features(world, name, TRIALS, rng) | moving for name in CONDITIONS}
    shown |= {"own": world.own | moving, "nothing": world.own | moving | {"shown": False}}
    shown["own, at rest"] = world.own | moving | {"moves": False, "crest": False}
    shown["rival"] = features(world, ANCHOR, TRIALS, rng) | moving | {"crest": True}
    return {name: world.sample(TRIALS, rng=rng, design="balanced", do=do) for name, do in shown.items()}


def measure(*, seeds: Sequence[int], batches: int, learners: Sequence[str], rearing: str, say: Say) -> pd.DataFrame:
    """A row per learner, detector, window, condition and seed.

    Columns: mean ``difference`` in value, how often the own object is valued more (``share``), and the ``p<k>``,
    the preference at every steepness. Of learner ``innate`` only the share, by the detectors themselves.
    """
    nest = Nest(seeds, learners, scrambled=rearing == "scrambled", grown=batches * BATCH // 2)
    for step in range(batches):
        nest.live(step * BATCH)
        say(step, batches, "newborns grow up")
    for name, cohort in nest.cohorts.items():
        if not bool(cohort.alive.all()):
            raise NotMeasurableError(f"{name}: a seed of {list(seeds)} diverged")
    shown = [trials(world, seed) for world, seed in zip(nest.chambers, seeds, strict=True)]
    seen = {name: torch.stack([each[name].observation for each in shown]) for name in shown[0]}
    rows: list[dict[str, Any]] = []
    for learner, look in nest.look.items():
        values = {name: nest.values(learner, look(observation)) for name, observation in seen.items()}
        for window in WINDOWS:
            for condition in (*CONDITIONS, "nothing", "rival"):
                own = values["own, at rest" if condition == "rival" else "own"][window]
                about = {"rearing": rearing, "learner": learner, "window": window, "condition": condition}
                rows += _rows(about, own - values[condition][window], seeds)
    return pd.DataFrame([*rows, *_innate(nest, shown, rearing)])


def _rows(about: Mapping[str, Any], difference: Tensor, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Rows from differences ``[S, detectors, n]``."""
    curves = torch.sigmoid(difference[..., None] * torch.from_numpy(STEEPNESS).float()).mean(2)
    share = ((difference > 0).float() + 0.5 * (difference == 0)).mean(2)
    return [
        {
            **about,
            "detector": detector,
            "seed": seed,
            "difference": float(difference[s, d].mean()),
            "share": float(share[s, d]),
            **{f"p{k}": value for k, value in enumerate(curves[s, d].tolist())},
        }
        for s, seed in enumerate(seeds)
        for d, detector in enumerate(DETECTORS)
    ]


def _innate(nest: Nest, shown: Sequence[Mapping[str, Batch]], rearing: str) -> list[dict[str, Any]]:
    """How often the detectors alone fire longer at the own object at rest than at the rival."""
    rows = []
    for seed, world, each in zip(nest.seeds, nest.chambers, shown, strict=True):
        rng = generator("innate", seed)
        felt = {name: signals_of(nest.signals, world, each[name], rng) for name in ("own, at rest", "rival")}
        for detector, name in zip(DETECTORS[:3], ("something", "mover", "mother"), strict=True):
            difference = (felt["own, at rest"][name] - felt["rival"][name])[:, 1:].mean(1)
            share = float(((difference > 0).float() + 0.5 * (difference == 0)).mean())
            about = {"rearing": rearing, "learner": "innate", "window": "none", "condition": "rival"}
            rows.append({**about, "detector": detector, "seed": seed, "share": share})
    return rows
