"""Tables, charts and rows of findings of the question address, from the tables of its cohorts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.questions.address.estimates import CohortTable, Holding, estimate
from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds
from imprint.analyses.statistics import Estimate
from imprint.probes.networks.alignment import ROUTES
from imprint.probes.samples.concept_columns import Floats

HALF = 0.5
"""Part of own probes' gain over chance: a probe that keeps less does not find the concept there."""
ROUTE_NAMES = {
    "same_unit": "same unit",
    "hungarian": "matched units",
    "hungarian_floor": "matched, other basis",
    "procrustes": "rotated",
    "own": "own probe",
    "earlier": "same seed, earlier age",
}
"""Route -> its name in tables."""
LEVELS = ("module", "site", "unit")
HALVES = ("ceiling", "ceiling_low", "ceiling_high", "across")
"""Columns that are measured across halves of the episodes, at the last age alone."""
PAIRED = ("overlap", "chance_overlap", "same_best", "chance_same_best")
Rows = list[dict[str, Any]]


# -- tables ------------------------------------------------------------------------------------------------------------


def tables_of(cohorts: Sequence[CohortTable], intended: str) -> dict[str, pd.DataFrame]:
    """All tables of the answer, cohorts one below the other; the first cohort chooses the site of most of them."""
    site = cohorts[0].holding(intended).site
    held = [(cohort, cohort.holding(intended, site)) for cohort in cohorts]
    known = [(cohort, holding) for cohort, holding in held if holding.how != "absent"]
    at_own_site = [(cohort, cohort.holding(intended)) for cohort in cohorts]
    return {
        "routes": _joined(
            table
            for cohort, holding in known
            for table in (_routes(cohort, holding, cohort.ages[-1:]), _earlier(cohort, holding))
        ),
        "concepts": _joined(_concepts(cohort) for cohort in cohorts),
        "ages": _joined(_routes(c, holding, c.ages) for c, holding in at_own_site if holding.how != "absent"),
        "cka": _joined(_cka(cohort) for cohort in cohorts),
        "cka-ages": _joined(_cka_of_ages(cohort, holding.site) for cohort, holding in at_own_site),
        "levels": _joined(_levels(cohort, holding, age) for cohort, holding in known for age in cohort.ages),
        "seeds": _joined(_seeds(cohort, holding) for cohort, holding in at_own_site),
    }


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    parts = list(tables)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _routes(cohort: CohortTable, holding: Holding, ages: Sequence[int]) -> pd.DataFrame:
    """Score of every route and the part that it keeps, by age."""
    rows = []
    for age in ages:
        for name in ROUTES:
            statistics = cohort.route(name, holding, age), cohort.kept(name, holding, age)
            rows.append(_route_row(cohort, holding, statistics, age=age, route=name))
    return pd.DataFrame(rows)


def _earlier(cohort: CohortTable, holding: Holding) -> pd.DataFrame:
    """The seeds' own probes of an earlier age, at the same units, as a row of :func:`_routes`."""
    statistics = cohort.earlier("same_unit", holding), cohort.kept_earlier("same_unit", holding)
    return pd.DataFrame([_route_row(cohort, holding, statistics, age=cohort.ages[-1], route="earlier")])


def _route_row(
    cohort: CohortTable, holding: Holding, statistics: tuple[Floats, Floats], *, age: int, route: str
) -> dict[str, Any]:
    score, kept = (estimate(statistic, cohort.groups) for statistic in statistics)
    about = {"cohort": cohort.label, "concept": holding.concept, "held": holding.how, "site": holding.site, "age": age}
    numbers = {**score.row("score", count=None), **kept.row("kept", ends="kept_", count=None)}
    return {**about, "route": ROUTE_NAMES[route], "seeds": score.n, **numbers}


def _concepts(cohort: CohortTable) -> pd.DataFrame:
    """Routes of every concept that can be measured, each at its own best site, at the last age."""
    tables = []
    for concept in cohort.rows("chance").dropna(subset=["value"])["concept"].unique():
        holding = cohort.holding(str(concept))
        if holding.how == "absent":
            about = {"cohort": cohort.label, "concept": concept, "held": "absent", "site": holding.site}
            tables.append(pd.DataFrame([{**about, "age": cohort.ages[-1], "seeds": len(holding.seeds)}]))
        else:
            tables.append(_routes(cohort, holding, cohort.ages[-1:]))
    return _joined(tables)


def _cka(cohort: CohortTable) -> pd.DataFrame:
    """CKA between seeds of the same age, by site and age."""
    rows = []
    for site in cohort.rows("cka")["site"].unique():
        for age in cohort.ages:
            pairs = cohort.pairs("cka", cohort.seeds, site=site, age=age, other_age=age)
            rows.append({"cohort": cohort.label, "site": site, "age": age, **estimate(pairs, 0).row("cka")})
    return pd.DataFrame(rows)


