"""Items: the parts of what a module returns, by name, index or key, with the rows first.

    module               a tensor itself; of a tuple, list, mapping or dataclass the first item, for example the hidden
                         states of a Hugging Face block or the attended values of MultiheadAttention
    lstm.output          the sequence of outputs of an LSTM, GRU or RNN, ``[n, time, width]``
    lstm.h, lstm.c       its last hidden and cell state, ``[n, layers, width]``; of a cell (LSTMCell, GRUCell, RNNCell)
                         ``[n, width]``
    module[1], [1][0]    an item of a tuple or list
    module[key]          an item of a mapping, a named tuple or a dataclass

Rows come first in all of them: states ``[layers, n, width]``, and sequences of modules with ``batch_first=False``, are
transposed. Packed sequences are read as padded ones, of which only the packed positions are real.

Letters: n observations.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from imprint.models.errors import ImprintError, unknown_name

Path = tuple[int | str, ...]
"""Indices and keys, the outermost first; empty: the tensor itself, or the first item of a container."""
DEPTH = 3
"""Containers are searched for tensors this deep."""
CELLS: dict[type, dict[str, Path]] = {
    nn.LSTM: {"output": (0,), "h": (1, 0), "c": (1, 1)},
    nn.GRU: {"output": (0,), "h": (1,)},
    nn.RNN: {"output": (0,), "h": (1,)},
    nn.LSTMCell: {"h": (0,), "c": (1,)},
    nn.GRUCell: {"h": ()},
    nn.RNNCell: {"h": ()},
}
"""Names of the outputs of recurrent modules."""


def named_outputs(module: nn.Module) -> Mapping[str, Path]:
    """Names of the outputs of a recurrent module; empty for others."""
    return next((paths for kind, paths in CELLS.items() if isinstance(module, kind)), {})


def path_of(text: str) -> Path:
    """The path written ``[1][key]``; numbers are indices."""
    keys = re.findall(r"\[([^\[\]]+)\]", text)
    return tuple(int(key) if re.fullmatch(r"-?[0-9]+", key) else key.strip("'\"") for key in keys)


def part(module: nn.Module, output: Any, path: Path, rows: int) -> Any:
    """The item of a module's output at ``path``, rows first, or whatever is in its place."""
    value = _at(output, path)
    if isinstance(value, PackedSequence):
        return pad_packed_sequence(value, batch_first=True)[0]
    return value.transpose(0, 1) if _rows_second(module, path, value, rows) else value


def packed_mask(output: Any, path: Path) -> Tensor | None:
    """Bool ``[n, T]``: which positions of the item at ``path`` were packed; None for what is no packed sequence."""
    value = _at(output, path)
    if not isinstance(value, PackedSequence):
        return None
    lengths = pad_packed_sequence(value, batch_first=True)[1]
    return torch.arange(int(lengths.max())) < lengths[:, None]


def _at(output: Any, path: Path) -> Any:
    value = output
    for key in path or _first(output):
        value = value[_place(value, key)] if isinstance(value, tuple | list | Mapping) else _attribute(value, key)
    return value


def replaced(module: nn.Module, output: Any, path: Path, changed: Tensor, rows: int) -> Any:
    """The module's output with ``changed`` ``[n, ...]`` in place of the item that :func:`part` returns."""
    return _replaced(module, output, path or _first(output), changed, (path, rows))


def _replaced(module: nn.Module, value: Any, left: Path, changed: Tensor, asked: tuple[Path, int]) -> Any:
    if left:
        inner = (
            value[_place(value, left[0])] if isinstance(value, tuple | list | Mapping) else _attribute(value, left[0])
        )
        return _with(value, left[0], _replaced(module, inner, left[1:], changed, asked))
    if isinstance(value, PackedSequence):
        lengths = pad_packed_sequence(value, batch_first=True)[1]
        return pack_padded_sequence(changed, lengths, batch_first=True, enforce_sorted=False)
    path, rows = asked
    return changed.transpose(0, 1) if _rows_second(module, path, value, rows) else changed


def leaves(module: nn.Module, output: Any) -> Iterator[tuple[str, Path]]:
    """Suffix of the site's name and path of every tensor of a module's output; the first has no suffix."""
    names = named_outputs(module)
    if names:
        yield from ((f".{name}" if place else "", path) for place, (name, path) in enumerate(names.items()))
        return
    for place, path in enumerate(_paths(output, ())):
        yield ("".join(f"[{key}]" for key in path), path) if place else ("", ())


def _paths(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, Tensor):
        yield path
    elif len(path) < DEPTH:
        for key in _keys(value):
            inner = value[_place(value, key)] if isinstance(value, tuple | list | Mapping) else getattr(value, str(key))
            yield from _paths(inner, (*path, key))


def _first(output: Any) -> Path:
    """Path to the first item of a container; empty for a tensor and anything else."""
    return () if isinstance(output, Tensor | PackedSequence) else tuple(_keys(output)[:1])


def _keys(value: Any) -> list[Any]:
    """Keys of the items of a container; empty for what is none."""
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, tuple | list):
        return list(range(len(value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    return []


def _place(value: tuple[Any, ...] | list[Any] | Mapping[Any, Any], key: Any) -> Any:
    """Where a container of items keeps ``key``: of a mapping also by position, of a named tuple also by name."""
    if isinstance(value, Mapping):
        known = {str(own): own for own in value}
        if key in value or str(key) in known:
            return key if key in value else known[str(key)]
        if isinstance(key, int) and -len(value) <= key < len(value):
            return list(value)[key]
        raise unknown_name("item", key, known)
    names = list(getattr(value, "_fields", ()))
    if key in names:
        return names.index(key)
    if not isinstance(key, int) or not -len(value) <= key < len(value):
        raise unknown_name("item", key, [*names, *range(len(value))])
    return key


def _attribute(value: Any, key: Any) -> Any:
    names = _keys(value)
    if isinstance(key, int) and -len(names) <= key < len(names):
        return getattr(value, names[key])
    if key not in names:
        if not names:
            raise ImprintError(f"a {type(value).__name__} has no item {key!r}; leave [{key}] out of the site's name.")
        raise unknown_name("item", key, names)
    return getattr(value, key)


def _with(value: Any, key: Any, item: Any) -> Any:
    """The container with another item."""
    if isinstance(value, Mapping):
        edited = cast("dict[Any, Any]", copy.copy(value))
        edited[_place(value, key)] = item
        return edited
    if isinstance(value, tuple | list):
        at = _place(value, key)
        items = list(value)
        items[at] = item
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    edited = copy.copy(value)
    name = _keys(value)[key] if isinstance(key, int) else key
    object.__setattr__(edited, name, item)
    return edited


def _rows_second(module: nn.Module, path: Path, value: Any, rows: int) -> bool:
    """Whether an item has its rows on the second axis: ``[time, n, ...]``, or ``[layers, n, width]`` of a state."""
    if not isinstance(value, Tensor) or value.is_nested or value.dim() < 3:
        return False
    if isinstance(module, nn.RNNBase) and path[:1] == (1,):
        return True
    if path in ((), (0,)):
        return getattr(module, "batch_first", None) is False
    return len(value) != rows and value.shape[1] == rows
