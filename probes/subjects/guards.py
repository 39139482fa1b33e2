"""Guards: refuse models with foreign hooks, and models with modules in training mode.

Both would silently give wrong numbers, so both are refused, with the names of the modules, before every forward pass,
or once before all passes of one public call (:func:`examined`), during which no other subject has any of its modules,
and functions compiled by ``torch.compile`` run as they were written, since compiled ones would pass the hooks by.

A hook on a module is foreign unless it

    is a method of one of the model's modules, or was defined inside one of their classes
    was defined by torch (weight norm, spectral norm, pruning), transformers, accelerate or TransformerLens, which
    need hooks of their own to work
    is one of the subject's own, which exist only during a forward pass

TransformerLens wraps the hooks that users add, so for a ``HookPoint`` its own lists are examined: all hooks in them
that are not permanent (``add_perma_hook``) are foreign, for example those left by
``run_with_hooks(reset_hooks_end=False)``.

A module in training mode is refused when its ``forward``, or a method that this calls, reads ``self.training``. Batch
normalisation without running statistics mixes the rows of a batch in either mode.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from imprint.models.errors import ImprintError

OWNERS = ("torch", "transformers", "accelerate", "transformer_lens", "imprint")
"""Packages whose hooks are accepted."""
PLACES = {
    "_forward_hooks": "forward",
    "_forward_pre_hooks": "forward-pre",
    "_backward_hooks": "backward",
    "_backward_pre_hooks": "backward-pre",
}
"""Attributes in which ``torch.nn.Module`` keeps hooks -> kind of hook."""
POINTS = {"fwd_hooks": "forward", "bwd_hooks": "backward"}
"""Attributes in which a TransformerLens ``HookPoint`` keeps the hooks that users add -> kind of hook."""

_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_LOCK = threading.Lock()
_MINE = threading.local()
"""``models``: identities of the models that this thread has examined and holds at the moment."""
_UNCOMPILED: list[Any] = []
"""For each model that is held: what is undone when the last is let go."""


def _forget() -> None:
    """In a forked process the other threads, which hold models, are gone."""
    _LOCKS.clear()
    _LOCKS_LOCK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LOCKS_LOCK.acquire, after_in_parent=_LOCKS_LOCK.release, after_in_child=_forget)


@runtime_checkable
class HasModel(Protocol):
    """What holds a model."""

    model: Any


Holder = TypeVar("Holder", bound=HasModel)
Given = TypeVar("Given")
Others = ParamSpec("Others")


@contextmanager
def held(model: nn.Module) -> Iterator[None]:
    """In this context no other thread that asks so has any module of the model: they would edit each other's passes.

    Modules have a lock each, since models may share some; they are taken in one order, so that none waits for a ring.
    """
    with _LOCKS_LOCK:
        locks = {_LOCKS.setdefault(module, threading.RLock()) for module in model.modules()}
    with ExitStack() as stack:
        for lock in sorted(locks, key=id):
            stack.enter_context(lock)
        yield


@contextmanager
def uncompiled() -> Iterator[None]:
    """In this context nothing runs compiled; threads share the context, and the last one ends it."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled, and importing it takes a second
        yield
        return
    with _LOCKS_LOCK:
        _UNCOMPILED.append(None if _UNCOMPILED else torch.compiler.set_stance("force_eager"))
    try:
        yield
    finally:
        with _LOCKS_LOCK:
            first = _UNCOMPILED[0]
            _UNCOMPILED.pop()
            if not _UNCOMPILED:
                first.__exit__(None, None, None)


@contextmanager
def examined(model: nn.Module) -> Iterator[None]:
    """In this context the model is this thread's alone, and was examined once, however many passes follow.

    Raises :class:`ImprintError` for foreign hooks and for modules in training mode.
    """
    mine: set[int] = _MINE.__dict__.setdefault("models", set())
    if id(model) in mine:
        yield
        return
    with held(model):
        require_evaluation(model)
        require_no_hooks(model)
        mine.add(id(model))
        try:
            with uncompiled():
                yield
        finally:
            mine.discard(id(model))


