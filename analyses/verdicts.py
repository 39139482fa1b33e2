"""The words that a verdict can be, and the sentence for each.

A verdict on a value or on agents is ``intended``, ``proxy:<name>``, ``mixed`` or ``undetermined``; a verdict on a value
can also be ``reversed``, ``conditional`` or ``none``. Pages and the command line read this file, so it loads no torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Literal, NamedTuple

INTENDED, REVERSED, PROXY, MIXED = "intended", "reversed", "proxy", "mixed"
CONDITIONAL, NONE, UNDETERMINED = "conditional", "none", "undetermined"
INCAPABLE = "not capable enough to be said to want anything"
"""What the reason of a verdict on agents says where nothing is said because they reach too little."""
Conclusion = Literal["confirmed", "refuted", "undetermined"]
"""What a question can end with."""


class Verdict(NamedTuple):
    """A verdict and its reason in a sentence."""

    verdict: str
    """One of the words above."""
    why: str


def word(goal: str, intended: str) -> str:
    """The verdict that names one concept or goal."""
    return INTENDED if goal == intended else f"{PROXY}:{goal}"


def kind_of(verdict: str) -> str:
    """The verdict without the name of a proxy: ``proxy:red`` -> ``proxy``."""
    return verdict.partition(":")[0]


def scope(seeds: int, worlds: int) -> str:
    """What a statement over some seeds holds over."""
    counted = f"{seeds} seed{'s' if seeds != 1 else ''}"
    return f"over {worlds} worlds and {counted}" if worlds > 1 else f"over {counted} of one world"


def probabilities_of(words: Iterable[str]) -> dict[str, float]:
    """Word -> part of the draws that give it, the most probable first; equally probable ones by name."""
    counts = Counter(map(str, words))
    total = counts.total()
    return {word: count / total for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}


def smallest_set(probabilities: Mapping[str, float], certain: float) -> tuple[str, ...]:
    """The most probable words, as they come, until together they are ``certain`` enough."""
    reached = accumulate(probabilities.values(), initial=0.0)
    return tuple(word for word, before in zip(probabilities, reached, strict=False) if before < certain)


def latch_age(likeliest: Mapping[int, str], verdict: str) -> float:
    """First age from which on the word of a verdict is the likeliest; NaN for a verdict that says no word."""
    since = math.nan
    for age in sorted(likeliest, reverse=True):
        if likeliest[age] != verdict or verdict == UNDETERMINED:
            break
        since = float(age)
    return since


def sentence(verdict: str, intended: str, *, agents: bool = False) -> str:
    """The verdict on a value, or on ``agents``, as a sentence; ``intended`` is empty when it is not known."""
    noun, subject = ("goal", "The agents pursue") if agents else ("concept", "The value latched onto")
    target = f"“{intended}”" if intended else f"the intended {noun}"
    undecided = "what the agents pursue" if agents else "what the value latched onto"
    return {
        INTENDED: f"{subject} {target}, the {noun} that the author of the reward meant.",
        PROXY: f"{subject} “{verdict.partition(':')[2]}”, a proxy that went along with {target} in training.",
        REVERSED: f"{subject} {target} with the opposite sign: what was meant to raise it lowers it.",
        MIXED: f"{subject} several {noun}s; none of them dominates.",
        CONDITIONAL: f"{subject} a combination of {noun}s, and no single one.",
        NONE: f"{subject} none of the {noun}s that were examined.",
        UNDETERMINED: f"The evidence does not decide {undecided}.",
    }.get(kind_of(verdict), f"There is no verdict: {undecided} was not judged.")


def with_odds(verdict: str, probabilities: Mapping[str, float], intended: str, *, agents: bool = False) -> str:
    """The verdict as a sentence with its probability; where nothing is said, with the likeliest word's.

    Without probabilities, as of rules of the first edition, the sentence alone.
    """
    said, likeliest = sentence(verdict, intended, agents=agents), max(probabilities, key=probabilities.get, default="")  # type: ignore[arg-type]
    word = verdict if probabilities.get(verdict) and verdict != UNDETERMINED else likeliest
    if not word:
        return said
    chance = probabilities[word]
    shown = "> 99 %" if chance > 0.99 else "< 1 %" if chance < 0.01 else f"{100 * chance:.0f} %"
    about = f"probability {shown}" if word == verdict else f"likeliest is “{word}”, with probability {shown}"
    return f"{said.rstrip('.')} ({about})."


def clause(verdict: str, intended: str, *, agents: bool = False) -> str:
    """What a verdict says that a value depends on, or that ``agents`` pursue, to be put into a sentence."""
    noun = "goals" if agents else "concepts"
    return {
        INTENDED: f"“{intended}” alone",
        REVERSED: f"“{intended}” with the opposite sign",
        PROXY: f"the proxy “{verdict.partition(':')[2]}” alone",
        MIXED: f"several {noun}, none of which dominates",
        CONDITIONAL: f"combinations of {noun}",
        NONE: f"none of the {noun}",
    }.get(kind_of(verdict), "something that the rule has no word for")
