"""What has a hardcoded signal latched onto: the intended concept, a proxy, both, or nothing?

Four lines of evidence on the balanced design, where what went together in training is independent:

    shares       part of the value's variance explained by each concept alone   (:mod:`imprint.analyses.latch.shares`)
    effects      mean change of the value when the concept alone is changed     (:mod:`imprint.analyses.latch.effects`)
    mediation    share lost when the concept is erased at a site, beside a random subspace of the same rank
                                                                             (:mod:`imprint.analyses.latch.mediation`)
    attribution  part of the value's integrated gradients on the pixels that show the concept

The verdict uses shares and effects, by a rule fixed beforehand (:mod:`imprint.analyses.latch.decision`); mediation says
where the concept reaches the value, attribution what of the picture it uses.

Goal misgeneralisation (Langosco et al. 2022, arXiv 2105.14111; Shah et al. 2022, arXiv 2210.01790) is the case
``proxy:<name>``.

Letters: n rows, G groups, S seeds, R resamples, Q columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.findings import findings
from imprint.analyses.latch.decision import decide
from imprint.analyses.latch.effects import COLUMNS as EFFECT_COLUMNS
from imprint.analyses.latch.effects import EffectSums, effects
from imprint.analyses.latch.mediation import COLUMNS as MEDIATION_COLUMNS
from imprint.analyses.latch.mediation import Mediation, mediating_sites
from imprint.analyses.latch.shares import INTERACTION, RESIDUAL, CellSums, Shares, pooled, shares_only
from imprint.analyses.verdicts import NONE, UNDETERMINED, Verdict
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Decision
from imprint.models.worlds.base import Batch, World
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.subjects.subject import Subject

METRICS = {
    "latch": {
        "latch": "the verdict row; of agents its estimate is how often the intended goal comes first",
        "share": "share of the value's variance on the balanced design",
        "effect": "mean counterfactual change of the value, in its standard deviations",
        "erasure_loss": "share lost when the concept is erased at the site; control: `erased` or `random subspace`",
        "attribution": "part of the attribution on the concept's pixels; control `area`: their part of the picture",
    }
}

Floats = NDArray[np.float64]
MOST_SITES = 12
"""Sites that are mediated by default; a subject with more gets a mediation table only for the sites it names."""
MEDIATED = 1000
"""Rows on which mediation is measured, at most."""
PIXELS = ("mass", "area")
"""Of a concept's pixels: their part of the attribution, and their part of the observation."""


@dataclass(frozen=True)
class Latch:
    """What a value depends on, decomposed over the intended concept and its proxies."""

    verdict: str
    """``intended``, ``proxy:<name>``, ``mixed``, ``none`` or ``undetermined``."""
    why: str
    """The reason, in a sentence with its numbers."""
    shares: pd.DataFrame
    """concept, share, low, high: part of the value's variance; with ``(interaction)`` and ``(residual)``."""
    effects: pd.DataFrame
    """concept, effect, low, high, n, why: mean counterfactual change, in sd of the value."""
    mediation: pd.DataFrame
    """site, concept, loss, low, high, placebo, rank, n, why: share lost when the concept is erased at the site."""
    attribution: pd.DataFrame
    """concept, mass, area: part of the attribution on the concept's pixels, and their part of the observation.
    ``attrs['completeness_error']``: largest error of the attributions' sum, in sd of the value."""
    n: int
    """Rows behind the shares."""
    group_sums: CellSums | None = field(default=None, repr=False)
    """What pooling shares over seeds needs."""
    effect_sums: Mapping[str, EffectSums] = field(default_factory=dict, repr=False)
    """What pooling effects over seeds needs."""

    @property
    def intended(self) -> str:
        """The concept that was meant."""
        return str(self.shares["concept"].iloc[0])

    @property
    def interaction(self) -> float:
        """Share of the combinations of concepts beyond each alone."""
        return self._share(INTERACTION)

    @property
    def residual(self) -> float:
        """Share that no combination of the concepts explains."""
        return self._share(RESIDUAL)

    def _share(self, name: str) -> float:
        return float(self.shares.set_index("concept")["share"][name])

    @property
    def findings(self) -> pd.DataFrame:
        """Every number above as a findings table (columns in :mod:`imprint.analyses.findings`)."""
        share = self.shares.rename(columns={"share": "estimate"}).assign(metric="share", n=self.n)
        erased = self.mediation.rename(columns={"loss": "estimate"}).drop(columns=["placebo", "rank"])
        random = self.mediation.rename(columns={"placebo": "estimate"}).drop(columns=["loss", "low", "high", "rank"])
        mass, area = (self.attribution[["concept", name]].set_axis(["concept", "estimate"], axis=1) for name in PIXELS)
        counted = {"metric": "attribution", "n": self.attribution.attrs.get("n")}
        tables = [
            share.iloc[:1].assign(metric="latch", verdict=self.verdict, why=self.why),
            share,
            self.effects.rename(columns={"effect": "estimate"}).assign(metric="effect"),
            erased.assign(metric="erasure_loss", control="erased"),
            random.assign(metric="erasure_loss", control="random subspace"),
            mass.assign(**counted),
            area.assign(**counted, control="area"),
        ]
        rows = [row for table in tables for row in table.to_dict("records")]
        return findings(pd.DataFrame(rows).assign(analysis="latch"))


