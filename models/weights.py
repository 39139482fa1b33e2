"""Weights at birth: drawn from a passed generator, with the global random state left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def weights_from(rng: torch.Generator) -> Iterator[None]:
    """Whatever draws from torch's global generator inside draws from ``rng`` alone, by way of one number."""
    seed = int(torch.randint(0, 2**31 - 1, (1,), generator=rng).item())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
