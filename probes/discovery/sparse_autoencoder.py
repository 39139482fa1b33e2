"""sparse_autoencoder: an overcomplete dictionary of which at most k features are active on a row.

    code    = top_k( relu( encoder (x - offset) ) )                the k largest are kept, the others are zero
    x_hat   = code @ directions + offset                           directions: unit vectors
    loss    = |x - x_hat|^2 / |x - mean|^2  +  1/32 * |e - e_hat|^2 / |e|^2

TopK sparse autoencoder of Gao et al. 2024 (arXiv 2406.04093, section 2.3 and appendix A). In the second term (AuxK) the
dead features, those not active on the last ``patience`` rows, reconstruct the error e = x - x_hat with their own d/2
largest codes. The encoder is initialised as the transpose of the directions. Directions stay unit vectors: the parallel
part of their gradient is removed, and they are renormalised after each step.

Deviations from the source: (1) the offset is initialised at the mean, not at the geometric median; (2) activations are
divided by one number for the whole data set (root mean square distance from the mean), not per row; (3) rows are used
several times, because data sets are small here; (4) plain Adam without gradient clipping or weight averaging.

Letters: n rows, d width of the site, m features, k active features, b rows in a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.discovery.base import Dictionary, Discovery, Progress, unit_rows

AUXILIARY = 1 / 32
"""Weight of the loss on dead features (Gao et al. 2024, appendix A.2)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseFeatures(Dictionary):
    """A sparse dictionary: ``relu((x - input_offset) @ encoder + bias)``, of which large or few enough codes are kept.

    Ours keep the ``active`` largest. The other fields describe dictionaries of other tools
    (:mod:`imprint.probes.exchange.sae_lens`); None leaves a step out.
    """

    method = "sparse_autoencoder"
    signed = False
    encoder: Tensor
    """``[d, m]``"""
    active: int = 0
    """k, largest number of features that are active on a row; 0: any number."""
    bias: Tensor | None = None
    """``[m]`` added before the rectification."""
    threshold: Tensor | None = None
    """``[m]`` what a code must exceed before it is scaled, or it is zero."""
    scale: Tensor | None = None
    """``[m]`` factor of the codes that are kept."""
    input_offset: Tensor | None = None
    """``[d]`` subtracted from rows; None: ``offset``."""

    def encode(self, x: Tensor) -> Tensor:
        """Codes ``[n, m]`` of rows ``[n, d]``, none of them below zero."""
        before = (self._rows(x) - (self.offset if self.input_offset is None else self.input_offset)) @ self.encoder
        before = before if self.bias is None else before + self.bias
        codes = top_k(before, self.active) if self.active else before.relu()
        codes = codes if self.threshold is None else torch.where(before > self.threshold, codes, 0.0)
        return codes if self.scale is None else codes * self.scale


@dataclass(frozen=True)
class SparseAutoencoder(Discovery):
    """TopK sparse autoencoder with an auxiliary loss on dead features."""

    dictionary = SparseFeatures
    features: int = 256
    """m, usually several times the width."""
    active: int = 8
    """k, largest number of features that are active on a row."""
    steps: int = 2000
    """Gradient steps."""
    rows: int = 512
    """Rows in a batch."""
    rate: float = 3e-3
    """Adam's learning rate; it falls to zero over the last fifth."""
    patience: int = 20_000
    """Rows without activity after which a feature counts as dead and enters the auxiliary loss."""

    def _find(self, train: Tensor, rng: torch.Generator, progress: Progress) -> Dictionary:
        if not 1 <= self.active <= self.features:
            raise ImprintError(f"active is {self.active}; expected 1 to {self.features}, the number of features.")
        x = train.float()
        centre = x.mean(0)
        scale = (x - centre).square().mean().sqrt()
        state = _State((x - centre) / scale, self, rng)
        for step in range(self.steps):
            state.step(step)
            if (step + 1) % 50 == 0 or step + 1 == self.steps:
                dead = int((state.silent > self.patience).sum())
                progress(step + 1, self.steps, f"unexplained {float(state.error):.3f}, dead {dead}")
        return self._frozen(x, state, centre, scale)

    def _frozen(self, x: Tensor, state: _State, centre: Tensor, scale: Tensor) -> Dictionary:
        """The dictionary in the units of the activations; dead are the features active on no training row."""
        offset, encoder = centre + scale * state.offset.detach(), state.encoder.detach()
        active = [(top_k((rows - offset) @ encoder, self.active) > 0).any(0) for rows in x.split(4096)]
        directions, dead = state.directions.detach(), ~torch.stack(active).any(0)
        return SparseFeatures(directions=directions, offset=offset, dead=dead, encoder=encoder, active=self.active)


class _State:
    """Parameters and optimiser while training, on centred and scaled rows."""

    def __init__(self, x: Tensor, settings: SparseAutoencoder, rng: torch.Generator) -> None:
        self.x, self.settings, self.rng = x, settings, rng
        start = torch.randn(settings.features, x.shape[1], generator=rng, device=rng.device).to(x)
        self.directions = unit_rows(start).requires_grad_()
        self.encoder = self.directions.detach().T.clone().requires_grad_()
        self.offset = torch.zeros_like(x[0]).requires_grad_()
        self.silent = torch.zeros(settings.features, dtype=torch.long, device=x.device)
        self.optimiser = torch.optim.Adam([self.directions, self.encoder, self.offset], settings.rate, eps=1e-8)
        self.error = x.new_tensor(math.nan)

    def step(self, step: int) -> None:
        """One gradient step on rows drawn with replacement."""
        settings = self.settings
        pick = torch.randint(len(self.x), (settings.rows,), generator=self.rng, device=self.rng.device)
        batch = self.x[pick.to(self.x.device)]
        before = (batch - self.offset) @ self.encoder
        codes = top_k(before, settings.active)
        error = batch - codes @ self.directions - self.offset
        unexplained = error.square().sum() / batch.square().sum()
        self.silent = torch.where((codes > 0).any(0), 0, self.silent + len(batch))
        loss = unexplained + AUXILIARY * self._auxiliary(before, error.detach())
        self.optimiser.zero_grad()
        loss.backward()
        with torch.no_grad():
            for group in self.optimiser.param_groups:
                group["lr"] = settings.rate * min(1.0, 5 * (1 - step / settings.steps))
            gradient = self.directions.grad
            assert gradient is not None
            gradient -= (gradient * self.directions).sum(1, keepdim=True) * self.directions
            self.optimiser.step()
            self.directions.copy_(unit_rows(self.directions))
        self.error = unexplained.detach()

    def _auxiliary(self, before: Tensor, error: Tensor) -> Tensor:
        """Normalised squared error of the dead features' reconstruction of ``error``; zero when none is dead."""
        dead = self.silent > self.settings.patience
        count = int(dead.sum())
        if not count:
            return error.new_zeros(())
        codes = top_k(before.masked_fill(~dead, 0.0), min(count, max(1, error.shape[1] // 2)))
        return (error - codes @ self.directions).square().sum() / error.square().sum().clamp(min=1e-12)


def top_k(before: Tensor, k: int) -> Tensor:
    """Rows ``[n, m]`` with all but their k largest positive elements set to zero."""
    largest = before.topk(k, dim=1)
    return torch.zeros_like(before).scatter(1, largest.indices, largest.values.relu())
