import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.complaints.remove_first import remove_first
from crmlab.complaints.repurchase import after_incidents
from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import languages, speaking

AS_OF = "2025-12-31"


def order(number, customer="A", day="2025-06-01", **more):
    return {"order_id": f"O{number}", "customer_id": customer, "ordered_at": day} | more


def complaint(number, cause="damage", customer="A", day="2025-06-05", **more):
    return {
        "complaint_id": str(number),
        "customer_id": customer,
        "cause": cause,
        "opened_at": day,
        "handling_cost": 10.0,
    } | more


def workspace(complaints, settings=None, **tables):
    frames = {"complaints": complaints} | tables
    return from_frames(
        {name: pd.DataFrame(rows) for name, rows in frames.items()}, settings, as_of=AS_OF
    )


def row_of(found, cause):
    return found.table.set_index("cause").loc[cause]


def test_complaints_per_order_times_the_orders_of_a_year_times_the_mean_cost():
    orders = [order(n, "A", "2024-03-01") for n in range(10)]
    orders += [order(20 + n, "B", "2025-01-01") for n in range(30)]
    told = [complaint(n, handling_cost=cost) for n, cost in enumerate([10.0, 20.0, 30.0, None])]
    row = row_of(remove_first(workspace(told, orders=orders)), "damage")
    # 4 complaints of 40 orders, 30 orders in the last 365 days, 20 a complaint where it is known.
    assert (row["yearly"], row["saved"]) == (3, 60)
    assert row["handling_saved"] == 60


def test_without_orders_the_year_is_told_by_days():
    told = [complaint(1, day="2024-01-01"), complaint(2, day="2025-12-31")]
    found = remove_first(workspace(told))
    assert row_of(found, "damage")["yearly"] == pytest.approx(2 * 365 / 731)
    assert "with as many orders" not in found.reading()
    assert "Not known and left out: compensation; the margin lost later" in found.reading()


def test_where_orders_have_no_day_the_year_is_told_by_days():
    told = [complaint(1, day="2024-01-01"), complaint(2, day="2025-12-31")]
    orders = [{"order_id": f"O{n}", "customer_id": "A"} for n in range(9)]
    found = remove_first(workspace(told, orders=orders))
    row = row_of(found, "damage")
    assert row["yearly"] == pytest.approx(2 * 365 / 731)
    assert row["saved"] == pytest.approx(10 * row["yearly"])
    assert "with as many orders" not in found.reading()


def test_less_than_a_year_of_orders_is_scaled_to_a_year():
    orders = [order(n, day="2025-07-02") for n in range(10)] + [order(99, day="2025-12-31")]
    told = [complaint(1, day="2025-07-10")]
    # 183 days from 2 July to the end of the year.
    row = row_of(remove_first(workspace(told, orders=orders)), "damage")
    assert row["yearly"] == pytest.approx(365 / 183)


def test_orders_and_complaints_without_a_customer_count_in_the_rate():
    orders = [order(n, ("A", None)[n % 2], "2025-01-01") for n in range(10)]
    told = [complaint(1), complaint(2, customer=None)]
    row = row_of(remove_first(workspace(told, orders=orders)), "damage")
    assert row["yearly"] == pytest.approx(2)


def test_what_an_open_complaint_will_be_compensated_with_is_not_taken_for_nothing():
    closed = {"resolved_at": "2025-06-09"}
    told = [
        complaint(1, compensation=60.0, **closed),
        complaint(2, compensation=None, **closed),
        complaint(3, compensation=None, resolved_at=None),
    ]
    told.append(complaint(4, day="2025-01-01", cause="documents", **closed, compensation=None))
    orders = [order(n, day="2025-01-01") for n in range(4)]
    found = remove_first(workspace(told, orders=orders))
    row = row_of(found, "damage")
    assert (row["handling_saved"], row["compensation_saved"]) == (30, 90)
    assert row_of(found, "documents")["compensation_saved"] == 0


