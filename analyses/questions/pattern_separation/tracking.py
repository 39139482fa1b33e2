"""A module of granule cells that learns to act ahead of a plant with a lag.

    plant        y_{t+1} = y_t + rate (gain(u_{t-lag}) - y_t)
    feedback     f_t = K (r_t - y_t),   at the K with which feedback alone does best on this plant
    module       c_t = w . h(context_t),   u_t = f_t + c_t
    learning     w <- w + eta (r_t - y_t) h(context_{t-lag-1})

What is wrong now is what the module should have said a lag ago (feedback-error learning: Kawato 1987; deviation: the
error itself teaches, not the command K times as large, so that the rate fits plants with any K). The context are the
target now and a little earlier, tuned; h is a random expansion. Nothing of the module is set for a plant but how long
it waits, which is the plant's lag.

Letters: S seeds, all at once; U units; T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.pattern_separation.sales import CELLS, tuned
from imprint.models.chance import generator
from imprint.models.wiring import Sheet, Wiring, compete, connect

MODULE = Wiring(width=512, in_degree=4, signs="excitatory", active=0.1)
BACK, ETA = (0, 4, 10, 20), 0.03
"""How many steps ago the targets of the context were, and the rate of learning."""
GAINS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Feedback gains that are tried, K."""
LESSONS, TEST = 6000, 1500
Arm = Literal["feedback", "module", "linear", "no wait", "shuffled"]
ARMS: tuple[Arm, ...] = ("feedback", "module", "linear", "no wait", "shuffled")


@dataclass(frozen=True)
class Plant:
    """What is to be moved, and what it should follow."""

    lag: int
    """Steps until a command arrives."""
    rate: float
    """How fast it gives way."""
    bend: float
    """How much less it gives way to large commands: gain(u) = u / (1 + bend |u|)."""
    target: Literal["sines", "sequence"]

    def gain(self, command: Tensor) -> Tensor:
        """What a command that arrives amounts to."""
        return command / (1 + self.bend * command.abs())

    def targets(self, seeds: Sequence[int], steps: int) -> Tensor:
        """Targets ``[S, T]`` from -1 to 1: two sines with random periods and phases, or a melody that is repeated."""
        each = []
        for seed in seeds:
            rng = generator("target", self.target, self.lag, seed)
            t = torch.arange(steps)
            if self.target == "sines":
                period = 50 + 50 * torch.rand(2, 1, generator=rng)
                phase = 6.2832 * torch.rand(2, 1, generator=rng)
                each.append(0.45 * torch.sin(6.2832 * t / period + phase).sum(0))
            else:
                melody = torch.rand(12, generator=rng) * 1.6 - 0.8
                each.append(melody[(t // 10) % len(melody)])
        return torch.stack(each)


PLANTS = {
    "limb": Plant(8, 0.3, 0.2, "sines"),
    "slower limb": Plant(14, 0.12, 0.5, "sines"),
    "sequence": Plant(10, 1.0, 0.0, "sequence"),
}


def follow(plant: Plant, target: Tensor, wires: Tensor, arm: Arm, gain: Tensor) -> Tensor:
    """Errors ``[S, T]`` while a plant follows ``target`` ``[S, T]`` with feedback ``gain`` ``[S]``."""
    seeds, steps = target.shape
    past = torch.nn.functional.pad(target, (max(BACK), 0), value=0.0)
    context = torch.stack([past[:, max(BACK) - back :][:, :steps] for back in BACK], -1)
    code = tuned(context)
    if arm == "linear":
        h = torch.cat([context, torch.ones(seeds, steps, 1)], -1)
    else:
        h = compete(code @ wires.mT, MODULE.winners)
    h = h / h.square().sum(-1, keepdim=True).mean(1, keepdim=True).sqrt()
    wait = 0 if arm == "no wait" else plant.lag + 1
    order = torch.randperm(steps, generator=generator("shuffled", steps)) if arm == "shuffled" else torch.arange(steps)
    weight = torch.zeros(seeds, h.shape[-1])
    eta = 0.0 if arm == "feedback" else ETA
    y, commands, errors = torch.zeros(seeds), torch.zeros(seeds, steps + plant.lag), torch.zeros(seeds, steps)
    for t in range(steps):
        errors[:, t] = target[:, t] - y
        back = gain * errors[:, t]
        commands[:, t + plant.lag] = back + (weight * h[:, t]).sum(-1)
        if t >= wait:
            weight += eta * errors[:, t, None] * h[:, int(order[t - wait])]
        y = y + plant.rate * (plant.gain(commands[:, t]) - y)
    return errors


def best_gain(plant: Plant, seeds: Sequence[int], wires: Tensor) -> Tensor:
    """The feedback gain ``[S]`` with the smallest error of feedback alone, on targets of their own."""
    target = plant.targets([seed + 10**6 for seed in seeds], TEST)
    tried = [follow(plant, target, wires, "feedback", torch.full((len(seeds),), gain)) for gain in GAINS]
    error = torch.stack([each[:, TEST // 3 :].square().mean(1).nan_to_num(1e9, 1e9).clamp_max(1e9) for each in tried])
    return torch.tensor(GAINS)[error.argmin(0)]


def tracking(*, seeds: Sequence[int], lessons: int = LESSONS, say: Say) -> pd.DataFrame:
    """Root mean squared error at the end of a life of ``lessons`` steps, by plant and arm, of every seed."""
    sheet = Sheet(len(BACK), CELLS)
    wires = torch.stack([connect(MODULE, sheet, rng=generator("tracking", seed)) for seed in seeds])
    rows: list[dict[str, Any]] = []
    for step, (name, plant) in enumerate(PLANTS.items()):
        gain, target = best_gain(plant, seeds, wires), plant.targets(seeds, lessons)
        for arm in ARMS:
            say(step, len(PLANTS), f"{name}: {arm}")
            error = follow(plant, target, wires, arm, gain)[:, -min(TEST, lessons // 2) :].square().mean(1).sqrt()
            each = zip(seeds, error.tolist(), strict=True)
            rows += [{"plant": name, "arm": arm, "seed": seed, "value": value} for seed, value in each]
    return pd.DataFrame(rows)
