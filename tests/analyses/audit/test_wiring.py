"""What may teach in a run, read from setups that ship."""

from __future__ import annotations

from imprint.analyses.audit import wiring
from imprint.models.setup.load import load_setup


def test_the_path_of_a_reward_leads_back_to_crude_senses() -> None:
    setup = load_setup("nursery").resolved()
    assert wiring.value_teacher(setup) == "comfort" and wiring.shapers(setup) == []
    assert wiring.path(setup, "comfort") == ["contact", "hunger", "warmth"]
    source = wiring.steering(setup, "comfort")
    assert source.module == "steering, hardcoded (reward, by way of contact), from hunger, warmth"
    said = "a hardcoded reward for contact, a hardcoded detector of warmth; more of it with more hunger"
    assert source.about == said and source.words == f"comfort ({said})"
    assert wiring.objective(setup).words == "the learner's objective"
    assert wiring.objective(setup).module == "the learner (conv), on what the world shows next"


def test_what_reads_the_scorecard_says_that_it_was_learned() -> None:
    setup = load_setup("nursery-belief").resolved()
    teacher = wiring.value_teacher(setup)
    columns = set(setup["scorecard"])
    assert columns & set(wiring.path(setup, teacher))
    assert "and from what was learned" in wiring.origin(setup, teacher)


def test_agents_are_paid_and_gradients_into_a_learner_are_named() -> None:
    coin = load_setup("coin").resolved()
    assert wiring.value_teacher(coin) == "delight"
    assert wiring.about(coin, "delight") == "a hardcoded reward for coin taken"
    assert wiring.about(coin, "elsewhere") == ""
    shaped = {"steering": [{"kind": "belief", "name": "known", "reading": "fear", "gradient_into_learner": 0.1}]}
    assert wiring.about(shaped, "known") == "a hardcoded signal of the kind belief"
    assert wiring.shapers(shaped | {"routing": {"signal": "mark"}}) == ["known", "mark"]
