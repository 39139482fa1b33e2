"""memory: a content-addressable store that starts empty; it is written, and no gradient ever reaches it.

    k_t = bits of P x_t              x_t = [frame_{t-3}; ...; frame_t], what is seen; P random, and never changed
    v_t = bits of Q frame_{t+1}      what came next, sensory channels alone; Q random, and never changed; p = [k; v]
    pairs:     r_t = sum_i softmax_i(sharpness k_t . k_i / N) v_i                     over the places that are written
    hopfield:  r_t = tanh(W s), once s = sign(W s) has settled from [k_t; 0] with k_t held;   W = sum of p p^T / N
    latents    [k_t; r_t]            what is seen, and what is recalled
    loss       mean over t < T and bits of  (r_t - v_t)^2 / 2                         one half while nothing is written

Every batch writes the pairs of which least was recalled, ``writes`` of them: into places that are empty or were used
least (``pairs``), or on top of what is in W, which fades (``hopfield``). So it is learned from scratch in the plainest
sense: what it gives is chance until something is written, and depends on experience alone afterwards.

``hopfield`` is the associative memory of Hopfield (1982, doi:10.1073/pnas.79.8.2554), which holds some .14 N random
patterns (Amit, Gutfreund & Sompolinsky 1985) of N units, with old ones that fade (Nadal et al. 1986,
doi:10.1209/0295-5075/1/10/008); ``pairs`` that of Ramsauer et al. (2021, arXiv 2008.02217), which holds as many as it
has places. Deviations from the sources: (1) units settle all at once, and are graded in the end (Hopfield 1984); (2) a
unit without any input stays 0, so that an empty memory recalls nothing; (3) a place's use is the running sum of its
attention, as in memories with a controller (Graves et al. 2016, doi:10.1038/nature20101). What is seen has a gradient
through its bits as if they were graded (straight-through: Bengio et al. 2013, arXiv 1308.3432), so that a value can be
attributed to pixels; it teaches nothing.

Letters: n episodes, T steps, N bits of key and value together, M places, B pairs.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Frame, Taught, Writing, Written
from imprint.models.settings import FrozenSettings

FORGETS = 0.01
"""How fast the use of a place is forgotten, in parts a batch."""


def bits(drive: Tensor) -> Tensor:
    """1 where a number is 0 or more, otherwise -1; with the slope of tanh, for attributions to what is seen."""
    slope = torch.tanh(drive)
    return 2.0 * (drive >= 0) - 1.0 + (slope - slope.detach())


def settled(weight: Tensor, cue: Tensor, *, held: int, steps: int) -> Tensor:
    """States ``[B, N]`` of a Hopfield network ``weight`` ``[N, N]`` after ``steps``, the first ``held`` units held."""
    state = cue
    for _ in range(steps):
        state = torch.cat([cue[:, :held], torch.sign(state @ weight)[:, held:]], dim=1)
    return state


def imprinted(weight: Tensor, patterns: Tensor, fading: float) -> Tensor:
    """The weight ``[N, N]`` of a Hopfield network after patterns ``[B, N]`` of -1 and 1 are written at once."""
    fresh = patterns.mT @ patterns / weight.shape[0]
    return (1.0 - fading) * weight + fresh - torch.diag(fresh.diagonal())


class Memory(Written):
    """Key-value or Hopfield memory of what came after what."""

    class Settings(FrozenSettings):
        store: Literal["pairs", "hopfield"] = "pairs"
        """How pairs are kept: each in a place of its own, or all in one matrix."""
        bits: int = Field(256, ge=2, le=65_536)
        """N, bits of key and value together."""
        window: int = Field(4, ge=1, le=10_000)
        """Frames that make a key, the present one included."""
        places: int = Field(1024, ge=1, le=1_000_000)
        """M, how many ``pairs`` there is place for."""
        writes: int = Field(8, ge=1, le=1_000_000)
        """Pairs that are written in every batch."""
        sharpness: float = Field(32.0, gt=0.0, le=1e6)
        """How much more the nearest of the ``pairs`` counts than others."""
        fading: float = Field(0.25, ge=0.0, lt=1.0)
        """Part of a ``hopfield`` matrix that fades in a batch, so that ``writes`` / ``fading`` pairs are held."""
        settling: int = Field(4, ge=1, le=1000)
        """Steps in which the units of a ``hopfield`` network settle."""

        @field_validator("bits")
        @classmethod
        def _even(cls, bits: int) -> int:
            if bits % 2:
                raise ValueError(f"{bits} bits; expected an even number, half of them for keys and half for values")
            return bits

    def __init__(self, settings: Memory.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        s = self.s = settings
        half, pixels = s.bits // 2, frame.height * frame.width
        self.key = nn.Linear(s.window * frame.channels * pixels, half, bias=False)
        self.value = nn.Linear(frame.sensory_channels * pixels, half, bias=False)
        if s.store == "hopfield":
            self.weight = nn.Parameter(torch.zeros(s.bits, s.bits))
        else:
            self.patterns = nn.Parameter(torch.zeros(s.places, s.bits))
            self.use = nn.Parameter(torch.zeros(s.places))
        self.hook_known = HookPoint()
        self.requires_grad_(False)
        self.setup()  # type: ignore[no-untyped-call]

    latent_hook = "hook_known"
    read_points = ("hook_known",)

    def keys(self, observation: Tensor) -> Tensor:
        """Keys ``[n, T, N / 2]`` of what is seen at every step."""
        flat, steps = observation.flatten(2), observation.shape[1]
        padded = F.pad(flat, (0, 0, self.s.window - 1, 0))
        window = torch.cat([padded[:, i : i + steps] for i in range(self.s.window)], dim=-1)
        return self._bits(self.key, window)

    def values(self, observation: Tensor) -> Tensor:
        """What is to be recalled at every step but the last, ``[n, T - 1, N / 2]``."""
        return self._bits(self.value, observation[:, 1:, : self.frame.sensory_channels].flatten(2))

    @staticmethod
    def _bits(layer: nn.Module, seen: Tensor) -> Tensor:
        """Bits ``[n, T, N / 2]``, one row per moment: many memories would else copy the layer for every episode."""
        found: Tensor = bits(layer(seen.flatten(0, 1))).unflatten(0, seen.shape[:2])
        return found

    def attention(self, keys: Tensor) -> Tensor:
        """How much of every place is recalled ``[B, M]`` for keys ``[B, N / 2]``; 0 where nothing is written."""
        half = self.s.bits // 2
        empty = (self.patterns == 0).all(1)
        match = self.s.sharpness * (keys @ self.patterns[:, :half].mT) / half
        match = match.masked_fill(empty, torch.finfo(match.dtype).min)
        return torch.softmax(match, dim=-1) * ~empty

    def recall(self, keys: Tensor) -> Tensor:
        """Values ``[B, N / 2]`` that keys ``[B, N / 2]`` bring back; 0 from an empty memory."""
        half = self.s.bits // 2
        if self.s.store == "pairs":
            return self.attention(keys) @ self.patterns[:, half:]
        cue = torch.cat([keys, torch.zeros_like(keys)], dim=-1)
        state = settled(self.weight, cue, held=half, steps=self.s.settling)
        return torch.tanh(state @ self.weight)[:, half:]

    def forward(self, observation: Tensor) -> Tensor:
        """Keys and what they bring back, ``[n, T, N]``."""
        keys = self.keys(observation)
        recalled = self.recall(keys.flatten(0, 1)).unflatten(0, keys.shape[:2])
        known: Tensor = self.hook_known(torch.cat([keys, recalled], dim=-1))
        return known

    def errors(self, observation: Tensor, latents: Tensor) -> Tensor:
        """Half the mean squared error of what is recalled, ``[n, T - 1]``."""
        recalled = latents[:, :-1, self.s.bits // 2 :]
        return 0.5 * (recalled - self.values(observation)).square().mean(-1)

    def objective(self, observation: Tensor) -> Taught:
        """Half the mean squared error of what is recalled."""
        latents = self(observation)
        return Taught(self.errors(observation, latents).mean(), latents)

    def write(self, observation: Tensor) -> Writing:
        """The store after a batch, and the objective from before it."""
        latents, half = self(observation), self.s.bits // 2
        errors = self.errors(observation, latents)
        taught = Taught(errors.mean(), latents)
        keys = latents[:, :-1, :half].flatten(0, 1)
        pairs = torch.cat([keys, self.values(observation).flatten(0, 1)], dim=-1)
        missed = errors.flatten().topk(min(self.s.writes, len(pairs), self.s.places)).indices
        if self.s.store == "hopfield":
            return Writing(taught, {"weight": imprinted(self.weight, pairs[missed], self.s.fading)})
        use = (1.0 - FORGETS) * self.use + self.attention(keys).sum(0)
        place = torch.where((self.patterns == 0).all(1), -1.0, use).topk(len(missed), largest=False).indices
        patterns = self.patterns.index_copy(0, place, pairs[missed])
        return Writing(taught, {"patterns": patterns, "use": use.index_fill(0, place, 1.0)})
