"""The competences of a run and the lesions that every run carries out, from its findings and its setup.

A run has learners or agents that learned nothing beside those that did: untrained twins, whose concepts are read with
the same probes; untrained networks with a random value; agents whose rewards were dealt out at random. These are
lesions, of all signals or of the reward. Where the setup leaves one signal only that can have taught something, the
lesion of all is the lesion of that one. A life without its learner's objective alone, or without one of several
rewards, is not in a run; then the audit says that it is open from what was learned.

A number without an interval is not taken for exact: what rests on it is left undetermined. Differences of two numbers
have the interval of numbers that vary independently, which is too wide, and never too narrow, where they vary together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imprint.analyses.audit import wiring
from imprint.analyses.audit.rule import ALL, Audited, Competence, Source, audit
from imprint.analyses.statistics import NAN, Estimate

LEAST = 0.02
"""Least share of a value's variance, score above chance or rate above that of untrained agents, that is reported."""
UNTRAINED, AT_RANDOM = "no training at all", "rewards dealt out at random"


@dataclass(frozen=True)
class OfRun:
    """One competence of a run, audited."""

    kind: str
    """``knows``, ``values`` or ``does``."""
    audited: Audited
    lesion: str
    """What was done to the learners or agents it is compared with."""


def audited(table: pd.DataFrame, setup: Mapping[str, Any]) -> list[OfRun]:
    """Every competence of a run that its findings hold; ``setup``: as resolved. Text columns hold no missing value."""
    pooled = table[table["seed"].isna()]
    if "environment" in setup:
        pay = wiring.value_teacher(setup)
        taught = [wiring.steering(setup, pay)] if pay else []
        return [*_does(pooled, taught), *_knows(pooled, _concepts(pooled), taught)]
    taught = [wiring.objective(setup), *(wiring.steering(setup, name) for name in wiring.shapers(setup))]
    return [*_values(pooled, setup), *_knows(pooled, _concepts(pooled), taught)]


def _concepts(pooled: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(pooled[pooled["metric"] == "best_site_score"]["concept"]))


def _values(pooled: pd.DataFrame, setup: Mapping[str, Any]) -> list[OfRun]:
    """What the value depends on, concept by concept."""
    found, teacher = [], wiring.value_teacher(setup)
    sources = (wiring.steering(setup, teacher),) if teacher else ()
    for concept in (setup.get("intended"), *setup.get("proxies", ())):
        curve, floor = (_rows(pooled, "latch", name, concept) for name in ("share", "untrained_share"))
        if len(curve) and len(floor):
            lesions = {source.name: _last(floor) for source in sources}
            name = f"its value depends on {concept}"
            one = Competence(name, _last(curve), sources, lesions, least=LEAST, age=_since(curve))
            found.append(OfRun("values", audit(one), UNTRAINED))
    return found


def _knows(pooled: pd.DataFrame, concepts: Sequence[str], taught: Sequence[Source]) -> list[OfRun]:
    """Which concepts can be read inside, above shuffled labels."""
    found = []
    for concept in concepts:
        curve = _rows(pooled, "locate", "best_site_score", concept)
        last = _latest(curve)
        floors = _rows(pooled, "locate", "floor", concept)
        at = floors[(floors["age"] == last["age"]) & (floors["site"] == last["site"])].set_index("control")
        if not {"shuffled labels", "untrained twins", "input history"} <= set(at.index):
            continue
        names = ("shuffled labels", "untrained twins", "input history")
        chance, twins, given = (_estimate(at.loc[name]) for name in names)
        untrained, whole = less(twins, chance), less(_estimate(last), chance)
        lesions = {taught[0].name if len(taught) == 1 else ALL: untrained}
        since = _rows(pooled, "locate", "emergence_age", concept)["estimate"]
        one = Competence(
            f"it knows {concept}",
            whole,
            tuple(taught),
            lesions,
            birth=untrained,
            given=less(given, chance),
            least=LEAST,
            age=float(since.iloc[0]) if len(since) else NAN,
        )
        found.append(OfRun("knows", audit(one), UNTRAINED))
    return found


def _does(pooled: pd.DataFrame, taught: Sequence[Source]) -> list[OfRun]:
    """What agents reach where goals lie apart, above untrained agents."""
    found = []
    for metric in ("capability", "goal", "proxy"):
        rows = pooled[(pooled["analysis"] == "behaviour") & (pooled["metric"] == metric)]
        for concept, part in rows.groupby("concept", sort=False):
            curve, untrained, random = (part[part["control"] == c] for c in ("apart", "untrained", "random reward"))
            curve = curve.dropna(subset=["age"])
            if curve.empty or untrained.empty:
                continue
            chance = _estimate(untrained.iloc[-1])
            lesions = {taught[0].name: less(_estimate(random.iloc[-1]), chance)} if len(random) and taught else {}
            newborn = curve[curve["age"] == 0]
            one = Competence(
                "it reaches a goal" if metric == "capability" else f"it reaches {concept} first",
                less(_estimate(_latest(curve)), chance),
                tuple(taught),
                lesions,
                birth=less(_estimate(newborn.iloc[0]), chance) if len(newborn) else None,
                least=LEAST,
                age=_since(curve.assign(estimate=curve["estimate"] - chance.value)),
            )
            found.append(OfRun("does", audit(one), AT_RANDOM))
    return found


def _since(curve: pd.DataFrame) -> float:
    """First age from which an estimate stays above half of the last one; NaN where the last is not above 0."""
    known = curve.dropna(subset=["estimate", "age"]).sort_values("age")
    values = known["estimate"].tolist()
    if not values or not values[-1] > 0:
        return NAN
    below = [i for i, value in enumerate(values) if value < values[-1] / 2]
    return float(known["age"].iloc[below[-1] + 1 if below else 0])


def _rows(pooled: pd.DataFrame, analysis: str, metric: str, concept: object) -> pd.DataFrame:
    wanted = (pooled["analysis"] == analysis) & (pooled["metric"] == metric) & (pooled["concept"] == concept)
    rows: pd.DataFrame = pooled[wanted]
    return rows


def _latest(rows: pd.DataFrame) -> pd.Series:
    """The row of the last age, or the last one where none has an age."""
    return rows.sort_values("age", na_position="first", kind="stable").iloc[-1]


def _last(rows: pd.DataFrame) -> Estimate:
    return _estimate(_latest(rows))


def _estimate(row: pd.Series) -> Estimate:
    """The number of a finding; an end of its interval that is not there is not known."""
    low, high = (NAN if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
    return Estimate(float(row["estimate"]), low, high, 0 if pd.isna(row["seeds"]) else int(row["seeds"]))


def less(one: Estimate, other: Estimate) -> Estimate:
    """``one`` less ``other``, whose intervals are put together as those of independent numbers.

    (Square-and-add: Zou & Donner 2008, Stat Med 27:1693.) An end is NaN where an interval that it needs is.
    """
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, low, high, min(one.n, other.n))
