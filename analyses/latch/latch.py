"""What has a hardcoded signal latched onto: the intended concept, a proxy, both, or nothing?

Four lines of evidence on the balanced design, where what went together in training is independent:

    shares       part of the value's variance explained by each concept alone   (:mod:`imprint.analyses.latch.shares`)
    effects      mean change of the value when the concept alone is changed     (:mod:`imprint.analyses.latch.effects`)
    mediation    share lost when the concept is erased at a site, beside a random subspace of the same rank
                                                                             (:mod:`imprint.analyses.latch.mediation`)
    attribution  part of the value's integrated gradients on the pixels that show the concept

The verdict is a probability over words, from draws of shares and effects beside untrained twins, by a rule fixed
beforehand (:mod:`imprint.analyses.latch.decision`). Mediation says where the concept reaches the value, attribution
what of the picture it uses, and the residual what else the value varies with (:mod:`imprint.analyses.latch.residual`).

Goal misgeneralisation (Langosco et al. 2022, arXiv 2105.14111; Shah et al. 2022, arXiv 2210.01790) is the case
``proxy:<name>``.

Letters: n rows, G groups, S seeds, R resamples, Q columns.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.findings import findings
from imprint.analyses.latch.arguments import (
    names_of,
    require_counts,
    require_repeatable,
    require_world,
    rows_given,
    rule_of,
    sign_of,
    subject_of,
    twins_of,
)
from imprint.analyses.latch.decision import Judgement, judge, undetermined
from imprint.analyses.latch.effects import effect_sums
from imprint.analyses.latch.floor import bounds, twin_shares
from imprint.analyses.latch.mediation import COLUMNS as MEDIATION_COLUMNS
from imprint.analyses.latch.mediation import Mediation, mediating_sites
from imprint.analyses.latch.pooling import pool
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.residual import COLUMNS as RESIDUAL_COLUMNS
from imprint.analyses.latch.residual import belief_of, residual_split
from imprint.analyses.latch.shares import INTERACTION, RESIDUAL, CellSums, design_of, measure
from imprint.analyses.latch.tables import (
    effect_table,
    share_rows,
    share_table,
    twin_rows,
    twin_sentence,
    twin_table,
    verdict_rows,
)
from imprint.analyses.statistics import Floats
from imprint.analyses.verdicts import NONE, with_odds
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.notebook import card, ranged
from imprint.models.progress import announced, reported, worked
from imprint.models.setup.learner import Decision
from imprint.models.threads import scoped_call
from imprint.models.worlds.base import Batch, World
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.door.labels import table_of
from imprint.probes.subjects.subject import Subject

MOST_SITES = 12
"""Sites that are mediated by default; a subject with more gets a mediation table only for the sites it names."""
MEDIATED = 1000
"""Rows on which mediation is measured, at most."""
PIXELS = ("mass", "area")
EFFECT_COLUMNS = ("concept", "effect", "low", "high", "n", "why")


@dataclass(frozen=True)
class Latch:
    """What a value depends on, decomposed over the intended concept and its proxies."""

    verdict: str
    """``intended``, ``reversed``, ``proxy:<name>``, ``conditional``, ``mixed``, ``none`` or ``undetermined``."""
    why: str
    """What leads, what is ruled out and what is open, in sentences with their numbers."""
    probabilities: Mapping[str, float]
    """Word -> probability, the most probable first."""
    words: tuple[str, ...]
    """The smallest set of words whose probabilities reach ``decision.certain``."""
    leads: tuple[str, float]
    """The concept that holds most of the variance that the concepts explain, and the probability that it does."""
    dominance: pd.DataFrame
    """concept, dominance, low, high, carries: part of the variance that the concepts explain, and the probability that
    the concept counts; with ``(interaction)``."""
    ruled_out: Mapping[str, bool]
    """Proxy -> whether its share is shown to be below ``decision.negligible``."""
    shares: pd.DataFrame
    """concept, share, low, high: part of the value's variance; with ``(interaction)`` and ``(residual)``."""
    effects: pd.DataFrame
    """concept, effect, low, high, n, why: mean counterfactual change, in sd of the value."""
    twins: pd.DataFrame
    """concept, share, bound: mean share in untrained twins, and what they stay below; empty without twins."""
    residual: pd.DataFrame
    """factor, share: what else the value varies with, within combinations of the concepts."""
    mediation: pd.DataFrame
    """site, concept, loss, low, high, placebo, rank, n, why: share lost when the concept is erased at the site."""
    attribution: pd.DataFrame
    """concept, mass, area: part of the attribution on the concept's pixels, and their part of the observation.
    ``attrs['completeness_error']``: largest error of the attributions' sum, in sd of the value; ``attrs['why']``: why
    there is none."""
    n: int
    """Rows behind the shares."""
    profile: Profile | None = field(default=None, repr=False)
    """What pooling over seeds needs; None where nothing could be counted."""

    def _repr_html_(self) -> str:
        first = with_odds(self.verdict, self.probabilities, self.intended)
        holds, moves = self.dominance.set_index("concept"), self.effects.set_index("concept")
        table = pd.DataFrame(
            {
                "concept": self.shares["concept"],
                "dominance": self.shares["concept"].map(ranged(holds, "dominance")),
                "share of the value's variance": ranged(self.shares, "share"),
                "effect (sd)": self.shares["concept"].map(ranged(moves, "effect")),
            }
        )
        return card(first, [self.why], table, "With 95 % intervals over groups.")

    @property
    def intended(self) -> str:
        """The concept that was meant."""
        return str(self.shares["concept"].iloc[0])

    @property
    def interaction(self) -> float:
        """Share of the combinations of concepts beyond each alone."""
        return float(self.shares.set_index("concept")["share"][INTERACTION])

    @property
    def findings(self) -> pd.DataFrame:
        """Every number above as a findings table (columns in :mod:`imprint.analyses.findings`)."""
        erased = self.mediation.rename(columns={"loss": "estimate"}).drop(columns=["placebo", "rank"])
        random = self.mediation.rename(columns={"placebo": "estimate"}).drop(columns=["loss", "low", "high", "rank"])
        mass, area = (self.attribution[["concept", name]].set_axis(["concept", "estimate"], axis=1) for name in PIXELS)
        about = self.attribution.attrs
        counted = {"metric": "attribution", "n": about.get("n"), "why": about.get("why", "")}
        tables = [
            verdict_rows(self.judgement, self.shares, n=self.n),
            share_rows(self.shares, n=self.n),
            self.effects.rename(columns={"effect": "estimate"}).assign(metric="effect"),
            twin_rows(self.twins),
            self.residual.rename(columns={"factor": "control", "share": "estimate"}).assign(
                metric="residual", concept=self.intended, n=self.n
            ),
            erased.assign(metric="erasure_loss", control="erased"),
            random.assign(metric="erasure_loss", control="random subspace"),
            mass.assign(**counted),
            area.assign(**counted, control="area"),
        ]
        rows = [row for table in tables for row in table.to_dict("records")]
        return findings(pd.DataFrame(rows).assign(analysis="latch"))

    @property
    def judgement(self) -> Judgement:
        """The verdict with its probabilities."""
        return Judgement(
            self.verdict,
            self.why,
            dict(self.probabilities),
            self.words,
            self.leads,
            self.dominance,
            dict(self.ruled_out),
        )


