"""Causal experiments: what the value of a subject depends on, by changing activations while it is computed.

Each function answers one question, with an interval over groups of rows and beside the effect of placebos.

    ablations      is this site needed?                 replace it by zeros, by its mean, by another row's activations
    erasure        is this concept needed at this site? LEACE of the concept; placebo: random subspaces of the same rank
    patching       does this site carry the change?     activations of one observation put into its counterfactual
    dose_response  does this direction drive the value? steps along it; placebo: equal steps along random directions

``ablations`` and ``erasure`` give the cost of an edit (:mod:`imprint.probes.causal.edit_runs`): by default the mean
squared change of the value in variances of the unedited value, which is 1 when every row gets the mean value.

*Redundancy.* Where either of two copies suffices, removing one changes nothing, so an edit of one site without effect
does not show that the site is unused. In every list of sites a tuple of names is one joint edit, and ``ablations`` adds
the joint edit of all its sites. Resampling one copy shows redundancy as well, since the copies then contradict each
other.

All take ``groups`` (``[n]``, for intervals and resampling; default: each row is its own group) and the number of
``placebos``, of which they give the mean and the largest effect. Intervals (:mod:`imprint.probes.samples.clusters`) are
Student's t over groups. What an edit is fitted on (an eraser, a direction, a mean) is fitted anew without each of
``blocks`` blocks of groups, so that the interval holds the uncertainty of the fit, and the estimate is freed of the
bias that falls as 1/n.

Sources: mean and resample ablation, Wang et al. 2022 (arXiv 2211.00593) and Chan et al. 2022 (causal scrubbing);
amnesic probing with its random-direction control, Elazar et al. 2021 (arXiv 2006.00995), here with LEACE (arXiv
2306.03819); activation patching and its pitfalls, Heimersheim & Nanda 2024 (arXiv 2404.15255).

Deviations: (1) joint edits are fitted on activations of the unedited pass, so they ignore what an edit of an earlier
site does to a later one; tuples are meant for sites that run in parallel. (2) Erasers are fitted on the rows that they
are applied to, and the jackknife removes what that changes.

Letters: n rows, d width, k concept columns, r rank.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.causal import edit_runs
from imprint.probes.fitting.moments import Moments
from imprint.probes.interventions import ablate
from imprint.probes.interventions.ablate import Ablation, derangement
from imprint.probes.interventions.erase import SAFETY, Eraser, Whitened, independent, rows_rounding, varying
from imprint.probes.interventions.steer import Steering, steering
from imprint.probes.samples.clusters import BLOCKS
from imprint.probes.subjects.guards import examined_once
from imprint.probes.subjects.subject import Subject
from imprint.probes.subjects.upstream import rows_at_once

HOW = ("zero", "mean", "resample")
"""Kinds of ablation."""
NARROW = 4
"""Rows per unit that an erasure needs."""
NOTHING = {"effect": 0.0, "low": 0.0, "high": 0.0, "placebo": 0.0, "placebo_high": 0.0, "excess": 0.0, "rank": 0}
"""Row of :func:`erasure` for a concept that is not at the site."""


# -- ablation --------------------------------------------------------------------------------------------------------


@examined_once
def ablations(
    subject: Subject,
    observation: Tensor,
    sites: Sequence[edit_runs.Where] | None = None,
    *,
    groups: object = None,
    joint: bool = True,
    cost: edit_runs.Cost = edit_runs.squared_change,
    placebos: int = 10,
    blocks: int = BLOCKS,
    rng: torch.Generator,
) -> pd.DataFrame:
    """Zero, mean and resample ablation of each site: site, how, effect, low, high, placebo, placebo_high, n.

    Default sites: all that the value runs through. ``joint`` adds one edit of them all. All sites of an edit are
    resampled from the same other row. A placebo moves every row exactly as far as the ablation does, in a random
    direction of the span of the site's activations.
    """
    run = edit_runs.EditRuns.of(subject, observation, groups, blocks=blocks, rng=rng)
    edited = edit_runs.places(subject.reached(observation) if sites is None else sites)
    names = edit_runs.names_in(edited)
    if joint and len(names) > 1 and tuple(names) not in edited:
        edited.append(tuple(names))
    activations = subject.activations(observation, names)
    spans = {name: Whitened.of(x) for name, x in activations.items()}
    other = derangement(len(observation), groups, rng=rng)

    def of_mean(place: Sequence[str]) -> tuple[float, tuple[float, float]]:
        def without(block: int | None) -> Tensor:
            kept = run.clusters.kept(block)
            means = {name: ablate.mean(activations[name][kept]) for name in place}
            return edit_runs.quotient(run.costs(means, cost, kept))[None]

        (estimate,), (interval,) = run.clusters.refitted(without)
        return float(estimate), interval

    rows = []
    for place, how in itertools.product(edited, HOW):
        edits = {name: _ablation(how, activations[name], other) for name in place}
        if how == "mean":
            effect, (low, high) = of_mean(place)
        else:
            real = run.costs(edits, cost)
            effect = float(edit_runs.quotient(real))
            low, high = run.clusters.ratio(*real, donor=other if how == "resample" else None)
        drawn = [
            {name: _as_far(edit, activations[name], spans[name], rng) for name, edit in edits.items()}
            for _ in range(placebos)
        ]
        summary = edit_runs.placebo_summary([float(edit_runs.quotient(run.costs(each, cost))) for each in drawn])
        about = {"site": edit_runs.JOINED.join(place), "how": how, "effect": effect, "low": low, "high": high}
        rows.append({**about, **summary, "n": len(run.before)})
    return pd.DataFrame(rows, columns=["site", "how", "effect", "low", "high", "placebo", "placebo_high", "n"])


def _ablation(how: str, activations: Tensor, other: Tensor) -> Ablation:
    if how == "resample":
        return Ablation(activations[other])
    return ablate.zero(activations) if how == "zero" else ablate.mean(activations)


def _as_far(edit: Ablation, activations: Tensor, span: Whitened, rng: torch.Generator) -> Ablation:
    """An edit that moves each row as far as ``edit`` does, in a random direction of the span."""
    x = activations.double()
    length = (edit(x) - x).norm(dim=1, keepdim=True)
    draw = torch.randn(len(x), len(span.scale), generator=rng, dtype=torch.float64)
    return Ablation(x + length * torch.nn.functional.normalize(draw, dim=1) @ span.basis.T)


# -- erasure ---------------------------------------------------------------------------------------------------------


@examined_once
def erasure(
    subject: Subject,
    observation: Tensor,
    concept: Tensor,
    sites: Sequence[edit_runs.Where],
    *,
    groups: object = None,
    cost: edit_runs.Cost = edit_runs.squared_change,
    placebos: int = 10,
    blocks: int = BLOCKS,
    rng: torch.Generator,
) -> pd.DataFrame:
    """Cost of erasing a concept: site, effect, low, high, placebo, placebo_high, excess, rank, n, why.

    ``concept`` is ``[n]`` (bool or integer: classes; float: numbers) or ``[n, k]`` columns. ``placebo`` is the mean
    cost of erasing random subspaces of the same rank, ``placebo_high`` the largest, ``excess`` effect minus placebo.
    Where the concept does not covary with the activations beyond chance, effect and rank are 0. The jackknife needs a
    cost that varies smoothly with the eraser, as :func:`~imprint.probes.causal.edit_runs.squared_change` does; with any
    other cost each row is judged with an eraser fitted without its block, and the interval takes the erasers for known.
    """
    run = edit_runs.EditRuns.of(subject, observation, groups, blocks=blocks, rng=rng)
    columns, edited = _columns(concept, len(observation)), edit_runs.places(sites)
    erasing = _Erasing(run, cost, columns, subject.activations(observation, edit_runs.names_in(edited)))
    rows = [{"site": edit_runs.JOINED.join(place), **erasing.row(place, placebos, rng)} for place in edited]
    order = ["site", "effect", "low", "high", "placebo", "placebo_high", "excess", "rank", "n", "why"]
    return pd.DataFrame(rows, columns=order)


@dataclass(frozen=True)
class _Erasing:
    """Erases a concept, with erasers that are fitted anew without each block of groups."""

    run: edit_runs.EditRuns
    cost: edit_runs.Cost
    columns: Tensor
    """``[n, k]`` of the concept."""
    activations: Mapping[str, Tensor]
    """``[n, d]`` per site."""

    def row(self, place: Sequence[str], placebos: int, rng: torch.Generator) -> dict[str, Any]:
        """One row of :func:`erasure`, without its site."""
        n = len(self.columns)
        if wide := [name for name in place if self.activations[name].shape[1] > n // NARROW]:
            width = self.activations[wide[0]].shape[1]
            return {"n": n, "why": f"not measurable: {width} activations at {wide[0]!r} and {n} rows; give more rows"}
        spans = {name: Whitened.of(self.activations[name]) for name in place}
        present = [name for name in place if spans[name].linearly_there(self.columns)]
        if not present:
            return {**NOTHING, "n": n, "why": "nothing to erase: the concept is not linearly here"}
        erasers = {name: self._erasers(name) for name in present}

        def without(block: int | None) -> Tensor:
            edits = {name: each[block] for name, each in erasers.items()}
            return self._cost(edits, self.run.clusters.kept(block))[None]

        if self.cost is edit_runs.squared_change:
            (estimate,), ((low, high),) = self.run.clusters.refitted(without)
        else:
            held_out = self._held_out(erasers)
            estimate, (low, high) = edit_runs.quotient(held_out), self.run.clusters.ratio(*held_out)
        ranks = {name: each[None].rank for name, each in erasers.items()}
        drawn = [{name: spans[name].random(rank, rng=rng) for name, rank in ranks.items()} for _ in range(placebos)]
        placebo = edit_runs.placebo_summary([float(self._cost(edits)) for edits in drawn])
        row = {"effect": float(estimate), "low": low, "high": high, **placebo}
        excess = row["effect"] - placebo["placebo"]
        return {**row, "excess": excess, "rank": sum(ranks.values()), "n": n, "why": ""}

    def _held_out(self, erasers: Mapping[str, Mapping[int | None, Eraser]]) -> tuple[Tensor, Tensor]:
        """Both summands of the cost of each row, with erasers fitted without its block."""
        after = self.run.before.clone()
        for block in self.run.clusters.blocks:
            edits = {name: each.get(block, each[None]) for name, each in erasers.items()}
            after = torch.where(self.run.clusters.block == block, self.run.values(edits), after)
        return self.cost(self.run.before, after, self.run.clusters.kept(None))

    def _erasers(self, name: str) -> dict[int | None, Eraser]:
        """The eraser fitted without each block (None: with all rows), from moments of the blocks."""
        rows, clusters = self.activations[name], self.run.clusters
        x, mean = rows.double(), rows.double().mean(0)
        moments = Moments.of([(x - mean, independent(self.columns), clusters.block)], len(clusters.blocks))
        left_out = [None, *clusters.blocks] if len(clusters.blocks) > 1 else [None]
        variance = (x - mean).square().mean(0)
        noise = rows_rounding(mean, torch.where(variance > 0, variance, 1.0).sqrt(), rows.dtype)
        erasers = {}
        for block, sums in zip(left_out, moments.training(left_out), strict=True):
            covariance = sums.scatter / sums.count
            varies = varying(rows) & (covariance.diagonal() > SAFETY * sums.rounding * variance)
            span = Whitened.of_moments(
                sums.mean, covariance, int(sums.count), varies=varies, noise=noise, rounding=sums.rounding
            )
            erasers[block] = span.erase_covariance(sums.cross / sums.count)
        return {block: replace(eraser, mean=eraser.mean + mean) for block, eraser in erasers.items()}

    def _cost(self, edits: Mapping[str, Eraser], rows: Tensor | None = None) -> Tensor:
        return edit_runs.quotient(self.run.costs(edits, self.cost, rows))


def _columns(concept: Tensor, n: int) -> Tensor:
    """The concept as columns ``[n, k]`` in float64."""
    if concept.dim() not in (1, 2) or len(concept) != n:
        raise ImprintError(f"the concept is {list(concept.shape)} for {n} rows; expected [{n}] or [{n}, k].")
    if concept.dim() == 1 and not concept.is_floating_point():
        concept = torch.nn.functional.one_hot(concept.long().unique(return_inverse=True)[1])
    columns = concept.double().reshape(n, -1)
    if not bool(torch.isfinite(columns).all()):
        raise ImprintError("the concept holds NaN or infinite values; leave those rows out.")
    return columns


# -- patching --------------------------------------------------------------------------------------------------------


@examined_once
def patching(
    subject: Subject,
    clean: Tensor,
    counterfactual: Tensor,
    sites: Sequence[edit_runs.Where] | None = None,
    *,
    groups: object = None,
    placebos: int = 10,
    rng: torch.Generator,
) -> pd.DataFrame:
    """How much of the value's change each site carries: site, restored, low, high, placebo, placebo_high, n.

    Row i of ``clean`` and row i of ``counterfactual`` (``[n, ...]``) are a pair. The counterfactual is run with the
    site's activations from the clean row. ``restored`` is the restored part of the difference in value, a least-squares
    slope over pairs: ``sum (patched - counterfactual) (clean - counterfactual) / sum (clean - counterfactual)^2``. It
    is 0 for nothing, 1 for all, NaN when no pair differs in value.

    The placebo takes the activations from a random pair of another group, from its clean or counterfactual side with
    probability 1/2. Where the site carries the whole change, and pairs are alike, that gives 1/2, so the evidence is
    the difference between ``restored`` and ``placebo``.
    """
    if clean.shape != counterfactual.shape:
        raise ImprintError(
            f"clean is {list(clean.shape)} and counterfactual {list(counterfactual.shape)}; expected pairs, row by row."
        )
    patched = edit_runs.places(subject.reached(clean) if sites is None else sites)
    names, n = edit_runs.names_in(patched), len(clean)
    of_side = [subject.activations(side, names) for side in (clean, counterfactual)]
    sources = {name: torch.stack([activations[name] for activations in of_side]) for name in names}
    size = rows_at_once(sum(source.shape[2] for source in sources.values()))
    run = edit_runs.EditRuns.of(subject, counterfactual, groups, batch_size=size, rng=rng)
    right = (torch.zeros(n, dtype=torch.long), torch.arange(n))
    wrong = [(torch.randint(2, (n,), generator=rng), derangement(n, groups, rng=rng)) for _ in range(placebos)]
    difference = run.unless_rounding(subject.values(clean, batch_size=size).double()) - run.before
    square = difference.square()
    swaps = [
        [{name: edit_runs.FromPairs(sources[name], *pair) for name in place} for pair in (right, *wrong)]
        for place in patched
    ]
    rows = []
    for place, values in zip(patched, run.values_of_places(swaps), strict=True):
        products = difference * (values - run.before)
        restored, *placebo = (float(product.sum() / square.sum()) for product in products)
        low, high = run.clusters.ratio(products[0], square)
        estimate = {"restored": restored, "low": low, "high": high}
        rows.append({"site": edit_runs.JOINED.join(place), **estimate, **edit_runs.placebo_summary(placebo), "n": n})
    return pd.DataFrame(rows)


# -- steering --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DoseResponse:
    """Change of the value as activations are shifted along a direction, in standard deviations of the value."""

    curve: pd.DataFrame
    """strength, effect (mean change of the value), low, high, placebo, placebo_high (absolute values), n."""
    slope: float
    """Mean change of the value per unit of strength: least squares through the origin."""
    low: float
    """Lower end of the slope's interval over groups."""
    high: float
    """Upper end of the slope's interval over groups."""
    placebo: float
    """Mean absolute slope along random directions."""
    placebo_high: float
    """Largest absolute slope along random directions."""
    n: int
    """Number of rows."""


