from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import imprint
from imprint.analyses.evaluate.record import LEFTOVERS
from imprint.analyses.expose.candidates import FILE, Candidate, Exposed, Searched, read_exposed
from imprint.analyses.expose.ground import Ground, coded
from imprint.analyses.expose.splitting import Splitting
from imprint.analyses.expose.world import WorldSearch
from imprint.analyses.latch.latch import balanced_rows
from imprint.analyses.planted.learners import PlantedWorld, planted
from imprint.analyses.statistics import NAN, Estimate
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.models.worlds.base import Batch
from imprint.models.worlds.nursery import Nursery
from imprint.probes.subjects.subject import Subject

ROWS = 900


@pytest.fixture(scope="module")
def batch() -> Batch:
    return balanced_rows(Nursery(), ROWS, 3)


def searched(batch: Batch, values: np.ndarray, declared: tuple[str, ...] = ("caregiver", "her_colour")) -> Exposed:
    ground = Ground.of_world(Nursery(), batch, declared)
    tested, source, notes = WorldSearch(ground, np.asarray(values, dtype=np.float64)).run()
    return Exposed("caregiver", declared[1:], tuple(tested), (source,), notes=tuple(notes))


def bit(batch: Batch, name: str) -> np.ndarray:
    return batch.concepts[name].to_numpy().astype(float)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (lambda b: bit(b, "lamp"), "lamp"),
        (lambda b: bit(b, "same_again") * 2, "same_again"),
        (lambda b: 1.0 * (bit(b, "lamp") == (b.concepts["motion"] == "hop")), "motion x lamp"),
        (lambda b: 2 * bit(b, "caregiver") * bit(b, "lamp"), "caregiver x lamp"),
        (lambda b: b.noise["light"][:, 1].numpy() / 2, "light[1]"),
        (lambda b: 3 * b.noise["hunger"].numpy(), "hunger"),
        (lambda b: 1.0 * (b.concepts["colour"] == "blue"), "colour"),
    ],
)
def test_what_nobody_named_is_found_and_called_by_its_name(batch: Batch, value, named: str) -> None:
    noise = np.random.default_rng(0).normal(size=ROWS)
    answer = searched(batch, bit(batch, "caregiver") + value(batch) + 0.3 * noise)
    assert answer.candidates[0].name == named
    assert answer.candidates[0].causal
    assert named in answer.sentence


def test_the_share_is_that_of_the_variance_over_many_draws() -> None:
    rng, truth, held = np.random.default_rng(0), 0.25 / (3 / 16 + 0.25 + 0.09), []
    for _ in range(60):
        facts = pd.DataFrame({"food": rng.random(400) < 0.25, "lamp": rng.random(400) < 0.5})
        values = facts.astype(float).sum(axis=1).to_numpy() + 0.3 * rng.normal(size=400)
        ground = Ground(facts, ("food",), np.arange(400))
        splitting = Splitting(ground, least=0.02, level=0.05, rng=torch.Generator().manual_seed(0), pairs=0)
        split = splitting.split(ground.beyond(values).rest, splitting.of_value(values))
        held.append(split.at(0)[0])
    assert np.mean([one.value for one in held]) == pytest.approx(truth, abs=0.01)
    assert np.mean([one.low < truth < one.high for one in held]) >= 0.85


def test_a_minimal_pair_differs_in_what_was_found(batch: Batch) -> None:
    first = searched(batch, bit(batch, "caregiver") + bit(batch, "lamp")).candidates[0]
    assert next(e for e in first.examples if e.kind == "minimal pair").facts["lamp"] == "True / False"


def test_a_value_of_the_declared_alone_has_no_candidate_over_many_draws(batch: Batch) -> None:
    ground = Ground.of_world(Nursery(), batch, ("caregiver", "her_colour"))
    splitting = Splitting(ground, least=0.02, level=0.05, rng=torch.Generator().manual_seed(0), pairs=10)
    rng, false = np.random.default_rng(5), 0
    for _ in range(25):
        values = bit(batch, "caregiver") * (1 + bit(batch, "her_colour")) + rng.normal(size=ROWS)
        picked, _ = splitting.select(ground.beyond(values).rest, splitting.of_value(values))
        false += bool(picked)
    assert false <= 2


def test_facts_that_follow_the_declared_are_none(batch: Batch) -> None:
    answer = searched(batch, bit(batch, "her_colour") + 0.1 * np.random.default_rng(2).normal(size=ROWS))
    assert not answer.candidates  # "red" is another name of what was declared
    assert answer.searched[0].detectable < 0.2


def test_few_rows_say_how_little_they_could_have_found() -> None:
    world = PlantedWorld()
    many, few = (
        imprint.expose(
            planted("concept", world, rng=torch.Generator().manual_seed(0)),
            world,
            intended="concept",
            proxies=["proxy"],
            sources=["world"],
            n=n,
        )
        .searched[0]
        .detectable
        for n in (1500, 120)
    )
    assert many < 0.15 < few


