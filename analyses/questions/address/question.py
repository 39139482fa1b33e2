"""address: does a learned concept sit at units that nobody could have named in advance?

Two kinds of cohorts are raised by the same setup: seeds with initial weights of their own, and seeds that share the
initial weights of one birth and differ in experience alone. In each, a probe of one network is read on another: at the
same units, at units matched by their activity, after a rotation, and beside the other's own probe
(:mod:`imprint.probes.networks.alignment`). It is also read on the same network at a later age, where addresses
may well last. The single units that know the concept are compared by :mod:`imprint.probes.networks.address`. What is
measured: :mod:`imprint.analyses.questions.address.measure`; intervals:
:mod:`imprint.analyses.questions.address.estimates`.

The control of the measure is weak where the concept forms between the last two planned ages: there is then no earlier
address that could have lasted, and the answer is undetermined.

What can be foreseen and what cannot. Units of a layer are interchangeable when their initial weights are drawn alike,
so that nobody can name one of them in advance *by symmetry*; that half of the prediction tests the measure more than
the world. Not settled beforehand are whether networks hold the same content up to a rotation, how much of an address
initial weights alone hand down, and how well coarse places (which module, which moment) can be foreseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field, field_validator

from imprint.analyses.findings import findings
from imprint.analyses.locate.judging import MARGIN
from imprint.analyses.questions.address.estimates import LEAST, ROUTE_NAMES, Compared, Holding, estimate, frames_of
from imprint.analyses.questions.address.measure import raise_and_compare
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.statistics import Estimate
from imprint.analyses.verdicts import Conclusion
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

HALF = 0.5
"""Of own probes' gain over chance: less is not finding the concept there, more is."""


class Settings(QuestionSettings):
    """What is raised and how closely it is compared."""

    setup: str = "nursery"
    """Shipped name or YAML file of the setup."""
    seeds: int = Field(8, ge=4)
    """Training seeds of every cohort."""
    births: tuple[int, ...] = (100, 101)
    """Seeds whose initial weights are shared, one cohort each."""
    experiences: int | None = None
    """Length of a lifetime; None: the setup's own."""
    ages: int | tuple[int, ...] | None = None
    """Planned ages; None: the setup's own."""
    draws: int = Field(8, ge=2)
    """Draws of groups of held-out episodes behind an interval."""
    shuffles: int = Field(49, ge=19)
    """Shuffles behind the floor of an address and the chance of an overlap."""

    @field_validator("births")
    @classmethod
    def _births(cls, births: tuple[int, ...]) -> tuple[int, ...]:
        if not births or len(set(births)) != len(births) or min(births) < 0:
            raise ValueError(f"births are {list(births)}; expected one or more different seeds of 0 or more")
        return births


