"""A sweep's folder -> one self-contained HTML page.

First what was swept, which setting moves the latch most and where the border lies; then phase diagrams, the effect of
every setting, pairs that do not add up, borders, and every cell. Made like the page of a run
(:mod:`imprint.reports.pages.template`): it holds all it needs and asks the network for nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from imprint.analyses.effects_of_settings.border import borders
from imprint.analyses.effects_of_settings.interactions import interactions
from imprint.analyses.effects_of_settings.marginal import key_effects
from imprint.models.files import write_page
from imprint.reports.pages.question import Shown, show
from imprint.reports.pages.template import TEMPLATES, Page, fill
from imprint.reports.parts import Table, flat
from imprint.reports.reading.sweep import SweepData, load_sweep
from imprint.reports.sweeps.borders import border_exhibits
from imprint.reports.sweeps.diagrams import diagrams_of
from imprint.reports.sweeps.effects import interaction_exhibits, main_effects
from imprint.reports.sweeps.headline import headline_of

ROWS = 200
"""Cells that are shown in the table of the page."""
AXES = (("x", "Across"), ("y", "Down"), ("z", "Side by side"))


def report_sweep(folder: object) -> Path:
    """Write ``report.html`` into a sweep's folder (a path, or anything with a ``path``), whole or not at all.

    Raises :class:`ImprintError` when a file of the folder is missing, damaged or does not fit the others.
    """
    data = load_sweep(folder)
    target = data.path / "report.html"
    write_page(target, render_sweep(data), data.path / "cells.parquet")
    return target


def render_sweep(data: SweepData) -> str:
    """The page as text."""
    effects, border = key_effects(data.cells), borders(data.cells)
    shown = exhibits_of(data, effects, border)
    phase = diagrams_of(data, effects)
    cells, provenance = cells_table(data), [settings_table(data)]
    plots = {panel.id: panel.plot for item in shown for panel in item.panels}
    page = Page("sweep.html", data.folder, plots, [*(item.table for item in shown), cells, *provenance])
    content: dict[str, Any] = {
        "data": data,
        "question": data.setup.get("question") or f"What does the reward of {data.name} latch onto, and when?",
        "headline": headline_of(data, effects, border),
        "phase": phase,
        "axes": AXES[: len(data.cells.keys)],
        "middle": {key: (len(values) - 1) // 2 for key, values in data.cells.grid.items()},
        "seeds": _seeds(data),
        "shown": shown,
        "cells": cells,
        "provenance": provenance,
        "drawing": Markup((TEMPLATES / "phase.js").read_text(encoding="utf-8")),
    }
    return fill(page, content)


def sweep_contents(data: SweepData) -> tuple[list[Shown], list[Table]]:
    """What the page shows besides phase diagrams: exhibits, and the table of all cells."""
    return exhibits_of(data, key_effects(data.cells), borders(data.cells)), [cells_table(data)]


def exhibits_of(data: SweepData, effects: pd.DataFrame, border: pd.DataFrame) -> list[Shown]:
    """Effects, interactions and borders, drawn."""
    found = [*main_effects(data.cells, effects), *interaction_exhibits(data.cells, interactions(data.cells))]
    return [show(exhibit) for exhibit in (*found, *border_exhibits(border))]


def cells_table(data: SweepData) -> Table:
    """Every cell with all its numbers."""
    return Table("all-cells", "All cells", data.cells.frame, open=True, rows=ROWS)


def settings_table(data: SweepData) -> Table:
    """What was swept, and with which versions."""
    return Table("record", "What was swept", pd.DataFrame(flat(dict(data.record)), columns=["entry", "value"]))


def _seeds(data: SweepData) -> str:
    low, high = data.seeds
    return "" if not high else f"n = {low if low == high else f'{low} to {high}'} training seeds a cell."
