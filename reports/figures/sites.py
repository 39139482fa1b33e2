"""Where a name such as ``hook_context@seen`` is: parts of the network down, moments of the episode across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from imprint.reports.answers.located import PRESENT
from imprint.reports.pictures import data_uri
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age

ENLARGED = 120
"""Pixels to which a frame is enlarged at most."""


@dataclass(frozen=True)
class Place:
    """A site in the diagram."""

    site: str
    present: list[tuple[str, str]]
    """Concepts of the question that can be read there at the last age, each with its colour."""


@dataclass(frozen=True)
class Part:
    """A part of the network with a place, or none, under each moment."""

    name: str
    about: str
    places: list[Place | None]


@dataclass(frozen=True)
class Head:
    """A moment: its name, its frame in an episode, and a picture of that frame."""

    name: str
    frame: str
    picture: str


@dataclass(frozen=True)
class Diagram:
    """Parts down, moments across."""

    parts: list[Part]
    moments: list[Head]
    decision: str
    """Moment at which the value is read; empty where that is not known."""


def diagram(run: RunData, cells: pd.DataFrame, colours: Mapping[str, str]) -> Diagram:
    """From the subject's own list of sites, or from the names in ``cells`` where an older run stored none.

    ``cells``: a row per concept, site and age with its verdict.
    """
    stored = run.arrays("sites", ("site", "module", "kind", "width", "moment", "step", "decision")).values
    names = [str(name) for name in stored["site"]] if stored else list(dict.fromkeys(cells["site"]))
    moments = [str(name) for name in stored["moment"]] if stored else _moments(names)
    present = present_at(run, last_age(cells), colours)
    parts = parts_of(names, moments, present, _about(stored) if stored else {})
    return Diagram(parts, _heads(run, moments, stored), str(stored["decision"]) if stored else "")


def parts_of(
    names: Sequence[str], moments: Sequence[str], present: dict[str, list[tuple[str, str]]], about: dict[str, str]
) -> list[Part]:
    """Rows of the diagram; a site without a moment of its own has the whole row."""
    rows: dict[str, dict[str, Place]] = {}
    for name in names:
        part, at, moment = name.rpartition("@")
        part, moment = (part, moment) if at and moment in moments else (name, "")
        rows.setdefault(part, {})[moment] = Place(name, present.get(name, []))
    columns = list(moments) or [""]
    return [Part(part, about.get(part, ""), [own.get(m, own.get("")) for m in columns]) for part, own in rows.items()]


def present_at(run: RunData, now: pd.DataFrame, colours: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Site -> concepts of the question that are present there, each with its colour."""
    found = now[now["verdict"].isin(PRESENT)]
    return {
        str(site): [(name, colours.get(name, "--ink-soft")) for name in run.roles if name in set(rows["concept"])]
        for site, rows in found.groupby("site")
    }


def _moments(names: Sequence[str]) -> list[str]:
    """What stands behind the @ of names of sites."""
    return list(dict.fromkeys(name.rpartition("@")[2] for name in names if "@" in name))


def _about(stored: Any) -> dict[str, str]:
    """Part -> its class and width."""
    texts = {}
    for site, kind, width in zip(stored["site"], stored["kind"], stored["width"], strict=True):
        part = str(site).rpartition("@")[0] if len(stored["moment"]) and "@" in str(site) else str(site)
        texts[part] = ", ".join([str(kind)] * bool(kind) + [f"{int(width):,} numbers"] * bool(width))
    return texts


def _heads(run: RunData, moments: Sequence[str], stored: Any) -> list[Head]:
    """Head of every column."""
    steps = [int(step) for step in stored["step"]] if stored else [None] * len(moments)
    frames = run.arrays("gallery", ("before",)).values.get("before", np.zeros((0, 0, 1, 1, 3), np.uint8))
    heads = []
    for name, step in zip(moments, steps, strict=True):
        picture = ""
        if step is not None and len(frames) and step < frames.shape[1]:
            factor = max(1, ENLARGED // max(frames.shape[2:4]))
            picture = data_uri(frames[0, step].repeat(factor, axis=0).repeat(factor, axis=1))
        heads.append(Head(name, "" if step is None else f"frame {step + 1}", picture))
    return heads
