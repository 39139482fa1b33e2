from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import load_question
from imprint.analyses.questions.genomes import measure as pieces
from imprint.analyses.questions.genomes.evolution import evolve, signed
from imprint.analyses.questions.genomes.question import EVOLVED, FIXED, GROUNDED, NOISE, decide
from imprint.models.lifetimes import learner

LINEAGES = {"lineages": 32, "generations": 25, "population": 60, "learners": 4}


def learners(n: int, seed: int, *, same: bool) -> np.ndarray:
    """Areas of 60 units: one tells the concept by firing, one by its silence, at shared addresses or not."""
    rng = np.random.default_rng(seed)
    area = 0.5 + 0.02 * rng.standard_normal((n, 60))
    for row in area:
        row[list((7, 8) if same else rng.choice(60, 2, replace=False))] = 0.9, 0.05
    return area


@pytest.mark.parametrize("same", [True, False])
def test_evolution_finds_an_address_that_is_there_and_none_that_is_not(same: bool) -> None:
    own, new = learners(8, 0, same=same), learners(200, 1, same=same)
    lines = evolve(own, **LINEAGES, rng=np.random.default_rng(2))
    assert (lines.pool_has.sum(1) == 4).all() and lines.course[-1] > lines.course[0]
    found = signed(new[:, lines.unit], lines.sign).mean()
    mine = np.mean([signed(own[has][:, unit], sign).mean()
                    for has, unit, sign in zip(lines.pool_has, lines.unit, lines.sign, strict=True)])  # fmt: skip
    if same:
        assert np.isin(lines.unit, (7, 8)).mean() > 0.9 and found > 0.88
    else:
        assert abs(found - 0.5) < 0.03 and mine > 0.55


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {
    ("fresh", FIXED, "new learners"): 0.5,
    ("fresh", EVOLVED, "new learners"): 0.51,
    ("fresh", EVOLVED, "own learners"): 0.62,
    ("inherited", EVOLVED, "new learners"): 0.7,
    ("fresh", GROUNDED[0], "new learners"): 0.9,
    ("fresh", GROUNDED[1], "new learners"): 0.91,
    ("fresh", "oracle", "new learners"): 0.95,
    ("newborn", "oracle", "new learners"): 0.6,
    ("fresh", NOISE, "new learners"): 0.55,
}


def table(values: dict[tuple[str, str, str], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "population": population,
                "genome": genome,
                "where": where,
                "seed": seed,
                "area": value + 0.005 * (seed % 2),
            }
            for (population, genome, where), value in values.items()
            for seed in range(6)
        ]
    )


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [
        (("fresh", FIXED, "new learners"), 0.5, "confirmed"),
        (("fresh", FIXED, "new learners"), 0.6, "refuted"),
        (("fresh", EVOLVED, "new learners"), 0.95, "refuted"),
        (("fresh", EVOLVED, "new learners"), 0.547, "undetermined"),
        (("fresh", GROUNDED[0], "new learners"), 0.8, "refuted"),
        (("fresh", GROUNDED[1], "new learners"), 0.8, "refuted"),
        (("fresh", EVOLVED, "own learners"), 0.52, "undetermined"),
        (("inherited", EVOLVED, "new learners"), 0.52, "undetermined"),
        (("newborn", "oracle", "new learners"), 0.94, "undetermined"),
        (("fresh", NOISE, "new learners"), 0.9, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(key: tuple[str, str, str], value: float, verdict: str) -> None:
    assert decide(table({**GOOD, key: value}))[0] == verdict


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "BATCHES", 1)
    monkeypatch.setattr(pieces, "TAUGHT", 100)
    monkeypatch.setattr(pieces, "HELD_OUT", 300)
    seeds = dict.fromkeys(("seeds", "evolving", "heirs", "control_seeds", "learners"), 2)
    evolution = {"lineages": 4, "generations": 3, "population": 8}
    question = load_question("genomes", {**seeds, **evolution, "experiences": 64, "closes": 40})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    evolved_in = joined_seeds(tables, "evolution")
    assert evolved_in.isdisjoint(joined_seeds(tables, "evaluation"))
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and "control is not as it must be" in answer.why
    named = set(answer.exhibits[0].frame["genome"])
    assert {FIXED, EVOLVED, "G2 raw sensor", *GROUNDED, NOISE, "oracle"} <= named
    sensor = answer.exhibits[0].frame.set_index("genome")["area"]["G2 raw sensor"]
    assert abs(sensor - (1 + 0.6 - 0.05) / 2) < 0.08  # (1 + hits - false alarms) / 2


def joined_seeds(tables: dict[str, pd.DataFrame], role: str) -> set[int]:
    whole = pd.concat(tables.values())
    return set(whole.loc[whole["role"] == role, "seed"])
