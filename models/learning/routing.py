"""Gradient routing: a crude signal decides, step by step, into which latents the objective's gradient goes.

    region   the first ``units`` latents, whose address is known before anything is learned
    marked   steps at which the signal is above ``threshold``
    marked steps alone teach what feeds the region, and teach nothing else (``exclusive``); or all steps teach the rest:
             z' = z where the latent is taught, otherwise z without its gradient;  the objective is computed from z'
    loss     objective(z') + sparsity x mean |z|           the second with its whole gradient

So a concept that the signal goes along with is learned into an address that was chosen beforehand, as far as the
learner's objective asks for it at all (Cloud et al. 2024, "Gradient Routing: Masking Gradients to Localize Computation
in Neural Networks", arXiv 2410.04332; the form is that of their split autoencoder of digits, which has the penalty,
too). Deviations from the source: (1) the masks are at the latents alone, and what lies below them is taught by both;
(2) no penalty on correlations of region and rest; (3) the marks are those of a crude detector, not labels.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.settings import FrozenSettings


class Routing(FrozenSettings):
    """Which steps of experience teach which latents."""

    signal: str
    """Name of the steering signal that marks steps."""
    threshold: float = Field(0.5, ge=-1e6, le=1e6)
    """A step is marked when the signal is above this."""
    units: int = Field(8, ge=1, le=65_536)
    """Latents of the region, the first ones."""
    exclusive: bool = True
    """Whether marked steps teach nothing outside of the region."""
    sparsity: float = Field(0.0, ge=0.0, le=1e6)
    """Weight of the mean magnitude of all latents in the loss."""

    def require(self, width: int) -> None:
        """Raise :class:`ImprintError` unless the region leaves some of the ``width`` latents out."""
        if self.units >= width:
            raise ImprintError(
                f"routing.units is {self.units}, and the learner has {width} latents; expected fewer, so that there is "
                "something outside of the region."
            )

    def taught(self, signal: Tensor, width: int) -> Tensor:
        """Which of ``width`` latents a step teaches, bool ``[S, n, T, D]``, from the signal ``[S, n, T]``."""
        marked, region = (signal > self.threshold)[..., None], torch.arange(width) < self.units
        return torch.where(region, marked, ~marked if self.exclusive else torch.ones_like(marked))

    def penalty(self, latents: Tensor) -> Tensor:
        """What is added to the objectives ``[S]``, from latents ``[S, n, T, D]``."""
        return self.sparsity * latents.abs().mean((1, 2, 3))