@examined_once
def dose_response(
    subject: Subject,
    observation: Tensor,
    site: str,
    direction: Tensor | None = None,
    *,
    concept: Tensor | None = None,
    strengths: Sequence[float] = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0),
    groups: object = None,
    placebos: int = 10,
    blocks: int = BLOCKS,
    rng: torch.Generator,
) -> DoseResponse:
    """Shift the activations at ``site`` along a direction by ``strengths`` standard deviations.

    The direction is given as ``direction`` ``[d]``, and then taken as known; or it is that in which the activations
    covary with ``concept`` ``[n]`` (bool or numbers; for two classes the difference of their means), and then its own
    uncertainty is part of the intervals. A direction that was found on these rows in another way is not known, and the
    intervals are too narrow for it. The placebos are steps of the same length along random directions of the span of
    the activations. Their signs are arbitrary, so absolute values are reported.

    Raises :class:`NotMeasurableError` when the activations do not vary along the direction.
    """
    doses = torch.tensor(list(strengths), dtype=torch.float64)
    if not len(doses) or not bool(torch.isfinite(doses).all()) or not bool((doses != 0).any()):
        raise ImprintError(f"strengths are {list(strengths)}; expected finite numbers, not all of them zero.")
    if concept is not None and direction is not None:
        raise ImprintError("expected either a direction or a concept whose direction is sought, not both.")
    if concept is not None and concept.shape != (len(observation),):
        raise ImprintError(f"the concept is {list(concept.shape)}; expected [{len(observation)}], one for each row.")
    run = edit_runs.EditRuns.of(subject, observation, groups, blocks=blocks, rng=rng)
    activations = subject.activations(observation, [site])[site]

    def step(rows: Tensor) -> Steering:
        """The step of one standard deviation that follows from some rows (bool ``[n]``)."""
        if concept is not None:
            return steering(activations[rows], _covarying(activations[rows], concept[rows]), 1.0)
        if direction is None:
            raise ImprintError("expected either a direction or a concept whose direction is sought, not neither.")
        return steering(activations[rows], direction, 1.0)

    def without(block: int | None) -> Tensor:
        """Mean change at each strength, then the slope, ``[strengths + 1]``."""
        kept = run.clusters.kept(block)
        return _response(run, site, step(kept), doses, kept)

    every = run.clusters.kept(None)
    unit, span = step(every), Whitened.of(activations)
    estimates, intervals = run.clusters.refitted(without)
    draws = [span.basis @ torch.randn(span.basis.shape[1], generator=rng, dtype=torch.float64) for _ in range(placebos)]
    random = [_response(run, site, Steering(u / u.norm(), unit.scale, 1.0), doses, every).abs() for u in draws]
    rows = []
    for i, (estimate, (low, high)) in enumerate(zip(estimates.tolist(), intervals, strict=True)):
        placebo = edit_runs.placebo_summary([float(response[i]) for response in random])
        rows.append({"effect": estimate, "low": low, "high": high, **placebo})
    curve = pd.DataFrame({"strength": list(strengths)}).join(pd.DataFrame(rows[:-1])).assign(n=len(observation))
    slope = {("slope" if name == "effect" else name): number for name, number in rows[-1].items()}
    return DoseResponse(curve, **slope, n=len(observation))


def _covarying(activations: Tensor, concept: Tensor) -> Tensor:
    """Covariance ``[d]`` of activations ``[n, d]`` with a concept ``[n]``."""
    x, z = activations.double(), concept.double()
    return (x - x.mean(0)).T @ (z - z.mean()) / len(z)


def _response(run: edit_runs.EditRuns, site: str, step: Steering, doses: Tensor, rows: Tensor) -> Tensor:
    """Mean change of the value at each dose, then the slope, ``[doses + 1]``, in its sd; NaN for a constant value."""
    steps = [Steering(step.direction, step.scale, float(dose)) for dose in doses]
    changes = torch.stack([run.changes({site: each})[rows].mean() for each in steps])
    changes = changes / edit_runs.spread(run.before[rows])
    return torch.cat([changes, (doses @ changes / doses.square().sum())[None]])
