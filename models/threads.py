"""Threads: every public call runs on one thread, and leaves the settings of the process as it found them.

Most matrices here are too small to be shared out: on a busy machine two threads take 2.6 to 5.4 times as long as one,
and worlds step a tenth as often. Set the environment variable ``IMPRINT_THREADS`` to a larger number where cores are
idle and activations are wide. ``imprint run`` shares its work out over processes instead.

PyTorch keeps the number of threads for each calling thread, BLAS libraries for the whole process. Of calls from several
threads that overlap, the first lowers the latter and restores it when it ends, since threadpoolctl lets one thread at a
time set it; the others change nothing, so that calls do not undo one another.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar

import torch

from imprint.models.errors import ImprintError

VARIABLE = "IMPRINT_THREADS"
P = ParamSpec("P")
T = TypeVar("T")

_setting = threading.Lock()
"""Held by the call that has lowered the threads of BLAS."""


def wanted() -> int:
    """Threads of a call: 1, or what the environment says. Raises :class:`ImprintError` for anything else."""
    text = os.environ.get(VARIABLE, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ImprintError(f"the environment variable {VARIABLE} is {text!r}; expected a whole number of at least 1.")
    return int(text)


@contextmanager
def scoped(*, blas: bool = True) -> Iterator[None]:
    """Runs what is inside on the wanted number of threads; ``blas``: whether NumPy and SciPy are told as well."""
    count, before = wanted(), torch.get_num_threads()
    torch.set_num_threads(count)
    first = blas and _setting.acquire(blocking=False)
    try:
        with _libraries().limit(limits=count) if first else nullcontext():
            yield
    finally:
        if first:
            _setting.release()
        torch.set_num_threads(before)


def scoped_call(function: Callable[P, T]) -> Callable[P, T]:
    """The function, run on the wanted number of threads."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with scoped():
            return function(*args, **kwargs)

    return call


def scoped_step(function: Callable[P, T]) -> Callable[P, T]:
    """The same for functions of PyTorch alone that take microseconds, such as a step of an environment."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with scoped(blas=False):
            return function(*args, **kwargs)

    return call


@functools.cache
def _libraries() -> Any:
    import scipy.linalg  # noqa: F401, the libraries of NumPy and SciPy are known once they are loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
