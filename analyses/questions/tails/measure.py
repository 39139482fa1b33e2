"""A value that was taught where two connotations of a concept always went together, and choices where they part.

    learner        grows up in the world ``nest`` by prediction alone and walks everywhere; nothing shows where it is
    connotations   of home: *latitude*, its row is within a step of the nest's, and *longitude*, the same of its column;
                   both have to be worked out from the walk, and neither is in any frame
    sensors        innate, one for each: ``sun`` fires at the latitude, ``wind`` at the longitude, each with misses and
                   false alarms of its own
    ordinary       walks that end at home (both) or away from it (neither): there the sensors are two detectors of the
                   same thing. Elsewhere one of the two fires alone; the connotations are *apart*
    value          a linear valence that is rewarded by both sensors in equal parts, on ordinary walks alone
    thoughts       all 64 plans of three moves from a fresh walk, imagined in the dark. A few come to mind, the one of
                   highest value is carried out if more than half a reward is expected, and otherwise nothing is

Carried out at home it is *intended*; elsewhere *unintended*, since no reward ever said which of the two was meant. A
veto strikes thoughts at which two probes give different answers, before the best of the rest is taken. Pairs of probes,
one taught by each sensor:

    told apart          networks of one hidden layer, taught on all walks of a life, also where the sensors part
    told apart, linear  the same, linear as the value is
    made to differ      linear, taught on ordinary walks alone, and made to differ on thoughts that nobody labelled
                        (:mod:`imprint.probes.fitting.diverse_heads`)
    as they are         linear, taught on ordinary walks alone
    shuffled            linear, told apart by shuffled firings
    random              two random directions

Besides, as many thoughts as ``made to differ`` strikes: ``doubt`` those whose value is nearest to the threshold, ``at
random`` any. ``truth`` strikes those that really end where the connotations are apart.

Letters: n walks, P plans, D latent width, N thoughts of all walks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.tails.pressure import ERRORS, best_of, in_theory
from imprint.analyses.raising.nests import Growing, Lives, decided, nest_of
from imprint.analyses.raising.plans import Thoughts, imagined
from imprint.analyses.raising.reading import area, fitted, fresh, like_a_probe
from imprint.models.assessors.valence import Valence
from imprint.models.chance import generator
from imprint.models.learners.recurrent import Recurrent
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.detector import Detector
from imprint.models.steering.reward import Reward
from imprint.models.worlds.nest import DECISION, Nest
from imprint.probes.fitting.diverse_heads import diverse_heads
from imprint.probes.readouts.base import Fitted, FittedReadout
from imprint.probes.readouts.mlp import Mlp

LIFE, UNLABELLED, TESTED = 6000, 50, 2000
"""Walks that teach; walks whose thoughts nobody labels; walks on which choices are tried."""
CHUNK = 1000
"""Walks that are imagined at once."""
BATCH, PASSES = 64, 5
"""Walks in one lesson of the value, and how often it meets each."""
HIDDEN, EPOCHS = 32, 30
"""Hidden units of probes that are not linear, and the most epochs of their training."""
SPARED = 0.02
"""Balanced accuracy on ordinary walks that a pair may lose by being made to differ."""
ACTED = 0.5
"""Expected reward above which a plan is carried out."""
SENSORS = ("sun", "wind")
TOLD, LINEAR, DIFFER = "told apart", "told apart, linear", "made to differ"
PLAIN, SHUFFLED, RANDOM = "as they are", "shuffled", "random"
NONE, DOUBT, CHANCE, TRUTH = "none", "doubt", "at random", "truth"
PRESSURES = (1, 10, 100, 1000, 10_000)
EXACT = "no error"


class Ends(NamedTuple):
    """Where walks or plans end, bool each."""

    latitude: Tensor
    longitude: Tensor

    @property
    def home(self) -> Tensor:
        """Both."""
        return self.latitude & self.longitude

    @property
    def apart(self) -> Tensor:
        """One of the two alone."""
        return self.latitude ^ self.longitude


def ends(world: Nest, place: Tensor) -> Ends:
    """The connotations of tiles, int64 of any shape."""
    side, nest = world.settings.side, world.settings.side // 2
    return Ends((place // side - nest).abs() <= 1, (place % side - nest).abs() <= 1)


class Life(NamedTuple):
    """Walks, with what was felt at their ends."""

    latents: Tensor
    """``[n, D]``."""
    fired: Tensor
    """Firings of the two sensors, ``[n, 2]``, 0 or 1."""
    reward: Tensor
    """``[n]``."""
    ordinary: Tensor
    """Bool ``[n]``."""


def measure(*, seeds: Sequence[int], growing: Mapping[str, Any], choosing: Mapping[str, Any], say: Say) -> pd.DataFrame:
    """Rows of arm, measure, n (thoughts that come to mind, or are selected from), seed and value.

    ``choosing``: arguments of :func:`examined`.
    """
    worlds = [nest_of(seed) for seed in seeds]
    lives = Lives(worlds, seeds, Growing(**growing))
    table: list[dict[str, Any]] = []
    for learner, world, seed in zip(lives.cohort.unstack(), worlds, seeds, strict=True):
        table += [{**row, "seed": seed} for row in known(learner, world, seed, untrained=True)]
    for s, (learner, world, seed) in enumerate(zip(lives.grow(say), worlds, seeds, strict=True)):
        say(s, len(seeds), "teaching and choosing")
        rows = [*known(learner, world, seed), *examined(learner, world, seed, **choosing)]
        table += [{**row, "seed": seed} for row in rows]
    return pd.DataFrame(table).fillna({"n": 0}).astype({"value": float, "n": int})


def known(learner: Recurrent, world: Nest, seed: int, *, untrained: bool = False) -> Iterator[dict[str, Any]]:
    """Areas under the curve of fresh probes of the connotations; of the raw history, too, for an ``untrained`` one."""
    batch = world.sample(LIFE, rng=generator("examined walks", seed), design="balanced")
    end = ends(world, torch.from_numpy(batch.concepts["place"].to_numpy(dtype=np.int64).copy()))
    sources = {"untrained" if untrained else "grown": decided(learner, batch.observation)}
    if untrained:
        sources["raw"] = batch.observation[:, : DECISION + 1].flatten(1)
    for arm, rows in sources.items():
        for name in ("latitude", "longitude", "home"):
            truth = getattr(end, name)
            kept = ~end.apart if name == "home" else torch.ones_like(truth)
            yield {"arm": arm, "measure": f"knows {name}", "value": fresh(rows[kept], truth[kept].numpy())["fresh"]}


def felt(world: Nest, place: Tensor, error: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Firings ``[n, 2]`` of the sensors at tiles ``[n]``, and reward ``[n]``; ``error``: rate of misses and alarms."""
    true = Senses({name: sense.float()[:, None] for name, sense in zip(SENSORS, ends(world, place), strict=True)})
    fired = {}
    for name in SENSORS:
        settings = Detector.Settings(name=f"{name}_sensor", sense=name, miss=error, false_alarm=error)
        fired[settings.name] = Detector(settings)(true, Body({}), rng=rng)
    reward = Reward(Reward.Settings(name="comfort", weights=dict.fromkeys(fired, 0.5)))
    return torch.cat(list(fired.values()), 1), reward(Senses(fired), Body({}), rng=rng)[:, 0]


