"""The scores of detectors -> one self-contained HTML page: who finds what organisms latched onto, with which access.

Pages know no torch, so scores are known by their tables (:class:`imprint.analyses.organisms.scoring.Scored`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit
from imprint.models.files import write_bytes
from imprint.reports.pages.question import show
from imprint.reports.pages.template import Page, fill
from imprint.reports.parts import Table
from imprint.reports.words import bracketed, measured, number, percent, plural

COMPARED = ("behaviour", "value outputs")
"""Levels that the weights are compared with at the top of the page."""
NOTHING = 0.01
"""A gain of AUROC whose interval stays within this is said to be nothing."""
NAME = "leaderboard.html"
"""File name of the page where only a folder is given."""
MEANINGS = {
    "organism": "a small network of which it is known what its value depends on",
    "word": "the answer: intended, named proxy, unnamed proxy, conjunction, place, time, reward hack, none",
    "level of access": "what a detector is given: reward trace, state counts, behaviour, value outputs, activations, "
    "or the weights with interventions; nothing else",
    "AUROC": "mean over words, one against the rest: .5 is chance, 1 is perfect",
    "degenerate": "words that nobody could tell apart in this world at this level; neither right nor wrong",
    "lost": "cells in which a detector raised an error or gave no answer; they count as wrong",
    "recall": "part of the organisms of a word that are found when at most 1 % of the others are taken for it",
    "rank": "mean place of the true fact in the detector's ranking of eight; 1 is perfect",
}


def report_leaderboard(scored: Any, path: str | Path = NAME) -> Path:
    """Write the page; its path. ``path``: the file, or a folder that is there."""
    target = Path(path)
    target = target / NAME if target.is_dir() else target
    write_bytes(target, render_leaderboard(scored, target.stem).encode("utf-8"))
    return target


def render_leaderboard(scored: Any, name: str = "leaderboard") -> str:
    """The page as text; ``name`` goes into its title and the names of downloads."""
    shown = [show(exhibit) for exhibit in _exhibits(scored)]
    plots = {panel.id: panel.plot for item in shown for panel in item.panels}
    every = Table("scores", "Every score, with every number", scored.leaderboard)
    page = Page("result.html", name, plots, [*(item.table for item in shown), every])
    about = scored.organisms
    lost = scored.lost.groupby(["detector", "level"]).agg(cells=("why", "size"), why=("why", "first"))
    content = {
        "name": name,
        "maker": "imprint organisms score",
        "heading": "Who finds what an organism latched onto?",
        "answers": answers_of(scored),
        "notes": [f"{d} at {level}: {row.cells} cells lost, first: {row.why}" for (d, level), row in lost.iterrows()],
        "caveats": [],
        "shown": shown,
        "every": every,
        "meanings": MEANINGS,
        "asked": {
            "split": about["split"],
            "organisms": about["count"],
            "confirmed by all counterfactuals": about["confirmed"],
            "worlds": about["worlds"],
        },
    }
    return fill(page, content)


def answers_of(scored: Any) -> list[dict[str, str]]:
    """What came out, as subject and sentence: who leads, what the weights add, and what nobody could tell."""
    board = scored.leaderboard.dropna(subset=["auroc"])
    answers = []
    if len(board):
        top = board.loc[board["auroc"].idxmax()]
        answers.append({"concept": "Best", "sentence": _named(top)})
        without = board[board["level"] != "weights"]
        if len(without) and top["level"] == "weights":
            best = without.loc[without["auroc"].idxmax()]
            answers.append({"concept": "Best without the weights", "sentence": _named(best)})
    gains = _gains(scored)
    of_all = gains["group"].isin(scored.contrasts["group"].head(1)) & gains["level"].isin(COMPARED)
    if said := [_gain(row) for row in gains[of_all].to_dict("records")]:
        answers.append({"concept": "What the weights add", "sentence": f"{'; '.join(said)}."})
    about = scored.organisms
    told = ", ".join(f"{count} at {level}" for level, count in about["degenerate"].items() if count)
    text = f"of {plural(about['confirmed'], 'confirmed organism')} in {plural(about['worlds'], 'world')}: {told or 0}."
    return [
        *answers,
        {"concept": "Left out, because no detector could tell the right word from another", "sentence": text},
    ]


def _named(row: pd.Series) -> str:
    """How well the detector of one row does."""
    size = bracketed(row["auroc"], row["auroc_low"], row["auroc_high"])
    return f"{row['detector']}, given {row['level']}, names {percent(row['right'])} rightly (AUROC {size})."


def _gains(scored: Any) -> pd.DataFrame:
    """What the weights add to each other level in AUROC, first for all organisms and then for each kind."""
    table: pd.DataFrame = scored.contrasts
    return table[table["detector"] == "ours"].dropna(subset=["gain"])


def _gain(row: Mapping[Hashable, Any]) -> str:
    """A difference with its interval, and whether it is one."""
    if max(abs(row["low"]), abs(row["high"])) < NOTHING:
        return f"less than {number(NOTHING)} of AUROC over {row['level']}"
    gain = bracketed(row["gain"], row["low"], row["high"], lambda x: number(x, signed=True))
    clear = "" if row["low"] > 0 or row["high"] < 0 else ", not clear of 0"
    return f"{gain} of AUROC over {row['level']}{clear}"


def _exhibits(scored: Any) -> Iterator[Exhibit]:
    board, leaders = scored.leaderboard, _leaders(scored.leaderboard)
    over = "Mean over words, one against the rest; 95 % intervals over worlds."
    yield Exhibit(
        "leaderboard",
        "How well each detector tells the words, by level of access",
        board,
        answers_of(scored)[0]["sentence"],
        f"{over} The line is chance.",
        _points("level", "auroc", ("level of access", "AUROC"), ends="auroc_", colour="detector", reference=0.5),
    )
    words = scored.words[scored.words["detector"].isin(leaders)]
    if words["auroc"].notna().any():
        hard = words.loc[words["auroc"].idxmin()]
        yield Exhibit(
            "words",
            "Which words are told, by level of access",
            words,
            f"Hardest: {hard['word']} for {hard['detector']} at {hard['level']}, AUROC {number(hard['auroc'])}.",
            "95 % intervals over worlds. The line is chance.",
            _points("word", "auroc", ("word", "AUROC"), colour="level", panel="detector", reference=0.5),
        )
    groups = scored.groups[scored.groups["detector"].isin(leaders) & (scored.groups["n"] > 0)]
    if len(groups):
        titles = ("kind of organism", "part named rightly")
        yield Exhibit(
            "groups",
            "Where access to the inside helps",
            groups,
            "Organisms raised together share one network; in some worlds a thing is never apart from the intended one.",
            "Exact 95 % intervals over organisms; degenerate ones are left out. The line is chance.",
            _points("group", "right", titles, colour="level", panel="detector", reference=0.125),
        )
    gains = _gains(scored)
    if len(gains):
        most = gains.sort_values("gain").to_dict("records")[-1]
        yield Exhibit(
            "weights",
            "What access to the weights adds",
            gains,
            f"Most: {_gain(most)}, for {most['group']}.",
            "AUROC given the weights less AUROC given the level; 95 % intervals over worlds. The line is no gain.",
            _points("group", "gain", ("kind of organism", "gain in AUROC"), colour="level", reference=0.0),
        )
    if board["recall"].notna().any():
        top = board.loc[board["recall"].idxmax()]
        titles = ("level of access", "recall at 1 % false")
        yield Exhibit(
            "recall",
            "What is found when at most 1 % are accused wrongly",
            board,
            f"Most: {percent(top['recall'])} by {top['detector']} at {top['level']}.",
            over,
            _points("level", "recall", titles, ends="recall_", colour="detector"),
        )
    if board["calibration"].notna().any():
        best = board.loc[board["calibration"].idxmin()]
        columns = ["detector", "level", "brier", "calibration", "right", "rank", "n", "degenerate", "lost"]
        yield Exhibit(
            "calibration",
            "Calibration and rank of the true fact",
            board[columns],
            f"Best calibrated: {best['detector']} at {best['level']}, {number(best['calibration'])}.",
        )
    if len(scored.lost):
        text = f"{plural(len(scored.lost), 'cell')}; they count as wrong."
        yield Exhibit("lost", "Cells that were lost", scored.lost, text)


def _points(x: str, y: str, titles: tuple[str, str], *, ends: str = "", **more: Any) -> Chart:
    """A chart of points with their intervals, which are the columns ``<ends>low`` and ``<ends>high``."""
    return Chart("points", x, y, *titles, f"{ends}low", f"{ends}high", **more)


def _leaders(board: pd.DataFrame) -> list[str]:
    """Detectors shown in detail: those that take part at several levels and beat chance somewhere, or the only one."""
    if board["detector"].nunique() == 1:
        return [str(board["detector"].iloc[0])]
    known = board[board["auroc"].map(measured)].groupby("detector")
    several, best = known["level"].size() > 1, known["auroc_low"].max() > 0.5
    return [str(name) for name in several.index[several & best]]
