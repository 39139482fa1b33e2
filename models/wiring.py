"""Fixed sparse random wiring of many units to a sheet of inputs, and the competition among the units.

    a_j = sum over i in partners(j) of  w_ji x_i,      h_j = max(a_j - theta, 0)

``partners(j)`` are ``in_degree`` different inputs, drawn at random among those that lie within ``radius`` of the
place of unit j (*local*), or among all (*global*). ``w_ji`` is 1 / sqrt(in_degree), with a random sign unless all
inputs excite. ``theta`` is the largest drive that is not among the winners, so that a part ``active`` of the units
speaks; with 1 it is the smallest drive of all, and h is a linear map of the inputs.

Granule cells of the cerebellum, Kenyon cells and the dentate gyrus are modelled so (Marr 1969; Litwin-Kumar et al.
2017, doi:10.1016/j.neuron.2017.01.030, who put the best in-degree at about 4 and 7). Deviations: (1) weights have one
size; (2) the threshold is that of the whole population at once, as if inhibition were instantaneous and exact; (3) at
the edge of the sheet a unit reaches inwards only.

Letters: U units, H and W inputs along the sides of the sheet, P planes (channels, frames), I = P H W inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.settings import FrozenSettings, Width


class Wiring(FrozenSettings):
    """What a genome may say about a random expansion: numbers, not partners."""

    width: Width = 512
    """U, number of units."""
    in_degree: int = Field(7, ge=1, le=65_536)
    """Inputs of each unit."""
    radius: float | None = Field(None, gt=0.0, le=1e6)
    """Distance from its place, in inputs, within which a unit finds its partners; None: the whole sheet."""
    signs: Literal["signed", "excitatory"] = "signed"
    """Whether inputs excite or inhibit at random, or all excite."""
    active: float = Field(0.1, gt=0.0, le=1.0)
    """Part of the units that win."""

    @property
    def winners(self) -> int:
        """Units that win. Raises :class:`ImprintError` if that is none."""
        count = round(self.active * self.width)
        if not count:
            raise ImprintError(
                f"active is {self.active:g} of {self.width} units, which is not one; expected {1 / self.width:.2g} or "
                "more."
            )
        return count


@dataclass(frozen=True)
class Sheet:
    """Where the inputs lie, row by row, plane after plane."""

    height: int
    width: int
    planes: int = 1

    @property
    def inputs(self) -> int:
        """I."""
        return self.height * self.width * self.planes


def places(units: int, sheet: Sheet) -> Tensor:
    """Row and column of every unit ``[U, 2]``: a lattice over the sheet, the same in every life."""
    columns = max(1, min(units, math.ceil(math.sqrt(units * sheet.width / sheet.height))))
    rows = math.ceil(units / columns)
    unit = torch.arange(units)
    across = ((unit % columns) + 0.5) * sheet.width / columns - 0.5
    down = ((unit // columns) + 0.5) * sheet.height / rows - 0.5
    return torch.stack([down, across], 1)


def within_reach(wiring: Wiring, sheet: Sheet) -> Tensor:
    """Which inputs a unit may be connected to, bool ``[U, I]``.

    Raises :class:`ImprintError` if there are fewer than it needs.
    """
    down, across = torch.arange(sheet.height), torch.arange(sheet.width)
    spots = torch.stack(torch.meshgrid(down, across, indexing="ij"), -1).reshape(-1, 2).float()
    near = torch.ones(wiring.width, len(spots), dtype=torch.bool)
    if wiring.radius is not None:
        near = torch.cdist(places(wiring.width, sheet), spots) <= wiring.radius
    reached = near.repeat(1, sheet.planes)
    least = int(reached.sum(1).min())
    if not least:
        raise ImprintError(
            f"radius is {wiring.radius:g}, within which some unit has no input; expected about one input, or more."
        )
    if wiring.in_degree > least:
        where = "on the whole sheet" if wiring.radius is None else f"within a radius of {wiring.radius:g}"
        raise ImprintError(
            f"in_degree is {wiring.in_degree}, but some unit has only {least} inputs {where}; give an in_degree of at "
            f"most {least}" + (", or a larger radius." if wiring.radius is not None else ".")
        )
    return reached


def partners(wiring: Wiring, reached: Tensor, rng: torch.Generator) -> Tensor:
    """The inputs of every unit, int64 ``[..., U, in_degree]``, from those it may reach, bool ``[..., U, I]``."""
    lots = torch.rand(reached.shape, generator=rng).masked_fill(~reached, -1.0)
    return lots.topk(wiring.in_degree, dim=-1).indices


def weights(wiring: Wiring, chosen: Tensor, inputs: int, rng: torch.Generator) -> Tensor:
    """Weights ``[..., U, I]`` of connections to the ``chosen`` inputs; one that is chosen twice counts twice."""
    size = torch.full(chosen.shape, wiring.in_degree**-0.5)
    if wiring.signs == "signed":
        size = torch.where(torch.rand(chosen.shape, generator=rng) < 0.5, -size, size)
    return torch.zeros(*chosen.shape[:-1], inputs).scatter_add(-1, chosen, size)


def connect(wiring: Wiring, sheet: Sheet, *, rng: torch.Generator, lives: int | None = None) -> Tensor:
    """Weights ``[U, I]`` of one random wiring, or ``[lives, U, I]`` of several that share nothing but the places.

    Raises :class:`ImprintError` for an in-degree that does not fit the radius and the sheet.
    """
    reached = within_reach(wiring, sheet)
    reached = reached if lives is None else reached.expand(lives, -1, -1)
    return weights(wiring, partners(wiring, reached, rng), sheet.inputs, rng)


def compete(drive: Tensor, winners: int) -> Tensor:
    """Activity ``[..., U]`` of the units: what the winners' drive is above the strongest that lost."""
    strongest = drive.topk(min(winners + 1, drive.shape[-1]), dim=-1).values
    return torch.relu(drive - strongest[..., -1:])
