"""Options that several commands share, with their help. Nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Backend(StrEnum):
    """Where work runs."""

    local = "local"
    dask = "dask"
    ray = "ray"


NULLS, ALPHA, SEED = 20, 0.05, 0
"""Defaults with arrays. The options default to None, so that giving one beside a run folder can be refused."""

Seeds = Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of training seeds; default: its own.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting (see: imprint show). May be repeated."),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder in which runs are kept.")]
Where = Annotated[Backend, typer.Option(help="Local processes, or a Dask or Ray cluster that is already running.")]
Address = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="With dask or ray: where it answers, such as tcp://host:8786 or host:6379."),
]
Resume = Annotated[
    bool | None,
    typer.Option("--resume/--no-resume", help="Go on from what is finished, or begin again; default: whichever fits."),
]
Csv = Annotated[Path | None, typer.Option(metavar="OUT", dir_okay=False, help="Also write the whole table as CSV.")]
Groups = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="With ACTS: a column of CONCEPTS; rows with the same value stay in one split."),
]
Labels = Annotated[
    Path | None, typer.Argument(metavar="[CONCEPTS]", help="With ACTS: a label per row and concept (.csv, .parquet).")
]
Source = Annotated[
    Path, typer.Argument(metavar="RUN|ACTS", help="A run folder, or a file of arrays (.npz, .safetensors).")
]
EPILOG = (
    "Start with: imprint run. Exit codes, 0: done; 1: done, but some work failed, or what was checked is wrong; 2: the "
    "request cannot be served as it stands; 130: interrupted; 143: stopped by SIGTERM. docs/json.md has more, and the "
    "schema of what --json prints."
)
"""What stands below the help."""
Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON schema of setup files, for editors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables: every number with all its digits.")]
Seed = Annotated[int | None, typer.Option(min=0, help=f"With ACTS: seed of all that is random; default: {SEED}.")]

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, an answered question or a sweep.")]
Untrained = Annotated[
    Path | None, typer.Option(metavar="FILE", help="With ACTS: the same activations of a randomly initialised network.")
]
Inputs = Annotated[
    str | None, typer.Option(metavar="KEY", help="With ACTS: the array in it that is the raw input, not a site.")
]
Given = Annotated[
    list[str] | None,
    typer.Option(metavar="CONCEPT", help="With ACTS: read all others within its strata. May be repeated."),
]
Nulls = Annotated[int | None, typer.Option(min=5, help=f"With ACTS: label shuffles; default: {NULLS}.")]
Alpha = Annotated[
    float | None,
    typer.Option(min=0.0, max=0.5, help=f"With ACTS: false discovery rate over the grid; default: {ALPHA}."),
]
Mask = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="With ACTS: column of CONCEPTS that is 1 in the rows to use.")
]
Ignore = Annotated[
    list[str] | None, typer.Option(metavar="LABEL", help="With ACTS: a label that means none, such as -100.")
]
ReportPage = Annotated[
    Path | None, typer.Option(metavar="PAGE", dir_okay=False, help="With ACTS: also write one self-contained page.")
]
Value = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="With ACTS: the value to explain, a column of CONCEPTS or an array in it."),
]
Intended = Annotated[
    str | None, typer.Option(metavar="CONCEPT", help="With ACTS: the concept that the author of the reward meant.")
]
Proxies = Annotated[
    str | None, typer.Option(metavar="A,B", help="With ACTS: concepts that went along with it, separated by commas.")
]

# of imprint study
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
Exported = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where to; default: a folder RUN-export beside the run.")
]
Formats = Annotated[
    list[str] | None, typer.Option("--format", metavar="NAME", help="svg (default), png or pdf. May be repeated.")
]
Tracker = Annotated[
    str | None,
    typer.Option("--to", metavar="TRACKER", help="Write a run for tensorboard or mlflow instead; DIR is their folder."),
]


def only_for_arrays(**options: object) -> None:
    """Refuse options that only arrays have, beside a run folder."""
    for name, given in options.items():
        if given is not None:
            raise typer.BadParameter("goes with ACTS and CONCEPTS; one path is a run folder", param_hint=f"--{name}")


def labels_inside(source: Path) -> Path | None:
    """The source itself where it is a Hugging Face data set, which holds its own labels."""
    try:
        return source if (source / "dataset_info.json").is_file() else None
    except OSError:  # what was given is no path
        return None
