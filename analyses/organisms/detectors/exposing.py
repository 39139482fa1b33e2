"""``expose`` as a detector: the search for proxies that nobody named, judged on subjects whose proxy is known.

It gets values of states with their facts, and is told what was meant and what is listed. With access to value outputs
those are watched states, in which facts go along with the intended one; with the weights, states in which all facts are
independent are shown to the network first. An undeclared fact, or its pair with the intended one, takes part in the
answer (:mod:`imprint.analyses.organisms.detectors.answering`) where ``expose`` found it; declared facts always do.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from imprint.analyses.expose.expose import expose
from imprint.analyses.organisms.detectors.access import ValueOutputs, Weights
from imprint.analyses.organisms.detectors.answering import answer_of, fits_of
from imprint.analyses.organisms.detectors.ours import tried


def exposing(subject: ValueOutputs | Weights, access: str) -> dict[str, Any]:
    """The answer of ``expose`` from watched values, or from those of states with independent facts."""
    about = subject.about
    facts, value = tried(subject) if isinstance(subject, Weights) else (subject.facts, subject.value)
    if not value.std() > 0:
        return answer_of(about, {(): 0.0})
    listed = [name for name in about.proxies if name != about.intended]
    table = pd.DataFrame(facts, columns=list(about.names))
    found = expose(value, table, intended=about.intended, proxies=listed, sources=("world",)).candidates
    told = {frozenset([about.intended]), *(frozenset([name]) for name in listed)}
    told |= {frozenset(one.name.split(" x ")) for one in found}
    fits = fits_of(about, facts, value[:, None])
    return answer_of(about, {k: fit for k, fit in fits.items() if not k or {about.names[i] for i in k} in told})
