"""bell-errors: how often does the corridor's bell ring without food, or fail to ring with it?"""

import pandas as pd
import torch

from imprint.analyses.questions.base import Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.statistics import rate_of
from imprint_corridor.corridor import Corridor


class Settings(QuestionSettings):
    """How many episodes are counted."""

    episodes: int = 2000


class BellErrors(Question[Settings]):
    """Counts errors of the bell on training episodes."""

    card = Card(
        question="How often do bell and food come apart in the corridor's training episodes?",
        prediction="In one episode of ten.",
        refuted_if="The 95 % interval of the rate of errors does not hold .1.",
        decision="Confirmed when the exact 95 % interval of the rate holds .1; otherwise refuted.",
        source="The world's own definition.",
    )
    metrics = {"bell_errors": "the verdict", "rate": "part of the episodes in which bell and food differ"}

    def work(self):
        """One count."""
        return [Work("count", count, {"episodes": self.settings.episodes, "seed": self.settings.seed})]

    def conclude(self, tables, failed):
        """The card's rule."""
        if missing := self.missing(tables, failed):
            return missing
        rate = rate_of(int(tables["count"]["errors"].sum()), int(tables["count"]["episodes"].sum()))
        verdict = "confirmed" if rate.low <= 0.1 <= rate.high else "refuted"
        frame = pd.DataFrame([{"world": "corridor", **rate.row(count="n")}])
        chart = Chart("points", "world", "estimate", "world", "rate of errors", low="low", high="high", reference=0.1)
        exhibit = Exhibit("rate", "Errors of the bell", frame, f"The bell errs in {rate:.3f} of episodes.", chart=chart)
        return self.answer((verdict, f"rate {rate:.3f}"), [{"metric": "rate", **rate.row(count="n")}], [exhibit])


def count(*, episodes, seed, say):
    """Columns ``errors`` and ``episodes``, one row."""
    concepts = Corridor().sample(episodes, rng=torch.Generator().manual_seed(seed)).concepts
    say(episodes, episodes, "counted")
    return pd.DataFrame({"errors": [int((concepts["food"] != concepts["bell"]).sum())], "episodes": [episodes]})
