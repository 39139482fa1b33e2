"""What the question of addresses measures in one cohort: seeds are raised, read on shared episodes, compared in pairs.

Everything reported is read on held-out originals. What is *chosen* (the site at which a concept is read, the seeds in
which it formed) is chosen by own probes on other episodes, of the originals that raised the learners; no probe of one
network on another has a say in it.

One long table per cohort. ``table`` says what ``value`` is; columns that do not apply are empty:

choice      balanced accuracy or R2 of network ``first``'s own probe on the episodes of choice
transfer    score of the probe of ``first`` read on ``second`` by the route ``name`` (probes.representation_alignment)
earlier     the same of the probe of ``first`` at ``age`` read on the same seed at ``other_age``
chance      score of knowing nothing of the concept
inputs      score of the raw input history up to the moment of reading
groups      how many groups the held-out episodes have
cka         of ``first`` at ``age`` with ``second`` at ``other_age``
overlap     of the addresses of ``first`` and ``second`` at ``level``; ``chance_overlap``: places shuffled;
same_best   whether their best places agree; ``chance_same_best``: places shuffled
bits        entropy of the address of ``first`` at ``level``; ``most_bits``: of equal shares
diverged    seed ``first`` did not live to the last age

``draw`` 0 is the held-out episodes as they are; in draws 1, 2, ... their groups are drawn with replacement. The same
draws, halves and rotations serve every age, site and cohort, so that they do not add to what is compared.

Letters: A ages, S seeds, n episodes, d units of a site, D draws.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.evaluate.learners.exam import exam_of, sites_of
from imprint.analyses.locate.judging import MARGIN
from imprint.models.chance import generator
from imprint.models.errors import NotMeasurableError
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.lifetimes.lifetime import Progress
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import Batch, World
from imprint.probes.networks.address import address, address_by_level, single_unit_scores
from imprint.probes.networks.alignment import ROUTES, cka_matrix, transfer
from imprint.probes.samples.controls import Ints
from imprint.probes.subjects.subject import Subject

COLUMNS = ("table", "name", "concept", "site", "level", "age", "other_age", "draw", "first", "second", "value")
SPLITS = 2
"""Halvings of the groups behind every transfer of draw 0."""
RAISING = 75
"""Hundredths of a cohort's work that go into raising it, roughly; only progress needs this."""


@dataclass(frozen=True)
class Shown:
    """What the networks of a cohort show on the same episodes."""

    activations: Mapping[str, Tensor]
    """Site -> ``[A, S, n, d]``."""
    concepts: pd.DataFrame
    """n rows."""
    groups: Ints
    """``[n]``"""


@dataclass(frozen=True)
class Cohort:
    """Networks to compare."""

    seeds: tuple[int, ...]
    """S of them."""
    ages: tuple[int, ...]
    """A of them, birth first."""
    intended: str
    """The concept followed through all ages."""
    decisive: tuple[str, ...]
    """Sites at which probes are transferred."""
    levels: pd.DataFrame
    """``site`` -> the coarser place it lies in; one row per site, one column per level from coarse to fine."""
    chosen_on: Shown
    """Birth and last age only."""
    read_on: Shown
    """All ages."""


def raise_and_compare(setup: dict[str, Any], draws: int, shuffles: int, seed: int, say: Say) -> pd.DataFrame:
    """The table of all seeds of ``setup`` (resolved), raised in a temporary folder.

    Args:
        setup: plain data of a :class:`Setup`.
        draws: draws of groups behind every transfer.
        shuffles: behind the floor of an address and behind the chance of an overlap.
        seed: of halves, rotations, draws and shuffles.
        say: told how far it is, in hundredths.
    """
    whole = Setup(**setup)
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        _raise(whole, folder, lambda done, note: say(int(RAISING * done), 100, note))
        cohort, diverged = _look(whole, folder)
    rows = [{"table": "diverged", "first": number, "value": 1.0} for number in diverged]
    rows += [{"table": "inputs", "concept": name, "value": value} for name, value in _input_scores(whole).items()]

    def half(done: float, note: str) -> None:
        say(int(RAISING + (100 - RAISING) * done), 100, note)

    table = compare(cohort, draws=draws, shuffles=shuffles, seed=seed, say=half)
    return pd.concat([table, _table(rows)], ignore_index=True)


