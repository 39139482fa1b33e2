"""Every source of random numbers: seeded generators, initial weights, and one stream per copy of an environment."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")
_GOLDEN, _FIRST, _SECOND = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_27, _30, _31, _40 = map(np.uint64, (27, 30, 31, 40))


class Born:
    """A module that can be made with initial weights from a given generator."""

    @classmethod
    def born(cls: type[T], *arguments: Any, rng: torch.Generator) -> T:
        """``cls(*arguments)`` with initial weights drawn from ``rng`` alone; the global random state stays as it is."""
        seed = int(torch.randint(0, 2**31 - 1, (1,), generator=rng).item())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(*arguments)


def uniform(key: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``count`` uniform numbers in [0, 1) per copy, ``[n, count]``, and the keys ``[n]`` for the next call.

    SplitMix64 (Steele, Lea and Flood 2014), one stream per copy, in NumPy because torch lacks unsigned arithmetic.
    """
    state = key.numpy().view(np.uint64)[:, None] + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    mixed = (state ^ (state >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    mixed ^= mixed >> _31
    chance = (mixed >> _40).astype(np.float32) / np.float32(2**24)
    return torch.from_numpy(chance), torch.from_numpy(state[:, -1].astype(np.int64))


def generator(*key: int | str) -> torch.Generator:
    """A generator whose seed is the SHA-256 of ``key``."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") % (2**63 - 1))


def birth(seed: int) -> torch.Generator:
    """The generator that draws the initial weights of training seed ``seed``."""
    return generator("birth", seed)


def stream_key(*name: int | str) -> Tensor:
    """The key int64 ``[]`` with which the stream of :func:`uniform` numbers called ``name`` starts."""
    return torch.randint(-(2**62), 2**62, (), generator=generator(*name))
