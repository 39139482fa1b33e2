from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

from imprint.analyses.ask import load_question
from imprint.analyses.questions.micromanage import measure as animals
from imprint.analyses.questions.micromanage.experiments import Plan, crossing, measure
from imprint.analyses.questions.micromanage.question import critical, decide
from imprint.models.streams.topographic import Topographic

SMALL = Topographic.Settings(side=12, scales=(1, 6), classes=2, noise=0.05)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def knows(
    kind: animals.Kind, radius: float | None, *, relabelled: bool = False, volatility: float = 0.0
) -> list[float]:
    """Accuracy at birth at both scales."""
    plan = Plan(units=64, in_degree=3, ancestors=60, newborns=40, stream=SMALL)
    world = Topographic(SMALL, rng=rng(3))
    species, draw = plan.species(world, kind, radius, volatility=volatility), rng(1)
    readout = animals.evolve_readout(species.see(species.born(60, rng=draw), 20, rng=draw))
    born = species.see(species.born(40, rng=draw), 50, rng=draw)
    found: list[float] = readout.accuracy(animals.relabelled(born, rng=draw) if relabelled else born, 2).tolist()
    return found


def test_inherited_readouts_work_on_inherited_wiring_and_on_nothing_else_that_is_finer_than_the_reach() -> None:
    assert min(knows("heritable", None)) > 0.9
    assert max(abs(found - 0.5) for found in knows("global", None)) < 0.06
    fine, coarse = knows("local", 5.0)
    assert coarse > 0.8 and coarse > fine + 0.12
    assert knows("chosen", 5.0)[0] > fine + 0.12
    assert max(abs(found - 0.5) for found in knows("local", 5.0, relabelled=True)) < 0.06
    assert max(abs(found - 0.5) for found in knows("heritable", None, volatility=1.0)) < 0.1


def test_the_readout_is_the_ridge_regression_of_scikit_learn() -> None:
    h, y = torch.rand(50, 7, generator=rng()), torch.randn(50, 2, generator=rng(1))
    ours = animals.ridge(h, y, 0.1)
    variance = float(h.var(0, correction=0).mean())
    theirs = Ridge(alpha=0.1 * variance * 50).fit(h.double().numpy(), y.double().numpy())
    assert np.allclose(ours.weight.T, theirs.coef_, atol=1e-4) and np.allclose(ours.bias, theirs.intercept_, atol=1e-4)


def test_dimension_is_the_participation_ratio_of_the_covariance() -> None:
    h = torch.randn(1, 200, 6, generator=rng()) * torch.tensor([3.0, 1, 1, 0.1, 0.1, 0.1])
    value = torch.linalg.eigvalsh(torch.cov(h[0].T))
    assert float(animals.participation(h)) == pytest.approx(float(value.sum() ** 2 / value.square().sum()), rel=1e-3)


def test_a_childhood_corrects_by_its_rate_and_begins_where_it_is_told() -> None:
    seen = animals.Seen(torch.rand(3, 1, 5, generator=rng()), torch.randn(3, 1, 2, generator=rng(1)))
    start = animals.Readout(torch.randn(5, 2, generator=rng(2)), torch.zeros(2))
    for begun in (None, start):
        grown = animals.grow_up(seen, begun, torch.tensor([0.0, 0.25, 1.0]))
        said = (seen.activity @ grown.weight).squeeze(-2) + grown.bias
        before = torch.zeros(3, 2) if begun is None else seen.activity[:, 0] @ start.weight
        left = (seen.target[:, 0] - said) / (seen.target[:, 0] - before)
        assert left.allclose(torch.tensor([1.0, 0.75, 0.0])[:, None, None].expand(3, 3, 2), atol=1e-4)


def test_each_null_keeps_what_it_says_and_tells_a_planted_wiring() -> None:
    plan, world = Plan(units=100, in_degree=4, stream=SMALL), Topographic(SMALL, rng=rng(3))
    scores = {}
    for kind, radius in (("global", None), ("local", 3.0), ("chosen", 3.0)):
        wires = plan.species(world, kind, radius).born(1, rng=rng(4)).wires[0]
        partners = (wires != 0).float().topk(4, -1).indices
        everywhere = animals.global_null(partners, 144, 60, rng=rng(5))
        near = animals.local_null(plan.species(world, "local", 3.0).wiring, world, 60, rng=rng(6))
        assert float((everywhere.sum(1) - (wires != 0).float().sum(0)).mean()) == pytest.approx(0.0, abs=0.15)
        seen = animals.alikeness(wires)
        scores[kind] = [animals.beyond(seen, animals.alikeness(null)) for null in (everywhere, near)]
    assert abs(scores["global"][0]) < 4 < scores["local"][0] and abs(scores["local"][1]) < 4 < scores["chosen"][1]
    links = torch.tensor([[1.0, 1, 0], [0, 1, 1], [1, 1, 0]])
    assert float(animals.alikeness(links)) == pytest.approx((1 + 4 + 1) / 3)


