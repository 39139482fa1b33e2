"""What ``locate`` is given, as it is used: sites, labels, groups and floors of the same rows, and what was left out.

Everything passes through :mod:`imprint.probes.door`; nothing later looks at what a user passed.

Letters: n rows, d width of a site.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.door.arrays import OFFSET, SAFE, Rows, count_of, masked_rows, matrix, real_array, rows_of, texts
from imprint.probes.door.files import open_activations
from imprint.probes.door.labels import moderate, plain, sentinel, table_of, without
from imprint.probes.door.rows import column_or, groups_of, mask_of, require_one_order
from imprint.probes.door.sums import all_finite
from imprint.probes.subjects.stored import ActivationStore

BARE = "activations"
"""Site of an array that came without a name."""
Stream = Iterable[Mapping[str, Any]]
"""Batches ``{site: [b, d]}``."""


@dataclass
class Entrance:
    """Arguments of ``locate``, checked and converted."""

    labels: pd.DataFrame
    """The concepts in the rows that are used; a column of groups or of a mask is no concept."""
    groups: NDArray[np.int64] | None
    """``[n]`` group of each row."""
    activations: Mapping[str, Tensor] | Stream
    """Site -> ``[n, d]``, or batches of such mappings."""
    sites: list[str]
    untrained: dict[str, list[Tensor]] | list[Stream]
    """Site -> one ``[n, d]`` per twin; beside a stream, one stream per twin."""
    inputs: dict[str, NDArray[np.floating[Any]]]
    """Site -> raw input ``[n, p]``."""
    value: NDArray[np.float64] | None
    """``[n]``"""
    problems: dict[str, str] = field(default_factory=dict)
    """Concept -> why its labels are none."""
    caveats: list[str] = field(default_factory=list)
    """Sentences about what was left out."""
    constant: dict[str, int] = field(default_factory=dict)
    """Site -> columns left out because they vary by rounding alone."""

    @property
    def stream(self) -> Stream | None:
        """The activations, when they are a stream."""
        return None if isinstance(self.activations, Mapping) else self.activations


@dataclass
class _Rows:
    """The rows of everything that is given."""

    shape: tuple[int, ...]
    """``(n,)``, or ``(sequences, positions)``."""
    used: NDArray[np.bool_] | None
    """``[n]``; None: all."""

    @property
    def n(self) -> int:
        return int(np.prod(self.shape))

    def flat(self, name: str, value: Any) -> Any:
        """The array with sequences joined to rows ``[n, ...]``."""
        if len(self.shape) == 1:
            return value
        array = real_array(name, value)
        if array.shape[:2] == self.shape:
            return array.reshape(self.n, *array.shape[2:])
        return np.repeat(array, self.shape[1], axis=0) if len(array) == self.shape[0] != self.n else array

    def of(self, array: Any) -> Any:
        """The used rows of an array ``[n, ...]``."""
        return array if self.used is None else array[self.used]


def enter(
    activations: Any,
    concepts: Any,
    *,
    groups: Any = None,
    mask: Any = None,
    ignore: Any = None,
    untrained: Any = None,
    inputs: Any = None,
    value: Any = None,
) -> Entrance:
    """Everything that ``locate`` is given; raises :class:`ImprintError` for what cannot be meant."""
    labels = table_of(concepts)
    groups, labels = column_or("groups", groups, labels)
    mask, labels = column_or("mask", mask, labels)
    if not len(labels.columns):
        raise ImprintError("nothing to locate: concepts has no column besides those of groups and mask.")
    if groups is None and isinstance(activations, ActivationStore) and activations.groups is not None:
        groups = activations.groups
    given = named(activations, len(labels))
    require_one_order(
        labels.index, activations=given, groups=groups, mask=mask, untrained=untrained, inputs=inputs, value=value
    )
    shape = _shape(given, len(labels)) if isinstance(given, Mapping) else (len(labels),)
    rows = _Rows(shape, mask_of(mask, shape))
    if isinstance(given, Mapping) and (hidden := _hidden(given, rows)) is not None:
        rows.used = ~hidden if rows.used is None else rows.used & ~hidden
    codes = groups_of(groups, shape, rows.used)
    used = labels if rows.used is None else labels.loc[rows.used]
    entered = Entrance(without(used.reset_index(drop=True), ignore), codes, {}, [], {}, {}, None)
    if rows.used is not None and not rows.used.all():
        entered.caveats.append(f"{int((~rows.used).sum())} of {rows.n} rows are masked and were left out")
    _plain_labels(entered)
    if isinstance(given, Mapping):
        entered.sites = list(given)
        entered.activations = {site: _site(entered, site, array, rows) for site, array in given.items()}
        entered.untrained = _twins(untrained, entered.sites, rows)
    else:
        stream = CentredStream(given, rows.used)
        entered.activations, entered.sites = stream, list(stream.first)
        entered.untrained = _twin_streams(untrained, rows.used)
    entered.inputs = _inputs(inputs, entered.sites, rows)
    if value is not None:
        numbers = real_array("value", rows.flat("value", value)).astype(np.float64).reshape(-1)
        if len(numbers) != rows.n:
            raise ImprintError(
                f"value has {len(numbers)} numbers but concepts has {rows.n} rows; expected one per row."
            )
        entered.value = rows.of(numbers)
    return entered


def named(activations: Any, rows: int) -> dict[str, Any] | Stream:
    """Site -> array, or a stream of such mappings, from anything that holds activations of ``rows`` rows."""
    if isinstance(activations, str | PathLike):
        activations = open_activations(activations, rows)
    if isinstance(activations, ActivationStore):
        return activations.stream()
    if isinstance(activations, Mapping):
        if not activations:
            raise ImprintError("nothing to locate: activations holds no site.")
        return dict(zip(texts("a site", activations), activations.values(), strict=True))
    if isinstance(activations, list | tuple):
        return _of_list(activations)
    arrays = hasattr(activations, "__array__") or hasattr(activations, "toarray") or hasattr(activations, "to_pandas")
    if arrays or isinstance(activations, Tensor | pd.DataFrame):
        return {BARE: activations}
    if not isinstance(activations, Iterable) or isinstance(activations, bytes):
        raise ImprintError(
            f"activations is a {type(activations).__name__}; expected {{site: array [n, d]}}, a store, a stream of "
            "such mappings, or a path."
        )
    if isinstance(activations, Iterator):
        raise ImprintError(
            "activations is a generator, which can be read only once; expected a stream that can be iterated again "
            "and gives the same batches, such as a list or an ActivationStore."
        )
    return activations


def _of_list(given: Sequence[Any]) -> dict[str, Any] | Stream:
    if given and all(isinstance(part, Mapping) for part in given):
        return given
    if given and all(_axes(part) == 1 for part in given):
        return {BARE: given}
    raise ImprintError(
        f"activations is a list of {len(given)} arrays; expected a name for each: {{'layer 0': array [n, d], ...}}."
    )


def _axes(value: Any) -> int:
    """Number of axes of an array or of nested lists."""
    if hasattr(value, "ndim"):
        return int(value.ndim)
    return 1 + max(map(_axes, value[:1]), default=0) if isinstance(value, list | tuple) else 0


def _shape(given: Mapping[str, Any], n: int) -> tuple[int, ...]:
    """``(n,)``, or ``(sequences, positions)`` when a site has three axes and as many positions as there are rows."""
    for array in given.values():
        shape = tuple(getattr(array, "shape", ())) if not getattr(array, "is_nested", False) else ()
        if len(shape) == 3 and shape[0] * shape[1] == n != shape[0]:
            return (int(shape[0]), int(shape[1]))
    return (n,)


def _hidden(given: Mapping[str, Any], rows: _Rows) -> NDArray[np.bool_] | None:
    """``[n]`` rows that masked arrays hide as a whole; None when there are none."""
    found = [hidden for array in given.values() if (hidden := masked_rows(array)) is not None and len(hidden) == rows.n]
    return np.asarray(np.any(found, axis=0)) if found else None


def _plain_labels(entered: Entrance) -> None:
    """Labels in plain types; columns whose cells are no labels become problems."""
    columns: dict[str, pd.Series[Any]] = {}
    for name in entered.labels.columns:
        column = entered.labels[name]
        try:
            columns[name] = moderate(plain(column))
        except NotMeasurableError as error:
            entered.problems[name] = str(error)
            continue
        if warning := sentinel(columns[name].rename(name)):
            entered.caveats.append(warning)
    entered.labels = pd.DataFrame(columns, index=entered.labels.index)


def _site(entered: Entrance, site: str, array: Any, rows: _Rows) -> Tensor:
    name = f"activations[{site!r}]"
    ready = _ready(name, array, rows)
    if ready.constant.any() and not ready.constant.all():
        count, some = int(ready.constant.sum()), int(ready.rounding.sum())
        about = f", {some} of them but for rounding" if some else ""
        entered.caveats.append(
            f"{site}: {count} of {len(ready.constant)} columns are constant{about}, and were left out"
        )
        entered.constant[site] = some
    return ready.values


def _ready(name: str, array: Any, rows: _Rows) -> Rows:
    """The used rows of an array, ready for use; wholly masked rows are among those that are not used."""
    if masked_rows(array) is not None and rows.used is not None:
        hidden = masked_rows(array)
        assert hidden is not None
        array = real_array(name, np.ma.getdata(array) if np.ma.isMaskedArray(array) else array.get_data())
    if rows.used is None and len(rows.shape) == 1:
        return rows_of(name, array, rows.n)
    array = matrix(name, rows.flat(name, array), rows.n)
    return rows_of(name, rows.of(array))


def _twins(untrained: Any, sites: Sequence[str], rows: _Rows) -> dict[str, list[Tensor]]:
    """Site -> activations of each twin."""
    if untrained is None:
        return {}
    if isinstance(untrained, str | PathLike):
        untrained = open_activations(untrained, rows.n)
    if isinstance(untrained, list | tuple) and untrained and all(isinstance(twin, Mapping) for twin in untrained):
        untrained = {
            site: [twin[site] for twin in untrained if site in twin]
            for site in dict.fromkeys(str(site) for twin in untrained for site in twin)
        }
    if not isinstance(untrained, Mapping):
        if len(sites) > 1:
            raise ImprintError(
                f"untrained is a {type(untrained).__name__}, and there are {len(sites)} sites; expected "
                "{site: array [n, d], or a list of them}."
            )
        untrained = {sites[0]: untrained}
    out: dict[str, list[Tensor]] = {}
    for site, given in untrained.items():
        if site not in sites:
            raise unknown_name("site in untrained", site, sites)
        name = f"untrained[{site!r}]"
        several = isinstance(given, list | tuple) and all(_axes(twin) >= 2 for twin in given)
        arrays = list(given) if several else []
        if not several:
            whole = real_array(name, given)
            arrays = list(whole) if whole.ndim == 3 and whole.shape[:2] != rows.shape else [whole]
        ready = [_ready(name, array, rows) for array in arrays]
        if bad := [r for r in ready if not all_finite(r.values)]:
            values = bad[0].values
            raise ImprintError(
                f"{name}: activations hold {int((~torch.isfinite(values)).sum())} NaN or infinite values."
            )
        if any(r.constant.all() for r in ready):
            raise ImprintError(f"{name}: every column is constant, so there is nothing to read.")
        out[site] = [r.values for r in ready]
    return out


def _twin_streams(untrained: Any, used: NDArray[np.bool_] | None) -> list[Stream]:
    if untrained is None:
        return []
    if isinstance(untrained, ActivationStore):
        untrained = [untrained]
    if not isinstance(untrained, list | tuple):
        raise ImprintError("beside a stream of activations, untrained must be a list of streams, one per twin.")
    streams = [twin.stream() if isinstance(twin, ActivationStore) else twin for twin in untrained]
    return [CentredStream(stream, used) for stream in streams]


def _inputs(inputs: Any, sites: Sequence[str], rows: _Rows) -> dict[str, NDArray[np.floating[Any]]]:
    if inputs is None:
        return {}
    given = inputs if isinstance(inputs, Mapping) else dict.fromkeys(sites, inputs)
    out: dict[str, NDArray[np.floating[Any]]] = {}
    seen: dict[int, NDArray[np.floating[Any]]] = {}
    for site, value in given.items():
        if site not in sites:
            raise unknown_name("site in inputs", site, sites)
        if id(value) not in seen:
            array = real_array("inputs", rows.flat("inputs", value))
            if array.ndim < 2 or not len(array):
                raise ImprintError(f"inputs has shape {array.shape}; expected rows by features [n, p].")
            flat = matrix("inputs", array.reshape(len(array), int(np.prod(array.shape[1:]))), rows.n)
            seen[id(value)] = rows_of("inputs", rows.of(flat)).values.numpy()
            if not np.isfinite(seen[id(value)]).all():
                raise ImprintError("inputs hold NaN or infinite values.")
        out[site] = seen[id(value)]
    return out


def _fits_single(array: NDArray[Any]) -> bool:
    """Whether single precision holds the squares of centred columns."""
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.ptp(array.astype(np.float64), axis=0)
    return not bool(((spread > SAFE[1]) | ((spread > 0) & (spread < SAFE[0]))).any())


class CentredStream:
    """A stream whose batches pass through the door: dense rows, the used ones, about the mean of the first batch."""

    def __init__(self, stream: Stream, used: NDArray[np.bool_] | None) -> None:
        self.stream, self.used = stream, used
        first = next(iter(stream), None)
        if not isinstance(first, Mapping) or not first:
            got = "nothing" if first is None else f"a {type(first).__name__}"
            raise ImprintError(
                f"the stream of activations holds no batch {{site: array [b, d]}}; its first element is {got}."
            )
        self.first = {str(site): matrix(f"a batch at {site!r}", array) for site, array in first.items()}
        self.origin: dict[str, NDArray[np.float64]] = {}
        for site, array in self.first.items():
            some = array.astype(np.float64)
            far = (np.abs(some.mean(0)) > OFFSET * some.std(0)) & np.isfinite(some.mean(0))
            if far.any():
                self.origin[site] = np.where(far, some.mean(0), 0.0)
        self.double = {site: not _fits_single(array) for site, array in self.first.items()}
        if hasattr(stream, "only"):
            self.only = self._only

    def _only(self, sites: Sequence[str]) -> CentredStream:
        """The same for some of the sites, which alone are read."""
        some, parts = copy.copy(self), cast("Any", self.stream)
        some.stream = parts.only(sites)
        return some

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        start = 0
        for batch in self.stream:
            if not isinstance(batch, Mapping):
                raise ImprintError(f"a batch is a {type(batch).__name__}; expected {{site: array [b, d]}}.")
            out: dict[str, Tensor] = {}
            size = 0
            for site, given in batch.items():
                ready, size = self._rows(str(site), given, start)
                out[str(site)] = ready
            start += size
            if out and (self.used is None or len(next(iter(out.values())))):
                yield out
        if self.used is not None and start != len(self.used):
            raise ImprintError(f"the stream held {start} rows but concepts has {len(self.used)}; expected as many.")

    def _rows(self, site: str, given: Any, start: int) -> tuple[Tensor, int]:
        """The used rows of a batch at a site, and how many there were; ``start``: number of its first row."""
        origin = self.origin.get(site)
        if self.used is not None and hasattr(given, "__len__") and start + len(given) > len(self.used):
            raise ImprintError(
                f"the stream holds more rows than concepts has ({len(self.used)}); each row must describe the same "
                "sample."
            )
        if isinstance(given, Tensor) and given.device.type not in ("cpu", "meta") and given.is_floating_point():
            x = given.detach()
            if self.used is not None:
                x = x[torch.from_numpy(self.used[start : start + len(x)]).to(x.device)]
            moved = x if origin is None else x.double() - torch.from_numpy(origin).to(x.device)
            return moved.float(), len(given)
        array = matrix(f"a batch at {site!r}", given)
        rows = array if self.used is None else array[self.used[start : start + len(array)]]
        if origin is not None and origin.shape == array.shape[1:]:
            rows = rows.astype(np.float64) - origin
        single = np.ascontiguousarray(rows, dtype=np.float64 if self.double.get(site) else np.float32)
        return torch.from_numpy(single if single.flags.writeable else single.copy()), len(array)


def counts(**given: tuple[Any, int, int]) -> None:
    """Check whole numbers given as ``name=(value, least, most)``."""
    for name, (value, least, most) in given.items():
        count_of(name, value, least=least, most=most)
