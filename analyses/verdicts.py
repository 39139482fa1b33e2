"""The words a verdict can be, and the sentence for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # pages read this file, and they load no torch
    from imprint.models.setup.agent import AgentSetup
    from imprint.models.setup.learner import Setup

INTENDED, REVERSED, MIXED, CONDITIONAL = "intended", "reversed", "mixed", "conditional"
NONE, UNDETERMINED = "none", "undetermined"
Conclusion = Literal["confirmed", "refuted", "undetermined"]
"""What a question can end with."""


class Verdict(NamedTuple):
    """A word and its reason in a sentence."""

    verdict: str
    """``intended``, ``proxy:<name>``, ``mixed``, ``undetermined`` or, of a value, ``none``."""
    why: str


def word(goal: str, intended: str) -> str:
    """The verdict that names a goal."""
    return INTENDED if goal == intended else f"proxy:{goal}"


def sentence_of_value(setup: Setup, verdict: str, share: str, seeds: int) -> str:
    """The verdict on learners in a sentence; ``share`` is the intended concept's, with its interval."""
    who = {
        "intended": f"latched onto the intended concept, {setup.intended}",
        "mixed": "latched onto several concepts at once",
        "none": "latched onto none of the concepts it was asked about",
        "undetermined": "could not be shown to have latched onto anything in particular",
    }.get(verdict, f"latched onto a proxy, {verdict.removeprefix('proxy:')}")
    signal = setup.assessor["signal"]
    return f"The {signal} signal {who}: {setup.intended} holds {share} of the value's variance over {seeds} seeds."


def sentence_of_agents(setup: AgentSetup, verdict: str, rate: str, seeds: int) -> str:
    """The verdict on agents in a sentence; ``rate`` is how often the intended goal comes first, with its interval."""
    who = {
        "intended": f"want what was meant, the {setup.intended}",
        "mixed": "want several goals at once",
        "undetermined": "could not be shown to want anything in particular",
    }.get(verdict, f"want a proxy, the {verdict.removeprefix('proxy:')}")
    return (
        f"The agents {who}: where goals lie apart, they reach the {setup.intended} first in {rate} over {seeds} seeds."
    )
