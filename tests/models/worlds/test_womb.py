"""The womb: own touch is felt twice and can be foreseen from the command, and one voice alone is known before birth."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from imprint.models.worlds.womb import BEATS, FELT, SENT, SKIN, Womb

QUIET = Womb(Womb.Settings(pixel_noise=0.0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def touched(world: Womb, **facts: object) -> set[str]:
    """Parts of the skin that are felt in the last frame."""
    frames = world.sample(50, rng=rng(), design="balanced", do=facts).observation[:, -1, 0]
    return {name for name, place in SKIN.items() if bool((frames[:, place[0], place[1]] > 0.5).all())}


def test_own_touch_is_felt_twice_and_that_of_others_once() -> None:
    alone = {"hand": "left", "pressed": False}
    assert touched(QUIET, **alone, reaches="face") == {"left", "face"}
    assert touched(QUIET, **alone, reaches="belly") == {"left", "belly"}
    assert touched(QUIET, **alone, reaches="wall") == {"left"}
    assert touched(QUIET, hand="none", pressed=True) == {"belly"}
    assert touched(QUIET, hand="none", pressed=False) == set()


def test_the_command_comes_before_what_is_felt_and_tells_the_hand() -> None:
    batch = QUIET.sample(60, rng=rng(), design="balanced", do={"hand": "right"})
    assert not batch.observation[:, :FELT, 0].any()
    sent = batch.observation[:, :, 2].amax((2, 3)) > 0
    assert sent[:, SENT].all() and int(sent.sum()) == len(sent)
    assert torch.equal(QUIET.senses(batch)["command"], sent.float())
    other = QUIET.counterfactual(batch, "hand", "left").observation
    assert torch.equal(other.flip(4)[:, SENT, 2], batch.observation[:, SENT, 2])


def test_touching_oneself_can_be_made_and_undone() -> None:
    batch = QUIET.sample(300, rng=rng(), design="balanced")
    for value in (True, False):
        found = QUIET.counterfactual(batch, "self_touch", value).concepts
        assert (found["self_touch"] == value).all()
        kept = batch.concepts["self_touch"] == value
        assert found[kept].equals(batch.concepts[kept])
    calm = QUIET.counterfactual(batch, "calm", True)
    assert (calm.concepts["heart"] == "slow").all() and bool((QUIET.senses(calm)["beat"] == 0.5).all())


def test_a_fast_heart_beats_twice_as_often_and_a_voice_has_one_band_at_a_time() -> None:
    batch = QUIET.sample(80, rng=rng(), design="balanced", do={"voice": "mother", "heart": "slow"})
    sound = batch.observation[:, :, 1]
    fast = QUIET.counterfactual(batch, "heart", "fast").observation[:, :, 1]
    assert torch.equal(fast[:, :, BEATS].sum((2, 3)), 2 * sound[:, :, BEATS].sum((2, 3)))
    assert bool((sound[:, :, : BEATS.start].sum(2) == 1).all())
    other = QUIET.counterfactual(batch, "voice", "other").observation[:, :, 1]
    assert not torch.equal(other, sound) and torch.equal(other[:, :, BEATS], sound[:, :, BEATS])
    silent = QUIET.counterfactual(batch, "voice", "none").observation[:, :, 1]
    assert not silent[:, :, : BEATS.start].any()


def test_before_birth_her_voice_goes_along_with_a_calm_heart_and_no_other_is_heard() -> None:
    facts = Womb().sample(6000, rng=rng()).concepts
    her = facts["voice"] == "mother"
    assert set(facts["voice"]) == {"none", "mother"} and her.mean() == pytest.approx(0.5, abs=0.03)
    assert facts["calm"][her].mean() == pytest.approx(0.9, abs=0.03)
    assert facts["calm"][~her].mean() == pytest.approx(0.4, abs=0.04)
    assert (facts["reaches"] == "face").mean() == pytest.approx(0.5, abs=0.03)


def test_two_voices_have_two_melodies() -> None:
    with pytest.raises(ValidationError, match="two different numbers from 0 to 5"):
        Womb.Settings(melodies=(2, 2))
    drawn = {Womb.draw_constants(Womb.Settings(), rng(seed))["melodies"] for seed in range(8)}
    assert len(drawn) > 1 and all(first != second for first, second in drawn)
