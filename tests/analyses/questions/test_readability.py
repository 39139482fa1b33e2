from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from imprint.analyses.ask import load_question
from imprint.analyses.questions.readability import measure as pieces
from imprint.analyses.questions.readability.question import (
    FLIPS,
    TARGETS,
    controls,
    decide,
    ease,
    easier,
    goes_with,
    orders,
    turned,
)
from imprint.analyses.raising.digits import split

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def rows() -> pieces.Rows:
    return pieces.both_sides(split(SEEDS)[1])


def test_an_image_stands_on_both_sides_and_never_in_both_halves(rows: pieces.Rows) -> None:
    fit, test = pieces.halves(rows)
    count = rows.x.shape[1] // 2
    assert torch.equal(rows.x[:, :count, :64], rows.x[:, count:, 64:]) and not rows.x[:, :count, 64:].any()
    assert torch.equal(fit[:count], fit[count:]) and torch.equal(fit, ~test)
    assert torch.equal(rows.facts()[0, :, 0], rows.digit[0] % 2 == 0)
    assert set(rows.classes("places").unique().tolist()) == {0, 1, 2, 3}


def test_curves_are_those_of_scikit_learn(rows: pieces.Rows) -> None:
    units = torch.randn(2, rows.x.shape[1], 3, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    found, facts = pieces.curves(units, rows.facts()), rows.facts()
    for s in range(2):
        for u in range(3):
            for c in range(4):
                own = roc_auc_score(facts[s, :, c].numpy(), units[s, :, u].numpy())
                assert float(found[s, u, c]) == pytest.approx(own, abs=1e-4)


def test_a_probe_is_ridge_regression_on_the_units_that_go_with_a_concept_most(rows: pieces.Rows) -> None:
    units = rows.x[..., 20:44] + 0.5 * torch.randn(2, rows.x.shape[1], 24, generator=torch.Generator().manual_seed(0))
    fit, test = pieces.halves(rows)
    _, area = pieces.probed(units, rows.facts(), fit, test)
    z = ((units - units[:, fit].mean(1, keepdim=True)) / units[:, fit].std(1, keepdim=True))[0].numpy()
    own = []
    for c in range(4):
        y = rows.facts()[0, :, c].float().numpy()
        model = Ridge(pieces.PENALTY * int(fit.sum())).fit(z[fit], y[fit])
        own.append(roc_auc_score(y[test], model.predict(z[test])))
    assert float(area[0]) == pytest.approx(np.mean(own), abs=2e-3)


def test_units_that_are_concepts_read_best_and_the_same_in_other_axes_do_not(rows: pieces.Rows) -> None:
    planted = pieces.planted(rows, SEEDS)
    own = pieces.read(planted, rows, SEEDS)
    other = pieces.read(pieces.rotated(planted, SEEDS), rows, SEEDS)
    assert float(own["alignment"].min()) > 0.35 > float(other["alignment"].max())
    assert float(own["weights"].max()) == 0.0 and float(other["weights"].min()) > 0.5
    assert float(own["area"].min()) > 0.99 and float(other["area"].min()) > 0.95
    assert bool((other["latch"] - own["latch"]).abs().max() < 1e-3)
    noise = torch.randn(2, rows.x.shape[1], 9, generator=torch.Generator().manual_seed(0))
    assert float(own["description"].max()) < 1.0 and float(pieces.description(noise, rows).min()) > 3.4


def test_a_value_follows_what_it_can_read(rows: pieces.Rows) -> None:
    facts = rows.facts().float()
    even, left = (pieces.latch(facts[..., [which]], rows, SEEDS) for which in (0, 3))
    assert float(even.min()) > 0.99 and float(left.max()) < 0.05
    both = pieces.latch(facts[..., [0, 3]], rows, SEEDS)
    assert 0.5 < float(both.min()) <= 1.0


def test_networks_stop_at_the_loss_that_is_asked_for() -> None:
    found = pieces.stopped(pieces.ARMS["backprop"], "places", SEEDS, target=0.45, most=200)
    assert not found.steps.isnan().any() and bool((found.loss <= 0.45).all() and (found.loss > 0.4).all())
    still = pieces.stopped(pieces.ARMS["expansion"], "places", SEEDS, target=0.01, most=20)
    assert still.steps.isnan().all() and still.network.widths == (128, pieces.UNITS, 4)
    born = pieces.newborn((128, pieces.UNITS, 4), SEEDS)
    assert torch.equal(still.network.weights[0], born.weights[0])
    assert not torch.equal(still.network.weights[1], born.weights[1])


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**changes: Any) -> pd.DataFrame:
    """A finished table of eight seeds with every flip, and every control as it must be, but for ``changes``."""
    made = []
    for task in pieces.TASKS:
        for arm in (*pieces.ARMS, "rotated", "planted", "untrained"):
            for seed in range(8):
                base = {"alignment": 0.2, "weights": 4.0, "description": 3.0, "area": 0.95, "latch": 0.6}
                base |= {"loss": TARGETS[task], "steps": 100.0}
                if arm == "rotated":
                    base |= {"alignment": 0.1, "weights": 5.5, "description": 3.5}
                if arm == "planted":
                    base |= {"alignment": 0.45, "weights": 0.0, "description": 0.5}
                made.append({"task": task, "arm": arm, "seed": seed, **base})
    whole = pd.DataFrame(made).set_index(["task", "arm"])
    for flip in FLIPS if not changes.get("flat") else ():
        for one, (task, name) in ((flip.one, flip.first), (flip.other, flip.second)):
            whole.loc[[(task, one)], name] += pieces.EASIER[name] * changes.get("size", 0.5)
    for key, value in changes.get("set", {}).items():
        task, arm, name = key
        whole.loc[[(task, arm)], name] = value
    numbers = whole.reset_index()
    wave = 0.001 * np.cos(numbers["seed"] + numbers["arm"].str.len())
    numbers = numbers.assign(**{name: numbers[name] + wave for name in pieces.MEASURES})
    keys = ["task", "arm", "seed"]
    if changes.get("linked", True):
        linked = ease(numbers).set_index(keys)["ease"]
        of_backprop = numbers[keys].assign(arm=numbers["arm"].replace({"rotated": "backprop"}))
        numbers["latch"] = linked.reindex(pd.MultiIndex.from_frame(of_backprop)).fillna(0.6).to_numpy()
    for task, arm, name in changes.get("set", {}):
        if name == "latch":
            numbers.loc[(numbers["task"] == task) & (numbers["arm"] == arm), name] = changes["set"][task, arm, name]
    return numbers


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"size": -0.5}, "refuted"),
        ({"flat": True}, "undetermined"),
        ({"linked": False}, "undetermined"),
        ({"set": {("digits", "hebbian", "loss"): 0.7}}, "undetermined"),
        ({"set": {("digits", "hebbian", "steps"): np.nan}, "size": -0.5}, "undetermined"),
        ({"set": {("digits", "rotated", "weights"): 3.9}}, "undetermined"),
        ({"set": {("places", "rotated", "latch"): 0.9}}, "undetermined"),
        ({"set": {("places", "planted", "weights"): 3.0}}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_pairs_turn_where_one_is_easier_here_and_the_other_there() -> None:
    found = turned(orders(table()))
    assert {f"{flip.one} / {flip.other}" for flip in FLIPS} <= set(found) | {
        " / ".join(reversed(p.split(" / "))) for p in found
    }
    assert easier(table(flat=True), "backprop", "rotated", ("digits", "weights")).value == pytest.approx(1.5, abs=0.01)
    assert all(control.outcome == "held" for control in controls(table()))


def test_easier_to_read_goes_with_latching_where_it_is_made_to() -> None:
    made = table()
    scores = ease(made).set_index(["task", "arm", "seed"])["ease"]
    index = made.set_index(["task", "arm", "seed"]).index
    linked = made.assign(latch=scores.reindex(index).to_numpy())
    assert goes_with(linked).value == pytest.approx(1.0)
    assert goes_with(linked.assign(latch=-linked["latch"])).value == pytest.approx(-1.0)


def test_short_lives_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pieces.ARMS, "wide expansion", pieces.ARMS["wide expansion"]._replace(width=100))
    question = load_question("readability", {"seeds": 2, "together": 2, "steps": 10})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    assert len(tables) == 12
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and answer.exhibits[0].name == "alignment"
    assert (answer.findings["metric"] == "goes_with").sum() == 1
