"""The word of one cell, from what its evidence adds up to."""

from __future__ import annotations

import numpy as np

from imprint.analyses import statistics
from imprint.analyses.locate.evidence import Summary
from imprint.analyses.locate.nulls import FEWEST

PRESENT, NOT_LINEAR, NOT_USED = "present", "present, not linear", "present, not used"
FLOORS = {"untrained": "untrained", "inputs": "by input"}
"""Floor that can give an answer -> the end of its word."""
SLOW = 1.5
"""How much more widely sequences must score than shuffled rows for a caveat that rows follow one another."""


def is_present(verdict: str) -> bool:
    """Whether a word is one of presence."""
    return verdict.startswith(PRESENT)


def verdict_of(summary: Summary, q_present: float, q_null: float, *, alpha: float, margin: float) -> tuple[str, str]:
    """The verdict and its reason.

    ``present``: beats every floor, with at least ten rows of every class. ``absent``: shown to be within ``margin`` of
    shuffled labels (equivalence test). ``given untrained`` / ``given by input``: decodable, and that floor is shown to
    reach the score within ``margin``. Otherwise ``undetermined``.
    """
    s = summary
    if not np.isfinite(s.score) or not np.isfinite(q_null):
        return "not measurable", "the score is not defined on these rows"
    if s.rarest < FEWEST:
        rows = f"{s.rarest:.0f} rows of the rarest class"
        return "undetermined", f"{rows} can show nothing (score {s.score:.3f}); give at least {FEWEST} of every class"
    present = q_present < alpha and s.selectivity > 0
    if s.null_above_chance > margin and not present:
        why = f"the label hardly varies within groups, so shuffling it there still scores {s.null:.3f}"
        return "undetermined", f"{why} and is no floor of chance; give more groups, or groups that hold one label each"
    slow = _slow(s)
    if present:
        return PRESENT, f"beats every floor by {s.selectivity:.3f} (q = {q_present:.2g}){slow}{_missing(s)}"
    above = f"{s.above_null:+.3f} +- {s.error_above_null:.3f}"
    if statistics.equivalent(s.above_null, s.error_above_null, margin=margin, freedom=s.freedom, alpha=0.05):
        return "absent", f"within {margin:g} of shuffled labels ({above}, equivalence test)"
    if not (q_null < alpha and s.above_null > 0):
        return "undetermined", f"neither above shuffled labels nor shown equal to them ({above}){slow}"
    return _not_beaten(s, q_present, alpha=alpha, margin=margin)


def _not_beaten(s: Summary, q_present: float, *, alpha: float, margin: float) -> tuple[str, str]:
    """The word where the score is above its shuffles, but not above every other floor."""
    p = {"untrained": s.p_untrained, "inputs": s.p_inputs}
    unbeaten = {name: s.floors[name] for name in FLOORS if name in s.floors and not p[name] < alpha}
    reaching = {name: floor for name, floor in unbeaten.items() if floor.reaches(s.score, margin=margin)}
    if reaching:
        name = max(reaching, key=lambda each: reaching[each].score)
        what = _twins(reaching[name].twins, "reach", "reaches") if name == "untrained" else "the raw input alone gives"
        why = f"decodable ({s.score:.3f}), but {what} {reaching[name].score:.3f}: shown to be within {margin:g} of it"
        return f"given {FLOORS[name]}", why
    highest = max((name for name in p if np.isfinite(p[name])), key=p.__getitem__, default=None)
    if highest is None or (not unbeaten and highest != "untrained"):
        return "undetermined", f"above its shuffles, but not above every floor after correction (q = {q_present:.2g})"
    floor = s.floors[highest]
    what = f"{_twins(floor.twins, 'reach', 'reaches')}" if highest == "untrained" else "the raw input alone gives"
    why = f"decodable ({s.score:.3f}), and {what} {floor.score:.3f}, which is neither beaten nor shown to be as good"
    if highest == "inputs":
        return "undetermined", f"{why}; give more groups"
    needed = floor.twins_needed(s.score, level=alpha * min(p[highest] / max(q_present, 1e-300), 1.0))
    few = f"{floor.twins} twin{' is' if floor.twins == 1 else 's are'} too few"
    if needed is None:
        return "undetermined", f"{why}; more twins alone would not tell, more groups may"
    return "undetermined", f"{few}, {needed} would do if they scored alike: {why}"


def _twins(count: int, many: str, one: str) -> str:
    return f"one randomly initialised twin {one}" if count == 1 else f"{count} randomly initialised twins {many}"


def _slow(s: Summary) -> str:
    """A caveat where neighbouring rows of a group are alike."""
    if not s.slowness > SLOW:
        return ""
    rows = f"so that {s.n} rows tell as much as {s.n / s.slowness**2:.0f} that do not"
    return f"; labels and activations follow one another within groups, {rows}: judged by whole sequences"


def _missing(s: Summary) -> str:
    """What a verdict of presence could not take into account; empty when nothing."""
    floors = (("untrained twins", s.untrained), ("raw input", s.inputs))
    missing = [name for name, value in floors if not np.isfinite(value)]
    caveat = f"; not compared with {' and '.join(missing)}" if missing else ""
    alone = "; with one twin, how much twins differ is taken from experience" if s.twins == 1 else ""
    return caveat + alone
