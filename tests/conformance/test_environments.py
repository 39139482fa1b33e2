"""Every interactive world keeps Gymnasium's contract and ours: one future for a state, facts that are true."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from imprint.models.constants import draw_worlds
from imprint.models.environments import base
from imprint.models.environments.base import ENVIRONMENTS, Environment
from imprint.models.errors import ImprintError, NotMeasurableError, UnknownNameError
from imprint.models.states import State, joined, rows, where
from imprint.models.wrappers.single import Single, make_many, make_single
from tests.commands.commands import printed

N = 6
KINDS = ENVIRONMENTS.names()
"""Designs of every world in which a proxy can stand in for what was meant."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def small_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "STORE", 16)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def acts(world: Environment, steps: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(len(world.actions), size=(steps, world.num_envs))


def wandered(world: Environment, steps: int = 12, seed: int = 0) -> State:
    """States from the middle of episodes."""
    world.reset(seed=seed)
    for action in acts(world, steps, seed):
        world.step(action)
    return world.state


def same(one: Any, other: Any) -> bool:
    """Equal to the bit, NaN equal to NaN."""
    return one.keys() == other.keys() and all(
        torch.equal(torch.as_tensor(one[k]).nan_to_num(-7e7), torch.as_tensor(other[k]).nan_to_num(-7e7)) for k in one
    )


def copied(state: State) -> State:
    return {name: value.clone() for name, value in state.items()}


def test_constants_can_be_drawn_and_make_another_environment(kind: str) -> None:
    cls = ENVIRONMENTS.load(kind)
    assert cls.constants is not None, "write `constants` and, unless it is empty, `draw_constants`"
    assert set(cls.constants) <= cls.Settings.model_fields.keys()
    if not cls.constants:
        return
    own, other = (cls(cls.Settings(**constants)) for constants in draw_worlds(cls, cls.Settings(), 2))
    assert (own.goals, own.marks, own.view) == (other.goals, other.marks, other.view), "goals are roles, named alike"
    mine, again, others = (world.levels(64, rng=rng(3)) for world in (cls(), own, other))
    assert same(mine, again)
    assert not same(mine, others) or not torch.equal(own.observe(mine), other.observe(mine))


# -- Gymnasium ---------------------------------------------------------------------------------------------------------


def test_gymnasiums_own_check_passes(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"imprint/{kind}-v0", render_mode="rgb_array").unwrapped)


def test_make_vec_gives_the_world_itself_and_no_settings_are_ignored(kind: str) -> None:
    world = gymnasium.make_vec(f"imprint/{kind}-v0", num_envs=3, limit=5)
    assert type(world) is ENVIRONMENTS.load(kind) and world.num_envs == 3 and world.settings.limit == 5
    with pytest.raises(ImprintError, match="no_such_setting"):
        make_many(kind=kind, no_such_setting=1)


def test_spaces_fit_the_view_and_everything_returned_lies_in_them(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N)
    assert world.single_observation_space.shape == world.view.shape
    assert world.single_action_space.n == world.view.actions == len(world.actions)
    assert world.observation_space == batch_space(world.single_observation_space, N)
    assert world.action_space == batch_space(world.single_action_space, N)
    assert world.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    seen, info = world.reset(seed=0)
    assert seen in world.observation_space and isinstance(info, dict)
    for action in acts(world, 60, 1):
        assert action in world.action_space
        seen, reward, terminated, truncated, _ = world.step(action)
        assert seen in world.observation_space
        assert reward.shape == (N,) and np.issubdtype(reward.dtype, np.floating) and np.isfinite(reward).all()
        assert terminated.dtype == truncated.dtype == np.bool_ and not (terminated & truncated).any()


