"""Planted effects: what an edit really does to a planted network, in the population.

Each effect comes as a pair. ``truth`` follows from the wiring: the edit is made on what is *written* for the concept,
or it is what the site's information is worth. ``limit`` is what the instrument would give with endless rows. Where the
two differ, the instrument misleads however many rows it is given:

    ablation        truth: mean ablation (zero ablation), or resample ablation; limit: the ablation itself
    erasure         truth: what is written for the concept is set to its mean; limit: LEACE with population moments,
                    r(x) = x - S_z (S_z' S^-1 S_z)^-1 S_z' S^-1 (x - mean), 0 where a linear probe finds nothing
    patching        truth = limit: part of the change that comes back when the site is taken from the other side
    dose-response   truth: slope along the direction along which the concept is written; limit: along the difference of
                    class means
    interchange     truth = limit: R2 of taking what is written for the concept from a source that differs in all else,
                    against the value with the concept alone set to what it is in the source
    flip            mean size of the change when the concept alone is set to its other value, in sd of the value

The population is :data:`ROWS` rows; edits are made by hand on tensors, with none of the code that is being scored.
Nothing is written by design in an untrained network, so its truth is the limit.

Letters: n rows, d width of a site, S covariance ``[d, d]`` of a site, S_z its covariance ``[d]`` with the concept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from imprint.analyses.questions.instruments.networks import PlantedNetwork
from imprint.analyses.statistics import NAN

ROWS = 100_000
FOUND = 1e-3
"""Part of the concept's variance that a site must explain for a linear probe to find it in the population."""


@dataclass(frozen=True)
class Effect:
    """The truth by the wiring, and the result of the instrument with endless rows."""

    truth: float
    limit: float


@dataclass(frozen=True)
class Population:
    """A planted network on very many rows."""

    network: PlantedNetwork
    sites: Mapping[str, Tensor]
    """``[n, d]`` each."""
    flipped: Mapping[str, Tensor]
    """The same with the concept set to its other value."""
    source: Mapping[str, Tensor]
    """Activations of the rows from which the concept is taken."""
    differs: Tensor
    """bool ``[n]`` whether the concept has another value there."""
    concept: Tensor
    """``[n]`` +1 or -1."""

    @classmethod
    def of(cls, network: PlantedNetwork, *, rows: int = ROWS, rng: torch.Generator) -> Population:
        """A population of ``rows`` rows."""
        seen = network.observe(rows, rng=rng)
        with torch.no_grad():
            sites, flipped, source = (network.branches(x) for x in (seen.observation, seen.flipped, seen.source))
        return cls(network, sites, flipped, source, seen.differs, 2 * seen.concept.float() - 1)

    @cached_property
    def value(self) -> Tensor:
        """Value of each row, ``[n]``."""
        return self._head({})

    @cached_property
    def other(self) -> Tensor:
        """Value ``[n]`` with the concept set to its other value."""
        return self._head(self.flipped)

    def _head(self, edits: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            return self.network.head({**self.sites, **edits}).double()

    def cost(self, edits: Mapping[str, Tensor]) -> float:
        """Mean squared change of the value, in its variance."""
        return float((self._head(edits) - self.value).square().mean() / self.value.var())

    def flip(self) -> float:
        """Mean size of the change when the concept alone is set to its other value, in sd of the value."""
        return float((self.other - self.value).abs().mean() / self.value.std())

    def ablation(self, where: Sequence[str], how: str) -> Effect:
        """Cost of replacing sites by ``zero``, their ``mean``, or another row (``resample``)."""
        mean = self.cost({site: self.sites[site].mean(0).expand_as(self.sites[site]) for site in where})
        if how == "resample":
            other = self.cost({site: self.sites[site].roll(1, 0) for site in where})
            return Effect(other, other)
        zero = self.cost({site: torch.zeros_like(self.sites[site]) for site in where})
        return Effect(mean, zero if how == "zero" else mean)

    def erasure(self, where: Sequence[str]) -> Effect:
        """Cost of erasing the concept from sites."""
        limit = self.cost({site: self._without(site) for site in where})
        if self.network.plan.random:
            return Effect(limit, limit)
        edits = {}
        for site in where:
            x, written = self.sites[site], self.network.written(site)
            edits[site] = x - (x - x.mean(0)) @ written @ written.T
        return Effect(self.cost(edits), limit)

    def _covariance(self, site: str) -> Tensor:
        """``[d]`` of the concept with the activations, and zeros where a linear probe finds nothing."""
        x, z = self.sites[site].double(), self.concept.double()
        x, z = x - x.mean(0), z - z.mean()
        cross = x.T @ z / len(z)
        explained = cross @ torch.linalg.pinv(x.T @ x / len(z), rtol=1e-6, hermitian=True) @ cross / z.square().mean()
        return cross if float(explained) > FOUND else torch.zeros_like(cross)

    def _without(self, site: str) -> Tensor:
        cross = self._covariance(site)
        if not bool(cross.any()):
            return self.sites[site]
        x = self.sites[site].double()
        apart = x - x.mean(0)
        inverse = torch.linalg.pinv(apart.T @ apart / len(x), rtol=1e-6, hermitian=True)
        reading = inverse @ cross / (cross @ inverse @ cross)
        return (x - torch.outer(apart @ reading, cross)).float()

    def patching(self, where: Sequence[str]) -> Effect:
        """Part of the value's change restored; NaN where the concept changes nothing."""
        if self.flip() < 1e-5:
            return Effect(NAN, NAN)
        with torch.no_grad():
            patched = self.network.head({**self.flipped, **{site: self.sites[site] for site in where}}).double()
        change = self.value - self.other
        restored = float(((patched - self.other) * change).sum() / change.square().sum())
        return Effect(restored, restored)

    def dose_response(self, site: str, strengths: Sequence[float]) -> Effect:
        """Slope in sd of the value per sd along the direction; NaN where there is no direction."""
        cross, written = self._covariance(site), self.network.written(site)
        limit = self._slope(site, cross.float(), strengths) if bool(cross.any()) else NAN
        if self.network.plan.random:
            return Effect(limit, limit)
        return Effect(self._slope(site, written[:, 0], strengths) if written.shape[1] == 1 else NAN, limit)

    def _slope(self, site: str, direction: Tensor, strengths: Sequence[float]) -> float:
        x, unit = self.sites[site], direction / direction.norm()
        step = unit * (x @ unit).std()
        moved = [
            strength * float((self._head({site: x + strength * step}) - self.value).mean()) for strength in strengths
        ]
        return sum(moved) / sum(s * s for s in strengths) / float(self.value.std())

    def interchange(self, site: str) -> Effect:
        """R2 of the value with the concept taken from the source; NaN where it is not written."""
        written = self.network.written(site)
        if self.network.plan.random or not written.shape[1]:
            return Effect(NAN, NAN)
        x = self.sites[site]
        edited = self._head({site: x + (self.source[site] - x) @ written @ written.T})
        target = torch.where(self.differs, self.other, self.value)
        score = 1 - float((edited - target).square().mean() / target.var())
        return Effect(score, score)
