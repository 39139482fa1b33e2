"""mediation: through which site does a concept reach the value?

The concept is erased from the activations at one site while the value is computed (LEACE), and the share it loses is
compared with what it loses when a random subspace of the same rank is erased there instead:

    loss = (V_c before - V_c after) / V before          placebo = the same, mean over random subspaces

V before is the variance of the untouched value in both, so that losses of one concept add up against its share. A
loss that the placebo reaches too says only that something of this size was deleted. Where the concept does not covary
with the activations beyond chance there is nothing to erase: the loss is 0 and the rank 0. The eraser is fitted on the
rows it is judged on, so a site that is more than half as wide as the number of rows is not measurable.

Letters: n rows, d width, r rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.latch.shares import CellSums, cell_sums, design_of, parts
from imprint.analyses.statistics import interval
from imprint.models.errors import ImprintError
from imprint.models.worlds.base import Batch
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.subjects.subject import Subject

Floats = NDArray[np.float64]
COLUMNS = ("site", "concept", "loss", "low", "high", "placebo", "rank", "n", "why")
TRIAL = 64
"""Rows of the trial that finds out whether the value passes through a site at all."""
STILL = {"loss": 0.0, "low": 0.0, "high": 0.0, "placebo": 0.0, "rank": 0}
"""What an edit that changes nothing costs."""


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
        common = {"site": site, "n": len(self.batch)}
        if before.constant:
            return [{**common, "concept": c, "why": "not measurable: the value is constant"} for c in self.concepts]
        if activations.shape[1] > len(activations) // 2:
            why = f"not measurable: {activations.shape[1]} activations and {len(activations)} rows; give more rows"
            return [{**common, "concept": c, "why": why} for c in self.concepts]
        rng = torch.Generator().manual_seed(self.seed)
        span = Whitened.of(activations)
        if not self._passes(site, span, rng):
            return [
                {**common, "concept": c, **STILL, "why": "the value does not pass through here"} for c in self.concepts
            ]
        placebo: dict[int, Floats] = {}
        rows: list[dict[str, Any]] = []
        for index, concept in enumerate(self.concepts):
            columns = self._columns(concept)
            if not span.linearly_there(columns):
                rows.append(
                    {**common, "concept": concept, **STILL, "why": "nothing to erase: the concept is not linearly here"}
                )
                continue
            eraser = span.erase(columns)
            if eraser.rank not in placebo:
                drawn = [self._sums(span.random(eraser.rank, rng=rng), site) for _ in range(self.placebos)]
                placebo[eraser.rank] = np.mean([_loss(before, after) for after in drawn], axis=0)
            after = self._sums(eraser, site)
            low, high = interval(self._draws(before, after)[:, index])
            found = {
                "loss": _loss(before, after)[index],
                "low": low,
                "high": high,
                "placebo": placebo[eraser.rank][index],
            }
            rows.append({**common, "concept": concept, **found, "rank": eraser.rank, "why": ""})
        return rows

    def _passes(self, site: str, span: Whitened, rng: torch.Generator) -> bool:
        """Whether deleting everything at the site changes any of a few values."""
        trial = self.batch.observation[:TRIAL]
        if not len(span.scale):
            return False
        changed = self.subject.values(trial, edits={site: span.random(len(span.scale), rng=rng)})
        return not torch.equal(changed, self.subject.values(trial))

    def _columns(self, concept: str) -> torch.Tensor:
        """One-hot columns ``[n, levels]``."""
        code, found = pd.factorize(self.batch.concepts[concept], sort=True)
        return torch.nn.functional.one_hot(torch.from_numpy(code.astype(np.int64)), len(found)).double()

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
    main, between, within = parts(cells.design, before, noise=noise)
    lost = main - parts(cells.design, after, noise=noise)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(lost / (between + within)[..., None])


def mediating_sites(subject: Subject, batch: Batch, sites: Sequence[str] | None, most: int) -> tuple[str, ...]:
    """The sites asked for, checked; by default those the value runs through, or none if these exceed ``most``."""
    if sites is None:
        found = subject.reached(batch.observation)
        return found if len(found) <= most else ()
    for name in sites:
        subject.site(name)
    if isinstance(sites, str):
        raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
    return tuple(sites)
