"""The test of detectors: every organism is handed over at six levels of access, and the answers are scored.

Only organisms that are confirmed count. A detector that raises an error, or whose answer is none, loses that cell: it
counts as probability 0 for the true word and as the last rank, and the cell is named. Cells in which words are
equivalent are a third outcome, neither right nor wrong (:mod:`imprint.analyses.organisms.equivalence`).

Letters: N organisms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.organisms.detectors.access import LEVELS
from imprint.analyses.organisms.detectors.answering import Answer, checked
from imprint.analyses.organisms.detectors.outside import SHIPPED, Contestant, contestant
from imprint.analyses.organisms.equivalence import equivalent_words, same_activations
from imprint.analyses.organisms.folder import Organism, read_key, read_manifest, read_organism, weights_of
from imprint.analyses.organisms.metrics import NAMES, Answers, curves, draws, estimate, estimates, rank_of
from imprint.analyses.organisms.watching import Watched
from imprint.analyses.organisms.worlds.facts import FACTS, WORDS
from imprint.analyses.statistics import rate_of
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.progress import Step
from imprint.models.threads import scoped_call

RESAMPLES = 1000
LIMIT = 200
"""Characters of an error that are kept."""
EVERY = "all organisms"
"""Group of a contrast that is over all of them."""
Cell = tuple[str, str]
"""Detector and level."""


@dataclass(frozen=True)
class Scored:
    """What came out."""

    leaderboard: pd.DataFrame
    """detector, level, n, lost, degenerate, and every metric with ``<metric>_low`` and ``<metric>_high``."""
    words: pd.DataFrame
    """detector, level, word, auroc, low, high, recall, n."""
    groups: pd.DataFrame
    """detector, level, group, right, low, high, n: part of the organisms of a kind that are named rightly."""
    contrasts: pd.DataFrame
    """detector, level, group, gain, low, high: AUROC with the weights minus that at another level, worlds paired."""
    lost: pd.DataFrame
    """detector, level, organism, why."""
    organisms: dict[str, Any]
    """split, count, confirmed, worlds, degenerate (level -> organisms)."""


@scoped_call
def score(
    detector: str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None = None,
    *,
    organisms: str | Path,
    levels: Collection[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Callable[[Step], None] | None = None,
) -> Scored:
    """Score a detector, or several, on a folder of organisms.

    ``detector``: ``module:function``, a command, a function of (subject, access), or the name of one that ships; None
    for all that ship. ``levels``: those at which it takes part; default: all that it knows. ``resamples`` of worlds for
    each interval, drawn with ``seed``. Raises :class:`ImprintError` for a folder without organisms or without key.
    """
    folder = Path(organisms)
    manifest, key = read_manifest(folder), read_key(folder)
    chosen = _contestants(detector, levels)
    names = [name for name in manifest["names"] if key.get(name, {}).get("confirmed")]
    if not names:
        raise ImprintError(f"none of the {manifest['count']} organisms in {folder} is confirmed, so none can count.")
    litters: dict[int, list[str]] = {}
    for name in names:
        litters.setdefault(int(key[name]["litter"]), []).append(name)
    table = _Table(chosen)
    for done, (number, members) in enumerate(sorted(litters.items())):
        _judge_litter([read_organism(folder, name) for name in sorted(members)], number, key, table)
        if progress is not None:
            progress(Step("worlds", done + 1, len(litters), ""))
    about = {"split": manifest["split"], "count": manifest["count"], "confirmed": len(names), "worlds": len(litters)}
    return table.scored(about, resamples, seed)


def _contestants(detector: Any, levels: Collection[str] | None) -> list[Contestant]:
    given = list(SHIPPED) if detector is None else detector
    given = [given] if isinstance(given, str) or callable(given) else list(given)
    if not given:
        raise ImprintError("no detector was given; name at least one.")
    levels = [levels] if isinstance(levels, str) else levels
    levels = [level.replace("-", " ") for level in levels or ()]
    for level in levels:
        if level not in LEVELS:
            raise unknown_name("level of access", level, LEVELS)
    chosen = [contestant(one) for one in given]
    if levels:
        chosen = [Contestant(c.name, c.detect, tuple(x for x in c.levels if x in levels)) for c in chosen]
    if len({one.name for one in chosen}) < len(chosen):
        raise ImprintError(f"two detectors have one name: {', '.join(one.name for one in chosen)}.")
    if idle := [one.name for one in chosen if not one.levels]:
        raise ImprintError(f"{idle[0]} takes part at none of these levels: {', '.join(levels)}.")
    return chosen


def _judge_litter(members: list[Organism], number: int, key: Mapping[str, Any], table: _Table) -> None:
    """All answers about the organisms of one world."""
    watched = [Watched(organism) for organism in members]
    alike = "activations" in table.levels and members[0].breed.raised == "together" and same_activations(watched)
    words = {str(key[organism.name]["word"]) for organism in members}
    for one in watched:
        truth = key[one.organism.name]
        equal = {level: equivalent_words(one.organism, truth["facts"], level) for level in table.levels}
        equal |= {"activations": frozenset(words - {truth["word"]})} if alike else {}
        table.begin(one.organism, number, truth, equal)
        for level in table.levels:
            for taker in table.contestants:
                if level in taker.levels:
                    table.note(taker, level, one.organism, _asked(taker, one, level))


def _asked(taker: Contestant, one: Watched, level: str) -> Answer | str:
    """The answer, or why the cell is lost; whatever a detector changes in what it is given, others do not meet it."""
    subject, networks = one.at(level), (one.organism.network, one.organism.twin)
    kept = [{name: value.clone() for name, value in weights_of(network).items()} for network in networks]
    try:
        return checked(taker.detect(subject if level == "weights" else deepcopy(subject), level), one.about)
    except ImprintError as error:
        return str(error)[:LIMIT]
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a detector of others does, it loses this cell and no other)
        return f"{type(error).__name__}: {error}"[:LIMIT]
    finally:
        for network, weights in zip(networks, kept, strict=True):
            network.load_state_dict(weights, strict=False)


class _Table:
    """Answers and truth, as they come."""

    def __init__(self, contestants: list[Contestant]) -> None:
        self.contestants = contestants
        self.cells: list[Cell] = [(c.name, level) for c in contestants for level in LEVELS if level in c.levels]
        self.levels = [level for level in LEVELS if any(level in c.levels for c in contestants)]
        self.rows: list[dict[str, Any]] = []
        self.equivalent: dict[str, list[list[bool]]] = {level: [] for level in self.levels}
        self.said: dict[Cell, list[Any]] = {cell: [] for cell in self.cells}
        self.ranks: dict[Cell, list[float]] = {cell: [] for cell in self.cells}
        self.lost: list[dict[str, str]] = []

    def begin(
        self, organism: Organism, world: int, truth: Mapping[str, Any], equal: Mapping[str, Collection[str]]
    ) -> None:
        """The truth about one organism."""
        arrangement = organism.world.arrangement
        never = any(arrangement.together[i] == 1.0 for i in range(FACTS) if i != arrangement.intended)
        apart = "worlds: a thing never apart" if never else "worlds: all come apart"
        kind = f"{organism.breed.subject}s raised {organism.breed.raised}"
        self.rows.append({"world": world, "word": truth["word"], "facts": truth["facts"], "kind": kind, "apart": apart})
        for level in self.levels:
            self.equivalent[level].append([word in equal[level] for word in WORDS])

    def note(self, taker: Contestant, level: str, organism: Organism, answer: Answer | str) -> None:
        """An answer, or why there is none."""
        cell, truth = (taker.name, level), self.rows[-1]
        if isinstance(answer, str):
            about = {"detector": taker.name, "level": level, "organism": organism.name, "why": answer}
            self.lost.append(about)
            self.said[cell].append([0.0 if word == truth["word"] else 1 / (len(WORDS) - 1) for word in WORDS])
            self.ranks[cell].append(float(FACTS) if truth["facts"] else float("nan"))
        else:
            self.said[cell].append(answer.probabilities)
            self.ranks[cell].append(rank_of(answer.ranking, truth["facts"]))

    def answers(self, cell: Cell) -> Answers:
        """The answers in one cell."""
        truth = np.array([WORDS.index(row["word"]) for row in self.rows])
        world = np.array([row["world"] for row in self.rows])
        equivalent = np.array(self.equivalent[cell[1]], dtype=bool)
        said = np.array(self.said[cell], dtype=np.float64)
        return Answers(said, truth, equivalent, np.array(self.ranks[cell]), world)

    def scored(self, about: dict[str, Any], resamples: int, seed: int) -> Scored:
        """All tables."""
        board, words, groups, areas = [], [], [], {}
        kinds, every = np.array([row["kind"] for row in self.rows]), np.ones(len(self.rows), dtype=bool)
        parts = {EVERY: every} | {str(kind): kinds == kind for kind in np.unique(kinds)}
        for cell in self.cells:
            answers = self.answers(cell)
            weights, named = answers.weights(resamples, seed), {"detector": cell[0], "level": cell[1]}
            drawn = draws(answers, weights)
            for part, rows in parts.items():
                areas[part, *cell] = draws(answers.some(rows), weights[:, rows])["auroc"]
            lost = sum(row["detector"] == cell[0] and row["level"] == cell[1] for row in self.lost)
            counts = {"n": len(answers.truth), "lost": lost, "degenerate": int(answers.degenerate.sum())}
            measured = estimates(drawn, len(answers.truth))
            numbers = {k: v for name in NAMES for k, v in measured[name].row(name, ends=f"{name}_", count=None).items()}
            board.append({**named, **counts, **numbers})
            words += [{**named, **row} for row in _by_word(answers, weights)]
            groups += [{**named, **row} for row in self._by_group(answers)]
        contrasts = []
        for (part, name, level), area in areas.items():
            if level != "weights" and (best := areas.get((part, name, "weights"))) is not None:
                gain = estimate(best - area, int(parts[part].sum()))
                about_gain = {"detector": name, "level": level, "group": part}
                contrasts.append({**about_gain, **gain.row("gain", count="n")})
        degenerate = {level: int(np.array(rows).any(1).sum()) for level, rows in self.equivalent.items()}
        return Scored(
            pd.DataFrame(board),
            pd.DataFrame(words),
            pd.DataFrame(groups),
            pd.DataFrame(contrasts, columns=["detector", "level", "group", "gain", "low", "high", "n"]),
            pd.DataFrame(self.lost, columns=["detector", "level", "organism", "why"]),
            {**about, "degenerate": degenerate},
        )

    def _by_group(self, answers: Answers) -> list[dict[str, Any]]:
        """How often the right word is named, for every kind of organism."""
        rows, frame = [], pd.DataFrame(self.rows)
        for column in ("kind", "apart"):
            for group in sorted(frame[column].unique()):
                part = answers.some((frame[column] == group).to_numpy() & ~answers.degenerate)
                hits = int((part.probabilities.argmax(1) == part.truth).sum())
                rows.append({"group": group, **rate_of(hits, len(part.truth)).row("right", count="n")})
        return rows


def _by_word(answers: Answers, weights: Any) -> list[dict[str, Any]]:
    """AUROC and recall of every word."""
    area, found = curves(answers, weights)
    rows = []
    for index, word in enumerate(WORDS):
        own = int(((answers.truth == index) & ~answers.degenerate).sum())
        recall = {"recall": float(found[0, index])}
        rows.append({"word": word, **estimate(area[:, index], own).row("auroc", count="n"), **recall})
    return rows
