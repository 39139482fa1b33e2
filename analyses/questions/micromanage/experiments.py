"""The experiments of the question: births, crowds of units, connectomes against two nulls, adults, and childhoods.

Each is a function of a world's seed and returns rows: experiment, what was varied, scale, measure, value. Everything
that is drawn comes from generators named after the seed and the condition, so that conditions can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from pydantic import Field

from imprint.analyses.engine import Say
from imprint.analyses.questions.micromanage.measure import (
    PICTURES,
    Kind,
    Seen,
    Species,
    alikeness,
    beyond,
    by_rate,
    evolve_readout,
    global_null,
    grow_up,
    local_null,
    participation,
    relabelled,
    ridge,
)
from imprint.models.chance import generator
from imprint.models.settings import FrozenSettings
from imprint.models.streams.topographic import Topographic
from imprint.models.wiring import Wiring

RATES = (0.03, 0.1, 0.3, 0.6, 1.0)
"""Learning rates that a genome can have; 1 corrects the error on a picture wholly."""
CHILDHOOD, LESSONS, NULLS, REACH = 60, 200, 60, 6.0
"""Pictures of a childhood and of an adult's life, draws of a null, radius of the connectomes that are tested."""
ALL = "all"


class Plan(FrozenSettings):
    """Sizes of the experiments."""

    units: int = Field(256, ge=8, le=10**7)
    """Units of the expansion."""
    in_degree: int = Field(4, ge=1, le=10**7)
    """Inputs of each unit."""
    ancestors: int = Field(100, ge=2, le=10**7)
    """Lives over which the inherited readout is the best."""
    newborns: int = Field(50, ge=2, le=10**7)
    """Animals that are examined."""
    radii: tuple[float, ...] = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
    """Radii of local wiring, in inputs."""
    signed: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0, 16.0)
    """Radii that are also tried with signed weights."""
    volatilities: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Parts of the classes that look otherwise in every life."""
    degrees: tuple[int, ...] = (1, 2, 4, 8, 16)
    """In-degrees of adults."""
    crowds: tuple[int, ...] = (64, 256, 512)
    """Numbers of units that are compared at a radius of 4."""
    stream: Topographic.Settings = Topographic.Settings()
    """The pictures."""

    def species(self, world: Topographic, kind: Kind, radius: float | None, **more: Any) -> Species:
        """A species of this plan; ``more``: ``volatility``, ``seed``, and numbers of the wiring where they differ."""
        own = {name: more.pop(name) for name in ("volatility", "seed") if name in more}
        numbers = {"width": self.units, "in_degree": self.in_degree, "signs": "excitatory", **more}
        return Species(world, Wiring(radius=radius, **numbers), kind, **own)


Rows = list[dict[str, Any]]


def measure(*, seed: int, plan: dict[str, Any], say: Say) -> pd.DataFrame:
    """All experiments in the world of one seed."""
    p = Plan.model_validate(plan)
    world = Topographic(p.stream, rng=generator("micromanage", seed))
    rows: Rows = []
    experiments = (births, crowds, connectomes, adults, childhoods)
    for step, experiment in enumerate(experiments):
        say(step, len(experiments), experiment.__name__)
        rows += [{"experiment": experiment.__name__, "seed": seed, **row} for row in experiment(p, world, seed)]
    return pd.DataFrame(rows)


def by_scale(world: Topographic, values: torch.Tensor, **about: Any) -> Rows:
    """A row for every scale, which is text, since other rows are about all scales."""
    each = zip(world.settings.scales, values.tolist(), strict=True)
    return [{**about, "scale": str(scale), "value": value} for scale, value in each]


def births(p: Plan, world: Topographic, seed: int) -> Rows:
    """What newborns know from an inherited readout, by wiring, and with their units relabelled."""
    plans: list[tuple[Kind, float | None]] = [("heritable", None), ("global", None)]
    rows: Rows = []
    for signs, radii in (("excitatory", p.radii), ("signed", p.signed)):
        for kind, radius in [*plans, *(("local", radius) for radius in radii)]:
            rng = generator("births", seed, signs, kind, str(radius or 0))
            species = p.species(world, kind, radius, signs=signs, seed=seed)
            readout = evolve_readout(species.see(species.born(p.ancestors, rng=rng), PICTURES, rng=rng))
            born = species.see(species.born(p.newborns, rng=rng), PICTURES, rng=rng)
            about = {"signs": signs, "wiring": kind, "radius": radius}
            rows += by_scale(world, _above(readout.accuracy(born, p.stream.classes), p), measure="knows", **about)
            lost = readout.accuracy(relabelled(born, rng=rng), p.stream.classes)
            rows += by_scale(world, _above(lost, p), measure="relabelled", **about)
    return rows


def crowds(p: Plan, world: Topographic, seed: int) -> Rows:
    """What newborns know with fewer and with more units, all of them reaching as far."""
    rows: Rows = []
    for units in p.crowds:
        rng = generator("crowds", seed, units)
        species = p.species(world, "local", 4.0, width=units)
        readout = evolve_readout(species.see(species.born(p.ancestors, rng=rng), PICTURES, rng=rng))
        born = species.see(species.born(p.newborns, rng=rng), PICTURES, rng=rng)
        about = {"wiring": "local", "radius": 4.0, "units": units}
        rows += by_scale(world, _above(readout.accuracy(born, p.stream.classes), p), measure="knows", **about)
    return rows


def _above(accuracy: torch.Tensor, p: Plan) -> torch.Tensor:
    """Accuracy above chance."""
    return accuracy - 1 / p.stream.classes


def connectomes(p: Plan, world: Topographic, seed: int) -> Rows:
    """One animal's connections of each kind against both nulls, and what its kind knows; twice as many units."""
    rows: Rows = []
    kinds: tuple[tuple[Kind, float | None], ...] = (("global", None), ("local", REACH), ("chosen", REACH))
    for kind, radius in kinds:
        rng = generator("connectomes", seed, kind)
        species = p.species(world, kind, radius, width=2 * p.units)
        animals = species.born(p.ancestors, rng=rng)
        chosen = (animals.wires[0] != 0).float().topk(p.in_degree, -1).indices
        seen, inputs = alikeness(animals.wires[0]), world.sheet.inputs
        near = p.species(world, "local", REACH, width=2 * p.units).wiring
        nulls = {
            "against the global null": global_null(chosen, inputs, NULLS, rng=rng),
            "against the local null": local_null(near, world, NULLS, rng=rng),
        }
        about = {"wiring": kind, "radius": radius}
        for name, null in nulls.items():
            rows.append({**about, "scale": ALL, "measure": name, "value": beyond(seen, alikeness(null))})
        readout = evolve_readout(species.see(animals, PICTURES, rng=rng))
        born = species.see(species.born(p.newborns, rng=rng), PICTURES, rng=rng)
        rows += by_scale(world, _above(readout.accuracy(born, p.stream.classes), p), measure="knows", **about)
    return rows


