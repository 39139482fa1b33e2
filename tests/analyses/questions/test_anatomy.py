from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.anatomy import measure as pieces
from imprint.analyses.questions.anatomy.question import decide, orders


def test_bits_are_the_length_of_the_message_that_tells_the_change() -> None:
    change = torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 0.0]])
    found = pieces.bits(change, torch.tensor([1.0, 2.0]))
    assert found.tolist() == pytest.approx([0.0, 2 * math.log2(1 + pieces.LEVELS / 2)])


def test_tensors_are_counted_under_the_module_that_has_them() -> None:
    before = {"a.weight": torch.zeros(1, 2), "a.bias": torch.zeros(1, 1), "b.weight": torch.ones(1, 2)}
    after = {"a.weight": torch.ones(1, 2), "a.bias": torch.zeros(1, 1), "b.weight": torch.ones(1, 2)}
    found = pieces.bits_of(before, after)
    assert float(found["a"]) == pytest.approx(2 * math.log2(1 + pieces.LEVELS)) and float(found["b"]) == 0.0


def test_innate_variables_settle_where_the_body_is() -> None:
    steered = pieces.Steered((0, 1, 2))
    quiet = {name: torch.zeros(3, 6) for name in ("expansion", "darkness", "overhead")}
    assert all(float(value.max()) == 0.0 for value in steered.changed().values())
    for _ in range(200):
        steered.feel(quiet)
    state = steered.state
    assert torch.allclose(state["saccade.gain"] * state["muscle"], torch.ones(3), atol=1e-2)
    assert torch.allclose(state["appetite.set_point"], steered.filled.clamp(0.1, 0.9), atol=0.15)
    changed = steered.changed()
    assert float(changed["alarm"].max()) == float(changed["startle"].max()) == 0.0
    assert float(changed["saccade"].min()) > 0.0


def test_homeostasis_brings_the_relay_to_its_set_point() -> None:
    relay, latents = pieces.Relay((0,), 8), 3.0 * torch.randn(1, 500, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(600):
        relay.pass_on(latents)
    activity = (relay.gain[:, None] * (latents @ relay.wiring)).abs().mean(1)
    assert torch.allclose(activity, torch.ones(1, pieces.CHANNELS), atol=0.02)


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds: bits of each module."""
    flat = {module: {"learn": 9000.0, "steer": 8.0, "grey": 100.0}.get(tag, 0.0) for module, tag in pieces.TAGS.items()}
    flat |= {"alarm": 0.0, "smuggled": 2000.0, **change}
    rows = [
        {"module": module, "tag": pieces.TAGS[module], "seed": seed, "value": value * (1 + noise)}
        for module, value in flat.items()
        for seed, noise in enumerate(0.05 * np.cos(np.arange(8) + len(module)))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"value": 300.0}, "refuted"),
        ({"value": 800.0}, "undetermined"),
        ({"tally": 60.0, "value": 9000.0}, "refuted"),
        ({"smuggled": 100.0}, "undetermined"),
        ({"unborn": 5.0}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_modules_without_change_count_as_one_bit() -> None:
    assert (orders(table())["alarm"] == 0.0).all()


def test_a_short_life_is_mapped_from_end_to_end() -> None:
    question = load_question("anatomy", {"seeds": 2, "together": 2, "experiences": 192})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert set(tables["map-0"]["module"]) == set(pieces.TAGS)
    assert [exhibit.name for exhibit in answer.exhibits] == ["bits", "orders", "seeds"]
    assert answer.sentence.startswith("Living writes")
