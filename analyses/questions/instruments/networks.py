"""Planted networks: small modules whose internals are known, to score causal tests and attributions.

An observation is an image of ``SIDE`` x ``SIDE`` pixels. Signs (+1 or -1) are drawn on :data:`PAINTED` pixels each, at
random places with random patterns; all other pixels are distractors of larger variance (for the untrained network of
the same, so that no pixel is special). Three sites stand side by side. Each shows some signs along random directions,
and distractors along all the others, so that every unit shows a bit of everything. The value is a sum of terms, each a
function of a few readings:

    site = mix_s reading_s(image)          value = sum over terms of f_t(sum over (site, sign) of weight * reading)
    f linear     z = relu(z) - relu(-z)
    f clip       z cut to +-1 = relu(z + 1) - relu(z - 1) - 1 (the constant is left out)
    f absolute   |z| = relu(z) + relu(-z)

so one architecture (three linear sites, one hidden layer of ReLUs, one output) holds them all, and the untrained
network is the same with random weights. Spare hidden units look at the sites and are not read.

``concept`` is one of the signs (in ``xor`` the product of two). A sign as it is read is the sign plus ``noise`` times a
standard normal. What is fixed (places, patterns, directions) follows from the number ``world``.

Letters: n rows, d width of a site, r readings of a site, p pixels, h hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from imprint.models.errors import unknown_name
from imprint.probes.subjects.subject import Subject

SITES = ("left", "middle", "right")
SIDE, PAINTED, HIDDEN = 6, 3, 8
DISTRACTOR = 2.0
"""Standard deviation of a pixel on which no sign is drawn."""
AGREE = 0.9
"""Part of the rows in which proxy and concept agree."""
CONSTANT = 3.0
"""The reading that never varies."""
NO_SIGN = ("constant", "anything")
"""Readings of no sign: the one that never varies, and one of all distractors."""


@dataclass(frozen=True)
class Term:
    """A part of the value."""

    reads: Mapping[tuple[str, str], float]
    """(site, sign) -> weight."""
    shape: Literal["linear", "clip", "absolute"] = "linear"

    def units(self) -> list[tuple[float, float, float]]:
        """Its two ReLUs: factor of the weights, bias, weight in the value."""
        if self.shape == "linear":
            return [(1.0, 0.0, 1.0), (-1.0, 0.0, -1.0)]
        return [(1.0, 1.0, 1.0), (1.0, -1.0, -1.0)] if self.shape == "clip" else [(1.0, 0.0, 1.0), (-1.0, 0.0, 1.0)]


@dataclass(frozen=True)
class Plan:
    """How a network is wired, and what is therefore true of it."""

    name: str
    about: str
    shown: Mapping[str, tuple[str, ...]]
    """Site -> signs written there."""
    terms: tuple[Term, ...]
    acts: tuple[str, ...]
    """Sites through which the concept acts on the value."""
    concept: tuple[str, ...] = ("concept",)
    """Signs that make up the concept."""
    dead: bool = False
    """Whether every other unit of every site is always 0."""
    random: bool = False
    """Whether all weights are random."""

    @property
    def linear(self) -> bool:
        """Whether the value is linear in the observation."""
        return not self.random and all(term.shape == "linear" for term in self.terms)

    @property
    def signs(self) -> tuple[str, ...]:
        """Signs that are drawn on the image."""
        return tuple(dict.fromkeys(s for shown in self.shown.values() for s in shown if s not in NO_SIGN))

    @property
    def read(self) -> tuple[str, ...]:
        """Signs that the value reads anywhere; none when the weights are random."""
        signs = dict.fromkeys(sign for term in self.terms for _, sign in term.reads if sign not in NO_SIGN)
        return () if self.random else tuple(signs)

    @property
    def matters(self) -> tuple[str, ...]:
        """Sites that tell the value something that varies."""
        read = {site for term in self.terms for site, sign in term.reads if sign != "constant"}
        return SITES if self.random else tuple(site for site in SITES if site in read)


@dataclass(frozen=True)
class Observed:
    """Rows of a planted network's world."""

    observation: Tensor
    """``[n, SIDE, SIDE]``"""
    flipped: Tensor
    """``[n, SIDE, SIDE]`` the same rows with the concept set to its other value and all else kept."""
    concept: Tensor
    """bool ``[n]``"""
    source: Tensor
    """``[n, SIDE, SIDE]`` another row, save for the concept's pixels: those are this row's, ``differs``: flipped."""
    differs: Tensor
    """bool ``[n]``, half of the rows."""


def _rest(site: str, part: float = 0.3) -> Term:
    return Term({(site, "bystander"): part**0.5})


