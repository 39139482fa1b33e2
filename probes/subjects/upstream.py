"""Upstream: many edits at one place share what the model computes before it.

An edit of a module's output changes nothing that ended before that output was given. Those modules are run once a batch
and their outputs handed back under every edit, so that an edit at the last of twelve layers costs a twelfth of a pass.
What is handed back is a copy, since models may change a tensor in place.

A module takes part when it runs exactly once a pass, which is found out on a few rows; others run as always. Models
that are not plain Python (scripted or compiled modules) are run in full.

Letters: n rows, E edits, b rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from imprint.probes.subjects.guards import lock_of
from imprint.probes.subjects.site import Edit
from imprint.probes.subjects.subject import Subject

BATCH = 128
"""Rows whose upstream outputs are held at once."""
TRIAL = 3
"""Rows on which the order of modules is found out."""


def values_under(
    subject: Subject,
    observation: Tensor,
    edits: Sequence[Mapping[str, Edit]],
    *,
    done: Callable[[], None] | None = None,
) -> Tensor:
    """Values ``[E, n]`` of observations ``[n, ...]`` under each of several ``edits`` (site -> edit).

    They are those of :meth:`Subject.values`. ``done`` is called after each edit of each batch.
    """
    columns = []
    with lock_of(subject.model):
        subject.require_reached({name for edit in edits for name in edit}, observation)
        shared = _upstream(subject, observation, edits)
        for start in range(0, len(observation), BATCH):
            rows = slice(start, start + BATCH)
            part, batch = subject.rows(rows), observation[rows]
            with _recorded(part, shared, batch) as replayed, replayed():
                columns.append(torch.stack([_value(part, batch, edit, done) for edit in edits]))
    return torch.cat(columns, 1)


def passes(n: int) -> int:
    """How often ``done`` is called for each edit of ``n`` rows."""
    return -(-n // BATCH)


def _value(subject: Subject, batch: Tensor, edit: Mapping[str, Edit], done: Callable[[], None] | None) -> Tensor:
    value = subject.values(batch, edits=edit)
    if done is not None:
        done()
    return value


def _upstream(subject: Subject, observation: Tensor, edits: Sequence[Mapping[str, Edit]]) -> list[nn.Module]:
    """The outermost modules that run once, and end before or with the first module that any of the edits changes."""
    edited: set[nn.Module] = set()
    for name in {name for edit in edits for name in edit}:
        try:
            edited.add(subject.model.get_submodule(subject.site(name).module))
        except AttributeError:  # a name that is not the path of a module
            return []
    began: dict[nn.Module, int] = {}
    spans: dict[nn.Module, list[tuple[int, int]]] = {}
    clock = 0

    def start(module: nn.Module, _args: Any, _kwargs: Any = None) -> None:
        nonlocal clock
        began[module] = clock = clock + 1

    def end(module: nn.Module, _args: Any, _output: Any) -> None:
        nonlocal clock
        clock += 1
        spans.setdefault(module, []).append((began[module], clock))

    if len(edits) < 2 or not edited or any(_opaque(module) for module in subject.model.modules()):
        return []
    with _watched(subject, start, end):
        subject.rows(slice(0, TRIAL)).values(observation[:TRIAL])
    ends = [spans[module][0][1] for module in edited if module in spans]
    if len(ends) < len(edited):
        return []
    once = {module: times[0] for module, times in spans.items() if len(times) == 1}
    before = {module: span for module, span in once.items() if span[1] <= min(ends)}
    inside = [
        module
        for module, (first, last) in before.items()
        if any(a < first and last < b for other, (a, b) in before.items() if other is not module)
    ]
    return [module for module in before if module not in inside]


def _opaque(module: nn.Module) -> bool:
    """Whether calls of a module cannot be replaced."""
    return isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod")


@contextmanager
def _watched(subject: Subject, start: Callable[..., None], end: Callable[..., None]) -> Iterator[None]:
    """Calls ``start`` and ``end`` around every call of every module."""
    with ExitStack() as stack:
        for module in {id(m): m for m in subject.model.modules()}.values():
            stack.callback(_around(module, start, end))
        yield


def _around(module: nn.Module, start: Callable[..., None], end: Callable[..., None]) -> Callable[[], None]:
    """Replaces the module's ``forward`` by one that tells when it starts and ends; returns how to undo that."""
    forward = module.forward

    def told(*args: Any, **kwargs: Any) -> Any:
        start(module, args)
        output = forward(*args, **kwargs)
        end(module, args, output)
        return output

    return _replaced(module, told)


def _replaced(module: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Sets the ``forward`` of this one module; returns how to undo that."""
    own = module.__dict__.get("forward")
    module.forward = forward

    def undo() -> None:
        if own is None:
            del module.forward
        else:
            module.forward = own

    return undo


@contextmanager
def _recorded(subject: Subject, shared: Sequence[nn.Module], batch: Tensor) -> Iterator[Callable[[], Any]]:
    """Runs the batch once, and gives a context in which the ``shared`` modules hand back what they gave."""
    outputs: dict[nn.Module, Any] = {}

    def keep(module: nn.Module, _args: Any, output: Any) -> None:
        outputs[module] = _copied(output)

    if shared:
        with ExitStack() as stack:
            for module in shared:
                stack.callback(_around(module, lambda *_: None, keep))
            subject.values(batch)

    @contextmanager
    def replayed() -> Iterator[None]:
        with ExitStack() as stack:
            for module in shared:
                stack.callback(_replaced(module, lambda *_a, given=outputs[module], **_k: _copied(given)))
            yield

    yield replayed


def _copied(output: Any) -> Any:
    return _pytree.tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, output)
