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

All take ``groups`` (``[n]``, for intervals, splits and resampling; default: each row is its own group), the number of
``placebos``, of which they give the mean and the largest effect, and of ``resamples`` of the groups for intervals.

Sources: mean and resample ablation, Wang et al. 2022 (arXiv 2211.00593) and Chan et al. 2022 (causal scrubbing);
amnesic probing with its random-direction control, Elazar et al. 2021 (arXiv 2006.00995), here with LEACE (arXiv
2306.03819); activation patching and its pitfalls, Heimersheim & Nanda 2024 (arXiv 2404.15255).

Deviations: (1) joint edits are fitted on activations of the unedited pass, so they ignore what an edit of an earlier
site does to a later one; tuples are meant for sites that run in parallel. (2) Erasers are fitted on half of the groups
and applied to the other half.

Letters: n rows, d width, k concept columns, r rank.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.causal import edit_runs
from imprint.probes.interventions import ablate
from imprint.probes.interventions.ablate import Ablation, derangement
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.interventions.interchange import Interchange
from imprint.probes.interventions.steer import Steering, steering
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.subjects.subject import Subject

HOW = ("zero", "mean", "resample")
"""Kinds of ablation."""
NARROW = 4
"""Rows per unit that an erasure needs: two in the half on which the eraser is fitted."""
NOTHING = {"effect": 0.0, "low": 0.0, "high": 0.0, "placebo": 0.0, "placebo_high": 0.0, "excess": 0.0, "rank": 0}
"""Row of :func:`erasure` for a concept that is not at the site."""


# -- ablation --------------------------------------------------------------------------------------------------------


