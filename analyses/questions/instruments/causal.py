"""Causal tests scored as estimators on planted networks: bias, coverage, power, false positives, localisation.

For a network, a number of rows and a noise, many samples of as many worlds are drawn and given to the test, just as a
user would run it, at the sites ``left``, ``middle`` and ``right`` and, where that is possible, at ``left`` and
``middle`` together. What is counted:

    estimate, truth, bias     at left (together: at left + middle); ``truth`` is what the wiring says, ``limit`` what
                              the test would say with endless rows
                              (:mod:`imprint.analyses.questions.instruments.effects`)
    covered, intervals        95 % intervals that hold the truth, and intervals that there were
    power                     part of the samples in which the test says *used* at left, where that is right
    false_positive            part of the looks at sites that are not used in which it says so
    power_zero, ..._zero      the same when the interval alone decides
    located                   part of the samples in which the largest effect is at a right site
    not_measurable            part of the samples without an estimate at left

*used* is said when the interval lies beyond the largest placebo; by the interval alone, when it lies beyond the value
of no effect. A site is used, for ablation, when it tells the value anything that varies; for all other tests, when the
concept acts on the value through it. Of untrained networks nothing is known by design: no power and no false positives.

Samples are spread over :data:`GRID`; dear tests get a part of them (:data:`PART`) and say how many.

Letters: n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
import torch

from imprint.analyses.engine import Say
from imprint.analyses.questions.instruments.effects import NAN, ROWS, Effect, Population
from imprint.analyses.questions.instruments.networks import PLANS, SITES, Observed, PlantedNetwork, number_of
from imprint.models.errors import NotMeasurableError, unknown_name
from imprint.probes.causal.alignment_search import Budget, Pairs, search
from imprint.probes.causal.edit_runs import JOINED
from imprint.probes.causal.experiments import ablations, dose_response, erasure, patching

GRID = ((300, 0.5), (300, 1.5), (1000, 0.5), (1000, 1.5))
"""(rows, noise) of a sample."""
PART = {"ablation": 0.28, "erasure": 0.48, "patching": 0.8, "dose-response": 0.48, "interchange": 0.12}
"""Part of the samples that a test is given."""
TESTS = tuple(PART)
ASKED = "left"
TOGETHER = ("left", "middle")
STRENGTHS = (-1.0, 1.0)
"""Of dose and response, in standard deviations."""
RESAMPLES, PLACEBOS = 300, 10
BUDGET = Budget(steps=80, batch=128, rate=0.05)
"""Of a search for an alignment."""
ROUNDING = 1e-3
"""Intervals are widened by this before they are asked for the truth: float32, and searches that end before the top."""

TINY = 1e-5
"""What lies beyond by less is rounding and counts as no effect."""

NOTES = {
    ("ablation zero", "constant"): "misleads: right tells nothing, yet zeros take away a constant that is read",
    ("ablation zero", "xor"): "off the distribution: costs more than all that the value varies",
    ("ablation mean", "xor"): "off the distribution: costs more than all that the value varies",
    ("ablation", "unused"): "says that left is needed, not that the concept is",
    ("ablation", "proxy"): "says that left is needed, not that the concept is",
    ("ablation alone", "redundant"): "either copy suffices, so one alone looks nearly free; ask together",
    ("erasure alone", "redundant"): "either copy suffices, so one alone looks nearly free; ask together",
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
class Reading:
    """What a test said at one place."""

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

    @property
    def above_nothing(self) -> bool:
        """Whether the interval alone says *used*."""
        return self._above(self.nothing)

    @property
    def above_placebo(self) -> bool:
        """Whether *used* is said."""
        return self._above(max(self.placebo, self.nothing))

    def _above(self, level: float) -> bool:
        lowest = max(self.low, -self.high) if self.signed else self.low
        return lowest > level + TINY


def score(test: str, *, samples: int, seed: int, say: Say, networks: Sequence[str] = tuple(PLANS)) -> pd.DataFrame:
    """One row per kind of the test, network, number of rows and noise. Raises :class:`UnknownNameError`."""
    if test not in PART:
        raise unknown_name("causal test", test, PART)
    repeats = max(2, round(samples * PART[test] / len(GRID)))
    rows: list[dict[str, Any]] = []
    for done, name in enumerate(networks, start=1):
        for cell, (n, noise) in enumerate(GRID):
            first = (seed * 1000 + number_of(name) * 10 + cell) * 10_000
            rows += _scored(test, name, n, noise, range(first, first + repeats))
        say(done, len(networks), f"{test}: {name}")
    return pd.DataFrame(rows)


def _scored(test: str, name: str, n: int, noise: float, worlds: range) -> list[dict[str, Any]]:
    found: dict[str, list[list[Reading]]] = {}
    truths: dict[str, list[Mapping[str, Effect]]] = {}
    for world in worlds:
        rng = torch.Generator().manual_seed(world)
        network = PlantedNetwork(name, noise=noise, world=world)
        for kind, readings in RUNS[test](network, network.observe(n, rng=rng), rng).items():
            asked = tuple(one.where for one in readings)
            found.setdefault(kind, []).append(readings)
            truths.setdefault(kind, []).append(_effects(kind, asked, name, noise, world if network.plan.random else 0))
    return [_row(kind, name, n, noise, found[kind], truths[kind]) for kind in found]


# -- what each test says ---------------------------------------------------------------------------------------------

Said = dict[str, list[Reading]]
"""Kind of test -> its readings."""


def _apart(kind: str, table: pd.DataFrame, column: str = "effect") -> Said:
    """Readings of single sites, and those of sites together as a kind of their own."""
    out: Said = {}
    for row in table.to_dict("records"):
        key = f"{kind}, together" if JOINED in row["site"] else kind
        estimate, low, high, placebo = (float(row.get(c, NAN)) for c in (column, "low", "high", "placebo_high"))
        out.setdefault(key, []).append(Reading(row["site"], estimate, low, high, placebo))
    return out


def _ablation(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Said:
    table = ablations(
        network.subject(), seen.observation, [*SITES, TOGETHER], joint=False, placebos=PLACEBOS // 2,
        resamples=RESAMPLES, rng=rng,
    )  # fmt: skip
    return {
        kind: readings
        for how in table["how"].unique()
        for kind, readings in _apart(f"ablation, {how}", table[table["how"] == how]).items()
    }


def _erasure(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Said:
    table = erasure(
        network.subject(), seen.observation, seen.concept, [*SITES, TOGETHER], placebos=PLACEBOS,
        resamples=RESAMPLES, rng=rng,
    )  # fmt: skip
    return _apart("erasure", table)


def _patching(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Said:
    table = patching(
        network.subject(), seen.observation, seen.flipped, [*SITES, TOGETHER], placebos=PLACEBOS,
        resamples=RESAMPLES, rng=rng,
    )  # fmt: skip
    return _apart("patching", table, "restored")


def _dose_response(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Said:
    subject, readings = network.subject(), []
    for site, x in subject.activations(seen.observation).items():
        direction = x[seen.concept].mean(0) - x[~seen.concept].mean(0)
        try:
            said = dose_response(
                subject,
                seen.observation,
                site,
                direction,
                strengths=STRENGTHS,
                placebos=PLACEBOS,
                resamples=RESAMPLES,
                rng=rng,
            )
            readings.append(Reading(site, said.slope, said.low, said.high, said.placebo_high, signed=True))
        except NotMeasurableError:
            readings.append(Reading(site, NAN, NAN, NAN, NAN))
    return {"dose-response": readings}


def _interchange(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> Said:
    subject = network.subject()
    target = torch.where(seen.differs, subject.values(seen.flipped), subject.values(seen.observation))
    pairs = Pairs(seen.observation, seen.source, target)
    found = search(
        subject, ASKED, pairs, rank=1, budget=BUDGET, draws=PLACEBOS, wrong_site="right", resamples=RESAMPLES, rng=rng
    ).table.set_index("control")
    ends = found[["score", "low", "high"]].to_numpy(dtype=float).tolist()
    said = dict(zip(found.index, ends, strict=True))
    placebo, nothing = said["untrained rotation"][2], said["no interchange"][0]
    return {
        "interchange": [
            Reading(site, score, low, high, placebo, nothing)
            for site, (score, low, high) in ((ASKED, said["learned"]), ("right", said["wrong site"]))
        ]
    }


RUNS: Mapping[str, Callable[[PlantedNetwork, Observed, torch.Generator], Said]] = {
    "ablation": _ablation,
    "erasure": _erasure,
    "patching": _patching,
    "dose-response": _dose_response,
    "interchange": _interchange,
}


# -- what is true, and what is counted -------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _population(name: str, noise: float, world: int) -> Population:
    """What is true depends on the world only in the untrained network, which is asked for each of its worlds."""
    rows = ROWS // 5 if PLANS[name].random else ROWS
    network = PlantedNetwork(name, noise=noise, world=world)
    return Population.of(network, rows=rows, rng=torch.Generator().manual_seed(world))


@lru_cache(maxsize=256)
def _effects(kind: str, wheres: tuple[str, ...], name: str, noise: float, world: int) -> dict[str, Effect]:
    test, _, how = kind.removesuffix(", together").partition(", ")
    of: Mapping[str, Callable[[Population, tuple[str, ...]], Effect]] = {
        "ablation": lambda population, sites: population.ablation(sites, how),
        "erasure": lambda population, sites: population.erasure(sites),
        "patching": lambda population, sites: population.patching(sites),
        "dose-response": lambda population, sites: population.dose_response(sites[0], STRENGTHS),
        "interchange": lambda population, sites: population.interchange(sites[0]),
    }
    population = _population(name, noise, world)
    return {where: of[test](population, tuple(where.split(JOINED))) for where in wheres}


def _row(
    kind: str, name: str, n: int, noise: float, found: list[list[Reading]], truths: list[Mapping[str, Effect]]
) -> dict[str, Any]:
    plan = PLANS[name]
    used = plan.matters if kind.startswith("ablation") else plan.acts
    asked = next(one.where for one in found[0] if one.where in (ASKED, JOINED.join(TOGETHER)))
    looks = [one for readings in found for one in readings]
    right = [one for one in looks if not plan.random and set(one.where.split(JOINED)) & set(used)]
    wrong = [] if plan.random else [one for one in looks if not set(one.where.split(JOINED)) & set(used)]
    at = pd.DataFrame(
        [
            {**vars(one), **vars(truth[asked])}
            for readings, truth in zip(found, truths, strict=True)
            for one in readings
            if one.where == asked
        ]
    )
    known = at.dropna(subset=["estimate", "low", "high", "truth"])
    inside = (known["low"] - ROUNDING <= known["truth"]) & (known["truth"] <= known["high"] + ROUNDING)
    best = [
        _best(kind, readings, truth, used) for readings, truth in zip(found, truths, strict=True) if len(readings) > 1
    ]
    asked_right = [one for one in right if one.where == asked]
    words = {*kind.split(", "), *([] if "together" in kind else ["alone"])}
    note = next((text for (part, where), text in NOTES.items() if where == name and set(part.split()) <= words), "")
    return {
        "test": kind,
        "network": name,
        "rows": n,
        "noise": noise,
        "samples": len(at),
        "used": NAN if plan.random else float(bool(asked_right)),
        "estimate": float(at["estimate"].mean()),
        "truth": float(at["truth"].mean()),
        "limit": float(at["limit"].mean()),
        "bias": float((at["estimate"] - at["truth"]).mean()),
        "covered": int(inside.sum()),
        "intervals": len(known),
        "power": _share([one.above_placebo for one in asked_right]),
        "false_positive": _share([one.above_placebo for one in wrong]),
        "power_zero": _share([one.above_nothing for one in asked_right]),
        "false_positive_zero": _share([one.above_nothing for one in wrong]),
        "negatives": len(wrong),
        "located": _share([one for one in best if one is not None]),
        "not_measurable": float(at["estimate"].isna().mean()),
        "note": note,
    }  # fmt: skip


def _best(kind: str, readings: list[Reading], truth: Mapping[str, Effect], used: tuple[str, ...]) -> bool | None:
    """Whether the largest effect is at a right site; None where there is none, or no estimate.

    For ablation the right sites are those that truly cost the most; else those through which the concept acts.
    """
    known = {one.where: one.size for one in readings if one.estimate == one.estimate}
    if not known or not used:
        return None
    if kind.startswith("ablation"):
        most = max(effect.truth for effect in truth.values())
        used = tuple(where for where, effect in truth.items() if effect.truth > most - 0.02)
    return max(known, key=lambda where: known[where]) in used


def _share(said: list[bool]) -> float:
    return sum(said) / len(said) if said else NAN
