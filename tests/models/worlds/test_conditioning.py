"""Schedules say what they mean or where they cannot be read; trials show it; outcomes reach the needs they serve."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.worlds.conditioning.schedule import Phase, Schedule, ScheduleError, Trial, parse
from imprint.models.worlds.conditioning.world import DIM, SPREAD, Conditioning


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def world(schedule: str, **settings: object) -> Conditioning:
    return Conditioning(Conditioning.Settings(schedule=schedule, **settings))  # type: ignore[arg-type]


# -- the text ----------------------------------------------------------------------------------------------------------


def test_a_schedule_is_read_as_it_is_written() -> None:
    plan = parse("A+ 10, BA++salt 3, B? |  @tone: {salt=0.5, food = 2} B>A-\n0+ 2\n", {"food", "salt"})
    first = (Trial(("A",), 1, count=10), Trial(("AB",), 2, "salt", count=3), Trial(("B",), test=True))
    second = Phase((Trial(("B", "A")),), "tone", {"salt": 0.5, "food": 2.0})
    assert plan == Schedule((Phase(first), second, Phase((Trial(("",), 1, count=2),))))
    assert plan.cues == ("A", "B") and plan.contexts == ("1", "tone") and plan.longest == 2
    assert plan.outcomes == ("-", "+", "++salt") and parse("A-").outcomes == ("-", "+")
    assert second.trials[0].leads == {"B": 2, "A": 1} and first[2].follows == "-"


def test_trials_of_a_phase_are_intermixed_as_evenly_as_their_counts_allow() -> None:
    (phase,) = parse("A+ 4, B- 2, C- 1").phases
    assert "".join(trial.shown[0] for trial in phase.order) == "ABACABA"
    (phase,) = parse("A+ 3, B- 3").phases
    assert "".join(trial.shown[0] for trial in phase.order) == "ABABAB"


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("A+ 10, AB, B?", 10, "expected '+', '-' or '?' after the cues; found ','"),
        ("", 1, "expected cues, which are capital letters, or 0 for nothing; found the end"),
        ("A+ 10 B-", 7, "expected ',', '|', a new line or the end; found 'B'"),
        ("a+ 10", 1, "found 'a'. Did you mean 'A'?"),
        ("A+ | B>-", 8, "expected cues"),
        ("A+sald 3", 3, "an outcome or need that there is: food, salt; found 's'. Did you mean 'salt'?"),
        ("{slat=1} A+", 2, "Did you mean 'salt'?"),
        ("{salt=x} A+", 7, "a deficit of salt"),
        ("{salt=1, salt=0} A+", 10, "each need once"),
        ("@1 A+", 4, "expected ':' after the context '1'"),
        ("A>A+", 5, "A is shown twice"),
        ("A+ 0", 3, "a count from 1 to"),
        ("A++++++++++", 2, "at most 9 units"),
        ("A+ 1\nA, B+", 7, "after the cues"),
    ],
)
def test_what_cannot_be_read_is_shown_where_it_is(text: str, position: int, words: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text, {"food", "salt"})
    message = str(caught.value)
    assert f"position {position}:" in message and words in message
    line, caret = message.splitlines()[-2:]
    before = text[: position - 1].rpartition("\n")[2]
    assert caret.index("^") == 4 + len(before) and line[4:] in text


SHOWN = st.lists(st.sampled_from(["", "A", "BC", "D"]), min_size=1, max_size=3, unique_by=lambda cues: cues or object())


def made_trial(shown: list[str], size: int, outcome: str, count: int) -> Trial:
    """A trial; ``size`` below 0: a test."""
    return Trial(tuple(shown), max(size, 0), outcome if size > 0 else "food", size < 0, count)


TRIALS = st.builds(made_trial, SHOWN, st.integers(-1, 9), st.sampled_from(["food", "salt"]), st.integers(1, 99))
NEEDS = st.dictionaries(st.sampled_from(["food", "salt"]), st.integers(0, 40).map(lambda n: n / 8), max_size=2)
PHASES = st.builds(Phase, st.lists(TRIALS, min_size=1, max_size=4).map(tuple), st.sampled_from(["1", "b"]), NEEDS)


@given(st.lists(PHASES, min_size=1, max_size=3))
def test_what_is_written_is_read_again(phases: list[Phase]) -> None:
    plan = Schedule(tuple(phases))
    assert parse(str(plan), {"food", "salt"}) == plan


@given(st.text(alphabet="AB+-?>0|@:{}=,. 19ab\n", max_size=30))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        plan = parse(text)
    except ScheduleError:
        return
    assert parse(str(plan)) == plan


# -- the world ---------------------------------------------------------------------------------------------------------


def test_what_never_occurs_or_serves_no_need_is_refused_with_the_near_miss() -> None:
    for settings, why in (
        ({"schedule": "A+salt"}, "position 3: expected an outcome or need that there is: food"),
        ({"schedule": "A+sugr", "needs": {"sugar": 1.0}}, "Did you mean 'sugar'"),
        ({"schedule": "A+, AB-", "salience": {"C": 2.0}}, "It never occurs in the schedule"),
        ({"schedule": "A>B>C+"}, "raise rows"),
        ({"schedule": "A+", "phase": 2}, "has 1; name one"),
        ({"schedule": "0+"}, "shows a cue"),
    ):
        with pytest.raises(ValueError, match=why.replace("+", r"\+")):
            Conditioning.Settings(**settings)  # type: ignore[arg-type]
    made = world("A+ | @2: AB-")
    with pytest.raises(UnknownNameError, match="'C'"):
        made.given([Trial(("C",))], ["1"], rng=rng())
    with pytest.raises(UnknownNameError, match="context '3'"):
        made.given([Trial(("A",))], ["3"], rng=rng())
    with pytest.raises(ImprintError, match="allowed: 0, 1"):
        made.given([Trial(("A", "B"))], ["1"], rng=rng())


def test_frames_add_up_what_is_shown_when_it_is_shown() -> None:
    made = world("@1: A+ | @2: B>A++", pixel_noise=0.0)
    trials = [*made.schedule.phases[0].order, *made.schedule.phases[1].order]
    batch = made.given(trials, ["1", "2"], rng=rng())
    a, b, food = (made.looks[key] for key in (("cue", "A"), ("cue", "B"), ("outcome", "food")))
    here = DIM * torch.stack([made.looks["context", name] for name in ("1", "2")])
    rest = batch.observation[:, :, 0] - here[:, None]
    bright = batch.noise["light"]
    assert float(bright.min()) >= 1 - SPREAD and float(bright.max()) <= 1 + SPREAD
    expected = torch.zeros(2, 4, 8, 8)
    expected[:, 2] = bright[:, 0, None, None] * a
    expected[1, 1] = bright[1, 1] * b
    expected[:, 3] = torch.tensor([1.0, 2.0])[:, None, None] * food
    assert torch.allclose(rest, expected, atol=1e-6)
    assert batch.concepts["reinforced"].all() and batch.concepts["B"].tolist() == [0, 2]


def test_trials_are_as_frequent_as_the_phase_says_and_phases_differ() -> None:
    made = world("A+ 30, AB- 10 | B+ 5")
    facts = made.sample(4000, rng=rng()).concepts
    share = float((facts["B"] == 1).mean())
    assert abs(share - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5
    assert ((facts["outcome"] == "+") == (facts["B"] == 0)).all()
    later = made.with_settings(phase=2).sample(20, rng=rng()).concepts
    assert (later["B"] == 1).all() and (later["A"] == 0).all() and later["reinforced"].all()


def test_outcomes_raise_the_level_of_their_own_need() -> None:
    needs = {"food": 1.0, "salt": 0.25}
    made = world("{salt=0} A++salt, A+ | A-", needs=needs, intake=0.5)
    batch = made.given(made.phase.order, ["1", "1"], rng=rng())
    felt = made.senses(batch)
    assert made.body(batch)["salt"].tolist() == [0.0, 0.0] and made.body(batch)["food"].tolist() == [1.0, 1.0]
    assert felt["salt"].tolist() == [[0, 0, 0, 2], [0, 0, 0, 0]] and felt["food"][:, -1].tolist() == [0, 1]
    assert felt["salt_before"].tolist() == [[1.0] * 4] * 2 and felt["salt_level"][0].tolist() == [1, 1, 1, 2]
    assert felt["food_level"][1].tolist() == [0, 0, 0, 0.5]
    assert made.with_settings(phase=2).body(batch)["salt"].tolist() == [0.25, 0.25]


def test_salience_brightens_a_cue_and_looks_are_of_the_seed() -> None:
    plain, bright = (world("A+, B-", pixel_noise=0.0, salience=s) for s in ({}, {"A": 2.0}))
    one, two = (made.sample(50, rng=rng(), do={"A": 1, "B": 0}).observation for made in (plain, bright))
    shown = one[:, 2] - one[:, 0]
    assert torch.allclose(two[:, 2] - two[:, 0], 2 * shown, atol=1e-6)
    assert int(plain.looks["cue", "A"].sum()) == 16
    other = world("A+, B-", look_seed=1)
    assert not torch.equal(plain.looks["cue", "A"], other.looks["cue", "A"])
    wide = world("A+, B-, CD+ | @2: D>C+")
    assert torch.equal(plain.looks["cue", "A"], wide.looks["cue", "A"]), "a look does not depend on the schedule"
