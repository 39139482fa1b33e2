"""A sequence model that holds the state of its world, and one that only seems to.

A walker takes random steps in a walled grid of 6 x 6 cells in four repeating colours. The model is given its first
cell, then its actions and the colours of the cells that it enters:

    tokens     start a_0 colour_1 a_1 colour_2 a_2 ...           loss: cross-entropy of the next colour

The cell (one of 36) is never given, but helps to predict colours. A transformer that has learned the map holds the cell
in a form that a linear probe reads better than from the whole one-hot history of tokens; that history is the floor,
since to remember what was seen is no map. A model that was trained too briefly already looks better than untrained ones
and still does not beat the history: it must be called ``given by input``.

After Li et al. 2023 (Othello-GPT, arXiv 2210.13382), at the size of a few processor minutes. The map on which the
reference figures were measured is not known; on ours 550 steps predict colours as well as 360 did there.

Letters: n sequences, T frames, t step, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.locate.locate import locate
from imprint.analyses.questions.known_results import references as known
from imprint.analyses.questions.known_results.causal import erased_probes
from imprint.analyses.questions.known_results.probing import count
from imprint.analyses.questions.known_results.references import Figures
from imprint.models.learners.base import Frame
from imprint.models.learners.transformer import Transformer
from imprint.probes.subjects.site import Site
from imprint.probes.subjects.subject import Subject

SIDE, COLOURS, ACTIONS = 6, 4, 4
CELLS = SIDE * SIDE
STEPS = 33
"""T: the start and 32 moves."""
MOMENT = 20
"""Step at which the cell is probed."""
UPDATES = {"long enough": 550, "too short": 250}
"""Model -> its training steps."""
BATCH = 128
RATE = 2e-3
FRAME = Frame(STEPS, CELLS + COLOURS + ACTIONS, 1, 1, ACTIONS)
SETTINGS = Transformer.Settings(layers=3, heads=4, width=64, hidden=256, error="bernoulli")


@dataclass(frozen=True)
class Grid:
    """A walled world."""

    after: Tensor
    """``[36, 4]`` the cell to which a step leads; the same cell where a wall is."""
    colour: Tensor
    """``[36]`` 0..3"""

    @classmethod
    def drawn(cls, *, rng: torch.Generator, walls: float = 0.2) -> Grid:
        """Random colours, and a wall between two cells with probability ``walls``."""
        cell = torch.arange(CELLS)
        row, column = cell // SIDE, cell % SIDE
        after = cell[:, None].repeat(1, ACTIONS)
        for action, (down, right) in enumerate(((0, 1), (1, 0))):
            inside = (row + down < SIDE) & (column + right < SIDE) & (torch.rand(CELLS, generator=rng) >= walls)
            other = cell[inside] + down * SIDE + right
            after[cell[inside], action], after[other, action + 2] = other, cell[inside]
        return cls(after, torch.randint(0, COLOURS, (CELLS,), generator=rng))

    def walks(self, n: int, *, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Observations ``[n, T, C, 1, 1]`` of random walks, and the cells ``[n, T]``."""
        actions = torch.randint(0, ACTIONS, (n, STEPS), generator=rng)
        cells = torch.empty(n, STEPS, dtype=torch.long)
        cells[:, 0] = torch.randint(0, CELLS, (n,), generator=rng)
        for t in range(STEPS - 1):
            cells[:, t + 1] = self.after[cells[:, t], actions[:, t]]
        seen = F.one_hot(self.colour[cells] + CELLS, CELLS + COLOURS)
        seen[:, 0] = F.one_hot(cells[:, 0], CELLS + COLOURS)
        planes = torch.cat([seen, F.one_hot(actions, ACTIONS)], 2).float()
        return planes[..., None, None], cells


def born(rng: torch.Generator) -> Transformer:
    """An untrained transformer."""
    learner = Transformer.born(SETTINGS, FRAME, rng=rng)
    assert isinstance(learner, Transformer)
    return learner


def colour_logits(learner: Transformer, observation: Tensor) -> tuple[Tensor, Tensor]:
    """Logits ``[n, T-1, 4]`` of the next colour, and the colours ``[n, T-1]``."""
    guess = learner.predict(learner(observation)[:, :-1])[..., CELLS:]
    return guess, observation[:, 1:, CELLS : CELLS + COLOURS, 0, 0].argmax(2)


