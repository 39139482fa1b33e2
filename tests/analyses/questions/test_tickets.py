from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.tickets import measure as pieces
from imprint.analyses.questions.tickets.question import FEW, MANY, decide
from imprint.analyses.raising.digits import Images, newborn, one_hot, stepped
from imprint.models.learning.plain_steps import started

SEEDS = (1, 2)


def test_what_is_masked_stays_zero_and_the_rest_learns() -> None:
    shown, _ = pieces.images_of(SEEDS)
    birth = newborn((64, pieces.UNITS, 10), SEEDS)
    masks = pieces.ticket(birth)
    assert [round(float(mask.mean()), 2) for mask in masks] == [0.05, 0.05]
    assert all(
        bool((w.abs() * m).flatten(1).max(1).values.ge((w.abs() * (1 - m)).flatten(1).max(1).values).all())
        for w, m in zip(birth.weights, masks, strict=True)
    )
    network = pieces.learned(birth, shown, SEEDS, steps=20, masks=masks)
    for weight, mask, born in zip(network.weights, masks, birth.weights, strict=True):
        assert not weight[mask == 0].any() and not torch.equal(weight, born * mask)
    wired = pieces.scattered(masks, SEEDS)
    assert [float(a.sum()) for a in wired] == [float(a.sum()) for a in masks] and not torch.equal(wired[0], masks[0])


def test_the_gini_coefficient_is_that_of_its_definition_and_sees_units_that_are_cut_off() -> None:
    x = torch.rand(3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    apart = (x[:, :, None] - x[:, None, :]).abs().sum((1, 2)) / (2 * 9 * x.sum(1))
    assert torch.allclose(pieces.gini(x), apart)
    assert torch.allclose(pieces.gini(torch.ones(1, 7)), torch.zeros(1), atol=1e-6)
    assert float(pieces.gini(torch.eye(10)[:1])) == pytest.approx(0.9)


def test_usefulness_is_the_rise_of_the_loss_without_a_unit() -> None:
    _, examined = pieces.images_of(SEEDS)
    network = newborn((64, pieces.UNITS, 10), SEEDS)
    found = pieces.usefulness(network, examined)
    hidden = network.activities(examined.x)[1].clone()
    base = network.losses(network.layer(1, hidden), one_hot(examined.digit)).mean(1)
    hidden[:, :, 5] = hidden[:, :, 5].mean(1, keepdim=True)
    rise = network.losses(network.layer(1, hidden), one_hot(examined.digit)).mean(1) - base
    assert torch.allclose(found[:, 5], rise, atol=1e-5)


def test_gradients_through_gains_are_those_of_automatic_differentiation() -> None:
    network = newborn((6, pieces.UNITS, 10), SEEDS)
    rng = torch.Generator().manual_seed(0)
    x, gain = torch.randn(2, 5, 6, generator=rng), torch.rand(2, 5, pieces.UNITS, generator=rng)
    y = one_hot(torch.randint(0, 10, (2, 5), generator=rng))
    asked = pieces.gained(network, x, y, gain)
    for weight in network.weights:
        weight.requires_grad_()
    network.losses(network.layer(1, network.layer(0, x) * gain), y).mean(1).sum().backward()
    for weight, change in zip(network.weights, asked.weights, strict=True):
        assert torch.allclose(weight.grad, change, atol=1e-5)  # type: ignore[arg-type]


def test_hidden_units_that_do_not_learn_stay_as_they_were_born() -> None:
    birth = newborn((4, 5, 2), SEEDS)
    shown = Images(torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 6).long())
    still = pieces.labelled(birth, shown, SEEDS, steps=3, hidden=0.0)
    assert torch.equal(still.weights[0], birth.weights[0]) and torch.equal(still.biases[0], birth.biases[0])
    assert not torch.equal(still.weights[1], birth.weights[1])
    asked = started("backprop", birth.widths, SEEDS).changes(birth, shown.x, one_hot(shown.digit, 2))
    assert torch.equal(stepped(birth, asked, 0.5).weights[0], birth.weights[0] - 0.5 * asked.weights[0])


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**changes: float) -> pd.DataFrame:
    """A finished table of eight seeds in which everything is as predicted, but for the ``changes``."""
    numbers: dict[tuple[str, str, str, float], float] = {
        ("tickets", "full", "", 0): 0.95,
        ("tickets", "rewound", "", 0): 0.93,
        ("tickets", "reinitialised", "", 0): 0.8,
        ("tickets", "random mask", "", 0): 0.76,
        ("tickets", "complement", "", 0): 0.945,
        ("tickets", "untaught ticket", "", 0): 0.77,
        **{("units", arm, "accuracy", 0): 0.95 for arm in ("plain", "dropout", "jobs")},
        **{
            ("units", arm, "gini", 0): g
            for arm, g in (("plain", 0.6), ("dropout", 0.4), ("jobs", 0.4), ("planted", 0.9))
        },
        **{("dictionary", "synthesis", "", load): 1.0 for load in (FEW, MANY)},
        ("dictionary", "dictionary", "", FEW): 0.98,
        ("dictionary", "dictionary", "", MANY): 0.7,
    }
    rows = []
    for (part, arm, name, load), value in numbers.items():
        value = changes.get(f"{arm} {name or int(load) or part}".replace(" ", "_"), value)
        for seed in range(8):
            row: dict[str, Any] = {"part": part, "arm": arm, "measure": name, "load": load, "seed": seed}
            rows.append({**row, "value": value + 0.002 * np.cos(seed + len(arm))})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"rewound_tickets": 0.81}, "refuted"),
        ({"complement_tickets": 0.85}, "refuted"),
        ({"dropout_gini": 0.7}, "refuted"),
        ({"jobs_accuracy": 0.9}, "refuted"),
        ({"dictionary_32": 0.8}, "refuted"),
        ({"dictionary_256": 0.99}, "refuted"),
        ({"reinitialised_tickets": 0.8799}, "undetermined"),
        ({"untaught_ticket_tickets": 0.9}, "undetermined"),
        ({"planted_gini": 0.5, "rewound_tickets": 0.81}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_short_lives_run_from_end_to_end() -> None:
    question = load_question("tickets", {"seeds": 2, "together": 2, "steps": 20, "lookings": 20})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert [exhibit.name for exhibit in answer.exhibits] == ["tickets", "units", "dictionary", "seeds"]
    assert answer.findings["estimate"].notna().sum() > 20 and "twentieth" in answer.sentence
