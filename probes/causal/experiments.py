"""causal: what the value of a subject depends on, found by changing activations while it is computed.

Four questions, one function each. All give the placebo beside the number, and an interval over groups of rows.

    ablations      is this site needed?              replace it by zeros, by its mean, by another row's activations
    erasure        is this concept, here, needed?    LEACE of the concept, against random subspaces of the same rank
    patching       does this site carry the change?  activations of one observation put into its counterfactual
    dose_response  does this direction drive it?     push along it, against random directions with steps as long

Ablations and erasure say what an edit costs (:mod:`imprint.probes.causal.edit_runs`): by default the mean squared
change of the value in variances of the untouched value, 1 when all that is left of the value is its mean.

*Redundancy.* Where either of two copies suffices, taking one away changes nothing. A site that alone costs nothing is
therefore not shown to be unused. Wherever sites are given, a tuple of names is one joint edit; ``ablations`` adds the
joint edit of all its sites by itself. Resampling one copy shows it too, since the copies then contradict each other.

Sources: mean and resample ablation, Wang et al. 2022 (arXiv 2211.00593) and Chan et al. 2022 (causal scrubbing);
amnesic probing with its random-direction control, Elazar et al. 2021 (arXiv 2006.00995), here with LEACE (arXiv
2306.03819); activation patching and its pitfalls, Heimersheim & Nanda 2024 (arXiv 2404.15255).

Deviations: joint edits are fitted on the untouched pass, so a later site of a tuple overrides or misses what an earlier
one did to it; tuples are meant for sites side by side. Erasers are fitted on half of the groups and judged on the
other half.

Letters: n rows, d width, k concept columns, r rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.causal.edit_runs import (
    CONSTANT,
    JOINED,
    Cost,
    EditRuns,
    Where,
    names_in,
    places,
    spread,
    squared_change,
    summary,
)
from imprint.probes.interventions import ablate
from imprint.probes.interventions.ablate import Ablation, derangement
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.interventions.interchange import Interchange
from imprint.probes.interventions.steer import Steering, steering
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.subjects.subject import Subject

HOW = ("zero", "mean", "resample")
"""Kinds of ablation, side by side."""
NARROW = 4
"""Rows per activation that an eraser needs: two in the half on which it is fitted."""
NOTHING = {"effect": 0.0, "low": 0.0, "high": 0.0, "placebo": 0.0, "placebo_high": 0.0, "excess": 0.0, "rank": 0}
"""What an edit that changes nothing costs."""


# -- ablation --------------------------------------------------------------------------------------------------------


def ablations(
    subject: Subject,
    observation: Tensor,
    sites: Sequence[Where] | None = None,
    *,
    groups: object | None = None,
    joint: bool = True,
    cost: Cost = squared_change,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> pd.DataFrame:
    """Zero, mean and resample ablation of each site: site, how, effect, low, high, placebo, placebo_high, n.

    Default sites: all that the value runs through. ``joint`` adds one edit of them all together. Resampling takes all
    sites of an edit from the same other row. The placebo moves every row exactly as far as the ablation does, in a
    random direction among those in which the site varies: its mean over draws, and its largest.
    """
    run = EditRuns.of(subject, observation, groups, resamples, rng=rng)
    wheres = places(subject.reached(observation) if sites is None else sites)
    names = names_in(wheres)
    if joint and len(names) > 1 and tuple(names) not in wheres:
        wheres.append(tuple(names))
    seen = subject.activations(observation, names)
    spans = {name: Whitened.of(x) for name, x in seen.items()}
    other = derangement(len(observation), groups, rng=rng)

    def costs(edits: Mapping[str, Ablation]) -> Tensor:
        return cost(run.before, run.values(edits))

    rows = []
    for where in wheres:
        for how in HOW:
            edits = {name: _ablation(how, seen[name], other) for name in where}
            placebo = [
                costs({name: _as_far(edit, seen[name], spans[name], rng) for name, edit in edits.items()})
                for _ in range(placebos)
            ]
            rows.append({"site": JOINED.join(where), "how": how, **run.effect(costs(edits), placebo)})
    return pd.DataFrame(rows, columns=["site", "how", "effect", "low", "high", "placebo", "placebo_high", "n"])


def _ablation(how: str, activations: Tensor, other: Tensor) -> Ablation:
    if how == "resample":
        return Ablation(activations[other])
    return ablate.zero(activations) if how == "zero" else ablate.mean(activations)


def _as_far(edit: Ablation, activations: Tensor, span: Whitened, rng: torch.Generator) -> Ablation:
    """Each row moved by the length of ``edit``'s move, in a random direction of the span."""
    x = activations.double()
    length = (edit(x) - x).norm(dim=1, keepdim=True)
    draw = torch.randn(len(x), len(span.scale), generator=rng, dtype=torch.float64)
    return Ablation(x + length * torch.nn.functional.normalize(draw, dim=1) @ span.basis.T)


