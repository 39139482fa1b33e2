from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.ingredients import dial, programs, smooth
from imprint.analyses.questions.ingredients import measure as pieces
from imprint.analyses.questions.ingredients.question import DENSE, FIRST, decide
from imprint.models.handwriting import splits


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


# -- shares of variance ------------------------------------------------------------------------------------------------


def planted(own: float, born: float, noise: float, births: int = 3) -> torch.Tensor:
    """Functions in which the first ingredient, the weights at birth and chance move 400 values by so much."""
    rng = torch.Generator().manual_seed(0)
    levels = [len(each) for each in pieces.FACTORS.values()]
    shape = (*levels, births, 400)
    first = torch.randn(levels[0], *[1] * len(levels), 400, generator=rng)
    every = torch.randn(*[1] * len(levels), births, 400, generator=rng)
    return own * first + born * every + noise * torch.randn(shape, generator=rng)


def test_shares_find_what_was_planted_and_nothing_else() -> None:
    one = pieces.shares(planted(1.0, 0.0, 1.0))
    assert one["architecture"] == pytest.approx(0.33, abs=0.06)  # variance of two levels is half of that drawn
    assert all(abs(one[name]) < 0.01 for name in (*list(pieces.FACTORS)[1:], pieces.BORN, pieces.REST))
    other = pieces.shares(planted(0.0, 1.0, 0.5))
    assert other[pieces.BORN] > 0.6 and abs(other["architecture"]) < 0.02 and other[pieces.WITHIN] > 0.85


def test_sums_of_squares_are_those_of_an_analysis_of_variance_by_hand() -> None:
    made = planted(1.0, 1.0, 1.0)[..., :1]
    found = pieces.shares(made)
    y, levels = made.double().squeeze(-1).numpy(), made.shape[:-1]
    total = ((y - y.mean()) ** 2).sum()
    births, cells = levels[-1], int(np.prod(levels[:-1]))
    for axis, name in enumerate(pieces.FACTORS):
        others = tuple(j for j in range(y.ndim - 1) if j != axis)
        one, last, both = y.mean((*others, y.ndim - 1)), y.mean(tuple(range(y.ndim - 1))), y.mean(others)
        size = y.size / levels[axis]
        squares = ((one - y.mean()) ** 2).sum() * size
        crossed = ((both - one[:, None] - last + y.mean()) ** 2).sum() * size / births
        expected = (squares - (levels[axis] - 1) * crossed / ((levels[axis] - 1) * (births - 1))) / total
        assert found[name] == pytest.approx(expected)
    residual = y - y.mean(-1, keepdims=True) - y.mean(tuple(range(y.ndim - 1))) + y.mean()
    born = ((y.mean(tuple(range(y.ndim - 1))) - y.mean()) ** 2).sum() * cells
    expected = (born - (births - 1) * (residual**2).sum() / ((cells - 1) * (births - 1))) / total
    assert found[pieces.BORN] == pytest.approx(expected)
    assert found[pieces.WITHIN] == pytest.approx(((y - y.mean(-1, keepdims=True)) ** 2).sum() / total)


# -- pixels, pairs, programs -------------------------------------------------------------------------------------------


def test_permuted_pixels_are_the_same_pixels_and_a_shift_moves_them_by_one() -> None:
    split = splits([0, 1])
    other = dial.permuted(split, [0, 1])
    assert torch.equal(other.x.sort(2).values, split.x.sort(2).values) and not torch.equal(other.x, split.x)
    assert torch.equal(dial.permuted(splits([1]), [1]).tests[0], other.tests[1])
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 4] = 1
    moved = dial.shifted(image.flatten(2)).reshape(4, 8, 8)
    assert {tuple(each.nonzero()[0].tolist()) for each in moved} == {(4, 4), (2, 4), (3, 5), (3, 3)}


def test_the_network_of_the_dial_is_that_of_torch_and_its_convolution_learns() -> None:
    split, rngs = splits([0]), [torch.Generator().manual_seed(0)]
    network = dial.Wired(dial.DIAL[0].wiring, rngs)
    kernel = network.shared[0].reshape(dial.CHANNELS, 1, 3, 3) * (2 / 9) ** 0.5
    image = split.x[0, :5].reshape(5, 1, 8, 8)
    inner = torch.nn.functional.conv2d(image, kernel, padding=1).relu()[:, :, 2:6, 2:6]  # beyond the border's reach
    first = network.shared[:, network.place] * network.scale
    own = (split.x[:, :5] @ first.mT).relu().reshape(5, dial.CHANNELS, 8, 8)[:, :, 2:6, 2:6]
    assert torch.allclose(own, inner, atol=1e-5)
    before = network.right(split.tests, split.answers)
    network.learn(split, 3, rngs)
    assert float(before) < 0.3 and float(network.right(split.tests, split.answers)) > 0.85


