"""Planted cohorts whose addresses are known, intervals against closed forms, and a short life from end to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from imprint.analyses.ask import Asked, ask, load_question
from imprint.analyses.findings import COLUMNS
from imprint.analyses.questions.address.estimates import CohortTable, estimate, over_networks, over_pairs
from imprint.analyses.questions.address.exhibits import SHOWN
from imprint.analyses.questions.address.measure import Cohort, Shown, best_site, compare, holders, raise_and_compare
from imprint.analyses.questions.address.question import Address
from imprint.analyses.questions.base import Answer
from imprint.models.errors import ImprintError
from imprint.models.setup.load import load_setup

pytestmark = pytest.mark.long

SEEDS, AGES, ROWS, WIDTH = tuple(range(6)), (0, 100, 200), 480, 36
CONCEPT, SITES = "caregiver", ("a@now", "b@now", "a@then")


def shown(rng: np.random.Generator, networks: list[list[str]], names: tuple[str, ...], mode: str) -> Shown:
    """Six networks at some ages; at site ``a@now`` a network of kind ``holds`` codes the concept, ``newborn`` does not.

    ``mode``: ``same`` units in all; ``permuted`` per seed; ``restless``, per seed and age; or ``private``: the concept
    sits in one quiet unit each, among loud ones that are nobody else's.
    """
    concept, other = rng.random(ROWS) < 0.5, rng.normal(size=(ROWS, 6))
    sign = np.where(np.arange(WIDTH) % 2 == 0, 1.0, -1.0) * (np.arange(WIDTH) < WIDTH // 3) * 0.4
    mixing = 0.1 * np.random.default_rng(5).normal(size=(6, WIDTH))
    orders = [np.random.default_rng([7, seed]).permutation(WIDTH) for seed in range(len(SEEDS))]

    def network(kind: str, seed: int, age: int, where: str) -> Tensor:
        x = other @ mixing + 0.5 * rng.normal(size=(ROWS, WIDTH))
        if kind == "holds" and where == "a@now" and mode == "private":
            x = 20.0 * rng.normal(size=(ROWS, WIDTH))
            x[:, orders[seed][0]] = concept + 0.2 * rng.normal(size=ROWS)
        elif kind == "holds" and where == "a@now":
            x = x + concept[:, None] * sign
        order = np.random.default_rng([9, seed, age]).permutation(WIDTH) if mode == "restless" else orders[seed]
        return torch.from_numpy(x[:, order] if mode in ("permuted", "restless") else x).float()

    activations = {
        site: torch.stack(
            [
                torch.stack([network(kind, s, age, site) for s, kind in enumerate(kinds)])
                for age, kinds in enumerate(networks)
            ]
        )
        for site in names
    }
    concepts = pd.DataFrame({CONCEPT: concept, "absent": rng.random(ROWS) < 0.5})
    return Shown(activations, concepts, np.repeat(np.arange(24), ROWS // 24))


def cohort_of(mode: str, *, without: tuple[int, ...] = (), late: tuple[int, ...] = (), seed: int = 0) -> pd.DataFrame:
    """The table of a planted cohort; seeds ``without`` never form the concept, those ``late`` at the last age."""
    rng = np.random.default_rng(seed)
    newborn = ["newborn"] * len(SEEDS)
    grown = ["newborn" if s in without else "holds" for s in range(len(SEEDS))]
    before = ["newborn" if s in late else kind for s, kind in enumerate(grown)]
    early = [newborn, before, grown]
    levels = pd.DataFrame({"module": ["a", "b", "a"], "site": list(SITES)})
    cohort = Cohort(
        SEEDS, AGES, CONCEPT, SITES[:2], levels,
        shown(rng, early, SITES[:2], mode), shown(rng, early, SITES, mode),
    )  # fmt: skip
    table = compare(cohort, draws=2, shuffles=19, seed=seed)
    extra = pd.DataFrame([{"table": "inputs", "concept": CONCEPT, "value": 0.5}])
    return pd.concat([table, extra.astype({"table": "string", "concept": "string"})], ignore_index=True)


@pytest.fixture(scope="module")
def planted() -> dict[str, pd.DataFrame]:
    return {
        "permuted": cohort_of("permuted", without=(4,), late=(1,)),
        "same": cohort_of("same", seed=1),
        "private": cohort_of("private"),
        "restless": cohort_of("restless"),
    }


def concluded(own: pd.DataFrame, shared: pd.DataFrame | None) -> Answer:
    question = load_question("address", {"seeds": 6, "births": (100,)})
    tables = {"own-weights": own} | ({} if shared is None else {"shared-weights-100": shared})
    return question.conclude(tables, {} if shared is not None else {"shared-weights-100": "out of memory"})


@pytest.fixture(scope="module")
def confirmed(planted: dict[str, pd.DataFrame]) -> Answer:
    return concluded(planted["permuted"], planted["same"])


def kept(answer: Answer, route: str, *, control: bool = False) -> tuple[float, float, float]:
    found = answer.findings
    rows = found[(found["metric"] == f"kept_{route}") & (found["concept"] == CONCEPT) & (found["age"] == AGES[-1])]
    row = rows[rows["control"].notna() == control].iloc[0]
    return float(row["estimate"]), float(row["low"]), float(row["high"])


# -- verdicts on planted cohorts ---------------------------------------------------------------------------------------


def test_permuted_units_beside_shared_ones_confirm(confirmed: Answer) -> None:
    answer = confirmed
    assert answer.verdict == "confirmed"
    assert "5 of 6 seeds" in answer.why and "a@now" in answer.why
    assert abs(kept(answer, "same_unit")[0]) < 0.3 and kept(answer, "procrustes")[1] > 0.6
    assert kept(answer, "hungarian")[0] > 0.8, "permuted units are found again by matching"
    assert kept(answer, "same_unit", control=True)[1] > 0.6 and kept(answer, "earlier")[1] > 0.6


def test_the_same_units_in_every_seed_refute(planted: Mapping[str, pd.DataFrame]) -> None:
    answer = concluded(planted["same"], planted["same"])
    assert answer.verdict == "refuted"
    assert kept(answer, "same_unit")[1] > 0.6


def test_content_that_no_rotation_aligns_is_undetermined(planted: Mapping[str, pd.DataFrame]) -> None:
    answer = concluded(planted["private"], planted["same"])
    assert answer.verdict == "undetermined" and "does not settle it" in answer.why
    assert kept(answer, "procrustes")[2] < 0.5


def test_addresses_that_do_not_even_last_call_the_measure_blind(planted: Mapping[str, pd.DataFrame]) -> None:
    answer = concluded(planted["restless"], planted["same"])
    assert answer.verdict == "undetermined" and "the measure may be blind" in answer.why


def test_addresses_are_compared_with_ages_at_which_the_concept_had_formed(
    planted: Mapping[str, pd.DataFrame], confirmed: Answer
) -> None:
    assert "(4 seeds at 100)" in confirmed.why, "a fifth formed it at the last age and had no earlier address"
    table = CohortTable("x", planted["permuted"])
    holding = table.holding(CONCEPT)
    assert holding.seeds == (0, 1, 2, 3, 5) and set(holding.earlier) == {0, 2, 3, 5}
    diluted = table.kept_earlier("same_unit", replace(holding, earlier=dict.fromkeys(holding.seeds, 100)))
    assert estimate(diluted, 24).value < kept(confirmed, "earlier")[0] - 0.1


def test_the_noise_ceiling_is_high_where_an_address_is_sharp_and_none_where_there_is_none(
    planted: Mapping[str, pd.DataFrame],
) -> None:
    table = CohortTable("x", planted["permuted"])
    holding = table.holding(CONCEPT)
    ceiling, across = (estimate(beyond, 0) for beyond in table.halves(holding, "unit"))
    assert ceiling.low > 0.2 and across.low < 0 < across.high
    shared = CohortTable("x", planted["same"])
    ceiling, across = (estimate(beyond, 0) for beyond in shared.halves(shared.holding(CONCEPT), "unit"))
    assert across.value == pytest.approx(ceiling.value, abs=0.1)
    blind = planted["permuted"].copy()
    blind.loc[blind["table"] == "halves", "value"] = blind.loc[blind["table"] == "chance_halves", "value"].to_numpy()
    answer = concluded(blind, planted["same"])
    assert answer.verdict == "undetermined" and "Within a seed that is only" in answer.why


def test_inheritance_is_said_and_decides_nothing(planted: Mapping[str, pd.DataFrame], confirmed: Answer) -> None:
    assert "shared weights 100 the same unit keeps 1.0" in confirmed.why
    nothing = concluded(planted["permuted"], planted["permuted"])
    assert nothing.verdict == "confirmed" and "0.00 [0.00, 0.00] more than with their own" in nothing.why
    failed = concluded(planted["permuted"], None)
    assert failed.verdict == "confirmed" and "shared-weights-100 failed" in failed.why


def test_a_concept_that_never_forms_has_no_address(planted: Mapping[str, pd.DataFrame]) -> None:
    table = planted["permuted"]
    table = table.assign(value=table["value"].where(table["table"] != "choice", 0.52))
    answer = concluded(table, planted["same"])
    assert answer.verdict == "undetermined" and "formed in fewer than 3 of 6" in answer.why


def test_own_probes_that_beat_no_floor_are_undetermined(planted: Mapping[str, pd.DataFrame]) -> None:
    table = planted["permuted"].copy()
    table.loc[table["table"] == "inputs", "value"] = 0.99
    answer = concluded(table, planted["same"])
    assert answer.verdict == "undetermined" and "not above the input history" in answer.why


def test_without_its_own_cohort_there_is_no_answer() -> None:
    answer = Address().conclude({}, {"own-weights": "killed"})
    assert answer.verdict == "undetermined" and "killed" in answer.why and answer.findings.empty


def test_a_seed_that_diverged_is_named(planted: Mapping[str, pd.DataFrame]) -> None:
    gone = pd.DataFrame([{"table": "diverged", "first": 6, "value": 1.0}]).astype({"table": "string", "first": "Int64"})
    answer = concluded(pd.concat([planted["permuted"], gone], ignore_index=True), planted["same"])
    reading = {exhibit.name: exhibit.reading for exhibit in answer.exhibits}["seeds"]
    assert "5 of 7 seeds hold it, not seed 4, 6" in reading


# -- what is chosen, and addresses -------------------------------------------------------------------------------------


def test_site_and_seeds_come_from_own_probes_alone(planted: Mapping[str, pd.DataFrame]) -> None:
    table = planted["permuted"]
    assert best_site(table, CONCEPT) == "a@now"
    formed, readable = holders(table, CONCEPT, "a@now", 0.5)
    assert list(formed) == [0, 1, 2, 3, 5] == readable and formed == {0: [100], 1: [], 2: [100], 3: [100], 5: [100]}
    spoilt = table.assign(value=table["value"].where(table["table"] == "choice", 0.0))
    assert best_site(spoilt, CONCEPT) == "a@now" and holders(spoilt, CONCEPT, "a@now", 0.5)[0] == formed
    assert CohortTable("x", table).holding("absent").how == "absent"


def test_pairs_of_a_seed_without_the_concept_do_not_count(
    planted: Mapping[str, pd.DataFrame], confirmed: Answer
) -> None:
    table = planted["permuted"].copy()
    ones = (table["table"] == "transfer") & ((table["first"] == 4) | (table["second"] == 4)) & (table["name"] != "own")
    table.loc[ones, "value"] = 1.0
    assert kept(concluded(table, planted["same"]), "same_unit") == kept(confirmed, "same_unit")


def test_overlap_is_beyond_chance_where_units_are_shared_only(confirmed: Answer) -> None:
    frame = {e.name: e.frame for e in confirmed.exhibits}["overlap"]
    unit = frame[frame["level"] == "unit"].set_index("cohort")
    assert unit.loc["own weights", "low"] < 0 < unit.loc["own weights", "high"]
    assert unit.loc["shared weights 100", "low"] > 0.1
    assert unit.loc["shared weights 100", "same_best_chance"] < 0.3
    module = frame[frame["level"] == "module"].set_index("cohort")
    assert module.loc["own weights", "overlap"] > 0.9, "which module it is can be foreseen"


def test_exhibits_have_their_charts_columns_and_findings_their_types(confirmed: Answer) -> None:
    answer = confirmed
    assert [exhibit.name for exhibit in answer.exhibits] == list(SHOWN)
    for exhibit in answer.exhibits:
        chart = exhibit.chart
        assert chart is not None and exhibit.reading.endswith(".") and "{" not in exhibit.caption + exhibit.heading
        used = {chart.x, chart.y, chart.low, chart.high, chart.colour, chart.panel} - {None}
        assert used <= set(exhibit.frame.columns)
    assert list(answer.findings.columns) == list(COLUMNS)
    assert not answer.findings.duplicated(["concept", "site", "age", "seed", "metric", "control"]).any()


# -- intervals ---------------------------------------------------------------------------------------------------------


def square(of: np.ndarray) -> np.ndarray:
    """Pair values ``[1, S, S]`` (a_i + a_j) / 2 without a diagonal; their mean over pairs is the mean of a."""
    values = (of[:, None] + of) / 2
    np.fill_diagonal(values, np.nan)
    return values[None]


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=9))
@settings(max_examples=50, deadline=None)
def test_for_pairs_that_add_up_the_interval_is_students(values: list[float]) -> None:
    a = np.array(values)
    found = estimate(over_pairs(square(a)), groups=0)
    reach = stats.t.ppf(0.975, len(a) - 1) * a.std(ddof=1) / np.sqrt(len(a))
    np.testing.assert_allclose(
        [found.value, found.low, found.high], [a.mean(), a.mean() - reach, a.mean() + reach], atol=1e-6
    )
    alone = estimate(over_networks(a[None]), groups=0)
    np.testing.assert_allclose([alone.low, alone.high], [found.low, found.high], atol=1e-6)


def test_intervals_over_seeds_and_groups_hold_the_truth() -> None:
    rng, hits, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        seeds, noise, groups = rng.normal(size=7), rng.normal(size=(1, 7, 7)), rng.normal(size=15)
        drawn = groups[rng.integers(15, size=(12, 15))].mean(1)
        shift = np.concatenate([[groups.mean()], drawn])
        found = estimate(over_pairs(square(seeds) + noise + shift[:, None, None]), groups=15)
        hits += found.low < 0 < found.high
    assert 0.92 <= hits / trials <= 0.995


def test_groups_widen_an_interval_and_few_pairs_leave_it_open() -> None:
    a = np.array([0.1, 0.2, 0.4, 0.3])
    alone = over_pairs(square(a))
    with_groups = np.concatenate([alone, alone + 0.1, alone - 0.1], axis=1)
    assert estimate(with_groups, 15).high > estimate(alone, 0).high
    lonely = square(a)
    lonely[:, 1:, 1:] = np.nan
    assert np.isnan(estimate(over_pairs(lonely), 0).low), "without the first seed there is no pair"


# -- a life ------------------------------------------------------------------------------------------------------------

SMALL = {
    "extends": "nursery",
    "name": "short-nursery",
    "learner": {"kind": "conv", "hidden": 12, "width": 8, "channels": 4},
    "schedule": {"batch": 16, "experiences": 320, "ages": [0, 160, 320], "together": 2, "worlds": 1},
    "proxies": ["red"],
    "concepts": [],
    "evaluation": {"episodes": 160, "nulls": 5},
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("address")
    (folder / "short.yaml").write_text(yaml.safe_dump(SMALL))
    few = {"seeds": 4, "births": (5,), "ages": (0, 160, 320), "draws": 2, "shuffles": 19}
    return ask(load_question("address", {"setup": str(folder / "short.yaml"), **few}), out=folder, jobs=1)


def test_a_short_life_is_asked_and_answered(asked: Asked) -> None:
    assert asked.answer.verdict in ("confirmed", "refuted", "undetermined")
    assert (asked.path / "answer.json").exists()
    seeds = {e.name: e.frame for e in asked.answer.exhibits}["seeds"]
    assert set(seeds["cohort"]) == {"own weights", "shared weights 5"} and len(seeds) == 2 * 2 * 4


def test_seeds_of_one_birth_are_one_network_at_birth_and_grow_apart(asked: Asked) -> None:
    shared = pd.read_parquet(asked.path / "cells" / "shared-weights-5.parquet")
    own = pd.read_parquet(asked.path / "cells" / "own-weights.parquet")
    cka = shared[(shared["table"] == "cka") & (shared["age"] == shared["other_age"])].groupby("age")["value"]
    assert cka.min()[0] > 1 - 1e-6 and cka.max()[320] < 1 - 1e-3
    assert own[(own["table"] == "cka") & (own["age"] == 0) & (own["other_age"] == 0)]["value"].max() < 0.99
    born = shared[(shared["table"] == "transfer") & (shared["age"] == 0)]
    routes = born.pivot_table(index=["concept", "draw", "first", "second"], columns="name", values="value")
    np.testing.assert_allclose(routes["same_unit"], routes["own"], atol=1e-12)
    assert set(shared[shared["table"] == "inputs"]["concept"]) == {"caregiver", "red"}


def test_the_same_seed_gives_the_same_table() -> None:
    changes = {"schedule.seeds": 3, "schedule.experiences": 160, "schedule.ages": [0, 160]}
    setup = load_setup(SMALL, changes=changes).resolved()
    progress: list[tuple[int, int]] = []

    def tables() -> Iterator[pd.DataFrame]:
        for _ in range(2):
            yield raise_and_compare(
                setup=setup, draws=2, shuffles=19, seed=0, say=lambda done, total, note: progress.append((done, total))
            )

    one, two = tables()
    pd.testing.assert_frame_equal(one, two)
    half = progress[: len(progress) // 2]
    assert half == sorted(half) and half[-1] == (100, 100)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"births": ()}, "expected one or more different seeds"),
        ({"births": (3, 3)}, "expected one or more different seeds"),
        ({"seeds": 3}, "greater than or equal to 4"),
        ({"setup": "nurser"}, "Did you mean 'nursery'"),
    ],
)
def test_settings_that_cannot_be_meant_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ImprintError, match=message):
        load_question("address", settings).work()
