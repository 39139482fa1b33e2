"""Address: where in a network a concept can be read, as a distribution over its units, and whether seeds share it.

    p_u = amount_u / sum of amounts        amount: score of unit u alone (below), or a probe's squared weight
    entropy = - sum_u p_u log2 p_u (bits)               effective number of units = 2 ^ entropy
    overlap of two networks = sum_u min(p_u, q_u)       1: the same units, 0: none in common

If the units that hold a concept cannot be predicted from other training runs, the overlap of two networks is that of
networks with shuffled units. Coarser places may still be predictable, for example the layer or the input modality. So
overlap is measured level by level (module, site, unit), and its chance value comes from shuffling places **within** the
next coarser one: units within their site, sites within their module. Dead units keep their place in the shuffles;
otherwise two networks with the same dead units would seem to overlap more than by chance.

The score of a unit is the part of its variance that the concept explains (squared correlation; for classes, the
correlation ratio). It is set to 0 unless it exceeds the 95 % quantile of the best unit's score under shuffled labels.

Letters: S networks, n rows, d units, L places at a level.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.samples.concept_columns import ConceptColumns, Floats, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups

LEVEL = 0.95
"""Quantile of the best unit's score under shuffled labels, up to which scores are set to 0."""
LEVEL_COLUMNS = ["level", "places", "networks", "bits", "most_bits", "effective"]
LEVEL_COLUMNS += ["overlap", "chance", "p_value", "same_best", "same_best_chance"]


