"""A made-up run of the nursery, written to disk the way a real one is, with names that try to break the page.

Numbers are drawn so that the intended concept emerges and the latch moves to it: a pure function of ``seed``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from imprint.analyses.expose.candidates import FILE, Candidate, Exposed, Searched
from imprint.analyses.findings import findings
from imprint.models.files import write_json, write_table
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

NASTY = "<script>alert(1)</script>"
QUOTES = "\"x' & y`=1+1"
INTENDED, PROXIES = "caregiver", ("red", "from_left", "lamp")
OTHERS = ("caregiver_hidden", "same_again", "hidden", "motion", NASTY, QUOTES)
SITES = ("hook_dense@seen", "hook_encoding@hidden", "hook_context@hidden", "hook_context@back")
AGES = (0, 2432, 4800, 9600, 19200, 38400, 76800)
SEEDS = tuple(range(6))
FLOORS = ("shuffled labels", "untrained twins", "input history")
SHARES = {"caregiver": 0.55, "red": 0.06, "from_left": 0.01, "lamp": 0.02, "(interaction)": 0.03, "(residual)": 0.33}
CARRIED = sum(SHARES.values()) - SHARES["(residual)"]


@cache
def setup() -> Setup:
    """The nursery's setup, with further concepts whose names try to break the page."""
    shared = {"schedule.worlds": 1, "proxies": list(PROXIES)}
    ages = {"schedule.experiences": AGES[-1], "schedule.ages": list(AGES), "schedule.seeds": len(SEEDS)}
    return load_setup("nursery", changes={**ages, **shared, "concepts": list(OTHERS)}, expect=Setup)


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
        "seconds": 94.1,
        "failed": [],
        "cell_seconds": {"seeds 0-2": 61.2, "floors": 32.9},
    }


def _row(analysis: str, metric: str, estimate: float, half: float = np.nan, **more: Any) -> dict[str, Any]:
    base = {"analysis": analysis, "setup": NAME, "metric": metric, "estimate": estimate, "n": 1500}
    return base | {"low": estimate - half, "high": estimate + half} | more


