"""Upstream: many edits at one place share what the model computes before it.

An edit of a module's output changes nothing that ended before that output was given. Those modules are run once a batch
and their outputs handed back under every edit, so that an edit at the last of twelve layers costs a twelfth of a pass.
What is handed back is a copy, since models may change a tensor in place.

A module takes part when it runs exactly once a pass, which is found out on a few rows; others run as always. Models
that are not plain Python (scripted or compiled modules) are run in full, and so are those in which a module leaves
something on the side for a later one (``self.seen = h``), which its output does not hand back.

Letters: n rows, E edits, b rows of a batch.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from imprint.probes.subjects.guards import examined_once
from imprint.probes.subjects.site import Edit
from imprint.probes.subjects.subject import Subject

BATCH = 128
"""Rows whose upstream outputs are held at once."""
MORE, SMALL = 512, 2**25
"""Rows that are held where their outputs take at most so many bytes; small products are slow."""
TRIAL = 3
"""Rows on which the order of modules is found out."""


Edits = Mapping[str, Edit]
"""Site -> edit: what is changed in one pass."""


@examined_once
def values_under(
    subject: Subject,
    observation: Tensor,
    places: Sequence[Sequence[Edits]],
    *,
    narrowed: Callable[[Any, slice], Edits] = lambda edits, _: edits,
    batch_size: int = BATCH,
    done: Callable[[], None] | None = None,
) -> list[Tensor]:
    """Values ``[E, n]`` of observations ``[n, ...]`` under the E edits of each place.

    They are those of :meth:`Subject.values`. Edits of one place share what comes before it, and what comes before all
    places is found once. ``narrowed`` gives edits for some of the rows, where they hold something for each row.
    ``done`` is called after each edit of each batch.
    """
    columns: list[list[Tensor]] = [[] for _ in places]
    subject.require_reached({name for edits in places for edit in edits for name in edit}, observation)
    spans = _spans(subject, observation) if any(len(edits) > 1 for edits in places) else {}
    shared = [_upstream(subject, spans, edits) for edits in places]
    every = list(dict.fromkeys(module for modules in shared for module in modules))
    if every and not _all_handed_back(subject, observation, every):
        shared, every = [[] for _ in places], []
    for start in range(0, len(observation), batch_size):
        rows = slice(start, start + batch_size)
        part, batch = subject.rows(rows), observation[rows]
        outputs, _ = _recorded(part, every, batch)
        for place, modules, edits in zip(columns, shared, places, strict=True):
            with _replayed({module: outputs[module] for module in modules}):
                place.append(torch.stack([_value(part, batch, narrowed(edit, rows), done) for edit in edits]))
    return [torch.cat(place, 1) for place in columns]


def rows_at_once(width: int) -> int:
    """Rows whose outputs are held at once, where they are about ``width`` numbers a row."""
    return MORE if 4 * width * MORE <= SMALL else BATCH


def passes(n: int) -> int:
    """How often ``done`` is called for each edit of ``n`` rows."""
    return -(-n // BATCH)


def _value(subject: Subject, batch: Tensor, edit: Edits, done: Callable[[], None] | None) -> Tensor:
    value = subject.values(batch, edits=edit)
    if done is not None:
        done()
    return value


def _spans(subject: Subject, observation: Tensor) -> dict[nn.Module, list[tuple[int, int]]]:
    """When each module began and ended in a pass over a few rows, for each of its runs."""
    began: dict[nn.Module, list[int]] = {}
    spans: dict[nn.Module, list[tuple[int, int]]] = {}
    clock = itertools.count()
    if any(_opaque(module) for module in subject.model.modules()):
        return {}

    def start(module: nn.Module) -> None:
        began.setdefault(module, []).append(next(clock))

    def end(module: nn.Module, _output: Any) -> None:
        spans.setdefault(module, []).append((began[module].pop(), next(clock)))

    with ExitStack() as stack:
        for module in dict.fromkeys(subject.model.modules()):
            stack.callback(_around(module, start, end))
        subject.rows(slice(0, TRIAL)).values(observation[:TRIAL])
    return spans


def _upstream(
    subject: Subject, spans: Mapping[nn.Module, Sequence[tuple[int, int]]], edits: Sequence[Edits]
) -> list[nn.Module]:
    """The outermost modules that run once, and end before or with the first module that any of the edits changes."""
    edited: set[nn.Module] = set()
    for name in {name for edit in edits for name in edit}:
        try:
            edited.add(subject.model.get_submodule(subject.site(name).module))
        except AttributeError:  # a name that is not the path of a module
            return []
    if len(edits) < 2 or not edited or not edited <= spans.keys():
        return []
    first = min(spans[module][0][1] for module in edited)
    before = {module: runs[0] for module, runs in spans.items() if len(runs) == 1 and runs[0][1] <= first}
    return [
        module
        for module, (began, ended) in before.items()
        if not any(a < began and ended < b for a, b in before.values())
    ]


def _opaque(module: nn.Module) -> bool:
    """Whether calls of a module cannot be replaced."""
    bridged = type(module).__module__.startswith("transformer_lens.")  # such modules hand attributes on to others
    return bridged or isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod")


def _around(
    module: nn.Module, start: Callable[[nn.Module], None], end: Callable[[nn.Module, Any], None]
) -> Callable[[], None]:
    """Replaces the module's ``forward`` by one that tells when it starts and ends; returns how to undo that."""
    forward = module.forward

    def told(*args: Any, **kwargs: Any) -> Any:
        start(module)
        output = forward(*args, **kwargs)
        end(module, output)
        return output

    return _replaced(module, told)


