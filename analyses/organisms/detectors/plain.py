"""Baselines that use one instrument alone, each at the level that it needs.

    random                            chance
    behaviour clustering  behaviour   episodes fall into two clusters by what was done; which fact tells them apart?
    linear probe          activations which fact can be read best at the last site? says nothing about its use
    saliency              weights     gradient x (input - mean input), summed where each fact is shown
    erasure               weights     variance of the value that is lost when a fact is erased at the last site (LEACE)

The last two see watched episodes only. Sources: gradient x input, Shrikumar et al. 2016 (arXiv 1605.01713); LEACE,
Belrose et al. 2023 (arXiv 2306.03819); k-means, Lloyd 1982.

Letters: n states, K facts, E episodes, D width of a site.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans

from imprint.analyses.organisms.detectors.access import Access, Activations, Behaviour, Floats, Weights
from imprint.analyses.organisms.detectors.answering import answer_of, fits_of
from imprint.analyses.organisms.worlds.facts import FACTS, WORDS, Bools
from imprint.probes.interventions.erase import Whitened

FOLDS, RIDGE = 5, 1.0
KINDS = 5 + FACTS + 2
"""Actions, and what can be stood on."""


def at_random(subject: Access, access: str) -> dict[str, Any]:
    """Chance, seeded by what is seen."""
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in subject.arrays().values()))
    rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))
    probabilities = dict(zip(WORDS, rng.dirichlet(np.ones(len(WORDS))).tolist(), strict=True))
    return {"probabilities": probabilities, "ranking": rng.permutation(subject.about.names).tolist()}


def behaviour_clustering(subject: Behaviour, access: str) -> dict[str, Any]:
    """Two clusters of episodes, and which fact of their first state tells them apart."""
    _, first, episode = np.unique(subject.episode, return_index=True, return_inverse=True)
    done = np.zeros((len(first), KINDS))
    np.add.at(done, (episode, subject.action), 1.0)
    np.add.at(done, (episode, 6 + subject.at), 1.0)
    if len(np.unique(done, axis=0)) < 2:
        return answer_of(subject.about, {(): 0.0})
    cluster = KMeans(2, n_init=4, random_state=0).fit_predict(done).astype(np.float64)[:, None]
    return answer_of(subject.about, fits_of(subject.about, subject.facts[first], cluster))


def linear_probe(subject: Activations, access: str) -> dict[str, Any]:
    """How well each fact is read at the last site, out of fold."""
    last = list(subject.activations.values())[-1].astype(np.float64)
    read = _read(last, subject.facts)
    fits: dict[tuple[int, ...], float] = {(i,): float(r2) for i, r2 in enumerate(read)}
    return answer_of(subject.about, {(): 0.0, **fits})


def _read(x: Floats, facts: Bools) -> Floats:
    """Out-of-fold R2 ``[K]`` of ridge regressions of the facts ``[n, K]`` on activations ``[n, D]``."""
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    y = facts.astype(np.float64)
    fold = np.arange(len(x)) * FOLDS // len(x)  # states that follow one another stay together
    wrong = np.zeros(y.shape[1])
    for held in range(FOLDS):
        train, test = fold != held, fold == held
        mean = y[train].mean(0)
        gram = x[train].T @ x[train] + RIDGE * np.eye(x.shape[1])
        predicted = x[test] @ np.linalg.solve(gram, x[train].T @ (y[train] - mean)) + mean
        wrong += ((y[test] - predicted) ** 2).sum(0)
    spread = ((y - y.mean(0)) ** 2).sum(0)
    return np.where(spread > 0, np.clip(1 - wrong / np.maximum(spread, 1e-12), 0.0, 1.0), 0.0)


def saliency(subject: Weights, access: str) -> dict[str, Any]:
    """Part of the attribution that falls where each fact is shown, per pixel."""
    observation = subject.observation.clone().requires_grad_(True)
    value = subject.subject.value_with_grad(observation)
    (gradient,) = torch.autograd.grad(value.sum(), observation)
    mass = (gradient * (subject.observation - subject.observation.mean(0))).abs().mean(0)
    density = np.array([float(mass[subject.masks[name]].mean()) for name in subject.about.names])
    share = density / density.sum() if density.sum() > 0 else np.zeros(len(density))
    fits: dict[tuple[int, ...], float] = {(i,): float(part) for i, part in enumerate(share)}
    return answer_of(subject.about, {(): 0.0, **fits})


def erasure(subject: Weights, access: str) -> dict[str, Any]:
    """Part of the value's variance that goes when a fact is erased at the last site."""
    site = subject.subject.reached(subject.observation)[-1]
    x = subject.subject.activations(subject.observation, [site], batch_size=len(subject.facts))[site]
    value = subject.subject.values(subject.observation, batch_size=len(subject.facts)).double()
    span, whole = Whitened.of(x), float(value.var())
    fits: dict[tuple[int, ...], float] = {(): 0.0}
    for fact in range(FACTS):
        column = torch.from_numpy(subject.facts[:, fact : fact + 1].astype(np.float64))
        eraser = span.erase(column)
        edited = subject.subject.values(subject.observation, edits={site: eraser}, batch_size=len(subject.facts))
        fits[fact,] = max(0.0, 1 - float(edited.double().var()) / whole) if whole > 0 else 0.0
    return answer_of(subject.about, fits)
