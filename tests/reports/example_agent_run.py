"""A made-up run of agents, written to disk the way a real one is, with names that try to break the page.

Numbers are drawn so that agents first pursue the corner and then, all but one, the coin: pure functions of ``seed``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from imprint.analyses.findings import findings
from imprint.models.files import write_json, write_table
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.reports.reading.run import RunData, load_run

NASTY = "<script>alert(1)</script>"
INTENDED, PROXY = "coin", "corner"
MARKS = ("coin_cell", "coin_way", "corner_way")
FACTS = (*MARKS, "agent_cell", "blocked_up", NASTY)
AGES = (0, 16384, 65536, 262144, 524288, 1048576, 1507328)
SEEDS = tuple(range(5))
PROBABILITIES = {"intended": 0.97, "undetermined": 0.03}
ACTIONS = ("up", "right", "down", "left")
STEPS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
COIN = (0.30, 0.22, 0.14, 0.20, 0.33, 0.62, 0.82)
CORNER = (0.14, 0.55, 0.82, 0.76, 0.30, 0.08, 0.05)
EPISODES, FRAMES, SIDE, TILE = 7, 14, 7, 8


@cache
def setup() -> AgentSetup:
    """The coin's setup, with a further fact whose name tries to break the page."""
    ages = {"schedule.experiences": AGES[-1], "schedule.ages": list(AGES)}
    return load_setup("coin", changes={**ages, "concepts": list(FACTS)}, expect=AgentSetup)


NAME = setup().run_name


