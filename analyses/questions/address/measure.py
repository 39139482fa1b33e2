"""Raise one cohort of seeds, read all of its networks on the same episodes, and compare them in pairs.

Everything that is reported is measured on held-out originals. What is *chosen* (the site at which a concept is read,
and the seeds in which it formed) is chosen by the networks' own probes on other episodes, of the originals on which
the learners were trained; no probe of one network that is read on another has a say in it.

The result is one long table per cohort. ``table`` says what ``value`` is; columns that do not apply are empty:

choice      balanced accuracy or R2 of the own probe of network ``first``, on the episodes on which is chosen
transfer    score of the probe of ``first`` read on ``second`` by the route ``name`` (probes.networks.alignment)
earlier     the same for the probe of ``first`` at ``age``, read on the same seed at the last age, ``other_age``
chance      score without any knowledge of the concept
inputs      score of the raw input history up to the moment at which is read
groups      number of groups of held-out episodes
cka         of ``first`` at ``age`` with ``second`` at ``other_age``
overlap     of the addresses of ``first`` and ``second`` at ``level``; ``chance_overlap``: places shuffled;
same_best   whether their best places agree; ``chance_same_best``: places shuffled
halves      overlap, at the last age, of the address of ``first`` in one half of the groups of episodes and that of
            ``second`` in the other half; ``chance_halves``: places shuffled. With ``first`` = ``second`` it is the most
            that episodes so few can show: the noise ceiling
bits        entropy of the address of ``first`` at ``level``; ``most_bits``: entropy of equal shares
diverged    seed ``first`` diverged before the last age

``draw`` 0 is the held-out episodes as they are; in draws 1, 2, ... their groups are drawn with replacement. The same
draws, halves and rotations are used at every age and site and in every cohort, so that they cancel in differences.

Letters: A ages, S seeds, n episodes, d units of a site, D draws.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from imprint.models.worlds.base import Batch
from imprint.probes.networks.address import address, address_by_level, single_unit_scores
from imprint.probes.networks.alignment import ROUTES, cka_matrix, transfer
from imprint.probes.samples.controls import Ints, folds_of
from imprint.probes.subjects.subject import Subject

COLUMNS = ("table", "name", "concept", "site", "level", "age", "other_age", "draw", "first", "second", "value")
SPLITS = 2
"""Halvings of the groups behind every transfer of draw 0."""
RAISING = 75
"""Percentage of a cohort's running time that training takes, roughly; only the progress bar needs it."""
PAIR_TABLES = {
    "overlap": "overlap",
    "chance_overlap": "chance",
    "same_best": "same_best",
    "chance_same_best": "same_best_chance",
}
"""Table of pairs -> column of :func:`~imprint.probes.networks.address.address_by_level`."""
Report = Callable[[float, str], None]
"""Takes the part of the work that is done, 0 to 1, and a note."""


@dataclass(frozen=True)
class Shown:
    """Activations of the networks of a cohort on the same episodes."""

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
    """A of them, the untrained network's age first."""
    intended: str
    """The concept that is followed through all ages."""
    decisive: tuple[str, ...]
    """Sites at which probes are transferred."""
    levels: pd.DataFrame
    """One row per site, one column per level from coarse to fine: the place of that level in which the site lies."""
    chosen_on: Shown
    """At all ages, as is ``read_on``."""
    read_on: Shown


