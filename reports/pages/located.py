"""The table that ``imprint.locate`` returns -> one self-contained HTML page.

Each concept's answer stands first, then its score over the sites in the order in which they were given (the depth of a
network) beside the highest floor, the selectivity of all cells, the rates at the threshold, what is wrong with the
rows, and every number. Names of concepts and sites are untrusted, as on all pages
(:mod:`imprint.reports.pages.template`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit
from imprint.models.errors import ImprintError
from imprint.models.files import write_bytes
from imprint.reports.answers.located import MEANINGS, PRESENT
from imprint.reports.pages.question import show
from imprint.reports.pages.template import Page, fill
from imprint.reports.parts import Table
from imprint.reports.words import bracketed, measured, number, plural, quoted

NEEDED = ("concept", "site", "score", "low", "high", "null", "untrained", "inputs", "selectivity", "verdict", "why")
"""Columns without which a table is not one of ``imprint.locate``."""
FLOORS = ["null", "untrained", "inputs"]
NAME = "located.html"
"""File name of the page where only a folder is given."""


def report_located(frame: pd.DataFrame, path: str | Path | None = None) -> Path:
    """Write the page of a table of ``imprint.locate``; its path.

    ``path``: the file, or a folder that is there; default: ``located.html`` in the current folder. Raises
    :class:`ImprintError` for another table.
    """
    target = Path(NAME if path is None else path)
    target = target / NAME if target.is_dir() else target
    write_bytes(target, render_located(frame, target.stem).encode("utf-8"))
    return target


def render_located(frame: pd.DataFrame, name: str = "located") -> str:
    """The page as text; ``name`` goes into its title and the names of downloads."""
    if lacking := [column for column in NEEDED if column not in frame]:
        raise ImprintError(
            f"this table has no column {', '.join(lacking)}; expected the one that imprint.locate returns."
        )
    if frame.empty:
        raise ImprintError("this table has no rows, so there is nothing to report.")
    shown = [show(exhibit) for exhibit in _exhibits(frame)]
    plots = {panel.id: panel.plot for item in shown for panel in item.panels}
    every = Table("cells", "All cells with every floor and reason", pd.DataFrame(frame), open=len(shown) == 0)
    page = Page("result.html", name, plots, [*(item.table for item in shown), every])
    content = {
        "name": name,
        "maker": "imprint locate",
        "heading": "What can be read where",
        "answers": [answer_of(frame, concept) for concept in _names(frame, "concept")],
        "notes": list(_notes(frame)),
        "caveats": frame.attrs.get("caveats", []),
        "shown": shown,
        "every": every,
        "meanings": MEANINGS,
        "asked": frame.attrs.get("asked", {}),
    }
    return fill(page, content)


def answer_of(frame: pd.DataFrame, concept: str) -> dict[str, str]:
    """Concept, verdict, and the sentence that says where the concept is read and how well."""
    rows = frame[frame["concept"].astype(str) == concept]
    found = rows[rows["verdict"].isin(PRESENT)]
    if found.empty:
        counted = rows["verdict"].value_counts()
        word = str(counted.index[0])
        others = [f"{other} at {count}" for other, count in counted.items() if other != word]
        also = f" ({', '.join(others)})" if others else ""
        top = rows.sort_values("score", ascending=False).iloc[0] if rows["score"].notna().any() else None
        score = "" if top is None else f"; the highest score is {bracketed(top['score'], top['low'], top['high'])}"
        text = (
            f"{word} at {counted.iloc[0]} of {plural(len(rows), 'site')}{also}{score}. {_sentence(rows['why'].iloc[0])}"
        )
        return {"concept": concept, "verdict": word, "sentence": text}
    first, best = found.iloc[0], frame.attrs.get("best", {}).get(concept, {})
    text = f"present at {len(found)} of {plural(len(rows), 'site')}, first at {first['site']}"
    if best.get("site") is not None and measured(best.get("score")):
        above = number(best["selectivity"], signed=True)
        score = bracketed(best["score"], best["low"], best["high"])
        text += f"; read best at {best['site']} (chosen on one half of the groups): {score} on the other half, {above} "
        text += "against the highest floor"
    return {"concept": concept, "verdict": str(first["verdict"]), "sentence": f"{text}."}


def layer_curve(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Score and highest floor of every concept over the sites in their order, and what the sites are called.

    Sites whose names differ in one part only, as ``blocks.0`` and ``blocks.1``, are called by that part.
    """
    sites = _names(frame, "site")
    short, pattern = short_names(sites)
    depth = dict(zip(sites, short, strict=True))
    base = frame.assign(concept=frame["concept"].astype(str), layer=[depth[str(site)] for site in frame["site"]])
    base.attrs.clear()  # pandas compares attributes, and cannot compare the tables among them
    of = base[["concept", "layer", "site", "score", "low", "high"]].assign(what="score")
    floor = base.assign(score=base[FLOORS].max(axis=1), low=float("nan"), high=float("nan"), what="highest floor")
    rows = pd.concat([of, floor[of.columns]], ignore_index=True)
    return rows.reset_index(drop=True), pattern