def ablations(
    subject: Subject,
    observation: Tensor,
    sites: Sequence[edit_runs.Where] | None = None,
    *,
    groups: object = None,
    joint: bool = True,
    cost: edit_runs.Cost = edit_runs.squared_change,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> pd.DataFrame:
    """Zero, mean and resample ablation of each site: site, how, effect, low, high, placebo, placebo_high, n.

    Default sites: all that the value runs through. ``joint`` adds one edit of them all. All sites of an edit are
    resampled from the same other row. A placebo moves every row exactly as far as the ablation does, in a random
    direction of the span of the site's activations.
    """
    run = edit_runs.EditRuns.of(subject, observation, groups, resamples, rng=rng)
    edited = edit_runs.places(subject.reached(observation) if sites is None else sites)
    names = edit_runs.names_in(edited)
    if joint and len(names) > 1 and tuple(names) not in edited:
        edited.append(tuple(names))
    activations = subject.activations(observation, names)
    spans = {name: Whitened.of(x) for name, x in activations.items()}
    other = derangement(len(observation), groups, rng=rng)

    def costs(edits: Mapping[str, Ablation]) -> Tensor:
        return cost(run.before, run.values(edits))

    rows = []
    for place, how in itertools.product(edited, HOW):
        edits = {name: _ablation(how, activations[name], other) for name in place}
        placebo = [
            costs({name: _as_far(edit, activations[name], spans[name], rng) for name, edit in edits.items()})
            for _ in range(placebos)
        ]
        rows.append({"site": edit_runs.JOINED.join(place), "how": how, **run.effect(costs(edits), placebo)})
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


def erasure(
    subject: Subject,
    observation: Tensor,
    concept: Tensor,
    sites: Sequence[edit_runs.Where],
    *,
    groups: object = None,
    cost: edit_runs.Cost = edit_runs.squared_change,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> pd.DataFrame:
    """Cost of erasing a concept: site, effect, low, high, placebo, placebo_high, excess, rank, n, why.

    ``concept`` is ``[n]`` (bool or integer: classes; float: numbers) or ``[n, k]`` columns. ``placebo`` is the mean
    cost of erasing random subspaces of the same rank, ``placebo_high`` the largest, ``excess`` effect minus placebo.
    Where the concept does not covary with the activations beyond chance, effect and rank are 0.
    """
    run = edit_runs.EditRuns.of(subject, observation, groups, resamples, rng=rng)
    columns, edited = _columns(concept, len(observation)), edit_runs.places(sites)
    seed = int(torch.randint(2**31, (1,), generator=rng))
    half = torch.from_numpy(folds_of(compact_groups(groups, len(observation)), 2, np.random.default_rng(seed)))
    halves = _Halves(run, cost, columns, half, subject.activations(observation, edit_runs.names_in(edited)))
    rows = [{"site": edit_runs.JOINED.join(place), **halves.erased(place, placebos, rng)} for place in edited]
    order = ["site", "effect", "low", "high", "placebo", "placebo_high", "excess", "rank", "n", "why"]
    return pd.DataFrame(rows, columns=order)


@dataclass(frozen=True)
class _Halves:
    """Erases in each half of the groups with erasers that were fitted on the other half."""

    run: edit_runs.EditRuns
    cost: edit_runs.Cost
    columns: Tensor
    """``[n, k]`` of the concept."""
    half: Tensor
    """``[n]`` half of each row, 0 or 1."""
    activations: Mapping[str, Tensor]
    """``[n, d]`` per site."""

    def erased(self, place: Sequence[str], placebos: int, rng: torch.Generator) -> dict[str, Any]:
        """One row of :func:`erasure`, without its site."""
        n = len(self.half)
        if wide := [name for name in place if self.activations[name].shape[1] > n // NARROW]:
            width = self.activations[wide[0]].shape[1]
            return {"n": n, "why": f"not measurable: {width} activations at {wide[0]!r} and {n} rows; give more rows"}
        present = [name for name in place if Whitened.of(self.activations[name]).linearly_there(self.columns)]
        if not present:
            return {**NOTHING, "n": n, "why": "nothing to erase: the concept is not linearly here"}
        spans = {name: [Whitened.of(self.activations[name][self.half != h]) for h in (0, 1)] for name in present}
        erasers = {
            name: [span.erase(self.columns[self.half != h]) for h, span in enumerate(pair)]
            for name, pair in spans.items()
        }
        random = [
            {name: [spans[name][h].random(erasers[name][h].rank, rng=rng) for h in (0, 1)] for name in present}
            for _ in range(placebos)
        ]
        row = self.run.effect(self._costs(erasers), [self._costs(edits) for edits in random])
        rank = sum(pair[0].rank for pair in erasers.values())
        return {**row, "excess": row["effect"] - row["placebo"], "rank": rank, "why": ""}

    def _costs(self, edits: Mapping[str, Sequence[Eraser]]) -> Tensor:
        """Costs ``[n]``, each half with its own eraser."""
        after = torch.empty_like(self.run.before)
        for h in (0, 1):
            after[self.half == h] = self.run.values({name: pair[h] for name, pair in edits.items()}, self.half == h)
        return self.cost(self.run.before, after)


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


def patching(
    subject: Subject,
    clean: Tensor,
    counterfactual: Tensor,
    sites: Sequence[edit_runs.Where] | None = None,
    *,
    groups: object = None,
    placebos: int = 10,
    resamples: int = 1000,
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
    run = edit_runs.EditRuns.of(subject, counterfactual, groups, resamples, rng=rng)
    patched = edit_runs.places(subject.reached(clean) if sites is None else sites)
    names, n = edit_runs.names_in(patched), len(clean)
    of_side = [subject.activations(side, names) for side in (clean, counterfactual)]
    sources = {name: torch.stack([activations[name] for activations in of_side]) for name in names}
    right = (torch.zeros(n, dtype=torch.long), torch.arange(n))
    wrong = [(torch.randint(2, (n,), generator=rng), derangement(n, groups, rng=rng)) for _ in range(placebos)]
    difference = subject.values(clean).double() - run.before
    square = difference.square()
    square = torch.where(square.mean() <= edit_runs.CONSTANT * run.before.square().mean(), torch.nan, square)
    rows = []
    for place in patched:
        swaps = [{name: Interchange(sources[name][pair]) for name in place} for pair in (right, *wrong)]
        products = [difference * run.changes(swap) for swap in swaps]
        restored, *placebo = (float(product.sum() / square.sum()) for product in products)
        low, high = run.draws.ratio(products[0], square)
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


def dose_response(
    subject: Subject,
    observation: Tensor,
    site: str,
    direction: Tensor,
    *,
    strengths: Sequence[float] = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0),
    groups: object = None,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> DoseResponse:
    """Shift the activations at ``site`` along ``direction [d]`` by ``strengths`` standard deviations.

    The placebos are steps of the same length along random directions of the span of the activations. Their signs are
    arbitrary, so absolute values are reported.
    """
    doses = torch.tensor(list(strengths), dtype=torch.float64)
    if not len(doses) or not bool(torch.isfinite(doses).all()) or not bool((doses != 0).any()):
        raise ImprintError(f"strengths are {list(strengths)}; expected finite numbers, not all of them zero.")
    run = edit_runs.EditRuns.of(subject, observation, groups, resamples, rng=rng)
    activations = subject.activations(observation, [site])[site]
    unit, span = steering(activations, direction, 1.0), Whitened.of(activations)
    draws = [span.basis @ torch.randn(len(span.scale), generator=rng, dtype=torch.float64) for _ in range(placebos)]
    changes = _changes(run, site, unit, doses)
    random = [_changes(run, site, Steering(u / u.norm(), unit.scale, 1.0), doses).mean(1) for u in draws]
    rows = []
    for i, strength in enumerate(strengths):
        low, high = run.draws.mean(changes[i])
        effect = {"effect": float(changes[i].mean()), "low": low, "high": high}
        placebo = edit_runs.placebo_summary([abs(float(means[i])) for means in random])
        rows.append({"strength": strength, **effect, **placebo})
    slopes = doses @ changes / doses.square().sum()
    placebo_slopes = [abs(float(doses @ means / doses.square().sum())) for means in random]
    low, high = run.draws.mean(slopes)
    n = len(observation)
    curve = pd.DataFrame(rows).assign(n=n)
    return DoseResponse(curve, float(slopes.mean()), low, high, **edit_runs.placebo_summary(placebo_slopes), n=n)


def _changes(run: edit_runs.EditRuns, site: str, unit: Steering, doses: Tensor) -> Tensor:
    """Change of the value ``[strengths, n]`` in standard deviations; NaN for a constant value."""
    steps = [Steering(unit.direction, unit.scale, float(dose)) for dose in doses]
    return torch.stack([run.changes({site: step}) for step in steps]) / edit_runs.spread(run.before).sqrt()
