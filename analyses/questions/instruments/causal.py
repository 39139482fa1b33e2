"""Causal tests scored as estimators on planted networks: bias, coverage, power, false positives, localisation.

For a network, a number of rows and a noise, many samples of as many worlds are drawn and given to the test, just as a
user would run it, at the sites ``left``, ``middle`` and ``right`` and, where that is possible, at ``left`` and
``middle`` together. What is counted:

    estimate, truth, bias     at left (together: at left + middle); ``truth`` follows from the wiring, ``limit`` is what
                              the test would give with endless rows
                              (:mod:`imprint.analyses.questions.instruments.effects`)
    covered, intervals        95 % intervals that hold the truth, and intervals that there were
    power                     part of the samples in which the test calls left *used*, where that is right
    false_positive            part of the tests of sites that are not used in which it does so
    power_zero, ..._zero      the same when the interval alone decides
    located                   part of the samples in which the largest effect is at a right site
    not_measurable            part of the samples without an estimate at left

A site is called *used* when the interval lies beyond the largest placebo; by the interval alone, when it lies beyond
the value of no effect. It is used, for ablation, when it tells the value anything that varies; for all other tests,
when the concept acts on the value through it. Of untrained networks nothing is known by design: no power and no false
positives.

Samples are spread over :data:`GRID`; slow tests get a part of them (:data:`PART`) and say how many.

Letters: n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd
import torch

from imprint.analyses.engine import Say
from imprint.analyses.questions.instruments.effects import ROWS, Effect, Population
from imprint.analyses.questions.instruments.networks import PLANS, SITES, Observed, PlantedNetwork, number_of
from imprint.analyses.statistics import NAN, mean_of_known
from imprint.models.errors import NotMeasurableError, unknown_name
from imprint.probes.causal.alignment_search import Budget, Pairs, search
from imprint.probes.causal.edit_runs import JOINED
from imprint.probes.causal.experiments import ablations, dose_response, erasure, patching

GRID = ((300, 0.5), (300, 1.5), (1000, 0.5), (1000, 1.5))
"""(rows, noise) of a sample."""
PART = {"ablation": 0.28, "erasure": 0.48, "patching": 0.8, "dose-response": 0.48, "interchange": 0.12}
"""Part of the samples that a test is given."""
TESTS = tuple(PART)
FOCUS = "left"
"""The site whose estimate is compared with the truth."""
TOGETHER = ("left", "middle")
STRENGTHS = (-1.0, 1.0)
"""Of dose-response, in standard deviations."""
PLACEBOS = 10
PLACES: tuple[str | tuple[str, ...], ...] = (*SITES, TOGETHER)
"""Where tests are made: at single sites and at two together."""
BUDGET = Budget(steps=80, batch=128, rate=0.05)
"""Of the search for an alignment."""
ROUNDING = 1e-3
"""Intervals are widened by this before they are compared with the truth: float32, and searches that end early."""

TINY = 1e-5
"""What lies beyond a level by less is rounding and counts as no effect."""

NOTES = {
    ("ablation zero", "constant"): "misleads: right tells nothing, yet zeros take away a constant that is read",
    ("ablation zero", "xor"): "off the distribution: costs more than all that the value varies",
    ("ablation mean", "xor"): "off the distribution: costs more than all that the value varies",
    ("ablation", "unused"): "says that left is needed, not that the concept is",
    ("ablation", "proxy"): "says that left is needed, not that the concept is",
    ("ablation alone", "redundant"): "either copy suffices, so one alone looks nearly free; test together",
    ("erasure alone", "redundant"): "either copy suffices, so one alone looks nearly free; test together",
    ("erasure together", "redundant"): "too high: what is left of the copies is noise, which the clipped sum amplifies",
    ("erasure together", "weak"): "the placebo, random directions of both sites, costs more than the concept",
    ("erasure", "proxy"): "misleads: erasing the concept takes the proxy along",
    ("erasure", "xor"): "misleads: no linear trace of the concept, so nothing is erased although it is used",
    ("patching", "unused"): "not measurable: the value does not change with the concept",
    ("patching", "proxy"): "not measurable: the value does not change with the concept",
    ("dose-response", "proxy"): "misleads: the difference of class means points along the proxy too",
    ("dose-response", "xor"): "misleads: class means do not differ, so the direction is noise",
}
"""(words of the kind; ``alone`` when not ``together``, network) -> where a test is known to mislead."""


@dataclass(frozen=True)
class SiteResult:
    """Result of a test at one site, or at two together."""

    where: str
    estimate: float
    low: float
    high: float
    placebo: float
    """Largest placebo."""
    nothing: float = 0.0
    """Value of no effect."""
    signed: bool = False
    """Whether effects of either sign count; placebos are sizes then."""

    @property
    def size(self) -> float:
        """How far the estimate is from no effect."""
        return abs(self.estimate - self.nothing) if self.signed else self.estimate - self.nothing

    def used(self, *, alone: bool = False) -> bool:
        """Whether the site is called *used*, or would be by the interval ``alone``, whatever the placebos."""
        lowest = max(self.low, -self.high) if self.signed else self.low
        return lowest > (self.nothing if alone else max(self.placebo, self.nothing)) + TINY


Results = dict[str, list[SiteResult]]
"""Kind of test -> its results."""


class Planted(NamedTuple):
    """What the truth depends on."""

    network: str
    noise: float
    world: int


def score(test: str, *, samples: int, seed: int, say: Say, networks: Sequence[str] = tuple(PLANS)) -> pd.DataFrame:
    """One row per kind of the test, network, number of rows and noise. Raises :class:`UnknownNameError`."""
    if test not in PART:
        raise unknown_name("causal test", test, PART)
    repeats = max(2, round(samples * PART[test] / len(GRID)))
    rows: list[dict[str, Any]] = []
    for done, name in enumerate(networks, start=1):
        for cell, (n, noise) in enumerate(GRID):
            first = (seed * 1000 + number_of(name) * 10 + cell) * 10_000
            cases = [Planted(name, noise, world) for world in range(first, first + repeats)]
            rows += _scored(test, n, cases)
        say(done, len(networks), f"{test}: {name}")
    return pd.DataFrame(rows)


def _scored(test: str, n: int, cases: Sequence[Planted]) -> list[dict[str, Any]]:
    """One row per kind of the test; ``cases``: the same network and noise in several worlds."""
    results: dict[str, list[list[SiteResult]]] = {}
    truths: dict[str, list[Mapping[str, Effect]]] = {}
    for case in cases:
        rng = torch.Generator().manual_seed(case.world)
        network = PlantedNetwork(case.network, noise=case.noise, world=case.world)
        truth = case if network.plan.random else case._replace(world=0)
        for kind, each in RUNS[test](network, network.observe(n, rng=rng), rng).items():
            results.setdefault(kind, []).append(each)
            truths.setdefault(kind, []).append(_effects(kind, tuple(one.where for one in each), truth))
    about = {"network": cases[0].network, "rows": n, "noise": cases[0].noise}
    return [
        {"test": kind, **about, **_counted(kind, cases[0].network, each, truths[kind])}
        for kind, each in results.items()
    ]


# -- results of each test --------------------------------------------------------------------------------------------


def _apart(kind: str, table: pd.DataFrame, column: str = "effect") -> Results:
    """Results of single sites, and those of sites together as a kind of their own."""
    out: Results = {}
    for row in table.to_dict("records"):
        key = f"{kind}, together" if JOINED in row["site"] else kind
        estimate, low, high, placebo = (float(row.get(c, NAN)) for c in (column, "low", "high", "placebo_high"))
        out.setdefault(key, []).append(SiteResult(row["site"], estimate, low, high, placebo))
    return out


def _ablation(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Results:
    fewer = PLACEBOS // 2
    table = ablations(network.subject(), seen.observation, PLACES, joint=False, placebos=fewer, rng=rng)
    return {
        kind: results
        for how in table["how"].unique()
        for kind, results in _apart(f"ablation, {how}", table[table["how"] == how]).items()
    }


def _erasure(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Results:
    subject, x = network.subject(), seen.observation
    table = erasure(subject, x, seen.concept, PLACES, placebos=PLACEBOS, rng=rng)
    return _apart("erasure", table)


def _patching(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Results:
    subject, x = network.subject(), seen.observation
    table = patching(subject, x, seen.flipped, PLACES, placebos=PLACEBOS, rng=rng)
    return _apart("patching", table, "restored")


def _dose_response(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Results:
    subject, x, results = network.subject(), seen.observation, []
    for site in subject.declared:
        try:
            dose = dose_response(
                subject, x, site, concept=seen.concept, strengths=STRENGTHS, placebos=PLACEBOS, rng=rng
            )
            results.append(SiteResult(site, dose.slope, dose.low, dose.high, dose.placebo_high, signed=True))
        except NotMeasurableError:
            results.append(SiteResult(site, NAN, NAN, NAN, NAN))
    return {"dose-response": results}


def _interchange(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Results:
    subject = network.subject()
    target = torch.where(seen.differs, subject.values(seen.flipped), subject.values(seen.observation))
    pairs = Pairs(seen.observation, seen.source, target)
    how: dict[str, Any] = {"draws": PLACEBOS, "wrong_site": "right"}
    searched = search(subject, FOCUS, pairs, rank=1, budget=BUDGET, **how, rng=rng)
    by_control = {row["control"]: row for row in searched.table.to_dict("records")}
    placebo, nothing = by_control["untrained rotation"]["high"], by_control["no interchange"]["score"]
    results = []
    for site, control in ((FOCUS, "learned"), ("right", "wrong site")):
        row = by_control[control]
        results.append(SiteResult(site, row["score"], row["low"], row["high"], placebo, nothing))
    return {"interchange": results}


RUNS: Mapping[str, Callable[[PlantedNetwork, Observed, torch.Generator], Results]] = {
    "ablation": _ablation,
    "erasure": _erasure,
    "patching": _patching,
    "dose-response": _dose_response,
    "interchange": _interchange,
}


# -- what is true, and what is counted -------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _population(case: Planted) -> Population:
    """The truth depends on the world only for the untrained network, of which each world is computed."""
    rows = ROWS // 5 if PLANS[case.network].random else ROWS
    network = PlantedNetwork(case.network, noise=case.noise, world=case.world)
    return Population.of(network, rows=rows, rng=torch.Generator().manual_seed(case.world))


@lru_cache(maxsize=256)
def _effects(kind: str, places: tuple[str, ...], case: Planted) -> dict[str, Effect]:
    """Place -> its effect in the population."""
    test, _, how = kind.removesuffix(", together").partition(", ")
    of: Mapping[str, Callable[[Population, tuple[str, ...]], Effect]] = {
        "ablation": lambda population, sites: population.ablation(sites, how),
        "erasure": lambda population, sites: population.erasure(sites),
        "patching": lambda population, sites: population.patching(sites),
        "dose-response": lambda population, sites: population.dose_response(sites[0], STRENGTHS),
        "interchange": lambda population, sites: population.interchange(sites[0]),
    }
    population = _population(case)
    return {where: of[test](population, tuple(where.split(JOINED))) for where in places}


def _counted(
    kind: str, name: str, results: list[list[SiteResult]], truths: list[Mapping[str, Effect]]
) -> dict[str, Any]:
    """Columns of one row: what all samples of a kind of test on a network come to."""
    plan = PLANS[name]
    used = plan.matters if kind.startswith("ablation") else plan.acts
    focus = next(one.where for one in results[0] if one.where in (FOCUS, JOINED.join(TOGETHER)))
    tested = [] if plan.random else [one for each in results for one in each]
    right = [one for one in tested if set(one.where.split(JOINED)) & set(used)]
    wrong = [one for one in tested if not set(one.where.split(JOINED)) & set(used)]
    at_focus = [one for one in right if one.where == focus]
    pairs = list(zip(results, truths, strict=True))
    at = pd.DataFrame([{**vars(o), **vars(truth[focus])} for each, truth in pairs for o in each if o.where == focus])
    known = at.dropna(subset=["estimate", "low", "high", "truth"])
    inside = (known["low"] - ROUNDING <= known["truth"]) & (known["truth"] <= known["high"] + ROUNDING)
    best = [_best(kind, each, truth, used) for each, truth in pairs if len(each) > 1]
    return {
        "samples": len(at),
        "used": NAN if plan.random else float(bool(at_focus)),
        "estimate": float(at["estimate"].mean()),
        "truth": float(at["truth"].mean()),
        "limit": float(at["limit"].mean()),
        "bias": float((at["estimate"] - at["truth"]).mean()),
        "covered": int(inside.sum()),
        "intervals": len(known),
        "power": mean_of_known([one.used() for one in at_focus]).value,
        "false_positive": mean_of_known([one.used() for one in wrong]).value,
        "power_zero": mean_of_known([one.used(alone=True) for one in at_focus]).value,
        "false_positive_zero": mean_of_known([one.used(alone=True) for one in wrong]).value,
        "negatives": len(wrong),
        "located": mean_of_known([one for one in best if one is not None]).value,
        "not_measurable": float(at["estimate"].isna().mean()),
        "note": _note(kind, name),
    }


def _note(kind: str, name: str) -> str:
    words = {*kind.split(", "), *([] if "together" in kind else ["alone"])}
    return next((text for (part, where), text in NOTES.items() if where == name and set(part.split()) <= words), "")


def _best(kind: str, results: list[SiteResult], truth: Mapping[str, Effect], used: tuple[str, ...]) -> bool | None:
    """Whether the largest effect is at a right site; None where there is none, or no estimate.

    For ablation the right sites are those that truly cost the most; else those through which the concept acts.
    """
    known = {one.where: one.size for one in results if one.estimate == one.estimate}
    if not known or not used:
        return None
    if kind.startswith("ablation"):
        most = max(effect.truth for effect in truth.values())
        used = tuple(where for where, effect in truth.items() if effect.truth > most - 0.02)
    return max(known, key=lambda where: known[where]) in used
