from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.uniformity import assessors, measure, streams
from imprint.analyses.questions.uniformity.question import decide


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


# -- streams -----------------------------------------------------------------------------------------------------------


def test_streams_use_the_alphabet_and_their_parts_do_not_overlap() -> None:
    for name in streams.STREAMS:
        train, test = (streams.stream(name, 0, held_out=held_out) for held_out in (False, True))
        assert int(train.min()) >= 0 and int(train.max()) < streams.SYMBOLS and len(test) > 10_000
        assert 2 <= len(train) / len(test) <= 4
    whole = streams.text()
    assert torch.equal(torch.cat([streams.stream("text", 0, held_out=h) for h in (False, True)]), whole)
    assert torch.equal(
        streams.arm(torch.Generator().manual_seed(1), 50), streams.arm(torch.Generator().manual_seed(1), 50)
    )


def test_an_arm_without_torque_comes_to_rest_and_angles_follow_torques(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = streams.arm(torch.Generator().manual_seed(0), 4000).reshape(-1, 4).float()
    torque, angle = seen[:-8, 0], seen[8:, 2]
    assert float(torch.corrcoef(torch.stack([torque, angle]))[0, 1]) > 0.3
    monkeypatch.setattr(
        torch, "randn", lambda *shape, generator: torch.linspace(1, 0, shape[0])[:, None].expand(shape) ** 40
    )
    still = streams.arm(torch.Generator(), 4000).reshape(-1, 4)
    assert int(still[-1000:].float().std(0).max()) == 0


def test_places_of_pixels_have_their_past_in_the_same_image_and_codes_are_permutations() -> None:
    places = streams.windows(torch.zeros(200, dtype=torch.long), "pixels")
    assert set((places // 64).tolist()) == {0, 1, 2} and all(int(place) % 64 >= streams.WINDOW for place in places)
    one, other = (streams.code("text", 0, side) for side in ("in", "out"))
    assert torch.equal(one.sort().values, torch.arange(streams.SYMBOLS)) and not torch.equal(one, other)


# -- modules -----------------------------------------------------------------------------------------------------------


def senses(shift: int) -> measure.Senses:
    """A stream of two seeds in which the next symbol is the one ``shift`` after the one three before."""
    rng = torch.Generator().manual_seed(0)
    before = [torch.randint(4, (3000, streams.WINDOW), generator=rng) for _ in range(2)]
    return measure.Senses(before, [(each[:, -3] + shift) % 4 for each in before])


def test_a_module_learns_what_a_bigram_cannot_and_relearns_another_rule_in_its_place() -> None:
    first, second, seeds = senses(0), senses(1), (0, 1)
    born = measure.newborn(measure.RECIPE.widths, [torch.Generator().manual_seed(seed) for seed in seeds])
    module = measure.taught(born, first, seeds, updates=150)
    assert float(measure.score(module, first, seeds).min()) > 0.9
    assert float(measure.bigram(first, first, seeds).max()) < 0.35
    assert float(measure.score(module, second, seeds).max()) < 0.1
    again = measure.taught(module, second, seeds, updates=150)
    assert float(measure.score(again, second, seeds).min()) > 0.9


def test_the_balanced_score_is_the_mean_recall_over_symbols_that_occur() -> None:
    after = torch.tensor([[0, 0, 0, 1], [2, 2, 3, 3]])
    assert measure.balanced(torch.zeros_like(after), after).tolist() == [0.5, 0.0]
    assert measure.balanced(torch.tensor([[0, 0, 1, 1], [2, 2, 3, 3]]), after).tolist() == pytest.approx([5 / 6, 1.0])


# -- assessors ---------------------------------------------------------------------------------------------------------


def test_the_shared_rate_is_the_best_on_average_and_costs_what_the_channels_differ() -> None:
    tuning = torch.tensor([[[0.8, 0.6, 0.1], [0.1, 0.4, 0.5], [0.01, 0.0, 0.02]]])
    frame = assessors.rows_of(tuning, tuning, ["a", "b", "noise"], (7,)).set_index(["stream", "measure"])["value"]
    assert set(frame.index.get_level_values(0)) == {"a", "b", "all channels"}
    assert frame["a", "shared"] == pytest.approx(0.6) and frame["b", "tuned"] == pytest.approx(0.5)
    assert frame["all channels", "shared / tuned"] == pytest.approx(1.0 / 1.3)
    assert frame["all channels", "worst / tuned"] == pytest.approx(0.2 / 1.3)


def test_squared_correlation_is_that_of_numpy() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 5, 6, generator=rng)
    expected = np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1] ** 2
    assert float(assessors.squared_correlation(a, b)) == pytest.approx(expected, abs=1e-6)
    assert float(assessors.squared_correlation(a, torch.ones(5, 6))) == 0.0


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {"native": 0.5, "bigram": 0.3, "chance": 0.04, "newborn": 0.04, "swapped": 0.04, "retrained": 0.5}
GOOD |= {"shuffled": 0.04, "shared / tuned": 0.99}


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds with these numbers for all streams."""
    rows: list[dict[str, Any]] = []
    noise = 0.001 * np.cos(np.arange(8))
    for name, value in (GOOD | {key.replace("_", " / "): value for key, value in change.items()}).items():
        for stream in ("all channels",) if "/" in name else streams.STREAMS:
            about = {"part": "made", "stream": stream, "donor": "none", "measure": name}
            rows += [{**about, "seed": seed, "value": value + noise[seed]} for seed in range(8)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"native": 0.25, "retrained": 0.25}, "refuted"),
        ({"swapped": 0.2}, "refuted"),
        ({"retrained": 0.4}, "refuted"),
        ({"shared_tuned": 0.9}, "confirmed"),
        ({"newborn": 0.2, "retrained": 0.4}, "undetermined"),
        ({"shuffled": 0.2}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_small_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TESTS", 200)
    monkeypatch.setattr(assessors, "LESSONS", 2)
    monkeypatch.setattr(assessors, "EXAM", 40)
    monkeypatch.setattr(assessors, "KNOWN", 0.0)
    question = load_question("uniformity", {"seeds": 2, "together": 2, "assessed": 2, "updates": 4, "experiences": 64})
    tables = {p.name: p.function(**p.arguments, say=quiet) for p in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict in ("refuted", "undetermined") and "bigram" in answer.sentence
    assert [exhibit.name for exhibit in answer.exhibits] == ["modules", "assessors"]
