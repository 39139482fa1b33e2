from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pandas as pd
import pytest
import torch

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
def planted() -> pieces.Trials:
    return pieces.planted(pieces.Trials(*(torch.zeros(1 << CUES, 2, 40, 1) for _ in range(3))))


def test_on_latents_of_their_own_cues_block_and_share_as_the_rule_says(planted: pieces.Trials) -> None:
    found = pieces.conditioned(planted, updates=150, most=400)
    assert found["first cues learned", "all"].tolist() == [1.0, 1.0]
    torch.testing.assert_close(found["blocking ratio", "all"], found["left over", "all"], atol=0.02, rtol=0)
    assert found["left over", "all"].abs().max() < 0.12
    assert found["shuffled ratio", "all"].min() > 0.3
    torch.testing.assert_close(found["share of the more salient", "all"], torch.full((2,), 0.75), atol=0.01, rtol=0)
    assert found["overlap", "all"].abs().max() < 1e-6
    assert found["attribution error", "all"].max() < 1e-5


def test_a_first_cue_that_is_not_learned_leaves_more_over_and_says_so(
    planted: pieces.Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LOOK_EVERY", 1)
    monkeypatch.setattr(pieces, "RATE", 0.3)
    found = pieces.conditioned(planted, updates=150, most=1)
    assert found["first cues learned", "all"].max() == 0.0
    assert found["left over", "all"].min() > 0.3 and found["blocking ratio", "all"].min() > 0.3
    torch.testing.assert_close(found["blocking ratio", "all"], found["left over", "all"], atol=0.05, rtol=0)


def test_each_seed_stops_when_its_own_cue_is_learned(planted: pieces.Trials) -> None:
    hidden = [part.clone() for part in planted]
    for part in hidden:
        part[:, 1] = torch.randn(part.shape[2:], generator=torch.Generator().manual_seed(0))
    groups = pieces.Groups(hidden[0], 2)
    rng = torch.Generator().manual_seed(1)
    came = groups.teach_until_learned(("red", "lamp"), hidden[1], 300, rng=rng)
    assert came.tolist() == [[True, False], [True, False]]
    weight = groups.valence.weight.reshape(2, 2, -1).clone()
    groups.teach([(("red",), "rewarded"), (("lamp",), "rewarded")], 20, rng=rng, open_=~came)
    changed = (groups.valence.weight.reshape(2, 2, -1) != weight).any(-1)
    assert changed.tolist() == (~came).tolist()


def test_overlapping_latents_give_the_second_cue_what_the_first_left_over_and_no_more(planted: pieces.Trials) -> None:
    turn = torch.eye(planted.bank.shape[-1])
    turn[0, -2] = turn[-1, 0] = 0.5
    found = pieces.conditioned(pieces.Trials(*(part @ turn for part in planted)), updates=150, most=400)
    assert found["overlap", "all"].min() > 0.1
    torch.testing.assert_close(found["blocking ratio", "all"], found["left over", "all"], atol=0.05, rtol=0)


def test_whitened_latents_are_uncorrelated_with_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    turn = torch.randn(5, 5, generator=generator)
    trials = pieces.Trials(*(torch.randn(8, 2, 200, 5, generator=generator) @ turn + 3.0 for _ in range(3)))
    inside, _, outside = pieces.whitened(trials)
    for seed in range(2):
        x = inside[:, seed].flatten(0, 1)
        torch.testing.assert_close(x.T @ x / len(x), torch.eye(5), atol=0.02, rtol=0)
    assert outside.shape == trials.test.shape and float(outside.mean().abs()) < 0.1


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


def test_a_wrong_attribution_is_seen(planted: pieces.Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = pieces.Groups(planted.bank, 1)
    groups.teach([(("red",), "rewarded")], 30, rng=torch.Generator().manual_seed(0))
    assert pieces.attribution_error(groups, planted.test, ["red"]).max() < 1e-5
    real: Callable[..., Attribution] = pieces.IntegratedGradients.__call__

    def wrong(self: object, *arguments: object) -> Attribution:
        found = real(self, *arguments)
        return dataclasses.replace(found, attributions=1.01 * found.attributions)

    monkeypatch.setattr(pieces.IntegratedGradients, "__call__", wrong)
    assert pieces.attribution_error(groups, planted.test, ["red"]).min() > 1e-4


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {"blocking ratio less left over": 0.05, "blocking ratio": 0.15, "left over": 0.1, "overlap": 0.3,
        "shuffled ratio": 0.9, "share of the more salient": 0.7,
        "attribution error": 1e-7, "first cues learned": 1.0}  # fmt: skip


def table(values: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"basis": "as learned", "measure": measure, "cue": "all", "seed": seed,
             "value": value * (1 - 0.01 * (seed % 2) * (value != 1.0))}
            for measure, value in values.items() for seed in range(6)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"blocking ratio less left over": 0.5}, "refuted"),
        ({"blocking ratio less left over": -0.2}, "refuted"),
        ({"shuffled ratio": 0.2}, "refuted"),
        ({"share of the more salient": 0.3}, "refuted"),
        ({"attribution error": 1e-3}, "refuted"),
        ({"blocking ratio less left over": 0.1005}, "undetermined"),
        ({"first cues learned": 0.75, "blocking ratio less left over": 0.5}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table({**GOOD, **change}))[0] == verdict


def test_overlap_is_said_only_where_it_is_shown() -> None:
    assert "The latents of both cues overlap (cosine 0.3" in decide(table(GOOD))[1]
    assert "No overlap of their latents is shown" in decide(table({**GOOD, "overlap": 0.0}))[1]


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BANK", "TEST", "ROWS"):
        monkeypatch.setattr(pieces, name, 20)
    settings = {"seeds": 2, "together": 2, "experiences": 64, "updates": 4, "most": 4}
    question = load_question("credit", settings)
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and "not learned" in answer.why
    assert {"as learned", "whitened", "planted", "newborn, as learned"} == set(answer.exhibits[0].frame["basis"])
    assert (answer.findings["metric"] == "blocking_ratio").any()