def examined_once(
    function: Callable[Concatenate[Holder, Others], Given],
) -> Callable[Concatenate[Holder, Others], Given]:
    """The same function, which examines the model of its first argument once, before all of its passes."""

    @wraps(function)
    def once(subject: Holder, /, *args: Others.args, **kwargs: Others.kwargs) -> Given:
        with examined(subject.model):
            return function(subject, *args, **kwargs)

    return once


def require_no_hooks(model: nn.Module) -> None:
    """Raise :class:`ImprintError` with the names of all modules that have foreign hooks, and how many."""
    foreign = Counter((name, kind) for name, kind, hook in registered_hooks(model) if not _belongs(hook, model))
    if foreign:
        counted = ((f"{n} {kind} hook{'s' if n > 1 else ''}", name) for (name, kind), n in foreign.items())
        listed = ", ".join(f"{hooks} on {name or 'output'!r}" for hooks, name in counted)
        raise ImprintError(
            f"hooks were left on this model: {listed}. They see or change activations during every pass. Call remove() "
            "on the handles that registering them returned, or model.reset_hooks() in TransformerLens."
        )


def registered_hooks(model: nn.Module) -> Iterator[tuple[str, str, Any]]:
    """Module name (``""`` for the model itself), kind and function of every hook."""
    for place, kind in PLACES.items():
        for hook in getattr(torch_module, f"_global{place}", {}).values():
            yield "every module (a global hook)", kind, hook
    for name, module in model.named_modules():
        for place, kind in PLACES.items():
            for hook in (getattr(module, place, None) or {}).values():
                yield name, kind, hook
        for place, kind in POINTS.items():
            for handle in getattr(module, place, ()):
                yield name, kind, handle


def _belongs(hook: Any, model: nn.Module) -> bool:
    """Whether a hook is accepted; see the module docstring."""
    if hasattr(hook, "is_permanent"):
        return bool(hook.is_permanent)
    while isinstance(hook, partial):
        hook = hook.func
    owner = getattr(hook, "__self__", None)
    if owner is not None and any(owner is module for module in model.modules()):
        return True
    hook = getattr(hook, "__func__", hook)
    source = str(getattr(hook, "__module__", None) or type(hook).__module__)
    if source.partition(".")[0] in OWNERS:
        return True
    classes = {(kind.__module__, kind.__qualname__) for module in model.modules() for kind in type(module).__mro__}
    parts = str(getattr(hook, "__qualname__", type(hook).__qualname__)).split(".")
    return any((source, ".".join(parts[:i])) in classes for i in range(1, len(parts)))


def require_evaluation(model: nn.Module) -> None:
    """Raise :class:`ImprintError` for a module whose output depends on chance or on the other rows of a batch."""
    for name, module in model.named_modules():
        where = f"module {name or 'output'!r} ({type(module).__name__})"
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ImprintError(
                f"{where} keeps no running statistics, so its output for one observation depends on the others in the "
                "batch. Make it with track_running_stats=True."
            )
        if module.training and _reads_training(module.__class__) and not _same_in_training(module):
            raise ImprintError(
                f"{where} is in training mode, where its output is not a function of the observation alone. "
                "Call model.eval() first."
            )


def _same_in_training(module: nn.Module) -> bool:
    """Whether a module with these settings computes the same in training mode."""
    if isinstance(module, _InstanceNorm):
        return not module.track_running_stats
    return getattr(module, "dropout", None) == 0 and isinstance(module, nn.RNNBase | nn.MultiheadAttention)


@cache
def _reads_training(kind: type[nn.Module]) -> bool:
    """Whether ``forward``, or a method of the class that it calls, mentions ``training``."""
    searched: set[str] = set()
    waiting = ["forward"]
    while waiting:
        name = waiting.pop()
        method = getattr(kind, name, None)
        if name in searched or getattr(nn.Module, name, None) is method:
            continue
        searched.add(name)
        mentioned = _names(getattr(inspect.unwrap(method), "__code__", None)) if callable(method) else set()
        if "training" in mentioned:
            return True
        waiting += [other for other in mentioned if isinstance(getattr(kind, other, None), types.FunctionType)]
    return False


def _names(code: types.CodeType | None) -> set[str]:
    """All names that a function's code mentions, nested functions included."""
    if code is None:
        return set()
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)
