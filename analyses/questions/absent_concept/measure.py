"""A detector of absent concepts, and what an assessor makes of a concept that is not there, on trained learners.

Learners live in the world ``shortcut`` in one of three states, with a mark that goes along with even digits or not:

    present          even digits occur and can be seen
    never met        no even digit occurs in the learner's life; it is examined on them all the same
    sense missing    digits leave no trace in what is seen, in life and in the exam

**Statistic of the detector**: the largest selectivity for ``even`` over all sites that the grid examines (hooks x
moments): balanced accuracy of the grid's probe out of fold, less the highest of its floors (chance, label shuffles,
untrained twins, input history: :func:`imprint.analyses.locate.worlds.highest_floor`), on held-out episodes of the
balanced design. One row for every learner, by ``kind``:

    trained      the learner
    untrained    every untrained twin in its world, beside the other twins, from which the threshold is made
    shuffled     the learner, with its labels shuffled among groups: nothing can be present
    planted      the learner with even planted at one site, at a distance of two standard deviations: it is present

Trained learners have besides what the assessor does that their signal taught in life:

    flag_rate    part of the episodes in which the value is above half of the signal
    auc_<c>      probability that the value with the concept is larger than without it
    nearest      correlate with the AUC farthest from 1/2; ``auc_nearest`` is that AUC (or 1 minus it), and
                 ``change_nearest`` how far the value moves with it, in units of the signal (an AUC has no unit, and can
                 be large of a value that hardly varies)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

from imprint.analyses.engine import Say
from imprint.analyses.evaluate.learners.exam import SetupExam
from imprint.analyses.evaluate.learners.selectivity import Examined, lived
from imprint.analyses.statistics import Floats
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.probes.subjects.subject import Subject


def examine(*, setup: dict[str, Any], seeds: Sequence[int], state: str, say: Say) -> pd.DataFrame:
    """Rows of all learners of some seeds; see the module docstring. ``state``: theirs.

    Raises :class:`NotMeasurableError` when a seed diverged.
    """
    chosen, tables = Setup(**setup), []
    with lived(chosen, seeds, say) as home:
        for done, seed in enumerate(seeds, start=1):
            tables.append(_rows_of_seed(chosen, home, seed))
            say(len(seeds) + done, 2 * len(seeds), "learners examined")
    return pd.concat(tables, ignore_index=True).assign(state=state, rho=float(chosen.world["rho"]))


def _rows_of_seed(setup: Setup, home: RunFolder, seed: int) -> pd.DataFrame:
    """The rows of one seed and of the untrained twins in its world."""
    examined = Examined(setup, home, seed)
    floors, targets, age = examined.floors, examined.targets, setup.planned[-1]
    activations = examined.activations(age)
    trained, planted = targets.read_sites(activations), targets.read_sites(examined.planted(activations))
    rows = [
        {"kind": "trained", **floors.found(trained), **latched(examined.subject(age), examined.exam, setup)},
        {"kind": "planted", **floors.found(planted)},
        {"kind": "shuffled", **floors.found(trained, shuffle=0)},
        *({"kind": "untrained", **floors.without(t).found(twin)} for t, twin in enumerate(floors.untrained)),
    ]
    return pd.DataFrame(rows).assign(seed=seed, n=len(examined.exam.batch))


def latched(subject: Subject, exam: SetupExam, setup: Setup) -> dict[str, Any]:
    """What the value of a learner flags and follows; see the module docstring."""
    value: Floats = subject.values(exam.batch.observation).double().numpy()
    found: dict[str, Any] = {"flag_rate": float((value > 0.5).mean())}
    facts = {c: exam.concepts[c].to_numpy(dtype=bool) for c in (setup.intended, *setup.proxies)}
    aucs = {concept: float(roc_auc_score(fact, value)) for concept, fact in facts.items()}
    nearest = max(setup.proxies, key=lambda c: abs(aucs[c] - 0.5))
    change = abs(value[facts[nearest]].mean() - value[~facts[nearest]].mean())
    found |= {f"auc_{concept}": auc for concept, auc in aucs.items()}
    found |= {"nearest": nearest, "auc_nearest": max(aucs[nearest], 1 - aucs[nearest])}
    return {**found, "change_nearest": float(change)}
