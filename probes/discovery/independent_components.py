"""independent_components: directions whose codes are as non-Gaussian, and so as independent, as possible.

    x - mean = code @ mixing'          codes uncorrelated, of unit variance before scaling, negentropy maximal

FastICA (Hyvarinen & Oja 2000, Neural Networks 13:411) through scikit-learn: parallel updates, log-cosh contrast, exact
whitening. Codes are scaled so that the directions are unit vectors. Signs are arbitrary. At most one source may be
Gaussian: for Gaussian activations all rotations are equally good. An iteration that does not converge is an error. One
that converges may have reached a local optimum, so run several seeds and keep the components that recur
(:func:`imprint.probes.scoring.feature_matching.stability`).

Letters: n rows, d width of the site, m features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.decomposition import FastICA
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.discovery.base import Discovery, LinearDictionary, Progress, draw_seed, must_converge, unit_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class _Components(LinearDictionary):
    method = "independent_components"


@dataclass(frozen=True)
class IndependentComponents(Discovery):
    """FastICA; raises :class:`NotMeasurableError` when it does not converge."""

    dictionary = _Components
    features: int | None = None
    """Number of features; None: the rank of the activations."""
    steps: int = 1000
    """Largest number of iterations."""
    tolerance: float = 1e-4
    """Largest change of a direction's cosine at which the iteration stops."""

    def _find(self, train: Tensor, rng: torch.Generator, progress: Progress) -> LinearDictionary:
        x = train.double()
        rank = int(torch.linalg.matrix_rank(x - x.mean(0), rtol=1e-6))
        if self.features is not None and not 1 <= self.features <= rank:
            raise ImprintError(f"features is {self.features}; these activations have rank {rank}, so at most {rank}.")
        method = FastICA(
            self.features or rank,
            whiten="unit-variance",
            whiten_solver="svd",
            max_iter=self.steps,
            tol=self.tolerance,
            random_state=draw_seed(rng),
        )
        with must_converge("FastICA", "Ask for fewer features or more steps; Gaussian activations have no solution."):
            method.fit(x.cpu().numpy())
        mixing = torch.from_numpy(method.mixing_.copy()).to(train.device)
        reading = torch.from_numpy(method.components_.copy()).to(train.device)
        offset = torch.from_numpy(method.mean_.copy()).to(train.device)
        length = mixing.norm(dim=0)
        dead = torch.zeros(len(length), dtype=torch.bool, device=train.device)
        reading = (reading * length[:, None]).T.contiguous()
        return _Components(directions=unit_rows(mixing.T), offset=offset, dead=dead, reading=reading)
