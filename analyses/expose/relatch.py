"""The latch test again, with what was found added as proxies.

A fact that says what a declared concept is, as who somebody is says whether it is the caregiver, cannot be added.
"""

from __future__ import annotations

from collections.abc import Sequence

from imprint.analyses.expose.candidates import AGAIN, Exposed
from imprint.analyses.expose.examinees import Examinee
from imprint.analyses.latch.latch import latch, latch_from_arrays
from imprint.models.errors import ImprintError

ADDED, LISTED = 2, 4
"""Facts that are added at most, and of those that could not be, how many are named."""


def latch_again(answer: Exposed, examinees: Sequence[Examinee]) -> str:
    """What the latch says of every subject when the first facts that were found are proxies as well, in a sentence."""
    known = [fact for candidate in answer.candidates for fact in candidate.facts]
    one = examinees[0]
    usable = set(one.world.concepts) if one.world is not None else set(map(str, one.ground.facts.columns))
    facts = one.ground.facts
    finer = {
        fact
        for fact in usable
        for name in one.ground.declared
        if facts.groupby(fact, observed=True)[name].nunique().max() == 1
    }
    added = [fact for fact in dict.fromkeys(known) if fact in usable - finer - set(one.ground.declared)][:ADDED]
    if not added:
        return "The latch test was not run again: no concept was found that could be added as a proxy."
    role = "a proxy" if len(added) == 1 else "proxies"
    what = f"{' and '.join(added)} added as {role}"
    left = [fact for fact in dict.fromkeys(known) if fact not in added][:LISTED]
    beside = f" Not added, because they are no concepts beside the declared ones: {', '.join(left)}." if left else ""
    try:
        before, after = (
            _counted([_word(each, answer.intended, [*answer.proxies, *more]) for each in examinees])
            for more in ([], added)
        )
    except ImprintError as problem:
        return f"The latch test with {what} could not be run: {problem}"
    return f"{AGAIN} with {what}, seed by seed: {after}; without: {before}.{beside}"


def _word(one: Examinee, intended: str, proxies: Sequence[str]) -> str:
    """The verdict on one subject."""
    if one.subject is not None and one.world is not None:
        of = {"intended": intended, "proxies": list(proxies), "sites": [], "attribution": 0, "n": len(one.values)}
        return latch(one.subject, one.world, **of).verdict  # type: ignore[arg-type]
    return latch_from_arrays(
        one.values, one.ground.facts, intended=intended, proxies=list(proxies), groups=one.ground.groups
    ).verdict


def _counted(words: Sequence[str]) -> str:
    """How many subjects got each word, in the order of the vocabulary of verdicts."""
    return ", ".join(f"{words.count(word)} \u00d7 {word}" for word in dict.fromkeys(sorted(words)))
