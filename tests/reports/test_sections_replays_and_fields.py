"""Replays and policy maps of agents show the numbers of their files, and refuse what does not fit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from imprint.models.files import write_table
from imprint.reports.pages.run import render
from imprint.reports.reading.run import RunData, load_run
from imprint.reports.reading.tables import in_turn
from imprint.reports.sections.policy_field import CELL, PolicyField, aligned, arrows
from imprint.reports.sections.replay import Replay, misfit, outcome, softmax
from tests.reports import example_agent_run as example
from tests.reports.example_agent_run import run_of


@pytest.fixture(scope="module")
def run(agent_page: Path) -> RunData:
    return load_run(agent_page.parent)


def test_what_happened_is_read_from_the_first_attainments() -> None:
    goals = ["coin", "corner"]
    assert outcome([3, -1], goals) == "coin first" and outcome([7, 3], goals) == "corner first"
    assert outcome([-1, -1], goals) == "neither" and outcome([3, 3], goals) == "coin and corner first"
    assert outcome([-1, -1, -1], [*goals, "lamp"]) == "none of them"


def test_outcomes_have_their_turn() -> None:
    assert in_turn(["a", "a", "a", "b", "c", "b"]) == [0, 3, 4, 1, 5, 2]


def test_the_player_has_the_numbers_of_the_file(run: RunData) -> None:
    found, arrays = Replay().collect(run), example.replay()
    assert found is not None
    shown = found["data"]["episodes"][2]
    assert set(found["groups"]) == {"coin first", "corner first", "neither"}
    index = 4  # outcomes in turn: 0 coin, 2 corner, 4 neither
    steps = int(arrays["valid"][index].sum())
    assert shown["steps"] == steps and shown["words"] == "neither, 9 steps"
    np.testing.assert_allclose(shown["value"]["values"], arrays["value"][index, :steps], atol=1e-4)
    np.testing.assert_allclose(np.sum(shown["probabilities"], axis=1), 1, atol=1e-3)
    names = [track["name"] for track in shown["readouts"]]
    assert names[:3] == list(example.MARKS) and example.NASTY in names
    corner = found["data"]["episodes"][1]
    assert corner["readouts"][0]["values"][3:5] == [None, None]
    assert corner["events"][int(arrays["attained"][2, 1])] == "reaches “corner”"


def test_probabilities_are_those_of_the_logits() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0], [np.nan, np.nan]])
    np.testing.assert_allclose(softmax(logits, axis=1), [[0.25, 0.75], [0.5, 0.5], [np.nan, np.nan]])


@pytest.mark.parametrize("name", ["valid", "action", "value", "logits", "known", "level", "attained"])
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    arrays = example.replay()
    arrays[name] = arrays[name][..., :-1]
    found = Replay().collect(run_of(tmp_path, replay=arrays))
    assert found is not None and found["data"] is None and f"{name} has shape" in found["missing"][0]


def test_frames_that_are_no_pictures_are_refused() -> None:
    arrays = example.replay()
    assert misfit(arrays) == ""
    assert "not pictures" in misfit({**arrays, "frames": arrays["frames"].astype(np.float32)})


def test_lost_artefacts_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    folder = example.write(tmp_path)
    for name in ("replay", "fields"):
        (folder / "artefacts" / f"{name}.npz").unlink()
    text = render(load_run(folder))
    for name in ("replay", "fields"):
        assert f"artefacts/{name}.npz is not in the run folder" in text
    assert "replay-player" not in text and 'id="latch-curve-0"' in text


def test_names_of_facts_cannot_leave_the_data_of_the_player(agent_page: Path) -> None:
    text = agent_page.read_text(encoding="utf-8")
    inside = re.search(r'<script type="application/json" id="replay-data">(.*?)</script>', text, re.S)
    assert inside is not None and "<" not in inside.group(1)
    names = [track["name"] for track in json.loads(inside.group(1))["episodes"][0]["readouts"]]
    assert example.NASTY in names
    assert text.count("<script") == text.count("</script>") == 6


# -- policy field ------------------------------------------------------------------------------------------------------


def ends(path: str) -> tuple[complex, complex]:
    """Where an arrow begins and where its tip is."""
    first, tip = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)[:2]
    return complex(*map(float, first)), complex(*map(float, tip))


def test_arrows_point_where_the_policy_moves() -> None:
    move = np.full((2, 3, 2), np.nan)
    move[0, 2], move[1, 0], move[1, 1] = (0.0, 1.0), (-0.5, 0.0), (0.0, 0.01)
    right, up, still = arrows(move)
    start, tip = ends(right)
    assert (tip - start).imag == 0 and (tip - start).real == pytest.approx(0.84 * CELL, abs=0.2)
    assert (tip + start) / 2 == pytest.approx(complex(2.5 * CELL, 0.5 * CELL))
    start, tip = ends(up)
    assert (tip - start).real == 0 and (tip - start).imag == pytest.approx(-0.42 * CELL, abs=0.2)
    assert still == f"M{1.5 * CELL:.1f} {1.5 * CELL:.1f}h0"


def test_cells_find_their_place_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    walls = np.stack([example.walls(rng) for _ in range(3)])
    framed = np.stack([example.picture(wall, (0, 0), (3, 3)) for wall in walls])
    assert aligned(framed, ~walls) == (8, 1)
    free = ~np.pad(walls, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    assert aligned(framed, free) == (8, 0)
    assert aligned(framed, free[:, :-1, :-1]) == (8, 0)  # the last walls are beyond the last free cell
    wide = framed.repeat(2, axis=1).repeat(2, axis=2)
    assert aligned(wide, ~walls) == (16, 1)


def test_cells_without_a_place_are_drawn_without_a_picture(tmp_path: Path) -> None:
    arrays = example.fields()
    free = np.isfinite(arrays["move"][:, 0, ..., 0])
    noise = np.random.default_rng(0).integers(0, 255, (2, 9, 9, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    assert aligned(noise, free) is None
    found = PolicyField().collect(run_of(tmp_path, fields={**arrays, "picture": noise}))
    assert found is not None and found["maps"][0]["picture"] == ""
    assert found["maps"][0]["box"] == [0, 0, 7 * CELL, 7 * CELL] and found["maps"][0]["panels"][0]["arrows"]


def test_a_world_without_places_says_why_it_has_no_field(tmp_path: Path) -> None:
    found = PolicyField().collect(run_of(tmp_path, fields={"why": np.array("Chain has no places.")}))
    assert found is not None and found["missing"] == ["No policy field: Chain has no places."]


def test_an_edit_that_turns_the_arrows_is_distinguished_from_one_that_does_not(run: RunData) -> None:
    found = PolicyField().collect(run)
    assert found is not None
    assert len(found["maps"]) == 2 and [len(m["panels"]) for m in found["maps"]] == [4, 4]
    change = found["tables"][0].frame.groupby("edit")["mean_change"].mean()
    assert change["without coin"] > 0.5 and change["without corner"] < 0.2
    assert "“without coin” 0." in found["reading"]
    free = np.isfinite(example.fields()["move"][0, 0, ..., 0]).sum()
    assert len(found["maps"][0]["panels"][0]["arrows"]) == free


def test_panels_stand_in_the_order_of_the_goals(tmp_path: Path) -> None:
    arrays = example.fields()
    turned = {**arrays, "edits": arrays["edits"][[3, 2, 0, 1]], "move": arrays["move"][:, [3, 2, 0, 1]]}
    found = PolicyField().collect(run_of(tmp_path, fields=turned))
    assert found is not None
    assert [panel["name"] for panel in found["maps"][0]["panels"]] == list(arrays["edits"])
    assert found["maps"][0]["panels"][1]["arrows"] == arrows(arrays["move"][0, 1])


def test_fields_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    arrays = example.fields()
    wrong = {"move": arrays["move"][:, :-1], "goal_cell": arrays["goal_cell"][:, :1], "picture": arrays["picture"][:1]}
    for name, value in wrong.items():
        found = PolicyField().collect(run_of(tmp_path / name, fields={**arrays, name: value}))
        assert found is not None and found["maps"] == [] and "No policy field" in found["missing"][0], name


def test_names_of_edits_and_goals_are_escaped(tmp_path: Path) -> None:
    arrays = example.fields()
    arrays["edits"] = np.array(["intact", f"without {example.NASTY}", "without corner", "without random directions"])
    arrays["goals"] = np.array([example.NASTY, "corner"])
    replayed = example.replay()
    replayed["goals"], replayed["actions"] = arrays["goals"], np.array([example.NASTY, "right", "down", "left"])
    folder = example.write(tmp_path, replay=replayed, fields=arrays)
    table = example.table()
    table.loc[table["concept"] == "corner", "concept"] = example.NASTY
    write_table(folder / "findings.parquet", table)
    text = render(load_run(folder))
    assert example.NASTY not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert text.count("<script") == 6 and "&lt;script&gt;alert(1)" in text
