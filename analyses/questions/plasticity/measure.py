"""One update of a synapse in several roles, made larger, and asked how many numbers of its history it keeps.

A *device* is made of N synapses (:mod:`imprint.models.synapse`), lives through H events, and is scored. Roles:

    learner         N random features of a context, each with a synapse; the signal is the error of their sum
    commanded       the same, with a rate commanded by surprise (:mod:`imprint.models.steering.neuromodulator`)
    silenced        the same, with a command of 0 (control: the rate obeys)
    shuffled        the learner, with targets of other events (control)
    alike           the learner's N synapses with one and the same input (control: plastic, many, and no learner)
    fight tally     :mod:`imprint.models.steering.tally`, its one synapse replaced by N that are each a part of it
    saccade gain    :mod:`imprint.models.steering.saccade`, likewise

Scaling: the score against N. Dimension: the rank of d state / d history, the N weights after ``PROBE`` events
differentiated by the signals of these events.

Task of learners: y = a random function of a context z of ``INPUTS`` numbers (products and thresholds, as what a guest
orders depends on weather and day together: a *restaurant*). Scores are 1 - mean squared error / that of who never
adjusts anything: of learners on new contexts, of the tally where animals differ in strength and boldness should be
their chance to win, of the saccade where they differ in the strength of the muscle and the eye should land.

Letters: S seeds, A animals, N synapses, H events, n contexts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.neuromodulator import Neuromodulator
from imprint.models.synapse import Synapse

INPUTS, NOISE, CONTEXTS, ANIMALS = 6, 0.1, 500, 200
PROBE, LARGE, TINY, MOST = 128, 128, 1e-9, 1024
"""Events and synapses of the dimension, the part of the largest singular value below which one counts as none, and most
synapses."""
LEARNERS = ("learner", "commanded", "silenced", "shuffled", "alike")
VARIABLES = ("fight tally", "saccade gain")
ROLES = (*LEARNERS, *VARIABLES)
RATE, LEAST, FIGHT, JUMP = 0.1, 0.1, 0.05, 0.05
"""Rate of learners, relative to the size of their input and at least this per synapse; rates of variables."""
COMMAND = Neuromodulator(Neuromodulator.Settings(name="command", sense="surprise", base=0.2, gain=0.5, high=1.0))


class Restaurant:
    """Contexts and what is ordered, one random function for each of S seeds."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.rngs = [generator("restaurant", seed) for seed in seeds]
        made = [(torch.randn(INPUTS, 8, generator=r), torch.randn(INPUTS, 8, generator=r)) for r in self.rngs]
        self.one, self.other = (torch.stack(parts) for parts in zip(*made, strict=True))
        self.mean = torch.zeros(len(seeds), 1)
        self.mean = self.draw(4000)[1].mean(1, keepdim=True)

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Contexts ``[S, n, INPUTS]`` and orders ``[S, n]``: mean 0 and variance about 1, with noise."""
        z = torch.stack([torch.randn(n, INPUTS, generator=rng) for rng in self.rngs])
        noise = torch.stack([torch.randn(n, generator=rng) for rng in self.rngs])
        terms = torch.tanh(z @ self.one) * torch.where(z @ self.other > 0, 1.0, -1.0)
        return z, terms.mean(2) * 8**0.5 / 0.8 - self.mean + NOISE * noise


class Features:
    """N fixed random features of a context, the first N of ``MOST``, for each of S seeds."""

    def __init__(self, seeds: Sequence[int], count: int, *, alike: bool = False) -> None:
        rngs = [generator("features", seed) for seed in seeds]
        made = [(torch.randn(INPUTS, MOST, generator=r), torch.randn(MOST, generator=r)) for r in rngs]
        which = torch.zeros(count, dtype=torch.int64) if alike else torch.arange(count)
        self.weight, self.bias = (torch.stack(parts)[..., which] for parts in zip(*made, strict=True))

    def __call__(self, z: Tensor) -> Tensor:
        """Features ``[S, n, N]``."""
        return torch.relu(z @ self.weight + self.bias[:, None])


def learn(role: str, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weights ``[S, N]`` after events with inputs ``[S, H, N]`` and targets ``[S, H]``, one after another."""
    weight = torch.zeros_like(x[:, 0]) if weight is None else weight
    synapse, scale = Synapse(RATE), x.square().sum(2) + LEAST * x.shape[2]
    for event in range(x.shape[1]):
        error = y[:, event] - (weight * x[:, event]).sum(1)
        weight = synapse.changed(weight, x[:, event] / scale[:, event, None], error[:, None], _command(role, error))
    return weight


