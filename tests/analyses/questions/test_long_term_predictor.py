"""The textbook's TD(0) against closed forms, and the rule on planted tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import ask, load_question
from imprint.analyses.findings import COLUMNS
from imprint.analyses.questions.base import Answer
from imprint.analyses.questions.long_term_predictor.measure import (
    CELLS,
    CUE,
    WORLD,
    Walkers,
    equality,
    exact,
    marks,
    textbook,
    undoing,
)
from imprint.analyses.questions.long_term_predictor.question import SHIFTS, UNDOINGS, LongTermPredictor
from imprint.models.environments.chain import Chain

SMALL = {"cells": 5, "cue_at": 1, "slip": 0.1}


def silent(done: int, total: int, what: str) -> None:
    """Nobody listens."""


def test_exact_values_of_the_even_random_walk_are_those_of_the_gamblers_ruin() -> None:
    # From cell c of a reflecting row with slip s, forward odds p: discounted arrival solves v = g (p v+ + s v-).
    settings = Chain.Settings(cells=4, odds=1.0, slip=0.25)
    values = exact(settings, 0.9).reshape(3, 4)[1, :3]
    for cell in range(3):
        ahead = 1.0 / 0.9 if cell == 2 else values[cell + 1]
        assert values[cell] == pytest.approx(0.9 * (0.75 * ahead + 0.25 * values[max(cell - 1, 0)]))


def test_without_slips_exact_values_are_powers_of_the_discount() -> None:
    values = exact(Chain.Settings(cells=5, cue_at=1, odds=0.5), 0.5).reshape(3, 5)
    assert values[1, 1:4] == pytest.approx([0.25, 0.5, 1.0]) and values[2, 1:4] == pytest.approx([0.0, 0.0, 0.0])
    assert values[0, 0] == pytest.approx(0.0625) and np.isnan(values[:, 4]).all()


def test_textbook_td_reaches_the_exact_values_of_a_sure_walk() -> None:
    codes = np.eye(4)
    seen, then = np.tile(codes[[0, 1, 2]], (300, 1)), np.tile(codes[[1, 2, 3]], (300, 1))
    reward = np.tile([0.0, 0.0, 1.0], 300)
    assert textbook(seen, then, reward, reward == 1.0, discount=0.5)[-1] == pytest.approx(
        [0.25, 0.5, 1.0, 0.0], abs=1e-9
    )


@pytest.mark.parametrize("code", ["tabular", "distributed"])
@pytest.mark.parametrize("discount", [None, 0.8])
def test_it_equals_td_and_comes_near_the_exact_values(code: Any, discount: float | None) -> None:
    found = equality(world=SMALL, code=code, discount=discount, seeds=2, steps=400, seed=0, say=silent)
    assert found["difference"].max() < 1e-9 and found["from_exact"].max() < 0.2


def test_a_predictor_at_another_rate_would_be_caught() -> None:
    walkers = Walkers(WORLD, {"form": "switch", "rate": 0.2}, code="tabular", seeds=1, walkers=1, seed=0)
    parts = [walkers.step() for _ in range(300)]
    seen, then, reward, over = (np.stack([p[i][0, 0].numpy() for p in parts]) for i in range(4))
    assert (
        np.abs(textbook(seen, then, reward, over, discount=1.0)[-1] - walkers.predictor.weight[0].numpy()).max() > 1e-3
    )


def test_walkers_that_avoid_the_outcome_seldom_arrive_and_keep_their_prediction() -> None:
    about: dict[str, Any] = {"seeds": 2, "walkers": 8, "lessons": 300, "after": 100, "seed": 1, "say": silent}
    about |= {"world": SMALL, "ending": "truth"}
    away = undoing(avoiding=True, **about).query("lesson == 100")
    near = undoing(avoiding=False, **about).query("lesson == 100")
    assert (away["value"] > 0.7).all() and (near["value"] < 0.5).all()
    assert away["arrivals"].max() < 0.3 * near["arrivals"].min()


def test_looks_are_at_the_start_and_the_end() -> None:
    assert marks(100)[0] == 0 and marks(100)[-1] == 100 and len(marks(3000)) > 15


# -- the rule on planted tables ----------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)


def beliefs(rise: float, ramp: float) -> pd.DataFrame:
    """Beliefs of six seeds that move back from the outcome, one cell a lesson."""
    rows = []
    for seed in range(6):
        for lesson in range(CELLS + 1):
            for cell in range(CELLS - 1):
                status = "on" if cell >= CUE else "unseen"
                level = 0.5 + (rise - ramp * (CELLS - 2 - cell) / (CELLS - 2 - CUE) if cell >= CUE else 0.0)
                value = level * (lesson >= CELLS - 1 - cell) + 0.001 * RNG.normal()
                rows.append({"lesson": lesson, "seed": seed, "status": status, "cell": cell, "value": value})
    return pd.DataFrame(rows)


def undone(last: float, first: float = 1.0) -> pd.DataFrame:
    values = [{"lesson": i, "seed": s, "value": v + 0.001 * RNG.normal()} for s in range(6)
              for i, v in ((0, first), (9, last))]  # fmt: skip
    return pd.DataFrame(values)


def concluded(difference: float = 1e-16, **changed: pd.DataFrame) -> Answer:
    question = LongTermPredictor()
    tables = {
        "switch": beliefs(0.5, 0.0), "discounted-sum": beliefs(0.5, 0.8), "empty-cue": beliefs(0.0, 0.0),
        "override": undone(0.0), "defer": undone(1.0), "defer-then-rest": undone(0.0),
        "keeping-away": undone(1.0), "keeping-away-cut-off": undone(0.0),
    } | changed  # fmt: skip
    equal = pd.DataFrame({"seed": [0, 1], "difference": [0.0, difference], "from_exact": 0.02, "steps": 10})
    named = {f"shift-{n}": tables[n] for n in SHIFTS} | {f"undoing-{n}": tables[n] for n in UNDOINGS}
    for piece in question.work():
        if piece.name.startswith("equality"):
            named[piece.name] = equal.assign(form="switch", discount=1.0, code="tabular")
    return question.conclude(named, {})


def test_the_rule_confirms_refutes_and_knows_when_it_is_blind() -> None:
    good = concluded()
    assert good.verdict == "confirmed", good.why
    assert list(good.findings.columns) == list(COLUMNS)
    assert concluded(difference=1e-5).verdict == "refuted"
    assert concluded(defer=undone(0.3)).verdict == "refuted"
    assert concluded(override=undone(0.6)).verdict == "refuted"
    assert concluded(switch=beliefs(0.5, 0.4)).verdict == "refuted"
    ramped = concluded(**{"discounted-sum": beliefs(0.5, 0.0)})
    assert ramped.verdict == "undetermined" and "A control fails" in ramped.why
    assert concluded(override=undone(0.0, first=0.4)).verdict == "undetermined"
    wide = pd.concat([undone(1.0), undone(0.85).assign(seed=lambda t: t["seed"] + 6)])
    assert concluded(defer=wide).verdict == "undetermined"


def test_a_missing_piece_is_named() -> None:
    answer = LongTermPredictor().conclude({"shift-switch": undone(0.0)}, {"undoing-defer": "it was killed"})
    assert answer.verdict == "undetermined" and "undoing-defer: it was killed" in answer.why


def test_the_card_says_what_its_walks_buy() -> None:
    bought = {n: load_question("long-term-predictor", {"seeds": n}).whole_card.power for n in (20, 40)}
    assert bought[20].startswith("20 seeds") and bought[20].endswith("probability 0.65.")
    assert bought[40].endswith("probability 0.93.")


def test_a_short_life_from_end_to_end(tmp_path: Path) -> None:
    short = load_question("long-term-predictor", {"seeds": 3, "walkers": 2, "lessons": 100, "after": 100, "steps": 100})
    asked = ask(short, out=tmp_path, jobs=1)
    assert asked.answer.verdict == "undetermined" and "A control fails" in asked.answer.why
    assert {e.name for e in asked.answer.exhibits} == {"equality", "held", "shift", "undoing"}
    assert (asked.path / "findings.csv").exists()
