"""The folder of a run, found before anything of it is read. Imports nothing heavy, so that commands refuse at once."""

from __future__ import annotations

from pathlib import Path

from imprint.models.errors import ImprintError, unknown_name


def run_folder(run: object) -> Path:
    """The folder of a run or of an answered question, given as a path or as anything with a ``path``.

    Raises :class:`UnknownNameError` with the near miss among the folders beside it and in ``runs``.
    """
    path = Path(str(getattr(run, "path", run)))
    try:
        found = path.is_dir()
    except OSError as error:  # what was given is no name of a folder
        what = f"{type(run).__name__} is no run: its text is no path"
        raise ImprintError(f"{what} ({error.strerror}). Give the folder of a run, or a Run.") from None
    if found:
        return path
    places = dict.fromkeys((path.parent, Path("runs")))
    files = [file for place in places if place.is_dir() for file in sorted(place.glob("*/*"))]
    known = [str(file.parent) for file in files if file.name in ("setup.yaml", "question.json")]
    raise unknown_name("run folder", path, known, advice="`imprint run` and `imprint analyse` make them.")
