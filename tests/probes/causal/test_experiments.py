"""Causal effects are found where a concept is used, are zero where it is only present, and redundancy is not missed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, NotMeasurableError, UnknownNameError
from imprint.probes.causal.edit_runs import accuracy_lost
from imprint.probes.causal.experiments import ablations, dose_response, erasure, patching
from imprint.probes.samples.clusters import BLOCKS
from imprint.probes.subjects.guards import registered_hooks
from imprint.probes.subjects.subject import Subject
from tests.known.branches import LEFT, RIGHT, Branches, branches
from tests.known.learners import known

BOTH = (LEFT, RIGHT)
JOINED = "left + right"


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(kind: str, n: int = 600) -> tuple[Subject, Branches, Tensor, dict[str, Tensor]]:
    subject, network, factors = branches(kind, n)
    return subject, network, network.observe(**factors), factors


def effect(table: pd.DataFrame, column: str = "effect", **where: str) -> float:
    chosen = table[np.logical_and.reduce([table[key] == value for key, value in where.items()])]
    assert len(chosen) == 1
    return float(chosen[column].iloc[0])


# -- ablations -------------------------------------------------------------------------------------------------------


def test_ablation_costs_what_the_value_loses_where_the_site_is_used_and_nothing_elsewhere() -> None:
    subject, _, x, _ = seen("used")
    table = ablations(subject, x, rng=rng())
    assert list(table["site"].unique()) == [LEFT, RIGHT, JOINED]
    assert effect(table, site=LEFT, how="mean") == pytest.approx(1.0, abs=1e-3)
    assert effect(table, site=LEFT, how="zero") == pytest.approx(1.0, abs=0.02)
    assert effect(table, site=LEFT, how="resample") == pytest.approx(2.0, abs=0.2)
    assert (table[table["site"] == RIGHT][["effect", "low", "high", "placebo"]] == 0).all(axis=None)
    assert (table["low"] <= table["effect"]).all() and (table["effect"] <= table["high"]).all()
    used = table[table["site"] == LEFT]
    assert (used["placebo_high"] < 0.6 * used["effect"]).all()


def test_a_redundant_copy_is_free_alone_and_costly_together_or_when_it_contradicts() -> None:
    subject, _, x, factors = seen("redundant")
    table = ablations(subject, x, cost=accuracy_lost(factors["concept"] > 0), rng=rng())
    for how in ("zero", "mean"):
        assert effect(table, site=LEFT, how=how) == pytest.approx(0.0, abs=1e-9)
        assert effect(table, site=RIGHT, how=how) == pytest.approx(0.0, abs=1e-9)
    assert effect(table, site=JOINED, how="mean") > 0.4
    assert effect(table, site=JOINED, how="resample") > 0.4
    assert effect(table, "placebo_high", site=JOINED, how="mean") < 0.1
    assert effect(ablations(subject, x, rng=rng()), site=LEFT, how="resample") > 0.3
    assert JOINED not in set(ablations(subject, x, joint=False, rng=rng())["site"])


def test_a_placebo_edit_moves_every_row_as_far_as_the_ablation() -> None:
    subject, _, x, _ = seen("used", 50)
    moves: list[Tensor] = []
    clean = subject.activations(x, [LEFT])[LEFT]

    class Watched(Subject):
        def values(self, observation: Tensor, **options: object) -> Tensor:
            edits: dict[str, Callable[[Tensor], Tensor]] = options.get("edits") or {}  # type: ignore[assignment]
            moves.extend((edit(clean) - clean).norm(dim=1) for edit in edits.values())
            return super().values(observation, **options)  # type: ignore[arg-type]

    ablations(Watched(subject.model, sites=[LEFT]), x, placebos=2, rng=rng())
    assert len(moves) == 3 + 3 + BLOCKS + 3  # the mean is taken anew without each block
    for real, *placebos in (moves[:3], [moves[3], *moves[-5:-3]], moves[-3:]):
        for placebo in placebos:
            torch.testing.assert_close(placebo, real)


# -- erasure ---------------------------------------------------------------------------------------------------------


def test_erasure_tells_a_used_concept_from_one_that_is_only_present() -> None:
    for kind, expected in (("used", 0.5), ("unused", 0.0)):
        subject, _, x, factors = seen(kind)
        answer = factors["concept"] if kind == "used" else factors["bystander"]
        table = erasure(subject, x, factors["concept"] > 0, BOTH, cost=accuracy_lost(answer > 0), rng=rng())
        best = table.loc[table["effect"].abs().idxmax()]
        assert best["effect"] == pytest.approx(expected, abs=0.06), kind
        assert (table["rank"] == 1).all() and (table["why"] == "").all()
    used = erasure(*seen("used")[::2], seen("used")[3]["concept"], BOTH, rng=rng())
    assert effect(used, site=LEFT) == pytest.approx(1.0, abs=0.03)
    assert effect(used, "placebo_high", site=LEFT) < 0.8 and effect(used, "excess", site=LEFT) > 0.5
    assert effect(used, site=RIGHT) == 0.0


def test_erasing_one_of_two_copies_is_free_and_both_is_not() -> None:
    subject, _, x, factors = seen("redundant")
    table = erasure(
        subject, x, factors["concept"] > 0, [LEFT, RIGHT, BOTH], cost=accuracy_lost(factors["concept"] > 0), rng=rng()
    )
    assert effect(table, site=LEFT) == effect(table, site=RIGHT) == 0.0
    assert effect(table, site=JOINED) > 0.4 and effect(table, "placebo_high", site=JOINED) < 0.2
    assert effect(table, "rank", site=JOINED) == 2


def test_nothing_is_erased_where_there_is_nothing_and_narrow_data_say_so() -> None:
    subject, _, x, _ = seen("used")
    absent = torch.randint(0, 2, (600,), generator=rng(9)).bool()
    row = erasure(subject, x, absent, [LEFT], rng=rng()).iloc[0]
    assert row["effect"] == 0 and row["rank"] == 0 and "nothing to erase" in row["why"]
    short = erasure(subject, x[:16], absent[:16], [LEFT], rng=rng()).iloc[0]
    assert np.isnan(short["effect"]) and "not measurable" in short["why"]


def test_erasure_agrees_with_how_planted_learners_are_wired() -> None:
    for kind, used in (("concept", True), ("proxy", False)):
        subject, world = known(kind)
        batch = world.sample(1000, rng=rng(), design="balanced")
        concept = torch.tensor(batch.concepts["concept"].to_numpy(dtype=bool))
        row = erasure(subject, batch.observation, concept, ["middle"], groups=batch.groups, rng=rng()).iloc[0]
        assert bool(row["effect"] > row["placebo_high"] and row["low"] > 0.5) is used
        assert bool(row["high"] < 0.05) is not used


class Oblique(torch.nn.Module):
    """The first unit shows the concept; the value reads it and, as strongly, the second one."""

    def __init__(self) -> None:
        super().__init__()
        self.site = torch.nn.Identity()

    def forward(self, seen: Tensor) -> Tensor:
        return self.site(seen[:, :6])[:, :2].sum(1) + seen[:, 6]


@pytest.mark.parametrize(("groups", "size"), [(15, 10), (150, 1)])
def test_intervals_hold_the_truth_though_eraser_and_direction_are_estimated(groups: int, size: int) -> None:
    """Intervals that take the eraser, or the direction, for known hold the truth about .6 of the time here."""
    subject, held, repeats, draw = Subject(Oblique().eval(), sites=["site"]), [0, 0], 40, rng(7)
    of = np.repeat(np.arange(groups), size)
    for _ in range(repeats):
        concept = torch.rand(len(of), generator=draw) < 0.5
        seen = torch.randn(len(of), 7, generator=draw)
        seen[:, 0] = 2.0 * concept - 1 + 0.5 * seen[:, 0]
        row = erasure(subject, seen, concept, ["site"], groups=of, placebos=0, blocks=10, rng=draw).iloc[0]
        dose = dose_response(
            subject, seen, "site", concept=concept, strengths=[1.0], groups=of, placebos=0, blocks=10, rng=draw
        )
        held[0] += row["low"] <= 1.25 / 3.25 <= row["high"]
        held[1] += dose.low <= 1.25**0.5 / 3.25**0.5 <= dose.high
    assert all(part / repeats >= 0.85 for part in held), held


# -- patching --------------------------------------------------------------------------------------------------------


def pair_of(kind: str, factor: str = "concept") -> tuple[Subject, Tensor, Tensor]:
    subject, network, x, factors = seen(kind)
    return subject, x, network.observe(**(factors | {factor: -factors[factor]}))


def test_patching_restores_all_where_the_change_runs_and_nothing_elsewhere() -> None:
    table = patching(*pair_of("used"), [LEFT, RIGHT, BOTH], rng=rng())
    assert effect(table, "restored", site=LEFT) == pytest.approx(1.0, abs=1e-5)
    assert effect(table, "placebo", site=LEFT) == pytest.approx(0.5, abs=0.06)
    assert effect(table, "restored", site=RIGHT) == pytest.approx(0.0, abs=1e-6)
    assert effect(table, "restored", site=JOINED) == pytest.approx(1.0, abs=1e-5)


class Residual(nn.Module):
    """Two layers, each beside what passes it by."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x).tanh()
        return self.head(x + self.second(x).relu())