def _cka_of_ages(cohort: CohortTable, site: str) -> pd.DataFrame:
    """Mean CKA of every two ages, within and between seeds."""
    rows = cohort.rows("cka", site=site)
    both = pd.concat([rows, rows.rename(columns={"age": "other_age", "other_age": "age"})])
    kind = (both["first"] == both["second"]).map({True: "same seed", False: "other seeds"})
    table = both.assign(pairs=kind).groupby(["pairs", "age", "other_age"])["value"].mean()
    return table.rename("cka").reset_index().assign(cohort=cohort.label)


def _levels(cohort: CohortTable, holding: Holding, age: int) -> pd.DataFrame:
    """Entropy and overlap of addresses at every level, beside what shuffled places give.

    ``effective``: number of places of equal share with as many bits; ``beyond``: overlap minus chance. At the last age
    also across halves of the episodes: ``ceiling``, of a network with itself, and ``across``, of two networks.
    """
    rows: Rows = []
    where = {"concept": holding.concept, "age": age}
    for level in cohort.rows("overlap", **where)["level"].unique():
        here = {**where, "level": level}
        bits = estimate(cohort.networks("bits", holding.seeds, **here), 0)
        most = float(cohort.networks("most_bits", holding.seeds, **here)[0, 0])
        pair = {name: cohort.pairs(name, holding.seeds, **here) for name in PAIRED}
        beyond = estimate(pair["overlap"] - pair["chance_overlap"], 0)
        entropy = {**bits.row("bits", ends="bits_", count=None), "most_bits": most, "effective": 2.0**bits.value}
        overlap = {"overlap": pair["overlap"][0, 0], "chance": pair["chance_overlap"][0, 0]}
        best = {"same_best": pair["same_best"][0, 0], "same_best_chance": pair["chance_same_best"][0, 0]}
        overlap |= {**beyond.row("beyond", count=None), **best}
        if age == cohort.ages[-1]:
            ceiling, across = (estimate(beyond, 0) for beyond in cohort.halves(holding, level))
            overlap |= {**ceiling.row("ceiling", ends="ceiling_", count=None), "across": across.value}
        rows.append({"cohort": cohort.label, **here, **entropy, **overlap, "seeds": bits.n})
    return pd.DataFrame(rows)


def _seeds(cohort: CohortTable, holding: Holding) -> pd.DataFrame:
    """Own probe of every seed at the first and the last age.

    ``choice``: on the episodes on which site and seeds are chosen; ``score``: on held-out originals.
    """
    rows: Rows = []
    about = {"cohort": cohort.label, "site": holding.site}
    at = {"concept": holding.concept, "site": holding.site}
    choice = cohort.rows("choice", **at).set_index(["first", "age"])["value"]
    for when, age in {"birth": cohort.ages[0], "last age": cohort.ages[-1]}.items():
        score = cohort.rows("transfer", **at, age=age, name="own", draw=0).groupby("second")["value"].mean()
        for seed in cohort.seeds:
            held = holding.how if seed in holding.seeds else "not formed"
            values = {"choice": float(choice.loc[seed, age]), "score": float(score.loc[seed])}
            rows.append({**about, "seed": seed, "when": when, **values, "held": held})
    rows += [{**about, "seed": seed, "when": "last age", "held": "diverged"} for seed in cohort.diverged]
    return pd.DataFrame(rows)


# -- findings ----------------------------------------------------------------------------------------------------------

METRICS = {
    **{f"transfer_{route}": f"score of a probe by the route: {name}" for route, name in ROUTE_NAMES.items()},
    **{f"kept_{route}": f"part of own probes' gain over chance kept: {name}" for route, name in ROUTE_NAMES.items()},
    **{f"address_bits_{level}": f"entropy of the address over places: {level}, bits" for level in LEVELS},
    **{f"overlap_beyond_chance_{level}": f"overlap of addresses minus that of shuffled: {level}" for level in LEVELS},
    **{f"overlap_ceiling_{level}": f"the same of one network in two halves of episodes: {level}" for level in LEVELS},
}


