"""Calls run on one thread and leave the settings of the process as they were, also when they overlap."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
import scipy.linalg  # noqa: F401 (its BLAS library is told as well, once it is loaded)
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import imprint
from imprint.models import threads
from imprint.models.errors import ImprintError


def blas() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_settings_are_restored_after_overlapping_calls_and_errors() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with threads.scoped():
            inside.set()
            leave.wait(5)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with threadpool_limits(2, user_api="blas"):
            worker, given = threading.Thread(target=other), blas()  # 1 where the environment allows no more
            with pytest.raises(ValueError, match="raised inside"), threads.scoped():
                worker.start()
                assert inside.wait(5)
                assert (torch.get_num_threads(), blas()) == (1, {1})
                raise ValueError("raised inside")
            assert (torch.get_num_threads(), blas()) == (2, given)  # though the other call is still inside
            leave.set()
            worker.join()
            assert blas() == given
    finally:
        torch.set_num_threads(before)


def test_locate_leaves_random_states_and_threads_alone() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        state = torch.get_rng_state()
        imprint.locate(
            {"s": np.random.default_rng(0).normal(size=(60, 4))},
            pd.DataFrame({"c": np.arange(60) % 2 == 0}),
            resamples=20,
        )
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)


def test_a_number_of_threads_that_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, "many")
    with pytest.raises(ImprintError, match="IMPRINT_THREADS is 'many'; expected a whole number"), threads.scoped():
        pass
