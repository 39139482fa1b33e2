"""Distributed alignment search: whether a subspace of a site carries a variable of a high-level causal model.

A high-level model gives the answer on a base input after one of its variables has been set to the value that it has on
a source input: the counterfactual target. The search learns a subspace whose interchange has the same effect on the
network (Geiger et al. 2021, arXiv 2106.02997; Geiger, Wu, Potts, Icard & Goodman 2024, arXiv 2303.02536):

    B* = argmin_B  mean over pairs of  loss( value( x_base + B B' (x_source - x_base) ), target ),     B' B = 1

For targets that are labels (bool or integer, 0 or 1) the value is a logit: the loss is cross-entropy, and the score is
*interchange intervention accuracy*, the part of held-out pairs on which the value's sign is the counterfactual label.
For targets that are numbers (float) the loss is the squared error, and the score is R2.

A score alone is no evidence: a search can fit maps that the network does not compute (Arora et al. 2024, arXiv
2402.12560; Sutter et al. 2025, arXiv 2507.08802). :func:`search` therefore returns in the same table

    no interchange         the unedited value
    constant answer        the most frequent label; the mean
    untrained rotation     random subspaces of the same rank
    norm-matched random    the same, with each row moved as far as the learned subspace would move it
    wrong site             a search at another site             } when given: new searches
    untrained model        a search in an untrained twin        } with the same settings
    wrong variable         a search for other targets           }

``transformer_lens.tools.analysis.fit_das`` is not used because it needs a model with TransformerLens' hooks and class
logits, has no numeric targets, groups or held-out score, and changes the model's ``requires_grad`` flags while it runs.
A test compares the two on a model that both can read.

Deviations from the source: the basis is the Q of a QR factorisation, orthonormalised after each step, instead of k
columns of a parametrised d x d rotation (the loss depends only on their span). As in the source, the network itself is
not trained.

Letters: n pairs, d width of the site, k rank of the subspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.interventions.base import edited_values, random_basis, retracted
from imprint.probes.interventions.interchange import Interchange
from imprint.probes.samples.clusters import Clusters
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.subjects.subject import Subject

COLUMNS = ("control", "score", "low", "high", "draws", "n")


@dataclass(frozen=True)
class Pairs:
    """Base and source observations, and the high-level model's answer on the base with a variable from the source."""

    base: Tensor
    """``[n, ...]``"""
    source: Tensor
    """``[n, ...]``"""
    target: Tensor
    """``[n]``; bool or integer 0 / 1: labels; float: numbers in units of the value."""
    groups: object = None
    """``[n]`` groups that the split keeps whole; None: each pair is its own group."""

    def __post_init__(self) -> None:
        if not len(self.base) == len(self.source) == len(self.target) or self.target.dim() != 1:
            raise ImprintError(
                f"pairs have {len(self.base)} bases, {len(self.source)} sources and targets {list(self.target.shape)}; "
                "expected as many of each, and one target per pair."
            )
        if not self.numbers and not bool(((self.target == 0) | (self.target == 1)).all()):
            raise ImprintError("labels must be 0 or 1; for targets that are numbers pass them as floats.")
        if self.numbers and not bool(torch.isfinite(self.target).all()):
            raise ImprintError("targets hold NaN or infinite values; leave those pairs out.")

    @property
    def numbers(self) -> bool:
        """Whether targets are numbers and not labels."""
        return self.target.is_floating_point()

    def at(self, rows: Tensor) -> Pairs:
        """The pairs selected by ``rows`` (bool ``[n]``)."""
        codes = compact_groups(self.groups, len(self.target))
        return Pairs(self.base[rows], self.source[rows], self.target[rows], codes[rows.numpy()])


@dataclass(frozen=True)
class Budget:
    """Optimisation settings, the same for the search and for its controls."""

    steps: int = 1500
    """Gradient steps."""
    batch: int = 256
    """Pairs per step."""
    rate: float = 0.03
    """Adam's initial learning rate; it is annealed to zero along a half cosine."""


