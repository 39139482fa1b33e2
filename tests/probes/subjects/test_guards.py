"""Models are held while they are examined: modules that two models share, and functions that were compiled."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from imprint.probes.subjects.guards import examined, held, uncompiled
from imprint.probes.subjects.subject import Subject
from imprint.probes.subjects.upstream import values_under

X = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))


class Doubled(nn.Module):
    """Another model around the same modules."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x) * 2
        return out


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_models_that_share_modules_take_turns() -> None:
    model = network()
    subjects = [(Subject(model), "1"), (Subject(Doubled(model)), "inner.1")]

    def asked(turn: int) -> Tensor:
        subject, site = subjects[turn % 2]
        edits = [{site: lambda a, by=by: a * by} for by in (0.0, 1.0, 2.0)]
        return values_under(subject, X, [edits], batch_size=8)[0] / (1 + turn % 2)

    alone = asked(0)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(asked, range(60)))
    assert all(torch.allclose(answer, alone, rtol=1e-6) for answer in answers)
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("how", ["the model", "in place", "a part", "the value"])
def test_compiled_models_are_read_and_edited_as_they_were_written(how: str) -> None:
    model = network().eval()
    wanted, middle, end = model(X)[:, 0], model[0](X), model[2].bias
    compiled = torch.compile(model, backend="eager")
    given: nn.Module = compiled if how == "the model" else model
    if how == "in place":
        model.compile(backend="eager")
    elif how == "a part":
        model[0] = torch.compile(model[0], backend="eager")
    (compiled if how == "the value" else given)(X)  # compiled before it is examined
    subject = Subject(given, (lambda x: compiled(x)) if how == "the value" else None)
    assert torch.allclose(subject.values(X), wanted)
    assert torch.allclose(subject.activations(X, ["0"])["0"], middle)
    assert torch.allclose(subject.values(X, edits={"1": torch.zeros_like}), end.detach())
    assert len(subject.sites(X)) == 3


def test_compiled_functions_run_compiled_again_when_the_last_model_is_let_go() -> None:
    ran: list[int] = []

    def counting(graph: torch.fx.GraphModule, _inputs: object) -> torch.fx.GraphModule:
        ran.append(1)
        return graph

    double = torch.compile(lambda x: x * 2, backend=counting)
    one, two = examined(network()), uncompiled()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)  # as threads do that end in another order
    double(X)
    assert not ran
    two.__exit__(None, None, None)
    double(X)
    assert ran == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_a_thread_that_is_not_there() -> None:
    model, holding, done = network(), threading.Event(), threading.Event()

    def hold() -> None:
        with held(model):
            holding.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(20)
    child = os.fork()
    if not child:
        with held(model):
            os._exit(0)
    ended, until = 0, time.monotonic() + 10
    while not ended and time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    done.set()
    thread.join()
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended and status == 0