def compare(
    cohort: Cohort, *, draws: int, shuffles: int, seed: int, say: Callable[[float, str], None] = lambda done, note: None
) -> pd.DataFrame:
    """The table of a cohort, without what needs its setup; see :func:`raise_and_compare`."""
    chosen = _choice(cohort, seed)
    best = best_site(chosen, cohort.intended)
    last = len(cohort.ages) - 1
    cells = [(age, best) for age in range(len(cohort.ages))] + [(last, s) for s in cohort.decisive if s != best]
    parts = [chosen, _table([{"table": "groups", "value": len(np.unique(cohort.read_on.groups))}])]
    for i, (age, site) in enumerate(cells):
        say(0.6 * i / len(cells), f"probes at {site}, age {cohort.ages[age]}")
        parts.append(_transfers(cohort, age, site, draws, seed))
    parts.append(_earlier(cohort, best, draws, seed))
    say(0.6, "similarity of representations")
    parts.append(_similarities(cohort, best))
    for age, lived in enumerate(cohort.ages):
        say(0.7 + 0.3 * age / len(cohort.ages), f"addresses at age {lived}")
        parts.append(_addresses(cohort, age, shuffles, seed))
    say(1.0, "compared")
    return pd.concat(parts, ignore_index=True)


# -- raising and reading -----------------------------------------------------------------------------------------------


