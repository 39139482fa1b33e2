from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from imprint.analyses.ask import load_question
from imprint.analyses.questions.tails import measure as pieces
from imprint.analyses.questions.tails.measure import DIFFER, NONE, PLAIN, TOLD, TRUTH, Ends, ends, felt, vetoed
from imprint.analyses.questions.tails.pressure import HEAVY, NORMAL, best_of, in_theory
from imprint.analyses.questions.tails.question import JUDGED, decide
from imprint.analyses.raising.nests import nest_of
from imprint.models.errors import ImprintError

AS_PREDICTED = {
    **{(arm, "area", JUDGED): 0.95 for arm in (TOLD, DIFFER)},
    **{(arm, "cut", JUDGED): 0.8 for arm in (TOLD, DIFFER, TRUTH)},
    **{(arm, "lost", JUDGED): -0.2 for arm in (TOLD, DIFFER, TRUTH)},
    **{(arm, "area", JUDGED): 0.5 for arm in ("random", "shuffled")},
    **{("grown", f"knows {name}", 0): 0.97 for name in ("latitude", "longitude")},
    **{(arm, f"knows {name}", 0): 0.7 for arm in ("untrained", "raw") for name in ("latitude", "longitude")},
    ("value", "area, ordinary", 0): 0.98,
    (DIFFER, "right, ordinary", 0): 0.9,
    (NONE, "unintended", JUDGED): 0.4,
    ("at random", "cut", JUDGED): 0.05,
    **{(HEAVY, "best at home", n): rate for n, rate in zip(pieces.PRESSURES, (0.4, 0.9, 0.7, 0.5, 0.4), strict=True)},
    **{(NORMAL, "best at home", n): rate for n, rate in zip(pieces.PRESSURES, (0.4, 0.9, 1, 1, 1), strict=True)},
    ("no error", "best at home", 10_000): 1.0,
}


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "confirmed"),
        ({(TOLD, "area", JUDGED): 0.7}, "refuted"),
        ({(DIFFER, "area", JUDGED): 0.85}, "undetermined"),
        ({(DIFFER, "cut", JUDGED): 0.3}, "refuted"),
        ({(TOLD, "lost", JUDGED): 0.2}, "refuted"),
        ({(DIFFER, "cut", JUDGED): float("nan")}, "undetermined"),
        ({(DIFFER, "cut", JUDGED): 0.3, (TRUTH, "cut", JUDGED): 0.3}, "undetermined"),
        ({("raw", "knows longitude", 0): 0.95}, "undetermined"),
        ({("value", "area, ordinary", 0): 0.6}, "undetermined"),
        ({(DIFFER, "right, ordinary", 0): 0.5}, "undetermined"),
        ({(NONE, "unintended", JUDGED): 0.02}, "undetermined"),
        ({("random", "area", JUDGED): 0.8}, "undetermined"),
        ({("at random", "cut", JUDGED): 0.6}, "undetermined"),
        ({(HEAVY, "best at home", 10_000): 0.9}, "undetermined"),
        ({(NORMAL, "best at home", 10_000): 0.5}, "undetermined"),
        ({("no error", "best at home", 10_000): 0.9}, "undetermined"),
    ],
)
def test_the_rule(changed: dict[tuple[str, str, int], float], verdict: str) -> None:
    rows = [(*key, seed, value) for key, value in (AS_PREDICTED | changed).items() for seed in range(3)]
    table = pd.DataFrame(rows, columns=["arm", "measure", "n", "seed", "value"])
    assert decide(table.assign(value=table["value"] + 1e-3 * (table["seed"] - 1)))[0] == verdict


def test_settings_that_leave_out_what_is_judged_are_refused() -> None:
    with pytest.raises(ImprintError, match="8 among them"):
        load_question("tails", {"minds": [1, 2]})
    with pytest.raises(ImprintError, match="above 0"):
        load_question("tails", {"diversities": [0.0]})
    with pytest.raises(ImprintError, match="from 1 to 64"):
        load_question("tails", {"minds": [8, 65]})


