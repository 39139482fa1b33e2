"""agent_cells: the cells of a run of agents: raise some, measure the floors, examine one.

Each is a pure function of (resolved setup, run folder, what to do) that writes findings of its own. Controls that learn
nothing are raised beside the others: untrained twins (another birth, no lifetime) and agents that are paid at random
(``learning.shuffled_pay``; the same births and levels). They sit the same exam.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses import engine
from imprint.analyses.findings import findings
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.exam import Floor, exam_of
from imprint.analyses.goals.facts import look_exam, looked
from imprint.analyses.goals.rows import behaviour_rows, causal_rows, control_row, critic_rows, verdict_row
from imprint.analyses.locate.stored import floors_file, readings_file
from imprint.analyses.planted.agents import self_check
from imprint.models.files import read_table, write_table
from imprint.models.lifetimes.agent import AgentLifetime, training_success
from imprint.models.lifetimes.lifetime import Progress
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, write_tensors

UNPAID = 3
"""Most agents that are raised on random pay."""


def raise_agents(data: dict[str, Any], path: Path, seeds: tuple[int, ...], name: str, watch: Path) -> None:
    """Raise some seeds from birth to the last planned age; ``watch``: where progress is told."""
    torch.set_num_threads(1)
    setup = AgentSetup(**data)

    def report(step: Progress) -> None:
        note = "loss " + " ".join(f"{loss:.2f}" for loss in step.loss)
        engine.say(watch, name, step.age, step.total, note)

    AgentLifetime(setup, seeds, RunFolder(path)).live(report)


def randomly_paid(setup: AgentSetup) -> AgentSetup:
    """The same setup with every reward dealt out at random, kept at birth and at the end only."""
    changes = {"learning.shuffled_pay": True, "schedule.ages": 2, "name": f"{setup.name}-random-reward"[:64]}
    return load_setup(setup, changes=changes, expect=AgentSetup)


def floor_table(folder: RunFolder) -> Path:
    """Where :func:`floors` writes what untrained twins do."""
    return folder.cell("untrained")


def seed_table(folder: RunFolder, seed: int) -> Path:
    """Where :func:`examine` writes."""
    return folder.cell(f"agent-{seed}")


def control_table(folder: RunFolder, seed: int) -> Path:
    """Where :func:`examine_randomly_paid` writes."""
    return folder.cell(f"random-reward-{seed}")


def floors(data: dict[str, Any], path: Path) -> None:
    """Untrained twins: behaviour, critics, and how well facts are read from them and from the raw input."""
    torch.set_num_threads(1)
    setup, folder = AgentSetup(**data), RunFolder(path)
    exam = exam_of(setup)
    asked = look_exam(setup, exam)
    rows: list[dict[str, Any]] = []
    tensors: dict[str, Tensor] = {}
    for twin in range(setup.evaluation.twins):
        agent = AgentLifetime.twin(setup, twin)
        rows += behaviour_rows(exam, agent, [APART], {"control": "untrained", "seed": twin})
        rows += critic_rows(exam.critic(agent), {"control": "untrained", "seed": twin}, None)
        for (site, fact), reading in looked(exam, agent, asked, bare=True).items():
            tensors[f"untrained|{site}|{fact}|{twin}"] = torch.from_numpy(reading.sums)
        engine.say(path / ".progress", "floors", twin + 1, setup.evaluation.twins, "untrained twins")
    raw = asked.inputs(exam, agent)
    for site in agent.read_points:
        for fact, reading in raw.items():
            tensors[f"inputs|{site}|{fact}"] = torch.from_numpy(reading.sums.copy())
    write_tensors(floors_file(folder), tensors, cell="floors")
    write_table(floor_table(folder), findings([{"setup": setup.run_name, **row} for row in rows]))


def floor_of(folder: RunFolder) -> Floor:
    """What untrained twins reach and how well their critics fit, as :func:`floors` wrote it."""
    table = read_table(floor_table(folder))
    capability = table[table["metric"] == "capability"]["estimate"].max()
    return Floor(float(capability), tuple(table[table["metric"] == "r2"]["estimate"]))


def examine(data: dict[str, Any], path: Path, seed: int) -> None:
    """One seed at every age: behaviour, critic, causal line, facts that can be read; the verdict at the last age."""
    torch.set_num_threads(1)
    setup, folder = AgentSetup(**data), RunFolder(path)
    whole, brief, floor = exam_of(setup), exam_of(setup, placebos=1), floor_of(folder)
    asked, ages = look_exam(setup, whole), AgentLifetime.living_ages(setup, folder, seed)
    rows: list[dict[str, Any]] = []
    tensors: dict[str, Tensor] = {}
    for i, age in enumerate(ages):
        kept, last = AgentLifetime.revive(setup, folder, seed, age), age == setup.planned[-1]
        about = {"seed": seed, "age": age}
        rows += behaviour_rows(whole, kept.agent, None, about)
        said = (whole if last else brief).lines(kept.agent, floor)
        rows += critic_rows(said.critic, about, (floor, setup.decision.fits)) + causal_rows(said, about)
        if last:
            rows.append(verdict_row(said, about))
        success = training_success(kept.record, setup.intended)
        rows.append({**about, "analysis": "lifetime", "metric": "training_success", "concept": setup.intended,
                     "estimate": success})  # fmt: skip
        for (site, fact), reading in looked(whole, kept.agent, asked).items():
            where = f"{age}|{site}|{fact}"
            tensors[f"sums|{where}"] = torch.from_numpy(reading.sums)
            tensors[f"nulls|{where}"] = torch.from_numpy(reading.nulls)
            tensors[f"noise|{where}"] = torch.tensor(reading.noise, dtype=torch.float64)
        engine.say(path / ".progress", f"agent-{seed}", i + 1, len(ages), f"age {age}")
    write_tensors(readings_file(folder, seed), tensors, cell=f"agent-{seed}")
    write_table(seed_table(folder, seed), findings([{"setup": setup.run_name, "seeds": 1, **row} for row in rows]))


def examine_randomly_paid(data: dict[str, Any], path: Path, seed: int) -> None:
    """An agent that was paid at random: its behaviour, and the verdict, which must be ``undetermined``."""
    torch.set_num_threads(1)
    setup, folder = AgentSetup(**data), RunFolder(path)
    control = randomly_paid(setup)
    exam, about = exam_of(setup, placebos=1), {"seed": seed, "control": "random reward"}
    kept = AgentLifetime.revive(control, RunFolder(path / "random-reward"), seed, control.planned[-1])
    said = exam.lines(kept.agent, floor_of(folder))
    rows = behaviour_rows(exam, kept.agent, [APART], about) + critic_rows(said.critic, about, None)
    rows.append(control_row(said, about, len(exam.levels[APART]["clock"])))
    write_table(control_table(folder, seed), findings([{"setup": setup.run_name, **row} for row in rows]))


def planted(data: dict[str, Any], path: Path) -> None:
    """The planted controls and an untrained agent: are the lines right on agents whose wishes are known?"""
    torch.set_num_threads(1)
    setup, folder = AgentSetup(**data), RunFolder(path)
    exam, view = exam_of(setup, placebos=1), setup.make_environment().view
    table = self_check(exam, lambda rng: setup.make_agent(view, rng=rng))
    agent = AgentLifetime.twin(setup, setup.evaluation.twins)
    row = control_row(exam.lines(agent, floor_of(folder)), {"control": "untrained"}, len(exam.levels[APART]["clock"]))
    both = findings(pd.concat([table, findings([row])]))
    write_table(folder.cell("planted"), both.assign(setup=setup.run_name))


# -- rows --------------------------------------------------------------------------------------------------------------
