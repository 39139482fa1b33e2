"""The words of a page, each explained once at its end; the page shows the explanation where the pointer or focus is.

A page lists the words that occur in it. Words are those of the README and of the field.
"""

from __future__ import annotations

import re

WORDS = {
    "value": "the number whose dependence is tested: of a learner, the reward that a small readout expects, which "
    "the reward signal alone has taught",
    "latched": "came to depend on it: the value moves when it alone is changed, and loses when it is erased",
    "selectivity": "how much better a readout does than its highest floor; 0: nothing was learned",
    "floor": "what a score must beat: shuffled labels, untrained networks of the same kind, the raw input",
    "untrained": "with initial weights that nothing has changed; what such a network reaches is no finding",
    "balanced accuracy": "the mean over classes of the part that is judged rightly; chance is 1 divided by the number "
    "of classes, however often each occurs",
    "proxy": "what went along with the intended concept or goal in training, without being it",
    "site": "a place in a network at which activations are read: the name of a part, @ and a moment of the episode",
    "training seed": "one training from initial weights of its own; intervals here are over training seeds",
    "95 % interval": "made so that in 95 of 100 repetitions with new training seeds it would hold the true number",
    "dominance": "a concept's part of the variance of the value that the concepts explain, or a goal's part of the "
    "levels in which any goal is reached",
    "share": "the part of the value's variance that a concept explains alone when concepts vary independently",
    "interaction": "the part of the variance that concepts explain only together",
    "residual": "the part of the variance that follows none of the concepts that were examined",
    "counterfactual": "the same episode with one concept changed, everything else and the noise kept",
    "erased": "removed from the activations so that no linear readout finds it (LEACE), while the network runs",
    "integrated gradients": "the value's gradient, summed on the way from a blank input; spreads it over pixels",
    "wanting": "what behaviour loses when a goal is erased beyond random erasures, from 0 to 1",
    "capability": "how often an agent reaches any goal at all",
    "critic": "the part of an agent that predicts how much reward is to come",
    "planted": "wired by hand or trained on a known target, so that the right answer is known",
    "false discovery rate": "the part of false findings among those that are claimed",
    "registered": "question, rule and thresholds were stored with their hash before the first result",
    "undetermined": "the evidence does not suffice for any word",
    "power": "the probability, computed before the run, that the seeds show a number to be as predicted if it is so",
    "control": "an arm whose outcome is known beforehand; if it comes out otherwise, nothing is decided",
    "AUC": "the probability that a score ranks a random case of a class above a random case without it; chance is .5",
    "R²": "the part of the variance that is explained, on rows that trained nothing; can be negative",
}
"""Word -> what it means, as a clause."""
OF_RUNS = ("value", "dominance", "share")
"""Words that the page of a question may use in another sense, such as ocular dominance."""


def occurring(page: str, *, question: bool = False) -> dict[str, str]:
    """Those words that occur in the text of a page given as HTML, with their meaning; ``question``: of a question."""
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", page, flags=re.S).replace("\u00a0", " ")
    return {
        word: meaning
        for word, meaning in WORDS.items()
        if pattern(word).search(text) and not (question and word in OF_RUNS)
    }


def pattern(word: str) -> re.Pattern[str]:
    """Finds a word, also in the plural."""
    flags = 0 if word.isupper() else re.IGNORECASE
    return re.compile(rf"(?<![\w@.]){re.escape(word)}s?(?![\w@])", flags)