def test_the_best_of_many_is_what_theory_says_also_for_a_truth_that_is_a_number() -> None:
    rng = np.random.default_rng(0)
    truth, error = rng.normal(size=200_000), rng.normal(size=200_000)
    numbers = (1, 10, 100)
    found = best_of(truth + error, truth[:, None], numbers, rng)[:, 0]
    highest = [stats.norm.expect(lambda x, n=n: n * x * stats.norm.cdf(x) ** (n - 1)) for n in numbers]
    assert found == pytest.approx(np.array(highest) / np.sqrt(2), abs=0.03)  # regression: half of the variance is error
    home = (rng.random(200_000) < 0.3).astype(float)
    for law in (stats.norm(scale=0.6), stats.t(2, scale=0.2)):
        proxy = home + law.rvs(len(home), random_state=rng)
        assert best_of(proxy, home[:, None], numbers, rng)[:, 0] == pytest.approx(
            [in_theory(0.3, law, n) for n in numbers], abs=0.03
        )
    assert in_theory(0.3, stats.norm(scale=0.6), 10_000) > 0.99
    assert in_theory(0.3, stats.t(2, scale=0.2), 10**6) == pytest.approx(0.3, abs=0.02)
    few, value = np.array([0.0, 2.0, 1.0]), np.array([5.0, 1.0, 3.0])
    picks = [value[list(pair)][few[list(pair)].argmax()] for pair in np.ndindex(3, 3)]
    assert best_of(few, value[:, None], (2,), rng)[0, 0] == pytest.approx(np.mean(picks))


def test_sensors_fire_at_their_own_connotation_and_pay_in_equal_parts() -> None:
    world = nest_of(500)
    place = torch.arange(25)
    end = ends(world, place)
    assert int(end.home.sum()) == 9 and int(end.apart.sum()) == 12
    assert bool(end.home[world.near].all()), "the nest and its neighbours lie at home"
    fired, reward = felt(world, place, 0.0, torch.Generator().manual_seed(0))
    assert torch.equal(fired.bool(), torch.stack(list(end), 1))
    assert torch.equal(reward, 0.5 * end.apart.float() + end.home.float())
    many, _ = felt(world, place.repeat(400), 0.1, torch.Generator().manual_seed(0))
    wrong = (many.bool() != torch.stack(list(end), 1).repeat(400, 1)).float().mean(0)
    torch.testing.assert_close(wrong, torch.full((2,), 0.1), atol=0.01, rtol=0)


def choices(value: torch.Tensor, readings: dict[str, torch.Tensor], end: Ends) -> dict[tuple[str, str], float]:
    """Numbers of all vetoes with all thoughts in mind."""
    count = value.shape[1]
    rows = vetoed(value, end, readings, (count,), count, torch.Generator().manual_seed(0))
    return {(row["arm"], row["measure"]): row["value"] for row in rows}


def test_a_veto_by_what_is_there_helps_and_one_that_sees_nothing_does_not() -> None:
    """Walks of four plans that end at home, at one of the two alone, and at neither, of which the value wants two."""
    n, rng = 400, torch.Generator().manual_seed(1)
    order = torch.rand(n, 4, generator=rng).argsort(1)
    kind = torch.tensor([0, 1, 2, 3]).expand(n, 4).gather(1, order)
    end = Ends((kind == 0) | (kind == 1), (kind == 0) | (kind == 2))
    wanted = torch.tensor([0.9, 1.0, 0.4, 0.0])
    wanted_by_half = torch.where(torch.arange(n)[:, None] % 2 == 0, wanted, torch.tensor([1.0, 0.9, 0.4, 0.0]))
    value = wanted_by_half.gather(1, kind)
    truth = torch.stack([part.double() * 8 - 4 for part in end], -1)
    same = truth[..., :1].expand(-1, -1, 2) + 1e-3 * torch.randn(n, 4, 2, generator=rng)
    found = choices(value, {TOLD: truth, DIFFER: same, PLAIN: same}, end)
    assert found[NONE, "unintended"] == 0.5 == found[NONE, "apart"] and found[NONE, "intended"] == 0.5
    assert found[TOLD, "area"] == 1.0 == found[TRUTH, "area"] and found[TOLD, "cut"] == 1.0
    assert found[TOLD, "lost"] == -1.0, "the next best plan ends at home"
    assert abs(found[DIFFER, "area"] - 0.5) < 0.1 and found[DIFFER, "cut"] == 0.0 == found[DIFFER, "lost"]
    assert found[DIFFER, "vetoed"] == 0.0 and found[TOLD, "vetoed"] == 0.5


def test_a_short_life_gives_every_number_that_the_rule_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in {"LIFE": 600, "TESTED": 60, "EPOCHS": 2, "PASSES": 40, "UNLABELLED": 10}.items():
        monkeypatch.setattr(pieces, name, small)
    question = load_question(
        "tails", {"seeds": 2, "together": 2, "growing": {"updates": 5}, "minds": [1, 8], "diversities": [1]}
    )
    (work,) = question.work()
    answer = question.conclude({work.name: work.function(**work.arguments, say=lambda *_: None)}, {})
    assert "not measured" not in answer.why and answer.verdict == "undetermined", "a newborn knows nothing to judge by"
    assert all(exhibit.reading and "nan" not in exhibit.reading for exhibit in answer.exhibits)
