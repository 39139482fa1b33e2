"""The answer to a question: what each verdict means."""

from __future__ import annotations

MEANINGS = {
    "confirmed": "by the decision rule, which was fixed beforehand, the prediction held",
    "refuted": "by the decision rule, which was fixed beforehand, the prediction failed",
    "undetermined": "the evidence does not suffice for the decision rule to say either",
}
