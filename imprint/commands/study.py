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
    """What a study needs to know, as text; lists are names with commas between them."""

    intended: str
    proxies: str
    concepts: str
    sites: str
    """Empty: those of the first model."""
    question: str
    rewarded: str | None
    name: str | None
    unit: str

    def fields(self) -> dict[str, Any]:
        """Arguments of :class:`imprint.Study`."""
        listed = {name: _listed(getattr(self, name)) for name in ("proxies", "concepts", "sites")}
        return {**self._asdict(), **listed, "sites": listed["sites"] or None}


def study_folder(
    folder: Path,
    objects: tuple[str, str],
    asked: Asked,
    *,
    pattern: str,
    untrained: int,
    changes: Sequence[str],
    out: Path | None,
) -> dict[str, Any]:
    """Examine the checkpoints of a folder and print how it ended: its folder, verdict, report, and what failed.

    ``objects`` are the ``module:name`` of the factory and of the world.
    """
    make, world = named_object(objects[0], "--factory"), named_object(objects[1], "--world")
    if not callable(make):
        raise ImprintError(f"--factory {objects[0]} is a {type(make).__name__}; expected a function.")
    settings = _settings(changes)
    from imprint.analyses.evaluate.studies.checkpoints import added, found
    from imprint.analyses.evaluate.studies.study import Study
    from imprint.commands.findings import answer_data, closing
    from imprint.models.worlds.base import World
    from imprint.reports.pages.run import report
    from imprint.reports.reading.run import load_run

    found(folder, pattern)  # before anything is written
    page, target = console(), out or Path("runs") / folder.resolve().name
    study = Study(
        world if isinstance(world, World) or not callable(world) else world(),
        **asked.fields(),
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
    return {"run": data.path, **answer_data(data), "report": path, "failed": dict(data.failures)}


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


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
            where = f"{option} is imported from this folder ({here}) or from what is installed."
            raise unknown_name(f"module of {option}", module, near, advice=where) from None
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
