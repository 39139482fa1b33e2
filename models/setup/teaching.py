"""Which learning rule can teach which learner: by the names of both, as a setup gives them."""

from __future__ import annotations

from imprint.models.learners.base import LEARNERS, Layered, Written
from imprint.models.rules.base import RULES


def is_written(learner: str) -> bool:
    """Whether learners of this kind write their experience into themselves, so that no rule teaches them."""
    return issubclass(LEARNERS.load(learner), Written)


def rules_of(learner: str) -> tuple[str, ...]:
    """Kinds of the rules that can teach a learner; none for one that is written."""
    if is_written(learner):
        return ()
    layered = issubclass(LEARNERS.load(learner), Layered)
    return tuple(rule for rule in RULES.names() if layered or not RULES.load(rule).layered)


def taught_by(rule: str) -> tuple[str, ...]:
    """Kinds of the learners that a rule can teach."""
    return tuple(learner for learner in LEARNERS.names() if rule in rules_of(learner))


def misfit(rule: str | None, learner: str) -> str | None:
    """Why a rule cannot teach a learner, with what would fit; None where it can, or where a learner needs none."""
    if rule in (rules_of(learner) or (None,)):
        return None
    if rule is None:
        return f"rule is null, and {learner} is taught by a rule: {', '.join(rules_of(learner))}"
    needs = "learners that are a chain of layers" if RULES.load(rule).layered else "learners that have a gradient"
    said = f"rule {rule} teaches {needs} ({', '.join(taught_by(rule))}), and {learner} is none; "
    if is_written(learner):
        return f"{said}it writes what it experiences into itself: leave rule out, or make it null"
    return f"{said}it can be taught by {', '.join(rules_of(learner))}"