_USED = {"left": ("concept",), "middle": ("concept", "bystander")}
_WHOLE = (Term({("left", "concept"): 0.7**0.5}), _rest("middle"))
_COPIES = {"left": ("concept",), "middle": ("copy",), "right": ("bystander",)}
_ALL = (
    Plan("used", "70 % of the value is the concept as left shows it; middle shows it too, unread", _USED, _WHOLE,
         ("left",)),
    Plan("unused", "left shows the concept; the value reads only the bystander there",
         {"left": ("concept", "bystander"), "middle": ("concept",)}, (_rest("left", 1.0),), ()),
    Plan("weak", "2 % of the value is the concept as left shows it", _USED,
         (Term({("left", "concept"): 0.02**0.5}), _rest("middle", 0.98)), ("left",)),
    Plan("redundant", "left and middle show a copy each, either suffices: their sum, times 2, clipped", _COPIES,
         (Term({("left", "concept"): 2.0, ("middle", "copy"): 2.0}, "clip"), _rest("right")), ("left", "middle"),
         ("concept", "copy")),
    Plan("proxy", f"left shows concept and a proxy, alike on {AGREE:.0%} of the rows; the value is the proxy",
         {"left": ("concept", "proxy")}, (Term({("left", "proxy"): 1.0}),), ()),
    Plan("distributed", "left and middle show the concept over all units; the value reads half from each",
         {"left": ("concept",), "middle": ("concept",), "right": ("bystander",)},
         (Term({("left", "concept"): 0.7**0.5 / 2, ("middle", "concept"): 0.7**0.5 / 2}), _rest("right")),
         ("left", "middle")),
    Plan("xor", "the concept is whether two signs at left are equal; the value is the size of their sum",
         {"left": ("first", "second"), "right": ("bystander",)},
         (Term({("left", "first"): 1.0, ("left", "second"): 1.0}, "absolute"), _rest("right")), ("left",),
         ("first", "second")),
    Plan("dead", "as used; every other unit of every site is always 0", _USED, _WHOLE, ("left",), dead=True),
    Plan("constant", "as used; and right shows a constant that is read and tells nothing",
         {**_USED, "right": ("constant",)}, (*_WHOLE, Term({("right", "constant"): 1.0})), ("left",)),
    Plan("faint", "as used; and a tenth of the value or less is what right shows of the distractors, a bit of each",
         {**_USED, "right": ("anything",)},
         (Term({("left", "concept"): 0.6**0.5}), _rest("middle"), Term({("right", "anything"): 0.1**0.5})), ("left",)),
    Plan("untrained", "all weights random", _USED, (), (), random=True),
)  # fmt: skip
PLANS = {plan.name: plan for plan in _ALL}


def number_of(name: str) -> int:
    """Index of a network in :data:`PLANS`, from which its worlds are drawn. Raises :class:`UnknownNameError`."""
    if name not in PLANS:
        raise unknown_name("planted network", name, PLANS)
    return list(PLANS).index(name)


