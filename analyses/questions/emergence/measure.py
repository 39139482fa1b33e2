"""Selectivity for a hidden state at every site of learners, from birth to the end of their lives.

Rows by ``kind``, with columns of :meth:`imprint.analyses.evaluate.learners.selectivity.Floors.sites`:

    trained      the learner, at every age and every site
    shuffled     the learner at its last age with its labels shuffled among groups, at every site
    planted      the newborn learner with the concept planted at one site: the row of the largest selectivity
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from imprint.analyses.engine import Say
from imprint.analyses.evaluate.learners.selectivity import Examined, lived
from imprint.models.setup.learner import Setup


def examine(*, setup: dict[str, Any], seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of all learners of some seeds; see the module docstring.

    Raises :class:`NotMeasurableError` when a seed diverged.
    """
    chosen, rows = Setup(**setup), list[dict[str, Any]]()
    with lived(chosen, seeds, say) as home:
        for done, seed in enumerate(seeds, start=1):
            rows += [{"seed": seed, **row} for row in _rows_of_seed(Examined(chosen, home, seed), chosen.planned)]
            say(len(seeds) + done, 2 * len(seeds), "learners examined")
    return pd.DataFrame(rows).assign(learner=chosen.learner["kind"], n=chosen.evaluation.episodes)


def _rows_of_seed(examined: Examined, ages: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of one seed."""
    rows, floors = list[dict[str, Any]](), examined.floors
    for age in ages:
        activations = examined.activations(age)
        readings = examined.targets.read_sites(activations)
        rows += [{"kind": "trained", "age": age, **row} for row in floors.sites(readings)]
        if age == ages[0]:
            planted = examined.targets.read_sites(examined.planted(activations))
            rows.append({"kind": "planted", "age": age, **floors.found(planted)})
        if age == ages[-1]:
            rows += [{"kind": "shuffled", "age": age, **row} for row in floors.sites(readings, shuffle=0)]
    return rows