def test_patching_gives_what_plain_hooks_give() -> None:
    torch.manual_seed(0)
    model, kept = Residual().eval(), dict[str, Tensor]()
    clean, other = torch.randn(2, 300, 4)  # more rows than are patched at once
    table = patching(Subject(model), clean, other, ["first", "second"], placebos=2, rng=rng()).set_index("site")
    with torch.no_grad():
        for name in ("first", "second"):
            module = model.get_submodule(name)
            handle = module.register_forward_hook(lambda _m, _i, out, at=name: kept.__setitem__(at, out))
            wanted = model(clean)[:, 0].double()
            handle.remove()
            before = model(other)[:, 0].double()
            handle = module.register_forward_hook(lambda *_, at=name: kept[at])
            change = model(other)[:, 0].double() - before
            handle.remove()
            restored = float((change * (wanted - before)).sum() / (wanted - before).square().sum())
            assert 0.05 < abs(restored) < 0.95
            assert float(table.loc[name, "restored"]) == pytest.approx(restored, abs=1e-5)


def test_patching_one_of_two_copies_restores_a_part_and_both_all() -> None:
    table = patching(*pair_of("redundant"), [LEFT, RIGHT, BOTH], rng=rng())
    assert effect(table, "restored", site=LEFT) == pytest.approx(0.5, abs=1e-5)
    assert effect(table, "restored", site=JOINED) == pytest.approx(1.0, abs=1e-5)


