"""Labels come from files as they stand there: no word is taken for missing, no index for a concept."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.models.errors import ImprintError
from imprint.probes.door.tables import read_labels

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports warns of its own future
    import datasets


def written(folder: Path, text: str, name: str = "labels.csv") -> pd.DataFrame:
    (folder / name).write_text(text)
    return read_labels(folder / name)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_classes_called_none_or_na_and_every_separator(tmp_path: Path, sign: str) -> None:
    rows = [["kind", "size", "note"], ["None", "1.5", "a"], ["NA", "NA", "b"], ["nan", "2", ""], ["null", "3", "c"]]
    frame = written(tmp_path, "\n".join(sign.join(row) for row in rows))
    assert frame["kind"].tolist() == ["None", "NA", "nan", "null"]
    assert frame["size"].tolist()[::2] == [1.5, 2.0] and np.isnan(frame["size"][1])
    assert frame["note"].isna().tolist() == [False, False, True, False]


def test_decimal_commas_codes_and_quoted_separators(tmp_path: Path) -> None:
    frame = written(tmp_path, 'a;b;c\n1,5;007;"x;y"\n2;010;z\n')
    assert frame["a"].tolist() == [1.5, 2.0] and frame["b"].tolist() == ["007", "010"]
    assert frame["c"].tolist() == ["x;y", "z"]
    assert written(tmp_path, "only\n1\n2\n")["only"].tolist() == [1, 2]


def test_a_counter_without_a_name_is_no_concept_and_others_are_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"c": [1, 0, 1]})
    table.to_csv(tmp_path / "labels.csv")
    assert list(read_labels(tmp_path / "labels.csv")) == ["c"]
    with pytest.raises(ImprintError, match="column 1 has no name"):
        written(tmp_path, ",c\n5,1\n9,0\n")
    with pytest.raises(ImprintError, match="no rows"):
        written(tmp_path, "a,b\n")


def test_the_index_of_a_parquet_file_is_kept_when_it_has_a_name(tmp_path: Path) -> None:
    table = pd.DataFrame({"c": [1, 0]}, index=pd.Index([7, 8], name="episode"))
    table.to_parquet(tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet")["episode"].tolist() == [7, 8]


def test_a_data_set_folder_gives_its_columns_without_lists(tmp_path: Path) -> None:
    features = datasets.Features(
        {"x": datasets.Sequence(datasets.Value("float32")), "c": datasets.ClassLabel(names=["no", "yes"])}
    )
    data = datasets.Dataset.from_dict({"x": [[1.0, 2.0], [3.0, 4.0]], "c": [0, 1]}, features=features)
    data.save_to_disk(str(tmp_path / "data"))
    frame = read_labels(tmp_path / "data")
    assert list(frame) == ["c"] and frame["c"].tolist() == ["no", "yes"]
