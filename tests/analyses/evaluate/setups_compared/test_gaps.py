"""The outer gap is 0 for a signal that is what was intended, and 1 for one that has nothing to do with it."""

from __future__ import annotations

import numpy as np
import pytest

from imprint.analyses.evaluate.setups_compared.gaps import outer_gap
from imprint.models.setup.load import load_setup

PERFECT = {"steering.0.miss": 0.0, "steering.0.false_alarm": 0.0, "evaluation.episodes": 600}


def test_of_a_perfect_detector_there_is_none_and_misses_widen_it() -> None:
    perfect = {**PERFECT, "assessor.signal": "praise"}
    assert outer_gap(load_setup("shortcut", changes=perfect)) == pytest.approx(0.0, abs=1e-6)
    mild, crude = (outer_gap(load_setup("nursery", changes={"steering.0.miss": miss})) for miss in (0.1, 0.5))
    assert 0.2 < mild < crude < 0.8
    # one that is lost half of the time: 1 - r^2 = 1 - (1 - .5) / (1 + .5) for a concept that is there half of the time
    lost = {**perfect, "steering.0.miss": 0.5, "evaluation.episodes": 6000}
    assert outer_gap(load_setup("shortcut", changes=lost)) == pytest.approx(2 / 3, abs=0.04)


def test_of_what_has_nothing_to_do_with_the_concept_it_is_whole() -> None:
    changes = {**PERFECT, "intended": "speck", "proxies": ["even", "mark"]}
    assert outer_gap(load_setup("shortcut", changes=changes)) == pytest.approx(1.0, abs=0.03)


def test_agents_who_are_paid_for_the_goal_have_none() -> None:
    assert outer_gap(load_setup("coin")) == pytest.approx(0.0, abs=1e-9)
    crude = {"steering.0.weights": {"coin_taken": 1.0, "corner_reached": 1.0}}
    assert 0.3 < outer_gap(load_setup("coin", changes=crude)) < 0.9


def test_what_is_not_here_leaves_a_dash_and_what_does_not_fit_an_error() -> None:
    setup = load_setup("nursery")
    assert np.isnan(outer_gap(setup.model_copy(update={"world": {**setup.world, "kind": "elsewhere"}})))
    assert np.isnan(outer_gap(setup.model_copy(update={"intended": "her_hat"})))
    with pytest.raises(ValueError, match="colour_cue"):
        outer_gap(setup.model_copy(update={"world": {**setup.world, "colour_cue": 7.0}}))