class Address(Question[Settings]):
    """Addresses of learned concepts in cohorts of seeds."""

    card: ClassVar[Card] = Card(
        question="Does a learned concept sit at an address that nobody could have named in advance?",
        prediction="A probe of one seed says nothing about another seed read at the same units, though it does after "
        "a rotation that knows no labels, and though the other seed's own probe reads the concept well. Seeds with the "
        "same initial weights and other experience inherit part of the address (reported; the verdict is about seeds "
        "with initial weights of their own).",
        refuted_if="A probe read at the same units of a seed with other initial weights keeps more than half of what "
        "that seed's own probe gains over chance.",
        decision="The intended concept at the last age, at the site of the decision moment that own probes read best, "
        f"among seeds in which it formed (own probe more than {MARGIN:g} above chance and above every newborn); site "
        "and seeds are chosen on other episodes than those scored. kept = (score of a route - chance) / (score of own "
        f"probes - chance), 95 % intervals over seeds and groups. Refuted: kept by the same unit above {HALF:g}. "
        "Confirmed: own probes above chance, above their newborns and above the input history; kept by the same unit "
        f"below {HALF:g}; kept after rotation above {HALF:g}; and, or else the measure is blind, the probe of the same "
        "seed one planned age before keeps more at the same unit than probes of other seeds. Otherwise, or with fewer "
        f"than {LEAST} such seeds: undetermined.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, section 2.7: at best the concepts are buried somewhere "
        "inside big learned data structures.",
    )

    def work(self) -> list[Work]:
        """One piece per cohort."""
        s = self.settings
        if load_setup(s.setup, expect=Setup).make_world().decision is None:
            raise ImprintError(
                f"the world of setup {s.setup!r} names no decision moment, so there is no moment to read at; "
                "choose a setup whose world has one."
            )
        arguments = {"draws": s.draws, "shuffles": s.shuffles, "seed": s.seed}
        return [
            Work(name, raise_and_compare, {"setup": self._setup(birth).resolved(), **arguments})
            for name, birth in self._cohorts().items()
        ]

    def _cohorts(self) -> dict[str, int | None]:
        """Name of a piece -> shared birth."""
        s = self.settings
        return {"own-weights": None, **{f"shared-weights-{birth}": birth for birth in s.births}}

    def _setup(self, birth: int | None) -> Setup:
        s = self.settings
        changes: dict[str, Any] = {"schedule.seeds": s.seeds, "schedule.shared_birth": birth}
        if s.experiences is not None:
            changes["schedule.experiences"] = s.experiences
        if s.ages is not None:
            changes["schedule.ages"] = s.ages
        return load_setup(s.setup, changes=changes, expect=Setup)

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The verdict on the intended concept, and exhibits on all that were located."""
        setup = self._setup(None)
        cohorts = {name: Compared(name.replace("-", " "), tables[name]) for name in self._cohorts() if name in tables}
        if "own-weights" not in cohorts:
            why = failed.get("own-weights", "no table")
            return Answer("undetermined", f"The cohort with its own weights has no table: {why}", findings([]), ())
        own, *shared = cohorts.values()
        verdict, why = decide(own, shared, setup.intended, missing=[name for name in self._cohorts() if name in failed])
        frames = frames_of(list(cohorts.values()), setup.intended)
        row = {"concept": setup.intended, "metric": "address", "verdict": verdict, "why": why, "seeds": len(own.seeds)}
        table = findings([{"analysis": "address", "setup": setup.run_name, **r} for r in (row, *_evidence(frames))])
        return Answer(verdict, why, table, _exhibits(frames, setup.intended, own))


def decide(own: Compared, shared: list[Compared], concept: str, *, missing: list[str]) -> tuple[Conclusion, str]:
    """The card's rule, and what shared initial weights hand down; ``missing``: cohorts without a table."""
    holding, age = own.holding(concept), own.ages[-1]
    formed = f"{concept} formed in {len(holding.seeds)} of {len(own.seeds)} seeds"
    if holding.how != "formed":
        return (
            "undetermined",
            f"{concept} formed in fewer than {LEAST} of {len(own.seeds)} seeds, so there is no address.",
        )
    same = estimate(own.kept("same_unit", holding, age), own.groups)
    turned = estimate(own.kept("procrustes", holding, age), own.groups)
    said = f"{formed}, read best at {holding.site}: the same unit keeps {same:.2f}, a rotation {turned:.2f}"
    said += " of own probes' gain"
    earlier = own.kept_earlier("same_unit", holding)
    lasting = estimate(earlier - own.kept("same_unit", holding, age), own.groups)
    said += f"; a seed's own probe one age before keeps {estimate(earlier, own.groups):.2f}"
    for cohort in shared:
        kept, gained = inheritance(own, cohort, holding, age)
        said += (
            f"; among seeds with {cohort.label} the same unit keeps {kept:.2f}, {gained:.2f} more than with their own"
        )
    said += "".join(f"; {name} failed" for name in missing)
    if same.low > HALF:
        return "refuted", f"{said}."
    if floor := _unbeaten(own, holding, age):
        return "undetermined", f"{said}. Own probes are not above {floor}."
    if not (same.high < HALF and turned.low > HALF):
        return "undetermined", f"{said}. That does not settle it."
    if not lasting.low > 0:
        return "undetermined", f"{said}. Own earlier probes keep only {lasting:.2f} more: the measure may be blind."
    return "confirmed", f"{said}."


def _unbeaten(own: Compared, holding: Holding, age: int) -> str:
    """A floor that own probes are not shown to beat, or an empty string."""
    probes = own.route("own", holding, age)
    newborn = own.route("own", holding, own.ages[0])
    floors = {
        "chance": probes - own.chance(holding.concept),
        "the same learners at birth": probes - newborn,
        "the input history": probes - own.inputs(holding.concept),
    }
    return next((name for name, gain in floors.items() if not estimate(gain, own.groups).low > 0), "")


def inheritance(own: Compared, shared: Compared, holding: Holding, age: int) -> tuple[Estimate, Estimate]:
    """What the same unit keeps among seeds that share initial weights, and how much more that is, paired by seed."""
    theirs = shared.holding(holding.concept, holding.site)
    numbers = sorted({*holding.seeds, *theirs.seeds})
    kept = shared.kept("same_unit", theirs, age)
    more = shared.kept("same_unit", theirs, age, numbers) - own.kept("same_unit", holding, age, numbers)
    return estimate(kept, shared.groups), estimate(more, own.groups)


# -- evidence ----------------------------------------------------------------------------------------------------------


