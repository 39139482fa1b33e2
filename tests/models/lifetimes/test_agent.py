from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from imprint.models.agents.base import AGENTS, Agent
from imprint.models.chance import generator
from imprint.models.errors import DamagedFileError
from imprint.models.files import write_bytes
from imprint.models.learning.novelty import Novelty
from imprint.models.learning.policy_gradient import Learning, Stack
from imprint.models.learning.rollout import Levels, Play
from imprint.models.lifetimes.agent import AgentLifetime, training_success
from imprint.models.lifetimes.lifetime import Progress
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.steering.curiosity import Curiosity
from imprint.models.steering.detector import Detector
from imprint.models.steering.drive import Drive
from imprint.models.steering.reward import Reward
from imprint.models.store import RunFolder, read_tensors, write_tensors
from tests.known.environments import Wage

SMALL = {
    "learning.copies": 16,
    "learning.steps": 4,
    "learning.minibatches": 2,
    "schedule.ages": [0, 128, 320, 640],
    "schedule.experiences": 640,
    "environment.limit": 6,
}
RECURRENT = {"agent": {"kind": "recurrent", "widths": [12], "memory": 8}}
FORWARD = {"agent": {"kind": "actor_critic", "widths": [12]}}
BELIEVING = {
    **RECURRENT,
    "steering": [
        {"kind": "detector", "name": "delight", "sense": "coin_taken", "miss": 0.1},
        {"kind": "belief", "name": "hope", "reading": "near"},
    ],
    "scorecard": {"near": {"kind": "valence", "signal": "delight", "lag": 0}},
    "learning.pay": "hope",
}
CURIOUS = {"steering.0": {"kind": "curiosity", "name": "delight", "sense": "surprise", "scale": 0.1}}


def small(**changes: Any) -> AgentSetup:
    return load_setup("coin", changes={**SMALL, **FORWARD, **changes}, expect=AgentSetup)


def raised(setup: AgentSetup, path: Path, seeds: tuple[int, ...]) -> dict[tuple[int, int], bytes]:
    AgentLifetime(setup, seeds, RunFolder(path)).live()
    return {(s, a): RunFolder(path).checkpoint(s, a).read_bytes() for s in seeds for a in setup.planned}


def weights(agent: Agent) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in agent.parameters()])


# -- ages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [FORWARD, RECURRENT, {"learning.shuffled_pay": True}, {"steering.0": {
        "kind": "detector", "name": "delight", "sense": "coin_taken", "miss": 0.2, "false_alarm": 0.1}},
     CURIOUS, BELIEVING],
    ids=["feed-forward", "recurrent", "shuffled pay", "noisy signal", "curious", "believing"],
)  # fmt: skip
def test_resumed_equals_uninterrupted_to_the_byte(tmp_path: Path, changes: dict[str, Any]) -> None:
    setup = small(**changes)
    whole = raised(setup, tmp_path / "whole", (0, 1))
    for keep in (1, 2, 3):
        path = tmp_path / f"cut-{keep}"
        for seed in (0, 1):
            for age in setup.planned[:keep]:
                write_bytes(RunFolder(path).checkpoint(seed, age), whole[seed, age])
        assert raised(setup, path, (0, 1)) == whole


def test_what_a_column_reads_in_the_memory_is_paid_and_the_column_learns_from_its_signal(tmp_path: Path) -> None:
    life = AgentLifetime(small(**BELIEVING), (0, 1), RunFolder(tmp_path))
    column = life.play.scorecard.columns["near"]
    untaught, _ = life.play.rollout(life.teacher.stack)
    assert float(untaught.reward.abs().max()) == 0.0 and int(column.state(0)["updates"]) == 2 * 2
    assert float(column.state(0)["weight"].abs().max()) > 0.0
    column.load(1, {"weight": torch.zeros(8), "bias": torch.tensor(0.7)})
    paid, _ = life.play.rollout(life.teacher.stack)
    assert torch.equal(paid.reward[1], torch.full_like(paid.reward[1], 0.7))
    assert float(paid.reward[0].std()) > 0.0 and not paid.reward.requires_grad


def test_novelty_is_kept_where_a_signal_reads_it_and_nowhere_else(tmp_path: Path) -> None:
    for name, changes in {"plain": {}, "curious": CURIOUS}.items():
        setup, folder = small(**changes), RunFolder(tmp_path / name)
        raised(setup, tmp_path / name, (0,))
        kept = [read_tensors(folder.checkpoint(0, age))[0] for age in (0, 640)]
        novel = [{key: value for key, value in one.items() if "novelty" in key} for one in kept]
        assert {bool(one) for one in novel} == {name == "curious"}
        if novel[0]:
            assert float(novel[1]["play.novelty.updates"]) == 10, "predictors learn once from each rollout"
            first = "play.novelty.{}.first"
            assert torch.equal(*(one[first.format("target")] for one in novel))
            assert not torch.equal(*(one[first.format("predictor")] for one in novel))


