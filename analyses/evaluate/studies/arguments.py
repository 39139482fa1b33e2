"""What users give to a study, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from imprint.analyses.evaluate.studies.evidence import Key
from imprint.analyses.evaluate.studies.exam import labels_digest, world_digest
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.setup.reasons import explain
from imprint.models.setup.study import StudySetup
from imprint.models.worlds.base import World
from imprint.probes.door.arrays import count_of, real_array, rows_of, texts
from imprint.probes.door.labels import table_of
from imprint.probes.door.rows import column_or, groups_of, require_one_order

LARGEST = 2**53
"""Largest seed or age; larger whole numbers are not all distinct in tables of floats."""


def study_setup(known: tuple[str, ...], **fields: Any) -> StudySetup:
    """The setup of a study on ``known`` concepts. Raises :class:`ImprintError` with all reasons."""
    if isinstance(proxies := fields["proxies"], str):
        raise ImprintError(f"proxies is the text {proxies!r}; expected a list of concepts, such as [{proxies!r}].")
    try:
        setup = StudySetup(**fields)
    except ValidationError as error:
        raise ImprintError(explain(error, model=StudySetup)) from None
    for concept in setup.located:
        if concept not in known:
            raise unknown_name("concept of the study", concept, known)
    return setup


def ground_of(world: World | None, labels: pd.DataFrame, groups: NDArray[np.int64]) -> dict[str, str]:
    """Where true concepts come from, and the digest of what was given."""
    if world is not None:
        return {"kind": type(world).__qualname__, "digest": world_digest(world)}
    return {"kind": "labels", "digest": labels_digest(labels, groups)}


def ground_given(world: Any, groups: Any, inputs: Any) -> tuple[World | None, pd.DataFrame, NDArray[np.int64]]:
    """The world, or nothing; labels (empty beside a world); groups of the labels.

    Raises :class:`ImprintError` for anything else, and for groups or inputs beside a world.
    """
    if isinstance(world, World):
        if groups is not None or inputs is not None:
            raise ImprintError("groups and inputs belong to a study of labels; a world gives its own.")
        return world, pd.DataFrame(), np.zeros(0, dtype=np.int64)
    if not isinstance(world, pd.DataFrame | Mapping):
        got = f"the class {world.__name__}" if isinstance(world, type) else type(world).__name__
        raise ImprintError(f"world is {got}; expected an instance of imprint.World, or a table of labels.")
    table = table_of(world)
    require_one_order(table.index, groups=groups, inputs=inputs)
    chosen, labels = column_or("groups", groups, table.reset_index(drop=True))
    found = groups_of(chosen, (len(labels),), None)
    return None, labels, np.arange(len(labels)) if found is None else found


def activations_of(given: Any, n: int) -> dict[str, torch.Tensor]:
    """Site -> float32 ``[n, d]``. Raises :class:`ImprintError` for anything else."""
    if not isinstance(given, Mapping) or not given:
        raise ImprintError(
            f"activations is {type(given).__name__}; expected a mapping that is not empty: site -> array."
        )
    sites = texts("a site", given)
    return {site: as_rows(f"activations[{site!r}]", x, n) for site, x in zip(sites, given.values(), strict=True)}


def as_rows(name: str, given: Any, n: int) -> torch.Tensor:
    """Numbers as float32 ``[n, d]``, centred where their mean would cost digits."""
    return rows_of(name, given, n).values.float().clone()


def values_of(given: Any, n: int) -> NDArray[np.float64]:
    """One number per row ``[n]``."""
    values = real_array("values", given).astype(np.float64)
    if values.shape not in ((n,), (n, 1)):
        raise ImprintError(f"values has shape {values.shape}; expected one number per row, ({n},).")
    return values.reshape(n)


def name_of(name: str | None, kind: str) -> str:
    """The name that was given, or one made from the ``kind`` of what is studied."""
    if name is not None:
        return name
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in kind.lower()).strip("-")
    return plain or "study"


def key_of(seed: Any, age: Any, untrained: Any) -> Key:
    """Which model it is. Raises :class:`ImprintError` for fractions, text and negative numbers."""
    if not isinstance(untrained, bool):
        raise ImprintError(f"untrained is {untrained!r}; expected True or False.")
    return Key(count_of("seed", seed, least=0, most=LARGEST), count_of("age", age, least=0, most=LARGEST), untrained)
