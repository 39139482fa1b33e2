"""Contrasts: pairs of runs that answer one question and differ in one design choice, and what that choice does.

Two resolved setups are compared leaf by leaf (``world.lamp_cue``, ``steering.0.miss``); names and descriptions do not
count. A pair that differs in one leaf is a contrast; so is a setup and the one that it ``extends``, whatever its file
changes: its author made one choice of several settings, which are named together. The effect of a design choice is

    difference = mean over seeds k of (dominance_k with the other value - dominance_k),

paired by training seed, which has the same initial weights and random numbers in both and, in setups with a world for
each seed, the same world; the interval is Student's t over pairs. Pairs of different worlds, environments, intended
concepts or numbers of worlds are never formed. p-values are adjusted over all contrasts (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from imprint.analyses.evaluate.compare import task
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.setups_compared.numbers import Numbers
from imprint.analyses.statistics import NAN, holm, mean_of_all
from imprint.models import registry
from imprint.models.files import parse_yaml

UNCOUNTED = ("name", "description", "question", "schedule.seeds", "schedule.first_seed", "schedule.together")
"""Entries of a setup that change nothing that is done to a training seed."""
COLUMNS = [
    *("setting", "from_value", "to_value", "setup", "versus", "question", "difference", "low", "high", "pairs"),
    *("p_value", "p_adjusted"),
]
ABSENT = "(absent)"
KIND = "kind"


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in nested mappings and lists; a list of plain values is one leaf."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in data):
        for place, value in enumerate(data):
            yield from leaves(value, f"{path}.{place}")
    else:
        yield path, list(data) if isinstance(data, tuple) else data


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> both values, of every setting in which two resolved setups differ."""
    sides = [{key: value for key, value in leaves(one) if key not in UNCOUNTED} for one in (first, second)]
    keys = dict.fromkeys((*sides[0], *sides[1]))
    both = {key: (sides[0].get(key, ABSENT), sides[1].get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in both.items() if pair[0] != pair[1]}


def contrasts(runs: Sequence[Run], numbers: Mapping[str, Numbers]) -> pd.DataFrame:
    """One row per contrast, the largest difference first; columns :data:`COLUMNS`.

    ``numbers``: those of every run, by the name of its setup.
    """
    rows = []
    for pair in combinations(runs, 2):
        first, second = sorted(pair, key=lambda run: (len(run.setup.name), run.setup.name))
        if task(first.setup) != task(second.setup):
            continue
        if extends(first.setup.name) == second.setup.name:
            first, second = second, first
        apart = differing(first.setup.resolved(), second.setup.resolved())
        if len(apart) == 1 or (apart and extends(second.setup.name) == first.setup.name):
            setting, *values = choice(apart, (first.setup.name, second.setup.name))
            about = {"setting": setting, "from_value": values[0], "to_value": values[1]}
            about |= {"setup": second.setup.name, "versus": first.setup.name, "question": task(first.setup)}
            rows.append(about | _paired(numbers[first.setup.name], numbers[second.setup.name]))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_adjusted"] = holm(table["p_value"].to_numpy(dtype=np.float64))
    return table.sort_values("difference", key=lambda d: -d.abs(), kind="stable", na_position="last", ignore_index=True)


def extends(name: str) -> str:
    """Name of the setup that a setup that ships extends in its file; empty where there is none."""
    file = registry.setups().get(name)
    data = parse_yaml(file.read_text(encoding="utf-8"), file) if file is not None else None
    return str(data.get("extends", "")) if isinstance(data, dict) else ""


def choice(apart: Mapping[str, tuple[Any, Any]], names: tuple[str, str]) -> tuple[str, str, str]:
    """A design choice in words: what is set, and both values; of several settings the kind that they belong to.

    ``names``: of both setups, which stand for values that are too many to name.
    """
    if len(apart) == 1:
        ((setting, values),) = apart.items()
        return setting, str(values[0]), str(values[1])
    parts = list(dict.fromkeys(key.partition(".")[0] for key in apart))
    kind = f"{parts[0]}.{KIND}"
    if len(parts) == 1 and kind in apart:
        return kind, str(apart[kind][0]), str(apart[kind][1])
    if len(parts) == 1 and all(key.count(".") == 1 for key in apart):
        before, after = zip(*apart.values(), strict=True)
        setting = f"{parts[0]}: {', '.join(key.partition('.')[2] for key in apart)}"
        return setting, _listed(before), _listed(after)
    return " and ".join(parts), *names


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _paired(first: Numbers, second: Numbers) -> dict[str, Any]:
    """Columns of the mean difference in dominance over the seeds that both have; without any, of the two numbers."""
    apart = (second.per_seed["dominance"] - first.per_seed["dominance"]).dropna().to_numpy(dtype=np.float64)
    if not len(apart):
        difference = second.over_seeds["dominance"].value - first.over_seeds["dominance"].value
        return {"difference": difference, "low": NAN, "high": NAN, "pairs": 0, "p_value": NAN}
    columns: dict[str, Any] = mean_of_all(apart).row("difference", count="pairs")
    error = float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else 0.0
    p = float(2 * stats.t.sf(abs(columns["difference"]) / error, len(apart) - 1)) if error > 0 else NAN
    return columns | {"p_value": p}
