from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.prenatal import measure as pieces
from imprint.analyses.questions.prenatal.question import decide, loss
from imprint.models.worlds.waves import SIDE


def test_a_map_of_points_misplaces_nothing_and_one_that_is_shifted_or_mixed_along_an_axis_is_off_along_it() -> None:
    exact = torch.eye(SIDE**2)[None]
    assert max(map(float, pieces.misplaced(exact).values())) < 1.01, "a spot has a standard deviation of 1"
    shifted = exact.unflatten(1, (SIDE, SIDE)).roll(1, 2).flatten(1, 2)
    found = pieces.misplaced(shifted)
    assert float(found["misplaced, horizontal"]) == pytest.approx(2**0.5, abs=0.05)
    assert float(found["misplaced, vertical"]) < 1.01
    wide = exact.unflatten(1, (SIDE, SIDE)).mean(2, keepdim=True).expand(-1, -1, SIDE, -1).flatten(1, 2)
    blur = pieces.misplaced(wide)
    assert float(blur["misplaced, horizontal"]) > 3 and float(blur["misplaced, vertical"]) < 1.01


def test_spots_refine_a_coarse_map_and_darkness_leaves_it_without_noise_of_its_own() -> None:
    born = pieces.coarse([0, 1])
    rng = torch.Generator().manual_seed(0)
    spots = pieces.gaussian(1.0)[torch.randint(0, SIDE**2, (40, 2, 32), generator=rng)]
    before, after = pieces.misplaced(born), pieces.misplaced(pieces.refined(born, spots))
    assert bool((after["misplaced, vertical"] < 0.9 * before["misplaced, vertical"]).all())
    dark = pieces.refined(born, torch.zeros(2, 2, 4, SIDE**2))
    assert bool(torch.isfinite(dark).all())


# -- the rule ----------------------------------------------------------------------------------------------------------

ERROR = {"waves": 0.1, "frames": 0.13, "pixels": 0.16, "nothing": 0.2, "noise": 0.25, "weak": 0.11, "twin": 0.2}


def table(
    error: dict[str, float] | None = None,
    *,
    weak_map: float = 1.8,
    copy: float = 0.15,
    uneven: float = 0.0,
    noisy: float = 1.9,
) -> pd.DataFrame:
    """A finished table of eight seeds; ``weak_map``: error of the map along the weak axis with weak waves."""
    of = {("learner", arm, "error"): value for arm, value in {**ERROR, "copy": copy, **(error or {})}.items()}
    of[("learner", "nothing", "error, equal total")] = 0.09
    for axis, weak in (("vertical", 1.2), ("horizontal", weak_map)):
        for arm, value in (("nothing", 2.0), ("waves", 1.0), ("weak", weak), ("noise", noisy)):
            of[("map", arm, f"misplaced, {axis}")] = value
    return pd.DataFrame(
        [
            {"pathway": p, "arm": arm, "measure": m, "seed": s, "value": v * (1 + 0.01 * np.cos(s + 7 * k))}
            for k, ((p, arm, m), v) in enumerate(of.items())
            for s in range(8)
        ]
    ).assign(value=lambda t: t["value"] * np.where((t["arm"] == "frames") & (t["seed"] % 2 == 0), 1 + uneven, 1.0))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"error": {"frames": 0.18}}, "refuted"),
        ({"error": {"noise": 0.15}}, "refuted"),
        ({"copy": 0.08}, "refuted"),
        ({"weak_map": 1.1}, "refuted"),
        ({"error": {"frames": 0.09}, "uneven": 0.3}, "undetermined"),
        ({"error": {"twin": 0.3}}, "undetermined"),
        ({"noisy": 1.1}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_loss_is_missing_where_waves_give_nothing_that_could_be_lost() -> None:
    assert loss(table(), "error").mean() == pytest.approx(0.1, abs=0.05)
    assert loss(table({"waves": 0.3}), "error").isna().all()
    assert decide(table({"waves": 0.3, "frames": 0.4, "pixels": 0.5, "noise": 0.6}))[0] != "confirmed"


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TEST", 16), ("NATURAL", 2), ("ROUNDS", 2)):
        monkeypatch.setattr(pieces, name, value)
    question = load_question("prenatal", {"seeds": 2, "together": 2, "prenatal": 2, "learner": "layers"})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    whole = next(iter(tables.values()))
    assert whole["value"].notna().all() and set(whole["arm"]) == {*pieces.ARMS, "copy"}
    answer = question.conclude(tables, {})
    assert answer.exhibits[0].name == "errors" and (answer.findings["metric"] == "misplaced,_horizontal").any()
    assert "travelling bars" in answer.sentence
