"""Innate judges, detectors and adjustable variables: arithmetic by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.steering.base import Body, Senses, Signal
from imprint.models.steering.looming import Looming
from imprint.models.steering.neuromodulator import Neuromodulator
from imprint.models.steering.saccade import Saccade
from imprint.models.steering.startle import Startle
from imprint.models.steering.tally import Tally
from imprint.models.steering.tutor import Tutor


def out(kind: type[Signal], felt: Senses, body: Body | None = None, **settings: Any) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return kind(kind.Settings(**{"name": "out", **settings}))(felt, body or Body({}), rng=rng)


def one(**values: list[float]) -> Senses:
    return Senses({name: torch.tensor([value]) for name, value in values.items()})


# -- tutor -------------------------------------------------------------------------------------------------------------


def test_a_tutor_scores_the_whole_song_when_it_is_over() -> None:
    felt = one(pitch=[0.1, 0.5, 0.4], loud=[1.0, 1.0, 0.8])
    template = {"pitch": (0.1, 0.3, 0.4), "loud": 1.0}
    score = out(Tutor, felt, template=template, tolerance=0.2, weight=2.0)
    away = torch.tensor([0.0, 0.2, 0.0, 0.0, 0.0, 0.2]) / 0.2
    expected = 2.0 * math.exp(-0.5 * float(away.square().mean()))
    assert score[0, :2].tolist() == [0.0, 0.0] and float(score[0, 2]) == pytest.approx(expected, rel=1e-5)
    assert float(out(Tutor, felt, template=template, tolerance=0.2, floor=0.99).max()) == 0.0
    perfect = one(pitch=[0.1, 0.3, 0.4], loud=[1.0, 1.0, 1.0])
    assert float(out(Tutor, perfect, template=template)[0, -1]) == 1.0


def test_a_template_of_another_length_is_refused() -> None:
    felt = one(pitch=[0.1, 0.5, 0.4])
    with pytest.raises(ImprintError, match="pitch has 2 frames, and the song has 3; give 3 values"):
        out(Tutor, felt, template={"pitch": (0.1, 0.2)})
    with pytest.raises(ValueError, match="same number"):
        Tutor.Settings(name="out", template={"pitch": (0.1, 0.2), "loud": (0.1,)})
    with pytest.raises(ValueError, match="at least one sense"):
        Tutor.Settings(name="out", template={})


def test_the_frames_of_a_template_have_an_order() -> None:
    felt = one(pitch=[0.1, 0.5, 0.4])
    scores = [float(out(Tutor, felt, template={"pitch": t})[0, -1]) for t in ((0.1, 0.5, 0.4), (0.4, 0.5, 0.1))]
    assert scores[0] == 1.0 and scores[1] < 0.1


SEES = {"expansion": "expansion", "darkness": "darkness", "overhead": "overhead"}

# -- looming -----------------------------------------------------------------------------------------------------------


def test_evidence_adds_up_what_grows_is_dark_and_is_overhead() -> None:
    detector = Looming(Looming.Settings(name="out", keep=0.5, **SEES))
    felt = one(expansion=[0.4, 2.0, -1.0, 0.5], darkness=[0.5, 0.5, 1.0, 1.0], overhead=[1.0, 1.0, 1.0, 0.4])
    assert torch.allclose(detector.threat(felt), torch.tensor([[0.2, 0.5, 0.0, 0.0]]))
    assert torch.allclose(detector.evidence(felt), torch.tensor([[0.2, 0.6, 0.3, 0.15]]))


def test_probability_and_vigour_of_escape_rise_with_the_threat_and_nothing_else_makes_it_flee() -> None:
    drive = torch.linspace(0.0, 1.0, 50)[:, None].repeat(400, 1)
    felt = Senses({"expansion": drive, "darkness": torch.ones_like(drive), "overhead": torch.ones_like(drive)})
    flight = out(Looming, felt, **SEES, threshold=0.4, slope=20.0, full=0.8, least=0.2)[:, 0].reshape(400, 50)
    rate = (flight > 0).float().mean(0)
    expected = torch.sigmoid(20.0 * (drive[:50, 0] - 0.4)) * (drive[:50, 0] > 0)
    assert float((rate - expected).abs().max()) < 5 * math.sqrt(0.25 / 400)
    vigour = flight.max(0).values[10:]
    assert torch.allclose(vigour, 0.2 + 0.8 * (drive[10:50, 0] / 0.8).clamp(max=1.0))
    for name in ("expansion", "darkness", "overhead"):
        without = Senses({**felt.values, name: torch.zeros_like(drive)})
        assert float(out(Looming, without, **SEES, threshold=0.4).max()) == 0.0


# -- adjustable variables ----------------------------------------------------------------------------------------------


def adjusted(kind: type[Signal], felt: Senses, body: Body | None = None, **settings: Any) -> dict[str, Tensor]:
    return kind(kind.Settings(**{"name": "out", **settings})).adjusted(felt, body or Body({}))


FIGHTS = {"opponent": "near", "fought": "fought", "won": "won"}


def test_a_tally_moves_in_fights_alone_and_goes_on_where_it_was() -> None:
    felt = one(near=[1.0, 0.5, 1.0], fought=[1.0, 0.0, 1.0], won=[1.0, 1.0, 0.0])
    bold = out(Tally, felt, rate=0.5, weight=2.0, **FIGHTS)
    assert bold[0].tolist() == [1.0, 0.75, 1.5]
    assert adjusted(Tally, felt, rate=0.5, **FIGHTS)["out.tally"].tolist() == [0.375]
    parts = [Senses({name: value[:, part] for name, value in felt.values.items()}) for part in (slice(2), slice(2, 3))]
    body = Body(adjusted(Tally, parts[0], rate=0.5, **FIGHTS))
    assert adjusted(Tally, parts[1], body, rate=0.5, **FIGHTS)["out.tally"].tolist() == [0.375]


def test_a_startle_habituates_rests_and_is_sensitised() -> None:
    felt = one(noise=[0.5, 0.5, 0.0, 0.5], harm=[0.0, 0.0, 0.0, 1.0])
    settings = {"sense": "noise", "harm": "harm", "habituates": 0.2, "rest": 0.1, "sensitises": 0.4}
    gains = [1.0, 0.8]
    gains.append(gains[1] + 0.1 * (1 - gains[1]) - 0.2 * gains[1])
    gains.append(gains[2] + 0.1 * (1 - gains[2]))
    expected = [0.5 * g for g in gains]
    expected[2] = 0.0
    assert torch.allclose(out(Startle, felt, **settings)[0], torch.tensor(expected))
    last = gains[3] + 0.1 * (1 - gains[3]) - 0.2 * gains[3] + 0.4
    assert float(adjusted(Startle, felt, **settings)["out.gain"]) == pytest.approx(last, rel=1e-5)


def test_a_saccade_comes_to_land_when_its_muscle_is_weak() -> None:
    target = torch.rand(4, 1500, generator=torch.Generator().manual_seed(0)) * 2 - 1
    strength = torch.tensor([1.0, 0.5, 0.8, 0.2])
    felt, body = Senses({"place": target}), Body({"muscle": strength})
    gain = adjusted(Saccade, felt, body, target="place", strength="muscle", most=10.0)["out.gain"]
    assert torch.allclose(gain[:3] * strength[:3], torch.ones(3), atol=1e-3)
    assert float(adjusted(Saccade, felt, body, target="place", strength="muscle", most=3.0)["out.gain"][3]) == 3.0
    with pytest.raises(UnknownNameError, match="Did you mean 'muscle'"):
        out(Saccade, felt, body, target="place", strength="muscles")


def test_a_command_follows_surprise_and_ends_with_the_critical_period() -> None:
    felt, settings = one(surprise=[0.0, 0.3, 5.0]), {"sense": "surprise", "base": 0.1, "gain": 2.0, "threshold": 0.1}
    assert torch.allclose(out(Neuromodulator, felt, **settings)[0], torch.tensor([0.1, 0.5, 1.0]))
    for age, expected in ((4.0, 0.0), (5.0, 0.1), (9.0, 0.0)):
        body = Body({"days": torch.tensor([age])})
        command = out(Neuromodulator, felt, body, age="days", opens=5.0, closes=9.0, **settings)
        assert float(command[0, 0]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="not after opens"):
        Neuromodulator.Settings(name="out", sense="surprise", opens=2.0, closes=2.0)
