"""principal_components: the orthogonal directions along which activations vary most.

    directions = first m right singular vectors of (x - mean)          code_j = (x - mean) . direction_j

Computed by scikit-learn's ``PCA`` with the exact solver. Of all linear codes of m numbers this one explains the most
variance, so it is the baseline of the other methods: a sparse dictionary should explain more than as many principal
components as it has active features. Components of equal variance are determined only up to a rotation, and all signs
are arbitrary.

Letters: n rows, d width of the site, m features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.discovery.base import Discovery, LinearDictionary, Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class _Components(LinearDictionary):
    method = "principal_components"


@dataclass(frozen=True)
class PrincipalComponents(Discovery):
    """Principal components, in order of variance."""

    dictionary = _Components
    features: int | None = None
    """Number of components; None: all (the smaller of rows and width)."""

    def _find(self, train: Tensor, rng: torch.Generator, progress: Progress) -> LinearDictionary:
        most = min(train.shape)
        if self.features is not None and not 1 <= self.features <= most:
            raise ImprintError(f"features is {self.features}; {list(train.shape)} rows x units have at most {most}.")
        fitted = PCA(self.features, svd_solver="full").fit(train.double().cpu().numpy())
        directions = torch.from_numpy(fitted.components_.copy()).to(train.device)
        variance = torch.from_numpy(fitted.explained_variance_.copy()).to(train.device)
        offset = torch.from_numpy(fitted.mean_.copy()).to(train.device)
        dead = variance <= 1e-12 * variance[0]
        return _Components(directions=directions, offset=offset, dead=dead, reading=directions.T.contiguous())