def latch(
    subject: Subject,
    world: World,
    *,
    intended: str,
    proxies: Sequence[str],
    sites: Sequence[str] | None = None,
    n: int = 2000,
    seed: int = 0,
    decision: Decision | None = None,
    resamples: int = 1000,
    placebos: int = 5,
    attribution: int = 64,
) -> Latch:
    """What ``subject``'s value depends on in ``world``.

    ``sites``: where concepts are erased (default: those the value runs through, when they are at most 12).
    ``attribution``: rows whose integrated gradients are taken, when the world has masks; 0 for none.
    ``resamples`` of groups for each interval, ``placebos`` random subspaces for each rank.
    """
    names = _names(intended, proxies)
    world.require(*names)
    batch = world.sample(n, rng=torch.Generator().manual_seed(seed), design="balanced")
    chosen = mediating_sites(subject, batch, sites, MOST_SITES)
    values = subject.values(batch.observation).double().numpy()
    shares = shares_only(
        values, batch.concepts, batch.groups, intended=intended, proxies=names[1:], resamples=resamples, seed=seed
    )
    rule = decision or Decision()
    bare = _from_shares(shares, rule, n)
    if shares.sums is None or shares.sums.constant:
        return bare
    table, sums = effects(subject, world, batch, names, values=values, resamples=resamples, seed=seed)
    word, why = _verdict(shares, table, rule)
    few = batch.rows(slice(0, MEDIATED)) if n > MEDIATED and _dense(batch, names) else batch
    return replace(
        bare,
        verdict=word,
        why=why,
        effects=table,
        effect_sums=sums,
        mediation=Mediation(subject, few, names, placebos, resamples, seed).table(chosen),
        attribution=_attribution(subject, world, batch.rows(slice(0, attribution)), names, sd=float(values.std())),
    )


def latch_from_arrays(
    values: NDArray[np.floating],
    concepts: pd.DataFrame,
    *,
    intended: str,
    proxies: Sequence[str],
    groups: NDArray[np.integer] | None = None,
    seed: int = 0,
    decision: Decision | None = None,
    resamples: int = 1000,
) -> Latch:
    """The latch of a table: ``values [n]`` and ``concepts [n rows]``. No counterfactuals, so shares alone decide.

    The concepts may be correlated: every combination of them gets equal weight, however often it occurs. A combination
    with fewer than five rows makes the latch undetermined, with the reason in ``why``.
    """
    names = _names(intended, proxies)
    shares = shares_only(
        values, concepts, groups, intended=intended, proxies=names[1:], resamples=resamples, seed=seed, equal=True
    )
    return _from_shares(shares, decision or Decision(), len(concepts))


def _names(intended: str, proxies: Sequence[str]) -> tuple[str, ...]:
    if isinstance(proxies, str):
        raise ImprintError(f"proxies is the text {proxies!r}; expected a list of concepts, for example [{proxies!r}].")
    if not proxies:
        raise ImprintError("proxies is empty; name at least one concept that goes along with the intended one.")
    if len({intended, *proxies}) != len(proxies) + 1:
        raise ImprintError(f"intended and proxies name something twice: {', '.join((intended, *proxies))}.")
    return (intended, *proxies)