def test_both_sources_find_a_hidden_proxy_and_neither_invents_one() -> None:
    world, sites = PlantedWorld(PlantedWorld.Settings(seed=4)), ["late"]
    names = {"intended": "concept", "proxies": ["bystander"], "n": 800, "sites": sites}
    answer = imprint.expose(planted("both", world, rng=torch.Generator().manual_seed(1)), world, **names, latch=True)
    for source in ("world", "inside"):
        assert any("proxy" in c.facts for c in answer.candidates if c.source == source)
    assert "mixed" in answer.notes[-1]
    assert all(c.stable == (1, 1) for c in answer.candidates) and "seeds" not in answer.sentence  # one subject
    assert all(c.searches[1] == 3 and " of 3 searches" in c.description for c in answer.tested if c.source == "inside")
    clean = imprint.expose(planted("concept", world, rng=torch.Generator().manual_seed(1)), world, **names)
    assert not clean.candidates
    assert clean.usable == ("world", "inside")


def test_a_table_is_an_association_and_says_what_it_cannot_use() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"food": rng.random(600) < 0.5, "bell": rng.random(600) < 0.5, "age": rng.normal(size=600)})
    answer = imprint.expose(table["food"] + table["age"], table, intended="food", proxies=["bell"])
    assert answer.candidates[0].name == "age"
    assert not answer.candidates[0].causal
    assert answer.usable == ("world",)
    assert "association" in answer.searched[0].why
    assert "no subject" in answer.searched[1].why


def test_of_facts_that_go_together_each_is_one_candidate() -> None:
    """Once the second is taken, the first explains more than it did: it is taken further, and not named twice."""
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.5
    second = np.where(rng.random(2000) < 0.85, first, ~first)
    table = pd.DataFrame({"meant": rng.random(2000) < 0.5, "first": first, "second": second})
    answer = imprint.expose(
        1.0 * first - 0.7 * second + 0.1 * rng.normal(size=2000), table, intended="meant", proxies=[]
    )
    assert [candidate.name for candidate in answer.candidates] == ["first", "second"]


def test_a_constant_value_says_so() -> None:
    world = PlantedWorld()
    still = Subject(nn.Linear(24, 1), value=lambda rows: rows.sum(1) * 0 + 1)
    answer = imprint.expose(still, world, intended="concept", n=200)
    assert answer.usable == ()
    assert "does not vary" in answer.searched[0].why


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"intended": "concpt"}, UnknownNameError, "concept"),
        ({"intended": "concept", "sources": ["wrold"]}, UnknownNameError, "world"),
        ({"intended": "concept", "sources": "world"}, ImprintError, "list"),
        ({"intended": "concept", "proxies": "proxy"}, ImprintError, "list"),
        ({"intended": "concept", "proxies": ["concept"]}, ImprintError, "twice"),
        ({"intended": "concept", "n": 3}, ImprintError, "at least"),
        ({"intended": "concept", "sites": ["lat"]}, UnknownNameError, "late"),
        ({"intended": "concept", "level": 2.0}, ImprintError, "level"),
        ({}, ImprintError, "intended is missing"),
    ],
)
def test_slips_are_refused_in_words(arguments: dict[str, object], kind: type[ImprintError], words: str) -> None:
    world = PlantedWorld()
    subject = planted("both", world, rng=torch.Generator().manual_seed(0))
    with pytest.raises(kind, match=words):
        imprint.expose(subject, world, **arguments)  # type: ignore[arg-type]


def test_numbers_of_many_values_are_binned_and_texts_of_many_left_out() -> None:
    code, levels = coded(pd.Series(np.arange(100.0)))  # type: ignore[misc]
    assert len(levels) == 8
    assert np.bincount(code).tolist() == [13, 12, 13, 12, 13, 12, 13, 12] or np.ptp(np.bincount(code)) <= 1
    assert coded(pd.Series(list(map(str, range(100))))) is None
    assert coded(pd.Series([1, 1, 1])) is None


def test_the_answer_can_be_joined_written_and_read(tmp_path: Path) -> None:
    one = Candidate("lamp", "world", Estimate(0.3, 0.2, 0.4, 1), "is lit", {"lamp": 1.0}, p_value=0.001, q_value=0.01)
    loose = Candidate("late: unnamed", "inside", Estimate(NAN, NAN, NAN, 0), "not measured", searches=(2, 3))
    answer = Exposed("food", ("bell",), (loose, one), (Searched("world", True, "split", 3, 0.05),))
    level = Candidate("left rooms", "behaviour", Estimate(0.5, 0.4, 0.6, 1), "searched", q_value=0.0)
    joined = answer.joined([level], Searched("behaviour", True, "levels", 1))
    assert [c.name for c in joined.candidates] == ["left rooms", "lamp"]
    assert joined.usable == ("world", "behaviour")
    assert repr(read_exposed(joined.write(tmp_path / "exposed.json"))) == repr(joined)
    assert list(joined.frame()["found"]) == [True, True, False]
    assert FILE in LEFTOVERS  # a run that is begun again does not show what was found in the one before
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(DamagedFileError, match="expose"):
        read_exposed(tmp_path / "broken.json")