def trained(grid: Grid, steps: int, *, rng: torch.Generator, say: Say) -> Transformer:
    """A transformer after ``steps`` fresh batches; AdamW, step size falling to zero along a half cosine."""
    learner = born(rng)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        guess, colour = colour_logits(learner, grid.walks(BATCH, rng=rng)[0])
        loss = F.cross_entropy(guess.flatten(0, 1), colour.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            say(step, steps, f"loss {float(loss.detach()):.3f}")
    return learner.eval()


def history(observation: Tensor) -> Tensor:
    """All tokens up to the colour of step :data:`MOMENT`, one-hot ``[n, p]``."""
    seen = observation[:, : MOMENT + 1, : CELLS + COLOURS, 0, 0]
    actions = observation[:, :MOMENT, CELLS + COLOURS :, 0, 0]
    return torch.cat([seen[:, 0, :CELLS], seen[:, 1:, CELLS:].flatten(1), actions.flatten(1)], 1)


def layers(learner: Transformer, observation: Tensor) -> dict[str, Tensor]:
    """Activations ``[n, D]`` behind each block, at the colour token of step :data:`MOMENT`."""
    sites = [Site(f"layer {i + 1}", f"bridge.blocks.{i}.hook_out", 2 * MOMENT) for i in range(SETTINGS.layers)]
    return Subject(learner, sites=sites).activations(observation)


def located(learner: Transformer, grid: Grid, *, n: int, rng: torch.Generator) -> pd.Series:
    """The row of `locate` for the cell behind the last block, beside three untrained twins and the input history.

    Its verdict is the best of all blocks': ``present`` if any is.
    """
    observation, cells = grid.walks(n, rng=rng)
    twins = [layers(born(rng).eval(), observation) for _ in range(3)]
    table = locate(
        layers(learner, observation),
        pd.DataFrame({"cell": pd.Categorical(cells[:, MOMENT].tolist())}),
        untrained={site: [twin[site] for twin in twins] for site in twins[0]},
        inputs=history(observation).numpy(),
        readout="linear_discriminant",
        nulls=5,
        resamples=200,
    ).set_index("site")
    last = table.iloc[-1].copy()
    if "present" in set(table["verdict"]):
        last["verdict"] = "present"
    return last


def accuracy(learner: Transformer, grid: Grid, *, rng: torch.Generator) -> float:
    """Share of next colours that are predicted rightly, 2,000 fresh walks."""
    with torch.no_grad():
        guess, colour = colour_logits(learner, grid.walks(2000, rng=rng)[0])
    return float((guess.argmax(2) == colour).double().mean())


def grid_state(*, model: str, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """The model that holds the cell, or the one that only looks better than untrained ones, and does not.

    ``model``: ``long enough`` (also: what is left of 'in the upper half of the grid' after erasure) or ``too short``.
    """
    rng, n = torch.Generator().manual_seed(seed), count(6000, max(scale, 0.3))
    figures, grid = Figures(n), Grid.drawn(rng=rng)
    learner = trained(grid, count(UPDATES[model], scale), rng=rng, say=say)
    if model == "long enough":
        figures.add(known.STATE, model, "next colour, accuracy", accuracy(learner, grid, rng=rng), n=2000)
    cell = located(learner, grid, n=n, rng=rng)
    figures.add(known.STATE, model, "cell, above untrained", cell["score"] - cell["untrained"])
    figures.add(known.STATE, model, "cell, above input history", cell["score"] - cell["inputs"])
    if model == "too short":
        figures.add(known.STATE, model, "called given by input", cell["verdict"] == "given by input")
        return figures.table()
    figures.add(known.STATE, model, "cell, last layer", cell["score"])
    figures.add(known.STATE, model, "called present", cell["verdict"] == "present")
    figures.add(known.STATE, "input history", "cell", cell["inputs"])
    observation, cells = grid.walks(n, rng=rng)
    seen = layers(learner, observation)[f"layer {SETTINGS.layers}"]
    upper = (cells[:, MOMENT] < CELLS // 2).numpy()
    erased_probes(figures, "grid transformer", seen, upper, splits=count(3, scale), seed=seed)
    return figures.table()