def short_names(sites: Sequence[str]) -> tuple[list[Any], str]:
    """What tells sites apart, as numbers where all are, and the pattern of the whole name with ``#`` in that place."""
    before = re.sub(r"[^._@/]*$", "", _shared(sites)) if len(sites) > 1 else ""
    after = _shared([site[len(before) :][::-1] for site in sites])[::-1] if len(sites) > 1 else ""
    after = re.sub(r"^[^._@/]*", "", after)
    middle = [site[len(before) : len(site) - len(after)] for site in sites]
    if not (before or after) or not all(middle):
        return list(sites), ""
    numbers = all(part.isdecimal() for part in middle)
    return [int(part) for part in middle] if numbers else middle, f"{before}#{after}"


def _shared(texts: Sequence[str]) -> str:
    """The characters with which all texts begin."""
    first, last = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _exhibits(frame: pd.DataFrame) -> Iterator[Exhibit]:
    sites, concepts = _names(frame, "site"), _names(frame, "concept")
    rows, pattern = layer_curve(frame)
    what = f"site {pattern}" if pattern else "site, in the order given"
    if len(sites) > 1:
        chart = Chart("lines", "layer", "score", what, "score", "low", "high", colour="what", panel="concept")
        yield Exhibit(
            "layers",
            "Score over depth",
            rows[rows["score"].notna()] if rows["score"].notna().any() else rows,
            _climbs(frame),
            "Balanced accuracy for classes, R2 for numbers, cross-validated with groups kept together; the band is the "
            "95 % interval over groups. The highest floor is that of shuffled labels, untrained twins or the input.",
            chart,
        )
    cells = frame.assign(concept=frame["concept"].astype(str), site=frame["site"].astype(str))
    grid = cells[["site", "concept", "selectivity", "verdict"]]
    counted = frame["verdict"].value_counts()
    yield Exhibit(
        "grid",
        "Selectivity of every concept at every site",
        grid,
        f"Of {plural(len(frame), 'cell')}: {', '.join(f'{count} {word}' for word, count in counted.items())}.",
        "Selectivity is the score minus the highest floor; blank at zero, grey where it was not measured.",
        Chart("heat", "concept", "site", "concept", "site", colour="selectivity")
        if len(concepts) <= 12 and len(sites) <= 60
        else None,
    )
    rates = frame.attrs.get("rates")
    if isinstance(rates, pd.DataFrame) and len(rates):
        read = "Rates of each class against all others, of probes that did not see the row."
        yield Exhibit("rates", "Rates at the probe's threshold", rates, read)
    leaks = frame.attrs.get("leaks")
    if isinstance(leaks, pd.DataFrame) and len(leaks):
        read = f"Found about {quoted(dict.fromkeys(leaks['concept'].astype(str)))}; these make a score too good."
        yield Exhibit("leaks", "Rows that are not independent", leaks, read)


def _climbs(frame: pd.DataFrame) -> str:
    """One sentence: first and last score of each concept (of the first four)."""
    parts = []
    for concept in _names(frame, "concept")[:4]:
        scores = frame.loc[frame["concept"].astype(str) == concept, "score"].dropna()
        if len(scores):
            parts.append(f"“{concept}” {number(scores.iloc[0])} to {number(scores.iloc[-1])}")
    return f"From the first to the last site: {', '.join(parts)}." if parts else "No score was measured."


def _notes(frame: pd.DataFrame) -> Iterator[str]:
    """What the page lacks, and which floors nobody measured."""
    for floor, advice in (
        ("untrained", "untrained=, activations of randomly initialised twins"),
        ("inputs", "inputs=, the raw input"),
    ):
        if frame[floor].isna().all():
            yield f"The floor “{floor}” was not measured: pass {advice}; without it “present” does not say “learned”."
    if "best" not in frame.attrs:
        yield "This table names no best sites; pandas drops them, with other attributes, in some operations."


def _names(frame: pd.DataFrame, column: str) -> list[str]:
    return [str(name) for name in dict.fromkeys(frame[column])]


def _sentence(why: object) -> str:
    text = str(why).strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""
