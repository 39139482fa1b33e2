"""conditioning: cues, contexts and outcomes in any schedule, as in experiments on animals.

**Description.** An episode is one trial. Its frames are the context alone; then ``rows`` steps at which cues may be
shown one after the other; then what follows them. What is shown together is added up. Every cue, context and outcome
has a look of its own: pixels drawn at random, a quarter of the frame, so that two looks share pixels and a learner must
find out what is what. Cues are brighter or darker from trial to trial. The value is read at ``cue``, the *decision*
moment, when the last cue is shown and what follows is not seen yet.

**Factors.** Each cue by its letter: how many steps before the outcome it is shown, 0 for not at all; ``outcome``: what
follows, as written in the schedule; ``context``, if there is more than one.
**Abstract concept.** ``reinforced``: an outcome follows.

**Constants**, which each training seed can have its own draw of: ``look_seed``.

**Training distribution.** Trials of one ``phase`` of the ``schedule``, as frequent as it says; the grammar is in
:mod:`imprint.models.worlds.conditioning.schedule`. :meth:`Conditioning.given` shows trials in their order instead.

**Senses**, for each need: ``<need>``, the units of its outcome that come in (at the last step); ``<need>_before`` and
``<need>_level``, the level of the need before and after the step, 1 when nothing is missing. An outcome of one unit
raises the level by ``intake``. **Body**: the deficit of each need before the trial, ``[n]``: what the phase says, or
else what ``needs`` says.

Frames are ``side`` x ``side`` pixels, 0 to the sum of what is shown, plus pixel noise. Rendering is drawn
independently: episodes are groups of their own and nothing has to be held out. Version 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.errors import unknown_name
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Body, Senses
from imprint.models.worlds.base import Batch, World
from imprint.models.worlds.conditioning.schedule import FOOD, Phase, Schedule, Trial, parse

SHARE = 0.25
"""Part of the frame that a look covers."""
DIM = 0.5
"""Brightness of a context."""
SPREAD = 0.2
"""A cue's brightness is drawn between 1 less this and 1 more."""
Level = Annotated[float, Field(ge=0.0, le=1e6)]