# -- erasure ---------------------------------------------------------------------------------------------------------


def erasure(
    subject: Subject,
    observation: Tensor,
    concept: Tensor,
    sites: Sequence[Where],
    *,
    groups: object | None = None,
    cost: Cost = squared_change,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> pd.DataFrame:
    """What erasing ``concept`` costs: site, effect, low, high, placebo, placebo_high, excess, rank, n, why.

    ``concept`` is ``[n]`` (bool or integer: classes; float: a number) or ``[n, k]`` columns. ``placebo`` is the mean
    cost of erasing random subspaces of the same rank, ``placebo_high`` the largest, ``excess`` effect minus placebo.
    Where the concept does not covary with the activations beyond chance there is nothing to erase: effect 0, rank 0.
    """
    run = EditRuns.of(subject, observation, groups, resamples, rng=rng)
    columns, wheres = _columns(concept, len(observation)), places(sites)
    seed = int(torch.randint(2**31, (1,), generator=rng))
    half = torch.from_numpy(folds_of(compact_groups(groups, len(observation)), 2, np.random.default_rng(seed)))
    halves = _Halves(run, cost, columns, half, subject.activations(observation, names_in(wheres)))
    rows = [{"site": JOINED.join(where), **halves.erased(where, placebos, rng)} for where in wheres]
    order = ["site", "effect", "low", "high", "placebo", "placebo_high", "excess", "rank", "n", "why"]
    return pd.DataFrame(rows, columns=order)


@dataclass(frozen=True)
class _Halves:
    """Erases in each half of the groups what was found in the other half."""

    run: EditRuns
    cost: Cost
    columns: Tensor
    half: Tensor
    """``[n]`` 0 or 1"""
    seen: Mapping[str, Tensor]

    def erased(self, where: Sequence[str], placebos: int, rng: torch.Generator) -> dict[str, Any]:
        """One row of :func:`erasure`, without its site."""
        n = len(self.half)
        if wide := [name for name in where if self.seen[name].shape[1] > n // NARROW]:
            width = self.seen[wide[0]].shape[1]
            return {"n": n, "why": f"not measurable: {width} activations at {wide[0]!r} and {n} rows; give more rows"}
        present = [name for name in where if Whitened.of(self.seen[name]).linearly_there(self.columns)]
        if not present:
            return {**NOTHING, "n": n, "why": "nothing to erase: the concept is not linearly here"}
        spans = {name: [Whitened.of(self.seen[name][self.half != h]) for h in (0, 1)] for name in present}
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
        after = torch.empty_like(self.run.before)
        for h in (0, 1):
            after[self.half == h] = self.run.values({name: pair[h] for name, pair in edits.items()}, self.half == h)
        return self.cost(self.run.before, after)


def _columns(concept: Tensor, n: int) -> Tensor:
    """Columns ``[n, k]`` in float64."""
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
    sites: Sequence[Where] | None = None,
    *,
    groups: object | None = None,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> pd.DataFrame:
    """How much of the value's change each site carries: site, restored, low, high, placebo, placebo_high, n.

    Row i of ``clean`` and of ``counterfactual`` (``[n, ...]``) are a pair. The counterfactual is run with the site's
    activations from the clean row; ``restored`` is the part of the value's difference that comes back, the
    least-squares slope over pairs ``sum (patched - counterfactual) (clean - counterfactual) / sum (clean -
    counterfactual)^2``: 0 nothing, 1 all, NaN when no pair differs in value. The placebo takes the activations from a
    wrong pair of another group, from its clean or its counterfactual side by the toss of a coin. Where the site carries
    all there is, and pairs are alike, that gives 1/2: evidence is the distance between the two numbers.
    """
    if clean.shape != counterfactual.shape:
        raise ImprintError(
            f"clean is {list(clean.shape)} and counterfactual {list(counterfactual.shape)}; expected pairs, row by row."
        )
    run = EditRuns.of(subject, counterfactual, groups, resamples, rng=rng)
    wheres = places(subject.reached(clean) if sites is None else sites)
    names, n = names_in(wheres), len(clean)
    seen = [subject.activations(side, names) for side in (clean, counterfactual)]
    both = {name: torch.stack([side[name] for side in seen]) for name in names}
    right = (torch.zeros(n, dtype=torch.long), torch.arange(n))
    wrong = [(torch.randint(2, (n,), generator=rng), derangement(n, groups, rng=rng)) for _ in range(placebos)]
    difference = subject.values(clean).double() - run.before
    size = difference.square()
    size = torch.where(size.mean() <= CONSTANT * run.before.square().mean(), torch.nan, size)
    rows = []
    for where in wheres:
        products = [
            difference * run.changes({name: Interchange(both[name][pair]) for name in where})
            for pair in (right, *wrong)
        ]
        restored, *placebo = (float(product.sum() / size.sum()) for product in products)
        low, high = run.draws.ratio(products[0], size)
        row = {"site": JOINED.join(where), "restored": restored, "low": low, "high": high, **summary(placebo), "n": n}
        rows.append(row)
    return pd.DataFrame(rows, columns=["site", "restored", "low", "high", "placebo", "placebo_high", "n"])


# -- steering --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DoseResponse:
    """How the value moves as activations are pushed along a direction; all in standard deviations of the value."""

    curve: pd.DataFrame
    """strength, effect (mean change of the value), low, high, placebo, placebo_high (sizes), n."""
    slope: float
    """Mean change of the value per unit of strength: least squares through the origin."""
    low: float
    """Of the slope's interval over groups."""
    high: float
    """Of the slope's interval over groups."""
    placebo: float
    """Mean size of the slope along random directions."""
    placebo_high: float
    """Largest size of the slope along random directions."""
    n: int
    """Rows."""


def dose_response(
    subject: Subject,
    observation: Tensor,
    site: str,
    direction: Tensor,
    strengths: Sequence[float] = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0),
    *,
    groups: object | None = None,
    placebos: int = 10,
    resamples: int = 1000,
    rng: torch.Generator,
) -> DoseResponse:
    """Push the activations at ``site`` along ``direction [d]`` by ``strengths`` standard deviations.

    The placebos are random directions among those in which the site varies, with steps exactly as long. Their sign
    means nothing, so their sizes are reported.
    """
    doses = torch.tensor(list(strengths), dtype=torch.float64)
    if not len(doses) or not bool(torch.isfinite(doses).all()) or not bool((doses != 0).any()):
        raise ImprintError(f"strengths are {list(strengths)}; expected finite numbers, not all of them zero.")
    run = EditRuns.of(subject, observation, groups, resamples, rng=rng)
    activations = subject.activations(observation, [site])[site]
    unit, span = steering(activations, direction, 1.0), Whitened.of(activations)
    draws = [span.basis @ torch.randn(len(span.scale), generator=rng, dtype=torch.float64) for _ in range(placebos)]
    found = _changes(run, site, unit, doses)
    strange = [_changes(run, site, Steering(u / u.norm(), unit.scale, 1.0), doses).mean(1) for u in draws]
    rows = []
    for index, strength in enumerate(strengths):
        low, high = run.draws.mean(found[index])
        placebo = summary([abs(float(one[index])) for one in strange])
        rows.append({"strength": strength, "effect": float(found[index].mean()), "low": low, "high": high, **placebo})
    slopes = doses @ found / doses.square().sum()
    placebo = summary([abs(float(doses @ one / doses.square().sum())) for one in strange])
    low, high = run.draws.mean(slopes)
    n = len(observation)
    return DoseResponse(pd.DataFrame(rows).assign(n=n), float(slopes.mean()), low, high, **placebo, n=n)


def _changes(run: EditRuns, site: str, unit: Steering, doses: Tensor) -> Tensor:
    """Change of the value ``[strengths, n]``, in its standard deviations; NaN where the value is constant."""
    steps = [Steering(unit.direction, unit.scale, float(dose)) for dose in doses]
    return torch.stack([run.changes({site: step}) for step in steps]) / spread(run.before).sqrt()
