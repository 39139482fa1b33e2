"""How a setup of agents is evaluated.

Measured at every age: behaviour (:mod:`imprint.analyses.goals.behaviour`), the critic line, the causal line,
decodability of the marks of every goal; at the last age also the verdict (:mod:`imprint.analyses.goals.decision`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.agents import cells
from imprint.analyses.evaluate.agents.pictures import draw_pictures, picture_files
from imprint.analyses.evaluate.procedure import Procedure, stored_tables
from imprint.analyses.findings import findings
from imprint.analyses.goals.decision import judgement_rows, tally
from imprint.analyses.goals.exam import Floor, exam_of
from imprint.analyses.goals.facts import fact_targets, facts_of
from imprint.analyses.locate.stored import floors_file, readings_file
from imprint.analyses.statistics import mean_of_known
from imprint.models.chance import generator
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder
from imprint.probes.readouts.base import READOUTS

RATES = ("capability", "goal", "proxy", "habit", "interchange")
"""Metrics that are parts of levels."""


class AgentProcedure(Procedure[AgentSetup]):
    """Agents are tried, regressed, erased and located on one set of levels, beside agents that learned nothing."""

    lifetime = AgentLifetime

    def __init__(self, setup: AgentSetup, folder: RunFolder) -> None:
        super().__init__(setup, folder)
        self.control, self.control_folder = cells.random_reward(setup), cells.random_reward_folder(folder)
        self.control_seeds = self.seeds[: cells.RANDOM_REWARD_SEEDS]

    def rehearse(self) -> None:
        """Build every part and a small exam."""
        environment = self.setup.make_environment()
        self.setup.make_signals()
        self.setup.make_agent(environment.view, rng=generator("rehearsal"))
        READOUTS.load(self.setup.evaluation.readout)
        fact_targets(self.setup, exam_of(self.setup, levels=40, states=200))

    def raising(self) -> list[Cell]:
        """The seeds, the random-reward agents and the floors."""
        seeds = self.raising_cells(self.setup, self.folder, self.seeds, name="seeds")
        control = self.control, self.control_folder, self.control_seeds
        controls = self.raising_cells(*control, name="random reward")
        files = (floors_file(self.folder), cells.chance_file(self.folder), self.folder.cell(cells.FLOOR))
        return [*seeds, *controls, Cell("floors", cells.measure_floors, (self.setup, self.folder), files)]

    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """The planted controls, every seed, the random-reward agents, and pictures of the first seed."""
        folder, common = self.folder, (self.setup, self.folder)
        planted = Cell("planted controls", cells.check_instruments, common, (folder.cell("planted"),))
        names = {seed: cells.AGENT.format(seed) for seed in seeds}
        files = {
            seed: (readings_file(folder, seed), cells.tries_file(folder, seed), folder.cell(name))
            for seed, name in names.items()
        }
        own = [Cell(name, cells.examine_seed, (*common, seed), files[seed]) for seed, name in names.items()]
        controls = []
        for seed in self.control_seeds:
            if self.control_folder.checkpoint(seed, self.control.planned[-1]).exists():
                examined, name = (self.setup, self.control, folder, seed), cells.RANDOM_REWARD.format(seed)
                controls.append(Cell(name, cells.examine_random_reward, examined, (folder.cell(name),)))
        pictures = Cell("pictures", draw_pictures, (*common, seeds[0]), picture_files(folder))
        return [planted, *own, *controls, pictures]

    def pooling(self) -> Iterator[pd.DataFrame]:
        """What the cells wrote, its numbers and the verdict over seeds, and what can be read."""
        own = stored_tables(self.folder.cell(cells.AGENT.format(seed)) for seed in self.seeds)
        random = [self.folder.cell(cells.RANDOM_REWARD.format(seed)) for seed in self.control_seeds]
        controls = stored_tables([*random, self.folder.cell(cells.FLOOR)])
        yield from own
        yield from (_over_seeds(pd.concat(tables)) for tables in (own, controls) if tables)
        yield from (table[table["analysis"] == "planted"] for table in controls)
        yield from stored_tables([self.folder.cell("planted")])
        yield self.diverged()
        yield self._verdict(pd.concat(own) if own else findings([]))
        if own:
            exam = exam_of(self.setup)
            targets, sites = fact_targets(self.setup, exam), AgentLifetime.twin(self.setup, 0).read_points
            yield self.located(targets, sites=sites, concepts=facts_of(self.setup, exam))

    def _verdict(self, own: pd.DataFrame) -> pd.DataFrame:
        """The verdict over seeds; the estimate is how often the intended goal comes first where goals lie apart."""
        exam, floor = exam_of(self.setup), self.folder.cell(cells.FLOOR)
        tries = [found for seed in self.seeds if (found := cells.stored_tries(self.folder, seed)) is not None]
        index = own[(own["metric"] == "latch_index") & (own["age"] == self.ages[-1])]["estimate"].mean()
        known = cells.stored_floor(self.folder) if floor.exists() else Floor()
        judged = exam.judge(tries, known, index=float(index))
        rows = own[(own["analysis"] == "latch") & (own["metric"] == "latch")]
        if len(rows):
            judged = replace(judged, why=f"{judged.why} {tally([str(v) for v in rows['verdict']])}")
        over = mean_of_known(rows["estimate"], self.setup.evaluation.levels).row()
        about = {"age": self.ages[-1]}
        return findings(judgement_rows(judged, about, {**over, "n": int(rows["n"].sum())}))


def _over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Every number that several seeds (or twins) have, over them."""
    table = table[table["analysis"].isin(["behaviour", "critic", "causal", "lifetime"])]
    keys = ["analysis", "metric", "concept", "control", "age"]
    rows = []
    for key, part in table.groupby(keys, dropna=False, sort=False):
        about = dict(zip(keys, key, strict=True))
        known = part["n"].dropna()
        levels = int(known.min()) if len(known) and about["metric"] in RATES else 0
        over = mean_of_known(part["estimate"], levels, share=about["metric"] in ("latch_index", "r2"))
        why = "; ".join(dict.fromkeys(part["why"].dropna())) if not over.n else ""
        rows.append({**about, **over.row(), "n": int(known.sum()) if len(known) else None, "why": why or None})
    return findings(rows)