def test_pairs_that_differ_in_nothing_that_is_used_restore_nan_not_a_number() -> None:
    table = patching(*pair_of("unused"), BOTH, rng=rng())
    assert table[["restored", "low", "high", "placebo", "placebo_high"]].isna().all(axis=None)
    assert effect(patching(*pair_of("unused", "bystander"), BOTH, rng=rng()), "restored", site=RIGHT) > 0.99


# -- dose and response -----------------------------------------------------------------------------------------------


def test_the_slope_is_one_standard_deviation_per_standard_deviation_where_the_direction_is_read() -> None:
    subject, network, x, _ = seen("used")
    concept = network.readings[0][:, 0]
    found = dose_response(subject, x, LEFT, concept, rng=rng())
    assert (found.slope, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0), abs=1e-4)
    np.testing.assert_allclose(found.curve["effect"], found.curve["strength"], atol=1e-4)
    # A random unit vector in 5 dimensions has a mean absolute coordinate of 3/8.
    many = dose_response(subject, x[:50], LEFT, concept, strengths=[1.0], placebos=200, rng=rng())
    assert many.placebo == pytest.approx(0.375, abs=0.05) and many.placebo_high <= 1.0
    other = dose_response(subject, x, LEFT, network.readings[0][:, 1], strengths=[1.0], rng=rng())
    assert abs(other.slope) < 1e-5 and other.placebo > 0.05


def test_steering_a_copy_that_is_not_needed_does_nothing_until_it_outvotes_the_other() -> None:
    subject, network, x, _ = seen("redundant")
    concept = network.readings[0][:, 0]
    assert abs(dose_response(subject, x, LEFT, concept, strengths=[-0.7, 0.7], rng=rng()).slope) < 1e-6
    assert dose_response(subject, x, LEFT, concept, strengths=[-3.0, 3.0], rng=rng()).slope > 0.2
    unused, network, x, _ = seen("unused")
    assert dose_response(unused, x, LEFT, network.readings[0][:, 0], rng=rng()).slope == 0.0


# -- what all share --------------------------------------------------------------------------------------------------


