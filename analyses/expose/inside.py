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
together with them, as in a product; the rest are mistakes about them. A direction is named by the facts, and pairs of facts, that explain its code beyond the declared concepts; one that
diffuse noise explains is noise, and no candidate. Directions whose codes go together are one candidate. It is stable
when it is found again from other rows and with other seeds of the discovery.

Letters: n rows, d width of a site, s dimension of the span that is searched, m directions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.linear_model import RidgeCV
from torch import Tensor

from imprint.analyses.expose.candidates import Candidate, Searched
from imprint.analyses.expose.examples import examples_of
from imprint.analyses.expose.ground import Ground
from imprint.analyses.expose.splitting import NEARLY, PAIR, Splitting, explained_by
from imprint.analyses.statistics import NAN, Estimate, Floats, benjamini_hochberg
from imprint.models.errors import ImprintError
from imprint.models.progress import worked
from imprint.probes.discovery.base import Discovery
from imprint.probes.discovery.independent_components import IndependentComponents
from imprint.probes.discovery.nonnegative_factors import NonnegativeFactors
from imprint.probes.discovery.principal_components import PrincipalComponents
from imprint.probes.discovery.sparse_autoencoder import SparseAutoencoder
from imprint.probes.interventions.erase import Eraser, Whitened
from imprint.probes.subjects.subject import Subject

MOST_SITES = 8
"""Sites that are searched, the last ones that the value runs through."""
SPAN = 64
"""Principal directions of a wide site that are searched, at most."""
ROWS_PER_DIRECTION = 8
FEATURES, GRADIENTS = 3, 2
"""Features and gradient directions of a site that are tested causally."""
MOST_TAKEN = 3
"""Directions of a site that are found at most, each beside those before it."""
REGRESSION = "regression"
SAME = 0.7
"""Correlation of codes from which two directions are one."""
NAMES, BY_NOISE = 0.1, 0.5
"""Part of a code's variance from which a fact names it, and from which diffuse noise makes it noise."""
STEPS = 10
"""Random directions beside which one is steered along."""
REPEATS = 3
"""Times that directions are sought; the first are tested."""
FIT_ROWS = 64
"""Fewest rows that directions can be fitted on."""
Code = Callable[[Tensor], Tensor]
"""Activations ``[n, d]`` -> code ``[n]``."""


