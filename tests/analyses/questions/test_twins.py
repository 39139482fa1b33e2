from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import cohen_kappa_score
from sklearn.neural_network import MLPClassifier

from imprint.analyses.ask import load_question
from imprint.analyses.questions.twins import copies, recipe
from imprint.analyses.questions.twins.question import decide
from imprint.models.learning.plain_steps import learned, newborn, started


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


# -- the instruments ---------------------------------------------------------------------------------------------------


def test_error_consistency_is_cohens_kappa_of_being_right() -> None:
    rng = np.random.default_rng(0)
    one = rng.random(500) < 0.8
    other = np.where(rng.random(500) < 0.5, one, rng.random(500) < 0.7)
    assert copies.kappa(one, other) == pytest.approx(cohen_kappa_score(one, other))
    assert copies.kappa(one, one) == 1.0 and abs(copies.kappa(one, rng.permutation(one))) < 0.15
    assert np.isnan(copies.kappa(np.ones(4, dtype=bool), np.ones(4, dtype=bool)))


def test_worlds_of_a_seed_share_no_training_image_and_all_tests() -> None:
    here, there = copies.worlds([3])
    mine, other = ({tuple(row) for row in part.x[0].tolist()} for part in (here, there))
    assert len(mine) == copies.IMAGES and not mine & other and torch.equal(here.tests, there.tests)


def test_the_library_takes_the_very_steps_of_this_project_from_the_same_start_in_the_same_order() -> None:
    here, _ = copies.worlds([0])
    widths = (64, 16, 10)
    network = newborn(widths, [torch.Generator().manual_seed(0)])
    model = MLPClassifier(
        (16,), activation="tanh", solver="sgd", alpha=0.0, batch_size=copies.BATCH, learning_rate_init=copies.RATE,
        momentum=0.0, nesterovs_momentum=False, shuffle=False, random_state=0,
    )  # fmt: skip
    x, y = here.x[0].double().numpy(), here.y[0].numpy()
    model.partial_fit(x[: copies.BATCH], y[: copies.BATCH], classes=np.arange(10))
    for weight, bias, drawn in zip(model.coefs_, model.intercepts_, network.weights, strict=True):
        weight[:], bias[:] = drawn[0].T.numpy(), 0.0
    for _ in range(3):
        model.partial_fit(x, y)
    network = learned(network, started("backprop", widths, [0]), here, [], epochs=3, rate=copies.RATE)
    for weight, mine in zip(model.coefs_, network.weights, strict=True):
        assert np.allclose(weight.T, mine[0].numpy(), atol=1e-3) and np.abs(weight).max() > 0.1


def test_a_change_that_is_the_gradient_is_told_from_one_that_goes_with_activity_and_from_noise() -> None:
    rng = torch.Generator().manual_seed(0)
    gradient, activity, noise = (torch.randn(2, 32, 5, generator=rng) for _ in range(3))
    own = recipe.features(gradient, activity, 2 * gradient)
    assert torch.allclose(own[..., 0], torch.ones(2, 5)) and torch.allclose(own[..., 2].exp(), own[..., 2].exp()[0, 0])
    assert own[0, 0, 2] == pytest.approx(np.log10(2), abs=1e-5)
    assert torch.allclose(recipe.features(gradient, activity, activity)[..., 1], torch.ones(2, 5))
    assert recipe.features(gradient, activity, noise)[..., :2].abs().max() < 0.6


def test_a_rule_that_shows_is_named_and_one_that_does_not_is_guessed() -> None:
    rng = np.random.default_rng(0)
    rule, seed = np.repeat(np.arange(2), 100), np.tile(np.repeat(np.arange(4), 25), 2)
    noise = rng.standard_normal((200, 3)).astype(np.float32)
    assert recipe.named(noise + 20 * rule[:, None].astype(np.float32), rule, seed).all()
    assert 0.3 < recipe.named(noise, rule, seed).mean() < 0.7


def test_a_copied_network_is_the_network_and_one_with_silent_units_lacks_what_they_say() -> None:
    network = newborn(recipe.WIDTHS, [torch.Generator().manual_seed(0)])
    order, x = torch.randperm(recipe.HIDDEN)[None], torch.rand(1, 5, 64)
    whole = recipe.silenced(network, recipe.HIDDEN, order).activities(x)[-1]
    assert torch.equal(whole, network.activities(x)[-1])
    half = recipe.silenced(network, 32, order).activities(x)
    hidden = half[1][:, :, order[0, :32]] @ network.weights[1][:, :, order[0, :32]].mT
    assert torch.allclose(half[-1], torch.softmax(hidden, -1), atol=1e-5)


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {
    "same code": 0.7, "other code": 0.7, "other world": 0.4, "different": 0.4, "same start": 0.99, "shuffled": 0.0,
    "slower": 0.0, "named from": 22.0, "copied from": 4000.0, "shuffled rules": 0.2,
}  # fmt: skip


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds with these numbers."""
    now, rows = GOOD | {name.replace("_", " "): value for name, value in change.items()}, []

    def add(part: str, arm: str, measure: str, value: float, time: float = -1) -> None:
        noise = 0.002 * np.cos(np.arange(8) + len(arm))
        about: dict[str, Any] = {"part": part, "arm": arm, "measure": measure, "time": time}
        rows.extend({**about, "seed": seed, "value": value + noise[seed]} for seed in range(8))

    for arm in ("same code", "other code", "other world", "same start", "shuffled"):
        add("copies", arm, "kappa", now[arm])
    for arm in copies.OTHERS:
        add("copies", arm, "kappa", now["different"])
    add("copies", "same code", "distance", 0.01)
    add("copies", "other code", "distance", 0.01 + now["slower"])
    add("recipe", "rule", "named", 0.3, 10.0)
    add("recipe", "rule", "named", 0.95, now["named from"])
    add("recipe", "shuffled rules", "named", now["shuffled rules"], 394.0)
    add("recipe", "asked", "same", 0.9, 100.0)
    add("recipe", "copied", "same", 0.99, now["copied from"])
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"other_code": 0.5}, "refuted"),
        ({"different": 0.6}, "refuted"),
        ({"other_world": 0.6}, "refuted"),
        ({"slower": 0.05}, "refuted"),
        ({"named_from": 1000.0}, "refuted"),
        ({"other_world": 0.5}, "undetermined"),
        ({"same_start": 0.7, "different": 0.6}, "undetermined"),
        ({"shuffled": 0.3}, "undetermined"),
        ({"shuffled_rules": 0.4}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_rule_that_is_never_named_leaves_its_prediction_open() -> None:
    rows = table()
    rows.loc[rows["arm"] == "rule", "value"] = 0.5
    assert decide(rows)[0] == "undetermined"


def test_a_small_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "CHECKPOINTS", (1, 2))
    monkeypatch.setattr(copies, "HIDDEN", 64)
    monkeypatch.setattr(recipe, "YOUNG", 1)
    monkeypatch.setattr(recipe, "GROWN", 2)
    monkeypatch.setattr(recipe, "EVENTS", (1, 4))
    monkeypatch.setattr(recipe, "ASKED", (16,))
    question = load_question("twins", {"seeds": 2, "steps": 2})
    tables = {piece.name: piece.function(**piece.arguments, say=quiet) for piece in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict in ("refuted", "undetermined") and "as its rule" in answer.sentence
    assert [exhibit.name for exhibit in answer.exhibits] == ["mistakes", "curves", "distances", "read"]