def test_a_compensation_not_given_is_nothing_paid_only_where_no_zero_is_recorded():
    told = [complaint(n, compensation=paid) for n, paid in enumerate([90.0, 30.0, None])]
    assert row_of(remove_first(workspace(told)), "damage")["compensation_saved"] == pytest.approx(
        120 / 3 * row_of(remove_first(workspace(told)), "damage")["yearly"]
    )
    told[1]["compensation"] = 0.0
    row = row_of(remove_first(workspace(told)), "damage")
    # 90 and 0 are known, and nothing of the third.
    assert row["compensation_saved"] == pytest.approx(45 * row["yearly"])


def test_handling_is_priced_by_the_minute_where_no_cost_is_given():
    settings = Settings(activity_costs={"complaint.minute": 2.0})
    told = [complaint(1, handling_cost=None, handling_minutes=15.0, compensation=5.0)]
    orders = [order(1, day="2025-01-01")]
    row = row_of(remove_first(workspace(told, settings, orders=orders)), "damage")
    assert (row["handling_saved"], row["compensation_saved"]) == (30, 5)


def test_a_dear_remedy_changes_what_comes_first():
    orders = [order(n, day="2025-01-01") for n in range(9)]
    told = [complaint(n) for n in range(6)] + [complaint(9, "documents", handling_cost=40.0)]
    crm = workspace(told, orders=orders)
    assert remove_first(crm).table["cause"].tolist() == ["damage", "documents"]
    half = remove_first(crm, removable=0.5, costs={"damage": 25})
    assert half.table["cause"].tolist() == ["documents", "damage"]
    row = row_of(half, "damage")
    assert (row["saved"], row["remedy_cost"], row["net"]) == (30, 25, 5)
    assert np.isnan(row_of(half, "documents")["remedy_cost"])
    assert row_of(half, "documents")["net"] == 20
    assert "No cost is given for Wrong documents" in half.reading()
    # The scale holds a net below nothing too.
    dear = remove_first(crm, costs={"damage": 500}).plot()
    assert dear.get_xlim()[0] < -440
    none = remove_first(crm, costs={"damage": 1000, "documents": 1000})
    assert none.title() == "No cause pays to be removed"
    assert "No cause pays" in none.reading()


def test_a_cause_of_few_customers_has_no_interval():
    orders = [order(n, customer=f"C{n}") for n in range(9)]
    told = [complaint(n, customer=f"C{n}") for n in range(5)]
    told += [complaint(9, "documents", customer="C9")]
    found = remove_first(workspace(told, orders=orders))
    assert row_of(found, "damage")[["yearly_low", "saved_low"]].notna().all()
    assert row_of(found, "documents")[["yearly_low", "saved_high"]].isna().all()


def test_the_draws_of_customers_spread_as_the_linearised_variance_has_it(company):
    tables = {name: getattr(company, name) for name in ("orders", "complaints", "customers")}
    tables["orders"] = tables["orders"].drop(columns="cost")
    crm = from_frames(tables, company.settings, as_of=company.as_of)
    row = row_of(remove_first(crm), "late_delivery")
    # Without the sums of money left open: cost per order, a ratio of sums over customers.
    told = company.complaints[company.complaints["cause"] == "late_delivery"]
    money = told["handling_cost"] + told["compensation"].fillna(0)
    orders = company.orders[company.orders["amount"] >= 0].groupby("customer_id").size()
    cost = money.groupby(told["customer_id"]).sum().reindex(orders.index, fill_value=0)
    mean = cost.sum() / orders.sum()
    error = np.sqrt(((cost - mean * orders) ** 2).sum()) / orders.sum()
    year = company.orders[company.orders["ordered_at"] >= "2025-01-01"]
    year = (year["amount"] >= 0).sum()
    assert row["saved"] == pytest.approx(mean * year, rel=0.02)
    assert row["saved_high"] - row["saved_low"] == pytest.approx(2 * 1.96 * error * year, rel=0.1)
    assert "margin_saved" not in row


