"""Tables and charts of the question genomes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.genomes.evolution import Floats
from imprint.analyses.questions.genomes.measure import ORACLE, REGIONS

NEW = "new learners"
OVER = "95 % interval over seeds."
HEIRS = {"fresh": "own initial weights", "shared": "shared initial weights", "inherited": "inherited weights"}
"""Population -> what its learners are born with."""


def exhibits(
    areas: pd.DataFrame, latches: pd.DataFrame, table: pd.DataFrame, courses: Mapping[str, Floats]
) -> list[Exhibit]:
    """All tables of the answer: means over seeds, numbers of every seed, and the course of evolution."""
    columns = ["population", "genome", "where", "seed", "area", "concept", "cue"]
    seeds = exhibit_of_seeds(table[columns], "Effects are in standard deviations of the reward.")
    return [_genomes(areas), _heredity(areas), _course(courses), _routing(areas), _latches(latches), seeds]


def _of(areas: pd.DataFrame, population: str) -> pd.DataFrame:
    return areas[(areas["population"] == population) & (areas["where"] == NEW)]


def _genomes(areas: pd.DataFrame) -> Exhibit:
    own = _of(areas, "fresh").sort_values("area")
    value = own.set_index("genome")["area"]
    reading = (
        f"In new learners a fixed unit picks the scene with the caregiver in {value['G0 fixed unit']:.2f} of pairs, "
    )
    reading += f"an evolved one in {value['G1 evolved unit']:.2f}, the raw sensor in {value['G2 raw sensor']:.2f}, the "
    reading += (
        f"assessor that it teaches in {value['G3 assessor']:.2f}, an oracle in {value[ORACLE]:.2f}; chance is .50."
    )
    caption = (
        "Area under the ROC curve on held-out episodes in which no proxy goes along with the caregiver: how often "
    )
    caption += f"the better rewarded of two scenes, one with her and one without, is the one with her. {OVER}"
    titles = ("genome", "scenes chosen rightly (area)")
    chart = chart_over_seeds("points", "genome", "area", titles, reference=0.5)
    return Exhibit(
        "genomes", "Which genome finds the concept in learners it has never met?", own, reading, caption, chart
    )


def _heredity(areas: pd.DataFrame) -> Exhibit:
    rows = areas[areas["genome"].isin(["G1 evolved unit", "oracle of another seed"]) & areas["population"].isin(HEIRS)]
    rows = rows.assign(born=rows["population"].map(HEIRS), what=rows["genome"] + ", " + rows["where"])
    rows = rows[["born", "what", "area", "low", "high", "seeds"]]
    value = rows.set_index(["what", "born"])["area"]
    new, own = (value[f"G1 evolved unit, {where}"] for where in (NEW, "own learners"))
    listed = "; ".join(f"{born} {own[born]:.2f} and {new[born]:.2f}" for born in HEIRS.values())
    reading = f"Evolved unit in the learners in which it evolved and in new ones: {listed}."
    caption = "The oracle's probe of another learner at the same addresses shows the same for a whole readout. "
    chart = chart_over_seeds(
        "points", "born", "area", ("what learners are born with", "area"), colour="what", reference=0.5
    )
    return Exhibit("heredity", "When is an address heritable?", rows, reading, caption + OVER, chart)


def _course(courses: Mapping[str, Floats]) -> Exhibit:
    parts = [
        pd.DataFrame({"generation": range(len(course)), "born": HEIRS[kind], "fitness": course})
        for kind, course in courses.items()
    ]
    frame = pd.concat(parts, ignore_index=True)
    last = "; ".join(f"{HEIRS[kind]} {course[-1]:.2f}" for kind, course in courses.items())
    chart = Chart("lines", "generation", "fitness", "generation", "mean fitness (area)", colour="born", reference=0.5)
    caption = "Mean over lineages and individuals, each in a learner of its lineage drawn anew."
    return Exhibit("evolution", "How evolution goes", frame, f"Fitness of the last generation: {last}.", caption, chart)


def _routing(areas: pd.DataFrame) -> Exhibit:
    kinds = {"fresh": "not routed", "routed": "routed", "routed, shared rest": "routed, all steps teach the rest"}
    named = [*REGIONS, ORACLE, "G3 assessor"]
    rows = areas[areas["population"].isin(kinds) & areas["genome"].isin(named) & (areas["where"] == NEW)]
    rows = rows.assign(training=rows["population"].map(kinds))[["training", "genome", "area", "low", "high", "seeds"]]
    value = rows.set_index(["genome", "training"])["area"]
    listed = "; ".join(
        f"{kind}: region's mean {value[REGIONS[0], kind]:.2f}, first unit {value[REGIONS[1], kind]:.2f}, oracle "
        f"{value[ORACLE, kind]:.2f}" for kind in kinds.values()
    )  # fmt: skip
    caption = "G5: the region are the first latents; steps at which the detector fires alone teach what feeds them. In "
    caption += f"learners that are not routed the same latents are read. {OVER}"
    chart = chart_over_seeds("points", "genome", "area", ("what is read", "area"), colour="training", reference=0.5)
    return Exhibit("routing", "Does gradient routing give the concept an address?", rows, f"{listed}.", caption, chart)


def _latches(latches: pd.DataFrame) -> Exhibit:
    own = _of(latches, "fresh").sort_values("latch")[["genome", "latch", "low", "high", "seeds"]]
    value = own.set_index("genome")["latch"]
    reading = (
        f"The assessor's reward follows the caregiver with {value['G3 assessor']:.2f} of both effects, the oracle's "
    )
    reading += f"with {value[ORACLE]:.2f}."
    caption = f"Effect of the caregiver / (effect of the caregiver + effect of her colour). {OVER}"
    chart = chart_over_seeds("points", "genome", "latch", ("genome", "latch index"), reference=0.5)
    return Exhibit("latch", "Concept or cue?", own, reading, caption, chart)