@scoped_call
def latch(
    subject: Subject,
    world: World,
    *,
    intended: str,
    proxies: Sequence[str],
    untrained: Sequence[Subject] | None = (),
    sites: Sequence[str] | None = None,
    n: int = 2000,
    seed: int = 0,
    decision: Decision | None = None,
    equal: bool = True,
    rewarded: Any = None,
    resamples: int = 1000,
    placebos: int = 5,
    attribution: int = 64,
    progress: Any = None,
) -> Latch:
    """What ``subject``'s value depends on in ``world``.

    ``untrained``: subjects of randomly initialised twins; a concept counts only above what they reach, and without them
    the answer says so. ``sites``: where concepts are erased (default: those the value runs through, when they are at
    most 12). ``equal``: every combination of concepts weighs the same, else as often as it occurs. ``rewarded``: the
    level of the intended concept that the signal rewards (default: the last, ``True`` of a yes-or-no concept).
    ``resamples`` of groups for each interval, ``placebos`` random subspaces for each rank. ``attribution``: rows whose
    integrated gradients are taken, when the world has masks; 0 for none. ``progress``: True draws a bar with the time
    left; a function gets every :class:`imprint.models.progress.Step`.
    """
    names, rule, subject = names_of(intended, proxies), rule_of(decision), subject_of(subject)
    require_counts(n=n, seed=seed, resamples=resamples, placebos=placebos, attribution=attribution)
    require_world(world)
    world.require(*names)
    batch = balanced_rows(world, n, seed)
    require_repeatable(world, batch)
    chosen = mediating_sites(subject, batch, sites, MOST_SITES)
    began = time.perf_counter()
    values = _values(subject, batch)
    untrained = twins_of(untrained)
    passes = 1.0 + len(untrained) + 2 * len(names) + (len(chosen) + 1) * (len(names) + placebos) * bool(chosen)
    announced("latch", passes * (time.perf_counter() - began), 0.0, "")
    with reported("latch", passes, progress):
        try:
            cells = measure(values, batch.concepts, batch.groups, names, equal=equal)
            twins = [
                measure(_values(twin, batch), batch.concepts, batch.groups, names, equal=equal, called=_called(number))
                for number, twin in enumerate(untrained)
            ]
        except NotMeasurableError as error:
            return _nothing(names, f"Not measurable: {error}.", n)
        if cells.constant:
            return _constant(names, n, cells)
        cell = design_of(batch.concepts, names)[1]
        effects, problems = effect_sums(subject, world, batch, names, values=values, cell=cell)
        sign = sign_of(cells.design.levels[0], rewarded)
        judged = _judged(Profile(cells, effects), twins, problems, rule, seed=seed, resamples=resamples, sign=sign)
        belief = _belief(subject, batch, intended, chosen)
        few = batch.rows(slice(0, MEDIATED)) if n > MEDIATED and _dense(batch, names) else batch
        return replace(
            judged,
            residual=residual_split(values, batch, names, equal=equal, belief=belief),
            mediation=Mediation(subject, few, names, placebos, resamples, seed).table(chosen),
            attribution=_attribution(subject, world, batch.rows(slice(0, attribution)), names, sd=float(values.std())),
        )


