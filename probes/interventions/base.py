"""The contract of an intervention: a fitted, frozen change of the activations at one site.

Fitters look at data; what they return is a frozen dataclass that can be called inside a running forward pass.

Letters: n rows, d width of the site.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Intervention(ABC):
    """Abstract change of activations; concrete ones are final and frozen."""

    @abstractmethod
    def __call__(self, activations: Tensor) -> Tensor:
        """Changed activations ``[n, d]``, in the type they came in."""
