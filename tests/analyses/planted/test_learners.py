"""The planted learners are what they claim, and the instruments are right about them 20 times of 20."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imprint.analyses.planted.learners import check_latch, check_locate
from imprint.models.errors import UnknownNameError
from tests.known.learners import EXPECTED, SITES, Planted, PlantedWorld, known, planted, self_check


def linear_accuracy(x: np.ndarray, y: np.ndarray) -> float:
    """Of a least-squares classifier fitted on one half and judged on the other."""
    half = len(x) // 2
    z = np.column_stack([x, np.ones(len(x))])
    weight = np.linalg.lstsq(z[:half], 2.0 * y[:half] - 1, rcond=None)[0]
    return float(((z[half:] @ weight > 0) == y[half:]).mean())


@pytest.mark.parametrize(
    ("kind", "where"), [("one site", {"middle"}), ("absent", set()), ("concept", {"middle", "late"})]
)
def test_the_concept_is_where_it_was_planted(kind: str, where: set[str]) -> None:
    subject, world = known(kind)
    batch = world.sample(2000, rng=torch.Generator().manual_seed(1), design="balanced")
    label = batch.concepts["concept"].to_numpy(dtype=bool)
    score = {site: linear_accuracy(a.numpy(), label) for site, a in subject.activations(batch.observation).items()}
    assert {site for site, accuracy in score.items() if accuracy > 0.9} == where
    # The accuracy of a coin on 1000 rows stays below 0.56 but for one time in 10,000.
    assert all(accuracy < 0.56 for site, accuracy in score.items() if site not in where)


def test_the_value_is_what_it_is_wired_to() -> None:
    _, world = known("both")
    batch = world.sample(500, rng=torch.Generator().manual_seed(1))
    sign = {c: torch.tensor(2.0 * batch.concepts[c].to_numpy(dtype="float32") - 1) for c in ("concept", "proxy")}
    for kind, weights in {"concept": (1, 0), "proxy": (0, 1), "both": (1, 1), "nothing": (0, 0)}.items():
        value = planted(kind, world, rng=torch.Generator().manual_seed(2)).values(batch.observation)
        for (name, target), weight in zip(sign.items(), weights, strict=True):
            correlation = float(torch.corrcoef(torch.stack([value, target]))[0, 1])
            assert (correlation > 0.5) == bool(weight), (kind, name)


def test_counterfactuals_change_one_factor_alone() -> None:
    world = PlantedWorld()
    batch = world.sample(50, rng=torch.Generator().manual_seed(0))
    other = world.counterfactual(batch, "concept", True)
    assert other.concepts["concept"].all()
    assert other.concepts[["proxy", "bystander"]].equals(batch.concepts[["proxy", "bystander"]])
    same = torch.tensor(batch.concepts["concept"].to_numpy(dtype=bool))
    torch.testing.assert_close(other.observation[same], batch.observation[same])
    assert bool((other.observation[~same] - batch.observation[~same]).abs().sum(1).gt(1).all())


def test_latch_is_right() -> None:
    """At the threshold each word is said by mistake in one of 20 runs, so at most 3 of 8 have p = .005 of more."""
    rows = [row for seed in range(8) for row in check_latch(seed)]
    wrong = [(row["control"], row["verdict"]) for row in rows if row["estimate"] != 1]
    assert sum(kind == "threshold" for kind, _ in wrong) <= 3
    assert not [one for one in wrong if one[0] != "threshold"]


@pytest.mark.parametrize("seed", range(10))
def test_locate_is_right(seed: int) -> None:
    wrong = [(row["control"], row["verdict"]) for row in check_locate(seed) if row["estimate"] != 1]
    assert not wrong


def test_a_misjudged_learner_is_reported_as_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPECTED, "concept", ("none",))
    rows = {row["control"]: row for row in check_latch(0)}
    assert (rows["concept"]["estimate"], rows["concept"]["verdict"]) == (0.0, "intended")
    assert rows["concept"]["why"] == "expected none"
    assert rows["proxy"]["estimate"] == 1.0


def test_self_check_is_a_findings_table() -> None:
    table = self_check(0)
    assert table["control"].tolist() == [*EXPECTED, "one site", "absent"]
    assert (table["estimate"] == 1).all() and set(table["metric"]) == {"self_check"}


def test_slips() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'nothing'"):
        Planted("nothin", PlantedWorld(), rng=torch.Generator())
    assert SITES == ("early", "middle", "late")
