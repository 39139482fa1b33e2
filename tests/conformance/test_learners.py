"""Every learner keeps the contract of ``imprint.models.learners.base``, on frames of every world that ships."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.learners.base import LEARNERS, Frame, Learner, Written
from imprint.models.learning.written import WrittenCohort
from imprint.models.lifetimes.learner import cohort_of
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.worlds.base import WORLDS

FULLY_CONNECTED = "conv, fully connected"
SMALLER: dict[str, dict[str, Any]] = {"doorkey": {"pool": 200, "held_out_pool": 200, "steps": 8}}


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=WORLDS.names())
def seen(request: pytest.FixtureRequest) -> tuple[str, Frame, Tensor]:
    cls = WORLDS.load(request.param)
    world = cls(cls.Settings(**SMALLER.get(request.param, {})))
    return request.param, frame_of(world), world.sample(48, rng=rng(0)).observation


@pytest.fixture(scope="module", params=[*LEARNERS.names(), FULLY_CONNECTED])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def dials_in_one_world(request: pytest.FixtureRequest) -> None:
    """A learner's dials keep the contract in one world."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if params.get("kind") == FULLY_CONNECTED and params.get("seen", "nursery") != "nursery":
        pytest.skip("dials are tried in the nursery")


def load(kind: str) -> type[Learner]:
    found: type[Learner] = LEARNERS.load(kind.partition(",")[0])
    return found


