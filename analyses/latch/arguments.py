"""What users give to a latch, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import ValidationError

from imprint.analyses.latch.shares import INTERACTION, RESIDUAL
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Decision
from imprint.models.setup.reasons import explain
from imprint.models.worlds.base import Batch, World
from imprint.probes.door.arrays import count_of
from imprint.probes.door.rows import column_or, require_one_order
from imprint.probes.subjects.subject import Subject

COUNTS = {
    "n": (2, 10**8),
    "seed": (0, 2**63 - 1),
    "resamples": (20, 1_000_000),
    "placebos": (0, 10_000),
    "attribution": (0, 10**8),
}
"""Whole numbers that are settings -> least and most."""

TRIED = 8
"""Rows that a world is asked for twice."""


def require_counts(**given: Any) -> None:
    """Raise :class:`ImprintError` for settings that are no whole numbers of :data:`COUNTS`."""
    for name, value in given.items():
        count_of(name, value, least=COUNTS[name][0], most=COUNTS[name][1])


def names_of(intended: Any, proxies: Any) -> tuple[str, ...]:
    """The intended concept, then its proxies, as text."""
    if isinstance(proxies, str) or not isinstance(proxies, Iterable):
        example = proxies if isinstance(proxies, str) else "lamp"
        raise ImprintError(f"proxies is {proxies!r}; expected a list of concepts, for example [{example!r}].")
    names = tuple(map(str, (intended, *proxies)))
    if len(names) < 2:
        raise ImprintError("proxies is empty; name at least one concept that goes along with the intended one.")
    if reserved := {INTERACTION, RESIDUAL}.intersection(names):
        raise ImprintError(f"a concept is called {reserved.pop()!r}, which is what a row of every latch is called.")
    if len(set(names)) != len(names):
        raise ImprintError(f"intended and proxies name something twice: {', '.join(names)}.")
    return names


def rule_of(decision: Any) -> Decision:
    """The rule of the verdict: its defaults for None, or those that a mapping gives."""
    if isinstance(decision, Decision):
        return decision
    if decision is not None and not isinstance(decision, Mapping):
        raise ImprintError(
            f"decision is a {type(decision).__name__}; expected a Decision, or a mapping such as {{'certain': 0.9}}."
        )
    try:
        return Decision(**{str(name): value for name, value in (decision or {}).items()})
    except ValidationError as error:
        raise ImprintError(explain(error, prefix="decision", model=Decision)) from None


def subject_of(given: Any) -> Subject:
    """A subject, or one made of what is given."""
    return given if isinstance(given, Subject) else Subject(given)


def twins_of(given: Any) -> list[Subject]:
    """Subjects of untrained twins: none for None, and one that is given without a list."""
    one = isinstance(given, Subject | torch.nn.Module)
    if not one and given is not None and not isinstance(given, Iterable):
        raise ImprintError(f"untrained is a {type(given).__name__}; expected a list of subjects, one per twin.")
    return [] if given is None else [subject_of(twin) for twin in ([given] if one else given)]


def require_repeatable(world: World, batch: Batch) -> None:
    """Raise :class:`ImprintError` where a world shows the same rows differently when asked again.

    A change of one concept would then come with changes that no concept made.
    """
    few = batch.rows(slice(0, TRIED))
    factors, noise = few.concepts[list(world.factors)], dict(few.noise)
    with torch.random.fork_rng(devices=[]):
        first, again = (world.render(factors, noise).double().nan_to_num(torch.inf) for _ in range(2))
    if not torch.equal(first, again):
        raise ImprintError(
            f"{type(world).__name__}.render shows the same factors and noise differently when it is asked again; draw "
            "everything that is left to chance in draw_noise."
        )


def require_world(world: Any) -> None:
    """Raise :class:`ImprintError` for what is no world."""
    if not isinstance(world, World):
        got = f"the class {world.__name__}" if isinstance(world, type) else f"a {type(world).__name__}"
        raise ImprintError(f"world is {got}; expected an instance of a subclass of imprint.World.")


def rows_given(
    concepts: pd.DataFrame, values: Any, groups: Any, untrained: Any
) -> tuple[pd.DataFrame, Any, Sequence[Any]]:
    """Labels without the column of groups, groups, and the values of each twin, all in one order of rows."""
    groups, labels = column_or("groups", groups, concepts)
    untrained = () if untrained is None else untrained
    if isinstance(untrained, np.ndarray | torch.Tensor):
        untrained = list(untrained) if untrained.ndim == 2 else [untrained]
    if not isinstance(untrained, list | tuple):
        raise ImprintError(f"untrained is a {type(untrained).__name__}; expected a list of values [n], one per twin.")
    require_one_order(concepts.index, values=values, groups=groups, untrained=untrained)
    return labels, groups, untrained


def sign_of(levels: Sequence[str], rewarded: Any) -> int:
    """1 when the last of a concept's levels is rewarded, -1 when the first is; 1, 1.0 and True are one level."""
    if rewarded is None or _is_level(rewarded, levels[-1]):
        return 1
    if len(levels) != 2:
        raise ImprintError(
            f"rewarded is {rewarded!r}; of a concept with {len(levels)} levels ({', '.join(levels)}) only the last can "
            "be the one that is rewarded."
        )
    if not _is_level(rewarded, levels[0]):
        raise ImprintError(f"rewarded is {rewarded!r}; expected one of two levels: {' or '.join(levels)}.")
    return -1


def _is_level(rewarded: Any, level: str) -> bool:
    numbers = {"True": 1.0, "False": 0.0}
    try:
        return str(rewarded) == level or float(numbers.get(str(rewarded), rewarded)) == float(numbers.get(level, level))
    except (TypeError, ValueError):
        return False
