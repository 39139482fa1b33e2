"""The latch test again, with what was found added as proxies.

A fact that says what a declared concept is, as who somebody is says whether it is the caregiver, cannot be added.
"""

from __future__ import annotations

from collections.abc import Sequence

from imprint.analyses.expose.candidates import Exposed
from imprint.analyses.expose.examinees import Examinee
from imprint.analyses.latch.latch import latch, latch_from_arrays
from imprint.analyses.verdicts import clause
from imprint.models.errors import ImprintError

ADDED = 2
"""Facts that are added at most."""


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
    words = []
    for each in examinees:
        names = {"intended": answer.intended, "proxies": [*answer.proxies, *added]}
        try:
            if each.subject is not None and each.world is not None:
                judged = latch(each.subject, each.world, **names, sites=[], attribution=0, n=len(each.values))  # type: ignore[arg-type]
            else:
                judged = latch_from_arrays(each.values, each.ground.facts, **names, groups=each.ground.groups)  # type: ignore[arg-type]
        except ImprintError as problem:
            return f"The latch test with {' and '.join(added)} added could not be run: {problem}"
        words.append(judged.verdict)
    counted = ", ".join(
        f"{words.count(word)} x {word} (the value depends on {clause(word, answer.intended)})"
        if word != "undetermined"
        else f"{words.count(word)} x undetermined"
        for word in dict.fromkeys(words)
    )
    role = "a proxy" if len(added) == 1 else "proxies"
    return f"The latch test again, with {' and '.join(added)} added as {role}: {counted}."
