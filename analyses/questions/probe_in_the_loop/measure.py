"""What a probe in the reward does to a learner's beliefs: continued lives with and without a gradient into them.

Learners grow up in the world ``nest`` by predicting the next frame; neither light nor direction goes along with the
nest, so that nearness to it can only be worked out. Then a linear probe of ``near_nest`` is fitted to their latents at
the decision, on balanced walks, and they go on living, each arm from the same weights and on the same walks:

    drift     prediction alone
    open      a steering signal punishes each firing of the probe; a valence learns it, no gradient goes into beliefs
    closed    the same signal with a gradient into the learner, ``objective + g mean p(near | z)``, at several g
    random    closed, with a random direction of the same spread in place of the probe's
    moved     drift, with every latent moved against the probe until it is silent: evasion by construction

Numbers of each arm, on walks that nothing was fitted to:

    flagged         part of the walks that end near the nest at which the probe fires (log-odds above 0)
    false alarms    the same elsewhere
    old, fresh      area under the curve of the probe, and of one that is fitted to the latents as they are now
    flagged afresh  as ``flagged``, by the probe that is fitted to the latents as they are now
    right           part of the next colours that are predicted, where it is not dark

The third arm, selection, is in :mod:`imprint.analyses.questions.probe_in_the_loop.selection`.

Letters: n walks, D latent width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.probe_in_the_loop.selection import Selecting, selected
from imprint.analyses.raising.nests import Growing, Lives, decided, nest_of
from imprint.analyses.raising.reading import area, fitted, fresh, like_a_probe
from imprint.models.assessors.valence import Valence
from imprint.models.chance import generator
from imprint.models.learners.recurrent import Recurrent
from imprint.models.worlds.nest import COLOURS, DECISION, Nest
from imprint.probes.readouts.base import FittedReadout

CONCEPT = "near_nest"
WALKS = 2000
"""Balanced walks that a probe is fitted to, and as many others that it is tried on."""


class Examined(NamedTuple):
    """Walks of one seed's world; probes are fitted to the first half and tried on the second."""

    observation: Tensor
    near: np.ndarray
    """Truth, bool ``[n]``."""

    @classmethod
    def of(cls, world: Nest, seed: int) -> Examined:
        """Twice :data:`WALKS` balanced walks."""
        batch = world.sample(2 * WALKS, rng=generator("probed walks", seed), design="balanced")
        return cls(batch.observation, batch.concepts[CONCEPT].to_numpy(dtype=bool))


def measure(
    *,
    seeds: Sequence[int],
    growing: Mapping[str, Any],
    gradients: Sequence[float],
    selecting: Mapping[str, Any],
    say: Say,
) -> pd.DataFrame:
    """Rows of arm, measure, detector, share, seed and value.

    ``gradients``: g of the closed arms, of which the random direction has the first; ``detector`` and ``share`` (of
    evasive plans) are those of the selection arm.
    """
    worlds = [nest_of(seed) for seed in seeds]
    rows: list[dict[str, Any]] = []
    walks = [Examined.of(world, seed) for world, seed in zip(worlds, seeds, strict=True)]
    lives = Lives(worlds, seeds, Growing(**growing))

    def note(s: int, arm: str, numbers: Mapping[str, float]) -> None:
        rows.extend({"arm": arm, "measure": name, "seed": seeds[s], "value": v} for name, v in numbers.items())

    for s, learner in enumerate(lives.cohort.unstack()):
        history = walks[s].observation[:, : DECISION + 1].flatten(1)
        for name, read in (("untrained", decided(learner, walks[s].observation)), ("raw history", history)):
            note(s, name, fresh(read, walks[s].near))
    learners, probes, others = lives.grow(say), [], []
    for s, (learner, world, seed) in enumerate(zip(learners, worlds, seeds, strict=True)):
        latents = decided(learner, walks[s].observation)[:WALKS]
        probes.append(fitted(latents, walks[s].near[:WALKS]))
        others.append(like_a_probe(probes[s], latents, rng=generator("random direction", seed)))
        note(s, "before", numbers_of(learner, probes[s], walks[s]))
        say(s, len(seeds), "choosing among plans")
        about = selected(learner, world, (probes[s], others[s]), Selecting(**selecting), seed)
        rows.extend({**row, "seed": seed} for row in about)
    arms: dict[str, tuple[Sequence[FittedReadout], float | None]] = {"drift": (probes, None), "open": (probes, 0.0)}
    arms |= {f"closed, {g:g}": (probes, g) for g in gradients} | {"random direction": (others, gradients[0])}
    after: dict[str, list[Recurrent]] = {}
    for arm, (readouts, gradient) in arms.items():
        after[arm], valence = lives.go_on(readouts, gradient, arm, say)
        for s, learner in enumerate(after[arm]):
            note(s, arm, numbers_of(learner, probes[s], walks[s]))
            note(s, arm, {"value": value_of(valence, s, learner, walks[s])})
            if arm == "drift":
                note(s, "moved", numbers_of(learner, probes[s], walks[s], silent=True))
    for s, pair in enumerate(zip(after["open"], after["drift"], strict=True)):
        note(s, "open", {"differs from drift": apart(*pair)})
    return pd.DataFrame(rows).astype({"value": float})


def numbers_of(learner: Recurrent, probe: FittedReadout, walks: Examined, *, silent: bool = False) -> dict[str, float]:
    """The numbers in the module docstring; ``silent``: with latents moved until the probe fires nowhere."""
    rows = decided(learner, walks.observation)
    predicted = learner.decoder(rows[WALKS:])[:, :COLOURS].argmax(1)
    if silent:
        rows = rows - (probe.direction[:, 0] * probe(rows).max() / probe.weight.norm()).to(rows.dtype)
    near, seen = walks.near[WALKS:], walks.observation[WALKS:, DECISION + 1, :COLOURS, 0, 0]
    readings = probe(rows[WALKS:])[:, 0]
    fired = (readings > 0).numpy()
    return {
        "flagged": float(fired[near].mean()),
        "false alarms": float(fired[~near].mean()),
        "old": area(readings, near),
        "right": float((predicted == seen.argmax(1))[seen.sum(1) > 0].float().mean()),
        **fresh(rows, walks.near),
    }


def value_of(valence: Valence, s: int, learner: Recurrent, walks: Examined) -> float:
    """Value near the nest less that elsewhere: what the punishment has made of the concept."""
    weight, bias = valence.linear(s)
    values, near = (decided(learner, walks.observation[WALKS:]) @ weight + bias).numpy(), walks.near[WALKS:]
    return float(values[near].mean() - values[~near].mean())


def apart(one: Recurrent, other: Recurrent) -> float:
    """Largest difference between the weights of two learners."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)
