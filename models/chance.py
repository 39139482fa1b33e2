"""Every stream of random numbers: seeded generators, weights at birth, and one stream per copy of an environment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

_GOLDEN, _FIRST, _SECOND = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_27, _30, _31, _40 = map(np.uint64, (27, 30, 31, 40))


@contextmanager
def weights_from(rng: torch.Generator) -> Iterator[None]:
    """Whatever draws from torch's global generator inside draws from ``rng`` alone, by way of one number."""
    seed = int(torch.randint(0, 2**31 - 1, (1,), generator=rng).item())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def uniform(key: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``count`` numbers in [0, 1) per copy, ``[n, count]``, and the keys ``[n]`` to go on with.

    SplitMix64 (Steele, Lea and Flood 2014), one stream per copy; NumPy has its unsigned numbers.
    """
    state = key.numpy().view(np.uint64)[:, None] + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    mixed = (state ^ (state >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    mixed ^= mixed >> _31
    chance = (mixed >> _40).astype(np.float32) / np.float32(2**24)
    return torch.from_numpy(chance), torch.from_numpy(state[:, -1].astype(np.int64))


def generator(*key: int | str) -> torch.Generator:
    """A generator that depends on ``key`` alone (SHA-256 of its parts)."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") % (2**63 - 1))


def birth(seed: int) -> torch.Generator:
    """The generator that draws the weights of seed ``seed``."""
    return generator("birth", seed)


def stream_key(*name: int | str) -> Tensor:
    """A number int64 ``[]`` that depends on ``name`` alone, to start a stream of :func:`uniform` numbers."""
    return torch.randint(-(2**62), 2**62, (), generator=generator(*name))
