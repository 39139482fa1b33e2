"""The folder of a run, found before anything of it is read. Imports nothing heavy, so that commands refuse at once."""

from __future__ import annotations

from pathlib import Path

from imprint.models.errors import ImprintError, unknown_name

SETUP, QUESTION, SWEEP = "setup.yaml", "question.json", "sweep.json"
"""The file that says what a folder is of: a run or study, an answered question, a sweep."""


def is_sweep(run: object) -> bool:
    """Whether a folder, or what has one as its ``path`` or ``folder``, is that of a sweep."""
    place = getattr(run, "path", getattr(run, "folder", run))
    return isinstance(place, str | Path) and (Path(place) / SWEEP).is_file()


def run_folder(run: object) -> Path:
    """The folder of a run, an answered question or a sweep, given as a path or as what has a ``path`` or ``folder``.

    Raises :class:`UnknownNameError` with the near miss among the folders beside it and in ``runs``.
    """
    path = Path(str(getattr(run, "path", getattr(run, "folder", run))))
    try:
        found = path.is_dir()
    except OSError as error:  # what was given is no name of a folder
        what = f"{type(run).__name__} is no run: its text is no path"
        what = f"{path!s:.60}... is no path" if isinstance(run, str | Path) else what
        raise ImprintError(f"{what} ({error.strerror}). Give the folder of a run, or a Run.") from None
    if found:
        return path
    if path.is_file():
        raise ImprintError(
            f"{path} is a file; expected the folder of a run, an answered question or a sweep. Files of activations go "
            f"with their labels: imprint locate {path} labels.csv."
        )
    places = dict.fromkeys((path.parent, Path("runs")))
    files = [file for place in places if place.is_dir() for file in sorted(place.glob("*/*"))]
    known = [str(file.parent) for file in files if file.name in (SETUP, QUESTION, SWEEP)]
    raise unknown_name(
        "run folder", path, known, advice="`imprint run`, `imprint analyse` and `imprint sweep` make them."
    )