def _replaced(module: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Sets the ``forward`` of this one module for this thread; returns how to undo that."""
    own, usual, thread = module.__dict__.get("forward"), module.forward, threading.get_ident()

    def chosen(*args: Any, **kwargs: Any) -> Any:
        return (forward if threading.get_ident() == thread else usual)(*args, **kwargs)

    def undo() -> None:
        if own is None:
            del module.forward
        else:
            module.forward = own

    module.forward = chosen
    return undo


def _all_handed_back(subject: Subject, observation: Tensor, modules: Sequence[nn.Module]) -> bool:
    """Whether the value of a few rows is the same of outputs handed back, after the modules ran for other rows."""
    first, last = slice(0, TRIAL), slice(max(len(observation) - TRIAL, 0), None)
    few, batch = subject.rows(first), observation[first]
    outputs, value = _recorded(few, modules, batch)
    subject.rows(last).values(observation[last])
    with _replayed(outputs):
        again = few.values(batch)
    return torch.allclose(again, value, rtol=1e-3, atol=1e-3 * float(value.abs().max()), equal_nan=True)


def _recorded(subject: Subject, modules: Sequence[nn.Module], batch: Tensor) -> tuple[dict[nn.Module, Any], Tensor]:
    """What each of the modules gives for a batch, and the value (of no modules nothing)."""
    outputs: dict[nn.Module, Any] = {}
    value = torch.zeros(0)

    def keep(module: nn.Module, output: Any) -> None:
        outputs[module] = _copied(output)

    if modules:
        with ExitStack() as stack:
            for module in modules:
                stack.callback(_around(module, lambda _: None, keep))
            value = subject.values(batch)
    return outputs, value


@contextmanager
def _replayed(outputs: Mapping[nn.Module, Any]) -> Iterator[None]:
    """In this context the modules hand back copies of their outputs."""
    with ExitStack() as stack:
        for module, output in outputs.items():
            stack.callback(_replaced(module, lambda *_a, given=output, **_k: _copied(given)))
        yield


def _copied(output: Any) -> Any:
    return _pytree.tree_map(lambda part: part.clone() if isinstance(part, Tensor) else part, output)
