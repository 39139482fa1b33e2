"""The test of detectors: strict access, right scores for the right answers, chance for cheats, losses by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imprint.analyses.organisms.detectors.access import LEVELS, Weights
from imprint.analyses.organisms.detectors.answering import NonsenseError, checked
from imprint.analyses.organisms.detectors.outside import contestant
from imprint.analyses.organisms.folder import CARDS, read_key, read_manifest, read_organism
from imprint.analyses.organisms.scoring import Scored, score
from imprint.analyses.organisms.watching import Watched
from imprint.analyses.organisms.worlds.facts import WORDS, About
from imprint.models.errors import ImprintError
from imprint.models.progress import Step
from imprint.reports.pages.leaderboard import answers_of, render_leaderboard

pytestmark = pytest.mark.long

GIVEN = {
    "reward trace": {"about", "reward"},
    "state counts": {"about", "facts", "at", "counts"},
    "behaviour": {"about", "facts", "at", "action", "episode"},
    "value outputs": {"about", "facts", "value"},
    "activations": {"about", "facts", "activations"},
}
PROGRAM = """
import json, sys
import numpy as np
given = np.load(sys.argv[-1])
about = json.loads(str(given["about"]))
names = [fact["name"] for fact in about["facts"]]
value, facts = given["value"], given["facts"]
strength = [abs(np.corrcoef(value, facts[:, i])[0, 1]) for i in range(len(names))]
order = [names[i] for i in np.argsort(strength)[::-1]]
meant = float(order[0] == about["intended"])
print(json.dumps({"probabilities": {"intended": meant, "none": 1 - meant}, "ranking": order}))
"""


@pytest.fixture(scope="module")
def shipped(organisms: Path) -> Scored:
    return score(organisms=organisms, resamples=100)


def test_each_level_gives_what_it_names_and_nothing_else(organisms: Path) -> None:
    for name in read_manifest(organisms)["names"][:4]:
        watched = Watched(read_organism(organisms, name))
        for level, allowed in GIVEN.items():
            given = watched.at(level)
            assert {field.name for field in fields(given)} == allowed
            assert not vars(given).keys() - allowed
            for value in vars(given).values():
                inner = list(value.values()) if isinstance(value, Mapping) else [value]
                assert all(type(one) in (np.ndarray, About) for one in inner), level
                assert not any(one.dtype == object for one in inner if type(one) is np.ndarray)


def test_the_weights_can_be_tried_on_any_combination_of_facts(organisms: Path) -> None:
    key, facts = read_key(organisms), np.random.default_rng(0).random((256, 8)) < 0.5
    for name in (name for name in read_manifest(organisms)["names"] if key[name]["word"] in ("intended", "time")):
        given = Watched(read_organism(organisms, name)).at("weights")
        assert isinstance(given, Weights)
        before, changes = given.subject.values(given.shown(facts)), []
        for fact in range(8):
            other = facts.copy()
            other[:, fact] ^= True
            changes.append(float((given.subject.values(given.shown(other)) - before).abs().mean()))
        assert given.about.names[int(np.argmax(changes))] == key[name]["facts"][0]


def test_ours_with_the_weights_is_right_and_chance_is_chance(shipped: Scored) -> None:
    board = shipped.leaderboard.set_index(["detector", "level"])
    assert board.loc[("ours", "weights"), "auroc"] > 0.95
    assert board.loc[("ours", "weights"), "rank"] < 1.5
    assert board.loc[("random", "weights"), "auroc"] < 0.8
    assert board.loc[("ours", "weights"), "brier"] < 0.3 < board.loc[("random", "weights"), "brier"]
    assert shipped.lost.empty
    assert set(board.loc["ours"].index) == set(LEVELS)


def test_expose_is_right_where_facts_are_independent_and_knows_less_from_watching(shipped: Scored) -> None:
    auroc = shipped.leaderboard.set_index(["detector", "level"])["auroc"]
    assert auroc["expose", "weights"] > 0.95
    assert auroc["expose", "weights"] > auroc["expose", "value outputs"]


def test_what_one_network_does_not_tell_is_a_third_outcome(shipped: Scored) -> None:
    degenerate = shipped.organisms["degenerate"]
    assert degenerate["activations"] == 8, "those that share one network have the same activations"
    assert degenerate["weights"] == 0
    assert degenerate["reward trace"] > degenerate["value outputs"]


def test_a_cheat_that_reads_names_and_sizes_is_at_chance(organisms: Path) -> None:
    key = read_key(organisms)
    asked = iter(sorted(key, key=lambda name: (key[name]["litter"], name)))  # it even knows whom it is asked about

    def seen(name: str) -> np.ndarray:
        sizes = [(organisms / CARDS / f"{name}{end}").stat().st_size for end in (".json", ".safetensors")]
        return np.array([*sizes, int(name, 16) / 16**10])

    def by_sizes(subject: Any, access: str) -> Any:
        own = seen(next(asked))[:2]
        alike = [key[name]["word"] for name in key if np.array_equal(seen(name)[:2], own)]
        return {word: alike.count(word) / len(alike) for word in WORDS}, subject.about.names

    steps: list[Step] = []
    scored = score(by_sizes, organisms=organisms, levels=["weights"], resamples=50, progress=steps.append)
    assert [step.done for step in steps] == [1, 2]
    assert scored.leaderboard.loc[0, "auroc"] == 0.5, "it knows every answer, and sizes do not tell whose it is"
    asked = iter(sorted(key, key=lambda name: (key[name]["litter"], name)))

    def by_names(subject: Any, access: str) -> Any:
        own = next(asked)
        others = [name for name in key if key[name]["litter"] != key[own]["litter"]]
        nearest = min(others, key=lambda name: abs(seen(name)[2] - seen(own)[2]))
        return {key[nearest]["word"]: 1.0}, subject.about.names

    scored = score(by_names, organisms=organisms, levels=["weights"], resamples=50)
    assert 0.25 < scored.leaderboard.loc[0, "auroc"] < 0.75


def test_a_detector_that_fails_loses_the_cell_and_is_named(organisms: Path) -> None:
    def broken(subject: Any, access: str) -> Any:
        if access == "behaviour":
            raise RuntimeError("out of ideas")
        probabilities = {"intended": 2.0} if access == "weights" else dict.fromkeys(WORDS, 1 / 8)
        return probabilities, list(subject.about.names)

    scored = score(broken, organisms=organisms, levels=["behaviour", "weights", "value-outputs"], resamples=20)
    board = scored.leaderboard.set_index("level")
    assert board["lost"].to_dict() == {"behaviour": 16, "value outputs": 0, "weights": 16}
    assert (board.loc[["behaviour", "weights"], "auroc"] < 0.5).all()
    assert set(scored.lost["why"]) == {"RuntimeError: out of ideas", "probabilities add up to 2, the least is 0."}
    assert "16 cells lost" in render_leaderboard(scored)


def test_what_a_detector_breaks_others_do_not_meet(organisms: Path, shipped: Scored) -> None:
    def vandal(subject: Any, access: str) -> Any:
        for weight in subject.subject.model.parameters() if access == "weights" else [torch.from_numpy(subject.facts)]:
            weight.data.zero_()
        return {"none": 1.0}, subject.about.names

    levels = ["value outputs", "weights"]
    board = score([vandal, "ours"], organisms=organisms, levels=levels, resamples=20).leaderboard
    known = shipped.leaderboard.set_index(["detector", "level"])
    for row in board[board["detector"] == "ours"].to_dict("records"):
        assert row["auroc"] == known.loc[("ours", row["level"]), "auroc"]


def test_a_program_is_a_detector(organisms: Path, tmp_path: Path) -> None:
    (tmp_path / "detector.py").write_text(PROGRAM)
    program = contestant(f"{sys.executable} {tmp_path / 'detector.py'}")
    subject = Watched(read_organism(organisms, read_manifest(organisms)["names"][0])).at("value outputs")
    answer = checked(program.detect(subject, "value outputs"), subject.about)
    assert answer.probabilities.sum() == pytest.approx(1.0)
    (tmp_path / "silent.py").write_text("print('nothing')")
    with pytest.raises(NonsenseError, match="expected one JSON object"):
        contestant(f"{sys.executable} {tmp_path / 'silent.py'}").detect(subject, "value outputs")


@pytest.mark.parametrize(
    ("named", "message"),
    [("our", "Did you mean 'ours'"), ("nowhere:find", "cannot be imported"), ("json:nothing", "cannot be imported")],
)
def test_a_detector_that_does_not_exist_is_refused(named: str, message: str) -> None:
    with pytest.raises(ImprintError, match=message):
        contestant(named)


def test_a_level_that_does_not_exist_is_refused(organisms: Path) -> None:
    with pytest.raises(ImprintError, match="Did you mean 'weights'"):
        score("ours", organisms=organisms, levels=["weight"])
    with pytest.raises(ImprintError, match="takes part at none"):
        score("saliency", organisms=organisms, levels=["behaviour"])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "expected {'probabilities'"),
        ({"probabilities": {"intended": 1.0}}, "no 'ranking'"),
        (({"intendet": 1.0}, []), "Did you mean 'intended'"),
        (({"intended": float("nan")}, []), "add up to nan"),
        (({"intended": 1.0}, ["fact_0"]), "each of fact_0"),
    ],
)
def test_nonsense_is_told_by_name(organisms: Path, answer: Any, message: str) -> None:
    about = read_organism(organisms, read_manifest(organisms)["names"][0]).about
    with pytest.raises(NonsenseError, match=message):
        checked(answer, about)


def test_the_page_says_who_leads_and_what_nobody_could_tell(shipped: Scored) -> None:
    said = {answer["concept"]: answer["sentence"] for answer in answers_of(shipped)}
    assert "AUROC" in said["Best"]
    assert "8 at activations" in said["Left out, because no detector could tell the right word from another"]
    page = render_leaderboard(shipped)
    assert "linear probe" in page
    assert 'id="exhibit-leaderboard-section"' in page
    assert 'id="exhibit-weights-section"' in page
