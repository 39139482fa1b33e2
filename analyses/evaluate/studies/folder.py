"""The folder of a study: one study each, and copied where the run shall stand."""

from __future__ import annotations

import shutil

from imprint.analyses.evaluate.record import LEFTOVERS
from imprint.analyses.evaluate.run import read_setup
from imprint.models.errors import ImprintError
from imprint.models.files import alone_in
from imprint.models.setup.alignment import Named
from imprint.models.store import RunFolder


def require_own(folder: RunFolder, setup: Named, what: str) -> bool:
    """Whether a folder holds this study; raises :class:`ImprintError` when it holds anything else."""
    if not folder.path.exists() or not any(one.name != ".lock" for one in folder.path.iterdir()):
        return False
    if not folder.setup_file.is_file():
        raise ImprintError(f"{what} {folder.path} holds other files and no study; choose another.")
    held = read_setup(folder)
    if held.run_name != setup.run_name:
        before, now = held.resolved(), setup.resolved()
        about = ("question", "description")
        changed = [part for part in {**before, **now} if part not in about and before.get(part) != now.get(part)]
        raise ImprintError(
            f"{what} {folder.path} holds another study, {held.run_name}: it differs in {', '.join(changed)}. Choose "
            "another folder, or begin as that one was begun."
        )
    return True


def copy_evidence(source: RunFolder, target: RunFolder, setup: Named) -> None:
    """The evidence in another folder, in place of an earlier run of the same study."""
    if target.path.is_file():
        raise ImprintError(f"path {target.path} is a file; expected a folder for the run.")
    require_own(target, setup, "path")
    with alone_in(target.path):
        for path in (path for pattern in LEFTOVERS for path in target.path.glob(pattern)):
            path.unlink()
        for path in source.path.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                place = target.path / path.relative_to(source.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)
