"""How often ``expose`` finds a proxy that nobody named, by kind and by how much of the value depends on it.

Every subject is a network with known insides in a world of vectors: some facts are written along directions of their
own, others as products of two codes that no linear readout sees. Its value is wired to the intended concept, to a named
proxy and, with a part of the variance that is the truth, to one unnamed thing:

    factor        a factor of the world, written plainly
    hidden        a factor written as a product of two codes, which the network multiplies
    conjunction   a factor and the intended concept together
    fact          two factors being the same, a derived fact of the world
    nuisance      a number of the world's noise, which is no concept

Clean subjects are wired to the declared concepts alone. Found: among the first three candidates one names the thing.
For each source, and both together: part found with its exact interval, over shares; part of the clean subjects with any
candidate.

    python -m benchmarks.expose [--subjects 100] [--clean 60] [--first 9000]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.expose.candidates import Exposed
from imprint.analyses.expose.expose import expose
from imprint.analyses.statistics import rate_of
from imprint.models.settings import FrozenSettings
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject

KINDS = ("factor", "hidden", "conjunction", "fact", "nuisance")
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
NAMES: Mapping[str, tuple[str, ...]] = {
    "factor": ("bell",),
    "hidden": ("scent",),
    "conjunction": ("bell",),
    "fact": ("alike", "left", "right"),
    "nuisance": ("dusk",),
}
"""Kind -> facts of which a candidate must name one."""
FIRST = 3
PLAIN = ("food", "light", "bell", "left", "right", "spare", "another")
WIDTH, DUSK = 20, 14
"""Width of the observation, and the coordinate that shows the nuisance."""


class Kitchen(World):
    """Vectors ``[n, 20]``: seven plain factors, one that is a product of two codes, a nuisance, and noise."""

    class Settings(FrozenSettings):
        seed: int = 0
        """Of the directions along which facts are written."""

    settings: Settings
    factors = dict.fromkeys((*PLAIN, "scent"), (False, True))

    def __init__(self, settings: Kitchen.Settings | None = None) -> None:
        super().__init__(settings)
        rng = torch.Generator().manual_seed(self.settings.seed)
        self.directions = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=rng)).Q

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """``alike``: left is right."""
        return concepts.assign(alike=concepts["left"] == concepts["right"])

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """A code of the scent, the time of day, and noise of every coordinate."""
        return {
            "code": 2.0 * torch.randint(0, 2, (n,), generator=rng) - 1.0,
            "dusk": 2 * math.sqrt(3) * (torch.rand(n, generator=rng) - 0.5),
            "grain": torch.randn(n, WIDTH, generator=rng),
        }

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Observation ``[n, 20]``."""
        signs = 2.0 * torch.tensor(concepts[[*PLAIN, "scent"]].to_numpy(dtype=np.float32)) - 1.0
        coordinates = 0.1 * noise["grain"]
        coordinates[:, : len(PLAIN)] += signs[:, :-1]
        coordinates[:, 10] += noise["code"]
        coordinates[:, 11] += noise["code"] * signs[:, -1]
        coordinates[:, DUSK] += noise["dusk"]
        return coordinates @ self.directions.T


