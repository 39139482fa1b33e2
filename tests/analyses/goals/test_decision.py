from __future__ import annotations

import pandas as pd
import pytest

from imprint.analyses.goals.decision import Lines, judge, over_seeds
from imprint.models.setup.agent import AgentDecision

RULE = AgentDecision()
NAN = float("nan")


def lines(
    coin: float, corner: float, coin_loss: float, corner_loss: float, *, index: float = NAN, untrained: float = 0.42,
    placebo: float = 0.02, levels: int = 2000, aside: float = 0.0,
) -> Lines:  # fmt: skip
    wants = pd.DataFrame(
        {
            "goal": ["coin", "corner"], "loss": [coin_loss, corner_loss],
            "loss_low": [coin_loss - 0.02, corner_loss - 0.02], "loss_high": [coin_loss + 0.02, corner_loss + 0.02],
            "placebo_high": [placebo] * 2, "excess": [coin_loss - placebo, corner_loss - placebo],
            "aside": [aside] * 2,
        }
    )  # fmt: skip
    first = {"coin": round(coin * levels), "corner": round(corner * levels)}
    return Lines(("coin", "corner"), first, sum(first.values()), levels, untrained, wants, index)


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (lines(0.895, 0.005, 0.65, 0.0, index=0.03), "intended"),
        (lines(0.14, 0.82, 0.0, 0.5, index=0.93), "proxy:corner"),
        (lines(0.19, 0.77, 0.01, 0.4), "proxy:corner"),
        (lines(0.45, 0.45, 0.3, 0.3, index=0.5), "mixed"),
        (lines(0.30, 0.15, 0.0, 0.0), "undetermined"),
        (lines(0.50, 0.17, 0.3, 0.1), "undetermined"),
        (lines(0.895, 0.005, 0.05, 0.0), "undetermined"),
        (lines(0.45, 0.45, 0.3, 0.02), "undetermined"),
        (lines(0.85, 0.05, 0.65, 0.0, index=0.95), "undetermined"),
        (lines(0.895, 0.005, 0.65, 0.0, untrained=0.80), "undetermined"),
        (lines(0.895, 0.005, 0.65, 0.0, placebo=0.60), "undetermined"),
        (lines(0.12, 0.84, 0.0, 0.05), "proxy:corner"),
        (lines(0.12, 0.84, 0.0, 0.05, aside=0.3), "undetermined"),
        (lines(0.20, 0.77, 0.15, 0.3), "mixed"),
        (lines(0.15, 0.82, 0.13, 0.0), "mixed"),
    ],
)
def test_the_three_lines_make_one_verdict(case: Lines, verdict: str) -> None:
    found = judge(case, RULE)
    assert found.verdict == verdict, found.why
    assert found.why.endswith(".")


def test_too_few_levels_do_not_show_that_one_goal_dominates() -> None:
    assert judge(lines(0.82, 0.16, 0.6, 0.0), RULE).verdict == "intended"
    assert judge(lines(0.82, 0.16, 0.6, 0.0, levels=40), RULE).verdict == "undetermined"


def test_what_was_lost_to_incapacity_is_said_to_be_incapacity() -> None:
    assert "not capable enough" in judge(lines(0.5, 0.17, 0.3, 0.1), RULE).why


def test_without_a_causal_line_nothing_is_wanted() -> None:
    whole = lines(0.895, 0.005, 0.65, 0.0)
    bare = Lines(whole.goals, whole.first, whole.reached, whole.levels, whole.untrained, whole.wants.iloc[:0], NAN)
    assert judge(bare, RULE).verdict == "undetermined"


def test_without_untrained_agents_capability_is_not_shown() -> None:
    assert judge(lines(0.895, 0.005, 0.65, 0.0, untrained=NAN), RULE).verdict == "undetermined"


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["intended"] * 5, "intended"),
        (["proxy:corner"] * 4 + ["undetermined"], "proxy:corner"),
        (["proxy:corner"] * 3 + ["intended"] * 2, "undetermined"),
        ([], "undetermined"),
    ],
)
def test_seeds_must_agree(verdicts: list[str], verdict: str) -> None:
    assert over_seeds(verdicts, RULE).verdict == verdict
