"""Countdowns that are read or hidden, against slow loops; the rule on planted tables; short lives from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from imprint.analyses.ask import ask, load_question
from imprint.analyses.findings import COLUMNS
from imprint.analyses.goals.acting import AgentPolicy
from imprint.analyses.questions.base import Answer
from imprint.analyses.questions.scorecard.measure import (
    CHANNELS,
    DISCOUNT,
    HORIZON,
    NOVEL,
    Whitening,
    assessors,
    auc,
    lead,
    least_squares,
    measured,
    steps_of,
)
from imprint.analyses.questions.scorecard.question import ALL, FEW, Scorecard
from imprint.analyses.raising.lives import Lives, follow, raised
from imprint.analyses.statistics import mean_of_all
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup

N, T = 120, 30


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planted(seed: int, *, leaky: bool = False, loud: float = 3.0) -> Lives:
    """Lives whose outcomes come at random moments; what is read is a mix of countdowns and loud noise."""
    felt = torch.rand(N, T, len(CHANNELS) + 1, generator=rng(seed)) < 0.03
    if leaky:
        felt[..., -1] = felt[..., 0]
    steps = torch.randint(10, T + 1, (N,), generator=rng(seed + 1))
    alive = torch.arange(T) < steps[:, None]
    felt &= alive[..., None]
    count = torch.zeros(N, T + 1, felt.shape[2])
    for t in range(T - 1, -1, -1):
        count[:, t] = torch.where(felt[:, t], 1.0, DISCOUNT * count[:, t + 1])
    noise = loud * torch.randn(N, T + 1, 12, generator=rng(seed + 2))
    mix = torch.linalg.qr(torch.randn(21, 21, generator=rng(99)))[0]
    read = torch.cat([count, noise], 2) @ mix
    names = [name if name != "warm" else "warmth" for name in (*CHANNELS, NOVEL)]
    senses = {name: felt[..., i].float() for i, name in enumerate(names)}
    terminated = torch.rand(N, generator=rng(seed + 3)) < 0.5
    return Lives(senses, steps, terminated, read)


def test_what_comes_soon_and_what_came_are_those_of_slow_loops() -> None:
    lives = planted(0)
    steps = steps_of(lives)
    place = 0
    for i in range(N):
        last, ended = int(lives.steps[i]), bool(lives.terminated[i])
        for t in range(last):
            felt = [bool(lives.senses["food_eaten"][i, u]) for u in range(t, min(t + HORIZON, last))]
            assert steps.soon[place, 0] == any(felt)
            assert steps.known[place, 0] == (any(felt) or ended or t + HORIZON <= last)
            assert bool(steps.over[place]) == (ended and t == last - 1) and int(steps.episode[place]) == i
            came = sum(DISCOUNT ** (u - t) * float(lives.senses["food_eaten"][i, u]) for u in range(t, last))
            if ended or t + 3 * HORIZON <= last:
                assert steps.came[place, 0] == pytest.approx(came)
            else:
                assert np.isnan(steps.came[place, 0])
            place += 1
    assert place == len(steps.read) == len(steps.then)


def test_lead_counts_the_steps_without_a_break_before_an_outcome() -> None:
    length = 40 * 20
    felt = np.zeros(length, dtype=bool)
    felt[15::20] = True
    soon = np.zeros(length, dtype=bool)
    for back in range(HORIZON):
        soon[15 - back :: 20] = True
    episode = np.repeat(np.arange(40), 20)
    score = np.zeros(length)
    for back in (0, 1, 2, 4):
        score[15 - back :: 20] = 1.0
    assert lead(score, felt, soon, np.ones(length, dtype=bool), episode=episode) == pytest.approx(3.0)
    early = np.where(np.arange(length) % 20 <= 15, 1.0, 0.0)
    assert lead(early + soon, felt, soon, np.ones(length, dtype=bool), episode=episode) == pytest.approx(HORIZON)
    assert np.isnan(lead(score, felt & (episode < 3), soon, np.ones(length, dtype=bool), episode=episode))


def test_auc_is_not_given_for_a_handful_of_steps() -> None:
    soon = np.arange(100) < 19
    assert np.isnan(auc(np.arange(100.0), soon, np.ones(100, dtype=bool)))
    assert auc(-np.arange(100.0), np.arange(100) < 20, np.ones(100, dtype=bool)) == 1.0


def test_assessors_go_where_least_squares_says() -> None:
    steps = steps_of(planted(3, loud=1.0))
    basis = Whitening(steps.read)
    x, then = basis.whitened(steps.read), basis.whitened(steps.then)
    best = least_squares(x, then, steps)
    array = assessors(x, then, steps, updates=2500, seed=0)
    ours: Tensor = array.weight.T
    assert float(((x @ (ours - best)).std(0) / (x @ best).std(0)).max()) < 0.25
    assert float((x @ x.T).diagonal().mean()) == pytest.approx(2.0, rel=0.1)


def values(table: pd.DataFrame, name: str, reader: str) -> pd.Series:
    return table[(table["table"] == name) & (table["reader"] == reader)]["value"]


def test_countdowns_are_foretold_and_an_outcome_without_a_channel_is_not() -> None:
    table = measured(steps_of(planted(10)), steps_of(planted(20)), updates=1500, seed=0)
    assert values(table, "auc", "scorecard").min() > 0.9 and values(table, "auc", FEW).mean() < 0.75
    assert abs(values(table, "slope", "scorecard").mean() - 1) < 0.2
    novel = {reader: float(values(table, "novel", reader).iloc[0]) for reader in ("alarm", "best channel", ALL)}
    assert abs(novel["alarm"] - 0.5) < 0.12 and novel[ALL] > 0.9
    leaky = measured(steps_of(planted(10, leaky=True)), steps_of(planted(20, leaky=True)), updates=1500, seed=0)
    assert float(values(leaky, "novel", "best channel").iloc[0]) > 0.9
    assert float(values(leaky, "novel", "alarm").iloc[0]) > 0.65


# -- the rule ----------------------------------------------------------------------------------------------------------


def seed_table(seed: int, scorecard: float, few: float, alarm: float, ceiling: float) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(0, 0.003, 4)
    rows = []
    for outcome in CHANNELS:
        for reader, value in (("scorecard", scorecard), (FEW, few), (ALL, 0.95), ("closed form", scorecard)):
            for table in ("auc", "alone", "lead", "share"):
                value = float("nan") if outcome == "starved" and seed == 0 else value
                rows.append({"table": table, "reader": reader, "outcome": outcome, "value": value + noise[0]})
        rows += [{"table": name, "reader": "scorecard", "outcome": outcome, "value": 1.0} for name in ("slope", "r2")]
    for i, (reader, value) in enumerate((("alarm", alarm), (ALL, ceiling), ("best channel", 0.6))):
        rows.append({"table": "novel", "reader": reader, "value": value + noise[i + 1]})
    return pd.DataFrame(rows).assign(seed=seed)


def concluded(*, fail: bool = False, **numbers: float) -> Answer:
    given = {"scorecard": 0.95, "few": 0.8, "alarm": 0.5, "ceiling": 0.85} | numbers
    tables = {f"seed-{i}": seed_table(i, **given) for i in range(6)}
    return Scorecard().conclude(tables, {"seed-9": "it was killed"} if fail else {})


def parts(answer: Answer) -> dict[str, str]:
    rows = answer.findings[answer.findings["metric"] == "part"]
    return dict(zip(rows["concept"], rows["verdict"], strict=True))


def test_monitor_and_blind_spot_are_judged_apart() -> None:
    good = concluded()
    assert good.verdict == "confirmed" and parts(good) == {"monitor": "confirmed", "blind spot": "confirmed"}
    assert list(good.findings.columns) == list(COLUMNS)
    for change in ({"scorecard": 0.85}, {"few": 0.94}):
        answer = concluded(**change)
        assert answer.verdict == "refuted" and parts(answer) == {"monitor": "refuted", "blind spot": "confirmed"}
    loud = concluded(alarm=0.7)
    assert loud.verdict == "refuted" and parts(loud) == {"monitor": "confirmed", "blind spot": "refuted"}
    assert concluded(fail=True).verdict == "undetermined" and "seed-9 failed" in concluded(fail=True).why


def test_a_control_that_fails_hides_the_blind_spot_and_not_the_monitor() -> None:
    answer = concluded(ceiling=0.6)
    assert answer.verdict == "undetermined"
    assert parts(answer) == {"monitor": "confirmed", "blind spot": "undetermined"}
    assert "Monitor: confirmed." in answer.why and "not shown to hold" in answer.why
    both = concluded(ceiling=0.6, scorecard=0.8)
    assert both.verdict == "refuted" and parts(both) == {"monitor": "refuted", "blind spot": "undetermined"}


def test_an_outcome_that_one_seed_cannot_measure_does_not_count() -> None:
    answer = concluded()
    rows = answer.findings[(answer.findings["metric"] == "auc") & (answer.findings["concept"] == "starved")]
    assert rows["estimate"].isna().all() and np.isfinite(mean_of_all([0.9, 0.91]).low)


# -- lives -------------------------------------------------------------------------------------------------------------


def test_lives_end_where_they_end_and_are_read_where_they_are() -> None:
    setup = load_setup(
        "meadow-hunger", expect=AgentSetup, changes={"environment.limit": 12, "environment.predators": 0.3}
    )
    environment = setup.make_environment()
    agent = setup.make_agent(environment.view, rng=rng(0))
    lives = follow(environment, environment.levels(40, rng=rng(1)), AgentPolicy(agent), agent=agent,
                   points=("hook_hidden_0",))  # fmt: skip
    ended = lives.terminated
    assert ended.any() and (~ended).any() and (lives.steps[~ended] == 12).all()
    struck = lives.senses["struck"].sum(1) + lives.senses["starved"].sum(1)
    assert torch.equal(struck > 0, ended)
    after = torch.arange(lives.read.shape[1]) > lives.steps[:, None]
    assert not lives.read[after].any() and lives.read[:, 0].abs().sum() > 0
    assert lives.read[~ended][:, 12].abs().sum(1).min() > 0


def test_a_short_life_from_end_to_end(tmp_path: Path) -> None:
    short = load_question("scorecard", {"seeds": 3, "experiences": 16_384, "lives": 20, "updates": 5})
    asked = ask(short, out=tmp_path, jobs=1)
    assert asked.answer.verdict in ("undetermined", "refuted")
    assert {e.name for e in asked.answer.exhibits} == {"auc", "lead", "calibration", "novel"}


def test_raising_keeps_every_planned_age() -> None:
    changes = {"schedule.experiences": 16_384, "schedule.ages": 2, "learning.copies": 64}
    setup = load_setup("meadow-hunger", expect=AgentSetup, changes=changes)
    said: list[int] = []
    agents = raised(setup, 0, say=lambda done, total: said.append(done))
    assert tuple(agents) == setup.planned and said[-1] == setup.planned[-1]
