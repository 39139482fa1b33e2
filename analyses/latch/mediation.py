"""Through which site does a concept reach the value?

The concept is erased from the activations at one site while the value is computed (LEACE), and the share it loses is
compared with what it loses when a random subspace of the same rank is erased there instead:

    loss = (V_c before - V_c after) / V before          placebo = the same, mean over random subspaces

V before is the variance of the unedited value in both, so that losses of one concept add up against its share. A loss
that the placebo reaches too says only that a subspace of this rank was erased. Where the concept does not covary
with the activations beyond chance there is nothing to erase: the loss is 0 and the rank 0. The eraser is fitted on the
rows it is judged on, so a site that is more than half as wide as the number of rows is not measurable.

Letters: n rows, K cells, C concepts, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.latch.shares import CellSums, cell_sums, design_of, parts
from imprint.analyses.statistics import Floats, interval
from imprint.models.errors import ImprintError
from imprint.models.worlds.base import Batch
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.subjects.subject import Subject

COLUMNS = ("site", "concept", "loss", "low", "high", "placebo", "rank", "n", "why")
TRIAL = 64
"""Rows on which it is tried whether the value passes through a site at all."""
NO_LOSS = {"loss": 0.0, "low": 0.0, "high": 0.0, "placebo": 0.0, "rank": 0}
"""The loss of an edit that changes nothing."""


@dataclass(frozen=True)
class Mediation:
    """Erases concepts at sites of one subject, on one balanced batch."""

    subject: Subject
    batch: Batch
    concepts: tuple[str, ...]
    """Intended concept first, then the proxies."""
    placebos: int
    """Random subspaces per rank."""
    resamples: int
    seed: int

    def table(self, sites: Sequence[str]) -> pd.DataFrame:
        """site, concept, loss, low, high, placebo, rank, n, why; one row per site and concept."""
        rows: list[dict[str, Any]] = []
        if sites:
            before = self._sums(None, "")
            activations = self.subject.activations(self.batch.observation, sites)
            for site in sites:
                rows += self._site(site, activations[site], before)
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _sums(self, edit: Eraser | None, site: str) -> CellSums:
        edits = {} if edit is None else {site: edit}
        values = self.subject.values(self.batch.observation, edits=edits).double().numpy()
        design, cell = design_of(self.batch.concepts, self.concepts)
        return cell_sums(values, design, cell, self.batch.groups)

    def _site(self, site: str, activations: torch.Tensor, before: CellSums) -> list[dict[str, Any]]:
        rng = torch.Generator().manual_seed(self.seed)
        n, width = activations.shape
        losses: list[dict[str, Any]]
        if before.constant:
            losses = [{"why": "not measurable: the value is constant"}] * len(self.concepts)
        elif width > n // 2:
            why = f"not measurable: {width} activations and {n} rows; give more rows"
            losses = [{"why": why}] * len(self.concepts)
        elif not self._passes(site, span := Whitened.of(activations), rng):
            losses = [{**NO_LOSS, "why": "the value does not pass through here"}] * len(self.concepts)
        else:
            losses = self._losses(site, span, before, rng)
        common = {"site": site, "n": len(self.batch)}
        return [{**common, "concept": concept, **loss} for concept, loss in zip(self.concepts, losses, strict=True)]

    def _losses(self, site: str, span: Whitened, before: CellSums, rng: torch.Generator) -> list[dict[str, Any]]:
        """Loss of every concept, beside placebos that concepts of equal rank share."""
        placebo: dict[int, Floats] = {}
        losses: list[dict[str, Any]] = []
        for index, concept in enumerate(self.concepts):
            code, levels = pd.factorize(self.batch.concepts[concept], sort=True)
            columns = torch.nn.functional.one_hot(torch.from_numpy(code.astype(np.int64)), len(levels)).double()
            if not span.linearly_there(columns):
                losses.append({**NO_LOSS, "why": "nothing to erase: the concept is not linearly here"})
                continue
            eraser = span.erase(columns)
            rank = eraser.rank
            if rank not in placebo:
                drawn = [self._sums(span.random(rank, rng=rng), site) for _ in range(self.placebos)]
                placebo[rank] = np.mean([_loss(before, after) for after in drawn], axis=0)
            after = self._sums(eraser, site)
            low, high = interval(self._draws(before, after)[:, index])
            numbers = {"loss": _loss(before, after)[index], "low": low, "high": high}
            losses.append({**numbers, "placebo": placebo[rank][index], "rank": rank, "why": ""})
        return losses

    def _passes(self, site: str, span: Whitened, rng: torch.Generator) -> bool:
        """Whether deleting everything at the site changes any of a few values."""
        trial = self.batch.observation[:TRIAL]
        if not len(span.scale):
            return False
        changed = self.subject.values(trial, edits={site: span.random(len(span.scale), rng=rng)})
        return not torch.equal(changed, self.subject.values(trial))

    def _draws(self, before: CellSums, after: CellSums) -> Floats:
        """Losses ``[R, C]`` under group resamples, the same groups before and after."""
        if len(before.sums) < 2:
            return np.full((self.resamples, len(self.concepts)), np.nan)
        draws = [s.resampled(self.resamples, np.random.default_rng(self.seed)) for s in (before, after)]
        return _difference(before, draws[0], draws[1], noise=2.0)


def _loss(before: CellSums, after: CellSums) -> Floats:
    """Loss of every concept's share ``[C]``."""
    return _difference(before, before.sums.sum(0), after.sums.sum(0), noise=1.0)


def _difference(cells: CellSums, before: Floats, after: Floats, *, noise: float) -> Floats:
    """Losses ``[..., C]`` from cell sums ``[..., K, 3]``."""
    main, between, within = parts(cells.design, before, noise=noise)
    lost = main - parts(cells.design, after, noise=noise)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(lost / (between + within)[..., None])


def mediating_sites(subject: Subject, batch: Batch, sites: Sequence[str] | None, most: int) -> tuple[str, ...]:
    """The given sites, checked; by default those the value runs through, or none if they are more than ``most``."""
    if sites is None:
        reached = subject.reached(batch.observation)
        return reached if len(reached) <= most else ()
    for name in sites:
        subject.site(name)
    if isinstance(sites, str):
        raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
    return tuple(sites)