def test_an_age_that_one_seed_lacks_is_lived_again(tmp_path: Path) -> None:
    setup = small()
    whole = raised(setup, tmp_path, (0, 1))
    RunFolder(tmp_path).checkpoint(1, 320).unlink()
    assert raised(setup, tmp_path, (0, 1)) == whole


def test_a_life_is_reported_step_by_step(tmp_path: Path) -> None:
    said: list[Progress] = []
    AgentLifetime(small(), (0, 1), RunFolder(tmp_path)).live(said.append)
    assert [step.age for step in said] == list(range(64, 641, 64))
    assert all(step.total == 640 and len(step.loss) == 2 for step in said)


def test_an_agent_is_revived_as_it_was(tmp_path: Path) -> None:
    setup, folder = small(), RunFolder(tmp_path)
    lives = AgentLifetime(setup, (0, 1), folder)
    lives.live()
    for seed in (0, 1):
        kept = AgentLifetime.revive(setup, folder, seed, 640)
        assert kept.alive and not kept.agent.training
        own = lives.teacher.stack.member(seed)
        assert all(torch.equal(own[name], value) for name, value in kept.agent.named_parameters())
        assert not torch.equal(weights(kept.agent), weights(AgentLifetime.revive(setup, folder, seed, 0).agent))


def test_the_record_tells_how_training_went(tmp_path: Path) -> None:
    setup, folder = small(), RunFolder(tmp_path)
    raised(setup, tmp_path, (0,))
    record = AgentLifetime.revive(setup, folder, 0, 640).record
    assert record["age"].tolist() == list(range(64, 641, 64))
    assert AgentLifetime.revive(setup, folder, 0, 320).record.equals(record.iloc[:5])
    assert len(AgentLifetime.revive(setup, folder, 0, 0).record) == 0
    assert (record["coin"] == record["pay"]).all(), "in this world a coin is what is paid, and ends the episode"
    assert (record["corner"] >= record["coin"]).all(), "the coin always lies in the corner"
    assert record["episodes"].sum() >= 640 // 6 - 16 and (record["entropy"] > 1.0).all()
    assert training_success(record, "coin", rollouts=100) == record["coin"].sum() / record["episodes"].sum()
    assert training_success(record.iloc[:0], "coin") != training_success(record.iloc[:0], "coin")


def test_newborns_are_nobody_of_the_run(tmp_path: Path) -> None:
    setup = small()
    raised(setup, tmp_path, (0, 1))
    born = [weights(AgentLifetime.revive(setup, RunFolder(tmp_path), seed, 0).agent) for seed in (0, 1)]
    twins = [weights(AgentLifetime.twin(setup, index)) for index in (0, 1)]
    assert torch.equal(twins[0], weights(AgentLifetime.twin(setup, 0))) and not AgentLifetime.twin(setup, 0).training
    everyone = [*born, *twins]
    assert not any(torch.equal(everyone[i], everyone[j]) for i in range(4) for j in range(i))


def test_a_shared_birth_gives_every_seed_one_beginning_and_a_life_of_its_own(tmp_path: Path) -> None:
    setup = small(**{"schedule.shared_birth": 1})
    raised(setup, tmp_path / "shared", (0, 1))
    raised(small(), tmp_path / "own", (0, 1))

    def at(of: AgentSetup, name: str, seed: int, age: int) -> torch.Tensor:
        return weights(AgentLifetime.revive(of, RunFolder(tmp_path / name), seed, age).agent)

    assert torch.equal(at(setup, "shared", 0, 0), at(small(), "own", 1, 0))
    assert torch.equal(at(setup, "shared", 1, 640), at(small(), "own", 1, 640))
    assert not torch.equal(at(setup, "shared", 0, 640), at(setup, "shared", 1, 640))


