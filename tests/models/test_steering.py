"""Drives, reflexes and curiosity by hand; surprise that wears off; a body that acts by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.models.environments.meadow.environment import STAY, Meadow
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.grids import STEPS
from imprint.models.learning.novelty import Novelty
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.curiosity import Curiosity
from imprint.models.steering.drive import Drive
from imprint.models.steering.reflex import Reflex
from imprint.models.store import RunFolder
from imprint.models.wrappers.reflexes import embodied, impelled

NOTHING = Body({})
FIELD = 24


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def senses(**values: list[float]) -> Senses:
    return Senses({name: torch.tensor([value]) for name, value in values.items()})


# -- drive -------------------------------------------------------------------------------------------------------------


def test_urge_is_the_distance_from_the_set_point_and_relief_what_a_step_took_away() -> None:
    felt = senses(hunger=[0.5, 0.1], hunger_was=[0.4, 0.6])
    urge = Drive(Drive.Settings(name="urge", sense="hunger", set_point=0.2, weight=2.0))
    assert torch.allclose(urge(felt, NOTHING, rng=rng()), torch.tensor([[0.6, 0.2]]))
    relief = Drive(Drive.Settings(name="relief", sense="hunger", before="hunger_was"))
    assert torch.allclose(relief(felt, NOTHING, rng=rng()), torch.tensor([[-0.1, 0.5]]))
    assert relief.range == (-1.0, 1.0) and urge.range == (0.0, 1.0)


@settings(max_examples=30, deadline=None)
@given(states=st.lists(st.floats(0, 1), min_size=1, max_size=9), drift=st.floats(0, 1), first=st.floats(-1, 1))
def test_a_drifting_set_point_follows_its_rule_and_goes_on_where_it_was(
    states: list[float], drift: float, first: float
) -> None:
    drive = Drive(Drive.Settings(name="heat", sense="warmth", set_point=first, drift=drift, high=9.0))
    points = [first]
    for state in states:
        points.append(points[-1] + drift * (state - points[-1]))
    felt = senses(warmth=states)
    expected = torch.tensor([[abs(s - p) for s, p in zip(states, points, strict=False)]])
    assert torch.allclose(drive(felt, NOTHING, rng=rng()), expected, atol=1e-5)
    held = drive.adjusted(felt, NOTHING)
    assert float(held["heat.set_point"]) == pytest.approx(points[-1], abs=1e-5)
    half = len(states) // 2
    if half:
        early, late = senses(warmth=states[:half]), senses(warmth=states[half:])
        onward = Body(drive.adjusted(early, NOTHING))
        assert torch.allclose(drive(late, onward, rng=rng()), expected[:, half:], atol=1e-5)


# -- reflex ------------------------------------------------------------------------------------------------------------


def escape(**changes: object) -> Reflex:
    return Reflex(Reflex.Settings(name="escape", actions={"dark_up": 0, "dark_down": 2}, **changes))


def test_the_strongest_sense_acts_and_silence_leaves_it_to_the_learner() -> None:
    now = {"dark_up": torch.tensor([0.2, 0.0, 0.9]), "dark_down": torch.tensor([0.5, 0.0, 0.1])}
    assert escape().act(now, NOTHING).tolist() == [2, -1, 0]
    assert escape(threshold=0.6).act(now, NOTHING).tolist() == [-1, -1, 0]


def test_it_sleeps_until_senses_and_body_wake_it() -> None:
    now = {"dark_up": torch.ones(3), "dark_down": torch.zeros(3), "looming": torch.tensor([0.0, 0.5, 0.5])}
    body = Body({"hunger": torch.tensor([1.0, 0.0, 1.0])})
    assert escape(when={"looming": 0.1, "hunger": 0.5}).act(now, body).tolist() == [-1, -1, 0]


def test_as_a_signal_it_says_when_it_fired() -> None:
    felt = senses(dark_up=[0.0, 0.3, 0.0], dark_down=[0.0, 0.0, 0.4], looming=[1.0, 0.0, 1.0])
    assert escape(when={"looming": 0.5})(felt, NOTHING, rng=rng()).tolist() == [[0.0, 0.0, 1.0]]


def test_an_unknown_sense_is_named_when_it_acts() -> None:
    with pytest.raises(UnknownNameError, match="dark_up"):
        escape().act({"dark_down": torch.ones(2)}, NOTHING)
    with pytest.raises(ValueError, match="at least one sense"):
        Reflex.Settings(name="none", actions={})


# -- a body with reflexes ----------------------------------------------------------------------------------------------


def feeder() -> Reflex:
    ways = {f"smell_{way}": i for i, way in enumerate(("up", "right", "down", "left"))}
    return Reflex(Reflex.Settings(name="feed", actions=ways))


def test_a_body_with_a_reflex_finds_food_that_it_smells_whatever_the_learner_does() -> None:
    world = Meadow(Meadow.Settings(predators=0.0, limit=100))
    body = embodied(world, [feeder(), escape()])
    assert embodied(world, []) is world and isinstance(body, Meadow) and body.settings == world.settings
    state = world.edit(world.levels(60, rng=rng()), "food_place", torch.arange(60) % 21 + 14)
    near = world.distances(state)["food"]
    state, near = {k: v[near.gt(0) & near.le(3)] for k, v in state.items()}, near[near.gt(0) & near.le(3)]
    eaten = torch.zeros(len(near), dtype=torch.bool)
    stays = torch.full((len(near),), STAY)
    for _ in range(3):
        outcome = body.follow(state, stays)
        eaten |= body.senses(outcome.before, stays, outcome.after)["food_eaten"] > 0
        state = outcome.after
    assert eaten.all() and len(near) > 20


def test_the_first_reflex_that_fires_wins_and_the_learner_has_the_rest() -> None:
    world = Meadow()
    state = world.edit(world.levels(2, rng=rng()), "food_place", torch.tensor([FIELD - 1, -1]))
    still = Reflex(Reflex.Settings(name="freeze", actions={"smell_left": STAY}))
    action = torch.tensor([1, 1])
    assert impelled(world, [still, feeder()], state, action).tolist() == [STAY, 1]
    assert impelled(world, [feeder(), still], state, action).tolist() == [3, 1]


def test_an_action_that_the_world_does_not_have_is_refused() -> None:
    wrong = Reflex(Reflex.Settings(name="fly", actions={"looming": 7}))
    with pytest.raises(ImprintError, match="triggers action 7"):
        embodied(Meadow(), [wrong])


FEED = {"kind": "reflex", "name": "feed", "actions": {f"smell_{way}": i for i, way in enumerate(STEPS)}}


def chick(*before: dict[str, object], **changes: object) -> AgentSetup:
    base = load_setup("meadow-hunger").resolved()
    small = {"learning.copies": 64, "learning.steps": 8, "learning.minibatches": 2, "environment.food_at_mother": 0.0,
             "environment.reach": 5, "schedule.ages": [0, 512, 1024, 1536], "schedule.experiences": 1536}  # fmt: skip
    changed = {"steering": [*before, *base["steering"]], "agent.widths": [12], **small, **changes}
    return load_setup(base, changes=changed, expect=AgentSetup)


@torch.no_grad()
def test_a_setup_with_a_reflex_moves_its_body_from_birth_on(tmp_path: Path) -> None:
    eaten = {}
    for name, setup in {"with": chick(FEED), "without": chick()}.items():
        life = AgentLifetime(setup, (0,), RunFolder(tmp_path / name))
        for parameter in life.teacher.stack.parameters.values():
            parameter.zero_()  # a learner that acts at random, the same dice in both
        rollout, _ = life.play.rollout(life.teacher.stack)
        eaten[name] = int((rollout.reward > 0.1).sum())
    assert eaten["with"] > 4 * eaten["without"] > 0


def test_a_reflex_acts_in_examination_and_can_be_lesioned() -> None:
    setup, stays = chick(FEED), torch.full((200,), STAY)
    whole, bare = setup.make_environment(copies=200), setup.make_environment(copies=200, reflexes=False)
    state = bare.levels(200, rng=rng())
    near = torch.stack([bare.senses(state, stays, state)[f"smell_{way}"] for way in STEPS]).sum(0) > 0
    for world, moves in ((whole, near), (bare, torch.zeros_like(near))):
        outcome = world.follow(state, stays)
        assert torch.equal(outcome.after["agent"] != state["agent"], moves)
        assert torch.equal(outcome.action != STAY, moves), "senses are told what the body did"
    assert 20 < int(near.sum()) < 180


def test_a_reflex_that_cannot_act_is_refused_with_its_setup() -> None:
    for sense, known in (("smel_up", "Did you mean 'smell_up'"), ("surprise", "unknown sense 'surprise'")):
        with pytest.raises(UnknownNameError, match=known):
            chick({"kind": "reflex", "name": "odd", "actions": {sense: 0}}).make_environment()
    with pytest.raises(ImprintError, match="triggers action 9"):
        chick({"kind": "reflex", "name": "fly", "actions": {"looming": 9}}).make_environment()


# -- curiosity ---------------------------------------------------------------------------------------------------------


def test_curiosity_scales_and_clips_surprise() -> None:
    curious = Curiosity(Curiosity.Settings(name="wonder", sense="surprise", scale=2.0, bored=0.5, high=3.0))
    out = curious(senses(surprise=[0.0, 1.0, 9.0]), NOTHING, rng=rng())
    assert out.tolist() == [[0.0, 1.0, 3.0]]


def test_what_was_seen_often_stops_to_surprise_and_what_is_new_does_not() -> None:
    novelty = Novelty(20, rngs=[rng(1), rng(2)], rate=3e-3)
    old, new = torch.rand(2, 64, 4, 5, generator=rng(3)) * 0.3, 0.7 + 0.3 * torch.rand(2, 64, 4, 5, generator=rng(4))
    errors = [novelty.learn(old) for _ in range(300)]
    known, unknown = novelty.surprise(old).mean(1), novelty.surprise(new).mean(1)
    assert (unknown > 5 * known).all() and (errors[-1] < 0.1 * errors[0]).all()


def test_novelty_goes_round_and_seeds_are_strangers_to_each_other() -> None:
    both, one = Novelty(6, rngs=[rng(1), rng(2)]), Novelty(6, rngs=[rng(2)])
    seen = torch.rand(2, 30, 6, generator=rng(5))
    for _ in range(4):
        both.learn(seen)
        one.learn(seen[1:])
    assert torch.allclose(both.surprise(seen)[1:], one.surprise(seen[1:]), atol=1e-6)
    again = Novelty(6, rngs=[rng(8), rng(9)])
    again.load([both.state(0), both.state(1)])
    for novelty in (both, again):
        novelty.learn(seen)
    assert torch.equal(both.surprise(seen), again.surprise(seen))
