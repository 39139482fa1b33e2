"""The cells of a run of agents beside their training: measure the floors, examine one seed or one control.

Controls that learn nothing are examined as the others are: untrained twins (other initial weights, no training) and
agents whose rewards are dealt out at random (``learning.shuffled_pay``; the same initial weights and levels).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from imprint.analyses.evaluate.procedure import reporter
from imprint.analyses.findings import findings
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.exam import Floor, exam_of
from imprint.analyses.goals.facts import fact_targets, read_facts
from imprint.analyses.goals.rows import (
    Row,
    behaviour_rows,
    control_row,
    critic_rows,
    deeper_rows,
    examined_rows,
    training_row,
)
from imprint.analyses.goals.wanting import Tries
from imprint.analyses.locate.stored import floors_cell, write_floors, write_readings
from imprint.analyses.locate.targets import SiteReadings
from imprint.analyses.planted.agents import self_check
from imprint.models.files import read_table, write_table
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, read_tensors, write_tensors

RANDOM_REWARD_SEEDS = 3
"""Maximum number of random-reward agents."""
FLOOR, AGENT, RANDOM_REWARD = "untrained", "agent-{}", "random-reward-{}"
"""Names of the cells' tables: of the untrained twins, and of one seed's agent."""


def random_reward(setup: AgentSetup) -> AgentSetup:
    """The same setup with every reward dealt out at random, kept at birth and at the end only."""
    changes = {"learning.shuffled_pay": True, "schedule.ages": 2, "name": f"{setup.name}-random-reward"[:64]}
    return load_setup(setup, changes=changes, expect=AgentSetup)


def random_reward_folder(folder: RunFolder) -> RunFolder:
    """Where the random-reward agents of a run are kept."""
    return RunFolder(folder.path / "random-reward")


def measure_floors(setup: AgentSetup, folder: RunFolder, world: int) -> None:
    """Untrained twins in a world: behaviour, critics, how well facts are read from them, and from the raw input."""
    exam, count = exam_of(setup, world), setup.evaluation.twins
    bare = fact_targets(setup, exam).without_shuffles
    rows: list[Row] = []
    untrained, behaviour = {}, []
    for twin in range(count):
        agent, about = AgentLifetime.twin(setup, twin), {"control": "untrained", "seed": twin}
        about["world"] = world if setup.schedule.worlds > 1 else None
        behaviour.append(exam.play(agent, APART))
        rows += behaviour_rows({APART: behaviour[-1]}, setup.intended, about)
        rows += critic_rows(exam.critic(agent), about)
        untrained[twin] = read_facts(exam, agent, bare)
        reporter(folder, floors_cell(world))(twin + 1, count, "untrained twins")
    raw = bare.read_inputs(exam.scenes(agent).observation.flatten(1).numpy())
    write_floors(folder, world, untrained, {(site, fact): raw[fact] for site in agent.read_points for fact in raw})
    write_tensors(chance_file(folder, world), {"chance": exam.chance(behaviour)}, cell=floors_cell(world))
    _write_rows(floor_table(folder, world), setup, rows)


def floor_table(folder: RunFolder, world: int) -> Path:
    """Where the rows of the untrained twins in a world are kept."""
    return folder.cell(f"{FLOOR}-world-{world}" if world else FLOOR)


def chance_file(folder: RunFolder, world: int) -> Path:
    """What untrained twins do on every level of a world, ``chance`` ``[L, G + 1]``: :attr:`Floor.chance`."""
    return folder.path / "cells" / (f"chance-world-{world}.safetensors" if world else "chance.safetensors")


def tries_file(folder: RunFolder, seed: int) -> Path:
    """What one seed does on every level at its last age, ``tries`` ``[L, 1 + 4 G]``: :meth:`Tries.packed`.

    Empty, ``[0, 0]``, when the causal line could not be measured.
    """
    return folder.path / "cells" / f"tries-{seed}.safetensors"


def stored_floor(folder: RunFolder, world: int) -> Floor:
    """What untrained twins do in a world and how well their critics fit, as :func:`measure_floors` wrote it."""
    table, tensors = read_table(floor_table(folder, world)), read_tensors(chance_file(folder, world))[0]
    return Floor(tensors["chance"], tuple(table[table["metric"] == "r2"]["estimate"]))


def stored_tries(folder: RunFolder, seed: int) -> Tries | None:
    """What a seed does on every level, as :func:`examine_seed` wrote it; None when that was not measured."""
    if not tries_file(folder, seed).exists():
        return None
    packed = read_tensors(tries_file(folder, seed))[0]["tries"]
    return Tries.unpacked(packed) if len(packed) else None


def examine_seed(setup: AgentSetup, folder: RunFolder, seed: int) -> None:
    """One seed at every age; the verdict, and more than one random subspace per erasure, at the last age only."""
    world, cell = setup.schedule.world_of(seed), AGENT.format(seed)
    exam, floor = exam_of(setup, world), stored_floor(folder, world)
    targets, ages = fact_targets(setup, exam), AgentLifetime.living_ages(setup, folder, seed)
    rows: list[Row] = []
    readings: dict[int, SiteReadings] = {}
    for i, age in enumerate(ages):
        kept, last = AgentLifetime.revive(setup, folder, seed, age), age == setup.planned[-1]
        about = {"seed": seed, "world": setup.schedule.world_name(seed), "age": age}
        examined = (exam if last else replace(exam, placebos=1)).examine(kept.agent, floor)
        rows += examined_rows(examined, about, verdict=last)
        if last:
            tries = torch.zeros(0, 0) if examined.tries is None else examined.tries.packed()
            write_tensors(tries_file(folder, seed), {"tries": tries}, cell=cell)
            rows += deeper_rows(exam, kept.agent, about)
        rows.append(training_row(kept.record, setup.intended, about))
        readings[age] = read_facts(exam, kept.agent, targets)
        reporter(folder, cell)(i + 1, len(ages), f"age {age}")
    write_readings(folder, seed, readings, cell=cell)
    _write_rows(folder.cell(cell), setup, [{"seeds": 1, **row} for row in rows])


def examine_random_reward(setup: AgentSetup, control: AgentSetup, folder: RunFolder, seed: int) -> None:
    """A random-reward agent: its behaviour, and the verdict, which must be ``undetermined``.

    ``control``: :func:`random_reward` of the setup.
    """
    world = setup.schedule.world_of(seed)
    exam = exam_of(setup, world, placebos=1)
    about = {"seed": seed, "world": setup.schedule.world_name(seed), "control": "random reward"}
    kept = AgentLifetime.revive(control, random_reward_folder(folder), seed, control.planned[-1])
    examined = exam.examine(kept.agent, stored_floor(folder, world), designs=())
    rows = behaviour_rows(examined.played, setup.intended, about) + critic_rows(examined.critic, about)
    _write_rows(folder.cell(RANDOM_REWARD.format(seed)), setup, [*rows, control_row(examined, about)])


def check_instruments(setup: AgentSetup, folder: RunFolder) -> None:
    """The planted controls and an untrained agent, in the setup's own world: are agents of known goals judged right?"""
    exam, view = exam_of(setup, 0, placebos=1), setup.make_environment(0).view
    table = self_check(exam, lambda rng: setup.make_agent(view, rng=rng))
    examined = exam.examine(AgentLifetime.twin(setup, setup.evaluation.twins), stored_floor(folder, 0), designs=())
    row = control_row(examined, {"control": "untrained"})
    _write_rows(folder.cell("planted"), setup, pd.concat([table, findings([row])]))


def _write_rows(path: Path, setup: AgentSetup, rows: Iterable[Row] | pd.DataFrame) -> None:
    write_table(path, findings(findings(rows).assign(setup=setup.run_name)))
