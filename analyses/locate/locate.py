"""locate: which concepts can be read at which sites, and did the model learn them or were they given?

One row per concept and site; see :mod:`imprint.analyses.locate.evidence` for scores, floors and verdicts. All verdicts
are corrected together over the grid (Benjamini-Hochberg). The best site of each concept is chosen on one half of the
groups and scored on the other, so that looking in many places does not flatter the answer.

Where a concept was found, more is asked: whether it is only read because another goes with it
(:mod:`imprint.analyses.locate.strata`), in which form it is there (:mod:`imprint.analyses.locate.forms`), and whether
the rows are what they seem (:mod:`imprint.analyses.locate.leaks`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from imprint.analyses.locate.entrance import Entrance, counts, enter
from imprint.analyses.locate.forms import left_out, not_linear, places, unused
from imprint.analyses.locate.judging import MARGIN, best_sites, judge, summaries_of
from imprint.analyses.locate.leaks import EQUAL, kept_together, leaks_of, refused
from imprint.analyses.locate.material import Cells, Material, Plan
from imprint.analyses.locate.plan.cost import ADVICE, cost_of, least_memory, shapes_of, twins_in
from imprint.analyses.locate.strata import companions, evidence_within, explained, names_given
from imprint.analyses.locate.targets import Targets, unreadable
from imprint.analyses.locate.verdict import NOT_LINEAR, NOT_USED, is_present
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.notebook import card, ranged
from imprint.models.progress import announced, reported
from imprint.models.threads import scoped_call
from imprint.probes.door.arrays import rate_of
from imprint.probes.readouts.base import READOUTS, Readout
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import Ints, compact_groups

RATES = ("auc", "true_positive_rate", "false_positive_rate", "recall_at_1_percent_false_positives")
SHOWN = ("concept", "site", "score", "null", "untrained", "inputs", "q_value", "verdict")
"""Columns of the card in a notebook, in this order; ``score`` with its interval."""


@scoped_call
def locate(
    activations: Any,
    concepts: Any,
    *,
    groups: Any = None,
    mask: Any = None,
    ignore: Any = None,
    untrained: Any = None,
    inputs: Any = None,
    given: Any = None,
    value: Any = None,
    readout: Any = "ridge",
    nulls: Any = 20,
    alpha: Any = 0.05,
    seed: Any = 0,
    folds: Any = 5,
    resamples: Any = 1000,
    device: Any = None,
    progress: Any = None,
) -> pd.DataFrame:
    """Look for every concept at every site.

    Arguments:
        activations: site -> array ``[n, d]`` of any kind (tensors of every type and layout, frames, memory maps), or
            sequences ``[b, t, d]`` with b * t rows; one such array; a path (:mod:`imprint.probes.door.files`); an
            :class:`~imprint.probes.subjects.stored.ActivationStore`; or a stream of such mappings, batch by batch, for
            activations that do not fit in memory (see :mod:`imprint.analyses.locate.streaming`).
        concepts: n rows; bool, categorical, text and integer columns are classes, float columns are numbers. Rows
            without a label are left out of that concept.
        groups: one label per row, or the name of a column of ``concepts``; rows of one group are never split, and
            where they are steps in time they come in order. None: every row is its own group; of sequences, every
            sequence is one.
        mask: which rows are used, ``[n]`` (or ``[b, t]``), true or 1 for those that are, or the name of a column.
        ignore: a label, or several, that mean "no label" (such as -100); or a mapping from concepts to these.
        untrained: site -> ``[n, d]`` of a randomly initialised twin, or a list of such arrays for several twins, or a
            list of such mappings; beside a stream, a list of streams.
        inputs: raw observations ``[n, p]`` (for sequences, all that was shown up to the site), or one such array per
            site.
        given: names of concepts that shall not give the answer: all others are read within their strata (each class,
            or quarter of a number). Arrays only.
        value: a number per row ``[n]`` that the model gives, to tell whether what is present is used. Arrays only.
        readout: kind of readout.
        nulls: label shuffles per concept, at least 5. Cells that they do not decide get up to 400.
        alpha: false discovery rate over the whole grid.
        seed: of folds, shuffles and resamples.
        folds: cross-validation folds, groups kept together.
        resamples: bootstrap resamples.
        device: where activations are read, for example ``"cuda"``; None: where they are.
        progress: True draws a bar with the time left; a function gets every :class:`imprint.models.progress.Step`.

    Returns one row per concept and site (columns as in ``imprint.analyses.locate.judging.COLUMNS``). ``score`` is
    balanced accuracy for classes and R2 for numbers, with a 95 % interval over groups; ``place`` is ``at unit k``,
    ``distributed`` or empty; ``missing`` counts rows without a label. ``attrs["best"]``: concept -> site, score, low,
    high, selectivity, selectivity_low, selectivity_high of the best site, chosen on one half of the groups and scored
    on the other. ``attrs["rates"]``: per concept, site and class the area under the curve, the true and false positive
    rate at the probe's threshold, and the recall at 1 % false positives (NaN where fewer than 100 rows are negative).
    ``attrs["asked"]``: number of rows and settings. ``attrs["caveats"]``: sentences about what was left out, and
    labels that look like marks for none. ``attrs["leaks"]``: what about the rows makes a
    score too good, looked for where a concept was found (:mod:`imprint.probes.samples.leaks`; not in streams). Rows
    that are not independent turn ``present`` into ``undetermined``; a concept that is only read because another goes
    with it is ``given`` that one.

    Raises :class:`ImprintError` for arguments that cannot be meant; data that cannot answer give ``not measurable``
    rows.
    """
    counts(nulls=(nulls, 5, 100_000), folds=(folds, 2, 10_000), resamples=(resamples, 20, 1_000_000))
    counts(seed=(seed, 0, 2**63 - 1))
    rate_of("alpha", alpha)
    if not isinstance(readout, str):
        raise ImprintError(f"readout is {readout!r}; expected the name of one, such as 'ridge'.")
    chosen, rng = READOUTS.load(readout)(), np.random.default_rng(seed)
    announced("locate", 0.0, least_memory(activations), ADVICE)
    entered = enter(
        activations, concepts, groups=groups, mask=mask, ignore=ignore, untrained=untrained, inputs=inputs, value=value
    )
    for caveat in entered.caveats:
        if "pass ignore=" in caveat:
            warnings.warn(caveat, stacklevel=3)
    if not isinstance(given, str | Sequence | None):
        raise ImprintError(f"given is {given!r}; expected the name of a concept, or a list of names.")
    shapes, twins = shapes_of(entered.activations, len(entered.labels)), twins_in(entered.untrained)
    stream = None if isinstance(entered.activations, Mapping) else entered.activations
    cost = cost_of(shapes, entered.labels, chosen, nulls=nulls, folds=folds, twins=twins, stream=stream)
    cost.announce("locate", ADVICE)
    with reported("locate", cost.operations, progress):
        material = Material.of(entered, device=device)
        table = _located(material, entered, (chosen, nulls, folds, alpha, resamples), given=given, rng=rng)
    asked = {"rows": len(entered.labels), "readout": readout, "nulls": nulls, "alpha": alpha, "folds": folds}
    table.attrs["asked"] = {**asked, "seed": seed, "grouped": entered.groups is not None}
    table.attrs["caveats"] = entered.caveats
    return _shown_as_card(table)


def _located(
    material: Material,
    entered: Entrance,
    settings: tuple[Readout, int, int, float, int],
    *,
    given: str | Sequence[str] | None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """The table of :func:`locate`; ``settings``: readout, nulls, folds, alpha and resamples."""
    concepts, groups, value, sites = entered.labels, entered.groups, entered.value, entered.sites
    names, n, (_, _, _, alpha, resamples) = [*concepts.columns, *entered.problems], len(concepts), settings
    within = names_given(given, concepts)
    if material.stream is not None and (within or value is not None):
        raise ImprintError("given and value need activations as arrays; a stream cannot be read within strata.")
    try:
        plan = Plan(compact_groups(groups, n), *settings)
        targets = plan.targets(concepts, rng, cells=len(names) * len(sites))
    except NotMeasurableError as error:
        every = {(c, s): entered.problems.get(c, str(error)) for c in names for s in sites}
        return judge({}, every, alpha=alpha, resamples=resamples, rng=rng)
    targets = replace(targets, problems={**entered.problems, **targets.problems})
    problems = {(name, site): why for name, why in targets.problems.items() for site in sites}
    for site, x in material.activations.items():
        if why := unreadable(x):
            problems |= {(target.name, site): why for target in targets.concepts}
    evidence = material.evidence(targets) if targets.concepts else {}
    inquiry = _Inquiry(material, concepts, plan, targets, evidence)
    table = judge({k: [v] for k, v in evidence.items()}, problems, alpha=alpha, resamples=resamples, rng=rng)
    later = rng.spawn(1)[0]
    leaks: list[dict[str, Any]] = []
    table["place"] = ""
    if material.stream is None:
        table = inquiry.given(table, within, later) if within else inquiry.companions(table, later)
        table = inquiry.forms(table, value, later)
        leaks = leaks_of(material.activations, concepts, table, groups=groups, rng=later)
        table = refused(table, leaks, inquiry.equal_rows_together(table, leaks, later))
    table = _with_caveats(left_out(table, targets), entered.caveats)
    table.attrs["best"] = best_sites({k: [v] for k, v in evidence.items()}, resamples=resamples, rng=rng)
    table.attrs["rates"] = _rates_table(evidence)
    table.attrs["leaks"] = pd.DataFrame(leaks, columns=["concept", "site", "kind", "why", "rows", "p_value"])
    order = {cell: i for i, cell in enumerate((name, site) for name in names for site in sites)}
    rank = [order[cell] for cell in zip(table["concept"], table["site"], strict=True)]
    return table.iloc[np.argsort(rank, kind="stable")].reset_index(drop=True)


class _Inquiry(NamedTuple):
    """What else is asked of the cells of a table; every question may change their words."""

    material: Material
    labels: pd.DataFrame
    plan: Plan
    targets: Targets
    evidence: Cells

    def given(self, table: pd.DataFrame, within: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
        """The table of scores within strata, of all cells that can be read."""
        readable = sorted({site for _, site in self.evidence})
        others = [column for column in self.labels.columns if str(column) not in within]
        part = self.material.part(readable)
        cells, why = evidence_within(part, self.labels[others], within, self.plan, of=self.labels, rng=rng)
        about = f"given {', '.join(within)}"
        problems = {
            cell: f"{about}: {'it is itself given' if cell[0] in within else why.get(cell[0], 'it cannot be read')}"
            for cell in self.evidence
            if cell not in cells
        }
        new = judge(
            {cell: [e] for cell, e in cells.items()},
            problems,
            alpha=self.plan.alpha,
            resamples=self.plan.resamples,
            rng=rng,
        )
        before = table.set_index(["concept", "site"])
        summaries = summaries_of({cell: [e] for cell, e in cells.items()}, resamples=self.plan.resamples, rng=rng)
        for cell, summary in summaries.items():
            row = new.index[(new["concept"] == cell[0]) & (new["site"] == cell[1])][0]
            gained, plain = float(before.loc[cell, "selectivity"]), float(before.loc[cell, "score"])
            about_score = f"within strata of {', '.join(within)} (without regard to them {plain:.3f})"
            new.loc[row, "why"] = f"{about_score}: {new.loc[row, 'why']}"
            found = is_present(str(before.loc[cell, "verdict"])) and not is_present(str(new.loc[row, "verdict"]))
            if found and explained(summary, gained, alpha=self.plan.alpha, margin=MARGIN):
                new.loc[row, "verdict"] = about
        new["place"] = ""
        rest = table[[cell not in self.evidence for cell in zip(table["concept"], table["site"], strict=True)]]
        return pd.concat([new, rest], ignore_index=True)

    def companions(self, table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Names, beside every concept that was found, the one that goes with it, and the score within its strata."""
        known = companions(self.labels)
        for concept, (other, association) in known.items():
            at = table.index[(table["concept"] == concept) & table["verdict"].map(is_present)]
            if not len(at):
                continue
            part, column = self.material.part(list(table.loc[at, "site"])), self.labels[[concept]]
            cells, _ = evidence_within(part, column, [other], self.plan, of=self.labels, rng=rng)
            summaries = summaries_of({c: [e] for c, e in cells.items()}, resamples=self.plan.resamples, rng=rng)
            for row in at:
                caveat = f"goes with {other} (association {association:.2f})"
                within = summaries.get((concept, table.loc[row, "site"]))
                if within is None:
                    table.loc[row, "why"] += f"; {caveat}, and does not vary enough beside it to be told apart"
                    continue
                table.loc[row, "why"] += f"; {caveat}: within strata of {other} it scores {within.score:.3f}"
                gained = float(table.loc[row, "selectivity"])
                if explained(within, gained, alpha=self.plan.alpha, margin=MARGIN):
                    table.loc[row, "verdict"] = f"given {other}"
        return table

    def forms(self, table: pd.DataFrame, value: Any, rng: np.random.Generator) -> pd.DataFrame:
        """The table with the form in which each concept is present."""
        silent = {} if value is None else unused(value, self.targets, set(table["concept"]))
        for site, x in self.material.activations.items():
            here = table.index[(table["site"] == site) & table["verdict"].map(is_present)]
            at = dict(zip(table.loc[here, "concept"], here, strict=True))
            if not at:
                continue
            readings = {concept: self.evidence[concept, site].reading for concept in at}
            for concept, place in places(x, self.targets, readings, margin=MARGIN, rng=rng).items():
                table.loc[at[concept], "place"] = place
            if not self.plan.readout.linear:
                linear = self.plan.with_readout(Ridge()).targets(self.labels[list(at)], rng)
                for concept in not_linear(x, linear, readings, rng=rng):
                    table.loc[at[concept], "verdict"] = NOT_LINEAR
            for concept, row in at.items():
                if concept in silent:
                    table.loc[row, "verdict"] = NOT_USED
                    table.loc[row, "why"] += f"; the value differs with it by {silent[concept]:.2f} of its deviations"
        return table

    def equal_rows_together(
        self, table: pd.DataFrame, leaks: Sequence[Mapping[str, Any]], rng: np.random.Generator
    ) -> dict[tuple[str, str], tuple[str, float]]:
        """(concept, site) -> verdict and score with equal rows kept together, where some leaked."""
        wanted = {leak["concept"] for leak in leaks if leak["kind"] in EQUAL}
        found = table[table["verdict"].map(is_present) & table["concept"].isin(wanted)]
        again: dict[tuple[str, str], tuple[str, float]] = {}
        for site, cells in found.groupby("site", sort=False):
            concepts = list(cells["concept"])
            rows, groups = kept_together(self.material.activations[str(site)], self.plan.groups)
            new = self._anew(str(site), concepts, rows, groups, rng)
            again |= {(c, str(site)): new.get((c, str(site)), ("not measurable", float("nan"))) for c in concepts}
        return again

    def _anew(
        self, site: str, concepts: Sequence[str], rows: Ints, groups: Ints, rng: np.random.Generator
    ) -> dict[tuple[str, str], tuple[str, float]]:
        """Verdict and score of some concepts at a site, on some rows in other groups."""
        labels, plan = self.labels[list(concepts)].iloc[rows], self.plan.with_groups(groups)
        try:
            targets = plan.targets(labels, rng, cells=len(self.evidence))
        except NotMeasurableError:
            return {}
        evidence = self.material.part([site], rows).evidence(targets) if targets.concepts else {}
        cells = {cell: [e] for cell, e in evidence.items()}
        table = judge(cells, {}, alpha=plan.alpha, resamples=plan.resamples, rng=rng)
        columns = (table[name] for name in ("concept", "site", "verdict", "score"))
        rows_of: Iterator[tuple[Any, ...]] = zip(*columns, strict=True)
        return {(str(c), str(s)): (str(v), float(score)) for c, s, v, score in rows_of}