def test_a_crossing_is_found_on_the_logarithm_of_the_ratio() -> None:
    assert crossing([0.5, 1, 4], [1.0, 0.8, 0.2], 0.5) == pytest.approx(2.0)
    assert np.isnan(crossing([1, 2], [0.9, 0.6], 0.5)) and np.isnan(crossing([1, 2], [0.4, 0.3], 0.5))


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**change: float) -> pd.DataFrame:
    """A finished table of five worlds; ``change``: other values than those of a prediction that holds."""
    c = {"global": 0.0, "coarse": 0.6, "critical": 2.0, "fine": 0.01, "heritable": 0.8, "permuted": 0.0, "chosen": 0.7}
    c |= {"structured": 6.0, "ordinary": 0.0, "planted": 3.5, "start": 0.3, "lost": 0.0, "rate": 0.1, "stretch": 1.0}
    c |= change
    base = {"signs": "excitatory", "radius": np.nan, "volatility": np.nan, "scale": "all"}
    rows: list[dict[str, Any]] = []

    def add(experiment: str, wiring: str, measure: str, value: float, **about: Any) -> None:
        rows.append({**base, "experiment": experiment, "wiring": wiring, "measure": measure, "value": value, **about})

    for scale in (1, 2, 4, 8):
        for wiring in ("heritable", "global"):
            add("births", wiring, "knows", c[wiring], scale=str(scale))
            add("births", wiring, "relabelled", c["permuted"], scale=str(scale))
        for radius in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 48.0, 96.0):
            over = radius / scale / c["critical"] / c["stretch"] ** (scale > 2)
            value = c["heritable"] / (1 + over**3)
            value = c["coarse"] if (radius, scale) == (4.0, 8) else value
            add(
                "births",
                "local",
                "knows",
                c["fine"] if (radius, scale) == (12.0, 1) else value,
                radius=radius,
                scale=str(scale),
            )
        add("births", "local", "relabelled", c["permuted"], radius=1.5, scale=str(scale))
        for wiring in ("global", "local", "chosen"):
            value = c["chosen"] if (wiring, scale) == ("chosen", 1) else c["coarse"] if scale == 8 else c["fine"]
            add("connectomes", wiring, "knows", value, scale=str(scale))
    for wiring, near in (("global", 0.0), ("local", c["ordinary"]), ("chosen", c["planted"])):
        add("connectomes", wiring, "against the global null", c["structured"])
        add("connectomes", wiring, "against the local null", near)
    for wiring in ("heritable", "local", "global"):
        for volatility in (0.0, 1.0):
            kept = wiring == "heritable" and not volatility
            about = {"volatility": volatility}
            add("childhoods", wiring, "start", c["start"] if kept else c["lost"], **about)
            add("childhoods", wiring, "rate", c["rate"], **about)
            add("childhoods", wiring, "blank", 0.3, **about)
    one = pd.DataFrame(rows)
    noise = [(seed, 0.004 * np.cos(seed)) for seed in range(5)]
    return pd.concat([one.assign(seed=seed, value=one["value"] + shift) for seed, shift in noise], ignore_index=True)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"global": 0.1}, "refuted"),
        ({"fine": 0.1}, "refuted"),
        ({"coarse": 0.05}, "refuted"),
        ({"critical": 0.7}, "refuted"),
        ({"stretch": 3.0}, "refuted"),
        ({"ordinary": 4.0}, "refuted"),
        ({"planted": 0.5}, "refuted"),
        ({"lost": 0.2}, "refuted"),
        ({"rate": 0.0}, "refuted"),
        ({"fine": 0.03}, "undetermined"),
        ({"heritable": 0.3}, "undetermined"),
        ({"permuted": 0.1, "coarse": 0.05}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_the_critical_ratio_is_where_half_is_left() -> None:
    found = critical(table())
    assert found[found["scale"] != "8"]["ratio"].to_numpy() == pytest.approx(2.0, rel=0.1)


def test_a_small_species_runs_from_end_to_end() -> None:
    plan = Plan(units=32, in_degree=2, ancestors=4, newborns=4, degrees=(2,), crowds=(16, 32), volatilities=(0.0, 1.0))
    said: list[str] = []
    tables = {f"world-{s}": measure(seed=s, plan=plan.model_dump(), say=lambda *a: said.append(a[2])) for s in (0, 1)}
    assert said[:5] == ["births", "crowds", "connectomes", "adults", "childhoods"]
    question = load_question("micromanage", {"seeds": 2})
    answer = question.conclude(tables, {})
    assert {each.name for each in answer.exhibits} >= {"birth", "ratio", "critical", "nulls", "childhood", "adults"}
    assert len(answer.predictions) == 19 and answer.sentence.startswith("Of what an inherited readout")
    assert (answer.findings["metric"] == "critical_ratio").any()