def everything(subject: Subject, x: Tensor, concept: Tensor, seed: int) -> list[pd.DataFrame]:
    groups = np.arange(len(x)) // 3
    found = dose_response(subject, x, LEFT, torch.ones(5), groups=groups, placebos=3, rng=rng(seed))
    return [
        ablations(subject, x, groups=groups, placebos=3, rng=rng(seed)),
        erasure(subject, x, concept, BOTH, groups=groups, placebos=3, rng=rng(seed)),
        patching(subject, x, x.flip(0), BOTH, groups=groups, placebos=3, rng=rng(seed)),
        found.curve.assign(slope=found.slope, low_slope=found.low),
    ]


def test_same_seed_same_tables_and_another_seed_other_placebos() -> None:
    subject, _, x, factors = seen("used", 90)
    first, again, other = (everything(subject, x, factors["concept"] > 0, seed) for seed in (1, 1, 2))
    for one, two, three in zip(first, again, other, strict=True):
        pd.testing.assert_frame_equal(one, two, check_exact=True)
        assert not one["placebo"].equals(three["placebo"])


def test_intervals_widen_when_rows_depend_on_one_another() -> None:
    subject, _, x, factors = seen("redundant", 200)
    x, label = x.repeat_interleave(5, 0), (factors["concept"] > 0).repeat_interleave(5)
    widths = []
    for groups in (None, np.arange(1000) // 5):
        row = erasure(subject, x, label, [BOTH], groups=groups, cost=accuracy_lost(label), rng=rng()).iloc[0]
        widths.append(row["high"] - row["low"])
    assert widths[1] > 1.6 * widths[0]


def test_a_constant_value_has_no_effects() -> None:
    _, network, x, factors = seen("used", 60)
    subject = Subject(network, value=lambda seen: 0 * network(seen) + 3, sites=list(BOTH))
    for table in everything(subject, x, factors["concept"] > 0, 1):
        column = "restored" if "restored" in table else "effect"
        assert table[column].isna().all() and table["low"].isna().all() and table["placebo"].isna().all()


class Broken(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if float(x.abs().max()) < 1e-6:
            raise RuntimeError("zeros")
        return x


def test_a_pass_that_fails_in_the_middle_leaves_no_hook_behind() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), Broken(), torch.nn.Linear(4, 1))
    subject, x = Subject(model, sites=["0"]), torch.randn(30, 4, generator=rng())
    with pytest.raises(RuntimeError, match="zeros"):
        ablations(subject, x, rng=rng())
    before = subject.values(x)

    def explode(activations: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        subject.values(x, edits={"0": torch.zeros_like, "2": explode} | {"0": explode})
    assert not list(registered_hooks(model))
    assert torch.equal(subject.values(x), before)


def test_slips() -> None:
    subject, _, x, factors = seen("used", 40)
    concept = factors["concept"] > 0
    with pytest.raises(ImprintError, match="expected a list of names"):
        ablations(subject, x, LEFT, rng=rng())
    with pytest.raises(UnknownNameError, match="Did you mean 'left'"):
        ablations(subject, x, ["lefty"], rng=rng())
    with pytest.raises(NotMeasurableError, match="half at most"):
        ablations(subject, x, groups=[0] * 30 + [1] * 10, rng=rng())
    with pytest.raises(ImprintError, match=r"concept is \[39\] for 40 rows"):
        erasure(subject, x, concept[1:], [LEFT], rng=rng())
    with pytest.raises(ImprintError, match="concept holds NaN"):
        erasure(subject, x, torch.full((40,), float("nan")), [LEFT], rng=rng())
    with pytest.raises(ImprintError, match="labels for 40 rows"):
        ablations(subject, x, cost=accuracy_lost(concept[1:]), rng=rng())
    with pytest.raises(ImprintError, match="expected pairs, row by row"):
        patching(subject, x, x[1:], [LEFT], rng=rng())
    with pytest.raises(ImprintError, match="either a direction or a concept"):
        dose_response(subject, x, LEFT, torch.ones(5), concept=concept, rng=rng())
    with pytest.raises(ImprintError, match=r"the concept is \[39\]; expected \[40\]"):
        dose_response(subject, x, LEFT, concept=concept[1:], rng=rng())
    with pytest.raises(ImprintError, match="strengths are"):
        dose_response(subject, x, LEFT, torch.ones(5), strengths=[0.0], rng=rng())
