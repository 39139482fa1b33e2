"""The rule on tables that were made up, the index where content and cue are known, and lives that are cut short."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import measure
from imprint.analyses.predictions import judged_each
from imprint.analyses.questions.latch_phase.arms import Arm, arms, plain
from imprint.analyses.questions.latch_phase.measure import measured, phase
from imprint.analyses.questions.latch_phase.question import KNOWN, LatchPhase, predictions_of
from imprint.models.errors import ImprintError
from imprint.models.files import table_bytes
from imprint.reports.charts.draw import draw

AS_PREDICTED = {"lag 0": 0.05, "ahead": 0.95, "young": 0.2, "grown": 0.7, "few": 0.5, "many": 0.1, "errors": 0.05}


def made_up(
    auc: float = 0.95, blank: float = 0.95, silent: float = 0.0, untrained: float = 0.55, **other: float
) -> pd.DataFrame:
    """Numbers of four seeds by the card's arms; ``blank``: the index with a cue that tells nothing."""
    number, rows = {**AS_PREDICTED, **other}, []
    for seed, arm in itertools.product(range(4), arms(38_400, 64)):
        index = {"lags": number["ahead"] if arm.lag else number["lag 0"]}.get(arm.plane, 0.5)
        if arm.plane == "ages":
            index = number["young"] if arm.attached == 0 else number["grown"]
        if arm.plane == "events":
            index = number["few"] if arm.events == 20 else number["many"]
        if arm.plane == "errors":
            index += number["errors"] * (arm.miss + arm.false_alarm > 0)
        row = {**vars(arm), "life": "seen", "rho": 0.8, "read": "closing" if arm.events else "adult", "seed": seed}
        change = silent if arm.plane == "shuffled" else 0.5
        rows.append({**row, "index": index + 0.01 * seed, "auc": auc, "effect_even": 1.5, "change": change})
        if arm.plane == "lags":
            rows.append({**rows[-1], "rho": 0.0, "index": blank + 0.01 * seed})
            rows.append({**rows[-2], "life": "untrained", "auc": untrained + 0.01 * seed})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        ({}, "confirmed", "Lag 0: confirmed"),
        ({"ahead": 0.5}, "refuted", "Lag 1: refuted"),
        ({"auc": 0.6}, "refuted", "Lag 2: refuted"),
        ({"ahead": 0.79}, "undetermined", "Lag 1: undetermined"),
        ({"lag 0": 0.9}, "refuted", "Lag 0: refuted"),
        ({"grown": 0.1}, "refuted", "Age of attachment: refuted"),
        ({"many": 0.9}, "refuted", "Number of events: refuted"),
        ({"errors": 0.3}, "refuted", "Errors of the detector: refuted"),
        ({"blank": 0.5}, "undetermined", "A control"),
        ({"silent": 0.4}, "undetermined", "A control"),
        ({"untrained": 0.9, "ahead": 0.5}, "undetermined", "A control"),
    ],
)
def test_each_prediction_is_judged_by_itself_and_no_control_may_fail(
    changed: dict[str, float], verdict: str, said: str
) -> None:
    predictions, controls = predictions_of(made_up(**changed))
    came, why = judged_each(predictions, controls)
    assert came == verdict and said in why, why
    assert judged_each(predictions, controls, failed=["seen-0.8-0"])[0] == "undetermined"


def test_an_answer_with_all_exhibits_follows_from_the_tables() -> None:
    table = made_up().assign(n=100, effect_mark=0.1, effect_mark_first=0.0, choice=0.9, readable=np.nan)
    table = table.assign(**{f"share_{name}": 0.1 for name in ("even", "mark", "mark_first")})
    concept = {"plane": "concept", "life": "seen", "rho": 0.8, "attached": 0, "read": None, "readable": 0.9, "n": 100}
    table = pd.concat([table, pd.DataFrame([{**concept, "seed": seed} for seed in range(4)])], ignore_index=True)
    answer = LatchPhase().conclude({"seen": table}, {})
    for exhibit in answer.exhibits:
        assert table_bytes(Path(exhibit.name), exhibit.frame) and (
            exhibit.chart is None or draw(exhibit.chart, exhibit.frame)
        )
    assert answer.verdict == "confirmed" and {e.name for e in answer.exhibits} >= {"lags", "ages", "errors", "events"}
    assert LatchPhase().conclude({"seen": table}, {"known-0.8-0": "killed"}).verdict == "undetermined"


def test_the_index_is_the_part_of_the_content_and_nothing_where_there_is_no_effect() -> None:
    facts = pd.DataFrame(list(itertools.product([False, True], repeat=3)) * 40, columns=["even", "mark", "mark_first"])
    rng, groups = np.random.default_rng(0), np.arange(320) // 8
    for weights, index in (
        ((1, 0, 0), 1.0),
        ((0, 1, 0), 0.0),
        ((0, -1, 1), 0.0),
        ((3, -1, 0), 0.75),
        ((1, 1, 2), 0.25),
    ):
        value = facts.to_numpy(dtype=float) @ np.array(weights) + 1e-3 * rng.standard_normal(320)
        found = measured(Profile(measure(value, facts, groups, tuple(facts)), {}), value, facts)
        assert abs(found["index"] - index) < 0.01 and abs(found["change"] - weights[0]) < 0.01
        assert (found["auc"] > 0.9) == (weights[0] == max(map(abs, weights)) and index > 0.5)
    still = np.zeros(320)
    assert np.isnan(measured(Profile(measure(still, facts, groups, tuple(facts)), {}), still, facts)["index"])


def test_without_a_lag_a_value_follows_the_cue_in_view_and_with_one_there_is_nothing_in_a_cue_that_tells_nothing() -> (
    None
):
    question = LatchPhase(load_question("latch-phase", {"episodes": 300}).settings)
    some = [Arm("lags", "cue", 0), Arm("lags", "cue", 1), Arm("ages", events=20)]
    schedule = {"experiences": 640, "ages": [0, 128, 640]}
    given = {"arms": plain(some), "seeds": (7, 8), "life": "seen", "say": lambda *_: None}
    table = phase(setup=question.setup("seen", 0.0, (7, 8), schedule), **given)
    now, ahead = (table[(table["plane"] == "lags") & (table["lag"] == lag)] for lag in (0, 1))
    assert now["effect_mark"].min() > 1.5 and now["index"].max() < 0.2
    assert ahead[["change"]].abs().max().item() < 0.1 and (ahead["auc"] - 0.5).abs().max() < 0.2
    window = table[table["plane"] == "ages"].set_index("read")["change"]
    assert set(window.index) == {"closing", "adult"}
    assert table["readable"].notna().sum() == 2 * 2, "at birth, when it is attached, and at the end"


def test_the_correlations_that_decide_must_be_among_those_asked_for() -> None:
    with pytest.raises(ImprintError, match=r"0 and 0\.8 included"):
        load_question("latch-phase", {"correlations": [0.0, 0.5]})
    setup = LatchPhase().setup(KNOWN, 0.4, (3, 4), {"experiences": 640, "ages": [0, 640]})
    assert setup["learner"]["sees"] is False and setup["schedule"]["first_seed"] == 3
