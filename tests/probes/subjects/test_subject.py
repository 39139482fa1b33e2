"""Subjects: sites are read and edited where their names say, hooks never stay, and every slip has its own message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.learners.base import Frame, Learner
from imprint.models.learners.conv import Conv
from imprint.models.worlds.nursery import Nursery
from imprint.probes.subjects.guards import registered_hooks
from imprint.probes.subjects.observations import batches_of
from imprint.probes.subjects.subject import Subject


def network(*, out: int = 1, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, out))


def rows(n: int = 700, *shape: int) -> Tensor:
    return torch.randn(n, *(shape or (6,)), generator=torch.Generator().manual_seed(1))


class Odd(nn.Module):
    """A module used twice, one that gives a tuple, one that never runs, and a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(6, 6)
        self.tuple = nn.GRU(6, 4, batch_first=True)
        self.never = nn.Linear(6, 6)
        self.steps = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        sequence, _ = self.tuple(self.twice(self.twice(x))[:, None].expand(-1, 5, -1))
        out: Tensor = self.steps(sequence).sum((1, 2))
        return out


def test_discovered_sites_hold_what_the_modules_give() -> None:
    model, x = network(), rows()
    found = Subject(model).activations(x, batch_size=256)
    assert list(found) == ["0", "1", "2"]
    torch.testing.assert_close(found["1"], model[:2](x))
    assert found["1"].dtype == torch.float32 and found["2"].shape == (700, 1)
    torch.testing.assert_close(Subject(model).values(x, batch_size=256), model(x)[:, 0])
    assert not list(registered_hooks(model))


def test_value_may_use_the_model_in_its_own_way() -> None:
    model, x = network(out=3), rows()
    subject = Subject(model, value=lambda seen: model(2 * seen)[:, 1], sites=["1", "2"])
    torch.testing.assert_close(subject.values(x), model(2 * x)[:, 1])
    torch.testing.assert_close(subject.activations(x)["2"], model(2 * x))
    assert subject.reached(x) == ("1", "2")


def test_sites_beside_the_value_are_read_but_not_edited() -> None:
    model, x = network(out=3), rows(20)
    subject = Subject(model, value=lambda seen: model[0](seen)[:, 0], sites=["0", "2"])
    assert subject.reached(x) == ("0",)
    torch.testing.assert_close(subject.activations(x)["2"], model(x))
    with pytest.raises(ImprintError, match="ran module '2' 0 times"):
        subject.values(x, edits={"2": torch.zeros_like})


def test_edits_act_inside_the_running_pass() -> None:
    model, x = network(), rows()
    subject = Subject(model)
    edited = subject.values(x, edits={"1": lambda a: a * 0 + 1}, batch_size=100)
    torch.testing.assert_close(edited, model[2](torch.ones(700, 8))[:, 0])
    torch.testing.assert_close(subject.values(x), model(x)[:, 0])
    assert not list(registered_hooks(model))


def test_one_position_is_read_and_edited_alone() -> None:
    model, x = Odd().eval(), rows(40)
    subject = Subject(model, sites=["steps@1", "steps@-1", "steps"])
    found = subject.activations(x)
    torch.testing.assert_close(found["steps"].reshape(40, 5, 3)[:, 1], found["steps@1"])
    lost = subject.values(x) - subject.values(x, edits={"steps@1": torch.zeros_like})
    torch.testing.assert_close(lost, found["steps@1"].sum(1), atol=1e-5, rtol=1e-4)
    with pytest.raises(ImprintError, match="position 7"):
        subject.activations(x, ["steps@7"])


def test_discovery_leaves_out_what_is_not_a_site() -> None:
    assert Subject(Odd().eval()).sites(rows(4)) == ("tuple", "steps")


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("twice", "ran 2 times"),
        ("never", "'never' did not run"),
        ("step", "Did you mean 'steps'"),
        ("steps@one", "Did you mean 'steps'"),
    ],
)
def test_sites_that_cannot_be_read(site: str, message: str) -> None:
    model = Odd().eval()
    with pytest.raises(ImprintError, match=message):
        Subject(model).activations(rows(4), [site])
    assert not list(registered_hooks(model))


def test_hooks_do_not_outlive_a_failing_pass() -> None:
    model = network()
    subject = Subject(model, sites=["0"])
    with pytest.raises(ImprintError, match=r"cannot be computed of observations float32 \[4, 5\]: RuntimeError: mat1"):
        subject.activations(rows(4, 5))
    subject.activations(rows(4))
    with pytest.raises(RuntimeError, match="mat1"):
        subject.activations(rows(4, 5))
    assert not list(registered_hooks(model))


