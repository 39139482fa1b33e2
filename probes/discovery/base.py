"""The contract of a discovery method, which fits a frozen dictionary of directions to activations, without labels.

    x  ~  decode(encode(x))              explained variance = 1 - sum |x - decode(encode(x))|^2 / sum |x - mean x|^2

The explained variance stored with a dictionary is that of held-out rows (whole groups, when groups are given); one
minus it is the normalised squared error of Gao et al. 2024 (arXiv 2406.04093). Explaining variance is not finding
concepts: :mod:`imprint.probes.scoring.feature_matching` measures how features relate to known concepts, and whether
another seed finds the same ones.

Letters: n rows, d width of the site, m features.
"""

from __future__ import annotations

import json
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError, NotMeasurableError
from imprint.models.registry import Family
from imprint.models.store import read_tensors, write_tensors
from imprint.probes.samples.controls import compact_groups, folds_of

DISCOVERY = Family("discovery", "imprint.probes.discovery", "Discovery")
Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, a note on the state of the fit)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dictionary(ABC):
    """Features found in activations; concrete classes define how a row is encoded."""

    directions: Tensor
    """``[m, d]`` unit directions in activation space; zero for a feature without a direction."""
    offset: Tensor
    """``[d]`` decoding of a code of zeros."""
    dead: Tensor
    """``[m]`` bool: whether the feature is never active on the rows that the dictionary was fitted on."""

    method: ClassVar[str]
    """File name of the discovery method, by which :func:`load_dictionary` finds the class of a saved dictionary."""
    signed: ClassVar[bool]
    """Whether codes may be negative, so that a direction and its opposite are the same feature."""
    held_out: float = float("nan")
    """Explained variance of the held-out rows; NaN when there were none."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Codes ``[n, m]`` of rows ``[n, d]``."""

    def decode(self, codes: Tensor) -> Tensor:
        """Reconstructed rows ``[n, d]`` of codes ``[n, m]``."""
        return codes.to(self.directions.dtype) @ self.directions + self.offset

    def explained_variance(self, x: Tensor) -> float:
        """Part of the variance of rows ``[n, d]`` that their reconstruction explains.

        At most 1; below 0 when it is worse than the mean of these rows; NaN when the rows do not vary.
        """
        x = self._rows(x)
        spread = float((x - x.mean(0)).square().sum())
        error = float((x - self.decode(self.encode(x))).square().sum())
        return 1 - error / spread if spread > 1e-12 * float(x.square().sum()) else float("nan")

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, which :func:`load_dictionary` reads."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        # JSON has no NaN, so an unknown number is left out.
        plain = {k: v for k, v in values.items() if k not in tensors and not (isinstance(v, float) and math.isnan(v))}
        write_tensors(Path(path), tensors, dictionary=self.method, settings=json.dumps(plain, sort_keys=True))

    def _rows(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or x.shape[1] != self.directions.shape[1]:
            raise ImprintError(f"activations are {list(x.shape)}; expected [n, {self.directions.shape[1]}], as fitted.")
        return x.to(self.directions)


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearDictionary(Dictionary):
    """A dictionary whose codes are linear in the activations: ``(x - offset) @ reading``."""

    signed = True
    reading: Tensor
    """``[d, m]``"""

    def encode(self, x: Tensor) -> Tensor:
        """Codes ``[n, m]`` of rows ``[n, d]``."""
        return (self._rows(x) - self.offset) @ self.reading


@dataclass(frozen=True, kw_only=True)
class Discovery(ABC):
    """Abstract discovery method; concrete classes are final, and their fields are its settings."""

    dictionary: ClassVar[type[Dictionary]]
    """Class of its dictionaries."""
    held_out: float = 0.1
    """Part of the rows (of the groups) held out of fitting to score the dictionary; 0: none."""

    def fit(
        self, activations: Tensor, *, rng: torch.Generator, groups: object = None, progress: Progress | None = None
    ) -> Dictionary:
        """A dictionary fitted to activations ``[n, d]``. The same state of ``rng`` gives the same dictionary.

        Raises :class:`ImprintError` for a wrong shape or setting and :class:`NotMeasurableError` for activations that
        are not finite or do not vary, and when the method does not converge.
        """
        if activations.dim() != 2 or not activations.is_floating_point():
            raise ImprintError(f"activations are {activations.dtype} {list(activations.shape)}; expected float [n, d].")
        if not bool(torch.isfinite(activations).all()):
            raise NotMeasurableError("activations hold NaN or infinite values")
        if not 0 <= self.held_out < 1:
            raise ImprintError(f"held_out is {self.held_out}; expected a part of the rows, from 0 to below 1.")
        held = self._held_out_rows(len(activations), groups, rng).to(activations.device)
        train = activations.detach()[~held]
        if len(train) < 2 or not bool((train != train[:1]).any()):
            raise NotMeasurableError("activations do not vary, so there is nothing to find")
        fitted = self._find(train, rng, progress or (lambda done, total, note: None))
        if not bool(held.any()):
            return fitted
        return replace(fitted, held_out=fitted.explained_variance(activations.detach()[held]))

    def _held_out_rows(self, n: int, groups: object, rng: torch.Generator) -> Tensor:
        """``[n]`` bool: whole groups, about ``held_out`` of the rows."""
        if self.held_out == 0:
            return torch.zeros(n, dtype=torch.bool)
        codes = compact_groups(groups, n)
        fold = folds_of(codes, max(2, round(1 / self.held_out)), np.random.default_rng(draw_seed(rng)))
        return torch.from_numpy(fold == 0)

    @abstractmethod
    def _find(self, train: Tensor, rng: torch.Generator, progress: Progress) -> Dictionary:
        """A dictionary fitted to rows ``[n, d]``."""


def draw_seed(rng: torch.Generator) -> int:
    """A seed drawn from ``rng``, for libraries that take no generator of torch."""
    return int(torch.randint(2**31 - 1, (), generator=rng, device=rng.device))


def unit_rows(vectors: Tensor) -> Tensor:
    """Rows ``[m, d]`` scaled to length one; rows of zeros stay zero."""
    norm = vectors.norm(dim=1, keepdim=True)
    return torch.where(norm > 0, vectors / norm.clamp(min=torch.finfo(norm.dtype).tiny), vectors)


@contextmanager
def must_converge(method: str, advice: str) -> Iterator[None]:
    """Turn scikit-learn's warning that an iteration did not converge into a :class:`NotMeasurableError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as warning:
            raise NotMeasurableError(f"{method} did not converge ({str(warning).rstrip('.')}). {advice}") from None


def load_dictionary(path: str | Path) -> Dictionary:
    """A dictionary that :meth:`Dictionary.save` wrote. Raises :class:`DamagedFileError` when it is not one."""
    tensors, header = read_tensors(Path(path))
    if "dictionary" not in header:
        raise DamagedFileError(f"{path} holds no dictionary of features.")
    settings: dict[str, Any] = json.loads(header["settings"])
    dictionary: Dictionary = DISCOVERY.load(header["dictionary"]).dictionary(**tensors, **settings)
    return dictionary