def test_a_diverging_seed_is_struck_out_and_the_other_is_untouched(tmp_path: Path) -> None:
    setup = small()
    whole = raised(setup, tmp_path / "whole", (0, 1))
    lives = AgentLifetime(setup, (0, 1), RunFolder(tmp_path / "broken"))
    learn, taken = lives.teacher.learn, iter(range(100))

    def poisoned(rollout: Any, **given: Any) -> Any:
        if next(taken) == 3:
            rollout.reward[0, 0, 0] = float("nan")
        return learn(rollout, **given)

    lives.teacher.learn = poisoned  # type: ignore[method-assign]
    lives.live()
    folder = RunFolder(tmp_path / "broken")
    assert all(folder.checkpoint(1, age).read_bytes() == whole[1, age] for age in setup.planned)
    assert [AgentLifetime.revive(setup, folder, 0, age).alive for age in setup.planned] == [True, True, False, False]
    assert AgentLifetime.living_ages(setup, folder, 0) == [0, 128] and AgentLifetime.living_ages(setup, folder, 1) == [
        0,
        128,
        320,
        640,
    ]


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    setup, folder = small(), RunFolder(tmp_path)
    whole = raised(setup, tmp_path, (0, 1))
    with pytest.raises(DamagedFileError, match="of setup coin-"):
        AgentLifetime.revive(small(**{"learning.discount": 0.9}), folder, 0, 640)
    write_bytes(folder.checkpoint(0, 640), whole[1, 640])
    with pytest.raises(DamagedFileError, match="of seed 1; expected 0"):
        AgentLifetime.revive(setup, folder, 0, 640)
    write_bytes(folder.checkpoint(0, 640), whole[0, 320])
    with pytest.raises(DamagedFileError, match="of age 320; expected 640"):
        AgentLifetime(setup, (0, 1), folder).live()
    tensors, header = read_tensors(folder.checkpoint(0, 320))
    about = {name: header[name] for name in ("setup", "seed", "age")}
    lost = {name: value for name, value in tensors.items() if name != "teacher.parameter.critic.bias"}
    write_tensors(folder.checkpoint(0, 320), lost, **about)
    with pytest.raises(DamagedFileError, match=r"parameter 'critic\.bias'"):
        AgentLifetime.revive(setup, folder, 0, 320)


# -- pairing -------------------------------------------------------------------------------------------------------


def test_a_seed_sees_the_same_levels_whoever_grows_up_beside_it(tmp_path: Path) -> None:
    setup = small()
    together, alone = (AgentLifetime(setup, seeds, RunFolder(tmp_path)) for seeds in ((0, 1, 2), (1,)))
    for _ in range(6):
        many, one = together.play.rollout(together.teacher.stack)[0], alone.play.rollout(alone.teacher.stack)[0]
        assert torch.equal(many.observation[1], one.observation[0]) and torch.equal(many.action[1], one.action[0])


def test_a_seed_of_two_setups_starts_from_the_same_levels_and_weights(tmp_path: Path) -> None:
    one, other = (
        AgentLifetime(small(**{"learning.learning_rate": rate}), (3,), RunFolder(tmp_path)) for rate in (1e-3, 1e-2)
    )
    assert all(torch.equal(value, other.play.state[name]) for name, value in one.play.state.items())
    before = one.teacher.stack.member(0), other.teacher.stack.member(0)
    assert all(torch.equal(value, before[1][name]) for name, value in before[0].items())


def test_levels_go_on_where_they_were_left() -> None:
    environment = small().make_environment()
    whole, first, rest = (Levels(environment, 4, 8) for _ in range(3))
    taken = whole.take(19)
    first.take(11)
    rest.load(first.state())
    assert all(torch.equal(value, taken[name][11:]) for name, value in rest.take(8).items())
    other = Levels(environment, 5, 8).take(19)
    assert not torch.equal(other["walls"], taken["walls"])


# -- pay -----------------------------------------------------------------------------------------------------------


def playing(environment: Wage, signals: tuple[Any, ...], seeds: int = 2, **how: Any) -> tuple[Play, Stack]:
    cls = AGENTS.load("actor_critic")
    learning = Learning(**{"pay": signals[-1].settings.name, "copies": 16, "steps": 8, "minibatches": 1, **how})
    agents = [
        cls.born(cls.Settings(widths=(8,)), environment.view, rng=torch.Generator().manual_seed(seed))
        for seed in range(seeds)
    ]
    return Play(environment, learning, signals, range(seeds), memory=0), Stack(agents)


def test_pay_follows_the_signals_and_their_errors() -> None:
    felt = Detector(Detector.Settings(name="felt", sense="right", miss=0.25))
    pay = Reward(Reward.Settings(name="pay", weights={"felt": 1.0, "tired": 0.1}, high=2.0))
    play, stack = playing(Wage(limit=4), (felt, pay), copies=500)
    rollout, _ = play.rollout(stack)
    clock = rollout.observation[:, :, :, 1, 0, 0] * 4
    fired = rollout.reward - 0.1 * clock
    assert bool(((fired.abs() < 1e-6) | ((fired - 1).abs() < 1e-6)).all())
    assert 0.72 < float(fired.mean()) < 0.78
    assert not torch.equal(fired[0], fired[1]), "each seed has errors of its own"


def test_pay_is_scaled_by_the_body_of_each_step() -> None:
    pay = Reward(Reward.Settings(name="pay", weights={"right": 0.25}, body="tired"))
    play, stack = playing(Wage(limit=4), (pay,))
    rollout, _ = play.rollout(stack)
    assert torch.allclose(rollout.reward, rollout.observation[:, :, :, 1, 0, 0])


