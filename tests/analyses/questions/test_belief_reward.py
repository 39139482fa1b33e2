from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.belief_reward import measure as pieces
from imprint.analyses.questions.belief_reward.question import LAST, decide
from imprint.models.worlds.nursery import Nursery


@pytest.fixture(scope="module")
def life() -> pieces.Rows:
    """Two seeds of a life of 400 episodes, with the senses of the nursery."""
    world = Nursery()
    batches = [world.sample(400, rng=torch.Generator().manual_seed(seed)) for seed in range(2)]
    senses = [world.senses(batch, ("company", "template")) for batch in batches]
    company, template = (torch.stack([each[name] for each in senses]) for name in ("company", "template"))
    hidden = torch.stack([torch.from_numpy(batch.concepts["hidden"].to_numpy(dtype=bool).copy()) for batch in batches])
    danger = torch.stack([torch.from_numpy((batch.concepts["who"] == 3).to_numpy().copy()) for batch in batches])
    assert torch.equal(company[:, :, 2], 1.0 - hidden.float()) and bool((company[:, :, [0, 1, 4, 5]] == 1).all())
    assert torch.equal(template[:, :, 0], danger.float()) and float((template * (1 - company)).max()) == 0.0
    return pieces.Rows(torch.zeros(2, 400, 6, 1), company, template)


def test_where_belief_and_sight_are_numbers_of_their_own_upstream_keeps_what_downstream_loses(
    life: pieces.Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LIFE", 400)
    monkeypatch.setattr(pieces, "BATCH", 16)
    monkeypatch.setattr(pieces, "RATE", 1.0)
    monkeypatch.setattr(pieces, "COUNTS", (0, 600))
    seen = life._replace(company=torch.ones_like(life.company))
    hidden, danger = life.company[:, :, 2] == 0, life.template[:, :, 0] > 0
    fits = [[(hidden[s] == h) & (danger[s] == d) for s in range(2)] for h, d in pieces.KINDS]
    kinds = [[torch.nonzero(one).flatten() for one in kind] for kind in fits]
    shown = pieces.planted(pieces.Trials(seen, life, kinds, {}))
    table = pd.DataFrame(pieces.exposed(shown, [0, 1], updates=100))
    means = table[table["measure"] == "avoidance, unseen"].groupby(["arm", "exposures"])["value"].mean()
    assert means["upstream", 0] > 0.6 and means["downstream", 0] > 0.6
    assert means["upstream", 600] > 0.8 * means["upstream", 0]
    assert abs(means["downstream", 600]) < 0.1 * means["downstream", 0]
    gone = table[(table["measure"] == "avoidance, removed") & (table["arm"] == "upstream")]
    assert gone["value"].abs().max() < 1e-5


def test_latents_that_do_not_know_the_danger_come_to_avoid_nothing(
    life: pieces.Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "BATCH", 16)
    monkeypatch.setattr(pieces, "LIFE", 400)
    rng = torch.Generator().manual_seed(0)
    rows = life._replace(latents=torch.randn(2, 400, 6, 5, generator=rng))
    twins = {name: pieces.Twins(*torch.randn(2, 2, 200, 5, generator=rng)) for name in pieces.FRAMES}
    assessors = pieces.Assessors(rows)
    for _ in range(100):
        some = rows.of(torch.randint(0, 400, (2, 16), generator=rng))
        assessors.teach_belief(some, attaching=True, rng=rng)
        assessors.teach_value(some, rng=rng)
    assert all(float(value.abs().max()) < 0.15 for value in assessors.look(twins).values())


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(
    *, upstream: float = 1.0, downstream: float = 0.0, planted: float = 0.0, removed: float = 0.05, start: float = 0.3
) -> pd.DataFrame:
    """A finished table: unseen avoidance goes from ``start`` to the given part of it in every arm."""
    rows = []
    for seed in range(8):
        noise = 1 + 0.01 * np.cos(seed)
        ends = {"upstream": upstream, "downstream": downstream, "window shut": upstream, "shuffled": 0.0}
        for basis, parts in (("as learned", ends), ("planted", {**ends, "upstream": 1.0, "downstream": planted})):
            for arm, part in parts.items():
                first = (0.0 if arm == "shuffled" else start) * noise
                for exposures, value in ((0, first), (LAST, first * part + 0.01 * np.cos(3 * seed) * (part != 0))):
                    about = {"basis": basis, "arm": arm, "exposures": exposures, "seed": seed}
                    rows.append({**about, "measure": "avoidance, unseen", "value": value})
                    rows.append({**about, "measure": "avoidance, removed", "value": removed * (arm == "upstream")})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"upstream": 0.5}, "refuted"),
        ({"downstream": 0.6}, "refuted"),
        ({"downstream": 0.11}, "undetermined"),
        ({"planted": 0.5}, "undetermined"),
        ({"removed": 0.29, "downstream": 0.6}, "undetermined"),
        ({"start": 0.05}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    small = SimpleNamespace(LIFE=120, TEST=20, BATCH=4, COUNTS=(0, 3))
    for name, value in vars(small).items():
        monkeypatch.setattr(pieces, name, value)
    question = load_question("belief-reward", {"seeds": 2, "together": 2, "experiences": 64, "updates": 3})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    bases = {basis for each in tables.values() for basis in each["basis"]}
    assert bases == {"as learned", "planted", "newborn"}
    whole = {name: each.assign(exposures=each["exposures"].replace(3, LAST)) for name, each in tables.items()}
    answer = question.conclude(whole, {})
    assert answer.verdict == "undetermined" and answer.exhibits[0].name == "unseen"
    assert (answer.findings["metric"] == "avoidance,_removed").any()