def finding_rows(tables: Mapping[str, pd.DataFrame]) -> Rows:
    """Rows of findings from all tables; cohorts with shared initial weights are control rows."""
    rows = _route_findings(tables)
    for row in tables["cka"].to_dict("records"):
        rows.append({**_about(row), "metric": "cka", **_number(row, "cka")})
    for row in tables["levels"].to_dict("records"):
        level = row["level"]
        rows.append({**_about(row), "metric": f"address_bits_{level}", **_number(row, "bits", "bits_")})
        rows.append({**_about(row), "metric": f"overlap_beyond_chance_{level}", **_number(row, "beyond")})
        if np.isfinite(row.get("ceiling", np.nan)):
            rows.append({**_about(row), "metric": f"overlap_ceiling_{level}", **_number(row, "ceiling", "ceiling_")})
    for row in tables["seeds"].to_dict("records"):
        if row["when"] == "last age":
            about = {"control": _about(row)["control"], "seed": row["seed"], "seeds": 1, "why": row["held"]}
            rows.append({**about, "metric": "own_probe", "estimate": row.get("score")})
    return rows


def _route_findings(tables: Mapping[str, pd.DataFrame]) -> Rows:
    """Score and kept part of every route, once each: the tables share some of their rows."""
    routes = {name: route for route, name in ROUTE_NAMES.items()}
    concepts = [row for row in tables["concepts"].to_dict("records") if isinstance(row.get("route"), str)]
    keys = ("cohort", "concept", "site", "age", "route")
    once: dict[tuple[Any, ...], Mapping[Any, Any]] = {}
    for record in [*tables["routes"].to_dict("records"), *tables["ages"].to_dict("records"), *concepts]:
        once.setdefault(tuple(record[key] for key in keys), record)
    rows: Rows = []
    for row in once.values():
        route = routes[row["route"]]
        rows.append({**_about(row), "metric": f"transfer_{route}", **_number(row, "score")})
        rows.append({**_about(row), "metric": f"kept_{route}", **_number(row, "kept", "kept_")})
    return rows


def _about(row: Mapping[Any, Any]) -> dict[str, Any]:
    about = {name: row.get(name) for name in ("concept", "site", "age", "seeds")}
    return {**about, "control": None if row["cohort"].startswith("own") else row["cohort"]}


def _number(row: Mapping[Any, Any], value: str, ends: str = "") -> dict[str, Any]:
    return {"estimate": row[value], "low": row[f"{ends}low"], "high": row[f"{ends}high"]}


# -- exhibits ----------------------------------------------------------------------------------------------------------


def exhibits_of(tables: Mapping[str, pd.DataFrame], concept: str, own: CohortTable) -> list[Exhibit]:
    """Tables with their charts; ``own``: the cohort whose seeds have initial weights of their own."""
    over = f"95 % interval over the seeds that hold the concept (of {len(own.seeds)} per cohort)"
    both = f"{over} and groups of held-out originals"
    words = {"concept": concept, "site": own.holding(concept).site, "over": over, "both": both}
    shown, made = _shown(tables), []
    for name, (heading, caption, chart) in SHOWN.items():
        table = shown[name]
        if len(table):
            level = own.chance(concept) if chart.y == "score" else chart.reference
            text = heading.format(**words), table, _reading(name, table), caption.format(**words)
            made.append(Exhibit(name, *text, replace(chart, reference=level)))
    return made


