import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns
from crmlab.show.display import picture_of, shown_table
from crmlab.stats import clustered
from crmlab.stats.tiers import tier_rules
from crmlab.tiering import on_time, tier_report
from crmlab.tiering.tier_report import SERVICE

AS_OF = "2025-12-31"


def orders(number=40, **more):
    """Customers C0, C1, …, each with one order on 1 January and one on 1 July of 2025."""
    rows = [
        (f"{i}-{half}", f"C{i}", day, 1000.0 if i < 2 else 10.0)
        for i in range(number)
        for half, day in enumerate(("2025-01-01", "2025-07-01"))
    ]
    frame = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "amount"])
    return frame.assign(**more)


def customers(number=40, **more):
    frame = pd.DataFrame({"customer_id": [f"C{i}" for i in range(number)]})
    frame["tier"] = ["key" if i < 10 else "general" for i in range(number)]
    return frame.assign(**more)


def complaints(rows):
    names = ["complaint_id", "customer_id", "opened_at", "first_response_at", "kind"]
    return pd.DataFrame(rows, columns=names)


def report(**tables):
    return tier_report(from_frames(tables, as_of=AS_OF))


def estimates(result, figure):
    return result.estimates[result.estimates["figure"] == figure].set_index("tier")


def test_orders_alone_give_the_customers_and_money_of_each_tier():
    result = report(orders=orders())
    table = result.table.set_index("tier")
    assert table.index[0] == "key"
    assert table.loc["key", "customers"] == 2
    assert table.loc["key", "revenue"] == 4000
    assert table["customers"].sum() == 40
    assert table["revenue_share"].sum() == pytest.approx(1)
    assert result.estimates.empty
    assert set(result.absent) == set(SERVICE)
    assert "Not in these data: orders on time" in result.reading()
    assert picture_of(result)


def test_without_customers_of_orders_the_report_says_what_it_needs():
    crm = from_frames({"orders": orders().drop(columns="amount")})
    with pytest.raises(MissingColumns, match=r"tiering\.tier_report needs orders\.amount"):
        tier_report(crm)


def test_customers_without_orders_are_counted_in_their_tier():
    table = report(orders=orders(), customers=customers(50)).table.set_index("tier")
    assert table.loc["general", "customers"] == 40
    assert table["orders"].tolist() == [20, 60]


def test_margin_shares_are_missing_where_there_is_no_margin_to_share():
    table = report(orders=orders(cost=2000.0)).table
    assert (table["margin"] < 0).all()
    assert table["margin_share"].isna().all()


def test_the_share_on_time_is_that_of_the_measure_of_its_own(company):
    found = estimates(tier_report(company), "on_time_share")
    alone = on_time(company, by="tier").table.set_index("tier")
    for name, other in (("value", "share"), ("low", "low"), ("high", "high")):
        assert found[name].to_dict() == pytest.approx(alone.loc[found.index, other].to_dict())


def test_suggestions_are_no_complaints():
    rows = [
        ("1", "C0", "2025-03-01 08:00", "2025-03-01 09:00", "transport"),
        ("2", "C0", "2025-03-02 08:00", "2025-03-05 09:00", "service"),
        ("3", "C0", "2025-03-03 08:00", "2025-03-03 09:00", "suggestion"),
    ]
    result = report(orders=orders(), customers=customers(), complaints=complaints(rows))
    rate = estimates(result, "complaint_rate")
    assert rate.loc["key", "value"] == pytest.approx(2 / 20 * 1000)
    assert rate.loc["general", "value"] == 0
    assert rate.loc["general", "high"] > 0
    assert estimates(result, "quick_share").loc["key", ["value", "n"]].tolist() == [0.5, 2]


def test_contacts_count_what_we_began_from_the_day_a_customer_was_acquired():
    contacts = pd.DataFrame(
        {
            "contact_id": ["1", "2", "3"],
            "customer_id": ["C0", "C0", "C0"],
            "contacted_at": "2025-08-01",
            "direction": ["outbound", "outbound", "inbound"],
        }
    )
    people = customers(acquired_on="2025-01-01")
    early = estimates(report(orders=orders(), customers=people, contacts=contacts), "contact_rate")
    people.loc[people["tier"] == "key", "acquired_on"] = "2025-07-02"
    late = estimates(report(orders=orders(), customers=people, contacts=contacts), "contact_rate")
    assert early.loc["key", "value"] == pytest.approx(2 / 10, abs=0.01)
    assert late.loc["key", "value"] == pytest.approx(2 * early.loc["key", "value"], rel=0.01)


def surveys(rows):
    names = ["response_id", "customer_id", "sent_at", "answered_at", "mode", "overall", "weight"]
    return pd.DataFrame(rows, columns=names)


def test_satisfaction_is_of_the_sample_with_its_weights():
    day = "2025-05-01"
    rows = [
        ("1", "C0", day, day, "sample", 5, 1.0),
        ("2", "C1", day, day, "sample", 2, 3.0),
        ("3", "C2", day, None, "sample", None, 9.0),
        ("4", "C3", day, day, "call_centre", 1, None),
        ("5", "C4", day, day, "sample", 4, None),
    ]
    result = report(orders=orders(), customers=customers(), surveys=surveys(rows))
    key = estimates(result, "satisfaction").loc["key"]
    assert key["value"] == pytest.approx((5 + 3 * 2) / 4)
    assert key[["customers", "n"]].tolist() == [2, 2]
    assert estimates(result, "satisfied_share").loc["key", "value"] == pytest.approx(0.25)
    assert result.survey == {"sent": 4, "answered": 2, "unweighted": 1, "sampled": 1}
    assert "2 of 4 questionnaires" in result.reading()
    assert "1 questionnaire (answered, but without a weight)" in result.reading()


