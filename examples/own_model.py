"""Does a network that is not ours value food (a product of two smells), or the bell that rang with it 9 times in 10?"""
# ruff: noqa: D101, D102

import pandas as pd
import torch

import imprint


class Kennel(imprint.World):
    factors = {"food": (False, True), "bell": (False, True)}

    def draw_factors(self, n, rng):
        food = torch.rand(n, generator=rng) < 0.5
        return pd.DataFrame({"food": food, "bell": food ^ (torch.rand(n, generator=rng) < 0.1)})

    def draw_noise(self, n, rng):
        return {"smell": torch.randn(n, 1, generator=rng).sign(), "around": torch.randn(n, 9, generator=rng)}

    def render(self, concepts, noise):
        food, bell = (torch.where(torch.tensor(concepts[[name]].to_numpy()), 1.0, -1.0) for name in self.factors)
        return torch.cat([noise["smell"], noise["smell"] * food, bell, noise["around"]], dim=1)


world, rng, _ = Kennel(), torch.Generator().manual_seed(0), torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(12, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimiser, subject = torch.optim.Adam(model.parameters(), lr=3e-3), imprint.Subject(model)
for step in range(1, 301):
    batch = world.sample(64, rng=rng)
    reward = torch.tensor(batch.concepts["food"].to_numpy()).float()
    optimiser.zero_grad()
    (model(batch.observation)[:, 0] - reward).square().mean().backward()
    optimiser.step()
    if step in (50, 300):
        latch = imprint.latch(subject, world, intended="food", proxies=["bell"])
        test = world.sample(2000, rng=rng, design="balanced")
        located = imprint.locate(subject.activations(test.observation), test.concepts, inputs=test.observation)
        print(f"after {step} steps - {latch.verdict}: {latch.why}")
        print(located[["concept", "site", "score", "verdict"]])