class Wired(nn.Module):
    """Two layers that compute the parts of the value, rotated at random, and their weighted sum."""

    def __init__(self, world: Kitchen, weights: Mapping[str, float], rng: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH, bias=False)
        turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=rng)).Q
        self.first.weight = nn.Parameter((world.directions @ turn).T)
        self.back = nn.Parameter(turn.T)
        mix = torch.linalg.qr(torch.randn(10, 10, generator=rng)).Q
        self.second = nn.Linear(10, 10, bias=False)
        self.second.weight = nn.Parameter(mix.T)
        order = ("food", "light", "factor", "hidden", "conjunction", "fact", "nuisance")
        self.value = nn.Linear(10, 1, bias=False)
        each = torch.tensor([weights.get(name, 0.0) for name in order] + [0.0] * 3)
        self.value.weight = nn.Parameter((mix.T @ each)[None])

    def forward(self, observation: Tensor) -> Tensor:
        """Value ``[n]``."""
        seen = self.first(observation) @ self.back
        plain = torch.tanh(3 * seen[:, :7])
        scent = torch.tanh(3 * seen[:, 10]) * torch.tanh(3 * seen[:, 11])
        parts = [plain[:, 0], plain[:, 1], plain[:, 2], scent, plain[:, 0] * plain[:, 2], plain[:, 3] * plain[:, 4]]
        rest = [seen[:, DUSK], plain[:, 5], plain[:, 6], seen[:, 16]]
        value: Tensor = self.value(self.second(torch.stack([*parts, *rest], dim=1)))[:, 0]
        return value


def subject_of(kind: str, share: float, world: Kitchen, rng: torch.Generator) -> Subject:
    """A subject with ``share`` of its value's variance on the unnamed thing; ``clean``: none."""
    named = float(torch.rand((), generator=rng)) * 0.5
    left = 1 - (0.0 if kind == "clean" else share)
    weights = {"food": math.sqrt(left * (1 - named)), "light": math.sqrt(left * named)}
    if kind != "clean":
        weights[kind] = math.sqrt(share)
    return Subject(Wired(world, weights, rng).eval(), sites=("first", "second"))


def found_in(answer: Exposed, kind: str, source: str) -> tuple[bool, bool]:
    """Whether one of the first three candidates of a source names the thing, and whether there is any candidate."""
    mine = [c for c in answer.candidates if source in ("together", c.source)]
    return any(set(NAMES.get(kind, ())) & set(c.facts) for c in mine[:FIRST]), bool(mine)


def measured(subjects: int, clean: int, first: int) -> pd.DataFrame:
    """A row for each subject and source."""
    plan = [(KINDS[i % len(KINDS)], SHARES[(i // len(KINDS)) % len(SHARES)]) for i in range(subjects)]
    rows = []
    for number, (kind, share) in enumerate([*plan, *[("clean", 0.0)] * clean]):
        world, rng = Kitchen(Kitchen.Settings(seed=first + number)), torch.Generator().manual_seed(first + number)
        subject = subject_of(kind, share, world, rng)
        began = time.process_time()
        answer = expose(subject, world, intended="food", proxies=["light"], seed=first + number)
        took = time.process_time() - began
        for source in ("world", "inside", "together"):
            hit, some = found_in(answer, kind, source)
            rows.append({"kind": kind, "share": share, "source": source, "found": hit, "any": some, "seconds": took})
    return pd.DataFrame(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=90)
    parser.add_argument("--clean", type=int, default=60)
    parser.add_argument("--first", type=int, default=9000)
    options = parser.parse_args()
    table = measured(options.subjects, options.clean, options.first)
    planted, clean = table[table["kind"] != "clean"], table[table["kind"] == "clean"]
    for source, rows in planted.groupby("source", sort=False):
        print(f"\nsource: {source}")
        for share, some in rows.groupby("share"):
            print(f"  share {share:.1f}   found {rate_of(int(some['found'].sum()), len(some)):.2f}   of {len(some)}")
        large = rows[rows["share"] >= 0.3]
        print(f"  share >= .3 found {rate_of(int(large['found'].sum()), len(large)):.3f}   of {len(large)}")
        by_kind = large.groupby("kind")["found"].mean()
        print("  " + "   ".join(f"{kind} {rate:.2f}" for kind, rate in by_kind.items()))
        none = clean[clean["source"] == source]
        print(f"  clean with a candidate {rate_of(int(none['any'].sum()), len(none)):.3f}   of {len(none)}")
    print(f"\nseconds of CPU a subject: {table['seconds'].median():.1f}")


if __name__ == "__main__":
    main()