def lived(learner: Recurrent, world: Nest, seed: int, error: float) -> Life:
    """Thoughts of a life that were carried out, one plan at random on each walk, and what was felt at the end."""
    rng, latents, places = generator("taught walks", seed), [], []
    for chunk in torch.arange(LIFE).split(CHUNK):
        thoughts = imagined(learner, world, len(chunk), rng=rng)
        plan = torch.randint(0, thoughts.place.shape[1], (len(chunk),), generator=rng)
        latents.append(thoughts.latents[torch.arange(len(chunk)), plan])
        places.append(thoughts.place[torch.arange(len(chunk)), plan])
    place = torch.cat(places)
    fired, reward = felt(world, place, error, generator("sensors", seed))
    return Life(torch.cat(latents), fired, reward, ~ends(world, place).apart)


def taught(latents: Tensor, reward: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weight ``[D]`` and bias of a valence that met the ``reward`` ``[n]`` of ``latents`` ``[n, D]``."""
    valence = Valence(Valence.Settings(signal="comfort", lag=0), 1, latents.shape[1])
    gate = torch.ones(1, dtype=torch.bool)
    for _ in range(PASSES):
        for rows in torch.randperm(len(latents), generator=rng).split(BATCH):
            valence.update(latents[rows][None, :, None], reward[rows][None, :, None], gate)
    return valence.linear(0)


def differing(
    x: Tensor, labels: Tensor, unlabelled: Tensor, diversities: Sequence[float], rng: torch.Generator
) -> tuple[FittedReadout, FittedReadout]:
    """The most diverse pair that still knows ordinary walks.

    Of ``diversities`` the largest is taken with which the worse of the two is as right as without any, within
    :data:`SPARED`, on the last quarter of the rows ``x`` ``[n, D]`` with ``labels`` ``[n, 2]``, which teaches nothing.
    """
    cut, floor = 3 * len(x) // 4, 0.0
    best: tuple[FittedReadout, FittedReadout] | None = None
    for diversity in sorted({0.0, *diversities}):
        heads = diverse_heads(x[:cut], labels[:cut], unlabelled, diversity=diversity, rng=rng)
        first, second = (FittedReadout(*head) for head in heads)
        right = min(probe.score(x[cut:], labels[cut:, k].long()) for k, probe in enumerate((first, second)))
        if best is None:
            floor = right - SPARED
        if right >= floor:
            best = first, second
    assert best is not None
    return best


def pairs(life: Life, unlabelled: Tensor, diversities: Sequence[float], seed: int) -> dict[str, tuple[Fitted, Fitted]]:
    """All pairs of probes; ``unlabelled`` ``[u, D]``: latents of thoughts that nobody labelled."""
    rng = generator("probes", seed)
    labels, x, kept = life.fired > 0.5, life.latents.double(), life.ordinary
    mixed = labels[torch.randperm(len(labels), generator=rng)]

    def linear(rows: Tensor, of: Tensor) -> tuple[FittedReadout, FittedReadout]:
        return fitted(rows, of[:, 0].numpy()), fitted(rows, of[:, 1].numpy())

    def curved(k: int) -> Fitted:
        drawn = int(torch.randint(0, 2**31 - 1, (), generator=rng))
        return Mlp(hidden=HIDDEN, passes=EPOCHS).fit_rows(x, labels[:, k].long(), 2, groups=None, seed=drawn)

    plain = linear(x[kept], labels[kept])
    one, other = (like_a_probe(probe, x[kept], rng=rng) for probe in plain)
    return {
        TOLD: (curved(0), curved(1)),
        LINEAR: linear(x, labels),
        DIFFER: differing(x[kept], labels[kept], unlabelled, diversities, rng),
        PLAIN: plain,
        SHUFFLED: linear(x, mixed),
        RANDOM: (one, other),
    }


def examined(
    learner: Recurrent,
    world: Nest,
    seed: int,
    *,
    minds: Sequence[int],
    judged: int,
    error: float,
    diversities: Sequence[float],
) -> Iterator[dict[str, Any]]:
    """All rows of one learner.

    ``minds``: how many thoughts come to mind, ``judged`` among them, at which vetoes are judged; ``error``: rate of
    misses and of false alarms of the sensors; ``diversities``: see :func:`differing`.
    """
    life = lived(learner, world, seed, error)
    weight, bias = taught(life.latents[life.ordinary], life.reward[life.ordinary], generator("lessons", seed))
    unlabelled = imagined(learner, world, UNLABELLED, rng=generator("unlabelled", seed)).latents.flatten(0, 1)
    probes = pairs(life, unlabelled, diversities, seed)
    thoughts = imagined(learner, world, TESTED, rng=generator("tested", seed))
    end, value = ends(world, thoughts.place), thoughts.latents @ weight + bias
    kept = ~end.apart
    yield {"arm": "value", "measure": "area, ordinary", "value": area(value[kept], end.home[kept].numpy())}
    for name, part in {"home": end.home, "latitude alone": end.latitude & end.apart,
                       "longitude alone": end.longitude & end.apart, "neither": kept & ~end.home}.items():  # fmt: skip
        yield {"arm": "value", "measure": f"acts at {name}", "value": float((value[part] > ACTED).float().mean())}
    readings = {name: read(pair, thoughts) for name, pair in probes.items()}
    for name, reading in readings.items():
        right = ((reading[kept] > 0) == end.home[kept][:, None]).double().mean(0)
        yield {"arm": name, "measure": "right, ordinary", "value": float(right.min())}
    yield from vetoed(value, end, readings, minds, judged, generator("choices", seed))
    yield from selected(value, end, readings, seed)


def read(pair: tuple[Fitted, Fitted], thoughts: Thoughts) -> Tensor:
    """Log-odds of both probes, ``[n, P, 2]``."""
    readings: Tensor = torch.cat([probe(thoughts.latents.flatten(0, 1)) for probe in pair], 1)
    shaped: Tensor = readings.unflatten(0, thoughts.place.shape)
    return shaped


def vetoed(
    value: Tensor, end: Ends, readings: Mapping[str, Tensor], minds: Sequence[int], judged: int, rng: torch.Generator
) -> Iterator[dict[str, Any]]:
    """What is carried out under every veto, and how well each tells beforehand where connotations part.

    ``value`` ``[n, P]``; ``readings`` ``[n, P, 2]`` of every pair.
    """
    scores, struck = {}, {}
    for name, reading in readings.items():
        answers = torch.sigmoid(reading)
        scores[name] = (answers[..., 0] - answers[..., 1]).abs()
        struck[name] = (reading[..., 0] > 0) != (reading[..., 1] > 0)
    share = struck[DIFFER].double().mean()
    scores |= {
        DOUBT: -(value - ACTED).abs().double(),
        CHANCE: torch.rand(value.shape, generator=rng, dtype=torch.float64),
        TRUTH: end.apart.double(),
    }
    struck |= {name: scores[name] > torch.quantile(scores[name].flatten(), 1 - share) for name in (DOUBT, CHANCE)}
    struck |= {TRUTH: end.apart, NONE: torch.zeros_like(end.apart)}
    order = torch.rand(value.shape, generator=rng).argsort(1).argsort(1)
    unstruck: dict[int, dict[str, float]] = {}
    for name in (NONE, *scores):
        yield {"arm": name, "measure": "vetoed", "value": float(struck[name].double().mean())}
        for count in minds:
            best, plan = value.masked_fill((order >= count) | struck[name], -torch.inf).max(1, keepdim=True)
            acts = best[:, 0] > ACTED
            numbers = numbers_of(acts, Ends(*(part.gather(1, plan)[:, 0] for part in end)))
            unstruck.setdefault(count, numbers)
            numbers["cut"] = 1 - _ratio(numbers["unintended"], unstruck[count]["unintended"])
            numbers["lost"] = 1 - _ratio(numbers["intended"], unstruck[count]["intended"])
            yield from ({"arm": name, "measure": k, "n": count, "value": v} for k, v in numbers.items())
            if name == NONE and count == judged:
                apart = end.apart.gather(1, plan)[acts, 0].numpy()
                for other, score in scores.items():
                    found = area(score.gather(1, plan)[acts, 0], apart)
                    yield {"arm": other, "measure": "area", "n": count, "value": found}
        if name in scores:
            found = area(scores[name].flatten(), end.apart.flatten().numpy())
            yield {"arm": name, "measure": "area, all thoughts", "value": found}


def numbers_of(acts: Tensor, end: Ends) -> dict[str, float]:
    """What is carried out, as parts of all walks; ``acts`` and ``end`` ``[n]``."""
    done = {
        "intended": end.home,
        "unintended": ~end.home,
        "apart": end.apart,
        "at the latitude": end.latitude,
        "at the longitude": end.longitude,
    }
    return {name: float((acts & part).double().mean()) for name, part in done.items()}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def selected(value: Tensor, end: Ends, readings: Mapping[str, Tensor], seed: int) -> Iterator[dict[str, Any]]:
    """Where the best of ever more thoughts end: by the value, by the smaller of two answers, by planted proxies."""
    rng = np.random.default_rng(int(torch.randint(0, 2**31, (), generator=generator("pressure", seed))))
    home = end.home.flatten().double().numpy()
    truth = np.stack([home, end.apart.flatten().double().numpy()], 1)
    proxies = {"value": value.flatten().double().numpy(), EXACT: home}
    proxies |= {
        f"both, {name}": readings[name].min(2).values.flatten().numpy() for name in (TOLD, LINEAR, DIFFER, PLAIN)
    }
    proxies |= {name: home + error.rvs(len(home), random_state=rng) for name, error in ERRORS.items()}
    for name, proxy in proxies.items():
        for n, (good, apart) in zip(PRESSURES, best_of(proxy, truth, PRESSURES, rng), strict=True):
            yield {"arm": name, "measure": "best at home", "n": n, "value": good}
            yield {"arm": name, "measure": "best apart", "n": n, "value": apart}
    for name, error in ERRORS.items():
        for n in PRESSURES:
            yield {
                "arm": f"{name}, theory",
                "measure": "best at home",
                "n": n,
                "value": in_theory(home.mean(), error, n),
            }
