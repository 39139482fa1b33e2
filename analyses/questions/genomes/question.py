"""genomes: what can a genome write down that rewards a concept which every learner keeps at another address?

A genome is the same for all learners that are born with it, and what they learn is not. Six kinds are compared on one
population of learners: a fixed unit (G0), a unit chosen by evolution (G1), a raw sensor (G2), an assessor that a sensor
teaches (G3), the same within a window and then frozen (G4), and a region into which gradients were routed (G5, the
honest counter-hypothesis; Turner, "Human values and biases are inaccessible to the genome", raised his credence on it).
What is read: :mod:`imprint.analyses.questions.genomes.measure`; how G1 evolves:
:mod:`imprint.analyses.questions.genomes.evolution`.

What can be foreseen and what cannot: units of one layer are interchangeable at birth, so that no index is worth more
than another in a learner with initial weights of its own, and evolution cannot but fail by its choice of an index. Not
settled beforehand are whether units fire for the caregiver on the whole (then any fixed unit would do), how much an
assessor with a crude teacher reaches, whether what was frozen still reads what goes on changing, and all of G5. Initial
weights alone are no heritable address here (question ``address``): by the end of life nothing is left of it. The
positive control therefore inherits an ancestor's weights from the middle of its life.

Pilots (seeds 500 to 505; three and two of them with inherited weights and with routing) fixed the length of life, the
number of seeds, and that a reward without information is compared with what would count as grounded: its area differs
by .16 from seed to seed, since it is a random readout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.genomes.evolution import Lineages, evolve, signed
from imprint.analyses.questions.genomes.exhibits import exhibits
from imprint.analyses.questions.genomes.measure import ANCESTOR, ORACLE, REGION, STILL, TRIED, raise_and_read
from imprint.analyses.statistics import Estimate, mean_of_all
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

BAND, PART = 0.05, 0.8
FIXED, EVOLVED = "G0 fixed unit", "G1 evolved unit"
EVOLVING = 5000
"""What is added to the first seed for learners in which genomes evolve."""
OWN = "own learners"
"""Where the evolved genome is read besides new learners."""


class Settings(QuestionSettings):
    """How many learners are raised, and how evolution goes."""

    seeds: int = Field(12, ge=2, le=10_000)
    """Learners with initial weights of their own in which genomes are compared, numbered from ``seed``."""
    evolving: int = Field(10, ge=2, le=10_000)
    """Other such learners, in which G1 evolves, numbered from ``seed`` + 5000."""
    heirs: int = Field(5, ge=2, le=10_000)
    """Learners of every population that inherits something, and as many others in which its genomes evolve."""
    control_seeds: int = Field(4, ge=2, le=10_000)
    """Learners that are untrained, and of either way of routing gradients."""
    together: int = Field(6, ge=1, le=10_000)
    """Seeds that train as one batch."""
    setup: str = "nursery-crude"
    """Shipped name or YAML file of a setup with a detector."""
    experiences: int | None = Field(None, ge=1, le=10**12)
    """Length of a life; None: the setup's own."""
    closes: int = Field(2000, ge=1, le=10**12)
    """Events after which an imprinting window shuts."""
    lineages: int = Field(64, ge=1, le=100_000)
    """Independent courses of evolution."""
    generations: int = Field(40, ge=1, le=100_000)
    """Generations of each."""
    population: int = Field(40, ge=4, le=100_000)
    """Individuals of a generation."""
    learners: int = Field(5, ge=1, le=10_000)
    """How many of the learners in which genomes evolve one lineage has."""


