"""The rules of the model, one by one, and what their messages say."""

import duckdb
import pytest

from crmlab.data import checks, model


def judged(table, columns, rows, **others):
    """The faults among a few literal rows of a table, with the rows' numbers counted from 1."""
    connection = duckdb.connect(":memory:")
    staged = {table: table} | {name: name for name in others}
    for name, (names, content) in ({table: (columns, rows)} | others).items():
        typed = {c.name: c.type for c in model.table(name).columns}
        kinds = {"integer": "BIGINT", "number": "DOUBLE", "datetime": "TIMESTAMP", "date": "DATE"}
        fields = ", ".join(f'"{n}" {kinds.get(typed[n], "VARCHAR")}' for n in names)
        connection.execute(f"CREATE TABLE {name} ({fields}, _row BIGINT, _file INTEGER)")
        for number, row in enumerate(content, start=1):
            marks = ", ".join("?" for _value in range(len(row) + 2))
            connection.execute(f"INSERT INTO {name} VALUES ({marks})", [*row, number, 0])
    rules = checks.rules(model.table(table), columns, staged)

    def run(sql):
        return connection.execute(sql).fetchall()

    return checks.judge(run, rules, table, ["f.csv"])


def only(faults):
    assert len(faults) == 1
    return faults[0]


def test_sound_rows_have_no_faults():
    rows = [("A", "2025-01-01", "2025-01-02"), ("B", "2025-01-01", None)]
    assert judged("orders", ["order_id", "ordered_at", "delivered_at"], rows) == []


def test_a_repeated_key_is_counted_from_its_second_row():
    fault = only(judged("orders", ["order_id"], [("A",), ("B",), ("A",), ("A",)]))
    assert (fault.kind, fault.count, fault.file) == ("duplicate_key", 2, "f.csv")
    assert fault.examples == ((3, "A"), (4, "A"))
    assert "`orders.order_id` has 2 rows that repeat an earlier key (row 3: 'A')" in fault.message


def test_a_key_of_several_columns_repeats_only_as_a_whole():
    columns = ["response_id", "item", "aspect"]
    rows = [("r", "q1", "perception"), ("r", "q1", "importance"), ("r", "q1", "perception")]
    fault = only(judged("answers", columns, rows))
    assert (fault.kind, fault.count) == ("duplicate_key", 1)
    assert fault.examples == ((3, "r / q1 / perception"),)


def test_a_key_without_a_value_is_missing_not_repeated():
    fault = only(judged("orders", ["order_id"], [(None,), (None,), ("A",)]))
    assert (fault.kind, fault.count) == ("missing_key", 2)
    assert 'key = "row_number"' in fault.message


def test_closed_codes_are_checked_and_open_ones_are_not():
    columns = ["contact_id", "direction", "channel"]
    rows = [("1", "inbound", "fax"), ("2", "sideways", "phone"), ("3", None, None)]
    fault = only(judged("contacts", columns, rows))
    assert (fault.column, fault.kind, fault.count) == ("direction", "not_allowed", 1)
    assert "Allowed are: inbound, outbound" in fault.message


@pytest.mark.parametrize(("value", "count"), [(1, 0), (5, 0), (0, 1), (6, 1), (None, 0)])
def test_bounds_are_inclusive(value, count):
    faults = judged("surveys", ["response_id", "overall"], [("r", value)])
    assert len(faults) == count
    if faults:
        assert "It should be 1 – 5" in faults[0].message


def test_times_in_an_impossible_order_show_both():
    columns = ["order_id", "ordered_at", "delivered_at"]
    rows = [("A", "2025-01-02 10:00", "2025-01-02 09:00"), ("B", "2025-01-01", "2025-01-02")]
    fault = only(judged("orders", columns, rows))
    assert (fault.column, fault.kind, fault.count) == ("delivered_at", "impossible_order", 1)
    assert "earlier than ordered_at (row 1: 2025-01-02 09:00:00 < 2025-01-02 10:00:00)" in (
        fault.message
    )


def test_a_mere_day_is_compared_with_the_day():
    columns = ["order_id", "ordered_at", "delivered_at"]
    assert judged("orders", columns, [("A", "2025-01-02 10:00", "2025-01-02")]) == []
    assert only(judged("orders", columns, [("A", "2025-01-02 10:00", "2025-01-01")])).count == 1


def test_orphans_are_judged_only_where_the_other_table_is():
    columns = ["order_id", "customer_id"]
    rows = [("A", "C1"), ("B", "C9"), ("C", None)]
    assert judged("orders", columns, rows) == []
    fault = only(judged("orders", columns, rows, customers=(["customer_id"], [("C1",), (None,)])))
    assert (fault.kind, fault.count, fault.examples) == ("orphan", 1, ((2, "C9"),))


def test_at_most_three_examples_are_kept():
    fault = only(judged("staff", ["staff_id", "satisfaction"], [(str(i), 9) for i in range(5)]))
    assert fault.count == 5
    assert [row for row, _value in fault.examples] == [1, 2, 3]


@pytest.mark.parametrize("table", model.TABLES)
def test_time_order_names_columns_of_the_model(table):
    for pair in checks.TIME_ORDER.get(table, ()):
        for name in pair:
            assert model.table(table).column(name).type in ("datetime", "date")