def _evidence(frames: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Findings of all tables; cohorts with shared weights are control rows."""
    rows: list[dict[str, Any]] = []
    names = {shown: name for name, shown in ROUTE_NAMES.items()}
    concepts = [row for row in _rows(frames["concepts"]) if isinstance(row.get("route"), str)]
    routes = _rows(frames["routes"]) + _rows(frames["ages"]) + concepts
    seen = set()
    for row in routes:
        name, key = names[row["route"]], (row["cohort"], row["concept"], row["site"], row["age"], row["route"])
        if key in seen:
            continue
        seen.add(key)
        for metric, value, low, high in (
            ("transfer", "score", "low", "high"),
            ("kept", "kept", "kept_low", "kept_high"),
        ):
            rows.append({**_about(row), "metric": f"{metric}_{name}", **_number(row, value, low, high)})
    for row in _rows(frames["cka"]):
        rows.append({**_about(row), "metric": "cka", **_number(row, "cka", "low", "high")})
    for row in _rows(frames["levels"]):
        at = row["level"]
        rows.append({**_about(row), "metric": f"address_bits_{at}", **_number(row, "bits", "bits_low", "bits_high")})
        rows.append({**_about(row), "metric": f"overlap_beyond_chance_{at}", **_number(row, "beyond", "low", "high")})
    for row in _rows(frames["seeds"]):
        if row["when"] == "last age":
            about = {"control": _control(row["cohort"]), "seed": row["seed"], "seeds": 1, "why": row["held"]}
            rows.append({**about, "metric": "own_probe", "estimate": row.get("score")})
    return rows


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _control(cohort: str) -> str | None:
    return None if cohort.startswith("own") else cohort


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: row.get(name) for name in ("concept", "site", "age", "seeds")}
    return {**about, "control": _control(row["cohort"])}


def _number(row: Mapping[str, Any], value: str, low: str, high: str) -> dict[str, Any]:
    return {"estimate": row[value], "low": row[low], "high": row[high]}


def _exhibits(frames: Mapping[str, pd.DataFrame], concept: str, own: Compared) -> tuple[Exhibit, ...]:
    """Tables with their charts; those of which nothing could be measured are left out."""
    site = own.holding(concept).site
    over = f"95 % interval over the seeds that hold the concept (of {len(own.seeds)} per cohort)"
    words = {"concept": concept, "site": site, "over": over, "both": f"{over} and groups of held-out originals"}
    tables = _shown_tables(frames)
    made = []
    for name, (heading, caption, chart) in SHOWN.items():
        table = tables[name]
        if len(table):
            level = own.chance(concept) if chart.y == "score" else chart.reference
            reading = _reading(name, table, site)
            made.append(
                Exhibit(
                    name, heading.format(**words), table, reading, caption.format(**words),
                    replace(chart, reference=level),
                )
            )  # fmt: skip
    return tuple(made)


def _shown_tables(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Exhibit -> its table."""
    levels, ages = frames["levels"], frames["cka-ages"]
    last = levels[levels["age"] == levels["age"].max()] if len(levels) else levels
    units = levels[levels["level"] == "unit"] if len(levels) else levels
    if len(ages):
        ages = ages.assign(panel=ages["cohort"] + ", " + ages["pairs"]).astype({"age": str, "other_age": str})
    about, spread = ["cohort", "concept", "age", "level", "seeds"], ["bits", "bits_low", "bits_high", "most_bits"]
    shared = [name for name in last if name not in (*about, *spread, "effective")]
    return {
        **frames,
        "cka-ages": ages,
        "entropy": last[[*about, *spread, "effective"]] if len(last) else last,
        "overlap": last[[*about, *shared]] if len(last) else last,
        "overlap-ages": units[[*about, *shared]] if len(units) else units,
    }


def _reading(name: str, table: pd.DataFrame, site: str) -> str:
    """What the numbers say at the last age, cohort by cohort."""
    said = []
    for cohort, rows in table.groupby("cohort", sort=False):
        last = rows[rows["age"] == rows["age"].max()] if name in ("ages", "overlap-ages", "cka") else rows
        said.append(f"{cohort}: {READINGS[name](last, site)}")
    return f"{'; '.join(said)}."


def _listed(key: str, value: str, low: str, high: str) -> Callable[[pd.DataFrame, str], str]:
    """Reads out rows as ``key value [low, high]``."""

    def read(rows: pd.DataFrame, site: str) -> str:
        known = rows.dropna(subset=[value])
        found = [
            f"{k} {Estimate(v, a, b, 0):.2f}" for k, v, a, b in known[[key, value, low, high]].itertuples(index=False)
        ]
        return ", ".join(found) if found else "not measured"

    return read


def _read_concepts(rows: pd.DataFrame, site: str) -> str:
    kept = [
        f"{shown} {part['kept'].min():.2f} to {part['kept'].max():.2f}"
        for shown in (ROUTE_NAMES["same_unit"], ROUTE_NAMES["procrustes"])
        if len(part := rows[rows["route"] == shown] if "route" in rows else rows[:0])
    ]
    held = rows.drop_duplicates("concept")["held"]
    return f"{int((held != 'absent').sum())} of {len(held)} concepts are held" + (
        f", kept by {', '.join(kept)}" if kept else ""
    )


def _read_ages(rows: pd.DataFrame, site: str) -> str:
    mean = rows[rows["age"] != rows["other_age"]].groupby("pairs")["cka"].mean()
    return ", ".join(f"mean over two different ages {value:.2f} ({pairs})" for pairs, value in mean.items())


def _read_seeds(rows: pd.DataFrame, site: str) -> str:
    last = rows[rows["when"] == "last age"]
    without = [str(seed) for seed in last.loc[last["held"].isin(["not formed", "diverged"]), "seed"]]
    return f"{len(last) - len(without)} of {len(last)} seeds hold it" + (
        f", not seed {', '.join(without)}" if without else ""
    )


READINGS: dict[str, Callable[[pd.DataFrame, str], str]] = {
    "routes": _listed("route", "score", "low", "high"),
    "concepts": _read_concepts,
    "ages": _listed("route", "score", "low", "high"),
    "cka": _listed("site", "cka", "low", "high"),
    "cka-ages": _read_ages,
    "entropy": _listed("level", "bits", "bits_low", "bits_high"),
    "overlap": _listed("level", "beyond", "low", "high"),
    "overlap-ages": _listed("level", "beyond", "low", "high"),
    "seeds": _read_seeds,
}
SCORE = "score on held-out originals (balanced accuracy or R2)"
SHOWN: dict[str, tuple[str, str, Chart]] = {
    "routes": (
        "Probes of {concept} of one seed, read on another",
        "Last age, {site}; {both}.",
        Chart("points", "route", "score", "route", SCORE, colour="cohort", low="low", high="high"),
    ),
    "concepts": (
        "What each route keeps, concept by concept",
        "Last age, each concept at its own best site of the decision moment; {both}. Held: formed, or given (read no "
        "better than in newborns); concepts that are absent have no address.",
        Chart("points", "concept", "kept", "concept", "part of own probes' gain over chance", low="kept_low",
              high="kept_high", colour="route", panel="cohort", reference=HALF),
    ),
    "ages": (
        "Probes of {concept} by age",
        "Seeds that hold it at the last age, at their cohort's best site; {both}.",
        Chart("lines", "age", "score", "experiences", SCORE, colour="route", panel="cohort", low="low", high="high"),
    ),
    "cka": (
        "Similarity of representations between seeds",
        "Debiased linear CKA of all seeds, at the same age; 95 % interval over seeds.",
        Chart("lines", "age", "cka", "experiences", "CKA (1: the same up to rotation)", colour="cohort",
              panel="site", low="low", high="high"),
    ),
    "cka-ages": (
        "Similarity of representations between ages",
        "Debiased linear CKA at the cohort's best site for {concept}, mean over all pairs of seeds.",
        Chart("heat", "age", "other_age", "experiences", "experiences", colour="cka", panel="panel"),
    ),
    "entropy": (
        "How spread the address of {concept} is",
        "Entropy of the address over the places of a level, last age; {over}.",
        Chart("points", "level", "bits", "level", "entropy (bits)", low="bits_low", high="bits_high", colour="cohort"),
    ),
    "overlap": (
        "Whether seeds keep {concept} at the same places",
        "Last age; overlap of two seeds' addresses minus that of shuffled places (within the coarser level); {over}.",
        Chart("points", "level", "beyond", "level", "overlap beyond chance", colour="cohort", reference=0.0,
              low="low", high="high"),
    ),
    "overlap-ages": (
        "Whether seeds keep {concept} at the same units, by age",
        "Overlap of two seeds' addresses minus that of units shuffled within their site; {over}.",
        Chart("lines", "age", "beyond", "experiences", "overlap beyond chance", colour="cohort", reference=0.0,
              low="low", high="high"),
    ),
    "seeds": (
        "Own probes of {concept}, seed by seed",
        "Held-out originals, the cohort's best site. A seed in which the concept did not form is in no pair.",
        Chart("points", "seed", "score", "seed", SCORE, colour="when", panel="cohort"),
    ),
}  # fmt: skip
"""Exhibit -> heading, caption and chart; braces are filled in."""