@dataclass(frozen=True)
class Alignment:
    """The result of a search."""

    site: str
    basis: Tensor
    """``[d, k]`` orthonormal."""
    table: pd.DataFrame = field(repr=False)
    """control, score, low, high, draws, n. For several draws: their mean, smallest and largest score."""

    def score(self, control: str = "learned") -> float:
        """Score of the learned subspace, or of one of its controls, on held-out pairs."""
        return float(self.table.set_index("control")["score"][control])


def learn(subject: Subject, site: str, pairs: Pairs, *, rank: int, budget: Budget, rng: torch.Generator) -> Tensor:
    """Orthonormal basis ``[d, rank]`` of the subspace whose interchange gives the targets of ``pairs`` best."""
    source = subject.activations(pairs.source, [site])[site]
    target = pairs.target.double()
    scale = target.var(correction=0) if pairs.numbers else 1.0
    basis = random_basis(source.shape[1], rank, rng=rng).requires_grad_(True)
    optimizer = torch.optim.Adam([basis], lr=budget.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.steps)
    for rows in _batches(len(target), budget, rng):
        with torch.enable_grad():
            edit = Interchange(source[rows], retracted(basis))
            value = subject.value_with_grad(pairs.base[rows], edits={site: edit}).double()
            if not value.requires_grad:
                raise ImprintError(f"the value has no gradient in {site!r}, so nothing can be learned there.")
            expected = target[rows].to(value.device)
            if pairs.numbers:
                loss = (value - expected).square().mean() / scale
            else:
                loss = functional.binary_cross_entropy_with_logits(value, expected)
        (basis.grad,) = torch.autograd.grad(loss, [basis])
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            basis.copy_(retracted(basis))
    return basis.detach()


