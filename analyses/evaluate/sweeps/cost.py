"""What a sweep will take, from a few steps of its lives that are timed and thrown away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imprint.analyses.engine import available_cores
from imprint.analyses.evaluate.learners.exam import rows_of_exam
from imprint.analyses.evaluate.run import TrainedSetup
from imprint.analyses.evaluate.sweeps.plan import Plan, groups_of_seeds
from imprint.models.lifetimes.learner import BATCHES
from imprint.models.lifetimes.lifetime import Lifetime
from imprint.models.lifetimes.shared import SharedLifetime
from imprint.models.memory import within_memory
from imprint.models.progress import duration
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder

STEPS = BATCHES
"""Steps of a life that are timed, after one that is not: one draw of the world is among them."""
TIMED = 6
"""Upbringings or runs of which lives are timed, at most; of the others the mean is taken."""
JUDGED = 0.05
"""CPU seconds of pooling and rule for one cell at one age: 600 cells with seven ages took about 210."""
LONG = 6.0
"""Hours on all cores from which a sweep asks whether it is meant."""


@dataclass(frozen=True)
class Estimate:
    """What a sweep is expected to take on this machine."""

    seconds: float
    """CPU seconds."""
    bytes: float
    """On disk."""
    apart: int
    """Runs whose examination is not counted."""

    @property
    def hours(self) -> float:
        """Hours on all cores of this machine."""
        return self.seconds / available_cores() / 3600

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        more = f"; the examination of {self.apart} runs comes on top" if self.apart else ""
        cores = available_cores()
        return (
            f"about {self.seconds / 3600:.2f} CPU-hours, {duration(self.seconds / cores)} on {cores} cores, and "
            f"{self.bytes / 1e6:,.0f} MB on disk{more}"
        )


@within_memory()
def estimate(plan: Plan) -> Estimate:
    """Time lives of a few upbringings, or runs, and scale."""
    seconds = size = 0.0
    groups: list[tuple[TrainedSetup, tuple[Setup, ...]]] = [(u.setups[0], u.setups) for u in plan.upbringings]
    groups += [(cell.setup, ()) for cell in plan.alone]
    timed = []
    for setup, setups in groups[:TIMED]:
        timed.append(_life(setup, setups))
    for place, (setup, setups) in enumerate(groups):
        step, kept, read = (
            timed[place] if place < len(timed) else [sum(n) / len(timed) for n in zip(*timed, strict=True)]
        )
        seeds = setup.schedule.seeds
        seconds += step * setup.planned[-1] * seeds + read * seeds
        seconds += JUDGED * len(setups) * len(setup.planned)
        size += kept * seeds
    return Estimate(seconds, size, len(plan.alone))


def _life(setup: TrainedSetup, setups: tuple[Setup, ...]) -> tuple[float, float, float]:
    """CPU seconds of one seed for one experience, bytes that it leaves, and seconds to read its latents."""
    seeds, nowhere = next(groups_of_seeds(setup)), RunFolder(Path())
    life = _begun(setup, setups, seeds, nowhere)
    life.step()
    age, began = life.age, time.process_time()
    for _ in range(STEPS):
        life.step()
    step = (time.process_time() - began) / (life.age - age) / len(seeds)
    kept = float(sum(value.numel() * value.element_size() for value in life.state(0).values()) * len(setup.planned))
    if not isinstance(setup, Setup):
        return step, kept, 0.0
    began = time.process_time()
    batch = rows_of_exam(setup, 0)[1]
    sampled = time.process_time()
    latents = SharedLifetime.twin(setup, 0).latents(batch.observation)
    passes = len(setup.planned) + len({name for s in setups for name in (s.intended, *s.proxies)})
    kept += passes * len(latents) * latents.shape[-1] * latents.element_size() if setups else 0.0
    return step, kept, 2 * (sampled - began) + passes * (time.process_time() - sampled)


def _begun(
    setup: TrainedSetup, setups: tuple[Setup, ...], seeds: tuple[int, ...], folder: RunFolder
) -> Lifetime[Any, Any]:
    if setups:
        return SharedLifetime(setups, seeds, folder)
    if isinstance(setup, AgentSetup):
        from imprint.models.lifetimes.agent import AgentLifetime

        return AgentLifetime(setup, seeds, folder)
    return SharedLifetime([setup], seeds, folder)
