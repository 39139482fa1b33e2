"""Concept activation: whether the value increases along the direction in which a site encodes a concept.

Testing with concept activation vectors (TCAV; Kim et al. 2018, arXiv 1711.11279). A concept is a set of examples. Its
vector is the normal of a linear classifier that separates their activations from those of random examples:

    v = (X' X + s tr(X' X)/d I)^-1 X' y         X = the 2m centred rows, y = +1 concept, -1 random
    score = part of the observations whose directional derivative  d value/dh . v  is positive, averaged over runs

Runs differ in the random examples and share the concept examples.

**The null.** The usual test compares the runs' scores with those of random-against-random runs by a t-test. Because the
runs share one positive set they are not independent, and the test finds concepts in noise (:func:`null_rate` measures
how often). Here the null is a *random concept*: as many rows drawn from concept and random examples together, given the
same number of runs. If the concept examples are random examples, the concept and the random concepts are exchangeable,
so that

    p = (1 + random concepts at least as extreme) / (1 + random concepts)

is a valid p-value for any statistic (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9). The statistic is the
distance of the score from 1/2; ties (scores are often exactly 0 or 1) are broken by the absolute mean cosine between
vector and gradient.

Deviations from the source: (1) the null above; (2) ridge regression on the two classes, in closed form, so that
thousands of vectors are fitted at once; (3) observations whose gradient is zero at the site are left out and not
counted as negative.

A small p-value shows that the value responds to the direction, not that the concept itself is used: everything that
correlates with the concept in the examples changes the vector, too.

Letters: n observations, m rows per set, M random examples, d width of the site, C concepts, R runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.attributions.base import gradient_at
from imprint.probes.subjects.subject import Subject

SHRINK = 0.1
"""s, the ridge penalty relative to the mean variance of the centred rows."""
FLOATS = 2**24
"""Largest number of elements of a temporary tensor."""


@dataclass(frozen=True)
class ConceptActivation:
    """The response of the value to a concept at a site."""

    site: str
    score: float
    """Part of the observations whose value increases along the concept vector, 0 to 1, averaged over runs."""
    p_value: float
    """Against random concepts."""
    t_test_p_value: float
    """Of the usual t-test against random runs; for comparison only, since it is not valid."""
    runs: Tensor
    """``[R]`` score of each run."""
    nulls: Tensor
    """``[C]`` score of each random concept."""
    n: int
    """Number of observations with a gradient."""


@dataclass(frozen=True)
class NullRate:
    """False positive rates on random concepts."""

    rate: float
    """Of the test against random concepts."""
    t_test_rate: float
    """Of the usual t-test."""
    p_values: Tensor
    """``[concepts]`` p-values against random concepts; uniform for a valid test."""


def activations_and_gradients(
    subject: Subject, observation: Tensor, site: str, *, batch_size: int = 512
) -> tuple[Tensor, Tensor]:
    """Activations ``[n, d]`` at ``site`` and the value's gradient ``[n, d]`` there, float64, on the CPU.

    Raises :class:`ImprintError` when the gradient does not reach the site.
    """
    batches = [gradient_at(subject, batch, site) for batch in observation.split(batch_size)]
    activations, gradients = zip(*batches, strict=True)
    return torch.cat(activations).double().cpu(), torch.cat(gradients).double().cpu()


def concept_activation(
    subject: Subject,
    observation: Tensor,
    site: str,
    concept: Tensor,
    *,
    random: Tensor,
    runs: int = 20,
    nulls: int = 99,
    rng: torch.Generator,
) -> ConceptActivation:
    """Test whether the value of ``observation`` ``[n, ...]`` responds to a concept at ``site``.

    ``concept`` ``[m, ...]`` are examples of the concept, ``random`` ``[M, ...]`` examples of anything, M at least 2 m;
    ``nulls`` is the number of random concepts, at least 19.

    Raises :class:`NotMeasurableError` with too few examples, or when no observation has a gradient at the site.
    """
    _, gradients = activations_and_gradients(subject, observation, site)
    positive, pool = (subject.activations(rows, [site])[site].double() for rows in (concept, random))
    return concept_score(gradients, positive, pool, site=site, runs=runs, nulls=nulls, rng=rng)


def concept_score(
    gradients: Tensor, concept: Tensor, random: Tensor, *, site: str, runs: int, nulls: int, rng: torch.Generator
) -> ConceptActivation:
    """:func:`concept_activation`, given gradients ``[n, d]`` and activations ``[m, d]`` and ``[M, d]``."""
    usable = _usable(gradients)
    m, total = len(concept), len(concept) + len(random)
    if m < 2 or len(random) < 2 * m:
        raise NotMeasurableError(
            f"{m} concept examples and {len(random)} random ones; expected two or more, and twice as many random ones"
        )
    if runs < 2 or nulls < 19:
        raise ImprintError(f"runs is {runs} and nulls {nulls}; expected 2 runs or more and 19 nulls or more.")
    rows = torch.cat([concept, random])
    sets = torch.cat([torch.arange(m)[None], _draws(total, nulls, m, rng)])
    scores, cosines = _scores(rows, sets, usable, runs=runs, rng=rng)
    means = scores.mean(1)
    p_value = _p_value(means, cosines.mean(1))
    random_runs, _ = _scores(random, _draws(len(random), runs, m, rng), usable, runs=1, rng=rng)
    t_test = _t_test(scores[0], random_runs[:, 0])
    return ConceptActivation(site, float(means[0]), p_value, t_test, scores[0], means[1:], len(usable))


def null_rate(
    subject: Subject,
    observation: Tensor,
    site: str,
    pool: Tensor,
    *,
    concepts: int = 200,
    size: int = 50,
    runs: int = 20,
    nulls: int = 99,
    alpha: float = 0.05,
    rng: torch.Generator,
) -> NullRate:
    """False positive rate of :func:`concept_activation` on concepts that are ``size`` random rows of ``pool``.

    Every such concept is tested against the rest of the pool. Gradients and activations are computed once.
    """
    _, gradients = activations_and_gradients(subject, observation, site)
    rows = subject.activations(pool, [site])[site].double()
    results = []
    for drawn in _draws(len(rows), concepts, size, rng):
        rest = torch.ones(len(rows), dtype=torch.bool).index_fill(0, drawn, False)
        results.append(concept_score(gradients, rows[drawn], rows[rest], site=site, runs=runs, nulls=nulls, rng=rng))
    p_values = torch.tensor([result.p_value for result in results], dtype=torch.float64)
    rate = float((p_values <= alpha).double().mean())
    t_test_rate = float(np.mean([result.t_test_p_value <= alpha for result in results]))
    return NullRate(rate, t_test_rate, p_values)


def _usable(gradients: Tensor) -> Tensor:
    """Those gradients ``[n, d]`` that are not zero."""
    if not bool(torch.isfinite(gradients).all()):
        raise NotMeasurableError("the value's gradient at the site holds NaN or infinite values")
    usable = gradients[gradients.abs().amax(1) > 0]
    if not len(usable):
        raise NotMeasurableError("the value's gradient at the site is zero for every observation")
    return usable


def _draws(total: int, sets: int, m: int, rng: torch.Generator) -> Tensor:
    """Numbers ``[sets, m]`` of m distinct rows of ``total``, drawn independently for every set."""
    if total < 2 * m:
        raise NotMeasurableError(f"{total} examples; sets of {m} rows need at least {2 * m}")
    return torch.rand(sets, total, generator=rng).topk(m, largest=False).indices


def _scores(rows: Tensor, sets: Tensor, gradients: Tensor, *, runs: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Score and mean cosine, ``[C, R]`` each, of the concept examples ``sets`` ``[C, m]`` against random other rows."""
    unit = torch.nn.functional.normalize(gradients, dim=1).mean(0)
    scores, cosines = [], []
    size = runs * max(len(rows), len(gradients), 2 * sets.shape[1] * rows.shape[1])
    for chunk in sets.split(max(1, FLOATS // size)):
        vectors = torch.nn.functional.normalize(concept_vectors(rows, chunk, runs, rng), dim=2)
        scores.append((vectors @ gradients.T > 0).double().mean(2))
        cosines.append(vectors @ unit)
    return torch.cat(scores), torch.cat(cosines)


def concept_vectors(rows: Tensor, sets: Tensor, runs: int, rng: torch.Generator) -> Tensor:
    """Concept activation vectors ``[C, R, d]`` of ``sets`` ``[C, m]`` of the rows, against m random others per run."""
    count, m = sets.shape
    keys = torch.rand(count, runs, len(rows), generator=rng).scatter(2, sets[:, None].expand(-1, runs, -1), 2.0)
    others = keys.topk(m, dim=2, largest=False).indices
    x = torch.cat([rows[sets][:, None].expand(-1, runs, -1, -1), rows[others]], 2)
    x = x - x.mean(2, keepdim=True)
    y = torch.ones(2 * m, dtype=x.dtype).index_fill(0, torch.arange(m, 2 * m), -1.0)
    ridge = SHRINK * x.square().sum((2, 3)) / x.shape[3] + torch.finfo(x.dtype).tiny
    if x.shape[3] <= 2 * m:
        vectors: Tensor = torch.linalg.solve(_damped(x.mT @ x, ridge), x.mT @ y)
        return vectors
    weights: Tensor = torch.linalg.solve(_damped(x @ x.mT, ridge), y.expand(count, runs, -1))
    return (x.mT @ weights[..., None])[..., 0]


def _damped(gram: Tensor, ridge: Tensor) -> Tensor:
    """``gram`` with ``ridge`` added to its diagonal, in place."""
    gram.diagonal(dim1=-2, dim2=-1).add_(ridge[..., None])
    return gram


def _p_value(scores: Tensor, cosines: Tensor) -> float:
    """p-value of the first of exchangeable concepts, by distance of the score from 1/2, then by absolute cosine."""
    distance, cosine = ((scores - 0.5).abs() * 1e9).round(), cosines.abs()
    further = (distance[1:] > distance[0]) | ((distance[1:] == distance[0]) & (cosine[1:] >= cosine[0]))
    return (1 + int(further.sum())) / len(scores)


def _t_test(concept: Tensor, random: Tensor) -> float:
    """Two-sided p-value of Student's t-test between two samples of the same size."""
    difference = float(concept.mean() - random.mean())
    error = float(((concept.var() + random.var()) / len(concept)).sqrt())
    if error == 0:
        return float(difference == 0)
    return float(2 * student.sf(abs(difference) / error, 2 * len(concept) - 2))
