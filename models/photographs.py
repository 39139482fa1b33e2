"""The two photographs that scikit-learn ships (a temple in China, a flower), as brightness, each a scene of its own.

Colours are averaged with the weights of Rec. 601, pixels are averaged over ``SHRUNK`` x ``SHRUNK``, and each photograph
has mean 0 and variance 1, so that an error of 1 is that of a guess of the mean. Nothing is downloaded.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

NAMES = ("china", "flower")
"""In the order of :func:`sklearn.datasets.load_sample_images`."""
SHRUNK = 2
"""Pixels of the original along one side of a pixel."""
LUMA = (0.299, 0.587, 0.114)


@cache
def photograph(name: str, blur: float = 0.0) -> Tensor:
    """Brightness ``[213, 320]`` of a photograph, mean 0; ``blur``: sd in pixels of a Gaussian that it is seen through.

    The variance is 1 before it is blurred.
    """
    from scipy.ndimage import gaussian_filter
    from sklearn.datasets import load_sample_images

    colours = load_sample_images().images[NAMES.index(name)].astype(np.float64)
    grey = colours @ np.asarray(LUMA)
    height, width = (side // SHRUNK for side in grey.shape)
    tiles = grey[: height * SHRUNK, : width * SHRUNK].reshape(height, SHRUNK, width, SHRUNK)
    small = tiles.mean((1, 3))
    small = (small - small.mean()) / small.std()
    return torch.tensor(gaussian_filter(small, blur) if blur else small, dtype=torch.float32)
