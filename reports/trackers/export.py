"""Writes a run for a tracker, by the tracker's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imprint.models.errors import ImprintError, unknown_name
from imprint.reports.reading.run import load_run
from imprint.reports.trackers import mlflow, tensorboard
from imprint.reports.trackers.tracked import Tracked, tracked


def export_to(tracker: str, folder: Path, target: Path) -> list[Path]:
    """Write a run for ``tensorboard`` or ``mlflow`` into the folder ``target``; the files that were made.

    Raises :class:`UnknownNameError` for another tracker, and :class:`ImprintError` where its package is missing.
    """
    writers: dict[str, Callable[[Tracked, Path], None]] = {"mlflow": mlflow.write, "tensorboard": tensorboard.write}
    if tracker not in writers:
        raise unknown_name("tracker", tracker, writers)
    run = tracked(load_run(folder))
    before = set(target.rglob("*")) if target.exists() else set()
    try:
        writers[tracker](run, target)
    except ModuleNotFoundError as error:
        raise ImprintError(
            f"{error.name} is not installed, and --to {tracker} needs it; pip install 'imprint[{tracker}]'."
        ) from None
    return sorted(file for file in set(target.rglob("*")) - before if file.is_file())
