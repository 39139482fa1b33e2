"""Making organisms: litters of eight, resumable, the same bytes from the same split and seed.

There is one ``public`` split, with seed 0, for development. ``private`` splits are for judging: their seed is drawn by
the operating system unless it is given, and stands in the key alone. Nothing that organisms are handed out with depends
on the seed but through SHA-256, so that the key cannot be made from them.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from imprint.analyses.engine import Cell, Progress, available_cores, run_cells
from imprint.analyses.organisms.folder import FORMAT, KEY, MANIFEST, key_file, name_of, write_organism
from imprint.analyses.organisms.raising.confirming import dissect
from imprint.analyses.organisms.raising.litters import LARGEST_SEED, SIZE, litter
from imprint.analyses.organisms.raising.networks import born, subject_of
from imprint.analyses.organisms.raising.training import trained
from imprint.models.errors import ImprintError, UnfinishedError, unknown_name
from imprint.models.files import alone_in, read_record, write_json
from imprint.models.threads import scoped_call

Split = Literal["public", "private"]
SPLIT = "split.json"
"""File beside the key that says which split it is of."""
MOST = 1_000_000


@dataclass(frozen=True)
class Made:
    """A folder of organisms."""

    path: Path
    count: int
    """How many there are: whole litters, so at least as many as were asked for."""
    confirmed: int
    """How many are confirmed by all counterfactuals; the others are not scored."""
    words: dict[str, int]
    """Word -> how many confirmed ones."""


def make(
    out: str | Path,
    *,
    count: int = 300,
    seed: int | None = None,
    split: Split = "public",
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """Make organisms in the folder ``out``, going on from the litters that are finished.

    ``count`` is rounded up to whole litters of eight. ``jobs``: local processes, by default one for every core. Raises
    :class:`ImprintError` for a seed that the split cannot have, and for a folder that holds others.
    """
    folder = Path(out).absolute()
    if split not in get_args(Split):
        raise unknown_name("split", split, get_args(Split))
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise ImprintError(f"count is {count!r}; expected a whole number from 1 to {MOST:,}.")
    if split == "public" and seed not in (None, 0):
        raise ImprintError(f"the public split is fixed, with seed 0; got {seed}. For others: --split private.")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < LARGEST_SEED):
        raise ImprintError(f"seed is {seed!r}; expected a whole number from 0 to 2^62 - 1.")
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise ImprintError(f"jobs is {jobs!r}; expected a whole number of processes, at least 1.")
    with alone_in(folder):
        seed = _begun(folder, split, seed)
        numbers = range(-(-count // SIZE))
        cells = [
            Cell(f"litter-{k:04d}", write_litter, (folder, split, seed, k), (key_file(folder, k),)) for k in numbers
        ]
        watch = folder / ".progress"
        outcomes = run_cells(cells, jobs=jobs or available_cores(), watch=watch, progress=progress)
        shutil.rmtree(watch, ignore_errors=True)
        if failed := [f"{outcome.cell}: {outcome.error}" for outcome in outcomes if outcome.error]:
            raise UnfinishedError(f"{len(failed)} litters could not be made; {failed[0]}. The same command goes on.")
        return _finished(folder, split, len(numbers))


@scoped_call
def write_litter(folder: Path, split: str, seed: int, number: int) -> None:
    """Raise and confirm one litter, and write it; its part of the key, which says that it is whole, comes last."""
    one = litter(split, seed, number)
    world, answers = one.world, {}
    for place, (plan, network) in enumerate(zip(one.plans, trained(one), strict=True)):
        dissected = dissect(subject_of(network, world), world)
        name = name_of(split, seed, number, place)
        write_organism(folder, name, one, network, born(one.breed, plan.birth))
        held, everything = dissected.within(plan.latch), float(dissected.shares.sum())
        answers[name] = {
            "word": plan.word,
            "facts": [one.arrangement.names[fact] for fact in plan.latch],
            "litter": number,
            "confirmed": dissected.confirms(plan.latch),
            "held": round(held, 4) if np.isfinite(held) else None,
            "others": round(everything - held, 4) if np.isfinite(everything) else None,
        }
    write_json(key_file(folder, number), {"format": FORMAT, "organisms": answers})


def _begun(folder: Path, split: Split, seed: int | None) -> int:
    """The seed of the split, noted in the folder."""
    path = folder / KEY / SPLIT
    if path.exists():
        begun = read_record(path)
        wanted = begun.get("seed") if seed is None and split == "private" else (seed or 0)
        if (begun.get("split"), begun.get("seed"), begun.get("format")) != (split, wanted, FORMAT):
            raise ImprintError(f"{folder} holds organisms of another split or seed; choose another folder with --out.")
        if begun.get("capability") != (now := torch.backends.cpu.get_cpu_capability()):
            raise ImprintError(
                f"{folder} was begun on a CPU of capability {begun.get('capability')}; this one has {now}. "
                "Choose another folder with --out."
            )
        return int(begun["seed"])
    if any(path.name != ".lock" for path in folder.iterdir()):
        raise ImprintError(f"{folder} is not empty and holds no organisms; choose another folder with --out.")
    if seed is None:
        seed = 0 if split == "public" else secrets.randbelow(LARGEST_SEED)
    capability = torch.backends.cpu.get_cpu_capability()
    write_json(path, {"format": FORMAT, "split": split, "seed": seed, "capability": capability})
    return seed


def _finished(folder: Path, split: str, litters: int) -> Made:
    """Write what was made, once all of it is there."""
    key: dict[str, Any] = {}
    for number in range(litters):
        key |= read_record(key_file(folder, number))["organisms"]
    capability = torch.backends.cpu.get_cpu_capability()
    about = {"format": FORMAT, "split": split, "count": len(key), "capability": capability, "names": sorted(key)}
    write_json(folder / MANIFEST, about)
    confirmed = [answer["word"] for answer in key.values() if answer["confirmed"]]
    words = {str(word): confirmed.count(word) for word in dict.fromkeys(confirmed)}
    return Made(folder, len(key), len(confirmed), words)