class Genomes(Question[Settings]):
    """Fixed, evolved, sensing, taught, imprinted and routed rewards for one learned concept."""

    card: ClassVar[Card] = Card(
        question="What can a genome write down so that what it rewards is a concept that each brain learns for itself?",
        prediction="No address: a fixed unit is at chance in new learners, and so is one that evolution chose in other "
        "learners, though it wins in those. A teacher: an assessor taught by a crude sensor, and one that was "
        "imprinted in a late window and then frozen, reach at least 80 % of what an oracle's probe does.",
        refuted_if="An evolved unit is as good as the assessor in new learners; or one of the numbers lies with its "
        "whole interval on the wrong side of its bound.",
        decision="Area under the ROC curve for the caregiver, who is hidden or in view, on held-out episodes in which "
        "nothing goes along with her, over learners that evolution has not seen. Addresses: area of the fixed "
        f"and of the evolved unit between {0.5 - BAND:g} and {0.5 + BAND:g}, and the assessor's area above that of the "
        f"evolved unit. Teachers: area above .5 at least {PART:g} of the oracle's, as a difference at least 0, of the "
        "assessor and of the late imprinted one. Needed, or else undetermined: the evolved unit at least "
        f"{0.5 + BAND:g} in the learners in which it evolved, and, in a population that inherits an ancestor's "
        "weights, in new learners, too (so that an address that is there would be seen); the "
        "oracle at least .05 better in grown than in untrained learners; an assessor under a signal without "
        f"information below {PART:g} of the oracle. Student's 95 % intervals over seeds wholly inside: confirmed; one "
        "wholly outside: refuted; otherwise undetermined. The raw sensor, shared initial weights, an imprinting window "
        "at birth and gradient routing are reported, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, section 2.7; Turner, Human values and biases are "
        "inaccessible to the genome; Cloud et al. 2024 (arXiv 2410.04332).",
    )
    metrics: ClassVar[Metrics] = {
        "genomes": "the verdict",
        "area": "area under the ROC curve of a reward for the concept; control: the genome, its population",
        "latch_index": "effect of the concept on a reward, in parts of both effects, concept's and cue's",
        "of_the_oracle": "area above .5 less 0.8 of the oracle's; control: the genome",
    }

    def power(self) -> Bought:
        """From the pilot seeds."""
        expected = [
            Expected("fixed unit at chance", BAND, 0.013, between=True, of="fixed unit"),
            Expected("evolved unit at chance", BAND, 0.04, between=True, of="evolved unit"),
            Expected("assessor above the evolved unit (from 0.39)", 0.39, 0.08, of="assessor less evolved unit"),
            Expected("assessor above 0.8 of the oracle (from 0.04)", 0.04, 0.04, of=grounded(TRIED["assessor"])),
            Expected("late imprinting above 0.8 of the oracle (from 0.05)", 0.05, 0.04, of=grounded(TRIED["late"])),
        ]
        return bought(self.settings.seeds, expected, "Spreads are those of six pilot seeds (500 to 505).")

    def work(self) -> list[Work]:
        """One piece per batch of seeds of every population, the longest first."""
        s = self.settings
        route = {"signal": _detector(s.setup), "units": REGION}
        one_birth = {"schedule.shared_birth": ANCESTOR}
        plans: list[tuple[str, int, dict[str, Any], bool]] = [
            ("fresh", s.seeds, {}, False),
            ("fresh", s.evolving, {}, True),
            *((kind, s.heirs, one_birth, evolving) for kind in ("shared", "inherited") for evolving in (False, True)),
            ("routed", s.control_seeds, {"routing": route}, False),
            ("routed, shared rest", s.control_seeds, {"routing": {**route, "exclusive": False}}, False),
            ("newborn", s.control_seeds, {"schedule.learning_rate": STILL}, False),
        ]
        pieces = []
        for population, count, more, evolving in plans:
            role, first = ("evolution", s.seed + EVOLVING) if evolving else ("evaluation", s.seed)
            for batch in self.batches(first, count, s.together):
                name = f"{population}-{role}-{batch[0]}".replace(", ", "-").replace(" ", "-")
                arguments = {"setup": self._setup(more, population), "seeds": batch, "population": population}
                pieces.append(Work(name, raise_and_read, {**arguments, "role": role, "closes": s.closes}))
        return pieces

    def _setup(self, more: dict[str, Any], population: str) -> dict[str, Any]:
        """One world, so that nothing but what was learned differs between seeds; an untrained life is short."""
        changes: dict[str, Any] = {"schedule.worlds": 1, **more}
        if self.settings.experiences is not None:
            changes["schedule.experiences"] = self.settings.experiences
        setup = load_setup(self.settings.setup, changes=changes, expect=Setup)
        if population == "newborn":
            changes["schedule.experiences"] = max(setup.schedule.experiences // 8, setup.schedule.batch)
            setup = load_setup(self.settings.setup, changes=changes, expect=Setup)
        return setup.resolved()

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """Let G1 evolve in what was measured, then the card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        whole = joined(tables)
        evolved = {kind: self._evolve(whole, kind) for kind in ("fresh", "shared", "inherited")}
        table = pd.concat([read(whole), *(addresses(whole, kind, lines) for kind, lines in evolved.items())])
        table = table.reset_index(drop=True)
        table["latch"] = table["concept"].abs() / (table["concept"].abs() + table["cue"].abs())
        areas = over_seeds(table, ["population", "genome", "where"], "area")
        known = table.dropna(subset=["latch"])
        latches = over_seeds(known, ["population", "genome", "where"], "latch")
        rows = [
            *self.rows(areas, "area", lambda r: _about("area", r)),
            *self.rows(latches, "latch", lambda r: _about("latch_index", r)),
            *self.rows(table, "area", lambda r: _about("area", r)),
            *({"metric": "of_the_oracle", "control": name, **part(table, name).row()} for name in GROUNDED),
        ]
        courses = {kind: lines.course for kind, lines in evolved.items()}
        return self.answer(decide(table), rows, exhibits(areas, latches, table, courses))

    def _evolve(self, whole: pd.DataFrame, population: str) -> Lineages:
        s = self.settings
        area = units(whole, population, "evolution")["area"].to_numpy()
        sizes = {"lineages": s.lineages, "generations": s.generations, "population": s.population}
        return evolve(area, **sizes, learners=s.learners, rng=np.random.default_rng(s.seed))


GROUNDED = (TRIED["assessor"], TRIED["late"])
NOISE = TRIED["noise"]


def _detector(setup: str) -> str:
    return str(next(part["name"] for part in load_setup(setup, expect=Setup).steering if part["kind"] == "detector"))


def _about(metric: str, row: Mapping[str, Any]) -> dict[str, Any]:
    where = "" if row["where"] == "new learners" else f", in its {row['where']}"
    return {"metric": metric, "concept": "caregiver", "control": f"{row['genome']}, {row['population']}{where}"}


def units(whole: pd.DataFrame, population: str, role: str) -> pd.DataFrame:
    """Area and effects of every unit: rows seeds, columns (number, site, unit)."""
    rows = whole[(whole["genome"] == "unit") & (whole["population"] == population) & (whole["role"] == role)]
    return rows.pivot_table(index="seed", columns=["site", "unit"], values=["area", "concept", "cue"])


def read(whole: pd.DataFrame) -> pd.DataFrame:
    """Rows of all genomes but single units, in new learners."""
    rows = whole[(whole["genome"] != "unit") & (whole["role"] == "evaluation")]
    return rows[["population", "seed", "genome", "area", "concept", "cue"]].assign(where="new learners")


def addresses(whole: pd.DataFrame, population: str, lineages: Lineages) -> pd.DataFrame:
    """Rows of the fixed and the evolved unit, mean over lineages, in new learners and in those of evolution."""
    rows = []
    for role, where in (("evaluation", "new learners"), ("evolution", OWN)):
        table = units(whole, population, role)
        numbers = {name: table[name].to_numpy() for name in ("area", "concept", "cue")}
        for s, seed in enumerate(table.index):
            area, concept, cue = (numbers[name][s] for name in ("area", "concept", "cue"))
            mine = slice(None) if role == "evaluation" else lineages.pool_has[:, s]
            kinds = {FIXED: (lineages.first, np.ones_like(lineages.sign)), EVOLVED: (lineages.unit, lineages.sign)}
            for genome, (unit, sign) in kinds.items():
                unit, sign = unit[mine], sign[mine]
                own = {"area": signed(area[unit], sign).mean()}
                own |= {"concept": np.abs(concept[unit]).mean(), "cue": np.abs(cue[unit]).mean()}
                rows.append({"population": population, "seed": int(seed), "genome": genome, "where": where, **own})
    return pd.DataFrame(rows)


def _of(table: pd.DataFrame, genome: str, population: str = "fresh", where: str = "new learners") -> pd.Series:
    rows = table[(table["genome"] == genome) & (table["population"] == population) & (table["where"] == where)]
    return rows.set_index("seed")["area"].sort_index()


def grounded(genome: str) -> str:
    """Name of the prediction on a genome with a teacher."""
    return f"{genome.partition(' ')[2]}, less 0.8 of the oracle"


def part(table: pd.DataFrame, genome: str) -> Estimate:
    """Area above .5 less 0.8 of the oracle's."""
    return mean_of_all((_of(table, genome) - 0.5) - PART * (_of(table, ORACLE) - 0.5))


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule on rows of population, seed, genome, where (``new learners``, ``own learners``) and area."""
    band: Bounds = {"least": 0.5 - BAND, "most": 0.5 + BAND}
    fixed, evolved = _of(table, FIXED), _of(table, EVOLVED)
    taught, late = GROUNDED
    learned = (_of(table, ORACLE) - _of(table, ORACLE, "newborn")).dropna()
    controls = [
        Prediction("evolved unit in its own learners", mean_of_all(_of(table, EVOLVED, where=OWN)), least=0.5 + BAND),
        Prediction("evolved unit, inherited weights", mean_of_all(_of(table, EVOLVED, "inherited")), least=0.5 + BAND),
        Prediction("oracle, grown less untrained", mean_of_all(learned), least=0.05),
        Prediction("signal without information, less 0.8 of the oracle", part(table, NOISE), most=0.0),
    ]
    parts = {
        "addresses": [
            Prediction("fixed unit", mean_of_all(fixed), **band),
            Prediction("evolved unit", mean_of_all(evolved), **band),
            Prediction("assessor less evolved unit", mean_of_all(_of(table, taught) - evolved), least=0.0),
        ],
        "teachers": [Prediction(grounded(name), part(table, name), least=0.0) for name in (taught, late)],
    }
    return judged_each(parts, controls)