def _shown(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Exhibit -> its table."""
    levels, ages = tables["levels"], tables["cka-ages"]
    last = levels[levels["age"] == levels["age"].max()] if len(levels) else levels
    units = levels[levels["level"] == "unit"] if len(levels) else levels
    if len(ages):
        ages = ages.assign(panel=ages["cohort"] + ", " + ages["pairs"]).astype({"age": str, "other_age": str})
    about, spread = ["cohort", "concept", "age", "level", "seeds"], ["bits", "bits_low", "bits_high", "most_bits"]
    shared = [name for name in last if name not in (*about, *spread, "effective")]
    return {
        **tables,
        "cka-ages": ages,
        "entropy": last[[*about, *spread, "effective"]] if len(last) else last,
        "overlap": last[[*about, *shared]] if len(last) else last,
        "overlap-ages": units[[*about, *(name for name in shared if name not in HALVES)]] if len(units) else units,
    }


def _reading(name: str, table: pd.DataFrame) -> str:
    """What the numbers say at the last age, cohort by cohort."""
    sentences = []
    for cohort, rows in table.groupby("cohort", sort=False):
        last = rows[rows["age"] == rows["age"].max()] if name in ("ages", "overlap-ages", "cka") else rows
        sentences.append(f"{cohort}: {READINGS[name](last)}")
    return f"{'; '.join(sentences)}."


def _listed(key: str, value: str, ends: str = "") -> Callable[[pd.DataFrame], str]:
    """A reading that lists rows as ``key value [low, high]``."""

    def read(rows: pd.DataFrame) -> str:
        numbers = rows.dropna(subset=[value])[[key, value, f"{ends}low", f"{ends}high"]].itertuples(index=False)
        return ", ".join(f"{k} {Estimate(v, low, high, 0):.2f}" for k, v, low, high in numbers) or "not measured"

    return read


def _read_concepts(rows: pd.DataFrame) -> str:
    kept = [
        f"{route} {mine['kept'].min():.2f} to {mine['kept'].max():.2f}"
        for route in (ROUTE_NAMES["same_unit"], ROUTE_NAMES["procrustes"])
        if len(mine := rows[rows["route"] == route] if "route" in rows else rows[:0])
    ]
    held = rows.drop_duplicates("concept")["held"]
    sentence = f"{int((held != 'absent').sum())} of {len(held)} concepts are held"
    return f"{sentence}, kept by {', '.join(kept)}" if kept else sentence


def _read_ages(rows: pd.DataFrame) -> str:
    mean = rows[rows["age"] != rows["other_age"]].groupby("pairs")["cka"].mean()
    return ", ".join(f"mean over two different ages {value:.2f} ({pairs})" for pairs, value in mean.items())


def _read_seeds(rows: pd.DataFrame) -> str:
    last = rows[rows["when"] == "last age"]
    without = [str(seed) for seed in last.loc[last["held"].isin(["not formed", "diverged"]), "seed"]]
    sentence = f"{len(last) - len(without)} of {len(last)} seeds hold it"
    return f"{sentence}, not seed {', '.join(without)}" if without else sentence


READINGS: dict[str, Callable[[pd.DataFrame], str]] = {
    "routes": _listed("route", "score"),
    "concepts": _read_concepts,
    "ages": _listed("route", "score"),
    "cka": _listed("site", "cka"),
    "cka-ages": _read_ages,
    "entropy": _listed("level", "bits", "bits_"),
    "overlap": lambda rows: (
        f"{_listed('level', 'beyond')(rows)}; ceiling {_listed('level', 'ceiling', 'ceiling_')(rows)}"
    ),
    "overlap-ages": _listed("level", "beyond"),
    "seeds": _read_seeds,
}
SCORE = "score on held-out originals (balanced accuracy or R2)"
BEYOND, GAIN = "overlap beyond chance", "part of own probes' gain over chance"
CKA = "CKA (1: the same up to rotation)"
SHOWN: dict[str, tuple[str, str, Chart]] = {
    "routes": (
        "Probes of {concept} of one seed, read on another",
        "Last age, {site}; {both}.",
        chart_over_seeds("points", "route", "score", ("route", SCORE), colour="cohort"),
    ),
    "concepts": (
        "What each route keeps, concept by concept",
        "Last age, each concept at its own best site of the decision moment; {both}. Held: formed, or given (read no "
        "better than in untrained networks); concepts that are absent have no address.",
        Chart("points", "concept", "kept", "concept", GAIN, "kept_low", "kept_high", "route", "cohort", reference=HALF),
    ),
    "ages": (
        "Probes of {concept} by age",
        "Seeds that hold it at the last age, at their cohort's best site; {both}.",
        chart_over_seeds("lines", "age", "score", ("experiences", SCORE), colour="route", panel="cohort"),
    ),
    "cka": (
        "Similarity of representations between seeds",
        "Debiased linear CKA of all seeds at the same age; 95 % interval over seeds.",
        chart_over_seeds("lines", "age", "cka", ("experiences", CKA), colour="cohort", panel="site"),
    ),
    "cka-ages": (
        "Similarity of representations between ages",
        "Debiased linear CKA at the cohort's best site for {concept}, mean over all pairs of seeds.",
        Chart("heat", "age", "other_age", "experiences", "experiences", colour="cka", panel="panel"),
    ),
    "entropy": (
        "How spread out the address of {concept} is",
        "Entropy of the address over the places of a level, last age; {over}.",
        Chart("points", "level", "bits", "level", "entropy (bits)", "bits_low", "bits_high", colour="cohort"),
    ),
    "overlap": (
        "Whether seeds hold {concept} at the same places",
        "Last age; overlap of two seeds' addresses minus that of shuffled places (within the coarser level); {over}. "
        "Ceiling: the same of one seed's addresses in two halves of the episodes; across: of two seeds' in two halves.",
        chart_over_seeds("points", "level", "beyond", ("level", BEYOND), colour="cohort", reference=0.0),
    ),
    "overlap-ages": (
        "Whether seeds hold {concept} at the same units, by age",
        "Overlap of two seeds' addresses minus that of units shuffled within their site; {over}.",
        chart_over_seeds("lines", "age", "beyond", ("experiences", BEYOND), colour="cohort", reference=0.0),
    ),
    "seeds": (
        "Own probes of {concept}, seed by seed",
        "Held-out originals, the cohort's best site. A seed in which the concept did not form is in no pair.",
        Chart("points", "seed", "score", "seed", SCORE, colour="when", panel="cohort"),
    ),
}
"""Exhibit -> heading, caption and chart; words in braces are filled in."""
