from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import Tensor

from imprint.analyses.ask import load_question
from imprint.analyses.questions.concept_edit import measure as pieces
from imprint.analyses.questions.concept_edit.question import DOSE, decide
from imprint.models.environments.onlooker import Onlooker
from imprint.models.imagination.planner import Planner
from imprint.models.imagination.walks import walk
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import State


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def room(watched: float = 0.0) -> Onlooker:
    return Onlooker(Onlooker.Settings(watched=watched, varied=1.0, marked=True, shelter=True), design=pieces.DESIGN)


class TrueModel(WorldModel):
    """Latents are the world's planes, the dynamics its own; the summary says who is at the coin and at the corner."""

    def __init__(self, *, shared: bool) -> None:
        self.world = room()
        super().__init__(WorldModel.Settings(channels=6, summary=5), self.world.view)
        self.shared = shared

    def encode(self, observation: Tensor) -> Tensor:
        return observation.flatten(2).transpose(1, 2)

    def branch(self, maps: Tensor) -> Tensor:
        walls, agent, coin, corner = (maps[..., i] for i in range(4))
        state: State = {"walls": walls.reshape(-1, 7, 7) > 0, "agent": agent.argmax(1), "coin": coin.argmax(1)}
        state |= {"corner": corner.argmax(1), "other": torch.full((len(maps),), -1), "held": torch.zeros(len(maps)) > 0}
        every = [self.world.transition(state, torch.full((len(maps),), action)) for action in range(4)]
        return torch.stack([self.encode(self.world.observe(each)) for each in every], 1)

    def summary(self, maps: Tensor) -> Tensor:
        agent, coin, corner, other = (maps[..., i] for i in (1, 2, 3, 4))
        mine, theirs = (agent * coin).sum(-1), (other * coin).sum(-1)
        one, both = torch.ones_like(mine), mine + theirs
        at_corner = ((agent + other) * corner).sum(-1)
        parts = (both, both, at_corner, both, one) if self.shared else (mine, theirs, at_corner, mine - theirs, one)
        return torch.stack(parts, -1)


@pytest.mark.parametrize("shared", [True, False])
def test_anothers_example_is_enough_if_the_concept_is_shared_and_not_otherwise(
    shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LABELLED", 60)
    monkeypatch.setattr(pieces, "RANDOM", 1)
    model, home = TrueModel(shared=shared), room()
    life = walk(room(0.5), room(0.5).levels(300, rng=rng(1)), 40, rng=rng(2))
    values = pieces.edited(model, life, (DOSE,), DOSE, rng(3))
    state = pieces.near_rooms(home, ("coin", "corner"), 3, 30, among=3000, design=pieces.DESIGN, rng=rng(4))
    played = pd.DataFrame(pieces.played(home, Planner(model, 3), state, values, "conflict"))
    coin = played[played["metric"] == "coin first"].set_index(["arm", "labels"])["value"]
    assert coin["unedited", "none"] < 0.2 and coin["rewarded", "none"] > 0.9
    assert coin["probe", "first"] == coin["difference", "first"] == 1.0
    assert (coin["probe", "third"] == 1.0) == shared and (shared or coin["probe", "third"] < 0.2)


def test_labels_are_true_of_who_walks() -> None:
    world = room(1.0)
    start = world.levels(40, rng=rng(0))
    at_coin = {**start, "other": torch.where(start["held"], start["coin"], -1)}
    seen = world.observe(at_coin).to(torch.uint8)
    assert torch.equal(pieces.met(seen, pieces.COIN), start["held"])
    beside = {**start, "agent": torch.where(start["held"], start["coin"], start["agent"])}
    assert not pieces.met(world.observe(beside).to(torch.uint8), pieces.COIN).any()


# -- the rule ----------------------------------------------------------------------------------------------------------

Key = tuple[str, str, str, str, str]
GOOD: dict[Key, float] = {
    ("unedited", "none", "conflict", "coin first", "grown"): 0.2,
    ("unedited", "none", "conflict", "corner first", "grown"): 0.8,
    ("unedited", "none", "elsewhere", "corner first", "grown"): 0.9,
    ("probe", "first", "conflict", "coin first", "grown"): 0.95,
    ("probe", "third", "conflict", "coin first", "grown"): 0.9,
    ("probe", "first", "elsewhere", "corner first", "grown"): 0.89,
    ("probe", "third", "elsewhere", "corner first", "grown"): 0.89,
    ("random", "first", "conflict", "coin first", "grown"): 0.2,
    ("probe", "first", "conflict", "coin first", "newborn"): 0.2,
}


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [
        (("probe", "first", "conflict", "coin first", "grown"), 0.95, "confirmed"),
        (("probe", "first", "conflict", "coin first", "grown"), 0.6, "refuted"),
        (("probe", "third", "conflict", "coin first", "grown"), 0.6, "refuted"),
        (("probe", "third", "conflict", "coin first", "grown"), 0.797, "undetermined"),
        (("probe", "first", "elsewhere", "corner first", "grown"), 0.7, "refuted"),
        (("random", "first", "conflict", "coin first", "grown"), 0.4, "refuted"),
        (("probe", "first", "conflict", "coin first", "newborn"), 0.9, "undetermined"),
        (("unedited", "none", "conflict", "corner first", "grown"), 0.1, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(key: Key, value: float, verdict: str) -> None:
    rows = [
        {"arm": arm, "labels": labels, "where": where, "metric": metric, "model": model, "seed": seed,
         "dose": 0.0 if arm == "unedited" else DOSE, "value": number + 0.005 * (seed % 2)}
        for (arm, labels, where, metric, model), number in {**GOOD, key: value}.items() for seed in range(6)
    ]  # fmt: skip
    assert decide(pd.DataFrame(rows), pd.Series([0.97, 0.98] * 3))[0] == verdict
    assert decide(pd.DataFrame(rows), pd.Series([0.8, 0.81] * 3))[0] == "undetermined"


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"LABELLED": 20, "MATCHED": 20, "RANDOM": 1, "TAUGHT": 2}.items():
        monkeypatch.setattr(pieces, name, size)
    growing = {"walks": 100, "updates": 2, "summary": 8}
    settings = {"seeds": 2, "control_seeds": 2, "rooms": 10, "horizon": 3, "growing": growing}
    question = load_question("concept-edit", settings)
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and "control is not as it must be" in answer.why
    assert set(answer.exhibits[1].frame["dose"]) == {-2.0, 0.0, 0.25, 0.5, 1.0, DOSE, 4.0}
    assert {"grown", "newborn", "not taught the end"} == set(answer.exhibits[3].frame["model"])
