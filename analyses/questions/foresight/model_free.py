"""A learner without imagination, trained on the same rewarded walks as the planner's value.

    Q(s, a) <- r + discount * max_a' Q'(s', a')          (no second term at the end of a walk; kept within 0 and 1,
                                                          since a walk is rewarded once at most)

Q-learning from a fixed set of walks, replayed (fitted Q iteration: Ernst et al. 2005; target network Q': Mnih et al.
2015): one hidden layer on the latent maps and summaries of the same world model, so that it sees no less than the
planner. Unlike the planner it may look again at every step, and replay its few walks hundreds of times.

Letters: d learners, n rows, X features, A actions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.models.environments.base import Environment
from imprint.models.imagination.walks import Walks
from imprint.models.imagination.world_model import WorldModel
from imprint.models.states import State

HIDDEN, BATCH, DISCOUNT, RATE, REFRESH = 64, 64, 0.9, 1e-3, 25
FLOOR = 0.1
"""Least standard deviation by which a feature is divided."""
UPDATES, THOROUGH = 400, 1500
Net = dict[str, Tensor]


def features(model: WorldModel, observation: Tensor) -> Tensor:
    """Features ``[n, X]`` of observations: latent maps and summary of the world model."""
    with torch.no_grad():
        maps = model.encode(observation.float())
        return torch.cat([maps.flatten(1), model.summary(maps)], 1)


def _q(net: Net, x: Tensor) -> Tensor:
    """``[d, n, A]`` from ``[d, n, X]``."""
    hidden = F.relu((x - net["mean"]) / net["spread"] @ net["w1"] + net["b1"])
    return hidden @ net["w2"] + net["b2"]


def learn(model: WorldModel, lives: Sequence[Walks], *, rng: torch.Generator, thorough: bool = False) -> Net:
    """One Q-learner per set of rewarded walks, d of them; ``thorough``: many more updates."""
    sets = [_transitions(model, walks) for walks in lives]
    copies, width, actions = len(sets), sets[0][0].shape[1], model.view.actions
    net = {
        "w1": torch.randn(copies, width, HIDDEN, generator=rng) * (2 / width) ** 0.5,
        "b1": torch.zeros(copies, 1, HIDDEN),
        "w2": torch.randn(copies, HIDDEN, actions, generator=rng) * HIDDEN**-0.5,
        "b2": torch.zeros(copies, 1, actions),
    }
    optimiser = torch.optim.Adam([value.requires_grad_(True) for value in net.values()], lr=RATE)
    net["mean"] = torch.stack([s[0].mean(0, keepdim=True) for s in sets])
    net["spread"] = torch.stack([s[0].std(0, keepdim=True, correction=0).clamp(min=FLOOR) for s in sets])
    for update in range(THOROUGH if thorough else UPDATES):
        if update % REFRESH == 0:
            target = {name: value.detach().clone() for name, value in net.items()}
        parts = [[t[i] for t in s] for s in sets for i in [torch.randint(0, len(s[0]), (BATCH,), generator=rng)]]
        now, action, pay, after, over = (torch.stack(part) for part in zip(*parts, strict=True))
        aim = pay + DISCOUNT * torch.where(over, 0.0, _q(target, after).amax(-1).clamp(0.0, 1.0))
        guess = _q(net, now).gather(2, action[..., None])[..., 0]
        loss = (guess - aim).square().mean(1).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return {name: value.detach() for name, value in net.items()}


def _transitions(model: WorldModel, walks: Walks) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Features, action, reward, next features and end of every step of the walks."""
    walk, step = torch.nonzero(walks.known[:, 1:], as_tuple=True)
    over = walks.ended[walk, step + 1]
    now, after = (features(model, walks.observation[walk, at]) for at in (step, step + 1))
    return now, walks.action[walk, step], over.float(), after, over


def single(net: Net, copy: int) -> Net:
    """One of the d learners."""
    return {name: value[copy : copy + 1] for name, value in net.items()}


def act(
    environment: Environment,
    model: WorldModel,
    net: Net,
    state: State,
    *,
    steps: int,
    explore: float,
    rng: torch.Generator,
) -> Tensor:
    """Whether a single learner earns the reward within ``steps`` steps from each row of ``state``, float ``[n]``.

    It looks at every step and takes its best action, or any action in a fraction ``explore`` of the steps.
    """
    earned = torch.zeros(len(state["clock"]))
    for _ in range(steps):
        best = _q(net, features(model, environment.observe(state))[None])[0].argmax(1)
        any_action = torch.randint(0, model.view.actions, best.shape, generator=rng)
        action = torch.where(torch.rand(len(best), generator=rng) < explore, any_action, best)
        outcome = environment.follow(state, action)
        earned = torch.maximum(earned, environment.senses(state, outcome.action, outcome.after)[environment.wages])
        state = outcome.after
    return earned
