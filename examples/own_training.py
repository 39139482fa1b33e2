"""Your own network, loop and world: does the value follow the cheese, or the lamp that is mostly lit where cheese is?

    python examples/own_training.py [FOLDER]         three seeds at four checkpoints, beside five untrained networks

Cheese lies in a passage (walls on two opposite sides), a trap in a corner (walls on two adjoining sides). Only cheese
is rewarded. A lamp is lit in 17 of 20 mazes with cheese and in 3 of 20 with a trap. It is seen at a glance, whereas
cheese must be told from a trap by the walls around it: early in training the value follows the lamp (93 % of what both
explain after 100 steps), late the cheese (100 % after 2,000).
Lines that imprint needs are marked.
"""
# ruff: noqa: D102, D103

import sys

import pandas as pd
import torch
from torch import nn

import imprint

SIZE, STEPS, SEEDS, TWINS = 6, (0, 25, 100, 2000), 3, 5
SIDES = torch.tensor([(0, 1), (1, 0), (0, -1), (-1, 0)])


class Maze(imprint.World):
    """A grid of 6 x 6 cells in three channels: walls, bait, lamp."""

    factors = {"cheese": (False, True), "lamp": (False, True)}

    def draw_factors(self, n, rng):
        cheese = torch.rand(n, generator=rng) < 0.5
        return pd.DataFrame({"cheese": cheese, "lamp": cheese ^ (torch.rand(n, generator=rng) < 0.15)})

    def draw_noise(self, n, rng):
        walls = torch.rand(n, SIZE, SIZE, generator=rng) < 0.2
        bait, lamp = torch.randint(1, SIZE - 1, (2, n, 2), generator=rng)
        return {"walls": walls, "bait": bait, "lamp": lamp, "turn": torch.randint(4, (n,), generator=rng)}

    def render(self, concepts, noise):
        cheese, lit = (torch.tensor(concepts[name].to_numpy()) for name in self.factors)
        n, grid = torch.arange(len(concepts)), torch.zeros(len(concepts), 3, SIZE, SIZE)
        grid[:, 0] = noise["walls"].float()
        turns = noise["turn"][:, None] + torch.arange(4)  # the wall's sides, then the open ones
        turns = torch.where(cheese[:, None], turns[:, [0, 2, 1, 3]], turns) % 4
        for i, wall in enumerate((1.0, 1.0, 0.0, 0.0)):
            row, column = (noise["bait"] + SIDES[turns[:, i]]).T
            grid[n, 0, row, column] = wall
        grid[n, 0, *noise["bait"].T] = 0.0
        grid[n, 1, *noise["bait"].T] = 1.0
        grid[n, 2, *noise["lamp"].T] = lit.float()
        return grid


def network(seed):
    torch.manual_seed(seed)
    convolutions = (nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU())
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(12 * (SIZE - 2) ** 2, 1))


def main(folder="runs/own-training", evaluation=None, steps=STEPS):
    world = Maze()
    study = imprint.Study(  # imprint
        world, intended="cheese", proxies=["lamp"], question="Cheese, or the lamp?", evaluation=evaluation
    )
    for twin in range(TWINS):  # imprint
        study.add(network(1000 + twin), age=0, seed=twin, untrained=True)  # imprint
    for seed in range(SEEDS):
        model, rng = network(seed), torch.Generator().manual_seed(seed)
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        for step in range(steps[-1] + 1):
            if step in steps:
                study.add(model, age=step, seed=seed)  # imprint
            batch = world.sample(64, rng=rng)
            reward = torch.tensor(batch.concepts["cheese"].to_numpy()).float()
            optimiser.zero_grad()
            (model(batch.observation)[:, 0] - reward).square().mean().backward()
            optimiser.step()
    run = study.finish(folder)  # imprint
    print(run.sentence, imprint.report(run), sep="\n")  # imprint
    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