def _locate(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for c, concept in enumerate((INTENDED, *PROXIES, *OTHERS)):
        for a, age in enumerate(AGES):
            for s, site in enumerate(SITES):
                gain = max(0.0, 0.36 - 0.05 * c) * a / 6 * (0.4 + 0.2 * s) + rng.normal(0, 0.015)
                floor = {name: 0.5 + 0.04 * i + 0.01 * c for i, name in enumerate(FLOORS)}
                here = {"concept": concept, "site": site, "age": age}
                word = (
                    "present"
                    if gain > 0.06
                    else "absent"
                    if gain < 0.0
                    else "given by input"
                    if c < 5
                    else "undetermined"
                )
                lost = concept == "hidden" and site == "hook_dense@seen"
                score, gain = (np.nan, np.nan) if lost else (max(floor.values()) + gain, gain)
                verdict = (
                    {"verdict": "not measurable", "why": "nobody is hidden yet: one class"}
                    if lost
                    else {"verdict": word}
                )
                rows += [
                    _row("locate", "floor", value, 0.01, control=name, seeds=6, **here) for name, value in floor.items()
                ]
                rows.append(_row("locate", "score", score, 0.04, seeds=6, **here))
                rows.append(
                    _row("locate", "selectivity", gain, 0.04, seeds=6, q_value=0.01, p_value=0.001, **here, **verdict)
                )
                for seed in SEEDS:
                    off = rng.normal(0, 0.02)
                    rows.append(_row("locate", "score", score + off, 0.05, seeds=1, seed=seed, **here))
                    rows.append(_row("locate", "selectivity", gain + off, 0.05, seeds=1, seed=seed, **here, **verdict))
            best = {"concept": concept, "site": SITES[-1], "age": age}
            gain = max(0.0, 0.36 - 0.05 * c) * a / 6
            rows.append(_row("locate", "best_site_score", 0.58 + 0.01 * c + gain, 0.04, seeds=6, **best))
            rows.append(_row("locate", "best_site_selectivity", gain, 0.04, seeds=6, **best))
            for seed in SEEDS:
                rows.append(
                    _row(
                        "locate",
                        "best_site_score",
                        0.58 + 0.01 * c + gain + rng.normal(0, 0.03),
                        0.05,
                        seeds=1,
                        seed=seed,
                        **best,
                    )
                )
        known = c < 5
        rows.append(
            _row("locate", "emergence_age", 4800.0 * (c + 1) if known else np.nan, 1200.0, concept=concept, seeds=6)
        )
    return rows


def _latch(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for a, age in enumerate(AGES):
        for concept, final in SHARES.items():
            share = (
                final * a / 6
                if concept != "(residual)"
                else 1 - sum(v * a / 6 for k, v in SHARES.items() if k != "(residual)")
            )
            rows.append(_row("latch", "share", share, 0.01 + 0.15 * share, concept=concept, age=age, seeds=6))
            rows += [
                _row(
                    "latch",
                    "share",
                    share + rng.normal(0, 0.1 * share),
                    0.03,
                    concept=concept,
                    age=age,
                    seed=s,
                    seeds=1,
                )
                for s in SEEDS
            ]
    for concept in (INTENDED, *PROXIES):
        effect = 2.1 * SHARES[concept] ** 0.5
        rows.append(_row("latch", "effect", effect, 0.15, concept=concept, age=AGES[-1], seeds=6))
        rows += [
            _row("latch", "effect", effect + rng.normal(0, 0.1), concept=concept, age=AGES[-1], seed=s, seeds=1)
            for s in SEEDS
        ]
        for s, site in enumerate(SITES):
            here = {"concept": concept, "site": site, "age": AGES[-1], "seeds": 6}
            rows.append(_row("latch", "erasure_loss", SHARES[concept] * (s + 1) / 4, 0.04, control="erased", **here))
            rows.append(_row("latch", "erasure_loss", 0.01, 0.012, control="random subspace", **here))
        if concept != "from_left":
            rows.append(
                _row("latch", "attribution", SHARES[concept] * 0.8, 0.05, concept=concept, age=AGES[-1], seeds=6)
            )
            rows.append(_row("latch", "attribution", 0.09, concept=concept, age=AGES[-1], seeds=6, control="area"))
        rows.append(_row("latch", "residual", 0.02, 0.01, concept=INTENDED, control=NASTY, age=AGES[-1], seeds=6))
    rows += _judged(rng)
    why = "caregiver leads with 82% of the variance that these concepts explain"
    rows.append(_row("latch", "latch", 0.55, 0.08, age=AGES[-1], seeds=6, verdict="intended", why=why))
    words = ["intended"] * 5 + ["mixed"]
    rows += [_row("latch", "latch", 0.5, age=AGES[-1], seed=s, seeds=1, verdict=w) for s, w in enumerate(words)]
    return rows


def _judged(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Probabilities, dominance and the floor of untrained networks at the last age."""
    now: dict[str, Any] = {"age": AGES[-1], "seeds": 6}
    rows = [
        _row("latch", "probability", chance, concept=INTENDED, control=word, **now)
        for word, chance in (("intended", 0.97), ("mixed", 0.03))
    ]
    rows.append(_row("latch", "leads", 0.999, concept=INTENDED, **now))
    rows.append(_row("latch", "residual", 0.15, 0.05, concept=INTENDED, control="(belief)", **now))
    rows += [_row("latch", "ruled_out", float(SHARES[name] < 0.03), concept=name, **now) for name in PROXIES]
    for choice, stands in (("all analyses", 0.9), ("weights: equal", 0.95), ("dominates: 0.85", 0.6)):
        rows.append(_row("latch", "multiverse", stands, concept=INTENDED, control=choice, **now))
    for word, said in (("intended", 0.9), ("undetermined", 0.1)):
        rows.append(_row("latch", "multiverse_word", said, concept=INTENDED, verdict=word, **now))
    for dominance, right in (("0.70", 0.1), ("0.95", 0.9)):
        supposed: dict[str, Any] = {"concept": INTENDED, "control": dominance, "seeds": 6}
        word = "mixed" if dominance == "0.70" else "intended"
        rows.append(_row("latch", "power", right, 0.05, verdict=word, **supposed))
        rows.append(_row("latch", "power_open", 1 - right, **supposed))
        rows.append(_row("latch", "power_wrong", 0.0, **supposed))
    rows.append(_row("latch", "limit", 1.0, concept=INTENDED, why="Nobody can change “lamp” alone."))
    for concept, share in SHARES.items():
        if concept != "(residual)":
            part = share / CARRIED
            rows.append(_row("latch", "dominance", part, 0.05, concept=concept, **now))
            rows.append(_row("latch", "carries", float(share > 0.03), concept=concept, **now))
            rows.append(_row("latch", "untrained_share", 0.01, 0.03, concept=concept, **now))
            rows += [
                _row(
                    "latch",
                    "dominance",
                    part + rng.normal(0, 0.03),
                    0.08,
                    concept=concept,
                    age=AGES[-1],
                    seed=s,
                    seeds=1,
                )
                for s in SEEDS
            ]
    return rows


def _rest() -> list[dict[str, Any]]:
    planted = {
        "wired to the concept": "intended",
        "wired to a proxy": "proxy:red",
        "wired to both": "mixed",
        "wired to nothing": "none",
    }
    rows = [
        _row("planted", "self_check", 1.0, control=name, verdict=word, why=f"expected {word}")
        for name, word in planted.items()
    ]
    return rows + [_row("lifetime", "diverged", 0.0, seed=seed, seeds=1) for seed in SEEDS]


def table(seed: int = 0) -> pd.DataFrame:
    """Findings of the made-up run."""
    rng = np.random.default_rng(seed)
    return findings(_locate(rng) + _latch(rng) + _rest())


def artefacts(folder: Path, seed: int = 0, m: int = 8) -> None:
    """Gallery and attribution arrays: bright squares on a noisy stage."""
    rng = np.random.default_rng(seed)
    shape = (m, 6, 12, 28, 3)
    before = rng.integers(0, 60, shape).astype(np.uint8)
    before[:, :2, 2:10, 1:9, 0] = 230
    before[:, 2:4, :, 10:18] = 90
    before[:, 4:, 2:10, 19:27, 1] = 210
    after = before.copy()
    after[:, :2, 2:10, 1:9] = np.array([40, 40, 220], dtype=np.uint8)
    names = np.array([(INTENDED, "red", NASTY, "lamp")[i % 4] for i in range(m)])
    masks = {f"mask_{name}": np.zeros(shape[:4], dtype=bool) for name in (INTENDED, "red")}
    masks["mask_caregiver"][:, :2, 2:10, 1:9] = True
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "gallery.npz",
        before=before,
        after=after,
        value_before=rng.normal(0.8, 0.1, m),
        value_after=rng.normal(0.3, 0.1, m),
        concept=names,
        from_value=np.array(["True"] * m),
        to_value=np.array(["<b>False</b>"] * m),
        decision=3,
    )
    attribution = rng.normal(0, 0.02, shape[:4])
    attribution[:, :2, 2:10, 1:9] += rng.normal(0.3, 0.3, (m, 2, 8, 8))
    error = np.full(m, 0.004)
    np.savez(
        folder / "attribution.npz",
        frames=before,
        attribution=attribution,
        value=rng.normal(0.8, 0.1, m),
        baseline_value=np.zeros(m),
        completeness_error=error,
        **masks,
    )


def searched(run: Path, *candidates: Candidate) -> Path:
    """The run, with an answer of ``imprint expose`` in its folder."""
    sources = (Searched("world", True, "split", 7, 0.08), Searched("inside", False, "no network"))
    Exposed("food", ("bell",), candidates, sources, ("Three at once.",)).write(run / FILE)
    return run


def write(parent: Path, *, changes: pd.DataFrame | None = None) -> Path:
    """The whole run folder; ``changes`` replaces its findings."""
    folder = parent / NAME
    folder.mkdir(parents=True)
    (folder / "setup.yaml").write_text(yaml.safe_dump(setup().resolved(), sort_keys=False), encoding="utf-8")
    write_json(folder / "run.json", record())
    write_table(folder / "findings.parquet", table() if changes is None else changes)
    artefacts(folder / "artefacts")
    return folder
