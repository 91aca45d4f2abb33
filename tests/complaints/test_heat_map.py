import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import Table

from crmlab.complaints.heat_map import crossed, heat_map
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData


def cells(counts):
    """Numbers of row and column, one for each complaint of a table."""
    table = np.array(counts)
    row, column = np.indices(table.shape)
    return np.repeat(row.ravel(), table.ravel()), np.repeat(column.ravel(), table.ravel())


def workspace(rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "cause", "channel"])
    frame["complaint_id"] = [str(number) for number in range(len(frame))]
    return from_frames({"complaints": frame.assign(opened_at="2025-03-01")}, as_of="2025-03-31")


def complaints(counts, customer=None):
    names = ("a", "b", "c"), ("phone", "email")
    return [
        (customer or f"{row}{column}{place}", names[0][row], names[1][column])
        for place, (row, column) in enumerate(zip(*cells(counts), strict=True))
    ]


def test_residuals_and_chi_square_are_the_published_ones():
    """Agresti (2007), Introduction to Categorical Data Analysis, 2nd ed., tables 2.5 and 2.8."""
    row, column = cells([[762, 327, 468], [484, 239, 477]])
    found = crossed(row, column, np.arange(len(row)))
    assert found.chi_square == pytest.approx(30.1, abs=0.05)
    assert found.residuals[0].round(2).tolist() == [4.50, 0.70, -5.32]
    assert found.expected[0].round(1).tolist() == [703.7, 319.6, 533.7]
    assert found.effects.max() == pytest.approx(1, abs=1e-6)


def test_residuals_are_those_of_statsmodels():
    counts = [[12, 30, 5], [40, 22, 9], [7, 8, 31]]
    row, column = cells(counts)
    found = crossed(row, column, np.arange(len(row)))
    wanted = Table(np.array(counts), shift_zeros=False)
    np.testing.assert_allclose(found.residuals, wanted.standardized_resids)
    assert found.chance == pytest.approx(wanted.test_nominal_association().pvalue)


def test_complaints_repeated_fourfold_by_each_customer_say_no_more_than_one():
    row, column = cells([[12, 30], [40, 22]])
    once = crossed(row, column, np.arange(len(row)))
    four = crossed(np.tile(row, 4), np.tile(column, 4), np.tile(np.arange(len(row)), 4))
    assert four.chi_square == pytest.approx(4 * once.chi_square)
    assert four.effect == pytest.approx(4, abs=0.05)
    np.testing.assert_allclose(four.effects, 4, atol=0.05)
    assert four.chance == pytest.approx(once.chance, abs=0.001)


def test_the_effect_brings_the_level_back_where_customers_repeat_themselves():
    random = np.random.default_rng(0)
    plain, allowed = [], []
    for _draw in range(400):
        row, column = random.integers(0, 2, 120), random.integers(0, 3, 120)
        times = random.integers(1, 7, 120)
        who = np.repeat(np.arange(120), times)
        found = crossed(row[who], column[who], who)
        allowed.append(found.chance < 0.05)
        plain.append(found._replace(effect=1.0).chance < 0.05)
    assert np.mean(plain) > 0.3
    assert np.mean(allowed) < 0.09


def test_cells_with_few_expected_are_marked_and_not_judged():
    found = heat_map(workspace(complaints([[40, 10], [10, 40], [3, 2]])), rows="cause",
                     columns="channel")  # fmt: skip
    table = found.table.set_index(["cause", "channel"])
    assert table.loc[("c", "phone"), "stands_out"] is pd.NA
    assert table.loc[("a", "phone"), "stands_out"]
    assert "fewer than 5 expected, which are not judged: 2 of 6." in found.reading()
    assert "the overall chi-square is not to be relied on" in found.reading()
    drawn = {text.get_text() for text in found.plot().texts}
    assert {"(3)", "(2)", "40"} <= drawn


