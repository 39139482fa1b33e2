"""evaluate_agents: what ``imprint run`` does with a setup of agents: raise them, examine them, judge what they want.

Waves of cells: (1) the agents, the random-reward agents and the planted controls are raised; (2) one examination per
seed, and the pictures. Then, in the main process, seeds are pooled into findings. Cells are skipped when their results
exist. What is measured on every age: behaviour (:mod:`imprint.analyses.goals.behaviour`), the critic line, decodability
of the marks of every goal; at the last age also the causal line; then the verdict
(:mod:`imprint.analyses.goals.decision`).

Files for the pages, both of the first seed at its last age:

``artefacts/replay.npz``: episodes on levels of design ``apart`` in which the shortest ways to the intended goal and to
the proxy begin with different actions. They are the first such levels drawn, whatever the agent did there.

    frames      uint8   [E, T, H', W', 3]   pictures; frame 0 is the start
    valid       bool    [E, T]              frame t belongs to the episode
    action      int64   [E, T]              taken in frame t; -1 in the last frame and after it
    value       float32 [E, T]              of the critic, NaN where not valid (so are the next three)
    logits      float32 [E, T, A]           of the policy
    known       float32 [E, T, K]           probability that a logistic probe at the acting point gives to the fact's
                                            true value, 0..1; NaN for facts that have no value in that state (-1)
    level       float32 [K]                 probability by chance: share of the commonest value
    attained    int64   [E, G]              first step at which a goal was attained; -1 never
    concepts    text    [K]                 names of the facts that are read
    actions     text    [A]
    goals       text    [G]                 intended first, then the proxies
    seed, age   int64   []

``artefacts/fields.npz``: the policy's mean move at every free cell of a few maps, before and after erasing.

    move        float32 [M, X, H, W, 2]     mean displacement (rows down, columns right) in cells; NaN: not a free cell
    probability float32 [M, X, H, W, A]     of each action
    value       float32 [M, X, H, W]        of the critic
    picture     uint8   [M, H', W', 3]      the map with the agent where its episode starts
    goal_cell   int64   [M, G, 2]           row and column of each goal; -1 where it is not one cell
    edits       text    [X]                 ``intact``, ``without <goal>`` for every goal, ``without random directions``
    actions     text    [A]
    goals       text    [G]
    seed, age   int64   []
    why         text    []                  in a world without places, instead of all of these but the last four

Letters: E episodes, T frames, A actions, K facts, G goals, M maps, X edits, H and W cells, H' and W' pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses import engine
from imprint.analyses.engine import Cell, Outcome, Progress, run_cells
from imprint.analyses.evaluate.agents.cells import (
    UNPAID,
    control_table,
    examine,
    examine_randomly_paid,
    floor_table,
    floors,
    planted,
    randomly_paid,
    seed_table,
)
from imprint.analyses.evaluate.agents.pictures import picture_files, pictures
from imprint.analyses.evaluate.procedure import groups_of_seeds
from imprint.analyses.findings import findings
from imprint.analyses.goals.decision import over_seeds as verdict_over_seeds
from imprint.analyses.goals.exam import AgentExam, exam_of
from imprint.analyses.goals.facts import facts_of, look_exam
from imprint.analyses.locate.grid import grid_findings
from imprint.analyses.locate.stored import floors_file, readings_file, readings_of
from imprint.analyses.statistics import rate_over_seeds
from imprint.models.chance import generator
from imprint.models.errors import ImprintError
from imprint.models.files import read_table
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder, read_tensors
from imprint.probes.readouts.base import READOUTS

RATES = ("capability", "goal", "proxy")
"""Metrics that are parts of levels."""


def rehearse(setup: AgentSetup) -> None:
    """Build every part once, before anything is written; what does not fit is said now."""
    environment = setup.make_environment()
    setup.make_signals()
    setup.make_agent(environment.view, rng=generator("rehearsal"))
    READOUTS.load(setup.evaluation.readout)
    small = setup.model_copy(update={"evaluation": setup.evaluation.model_copy(update={"levels": 40, "states": 200})})
    look_exam(setup, exam_of(small))


def waves(setup: AgentSetup, folder: RunFolder, backend: str, progress: Progress | None) -> list[Outcome]:
    """Raise, then examine."""
    data, path, watch = setup.resolved(), folder.path, folder.path / ".progress"
    first = groups_of_seeds(setup, folder, range(setup.schedule.seeds), watch, "seeds")
    control, apart = randomly_paid(setup), RunFolder(path / "random-reward")
    unpaid = range(min(UNPAID, setup.schedule.seeds))
    first += groups_of_seeds(control, apart, unpaid, watch, "random reward")
    first.append(Cell("floors", floors, (data, path), (floors_file(folder), floor_table(folder))))
    outcomes = run_cells(first, backend=backend, watch=watch, progress=progress)
    raised = [s for s in range(setup.schedule.seeds) if folder.checkpoint(s, setup.planned[-1]).exists()]
    if not raised:
        raise ImprintError(
            "no seed reached its last age: " + "; ".join(f"{o.cell}: {o.error}" for o in outcomes if o.error)
        )
    second = [Cell("planted controls", planted, (data, path), (folder.cell("planted"),))]
    second += [
        Cell(f"agent-{s}", examine, (data, path, s), (readings_file(folder, s), seed_table(folder, s))) for s in raised
    ]
    second += [
        Cell(f"random-reward-{s}", examine_randomly_paid, (data, path, s), (control_table(folder, s),))
        for s in unpaid
        if apart.checkpoint(s, control.planned[-1]).exists()
    ]
    second.append(Cell("pictures", pictures, (data, path, raised[0]), picture_files(folder)))
    return outcomes + run_cells(second, backend=backend, watch=watch, progress=progress)


def pool(setup: AgentSetup, folder: RunFolder, outcomes: list[Outcome], progress: Progress | None) -> pd.DataFrame:
    """All findings of a run: what the cells wrote, pooled over seeds, and the verdict over seeds."""
    if progress is not None:
        progress(engine.Step("findings", 0, 1, "pooling over seeds"))
    seeds = [s for s in range(setup.schedule.seeds) if seed_table(folder, s).exists()]
    unpaid = [s for s in range(min(UNPAID, setup.schedule.seeds)) if control_table(folder, s).exists()]
    own = [read_table(seed_table(folder, s)) for s in seeds]
    controls = [read_table(control_table(folder, s)) for s in unpaid]
    controls += [read_table(file) for file in (floor_table(folder),) if file.exists()]
    tables = [*own, *(_summary(setup, pd.concat(part)) for part in (own, controls) if part)]
    tables += [part[part["analysis"] == "planted"] for part in controls]
    tables += [read_table(folder.cell("planted"))] if folder.cell("planted").exists() else []
    tables += [findings(_diverged(setup, folder)), _verdict(setup, own)]
    if seeds and floors_file(folder).exists():
        tables.append(_located(setup, folder, seeds))
    if progress is not None:
        progress(engine.Step("findings", 1, 1, "done"))
    return findings(pd.concat([findings(t) for t in tables if len(t)], ignore_index=True))


def _summary(setup: AgentSetup, table: pd.DataFrame) -> pd.DataFrame:
    """Every number that several seeds (or twins) have, over them."""
    table = table[table["analysis"].isin(["behaviour", "critic", "causal", "lifetime"])]
    keys = ["analysis", "metric", "concept", "control", "age"]
    rows = []
    for key, part in table.groupby(keys, dropna=False, sort=False):
        about = dict(zip(keys, key, strict=True))
        known = part["n"].dropna()
        levels = int(known.min()) if len(known) and about["metric"] in RATES else 0
        over = rate_over_seeds(part["estimate"].tolist(), levels, part=about["metric"] in ("latch_index", "r2"))
        why = "; ".join(dict.fromkeys(part["why"].dropna())) if not over["seeds"] else ""
        n = int(known.sum()) if len(known) else None
        rows.append({**about, **over, "setup": setup.run_name, "n": n, "why": why or None})
    return findings(rows)


def _verdict(setup: AgentSetup, own: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The verdict over seeds; the estimate is how often the intended goal comes first where goals lie apart."""
    rows = pd.concat(own) if own else findings([])
    rows = rows[rows["analysis"] == "latch"]
    verdict = verdict_over_seeds([str(v) for v in rows["verdict"]], setup.decision)
    over = rate_over_seeds(rows["estimate"].tolist(), setup.evaluation.levels)
    base = {"analysis": "latch", "metric": "latch", "setup": setup.run_name, "concept": setup.intended}
    said = {"age": setup.planned[-1], "n": int(rows["n"].sum()), "verdict": verdict.verdict, "why": verdict.why}
    return findings([{**base, **over, **said}])


