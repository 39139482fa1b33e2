"""The hidden state is hidden, exactly; the room is MiniGrid's own; the walks are those that its simulator takes."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict

from imprint.models.environments.minigrid.game import EMPTY
from imprint.models.worlds.compass import DECISION, SHOWN, SQUARE, STEPS, TAKEN, Compass

WORLD = Compass()
BATCH = WORLD.sample(2400, rng=torch.Generator().manual_seed(0), design="balanced")
POSES, MOVES = WORLD.walk(BATCH.concepts, BATCH.noise)
SEEN = (WORLD.room.view[:, SQUARE].sum((1, 2)) > 0)[POSES]
"""Whether the square is in view, bool ``[n, T]``."""


def test_minigrid_itself_takes_the_same_walks_and_shows_the_same() -> None:
    made: Any = gymnasium.make(WORLD.settings.env, disable_env_checker=True)
    made.reset(seed=0)
    sim, side = made.unwrapped, made.unwrapped.width - 2
    for row in range(20):
        cell, heading = divmod(int(POSES[row, 0]), 4)
        sim.agent_pos, sim.agent_dir, sim.step_count = (cell % side + 1, cell // side + 1), heading, 0
        kinds = torch.from_numpy(sim.gen_obs()["image"][..., 0].T.copy())
        for step in range(STEPS):
            shown = (kinds == torch.tensor(SHOWN)[:, None, None]).float()
            assert torch.equal(BATCH.observation[row, step, : len(SHOWN)], shown)
            taken = int(BATCH.observation[row, step, len(SHOWN) :, 0, 0].argmax())
            seen, _, ended, _, _ = made.step(TAKEN[taken])
            assert not ended
            kinds = torch.from_numpy(seen["image"][..., 0].T.copy())


def test_the_next_frame_tells_it_and_the_frame_of_the_decision_is_the_same_either_way() -> None:
    appears = torch.from_numpy(BATCH.concepts["appears"].to_numpy(dtype=bool).copy())
    assert not bool(SEEN[:, DECISION].any())
    assert torch.equal(SEEN[:, DECISION + 1], appears)
    twin = WORLD.counterfactual(BATCH, "appears", ~appears.numpy())
    assert twin.concepts["turn"].equals(BATCH.concepts["turn"])
    assert torch.equal(twin.observation[:, DECISION], BATCH.observation[:, DECISION])
    rest = [plane for plane in range(BATCH.observation.shape[2]) if plane not in (SQUARE, SHOWN.index(EMPTY))]
    assert torch.equal(twin.observation[:, :, rest], BATCH.observation[:, :, rest])  # walls and steps: only the square
    assert not torch.equal(twin.observation, BATCH.observation)


def test_a_linear_history_gives_the_shoulder_and_not_what_appears() -> None:
    seen = BATCH.observation[:, : DECISION + 1]
    history = torch.cat([seen[:, :, SQUARE].sum(2), seen[:, :, len(SHOWN) :, 0, 0]], 2).flatten(1).numpy()
    right = {}
    for name, truth in (("appears", BATCH.concepts["appears"]), ("square", BATCH.concepts["square"] == "left")):
        sign = 2.0 * truth.to_numpy() - 1.0
        right[name] = float(np.mean((cross_val_predict(Ridge(10.0), history, sign) > 0) == (sign > 0)))
    assert right["square"] > 0.85
    assert abs(right["appears"] - 0.5) < 0.06  # some 6 sd of as many guesses


def test_memory_settles_it_and_two_of_five_walks_need_more_than_two_frames() -> None:
    ago = torch.where(SEEN[:, :DECISION].any(1), 1 + SEEN[:, :DECISION].flip(1).int().argmax(1), STEPS)
    assert 0.33 < float((ago > 2).float().mean()) < 0.43
    assert float((ago == STEPS).float().mean()) < 0.04  # never seen: nobody can know
    pose, before = POSES[:, DECISION], POSES[torch.arange(len(POSES)), (DECISION - ago).clamp(min=0)]
    turns = torch.tensor([-1, 1, 0, 0])[MOVES]  # quarter turns of each step, clockwise
    since = torch.stack([turns[row, DECISION - k : DECISION].sum() for row, k in enumerate(ago.clamp(max=DECISION))])
    known = ago < STEPS
    assert torch.equal((before[known] + since[known]) % 4, pose[known] % 4)


def test_both_rooms_work_and_no_other() -> None:
    small = Compass(Compass.Settings(env="MiniGrid-Empty-5x5-v0"))
    batch = small.sample(50, rng=torch.Generator().manual_seed(1))
    poses, _ = small.walk(batch.concepts, batch.noise)
    seen = small.room.view[poses[:, DECISION + 1], SQUARE].sum((1, 2)) > 0
    assert seen.tolist() == batch.concepts["appears"].tolist()
    with pytest.raises(ValidationError, match="Empty-6x6"):
        Compass.Settings(env="MiniGrid-Empty-8x8-v0")
