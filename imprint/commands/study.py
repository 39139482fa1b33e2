"""``imprint study``: checkpoints of a user's own training, examined and reported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from imprint.commands.text import console, parse_changes, plain, say
from imprint.models.errors import ImprintError, unknown_name

PARTS = ("evaluation", "decision")


class Asked(NamedTuple):
    """What a study needs to know, as text."""

    factory: str
    world: str
    intended: str
    proxies: str
    """Names with commas between them."""
    question: str


def study_folder(
    folder: Path, asked: Asked, *, pattern: str, untrained: int, changes: Sequence[str], out: Path | None
) -> bool:
    """Examine the checkpoints of a folder, print how it ended; whether every piece of work was finished."""
    make, world = named_object(asked.factory, "--factory"), named_object(asked.world, "--world")
    if not callable(make):
        raise ImprintError(f"--factory {asked.factory} is a {type(make).__name__}; expected a function.")
    settings = _settings(changes)
    from imprint.analyses.evaluate.studies.checkpoints import added, found
    from imprint.analyses.evaluate.studies.study import Study
    from imprint.commands.findings import closing
    from imprint.models.worlds.base import World
    from imprint.reports.pages.run import report
    from imprint.reports.reading.run import load_run

    found(folder, pattern)  # before anything is written
    page, target = console(), out or Path("runs") / folder.resolve().name
    study = Study(
        world if isinstance(world, World) or not callable(world) else world(),
        intended=asked.intended,
        proxies=[name.strip() for name in asked.proxies.split(",") if name.strip()],
        question=asked.question,
        folder=target,
        evaluation=settings.get("evaluation"),
        decision=settings.get("decision"),
    )
    say(page, f"{study.setup.run_name}: checkpoints of {plain(folder)}")
    for file in added(study, folder, make, pattern=pattern, untrained=untrained):
        say(page, f"examined {plain(file)}")
    data = load_run(study.finish().path)
    path = report(data)
    page.print()
    closing(page, data)
    page.print(Text(f"report  {plain(path)}", style="bold"), soft_wrap=True)
    return not data.failures


def named_object(text: str, option: str) -> Any:
    """What ``module:name`` names; modules of the current folder are found, too."""
    module, colon, name = text.partition(":")
    if not (colon and module and name):
        raise ImprintError(f"{option} is {text!r}; expected MODULE:NAME, for example maze:network.")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            near = [file.stem for file in Path.cwd().glob("*.py")]
            raise unknown_name(f"module of {option}", module, near) from None
        raise ImprintError(f"{option}: {module} cannot be imported: {error}.") from None
    except Exception as error:  # noqa: BLE001 (a user's module may raise anything)
        raise ImprintError(f"{option}: {module} cannot be imported: {type(error).__name__}: {error}.") from None
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
    if not hasattr(loaded, name):
        raise unknown_name(f"name in {module} for {option}", name, [one for one in vars(loaded) if one[:1] != "_"])
    return getattr(loaded, name)


def _settings(changes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Evaluation and decision from ``evaluation.episodes=400`` and the like."""
    settings: dict[str, dict[str, Any]] = {}
    for key, value in parse_changes(changes).items():
        part, dot, name = key.partition(".")
        if not dot or part not in PARTS:
            raise unknown_name("setting of a study", key, [f"{one}.{rest}" for one in PARTS for rest in (name or key,)])
        settings.setdefault(part, {})[name] = value
    return settings
