"""The engine: closed, tidy, and the same types every time."""

import datetime as dt

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from crmlab.data import engine
from crmlab.data.engine import Engine
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError


@pytest.fixture
def made():
    engine_ = Engine()
    yield engine_
    engine_.close()


def test_extensions_are_neither_installed_nor_loaded(made):
    settings = dict(made.rows("SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%'"))
    assert settings["autoinstall_known_extensions"] == "false"
    assert settings["autoload_known_extensions"] == "false"


def test_files_that_were_not_named_cannot_be_read(made, tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("a\n1\n")
    with pytest.raises(duckdb.Error):
        made.rows(f"SELECT * FROM read_csv('{path}')")
    with pytest.raises(duckdb.Error):
        made.execute("SET enable_external_access = true")
    with pytest.raises(duckdb.Error):
        made.execute("INSTALL httpfs")


def test_named_parquet_is_read_in_place_with_the_place_of_every_row(tmp_path):
    paths = [tmp_path / "a'1.parquet", tmp_path / "b.parquet"]
    pyarrow.parquet.write_table(pa.table({"x": [1, 2]}), paths[0])
    pyarrow.parquet.write_table(pa.table({"x": [3], "y": ["z"]}), paths[1])
    made = Engine(paths)
    made.add_parquet("pair", paths)
    found = made.rows("SELECT x, y, _file, _row FROM pair ORDER BY x")
    assert found == [(1, None, 0, 1), (2, None, 0, 2), (3, "z", 1, 1)]


def test_what_does_not_fit_in_memory_goes_to_the_temporary_folder():
    made = Engine(memory_limit="120MB")
    rows = made.rows(
        "SELECT COUNT(*) FROM (SELECT i FROM (SELECT i, md5(CAST(i AS VARCHAR)) AS m"
        " FROM range(3000000) AS r(i)) ORDER BY m)"
    )
    assert rows == [(3_000_000,)]


def test_too_little_memory_is_said_with_a_remedy(made):
    small = Engine(memory_limit="20MB")
    small.execute("CREATE TABLE t AS SELECT 1 AS x")
    with pytest.raises(CrmlabError, match="CRMLAB_MEMORY"):
        small.arrow("SELECT LIST(i) FROM range(30000000) AS r(i)")


def test_the_memory_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("CRMLAB_MEMORY", "300MB")
    made = Engine()
    ((limit,),) = made.rows("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'")
    assert limit == "286.1 MiB"


@pytest.mark.parametrize("hashes", [2, 1000], ids=["in parts", "at once"])
@pytest.mark.parametrize(
    ("columns", "differ"),
    [
        pytest.param(["a"], False, id="repeated"),
        pytest.param(["b"], True, id="missing ones are not compared"),
        pytest.param(["a", "b"], True, id="different as a pair"),
        pytest.param(["a", "c"], False, id="repeated as a pair"),
        pytest.param(["d"], True, id="nothing to compare"),
    ],
)
def test_rows_are_compared_in_the_columns_named(made, monkeypatch, hashes, columns, differ):
    monkeypatch.setattr(engine, "HASHES", hashes)
    made.execute(
        "CREATE TABLE t AS SELECT * FROM (VALUES ('x', 1, 'z', NULL), ('x', 2, 'z', NULL),"
        " ('y', NULL, 'z', NULL), ('v', NULL, 'z', NULL), ('w', 3, 'z', NULL)) AS v(a, b, c, d)"
    )
    assert made.all_differ("t", columns) is differ


def test_in_a_table_without_rows_nothing_repeats(made):
    made.execute("CREATE TABLE t (a VARCHAR)")
    assert made.all_differ("t", ["a"])


def test_where_hashes_agree_by_chance_the_keys_themselves_are_compared(monkeypatch):
    monkeypatch.setattr(Engine, "all_differ", lambda *_arguments: False)
    assert from_frames({"orders": pd.DataFrame({"order_id": ["1", "2"]})}).rows("orders") == 2


@pytest.mark.parametrize("name", engine.query_names())
def test_what_a_query_gives_does_not_change_where_absent_columns_are_left_out(name, monkeypatch):
    orders = pd.DataFrame(
        {"order_id": ["1", "2"], "customer_id": "A", "ordered_at": "2025-01-02", "amount": [5, -1]}
    )
    complaints = pd.DataFrame(
        {"complaint_id": ["1"], "customer_id": "A", "opened_at": "2025-01-03", "channel": "phone"}
    )
    tables = {"orders": orders, "complaints": complaints}
    short = from_frames(tables).query(name)
    monkeypatch.setattr(engine, "without_absent", lambda sql, _absent: sql)
    pd.testing.assert_frame_equal(short, from_frames(tables).query(name))


@pytest.mark.parametrize(
    "counted",
    [
        "COUNT(CASE WHEN cost IS NULL THEN 1 END)",
        "COUNT(CASE WHEN amount < 0 OR damaged THEN 1 END)",
        "COUNT(CASE WHEN damaged THEN 1 WHEN amount < 0 THEN 1 END)",
        "COUNT(CASE WHEN damaged THEN 1 ELSE 1 END)",
        "COUNT(CASE WHEN amount NOT BETWEEN 1 AND cost THEN 1 END)",
        "COUNT(DISTINCT amount)",
        "COUNT(*)",
    ],
)
def test_a_count_that_an_absent_column_does_not_make_zero_stays(counted):
    sql = f"SELECT {counted} FROM orders"
    assert engine.without_absent(sql, ["cost", "damaged"]) == sql


def test_columns_of_other_tables_may_have_the_name_of_one_that_orders_lack():
    sql = "SELECT SUM(compensation) FROM complaints"
    assert engine.without_absent(sql, ["compensation"]) == sql


def test_days_become_times_and_sums_are_rounded(made):
    frame = engine.summary_frame(
        made.arrow(
            "SELECT DATE '2025-01-02' AS day, 0.1 + CAST(0.2 AS DOUBLE) - 0.3 AS nothing,"
            " CAST(2 AS BIGINT) AS n, NULL AS unknown, 'x' AS word"
        )
    )
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "day": "datetime64[us]",
        "nothing": "float64",
        "n": "int64",
        "unknown": "str",
        "word": "str",
    }
    assert frame["nothing"].tolist() == [0.0]


