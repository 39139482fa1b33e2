"""Detectors by name: those that ship, a function ``module:function``, or any program.

A program gets the path of a ``.npz`` file as its last argument and prints one JSON object. The file holds the arrays of
the level and two texts: ``about`` (JSON: facts with their natures, which was meant, which are listed, what the subject
is) and ``level``. It is run in an empty folder, and must end within :data:`SECONDS`.
"""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imprint.analyses.organisms.detectors.access import LEVELS, Access, Detector
from imprint.analyses.organisms.detectors.answering import NonsenseError
from imprint.analyses.organisms.detectors.exposing import exposing
from imprint.analyses.organisms.detectors.ours import ours
from imprint.analyses.organisms.detectors.plain import at_random, behaviour_clustering, erasure, linear_probe, saliency
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import write_arrays

SECONDS = 60
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Contestant:
    """A detector and the levels at which it takes part."""

    name: str
    detect: Detector
    levels: tuple[str, ...] = LEVELS


SHIPPED: dict[str, Contestant] = {
    one.name: one
    for one in (
        Contestant("ours", ours),
        Contestant("expose", exposing, ("value outputs", "weights")),
        Contestant("linear probe", linear_probe, ("activations",)),
        Contestant("saliency", saliency, ("weights",)),
        Contestant("erasure", erasure, ("weights",)),
        Contestant("behaviour clustering", behaviour_clustering, ("behaviour",)),
        Contestant("random", at_random),
    )
}


def contestant(detector: str | Callable[..., Any]) -> Contestant:
    """A detector by name, function or command. Raises :class:`ImprintError` when there is none."""
    if callable(detector):
        return Contestant(getattr(detector, "__name__", type(detector).__name__), detector)
    if detector in SHIPPED:
        return SHIPPED[detector]
    if FUNCTION.fullmatch(detector):
        return Contestant(detector, _function(detector))
    words = shlex.split(detector)
    if not words or shutil.which(words[0]) is None:
        raise unknown_name(
            "detector", detector, SHIPPED, advice="A function is written module:function; a program must be found."
        )
    return Contestant(detector, partial(_ask, [str(Path(shutil.which(words[0]) or "").absolute()), *words[1:]]))


def _function(name: str) -> Detector:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ImprintError(f"the detector {name!r} cannot be imported: {error}.") from None
    finally:
        if added:
            sys.path.remove(here)
    if not callable(found):
        raise ImprintError(f"{name!r} is {type(found).__name__}; expected a function of (subject, access).")
    detect: Detector = found
    return detect


def _ask(command: list[str], subject: Access, access: str) -> Any:
    """The answer of a program. Raises :class:`NonsenseError` when it fails, or prints no JSON."""
    texts = {"about": np.array(json.dumps(subject.about.as_data())), "level": np.array(access)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "subject.npz"
        write_arrays(path, {**subject.arrays(), **texts})
        whole = [*command[:1], *(str(Path(w).absolute()) if Path(w).is_file() else w for w in command[1:]), str(path)]
        try:
            done = subprocess.run(whole, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)
        except subprocess.TimeoutExpired:
            raise NonsenseError(f"the program did not end within {SECONDS} seconds.") from None
        except OSError as error:
            raise NonsenseError(f"the program cannot be run: {error}.") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NonsenseError(f"the program ended with {done.returncode}: {last:.200}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise NonsenseError(f"the program printed {done.stdout.strip()!r:.80}; expected one JSON object.") from None