def test_more_and_fewer_than_expected_are_told_apart():
    found = heat_map(workspace(complaints([[40, 10], [10, 40]])), rows="cause", columns="channel")
    text = found.reading()
    assert "More than expected, allowing for 4 cells judged: " in text
    assert "a × Telephone 40 (expected 25.0)" in text.split("Fewer")[0]
    assert "a × E-mail 10 (expected 25.0)" in text.split("Fewer")[1]
    assert "Cause and Channel are related" in text


def test_unrelated_columns_have_no_cell_that_stands_out():
    found = heat_map(workspace(complaints([[20, 20], [20, 20]])), rows="cause", columns="channel")
    assert found.title() == "Cause by Channel: no cell stands out by more than chance"
    assert "is not shown" in found.reading()
    assert found.alt().endswith("No cell is framed.")


def test_one_row_few_customers_and_nobody_have_true_words():
    one = heat_map(workspace(complaints([[20, 20]])), rows="cause", columns="channel")
    assert "With a single row or column there is nothing to compare" in one.reading()
    few = heat_map(workspace(complaints([[20, 5], [5, 20]], "A")), rows="cause", columns="channel")
    assert "of so few customers that no cell is judged" in few.reading()
    assert few.table["stands_out"].isna().all()
    rows = [(None, *row[1:]) for row in complaints([[20, 5], [5, 20]])]
    nobody = heat_map(workspace(rows), rows="cause", columns="channel")
    assert "No customer is given" in nobody.reading()
    assert nobody.table["stands_out"].all()


def test_what_has_no_value_is_counted_and_what_cannot_be_is_refused():
    rows = [*complaints([[20, 20], [20, 20]]), ("X", None, None), ("Y", "a", None)]
    found = heat_map(workspace(rows), rows="cause", columns="channel")
    assert [(one.reason, one.count) for one in found.left_out] == [
        ("Cause not given", 1),
        ("Channel not given", 1),
    ]
    with pytest.raises(CrmlabError, match="rows and columns are two different columns"):
        heat_map(workspace(rows), rows="cause", columns="cause")
    with pytest.raises(CrmlabError, match="complaint_id has 81 values"):
        heat_map(workspace(rows), rows="cause", columns="complaint_id")
    with pytest.raises(NotEnoughData, match="a value of both cause, severity"):
        heat_map(workspace(rows), rows="cause", columns="severity")


def test_damage_gathers_on_the_companys_faulty_route(company):
    found = heat_map(company, rows="cause", columns="route")
    most = found.table.loc[found.table["residual_effective"].idxmax()]
    assert (most["cause"], most["route"]) == ("damage", "R03")
    assert most["stands_out"]
    assert found.title().startswith("Damaged goods × R03: 60 complaints")
    axes = found.plot()
    assert [one.get_text() for one in axes.get_yticklabels()][:3] == ["R01", "R02", "R03"]


def test_kinds_and_service_lines_of_the_company_are_not_related(company):
    found = heat_map(company)
    assert not found.table["stands_out"].any()
    assert found.chance > 0.05


def test_a_picture_of_very_many_values_shows_the_largest_and_says_so():
    rows = [(f"C{n}", f"cause {n % 31:02}", ("phone", "email")[n % 2]) for n in range(124)]
    rows += [("X", f"cause {n:02}", "phone") for n in range(30)]
    found = heat_map(workspace(rows), rows="cause", columns="channel")
    assert "shows the 30 values with the most complaints of: Cause." in found.reading()
    names = [one.get_text() for one in found.plot().get_yticklabels()]
    assert len(names) == 30
    assert "cause 30" not in names


def test_complaints_without_a_customer_count_as_customers_of_their_own():
    rows = [(None, *row[1:]) for row in complaints([[30, 10], [10, 30]])]
    rows[0] = ("A", *rows[0][1:])
    assert heat_map(workspace(rows), rows="cause", columns="channel").enough
