"""A probe in one file to share: a safetensors file with the weights and a card that says what they are.

The card holds the concept, its classes, the site, the hash of the network's weights, and the score beside its floors as
``imprint.locate`` found them, so that whoever loads the probe knows what it reads and how well, and can be refused when
the network is another one:

    readout = Ridge().fit(activations, labels)
    save_probe("coin.safetensors", readout, ProbeCard.of(table, "coin", "layer.3", model=network))
    probe = load_probe("coin.safetensors", model=network)
    probe(activations)                                              # readings [n, Q]

Reading unpickles nothing and checks the digest of the weights.

Letters: n rows, D width, Q columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from imprint.models.errors import DamagedFileError, ImprintError, unknown_name
from imprint.models.store import model_hash, read_tensors, write_tensors
from imprint.probes.readouts.base import READOUTS, Fitted, Readout

FLOORS = ("null", "untrained", "inputs")


@dataclass(frozen=True)
class ProbeCard:
    """What a probe reads, where, and how well."""

    concept: str
    site: str
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of the codes; empty for numbers."""
    readout: str = ""
    """Kind of readout."""
    model: str = ""
    """Class of the network."""
    model_hash: str = ""
    """SHA-256 of the network's weights; empty when unknown."""
    score: float | None = None
    """Balanced accuracy or R2, out of fold; None when it was not measured."""
    low: float | None = None
    high: float | None = None
    floors: dict[str, float | None] = field(default_factory=dict)
    """``null``, ``untrained`` and ``inputs``: the scores to be beaten; None where one was not measured."""
    verdict: str = ""
    note: str = ""

    @classmethod
    def of(cls, table: pd.DataFrame, concept: str, site: str, *, model: nn.Module | None = None) -> ProbeCard:
        """The card of one cell of the table that ``imprint.locate`` returned."""
        rows = table[(table["concept"].astype(str) == concept) & (table["site"].astype(str) == site)]
        if rows.empty:
            for what, name in (("concept", concept), ("site", site)):
                if name not in set(table[what].astype(str)):
                    raise unknown_name(f"{what} of this table", name, table[what].astype(str).unique())
        row = rows.iloc[0]
        card = cls(
            concept,
            site,
            score=_known(row["score"]),
            low=_known(row["low"]),
            high=_known(row["high"]),
            floors={name: _known(row[name]) for name in FLOORS},
            verdict=str(row["verdict"]),
        )
        return card if model is None else replace(card, model=type(model).__name__, model_hash=model_hash(model))


@dataclass(frozen=True)
class SavedProbe:
    """A probe that was loaded, and its card."""

    fitted: Fitted
    card: ProbeCard

    def __call__(self, x: Tensor) -> Tensor:
        """Readings ``[n, Q]`` of activations ``[n, D]``."""
        return self.fitted(x)


def save_probe(path: str | Path, readout: Readout, card: ProbeCard) -> Path:
    """Write a fitted readout with its card; the path. Classes and kind of readout are taken from the readout."""
    if not isinstance(readout, Readout) or not isinstance(getattr(readout, "fitted_", None), Fitted):
        raise ImprintError(f"{type(readout).__name__} is not a fitted readout; call fit(X, y) first.")
    classes = tuple(str(name) for name in getattr(readout, "classes_", ()))
    filled = asdict(replace(card, classes=classes, readout=type(readout).__name__))
    fitted = readout.fitted_
    write_tensors(Path(path), fitted.tensors(), kind=type(fitted).__name__, card=json.dumps(filled, allow_nan=False))
    return Path(path)


def load_probe(path: str | Path, *, model: nn.Module | None = None) -> SavedProbe:
    """A probe that :func:`save_probe` wrote.

    With ``model`` the probe is refused when it belongs to other weights. Raises :class:`DamagedFileError` for a file
    that is damaged or holds something else.
    """
    _, header = read_tensors(Path(path))
    kinds = {kind.__name__: kind for kind in _kinds()}
    if "card" not in header or header.get("kind") not in kinds:
        raise DamagedFileError(f"{path} holds no probe with a card; expected a file of save_probe.")
    try:
        values = json.loads(header["card"])
        card = ProbeCard(**{**values, "classes": tuple(values["classes"])})
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedFileError(f"{path}: its card cannot be read ({error}).") from None
    if model is not None and card.model_hash and model_hash(model) != card.model_hash:
        raise ImprintError(
            f"{path} was fitted on a {card.model} whose weights have the hash {card.model_hash[:12]}; this "
            f"{type(model).__name__} has {model_hash(model)[:12]}. A probe says nothing about other weights."
        )
    return SavedProbe(kinds[header["kind"]].load(Path(path)), card)


def _kinds() -> Iterator[Any]:
    """All kinds of fitted probes."""
    for name in READOUTS.names():
        READOUTS.load(name)
    waiting: list[Any] = [Fitted]
    while waiting:
        waiting += (known := waiting.pop()).__subclasses__()
        yield known


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(float(value)) else None