@scoped_call
def latch_from_arrays(
    values: Any,
    concepts: Any,
    *,
    intended: str,
    proxies: Sequence[str],
    groups: Any = None,
    untrained: Sequence[Any] | None = (),
    seed: int = 0,
    decision: Decision | None = None,
    rewarded: Any = None,
    resamples: int = 1000,
) -> Latch:
    """The latch of a table: ``values [n]`` and ``concepts [n rows]``; ``untrained``: values of untrained twins.

    There are no counterfactuals, so effects are differences of means. The concepts may be correlated: every combination
    of them weighs the same, however often it occurs. A combination with fewer than five rows makes the latch
    undetermined, with the reason in ``why``.
    """
    names, rule, concepts = names_of(intended, proxies), rule_of(decision), table_of(concepts)
    require_counts(seed=seed, resamples=resamples)
    concepts, groups, untrained = rows_given(concepts, values, groups, untrained)
    try:
        cells = measure(values, concepts, groups, names)
        twins = [measure(t, concepts, groups, names, called=_called(number)) for number, t in enumerate(untrained)]
    except NotMeasurableError as error:
        return _nothing(names, f"Not measurable: {error}.", len(concepts))
    if cells.constant:
        return _constant(names, len(concepts), cells)
    problems = dict.fromkeys(names, "an association: the table has no counterfactuals")
    sign = sign_of(cells.design.levels[0], rewarded)
    return _judged(Profile(cells, {}), twins, problems, rule, seed=seed, resamples=resamples, sign=sign)


