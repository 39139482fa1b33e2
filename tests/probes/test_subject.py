"""Subjects: sites are read and edited where their names say, hooks never stay, and every slip has its own message."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.learners.base import Frame, Learner
from imprint.models.learners.conv import Conv
from imprint.models.worlds.nursery import Nursery
from imprint.probes.subject import Subject


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


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_discovered_sites_hold_what_the_modules_give() -> None:
    model, x = network(), rows()
    found = Subject(model).activations(x, batch_size=256)
    assert list(found) == ["0", "1", "2"]
    torch.testing.assert_close(found["1"], model[:2](x))
    assert found["1"].dtype == torch.float32 and found["2"].shape == (700, 1)
    torch.testing.assert_close(Subject(model).values(x, batch_size=256), model(x)[:, 0])
    assert hooks(model) == 0


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
    assert hooks(model) == 0


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
    assert Subject(Odd().eval()).sites(rows(4)) == ("steps",)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("twice", "ran 2 times"),
        ("tuple", "gives tuple"),
        ("never", "'never' did not run"),
        ("step", "Did you mean 'steps'"),
        ("steps@one", "Did you mean 'steps'"),
    ],
)
def test_sites_that_cannot_be_read(site: str, message: str) -> None:
    model = Odd().eval()
    with pytest.raises(ImprintError, match=message):
        Subject(model).activations(rows(4), [site])
    assert hooks(model) == 0


def test_hooks_do_not_outlive_a_failing_pass() -> None:
    model = network()
    with pytest.raises(RuntimeError):
        Subject(model, sites=["0"]).activations(rows(4, 5))
    assert hooks(model) == 0


def test_slips() -> None:
    model, x = network(out=2), rows(10)
    with pytest.raises(ImprintError, match=r"returned \[10, 2\] for 10 observations.*pass value="):
        Subject(model).values(x)
    with pytest.raises(ImprintError, match=r"value\(\) returned list"):
        Subject(model, value=lambda seen: [1.0]).values(x)  # type: ignore[arg-type, return-value]
    with pytest.raises(UnknownNameError, match="unknown site"):
        Subject(model, sites=["nothing like it"])
    with pytest.raises(ImprintError, match="expected a list"):
        Subject(model, sites="0")
    with pytest.raises(ImprintError, match="at least one row"):
        Subject(network()).values(x[:0])
    with pytest.raises(ImprintError, match=r"edit at '1' returned \[10, 3\]; expected \[10, 8\]"):
        Subject(network()).values(x, edits={"1": lambda a: a[:, :3]})
    x[3, 0] = float("nan")
    with pytest.raises(ImprintError, match="'0' hold NaN or infinite values in 1 of 10 rows"):
        Subject(network()).activations(x)


def test_training_mode_matters_only_where_it_changes_answers() -> None:
    plain, dropped = network(), nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    assert plain.training
    Subject(plain).values(rows(4))
    with pytest.raises(ImprintError, match=r"'1' \(Dropout\) is in training mode.*eval"):
        Subject(dropped).values(rows(4))
    Subject(dropped.eval()).values(rows(4))


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
