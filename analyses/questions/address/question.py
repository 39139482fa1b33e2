"""address: does a learned concept sit at units that nobody could have named in advance?

Two kinds of cohorts are trained by the same setup: seeds with initial weights of their own, and seeds that share their
initial weights and differ in experience alone. In each, a probe of one network is read on another: at the same units,
at units matched by their activity, after a rotation, and beside the other's own probe
(:mod:`imprint.probes.networks.alignment`). It is also read on the same network at a later age, where addresses may well
last. The single units that carry the concept are compared by :mod:`imprint.probes.networks.address`.

Two controls show that the measure can see an address at all. A seed's own probe of an earlier age, *at which the
concept had formed* by the same rule and on the same other episodes as at the last age, is read on it at the last age;
and the address of a network in one half of the episodes is compared with its address in the other half, which is the
noise ceiling of the overlap between seeds. (The ceiling of what a probe keeps is 1: the seed's own probe is fitted on
one half and scored on the other.) An earlier edition took the planned age before the last, at which the concept had not
formed in most seeds, so that there was no address that could have lasted.

What can be foreseen and what cannot. Units of a layer whose initial weights are drawn alike are interchangeable, so
that *by symmetry* nobody can name one of them in advance; that half of the prediction tests the measure more than the
networks. Not settled beforehand are whether networks hold the same content up to a rotation, how much of an address is
fixed by the initial weights alone, and how well coarse places (which module, which moment) can be foreseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field, field_validator

from imprint.analyses.locate.judging import MARGIN
from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, bought
from imprint.analyses.questions.address.estimates import LEAST, CohortTable, Holding, estimate
from imprint.analyses.questions.address.exhibits import HALF, METRICS, exhibits_of, finding_rows, tables_of
from imprint.analyses.questions.address.measure import raise_and_compare
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work
from imprint.analyses.statistics import Estimate
from imprint.analyses.verdicts import Conclusion
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

LATE = (0.0, 0.25, 0.5, 0.625, 0.75, 0.875, 1.0)
"""Planned ages, in parts of the lifetime."""


class Settings(QuestionSettings):
    """Which learners are trained and how closely they are compared."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Number of the first training seed; also seed of halves, rotations, draws and shuffles."""
    setup: str = "nursery"
    """Shipped name or YAML file of the setup."""
    seeds: int = Field(8, ge=4, le=10_000)
    """Training seeds of every cohort, numbered from ``seed``."""
    births: tuple[int, ...] = (100, 101)
    """Seeds of shared initial weights, one cohort each."""
    experiences: int | None = None
    """Length of a lifetime; None: the setup's own."""
    ages: int | tuple[int, ...] | None = None
    """Planned ages; None: birth, and more of them late in life, when the concept has formed: :data:`LATE`."""
    draws: int = Field(8, ge=2, le=10_000_000)
    """Draws of groups of held-out episodes behind an interval."""
    shuffles: int = Field(49, ge=19, le=10_000_000)
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
        "a rotation that uses no labels, and though the other seed's own probe reads the concept well. Seeds with the "
        "same initial weights and other experience share part of the address (reported; the verdict is about seeds "
        "with initial weights of their own).",
        refuted_if="A probe read at the same units of a seed with other initial weights keeps more than half of what "
        "that seed's own probe gains over chance.",
        decision="The intended concept at the last age, at the site of the decision moment that own probes read best, "
        f"among seeds in which it formed (own probe more than {MARGIN:g} above chance and above every untrained "
        "network); site and seeds are chosen on other episodes than those scored. kept = (score of a route - chance) "
        "/ (score of own probes - chance), 95 % intervals over seeds and groups. Refuted: kept by the same unit above "
        f"{HALF:g}. Confirmed: own probes above chance, above those of their untrained networks and above the input "
        f"history; kept by the same unit below {HALF:g}; kept after rotation above {HALF:g}; and, or else the measure "
        "is blind, both of these: the probe of the same seed of an earlier age keeps more at the same unit than "
        "probes of other seeds (the latest planned age before the last at which the concept had formed by the same "
        "rule), and the address of a network in one half of the episodes overlaps with its address in the other half "
        "more than with other seeds' addresses there, unit by unit, beyond chance. Otherwise, or with fewer than "
        f"{LEAST} such seeds: undetermined.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, section 2.7: at best the concepts are buried somewhere "
        "inside big learned data structures.",
    )
    metrics: ClassVar[Metrics] = {
        "address": "the verdict",
        "own_probe": "score of the own probe of one seed at the last age; `why`: whether the concept formed",
        "cka": "debiased linear CKA of two seeds at the same age, mean over pairs",
        **METRICS,
    }

    def power(self) -> Bought:
        """From the cohorts of the first edition, seeds 0 to 7: interval's half-width x sqrt(seeds) / t quantile."""
        expected = [
            Expected("kept by the same unit below a half (from 0)", HALF, 0.25),
            Expected("kept after rotation above a half (from 0.8)", 0.3, 0.15),
            Expected("more kept by own earlier probes (from 0.6)", 0.6, 0.4),
        ]
        return bought(self.settings.seeds, expected, "Spreads are those of the first edition's cohort (seeds 0 to 7).")

    def work(self) -> list[Work]:
        """One piece per cohort."""
        s = self.settings
        if self._setup(None).make_world().decision is None:
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
        """Name of a piece of work -> seed of shared initial weights."""
        return {"own-weights": None, **{f"shared-weights-{birth}": birth for birth in self.settings.births}}

    def _setup(self, birth: int | None) -> Setup:
        s = self.settings
        length = s.experiences or load_setup(s.setup, expect=Setup).schedule.experiences
        changes: dict[str, Any] = {
            "schedule.experiences": length,
            "schedule.ages": s.ages or [round(part * length) for part in LATE],
            "schedule.seeds": s.seeds,
            "schedule.first_seed": s.seed,
            "schedule.worlds": 1,
            "schedule.shared_birth": birth,
        }
        return load_setup(s.setup, changes=changes, expect=Setup)

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The verdict on the intended concept, and exhibits on all that were located."""
        if missing := self.missing(tables, failed, "own-weights"):
            return missing
        setup = self._setup(None)
        names = [name for name in self._cohorts() if name in tables]
        own, *shared = [CohortTable(name.replace("-", " "), tables[name]) for name in names]
        conclusion = decide(own, shared, setup.intended, failed=[name for name in self._cohorts() if name in failed])
        shown = tables_of([own, *shared], setup.intended)
        return self.answer(
            conclusion,
            finding_rows(shown),
            exhibits_of(shown, setup.intended, own),
            verdict_row={"concept": setup.intended, "seeds": len(own.seeds)},
            every_row={"setup": setup.run_name},
        )


def decide(
    own: CohortTable, shared: Sequence[CohortTable], concept: str, *, failed: Sequence[str]
) -> tuple[Conclusion, str]:
    """The card's rule, and how much of an address seeds with shared initial weights have in common."""
    holding, age = own.holding(concept), own.ages[-1]
    if holding.how != "formed":
        few = f"{concept} formed in fewer than {LEAST} of {len(own.seeds)} seeds, so there is no address."
        return "undetermined", few
    same = estimate(own.kept("same_unit", holding, age), own.groups)
    rotated = estimate(own.kept("procrustes", holding, age), own.groups)
    earlier = own.kept_earlier("same_unit", holding)
    lasting = estimate(earlier - own.kept("same_unit", holding, age), own.groups)
    ceiling, across = own.halves(holding, "unit")
    found = estimate(ceiling - across, 0)
    evidence = [
        f"{concept} formed in {len(holding.seeds)} of {len(own.seeds)} seeds, read best at {holding.site}: the same "
        f"unit keeps {same:.2f}, a rotation {rotated:.2f} of own probes' gain",
        f"a seed's own probe of an earlier age at which it had formed ({_earlier_ages(holding)}) keeps "
        f"{estimate(earlier, own.groups):.2f}",
        f"units overlap beyond chance by {estimate(across, 0):.2f} among seeds, across halves of the episodes, and by "
        f"{estimate(ceiling, 0):.2f} within a seed",
    ]
    for cohort in shared:
        kept, more = inheritance(own, cohort, holding, age)
        evidence.append(
            f"among seeds with {cohort.label} the same unit keeps {kept:.2f}, {more:.2f} more than with their own"
        )
    why = "; ".join([*evidence, *(f"{name} failed" for name in failed)])
    if same.low > HALF:
        return "refuted", f"{why}."
    if floor := _unbeaten(own, holding, age):
        return "undetermined", f"{why}. Own probes are not above {floor}."
    if not (same.high < HALF and rotated.low > HALF):
        return "undetermined", f"{why}. That does not settle it."
    if not lasting.low > 0:
        return "undetermined", f"{why}. Own earlier probes keep only {lasting:.2f} more: the measure may be blind."
    if not found.low > 0:
        return "undetermined", f"{why}. Within a seed that is only {found:.2f} more: the measure may be blind."
    return "confirmed", f"{why}."