def test_slips() -> None:
    model, x = network(out=2), rows(10)
    with pytest.raises(ImprintError, match=r"returned \[10, 2\] for 10 observations.*pass value="):
        Subject(model).values(x)
    with pytest.raises(ImprintError, match=r"value\(\) returned \[1\] for 8"):
        Subject(model, value=lambda seen: [1.0]).values(x)  # type: ignore[arg-type, return-value]
    with pytest.raises(UnknownNameError, match="unknown site"):
        Subject(model, sites=["nothing like it"])
    with pytest.raises(ImprintError, match="expected a list"):
        Subject(model, sites="0")
    with pytest.raises(ImprintError, match="at least one row"):
        Subject(network()).values(x[:0])
    with pytest.raises(ImprintError, match=r"edit at '1' gave \[10, 3\]; expected \[10, 8\]"):
        Subject(network()).values(x, edits={"1": lambda a: a[:, :3]})
    x[3, 0] = float("nan")
    with pytest.raises(ImprintError, match="'0' are NaN or infinite in 1 of 10 rows"):
        Subject(network()).activations(x)


def test_training_mode_matters_only_where_it_changes_answers() -> None:
    plain, dropped = network(), nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    assert plain.training
    Subject(plain).values(rows(4))
    with pytest.raises(ImprintError, match=r"'1' \(Dropout\) is in training mode.*eval"):
        Subject(dropped).values(rows(4))
    Subject(dropped.eval()).values(rows(4))


def test_streaming_reads_all_sites_in_one_pass_per_batch_and_lazily() -> None:
    model, x = network(), rows(1000)
    passes, handed = [], []
    subject = Subject(model, value=lambda seen: (passes.append(len(seen)), model(seen))[1])
    expected = Subject(model).activations(x)

    def batches() -> Iterator[Tensor]:
        for batch in x.split(400):
            handed.append(len(batch))
            yield batch

    subject.values(x[:20])  # a new subject is tried first
    passes.clear()
    stream = subject.stream(batches(), ["0", "1", "2"], batch_size=300)
    first = next(stream)
    assert handed == [400] and passes == [300] and not list(registered_hooks(model))
    assert {name: value.shape for name, value in first.items()} == {"0": (300, 8), "1": (300, 8), "2": (300, 1)}
    parts = [first, *stream]
    assert [len(part["0"]) for part in parts] == passes == [300, 100, 300, 100, 200]
    for name, value in expected.items():
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), value)
        torch.testing.assert_close(subject.activations(batches())[name], value)


def test_batches_of_a_stream_are_not_overwritten_by_later_ones() -> None:
    model, x = network(), rows(20)
    kept = [part["1"] for part in Subject(model).stream(x, ["1"], batch_size=5)]
    torch.testing.assert_close(torch.cat(kept), model[:2](x))


def test_what_was_read_is_not_changed_by_a_later_operation_in_place() -> None:
    model, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 1)), rows(20)
    found = Subject(model).activations(x)
    torch.testing.assert_close(found["0"], model[0](x))
    assert float(found["0"].min()) < 0 <= float(found["1"].min())


@pytest.mark.parametrize("given", [(rows(3), rows(3)), {"image": rows(3)}, rows(3).numpy(), "text", 3, [[rows(3)]]])
def test_observations_that_are_not_one_tensor_are_refused_with_advice(given: object) -> None:
    with pytest.raises(ImprintError, match=r"the observation is a (tuple|dict|ndarray|str|int|list)"):
        list(batches_of(given, 5))


def test_several_inputs_are_refused_where_they_are_handed_over() -> None:
    with pytest.raises(ImprintError, match="a module of your own whose forward takes one tensor"):
        Subject(network()).stream((rows(3), rows(3)))


def test_nothing_to_read_is_an_error() -> None:
    with pytest.raises(ImprintError, match="empty"):
        next(Subject(network()).stream(iter([])))
    with pytest.raises(ImprintError, match="batch_size is 0"):
        Subject(network()).stream(rows(3), batch_size=0)
    with pytest.raises(UnknownNameError, match="unknown site"):
        Subject(network()).stream(rows(3), ["nowhere"])


def left(_module: nn.Module, _inputs: object, _output: object) -> None:
    """A hook that somebody forgot."""


class Watchful:
    def __call__(self, *_given: object) -> None:
        """A hook that is an object."""


@pytest.mark.parametrize("hook", [left, partial(left), Watchful(), lambda *_given: None])
def test_two_hooks_left_behind_are_caught_by_name(hook: Callable[..., None]) -> None:
    model, x = network(), rows(10)
    subject = Subject(model)
    handles = [model[1].register_forward_hook(hook), model[1].register_forward_hook(hook)]
    for call in (subject.activations, subject.values, subject.value_with_grad, subject.sites):
        with pytest.raises(ImprintError, match="2 forward hooks on '1'"):
            call(x)
    handles[0].remove()
    handles += [model.register_full_backward_hook(hook), model[0].register_forward_pre_hook(hook)]
    with pytest.raises(
        ImprintError, match=r"1 backward hook on 'output'.*1 forward-pre hook on '0', 1 forward hook on '1'"
    ):
        subject.values(x)
    for handle in handles:
        handle.remove()
    subject.values(x)


def test_a_global_hook_is_caught() -> None:
    handle = nn.modules.module.register_module_forward_hook(left)
    try:
        with pytest.raises(ImprintError, match="1 forward hook on 'every module"):
            Subject(network()).values(rows(3))
    finally:
        handle.remove()