def test_it_steps_like_gymnasiums_vector_of_single_copies(kind: str) -> None:
    """The same levels in both, compared for every copy up to and with the end of its first episode."""
    many = make_many(kind=kind, num_envs=N, limit=25)
    many.reset(seed=3)
    singles = [make_single(kind=kind, limit=25) for _ in range(N)]
    peer = SyncVectorEnv([lambda one=one: one for one in singles], autoreset_mode=AutoresetMode.SAME_STEP)
    peer.reset(seed=0)
    for i, one in enumerate(singles):
        assert isinstance(one, Single)
        one.reset(options={"state": rows(many.state, slice(i, i + 1))})
    assert peer.single_observation_space == many.single_observation_space and peer.action_space == many.action_space
    going = np.ones(N, dtype=bool)
    for action in acts(many, 30, 4):
        ours, theirs = many.step(action), peer.step(action)
        for mine, yours in zip(ours[1:4], theirs[1:4], strict=True):
            assert np.array_equal(mine[going], yours[going])
        ends = going & (ours[2] | ours[3])
        for i in np.flatnonzero(ends):
            assert np.array_equal(ours[4]["final_obs"][i], theirs[4]["final_obs"][i])
            facts, others = ours[4]["final_info"]["concepts"], theirs[4]["final_info"]["concepts"]
            assert all(np.array_equal(v[i], others[k][i], equal_nan=v.dtype.kind == "f") for k, v in facts.items())
        going &= ~ends
        assert np.array_equal(ours[0][going], theirs[0][going])
    assert not going.any()


def test_gymnasiums_vector_wrappers_take_it(kind: str) -> None:
    world = DictInfoToList(RecordEpisodeStatistics(make_many(kind=kind, num_envs=N, limit=9)))
    world.reset(seed=0)
    pay, episodes = np.zeros(N), 0
    for action in acts(world.unwrapped, 30, 5):
        _, reward, terminated, truncated, infos = world.step(action)
        pay += reward
        for i in np.flatnonzero(terminated | truncated):
            assert infos[i]["episode"]["r"] == pytest.approx(pay[i])
            assert set(infos[i]["final_info"]["concepts"]) == set(infos[i]["concepts"])
            pay[i], episodes = 0.0, episodes + 1
        assert all("episode" not in infos[i] for i in np.flatnonzero(~(terminated | truncated)))
    assert episodes >= 3 * N


def test_a_finished_copy_starts_afresh_in_the_same_step_and_its_end_is_kept(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N, limit=7)
    world.reset(seed=0)
    for action in acts(world, 20, 2):
        expected = world.follow(world.state, torch.from_numpy(action))
        seen, _, terminated, truncated, info = world.step(action)
        done = terminated | truncated
        assert np.array_equal(done, expected.done.numpy())
        assert bool((world.state["clock"][torch.from_numpy(done)] == 0).all())
        assert np.array_equal(seen, world.observe(world.state).numpy())
        if done.any():
            final = world.observe(expected.after).numpy()
            assert np.array_equal(info["_final_obs"], done) and np.array_equal(info["_final_info"], done)
            assert all(np.array_equal(info["final_obs"][i], final[i]) for i in np.flatnonzero(done))
            assert all(info["final_obs"][i] is None for i in np.flatnonzero(~done))
            assert same(info["final_info"]["concepts"], world.facts(expected.after))
        else:
            assert "final_obs" not in info


def test_what_was_returned_is_not_changed_by_later_steps_nor_the_world_by_changing_it(kind: str) -> None:
    one, other = (make_many(kind=kind, num_envs=N) for _ in range(2))
    (seen, info), _ = one.reset(seed=0), other.reset(seed=0)
    kept, facts = seen.copy(), {name: value.copy() for name, value in info["concepts"].items()}
    for action in acts(one, 10, 0):
        one.step(action)
    assert np.array_equal(seen, kept) and same(info["concepts"], facts)
    _, info = one.reset(seed=0)
    seen, _ = one.reset(options={"state": one.state})
    seen[:] = 0
    for value in info["concepts"].values():
        value[:] = 0
    assert same(one.state, other.state)


def test_it_renders_pictures_and_text(kind: str) -> None:
    world = make_many(kind=kind, num_envs=3, render_mode="rgb_array")
    world.reset(seed=0)
    pictures = world.render()
    assert len(pictures) == 3 and all(p.dtype == np.uint8 and p.ndim == 3 and p.shape[2] == 3 for p in pictures)
    world.render_mode = "ansi"
    texts = world.render()
    assert len(texts) == 3 and all(isinstance(text, str) and len(text.strip()) > 1 for text in texts)