def _earlier_ages(holding: Holding) -> str:
    counted = sorted(Counter(holding.earlier.values()).items())
    return ", ".join(f"{count} seeds at {age:,}" for age, count in counted) or "in no seed"


def _unbeaten(own: CohortTable, holding: Holding, age: int) -> str:
    """A floor that own probes are not shown to beat, or an empty string."""
    probes = own.route("own", holding, age)
    untrained = own.route("own", holding, own.ages[0])
    floors = {
        "chance": probes - own.chance(holding.concept),
        "the same networks before training": probes - untrained,
        "the input history": probes - own.chance(holding.concept, "inputs"),
    }
    return next((name for name, gain in floors.items() if not estimate(gain, own.groups).low > 0), "")


def inheritance(own: CohortTable, shared: CohortTable, holding: Holding, age: int) -> tuple[Estimate, Estimate]:
    """What the same unit keeps among seeds with shared initial weights, and how much more that is, paired by seed."""
    theirs = shared.holding(holding.concept, holding.site)
    numbers = sorted({*holding.seeds, *theirs.seeds})
    kept = shared.kept("same_unit", theirs, age)
    more = shared.kept("same_unit", theirs, age, numbers) - own.kept("same_unit", holding, age, numbers)
    return estimate(kept, shared.groups), estimate(more, own.groups)
