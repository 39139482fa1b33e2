from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.orientation import measure as pieces
from imprint.analyses.questions.orientation.question import decide


def test_a_filter_for_one_grating_is_selective_and_one_without_orientation_is_not() -> None:
    grating = pieces.gratings()
    assert float(grating.var()) == pytest.approx(1.0, abs=0.05)
    frames = grating[:, :, :, 0, 0].flatten(3)
    line = torch.arange(pieces.PIXELS) - (pieces.PIXELS - 1) / 2
    far = line[:, None].square() + line.square()
    narrow = torch.exp(-far / 18) * torch.cos(2 * math.pi * line / 6)
    filters = torch.stack([narrow, torch.exp(-far / 4), torch.zeros_like(far)])
    found = pieces.selectivity(frames @ filters.flatten(1).T)
    assert float(found[0]) > 0.5 and float(found[1]) < 0.05 and bool(found[2].isnan())


def test_selectivity_is_one_less_circular_variance_and_a_constant_does_not_count() -> None:
    drive = np.random.default_rng(0).random((pieces.ANGLES, 4, 1, 5))
    r = drive.std(1)[:, 0]
    vector = np.abs((r * np.exp(2j * np.pi * np.arange(len(r)) / len(r))[:, None]).sum(0)) / r.sum(0)
    assert np.allclose(pieces.selectivity(torch.tensor(drive + 7.0)), vector)


def test_roughness_and_pinwheels_of_known_maps() -> None:
    side = torch.arange(8.0)
    turning = (side * math.radians(30)).remainder(math.pi).expand(8, 8)[None]
    assert float(pieces.roughness(turning)) == pytest.approx(15.0, abs=1e-3) and float(pieces.pinwheels(turning)) == 0
    line = side - 3.5
    pinwheel = (torch.atan2(line[:, None].expand(8, 8), line.expand(8, 8)) / 2).remainder(math.pi)[None]
    assert float(pieces.pinwheels(pinwheel)) == pytest.approx(1 / 49)
    chance = math.pi * torch.rand(1, 80, 80, generator=torch.Generator().manual_seed(0))
    assert float(pieces.roughness(chance)) == pytest.approx(45, abs=1.5)


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds."""
    selective = {"waves": 0.5, "natural": 0.5, "lids": 0.3, "noise": 0.3, "untrained": 0.3, "both": 0.5}
    rough = {"wave": 8.0, "shuffled": 20.0, "lateral": 14.0, "scattered": 45.0, "both": 10.0}
    rows = []
    for measure, arms in (("selectivity", selective), ("roughness", rough)):
        for arm, value in arms.items():
            mean = change.get(arm, value)
            rows += [
                {"part": measure, "arm": arm, "measure": measure, "seed": s, "value": mean * (1 + 0.01 * np.cos(3 * s))}
                for s in range(8)
            ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"waves": 0.4}, "refuted"),
        ({"lids": 0.4}, "refuted"),
        ({"noise": 0.4}, "refuted"),
        ({"wave": 13.0}, "refuted"),
        ({"shuffled": 8.0}, "refuted"),
        ({"waves": 0.46}, "undetermined"),
        ({"natural": 0.305}, "undetermined"),
        ({"scattered": 30.0}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    made = table(**change)
    if change == {"waves": 0.46}:
        made.loc[(made["arm"] == "waves") & (made["seed"] % 2 == 0), "value"] *= 1.05
        made.loc[(made["arm"] == "waves") & (made["seed"] % 2 == 1), "value"] *= 0.95
    assert decide(made)[0] == verdict


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SIDE", 6), ("PASSAGES", 3)):
        monkeypatch.setattr(pieces, name, value)
    question = load_question("orientation", {"seeds": 2, "together": 2, "prenatal": 2})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    assert all(each["value"].notna().all() for each in tables.values())
    answer = question.conclude(tables, {})
    assert answer.exhibits[0].name == "opening" and (answer.findings["metric"] == "roughness").any()
    assert "selective for orientation" in answer.sentence