def record() -> dict[str, Any]:
    """What ``run.json`` holds."""
    return {
        "setup": NAME,
        "ages": list(AGES),
        "seeds": len(SEEDS),
        "versions": {"imprint": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
        "commit": "0123456789abcdef",
        "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
        "started": "2026-01-05T10:00:00Z",
        "seconds": 224.1,
        "failed": [],
        "cell_seconds": {"seeds 0-4": 161.2, "floors": 62.9},
    }


def _row(analysis: str, metric: str, estimate: float, half: float = np.nan, **more: Any) -> dict[str, Any]:
    base = {"analysis": analysis, "setup": NAME, "metric": metric, "estimate": estimate, "n": 2000}
    return base | {"low": estimate - half, "high": estimate + half} | more


def _rate(
    analysis: str, metric: str, value: float, rng: np.random.Generator, last: float | None = None, **more: Any
) -> list[dict[str, Any]]:
    """A pooled row and one per seed, inside 0 and 1; ``last`` is about what the last seed has."""
    centre = np.array([value] * (len(SEEDS) - 1) + [value if last is None else last])
    own = np.clip(centre + rng.normal(0, 0.02, len(SEEDS)), 0, 1)
    rows = [_row(analysis, metric, float(own[s]), 0.02, seed=s, seeds=1, **more) for s in SEEDS]
    pooled = _row(analysis, metric, float(own.mean()), 0.02 + 2 * float(own.std()) / 5**0.5, seeds=5, **more)
    return [
        {**row, "low": np.maximum(row["low"], 0.0), "high": np.minimum(row["high"], 1.0)} for row in (pooled, *rows)
    ]


def _behaviour(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for age, coin, corner in zip(AGES, COIN, CORNER, strict=True):
        apart = {"control": "apart", "age": age}
        stays = (0.15, 0.8) if age > AGES[2] else (coin, corner)
        rows += _rate("behaviour", "capability", coin + corner, rng, sum(stays), concept=INTENDED, **apart)
        rows += _rate("behaviour", "goal", coin, rng, stays[0], concept=INTENDED, **apart)
        rows += _rate("behaviour", "proxy", corner, rng, stays[1], concept=PROXY, **apart)
        near = 0.4 + 0.54 * min(1.0, age / 60000)
        rows += _rate("behaviour", "capability", near, rng, concept=INTENDED, control="together", age=age)
        rows += _rate("lifetime", "training_success", near, rng, concept=INTENDED, age=age)
        rows += _rate("behaviour", "goal", coin, rng, concept=INTENDED, control="only_intended", age=age)
        rows += _rate("behaviour", "proxy", corner, rng, concept=PROXY, control="only_proxy", age=age)
    for kind, coin, corner in (("untrained", 0.30, 0.145), ("random reward", 0.30, 0.09)):
        about = {"control": kind}
        rows += _rate("behaviour", "capability", coin + corner, rng, concept=INTENDED, **about)[:1]
        rows += _rate("behaviour", "goal", coin, rng, concept=INTENDED, **about)[:1]
        rows += _rate("behaviour", "proxy", corner, rng, concept=PROXY, **about)[:1]
    return rows


def _insides(rng: np.random.Generator, causal_ages: tuple[int, ...]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for goal in (INTENDED, PROXY):
        rows += _rate("critic", "beta", 0.9, rng, concept=goal, control="untrained")[:1]
    for a, (age, coin, corner) in enumerate(zip(AGES, COIN, CORNER, strict=True)):
        for goal, beta in ((INTENDED, 0.6 * coin), (PROXY, 0.7 * corner)):
            rows += _rate("critic", "beta", beta, rng, concept=goal, age=age)
        rows += _rate("critic", "r2", 0.05 + 0.06 * a, rng, concept=INTENDED, age=age)
        index = corner / (coin + corner)
        rows += _rate("critic", "latch_index", index if a else np.nan, rng, concept=INTENDED, age=age)
        for k, fact in enumerate(MARKS):
            rows += _rate("locate", "best_site_score", 0.93 - 0.02 * k + 0.008 * a, rng, concept=fact, age=age)
        if age not in causal_ages:
            continue
        for metric, own, pursued in (("goal", coin, INTENDED), ("proxy", corner, PROXY)):
            rows += _rate("causal", metric, own, rng, concept=pursued, control="intact", age=age)
            for other in (INTENDED, PROXY):
                left = 0.3 * own if other == pursued else own
                rows += _rate("causal", metric, left, rng, concept=other, control="erased", age=age)
                for control in ("random", "random in span"):
                    rows += _rate("causal", metric, own - 0.02, rng, concept=other, control=control, age=age)
            rows += _rate("causal", metric, 0.7 * own, rng, concept="(coin alone)", control="erased", age=age)
    return rows


def _verdicts() -> list[dict[str, Any]]:
    why = "It pursues coin: 94 % of what it reaches; erasing coin costs 0.57; index 0.05."
    last: dict[str, Any] = {"age": AGES[-1], "seeds": 5}
    rows = [_row("latch", "latch", np.nan, **last, verdict="intended", why=why)]
    rows += [_row("latch", "probability", p, concept=INTENDED, control=w, **last) for w, p in PROBABILITIES.items()]
    rows += [_row("latch", "leads", 0.99, concept=INTENDED, **last), _row("latch", "excess", 0.4, 0.02, **last)]
    for goal, wanting, dominance in ((INTENDED, 0.8, 0.93), (PROXY, 0.02, 0.07)):
        rows.append(_row("latch", "wanting", wanting, 0.05, concept=goal, **last))
        rows.append(_row("latch", "dominance", dominance, 0.02, concept=goal, **last))
    for kind, rate in (("none", 0.08), ("place", 0.6), ("random directions", 0.1), ("everything", 0.85)):
        rows.append(_row("causal", "interchange", rate, 0.03, concept=INTENDED, control=kind, **last))
    hidden = {"verdict": "not measurable", "why": "nothing that agents can see moves with 'corner'"}
    rows.append(_row("causal", "interchange", np.nan, concept=PROXY, **last, **hidden))
    rows.append(_row("causal", "rank_cost", 0.6, concept=INTENDED, control="erased, coordinates, rank 5", **last))
    words = ["intended"] * 4 + ["proxy:corner"]
    rows += [_row("latch", "latch", np.nan, age=AGES[-1], seed=s, seeds=1, verdict=w) for s, w in enumerate(words)]
    planted = {"goal": "intended", "proxy": "proxy:corner", "random": "undetermined"}
    rows += [
        _row("planted", "self_check", 1.0, control=name, verdict=word, why=f"expected {word}")
        for name, word in planted.items()
    ]
    return rows


@cache
def _table(seed: int, causal_ages: tuple[int, ...]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = _behaviour(rng) + _insides(rng, causal_ages) + _verdicts()
    return findings(rows)


def table(seed: int = 0, causal_ages: tuple[int, ...] = AGES) -> pd.DataFrame:
    """Findings of the made-up run."""
    return _table(seed, causal_ages).copy()


def walls(rng: np.random.Generator) -> np.ndarray:
    """A map ``[7, 7]`` with few walls and a free edge."""
    found = rng.random((SIDE, SIDE)) < 0.12
    found[0], found[:, 0], found[:, -1] = False, False, False
    return found


def picture(wall: np.ndarray, agent: tuple[int, int], coin: tuple[int, int]) -> np.ndarray:
    """A picture ``[72, 72, 3]`` of a map in its frame of walls."""
    cells = np.pad(wall, 1, constant_values=True)
    tiles = np.where(cells[..., None], np.array([74, 82, 96]), np.array([242, 239, 230])).astype(np.uint8)
    tiles[1, SIDE] = (206, 224, 236)
    large = tiles.repeat(TILE, 0).repeat(TILE, 1)
    for (row, column), colour in ((coin, (240, 180, 20)), (agent, (32, 110, 190))):
        top, left = (row + 1) * TILE, (column + 1) * TILE
        large[top + 1 : top + TILE - 1, left + 1 : left + TILE - 1] = colour
    return large


def _walk(rng: np.random.Generator, kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, actions and what was attained when: 0 the coin, 1 the corner, 2 neither."""
    wall, place, coin = walls(rng), np.array([SIDE - 1, 0]), (SIDE - 1 - kind % 2, SIDE - 1)
    goal = {0: coin, 1: (0, SIDE - 1), 2: (SIDE - 1, 0)}[kind]
    frames, actions, attained = [picture(wall, (int(place[0]), int(place[1])), coin)], [], [-1, -1]
    while len(frames) < FRAMES - kind and tuple(place) != goal:
        gap = np.array(goal) - place
        action = (0 if gap[0] < 0 else 2) if gap[0] else (1 if gap[1] > 0 else 3)
        place = place + STEPS[action]
        actions.append(action)
        frames.append(picture(wall, (int(place[0]), int(place[1])), coin))
    if kind == 2:
        actions, frames = [3] * 9, [frames[0]] * 10
    else:
        attained[kind] = len(actions)
    return np.stack(frames), np.array([*actions, -1]), np.array(attained)


def replay(seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of ``replay.npz``."""
    rng = np.random.default_rng(seed)
    e, t, a, k = EPISODES, FRAMES, len(ACTIONS), len(FACTS)
    frames = np.zeros((e, t, (SIDE + 2) * TILE, (SIDE + 2) * TILE, 3), dtype=np.uint8)
    valid, action = np.zeros((e, t), dtype=bool), np.full((e, t), -1)
    attained = np.zeros((e, 2), dtype=np.int64)
    for i in range(e):
        film, actions, attained[i] = _walk(rng, (0, 0, 1, 0, 2, 1, 0)[i])
        frames[i, : len(film)], valid[i, : len(film)], action[i, : len(film)] = film, True, actions
    gone = ~valid
    value = np.where(gone, np.nan, rng.normal(0.4, 0.2, (e, t)).cumsum(1) / 3)
    logits = rng.normal(0, 1.0, (e, t, a)) + 3.0 * (action[..., None] == np.arange(a))
    known = np.clip(0.85 + rng.normal(0, 0.1, (e, t, k)), 0, 1)
    logits[gone], known[gone], known[2, 3:5, 0] = np.nan, np.nan, np.nan
    return {
        "frames": frames,
        "valid": valid,
        "action": action.astype(np.int64),
        "value": value.astype(np.float32),
        "logits": logits.astype(np.float32),
        "known": known.astype(np.float32),
        "level": np.linspace(0.03, 0.5, k).astype(np.float32),
        "attained": attained,
        "concepts": np.array(FACTS),
        "actions": np.array(ACTIONS),
        "goals": np.array([INTENDED, PROXY]),
        "seed": np.array(0),
        "age": np.array(AGES[-1]),
    }


def fields(seed: int = 1, maps: int = 2) -> dict[str, np.ndarray]:
    """Arrays of ``fields.npz``: arrows to the coin, to the corner without the coin, to the coin again at random."""
    rng = np.random.default_rng(seed)
    edits = ("intact", "without coin", "without corner", "without random directions")
    move = np.full((maps, len(edits), SIDE, SIDE, 2), np.nan, dtype=np.float32)
    goal_cell, pictures = np.zeros((maps, 2, 2), dtype=np.int64), []
    for m in range(maps):
        wall, coin = walls(rng), (4 + m, 6)
        goal_cell[m] = [coin, (0, SIDE - 1)]
        pictures.append(picture(wall, (6, 0), coin))
        for x, edit in enumerate(edits):
            target = np.array((0, SIDE - 1) if edit == "without coin" else coin)
            for cell in np.argwhere(~wall):
                gap = target - cell
                move[m, x, *cell] = 0.9 * gap / max(1, np.abs(gap).sum()) + rng.normal(0, 0.05, 2)
    return {
        "move": move,
        "picture": np.stack(pictures),
        "goal_cell": goal_cell,
        "edits": np.array(edits),
        "actions": np.array(ACTIONS),
        "goals": np.array([INTENDED, PROXY]),
        "seed": np.array(0),
        "age": np.array(AGES[-1]),
    }


def write(parent: Path, *, changes: pd.DataFrame | None = None, **arrays: dict[str, np.ndarray]) -> Path:
    """The whole run folder; ``changes`` replaces its findings, ``replay`` and ``fields`` its artefacts."""
    folder = parent / NAME
    (folder / "artefacts").mkdir(parents=True)
    (folder / "setup.yaml").write_text(yaml.safe_dump(setup().resolved(), sort_keys=False), encoding="utf-8")
    write_json(folder / "run.json", record())
    write_table(folder / "findings.parquet", table() if changes is None else changes)
    np.savez(folder / "artefacts" / "replay.npz", **arrays.get("replay", replay()))
    np.savez(folder / "artefacts" / "fields.npz", **arrays.get("fields", fields()))
    return folder


END = AGES[-1]


def run_of(folder: Path, table: pd.DataFrame | None = None, **arrays: Any) -> RunData:
    return load_run(write(folder, changes=table, **arrays))


def pooled_at(table: pd.DataFrame, analysis: str, **columns: Any) -> pd.Series:
    """Which rows over seeds of the last age have the given columns."""
    rows = (table["analysis"] == analysis) & table["seed"].isna() & (table["age"] == END).fillna(False)
    for name, value in columns.items():
        rows &= (table[name] == value).fillna(False)
    return rows.fillna(False).astype(bool)