def test_without_modes_and_weights_all_answers_count_alike():
    day = "2025-05-01"
    rows = [("1", "C0", day, day, "x", 5, 1.0), ("2", "C1", day, day, "x", 2, 3.0)]
    frame = surveys(rows).drop(columns=["mode", "weight"])
    result = report(orders=orders(), customers=customers(), surveys=frame)
    assert estimates(result, "satisfaction").loc["key", "value"] == 3.5
    assert "How they came to be asked is not known." in result.reading()


def test_the_tiers_differ_only_where_the_intervals_of_their_difference_say_so():
    quick = [
        (str(i), f"C{i}", "2025-03-01 08:00", "2025-03-01 09:00", "service") for i in range(10)
    ]
    slow = [
        (str(i), f"C{i}", "2025-03-01 08:00", "2025-03-09 09:00", "service") for i in range(10, 20)
    ]
    result = report(orders=orders(), customers=customers(), complaints=complaints(quick + slow))
    verdicts = result.differences.set_index("figure")["verdict"]
    assert verdicts["quick_share"] == "better"
    # Ten complaints of twenty orders against ten of sixty.
    assert verdicts["complaint_rate"] == "worse"
    assert "better complaints answered within 4 hours" in result.title()


def test_one_tier_is_compared_with_nothing():
    result = report(orders=orders(), customers=customers(tier="general"))
    assert "There is only one tier" in result.reading()
    assert result.differences.empty
    assert result.table["customers"].tolist() == [40]


def test_a_manager_of_many_customers_is_no_ones_own():
    people = customers(account_manager="S1")
    people.loc[0, "account_manager"] = "S2"
    people.loc[20:, "account_manager"] = None
    table = report(orders=orders(), customers=people).table.set_index("tier")
    assert table["managed_share"].tolist() == pytest.approx([1.0, 1 / 3])
    assert table["customers_per_manager"].tolist() == pytest.approx([(1 + 9 * 19) / 10, 19])


def test_records_of_nobody_who_is_known_are_left_out_and_counted():
    rows = [
        ("1", None, "2025-03-01 08:00", None, "service"),
        ("2", "C0", "2025-03-01 08:00", None, "service"),
    ]
    result = report(orders=orders(), complaints=complaints(rows))
    assert "1 complaint (of no customer who is known)" in result.reading()


def test_the_rules_may_be_a_users_own():
    rules = tier_rules()
    rules.loc[0, "at_least"], rules.loc[1, "at_least"] = 500.0, 15.0
    result = tier_report(from_frames({"orders": orders()}, as_of=AS_OF), rules=rules)
    assert result.table["customers"].tolist() == [2, 38]


def test_the_companys_fast_lane_is_found(company):
    """effects.toml, fast_lane_key: .25 more first answers within 4 hours for key customers."""
    found = tier_report(company).differences.set_index("figure").loc["quick_share"]
    assert found["low"] < 0.25 < found["high"]
    assert found["verdict"] == "better"


def test_the_companys_shares_of_customers_and_margin_are_found(company):
    """effects.toml, structural: customer_share and profit_share of key and general."""
    table = tier_report(company).table.set_index("tier")
    assert table.loc["key", "customers_share"] == pytest.approx(0.05)
    assert table.loc["general", "customers_share"] == pytest.approx(0.80)
    assert table.loc["key", "margin_share"] == pytest.approx(0.80, abs=0.01)
    assert table.loc["general", "margin_share"] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("tier", "effect"), [("key", 2.3), ("potential", 1.1)])
def test_the_companys_order_values_are_found(company, tier, effect):
    """effects.toml, order_value_<tier>: log ratio of list prices to general customers', 2024."""
    orders = company.orders
    orders = orders[(orders["ordered_at"] < "2025-01-01") & (orders["amount"] > 0)]
    orders = orders[orders["service_line"] == "Parcel"]
    prices = np.log(orders["list_price"].astype(float)).groupby(orders["customer_id"])
    found = prices.agg(["sum", "size"]).join(company.customers.set_index("customer_id")["tier"])
    estimates = [
        clustered.mean(part["sum"], part["size"])
        for part in (found[found["tier"] == name] for name in (tier, "general"))
    ]
    apart = clustered.difference(*estimates)
    assert apart.low < effect < apart.high


def test_where_refunds_exceed_revenue_no_share_of_it_is_said():
    frame = orders()
    frame.loc[frame.index[0], "amount"] = -1e6
    result = tier_report(from_frames({"orders": frame}, as_of=AS_OF))
    assert result.table["revenue_share"].isna().all()
    assert "no revenue to share" in result.reading()
    assert "nan" not in (result.title() + result.reading()).lower()


def test_what_the_company_does_not_do_is_not_found(company):
    """No tier's orders are shipped with priority, and everybody shares the same managers."""
    result = tier_report(company)
    assert result.differences.set_index("figure").loc["on_time_share", "verdict"] == "unknown"
    assert (result.table["customers_per_manager"] > 50).all()


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_report_is_shown_in_both_languages(company, language):
    from crmlab.language import set_language

    set_language(language)
    result = tier_report(company)
    first = shown_table(result).iloc[0, 0]
    assert first == {"en": "Key", "zh_CN": "关键客户"}[language]
    assert first in result.alt()
    assert result.definition.denominator
    assert picture_of(result)[:4] == b"\x89PNG"
