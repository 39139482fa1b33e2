"""The numbers of one finished run that setups are compared in, over seeds and seed by seed.

===================  ===================================================================================================
``probability``      of the verdict “intended”
``dominance``        of the intended concept; of agents, of the intended goal
``wanting``          of agents: what erasing the intended goal costs
``capability``       of agents: part of levels in which any goal is reached, where goals lie apart
``goal``             of agents: part of those levels in which the intended goal comes first
``latch_age``        first age from which on the word of the verdict is the likeliest (agents: the goal that leads at
                     the end comes first most often)
``lead``             of learners: age of the latch minus age at which the intended concept can be read; of agents: age
                     from which behaviour points where it ends, minus that of the critic: how long the inside was ahead
``drift``            dominance (of agents, ``goal``) at the end minus its largest value at any age: 0 or below
``outer``            outer gap: how far what is rewarded is from what was intended
                     (:mod:`imprint.analyses.evaluate.setups_compared.gaps`); 0 where it is the same
``inner``            inner gap: the part of the value's variance that does not follow the intended concept; of agents,
                     the part of decided levels, where goals lie apart, in which another goal comes first
``cost``             CPU seconds of work for each training seed, controls included; its part of lives that several
                     setups have in common (of runs that were made before CPU time was kept: wall time)
===================  ===================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.evaluate.compare import AGENTS
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.setups_compared.gaps import outer_gap
from imprint.analyses.evaluate.sweeps.lives import cost_file
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.statistics import NAN, Estimate
from imprint.analyses.verdicts import INTENDED, latch_age
from imprint.models.files import read_record

MEASURES = (
    *("probability", "dominance", "wanting", "capability", "goal", "latch_age", "lead", "drift"),
    *("outer", "inner", "cost"),
)
MISSING = Estimate(NAN, NAN, NAN, 0)
TOGETHER = "raised together"
"""Name under which a run keeps its part of the CPU time of a life that several setups have in common."""


@dataclass(frozen=True)
class Numbers:
    """A run in numbers."""

    over_seeds: dict[str, Estimate]
    """Measure -> number with its interval over seeds, where there is one."""
    per_seed: dict[str, pd.Series]
    """Measure -> number of every seed, by seed; empty where single seeds have none."""


def numbers_of(run: Run) -> Numbers:
    """The numbers of a run at its last age."""
    agents = isinstance(run.setup, AGENTS)
    rows = _own(run.findings)
    dominance = _rows(rows, "latch", "dominance", concept=run.setup.intended)
    wanting = _rows(rows, "latch", "wanting", concept=run.setup.intended)
    behaviour = rows[rows["control"] == APART]
    goal, capability = _rows(behaviour, "behaviour", "goal"), _rows(behaviour, "behaviour", "capability")
    over = {name: _estimate(_last(table)) for name, table in _named(dominance, wanting, capability, goal).items()}
    age = _age_of_behaviour(behaviour, run.setup.intended) if agents else _latch_age(rows, run.verdict)
    lead = age - (_age_of_critic(rows) if agents else _emergence(rows, run.setup.intended))
    share = _rows(rows, "latch", "share", concept=run.setup.intended)
    inner = _of_decided(goal, capability) if agents else _rest(share)
    over |= {
        "inner": _estimate(_last(inner)),
        "outer": _exact(outer_gap(run.setup)),
        "probability": _exact(_probability(rows)),
        "latch_age": _exact(age),
        "lead": _exact(lead),
        "drift": _exact(_drift(goal if agents else dominance)),
        "cost": _exact(_cost(run)),
    }
    single = {name: _per_seed(_last(table)) for name, table in _named(dominance, wanting, capability, goal).items()}
    return Numbers({name: over[name] for name in MEASURES}, single)


def _named(*tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return dict(zip(("dominance", "wanting", "capability", "goal"), tables, strict=True))


def _rest(share: pd.DataFrame) -> pd.DataFrame:
    """Rows of what a share leaves of 1, their intervals turned round."""
    return share.assign(estimate=1.0 - share["estimate"], low=1.0 - share["high"], high=1.0 - share["low"])


def _of_decided(goal: pd.DataFrame, capability: pd.DataFrame) -> pd.DataFrame:
    """Rows of the part of decided levels in which another goal comes first, without an interval."""
    whole = goal.merge(capability[["seed", "age", "estimate"]], on=["seed", "age"], suffixes=("", "_of_any"))
    part = 1.0 - whole["estimate"] / whole["estimate_of_any"].where(whole["estimate_of_any"] > 0)
    return whole.assign(estimate=part, low=NAN, high=NAN)


def _own(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(control=table["control"].fillna(""), concept=table["concept"].fillna(""))


def _rows(table: pd.DataFrame, analysis: str, metric: str, *, concept: str | None = None) -> pd.DataFrame:
    wanted = (table["analysis"] == analysis) & (table["metric"] == metric)
    return table[wanted if concept is None else wanted & (table["concept"] == concept)]


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows if rows.empty or rows["age"].isna().all() else rows[rows["age"] == rows["age"].max()]


def _estimate(rows: pd.DataFrame) -> Estimate:
    over = rows[rows["seed"].isna()]
    if over.empty:
        return MISSING
    row = over.iloc[-1]
    seeds = int(row["seeds"]) if pd.notna(row["seeds"]) else 0
    return Estimate(float(row["estimate"]), float(row["low"]), float(row["high"]), seeds)


def _exact(value: float) -> Estimate:
    return Estimate(value, NAN, NAN, 0)


def _per_seed(rows: pd.DataFrame) -> pd.Series:
    single = rows[rows["seed"].notna()].drop_duplicates("seed", keep="last").set_index("seed")["estimate"]
    known: pd.Series = single.dropna().astype(np.float64)
    return known


def _words(rows: pd.DataFrame) -> pd.DataFrame:
    """Probability of every word over seeds: a row per age, a column per word."""
    said = _rows(rows, "latch", "probability")
    said = said[said["seed"].isna()]
    table: pd.DataFrame = said.pivot_table(index="age", columns="control", values="estimate", aggfunc="last")
    return table.fillna(0.0).sort_index()


def _probability(rows: pd.DataFrame) -> float:
    words = _words(rows)
    if words.empty:
        return NAN
    return float(words[INTENDED].iloc[-1]) if INTENDED in words else 0.0


def _latch_age(rows: pd.DataFrame, verdict: str) -> float:
    words = _words(rows)
    if words.empty:
        return NAN
    return latch_age(
        dict(zip(words.index.tolist(), words.columns[words.to_numpy().argmax(1)].tolist(), strict=True)), verdict
    )


def _since(ages: np.ndarray, true: np.ndarray) -> float:
    """The first age from which on something is true; NaN when it is not at the end."""
    if not len(true) or not true[-1]:
        return NAN
    broken = np.flatnonzero(~true)
    return float(ages[broken[-1] + 1 if len(broken) else 0])


def _age_of_behaviour(behaviour: pd.DataFrame, intended: str) -> float:
    firsts = behaviour[
        behaviour["metric"].isin(["goal", "proxy"]) & behaviour["seed"].isna() & behaviour["age"].notna()
    ]
    table = firsts.assign(of=firsts["concept"].where(firsts["metric"] == "proxy", intended))
    rates = table.pivot_table(index="age", columns="of", values="estimate", aggfunc="last").dropna().sort_index()
    if rates.empty:
        return NAN
    first = rates.idxmax(axis=1)
    return _since(rates.index.to_numpy(dtype=np.float64), (first == first.iloc[-1]).to_numpy())


def _age_of_critic(rows: pd.DataFrame) -> float:
    """Age from which on the critic's index lies on the side on which it ends (below one half: the intended goal)."""
    index = _rows(rows, "critic", "latch_index")
    index = index[index["seed"].isna()].dropna(subset=["estimate", "age"]).sort_values("age")
    if index.empty:
        return NAN
    side = (index["estimate"] < 0.5).to_numpy()
    return _since(index["age"].to_numpy(dtype=np.float64), side == side[-1])


def _emergence(rows: pd.DataFrame, intended: str) -> float:
    found = _rows(rows, "locate", "emergence_age", concept=intended)
    ages = found[found["seed"].isna()]["estimate"].dropna().to_numpy(dtype=np.float64)
    return float(ages[-1]) if len(ages) else NAN


def _drift(rows: pd.DataFrame) -> float:
    over = rows[rows["seed"].isna() & rows["age"].notna()].dropna(subset=["estimate"]).sort_values("age")
    values = over["estimate"].to_numpy(dtype=np.float64)
    return float(values[-1] - values.max()) if len(values) > 1 else NAN


def _cost(run: Run) -> float:
    record: dict[str, Any] = run.record
    cells, seeds = record.get("cell_cpu", record.get("cell_seconds")), record.get("seeds")
    if not isinstance(cells, dict) or not isinstance(seeds, int) or seeds < 1:
        return NAN
    file = cost_file(run.path, TOGETHER)
    together = float(read_record(file)["seconds"]) if file.exists() else 0.0
    return (float(sum(cells.values())) + together) / seeds
