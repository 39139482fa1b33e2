"""Distributed alignment search: does a subspace of a site carry a variable of a high-level causal model?

A high-level model says what the answer would be if one of its variables were set, on a base input, to the value that it
has on a source input: the counterfactual target. The search learns a subspace such that interchanging it does that to
the network (Geiger et al. 2021, arXiv 2106.02997; Geiger, Wu, Potts, Icard & Goodman 2024, arXiv 2303.02536):

    B* = argmin_B  mean over pairs of  loss( value( x_base + B B' (x_source - x_base) ), target ),     B' B = 1

Targets that are labels (bool or integer, 0 or 1) take the value as a logit difference: the loss is cross-entropy, and
the score is *interchange intervention accuracy*, the part of held-out pairs on which the value's sign is the
counterfactual label. Targets that are numbers (float) take squared error, and the score is R2.

A score is not evidence by itself: a search can fit maps that the network does not compute (Arora et al. 2024, arXiv
2402.12560; Sutter et al. 2025, arXiv 2507.08802). :func:`search` therefore hands back, in the same table,

    no interchange         the untouched value against the targets
    constant answer        the commonest label; the mean
    untrained rotation     random subspaces of the same rank
    norm-matched random    the same, each row moved as far as the learned subspace would move it
    wrong site             a search at another site             } when given: each learns afresh,
    untrained model        a search in an untrained twin        } with the same settings
    wrong variable         a search for other targets           }

*Why not* ``transformer_lens.tools.analysis.fit_das``? It needs a model with TransformerLens' hooks and class logits;
it knows no numbers as targets, no groups and no held-out score, and it switches the model's ``requires_grad`` flags
while it runs. This one takes any :class:`~imprint.probes.subjects.subject.Subject` and leaves the model alone. On a
model that both can read, theirs is the oracle of our test.

Deviations from the source: the basis is the Q of a QR factorisation, taken back onto the orthonormal matrices after
each step, instead of a parametrised d x d rotation of which k columns are used (the loss depends on their span alone).
As in the source, the network itself is never trained.

Letters: n pairs, d width of the site, k rank of the subspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.samples.resamples import Resamples
from imprint.probes.subjects.subject import Subject

COLUMNS = ("control", "score", "low", "high", "draws", "n")


@dataclass(frozen=True)
class Pairs:
    """Base and source observations, and what the high-level model says of the base with a variable from the source."""

    base: Tensor
    """``[n, ...]``"""
    source: Tensor
    """``[n, ...]``"""
    target: Tensor
    """``[n]``, bool or integer 0 / 1: labels; float: numbers in units of the value."""
    groups: object | None = None
    """``[n]`` what must not straddle the split; each pair its own group when ``None``."""

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
        """Whether targets are numbers, not labels."""
        return self.target.is_floating_point()

    def with_target(self, target: Tensor) -> Pairs:
        """The same pairs under another high-level variable."""
        return Pairs(self.base, self.source, target, self.groups)

    def at(self, rows: Tensor) -> Pairs:
        """Those pairs in ``rows`` (bool ``[n]``)."""
        codes = compact_groups(self.groups, len(self.target))
        return Pairs(self.base[rows], self.source[rows], self.target[rows], codes[rows.numpy()])


@dataclass(frozen=True)
class Budget:
    """How long a subspace is learned; the same for the search and for its placebos."""

    steps: int = 1500
    batch: int = 256
    """Pairs per step."""
    rate: float = 0.03
    """Adam's step size at the start; falls to zero along a half cosine."""


@dataclass(frozen=True)
class Alignment:
    """What a search found."""

    site: str
    basis: Tensor
    """``[d, k]`` orthonormal."""
    table: pd.DataFrame = field(repr=False)
    """control, score, low, high, draws, n. Several draws: their mean, smallest and largest."""

    def score(self, control: str = "learned") -> float:
        """Score on held-out pairs of the learned subspace, or of one of its controls."""
        return float(self.table.set_index("control")["score"][control])


def learn(subject: Subject, site: str, pairs: Pairs, rank: int, budget: Budget, *, rng: torch.Generator) -> Tensor:
    """Orthonormal basis ``[d, k]`` that makes interchanges give the targets of ``pairs``; the model is left alone."""
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
            wanted = target[rows].to(value.device)
            if pairs.numbers:
                loss = (value - wanted).square().mean() / scale
            else:
                loss = functional.binary_cross_entropy_with_logits(value, wanted)
        (basis.grad,) = torch.autograd.grad(loss, [basis])
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            basis.copy_(retracted(basis))
    return basis.detach()


