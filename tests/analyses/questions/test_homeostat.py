"""The reward is what an informed value can tell, planted scorecards are read as they must be, and the rule follows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.homeostat import measure as pieces
from imprint.analyses.questions.homeostat.question import decide, in_words
from imprint.models.assessors.valence import Valence

NEEDS, CUES = len(pieces.NEEDS), len(pieces.CUES)
OUTCOMES = torch.eye(CUES, NEEDS)
"""What each cue is followed by."""


def test_a_unit_is_worth_what_is_missing_and_salt_that_is_not_missing_is_a_punishment() -> None:
    deficits = pieces.drawn(50, torch.Generator().manual_seed(0), salt=True)
    for k in range(NEEDS):
        assert torch.allclose(pieces.relief(OUTCOMES[k].expand(50, -1), deficits), deficits[:, k] - 0.25, atol=1e-6)
    assert pieces.relief(OUTCOMES[pieces.SALT], torch.tensor(pieces.SATED)).item() == pytest.approx(-0.25)
    assert pieces.relief(OUTCOMES[-1], deficits[0]).item() == 0.0
    assert not pieces.drawn(50, torch.Generator().manual_seed(0), salt=False)[:, pieces.SALT].any()


def test_relief_is_foreseen_by_a_scorecard_that_is_right() -> None:
    deficits = pieces.drawn(20, torch.Generator().manual_seed(1), salt=True)
    came = OUTCOMES[:, None].expand(-1, 20, -1)
    assert torch.allclose(pieces.foreseen(came, deficits), pieces.relief(came, deficits), atol=1e-6)


def test_the_informed_value_could_tell_the_reward_exactly() -> None:
    deficits = pieces.drawn(200, torch.Generator().manual_seed(2), salt=True)
    cues = torch.eye(CUES).repeat(50, 1)
    x = pieces.given(cues, deficits).double().numpy()
    reward = pieces.relief(OUTCOMES.repeat(50, 1), deficits).double().numpy()
    weights = np.linalg.lstsq(x, reward, rcond=None)[0]
    assert np.abs(x @ weights - reward).max() < 1e-5


# -- planted lives -----------------------------------------------------------------------------------------------------


def taught(weight: torch.Tensor) -> Valence:
    """An assessor of two seeds with these weights ``[S, F]``."""
    assessor = Valence(Valence.Settings(signal="relief"), 2, weight.shape[1])
    assessor.plain, assessor.weight = True, weight
    return assessor


def planted() -> pieces.Choosing:
    """Two learners with a latent for each cue, whose order in the second is reversed, and assessors that are right."""
    order = torch.stack([torch.arange(CUES), torch.arange(CUES).flip(0)])
    latents = torch.eye(CUES)[order].repeat_interleave(pieces.CHOICES, 1)[:, :, None].repeat(1, 1, 2, 1)
    own = OUTCOMES[order]  # [S, D, N]: a cue's latent is its place in the order, which is its own inverse
    columns = [taught(own[..., k]) for k in range(NEEDS)]
    cached = taught((own * torch.tensor([0.25, -0.25, 0.25])).sum(-1))
    informed = torch.zeros(2, (1 + NEEDS) * CUES + NEEDS)
    informed[:, :CUES] = -0.25 * own.sum(-1)
    met = own * torch.tensor([1.0, 0.0, 1.0])
    informed[:, CUES : CUES * (1 + NEEDS)] = met.flatten(1)
    life = pieces.Raised(SimpleNamespace(call=lambda tests: tests), columns, columns, cached, taught(informed))  # type: ignore[arg-type]
    return pieces.Choosing(life, latents)


def test_planted_scorecards_go_for_salt_at_once_and_lesioned_scrambled_and_cached_ones_do_not() -> None:
    choosing = planted()
    for arm in ("scorecard", "cached", "informed"):
        assert choosing.goes_for_salt(arm, pieces.SATED).tolist() == [0.0, 0.0], arm
    salt = {arm: choosing.goes_for_salt(arm, pieces.DEPRIVED).mean().item() for arm in pieces.ARMS}
    others = dict.fromkeys(("lesioned", "scrambled", "cached", "informed"), 0.0)
    assert salt == {"scorecard": 1.0, "dealt": 1.0, **others, "another's": 0.0}
    assert choosing.right("scorecard", salt=True).tolist() == [1.0, 1.0]
    assert choosing.right("informed", salt=False).tolist() == [1.0, 1.0]
    assert choosing.right("informed", salt=True).max() < 0.8 > choosing.right("another's", salt=True).max()


def test_a_cached_value_can_be_taught_to_go_for_salt() -> None:
    choosing = planted()
    cached, deprived = choosing.life.cached, torch.tensor(pieces.DEPRIVED)
    for _ in range(100):
        latents = choosing.latents[:, :: pieces.CHOICES].expand(-1, -1, 2, -1)
        pieces.teach(cached, latents, pieces.relief(OUTCOMES, deprived).expand(2, -1))
    assert choosing.goes_for_salt("cached", pieces.DEPRIVED).tolist() == [1.0, 1.0]


def test_numbers_are_rounded_to_as_many_levels_as_their_bits_allow() -> None:
    values = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(3))
    for bits in (1, 3):
        assert [len(row.unique()) for row in pieces.rounded(values, bits)] == [2**bits] * 2
    assert torch.allclose(pieces.rounded(values, 12), values, atol=2e-3)


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**changes: float) -> pd.DataFrame:
    """A finished table of eight seeds; changes are named like ``cached_deprived``."""
    numbers: dict[tuple[str, str, int], float] = {}
    for arm in pieces.ARMS:
        numbers[arm, "salt, sated", 0] = changes.get(f"{arm}_sated", 0.0)
        numbers[arm, "salt, deprived", 0] = changes.get(f"{arm}_deprived", 0.97 * (arm == "scorecard"))
        numbers[arm, "right", 0] = changes.get(f"{arm}_right", {"scorecard": 0.95, "informed": 0.6}.get(arm, 0.2))
        numbers[arm, "right, as in youth", 0] = changes.get(f"{arm}_youth", 0.95)
    numbers["scorecard", "bits", 0] = 1e4
    numbers |= {("cached", "salt, met again", n): changes.get("again", 0.9) for n in pieces.RELEARNED}
    return pd.DataFrame(
        {"arm": arm, "measure": name, "met": met, "seed": seed, "value": value + noise}
        for (arm, name, met), value in numbers.items()
        for seed, noise in enumerate(0.02 * np.cos(np.arange(8)))
    )


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"scorecard_deprived": 0.3}, "refuted"),
        ({"cached_deprived": 0.6}, "refuted"),
        ({"informed_deprived": 0.6}, "refuted"),
        ({"informed_right": 0.9}, "refuted"),
        ({"another's_right": 0.9}, "refuted"),
        ({"scorecard_right": 0.8}, "undetermined"),
        ({"lesioned_deprived": 0.9}, "undetermined"),
        ({"scrambled_deprived": 0.9, "scorecard_deprived": 0.3}, "undetermined"),
        ({"dealt_right": 0.9}, "undetermined"),
        ({"cached_sated": 0.5}, "undetermined"),
        ({"informed_youth": 0.5}, "undetermined"),
        ({"again": 0.2}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_the_sentence_has_the_numbers() -> None:
    assert "0.33 of the choices" in in_words(table(scorecard_deprived=0.33 - 0.02 * np.cos(np.arange(8)).mean()))


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("YOUTH", 64), ("CHOICES", 8), ("BITS", range(1, 4)), ("RELEARNED", (0, 1))):
        monkeypatch.setattr(pieces, name, value)
    monkeypatch.setattr("imprint.analyses.questions.homeostat.question.RELEARNED", (0, 1))
    question = load_question("homeostat", {"seeds": 2, "together": 2, "experiences": 64, "width": 8})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    whole = next(iter(tables.values()))
    assert whole[whole["measure"] != "bits"]["value"].between(0, 1).all() and set(whole["arm"]) == set(pieces.ARMS)
    answer = question.conclude(tables, {})
    assert [e.name for e in answer.exhibits] == ["salt", "needs", "again", "bits", "seeds"] and answer.sentence
    assert len(answer.predictions) == 14
