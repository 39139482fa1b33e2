"""Every question says beforehand what it expects, cuts its work into named pieces, and survives losing all of them."""

from __future__ import annotations

import inspect
from dataclasses import asdict

import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.findings import COLUMNS
from imprint.analyses.questions.base import QUESTIONS
from imprint.models.errors import ImprintError


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_the_card_is_whole(name: str) -> None:
    card = asdict(load_question(name).card)
    assert all(len(text) > 20 for entry, text in card.items() if entry != "power"), card


SEEDED = [name for name in QUESTIONS.names() if "seeds" in load_question(name).settings.__class__.model_fields]


@pytest.mark.parametrize("name", SEEDED)
def test_a_question_that_trains_seeds_says_what_power_they_buy_and_where_the_spread_is_known_from(name: str) -> None:
    question = load_question(name)
    seeds = question.settings.seeds
    said = question.whole_card.power
    assert said.startswith(f"{seeds} seeds") and "robability" in said and said.endswith("."), said
    fewer = load_question(name, {"seeds": seeds - 1}) if seeds > 4 else load_question(name, {"seeds": seeds + 1})
    assert fewer.whole_card.power != said, "power follows the settings"


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_pieces_have_names_of_their_own_and_take_their_arguments(name: str) -> None:
    pieces = load_question(name).work()
    names = [piece.name for piece in pieces]
    assert len(set(names)) == len(names) > 0
    for piece in pieces:
        parameters = inspect.signature(piece.function).parameters
        needed = {name for name, given in parameters.items() if given.default is inspect.Parameter.empty}
        assert needed <= {*piece.arguments, "say"} <= set(parameters), piece.name
        assert piece.function.__qualname__ == piece.function.__name__  # a worker finds it by name


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_pieces_follow_the_seed(name: str) -> None:
    one, other = (load_question(name, {"seed": seed}).work() for seed in (1000, 2000))
    assert str([piece.arguments for piece in one]) != str([piece.arguments for piece in other])


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_an_answer_without_any_piece_is_undetermined(name: str) -> None:
    question = load_question(name)
    answer = question.conclude({}, {piece.name: "it was killed" for piece in question.work()})
    assert answer.verdict == "undetermined"
    assert list(answer.findings.columns) == list(COLUMNS)
    assert all(exhibit.reading for exhibit in answer.exhibits)


def test_a_slip_in_the_name_or_a_setting_is_named() -> None:
    with pytest.raises(ImprintError, match="Did you mean 'instruments'"):
        load_question("instrument")
    with pytest.raises(ImprintError, match="sead"):
        load_question("instruments", {"sead": 1})
