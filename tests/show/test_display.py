import json

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import crmlab
from crmlab import tiering
from crmlab.show.columns import Shown, shown
from crmlab.show.display import picture_of, shown_table, words_bundle


@pytest.fixture
def shell():
    """What a notebook gives: without it IPython prints instead of displaying."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def started(tmp_path):
    crmlab.start(language="en", out=str(tmp_path))
    yield tmp_path
    crmlab.start(language="en")


def test_show_displays_table_picture_with_its_text_and_reading(company, shell):
    result = tiering.layers(company, resamples=99)
    with capture_output() as captured:
        crmlab.show(result)
    table, picture, reading = captured.outputs
    assert "Key customers" in table.data["text/html"]
    assert picture.data["text/plain"] == result.alt()
    assert picture.metadata["image/png"]["alt"] == result.alt()
    assert reading.data["text/markdown"] == result.reading()


def test_show_keeps_table_and_definition_for_the_report(company, shell, started):
    first, second = tiering.layers(company, resamples=99), tiering.rfm(company)
    with capture_output():
        crmlab.show(first)
        crmlab.show(second)

    names = sorted(path.name for path in started.iterdir())
    assert names == [
        "01_tiering.layers.json",
        "01_tiering.layers.parquet",
        "02_tiering.rfm.json",
        "02_tiering.rfm.parquet",
    ]
    kept = pd.read_parquet(started / "02_tiering.rfm.parquet")
    pd.testing.assert_frame_equal(kept, second.table)
    said = json.loads((started / "01_tiering.layers.json").read_text(encoding="utf-8"))
    assert said["reading"] == first.reading()
    assert said["definition"]["denominator"] == "Profit of all customers"
    assert [column["name"] for column in said["columns"]] == list(first.table.columns)
    assert said["columns"][0]["values"]["key"] == "Key customers"


def test_nothing_is_written_without_a_folder(company, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crmlab.start(language="en")
    with capture_output():
        crmlab.show(tiering.on_time(company))
    assert list(tmp_path.iterdir()) == []


def test_a_long_table_says_how_many_rows_are_not_shown(company, shell):
    result = tiering.rfm(company)
    with capture_output() as captured:
        crmlab.show(result)
    more = f"and {len(result.table) - 12:,} more rows"
    assert more in captured.outputs[0].data["text/html"]


def test_shown_table_writes_labels_and_numbers_in_the_language(company):
    crmlab.set_language("zh_CN")
    table = shown_table(tiering.layers(company, resamples=99))
    assert table.columns[0] == "层次"
    assert table.iloc[0, 0] == "关键客户"
    assert table["占客户的比例"].tolist() == ["5.0%", "15.0%", "80.0%"]


def test_missing_values_are_shown_as_a_dash():
    assert Shown("Share", "percent").written(None, "CNY") == "–"
    assert Shown("Share", "percent").written(float("nan"), "CNY") == "–"


def test_a_very_small_probability_is_not_written_as_none():
    chance = shown("probability")
    written = [chance.written(value, "CNY") for value in (0.0, 0.00099, 0.0012, 1.0)]
    assert written == ["< 0.001", "< 0.001", "0.001", "1.000"]


def test_show_of_a_workspace_accounts_for_the_rows(company, shell):
    with capture_output() as captured:
        crmlab.show(company)
    table, words = captured.outputs
    assert "customers.csv" in table.data["text/html"]
    assert company.source in words.data["text/markdown"]


def test_picture_is_a_png(company):
    assert picture_of(tiering.on_time(company)).startswith(b"\x89PNG")


def test_dollars_in_a_reading_do_not_become_a_formula():
    bundle = words_bundle("from $5 to $9")
    assert bundle == {"text/markdown": r"from \$5 to \$9", "text/plain": "from $5 to $9"}