def test_the_margin_lost_is_that_of_all_months_with_an_incident(company):
    found, after = remove_first(company), after_incidents(company)
    orders = company.orders[company.orders["amount"] >= 0]
    margin = (orders["amount"] - orders["cost"]).groupby(orders["customer_id"]).mean()
    months = after.months.assign(worth=after.months["customer_id"].map(margin))
    ratio = after.table.set_index("happened")["ratio"].fillna(1)
    lost = months["after"] * months["worth"] * (1 / months["happened"].map(ratio) - 1)
    year = (orders["ordered_at"] >= "2025-01-01").sum()
    expected = lost.sum() / months["orders"].sum() * year
    assert found.table["margin_saved"].sum() == pytest.approx(expected)


def test_customers_without_a_known_margin_are_left_out_of_it_and_counted(company):
    orders = company.orders
    some = set(company.customers["customer_id"].iloc[:500])
    cost = orders["cost"].mask(orders["customer_id"].isin(some))
    crm = from_frames(
        {
            "orders": orders.assign(cost=cost),
            "complaints": company.complaints,
            "customers": company.customers,
        },
        company.settings,
        as_of=company.as_of,
    )
    found, after = remove_first(crm, resamples=99), after_incidents(crm)
    known = after.months[~after.months["customer_id"].isin(some)]
    bought = orders[~(orders["amount"] < 0)]
    margin = (bought["amount"] - bought["cost"]).groupby(bought["customer_id"]).mean()
    ratio = after.table.set_index("happened")["ratio"].fillna(1)
    lost = known["after"] * known["customer_id"].map(margin)
    lost = lost * (1 / known["happened"].map(ratio) - 1)
    year = (bought["ordered_at"] >= "2025-01-01").sum()
    expected = lost.sum() / known["orders"].sum() * year
    assert found.table["margin_saved"].sum() == pytest.approx(expected)
    out = after.months.loc[after.months["customer_id"].isin(some), "customer_id"].nunique()
    assert f"{out} customers (margin of their orders not known" in found.reading()


def test_of_the_company_late_delivery_comes_first_and_documents_come_back(company):
    found = remove_first(company)
    assert found.table["cause"].iloc[0] == "late_delivery"
    assert found.table["first_share"].iloc[0] > 0.99
    assert found.table["first_share"].sum() == pytest.approx(1)
    often = found.table.loc[found.table["repeats_often"].fillna(False), "cause"]
    assert often.tolist() == ["documents"]
    row = row_of(found, "late_delivery")
    told = (company.complaints["cause"] == "late_delivery").sum()
    assert row["yearly_low"] < told / 2 < row["yearly_high"]
    again = remove_first(company, seed=0).table
    pd.testing.assert_frame_equal(found.table, again)
    other = remove_first(company, seed=1).table
    assert other["saved"].tolist() == found.table["saved"].tolist()
    assert other["saved_low"].tolist() != found.table["saved_low"].tolist()


def test_of_very_many_customers_some_stand_for_all(company, monkeypatch):
    usual = row_of(remove_first(company), "late_delivery")["yearly"]
    monkeypatch.setattr("crmlab.data.drawn.some_customers.__defaults__", (1200,))
    found = remove_first(crmlab.load())
    assert "1,200 drawn at random are used here" in found.reading()
    row = row_of(found, "late_delivery")
    assert row["complaints"] < usual * 1.6
    assert row["yearly_low"] < usual < row["yearly_high"]


