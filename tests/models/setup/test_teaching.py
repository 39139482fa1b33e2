from __future__ import annotations

from typing import Any

import pytest

from imprint.models.errors import ImprintError
from imprint.models.learners.base import LEARNERS
from imprint.models.rules.base import RULES
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.setup.teaching import misfit, rules_of, taught_by


def changed(**changes: Any) -> Setup:
    return load_setup(
        "nursery", changes={key.replace("__", "."): value for key, value in changes.items()}, expect=Setup
    )


def test_every_rule_and_learner_that_fit_make_a_setup_and_all_others_say_what_would() -> None:
    for learner in LEARNERS.names():
        for rule in RULES.names():
            changes = {"learner": {"kind": learner}, "rule": {"kind": rule}}
            if rule in rules_of(learner):
                assert learner in taught_by(rule) and misfit(rule, learner) is None
                assert load_setup("nursery", changes=changes, expect=Setup).rule is not None
            else:
                fits = ", ".join(taught_by(rule))
                with pytest.raises(ImprintError, match=rf"rule {rule} teaches .* \({fits}\), and {learner} is none"):
                    load_setup("nursery", changes=changes)
    assert rules_of("layers") == RULES.names() and rules_of("conv") == ("backprop",) and rules_of("memory") == ()


def test_a_learner_that_is_written_has_no_rule_and_none_else_is_without_one() -> None:
    assert changed(learner={"kind": "memory"}).rule is None is changed(learner={"kind": "memory"}).make_rule()
    assert changed(learner={"kind": "conv"}).rule == {"kind": "backprop"}
    stored = changed(learner={"kind": "memory"}).resolved()
    assert load_setup(stored).resolved() == stored
    with pytest.raises(ImprintError, match="rule is null, and conv is taught by a rule: backprop"):
        changed(rule=None)
    with pytest.raises(ImprintError, match="leave rule out, or make it null"):
        changed(learner={"kind": "memory"}, rule={"kind": "backprop"})
    pressure = {"kind": "reward", "name": "push", "weights": {"contact": 1.0}}
    with pytest.raises(ImprintError, match="memory is written"):
        changed(learner={"kind": "memory"}, routing={"signal": "contact"}, steering=[*STEERING, pressure])


STEERING = [
    {"kind": "detector", "name": "contact", "sense": "warmth"},
    {"kind": "reward", "name": "comfort", "weights": {"contact": 1.0}},
]
