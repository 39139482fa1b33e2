from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.decortication import measure as pieces
from imprint.analyses.questions.decortication.question import GROWING, decide, rank, slope


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_reflexes_know_the_right_act_and_chance_does_not() -> None:
    place, blank = pieces.places([0, 1]), torch.zeros(2, pieces.SITUATIONS, pieces.ACTS)
    now = pieces.moment(place, blank, 20_000, rng=rng(0))
    shadow = place.shadow.gather(1, now.situation)
    right = now.act == place.right.gather(1, now.situation)
    assert bool(right[now.reflex].all()) and abs(float(right[~now.reflex].float().mean()) - 1 / pieces.ACTS) < 0.02
    assert abs(float(now.reflex[shadow].float().mean()) - (1 - pieces.MISS)) < 0.02
    assert abs(float(now.killed[now.struck].float().mean()) - pieces.STRIKE) < 0.05
    assert (
        not bool((now.fed & shadow).any())
        and not pieces.moment(place, blank, 9, rng=rng(0), reflexes=False).reflex.any()
    )


def test_who_knows_every_act_does_without_reflexes_and_who_knows_nothing_starves() -> None:
    place = pieces.places([3])
    wise = torch.nn.functional.one_hot(place.right, pieces.ACTS).float()
    known = pieces.examined(place, wise, 300, rng=rng(1))
    assert float(known["no steering", "survival"]) > 0.5 and float(known["no learner", "survival"]) < 0.2
    assert float(known["neither", "expectancy"]) < 0.5 * float(known["no learner", "expectancy"])
    assert float(known["sham", "survival"]) == pytest.approx(float(known["whole", "survival"]), abs=0.1)


def test_a_reflex_teaches_only_a_learner_that_watches() -> None:
    cells = torch.zeros(1, 1, dtype=torch.long)
    yes, no = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool)
    now = pieces.Moment(cells, cells + 2, reflex=yes, fed=yes, struck=no, killed=no)
    blank = torch.zeros(1, pieces.SITUATIONS, pieces.ACTS)
    watched, own = (pieces.learned(blank, now, watching=watching) for watching in (True, False))
    assert float(watched[0, 0, 2]) == pytest.approx(pieces.RATE) and not own.any() and int((watched != 0).sum()) == 1


def test_ranks_and_slopes() -> None:
    line = pd.DataFrame([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]], columns=[0, 10, 20])
    assert rank(line).tolist() == [1.0, 0.0, -1.0] and np.allclose(slope(line), [2.0, 0.0, -2.0])


# -- the rule ----------------------------------------------------------------------------------------------------------

AGES = (0, 10, 20, 30)


def table(
    *,
    whole: tuple[float, ...] = (0.1, 0.4, 0.7, 0.9),
    steering: tuple[float, ...] = (0.02, 0.03, 0.01, 0.02),
    **more: Any,
) -> pd.DataFrame:
    """A finished table of eight seeds; survival by age, and lengths of life that go with it."""
    curves = {"whole": whole, "sham": whole, "no learner": (0.1,) * 4, "no steering": steering, "neither": (0.0,) * 4}
    curves |= more.get("curves", {})
    cost = {"whole": 1.0, "sham": 1.0, "no learner": whole[0], "no steering": 0.3, "neither": 0.2}
    rows = []
    for growing in GROWING:
        for condition, curve in curves.items():
            for k, (age, value) in enumerate(zip(AGES, curve, strict=True)):
                life = 100 * whole[k] * (cost[condition] if condition != "no learner" else whole[0] / whole[k])
                life = more.get("life", {}).get((condition, age), life)
                for seed in range(8):
                    about = {"growing": growing, "age": age, "condition": condition, "seed": seed}
                    shifted = value + 0.004 * np.cos(seed * (k + 1) + (condition == "no steering") * 2 * seed)
                    rows.append({**about, "measure": "survival", "value": shifted})
                    rows.append({**about, "measure": "expectancy", "value": life * (1 + 0.01 * np.sin(seed + k))})
    return pd.DataFrame(rows)


def flat() -> pd.DataFrame:
    """Survival without steering in all orders over the ages alike: no rank correlation."""
    made = table()
    orders = [(0, 1, 2, 3), (3, 2, 1, 0)] * 4
    where = (made["condition"] == "no steering") & (made["measure"] == "survival")
    value = [0.01 * (1 + orders[s][AGES.index(a)]) for s, a in zip(made["seed"], made["age"], strict=True)]
    order = pd.Series(value, index=made.index) * np.where(made["seed"] < 8, 1.0, 0.0)
    return made.assign(value=made["value"].where(~where, order))


def test_the_rule_follows_the_card() -> None:
    assert decide(table(steering=(0.1, 0.4, 0.6, 0.8)))[0] == "refuted"
    assert decide(table(whole=(0.3, 0.3, 0.3, 0.3)))[0] == "refuted"
    assert decide(flat())[0] == "undetermined", "opposite orders: ranks are known too badly to tell"
    loud = table(curves={}, life={("sham", age): 1.0 + 5 * age for age in AGES})
    assert decide(loud)[0] == "undetermined", "a control that is not held"


def test_constant_survival_without_steering_confirms() -> None:
    made = table()
    where = (made["condition"] == "no steering") & (made["measure"] == "survival")
    assert decide(made.assign(value=made["value"].where(~where, 0.02)))[0] == "confirmed"


def test_a_short_life_runs_from_end_to_end() -> None:
    question = load_question("decortication", {"seeds": 2, "moments": 60, "ages": 3, "copies": 20})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    whole = next(iter(tables.values()))
    assert whole["value"].notna().all() and sorted(set(whole["age"])) == [0, 30, 60]
    answer = question.conclude(tables, {})
    assert answer.exhibits[0].name == "survival" and "losing the learner" in answer.sentence