class Conditioning(World):
    """Trials of a schedule; the module docstring describes the world."""

    class Settings(FrozenSettings):
        schedule: str = "A+ 20, B- 20 | AB+ 20 | B?"
        """Phases of trials; see :mod:`imprint.models.worlds.conditioning.schedule`."""
        phase: int = Field(1, ge=1, le=100_000)
        """Phase from which trials are drawn, counted from 1."""
        rows: int = Field(2, ge=1, le=16)
        """Steps at which cues can be shown, one after the other."""
        needs: dict[str, Level] = Field(default_factory=lambda: {FOOD: 1.0})
        """Need -> deficit, where a phase does not say."""
        intake: float = Field(0.5, gt=0.0, le=1e6)
        """By how much one unit of an outcome raises the level of its need."""
        salience: dict[str, Level] = Field(default_factory=dict)
        """Cue -> brightness; 1 where it is not said."""
        look_seed: int = Field(0, ge=0, lt=2**63)
        """Seed of the looks."""
        side: int = Field(8, ge=4, le=64)
        """Pixels along one side of a frame."""
        pixel_noise: float = Field(0.1, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""

        @model_validator(mode="after")
        def _fits(self) -> Conditioning.Settings:
            plan = parse(self.schedule, self.needs)
            if plan.longest > self.rows:
                raise ValueError(
                    f"the schedule shows {plan.longest} cues one after the other, and rows is {self.rows}; raise rows"
                )
            if self.phase > len(plan.phases):
                raise ValueError(f"phase is {self.phase}, and the schedule has {len(plan.phases)}; name one of them")
            if not plan.cues:
                raise ValueError("no trial of the schedule shows a cue; name one by a capital letter, as in A+ 10")
            for cue in self.salience:
                if cue not in plan.cues:
                    raise unknown_name("cue in salience", cue, plan.cues, advice="It never occurs in the schedule.")
            return self

    settings: Settings
    decision = "cue"
    constants = ("look_seed",)

    def __init__(self, settings: Conditioning.Settings | None = None) -> None:
        super().__init__(settings)
        s = self.settings
        self.schedule: Schedule = parse(s.schedule, s.needs)
        self.steps = s.rows + 2
        """T, frames of a trial."""
        self.moments = {"before": 0, "cue": self.steps - 2, "outcome": self.steps - 1}
        self.factors = {cue: self._leads(cue) for cue in self.schedule.cues}
        self.factors["outcome"] = self.schedule.outcomes
        if len(self.schedule.contexts) > 1:
            self.factors["context"] = self.schedule.contexts
        kinds = {"cue": self.schedule.cues, "context": self.schedule.contexts, "outcome": tuple(s.needs)}
        self.looks = {(kind, name): self._look(kind, name) for kind, names in kinds.items() for name in names}
        """(``cue``, ``context`` or ``outcome``; name) -> pixels, ``[H, W]`` of 0 and 1."""

    def _leads(self, cue: str) -> tuple[int, ...]:
        """How long before the outcome a cue is shown anywhere in the schedule; 0: not at all."""
        return (0, *sorted({trial.leads[cue] for trial in self.schedule.trials if cue in trial.leads}))

    def _look(self, kind: str, name: str) -> Tensor:
        side = self.settings.side
        order = torch.randperm(side**2, generator=generator("look", self.settings.look_seed, kind, name))
        return (order < SHARE * side**2).float().reshape(side, side)

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """Other looks."""
        return {"look_seed": int(torch.randint(0, 2**31 - 1, (), generator=rng))}

    # -- trials --------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """The phase from which trials are drawn."""
        return self.schedule.phases[self.settings.phase - 1]

    def facts(self, trials: Sequence[Trial], contexts: Sequence[str]) -> pd.DataFrame:
        """Factors of these trials, each in its context. Raises for a cue or context that never occurs."""
        for cue in sorted({cue for trial in trials for cue in trial.leads}):
            if cue not in self.schedule.cues:
                raise unknown_name("cue", cue, self.schedule.cues, advice="It never occurs in the schedule.")
        rows = [{**dict.fromkeys(self.schedule.cues, 0), **trial.leads, "outcome": trial.follows} for trial in trials]
        for context in dict.fromkeys(contexts):
            if context not in self.schedule.contexts:
                raise unknown_name("context", context, self.schedule.contexts)
        table = pd.DataFrame(rows)
        return table.assign(context=list(contexts)) if "context" in self.factors else table

    def given(self, trials: Sequence[Trial], contexts: Sequence[str], *, rng: torch.Generator) -> Batch:
        """These trials in their order, one a row."""
        facts = self.facts(trials, contexts)
        return self.sample(len(facts), rng=rng, do={str(name): facts[name].to_numpy() for name in facts})

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """Trials of the phase, as frequent as it says."""
        trials, context = self.phase.trials, self.phase.context
        weight = torch.tensor([float(trial.count) for trial in trials])
        drawn = torch.multinomial(weight, n, replacement=True, generator=rng).tolist()
        return self.facts(trials, [context] * len(trials)).iloc[drawn].reset_index(drop=True)

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``reinforced``."""
        return concepts.assign(reinforced=concepts["outcome"] != "-")

    def set_reinforced(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Takes the outcome away, or gives the outcomes of the schedule in turn where there is none."""
        follows = factors["outcome"].to_numpy(dtype=object)
        some = np.asarray(self.schedule.outcomes[1:], dtype=object)[
            np.arange(len(follows)) % (len(self.factors["outcome"]) - 1)
        ]
        return factors.assign(outcome=np.where(value, np.where(follows == "-", some, follows), "-"))

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Brightness of every cue ``[n, cues]`` and pixel noise ``[n, T, 1, H, W]``."""
        side = self.settings.side
        light = 1 - SPREAD + 2 * SPREAD * torch.rand(n, len(self.schedule.cues), generator=rng)
        return {"light": light, "grain": torch.randn(n, self.steps, 1, side, side, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, T, 1, H, W]``."""
        n, side = len(concepts), self.settings.side
        frames = DIM * self._context(concepts)[:, None].repeat(1, self.steps, 1, 1)
        for k, cue in enumerate(self.schedule.cues):
            lead = torch.from_numpy(concepts[cue].to_numpy(dtype=np.int64).copy())
            bright = self.settings.salience.get(cue, 1.0) * noise["light"][:, k]
            shown = (torch.arange(self.steps) == self.steps - 1 - lead[:, None]) & (lead > 0)[:, None]
            frames += (shown * bright[:, None])[..., None, None] * self.looks["cue", cue]
        for need, units in self._units(concepts).items():
            frames[:, -1] += units[:, None, None] * self.looks["outcome", need]
        return frames.reshape(n, self.steps, 1, side, side) + self.settings.pixel_noise * noise["grain"]

    def _context(self, concepts: pd.DataFrame) -> Tensor:
        """Look of every trial's context, ``[n, H, W]``."""
        names = list(self.schedule.contexts)
        looks = torch.stack([self.looks["context", name] for name in names])
        if len(names) == 1:
            return looks.expand(len(concepts), -1, -1)
        return looks[torch.tensor([names.index(name) for name in concepts["context"].tolist()])]

    def _units(self, concepts: pd.DataFrame) -> dict[str, Tensor]:
        """Need -> units of its outcome in every trial, ``[n]``."""
        trials = {trial.follows: trial for trial in self.schedule.trials}
        follows = [trials.get(text, Trial(("",), text.count("+"))) for text in concepts["outcome"].tolist()]
        return {
            need: torch.tensor([float(t.size) if t.outcome == need else 0.0 for t in follows])
            for need in self.settings.needs
        }

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``<need>``, ``<need>_before`` and ``<need>_level`` for every need: ``[n, T]`` each."""
        units, missing = self._units(batch.concepts), self.body(batch)

        def came(need: str) -> Tensor:
            return units[need][:, None] * (torch.arange(self.steps) == self.steps - 1)

        known: dict[str, Callable[[str], Tensor]] = {
            "": came,
            "_before": lambda need: (1 - missing[need])[:, None].repeat(1, self.steps),
            "_level": lambda need: (1 - missing[need])[:, None] + self.settings.intake * came(need),
        }
        every = {need + end: (sense, need) for need in self.settings.needs for end, sense in known.items()}
        return Senses({name: sense(need) for name, (sense, need) in every.items() if names is None or name in names})

    def body(self, batch: Batch) -> Body:
        """The deficit of every need before the trial, ``[n]``, under the name of the need."""
        levels = {**self.settings.needs, **self.phase.needs}
        return Body({need: torch.full((len(batch),), level) for need, level in levels.items()})
