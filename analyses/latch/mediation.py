"""mediation: through which site does a concept reach the value?

The concept is erased from the activations at one site while the value is computed (LEACE), and the share it loses is
compared with what it loses when a random subspace of the same rank is erased there instead:

    loss = (V_c before - V_c after) / V before          placebo = the same, mean over random subspaces

V before is the variance of the untouched value in both, so that losses of one concept add up against its share. A
loss that the placebo reaches too says only that something of this size was deleted. Where the concept does not covary
with the activations beyond chance there is nothing to erase: the loss is 0 and the rank 0. The eraser is fitted on the
rows it is judged on, so a site that is more than half as wide as the number of rows is not measurable.

Copies of a concept can stand in for one another: where two sites of a moment carry it, erasing it at one may cost
little and at both everything. Sites of one moment are therefore edited together as well.

Letters: n rows, d width, r rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.latch.effects import ROUNDING
from imprint.analyses.latch.shares import CellSums, cell_sums, design_of, parts
from imprint.analyses.statistics import Floats, group_weights, interval, merged
from imprint.models.errors import ImprintError
from imprint.models.progress import worked
from imprint.models.worlds.base import Batch
from imprint.probes.causal.edit_runs import JOINED
from imprint.probes.door.labels import plain
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.subjects.subject import Subject
from imprint.probes.subjects.upstream import passes, values_under

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
        """site, concept, loss, low, high, placebo, rank, n, why; one row per site and concept.

        Sites of one moment that the value passes through are also edited together, as one more row for each concept.
        """
        rows: list[dict[str, Any]] = []
        if sites:
            ((before,),) = self._sums([[{}]])
            activations = self.subject.activations(self.batch.observation, sites)
            spans = {site: Whitened.of(activations[site]) for site in sites if not self._why_not(activations[site])}
            live = {site: span for site, span in spans.items() if not before.constant and self._passes(site, span)}
            places = [_Place.of(self, {site: span}) for site, span in live.items()]
            places += [_Place.of(self, {site: live[site] for site in together}) for together in _moments(live)]
            after = self._sums([place.edits for place in places])
            erased = {place.name: self._rows(place, before, each) for place, each in zip(places, after, strict=True)}
            for site in sites:
                why = "not measurable: the value is constant" if before.constant else self._why_not(activations[site])
                if why:
                    rows += [{"site": site, "concept": concept, "why": why} for concept in self.concepts]
                elif site not in live:
                    why = "the value does not pass through here"
                    rows += [{"site": site, "concept": concept, **STILL, "why": why} for concept in self.concepts]
                else:
                    rows += erased[site]
            rows += [row for place in places[len(live) :] for row in erased[place.name]]
        return pd.DataFrame(rows, columns=list(COLUMNS)).assign(n=len(self.batch))

    def _why_not(self, activations: torch.Tensor) -> str:
        if activations.shape[1] > len(activations) // 2:
            return f"not measurable: {activations.shape[1]} activations and {len(activations)} rows; give more rows"
        return ""

    def _sums(self, places: Sequence[Sequence[Mapping[str, Eraser]]]) -> list[list[CellSums]]:
        """What each edit of each place leaves of the shares; edits at one place share what comes before it."""
        design, cell = design_of(self.batch.concepts, self.concepts)
        step = 1 / passes(len(self.batch))
        some = [edits for edits in places if edits]
        values = iter(values_under(self.subject, self.batch.observation, some, done=lambda: worked(step, "erasing")))
        return [
            [cell_sums(each.double().numpy(), design, cell, self.batch.groups) for each in next(values)]
            if edits
            else []
            for edits in places
        ]

    def _rows(self, place: _Place, before: CellSums, after: Sequence[CellSums]) -> list[dict[str, Any]]:
        """A row per concept of one place."""
        rows: list[dict[str, Any]] = []
        for index, concept in enumerate(self.concepts):
            row: dict[str, Any] = {"site": place.name, "concept": concept}
            if concept not in place.erasers:
                rows.append({**row, **STILL, "why": "nothing to erase: the concept is not linearly here"})
                continue
            number, ranks = place.erasers[concept]
            low, high = interval(self._draws(before, after[number])[:, index])
            placebo = np.mean([_loss(before, after[i]) for i in place.placebos[ranks]], axis=0)[index]
            loss = {"loss": _loss(before, after[number])[index], "low": low, "high": high, "placebo": placebo}
            rows.append({**row, **loss, "rank": sum(ranks), "why": ""})
        return rows

    def _passes(self, site: str, span: Whitened) -> bool:
        """Whether deleting everything at the site changes any of a few values by more than rounding."""
        trial = self.batch.observation[:TRIAL]
        if not len(span.scale):
            return False
        if not self.subject.reaches(site, trial):
            return False
        rng = torch.Generator().manual_seed(self.seed)
        changed = self.subject.values(trial, edits={site: span.random(len(span.scale), rng=rng)})
        value = self.subject.values(trial)
        return bool((changed - value).abs().max() > ROUNDING * value.abs().max())

    def columns(self, concept: str) -> torch.Tensor:
        """The concept as one-hot columns ``[n, levels]``."""
        code, found = pd.factorize(plain(self.batch.concepts[concept]), sort=True)
        return torch.nn.functional.one_hot(torch.from_numpy(code.astype(np.int64)), len(found)).double()

    def _draws(self, before: CellSums, after: CellSums) -> Floats:
        """Losses ``[R, C]`` under group resamples, the same groups before and after."""
        if len(before.sums) < 2:
            return np.full((self.resamples, len(self.concepts)), np.nan)
        both = np.concatenate([before.sums, after.sums], axis=1)
        rng = np.random.default_rng(self.seed)
        groups = merged(both, rng)
        drawn = np.einsum("rg,gkm->rkm", group_weights(len(groups), self.resamples, rng), groups)
        return _difference(before, *np.split(drawn, 2, axis=1), noise=2.0)


@dataclass(frozen=True)
class _Place:
    """One site, or several that are edited together, and all edits that are tried there."""

    name: str
    edits: list[dict[str, Eraser]]
    erasers: dict[str, tuple[int, tuple[int, ...]]]
    """Concept -> number of its edit, and the rank at each site; none where it is not linearly there."""
    placebos: dict[tuple[int, ...], range]
    """Ranks -> numbers of the edits that erase random subspaces."""

    @classmethod
    def of(cls, mediation: Mediation, spans: Mapping[str, Whitened]) -> _Place:
        """The edits at the sites of ``spans``."""
        rng = torch.Generator().manual_seed(mediation.seed)
        edits: list[dict[str, Eraser]] = []
        erasers: dict[str, tuple[int, tuple[int, ...]]] = {}
        placebos: dict[tuple[int, ...], range] = {}
        for concept in mediation.concepts:
            columns = mediation.columns(concept)
            found = {site: span.erase(columns) for site, span in spans.items() if span.linearly_there(columns)}
            if not found:
                continue
            ranks = tuple(eraser.rank for eraser in found.values())
            erasers[concept] = len(edits), ranks
            edits.append(found)
            if ranks not in placebos:
                placebos[ranks] = range(len(edits), len(edits) + mediation.placebos)
                edits += [
                    {site: spans[site].random(eraser.rank, rng=rng) for site, eraser in found.items()}
                    for _ in range(mediation.placebos)
                ]
        return cls(JOINED.join(spans), edits, erasers, placebos)


def _moments(sites: Iterable[str]) -> list[tuple[str, ...]]:
    """Sites that belong to one moment, where there are several."""
    moments: dict[str, list[str]] = {}
    for site in sites:
        moments.setdefault(site.rpartition("@")[2] if "@" in site else "", []).append(site)
    return [tuple(together) for together in moments.values() if len(together) > 1]


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
    if isinstance(sites, str):
        raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
    for name in sites:
        subject.site(name)
        if instead := subject.instead(name, batch.observation):
            raise ImprintError(
                f"an edit at {name!r} cannot reach the value, which uses {', '.join(instead)} of the same module: name "
                "those."
            )
    return tuple(sites)