def test_causes_in_the_users_own_words_are_told_which_fault_shows_them(company):
    complaints = company.complaints.assign(
        cause=company.complaints["cause"].replace({"damage": "破损"})
    )
    tables = {"orders": company.orders, "customers": company.customers, "complaints": complaints}
    crm = from_frames(tables, company.settings, as_of=company.as_of)
    plain, told = remove_first(crm), remove_first(crm, faults={"破损": "damaged"})
    assert "破损" in plain.unseen
    assert "破损" not in told.unseen
    usual = row_of(remove_first(company), "damage")["margin_saved"]
    assert row_of(told, "破损")["margin_saved"] == pytest.approx(usual)
    assert row_of(plain, "破损")["margin_saved"] < usual / 2


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("causes", [["damage"], ["damage", "dent"], ["damage", "dent", None]])
def test_few_complaints_are_said_and_drawn(causes, language):
    told = [complaint(n, cause, day=f"2025-0{n + 1}-01") for n, cause in enumerate(causes)]
    with speaking(language):
        found = remove_first(workspace(told))
        found.plot()
        for said in (found.title(), found.alt(), found.reading(), found.definition.method):
            assert said
            assert "nan" not in said


def test_complaints_without_a_cause_and_suggestions_are_counted_out():
    told = [complaint(1), complaint(2, None), complaint(3, kind="suggestion")]
    found = remove_first(workspace(told))
    assert sorted((one.reason, one.count) for one in found.exclusions) == [
        ("cause not given", 1),
        ("suggestion, which is welcome and no failure", 1),
    ]


def test_more_causes_than_are_drawn_are_pointed_out():
    told = [complaint(n, f"cause {n:02}") for n in range(12)]
    axes = remove_first(workspace(told)).plot()
    assert "the first 10 causes" in axes.get_xlabel()
    assert len(axes.get_yticks()) == 10


def test_where_the_draws_disagree_it_is_not_settled():
    told = [complaint(n, ("damage", "documents")[n % 2], customer=f"C{n}") for n in range(20)]
    found = remove_first(workspace(told))
    assert found.title().startswith("Not settled: ")
    assert "is ahead, but not for sure" in found.reading()
    assert "these data do not settle" in found.reading()


@pytest.mark.parametrize("cost", [10.0, 0.0])
def test_causes_that_always_tie_share_the_draws(cost):
    told = [
        complaint(f"{cause}{n}", cause, customer=f"C{n}", handling_cost=cost)
        for cause in ("damage", "late_delivery")
        for n in range(8)
    ]
    found = remove_first(workspace(told), resamples=99)
    assert found.table["first_share"].tolist() == [0.5, 0.5]
    assert found.title().startswith("Not settled: " if cost else "No cause pays")


def test_causes_that_tie_by_handling_alone_share_those_draws(company):
    told = company.complaints.assign(handling_cost=1.0, compensation=0.0)
    told["cause"] = np.where(told["cause"].isna(), None, "damage")
    again = told.assign(complaint_id="x" + told["complaint_id"], cause="documents")
    crm = from_frames(
        {
            "orders": company.orders,
            "customers": company.customers,
            "complaints": pd.concat([told, again[told["cause"].notna()]]),
        },
        company.settings,
        as_of=company.as_of,
    )
    found = remove_first(crm, resamples=99)
    assert found.table["direct_first"].tolist() == [0.5, 0.5]


def test_what_cannot_be_done_is_said():
    crm = workspace([complaint(1)])
    with pytest.raises(CrmlabError, match=r"removable = 0 is not above 0"):
        remove_first(crm, removable=0)
    with pytest.raises(CrmlabError, match=r"resamples = 5 is not from 99"):
        remove_first(crm, resamples=5)
    with pytest.raises(UnknownName, match=r"no cause 'dent'; the causes are: damage"):
        remove_first(crm, costs={"dent": 5})
    with pytest.raises(UnknownName, match=r"'broken' for 'damage' is no fault of orders"):
        remove_first(crm, faults={"damage": "broken"})
    with pytest.raises(CrmlabError, match=r"The cost of the remedy of 'damage' is -5"):
        remove_first(crm, costs={"damage": -5})
    with pytest.raises(NotEnoughData, match="Neither what handling costs"):
        remove_first(workspace([complaint(1, handling_cost=None)]))
    with pytest.raises(NotEnoughData, match="No complaint has a cause"):
        remove_first(workspace([complaint(1, "x", kind="suggestion"), complaint(2, None)]))