def test_the_command_line_lists_it_and_shows_what_there_is_to_know(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kind in printed(capsys, "list", "environments")
    page, world = printed(capsys, "show", f"environments/{kind}"), make_many(kind=kind)
    for word in ("limit", *world.settings.model_dump(), *world.actions, *world.goals, *world.designs, world.wages):
        assert word in page, word


def test_mistakes_are_named(kind: str) -> None:
    world = make_many(kind=kind, num_envs=2)
    with pytest.raises(ImprintError, match="before reset"):
        world.step(np.zeros(2, dtype=np.int64))
    world.reset(seed=0)
    for wrong in ([len(world.actions), 0], [-1, 0], [0], [0.5, 0.0]):
        with pytest.raises(ImprintError, match="expected 2 whole numbers"):
            world.step(np.array(wrong))
    with pytest.raises(UnknownNameError, match="design"):
        make_many(kind=kind, design="trian")
    with pytest.raises(UnknownNameError, match="reset option"):
        world.reset(options={"desing": "train"})
    with pytest.raises(ImprintError, match="3 copies"):
        world.reset(options={"state": world.levels(3, rng=rng())})
    with pytest.raises(ImprintError, match="at least 1"):
        ENVIRONMENTS.load(kind)(copies=0)
    with pytest.raises(UnknownNameError):
        world.edit(world.state, "no_such_fact", 1)


# -- one future --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), before=st.integers(0, 40), after=st.integers(1, 40), limit=st.integers(2, 30))
def test_a_restored_snapshot_has_the_same_future(kind: str, seed: int, before: int, after: int, limit: int) -> None:
    world = make_many(kind=kind, num_envs=N, limit=limit)
    world.reset(seed=seed)
    for action in acts(world, before, seed):
        world.step(action)
    snapshot = world.snapshot()
    twin = make_many(kind=kind, num_envs=N, limit=limit)
    actions = acts(world, after, seed + 1)
    future = [world.step(action)[:4] for action in actions]
    for one in (world, twin):
        one.restore(snapshot)
        for action, expected in zip(actions, future, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one.step(action)[:4], expected, strict=True))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(kind: str) -> None:
    def life(seed: int) -> list[np.ndarray]:
        world = make_many(kind=kind, num_envs=N)
        world.reset(seed=seed)
        return [world.step(action)[0] for action in acts(world, 50, 0)]

    drawn = torch.get_rng_state()
    one, again, other = life(1), life(1), life(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(drawn, torch.get_rng_state())


def test_nothing_changes_the_state_it_is_given(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N)
    state = wandered(world)
    before, action = copied(state), torch.from_numpy(acts(world, 1, 0)[0])
    outcome = world.follow(state, action)
    world.senses(outcome.before, action, outcome.after)
    for look in (world.observe, world.facts, world.ended, world.paint, world.ascii, world.body, world.distances):
        look(state)
    assert same(state, before) and same(outcome.before, before)


def test_copies_do_not_touch_each_other(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N)
    state, action = wandered(world), torch.from_numpy(acts(world, 1, 0)[0])
    index = torch.tensor([4, 1, 1])
    whole, part = world.follow(state, action), world.follow(rows(state, index), action[index])
    assert same(rows(whole.after, index), part.after)
    assert torch.equal(whole.done[index], part.done)
    assert torch.equal(world.observe(state)[index], world.observe(rows(state, index)))
    assert same({k: v[index] for k, v in world.facts(state).items()}, world.facts(rows(state, index)))
    assert torch.equal(world.paint(state)[index], world.paint(rows(state, index)))


def test_an_episode_is_cut_off_at_the_limit_and_not_before(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N, limit=4)
    state, over = world.levels(N, rng=rng()), torch.zeros(N, dtype=torch.bool)
    for step, action in enumerate(acts(world, 4, 0), start=1):
        outcome = world.follow(state, torch.from_numpy(action))
        assert bool((outcome.truncated == (~outcome.terminated & (step == 4))).all())
        state, over = outcome.after, over | outcome.terminated
        assert bool((state["clock"] == step).all())
    assert not over.all()


# -- facts, senses, designs --------------------------------------------------------------------------------------------


def test_facts_and_senses_have_stated_shapes_and_kinds(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N)
    state, action = wandered(world), torch.from_numpy(acts(world, 1, 0)[0])
    facts = world.facts(state)
    assert all(v.shape == (N,) and v.dtype in (torch.bool, torch.int64, torch.float32) for v in facts.values())
    outcome = world.follow(state, action)
    senses = world.senses(outcome.before, action, outcome.after) | world.body(outcome.after)
    for value in senses.values():
        assert value.shape == (N,) and value.dtype == torch.float32 and bool(torch.isfinite(value).all())
    assert world.wages in senses and set(world.goals.values()) <= set(senses)
    assert set(world.marks) <= set(world.goals) and {f for fs in world.marks.values() for f in fs} <= set(facts)
    assert set(world.distances(state)) <= set(world.goals)


def test_setting_a_fact_to_what_it_is_changes_no_fact_and_there_and_back_is_nowhere(kind: str) -> None:
    world = make_many(kind=kind, num_envs=12)
    state = joined([rows(world.levels(6, rng=rng(1)), slice(6)), rows(wandered(world), slice(6))])
    facts, edits = world.facts(state), 0
    for name, value in facts.items():
        for i in range(12):
            one, other = rows(state, slice(i, i + 1)), value[(i + 5) % 12]
            before = copied(one)
            try:
                moved = world.edit(one, name, other)
            except UnknownNameError:
                break
            except ImprintError:
                continue
            assert same(one, before)
            assert torch.equal(moved["key"], one["key"]) and torch.equal(moved["clock"], one["clock"])
            assert same({name: world.facts(moved)[name]}, {name: other[None]}), (name, other)
            if not bool(torch.isnan(value[i]) if value.is_floating_point() else value[i] == -1):
                assert same(world.facts(world.edit(one, name, value[i])), {k: v[i : i + 1] for k, v in facts.items()})
            edits += 1
    assert edits > 0


def test_a_walker_stands_where_it_is_put(kind: str) -> None:
    world = make_many(kind=kind, num_envs=N)
    state = wandered(world)
    try:
        cell = world.cell_of(state)
    except NotMeasurableError:
        pytest.skip("a world without places")
    assert cell.shape == (N, 2) and cell.dtype == torch.int64
    assert torch.equal(world.observe(world.put(state, cell)), world.observe(state))
    for action in acts(world, 10, 3):
        after = world.follow(state, torch.from_numpy(action)).after
        back = world.put(after, cell)
        assert torch.equal(world.cell_of(back), cell) and torch.equal(back["key"], after["key"])


def test_every_design_can_be_drawn_and_lived_in(kind: str) -> None:
    for design in make_many(kind=kind).designs:
        world = make_many(kind=kind, num_envs=N, design=design)
        assert not bool(world.ended(world.levels(64, rng=rng())).any())
        seen, _ = world.reset(seed=0)
        again, _ = make_many(kind=kind, num_envs=N).reset(seed=0, options={"design": design})
        assert np.array_equal(seen, again)
        for action in acts(world, 5, 0):
            assert world.step(action)[0] in world.observation_space


@pytest.mark.parametrize("look", [len, list, dict, repr, str, lambda f: f == {}, lambda f: f | {}, lambda f: {**f}])
def test_facts_are_computed_when_somebody_looks_and_once(look: Any) -> None:
    calls = []

    class Counting(ENVIRONMENTS.load("coin")):  # type: ignore[misc]
        def facts(self, state: State) -> dict[str, Tensor]:
            calls.append(1)
            facts: dict[str, Tensor] = super().facts(state)
            return facts

    world = Counting(copies=2)
    _, info = world.reset(seed=0)
    world.step(np.zeros(2, dtype=np.int64))
    assert calls == []
    found = look(info["concepts"])
    assert calls == [1] and found is not None
    assert "coin_cell" in info["concepts"] and info["concepts"]["coin_cell"].shape == (2,) and calls == [1]
    if isinstance(found, dict):
        assert "coin_cell" in found


def test_where_and_joined_choose_whole_copies() -> None:
    world = make_many(kind="coin", num_envs=2)
    one, other = world.levels(3, rng=rng(1)), world.levels(3, rng=rng(2))
    mixed = where(torch.tensor([True, False, True]), one, other)
    assert same(mixed, joined([rows(one, slice(1)), rows(other, slice(1, 2)), rows(one, slice(2, 3))]))