def _verdict(shares: Shares, table: pd.DataFrame, decision: Decision) -> Verdict:
    """The verdict on shares and a table of effects."""
    if shares.sums is not None and shares.sums.constant:
        return Verdict(NONE, "The value is constant, so it depends on nothing; shares are not measurable.")
    if shares.why:
        return Verdict(UNDETERMINED, f"{shares.why[0].upper()}{shares.why[1:]}.".replace("..", "."))
    return decide(shares.table, table, decision, intended=str(shares.table["concept"].iloc[0]))


def _from_shares(shares: Shares, decision: Decision, n: int) -> Latch:
    """A latch that rests on shares alone."""
    none = [pd.DataFrame(columns=list(c)) for c in (EFFECT_COLUMNS, MEDIATION_COLUMNS, ("concept", *PIXELS))]
    word, why = _verdict(shares, none[0], decision)
    return Latch(word, why, shares.table, none[0], none[1], none[2], n, shares.sums)


def _dense(batch: Batch, names: Sequence[str]) -> bool:
    """Whether the first rows alone still fill every combination of concepts well."""
    concepts = batch.concepts[list(names)]
    counts = concepts.iloc[:MEDIATED].value_counts()
    return len(counts) == len(concepts.value_counts()) and int(counts.min()) >= 10


def _attribution(subject: Subject, world: World, batch: Batch, names: Sequence[str], *, sd: float) -> pd.DataFrame:
    """concept, mass, area; ``sd``: standard deviation of the value."""
    masks = {name: mask for name, mask in world.masks(batch).items() if name in names} if len(batch) else {}
    if not masks or not batch.observation.is_floating_point():
        return pd.DataFrame(columns=["concept", *PIXELS])
    explained = IntegratedGradients()(subject, batch.observation)
    table = explained.mass_on(masks)
    table.attrs["n"] = len(batch)
    table.attrs["completeness_error"] = float(explained.completeness_error.abs().max()) / sd
    return table


# -- over training seeds ---------------------------------------------------------------------------------------------


def pool_shares(
    sums: Sequence[CellSums], concepts: Sequence[str], *, resamples: int = 1000, rng: np.random.Generator
) -> pd.DataFrame:
    """Shares over training seeds: concept, share, low, high, n, seeds; ``concepts`` names the rows of an empty pool.

    Seeds are drawn first, then groups within each. ``sums``: of the seeds whose shares could be measured.
    """
    names = (*concepts, INTERACTION, RESIDUAL)
    draws = [s.replicates(resamples, one) for s, one in zip(sums, _same_groups(rng, len(sums)), strict=True)]
    mean, low, high = _pool([s.shares for s in sums], draws, len(names), rng)
    table = pd.DataFrame({"concept": names, "share": mean, "low": low, "high": high})
    return table.assign(n=sum(s.rows for s in sums), seeds=len(sums))


def pool_effects(
    sums: Mapping[str, Sequence[EffectSums]], *, resamples: int = 1000, rng: np.random.Generator
) -> pd.DataFrame:
    """Effects over training seeds: concept, effect, low, high, n, seeds; effects that are not finite are left out.

    ``sums``: concept -> sums of each seed.
    """
    rows = []
    for concept, every in sums.items():
        known = [s for s in every if np.isfinite(s.effect)]
        generators = _same_groups(rng, len(known))
        draws = [s.replicates(resamples, one)[:, None] for s, one in zip(known, generators, strict=True)]
        mean, low, high = _pool([np.array([s.effect]) for s in known], draws, 1, rng)
        rows.append((concept, mean[0], low[0], high[0], sum(s.rows for s in known), len(known)))
    return pd.DataFrame(rows, columns=["concept", "effect", "low", "high", "n", "seeds"])


def _same_groups(rng: np.random.Generator, seeds: int) -> list[np.random.Generator]:
    """One generator per seed, all in the same state, so that every seed is resampled with the same groups."""
    state = int(rng.integers(2**31))
    return [np.random.default_rng(state) for _ in range(seeds)]


def _pool(
    estimates: Sequence[Floats], draws: Sequence[Floats], columns: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Mean over seeds and its interval, each ``[Q]``; NaN without seeds."""
    if not estimates:
        nan = np.full(columns, np.nan)
        return nan, nan, nan
    return pooled(np.stack(estimates), np.stack(draws), rng)
