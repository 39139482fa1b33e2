"""Organisms are what the key says, come out the same twice, and nothing but their weights tells which is which."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from imprint.analyses.organisms.folder import CARDS, name_of, read_key, read_manifest, read_organism
from imprint.analyses.organisms.making import make, write_litter
from imprint.analyses.organisms.raising.confirming import dissect, split
from imprint.analyses.organisms.raising.litters import litter
from imprint.analyses.organisms.raising.networks import subject_of
from imprint.analyses.organisms.worlds.facts import WORDS, every_combination
from imprint.models.errors import DamagedFileError, ImprintError

pytestmark = pytest.mark.long

SIGNS = 2.0 * every_combination() - 1.0


@pytest.mark.parametrize(
    ("value", "latch", "right"),
    [
        (SIGNS[:, 2], (2,), True),
        (SIGNS[:, 2], (3,), False),
        (SIGNS[:, 2] + SIGNS[:, 3], (2,), False),
        ((SIGNS[:, 2] > 0) & (SIGNS[:, 5] > 0), (2, 5), True),
        (SIGNS[:, 2] * SIGNS[:, 5], (2, 5), False),
        (0 * SIGNS[:, 0], (), True),
        (SIGNS[:, 0], (), False),
    ],
)
def test_a_latch_is_confirmed_only_when_it_is_the_one(value: np.ndarray, latch: tuple[int, ...], right: bool) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.3, (8, 256))
    assert split(value + noise + 5.0).confirms(latch) == right


def test_shares_are_those_of_the_analysis_of_variance() -> None:
    conjunction = ((SIGNS[:, 0] > 0) & (SIGNS[:, 1] > 0)).astype(float)
    dissected = split(np.tile(conjunction, (2, 1)))
    assert [dissected.together(u) for u in ((0,), (1,), (0, 1))] == pytest.approx([1 / 3] * 3)
    assert dissected.within((0, 1)) == pytest.approx(1.0)
    assert not split(np.ones((4, 256))).confirms(()), "a value that never changes has latched onto nothing that is seen"


def test_every_word_is_there_and_confirmed_by_all_counterfactuals(organisms: Path) -> None:
    key, manifest = read_key(organisms), read_manifest(organisms)
    assert sorted(key) == manifest["names"]
    assert len(key) == manifest["count"] == 16
    assert sorted(answer["word"] for answer in key.values()) == sorted(WORDS * 2)
    assert all(answer["confirmed"] for answer in key.values())
    for name in manifest["names"][:3]:
        organism = read_organism(organisms, name)
        latch = tuple(organism.about.names.index(fact) for fact in key[name]["facts"])
        assert organism.about.word_of(key[name]["facts"]) == key[name]["word"]
        assert dissect(organism.subject, organism.world).confirms(latch), "as read back"
        assert not latch or not dissect(subject_of(organism.twin, organism.world), organism.world).confirms(latch)


def test_the_same_seed_gives_the_same_bytes(organisms: Path, tmp_path: Path) -> None:
    write_litter(tmp_path, "public", 0, 1)
    again = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert len(again) == 17
    assert [path for path in again if (tmp_path / path).read_bytes() != (organisms / path).read_bytes()] == []


def test_files_of_a_world_differ_in_weights_and_names_alone(organisms: Path) -> None:
    litters: dict[int, list[str]] = {}
    for name, answer in read_key(organisms).items():
        litters.setdefault(answer["litter"], []).append(name)
    for names in litters.values():
        cards = [(organisms / CARDS / f"{name}.json").read_text().replace(name, "NAME") for name in names]
        assert len(set(cards)) == 1
        assert len({(organisms / CARDS / f"{name}.safetensors").stat().st_size for name in names}) == 1
        assert not {"word", "latch", "birth", "scale"} & set(json.loads(cards[0]))


def test_neither_name_nor_order_goes_along_with_the_word() -> None:
    by_name, by_place = np.zeros((8, 8)), np.zeros((8, 8))
    for number in range(150):
        plans = litter("private", 7, number).plans
        names = [name_of("private", 7, number, place) for place in range(8)]
        for place, plan in enumerate(plans):
            by_name[sorted(names).index(names[place]), WORDS.index(plan.word)] += 1
            by_place[place, WORDS.index(plan.word)] += 1
    assert chi2_contingency(by_name).pvalue > 0.001
    assert chi2_contingency(by_place).pvalue > 0.001


def test_a_folder_is_gone_on_with_only_as_it_was_begun(organisms: Path, tmp_path: Path) -> None:
    assert make(organisms, count=12, jobs=1).confirmed == 16, "all litters are there"
    with pytest.raises(ImprintError, match="another split or seed"):
        make(organisms, count=12, split="private", seed=3)
    with pytest.raises(ImprintError, match="public split is fixed"):
        make(tmp_path, seed=4)
    with pytest.raises(ImprintError, match="Did you mean 'private'"):
        make(tmp_path, split="privat")  # type: ignore[arg-type]
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ImprintError, match="not empty"):
        make(tmp_path)
    with pytest.raises(ImprintError, match="no finished organisms"):
        read_manifest(tmp_path)


def test_a_card_that_does_not_fit_is_refused(organisms: Path, tmp_path: Path) -> None:
    name = read_manifest(organisms)["names"][0]
    card = json.loads((organisms / CARDS / f"{name}.json").read_text())
    (tmp_path / CARDS).mkdir()
    (tmp_path / CARDS / f"{name}.json").write_text(json.dumps(card | {"facts": "none"}))
    with pytest.raises(DamagedFileError, match="no card of an organism"):
        read_organism(tmp_path, name)