def single_unit_scores(
    activations: Tensor, labels: pd.Series, *, groups: object = None, shuffles: int = 49, rng: np.random.Generator
) -> Tensor:
    """Score of each unit for a concept, ``[S, d]``: 0..1, 0 where it is no better than shuffled labels, NaN when dead.

    ``activations`` are ``[S, n, d]`` of S networks, and ``labels`` n of them; floats are numbers, all others classes.
    ``groups`` ``[n]`` determine whether labels are shuffled within or among groups.
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
    score = _explained(unit, _scaled(concept, concept.columns))
    shuffled_columns = concept.shuffles(compact_groups(groups, len(labels)), shuffles, rng)
    best = torch.stack([_explained(unit, _scaled(concept, columns)).amax(1) for columns in shuffled_columns])
    floor = best.quantile(LEVEL, dim=0)[:, None]
    return torch.where(dead[:, 0], torch.nan, torch.where(score > floor, score, 0.0))


def _scaled(concept: ConceptColumns, columns: Floats) -> Tensor:
    """Orthogonal columns ``[n, C]`` of length one; numbers are centred, indicators of classes are not."""
    y = torch.from_numpy(np.asarray(columns, dtype=np.float64))
    y = y - y.mean(0) if concept.regression else y
    scaled: Tensor = y / y.norm(dim=0)
    return scaled


def _explained(unit: Tensor, y: Tensor) -> Tensor:
    """Part ``[S, d]`` of the variance of centred units of length one that columns ``y`` ``[n, C]`` explain."""
    return (unit.transpose(1, 2) @ y).square().sum(2)


def address(amount: Tensor) -> Tensor:
    """Distribution ``[..., d]`` of amounts ``[..., d]`` (NaN for dead units); all NaN where no amount is above 0."""
    if bool((amount < 0).any()):
        raise ImprintError("amounts are negative; expected scores or squared weights of zero or more.")
    total = amount.nansum(-1, keepdim=True)
    return amount / torch.where(total > 0, total, torch.nan)


def entropy(share: Tensor) -> Tensor:
    """Entropy ``[...]`` in bits of distributions ``[..., d]``; NaN for a network without an address."""
    p = share.nan_to_num(0.0)
    bits = torch.special.entr(p).sum(-1) / np.log(2)
    return torch.where(p.sum(-1) > 0, bits, torch.nan)


@dataclass(frozen=True)
class Overlap:
    """How much networks agree on the places of a concept; NaN with fewer than two networks that have an address."""

    networks: int
    """Number of networks with an address."""
    overlap: float = float("nan")
    """Mean over pairs of networks of sum min(p, q)."""
    chance: float = float("nan")
    """Mean overlap after shuffling the places of each network."""
    p_value: float = float("nan")
    """Of a permutation test: 1 / (draws + 1) to 1; 1 when nothing can be shuffled."""
    same_best: float = float("nan")
    """Part of the pairs of networks with the same best place."""
    same_best_chance: float = float("nan")
    """The same after shuffling the places of each network."""


def overlap(share: Tensor, *, within: Ints | None = None, draws: int = 199, rng: np.random.Generator) -> Overlap:
    """Overlap of the addresses ``[S, d]`` of S networks, against shuffles of units within strata ``within`` ``[d]``."""
    p = share[share.nansum(1) > 0]
    networks, d = p.shape
    if networks < 2:
        return Overlap(networks)
    dead = p.isnan().numpy()
    p_finite = p.nan_to_num(0.0).double()
    stratum = np.zeros(d, dtype=np.int64) if within is None else within
    strata = np.where(dead, stratum.max() + 1 + np.arange(d), stratum)
    real = _agreement(p_finite)
    null = np.array([_agreement(_shuffled_places(p_finite, strata, rng)) for _ in range(draws)])
    p_value = float((1 + (null[:, 0] >= real[0] - 1e-12).sum()) / (1 + draws))
    return Overlap(networks, real[0], float(null[:, 0].mean()), p_value, real[1], float(null[:, 1].mean()))


def _agreement(p: Tensor) -> tuple[float, float]:
    """Mean overlap, and part of pairs with the same best place, over all pairs of networks ``[S, d]``."""
    first, second = torch.triu_indices(len(p), len(p), offset=1)
    best = p.argmax(1)
    shared = torch.stack([torch.minimum(p[i], p[i + 1 :]).sum(1).sum() for i in range(len(p) - 1)]).sum()
    return float(shared) / len(first), float((best[first] == best[second]).double().mean())


def _shuffled_places(p: Tensor, strata: Ints, rng: np.random.Generator) -> Tensor:
    """The places of each network shuffled independently within ``strata`` ``[S, d]``."""
    place = np.argsort(strata, axis=1, kind="stable")
    drawn = np.argsort(strata + rng.random(strata.shape), axis=1)
    source = np.empty_like(place)
    np.put_along_axis(source, place, drawn, axis=1)
    return p.gather(1, torch.from_numpy(source))


def address_by_level(
    share: Tensor, levels: pd.DataFrame, *, draws: int = 199, rng: np.random.Generator
) -> pd.DataFrame:
    """Entropy and overlap of addresses ``[S, d]``, one row per level, with the columns :data:`LEVEL_COLUMNS`.

    ``share`` is from :func:`address`. ``levels`` has d rows and one column per level from coarse to fine (for example
    ``module``, ``site``); each place lies inside one place of the level before. The level ``unit`` is added. ``draws``
    is the number of shuffles for chance and p-value; ``bits`` and ``effective`` are means over networks. Where every
    coarser place holds a single place of the level nothing can be shuffled, so overlap equals chance and p is 1.
    """
    if share.dim() != 2 or len(levels) != share.shape[1]:
        raise ImprintError(f"addresses are {list(share.shape)} for {len(levels)} units in levels; expected [S, d].")
    rows = []
    above = np.zeros(len(levels), dtype=np.int64)
    for name in [*levels.columns, "unit"]:
        codes = np.arange(len(levels)) if name == "unit" else pd.factorize(levels[name])[0]
        pairs = pd.DataFrame({"place": codes, "above": above}).drop_duplicates().sort_values("place")
        if pairs["place"].duplicated().any():
            raise ImprintError(f"a place of level {name!r} lies in two places of the level before; expected nesting.")
        at_level = _summed(share, torch.from_numpy(codes), len(pairs))
        bits = entropy(at_level)
        row = {"level": str(name), "places": len(pairs), "bits": float(bits.nanmean())}
        row |= {"most_bits": float(np.log2(len(pairs))), "effective": float((2**bits).nanmean())}
        rows.append(row | asdict(overlap(at_level, within=pairs["above"].to_numpy(), draws=draws, rng=rng)))
        above = codes
    return pd.DataFrame(rows, columns=LEVEL_COLUMNS)


def _summed(share: Tensor, codes: Tensor, places: int) -> Tensor:
    """Sum of the shares at each place, ``[S, L]``; NaN for a place whose units are all dead."""
    living = ~share.isnan()
    total = torch.zeros(len(share), places, dtype=torch.float64).index_add(1, codes, share.nan_to_num(0.0).double())
    count = torch.zeros(len(share), places).index_add(1, codes, living.float())
    return torch.where(count > 0, total, torch.nan)
