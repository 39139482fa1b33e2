"""Candidates from the world: everything it can vary, without being declared.

1. *Split.* What the declared concepts leave of the value is split over all facts, and over all pairs of them
   (:mod:`imprint.analyses.expose.splitting`). On balanced rows every fact was drawn at random, so that a share is what
   the fact causes; in a table it is what the value goes with.
2. *Change.* Every factor and every entry of noise is changed alone, all else kept, and the rest's mean squared change
   gives its total share, in whatever combination. What the selected parts do not account for is a candidate of its own,
   ``<name> with others``. Of a factor on which a declared concept depends, and of diffuse noise, the total is said
   and is no candidate: it holds mistakes about the concept, and rounding of what is seen.
3. *Untrained twins.* A random network follows whatever its input shows; p is at least that of a share among theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy import stats

from imprint.analyses.expose.candidates import Candidate, Searched
from imprint.analyses.expose.examples import examples_of
from imprint.analyses.expose.ground import Ground
from imprint.analyses.expose.splitting import Part, Picked, Splitting, explained_by
from imprint.analyses.statistics import NAN, Estimate, Floats, benjamini_hochberg
from imprint.models.errors import ImprintError
from imprint.models.progress import worked
from imprint.probes.subjects.subject import Subject

NAMES = 0.1
"""Part of a candidate's variance from which a fact is said to name it."""
LISTED = 20
"""Pairs that are listed beside what was found."""


TOGETHER = " with others"
Explained = Callable[[pd.DataFrame], Floats]


@dataclass(frozen=True)
class Total:
    """What changing one thing alone does to the rest of a value."""

    share: float
    error: float
    moves: frozenset[str]
    """Facts that change with it."""