def _batches(n: int, budget: Budget, rng: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of each step: passes over all rows in random order."""
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
    resamples: int = 1000,
    rng: torch.Generator,
) -> Alignment:
    """Learn a subspace of ``rank`` at ``site`` and score it beside its placebos on one ``held_out``-th of the groups.

    ``wrong_site``, ``untrained`` (a subject with the same site) and ``wrong_target`` (``[n]``, what the high-level
    model says when another variable is interchanged) are searched with the same budget; NaN when not given. Intervals
    are Clopper-Pearson for labels when every pair is its own group, else percentiles over resampled groups.
    """
    budget = budget or Budget()
    test = _held_out(pairs, held_out, rng)
    judged = pairs.at(test)
    resampled = Resamples.of(len(judged.target), judged.groups, count=resamples, rng=rng)

    def fresh(who: Subject, where: str, wanted: Tensor) -> tuple[Tensor, dict[str, Any]]:
        asked = pairs.with_target(wanted)
        found = learn(who, where, asked.at(~test), rank, budget, rng=rng)
        source = who.activations(judged.source, [where])[where]
        scorer = _Scorer(asked.at(test), resampled)
        return found, scorer.row(scorer.points(who, where, Interchange(source, found)))

    basis, learned = fresh(subject, site, pairs.target)
    rows = {"learned": learned, **_Scorer(judged, resampled).untaught(subject, site, basis, draws, rng)}
    wrong: dict[str, tuple[Subject | None, str | None, Tensor | None]] = {
        "wrong site": (subject, wrong_site, pairs.target),
        "untrained model": (untrained, site, pairs.target),
        "wrong variable": (subject, site, wrong_target),
    }
    for control, (who, where, target) in wrong.items():
        if who is None or where is None or target is None:
            rows[control] = {"draws": 0, "n": len(judged.target)}
        else:
            rows[control] = fresh(who, where, target)[1]
    table = pd.DataFrame([{"control": control, **row} for control, row in rows.items()], columns=list(COLUMNS))
    return Alignment(site, basis, table)


def _held_out(pairs: Pairs, parts: int, rng: torch.Generator) -> Tensor:
    """Which pairs are held out, bool ``[n]``."""
    groups = compact_groups(pairs.groups, len(pairs.target))
    seed = int(torch.randint(2**31, (1,), generator=rng))
    test = torch.from_numpy(folds_of(groups, parts, np.random.default_rng(seed)) == 0)
    for part in (test, ~test):
        if len(pairs.target[part].unique()) < 2:
            raise NotMeasurableError("the targets of the fitted or of the held-out pairs are all the same")
    return test


@dataclass(frozen=True)
class _Scorer:
    """Turns points ``[n]`` into a score with its interval."""

    pairs: Pairs
    draws: Resamples

    def points(self, subject: Subject, site: str, edit: Interchange | None) -> Tensor:
        """``[n]`` of the value under ``edit``: labels, 1 where its sign is right; numbers, its squared error."""
        value = edited_values(subject, self.pairs.base, {} if edit is None else {site: edit}).double()
        if self.pairs.numbers:
            return (value - self.pairs.target.double()).square()
        return ((value > 0) == self.pairs.target.bool()).double()

    def row(self, points: Tensor) -> dict[str, Any]:
        """One row of the table."""
        low, high = self._interval(points)
        return {"score": self._score(points), "low": low, "high": high, "draws": 1, "n": len(points)}

    def untaught(self, subject: Subject, site: str, basis: Tensor, draws: int, rng: torch.Generator) -> dict[str, Any]:
        """The rows of what has learned nothing, beside ``basis``; several draws give mean, smallest and largest."""
        source = subject.activations(self.pairs.source, [site])[site]
        rows = {
            "no interchange": self.row(self.points(subject, site, None)),
            "constant answer": self.row(self._constant()),
        }
        random = [random_basis(*basis.shape, rng=rng) for _ in range(draws)]
        for control, like in (("untrained rotation", None), ("norm-matched random", basis)):
            edits = [Interchange(source, other, like) for other in random]
            found = np.array([self._score(self.points(subject, site, edit)) for edit in edits] or [np.nan])
            ends = {"score": found.mean(), "low": found.min(), "high": found.max()}
            rows[control] = {**ends, "draws": draws, "n": len(self.pairs.target)}
        return rows

    def _constant(self) -> Tensor:
        """Points ``[n]`` of the commonest label, or of the mean."""
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
            low, high = self.draws.ratio(points, self._constant())
            return 1.0 - high, 1.0 - low
        n = len(points)
        if int(compact_groups(self.pairs.groups, n).max()) + 1 < n:
            return self.draws.mean(points)
        exact = stats.binomtest(int(points.sum()), n).proportion_ci(0.95, method="exact")
        return float(exact.low), float(exact.high)
