"""How firm the verdict of a run is: what its size could have shown, and whether another analysis would say the same.

``power`` is a cell that needs no trained seed. Rows of its findings, one for each supposed dominance of the intended
concept (in ``control``): metric ``power``, with the right word in ``verdict``; ``power_open``; ``power_wrong``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.evaluate.learners.exam import Exam, Examined, SetupExam, exam_of
from imprint.analyses.evaluate.procedure import reporter, resampling_rng
from imprint.analyses.findings import findings
from imprint.analyses.latch.multiverse import agreement, multiverse
from imprint.analyses.latch.power import Rows, power_table
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import design_of
from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.files import write_table
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder
from imprint.probes.door.arrays import count_of, rate_of, real_array

DOMINANCES = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
"""Supposed parts of the variance that the concepts explain that the intended concept holds."""
MOST_RUNS, MOST_SEEDS = 1_000_000, 10_000
"""Largest numbers of simulated runs, and of training seeds of one."""
DRAWS_A_RUN = 25
"""Resamples of the setup for which one run is simulated at each of them, so that a rough evaluation is a short one."""


def rows_of(exam: Examined) -> Rows:
    """The rows on which subjects are examined."""
    return Rows.of(exam.concepts, exam.groups, exam.names, equal=exam.equal)


def power(
    setup: Any,
    *,
    dominances: float | Sequence[float] = DOMINANCES,
    seeds: int | Sequence[int] = (),
    runs: int = 100,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> pd.DataFrame:
    """What words a setup of learners would say if the truth were known, before anything is trained.

    ``setup``: shipped name, YAML file, mapping or :class:`Setup`. ``dominances``: supposed parts that the intended
    concept holds of the variance that the concepts explain. ``seeds``: a number of training seeds, or several (default:
    the setup's own, twice and four times as many). Returns columns :data:`imprint.analyses.latch.power.COLUMNS`. Raises
    :class:`ImprintError` for a setup of agents and for numbers that make no sense.
    """
    chosen = load_setup(setup, expect=Setup)
    runs, seed = count_of("runs", runs, least=1, most=MOST_RUNS), count_of("seed", seed, least=0, most=2**63 - 1)
    dominances = [rate_of("dominance", float(part)) for part in _listed("dominances", dominances)]
    counts = [count_of("seeds", count, least=1, most=MOST_SEEDS) for count in _listed("seeds", seeds)]
    counts = counts or [times * chosen.schedule.seeds for times in (1, 2, 4)]
    rows, rng = rows_of(exam_of(chosen, 0)), np.random.default_rng(seed)
    return power_table(rows, chosen.decision, rng, dominances=dominances, seeds=counts, runs=runs, say=progress)


def _listed(name: str, given: Any) -> list[Any]:
    """One number or several, as a list."""
    return np.atleast_1d(real_array(name, given)).ravel().tolist() if np.size(given) else []


def limits_of(exam: SetupExam) -> list[str]:
    """What a verdict of the exam's setup can never say, in sentences; empty for a setup without such limits."""
    return [*limits_of_size(exam, exam.setup.schedule.seeds), *unchangeable(exam)]


def limits_of_size(exam: Examined, seeds: int) -> list[str]:
    """What a verdict over ``seeds`` training seeds of an exam can never say, in sentences; empty without limits."""
    limits = []
    if seeds == 1:
        limits.append("One training seed: the verdict holds for that seed, and not for another training run.")
    if len(np.unique(exam.groups)) < 2:
        limits.append("All rows are one group, so nothing can be drawn again: only “undetermined” can be said.")
    try:
        exam.design  # noqa: B018 (raises)
    except NotMeasurableError as error:
        limits.append(f"Only “undetermined” can be said: {error}")
    return limits


def unchangeable(exam: Exam) -> list[str]:
    """Which concepts the world cannot change alone, in sentences."""
    limits = []
    for name in exam.names:
        try:
            exam.world.counterfactual(exam.batch.rows(slice(0, 2)), name, exam.concepts[name].iloc[0])
        except ImprintError:
            limits.append(
                f"The world cannot change “{name}” alone, so its effect is an association, and so is what it is called."
            )
    return limits


def measure_power(setup: Setup, folder: RunFolder) -> None:
    """What words a run of this size says when the truth is known, and what it can never say."""
    exam, seeds = exam_of(setup, 0), setup.schedule.seeds
    write_table(folder.cell("power"), power_findings(exam, seeds, limits_of(exam), say=reporter(folder, "power")))


def power_findings(
    exam: Examined, seeds: int, limits: Sequence[str], *, say: Callable[[int, int, str], None]
) -> pd.DataFrame:
    """Rows of the power of a verdict over ``seeds``, and of its ``limits``."""
    setup, about = exam.setup, {"analysis": "latch", "concept": exam.setup.intended}
    tables = [pd.DataFrame([{"metric": "limit", "estimate": 1.0, "why": text, **about} for text in limits])]
    try:
        rows = rows_of(exam)
    except NotMeasurableError:
        rows = None
    if rows is not None:
        table = power_table(
            rows,
            setup.decision,
            resampling_rng("power"),
            dominances=DOMINANCES,
            seeds=[seeds],
            runs=max(setup.evaluation.resamples // DRAWS_A_RUN, 10),
            say=say,
        )
        shown = table[["seeds"]].assign(**about, control=table["dominance"].map("{:.2f}".format), n=table["runs"])
        ends = {"low": table["low"], "high": table["high"], "verdict": table["right_word"]}
        tables += [
            shown.assign(metric="power", estimate=table["right"], **ends),
            shown.assign(metric="power_open", estimate=table["open"]),
            shown.assign(metric="power_wrong", estimate=table["wrong"]),
        ]
    whole = findings(pd.concat([findings(t) for t in tables], ignore_index=True))
    return whole.assign(setup=setup.run_name)


def multiverse_rows(
    exam: Examined,
    profiles: Sequence[Profile],
    bounds: Floats,
    verdict: str,
    *,
    sign: int,
    worlds: Sequence[int],
    seeds: Sequence[int],
) -> pd.DataFrame:
    """In what part of the analyses that could have been chosen the verdict stands, for all and for each choice.

    ``worlds`` and ``seeds``: the numbers of each profile's own. Rows with ``verdict`` hold in what part of all analyses
    each word is said.
    """
    setup, concepts = exam.setup, exam.concepts
    designs = {name: design_of(concepts, exam.names, equal=name == "equal")[0] for name in ("equal", "prevalence")}
    rng = resampling_rng("multiverse")
    table = multiverse(profiles, designs, bounds, setup.decision, rng=rng, sign=sign, worlds=worlds, seeds=seeds)
    stands = agreement(table, verdict).rename(columns={"choice": "control", "agreement": "estimate", "analyses": "n"})
    words = table["verdict"].value_counts()
    said = pd.DataFrame({"verdict": words.index, "estimate": words.to_numpy() / len(table), "n": len(table)})
    both = [stands.assign(metric="multiverse"), said.assign(metric="multiverse_word")]
    return pd.concat(both, ignore_index=True).assign(concept=setup.intended)