def raise_and_compare(*, setup: dict[str, Any], draws: int, shuffles: int, seed: int, say: Say) -> pd.DataFrame:
    """The table of all seeds of ``setup`` (resolved), raised in a temporary folder.

    ``draws`` of groups give the interval of every transfer, ``shuffles`` the floor of an address and the chance of an
    overlap; ``seed``: of these, of halves and of rotations. ``say`` receives progress in percent.

    Raises :class:`NotMeasurableError` when fewer than two seeds reach the last age.
    """
    chosen = Setup(**setup)
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        _raise(chosen, folder, lambda done, note: say(int(RAISING * done), 100, note))
        cohort, diverged = _read_cohort(chosen, folder)
    exam = exam_of(chosen)
    step = exam.world.moments[exam.world.decision or ""]
    inputs = exam.targets.read_inputs(exam.batch.observation[:, : step + 1].flatten(1).numpy())
    rows = [{"table": "diverged", "first": number, "value": 1.0} for number in diverged]
    rows += [{"table": "inputs", "concept": name, "value": reading.score} for name, reading in inputs.items()]
    compared = partial(compare, cohort, draws=draws, shuffles=shuffles, seed=seed)
    table = compared(report=lambda done, note: say(int(RAISING + (100 - RAISING) * done), 100, note))
    return pd.concat([table, _table(rows)], ignore_index=True)


def compare(
    cohort: Cohort, *, draws: int, shuffles: int, seed: int, report: Report = lambda done, note: None
) -> pd.DataFrame:
    """The table of a cohort, without the rows that need its setup; see :func:`raise_and_compare`."""
    choice = _choice(cohort, seed)
    best = best_site(choice, cohort.intended)
    last = len(cohort.ages) - 1
    cells = [(age, best) for age in range(len(cohort.ages))] + [(last, s) for s in cohort.decisive if s != best]
    tables = [choice, _table([{"table": "groups", "value": len(np.unique(cohort.read_on.groups))}])]
    for i, (age, site) in enumerate(cells):
        report(0.6 * i / len(cells), f"probes at {site}, age {cohort.ages[age]}")
        tables.append(_transfers(cohort, age, site, draws=draws, seed=seed))
    tables.append(_earlier(cohort, best, draws=draws, seed=seed))
    report(0.6, "similarity of representations")
    tables.append(_similarities(cohort, best))
    for age, experiences in enumerate(cohort.ages):
        report(0.7 + 0.3 * age / len(cohort.ages), f"addresses at age {experiences}")
        tables.append(_addresses(cohort, age, shuffles=shuffles, seed=seed))
    tables.append(_halves(cohort, shuffles=shuffles, seed=seed))
    report(1.0, "compared")
    return pd.concat(tables, ignore_index=True)


# -- raising and reading -----------------------------------------------------------------------------------------------


def _numbers(setup: Setup) -> range:
    return range(setup.schedule.first_seed, setup.schedule.first_seed + setup.schedule.seeds)


