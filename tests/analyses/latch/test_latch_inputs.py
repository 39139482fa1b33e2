"""What ``latch`` is given in other forms, and what its sentences say of networks with a memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import imprint
from imprint.analyses.latch.latch import latch_from_arrays
from imprint.models.errors import ImprintError

N = 400
RNG = np.random.default_rng(0)
LABELS = pd.DataFrame({"meant": RNG.integers(0, 2, N), "other": RNG.integers(0, 2, N)})
VALUE = LABELS["meant"].to_numpy() + 0.2 * RNG.normal(size=N)
GROUPS = np.arange(N) // 4


def answer(value: Any = VALUE, labels: Any = LABELS, groups: Any = GROUPS) -> imprint.Latch:
    return latch_from_arrays(value, labels, intended="meant", proxies=["other"], groups=groups, resamples=100)


def test_values_labels_and_groups_of_any_kind_give_the_same() -> None:
    plain = answer()
    assert plain.verdict == "intended"
    forms: list[tuple[Any, Any, Any]] = [
        (torch.tensor(VALUE, requires_grad=True), LABELS, GROUPS.tolist()),
        (VALUE[:, None], LABELS.to_dict("list"), pd.Series(GROUPS).astype(str)),
        (pd.Series(VALUE).astype("Float64"), LABELS.astype("Int8"), GROUPS[:, None]),
        (VALUE.tolist(), LABELS.replace({"meant": {1: "yes"}}), torch.tensor(GROUPS)),
        (VALUE * 1e-12, LABELS.astype(bool), GROUPS),
        (VALUE * 1e12, LABELS.astype("category"), GROUPS),
        (VALUE + 1e7, LABELS, GROUPS),
    ]
    for value, labels, groups in forms:
        found = answer(value, labels, groups)
        np.testing.assert_allclose(found.shares["share"], plain.shares["share"], atol=1e-6)
        assert found.verdict == plain.verdict


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": np.zeros((N, 2))}, "one label per row"),
        ({"groups": GROUPS[1:]}, "groups has 399 labels"),
        ({"value": VALUE[1:]}, "same number of rows"),
        ({"value": VALUE + 1j}, "complex"),
        ({"labels": LABELS["meant"]}, "unknown concept 'other'"),
        ({"labels": VALUE}, "concepts is a ndarray"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        answer(**changes)


def test_labels_that_are_none_are_not_measurable() -> None:
    found = answer(labels=LABELS.assign(other=[[1]] * N))
    assert found.verdict == "undetermined" and "lists" in found.why


def test_a_latch_is_no_run() -> None:
    found = answer()
    with pytest.raises(ImprintError, match="Latch"):
        imprint.compare([found, found])
    with pytest.raises(ImprintError, match="list of two or more runs"):
        imprint.compare(found)  # type: ignore[arg-type]


class Steps(imprint.World):
    """Two facts, each shown in a step of its own, the last ones: an untrained memory forgets (3 % of the first)."""

    factors = {"meant": (False, True), "other": (False, True)}

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"noise": 0.3 * torch.randn(n, 4, 3, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        shown = noise["noise"].clone()
        for place, name in enumerate(("meant", "other")):
            shown[:, 2 + place, place] += 2.0 * torch.tensor(concepts[name].to_numpy(dtype=np.float32)) - 1
        return shown


class Remembers(nn.Module):
    """An LSTM whose head reads the hidden state, or the same numbers as the last output."""

    def __init__(self, hidden: bool) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.lstm, self.head = nn.LSTM(3, 6, batch_first=True), nn.Linear(6, 1)
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        out, (h, _) = self.lstm(x)
        value: Tensor = self.head(h[-1] if self.hidden else out[:, -1])[:, 0]
        return value


def losses(hidden: bool, sites: list[str] | None) -> pd.DataFrame:
    subject = imprint.Subject(Remembers(hidden).eval())
    options: dict[str, Any] = {"n": 200, "resamples": 50, "placebos": 2, "attribution": 0}
    return imprint.latch(subject, Steps(), intended="meant", proxies=["other"], sites=sites, **options).mediation


def test_a_head_on_the_hidden_state_is_mediated_by_it_and_the_false_sentence_is_never_said() -> None:
    by_state, by_output = losses(True, None), losses(False, ["lstm@last"])
    assert "lstm.h" in set(by_state["site"]) and not by_state["why"].str.contains("does not pass").any()
    state = by_state[by_state["site"] == "lstm.h"].set_index("concept")["loss"]
    output = by_output[by_output["site"] == "lstm@last"].set_index("concept")["loss"]
    np.testing.assert_allclose(state, output[state.index], atol=1e-6)
    assert state.max() > 0.1
    with pytest.raises(ImprintError, match=r"an edit at 'lstm' cannot reach the value, which uses lstm\.h"):
        losses(True, ["lstm"])


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (torch.zeros(5, 4, 3), "draw_noise returned a Tensor; expected a mapping"),
        ({"noise": torch.zeros(4, 4, 3)}, r"gave \[4, 4, 3\] for 'noise'.*5 rows"),
        ({"noise": np.zeros((5, 4, 3))}, "gave ndarray for 'noise'"),
    ],
)
def test_a_world_whose_noise_is_none_is_refused_in_a_sentence(noise: Any, words: str) -> None:
    class Wrong(Steps):
        def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
            return noise  # type: ignore[no-any-return]

    with pytest.raises(ImprintError, match=words):
        Wrong().sample(5, rng=torch.Generator().manual_seed(0))


def test_a_world_whose_observation_has_other_rows_is_refused_in_a_sentence() -> None:
    class Short(Steps):
        def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
            return super().render(concepts, noise)[1:]

    with pytest.raises(ImprintError, match=r"render returned \[4, 4, 3\]; expected a tensor .* with 5 rows"):
        Short().sample(5, rng=torch.Generator().manual_seed(0))


class Marked(imprint.World):
    """Two numbers that are seen, each in a place of its own."""

    factors = {"meant": (False, True), "other": (False, True)}

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        return pd.DataFrame(torch.randint(2, (n, 2), generator=rng).bool().numpy(), columns=["meant", "other"])

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"x": torch.randn(n, 2, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([torch.tensor(concepts.to_numpy()).float(), noise["x"]], 1)

    def masks(self, batch: imprint.Batch) -> Mapping[str, Tensor]:
        where = torch.eye(4)[:2].bool()
        return {name: where[i].expand(len(batch), 4) for i, name in enumerate(self.factors)}


def test_a_value_without_a_gradient_has_a_latch_and_the_reason_why_nothing_is_attributed() -> None:
    model = nn.Identity()
    for value in (lambda x: x[:, 0].detach(), lambda x: x[:, 0].numpy()):
        latch = imprint.latch(imprint.Subject(model, value), Marked(), intended="meant", proxies=["other"], n=400)
        rows = latch.findings.query("metric == 'attribution'")
        assert latch.verdict == "intended" and rows["estimate"].isna().all()
        assert rows["why"].str.contains("gradient").all() and len(rows) == 4


def test_values_whose_squares_are_not_numbers_are_not_measurable() -> None:
    assert "values reach 1" in answer(VALUE * 1e200).why and "divide them" in answer(VALUE * 1e200).why
    assert answer(VALUE * 1e140).verdict == answer(VALUE * 1e-140).verdict == "intended"


def hostile(**changed: object) -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"c": rng.integers(0, 2, 200), "p": rng.integers(0, 2, 200)})
    return table["c"].to_numpy() + 0.1 * rng.standard_normal(200), table.assign(**changed)


def test_values_whose_squares_vanish_are_not_called_constant() -> None:
    values, table = hostile()
    latch = latch_from_arrays(values * 1e-200, table, intended="c", proxies=["p"])
    assert latch.verdict == "undetermined" and "squares vanish" in latch.why
    assert latch_from_arrays(values * 1e-100, table, intended="c", proxies=["p"]).verdict == "intended"


@pytest.mark.parametrize("rewarded", [0, 0.0, False, np.False_, "0"])
def test_the_rewarded_level_is_found_by_its_value(rewarded: object) -> None:
    values, table = hostile()
    assert latch_from_arrays(-values, table, intended="c", proxies=["p"], rewarded=rewarded).verdict == "intended"
    floats = table.astype(float)
    assert latch_from_arrays(-values, floats, intended="c", proxies=["p"], rewarded=rewarded).verdict in {"intended"}


def test_of_three_levels_only_the_last_can_be_rewarded() -> None:
    values, table = hostile(c=np.arange(200) % 3)
    with pytest.raises(ImprintError, match=r"3 levels \(0, 1, 2\) only the last"):
        latch_from_arrays(values, table, intended="c", proxies=["p"], rewarded=1)


def test_twins_may_be_none_and_are_named_in_errors() -> None:
    values, table = hostile()
    asked: dict[str, Any] = {"intended": "c", "proxies": ["p"]}
    assert "Not compared" in latch_from_arrays(values, table, untrained=None, **asked).why
    with pytest.raises(ImprintError, match=r"values of untrained\[1\] \[3\]"):
        latch_from_arrays(values, table, untrained=[values, values[:3]], **asked)
    lost = latch_from_arrays(values, table, untrained=[values * np.nan], **asked)
    assert "200 of 200 values of untrained[0]" in lost.why


def test_names_of_rows_of_every_latch_are_no_concepts() -> None:
    values, table = hostile()
    with pytest.raises(ImprintError, match="is called"):
        latch_from_arrays(values, table.rename(columns={"p": "(residual)"}), intended="c", proxies=["(residual)"])
