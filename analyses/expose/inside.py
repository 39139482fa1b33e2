"""Candidates from the inside: directions of a subject's activations that move its value beyond the declared concepts.

At every site the declared concepts are erased first (LEACE, of all their combinations), so that what is left of the
value is no reading of them. Directions come from half of the groups of rows, and are tested on the other half:

    regression    ridge regression of the rest of the value on the erased activations
    gradient      directions along which the value changes most: eigenvectors of E[g g'], g its gradient, whitened
    features      of every discovery method (:mod:`imprint.probes.discovery`): the most correlated with the rest

    share       variance of the rest that is lost when the direction is erased as well, over the value's variance
    placebos    random directions of the same whitened span; the share must exceed ``least``, and what they lose
    steering    mean change of the value per standard deviation along the direction, beside random ones of equal norm

Where nothing is left without the declared concepts they are kept, and only what facts name is a candidate: it acts
together with them, as in a product; the rest are mistakes about them. A direction is named by the facts, and pairs of
facts, that explain its code beyond the declared concepts; one that diffuse noise explains is noise, and no candidate.
Directions whose codes go together are one candidate. It says in how many searches, from other rows and with other seeds
of the discovery, it is found.

Letters: n rows, d width of a site, s dimension of the span that is searched, m directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from imprint.analyses.expose.candidates import Candidate, Searched
from imprint.analyses.expose.directions import REGRESSION, Code, Place, alike, codes_of
from imprint.analyses.expose.examples import examples_of
from imprint.analyses.expose.ground import Ground
from imprint.analyses.expose.naming import BY_NOISE, named
from imprint.analyses.expose.splitting import NEARLY, Splitting
from imprint.analyses.statistics import NAN, Estimate, Floats, benjamini_hochberg
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.progress import worked
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.subjects.subject import Subject

MOST_SITES = 8
"""Sites that are searched, the last ones that the value runs through."""
SPAN = 64
"""Principal directions of a wide site that are searched, at most."""
ROWS_PER_DIRECTION = 8
STILL = 1e-5
"""Directions that vary by less than this part of the largest are not searched."""
MOST_TAKEN = 3
"""Directions of a site that are found at most, each beside those before it."""
SAME = 0.7
"""Correlation of codes from which two directions are one."""
STEPS = 10
"""Random directions beside which one is steered along."""
REPEATS = 3
"""Times that directions are sought; the first are tested."""
FIT_ROWS = 64
"""Fewest rows that directions can be fitted on."""


@dataclass(frozen=True)
class Direction:
    """A direction that was tested."""

    place: Place
    method: str
    code: Floats
    """``[n]`` on the held-out rows, free of the declared concepts."""
    eraser: Eraser
    share: Estimate
    error: float
    p: float
    placebo: float
    """Mean share of random directions."""

    @property
    def site(self) -> str:
        """Where it is."""
        return self.place.site


class InsideSearch:
    """The search over the activations of a subject."""

    def __init__(
        self,
        subject: Subject,
        ground: Ground,
        values: Floats,
        *,
        least: float = 0.02,
        level: float = 0.05,
        sites: tuple[str, ...] | None = None,
        placebos: int = 20,
        noise: dict[str, Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        """``noise``: entry -> ``[n, ...]`` of diffuse noise, which is no candidate."""
        assert ground.observation is not None
        self.subject, self.ground, self.values, self.least, self.level = subject, ground, values, least, level
        self.placebos, self.seed = placebos, seed
        self.rng = torch.Generator().manual_seed(seed)
        every = Splitting(ground, least=least, level=level, rng=self.rng, pairs=0)
        test = every.block % 2 == 1 if every.blocks > 1 else np.arange(len(ground)) % 2 == 1
        self.again: dict[tuple[str, int], list[Floats]] = {}
        self.every = np.arange(len(ground))
        self.fit_rows, self.test_rows = np.flatnonzero(~test), np.flatnonzero(test)
        if min(len(self.fit_rows), len(self.test_rows)) < FIT_ROWS:
            raise NotMeasurableError(
                f"{len(ground)} rows are too few to fit directions on one half and test them on another"
            )
        self.held_out = replace(
            ground,
            facts=ground.facts.iloc[self.test_rows].reset_index(drop=True),
            groups=ground.groups[self.test_rows],
            observation=ground.observation[self.test_rows],
        )
        self.noise = {name: value[self.test_rows] for name, value in (noise or {}).items()}
        self.splitting = Splitting(self.held_out, least=least, level=level, rng=self.rng, pairs=0)
        self.variance = self.splitting.of_value(values[self.test_rows])
        self.beyond = ground.beyond(values)
        self.erasing, self.taken_out = ground.declared_columns(values - self.beyond.rest)
        reached = subject.reached(ground.observation) if sites is None else [subject.site(name).name for name in sites]
        self.sites = tuple(reached)[-MOST_SITES:]

    def run(self) -> tuple[list[Candidate], Searched, list[str]]:
        """All that was tested, what the source could do, and notes."""
        notes: list[str] = []
        directions: list[Direction] = []
        for site in self.sites:
            try:
                directions += self._searched(site)
            except ImprintError as problem:
                notes.append(f"The site {site} was not searched: {problem}")
            worked(1.0)
        if not directions:
            why = " ".join(notes) or "No site holds anything that moves the value beyond the declared concepts."
            return [], Searched("inside", bool(self.sites), why, 0, self.splitting.detectable(0.0)), notes
        q = benjamini_hochberg(np.array([each.p for each in directions]))
        order = sorted(range(len(directions)), key=lambda i: (not q[i] <= self.level, -directions[i].share.value))
        kept: list[int] = []
        also: dict[int, list[str]] = {}
        for i in order:
            twin = next((k for k in kept if alike(directions[i].code, directions[k].code) >= SAME), None)
            if twin is None:
                kept.append(i)
            else:
                also.setdefault(twin, []).append(directions[i].site)
        candidates: list[Candidate] = []
        taken: set[str] = set()
        for i in kept:
            if not q[i] <= self.level:
                continue
            facts, noise = named(directions[i].code, self.held_out, self.noise)
            loose = max(facts.values(), default=0.0) < BY_NOISE
            if loose and (noise >= BY_NOISE or directions[i].place.together):
                by = "what diffuse noise of the world explains"
                if noise < BY_NOISE:
                    by = (
                        "something that no fact names and that acts through the declared concepts alone, as mistakes do"
                    )
                carried = f"{directions[i].share.value:.0%} of the variance is carried at {directions[i].site}"
                notes.append(f"{carried} by {by}; it is no candidate.")
                continue
            candidates.append(self._candidate(directions[i], facts, float(q[i]), also.get(i, []), taken))
        why = (
            f"{len(directions)} directions at {len(self.sites)} sites were fitted on {len(self.fit_rows)} rows and "
            f"erased on {len(self.test_rows)} others, beside {self.placebos} random directions at each site."
        )
        errors = [each.error for each in directions if math.isfinite(each.error)]
        smallest = self.splitting.detectable(float(np.median(errors))) if errors else NAN
        return candidates, Searched("inside", True, why, len(directions), smallest), notes

    # -- one site ------------------------------------------------------------------------------------------------

    def _searched(self, site: str) -> list[Direction]:
        """The directions of one site, tested on held-out rows."""
        place = self._place(site)
        loose = float(np.square(place.rest_test).mean()) / float(self.values[self.test_rows].var())
        if not len(place.span.scale) or loose <= self.least:
            return []
        sought = self._codes(place, 0)
        codes = {
            name: torch.from_numpy(self._residual(code(place.fit).numpy(), self.fit_rows))
            for name, code in sought.items()
        }
        codes = {name: code for name, code in codes.items() if place.span.erase(code[:, None]).rank}
        lost = np.stack([self._rest_without(place, place.span.random(1, rng=self.rng)) for _ in range(self.placebos)])
        placebo = float(self._losses(place.rest_test, lost).mean())
        taken: list[Direction] = []
        picked: dict[str, Tensor] = {}
        before = place.rest_test
        while codes:
            tried = []
            for name, code in codes.items():
                together = (
                    torch.stack([*(picked[each.method] for each in taken), code], dim=1) if taken else code[:, None]
                )
                share, error, p = self._judged(
                    before, self._rest_without(place, place.span.erase(together)), place, lost
                )
                half = float(stats.t.ppf(0.975, max(self.splitting.blocks - 1, 1))) * error
                estimate = Estimate(share, share - half, share + half, 1)
                held_out = self._residual(sought[name](place.test).numpy(), self.test_rows)
                tried.append(
                    Direction(place, name, held_out, place.span.erase(code[:, None]), estimate, error, p, placebo)
                )
            passed = [one for one in tried if one.p <= self.level / len(sought) and one.share.value > self.least]
            if not passed or len(taken) == MOST_TAKEN:
                return [*taken, *tried]
            largest = max(one.share.value for one in passed)
            near = [one for one in passed if one.share.value >= NEARLY * largest]
            best = min(near, key=lambda one: (one.method == REGRESSION, -one.share.value))
            picked[best.method] = codes.pop(best.method)
            taken.append(best)
            erased = place.span.erase(torch.stack([picked[each.method] for each in taken], dim=1))
            before = self._rest_without(place, erased)
        return taken

    def _place(self, site: str) -> Place:
        """A site with the declared concepts erased, fitted on the rows for fitting."""
        observation = self.ground.observation
        assert observation is not None
        self.subject.require_reached([site], observation)
        read = self.subject.activations(observation, [site])[site]
        fit, test = (read[some].double() for some in (self.fit_rows, self.test_rows))
        most = min(SPAN, len(fit) // ROWS_PER_DIRECTION)
        if fit.shape[1] > most:
            _, size, directions = torch.linalg.svd(fit - fit.mean(0), full_matrices=False)
            basis = directions[:most][size[:most] > STILL * size[0]].T
        else:
            basis = torch.eye(fit.shape[1], dtype=torch.float64)
        declared = torch.from_numpy(self.erasing[self.fit_rows])
        span = Whitened.of((fit @ basis).to(read.dtype))
        eraser = span.erase(declared) if span.linearly_there(declared) else span.erase(torch.ones(len(fit), 1))
        erased = Eraser(basis @ eraser.mean, basis @ eraser.left, eraser.right @ basis.T)
        values = self._values(observation, {site: erased} if erased.rank else None)
        rest, intact = (self._residual(v, self.every) for v in (values, self.values))
        together = rest.var() <= self.least * self.values.var() < intact.var()
        if together:
            erased, rest = replace(erased, left=erased.left[:, :0], right=erased.right[:0]), intact
        fit, test = erased(fit), erased(test)
        searched = Whitened.of((fit @ basis).to(read.dtype))
        return Place(
            site, erased, searched, basis, fit, test, rest[self.fit_rows], rest[self.test_rows], bool(together)
        )

    def _codes(self, place: Place, repeat: int) -> dict[str, Code]:
        """Name -> code of the directions that are worth testing; from other rows and seeds in every repeat."""
        assert self.ground.observation is not None
        rng = torch.Generator().manual_seed(self.seed + 1000 * repeat)
        return codes_of(place, self.subject, self.ground.observation[self.fit_rows], rng=rng, whole=not repeat)

    # -- numbers -------------------------------------------------------------------------------------------------

    def _residual(self, code: Floats, rows: NDArray[np.int64]) -> Floats:
        """Numbers of some ``rows``, ``[n]``, without what the declared concepts explain (least squares)."""
        columns = self.taken_out[rows]
        return np.asarray(code - columns @ np.linalg.lstsq(columns, code, rcond=None)[0], dtype=np.float64)

    def _rest_without(self, place: Place, eraser: Eraser) -> Floats:
        """What is left of the value on held-out rows when something else is erased, too."""
        observation = self.held_out.observation
        assert observation is not None
        return self._residual(self._values(observation, {place.site: place.without(eraser)}), self.test_rows)

    def _values(self, observation: Tensor, edits: Mapping[str, Callable[[Tensor], Tensor]] | None) -> Floats:
        """Edited values ``[n]``. Raises :class:`NotMeasurableError` where the edit makes them infinite."""
        values: Floats = self.subject.values(observation, edits=edits).double().numpy()
        if not np.isfinite(values).all():
            raise NotMeasurableError(f"erasing gives {int((~np.isfinite(values)).sum())} values that are not finite")
        return values

    def _losses(self, before: Floats, after: Floats) -> Floats:
        """Share of the value's variance that is lost, ``[...]`` of ``after [..., n]``."""
        total = self.values[self.test_rows].var()
        return np.asarray((np.square(before).mean() - np.square(after).mean(-1)) / total)

    def _judged(self, before: Floats, after: Floats, place: Place, placebos: Floats) -> tuple[float, float, float]:
        """Lost share, its standard error, and p: that it exceeds ``least``, and what random directions lose."""
        splitting = self.splitting
        lost = np.square(before) - np.square(after)
        beside = lost - (np.square(place.rest_test) - np.square(placebos)).mean(0)

        def by_block(rows: Floats) -> Callable[[Floats], Floats]:
            sums = np.stack([np.bincount(splitting.block, w, splitting.blocks) for w in (np.ones(len(rows)), rows)])
            return lambda weights: (weights @ sums[1]) / (weights @ sums[0]) / self.variance(weights)

        share, error = splitting.jackknife(by_block(lost))
        excess, spread = splitting.jackknife(by_block(beside))
        freedom = max(splitting.blocks - 1, 1)
        p = [_one_sided(share - self.least, error, freedom), _one_sided(excess, spread, freedom)]
        return share, error, max(p)

    def _repeats(self, found: Direction) -> int:
        """In how many searches from other rows and seeds the direction was found, the first included."""
        again = 1
        for repeat in range(1, REPEATS):
            others = self._sought_again(found.place, repeat)
            again += any(alike(found.code, other) >= SAME for other in others)
        return again

    def _sought_again(self, place: Place, repeat: int) -> list[Floats]:
        """Codes ``[n]`` of another search of a site on the held-out rows."""
        if (place.site, repeat) not in self.again:
            codes = self._codes(place, repeat).values()
            self.again[place.site, repeat] = [
                self._residual(code(place.test).numpy(), self.test_rows) for code in codes
            ]
        return self.again[place.site, repeat]

    def _steering(self, found: Direction) -> tuple[float, float]:
        """Mean change of the value per standard deviation, and the largest absolute one along random directions."""
        step = found.place.basis @ found.eraser.left[:, 0]
        draws = torch.randn(STEPS, found.place.basis.shape[1], generator=self.rng, dtype=torch.float64)
        random = [found.place.basis @ (draw / draw.norm() * step.norm()) for draw in draws]
        return self._steered(found.place, step), max(abs(self._steered(found.place, each)) for each in random)

    def _steered(self, place: Place, step: Tensor) -> float:
        """Mean change of the value per step, in standard deviations of the value."""
        observation = self.held_out.observation
        assert observation is not None
        few = observation[: FIT_ROWS * 4]
        ends = [self.subject.values(few, edits={place.site: place.moved(sign * step)}).double() for sign in (1, -1)]
        return float((ends[0] - ends[1]).mean() / 2 / self.values.std())

    # -- names ---------------------------------------------------------------------------------------------------

    def _candidate(
        self, found: Direction, facts: dict[str, float], q: float, also: list[str], taken: set[str]
    ) -> Candidate:
        top = next(iter(sorted(facts, key=lambda fact: -facts[fact])), "unnamed")
        name = f"{found.site}: {top}"
        name = name if name not in taken else f"{name} ({found.method})"
        while name in taken:
            name += "'"
        taken.add(name)
        elsewhere = f" The same is found at {', '.join(dict.fromkeys(also))}." if also else ""
        searches = (self._repeats(found), REPEATS)
        steering, steered = self._steering(found)
        called = (
            f"goes with {', '.join(f'{fact} ({score:.0%})' for fact, score in list(facts.items())[:3])}"
            if facts
            else "goes with no fact of the world"
        )
        text = (
            f"A direction at {found.site} ({found.method}) that {called}. Erasing it costs {found.share.value:.1%} of "
            f"the value's variance, a random direction {found.placebo:.1%}. A step of one standard deviation along it "
            f"moves the value by {steering:+.2f} sd, {STEPS} random ones of the same length by at most {steered:.2f}."
        )
        text += f" It is found in {searches[0]} of {REPEATS} searches, from other rows and with other draws.{elsewhere}"
        rows = examples_of(
            self.held_out.facts, list(facts)[:3], found.code, self.values[self.test_rows], seed=self.seed
        )
        placed = tuple(replace(each, rows=tuple(int(self.test_rows[i]) for i in each.rows)) for each in rows)
        smallest = self.splitting.detectable(found.error) if math.isfinite(found.error) else NAN
        return Candidate(name, "inside", found.share, text, facts, placed, found.p, q, smallest, searches=searches)


def _one_sided(excess: float, error: float, freedom: int) -> float:
    if not math.isfinite(error):
        return NAN
    return float(stats.t.sf(excess / error, freedom)) if error > 0 else float(excess <= 0)