def _raise(setup: Setup, folder: RunFolder, report: Report) -> None:
    """Train all seeds, in the same batches of seeds as a run of the setup does, so that they are equal to the bit."""
    numbers, size = _numbers(setup), setup.schedule.together
    for start in range(0, len(numbers), size):
        seeds = tuple(numbers[start : start + size])

        def tell(step: Progress, start: int = start, seeds: tuple[int, ...] = seeds) -> None:
            if (step.age // setup.schedule.batch) % 20 == 0 or step.age == step.total:
                done = (start + len(seeds) * step.age / step.total) / len(numbers)
                report(done, f"seeds {seeds[0]}-{seeds[-1]}, loss " + " ".join(f"{loss:.2f}" for loss in step.loss))

        LearnerLifetime(setup, seeds, folder).live(tell)


def _read_cohort(setup: Setup, folder: RunFolder) -> tuple[Cohort, list[int]]:
    """Activations of the seeds that reached the last age, and the seeds that diverged before."""
    ages = setup.planned
    numbers = _numbers(setup)
    seeds = tuple(number for number in numbers if ages[-1] in LearnerLifetime.living_ages(setup, folder, number))
    if len(seeds) < 2:
        raise NotMeasurableError(f"{len(seeds)} of {len(numbers)} seeds lived to the last age; expected two to compare")
    sites = sites_of(setup)
    world = setup.make_world()
    decisive = tuple(site for site in sites if site.endswith(f"@{world.decision}"))
    choice = world.sample(setup.evaluation.episodes, rng=generator("address choice"), design="balanced")
    exam = exam_of(setup)
    learner = LearnerLifetime.revive(setup, folder, seeds[0], 0).learner
    levels = pd.DataFrame({"module": [learner.module_of(site.rpartition("@")[0]) for site in sites], "site": sites})

    def read(number: int, age: int, batch: Batch, where: Sequence[str]) -> dict[str, Tensor]:
        kept = LearnerLifetime.revive(setup, folder, number, age)
        subject = Subject.of_learner(kept.learner, world, kept.weight, kept.bias)
        return subject.activations(batch.observation, where)

    def shown(batch: Batch, groups: Ints, at: Sequence[int], where: Sequence[str]) -> Shown:
        every = [[read(number, age, batch, where) for number in seeds] for age in at]
        stacked = {
            site: torch.stack([torch.stack([network[site] for network in networks]) for networks in every])
            for site in where
        }
        return Shown(stacked, batch.concepts[list(setup.located)], groups)

    chosen_on = shown(choice, choice.groups, ages, decisive)
    read_on = shown(exam.batch, exam.targets.groups, ages, sites)
    diverged = [number for number in numbers if number not in seeds]
    return Cohort(seeds, ages, setup.intended, decisive, levels, chosen_on, read_on), diverged


# -- comparing ---------------------------------------------------------------------------------------------------------


def _table(rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    table = table.reindex(columns=list(COLUMNS))
    whole = dict.fromkeys(("age", "other_age", "draw", "first", "second"), "Int64")
    text = dict.fromkeys(("table", "name", "concept", "site", "level"), "string")
    return table.astype({**whole, **text, "value": "float64"})


def _choice(cohort: Cohort, seed: int) -> pd.DataFrame:
    """Own probes on the episodes on which is chosen, at every age."""
    tables, itself = [], torch.arange(len(cohort.seeds))[:, None].expand(-1, 2)
    shown = cohort.chosen_on
    for site in cohort.decisive:
        for i, age in enumerate(cohort.ages):
            rng = np.random.default_rng([seed, 0])
            scores = transfer(shown.activations[site][i], shown.concepts, pairs=itself, groups=shown.groups, rng=rng)
            first = np.asarray(cohort.seeds)[scores["first"]]
            tables.append(scores[["concept"]].assign(first=first, value=scores["own"], site=site, age=age))
    return _table(pd.concat(tables).assign(table="choice", name="own"))


def _transfers(cohort: Cohort, age: int, site: str, *, draws: int, seed: int) -> pd.DataFrame:
    """Scores of all routes between seeds at one age and site, and chance."""
    x = cohort.read_on.activations[site][age]
    every = torch.cartesian_prod(torch.arange(len(x)), torch.arange(len(x)))
    ordered = every[every[:, 0] != every[:, 1]]
    once = ordered[(ordered.sum(1) % 2 == 0) == (ordered[:, 0] < ordered[:, 1])]
    scores = _routes(cohort, x, (ordered, once), draws=draws, seed=seed)
    chance = scores.groupby("concept", sort=False)["chance"].first().rename("value").reset_index()
    tables = [_long(scores).assign(table="transfer"), chance.assign(table="chance")]
    return _table(pd.concat(tables).assign(site=site, age=cohort.ages[age]))


def _earlier(cohort: Cohort, site: str, *, draws: int, seed: int) -> pd.DataFrame:
    """Probes of every seed at every age before the last, read on the same seed at the last age."""
    x, networks = cohort.read_on.activations[site], len(cohort.seeds)
    pairs = torch.stack([torch.arange(networks), torch.arange(networks) + networks], dim=1)
    tables = []
    for i, age in enumerate(cohort.ages[:-1]):
        both = torch.cat([x[i], x[-1]])
        scores = _long(_routes(cohort, both, (pairs, pairs), draws=draws, seed=seed))
        tables.append(scores.assign(age=age, other_age=cohort.ages[-1]))
    return _table(pd.concat(tables).assign(table="earlier", site=site))


def _routes(cohort: Cohort, x: Tensor, pairs: tuple[Tensor, Tensor], *, draws: int, seed: int) -> pd.DataFrame:
    """Scores of all routes between networks ``x`` ``[., n, d]``, which are the cohort's seeds, once or repeated.

    ``pairs``: those that are scored on the groups as they are, and those that are scored in each draw of groups.
    """
    shown, tables = cohort.read_on, []
    for draw in range(draws + 1):
        rng = np.random.default_rng([seed, draw])
        rows = np.arange(len(shown.groups)) if draw == 0 else _drawn(shown.groups, rng)
        concepts = shown.concepts.iloc[rows].reset_index(drop=True)
        for _ in range(SPLITS if draw == 0 else 1):
            scored = transfer(x[:, rows], concepts, pairs=pairs[min(draw, 1)], groups=shown.groups[rows], rng=rng)
            tables.append(scored.assign(draw=draw))
    keys = ["concept", "draw", "first", "second"]
    scores = pd.concat(tables, ignore_index=True).groupby(keys, sort=False)[[*ROUTES, "chance"]].mean().reset_index()
    number = np.resize(cohort.seeds, len(x))
    return scores.assign(first=number[scores["first"]], second=number[scores["second"]])


def _long(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.melt(["concept", "draw", "first", "second"], list(ROUTES), "name", "value")


def _drawn(groups: Ints, rng: np.random.Generator) -> Ints:
    """Rows of as many groups as there are, drawn with replacement; a group drawn twice stays one group."""
    size = int(groups.max()) + 1
    members = [np.flatnonzero(groups == group) for group in range(size)]
    return np.concatenate([members[group] for group in rng.integers(size, size=size)])


def _similarities(cohort: Cohort, best: str) -> pd.DataFrame:
    """CKA between seeds of one age at every decisive site, and between all seeds and ages at the best one."""
    tables = []
    for site in cohort.decisive:
        x = cohort.read_on.activations[site]
        blocks = [np.arange(x.shape[1]) + age * x.shape[1] for age in range(len(x))]
        flat = x.flatten(0, 1)
        for block in [np.arange(len(flat))] if site == best else blocks:
            first, second = np.triu_indices(len(block), k=1)
            cka = cka_matrix(flat[block])[first, second].numpy()
            age, network = np.divmod(block, x.shape[1])
            seed, old = np.asarray(cohort.seeds)[network], np.asarray(cohort.ages)[age]
            who = {"age": old[first], "other_age": old[second], "first": seed[first], "second": seed[second]}
            tables.append(pd.DataFrame({"site": site, **who, "value": cka}))
    return _table(pd.concat(tables).assign(table="cka"))


def _shares(cohort: Cohort, age: int, rows: Ints, *, shuffles: int, rng: np.random.Generator) -> Tensor | None:
    """Addresses ``[S, d]`` of the intended concept at all sites on some episodes; None where it cannot be scored."""
    shown = cohort.read_on
    x = torch.cat([shown.activations[site][age][:, rows] for site in cohort.levels["site"]], dim=2)
    labels = shown.concepts[cohort.intended].iloc[rows].reset_index(drop=True)
    try:
        return address(single_unit_scores(x, labels, groups=shown.groups[rows], shuffles=shuffles, rng=rng))
    except NotMeasurableError:
        return None


def _levels(cohort: Cohort) -> pd.DataFrame:
    """The levels of every unit, site by site."""
    widths = [cohort.read_on.activations[site].shape[-1] for site in cohort.levels["site"]]
    return cohort.levels.loc[np.repeat(np.arange(len(widths)), widths)].reset_index(drop=True)


def _addresses(cohort: Cohort, age: int, *, shuffles: int, seed: int) -> pd.DataFrame:
    """Entropy of every network's address of the intended concept and overlap of every pair, at each level."""
    rng, levels, every = np.random.default_rng([seed, 0]), _levels(cohort), np.arange(len(cohort.read_on.groups))
    share = _shares(cohort, age, every, shuffles=shuffles, rng=rng)
    if share is None:
        return _table([])
    rows: list[dict[str, Any]] = []
    for network, number in enumerate(cohort.seeds):
        alone = address_by_level(share[[network]], levels, draws=1, rng=rng)
        rows += _level_rows(alone, {"bits": "bits", "most_bits": "most_bits"}, {"first": number})
    for first, second in zip(*np.triu_indices(len(share), k=1), strict=True):
        both = address_by_level(share[[first, second]], levels, draws=shuffles, rng=rng)
        rows += _level_rows(both, PAIR_TABLES, {"first": cohort.seeds[first], "second": cohort.seeds[second]})
    return _table([{**row, "concept": cohort.intended, "age": cohort.ages[age]} for row in rows])


def _halves(cohort: Cohort, *, shuffles: int, seed: int) -> pd.DataFrame:
    """Overlap of addresses in one half of the groups with those in the other, of networks and of pairs, last age."""
    rng, levels = np.random.default_rng([seed, 0]), _levels(cohort)
    half = folds_of(cohort.read_on.groups, 2, rng)
    parts = [_shares(cohort, -1, np.flatnonzero(half == i), shuffles=shuffles, rng=rng) for i in range(2)]
    if parts[0] is None or parts[1] is None:
        return _table([])
    rows: list[dict[str, Any]] = []
    for first, second in np.ndindex(len(parts[0]), len(parts[1])):
        both = torch.stack([parts[0][first], parts[1][second]])
        at_levels = address_by_level(both, levels, draws=shuffles, rng=rng)
        who = {"first": cohort.seeds[first], "second": cohort.seeds[second]}
        rows += _level_rows(at_levels, {"halves": "overlap", "chance_halves": "chance"}, who)
    return _table([{**row, "concept": cohort.intended, "age": cohort.ages[-1]} for row in rows])


def _level_rows(by_level: pd.DataFrame, tables: Mapping[str, str], who: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"table": table, "level": level, "value": value, **who}
        for table, column in tables.items()
        for level, value in zip(by_level["level"], by_level[column], strict=True)
    ]


# -- what is chosen ----------------------------------------------------------------------------------------------------


def _own(table: pd.DataFrame, concept: str) -> pd.DataFrame:
    """Own probes on the episodes on which is chosen: rows site x seed, columns ages."""
    mine = table[(table["table"] == "choice") & (table["concept"] == concept)]
    wide = mine.pivot_table(index=["site", "first"], columns="age", values="value", sort=True)
    return wide if wide.shape[1] >= 2 else pd.DataFrame()


def best_site(table: pd.DataFrame, concept: str) -> str:
    """The site where own probes read the concept best at the last age, mean over all seeds.

    Raises :class:`NotMeasurableError` when it cannot be read anywhere.
    """
    own = _own(table, concept)
    if own.empty:
        raise NotMeasurableError(f"{concept} cannot be read at any site on the episodes of choice")
    return str(own.iloc[:, -1].groupby("site", sort=False).mean().idxmax())


def holders(table: pd.DataFrame, concept: str, site: str, chance: float) -> tuple[dict[int, list[int]], list[int]]:
    """Seeds in which the concept has formed at the last age -> earlier ages at which it had; seeds that can be read.

    Formed: the own probe scores more than ``MARGIN`` above chance and above the best untrained network of the cohort.
    Readable: above chance by as much, at the last age.
    """
    own = _own(table, concept)
    own = own[own.index.get_level_values("site") == site].droplevel("site")
    last, high = own.iloc[:, -1], own > max(chance, float(own.iloc[:, 0].max())) + MARGIN
    ages, numbers = own.columns.tolist(), own.index.tolist()
    before = {
        int(seed): [int(age) for age, was in zip(ages[:-1], row, strict=False) if was]
        for seed, row in zip(numbers, high.to_numpy().tolist(), strict=True)
        if row[-1]
    }
    return before, [int(seed) for seed in last[last > chance + MARGIN].index]
