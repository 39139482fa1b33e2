"""Constants of a world: settings with arbitrary values, which each training seed can have its own draw of.

Which digit is the caregiver, or which corner holds the coin, was chosen for no reason, so that what is found in one
world must hold in others of its family. A family says which of its settings are such constants, and how they are drawn.
Names of concepts and goals must be roles (``her_colour``, ``corner``), so that findings of several worlds can be pooled
under one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ValidationError

from imprint.models.chance import generator
from imprint.models.errors import ImprintError

TRIES = 200
"""Draws that may repeat an earlier world before a family counts as exhausted."""


class Redrawable:
    """What static worlds and environments have in common: constants that can be drawn anew."""

    constants: ClassVar[tuple[str, ...] | None] = None
    """Names of the settings that are constants; empty: there is one world only; None: the author has not said."""
    literal: ClassVar[Mapping[str, str]] = {}
    """Concept that means the same in every world (``red``) -> the role that it has in a world of default settings."""

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """A value of every constant, for another world that has the other ``settings`` in common with this one."""
        raise ImprintError(
            f"{cls.__name__} cannot draw the constants of another world. Set schedule.worlds to 1, or write in the "
            "class `constants`, a tuple with the names of the settings that are arbitrary, and the class method "
            "`draw_constants(settings, rng)`, which returns a new value of each."
        )


def draw_worlds(
    family: type[Redrawable], settings: BaseModel, count: int, *, first: int = 0
) -> tuple[dict[str, Any], ...]:
    """The constants of ``count`` different worlds; the first has those of the ``settings``.

    With another ``first`` seed than 0, several worlds are all drawn anew. World k depends on the settings, on ``first``
    and on k only, not on ``count``. Raises :class:`ImprintError` for a family that has
    no constants or too few values of them, or that draws what its settings refuse.
    """
    name = family.__name__
    if count == 1:
        return ({constant: getattr(settings, constant) for constant in family.constants or ()},)
    if family.constants is None:
        family.draw_constants(settings, generator("world", 1))
        raise ImprintError(f"{name} draws constants but does not name them; write the tuple `constants` in the class.")
    if not family.constants:
        raise ImprintError(
            f"schedule.worlds is {count}, but {name} has no constants that differ between worlds; set 1."
        )
    worlds = [] if first else [{constant: getattr(settings, constant) for constant in family.constants}]
    for number in range(len(worlds), count):
        rng = generator("world", first, number) if first else generator("world", number)
        for _ in range(TRIES):
            drawn = _checked(family, settings, family.draw_constants(settings, rng))
            if drawn not in worlds:
                worlds.append(drawn)
                break
        else:
            raise ImprintError(
                f"schedule.worlds is {count}, but only {number} different worlds of {name} were found; "
                f"expected at most {number}."
            )
    return tuple(worlds)


def _checked(family: type[Redrawable], settings: BaseModel, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The constants drawn, as the settings hold them."""
    if set(drawn) != set(family.constants or ()):
        raise ImprintError(
            f"{family.__name__}.draw_constants gave {', '.join(sorted(drawn)) or 'nothing'}; "
            f"expected its constants: {', '.join(family.constants or ())}."
        )
    try:
        changed = type(settings)(**{**settings.model_dump(), **drawn})
    except ValidationError as error:
        raise ImprintError(f"{family.__name__}.draw_constants gave what its settings refuse: {error}") from None
    return {constant: getattr(changed, constant) for constant in family.constants or ()}


def pick(values: Any, rng: torch.Generator) -> Any:
    """One of ``values``, each as probable as the others."""
    options = tuple(values)
    return options[int(torch.randint(0, len(options), (), generator=rng))]
