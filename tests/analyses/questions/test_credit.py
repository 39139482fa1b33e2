from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import Tensor

from imprint.analyses.ask import load_question
from imprint.analyses.questions.credit import measure as pieces
from imprint.analyses.questions.credit.question import decide
from imprint.models.chance import birth
from imprint.models.learners.base import Learner
from imprint.models.setup.learner import frame_of
from imprint.models.setup.load import load_setup
from imprint.models.worlds.base import World
from imprint.probes.attributions.base import Attribution

CUES = len(pieces.CUES)


@pytest.fixture(scope="module")
def planted() -> tuple[Tensor, Tensor]:
    empty = torch.zeros(1 << CUES, 1, 50, 1)
    return pieces.planted(empty, empty)


def test_on_latents_of_their_own_cues_block_and_share_as_the_rule_says(planted: tuple[Tensor, Tensor]) -> None:
    found = pieces.conditioned(*planted, 150)
    assert found["blocking ratio", "all"].abs().max() < 0.02
    assert found["shuffled ratio", "all"].min() > 0.3
    torch.testing.assert_close(
        found["share of the more salient", "red and lamp"], torch.full((1,), 0.75), atol=0.01, rtol=0
    )
    torch.testing.assert_close(found["strength, alone", "lamp"], torch.ones(1), atol=0.02, rtol=0)
    assert found["novel less familiar", "all"].min() > 0.1
    assert found["attribution error", "all"].max() < 1e-5


def test_cues_that_share_their_latents_do_not_block(planted: tuple[Tensor, Tensor]) -> None:
    mixed = tuple(part[..., 2:].sum(-1, keepdim=True).clamp(max=1.0) for part in planted)
    assert pieces.conditioned(*mixed, 60)["blocking ratio", "all"].min() > 0.8  # type: ignore[arg-type]


def test_whitened_latents_are_uncorrelated_with_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    turn = torch.randn(5, 5, generator=generator)
    bank, test = (torch.randn(8, 2, 200, 5, generator=generator) @ turn + 3.0 for _ in range(2))
    inside, outside = pieces.whitened(bank, test)
    for seed in range(2):
        x = inside[:, seed].flatten(0, 1)
        torch.testing.assert_close(x.T @ x / len(x), torch.eye(5), atol=0.02, rtol=0)
    assert outside.shape == test.shape and float(outside.mean().abs()) < 0.1


@pytest.fixture(scope="module")
def untrained() -> tuple[Learner, World]:
    plan = load_setup("nursery", changes={"learner": {"kind": "recurrent"}, "schedule.worlds": 1})
    world = plan.make_world()
    return plan.make_learner(frame_of(world), rng=birth(0)).eval(), world


def test_rows_differ_in_the_cue_and_in_nothing_else(
    untrained: tuple[Learner, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, world = untrained
    monkeypatch.setattr(type(learner), "latents", lambda self, frames: frames.flatten(2))
    seen = pieces.latents_of_cues([learner], world, 20, "trials")[:, 0].unflatten(-1, (3, 12, 28))
    changed = (seen[pieces.code(["lamp"])] - seen[0]).abs() > 1e-6
    assert changed[..., 0:2, 13:15].all() and int(changed.sum()) == 20 * 3 * 4
    assert ((seen[pieces.code(["red"])] - seen[0]).abs() > 1e-6).flatten(1).any(1).all()


def test_a_wrong_attribution_is_seen(planted: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    bank, test = planted
    valence = pieces.teach(bank, [(("red",), "rewarded")], 30)
    assert pieces.attribution_error(valence, test, "red").max() < 1e-5
    real: Callable[..., Attribution] = pieces.IntegratedGradients.__call__

    def wrong(self: object, *arguments: object) -> Attribution:
        found = real(self, *arguments)
        return dataclasses.replace(found, attributions=1.01 * found.attributions)

    monkeypatch.setattr(pieces.IntegratedGradients, "__call__", wrong)
    assert pieces.attribution_error(valence, test, "red").min() > 1e-4


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {"blocking ratio": 0.1, "shuffled ratio": 0.9, "share of the more salient": 0.7, "novel less familiar": 0.2,
        "attribution error": 1e-7, "strength, alone": 0.9}  # fmt: skip


def table(values: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"basis": "as learned", "measure": measure, "cue": "lamp" if "," in measure else "all", "seed": seed,
             "value": value * (1 + 0.01 * (seed % 2))}
            for measure, value in values.items() for seed in range(6)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"blocking ratio": 0.5}, "refuted"),
        ({"shuffled ratio": 0.2}, "refuted"),
        ({"share of the more salient": 0.3}, "refuted"),
        ({"novel less familiar": -0.1}, "refuted"),
        ({"attribution error": 1e-3}, "refuted"),
        ({"blocking ratio": 0.199}, "undetermined"),
        ({"strength, alone": 0.3}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table({**GOOD, **change}))[0] == verdict


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BANK", "TEST", "ROWS"):
        monkeypatch.setattr(pieces, name, 20)
    question = load_question("credit", {"seeds": 2, "together": 2, "experiences": 64, "updates": 4})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert {"as learned", "whitened", "planted", "newborn, as learned"} <= set(answer.exhibits[0].frame["basis"])
    assert "newborn, planted" not in set(answer.exhibits[0].frame["basis"])
    assert (answer.findings["metric"] == "blocking_ratio").any()