def _batches(n: int, budget: Budget, rng: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of each step: epochs over all rows in random order."""
    order = torch.randperm(n, generator=rng)
    size = min(budget.batch, n)
    for _ in range(budget.steps):
        if len(order) < size:
            order = torch.randperm(n, generator=rng)
        yield order[:size]
        order = order[size:]


def search(
    subject: Subject,
    site: str,
    pairs: Pairs,
    *,
    rank: int,
    budget: Budget | None = None,
    held_out: int = 4,
    draws: int = 5,
    wrong_site: str | None = None,
    untrained: Subject | None = None,
    wrong_target: Tensor | None = None,
    rng: torch.Generator,
) -> Alignment:
    """Learn a subspace at ``site``, and score it beside its controls on held-out pairs.

    One part in ``held_out`` of the groups is held out. Controls are ``draws`` random subspaces and, when given (else
    NaN), searches with the same budget at ``wrong_site``, in ``untrained`` (a subject with the same site), and for
    ``wrong_target`` (``[n]`` answers of the high-level model when another variable is interchanged). Intervals are
    Clopper-Pearson's for labels when every pair is its own group, otherwise Student's t over groups; they say how the
    learned subspace scores on other pairs, and not how another search would end.
    """
    budget = budget or Budget()
    test = _held_out(pairs, held_out, rng)
    tested = pairs.at(test)
    clusters = Clusters.of(len(tested.target), tested.groups, rng=rng)

    def searched(searched_subject: Subject, at: str, target: Tensor) -> tuple[Tensor, dict[str, Any]]:
        targeted = replace(pairs, target=target)
        basis = learn(searched_subject, at, targeted.at(~test), rank=rank, budget=budget, rng=rng)
        source = searched_subject.activations(tested.source, [at])[at]
        return basis, _Scorer(targeted.at(test), clusters).row(searched_subject, at, Interchange(source, basis))

    basis, learned = searched(subject, site, pairs.target)
    rows = {"learned": learned, **_Scorer(tested, clusters).controls(subject, site, basis, draws=draws, rng=rng)}
    controls: dict[str, tuple[Subject | None, str | None, Tensor | None]] = {
        "wrong site": (subject, wrong_site, pairs.target),
        "untrained model": (untrained, site, pairs.target),
        "wrong variable": (subject, site, wrong_target),
    }
    for control, (control_subject, at, target) in controls.items():
        if control_subject is None or at is None or target is None:
            rows[control] = {"draws": 0, "n": len(tested.target)}
        else:
            rows[control] = searched(control_subject, at, target)[1]
    table = pd.DataFrame([{"control": control, **row} for control, row in rows.items()], columns=list(COLUMNS))
    return Alignment(site, basis, table)


def _held_out(pairs: Pairs, parts: int, rng: torch.Generator) -> Tensor:
    """Which pairs are held out, bool ``[n]``: one part in ``parts`` of the groups."""
    groups = compact_groups(pairs.groups, len(pairs.target))
    seed = int(torch.randint(2**31, (1,), generator=rng))
    test = torch.from_numpy(folds_of(groups, parts, np.random.default_rng(seed)) == 0)
    for part in (test, ~test):
        if len(pairs.target[part].unique()) < 2:
            raise NotMeasurableError("the targets of the fitted or of the held-out pairs are all the same")
    return test


@dataclass(frozen=True)
class _Scorer:
    """Scores subspaces on held-out pairs."""

    pairs: Pairs
    clusters: Clusters
    """The groups of pairs."""

    def row(self, subject: Subject, site: str, edit: Interchange | None) -> dict[str, Any]:
        """One row of the table, for an edit."""
        return self._row(self._points(subject, site, edit))

    def controls(
        self, subject: Subject, site: str, basis: Tensor, *, draws: int, rng: torch.Generator
    ) -> dict[str, Any]:
        """The rows of the controls that are not learned; ``basis`` is the learned one."""
        source = subject.activations(self.pairs.source, [site])[site]
        rows = {"no interchange": self.row(subject, site, None), "constant answer": self._row(self._constant())}
        random = [random_basis(*basis.shape, rng=rng) for _ in range(draws)]
        for control, like in (("untrained rotation", None), ("norm-matched random", basis)):
            edits = [Interchange(source, other, like) for other in random]
            scores = np.array([self._score(self._points(subject, site, edit)) for edit in edits] or [np.nan])
            summary = {"score": scores.mean(), "low": scores.min(), "high": scores.max()}
            rows[control] = {**summary, "draws": draws, "n": len(self.pairs.target)}
        return rows

    def _points(self, subject: Subject, site: str, edit: Interchange | None) -> Tensor:
        """Per pair ``[n]`` under ``edit``: for labels, 1 if the value's sign is right; for numbers, squared error."""
        value = edited_values(subject, self.pairs.base, {} if edit is None else {site: edit}).double()
        if self.pairs.numbers:
            return (value - self.pairs.target.double()).square()
        return ((value > 0) == self.pairs.target.bool()).double()

    def _row(self, points: Tensor) -> dict[str, Any]:
        low, high = self._interval(points)
        return {"score": self._score(points), "low": low, "high": high, "draws": 1, "n": len(points)}

    def _constant(self) -> Tensor:
        """Points ``[n]`` of always answering the most frequent label, or the mean."""
        target = self.pairs.target.double()
        if self.pairs.numbers:
            return (target - target.mean()).square()
        return (target == float(target.mean() > 0.5)).double()

    def _score(self, points: Tensor) -> float:
        if self.pairs.numbers:
            return 1.0 - float(points.sum() / self._constant().sum())
        return float(points.mean())

    def _interval(self, points: Tensor) -> tuple[float, float]:
        if self.pairs.numbers:
            low, high = self.clusters.ratio(points, self._constant())
            return 1.0 - high, 1.0 - low
        n = len(points)
        if int(compact_groups(self.pairs.groups, n).max()) + 1 < n:
            return self.clusters.mean(points)
        exact = stats.binomtest(int(points.sum()), n).proportion_ci(0.95, method="exact")
        return float(exact.low), float(exact.high)
