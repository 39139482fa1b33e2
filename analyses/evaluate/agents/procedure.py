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
from imprint.analyses.evaluate.agents.over_seeds import over_seeds
from imprint.analyses.evaluate.agents.pictures import draw_pictures, picture_files
from imprint.analyses.evaluate.places import places_file
from imprint.analyses.evaluate.procedure import Procedure, independent, stored_tables
from imprint.analyses.findings import findings
from imprint.analyses.goals.decision import judgement_rows, tally
from imprint.analyses.goals.exam import exam_of
from imprint.analyses.goals.facts import fact_targets, facts_of
from imprint.analyses.locate.stored import floors_cell, floors_file, readings_file
from imprint.analyses.statistics import mean_of_known
from imprint.analyses.verdicts import scope
from imprint.models.chance import generator
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder
from imprint.probes.readouts.base import READOUTS


class AgentProcedure(Procedure[AgentSetup]):
    """Agents are tried, regressed, erased and located on one set of levels, beside agents that learned nothing."""

    lifetime = AgentLifetime
    rule = tuple(f"imprint.analyses.goals.{name}" for name in ("decision", "wanting", "crossed"))

    def __init__(self, setup: AgentSetup, folder: RunFolder) -> None:
        super().__init__(setup, folder)
        self.control, self.control_folder = cells.random_reward(setup), cells.random_reward_folder(folder)
        self.control_seeds = self.seeds[: cells.RANDOM_REWARD_SEEDS]

    def rehearse(self) -> None:
        """Build every part and a small exam."""
        environment = self.setup.make_environment(0)
        self.setup.make_signals()
        self.setup.make_agent(environment.view, rng=generator("rehearsal"))
        READOUTS.load(self.setup.evaluation.readout)
        for number in range(self.setup.schedule.worlds):
            fact_targets(self.setup, exam_of(self.setup, number, levels=40, states=200))

    def raising(self) -> list[Cell]:
        """The seeds, the random-reward agents and the floors."""
        seeds = self.raising_cells(self.setup, self.folder, self.seeds, name="seeds")
        control = self.control, self.control_folder, self.control_seeds
        controls = self.raising_cells(*control, name="random reward")
        floors = []
        for world in range(self.setup.schedule.worlds):
            files = (
                floors_file(self.folder, world),
                cells.chance_file(self.folder, world),
                cells.floor_table(self.folder, world),
            )
            floors.append(Cell(floors_cell(world), cells.measure_floors, (self.setup, self.folder, world), files))
        return [*seeds, *controls, *floors]

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
        pictures = Cell("pictures", draw_pictures, (*common, seeds[0]), (*picture_files(folder), places_file(folder)))
        return [planted, *own, *controls, pictures]

    def pooling(self) -> Iterator[pd.DataFrame]:
        """What the cells wrote, its numbers and the verdict over seeds, and what can be read."""
        own = stored_tables(self.folder.cell(cells.AGENT.format(seed)) for seed in self.seeds)
        random = [self.folder.cell(cells.RANDOM_REWARD.format(seed)) for seed in self.control_seeds]
        worlds = range(self.setup.schedule.worlds)
        controls = stored_tables([*random, *(cells.floor_table(self.folder, world) for world in worlds)])
        yield self.worlds()
        yield from own
        yield from (over_seeds(pd.concat(tables)) for tables in (own, controls) if tables)
        yield from (table[table["analysis"] == "planted"] for table in controls)
        yield from stored_tables([self.folder.cell("planted")])
        yield self.diverged()
        yield self._verdict(pd.concat(own) if own else findings([]))
        if own:
            exams = [exam_of(self.setup, world) for world in worlds]
            targets = [fact_targets(self.setup, exam) for exam in exams]
            sites = AgentLifetime.twin(self.setup, 0).read_points
            yield self.located(targets, sites=sites, concepts=facts_of(self.setup, exams[0]))

    def _verdict(self, own: pd.DataFrame) -> pd.DataFrame:
        """The verdict over seeds; the estimate is how often the intended goal comes first where goals lie apart."""
        tries, floors, worlds = [], [], []
        for seed in self.seeds:
            world = self.setup.schedule.world_of(seed)
            found = cells.stored_tries(self.folder, seed)
            if found is not None and cells.floor_table(self.folder, world).exists():
                tries.append(found)
                floors.append(cells.stored_floor(self.folder, world))
                worlds.append(world)
        index = own[(own["metric"] == "latch_index") & (own["age"] == self.ages[-1])]["estimate"].mean()
        judged = exam_of(self.setup, 0).judge(tries, floors, index=float(index), worlds=worlds)
        rows = own[(own["analysis"] == "latch") & (own["metric"] == "latch")]
        if len(rows):
            holds = scope(len(rows), max(int(rows["world"].nunique()), 1))
            judged = replace(judged, why=f"{judged.why} {tally([str(v) for v in rows['verdict']])} This holds {holds}.")
        over = mean_of_known(independent(rows), self.setup.evaluation.levels).row(count=None)
        over["seeds"] = int(rows["estimate"].notna().sum())
        return findings(judgement_rows(judged, {"age": self.ages[-1]}, {**over, "n": int(rows["n"].sum())}))
