"""how-learned: the rule on made tables, the worlds against what they must be, and a tiny run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.ask import ask, load_question
from imprint.analyses.questions.how_learned import measure as pieces
from imprint.analyses.questions.how_learned.question import decide


def made(right: float, naive: float, sham: float) -> pd.DataFrame:
    """Ten audits of ten kinds."""
    table = [
        {"seed": seed, "control": control, "right": float(kind < 10 * part), "naive_right": float(kind < 10 * naive)}
        for control, part in (("", right), ("sham", sham))
        for seed in range(10)
        for kind in range(10)
    ]
    return pd.DataFrame(table)


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ((1.0, 0.6, 0.3), "confirmed"),
        ((0.8, 0.6, 0.3), "refuted"),
        ((1.0, 0.9, 0.3), "refuted"),
        ((1.0, 0.6, 0.8), "undetermined"),
    ],
)
def test_the_rule(parts: tuple[float, float, float], verdict: str) -> None:
    assert decide(made(*parts))[0] == verdict


def test_no_line_alone_tells_a_cause_that_a_pair_hides_and_causes_are_independent_where_they_are_scored() -> None:
    world = pieces.World(3, 0.6, np.random.default_rng(0))
    together, apart = world.causes(4000), world.causes(4000, apart=True)
    assert abs(np.corrcoef(together[0].T)[0, 1] - 0.36) < 0.06 and abs(np.corrcoef(apart[0].T)[0, 1]) < 0.06
    _, lines = world.code(apart)
    pairs = np.corrcoef(lines[0].T, apart[0].T)[:9, 9:]
    assert np.abs(pairs[:8]).max() < 0.08 and pairs[8, pieces.LINE] > 0.9
    wrong = (world.senses(apart)[..., 1] != apart[..., 1]).mean()
    assert abs(wrong - pieces.WRONG) < 0.02


def test_modules_learn_their_cause_and_a_lesion_takes_it() -> None:
    found = pieces.raised(4, 200, 0.6, False, np.random.default_rng(1))
    end = {name: found.scores[:, :, -1, m].mean(0) for m, name in enumerate(pieces.MODULES)}
    life = {name: number for number, name in enumerate(pieces.LIVES)}
    for module, signal in (("predicts", "prediction"), ("warms", "warmth"), ("feeds", "food"), ("follows", "warmth")):
        assert end[module][0] > 0.6 > 0.35 > end[module][life[signal]]
    assert end["either"][life["warmth"]] > 0.6 > 0.35 > end["either"][life[pieces.ALL]]
    assert np.ptp(end["innate"]) == 0 and end["innate"][0] > 0.9 and found.given[:, 6].min() > 0.9
    assert abs(end["idle"][0]) < 0.3


def test_a_short_run_is_answered(tmp_path: Path) -> None:
    few = {"audits": 2, "replicates": 3, "batches": 40, "seed": 3}
    answer = ask(load_question("how-learned", few), out=tmp_path, jobs=1).answer
    assert answer.verdict in ("confirmed", "refuted", "undetermined") and len(answer.exhibits) == 3
    kinds = answer.exhibits[0].frame
    assert set(kinds["module"]) == set(pieces.MODULES)
    innate = kinds[(kinds["module"] == "innate") & (kinds["rule"] == "audit by lesions")]["value"]
    assert innate.item() == 1.0 and "named" not in answer.sentence and "%" in answer.sentence
