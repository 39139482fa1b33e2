"""The vocal tract: several postures make one sound, a sound says nothing of the posture, the deaf hear silence."""

from __future__ import annotations

import math

import pytest
import torch

from imprint.models.environments.song.environment import COMMANDS, Song
from imprint.models.environments.song.tract import ARTICULATORS, BINS, LOW, RANGE, WIDTH, features, spectrum


def posture(**given: float) -> dict[str, torch.Tensor]:
    rest = {"pressure": 1.0, "gape": 1.0, "pull": 0.5, "slack": 0.5, "side": 0.0}
    return {name: torch.tensor([{**rest, **given}[name]]) for name in ARTICULATORS}


def test_muscles_that_work_against_each_other_leave_the_sound_and_a_plain_body_has_only_one() -> None:
    one, other, higher = (spectrum(posture(pull=p, slack=s)) for p, s in ((0.2, 0.2), (0.9, 0.9), (0.9, 0.2)))
    assert torch.allclose(one, other, atol=1e-6) and float((higher - one).abs().max()) > 0.3
    plain = [spectrum(posture(pull=0.4, slack=s, side=d), plain=True) for s, d in ((0.0, 0.0), (1.0, 1.0))]
    assert torch.equal(*plain)


def test_the_two_sides_can_sing_the_same_note() -> None:
    left = spectrum(posture(side=0.0, pull=0.5 + (LOW[1] - LOW[0]) / RANGE, slack=0.5 - (LOW[1] - LOW[0]) / RANGE))
    right = spectrum(posture(side=1.0, pull=0.5, slack=0.5))
    assert torch.allclose(left, right, atol=1e-5)


def test_features_are_those_of_a_line_computed_by_hand() -> None:
    axis = (torch.arange(BINS) + 0.5) / BINS
    line = torch.exp(-0.5 * ((axis - 0.5) / WIDTH).square())[None]
    found = features(line)
    assert float(found["centre"]) == pytest.approx(0.5, abs=1e-4)
    assert float(found["spread"]) == pytest.approx(2 * WIDTH, abs=2e-3)
    silent = features(torch.zeros(1, BINS))
    assert all(float(value) == 0.0 and math.isfinite(float(value)) for value in silent.values())
    assert float(features(0.5 * line)["loudness"]) == pytest.approx(0.5 * float(found["loudness"]), rel=1e-5)


def test_a_command_moves_every_articulator_part_of_the_way_and_the_song_ends() -> None:
    world = Song(Song.Settings(jitter=0.0, speed=0.5))
    state = world.levels(1, rng=torch.Generator().manual_seed(0))
    action = torch.tensor([COMMANDS.index((2, 0, 1, 2, 0))])
    after = world.follow(state, action).after
    assert [float(after[name]) for name in ARTICULATORS] == [0.5, 0.25, 0.5, 0.75, 0.25]
    for _ in range(7):
        outcome = world.follow(after, action)
        after = outcome.after
    assert bool(outcome.terminated) and float(world.senses(outcome.before, action, after)["sung"]) == 1.0


def test_the_deaf_sing_as_others_do_and_hear_silence() -> None:
    deaf, hearing = (Song(Song.Settings(deaf=each)) for each in (True, False))
    state = hearing.levels(3, rng=torch.Generator().manual_seed(0))
    action = torch.tensor([COMMANDS.index((2, 2, 1, 1, 1))] * 3)
    outcomes = [world.follow(state, action) for world in (deaf, hearing)]
    felt = [w.senses(o.before, action, o.after) for w, o in zip((deaf, hearing), outcomes, strict=True)]
    assert all(torch.equal(deaf.facts(outcomes[0].after)[k], v) for k, v in hearing.facts(outcomes[1].after).items())
    assert not any(float(felt[0][name].abs().max()) for name in ("loudness", "centre", "spread", "rise"))
    assert float(felt[1]["loudness"].min()) > 0.1 and float(deaf.observe(outcomes[0].after)[:, 0].max()) == 0.0
