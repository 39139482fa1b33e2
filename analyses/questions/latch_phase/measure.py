"""What the values of all arms depend on, from lives that they share.

Learners in the world ``shortcut`` with a mark that flickers live once for all arms
(:mod:`imprint.models.lifetimes.shared`), and every value is read as in a sweep
(:mod:`imprint.analyses.evaluate.sweeps.judging`): at the decision moment of held-out episodes of the balanced design,
in which the digit and the marks that are in view, now and in the frame before, are independent. The effects are those
of the verdict (:mod:`imprint.analyses.latch.profile`): in the adult of exact counterfactuals, before that of
association, which in a balanced design is the same up to sampling.

One row for every arm, seed and time of reading (``closing``: when the window has closed; ``adult``: at the end):

index            |effect(even)| / sum of |effect| over even, mark and mark_first: 1 content, 0 cue
effect_<c>       change of the value when the concept alone changes, in standard deviations of the value
share_<c>        part of the value's variance
change           effect of even in units of the signal
auc              probability that the value of an episode with an even digit is the larger one, against an odd digit
choice           the same of an even digit without any mark against an odd digit with both: content against cue
n                episodes

and rows of the plane ``concept`` with ``readable``, the balanced accuracy out of fold of a ridge probe for even on the
latents that the assessor reads, at every age of attachment and at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from imprint.analyses.engine import Say
from imprint.analyses.evaluate.learners.exam import exam_targets
from imprint.analyses.evaluate.sweeps.judging import Rows, SeedRead
from imprint.analyses.evaluate.sweeps.lives import read_seed
from imprint.analyses.latch.profile import Profile, split
from imprint.analyses.latch.shares import parts
from imprint.analyses.questions.latch_phase.arms import Arm
from imprint.analyses.statistics import NAN, Floats
from imprint.models.errors import NotMeasurableError
from imprint.models.lifetimes.shared import Along, SharedLifetime, Variant
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder


def phase(
    *, setup: dict[str, Any], arms: Sequence[dict[str, Any]], seeds: Sequence[int], life: str, say: Say
) -> pd.DataFrame:
    """All rows of some seeds that live together; see the module docstring. ``life``: name of the arm of lives.

    Raises :class:`NotMeasurableError` when a seed diverged.
    """
    base, chosen = Setup(**setup), [Arm(**arm) for arm in arms]
    setups = [arm.setup(base) for arm in chosen]
    variants = Along.of(setups).variants
    with tempfile.TemporaryDirectory() as name:
        home, tables = RunFolder(Path(name)), []
        SharedLifetime(setups, seeds, home).live(lambda step: say(step.age, 2 * step.total, "lives"))
        for done, seed in enumerate(seeds, start=1):
            if SharedLifetime.living_ages(setups[0], home, seed) != list(base.planned):
                raise NotMeasurableError(f"seed {seed} diverged: its parameters stopped being finite")
            read_seed(setups, home, seed)
            tables.append(_rows_of_seed(chosen, setups, variants, home, seed))
            say(len(seeds) + done, 2 * len(seeds), "values")
    rho = float(base.world["rho"])
    return pd.concat(tables, ignore_index=True).assign(life=life, rho=rho)


def _rows_of_seed(
    arms: Sequence[Arm], setups: Sequence[Setup], variants: Sequence[Variant], home: RunFolder, seed: int
) -> pd.DataFrame:
    """The rows of one seed."""
    first = setups[0]
    number, last = first.schedule.world_of(seed), first.planned[-1]
    names = (first.intended, *first.proxies)
    read = SeedRead(first, first, home, seed, (Rows(first, number), Rows(first, number, latch=True)))
    rows: list[dict[str, Any]] = []
    for arm, setup, variant in zip(arms, setups, variants, strict=True):
        closing = arm.closes_at(first.schedule.batch)
        for when, age in (("closing", closing), ("adult", last)):
            if age is not None:
                profile, value = read.profile(names, variant, setup, age), read.value(variant, setup, age)
                concepts = (read.latch if age == last else read.exam).concepts
                rows.append({**vars(arm), "read": when, "age": age, **measured(profile, value, concepts)})
    for age in sorted({*(arm.attached for arm in arms), last}):
        shown = read.latch if age == last else read.exam
        targets = exam_targets(first, shown.concepts, shown.groups, sequences=False).without_shuffles
        readable = targets.read(read.latents[age])[first.intended].score
        rows.append({"plane": "concept", "attached": age, "age": age, "readable": readable, "n": len(shown.groups)})
    return pd.DataFrame(rows).assign(seed=seed)


def measured(profile: Profile, value: Floats, concepts: pd.DataFrame) -> dict[str, float]:
    """The numbers of one value on episodes with these concepts; see the module docstring."""
    names = profile.concepts
    truth, seen = concepts[names[0]].to_numpy(dtype=bool), concepts[list(names[1:])].to_numpy(dtype=bool)
    found = {"n": float(len(value)), "auc": float(roc_auc_score(truth, value))}
    conflict = np.where(truth, ~seen.any(1), seen.all(1))
    found["choice"] = float(roc_auc_score(truth[conflict], value[conflict]))
    shares, effects, _ = split(profile.numbers)
    _, between, within = parts(profile.cells.design, profile.cells.sums.sum(0), noise=1.0)
    total = float(np.abs(effects).sum())
    found["index"] = NAN if profile.cells.constant or not total > 0 else float(abs(effects[0]) / total)
    found["change"] = float(effects[0] * np.sqrt(between + within))
    found |= {f"effect_{name}": float(effect) for name, effect in zip(names, effects, strict=True)}
    return found | {f"share_{name}": float(share) for name, share in zip(names, shares, strict=False)}