def _command(role: str, error: Tensor) -> Tensor | float:
    if role == "silenced":
        return 0.0
    if role != "commanded":
        return 1.0
    surprise = Senses({"surprise": error.detach().abs()[:, None]})
    return COMMAND(surprise, Body({}), rng=torch.Generator())


def score_of_learner(role: str, seeds: Sequence[int], count: int, events: int) -> Tensor:
    """Score ``[S]`` on new contexts of a learner with ``count`` synapses."""
    world, features = Restaurant(seeds), Features(seeds, count, alike=role == "alike")
    z, y = world.draw(events)
    weight = learn(role, features(z), y.roll(1, 1) if role == "shuffled" else y)
    z, y = world.draw(CONTEXTS)
    wrong = (y - torch.einsum("snd,sd->sn", features(z), weight)).square().mean(1)
    return 1.0 - wrong / y.square().mean(1)


def live(role: str, history: Tensor, about: Tensor, count: int) -> Tensor:
    """Weights ``[A, N]`` of a variable made of ``count`` synapses after a history ``[A, H]``, their mean the variable.

    ``history``: of the tally, 1 for a fight that was won, else 0; of the saccade, the strength of the muscle at each
    jump, and ``about`` where the targets are.
    """
    start = 0.5 if role == "fight tally" else 1.0
    weight, synapse = history.new_full((len(history), count), start), Synapse(FIGHT if start == 0.5 else JUMP, 0.0, 3.0)
    for event in range(history.shape[1]):
        total, now, aim = weight.mean(1), history[:, event], about[:, event]
        pre, signal = (torch.ones_like(now), now - total) if role == "fight tally" else (aim, aim - now * total * aim)
        weight = synapse.changed(weight, pre[:, None], signal[:, None])
    return weight


def score_of_variable(role: str, seeds: Sequence[int], count: int, events: int) -> Tensor:
    """Score ``[S]`` of a variable that ``count`` synapses hold, over animals (see the module docstring)."""
    scores = []
    for seed in seeds:
        rng = generator(role, seed)
        strength = torch.rand(ANIMALS, 1, generator=rng) * (1.0 if role == "fight tally" else 0.8)
        about = torch.rand(ANIMALS, events, generator=rng) * 2 - 1
        if role == "fight tally":
            known = live(role, (torch.rand(ANIMALS, events, generator=rng) < strength).float(), about, count).mean(1)
            wrong, naive = (known - strength[:, 0]).square(), (0.5 - strength[:, 0]).square()
        else:
            muscle = 1.0 - strength
            gain = live(role, muscle.expand(-1, events), about, count).mean(1)
            wrong, naive = (1 - muscle[:, 0] * gain).square(), (1 - muscle[:, 0]).square()
        scores.append(1.0 - wrong.mean() / naive.mean())
    return torch.stack(scores)


def state_of(role: str, seed: int) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The state after a history ``[PROBE]`` as a function of it, and the history, in double precision."""
    if role in VARIABLES:
        rng = generator(role, "history", seed)
        about = (torch.rand(1, PROBE, generator=rng) * 2 - 1).double()
        chance = torch.rand(PROBE, generator=rng).double()
        history = (chance < 0.5).double() if role == "fight tally" else 0.2 + 0.8 * chance
        return lambda past: live(role, past[None], about, LARGE)[0], history
    world, features = Restaurant([seed]), Features([seed], LARGE, alike=role == "alike")
    z, y = world.draw(PROBE)
    x = features(z).double()
    return lambda past: learn(role, x, past[None])[0], (y.roll(1, 1) if role == "shuffled" else y)[0].double()


def dimension(role: str, seed: int) -> float:
    """Rank of d state / d history; a command counts as given."""
    function, history = state_of(role, seed)
    jacobian = torch.autograd.functional.jacobian(function, history, vectorize=True)
    values = torch.linalg.svdvals(jacobian)
    return float((values > TINY * max(float(values[0]), TINY)).sum())


def measure(*, seeds: Sequence[int], role: str, sizes: Sequence[int], events: int, say: Say) -> pd.DataFrame:
    """Rows of role, measure (``score`` by ``synapses``, ``dimension``), seed and value."""
    rows: list[dict[str, Any]] = []
    scored = score_of_variable if role in VARIABLES else score_of_learner
    for place, count in enumerate(sizes):
        scores = scored(role, seeds, count, events).tolist()
        about = {"role": role, "measure": "score", "synapses": count}
        rows += [{**about, "seed": seed, "value": score} for seed, score in zip(seeds, scores, strict=True)]
        say(place + 1, len(sizes) + 1, "devices are made larger")
    about = {"role": role, "measure": "dimension", "synapses": LARGE}
    rows += [{**about, "seed": seed, "value": dimension(role, seed)} for seed in seeds]
    return pd.DataFrame(rows)
