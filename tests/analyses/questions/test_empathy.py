from __future__ import annotations

import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.empathy import measure as pieces
from imprint.analyses.questions.empathy.measure import ARMS, Events, Meals, meals_of, numbers_of, overlaps
from imprint.analyses.questions.empathy.question import AGES, decide
from imprint.models.chance import birth
from imprint.models.errors import ImprintError
from imprint.models.learners.recurrent import Recurrent
from imprint.models.setup.learner import frame_of

ENDS = {
    "ungated": (0.3, 0.01),
    "gated": (0.3, 0.28),
    "paid": (0.3, 0.8),
    "others only": (0.3, 0.0),
    "shuffled": (0.0, 0.0),
}


def table(changed: dict[str, tuple[float, float]], own: float = 0.8) -> pd.DataFrame:
    """Four seeds; V of a flockmate's meals at first and from the second age on, by arm."""
    rows = [
        {"arm": arm, "age": age, "measure": measure, "seed": seed, "value": value + (seed - 1.5) * 1e-3}
        for arm, (first, later) in (ENDS | changed).items()
        for age in AGES
        for measure, value in (("V(flockmate)", later if age else first), ("V(self)", own))
        for seed in range(4)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("changed", "own", "verdict"),
    [
        ({}, 0.8, "confirmed"),
        ({"ungated": (0.3, 0.1)}, 0.8, "refuted"),
        ({"gated": (0.3, 0.1)}, 0.8, "refuted"),
        ({"ungated": (0.3, 0.03)}, 0.8, "undetermined"),
        ({"ungated": (0.02, 0.0)}, 0.8, "undetermined"),
        ({"paid": (0.3, 0.1)}, 0.8, "undetermined"),
        ({"shuffled": (0.3, 0.0)}, 0.8, "undetermined"),
        ({}, 0.3, "undetermined"),
        ({"gated": (0.3, float("nan"))}, 0.8, "undetermined"),
    ],
)
def test_the_rule(changed: dict[str, tuple[float, float]], own: float, verdict: str) -> None:
    assert decide(table(changed, own))[0] == verdict


def test_rates_at_which_the_rule_is_unstable_are_refused() -> None:
    with pytest.raises(ImprintError, match="below 2"):
        load_question("empathy", {"other_rates": [2.5]})


def planted(shared: float) -> dict[str, Meals]:
    """Latents ``[2, 400, 4]``: who eats, and own and other's good meals, of which a part is one latent."""
    rng = torch.Generator().manual_seed(0)
    meals = {}
    for i, eater in enumerate(("self", "flockmate", "beast")):
        good = torch.rand(2, 400, generator=rng) < 0.5
        sign = 2.0 * good.float() - 1.0
        own = torch.zeros(2, 400, 4)
        own[..., 0], own[..., 1 + i] = shared * sign, (1 - shared) * sign
        truth = (good & (eater == "self")).float()
        felt = {"pleased": truth, "eating": torch.full_like(truth, float(eater == "self"))}
        meals[eater] = Meals(own, good, good, felt | {"shared": (good & (eater == "flockmate")).float()})
    return meals


def test_what_is_shared_spills_over_and_only_where_it_can_be_told_apart_is_it_unlearned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "OWN", 300)
    values = {}
    for shared in (0.0, 0.5, 1.0):
        meals = planted(shared)
        lived = [
            (age, numbers_of(v, meals, 2)["V(flockmate)"].mean(1)) for age, v in Events(meals, 0.3, 2).lived([0, 200])
        ]
        values[shared] = {age: dict(zip(ARMS, v.tolist(), strict=True)) for age, v in lived}
        torch.testing.assert_close(overlaps(meals), torch.full((2,), shared**2 / (shared**2 + (1 - shared) ** 2)))
    apart, partly, one = values[0.0], values[0.5], values[1.0]
    assert abs(apart[0]["ungated"]) < 0.02 and partly[0]["ungated"] > 0.4 and one[0]["ungated"] > 0.8
    assert abs(partly[200]["ungated"]) < 0.05 and partly[200]["gated"] > 0.4 and partly[200]["paid"] > 0.8
    assert one[200]["ungated"] > 0.15, "one direction cannot be unlearned for others alone"
    assert abs(one[200]["others only"]) < 0.05 and abs(one[0]["shuffled"]) < 0.3


def test_meals_of_a_newborn_hold_what_is_felt_by_whom() -> None:
    world = pieces.flock_of(3, "eater")
    learner = Recurrent.born(Recurrent.Settings(patch=4, width=8), frame_of(world), rng=birth(3))
    meals = meals_of([learner], [world], 200, "test")
    glad = {eater: each.glad.float() for eater, each in meals.items()}
    assert torch.equal(meals["self"].felt["pleased"], glad["self"]) and bool(meals["self"].felt["eating"].all())
    assert torch.equal(meals["flockmate"].felt["shared"], glad["flockmate"])
    quiet = [meals["flockmate"].felt["pleased"], meals["beast"].felt["shared"], meals["self"].felt["shared"]]
    assert not torch.cat(quiet).any() and 0.85 < float((meals["self"].good == meals["self"].glad).float().mean()) < 1.0
    assert meals["self"].latents.shape == (1, 200, 8)