def _raise(setup: Setup, folder: RunFolder, report: Callable[[float, str], None]) -> None:
    """Raise all seeds, in the same company as a run of the setup does, so that they are the same to the bit."""
    numbers, size = range(setup.schedule.seeds), setup.schedule.together
    for start in range(0, len(numbers), size):
        seeds = tuple(numbers[start : start + size])

        def tell(step: Progress, start: int = start, seeds: tuple[int, ...] = seeds) -> None:
            if (step.age // setup.schedule.batch) % 20 == 0 or step.age == step.total:
                done = (start + len(seeds) * step.age / step.total) / len(numbers)
                report(done, f"seeds {seeds[0]}-{seeds[-1]}, loss " + " ".join(f"{loss:.2f}" for loss in step.loss))

        LearnerLifetime(setup, seeds, folder).live(tell)


def _look(setup: Setup, folder: RunFolder) -> tuple[Cohort, list[int]]:
    """Activations of the seeds that lived to the last age, and the seeds that did not."""
    ages = setup.planned
    numbers = range(setup.schedule.seeds)
    seeds = tuple(number for number in numbers if ages[-1] in LearnerLifetime.living_ages(setup, folder, number))
    if len(seeds) < 2:
        raise NotMeasurableError(f"{len(seeds)} of {len(numbers)} seeds lived to the last age; expected two to compare")
    sites = sites_of(setup)
    world = setup.make_world()
    decisive = tuple(site for site in sites if site.endswith(f"@{world.decision}"))
    other = world.sample(setup.evaluation.episodes, rng=generator("address choice"), design="balanced")
    exam = exam_of(setup)
    learner = LearnerLifetime.revive(setup, folder, seeds[0], 0).learner
    levels = pd.DataFrame({"module": [learner.module_of(site.rpartition("@")[0]) for site in sites], "site": sites})

    def shown(batch: Batch, groups: Ints, at: Sequence[int], where: Sequence[str]) -> Shown:
        every = [[_read(setup, folder, number, age, world, batch, where) for number in seeds] for age in at]
        stacked = {
            site: torch.stack([torch.stack([network[site] for network in networks]) for networks in every])
            for site in where
        }
        return Shown(stacked, batch.concepts[list(setup.located)], groups)

    chosen_on = shown(other, other.groups, (ages[0], ages[-1]), decisive)
    read_on = shown(exam.batch, exam.targets.groups, ages, sites)
    gone = [number for number in numbers if number not in seeds]
    return Cohort(seeds, ages, setup.intended, decisive, levels, chosen_on, read_on), gone


def _read(
    setup: Setup, folder: RunFolder, number: int, age: int, world: World, batch: Batch, sites: Sequence[str]
) -> dict[str, Tensor]:
    kept = LearnerLifetime.revive(setup, folder, number, age)
    return Subject.of_learner(kept.learner, world, kept.weight, kept.bias).activations(batch.observation, sites)


def _input_scores(setup: Setup) -> dict[str, float]:
    """How well each concept is read from all that was shown up to the decision moment, out of five folds."""
    exam = exam_of(setup)
    step = exam.world.moments[exam.world.decision or ""]
    history = exam.batch.observation[:, : step + 1].flatten(1).numpy()
    return {concept: reading.score for concept, reading in exam.targets.read_inputs(history).items()}


# -- comparing ---------------------------------------------------------------------------------------------------------


def _table(rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    table = table.reindex(columns=list(COLUMNS))
    whole = dict.fromkeys(("age", "other_age", "draw", "first", "second"), "Int64")
    text = dict.fromkeys(("table", "name", "concept", "site", "level"), "string")
    return table.astype({**whole, **text, "value": "float64"})


def _choice(cohort: Cohort, seed: int) -> pd.DataFrame:
    """Own probes on the episodes of choice, at birth and at the last age."""
    parts, itself = [], torch.arange(len(cohort.seeds))[:, None].expand(-1, 2)
    shown = cohort.chosen_on
    for site in cohort.decisive:
        for i, age in enumerate((cohort.ages[0], cohort.ages[-1])):
            found = transfer(
                shown.activations[site][i], shown.concepts, pairs=itself, groups=shown.groups,
                rng=np.random.default_rng([seed, 0]),
            )  # fmt: skip
            first = np.asarray(cohort.seeds)[found["first"]]
            parts.append(found[["concept"]].assign(first=first, value=found["own"], site=site, age=age))
    return _table(pd.concat(parts).assign(table="choice", name="own"))


def _transfers(cohort: Cohort, age: int, site: str, draws: int, seed: int) -> pd.DataFrame:
    """Scores of all routes between seeds at one age and site, and chance."""
    x = cohort.read_on.activations[site][age]
    every = _ordered_pairs(len(x))
    once = every[(every.sum(1) % 2 == 0) == (every[:, 0] < every[:, 1])]
    found = _routes(x, cohort, every, once, draws, seed)
    chance = found.groupby("concept", sort=False)["chance"].first().rename("value").reset_index()
    parts = [_long(found).assign(table="transfer"), chance.assign(table="chance")]
    return _table(pd.concat(parts).assign(site=site, age=cohort.ages[age]))


def _earlier(cohort: Cohort, site: str, draws: int, seed: int) -> pd.DataFrame:
    """Probes of every seed at the age before the last, read on itself at the last age."""
    x, networks = cohort.read_on.activations[site], len(cohort.seeds)
    pairs = torch.stack([torch.arange(networks), torch.arange(networks) + networks], dim=1)
    found = _routes(x[-2:].flatten(0, 1), cohort, pairs, pairs, draws, seed)
    return _table(_long(found).assign(table="earlier", site=site, age=cohort.ages[-2], other_age=cohort.ages[-1]))


def _routes(x: Tensor, cohort: Cohort, every: Tensor, drawn: Tensor, draws: int, seed: int) -> pd.DataFrame:
    """Scores of all routes of networks ``x`` ``[., n, d]``, whose seeds go round in the cohort's order.

    Pairs ``every`` on the groups as they are, pairs ``drawn`` in each draw of groups.
    """
    shown, parts = cohort.read_on, []
    for draw in range(draws + 1):
        rng = np.random.default_rng([seed, draw])
        rows = np.arange(len(shown.groups)) if draw == 0 else _drawn(shown.groups, rng)
        concepts = shown.concepts.iloc[rows].reset_index(drop=True)
        for _ in range(SPLITS if draw == 0 else 1):
            pairs = every if draw == 0 else drawn
            found = transfer(x[:, rows], concepts, pairs=pairs, groups=shown.groups[rows], rng=rng)
            parts.append(found.assign(draw=draw))
    keys = ["concept", "draw", "first", "second"]
    scores = pd.concat(parts, ignore_index=True).groupby(keys, sort=False)[[*ROUTES, "chance"]].mean().reset_index()
    number = np.resize(cohort.seeds, len(x))
    return scores.assign(first=number[scores["first"]], second=number[scores["second"]])


def _long(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.melt(["concept", "draw", "first", "second"], list(ROUTES), "name", "value")


def _ordered_pairs(networks: int) -> Tensor:
    every = torch.cartesian_prod(torch.arange(networks), torch.arange(networks))
    return every[every[:, 0] != every[:, 1]]


def _drawn(groups: Ints, rng: np.random.Generator) -> Ints:
    """Rows of as many groups as there are, drawn with replacement; a group drawn twice stays one group."""
    size = int(groups.max()) + 1
    members = [np.flatnonzero(groups == group) for group in range(size)]
    return np.concatenate([members[group] for group in rng.integers(size, size=size)])


def _similarities(cohort: Cohort, best: str) -> pd.DataFrame:
    """CKA between seeds of one age at every decisive site, and between all seeds and ages at the best one."""
    parts = []
    for site in cohort.decisive:
        x = cohort.read_on.activations[site]
        blocks = [np.arange(x.shape[1]) + age * x.shape[1] for age in range(len(x))]
        flat = x.flatten(0, 1)
        for block in [np.arange(len(flat))] if site == best else blocks:
            first, second = np.triu_indices(len(block), k=1)
            found = cka_matrix(flat[block])[first, second].numpy()
            age, network = np.divmod(block, x.shape[1])
            seed, old = np.asarray(cohort.seeds)[network], np.asarray(cohort.ages)[age]
            parts.append(
                pd.DataFrame(
                    {
                        "site": site, "age": old[first], "other_age": old[second],
                        "first": seed[first], "second": seed[second], "value": found,
                    }
                )
            )  # fmt: skip
    return _table(pd.concat(parts).assign(table="cka"))


def _addresses(cohort: Cohort, age: int, shuffles: int, seed: int) -> pd.DataFrame:
    """Entropy of every network's address of the intended concept and overlap of every pair, at each level."""
    shown, concept, rng = cohort.read_on, cohort.intended, np.random.default_rng([seed, 0])
    sites = list(cohort.levels["site"])
    x = torch.cat([shown.activations[site][age] for site in sites], dim=2)
    levels = cohort.levels.loc[np.repeat(np.arange(len(sites)), [shown.activations[s].shape[-1] for s in sites])]
    levels = levels.reset_index(drop=True)
    try:
        share = address(single_unit_scores(x, shown.concepts[concept], groups=shown.groups, shuffles=shuffles, rng=rng))
    except NotMeasurableError:
        return _table([])
    rows: list[dict[str, Any]] = []
    for network, number in enumerate(cohort.seeds):
        alone = address_by_level(share[[network]], levels, draws=1, rng=rng)
        for table in ("bits", "most_bits"):
            rows += [
                {"table": table, "level": level, "first": number, "value": value}
                for level, value in zip(alone["level"], alone[table], strict=True)
            ]
    kinds = {"overlap": "overlap", "chance_overlap": "chance", "same_best": "same_best",
             "chance_same_best": "same_best_chance"}  # fmt: skip
    for first, second in zip(*np.triu_indices(len(x), k=1), strict=True):
        both = address_by_level(share[[first, second]], levels, draws=shuffles, rng=rng)
        about = {"first": cohort.seeds[first], "second": cohort.seeds[second]}
        for table, column in kinds.items():
            rows += [
                {"table": table, "level": level, "value": value, **about}
                for level, value in zip(both["level"], both[column], strict=True)
            ]
    return _table([{**row, "concept": concept, "age": cohort.ages[age]} for row in rows])


# -- what is chosen ----------------------------------------------------------------------------------------------------


def _own(table: pd.DataFrame, concept: str) -> pd.DataFrame:
    """Own probes on the episodes of choice: rows site x seed, columns birth and last age."""
    mine = table[(table["table"] == "choice") & (table["concept"] == concept)]
    wide = mine.pivot_table(index=["site", "first"], columns="age", values="value", sort=True)
    return wide if wide.shape[1] == 2 else pd.DataFrame()


def best_site(table: pd.DataFrame, concept: str) -> str:
    """Where own probes read the concept best at the last age, over all seeds, on the episodes of choice."""
    own = _own(table, concept)
    if own.empty:
        raise NotMeasurableError(f"{concept} cannot be read at any site on the episodes of choice")
    return str(own.iloc[:, -1].groupby("site", sort=False).mean().idxmax())


def holders(table: pd.DataFrame, concept: str, site: str, chance: float) -> tuple[list[int], list[int]]:
    """Seeds in which the concept formed, and seeds in which it can be read at all, at the last age.

    Formed: the own probe scores more than ``MARGIN`` above chance and above the best newborn of the cohort. Readable:
    above chance by as much.
    """
    own = _own(table, concept)
    own = own[own.index.get_level_values("site") == site].droplevel("site")
    last = own.iloc[:, -1]
    formed = last[last > max(chance, float(own.iloc[:, 0].max())) + MARGIN]
    return [int(seed) for seed in formed.index], [int(seed) for seed in last[last > chance + MARGIN].index]
