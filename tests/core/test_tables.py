"""Tables have exactly the described columns, in order, with their types; their schemas say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from mien.errors import DataError
from mien.tables import TABLES, Column, conform, empty, table, table_schema

SAMPLE: dict[str, Any] = {"string": "x", "integer": 3, "number": 1.5, "boolean": True}


def sample(name: str, rows: int = 2) -> pd.DataFrame:
    def value(column: Column) -> Any:
        return column.allowed[0] if column.allowed else SAMPLE[column.type]

    return pd.DataFrame({column.name: [value(column)] * rows for column in TABLES[name].columns})


@pytest.mark.parametrize("name", TABLES)
class TestEveryTable:
    def test_orders_columns(self, name: str) -> None:
        frame = sample(name)
        wanted = list(frame.columns)
        assert list(conform(name, frame[wanted[::-1]]).columns) == wanted

    def test_is_idempotent(self, name: str) -> None:
        once = conform(name, sample(name))
        pd.testing.assert_frame_equal(conform(name, once), once)

    def test_survives_parquet(self, name: str, tmp_path: Path) -> None:
        frame = conform(name, sample(name))
        frame.to_parquet(tmp_path / "t.parquet", index=False)
        pd.testing.assert_frame_equal(conform(name, pd.read_parquet(tmp_path / "t.parquet")), frame)

    def test_empty_has_the_same_types(self, name: str) -> None:
        assert len(empty(name)) == 0
        assert list(empty(name).dtypes) == list(conform(name, sample(name)).dtypes)

    def test_rows_fit_the_schema(self, name: str) -> None:
        schema = table_schema(name)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert list(schema["properties"]) == [column.name for column in TABLES[name].columns]
        for row in conform(name, sample(name)).to_dict("records"):
            jsonschema.validate(row, schema)

    def test_refuses_missing_and_extra_columns(self, name: str) -> None:
        first = TABLES[name].columns[0].name
        with pytest.raises(DataError, match=f"lacks {first} and has the unknown other"):
            conform(name, sample(name).rename(columns={first: "other"}))

    def test_every_column_says_what_it_means(self, name: str) -> None:
        for column in TABLES[name].columns:
            assert column.description.endswith(".")
            if column.name.endswith("_s"):
                assert column.unit == "s"
            if column.name.endswith("_px"):
                assert column.unit == "pixels"


class TestValues:
    def test_absent_numbers_and_integers(self) -> None:
        frame = sample("recordings")
        frame["label"] = [1, None]
        frame["frames"] = [7, None]
        frame["reason"] = [None, "no face"]
        result = conform("recordings", frame)
        assert result["label"].dtype == "float64"
        assert result["label"].isna().tolist() == [False, True]
        assert result["frames"].dtype == "Int64"
        assert result["frames"][0] == 7
        assert result["frames"].isna().tolist() == [False, True]
        assert result["reason"].isna().tolist() == [True, False]
        assert result["reason"][1] == "no face"

    def test_numbers_become_text_where_text_is_wanted(self) -> None:
        frame = sample("predictions").assign(recording=[1, 2])
        assert conform("predictions", frame)["recording"].tolist() == ["1", "2"]

    def test_categories_become_text(self) -> None:
        frame = sample("predictions").assign(recording=pd.Series(["a", "b"], dtype="category"))
        result = conform("predictions", frame)["recording"]
        assert result.tolist() == ["a", "b"]
        assert result.dtype == conform("predictions", sample("predictions"))["recording"].dtype

    @pytest.mark.parametrize(
        ("column", "values", "said"),
        [
            ("participant", ["a", None], "1 of 2 values are absent"),
            ("window", [0, 1.5], "not an integer"),
            ("window", ["a", "b"], "not an integer"),
            ("prediction", ["a", "b"], "not a number"),
            ("split", ["train", "tset"], "'tset' is not one of train"),
        ],
    )
    def test_refuses(self, column: str, values: list[Any], said: str) -> None:
        with pytest.raises(DataError, match=said) as caught:
            conform("predictions", sample("predictions").assign(**{column: values}))
        assert caught.value.where == f"table 'predictions', column '{column}'"

    def test_refuses_numbers_as_truth(self) -> None:
        with pytest.raises(DataError, match="not true or false"):
            conform("explanations", sample("explanations").assign(flagged=[2, 3]))

    def test_does_not_change_its_argument(self) -> None:
        frame = sample("predictions")
        before = frame.copy(deep=True)
        conform("predictions", frame)
        pd.testing.assert_frame_equal(frame, before)


def test_unknown_table_names_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean 'relevance'"):
        table("relevanse")
