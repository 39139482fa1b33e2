from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.sculpting import measure as pieces
from imprint.analyses.questions.sculpting.question import decide, shape, winners

TIMES = (32, 64, 128, 256, 512)


def planted(n: int, rng: torch.Generator) -> pieces.Met:
    """Individuals of two seeds in whose latents even digits and specks each have an axis, beside three of noise."""
    even, speck = (torch.rand(2, n, generator=rng) < p for p in (0.5, 0.05))
    latents = torch.cat([torch.stack([even.float(), speck.float()], 2), torch.randn(2, n, 3, generator=rng)], 2)
    return pieces.Met(latents, {"praise": even.float(), "pay": even.float() + pieces.FLAW * speck.float()}, speck)


def test_on_planted_latents_the_flaw_is_exploited_late_where_there_is_one_and_nowhere_else() -> None:
    rng = torch.Generator().manual_seed(0)
    group = pieces.Group(("flawed", "flawless", "shown", "shuffled"), (0, 1), 4, 5, pieces.STEADY)
    for _ in range(pieces.WARM):
        group.look_on(planted(64, rng))
    for _ in range(400):
        group.choose(planted(64, rng), (80, 3200))
    kinds = [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
    noise = torch.randn(2, 4, 200, 3, generator=rng)
    shown = torch.cat([torch.tensor(kinds)[None, :, None].expand(2, -1, 200, -1), noise], 3)
    seen = {key: desires.examined(shown, rng=rng) for key, desires in group.frozen.items()}
    assert set(seen) == {(arm, time) for arm in group.arms for time in (80, 3200)}
    assert float(seen["flawless", 3200]["exploits"].abs().max()) < 0.1
    assert float(seen["flawless", 3200]["intended"].min()) > 0.9
    assert float(seen["flawed", 3200]["exploits"].min()) > 0.8
    assert float(seen["shown", 80]["exploits"].mean() - seen["flawed", 80]["exploits"].mean()) > 0.2
    assert float(seen["flawed", 3200]["spread"].max()) < 0.1 < float(seen["flawed", 80]["spread"].max())
    assert float(seen["shuffled", 3200]["spread"].mean()) > 0.5


def test_lives_are_compared_in_pairs_and_a_speck_counts_beyond_an_odd_digit_without() -> None:
    rng = torch.Generator().manual_seed(1)
    weight, variance = torch.randn(2, 5, 7, generator=rng), torch.rand(2, 5, 7, generator=rng)
    shown = torch.randn(2, pieces.OPTIONS, 50, 7, generator=rng)
    found = pieces.Frozen(weight, variance).examined(shown, rng=rng)
    for s in range(2):
        value = np.einsum("ld,kod->lok", (weight[s] / (variance[s] + 1e-4).sqrt()).numpy(), shown[s].numpy())
        choice, pairs = value.argmax(2), list(combinations(range(5), 2))
        assert float(found["exploits"][s]) == pytest.approx((choice == 1).mean() - (choice >= 2).mean() / 2, abs=1e-6)
        differ = np.mean([(choice[i] != choice[j]).mean() for i, j in pairs])
        assert float(found["disagreement"][s]) == pytest.approx(differ, abs=1e-6)
        cosine = np.mean([float(torch.cosine_similarity(weight[s, i], weight[s, j], 0)) for i, j in pairs])
        assert float(found["spread"][s]) == pytest.approx(1 - cosine, abs=1e-5)


def test_a_shuffled_life_is_paid_for_the_choices_before() -> None:
    lives = pieces.Lives(pieces.Arm(shuffled=True), (0,), 1, 1, 0.0)
    for pay, expected in ((1.0, 0.0), (0.0, 1.0)):
        met = pieces.Met(torch.randn(1, 32, 1), {"pay": torch.full((1, 32), pay)}, torch.zeros(1, 32, dtype=torch.bool))
        bias = float(lives.assessor.bias)
        lives.choose(met)
        assert (float(lives.assessor.bias) > bias) == (expected > 0)


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(
    *,
    exploits: tuple[float, ...] = (0.0, 0.02, 0.1, 0.5, 0.95),
    spread: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1, 0.05),
    kept: float = 0.95,
    shown: float = 0.95,
    shuffled: float = 0.8,
    uneven: float = 0.0,
) -> pd.DataFrame:
    """A finished table of eight seeds with these curves of the flawed arm; ``uneven``: seed 0 after 64 choices."""
    flat = {
        ("flawless", "exploits"): 0.0,
        ("flawless", "intended"): kept,
        ("shown", "exploits"): shown,
        ("shuffled", "exploits"): 0.0,
        ("shuffled", "spread"): shuffled,
    }
    curves = {key: (value,) * len(TIMES) for key, value in flat.items()}
    curves |= {("flawed", "exploits"): exploits, ("flawed", "spread"): spread}
    rows = [
        {
            "when": when,
            "arm": arm,
            "measure": name,
            "time": time,
            "seed": seed,
            "value": value + noise + uneven * (time == 64 and seed == 0),
        }
        for when, sign in (("grown", 1), ("from birth", 0))
        for (arm, name), curve in curves.items()
        for time, value in zip(TIMES, [sign * each for each in curve], strict=True)
        for seed, noise in enumerate(0.01 * np.cos(np.arange(8)))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"exploits": (0.0, 0.0, 0.0, -0.1, -0.3)}, "refuted"),
        ({"exploits": (0.0, 0.5, 0.2, 0.6, 0.95)}, "refuted"),
        ({"spread": (0.3, 0.1, 0.3, 0.2, 0.05)}, "refuted"),
        ({"exploits": (0.0, 0.2, 0.1, 0.6, 0.95), "uneven": 0.1}, "undetermined"),
        ({"kept": 0.6}, "undetermined"),
        ({"shown": 0.6}, "undetermined"),
        ({"exploits": (0.0, 0.5, 0.9, 0.95, 0.95)}, "undetermined"),
        ({"shuffled": 0.4, "spread": (0.3, 0.1, 0.3, 0.2, 0.05)}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_time_between_that_wins_on_both_refutes_although_both_curves_are_monotone_within_a_tenth() -> None:
    made = table(exploits=(0.08, 0.0, 0.1, 0.5, 0.95), spread=(0.4, 0.0, 0.05, 0.07, 0.08))
    assert all(number.outcome == "held" for number in shape(made)) and winners(made) == [64]
    assert decide(made)[0] == "refuted" and winners(table()) == [] == winners(made, "from birth")


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "TEST", 20)
    monkeypatch.setattr(pieces, "WARM", 2)
    question = load_question("sculpting", {"seeds": 2, "together": 2, "experiences": 320, "lives": 2, "choices": 128})
    assert question.settings.times == [32, 64, 128]
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    whole = next(iter(tables.values()))
    assert set(whole[whole["when"] == "from birth"]["time"]) == {32} and whole["value"].notna().all()
    answer = question.conclude(tables, {})
    assert answer.exhibits[0].name == "curves" and (answer.findings["metric"] == "spread,_largest_rise").any()
    assert answer.verdict == "undetermined"