def settings(kind: str, frame: Frame) -> dict[str, Any]:
    """Defaults, but for the largest patch that divides these frames (and is smaller, in a sheet), and for dials."""
    sides = math.gcd(frame.height, frame.width)
    largest = max(sides // 2, 1) if kind == "wave" and frame.height == frame.width else sides
    patch = next(size for size in range(largest, 0, -1) if sides % size == 0)
    rows, columns = frame.height // patch, frame.width // patch
    dials = {"kernels": rows * columns, "reach": max(rows, columns) - 1} if kind == FULLY_CONNECTED else {}
    dials |= {"reach": min(1, max(rows, columns) - 1)} if kind == "wave" else {}
    return {"patch": patch, **dials} if "patch" in load(kind).Settings.model_fields else {}


def newborn(kind: str, frame: Frame, seed: int = 0) -> Learner:
    cls = load(kind)
    born: Learner = cls.born(cls.Settings(**settings(kind, frame)), frame, rng=rng(seed))
    return born


def test_weights_come_from_the_generator_alone(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (dict(newborn(kind, seen[1], seed).named_parameters()) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_objective_is_finite_and_differentiable_unless_the_learner_is_written(
    kind: str, seen: tuple[str, Frame, Tensor]
) -> None:
    _, frame, observation = seen
    learner = newborn(kind, frame)
    loss, latents = learner.objective(observation)
    assert loss.shape == () and bool(torch.isfinite(loss))
    assert latents.shape[:2] == observation.shape[:2] and torch.equal(latents, learner(observation))
    if isinstance(learner, Written):
        assert not loss.requires_grad
        return
    loss.backward()
    gradients = [p.grad for p in learner.parameters() if p.grad is not None]
    assert all(bool(torch.isfinite(g).all()) for g in gradients) and any(float(g.abs().max()) > 0 for g in gradients)


def test_the_objective_is_given_the_observation_only(kind: str) -> None:
    assert list(inspect.signature(load(kind).objective).parameters) == ["self", "observation"]


def test_sites_are_modules_that_an_ordinary_hook_reads(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    _, frame, observation = seen
    learner = newborn(kind, frame)
    modules = dict(learner.named_modules())
    read: dict[str, Tensor] = {}
    assert learner.latent_hook in learner.read_points and len(set(learner.read_points)) == len(learner.read_points)
    for hook in learner.read_points:
        module = modules[learner.module_of(hook)]
        module.register_forward_hook(lambda _m, _i, out, hook=hook: read.__setitem__(hook, out))
    latents = learner.latents(observation)
    places = {
        (learner.module_of(hook), learner.index(hook, step))
        for hook in learner.read_points
        for step in range(frame.steps)
    }
    assert len(places) == len(learner.read_points) * frame.steps
    for hook in learner.read_points:
        assert read[hook].ndim == 3 and len(read[hook]) == len(observation)
        assert learner.index(hook, frame.steps - 1) < read[hook].shape[1]
    at = [learner.index(learner.latent_hook, step) for step in range(frame.steps)]
    assert torch.equal(read[learner.latent_hook][:, at], latents)


def test_replacing_an_activation_changes_what_follows(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    _, frame, observation = seen
    learner = newborn(kind, frame)
    modules, before = dict(learner.named_modules()), learner.objective(observation)
    for hook in learner.read_points:
        at = [learner.index(hook, step) for step in range(frame.steps - 1)]

        def shifted(_m: object, _i: object, out: Tensor, at: list[int] = at) -> Tensor:
            mask = torch.zeros(out.shape[1], 1)
            mask[at] = 1.0
            return out + mask * torch.linspace(-1, 1, out.shape[2])

        handle = modules[learner.module_of(hook)].register_forward_hook(shifted)
        after = learner.objective(observation)
        handle.remove()
        assert float((after.loss - before.loss).detach().abs()) > 1e-7, hook
        assert not torch.equal(after.latents, before.latents), hook


def test_latents_do_not_see_the_future(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    _, frame, observation = seen
    learner = newborn(kind, frame)
    cut = frame.steps // 2
    changed = observation.clone()
    changed[:, cut:] = changed[:, cut:].flip(0)
    old, new = learner.latents(observation), learner.latents(changed)
    assert torch.allclose(old[:, :cut], new[:, :cut], atol=1e-6)
    assert not torch.allclose(old[:, cut:], new[:, cut:], atol=1e-3)


def test_learning_lowers_the_loss(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    _, frame, observation = seen
    learner = newborn(kind, frame)
    if isinstance(learner, Written):
        cohort = WrittenCohort([learner])
        written = [float(cohort.learn(observation[None]).loss) for _ in range(40)]
        assert written[0] == 0.5 and written[-1] < 0.9 * written[0]
        return
    optimiser = torch.optim.Adam(learner.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = learner.objective(observation).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_parameters_round_trip_by_name(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    """What ``lifetime.revive`` does: a checkpoint holds the named parameters alone."""
    _, frame, observation = seen
    one, other = newborn(kind, frame, 1), newborn(kind, frame, 2)
    kept = {name: value.detach().clone() for name, value in one.named_parameters()}
    assert not torch.equal(one.latents(observation), other.latents(observation))
    assert not other.load_state_dict(kept, strict=False).unexpected_keys
    assert torch.equal(one.latents(observation), other.latents(observation))


def test_together_is_the_same_as_alone(kind: str, seen: tuple[str, Frame, Tensor]) -> None:
    name, frame, observation = seen
    setup = Setup(
        name="together",
        world={"kind": name},
        learner={"kind": kind.partition(",")[0], **settings(kind, frame)},
        steering=({"kind": "reward", "name": "r", "weights": {"motion": 1.0}},),
        assessor={"kind": "valence", "signal": "r"},
        intended="a",
        proxies=("b",),
    )
    own = torch.stack([observation, observation.flip(0), observation.roll(1, 0)])[:, :16]
    born = [[setup.make_learner(frame, rng=rng(s)) for s in range(3)] for _ in range(2)]
    together = cohort_of(setup, born[0], range(3))
    alone = [cohort_of(setup, [learner], [seed]) for seed, learner in enumerate(born[1])]
    for _ in range(3):
        whole = together.learn(own)
        parts = [cohort.learn(own[s : s + 1]) for s, cohort in enumerate(alone)]
    assert torch.allclose(whole.loss, torch.cat([p.loss for p in parts]), atol=1e-5)
    assert torch.allclose(whole.latents, torch.cat([p.latents for p in parts]), atol=1e-4)
    # Adam turns a gradient of rounding size into a whole step, so weights are compared by their bulk.
    for s, cohort in enumerate(alone):
        for key, value in together.member(s).items():
            assert float((value - cohort.member(0)[key]).abs().median()) < 1e-5, key


def test_a_patch_that_does_not_divide_is_refused(kind: str) -> None:
    cls = load(kind)
    if "patch" not in cls.Settings.model_fields:
        pytest.skip("no patches")
    with pytest.raises(ImprintError, match="7 x 7"):
        cls.born(cls.Settings(patch=4), Frame(6, 3, 7, 7), rng=rng(0))


# -- the transformer's own promises ---------------------------------------------


def test_the_transformer_runs_its_bridge_as_the_bridge_does() -> None:
    frame = Frame(5, 4, 3, 3, action_channels=2)
    learner: Any = newborn("transformer", frame)
    observation = torch.randn(6, 5, 4, 3, 3, generator=rng(0))
    with torch.no_grad():
        whole = learner.bridge(learner.tokens(observation))
        assert torch.allclose(learner.predict(learner(observation)), whole[:, 1::2], atol=1e-6)
    assert learner.index("blocks.0.hook_out:action", 2) == 5
    with pytest.raises(UnknownNameError, match=r"Did you mean 'blocks\.0.hook_out:action'"):
        learner.module_of("blocks.0.hook_out:actions")


def test_actions_are_heard_and_never_predicted() -> None:
    frame = Frame(5, 4, 3, 3, action_channels=2)
    learner: Any = newborn("transformer", frame)
    observation = torch.rand(6, 5, 4, 3, 3, generator=rng(0))
    other = observation.clone()
    other[:, 1, 2:] += 1.0
    assert learner.predict(learner(observation)).shape[-1] == 2 * 3 * 3
    assert not torch.allclose(learner.latents(observation)[:, 1], learner.latents(other)[:, 1])


def test_bernoulli_error_refuses_frames_that_are_no_probabilities() -> None:
    cls = LEARNERS.load("transformer")
    learner = cls.born(cls.Settings(error="bernoulli"), Frame(3, 2, 4, 4), rng=rng(0))
    assert float(learner.objective(torch.ones(2, 3, 2, 4, 4)).loss.detach()) > 0
    with pytest.raises(ImprintError, match="0 to 1"):
        learner.objective(torch.full((2, 3, 2, 4, 4), 1.5))
    with pytest.raises(ValueError, match="heads must divide"):
        cls.Settings(width=10, heads=4)