def test_pairs_are_odd_when_one_of_the_two_digits_is() -> None:
    x = torch.arange(10.0).reshape(1, 10, 1).expand(1, 10, 64)
    shown, odd = smooth.pairs(x, torch.arange(10)[None], 50, [torch.Generator().manual_seed(0)])
    assert torch.equal((shown[0, :, 0] + shown[0, :, 64]) % 2, odd[0]) and 0.2 < float(odd.mean()) < 0.8


def test_circuits_compute_what_plain_python_does_and_mixtures_of_both_do_not() -> None:
    found = programs.run(torch.stack([programs.sorter(), programs.solver()]))
    assert torch.equal(found, programs.wanted())
    rows = list(itertools.product([False, True], repeat=8))
    assert sorted(map(tuple, programs.inputs().tolist())) == sorted(rows)
    table = programs.measure_programs(seeds=(0,), programs=20, say=quiet).set_index("arm")["value"]
    assert table["0"] == table["1"] == 1.0 and table["0.5"] == 0.0
    assert torch.equal(programs.mixed(1.0, 1, torch.Generator())[0], programs.solver())


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD: dict[str, float] = {"share": 0.1, "born": 0.0, "at birth": 0.1, "moved": 0.1, "few": 0.03, "permuted": 0.0}
GOOD |= {"jump": 0.0, "linear": 0.5, "halfway": 0.0, "ends": 1.0, "dense permuted": 0.0}


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds with these numbers."""
    now, rows = GOOD | change, []

    def add(part: str, arm: str, measure: str, value: float, **more: Any) -> None:
        noise = 0.001 * np.cos(np.arange(8))
        about = {"pixels": "", "images": 0, "part": part, "arm": arm, "measure": measure, **more}
        rows.extend({**about, "seed": seed, "value": value + noise[seed]} for seed in range(8))

    for factor in pieces.FACTORS:
        add("factorial", factor, "share", now["share"])
    add("factorial", pieces.BORN, "share", now["born"])
    for arm in pieces.FACTORS["architecture"]:
        add("factorial", arm, "at birth", now["at birth"])
    for stop in dial.DIAL:
        gain = stop.name == FIRST
        for images, pixels in ((1347, "in place"), (100, "in place"), (100, "permuted")):
            value = 0.9 + (0.02 * gain if pixels == "in place" else now["permuted"] * gain)
            value += (now["few"] - 0.02) * (gain and images == 100 and pixels == "in place")
            value += now["dense permuted"] * (stop.name == DENSE and pixels == "permuted")
            add("dial", stop.name, "accuracy", value, pixels=pixels, images=images, few=images == 100)
        add("dial", stop.name, "moved", 0.5 + now["moved"] * gain, pixels="in place", images=1347, few=False)
    sizes = [(6, w) for w in smooth.WIDTHS] + [(b, smooth.KEPT) for b in smooth.BLOCKS[1:]]
    for blocks, width in sizes:
        add("smooth", f"{blocks} blocks of {width}", "accuracy", 0.9 - now["jump"] * (width == 0))
    add("smooth", "linear", "accuracy", now["linear"])
    for t in programs.PLACES:
        value = now["ends"] if t in (0, 1) else now["halfway"]
        add("programs", f"{t:g}", "useful", value)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"share": -0.01}, "refuted"),
        ({"born": 0.1}, "refuted"),
        ({"at birth": 0.2}, "refuted"),
        ({"moved": 0.01}, "refuted"),
        ({"few": 0.0}, "refuted"),
        ({"permuted": 0.05}, "refuted"),
        ({"jump": 0.1}, "refuted"),
        ({"halfway": 0.3}, "refuted"),
        ({"share": 0.0}, "undetermined"),
        ({"linear": 0.8}, "undetermined"),
        ({"ends": 0.5}, "undetermined"),
        ({"dense permuted": 0.1, "moved": 0.0}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_small_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "ROWS", 32)
    monkeypatch.setattr(pieces, "LESSONS", 1)
    monkeypatch.setattr(dial, "FEW", 32)
    monkeypatch.setattr(smooth, "TRIALS", 50)
    question = load_question("ingredients", {"seeds": 2, "together": 2, "epochs": 1, "steps": 3, "programs": 2})
    tables = {}
    for piece in question.work():
        if piece.function is dial.measure_dial:
            monkeypatch.setattr(dial, "splits", lambda seeds: dial.Split(*(p[:, :64] for p in splits(seeds))))
        tables[piece.name] = piece.function(**piece.arguments, say=quiet)
    answer = question.conclude(tables, {})
    assert answer.verdict in ("undetermined", "refuted") and "weights at birth" in answer.sentence
    assert [exhibit.name for exhibit in answer.exhibits] == ["shares", "levels", "dial", "smooth", "programs"]
    assert answer.findings["estimate"].notna().any()