class PlantedNetwork(nn.Module):
    """Sites ``left``, ``middle``, ``right`` ``[n, d]``, a hidden layer ``relu`` ``[n, h]``, and a value ``[n]``."""

    def __init__(self, name: str, *, width: int = 12, noise: float = 0.5, world: int) -> None:
        super().__init__()
        number_of(name)
        self.plan, self.noise, self.width = PLANS[name], noise, width
        rng = torch.Generator().manual_seed(world)
        places = torch.randperm(SIDE**2, generator=rng)
        self.patterns = torch.zeros(len(self.plan.signs), SIDE**2)
        """``[signs, p]`` pattern of each sign on the image."""
        for row, spots in zip(self.patterns, places.split(PAINTED), strict=False):
            row[spots] = 2.0 * torch.randint(0, 2, (PAINTED,), generator=rng) - 1
        self.plain = places[PAINTED * len(self.plan.signs) :]
        """Distractor pixels."""
        self.mixes = {site: self._mix(rng) for site in SITES}
        """Site -> ``[d, r]`` directions of its readings; those of the signs come first, as they are listed."""
        for site in SITES:
            self.add_module(site, self._site(site, rng))
        self.hidden, self.relu, self.out = nn.Linear(3 * width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
        self._wire(rng)
        self.eval()

    def _mix(self, rng: torch.Generator) -> Tensor:
        live = torch.arange(0, self.width, 2 if self.plan.dead else 1)
        mix = torch.zeros(self.width, len(live))
        mix[live] = torch.linalg.qr(torch.randn(len(live), len(live), generator=rng)).Q
        return mix

    def _site(self, site: str, rng: torch.Generator) -> nn.Linear:
        signs, count = self.plan.shown.get(site, ()), self.mixes[site].shape[1]
        reading, constant = torch.zeros(count, SIDE**2), torch.zeros(count)
        plain = torch.linalg.qr(torch.randn(len(self.plain), count, generator=rng)).Q
        reading[:, self.plain] = plain.T / DISTRACTOR
        for row, sign in enumerate(signs):
            if sign == "constant":
                reading[row], constant[row] = 0, CONSTANT
            elif sign != "anything":
                reading[row] = self.pattern(sign) / PAINTED
        layer = nn.Linear(SIDE**2, self.width)
        layer.weight = nn.Parameter(self.mixes[site] @ reading)
        layer.bias = nn.Parameter(self.mixes[site] @ constant)
        return layer

    def _wire(self, rng: torch.Generator) -> None:
        into = torch.randn(HIDDEN, 3 * self.width, generator=rng) / (3 * self.width) ** 0.5
        bias, out = torch.zeros(HIDDEN), torch.zeros(1, HIDDEN)
        row = 0
        for term in self.plan.terms:
            read = torch.zeros(3, self.width)
            for (site, sign), weight in term.reads.items():
                read[SITES.index(site)] += weight * self.direction(site, sign)
            for factor, shift, weight in term.units():
                into[row], bias[row], out[0, row] = factor * read.flatten(), shift, weight
                row += 1
        if self.plan.random:
            out = torch.randn(1, HIDDEN, generator=rng) / HIDDEN**0.5
            for site in SITES:
                noise = torch.randn(self.width, SIDE**2, generator=rng) / SIDE
                self.get_submodule(site).weight = nn.Parameter(noise)
        self.hidden.weight, self.hidden.bias = nn.Parameter(into), nn.Parameter(bias)
        self.out.weight, self.out.bias = nn.Parameter(out), nn.Parameter(torch.zeros(1))

    # -- running -----------------------------------------------------------------------------------------------------

    def forward(self, observation: Tensor) -> Tensor:
        """Value ``[n]`` of images ``[n, SIDE, SIDE]``."""
        return self.head(self.branches(observation))

    def branches(self, observation: Tensor) -> dict[str, Tensor]:
        """Activations ``[n, d]`` per site."""
        return {site: self.get_submodule(site)(observation.flatten(1)) for site in SITES}

    def head(self, branches: Mapping[str, Tensor]) -> Tensor:
        """Value ``[n]`` of activations ``[n, d]`` per site."""
        both: Tensor = self.out(self.relu(self.hidden(torch.cat([branches[site] for site in SITES], 1))))
        return both[:, 0]

    def subject(self) -> Subject:
        """The network as a subject of the instruments."""
        return Subject(self, sites=SITES)

    def observe(self, n: int, *, rng: torch.Generator) -> Observed:
        """Draw ``n`` rows."""
        signs = self._signs(n, rng)
        size = torch.full((SIDE**2,), self.noise * PAINTED**0.5)
        size[self.plain] = (1 + PAINTED * self.noise**2) ** 0.5 if self.plan.random else DISTRACTOR
        around = size * torch.randn(n, SIDE**2, generator=rng)
        first = set(self.plan.concept[:1]) if self.plan.name == "xor" else set(self.plan.concept)
        flipped = {sign: -value if sign in first else value for sign, value in signs.items()}
        images = [
            (torch.stack([each[sign] for sign in self.plan.signs], 1) @ self.patterns + around).reshape(n, SIDE, SIDE)
            for each in (signs, flipped)
        ]
        concept = signs["first"] * signs["second"] if self.plan.name == "xor" else signs["concept"]
        differs = torch.rand(n, generator=rng) < 0.5
        own = torch.where(differs[:, None, None], images[1], images[0])
        source = torch.where(self.pixels(self.plan.concept), own, images[0].roll(1, 0))
        return Observed(images[0], images[1], concept > 0, source, differs)

    def _signs(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        concept, bystander, first, second = 2.0 * torch.randint(0, 2, (4, n), generator=rng) - 1
        agrees = 2.0 * (torch.rand(n, generator=rng) < AGREE) - 1
        copies = {"concept": concept, "copy": concept, "proxy": concept * agrees}
        return {**copies, "bystander": bystander, "first": first, "second": second}

    # -- what is true of it ------------------------------------------------------------------------------------------

    def pattern(self, sign: str) -> Tensor:
        """Pattern ``[p]`` of a sign on the image."""
        return self.patterns[self.plan.signs.index(sign)]

    def direction(self, site: str, sign: str) -> Tensor:
        """Unit direction ``[d]`` along which ``site`` shows a sign, and along which it is read."""
        return self.mixes[site][:, self.plan.shown[site].index(sign)]

    def written(self, site: str) -> Tensor:
        """Directions ``[d, k]`` along which ``site`` shows what makes up the concept; k is 0 where it does not."""
        shown = [sign for sign in self.plan.concept if sign in self.plan.shown.get(site, ())]
        directions = [self.direction(site, sign) for sign in shown]
        return torch.stack(directions, 1) if directions else torch.zeros(self.width, 0)

    def pixels(self, signs: tuple[str, ...]) -> Tensor:
        """Pixels (bool ``[SIDE, SIDE]``) on which any of ``signs`` is drawn."""
        rows = [self.plan.signs.index(sign) for sign in signs]
        return (self.patterns[rows] != 0).any(0).reshape(SIDE, SIDE)

    def weight(self) -> Tensor:
        """Weight w ``[SIDE, SIDE]`` of the pixels where the value is linear, w * x + constant."""
        whole = torch.zeros(SIDE**2)
        for term in self.plan.terms:
            for (site, sign), weight in term.reads.items():
                if sign in self.plan.signs:
                    whole += weight * self.pattern(sign) / PAINTED
                elif sign == "anything":
                    whole += weight * self.direction(site, sign) @ self.get_parameter(f"{site}.weight").detach()
        return whole.reshape(SIDE, SIDE)
