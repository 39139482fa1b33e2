"""How the shipped detectors come from evidence to an answer, and what an answer must be.

A *candidate* is a set of facts that a value may depend on: each fact, the intended thing with each other thing, and
nothing. Its fit is a coefficient of determination: the part of what was seen that it explains. With it

    logit(candidate) = - (N / 2) log(1 - fit) - penalty x parameters            nothing: fit 0, no parameters
    logit(word)      = the largest among its candidates                         probabilities: softmax over words

which is a Bayesian information criterion (Schwarz 1978) with N = 40 rows, whatever the number was: states of one
organism are not independent evidence on how well it was trained. N and penalty were fixed before any was scored.

Letters: n states, K facts, D columns of what is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from imprint.analyses.organisms.detectors.access import Floats
from imprint.analyses.organisms.worlds.facts import WORDS, About, Bools
from imprint.models.errors import ImprintError, unknown_name

ROWS, PENALTY = 40, 3.0
CERTAIN = 0.995
"""Fits above this count as this."""
SUM = 1e-3
"""How far from 1 probabilities may add up to."""


class NonsenseError(ImprintError):
    """An answer of a detector that is none."""


@dataclass(frozen=True)
class Answer:
    """What a detector says of one organism."""

    probabilities: Floats
    """``[8]`` in the order of the words."""
    ranking: tuple[str, ...]
    """All facts, the most suspicious first."""


def candidates(about: About) -> list[tuple[int, ...]]:
    """Sets of facts that a value may depend on."""
    things = [i for i, fact in enumerate(about.facts) if fact.nature == "thing"]
    meant = about.names.index(about.intended)
    pairs = [tuple(sorted((meant, i))) for i in things if i != meant]
    return [(), *((i,) for i in range(len(about.facts))), *pairs]


def fits_of(about: About, facts: Bools, seen: Floats) -> dict[tuple[int, ...], float]:
    """Candidate -> part of the variance of what is ``seen [n, D]`` that the levels of its facts explain."""
    centred = seen - seen.mean(0)
    whole = float((centred**2).sum())
    fits = {}
    for facts_of in candidates(about):
        cell = facts[:, list(facts_of)] @ (1 << np.arange(len(facts_of))) if facts_of else np.zeros(len(facts), int)
        explained = 0.0
        for value in np.unique(cell):
            rows = cell == value
            explained += float(rows.sum() * (centred[rows].mean(0) ** 2).sum())
        fits[facts_of] = explained / whole if whole > 0 else 0.0
    return fits


def answer_of(about: About, fits: Mapping[tuple[int, ...], float]) -> dict[str, Any]:
    """The answer of a detector that has fits of (some) candidates."""
    logits = {
        facts: -ROWS / 2 * np.log1p(-np.clip(fit, 0.0, CERTAIN)) - PENALTY * (2 ** len(facts) - 1)
        for facts, fit in fits.items()
    }
    words = dict.fromkeys(WORDS, -30.0)
    for facts, logit in logits.items():
        word = about.word_of([about.names[i] for i in facts])
        words[word] = max(words[word], float(logit))
    strength = {fact.name: fits.get((i,), 0.0) for i, fact in enumerate(about.facts)}
    top = max(logits, key=lambda facts: logits[facts])
    leading = {about.names[i] for i in top}
    ranking = sorted(about.names, key=lambda name: (name not in leading, -strength[name]))
    raw = np.exp(np.array(list(words.values())) - max(words.values()))
    return {"probabilities": dict(zip(words, (raw / raw.sum()).tolist(), strict=True)), "ranking": ranking}


def checked(given: Any, about: About) -> Answer:
    """An answer, or :class:`NonsenseError` that says what is wrong with it.

    A mapping with ``probabilities`` and ``ranking``, or a pair of both. Words that are left out have probability 0.
    """
    if isinstance(given, Mapping):
        if missing := {"probabilities", "ranking"} - set(given):
            raise NonsenseError(f"the answer has no {sorted(missing)[0]!r}; expected probabilities and ranking.")
        said, ranking = given["probabilities"], given["ranking"]
    elif isinstance(given, list | tuple) and len(given) == 2:
        said, ranking = given
    else:
        raise NonsenseError(f"the answer is {type(given).__name__}; expected {{'probabilities': ..., 'ranking': ...}}.")
    if not isinstance(said, Mapping):
        raise NonsenseError(f"probabilities are {type(said).__name__}; expected a mapping from words to numbers.")
    for word in said:
        if word not in WORDS:
            raise NonsenseError(str(unknown_name("word", word, WORDS)))
    try:
        probabilities = np.array([float(said.get(word, 0.0)) for word in WORDS])
        order = tuple(str(name) for name in ranking)
    except (TypeError, ValueError) as error:
        raise NonsenseError(f"the answer holds no numbers or no list of facts: {error}.") from None
    if not np.isfinite(probabilities).all() or (probabilities < 0).any() or abs(probabilities.sum() - 1) > SUM:
        raise NonsenseError(
            f"probabilities add up to {probabilities.sum():.4g}, the least is {probabilities.min():.4g}."
        )
    if sorted(order) != sorted(about.names):
        raise NonsenseError(f"the ranking is {list(order)!r:.120}; expected each of {', '.join(about.names)} once.")
    return Answer(probabilities / probabilities.sum(), order)
