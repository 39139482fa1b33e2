"""Options of ``imprint study``, with their help. Nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Factory = Annotated[
    str, typer.Option(metavar="MODULE:FUNCTION", help="Makes a new model: a module, or a pair (module, value).")
]
OwnWorld = Annotated[str, typer.Option(metavar="MODULE:OBJECT", help="Your World: its class, an instance, or a maker.")]
Meant = Annotated[str, typer.Option(metavar="CONCEPT", help="What the reward was meant for.")]
WentAlong = Annotated[str, typer.Option(metavar="A,B", help="What went along with it in training.")]
Further = Annotated[str, typer.Option(metavar="A,B", help="Further concepts to locate.")]
Sites = Annotated[
    str, typer.Option(metavar="A,B", help="Where activations are read; default: all sites of the first model.")
]
Rewarded = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="Level of the intended concept that is rewarded; default: the last.")
]
RunName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the run; default: that of the world's class.")
]
Unit = Annotated[str, typer.Option(metavar="WORD", help="What ages count, in the plural, for the page.")]
Pattern = Annotated[str, typer.Option(metavar="PATH", help="Names of the checkpoints inside FOLDER.")]
Asking = Annotated[str, typer.Option(metavar="TEXT", help="The question, for the top of the page.")]
NewModels = Annotated[int, typer.Option(min=0, metavar="N", help="New models that are examined as a floor.")]
Rule = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="evaluation.KEY or decision.KEY. May be repeated."),
]
OutRun = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of the run; default: runs/ and the name of FOLDER.")
]