def adults(p: Plan, world: Topographic, seed: int) -> Rows:
    """Dimension of the activities and what is learned in a life without inheritance, by in-degree."""
    rows: Rows = []
    kinds: tuple[tuple[Kind, float | None], ...] = (("local", REACH), ("global", None))
    for kind, radius in kinds:
        for degree in p.degrees:
            rng = generator("adults", seed, kind, degree)
            species = p.species(world, kind, radius, in_degree=degree)
            seen = species.see(species.born(max(2, p.newborns // 8), rng=rng), LESSONS + 100, rng=rng)
            lessons = Seen(seen.activity[:, :LESSONS], seen.target[:, :LESSONS])
            test = Seen(seen.activity[:, LESSONS:], seen.target[:, LESSONS:])
            about = {"wiring": kind, "radius": radius, "in_degree": degree}
            learned = ridge(lessons.activity, lessons.target).accuracy(test, p.stream.classes)
            rows += by_scale(world, _above(learned, p), measure="learned", **about)
            dimension = float(participation(seen.activity))
            rows.append({**about, "scale": ALL, "measure": "dimension", "value": dimension})
    return rows


def childhoods(p: Plan, world: Topographic, seed: int) -> Rows:
    """What an evolved start and an evolved learning rate are worth after a short childhood.

    The learning rate of a genome is the best of :data:`RATES` in other animals of the species, for a start with what is
    inherited and for a blank one. *start*: accuracy with both evolved, less blank with its evolved rate. *rate*: blank
    with its evolved rate, less the mean over all rates, which is what a genome has that was not selected.
    """
    rows: Rows = []
    kinds: tuple[tuple[Kind, float | None], ...] = (("heritable", None), ("local", 3.0), ("global", None))
    rates = torch.tensor(RATES)
    for kind, radius in kinds:
        for volatility in p.volatilities:
            rng = generator("childhoods", seed, kind, str(volatility))
            species = p.species(world, kind, radius, volatility=volatility, seed=seed)
            inherited = evolve_readout(species.see(species.born(p.ancestors, rng=rng), PICTURES, rng=rng))

            def raised(start: Any, species: Species = species, rng: torch.Generator = rng) -> torch.Tensor:
                animals = species.born(max(2, p.newborns // 2), rng=rng)
                seen, test = (species.see(animals, n, rng=rng) for n in (CHILDHOOD, PICTURES))
                each = [by_rate(grow_up(seen, one, rates), test, p.stream.classes).mean(1) for one in (None, start)]
                return torch.stack(each)

            (best_blank, best_start), (blank, start) = raised(inherited).argmax(1), raised(inherited)
            found = {
                "start": start[best_start] - blank[best_blank],
                "rate": blank[best_blank] - blank.mean(),
                "blank": blank[best_blank] - 1 / p.stream.classes,
            }
            about = {"wiring": kind, "radius": radius, "volatility": volatility, "scale": ALL}
            rows += [{**about, "measure": name, "value": float(value)} for name, value in found.items()]
    return rows


def crossing(ratios: Sequence[float], values: Sequence[float], level: float) -> float:
    """Ratio at which values that fall with it first reach ``level``, interpolated over its logarithm; NaN if never."""
    x, y = torch.tensor(ratios, dtype=torch.float64).log2().tolist(), list(values)
    for left in range(len(x) - 1):
        if y[left] >= level > y[left + 1]:
            part = (y[left] - level) / (y[left] - y[left + 1])
            return float(2 ** (x[left] + part * (x[left + 1] - x[left])))
    return float("nan")