def test_model_types_keep_missing_values_missing():
    table = pa.table(
        {
            "text": ["a", None],
            "whole": pa.array([1, None], pa.int64()),
            "number": [1.5, None],
            "truth": [True, None],
            "day": pa.array([dt.date(2025, 1, 1), None], pa.date32()),
        }
    )
    frame = engine.model_frame(table)
    assert [str(kind) for kind in frame.dtypes] == [
        "str",
        "Int64",
        "float64",
        "boolean",
        "datetime64[us]",
    ]
    assert frame.isna().iloc[1].all()
    assert pd.isna(frame["truth"][1])


def test_the_result_is_ordered_as_the_query_says():
    assert engine._order("-- Ordered by: customer_id\nSELECT 1", ()) == '"customer_id" NULLS LAST'
    by = [("orders", "region"), ("customers", "region")]
    wanted = '"region" NULLS LAST, "customers_region" NULLS LAST'
    assert engine._order("-- Ordered by: {by}\n", by) == wanted
    assert engine._order("SELECT 1", ()) == ""


def test_a_line_for_groups_falls_away_where_there_are_none():
    sql = "SELECT\n  {by},\n  COUNT(*) AS n\nFROM orders\n{join_customers}\nGROUP BY {by_names}"
    assert engine.render(sql).splitlines() == ["SELECT", "  COUNT(*) AS n", "FROM orders"]
    grouped = engine.render(sql, [("customers", "size")])
    assert 'customers."size" AS "size",' in grouped
    assert "LEFT JOIN customers" in grouped
    assert 'GROUP BY "size"' in grouped