def _located(setup: AgentSetup, folder: RunFolder, seeds: Sequence[int]) -> pd.DataFrame:
    """Which facts can be read where and when, beside untrained twins, raw input and shuffled labels."""
    exam: AgentExam = exam_of(setup)
    asked = look_exam(setup, exam)
    regression = {t.name: t.regression for t in asked.targets}
    readings = {s: readings_of(folder, s, regression) for s in seeds if readings_file(folder, s).exists()}
    tensors, _ = read_tensors(floors_file(folder))
    kept = {key: value.numpy() for key, value in tensors.items() if key.startswith("inputs|")}
    for key in dict.fromkeys(k.rpartition("|")[0] for k in tensors if k.startswith("untrained|")):
        kept[key] = np.stack([tensors[f"{key}|{t}"].numpy() for t in range(setup.evaluation.twins)])
    sites = AgentLifetime.twin(setup, 0).read_points
    cells = [(age, site, fact) for age in setup.planned for site in sites for fact in facts_of(setup, exam)]
    return grid_findings(
        setup.run_name, readings, kept, asked.problems, cells=cells, alpha=setup.evaluation.alpha,
        resamples=setup.evaluation.resamples, rng=np.random.default_rng(list(b"locate")),
    )  # fmt: skip


def _diverged(setup: AgentSetup, folder: RunFolder) -> list[dict[str, Any]]:
    rows = []
    for seed in range(setup.schedule.seeds):
        kept = [age for age in setup.planned if folder.checkpoint(seed, age).exists()]
        good = AgentLifetime.living_ages(setup, folder, seed)
        if len(good) < len(kept):
            rows.append({"analysis": "lifetime", "setup": setup.run_name, "seed": seed, "seeds": 1, "estimate": 1.0,
                         "metric": "diverged", "age": good[-1] if good else None, "verdict": "diverged",
                         "why": "its parameters stopped being finite after this age"})  # fmt: skip
    return rows
