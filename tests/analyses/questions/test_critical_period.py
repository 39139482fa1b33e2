"""The rule finds the principal subspace, acuity is the regression it stands for, and the verdict follows the card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.critical_period import measure as pieces
from imprint.analyses.questions.critical_period.question import EARLY, LATE, LONGEST, decide

LIVES = [
    pieces.Life("constant", "none"),
    pieces.Life("constant", "left", 0.0, 1.0),
    pieces.Life("falling", "both", 0.0, 1.0),
]


def silent(*_: Any) -> None:
    return None


def test_open_eyes_come_to_share_the_principal_subspace_and_a_shut_one_is_lost() -> None:
    eyes = pieces.Eyes((500,))
    weight = pieces.raised(eyes, LIVES, 800, silent)
    view = eyes.view[0].flatten(0, 1)
    first = torch.linalg.svd(view).U[:, : pieces.SCENE]
    span = torch.linalg.qr(weight[0, 0].T).Q
    assert float(torch.linalg.svdvals(first.T @ span).min()) > 0.95, "scenes of both eyes lie in the rows of W"
    seen = pieces.acuity(weight, eyes.view)[0]
    assert float(seen[0]) > 0.5 > 0.2 > float(seen[1])
    apart = pieces.dominance(weight, eyes.view)[0]
    assert abs(float(apart[0])) < 0.2 and float(apart[1]) < -0.4


def test_acuity_is_the_r2_of_a_regression_on_noisy_units() -> None:
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(1, 1, pieces.UNITS, 2 * pieces.PIXELS, generator=rng) / 4
    view = torch.randn(1, 2, pieces.PIXELS, pieces.SCENE, generator=rng) / 4
    scene = torch.randn(40_000, pieces.SCENE, generator=rng)
    image = scene @ view[0, 0].T + pieces.NOISE * torch.randn(40_000, pieces.PIXELS, generator=rng)
    units = image @ weight[0, 0, :, : pieces.PIXELS].T + pieces.UNIT_NOISE * torch.randn(
        40_000, pieces.UNITS, generator=rng
    )
    left = scene - units @ torch.linalg.lstsq(units, scene).solution
    r2 = 1 - left.var(0) / scene.var(0)
    assert float(pieces.acuity(weight, view)) == pytest.approx(float(r2.mean()), abs=0.01)


def test_the_command_falls_stays_or_is_raised_again_and_lives_differ_only_while_an_eye_is_shut() -> None:
    ages = (0.0, 0.5, 0.85, 1.0)
    assert [round(pieces.command("falling", age), 2) for age in ages] == [1.0, 0.02, 0.0, 0.0]
    assert {pieces.command("constant", age) for age in ages} == {1.0} == {pieces.command("reopened", 0.85)}
    eyes = pieces.Eyes((500,))
    ways = [pieces.Life("constant", "none"), pieces.Life("constant", "left", 0.5, 0.2)]
    same, apart = (pieces.raised(pieces.Eyes((500,)), ways, steps, silent) for steps in (1, 40))
    assert torch.equal(same[:, 0], same[:, 1]) and not torch.equal(apart[:, 0], apart[:, 1])
    assert torch.equal(eyes.newborn, pieces.Eyes((500,)).newborn)


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(
    *,
    early: float = 0.5,
    late: float = 0.0,
    short: float = 0.1,
    constant: float = 0.0,
    healed: float = 0.05,
    both: float = 0.1,
    acuity: float = 0.8,
    dip: float = 0.0,
) -> pd.DataFrame:
    """A finished table of eight seeds."""
    rows = []
    for way in pieces.lives():
        if way.command == "constant":
            value = constant
        elif way.shut == "both":
            value = both
        elif way.onset == LATE:
            value = late
        else:
            top = early if way.command == "falling" else healed
            place = pieces.SPANS.index(way.span) / 3 if way.span in pieces.SPANS else 0.0
            value = short + (top - short) * place - dip * (place == 2 / 3)
        for seed, noise in enumerate(0.01 * np.cos(np.arange(8))):
            rows.append({**way._asdict(), "seed": seed, "deficit": value + noise, "acuity": acuity + noise,
                         "other": acuity, "dominance": noise})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"early": 0.1}, "refuted"),
        ({"late": 0.2}, "refuted"),
        ({"dip": 0.5}, "refuted"),
        ({"short": 0.6}, "refuted"),
        ({"constant": 0.2}, "refuted"),
        ({"healed": 0.4}, "refuted"),
        ({"both": 0.6}, "refuted"),
        ({"late": 0.05}, "undetermined"),
        ({"acuity": 0.3}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_short_life_runs_from_end_to_end() -> None:
    question = load_question("critical-period", {"seeds": 2, "together": 2, "steps": 60})
    tables = {p.name: p.function(**p.arguments, say=silent) for p in question.work()}
    whole = next(iter(tables.values()))
    assert {EARLY, LATE} <= set(whole["onset"]) and LONGEST in set(whole["span"])
    answer = question.conclude(tables, {})
    assert {e.name for e in answer.exhibits} == {"ages", "spans", "eyes", "commands", "seeds"}
    assert len(answer.predictions) == 9 and "shut early" in answer.sentence