def balanced_rows(world: World, n: int, seed: int = 0) -> Batch:
    """The rows on which a latch is measured."""
    return world.sample(n, rng=torch.Generator().manual_seed(seed), design="balanced")


def _values(subject: Subject, batch: Batch) -> Floats:
    values: Floats = subject.values(batch.observation).double().numpy()
    worked(1.0)
    return values


def _called(number: int) -> str:
    return f"values of untrained[{number}]"


def _judged(
    profile: Profile,
    twins: Sequence[CellSums],
    problems: Mapping[str, str],
    rule: Decision,
    *,
    seed: int,
    resamples: int,
    sign: int,
) -> Latch:
    """A latch that rests on one profile and its twins."""
    pooled = pool([profile], resamples=resamples, rng=np.random.default_rng(seed))
    shares = twin_shares(twins, len(profile.concepts))
    judged = judge(pooled, bounds(shares, 1), rule, sign=sign)
    table = share_table(pooled)
    return replace(
        _latch(judged, table, profile.cells.rows),
        why=judged.why + twin_sentence(len(twins)),
        effects=effect_table(pooled, problems),
        twins=twin_table(shares, profile.concepts, 1),
        profile=profile,
    )


def _latch(judged: Judgement, shares: pd.DataFrame, n: int) -> Latch:
    """A latch with a verdict and shares alone."""
    columns = (EFFECT_COLUMNS, ("concept", "share", "bound"), RESIDUAL_COLUMNS, MEDIATION_COLUMNS, ("concept", *PIXELS))
    effects, twins, residual, mediation, attribution = (pd.DataFrame(columns=list(c)) for c in columns)
    return Latch(
        judged.verdict,
        judged.why,
        judged.probabilities,
        judged.words,
        judged.leads,
        judged.dominance,
        judged.ruled_out,
        shares,
        effects,
        twins,
        residual,
        mediation,
        attribution,
        n,
    )


def _nothing(names: tuple[str, ...], why: str, n: int) -> Latch:
    """No answer, with the reason."""
    shares = pd.DataFrame({"concept": [*names, INTERACTION, RESIDUAL], "share": np.nan, "low": np.nan, "high": np.nan})
    return _latch(undetermined(names, why.replace("..", ".")), shares, n)


def _constant(names: tuple[str, ...], n: int, cells: CellSums) -> Latch:
    """A value that is the same everywhere depends on nothing; of one that hardly varies that cannot be said."""
    if cells.faint:
        return _nothing(names, f"Not measurable: {cells.faint}.", n)
    bare = _nothing(names, "The value is constant, so it depends on nothing; shares are not measurable.", n)
    return replace(bare, verdict=NONE, words=(NONE,), probabilities={NONE: 1.0}, profile=Profile(cells, {}))


def _belief(subject: Subject, batch: Batch, intended: str, sites: Sequence[str]) -> Floats | None:
    """What the subject takes the intended concept to be, read at the last of ``sites``."""
    if not sites:
        return None
    return belief_of(
        subject.activations(batch.observation, sites[-1:])[sites[-1]], batch.concepts[intended], batch.groups
    )


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
    try:
        explained = IntegratedGradients()(subject, batch.observation)
    except ImprintError as error:  # a value without a gradient has a latch all the same
        table = pd.DataFrame({"concept": list(masks)} | dict.fromkeys(PIXELS, np.nan))
        table.attrs["why"] = str(error)
        return table
    table = explained.mass_on(masks)
    table.attrs["n"] = len(batch)
    table.attrs["completeness_error"] = float(explained.completeness_error.abs().max()) / sd
    return table
