"""How a setup of agents is evaluated.

Measured at every age: behaviour (:mod:`imprint.analyses.goals.behaviour`), the critic line, the causal line,
decodability of the marks of every goal; at the last age also the verdict (:mod:`imprint.analyses.goals.decision`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.agents.cells import (
    RANDOM_REWARD_SEEDS,
    check_instruments,
    control_table,
    examine_random_reward,
    examine_seed,
    floor_table,
    measure_floors,
    random_reward,
    random_reward_folder,
    seed_table,
    train,
)
from imprint.analyses.evaluate.agents.pictures import draw_pictures, picture_files
from imprint.analyses.evaluate.procedure import Procedure, progress_folder, raising_cells
from imprint.analyses.findings import findings
from imprint.analyses.goals.decision import over_seeds as verdict_over_seeds
from imprint.analyses.goals.exam import exam_of
from imprint.analyses.goals.facts import fact_targets, facts_of
from imprint.analyses.locate.stored import floors_file, readings_file
from imprint.analyses.statistics import rate_over_seeds
from imprint.models.chance import generator
from imprint.models.files import read_table
from imprint.models.lifetimes.agent import living_agent_ages, newborn
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder
from imprint.probes.readouts.base import READOUTS

RATES = ("capability", "goal", "proxy")
"""Metrics that are parts of levels."""


class AgentProcedure(Procedure[AgentSetup]):
    """Agents are tried, regressed, erased and located on one set of levels, beside agents that learned nothing."""

    def __init__(self, setup: AgentSetup, folder: RunFolder) -> None:
        super().__init__(setup, folder)
        self.control, self.control_folder = random_reward(setup), random_reward_folder(folder)
        self.control_seeds = self.seeds[:RANDOM_REWARD_SEEDS]

    def rehearse(self) -> None:
        """Build every part and a small exam."""
        environment = self.setup.make_environment()
        self.setup.make_signals()
        self.setup.make_agent(environment.view, rng=generator("rehearsal"))
        READOUTS.load(self.setup.evaluation.readout)
        few = self.setup.evaluation.model_copy(update={"levels": 40, "states": 200})
        fact_targets(self.setup, exam_of(self.setup.model_copy(update={"evaluation": few})))

    def raising(self) -> list[Cell]:
        """The seeds, the random-reward agents and the floors."""
        watch = progress_folder(self.folder)
        seeds = raising_cells(train, self.setup, self.folder, self.seeds, name="seeds", watch=watch)
        controls = raising_cells(
            train, self.control, self.control_folder, self.control_seeds, name="random reward", watch=watch
        )
        files = (floors_file(self.folder), floor_table(self.folder))
        return [*seeds, *controls, Cell("floors", measure_floors, (self.setup, self.folder), files)]

    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """The planted controls, every seed, the random-reward agents, and pictures of the first seed."""
        folder, common = self.folder, (self.setup, self.folder)
        planted = Cell("planted controls", check_instruments, common, (folder.cell("planted"),))
        files = {seed: (readings_file(folder, seed), seed_table(folder, seed)) for seed in seeds}
        own = [Cell(f"agent-{seed}", examine_seed, (*common, seed), files[seed]) for seed in seeds]
        finished = [
            s for s in self.control_seeds if self.control_folder.checkpoint(s, self.control.planned[-1]).exists()
        ]
        controls = [
            Cell(
                f"random-reward-{seed}",
                examine_random_reward,
                (self.setup, self.control, folder, seed),
                (control_table(folder, seed),),
            )
            for seed in finished
        ]
        pictures = Cell("pictures", draw_pictures, (*common, seeds[0]), picture_files(folder))
        return [planted, *own, *controls, pictures]

    def pooling(self) -> Iterator[pd.DataFrame]:
        """What the cells wrote, its numbers and the verdict over seeds, and what can be read."""
        own = self._stored(seed_table(self.folder, seed) for seed in self.seeds)
        random = [control_table(self.folder, seed) for seed in self.control_seeds]
        controls = self._stored([*random, floor_table(self.folder)])
        yield from own
        yield from (_over_seeds(pd.concat(tables)) for tables in (own, controls) if tables)
        yield from (table[table["analysis"] == "planted"] for table in controls)
        yield from self._stored([self.folder.cell("planted")])
        yield self.diverged()
        yield self._verdict(pd.concat(own) if own else findings([]))
        if own:
            exam = exam_of(self.setup)
            targets, sites = fact_targets(self.setup, exam), newborn(self.setup, 0).read_points
            yield self.located(targets, sites=sites, concepts=facts_of(self.setup, exam))

    def living_ages(self, seed: int) -> list[int]:
        """Planned ages that were kept and at which a seed had not diverged."""
        return living_agent_ages(self.setup, self.folder, seed)

    def _stored(self, files: Iterable[Path]) -> list[pd.DataFrame]:
        return [read_table(file) for file in files if file.exists()]

    def _verdict(self, own: pd.DataFrame) -> pd.DataFrame:
        """The verdict over seeds; the estimate is how often the intended goal comes first where goals lie apart."""
        rows = own[own["analysis"] == "latch"]
        word, why = verdict_over_seeds([str(v) for v in rows["verdict"]], self.setup.decision)
        over = rate_over_seeds(rows["estimate"].tolist(), self.setup.evaluation.levels)
        base = {"analysis": "latch", "metric": "latch", "concept": self.setup.intended, "age": self.ages[-1]}
        return findings([{**base, **over, "n": int(rows["n"].sum()), "verdict": word, "why": why}])


def _over_seeds(table: pd.DataFrame) -> pd.DataFrame:
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
        rows.append({**about, **over, "n": int(known.sum()) if len(known) else None, "why": why or None})
    return findings(rows)
