"""The latch pooled over training seeds: shares, dominance and word at every age, and all else where it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from imprint.analyses.evaluate.learners.exam import Examined
from imprint.analyses.evaluate.learners.latch import LatchRecord
from imprint.analyses.evaluate.learners.robustness import multiverse_rows
from imprint.analyses.evaluate.procedure import independent, resampling_rng
from imprint.analyses.findings import findings
from imprint.analyses.latch.decision import Judgement, judge, undetermined
from imprint.analyses.latch.floor import bounds, twin_shares
from imprint.analyses.latch.pooling import Pooled, pool
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import INTERACTION, RESIDUAL, CellSums
from imprint.analyses.latch.tables import (
    effect_table,
    share_rows,
    share_table,
    twin_rows,
    twin_sentence,
    twin_table,
    verdict_rows,
)
from imprint.analyses.statistics import Floats, mean_of_all
from imprint.analyses.verdicts import UNDETERMINED, scope
from imprint.models.setup.learner import Setup
from imprint.models.setup.study import StudySetup


def not_measurable(exam: Examined, why: object, *, age: int) -> pd.DataFrame:
    """The only row of a latch that could not be measured."""
    row = {"analysis": "latch", "metric": "latch", "concept": exam.setup.intended, "age": age}
    return findings([{**row, "verdict": UNDETERMINED, "why": f"Not measurable: {str(why).rstrip('.')}."}])


def latch_findings(
    exam: Examined, records: Sequence[LatchRecord], twins: Sequence[CellSums], *, ages: Sequence[int], sign: int
) -> pd.DataFrame:
    """Shares and dominance pooled at every age, effects and the verdict at the last, and the rows of every seed.

    ``twins``: sums of untrained networks. ``sign``: 1 when the signal rewards the intended concept's last level, else
    -1.
    """
    floor = twin_shares(twins, len(exam.names))
    tables = [_at_age(age, records, exam, floor, sign=sign, last=age == ages[-1]) for age in ages]
    tables += [twin_rows(twin_table(floor, exam.names, max(len(records), 1))).assign(age=ages[-1])]
    tables += [*(record.findings for record in records), *_means(records)]
    return findings(pd.concat([findings(t) for t in tables], ignore_index=True).assign(analysis="latch"))


def _at_age(
    age: int, records: Sequence[LatchRecord], exam: Examined, twins: Floats, *, sign: int, last: bool
) -> pd.DataFrame:
    """What the value of all seeds that reached an age depends on there."""
    setup = exam.setup
    reached = [(r.profile(age), r) for r in records if age in r.shares]
    varying = [profile for profile, _ in reached if not profile.cells.constant]
    worlds = [record.world for profile, record in reached if not profile.cells.constant]
    if not varying:
        untaught = "the value is the same everywhere in every seed, as that of an assessor that nothing has taught"
        why = untaught if reached else "no seed reached this age"
        shares = pd.DataFrame({"concept": [*exam.names, INTERACTION, RESIDUAL]})
        rows = share_rows(shares.assign(share=float("nan"), low=float("nan"), high=float("nan")), why=why)
        if last:
            rows = pd.concat([rows, verdict_rows(undetermined(exam.names, f"{why.capitalize()}."), shares)])
        return rows.assign(age=age)
    pooled, judged = judged_at(age, varying, worlds, setup, twins, sign=sign)
    flat = len(reached) - len(varying)
    left = f" Left out: {flat} whose value is the same everywhere." if flat else ""
    why = f"{judged.why}{twin_sentence(len(twins))} This holds {scope(pooled.seeds, pooled.worlds)}.{left}"
    judged = replace(judged, why=why)
    shares = share_table(pooled)
    tables = [share_rows(shares), verdict_rows(judged, shares)]
    if last:
        tables.append(effect_table(pooled, {}).rename(columns={"effect": "estimate"}).assign(metric="effect"))
        seeds = [record.seed for profile, record in reached if not profile.cells.constant]
        own = {"worlds": worlds, "seeds": seeds}
        floor = bounds(twins, len(varying))
        tables.append(multiverse_rows(exam, varying, floor, judged.verdict, sign=sign, **own))
    else:
        tables[1] = tables[1][tables[1]["metric"] != "latch"]
    whole = pd.concat(tables, ignore_index=True).assign(age=age, seeds=pooled.seeds)
    return whole.assign(n=whole["n"].fillna(pooled.rows) if "n" in whole else pooled.rows)


def judged_at(
    age: int, profiles: Sequence[Profile], worlds: Sequence[int], setup: Setup | StudySetup, twins: Floats, *, sign: int
) -> tuple[Pooled, Judgement]:
    """Seeds whose value varies at an age as one, and the verdict on them; ``twins [m, C + 2]``: shares of twins."""
    rng = resampling_rng(f"latch {age}")
    pooled = pool(profiles, resamples=setup.evaluation.resamples, rng=rng, worlds=worlds)
    return pooled, judge(pooled, bounds(twins, len(profiles)), setup.decision, sign=sign)


def _means(records: Sequence[LatchRecord]) -> list[pd.DataFrame]:
    """Erasure, attribution and residual averaged over seeds, interval by Student's t over seeds or worlds."""
    if not records:
        return []
    table = pd.concat([record.findings for record in records], ignore_index=True)
    table = table[table["metric"].isin(["erasure_loss", "attribution", "residual"])]
    rows = []
    keys = ["metric", "concept", "site", "control", "age"]
    for key, part in table.groupby(keys, dropna=False, sort=False):
        mean = mean_of_all(independent(part))
        about: dict[str, Any] = dict(zip(keys, key, strict=True))
        n = part["n"].sum() if part["n"].notna().any() else None
        rows.append({**about, **mean.row(), "n": n, "seeds": int(part["estimate"].notna().sum())})
    return [findings(rows)]
