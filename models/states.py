"""The state of an environment: a dictionary of tensors whose first axis counts its copies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

State = dict[str, Tensor]


def rows(state: State, index: Tensor | slice) -> State:
    """The copies ``index`` of a state."""
    if isinstance(index, Tensor) and index.dtype == torch.int64:
        return {name: value.index_select(0, index) for name, value in state.items()}
    return {name: value[index] for name, value in state.items()}


def joined(states: Sequence[State]) -> State:
    """Several states as one, their copies one after another."""
    return {name: torch.cat([s[name] for s in states]) for name in states[0]}


def replaced(state: State, index: Tensor, fresh: State) -> State:
    """``state`` with the copies of ``fresh`` at the places ``index`` int64, for the entries that ``fresh`` has."""
    return state | {name: state[name].index_copy(0, index, value) for name, value in fresh.items()}


def where(condition: Tensor, yes: State, no: State) -> State:
    """The copies of ``yes`` where ``condition`` bool ``[n]`` holds, those of ``no`` elsewhere."""
    return {
        name: torch.where(condition.reshape(-1, *(1,) * (value.ndim - 1)), yes[name], value)
        for name, value in no.items()
    }