def _with_caveats(table: pd.DataFrame, caveats: Sequence[str]) -> pd.DataFrame:
    """The table with warnings about labels, and columns dropped for rounding, beside the verdicts they concern."""
    for caveat in caveats:
        name, _, text = caveat.partition(": ")
        if "pass ignore=" in caveat:
            table.loc[table["concept"] == name, "why"] += f"; {text}"
        elif "but for rounding" in caveat:
            table.loc[table["site"] == name, "why"] += f"; {text}"
    return table


def _rates_table(evidence: Cells) -> pd.DataFrame:
    """Area under the curve, thresholded rates and recall at 1 % false positives per concept, site and class."""
    rows = [
        (concept, site, label, *rates)
        for (concept, site), e in evidence.items()
        if e.reading.rates is not None
        for label, rates in zip(e.reading.labels, e.reading.rates.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["concept", "site", "class", *RATES])


def _shown_as_card(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, of no other type, which a notebook shows as a card; what is derived from it has pandas' own."""
    object.__setattr__(table, "_repr_html_", lambda: _card(table))
    return table


def _card(table: pd.DataFrame) -> str:
    """The card: each concept's best site with its probability under chance, then all cells, the surest first."""
    if not {*SHOWN, "low", "high", "selectivity"} <= set(table.columns):  # columns were taken away since
        return str(table.to_html(max_rows=20))
    ordered = table.sort_values("selectivity", ascending=False, kind="stable")
    found = ordered[ordered["verdict"].isin(("present", "present, not linear"))]
    best = found.drop_duplicates("concept")
    read = [
        f"“{row.concept}” at {row.site} (score {row.score:.2f}, {row.selectivity:.2f} above the highest floor, "
        f"q = {row.q_value:.2g})"
        for row in best.itertuples()
    ]
    others = [str(name) for name in dict.fromkeys(table["concept"]) if name not in set(best["concept"])]
    more = f"; and {len(read) - 5} more" if len(read) > 5 else ""
    first = f"Present beyond every floor: {'; '.join(read[:5])}{more}." if read else "No concept is present anywhere."
    rest = f"Present nowhere: {', '.join(others[:20])}{' ...' if len(others) > 20 else ''}." if others and read else ""
    shown = ordered.assign(score=ranged(ordered, "score"))[list(SHOWN)].rename(columns={"q_value": "q"})
    floors = [name for name in ("untrained", "inputs") if table[name].isna().all()]
    missing = f"Not measured: the floor “{'” and “'.join(floors)}”." if floors else ""
    return card(
        first, [rest, missing, *map(str, table.attrs.get("caveats", ()))], shown, "The highest selectivity first."
    )
