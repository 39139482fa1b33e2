"""Known figures are reproduced or shown as missed, and a missed figure is never a confirmation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.base import Answer, Question
from imprint.analyses.questions.known_results import causal as known_causal
from imprint.analyses.questions.known_results import probing as known_probing
from imprint.analyses.questions.known_results import references as known
from imprint.analyses.questions.known_results import sequences as known_sequences
from imprint.analyses.questions.known_results.references import KNOWN, measured, name, table_of


def silent(done: int, total: int, note: str) -> None:
    pass


def question(scale: float = 1.0) -> Question:
    return load_question("known-results", {"scale": scale})


def perfect() -> dict[str, pd.DataFrame]:
    """One piece in which every figure comes out exactly as it is known."""
    rows = [
        measured(row, k.reference if np.isfinite(k.reference) else 0.1, n=10, seconds=1.0) for row, k in KNOWN.items()
    ]
    return {"piece": pd.DataFrame(rows)}


def answer(tables: dict[str, pd.DataFrame], scale: float = 1.0, **failed: str) -> Answer:
    return question(scale).conclude(tables, failed)


def test_all_figures_inside_their_tolerance_confirm() -> None:
    said = answer(perfect())
    assert said.verdict == "confirmed"
    assert set(said.exhibits[0].frame["inside"]) == {"yes"}
    assert (said.findings["estimate"] == 1).all()


@pytest.mark.parametrize(
    "row", [name(known.PLANTED, "logistic", "accuracy", 1.0), name(known.XOR, "mlp 64", "accuracy")]
)
def test_a_figure_outside_its_tolerance_is_shown_as_missed_and_refutes(row: str) -> None:
    tables = perfect()
    at = tables["piece"]["row"] == row
    tables["piece"].loc[at, "ours"] -= 1.01 * KNOWN[row].tolerance
    said = answer(tables)
    assert said.verdict == "refuted"
    assert KNOWN[row].result in said.why
    frame = said.exhibits[0].frame
    assert list(frame[frame["inside"] == "no"]["condition"]) == [KNOWN[row].condition]
    assert said.findings.set_index("concept").loc[row, "verdict"] == "no"
    assert list(frame["explanation"][frame["inside"] == "no"]) == ["not checked"]
    assert set(frame["explanation"][frame["inside"] == "yes"]) == {""}


def test_what_was_chosen_after_looking_is_on_the_page() -> None:
    assert "Chosen after looking" in answer(perfect()).exhibits[0].caption


def test_a_miss_with_a_known_cause_names_it_and_how_it_was_checked() -> None:
    row = name(known.MASK, "attribution", "accuracy", 0.9)
    tables = perfect()
    tables["piece"].loc[tables["piece"]["row"] == row, "ours"] = 0.4
    assert "; checked: the same closed-form classifier" in answer(tables).findings.set_index("concept").loc[row, "why"]


def test_a_rehearsal_confirms_nothing_and_says_that_it_is_one() -> None:
    said = answer(perfect(), scale=0.1)
    assert said.verdict == "undetermined"
    assert "rehearsal" in said.why and "rehearsal" in said.exhibits[0].reading


def test_a_failed_piece_leaves_the_question_open_and_the_other_rows_standing() -> None:
    tables = perfect()
    lost = tables["piece"]["row"].str.startswith(known.XOR)
    tables["piece"] = tables["piece"][~lost]
    said = answer(tables, exclusive="out of memory")
    assert said.verdict == "undetermined"
    assert "2 were not measured" in said.why and "exclusive" in said.why
    assert (said.exhibits[0].frame["inside"] == "not measured").sum() == 2
    assert "out of memory" in set(said.findings["why"])


def test_it_survives_when_every_piece_failed() -> None:
    said = answer({}, one="broken", two="broken")
    assert said.verdict == "undetermined"
    assert set(said.exhibits[0].frame["inside"]) == {"not measured"}


def test_bounds_are_one_sided() -> None:
    rate = KNOWN[name(known.CONCEPT, "random concepts, against random concepts", "called used")]
    assert rate.inside(0.0) and rate.inside(0.07) and not rate.inside(0.075)
    beats = KNOWN[name(known.STATE, "long enough", "cell, above input history")]
    assert beats.inside(0.9) and not beats.inside(0.0)


def test_a_row_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError, match="no known figure"):
        table_of([pd.DataFrame([measured("made up", 1.0, n=1)])], lambda _: "")


def test_every_figure_is_judged_within_a_tolerance_or_only_shown() -> None:
    pieces = question().work()
    assert len({piece.name for piece in pieces}) == len(pieces)
    for known_row in KNOWN.values():
        assert known_row.tolerance > 0 or np.isnan(known_row.reference)
        assert known_row.inside(known_row.reference) is (None if np.isnan(known_row.reference) else True)


def test_the_quickest_pieces_reproduce_their_figures_at_small_size() -> None:
    pieces = [
        known_causal.redundant_copies(scale=1.0, seed=0, say=silent),
        known_causal.linear_erasure(scale=0.2, seed=0, say=silent),
        known_probing.planted(scale=0.2, seed=0, say=silent),
    ]
    table = table_of(pieces, lambda _: "")
    got = table[table["ours"].notna()]
    assert len(got) == 3 + 18 + 30
    assert (got["inside"] == "yes").mean() > 0.9


def test_absent_concepts_are_not_found_and_forgotten_groups_are() -> None:
    row = table_of([known_probing.group_leak(scale=0.1, seed=1, say=silent)], lambda _: "").set_index("row")
    for offset in (0.5, 1.0, 2.0):
        naive = row.loc[name(known.LEAK, "rows split at random", "accuracy", offset), "ours"]
        grouped = row.loc[name(known.LEAK, "groups kept together", "accuracy", offset), "ours"]
        assert naive > 0.6 and naive > grouped + 0.1
        assert row.loc[name(known.LEAK, "rows split at random", "called present", offset), "ours"] == 0


def test_walks_obey_the_walls_and_the_history_says_all_that_was_shown() -> None:
    rng = torch.Generator().manual_seed(0)
    grid = known_sequences.Grid.drawn(rng=rng)
    back = grid.after[grid.after, torch.tensor([2, 3, 0, 1])]
    moved = grid.after != torch.arange(36)[:, None]
    assert torch.equal(back[moved], torch.arange(36)[:, None].expand(36, 4)[moved])
    observation, cells = grid.walks(50, rng=rng)
    assert observation.shape == (50, 33, 44, 1, 1)
    assert torch.equal(observation[:, 0, :36, 0, 0].argmax(1), cells[:, 0])
    assert torch.equal(observation[:, 7, 36:40, 0, 0].argmax(1), grid.colour[cells[:, 7]])
    assert torch.equal(known_sequences.history(observation).sum(1), torch.full((50,), 1.0 + 2 * known_sequences.MOMENT))