@dataclass(frozen=True)
class WorldSearch:
    """The search over the facts of some rows."""

    ground: Ground
    values: Floats
    """``[n]``"""
    subject: Subject | None = None
    """What gives the value of changed rows; None for a table."""
    untrained: Sequence[Floats] = ()
    """Values ``[n]`` of untrained twins."""
    least: float = 0.02
    level: float = 0.05
    seed: int = 0

    def run(self) -> tuple[list[Candidate], Searched, list[str]]:
        """All that was tested, what the source could do, and notes."""
        ground, rng = self.ground, torch.Generator().manual_seed(self.seed)
        beyond = ground.beyond(self.values)
        splitting = Splitting(ground, least=self.least, level=self.level, rng=rng)
        variance = splitting.of_value(self.values)
        picked, left = splitting.select(beyond.rest, variance)
        found = [self._found(each, splitting) for each in picked]
        names = {each.part.name for each in picked}
        singles = [i for i, part in enumerate(splitting.singles) if part.name not in names]
        pairs = [i for i, part in enumerate(splitting.parts) if len(part.names) > 1 and part.name not in names]
        largest = sorted(pairs, key=lambda i: -np.nan_to_num(left.share[i], nan=-1.0))[:LISTED]
        for i in [*singles, *largest]:
            share, error, p, q = left.at(i)
            part = splitting.parts[i]
            own = dict.fromkeys(self._undeclared(part), 1.0)
            text = f"Not shown to explain more than {self.least:.0%} beyond the declared concepts and what was found."
            found.append(
                Candidate(
                    part.name,
                    "world",
                    share,
                    text,
                    own,
                    (),
                    p,
                    q,
                    splitting.detectable(error),
                    causal=ground.randomised,
                )
            )
        totals, unchanged = self._totals(beyond.explained, beyond.rest, splitting, rng)
        more, notes = self._combinations(totals, picked, splitting, left.p)
        if unchanged:
            kept = ", ".join(name for each in unchanged.values() for name in each)
            notes.append(f"Not changed alone: {kept}. The first, because {next(iter(unchanged))}")
        errors = [float(left.error[i]) for i in singles if np.isfinite(left.error[i])]
        detectable = splitting.detectable(float(np.median(errors))) if errors else NAN
        tested = len(splitting.parts) + len(more)
        return [*found, *more], Searched("world", True, self._how(splitting, totals), tested, detectable), notes

    # -- parts ---------------------------------------------------------------------------------------------------

    def _undeclared(self, part: Part) -> list[str]:
        return [name for name in part.names if name not in self.ground.declared]

    def _found(self, picked: Picked, splitting: Splitting) -> Candidate:
        """A part that was found, with what names it and untrained twins beside it."""
        part, ground = picked.part, self.ground
        shares = [
            max(np.nan_to_num(splitting.of_part(part, ground.beyond(v).rest, splitting.of_value(v))[0]), 0.0)
            for v in self.untrained
        ]
        mean = float(np.mean(shares)) if shares else NAN
        floor = float(stats.f.sf(picked.share.value / mean, 1, len(shares))) if mean > 0 else 0.0
        undeclared = {name: code for name, code in ground.codes.items() if name not in ground.declared}
        facts = explained_by(picked.contribution, undeclared, least=NAMES)
        return Candidate(
            part.name,
            "world",
            picked.share,
            described(part, ground, picked.contribution, float(self.values.std())),
            facts | dict.fromkeys(self._undeclared(part), 1.0),
            examples_of(ground.facts, part.names, picked.contribution, self.values, seed=self.seed),
            max(picked.p, floor),
            max(picked.q, floor),
            splitting.detectable(picked.error),
            causal=ground.randomised,
            untrained=mean,
        )

    # -- changes -------------------------------------------------------------------------------------------------

    def _totals(
        self, explained: Explained, rest: Floats, splitting: Splitting, rng: torch.Generator
    ) -> tuple[dict[str, Total], dict[str, list[str]]]:
        """What changing each factor and each entry of noise alone does; and why not, with what could not be changed."""
        totals: dict[str, Total] = {}
        unchanged: dict[str, list[str]] = {}
        if self.subject is None:
            return totals, unchanged
        variance = splitting.of_value(self.values)
        for name, change in self.ground.changes.items():
            try:
                changed = change(rng)
                there = self.subject.values(changed.observation).double().numpy()
            except ImprintError as problem:
                unchanged.setdefault(str(problem), []).append(name)
                continue
            levels = self.ground.codes[name][1] if name in self.ground.codes else ()
            factor = name in self.ground.facts and name in changed.facts and len(levels) > 1
            apart = (
                np.square(rest - (there - explained(changed.facts)))
                / 2
                * ((len(levels) - 1) / len(levels) if factor else 1)
            )
            sums = np.stack([np.bincount(splitting.block, w, splitting.blocks) for w in (np.ones(len(rest)), apart)])
            share, error = splitting.jackknife(
                lambda weights, sums=sums: (weights @ sums[1]) / (weights @ sums[0]) / variance(weights)  # type: ignore[misc]
            )
            moved = {str(f) for f in changed.facts if not changed.facts[f].equals(self.ground.facts[f])}
            columns = {str(f) for f in self.ground.facts if str(f).startswith((f"{name}[", f"noise {name}"))}
            totals[name] = Total(share, error, frozenset(moved | columns | {name}))
            worked(1.0)
        return totals, unchanged

    def _combinations(
        self, totals: Mapping[str, Total], picked: Sequence[Picked], splitting: Splitting, others: Floats
    ) -> tuple[list[Candidate], list[str]]:
        """What changing one thing does beyond all that was found: candidates, and notes on what is none.

        ``others``: p-values of all parts, which are tested beside these.
        """
        candidates, notes = [], []
        for name, total in totals.items():
            known = sum(each.share.value for each in picked if total.moves & set(each.part.names))
            share, half = total.share - known, float(stats.t.ppf(0.975, max(splitting.blocks - 1, 1))) * total.error
            estimate = Estimate(share, share - half, share + half, 1)
            t = (share - self.least) / total.error if total.error > 0 else math.copysign(math.inf, share - self.least)
            p = float(stats.t.sf(t, max(splitting.blocks - 1, 1)))
            if total.moves & set(self.ground.declared) or name in self.ground.diffuse:
                if share > self.least and p <= self.level:
                    part = f"{share:.0%} of the variance follows {name} only in combination with other things"
                    same = "noise" if name in self.ground.diffuse else "a learner's mistakes about what was declared"
                    notes.append(f"{part}: not counted, because {same} would look the same.")
                continue
            text = (
                f"Changing {name} alone, with all else kept, moves {total.share:.1%} of the value's variance; "
                f"{known:.1%} is explained by what was found, the rest depends on it in combination with other things."
            )
            candidates.append(
                Candidate(
                    f"{name}{TOGETHER}",
                    "world",
                    estimate,
                    text,
                    {name: 1.0},
                    (),
                    p,
                    NAN,
                    splitting.detectable(total.error),
                )
            )
        mine = np.array([candidate.p_value for candidate in candidates])
        q = benjamini_hochberg(np.concatenate([others, mine]))[len(others) :]
        return [replace(each, q_value=float(one)) for each, one in zip(candidates, q, strict=True)], notes

    def _how(self, splitting: Splitting, totals: Mapping[str, Total]) -> str:
        """What was done, in words."""
        parts = f"{len(splitting.singles)} facts and {len(splitting.pairs)} pairs of facts"
        left = f" ({splitting.left_out} pairs were left out)" if splitting.left_out else ""
        if not self.ground.randomised:
            changed = f"{len(totals)} facts were edited alone" if totals else "nothing could be changed"
            return (
                f"What the value goes with among {parts}{left}: an association, since they were not drawn at random; "
                f"{changed}. Facts that go together cannot be told apart by an association."
            )
        return (
            f"The value's variance beyond the declared concepts was split over {parts}{left} on {len(self.values)} "
            f"rows in which all facts were drawn at random, and {len(totals)} things were changed alone, all else kept."
        )


def described(part: Part, ground: Ground, contribution: Floats, spread: float) -> str:
    """At which levels of a part the value is highest and lowest, in standard deviations of the value."""
    cells = [int(part.cell[i]) for i in (contribution.argmax(), contribution.argmin())]
    words = []
    for cell in cells:
        levels = part.design.cells[cell]
        words.append(
            ", ".join(f"{n} = {ground.codes[n][1][int(level)]}" for n, level in zip(part.names, levels, strict=True))
        )
    ends = float(contribution.max()) / spread, float(contribution.min()) / spread
    how = "" if ground.randomised else " (an association)"
    return f"The value is highest at {words[0]} ({ends[0]:+.2f} sd) and lowest at {words[1]} ({ends[1]:+.2f} sd){how}."