@dataclass(frozen=True)
class Place:
    """A site with the declared concepts erased."""

    site: str
    erased: Eraser
    """Removes the declared concepts."""
    span: Whitened
    """Of the erased activations, in the searched directions."""
    basis: Tensor
    """``[d, s]`` orthonormal directions that are searched."""
    fit: Tensor
    """``[n, d]`` erased activations of the rows for fitting."""
    test: Tensor
    """``[n, d]`` erased activations of the held-out rows."""
    rest_fit: Floats
    rest_test: Floats
    """What is left of the value when the declared concepts are erased here."""
    together: bool
    """Whether the declared concepts were kept, since nothing is left without them: it acts only together with them."""

    def without(self, eraser: Eraser) -> Callable[[Tensor], Tensor]:
        """Erase the declared concepts and, in the searched directions, something else."""
        lifted = Eraser(self.basis @ eraser.mean, self.basis @ eraser.left, eraser.right @ self.basis.T)
        return lambda x: lifted(self.erased(x))

    def moved(self, step: Tensor) -> Callable[[Tensor], Tensor]:
        """Erase the declared concepts and add ``step [d]``."""
        return lambda x: self.erased(x) + step.to(x)


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
        self.placebos, self.noise, self.seed = placebos, noise or {}, seed
        self.rng = torch.Generator().manual_seed(seed)
        every = Splitting(ground, least=least, level=level, rng=self.rng, pairs=0)
        test = every.block % 2 == 1 if every.blocks > 1 else np.arange(len(ground)) % 2 == 1
        self.fit_rows, self.test_rows = np.flatnonzero(~test), np.flatnonzero(test)
        if min(len(self.fit_rows), len(self.test_rows)) < FIT_ROWS:
            raise ImprintError(f"{len(ground)} rows are too few to fit directions on one half and test them on another.")
        self.held_out = replace(
            ground,
            facts=ground.facts.iloc[self.test_rows].reset_index(drop=True),
            groups=ground.groups[self.test_rows],
            observation=ground.observation[self.test_rows],
        )
        self.splitting = Splitting(self.held_out, least=least, level=level, rng=self.rng, pairs=0)
        self.variance = self.splitting.of_value(values[self.test_rows])
        self.beyond = ground.beyond(values)
        cells = ground.facts[list(ground.declared)].astype(str).agg("|".join, axis=1)
        self.cell = pd.factorize(cells)[0]
        reached = subject.reached(ground.observation) if sites is None else sites
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
        order = sorted(range(len(directions)), key=lambda i: (q[i] > self.level, -directions[i].share.value))
        kept: list[int] = []
        also: dict[int, list[str]] = {}
        for i in order:
            twin = next((k for k in kept if _alike(directions[i].code, directions[k].code) >= SAME), None)
            if twin is None:
                kept.append(i)
            else:
                also.setdefault(twin, []).append(directions[i].site)
        candidates: list[Candidate] = []
        taken: set[str] = set()
        for i in kept:
            if q[i] > self.level:
                continue
            facts, noise = self._named(directions[i].code)
            if noise >= BY_NOISE and max(facts.values(), default=0.0) < BY_NOISE:
                notes.append(
                    f"{directions[i].share.value:.0%} of the variance is carried at {directions[i].site} by what diffuse "
                    "noise of the world explains; it is no candidate."
                )
                continue
            if directions[i].place.together and max(facts.values(), default=0.0) < BY_NOISE:
                notes.append(
                    f"{directions[i].share.value:.0%} of the variance is carried at {directions[i].site} by something that no "
                    "fact names and that acts through the declared concepts alone: mistakes about them; it is no candidate."
                )
                continue
            candidates.append(self._candidate(directions[i], facts, float(q[i]), also.get(i, []), taken))
        why = (
            f"{len(directions)} directions at {len(self.sites)} sites were fitted on {len(self.fit_rows)} rows and erased "
            f"on {len(self.test_rows)} others, beside {self.placebos} random directions at each site."
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
        sought = {name: code for name, code in self._codes(place, 0)}
        codes = {name: torch.from_numpy(self._residual(code(place.fit).numpy(), fit=True)) for name, code in sought.items()}
        codes = {name: code for name, code in codes.items() if place.span.erase(code[:, None]).rank}
        lost = np.stack(
            [self._rest_without(place, place.span.random(1, rng=self.rng)) for _ in range(self.placebos)]
        )
        placebo = float(self._losses(place.rest_test, lost).mean())
        taken: list[Direction] = []
        picked: dict[str, Tensor] = {}
        before = place.rest_test
        while codes:
            tried = []
            for name, code in codes.items():
                together = torch.stack([*(picked[each.method] for each in taken), code], dim=1) if taken else code[:, None]
                share, error, p = self._judged(before, self._rest_without(place, place.span.erase(together)), place, lost)
                half = float(stats.t.ppf(0.975, max(self.splitting.blocks - 1, 1))) * error
                estimate = Estimate(share, share - half, share + half, 1)
                held_out = self._residual(sought[name](place.test).numpy())
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
        rows = self.subject.activations(observation, [site])[site].double()
        fit, test = rows[self.fit_rows], rows[self.test_rows]
        most = min(SPAN, len(fit) // ROWS_PER_DIRECTION)
        if fit.shape[1] > most:
            basis = torch.linalg.svd(fit - fit.mean(0), full_matrices=False).Vh[:most].T
        else:
            basis = torch.eye(fit.shape[1], dtype=torch.float64)
        declared = torch.nn.functional.one_hot(torch.from_numpy(self.cell[self.fit_rows])).double()
        span = Whitened.of(fit @ basis)
        eraser = span.erase(declared) if span.linearly_there(declared) else span.erase(torch.ones(len(fit), 1))
        erased = Eraser(basis @ eraser.mean, basis @ eraser.left, eraser.right @ basis.T)
        values = self.subject.values(observation, edits={site: erased} if erased.rank else None).double().numpy()
        rest, intact = self.ground.beyond(values).rest, self.beyond.rest
        together = rest.var() <= self.least * self.values.var() < intact.var()
        if together:
            erased, rest = replace(erased, left=erased.left[:, :0], right=erased.right[:0]), intact
        fit, test = erased(fit), erased(test)
        searched = Whitened.of(fit @ basis)
        return Place(
            site, erased, searched, basis, fit, test, rest[self.fit_rows], rest[self.test_rows], bool(together)
        )

    def _codes(self, place: Place, repeat: int) -> Iterator[tuple[str, Code]]:
        """Name -> code of the directions that are worth testing; other rows and seeds in every repeat."""
        rng = torch.Generator().manual_seed(self.seed + 1000 * repeat)
        some = torch.arange(len(place.fit))
        if repeat:
            some = torch.randperm(len(some), generator=rng)[: 4 * len(some) // 5]
        x, rest = place.fit[some], place.rest_fit[some.numpy()]
        inside = (x @ place.basis - place.span.mean) / place.span.unit @ place.span.axes / place.span.scale
        slopes = RidgeCV(np.logspace(0, 4, 5)).fit(inside.numpy(), rest).coef_
        yield REGRESSION, self._along(place, torch.from_numpy(slopes))
        for i, vector in enumerate(self._gradients(place, some)):
            yield f"gradient {i + 1}", self._along(place, vector)
        features: list[tuple[float, str, Code]] = []
        for method, discovery in _methods(place.basis.shape[1]).items():
            try:
                dictionary = discovery.fit((x @ place.basis).float(), rng=rng)
            except ImprintError:
                continue  # it cannot describe such activations, as negative ones by nonnegative factors
            codes = dictionary.encode((x @ place.basis).float()).numpy()
            strength = np.nan_to_num([abs(_correlation(codes[:, k], rest)) for k in range(codes.shape[1])])
            best = int(strength.argmax())
            features.append((float(strength[best]), f"{method} {best}", _feature(dictionary.encode, place.basis, best)))
        for _, name, code in sorted(features, key=lambda item: -item[0])[:FEATURES]:
            yield name, code

    def _along(self, place: Place, vector: Tensor) -> Code:
        """The code of a direction of the whitened span ``[s]``."""
        weight = place.span.axes @ (vector.double() / place.span.scale) / place.span.unit
        return lambda x: (x @ place.basis - place.span.mean) @ weight

    def _gradients(self, place: Place, some: Tensor) -> list[Tensor]:
        """Whitened directions ``[s]`` along which the value changes most; none where it has no gradient."""
        observation = self.ground.observation
        assert observation is not None
        rows = self.fit_rows[some.numpy()][:FIT_ROWS * 4]
        delta = torch.zeros(len(rows), place.fit.shape[1], requires_grad=True)
        try:
            with torch.enable_grad():
                value = self.subject.value_with_grad(
                    observation[rows], edits={place.site: lambda x: place.erased(x) + delta.to(x)}
                )
                (gradient,) = torch.autograd.grad(value.sum(), delta)
        except (ImprintError, RuntimeError):
            return []
        inside = (gradient.double() @ place.basis) * place.span.unit @ place.span.axes * place.span.scale
        if not bool(torch.isfinite(inside).all()) or float(inside.abs().max()) == 0:
            return []
        return list(torch.linalg.svd(inside, full_matrices=False).Vh[:GRADIENTS])

    # -- numbers -------------------------------------------------------------------------------------------------

    def _residual(self, code: Floats, *, fit: bool = False) -> Floats:
        """A code ``[n]`` without what the declared concepts explain."""
        cell = self.cell[self.fit_rows if fit else self.test_rows]
        count = np.maximum(np.bincount(cell), 1)
        return np.asarray(code - (np.bincount(cell, weights=code) / count)[cell], dtype=np.float64)

    def _rest_without(self, place: Place, eraser: Eraser) -> Floats:
        """What is left of the value on held-out rows when something else is erased, too."""
        observation = self.held_out.observation
        assert observation is not None
        values = self.subject.values(observation, edits={place.site: place.without(eraser)}).double().numpy()
        return self._residual(values)

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
            codes = dict(self._codes(found.place, repeat)).values()
            others = [self._residual(code(found.place.test).numpy()) for code in codes]
            again += any(_alike(found.code, other) >= SAME for other in others)
        return again

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

    def _named(self, code: Floats) -> tuple[dict[str, float], float]:
        """Facts that explain a code, with their scores, and the part of it that diffuse noise explains."""
        codes = {name: found for name, found in self.held_out.codes.items() if name in self.held_out.undeclared}
        facts = explained_by(code, codes, least=NAMES)
        best = max(facts.values(), default=0.0)
        if best < BY_NOISE:
            pairs = {}
            for a, b in itertools.combinations(codes, 2):
                (first, names), (second, others) = codes[a], codes[b]
                if len(names) * len(others) <= SPAN:
                    joint = first * len(others) + second
                    pairs[f"{a}{PAIR}{b}"] = (joint, tuple(map(str, range(len(names) * len(others)))))
            both = explained_by(code, pairs, least=max(best + NAMES, NAMES))
            if both:
                name, score = next(iter(both.items()))
                facts = {**facts, **dict.fromkeys(name.split(PAIR), score)}
        noise = 0.0
        for value in self.noise.values():
            x = value.reshape(len(value), -1).double().numpy()
            if x.shape[1] < len(self.fit_rows) // 4:
                x = x[self.test_rows]
                half = len(x) // 2
                fitted = RidgeCV(np.logspace(-2, 3, 6)).fit(x[:half], code[:half])
                noise = max(noise, float(fitted.score(x[half:], code[half:])))
        return facts, noise

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
        repeats = self._repeats(found)
        steering, steered = self._steering(found)
        called = (
            f"goes with {', '.join(f'{fact} ({score:.0%})' for fact, score in list(facts.items())[:3])}"
            if facts
            else "goes with no fact of the world"
        )
        text = (
            f"A direction at {found.site} (by {found.method}) that {called}. Erasing it costs {found.share.value:.1%} of the "
            f"value's variance, a random direction {found.placebo:.1%}. A step of one standard deviation along it moves the "
            f"value by {steering:+.2f} sd, {STEPS} random ones of the same length by at most {steered:.2f}.{elsewhere}"
        )
        rows = examples_of(
            self.held_out.facts, list(facts)[:3], found.code, self.values[self.test_rows], seed=self.seed
        )
        placed = tuple(replace(each, rows=tuple(int(self.test_rows[i]) for i in each.rows)) for each in rows)
        smallest = self.splitting.detectable(found.error) if math.isfinite(found.error) else NAN
        return Candidate(
            name, "inside", found.share, text, facts, placed, found.p, q, smallest, (repeats, REPEATS)
        )


def _methods(width: int) -> dict[str, Discovery]:
    """Every discovery method with a budget for a search of many sites."""
    return {
        "principal component": PrincipalComponents(features=min(8, width)),
        "independent component": IndependentComponents(features=min(8, width), steps=200, tolerance=1e-3),
        "nonnegative factor": NonnegativeFactors(features=min(8, width), steps=300, tolerance=1e-3),
        "autoencoder feature": SparseAutoencoder(features=max(16, min(2 * width, 64)), active=4, steps=200, rows=256),
    }


def _feature(encode: Code, basis: Tensor, index: int) -> Code:
    return lambda x: encode((x @ basis).float())[:, index].double()


def _correlation(a: Floats, b: Floats) -> float:
    if a.std() <= 0 or b.std() <= 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _alike(a: Floats, b: Floats) -> float:
    return abs(_correlation(a, b))


def _one_sided(excess: float, error: float, freedom: int) -> float:
    if not math.isfinite(error):
        return NAN
    return float(stats.t.sf(excess / error, freedom)) if error > 0 else float(excess <= 0)
