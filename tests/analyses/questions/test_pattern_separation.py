from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from imprint.analyses.ask import load_question
from imprint.analyses.questions.pattern_separation import memory, sales, tracking
from imprint.analyses.questions.pattern_separation.question import decide
from imprint.models.errors import ImprintError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- restaurants -------------------------------------------------------------------------------------------------------


def sets(product: bool) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Three sets of two numbers and their product, or their sum."""
    draw = rng()
    x = [2 * torch.rand(400, 2, generator=draw) - 1 for _ in range(3)]
    return x, [(each.prod(1) if product else each.sum(1))[:, None] for each in x]


def test_a_sum_is_read_from_the_numbers_and_a_product_is_not() -> None:
    x, y = sets(product=False)
    assert sales.closed_form(x, y) > 0.99
    assert sales.taught("backprop", x, y, epochs=10, seed=0) > 0.98
    assert sales.taught("three_factor", x, y, epochs=20, seed=0) > 0.9
    x, y = sets(product=True)
    assert sales.closed_form(x, y) < 0.1
    assert sales.taught("backprop", x, y, epochs=80, seed=0, hidden=20) > 0.6


def test_a_cell_is_tuned_to_a_number() -> None:
    cells = sales.tuned(torch.tensor([[-1.0, 1.0]]))[0].reshape(2, sales.CELLS)
    assert cells.argmax(1).tolist() == [0, sales.CELLS - 1] and float(cells.max()) == 1.0
    assert float(cells[0, 1]) == pytest.approx(norm.pdf(2 / 7, scale=0.25) / norm.pdf(0, scale=0.25), rel=1e-4)


# -- tracking ----------------------------------------------------------------------------------------------------------


def test_feedback_alone_settles_where_arithmetic_says() -> None:
    plant = tracking.Plant(3, 0.5, 0.0, "sines")
    wires = torch.rand(2, tracking.MODULE.width, 4 * sales.CELLS, generator=rng())
    error = tracking.follow(plant, torch.full((2, 400), 0.6), wires, "feedback", torch.tensor([0.2, 0.5]))
    assert torch.allclose(error[:, -1], 0.6 / (1 + torch.tensor([0.2, 0.5])), atol=1e-4)  # y = K e, r = y + e
    assert bool((error[:, :4] == 0.6).all())  # nothing arrives before the lag


def test_the_module_makes_up_for_a_lag_and_not_with_shuffled_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "PLANTS", {"limb": tracking.PLANTS["limb"]})
    monkeypatch.setattr(tracking, "ARMS", ("feedback", "module", "shuffled"))
    monkeypatch.setattr(tracking, "TEST", 600)
    found = tracking.tracking(seeds=(0, 1), lessons=2500, say=lambda *_: None)
    error = found.pivot_table(index="plant", columns="arm", values="value")
    assert error.loc["limb", "module"] < 0.6 * error.loc["limb", "feedback"]
    assert error.loc["limb", "shuffled"] > 0.8 * error.loc["limb", "feedback"]


# -- memory ------------------------------------------------------------------------------------------------------------


def test_overlap_is_the_mean_cosine_of_pairs() -> None:
    same = torch.ones(2, 5, 4)
    apart = torch.eye(5)[None].expand(2, -1, -1)
    assert memory.overlap(same) == pytest.approx(1.0) and memory.overlap(apart) == pytest.approx(0.0)


def test_orthogonal_patterns_are_told_apart_and_noise_is_not() -> None:
    assert memory.told(torch.eye(30), torch.eye(30), rng()) == 1.0
    noise = torch.randn(30, 20, generator=rng(1))
    assert abs(memory.told(torch.randn(30, 20, generator=rng(2)), noise, rng()) - 0.5) < 0.1


def test_orthogonal_patterns_never_spread_and_one_that_is_linked_to_all_does() -> None:
    blocks = torch.eye(10).repeat_interleave(4, 1)
    assert float(memory.runaways(blocks, (1.0, 8.0), 4).max()) == 0.0
    chain = torch.maximum(blocks, blocks.roll(1, 0) * torch.tensor([1.0, 1, 0, 0]).repeat(10))
    assert memory.runaways(chain, (0.1, 8.0), 6).tolist() == [0.0, 1.0]
    assert memory.critical_gain((1.0, 2.0, 4.0), torch.tensor([0.0, 0.0, 1.0])) == pytest.approx(8**0.5)
    assert memory.critical_gain((1.0, 2.0), torch.zeros(2)) == 2.0


# -- the rule ----------------------------------------------------------------------------------------------------------


def tables(**change: float) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Finished tables of eight seeds; ``change``: other values than those of a prediction that holds."""
    c = {
        "linear": 0.2,
        "wide": 0.8,
        "widest": 0.82,
        "learned": 0.9,
        "shuffled_sales": 0.0,
        "left": 0.3,
        "sequence": 0.3,
    }
    c |= {
        "shuffled": 1.0,
        "overlap": 0.5,
        "gain": 3.0,
        "sparse": 0.8,
        "middle": 0.9,
        "dense": 0.7,
        "few": 0.97,
    } | change
    sold: list[dict[str, Any]] = []
    moved, kept = list(sold), list(sold)
    for seed in range(8):
        noise = 0.004 * float(np.cos(seed))
        for arm, read, value in (
            ("linear", "closed form", c["linear"]),
            ("coded", "closed form", c["linear"]),
            ("1024 units", "closed form", c["wide"]),
            ("4096 units", "closed form", c["widest"]),
            ("4096 units", "shuffled", c["shuffled_sales"]),
            ("1024 units", "delta rule", c["wide"]),
            ("learned hidden layer", "backpropagation", c["learned"]),
        ):
            sold.append({"seed": seed, "arm": arm, "read": read, "value": value + noise * (1 + len(arm) % 3)})
        for plant in tracking.PLANTS:
            part = c["sequence"] if plant == "sequence" else c["left"]
            for arm, value in (("feedback", 1.0), ("module", part + noise), ("shuffled", c["shuffled"] + noise)):
                moved.append({"seed": seed, "plant": plant, "arm": arm, "value": value})
        for part, overlap, told in ((0.02, 0.3, c["sparse"]), (0.1, c["overlap"], c["middle"]), (1.0, 0.9, c["dense"])):
            row = {"seed": seed, "part": part, "patterns": 0}
            kept.append({**row, "measure": "overlap", "value": overlap + noise * part})
            for count, value in ((25, c["few"]), (200, told)):
                kept.append({**row, "patterns": count, "measure": "told apart", "value": value + noise * part})
        for part, gain in ((0.02, c["gain"]), (0.2, 1.0)):
            row = {"seed": seed, "part": part, "patterns": 0, "measure": "critical gain"}
            kept.append({**row, "value": gain + noise})
        kept.append({"seed": seed, "part": 1.0, "patterns": 0, "measure": "overlap of inputs", "value": 0.8})
    return pd.DataFrame(sold), pd.DataFrame(moved), pd.DataFrame(kept)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"wide": 0.4, "widest": 0.42}, "refuted"),
        ({"widest": 0.95}, "refuted"),
        ({"learned": 0.7}, "refuted"),
        ({"left": 0.7}, "refuted"),
        ({"sequence": 0.7}, "refuted"),
        ({"overlap": 0.85}, "refuted"),
        ({"gain": 1.0}, "refuted"),
        ({"sparse": 0.95}, "refuted"),
        ({"dense": 0.95}, "refuted"),
        ({"left": 0.5}, "undetermined"),
        ({"shuffled": 0.4}, "undetermined"),
        ({"few": 0.6, "gain": 1.0}, "undetermined"),
        ({"shuffled_sales": 0.3}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(*tables(**change))[0] == verdict


def test_what_the_rule_is_about_cannot_be_left_out() -> None:
    with pytest.raises(ImprintError, match="1024 is missing, which the rule is about"):
        load_question("pattern-separation", {"widths": (16, 4096)})


def test_short_lives_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"EVENINGS": 60, "OTHERS": 40}.items():
        monkeypatch.setattr(sales, name, value)
    monkeypatch.setattr(memory, "UNITS", 100)
    monkeypatch.setattr(tracking, "TEST", 100)
    small = {"seeds": 2, "widths": (16, 1024, 4096), "epochs": 1, "lessons": 200}
    question = load_question("pattern-separation", small)
    found = {piece.name: piece.function(**piece.arguments, say=lambda *_: None) for piece in question.work()}
    answer = question.conclude(found, {})
    assert len(answer.predictions) == 13 and answer.sentence.startswith("One layer on 1024 random units")
    assert [each.name for each in answer.exhibits] == ["width", "read", "tracking", "told", "overlap", "seeds"]