class Recording(nn.Module):
    """Hooks that belong to the model: a method, a function made in the class, and those of torch itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        self.old = nn.utils.spectral_norm(nn.Linear(6, 6))
        self.last = nn.Linear(6, 1)
        self.inner.register_forward_hook(self.note)
        self.last.register_forward_pre_hook(lambda _module, _inputs: None)

    def note(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self.noted = output

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.old(self.inner(x)))
        return out


def test_hooks_that_belong_to_the_model_are_not_taken_for_leaks() -> None:
    model, x = Recording().eval(), rows(10)
    found = Subject(model).activations(x)
    assert list(found) == ["inner", "old", "last"]
    torch.testing.assert_close(found["inner"], model.noted)


class Hidden(nn.Module):
    """Asks for its mode in a method of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return self.noisy(x)[:, 0]

    def noisy(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5, self.training)


def test_a_forgotten_eval_is_caught_by_name_also_where_a_method_hides_it() -> None:
    model = nn.Sequential(nn.Linear(6, 4), Hidden())
    with pytest.raises(ImprintError, match=r"module '1' \(Hidden\) is in training mode.*model.eval"):
        Subject(model).activations(rows(4))
    Subject(model.eval()).activations(rows(4))
    mixing = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False)).eval()
    with pytest.raises(ImprintError, match=r"'1' \(BatchNorm1d\) keeps no running statistics"):
        Subject(mixing).activations(rows(4))
    for fine in (nn.GRU(6, 4, batch_first=True), nn.InstanceNorm1d(5)):
        Subject(fine).activations(rows(4, 5, 6))


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_is_read_and_edited(precision: torch.dtype) -> None:
    model, x = network().to(precision), rows(40).double()
    subject = Subject(model)
    found, exact = subject.activations(x), network().double()[:2](x)
    assert found["1"].dtype == (torch.float64 if precision == torch.float64 else torch.float32)
    torch.testing.assert_close(found["1"].double(), exact, atol=3e-2, rtol=3e-2)
    seen: list[torch.dtype] = []
    edited = subject.values(x, edits={"1": lambda a: (seen.append(a.dtype), torch.zeros_like(a))[1]})
    assert seen == [found["1"].dtype] and not edited.dtype.itemsize < 4
    torch.testing.assert_close(edited, model[2].bias.detach().to(edited.dtype).expand(40))


def test_large_finite_activations_are_not_taken_for_infinite() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    assert float(Subject(model).activations(torch.full((9, 2), 1e38))["0"].abs().max()) > 1e36


def test_tokens_stay_whole_numbers() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 1)).bfloat16()
    tokens = torch.randint(0, 5, (7, 2), generator=torch.Generator().manual_seed(0))
    assert Subject(model).activations(tokens, ["0@1"])["0@1"].shape == (7, 3)


@pytest.mark.parametrize("call", ["activations", "values", "stream"])
def test_no_hook_outlives_a_model_that_raises(call: str) -> None:
    class Fails(nn.Module):
        failing = False

        def forward(self, x: Tensor) -> Tensor:
            if self.failing:
                raise RuntimeError("as planned")
            return x.sum(1)

    model = nn.Sequential(nn.Linear(6, 4), Fails()).eval()
    subject = Subject(model)
    subject.values(rows(4))
    model[1].failing = True
    with pytest.raises(RuntimeError, match="as planned"):
        if call == "values":
            subject.values(rows(4), edits={"0": torch.zeros_like})
        else:
            list(getattr(subject, call)(rows(4), ["0"]))
    assert not list(registered_hooks(model))
    with pytest.raises(ImprintError, match="RuntimeError: as planned") as said:
        Subject(model).values(rows(4))
    assert isinstance(said.value.__cause__, RuntimeError)


def test_gradients_reach_the_observation() -> None:
    x = rows(5).requires_grad_(True)
    Subject(network()).value_with_grad(x).sum().backward()
    assert x.grad is not None and bool((x.grad != 0).any())


def test_our_learners_are_read_at_hook_and_moment() -> None:
    world = Nursery()
    batch = world.sample(6, rng=torch.Generator().manual_seed(0))
    learner: Learner = Conv.born(Conv.Settings(), Frame(6, 3, 12, 28), rng=torch.Generator().manual_seed(0))
    learner.eval()
    weight, bias = torch.randn(64, generator=torch.Generator().manual_seed(2)), torch.tensor(0.5)
    subject = Subject.of_learner(learner, world, weight, bias)
    assert "hook_context@hidden" in subject.declared and len(subject.declared) == 9
    latents = learner.latents(batch.observation)
    found = subject.activations(batch.observation)
    torch.testing.assert_close(found["hook_context@hidden"], latents[:, 3])
    torch.testing.assert_close(subject.values(batch.observation), latents[:, 3] @ weight + bias)
    zeroed = subject.values(batch.observation, edits={"hook_context@hidden": torch.zeros_like})
    torch.testing.assert_close(zeroed, bias.expand(6))
