"""The setups that ship, side by side: which have a run under a folder, which are missing, and the table of all.

A run counts when it is that very setup (its folder is named by the digest of every setting), with the number of seeds
that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from imprint.analyses.evaluate.compare import task
from imprint.analyses.evaluate.run import Run, TrainedSetup, open_finished
from imprint.analyses.evaluate.setups_compared.contrasts import contrasts
from imprint.analyses.evaluate.setups_compared.numbers import MEASURES, Numbers, numbers_of
from imprint.analyses.statistics import NAN
from imprint.models import registry
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.setup.load import load_setup

PER_SEED = 60.0
"""Seconds of work for each training seed, controls included, where no run of the same world tells: 35 to 100 for the
nursery and 45 for the coin were measured on two cores."""
ENDS = ("probability", "latch_age", "lead", "drift", "outer", "cost")
"""Measures without an interval over seeds."""


@dataclass(frozen=True)
class Missing:
    """A setup without a finished run."""

    setup: TrainedSetup
    command: str
    """Makes the run."""
    changes: Mapping[str, Any]
    """Dotted keys -> values, other than the number of seeds, with which it is made."""
    seconds: float
    """What it is expected to take on one core."""


@dataclass(frozen=True)
class Compared:
    """Setups side by side."""

    table: pd.DataFrame
    """One row per setup: question, verdict, every measure with its interval; setups of one question together."""
    contrasts: pd.DataFrame
    """One row per pair that differs in one setting."""
    missing: Sequence[Missing]
    scale: float | None = None
    """Part of its lifetime that every setup lived; None: the whole."""


def compare_shipped(
    *,
    out: str | Path = "runs",
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    scale: float | None = None,
    names: Sequence[str] | None = None,
) -> Compared:
    """Every shipped setup that has a finished run in the folder ``out``, side by side; ``names``: only these.

    ``seeds`` and ``changes`` (dotted keys -> values) as in :func:`imprint.evaluate`: runs of other settings do not
    count. ``scale``: part of its lifetime that every setup lives. Raises :class:`ImprintError` for changes that fit
    none of the setups and names that no shipped setup has.
    """
    setups = shipped(seeds=seeds, changes=changes, scale=scale, names=names)
    folders = {setup.name: Path(out) / setup.run_name for setup in setups}
    runs = [open_finished(folders[s.name]) for s in setups if (folders[s.name] / "findings.parquet").is_file()]
    lacking = [setup for setup in setups if not (folders[setup.name] / "findings.parquet").is_file()]
    missing = []
    for setup in lacking:
        whole = {**({} if scale is None else shortened(setup.name, scale)), **(changes or {})}
        missing.append(Missing(setup, _command(setup.name, out, seeds, whole), whole, _seconds(setup, runs)))
    return replace(compare_setups(runs, missing=missing), scale=scale)


def compare_setups(runs: Sequence[Run], *, missing: Sequence[Missing] = ()) -> Compared:
    """Finished runs of different setups side by side; questions may differ, differences are within one question."""
    names = [run.setup.name for run in runs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ImprintError(f"two runs are of the setup {twice[0]!r}; give one of each, or use `imprint compare`.")
    numbers = {run.setup.name: numbers_of(run) for run in runs}
    rows = [_row(run, numbers[run.setup.name]) for run in runs]
    columns = ["setup", "question", "verdict", "seeds", "worlds"]
    measures = [column for name in MEASURES for column in (name, *(() if name in ENDS else _ends(name)))]
    table = pd.DataFrame(rows, columns=[*columns, *measures])
    table = table.sort_values(["question", "probability"], ascending=[True, False], kind="stable", ignore_index=True)
    return Compared(table, contrasts(runs, numbers), missing)


def shipped(
    *,
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    scale: float | None = None,
    names: Sequence[str] | None = None,
) -> list[TrainedSetup]:
    """All setups that ship, or those named, with ``changes`` where they have such a setting, and this part of life.

    Raises :class:`ImprintError` for a name that no shipped setup has, and for changes that fit none of the setups.
    """
    ship = registry.setups()
    if odd := [name for name in names or () if name not in ship]:
        raise unknown_name("setup that ships", odd[0], ship)
    whole = {**(changes or {}), **({} if seeds is None else {"schedule.seeds": seeds})}
    found, refused = [], {}
    for name in dict.fromkeys(names or ship):
        try:
            short = {} if scale is None else shortened(name, scale)
            found.append(cast("TrainedSetup", load_setup(name, changes={**short, **whole})))
        except ImprintError as error:
            refused[name] = error
    if not found:
        raise next(iter(refused.values()))
    return found


def shortened(name: str, scale: float) -> dict[str, Any]:
    """Dotted keys -> values with which a shipped setup lives a part of its lifetime.

    What stands in experiences is multiplied: the lifetime, and the ages at which a window of learning opens or closes.
    Raises :class:`ImprintError` for a part that is not above 0 and at most 1.
    """
    if not 0.0 < scale <= 1.0:
        raise ImprintError(f"scale is {scale:g}; expected a part of each setup's lifetime, above 0 and at most 1.")
    setup = cast("TrainedSetup", load_setup(name))
    window = {f"assessor.{key}": getattr(setup, "assessor", {}).get(key) for key in ("opens_at", "closes_at")}
    ages = {"schedule.experiences": setup.schedule.experiences, **{key: at for key, at in window.items() if at}}
    return {key: max(1, round(scale * age)) for key, age in ages.items()}


def _row(run: Run, numbers: Numbers) -> dict[str, Any]:
    latch = run.latch_row()
    seeds = latch["seeds"] if latch is not None else NAN
    row = {"setup": run.setup.name, "question": task(run.setup), "verdict": run.verdict, "seeds": seeds}
    row["worlds"] = min(run.setup.world_count, int(seeds)) if pd.notna(seeds) else NAN
    for name, estimate in numbers.over_seeds.items():
        row |= {name: estimate.value, **dict(zip(_ends(name), (estimate.low, estimate.high), strict=True))}
    return row


def _ends(name: str) -> tuple[str, str]:
    return f"{name}_low", f"{name}_high"


def _command(name: str, out: str | Path, seeds: int | None, changes: Mapping[str, Any] | None) -> str:
    words = ["imprint run", name, *([] if seeds is None else [f"--seeds {seeds}"])]
    words += [f"--set {key}={value}" for key, value in (changes or {}).items()]
    return " ".join([*words, *([] if str(out) == "runs" else [f"--out {out}"])])


def _seconds(setup: TrainedSetup, runs: Sequence[Run]) -> float:
    """From the runs of the same question, scaled by seeds; without any, from :data:`PER_SEED`."""
    costs = [numbers_of(run).over_seeds["cost"].value for run in runs if task(run.setup) == task(setup)]
    known = [cost for cost in costs if cost == cost]
    return setup.schedule.seeds * (sum(known) / len(known) if known else PER_SEED)
