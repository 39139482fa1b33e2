"""Directions of a site that may move a value beyond the declared concepts, before they are tested.

Letters: n rows, d width of a site, s dimension of the span that is searched, m features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from torch import Tensor

from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError
from imprint.probes.discovery.base import Discovery
from imprint.probes.discovery.independent_components import IndependentComponents
from imprint.probes.discovery.nonnegative_factors import NonnegativeFactors
from imprint.probes.discovery.principal_components import PrincipalComponents
from imprint.probes.discovery.sparse_autoencoder import SparseAutoencoder
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.subjects.subject import Subject

FEATURES, GRADIENTS = 3, 2
"""Features and gradient directions of a site that are tested causally."""
REGRESSION = "regression"
DIFFERENTIATED = 256
"""Rows on which gradients are taken, at most."""
ROUNDING = 1e-12
"""A code whose standard deviation is below this part of its size does not vary."""
Code = Callable[[Tensor], Tensor]
"""Activations ``[n, d]`` -> code ``[n]``."""


@dataclass(frozen=True)
class Place:
    """A site with the declared concepts erased."""

    site: str
    erased: Eraser
    """Removes the declared concepts."""
    span: Whitened
    """Of the erased activations, in the searched directions."""
    basis: Tensor
    """``[d, s]`` orthonormal directions that are searched."""
    fit: Tensor
    """``[n, d]`` erased activations of the rows for fitting."""
    test: Tensor
    """``[n, d]`` erased activations of the held-out rows."""
    rest_fit: Floats
    rest_test: Floats
    """What is left of the value when the declared concepts are erased here."""
    together: bool
    """Whether the declared concepts were kept, since nothing is left without them: it acts only together with them."""

    def without(self, eraser: Eraser) -> Callable[[Tensor], Tensor]:
        """Erase the declared concepts and, in the searched directions, something else."""
        lifted = Eraser(self.basis @ eraser.mean, self.basis @ eraser.left, eraser.right @ self.basis.T)
        return lambda x: lifted(self.erased(x))

    def moved(self, step: Tensor) -> Callable[[Tensor], Tensor]:
        """Erase the declared concepts and add ``step [d]``."""
        return lambda x: self.erased(x) + step.to(x)


def codes_of(
    place: Place, subject: Subject, observation: Tensor, *, rng: torch.Generator, whole: bool
) -> dict[str, Code]:
    """Name -> code of the regression, the gradient directions and the features most correlated with the rest.

    ``observation``: the rows for fitting. Unless ``whole``, four fifths of them are used, drawn at random.
    """
    some = torch.arange(len(place.fit))
    if not whole:
        some = torch.randperm(len(some), generator=rng)[: 4 * len(some) // 5]
    x, rest = place.fit[some], place.rest_fit[some.numpy()]
    inside = (x @ place.basis - place.span.mean) / place.span.unit @ place.span.axes / place.span.scale
    slopes = RidgeCV(np.logspace(0, 4, 5)).fit(inside.numpy(), rest).coef_
    found = {REGRESSION: _along(place, torch.from_numpy(slopes))}
    for i, vector in enumerate(_gradients(place, subject, observation[some[:DIFFERENTIATED]])):
        found[f"gradient {i + 1}"] = _along(place, vector)
    features = sorted(_features(place, x, rest, rng), key=lambda item: -item[0])[:FEATURES]
    return found | {name: code for _, name, code in features}


def _features(place: Place, x: Tensor, rest: Floats, rng: torch.Generator) -> Iterator[tuple[float, str, Code]]:
    """Correlation with the rest, name and code of the most correlated feature of every discovery method."""
    rows = (x @ place.basis).float()
    for method, discovery in _methods(rows.shape[1]).items():
        try:
            dictionary = discovery.fit(rows, rng=rng)
        except ImprintError:
            continue  # it cannot describe such activations, as nonnegative factors cannot describe negative ones
        codes = dictionary.encode(rows).numpy()
        strength = [alike(codes[:, k], rest) for k in range(codes.shape[1])]
        best = int(np.argmax(strength))
        yield strength[best], f"{method} {best}", _feature(dictionary.encode, place.basis, best)


def _methods(width: int) -> dict[str, Discovery]:
    """Every discovery method with a budget for a search of many sites."""
    few = min(8, width)
    return {
        "principal component": PrincipalComponents(features=few),
        "independent component": IndependentComponents(features=few, steps=200, tolerance=1e-3),
        "nonnegative factor": NonnegativeFactors(features=few, steps=300, tolerance=1e-3),
        "autoencoder feature": SparseAutoencoder(features=max(16, min(2 * width, 64)), active=4, steps=120, rows=256),
    }


def _feature(encode: Code, basis: Tensor, index: int) -> Code:
    return lambda x: encode((x @ basis).float())[:, index].double()


def _along(place: Place, vector: Tensor) -> Code:
    """The code of a direction of the whitened span ``[s]``."""
    weight = place.span.axes @ (vector.double() / place.span.scale) / place.span.unit
    return lambda x: (x @ place.basis - place.span.mean) @ weight


def _gradients(place: Place, subject: Subject, observation: Tensor) -> list[Tensor]:
    """Whitened directions ``[s]`` along which the value changes most; none where it has no gradient."""
    delta = torch.zeros(len(observation), place.fit.shape[1], requires_grad=True)
    try:
        with torch.enable_grad():
            value = subject.value_with_grad(observation, edits={place.site: lambda x: place.erased(x) + delta.to(x)})
            (gradient,) = torch.autograd.grad(value.sum(), delta)
    except (ImprintError, RuntimeError):
        return []
    inside = (gradient.double() @ place.basis) * place.span.unit @ place.span.axes * place.span.scale
    if not bool(torch.isfinite(inside).all()) or float(inside.abs().max()) == 0:
        return []
    return list(torch.linalg.svd(inside, full_matrices=False).Vh[:GRADIENTS])


def alike(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """Absolute correlation of two codes ``[n]``; 0 for one that does not vary."""
    if any(code.std() <= ROUNDING * np.abs(code).max() for code in (a, b)):
        return 0.0
    return abs(float(np.corrcoef(a, b)[0, 1]))
