"""What the phase diagrams draw: keys, cells and measures, as plain data for the script of the page.

A diagram has one setting across, one down, a third side by side, and the rest fixed by the reader; with that many
choices they are drawn in the browser (``templates/phase.js``), each as one SVG. Numbers are in the scale cividis, which
readers with any colour vision see as rising lightness; words have colours close to those of Okabe and Ito, and a
letter. What is not a number is never a colour alone: undetermined cells are hatched, failed and diverged cells crossed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.effects_of_settings.cells import MEASURES, Measure, Swept
from imprint.analyses.verdicts import UNDETERMINED
from imprint.reports.reading.sweep import PROBABILITY, SweepData
from imprint.reports.sweeps.names import short_keys
from imprint.reports.words import age_tick, measured, number

OKABE_ITO = ("#0072b2", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#999999")
"""Colours of words: the intended one is blue, as everywhere in the reports."""
KEPT = "intended"


def diagrams_of(sweep: SweepData, effects: pd.DataFrame) -> dict[str, Any]:
    """The data of all diagrams; axes are, at first, the settings that move the latch most."""
    cells, short = sweep.cells, short_keys(sweep.cells.keys)
    order = [key for key in dict.fromkeys(effects["key"]) if key in cells.grid]
    order += [key for key in cells.keys if key not in order]
    keys = [{"name": key, "short": short[key], "values": cells.labels(key)} for key in order]
    codes = [cells.of(key).tolist() for key in order]
    return {
        "file": sweep.folder,
        "keys": keys,
        "codes": codes,
        "states": sweep.states,
        "diverged": sweep.partly_diverged,
        "seeds": _seeds(cells),
        "leads": _texts(cells.frame, "leads"),
        "errors": _texts(cells.frame, "error"),
        "diagrams": [_words(sweep), *_probabilities(sweep), *_numbers(cells)],
    }


def _words(sweep: SweepData) -> dict[str, Any]:
    """The verdict of every cell, a colour and a letter each."""
    said = sweep.verdicts
    words = sorted({*said} - {"", UNDETERMINED}, key=lambda word: (word != KEPT, word))
    words = words + ([UNDETERMINED] if UNDETERMINED in set(said) else [])
    letters = letters_of(words)
    colours = {word: OKABE_ITO[i % len(OKABE_ITO)] for i, word in enumerate(w for w in words if w != UNDETERMINED)}
    if KEPT not in words and colours:  # blue stays the colour of the intended word
        colours = {word: OKABE_ITO[1 + i % (len(OKABE_ITO) - 1)] for i, word in enumerate(colours)}
    key = [{"word": word, "letter": letters[word], "colour": colours.get(word, "")} for word in words]
    return {
        "id": "verdict",
        "title": "Verdict",
        "kind": "words",
        "words": key,
        "values": [words.index(word) if word else None for word in said],
        "caption": "The word that reached .95 on draws over seeds.",
    }


def letters_of(words: Sequence[str]) -> dict[str, str]:
    """A letter per word: its own first letter (of a proxy, that of its name), or the next one that is free."""
    taken: dict[str, str] = {}
    for word in words:
        if word == UNDETERMINED:
            taken[word] = "?"
            continue
        name = word.rpartition(":")[2]
        free = [letter.upper() for letter in name if letter.isalnum() and letter.upper() not in taken.values()]
        spare = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in taken.values()]
        taken[word] = (free or spare or ["#"])[0]
    return taken


def _probabilities(sweep: SweepData) -> list[dict[str, Any]]:
    """One diagram, in which the reader chooses the word."""
    options: list[dict[str, Any]] = []
    columns = {word: sweep.cells.values(Measure(word, f"{PROBABILITY}{word}", "")) for word in sweep.words}
    known = {word: values for word, values in columns.items() if np.isfinite(values).any()}
    if not known:
        return []
    for word in sorted(known, key=lambda word: (word != KEPT, -np.nanmean(known[word]))):  # the likeliest comes first
        options.append({"name": f"“{word}”", "values": _plain(known[word])})
    about = {"id": "probability", "title": "Probability of the word", "kind": "numbers", "low": 0.0, "high": 1.0}
    texts = [[_short(value) for value in option["values"]] for option in options]
    for option, shown in zip(options, texts, strict=True):
        option["texts"] = shown
    caption = "The part of draws over seeds and worlds on which the rule gives this word; 0 to 1."
    return [{**about, "ends": ["0", "1"], "options": options, "caption": caption}]


def _numbers(cells: Swept) -> list[dict[str, Any]]:
    """Dominance, wanting and age of the latch, those that were measured."""
    drawn = []
    for measure in cells.measures():
        if measure is MEASURES["probability"]:
            continue
        values = cells.values(measure)
        known = values[np.isfinite(values)]
        low, high = (0.0, float(known.max())) if measure.age else (min(0.0, known.min()), max(1.0, known.max()))
        show = _age if measure.age else _short
        whose = "experiences; a dash: no word was said, so none has an age." if measure.age else "Over seeds."
        option = {"name": "", "values": _plain(values), "texts": [show(value) for value in _plain(values)]}
        option |= {"lows": _end(cells, measure, 0), "highs": _end(cells, measure, 1)}
        drawn.append(
            {
                "id": measure.name.replace("_", "-"),
                "title": f"{measure.text[:1].upper()}{measure.text[1:]}",
                "kind": "numbers",
                "low": float(low),
                "high": float(high) if high > low else float(low) + 1.0,
                "ends": [show(low), show(high)],
                "options": [option],
                "caption": f"Unit: {whose}" if measure.age else f"{whose} The pointer shows its 95 % interval.",
            }
        )
    return drawn


def _end(cells: Swept, measure: Measure, which: int) -> list[float | None]:
    if measure.ends is None or measure.ends[which] not in cells.frame:
        return []
    return _plain(cells.values(Measure("", measure.ends[which], "")))


def _short(value: float | None) -> str:
    """Two digits, without the zero before the point, so that they fit on the tiles of a phone: ``.87``, ``1``."""
    if not measured(value) or value is None:
        return ""
    return f"{value:.2f}".replace("-", "\u2212").replace("0.", ".").replace(".00", "0" if abs(value) < 0.005 else "")


def _age(value: float | None) -> str:
    return age_tick(value) if measured(value) else ""


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def _seeds(cells: Swept) -> list[str]:
    if "seeds" not in cells.frame:
        return [""] * len(cells.frame)
    return [number(int(n)) if measured(n) else "" for n in cells.frame["seeds"]]


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    if name not in frame:
        return [""] * len(frame)
    return [str(text) for text in frame[name].fillna("")]
