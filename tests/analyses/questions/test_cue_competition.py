from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.cue_competition import closed_form, measure
from imprint.analyses.questions.cue_competition import question as asked
from imprint.analyses.questions.cue_competition.question import PARTS, decide, in_words
from imprint.analyses.questions.cue_competition.suite import EFFECTS, GROUPS, MARKS, REVALUED, effect, in_order
from imprint.models.worlds.conditioning.schedule import Phase, Trial

# -- the theories ------------------------------------------------------------------------------------------------------


def test_every_group_has_as_many_trials_and_every_effect_is_read_from_groups_that_there_are() -> None:
    assert {len(in_order(plan)) for plan in GROUPS.values()} == {MARKS[-1]}
    assert {term.group for terms in EFFECTS.values() for term in terms} | {"sated"} == set(GROUPS)
    assert all(sum(term.sign for term in terms) == 0 for terms in EFFECTS.values())


def test_a_run_of_rewarded_trials_is_the_textbook_curve() -> None:
    trial, n = Trial(("A",), 1), 7
    turn = np.linalg.matrix_power(closed_form.affine(trial, Phase((trial,)), "delta rule"), n)
    w, x = turn[:-1, -1], closed_form.together(trial, "1")
    rate = closed_form.RATE["delta rule"]
    assert w @ x == pytest.approx(1 - (1 - rate * x.sum()) ** n, abs=1e-12), (
        "1 - (1 - rate |x|^2)^n, from cue and context"
    )


@pytest.mark.parametrize("rule", closed_form.RULES)
def test_assessors_do_what_the_closed_form_says_and_others_do_not(
    rule: closed_form.Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, found = closed_form.closed(rule), closed_form.assessed(rule, 2, 500)
    assert found.keys() == exact.keys()
    assert max(float((found[key] - value).abs().max()) for key, value in exact.items()) < 1e-12
    monkeypatch.setitem(closed_form.RATE, rule, 0.9 * closed_form.RATE[rule])
    assert max(float((found[key] - value).abs().max()) for key, value in closed_form.closed(rule).items()) > 0.01


def test_the_rules_give_what_they_are_known_to_give() -> None:
    exact = {rule: closed_form.closed(rule) for rule in closed_form.RULES}
    size = {rule: {name: effect(name, read) for name in EFFECTS} for rule, read in exact.items()}
    for rule in closed_form.RULES:
        for name in ("acquisition", "extinction", "overshadowing", "blocking", "unblocking", "over-expectation"):
            assert size[rule][name] > 0.05, (rule, name)
        for name in ("latent inhibition", "sensory preconditioning"):
            assert abs(size[rule][name]) < 1e-12, "neither rule has it"
        assert size[rule]["conditioned inhibition"] > 0.1 and size[rule]["renewal"] > 0.05
    assert size["TD"]["second order"] > 0.05 > -0.05 > size["delta rule"]["second order"]


# -- learned latents ---------------------------------------------------------------------------------------------------


def test_relief_is_of_the_need_that_is_missing() -> None:
    came = {"food": torch.tensor([[0.0, 1.0], [0.0, 0.0]]), "salt": torch.tensor([[0.0, 0.0], [0.0, 1.0]])}
    for salt, worth in ((1.0, -1.0), (0.0, 1.0)):
        before = {"food": torch.zeros(2), "salt": torch.full((2,), salt)}
        assert measure.relief(came, before).tolist() == [[0.0, 1.0], [0.0, worth]]
    salt = dict(zip(GROUPS, measure.levels()["salt"][0].tolist(), strict=True))
    assert salt["sated"] == 1.0 and sum(salt.values()) == 1.0


def test_a_scorecard_is_worth_more_under_a_deficit_and_one_that_expects_nothing_is_not() -> None:
    shape = (2 * len(GROUPS), len(measure.TESTS) * measure.LOOKS, 4)
    nothing = torch.zeros(shape)
    expects = nothing.clone().unflatten(1, (len(measure.TESTS), measure.LOOKS))
    expects[:, list(measure.TESTS).index("A"), :, 2] = 1.0
    assert torch.allclose(measure.revalued({"food": nothing, "salt": expects.flatten(1, 2)}), torch.full((2,), 2.0))
    assert torch.allclose(measure.revalued({"food": expects.flatten(1, 2), "salt": nothing}), torch.zeros(2))


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LITTER", 1), ("LOOKS", 2), ("YOUTH", 64)):
        monkeypatch.setattr(measure, name, value)
    arms = ("growing", "newborn", "shuffled")
    monkeypatch.setattr(asked, "ARMS", arms)
    small = {"seeds": 2, "together": 2, "experiences": 64, "width": 8}
    question = load_question("cue-competition", small)
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    litters = tables["litters-0"]
    assert set(litters["learner"]) == set(arms) and litters["value"].notna().all()
    answer = question.conclude(tables, {})
    assert answer.exhibits[0].name == "effects" and (answer.findings["metric"] == "latent_inhibition").any()
    assert next(each for each in answer.predictions if each.part == "closed form").outcome == "held"


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(
    *, off: float = 1e-14, learned: float = 0.9, dealt: float = 0.0, newborn: float = 0.0, **sizes: float
) -> pd.DataFrame:
    """A finished table of eight seeds, every effect .3 unless said otherwise."""
    numbers = {("planted", rule, "off"): off for rule in closed_form.RULES}
    numbers |= {("growing", "long-term", name): sizes.get(name.replace(" ", "_"), 0.3) for name in EFFECTS}
    numbers |= {("growing", "scorecard", REVALUED): sizes.get("instant_revaluation", 1.5)}
    numbers |= {("growing", "long-term", "V(A), learned"): learned}
    numbers |= {("shuffled", "long-term", name): dealt for name in EFFECTS}
    numbers |= {("newborn", "long-term", "sensory preconditioning"): newborn}
    rows = [
        {
            "learner": learner,
            "assessor": assessor,
            "measure": name,
            "seed": seed,
            "value": value + noise * (name != "off"),
        }
        for (learner, assessor, name), value in numbers.items()
        for seed, noise in enumerate(0.02 * np.cos(np.arange(8)))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"blocking": -0.5}, "confirmed"),
        ({"renewal": -0.2}, "refuted"),
        ({"instant_revaluation": -0.2}, "refuted"),
        ({"renewal": 0.0}, "undetermined"),
        ({"off": 1e-6}, "refuted"),
        ({"learned": 0.2}, "undetermined"),
        ({"dealt": 0.3}, "undetermined"),
        ({"newborn": 0.3, "renewal": -0.2}, "undetermined"),
        ({"newborn": -0.3}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    found = decide(table(**change))
    assert found[0] == verdict and "Blocking, not judged" in found[1]


def test_every_effect_but_blocking_is_judged_and_the_sentence_names_what_went_the_other_way() -> None:
    judged = {name for names in PARTS.values() for name in names}
    assert judged == {*EFFECTS, REVALUED} - {"blocking"}
    said = in_words(decide(table(renewal=-0.2, extinction=0.0)))
    assert "the other way round: renewal" in said and "not settled: extinction" in said
