"""Address: where in a network a concept can be read, as a distribution over its units, and whether seeds agree on it.

    p_u = amount_u / sum of amounts        amount: what unit u alone knows of the concept, or a probe's squared weight
    entropy = - sum_u p_u log2 p_u (bits)               effective number of units = 2 ^ entropy
    overlap of two networks = sum_u min(p_u, q_u)       1: the same units, 0: none in common

"Wherever the concept forms, nobody could have named the units in advance" is the claim that overlap is what it would
be if each network had shuffled its units. Coarse places are another matter: which layer or which sense a concept ends
up in may well be predictable. So overlap is asked level by level (module, site, unit), and chance at each level
shuffles places **within** the next coarser one only: units inside their site, sites inside their module. Dead units
stay where they are in the shuffles; otherwise two networks that share dead units would seem to agree.

What a unit alone knows is the part of its variance that the concept explains (squared correlation; for classes, the
correlation ratio), counted only above what the best unit reaches under shuffled labels in 95 of 100 cases.

Letters: S networks, n rows, d units, L places at a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.samples.concept_columns import ConceptColumns, Floats, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, shuffled

LEVEL = 0.95
"""Of the shuffles' best unit, below which a unit counts as knowing nothing."""


def single_unit_scores(
    activations: Tensor,
    labels: pd.Series,
    *,
    groups: object | None = None,
    shuffles: int = 49,
    rng: np.random.Generator,
) -> Tensor:
    """What each unit alone knows of a concept, ``[S, d]``: 0..1, 0 where shuffles do as well, NaN when dead.

    ``activations`` ``[S, n, d]`` of S networks; ``labels`` n of them, floats are numbers, all others classes;
    ``groups`` decide at which level labels are shuffled.
    """
    if activations.dim() != 3 or activations.shape[1] != len(labels):
        raise ImprintError(f"activations are {list(activations.shape)} for {len(labels)} labels; expected [S, n, d].")
    if not bool(torch.isfinite(activations).all()):
        raise NotMeasurableError("activations hold NaN or infinite values")
    concept = concept_columns(labels, str(labels.name))
    x = activations.detach().double().cpu()
    centred = x - x.mean(1, keepdim=True)
    size = centred.square().sum(1, keepdim=True).sqrt()
    dead = size <= 1e-9 * x.abs().amax(1, keepdim=True) * len(labels) ** 0.5
    unit = torch.where(dead, 0.0, centred / torch.where(dead, 1.0, size))
    found = _known(unit, _scaled(concept, concept.columns))
    codes = concept.columns[:, 0] if concept.regression else concept.columns.argmax(1)
    copies = shuffled(codes, compact_groups(groups, len(labels)), shuffles, rng).T
    columns = (copy[:, None] if concept.regression else concept.one_hot(copy) for copy in copies)
    best = torch.stack([_known(unit, _scaled(concept, part)).amax(1) for part in columns])
    floor = best.quantile(LEVEL, dim=0)[:, None]
    return torch.where(dead[:, 0], torch.nan, torch.where(found > floor, found, 0.0))


def _scaled(concept: ConceptColumns, columns: Floats) -> Tensor:
    """Orthogonal columns ``[n, C]`` of length one: numbers centred, classes as they are."""
    y = torch.from_numpy(np.asarray(columns, dtype=np.float64))
    y = y - y.mean(0) if concept.regression else y
    scaled: Tensor = y / y.norm(dim=0)
    return scaled


def _known(unit: Tensor, y: Tensor) -> Tensor:
    """Explained part ``[S, d]`` of the variance of centred units of length one."""
    return (unit.transpose(1, 2) @ y).square().sum(2)


def address(amount: Tensor) -> Tensor:
    """Distribution ``[..., d]`` of amounts ``[..., d]`` (NaN: dead unit); all NaN where there is nothing."""
    if bool((amount < 0).any()):
        raise ImprintError("amounts are negative; expected scores or squared weights of zero or more.")
    total = amount.nansum(-1, keepdim=True)
    return amount / torch.where(total > 0, total, torch.nan)


def entropy(share: Tensor) -> Tensor:
    """Bits ``[...]`` of distributions ``[..., d]``; NaN where there is none."""
    known = share.nan_to_num(0.0)
    bits = torch.special.entr(known).sum(-1) / np.log(2)
    return torch.where(known.sum(-1) > 0, bits, torch.nan)


@dataclass(frozen=True)
class Overlap:
    """Whether networks keep a concept at the same places."""

    overlap: float
    """Mean over pairs of networks of sum min(p, q); NaN with fewer than two networks that have an address."""
    chance: float
    """Mean of the same after shuffling each network's places."""
    p_value: float
    """How often shuffled networks overlap as much: 1 / (draws + 1) to 1; 1 when nothing can be shuffled."""
    same_best: float
    """Part of the pairs whose best place is the same."""
    same_best_chance: float
    """The same after shuffling."""
    networks: int
    """How many have an address."""