def test_innate_variables_go_on_from_rollout_to_rollout() -> None:
    drive = Drive(Drive.Settings(name="pay", sense="tired", set_point=2.0, drift=0.25, high=9.0))
    (play, stack), (whole, _) = (playing(Wage(limit=4), (drive,), steps=steps) for steps in (3, 12))
    first, kept = play.rollout(stack)[0], [play.state_of(s) for s in range(2)]
    rest = [play.rollout(stack)[0].reward for _ in range(3)]
    assert torch.allclose(torch.cat([first.reward, *rest], -1), whole.rollout(stack)[0].reward, atol=1e-5)
    again, _ = playing(Wage(limit=4), (drive,), steps=3)
    again.load(kept)
    assert all(torch.equal(again.rollout(stack)[0].reward, pay) for pay in rest)


def test_surprise_is_of_the_observation_arrived_at_and_is_learned_once_a_rollout() -> None:
    wonder = Curiosity(Curiosity.Settings(name="pay", sense="surprise", scale=0.5, high=1e4))
    play, stack = playing(Wage(limit=4, ends=0.3), (wonder,))
    apart = Novelty(2, rngs=[generator("novelty", seed) for seed in range(2)])
    for _ in range(5):
        rollout, _ = play.rollout(stack)
        arrived = rollout.observation.flatten(1, 2).clone()
        arrived[:, :, 1] += 0.25  # the clock goes on, also where the episode ends
        assert torch.allclose(rollout.reward.flatten(1), 0.5 * apart.surprise(arrived), rtol=1e-4, atol=1e-6)
        apart.learn(arrived)
    assert bool(rollout.terminated.any()) and bool(rollout.truncated.any()) and float(rollout.reward.std()) > 0


def test_a_signal_called_surprise_stands_for_itself() -> None:
    own = Detector(Detector.Settings(name="surprise", sense="right"))
    wonder = Curiosity(Curiosity.Settings(name="pay", sense="surprise"))
    play, stack = playing(Wage(limit=4), (own, wonder))
    assert play.novelty is None and bool((play.rollout(stack)[0].reward == 1).all())


def test_shuffled_pay_is_the_same_pay_dealt_out_anew() -> None:
    pay = Reward(Reward.Settings(name="pay", weights={"tired": 0.1}))
    honest, stack = playing(Wage(limit=7, ends=0.2), (pay,))
    shuffled, _ = playing(Wage(limit=7, ends=0.2), (pay,), shuffled_pay=True)
    (one, tally), (other, again) = honest.rollout(stack), shuffled.rollout(stack)
    assert torch.equal(one.action, other.action) and torch.equal(tally.reward, again.reward)
    dealt = one.reward - one.reward.mean((1, 2), keepdim=True)
    assert torch.allclose(dealt.flatten(1).sort(1)[0], other.reward.flatten(1).sort(1)[0], atol=1e-6)
    correlation = torch.corrcoef(torch.stack([one.reward[0].flatten(), other.reward[0].flatten()]))[0, 1]
    assert float(correlation.abs()) < 0.3
    assert not torch.equal(other.reward[0].argsort(), other.reward[1].argsort())
    assert bool((other.reward.mean((1, 2)).abs() < 1e-6).all()), "living longer is not paid"


def test_cut_off_episodes_are_valued_at_their_final_state() -> None:
    pay = Reward(Reward.Settings(name="pay", weights={"right": 1.0}))
    play, stack = playing(Wage(limit=3, ends=0.25), (pay,), seeds=3)
    for _ in range(3):
        rollout, _ = play.rollout(stack)
        counts = rollout.truncated.sum((1, 2))
        final = rollout.observation.clone()
        final[:, :, :, 1] = 1.0  # the same episode, at the limit
        value = stack.act(final.flatten(1, 2), torch.zeros(3, 16 * 8, 0)).value.view(3, 16, 8).detach()
        assert torch.allclose(rollout.final_value, value * rollout.truncated, atol=1e-6)
        assert bool(rollout.terminated.any()) and not bool((rollout.terminated & rollout.truncated).any())
    assert len(set(counts.tolist())) > 1, "seeds differ in how many were cut off"


def test_tallies_count_whole_episodes_across_rollouts() -> None:
    pay = Reward(Reward.Settings(name="pay", weights={"right": 0.5}))
    play, stack = playing(Wage(limit=5), (pay,), steps=3, copies=4)
    tallies = [play.rollout(stack)[1] for _ in range(5)]
    assert [tally.episodes.tolist() for tally in tallies] == [[0, 0], [4, 4], [0, 0], [4, 4], [4, 4]]
    assert [tally.reward.tolist()[0] for tally in tallies] == [0, 10, 0, 10, 10]
    assert all(torch.equal(tally.attained[:, 0], tally.episodes) for tally in tallies)
