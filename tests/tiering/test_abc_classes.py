import numpy as np
import pandas as pd
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.tiering import abc_classes, top_shares
from crmlab.tiering.abc_classes import classify, needed_and_errors


def workspace(amounts, costs=None):
    orders = pd.DataFrame(
        {
            "order_id": [f"O{i}" for i in range(len(amounts))],
            "customer_id": [f"C{i}" for i in range(len(amounts))],
            "ordered_at": "2025-06-01",
            "amount": [float(amount) for amount in amounts],
        }
    )
    if costs is not None:
        orders["cost"] = [float(cost) for cost in costs]
    return from_frames({"orders": orders}, Settings(name="Test"), as_of="2025-12-31")


# --- the classes


def test_who_crosses_a_cut_belongs_to_the_better_class():
    assert classify([70, 20, 6, 4]).tolist() == ["A", "A", "B", "C"]


def test_a_cut_that_is_reached_exactly_ends_the_class():
    assert classify([50, 30, 15, 5]).tolist() == ["A", "A", "B", "C"]
    assert classify([70, 10, 10, 5, 5]).tolist() == ["A", "A", "A", "B", "B"]


def test_seven_tenths_and_a_tenth_reach_eight_tenths_although_binary_fractions_say_otherwise():
    assert classify([7, 1, 0.9, 0.6, 0.5]).tolist() == ["A", "A", "B", "B", "C"]


def test_equal_customers_are_in_the_same_class_whatever_their_order():
    values = pd.Series([1.0] * 100)
    assert set(classify(values)) == {"A"}
    mixed = pd.Series([5.0, 1.0, 5.0, 3.0, 1.0, 3.0, 1.0, 3.0])
    assert classify(mixed).groupby(mixed).nunique().max() == 1


def test_the_table_has_the_money_of_each_class_and_its_smallest_customer():
    table = abc_classes(workspace([50, 30, 15, 5])).table.set_index("class")
    assert table["customers"].tolist() == [2, 1, 1]
    assert table["revenue"].tolist() == [80, 15, 5]
    assert table["revenue_share"].tolist() == pytest.approx([0.8, 0.15, 0.05])
    assert table["customers_share"].tolist() == [0.5, 0.25, 0.25]
    assert table["at_least"].tolist() == [30, 15, 5]


def test_an_empty_class_stays_in_the_table_and_out_of_the_reading():
    result = abc_classes(workspace([70, 20, 10]))
    table = result.table.set_index("class")
    assert table["customers"].tolist() == [2, 1, 0]
    assert np.isnan(table.loc["C", "at_least"])
    assert "Class C" not in result.reading()


def test_other_cuts_can_be_chosen():
    table = abc_classes(workspace([50, 30, 15, 5]), cuts=(0.5, 0.9)).table
    assert table["customers"].tolist() == [1, 2, 1]


# --- who is set aside


def test_refunds_are_taken_off_and_who_nets_to_nothing_is_set_aside(crm):
    result = abc_classes(crm)
    assert result.table["revenue"].sum() == 1300
    assert result.table["customers"].sum() == 2
    excluded = {one.reason: one.count for one in result.definition.exclusions}
    assert excluded["revenue nets to zero or less"] == 2


def test_losses_are_set_aside_from_profit_with_their_sum():
    result = abc_classes(workspace([100, 60, 50], costs=[20, 40, 70]), value="profit")
    assert result.table["profit"].sum() == 100
    assert (result.losing, result.lost) == (1, -20.0)
    assert "profit of zero or less" in {one.reason for one in result.definition.exclusions}
    assert "1 customer whose profit is zero or less is set aside" in result.reading()


# --- against the layers


def test_the_layers_are_the_top_shares_of_the_same_customers(company):
    result = abc_classes(company, resamples=99)
    revenue = company.query("customer_summary")["amount"]
    tops = top_shares(revenue[revenue > 0], [0.05, 0.20])
    assert result.layers["customers"].cumsum().tolist()[:2] == tops["customers"].tolist()
    assert result.layers["share"].cumsum().tolist()[:2] == pytest.approx(tops["share"].tolist())
    assert result.layers["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ([90, 10], "Class A and the key layer are the same customers."),
        ([50, 40, 10], "Class A is the key layer and 1 customer more."),
        ([9000, 10] + [1] * 38, "Class A is the key layer without 1 of its customers."),
    ],
)
def test_the_reading_says_how_class_a_differs_from_the_key_layer(amounts, said):
    assert said in abc_classes(workspace(amounts)).reading()


# --- intervals


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_standard_errors_equal_the_spread_over_many_samples(sigma):
    random = np.random.default_rng(2)
    samples = np.sort(random.lognormal(0, sigma, (1500, 400)))[:, ::-1]
    found = [needed_and_errors(sample, np.ones(400), (0.8, 0.95)) for sample in samples]
    spread = np.std([estimate for estimate, _error in found], axis=0)
    error = np.mean([error for _estimate, error in found], axis=0)
    np.testing.assert_allclose(error, spread, rtol=0.15)


def test_a_customer_drawn_twice_counts_as_two():
    twice, _error = needed_and_errors(np.array([9.0, 1.0]), np.array([2.0, 1.0]), (0.5, 0.9))
    thrice, _error = needed_and_errors(np.array([9.0, 9.0, 1.0]), np.ones(3), (0.5, 0.9))
    assert twice.tolist() == pytest.approx(thrice.tolist())


def test_intervals_hold_the_estimate_and_stay_between_0_and_1():
    random = np.random.default_rng(4)
    table = abc_classes(workspace(random.lognormal(0, 1.2, 200).round(3))).table
    assert (table["low"] <= table["customers_share"]).all()
    assert (table["customers_share"] <= table["high"]).all()
    equal = abc_classes(workspace([5] * 50)).table
    assert equal["low"].between(0, 1).all()
    assert equal["high"].between(0, 1).all()


# --- what it refuses


@pytest.mark.parametrize("cuts", [(0.95, 0.8), (0, 0.5), (0.8, 1), (0.8,)])
def test_cuts_that_do_not_rise_between_0_and_1_are_refused(cuts):
    with pytest.raises(CrmlabError, match=r"two rising shares between 0 and 1"):
        abc_classes(workspace([2, 1]), cuts=cuts)


def test_an_unknown_value_names_those_there_are():
    with pytest.raises(CrmlabError, match="revenue, profit, not orders"):
        abc_classes(workspace([2, 1]), value="orders")


def test_profit_needs_costs():
    with pytest.raises(MissingColumns, match=r"orders\.cost"):
        abc_classes(workspace([2, 1]), value="profit")


def test_one_customer_cannot_be_classified():
    with pytest.raises(NotEnoughData, match="at least 2 customers above zero; there are 1"):
        abc_classes(workspace([2, -1]))


def test_the_picture_has_a_line_for_each_class_that_has_customers():
    axes = abc_classes(workspace([50, 30, 15, 5])).plot()
    labels = axes.get_legend_handles_labels()[1]
    assert [label[0] for label in labels] == ["A", "B", "C"]


def test_standard_errors_of_four_customers_are_those_worked_out_by_hand():
    shares, errors = needed_and_errors(np.array([50.0, 30, 15, 5]), np.ones(4), (0.8, 0.95))
    assert shares.tolist() == pytest.approx([0.5, 0.25, 0.25])
    # Influence on A: -(max(x - 30, 0) + 15 - 0.8 x)/30 = 5/30, 9/30, -3/30, -11/30.
    assert errors[0] == pytest.approx(np.sqrt(25 + 81 + 9 + 121) / 30 / 4)