def overlap(
    share: Tensor,
    *,
    within: Ints | None = None,
    draws: int = 199,
    rng: np.random.Generator,
) -> Overlap:
    """Overlap of S networks' addresses ``[S, d]``, against shuffles of units within strata ``within`` ``[d]``."""
    p = share[share.nansum(1) > 0]
    networks, d = p.shape
    if networks < 2:
        missing = float("nan")
        return Overlap(missing, missing, missing, missing, missing, networks)
    dead = p.isnan().numpy()
    p_known = p.nan_to_num(0.0).double()
    stratum = np.zeros(d, dtype=np.int64) if within is None else within
    strata = np.where(dead, stratum.max() + 1 + np.arange(d), stratum)
    real = _agreement(p_known)
    null = np.array([_agreement(_shuffled_places(p_known, strata, rng)) for _ in range(draws)])
    p_value = float((1 + (null[:, 0] >= real[0] - 1e-12).sum()) / (1 + draws))
    return Overlap(real[0], float(null[:, 0].mean()), p_value, real[1], float(null[:, 1].mean()), networks)


def _agreement(p: Tensor) -> tuple[float, float]:
    """Mean overlap and part of equal best places over all pairs of ``[S, d]``."""
    first, second = torch.triu_indices(len(p), len(p), offset=1)
    best = p.argmax(1)
    shared = torch.stack([torch.minimum(p[i], p[i + 1 :]).sum(1).sum() for i in range(len(p) - 1)]).sum()
    return float(shared) / len(first), float((best[first] == best[second]).double().mean())


def _shuffled_places(p: Tensor, strata: Ints, rng: np.random.Generator) -> Tensor:
    """Every network's places shuffled on their own, within strata ``[S, d]``."""
    place = np.argsort(strata, axis=1, kind="stable")
    taken = np.argsort(strata + rng.random(strata.shape), axis=1)
    source = np.empty_like(place)
    np.put_along_axis(source, place, taken, axis=1)
    return p.gather(1, torch.from_numpy(source))


def address_by_level(
    share: Tensor, levels: pd.DataFrame, *, draws: int = 199, rng: np.random.Generator
) -> pd.DataFrame:
    """Entropy and overlap of addresses ``[S, d]`` at each level.

    Args:
        share: from :func:`address`; NaN for dead units, all NaN for a network without an address.
        levels: d rows, one column per level from coarse to fine (for example ``module``, ``site``), each place inside
            one place of the level before it. The level ``unit`` is added.
        draws: shuffles behind chance and p.
        rng: for the shuffles.

    Returns:
        One row per level: ``level, places, networks, bits, most_bits, effective, overlap, chance, p_value, same_best,
        same_best_chance``. ``bits`` and ``effective`` are means over networks. Where every coarser place holds one
        place of the level there is nothing to shuffle, so overlap equals chance and p is 1.
    """
    if share.dim() != 2 or len(levels) != share.shape[1]:
        raise ImprintError(f"addresses are {list(share.shape)} for {len(levels)} units in levels; expected [S, d].")
    rows = []
    above = np.zeros(len(levels), dtype=np.int64)
    for name in [*levels.columns, "unit"]:
        codes = np.arange(len(levels)) if name == "unit" else pd.factorize(levels[name])[0]
        pairs = pd.DataFrame({"place": codes, "above": above}).drop_duplicates().sort_values("place")
        if pairs["place"].duplicated().any():
            raise ImprintError(
                f"a place of level {name!r} lies in two places of the level before it; expected nesting."
            )
        at = _summed(share, torch.from_numpy(codes), len(pairs))
        bits = entropy(at)
        found = overlap(at, within=pairs["above"].to_numpy(), draws=draws, rng=rng)
        rows.append(
            {
                "level": str(name),
                "places": len(pairs),
                "networks": found.networks,
                "bits": float(bits.nanmean()),
                "most_bits": float(np.log2(len(pairs))),
                "effective": float((2**bits).nanmean()),
                "overlap": found.overlap,
                "chance": found.chance,
                "p_value": found.p_value,
                "same_best": found.same_best,
                "same_best_chance": found.same_best_chance,
            }
        )
        above = codes
    return pd.DataFrame(rows)


def _summed(share: Tensor, codes: Tensor, places: int) -> Tensor:
    """Shares ``[S, L]`` per place; NaN for a place without a living unit."""
    living = ~share.isnan()
    total = torch.zeros(len(share), places, dtype=torch.float64).index_add(1, codes, share.nan_to_num(0.0).double())
    count = torch.zeros(len(share), places).index_add(1, codes, living.float())
    return torch.where(count > 0, total, torch.nan)
