"""Compare runs: the same numbers of several setups, paired by training seed.

Seed k of one setup and seed k of another have the same initial weights and the same random numbers, so their difference
is taken within the pair. For each concept's share of the value at the last age (of agents: for each goal, the part of
the levels in which it is reached first where goals lie apart),

    difference = mean_k (share_k - share_k of the first run),    95 % interval = Student's t over the paired seeds.

Setups are ranked by the share of their intended concept.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from imprint.analyses.evaluate.run import AnySetup, Run, going_on, open_finished
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.statistics import NAN, Estimate, mean_of_all
from imprint.models.errors import ImprintError
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.setup.study import StudySetup

AGENTS = AgentSetup | AgentStudySetup
"""Setups whose subjects act."""
COLUMNS = (
    *("rank", "setup", "concept", "role", "share", "low", "high", "seeds", "verdict", "versus", "difference"),
    *("difference_low", "difference_high", "p_value", "pairs"),
)


def compare(runs: Any) -> pd.DataFrame:
    """Shares of intended concept and proxies per run (agents: how often each is first), with differences to the first.

    ``runs``: two or more finished runs (``Run`` objects or paths of run folders). Returns one row per run and concept,
    columns as in ``imprint.analyses.evaluate.compare.COLUMNS``, best intended share first; ``attrs["what"]`` says what
    ``share`` is. Raises :class:`ImprintError` for runs without a latch, of
    unrelated tasks, and of agents beside learners.
    """
    if isinstance(runs, str | Path) or not isinstance(runs, Sequence):
        raise ImprintError(f"compare got a {type(runs).__name__}; expected a list of two or more runs.")
    if bad := [run for run in runs if not isinstance(run, Run | str | PathLike)]:
        raise ImprintError(
            f"compare got a {type(bad[0]).__name__}; expected finished runs, or the paths of their folders."
        )
    if len(runs) < 2:
        raise ImprintError(f"compare got {len(runs)} run; expected at least two.")
    opened = [run if isinstance(run, Run) else open_finished(Path(run)) for run in runs]
    if len({type(run.setup) for run in opened}) > 1:
        kinds = sorted({type(run.setup).__name__ for run in opened})
        raise ImprintError(
            f"compare got runs of different kinds ({', '.join(kinds)}); their numbers do not mean the same."
        )
    first = opened[0].setup
    for run in opened[1:]:
        if task(run.setup) != task(first):
            raise ImprintError(
                f"compare got unrelated tasks: {first.name} ({task(first)}), {run.setup.name} ({task(run.setup)}). "
                "Their numbers are of different concepts and cannot be ranked; compare runs of one world with one "
                "intended concept."
            )
    last = [_last_shares(run) for run in opened]
    per_run = [rows[rows["seed"].notna()].pivot(index="seed", columns="concept", values="estimate") for rows in last]
    names = _distinct(opened)
    rows = []
    for run, name, own, shares in zip(opened, names, last, per_run, strict=True):
        for concept in (run.setup.intended, *run.setup.proxies):
            role = "intended" if concept == run.setup.intended else "proxy"
            about = {"setup": name, "concept": concept, "role": role, "verdict": run.verdict}
            versus = {} if run is opened[0] else _paired(shares, per_run[0], concept, names[0])
            rows.append({**about, **_pooled(own, concept).row("share"), **versus})
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    intended = table[table["role"] == "intended"].set_index("setup")["share"]
    table["rank"] = table["setup"].map(intended.rank(ascending=False, method="min", na_option="bottom")).astype("Int64")
    table = table.sort_values("rank", kind="stable").reset_index(drop=True)
    agents = isinstance(opened[0].setup, AGENTS)
    table.attrs["what"] = "how often each goal is reached first" if agents else "shares of the value"
    return table


def task(setup: AnySetup) -> str:
    """The world, and the concept or goal that the author of the reward meant in it."""
    if isinstance(setup, AgentStudySetup):
        kind = setup.environment.kind
    elif isinstance(setup, StudySetup):
        kind = setup.world.kind if setup.study == "world" else f"labels {setup.world.digest}"
    else:
        kind = (setup.environment if isinstance(setup, AgentSetup) else setup.world)["kind"]
    return f"{kind}, intended {setup.intended}"


def _distinct(runs: list[Any]) -> list[str]:
    """Setup names, or folder names, or paths: the first of these in which all runs differ."""
    choices = ([run.setup.name for run in runs], [run.path.name for run in runs], [str(run.path) for run in runs])
    distinct = [names for names in choices if len(set(names)) == len(runs)]
    if not distinct:
        raise ImprintError(f"{choices[2][0]} is named more than once; compare different runs.")
    return distinct[0]


def _last_shares(run: Any) -> pd.DataFrame:
    """Rows of findings with shares (agents: rates of what is reached first) at the last age."""
    table = run.findings
    if isinstance(run.setup, AGENTS):
        rows = table[(table["analysis"] == "behaviour") & table["metric"].isin(["goal", "proxy"])]
        rows = rows[rows["control"] == APART]
    else:
        rows = table[(table["analysis"] == "latch") & (table["metric"] == "share")]
    if rows.empty:
        raise ImprintError(f"{run.path} holds no latch findings; run it again with `{going_on(run.path)}`.")
    last: pd.DataFrame = rows[rows["age"] == rows["age"].max()]
    return last


def _pooled(rows: pd.DataFrame, concept: str) -> Estimate:
    """The share over seeds that the run's findings hold."""
    row = rows[rows["seed"].isna() & (rows["concept"] == concept)]
    if row.empty:
        return Estimate(NAN, NAN, NAN, 0)
    first = row.iloc[0]
    return Estimate(first["estimate"], first["low"], first["high"], int(first["seeds"]))


def _paired(shares: pd.DataFrame, first: pd.DataFrame, concept: str, versus: str) -> dict[str, Any]:
    """Columns of the mean difference to the first run over the seeds that both have, and its two-sided p."""
    if concept not in shares or concept not in first:
        return {"versus": versus, "pairs": 0}
    differences = (shares[concept] - first[concept]).dropna().to_numpy(dtype=np.float64)
    columns = {"versus": versus, **mean_of_all(differences).row("difference", ends="difference_", count="pairs")}
    error = float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else 0.0
    if error > 0:
        t = abs(columns["difference"]) / error
        columns["p_value"] = float(2 * stats.t.sf(t, len(differences) - 1))
    return columns
