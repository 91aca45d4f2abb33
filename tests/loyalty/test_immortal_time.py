"""Tiers of hindsight make customers seem to stay longer than they do."""

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData
from crmlab.loyalty.immortal_time import immortal_time
from crmlab.loyalty.stays import MONTH

AS_OF = "2025-12-31"


def workspace(rows, as_of=AS_OF):
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    return from_frames({"orders": orders.assign(order_id=orders.index.astype(str))}, as_of=as_of)


@pytest.fixture(scope="module")
def alike():
    """Customers who are all alike: buying every 20 days, of no lasting difference in money."""
    random = np.random.default_rng(3)
    rows = []
    for customer in range(600):
        last = random.exponential(300)
        at = random.uniform(0, 60)
        while at < min(last, 730) or not rows or rows[-1][0] != f"C{customer}":
            day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(at))
            rows.append((f"C{customer}", f"{day:%Y-%m-%d}", float(random.lognormal(3, 0.5))))
            at += random.exponential(20)
    return immortal_time(workspace(rows), silence=120)


def test_among_customers_all_alike_hindsight_finds_tiers_that_stay(alike):
    table = alike.table.set_index(["way", "tier"])
    key = table.loc[("hindsight", "key")]
    assert key["difference_low"] > 0.1
    assert key["ratio_high"] < 0.6
    general = table.loc[("hindsight", "general")]
    assert general["difference_high"] < 0
    assert "seem to leave" in alike.title()


def test_by_the_beginning_customers_all_alike_leave_alike(alike):
    # The few who bought twice by chance stay a little longer; nothing near the bias.
    early = alike.table[alike.table["way"] == "beginning"].set_index("tier")
    assert early.loc["key", "low"] < early.loc["general", "leaving"]
    assert early.loc["key", "high"] > 0.8 * early.loc["general", "leaving"]


def test_both_ways_have_the_same_customers_events_and_months(alike):
    sums = alike.table.groupby("way")[["customers", "events", "person_months"]].sum()
    np.testing.assert_allclose(sums.loc["hindsight"], sums.loc["beginning"])


def test_the_difference_and_the_ratio_are_those_of_the_two_rows(alike):
    table = alike.table.set_index(["way", "tier"])
    late, early = table.loc[("hindsight", "key")], table.loc[("beginning", "key")]
    assert late["difference"] == pytest.approx(late["stay"] - early["stay"])
    assert late["ratio"] == pytest.approx(late["leaving"] / early["leaving"])
    assert table.loc["beginning"][["difference", "ratio"]].isna().all(axis=None)


@pytest.mark.slow
def test_intervals_of_difference_and_ratio_hold_as_often_as_they_say():
    """The truth is what very many customers give."""
    from crmlab.loyalty.immortal_time import _difference, _ratio

    def frame(random, count):
        # Some are of one tier in both ways, some of one alone; the time is longer in hindsight.
        hindsight = random.random(count) < 0.4
        beginning = np.where(random.random(count) < 0.3, ~hindsight, hindsight)
        lives = random.exponential(np.where(hindsight, 800, 400)) + 1
        end, entry = random.uniform(400, 900, count), random.uniform(0, 100, count)
        kept = np.minimum(lives, end) > entry
        columns = {
            "time": np.minimum(lives, end),
            "event": lives < end,
            "entry": entry,
            "hindsight": np.where(hindsight, "key", "general"),
            "beginning": np.where(beginning, "key", "general"),
        }
        return pd.DataFrame(columns)[kept]

    random = np.random.default_rng(4)
    big = frame(random, 400_000)
    share = _difference(big, "hindsight", "key", 12, 0.95)["difference"]
    ratio = _ratio(big, "hindsight", "key", 0.95)["ratio"]
    holds = []
    for _turn in range(300):
        part = frame(random, 300)
        found = _difference(part, "hindsight", "key", 12, 0.95)
        rates = _ratio(part, "hindsight", "key", 0.95)
        holds.append(
            [
                found["difference_low"] < share < found["difference_high"],
                rates["ratio_low"] < ratio < rates["ratio_high"],
            ]
        )
    assert (np.mean(holds, axis=0) > 0.91).all()
    assert (np.mean(holds, axis=0) < 0.985).all()


def test_the_company_shows_the_bias(company):
    for setting in ("contract", "silence"):
        found = immortal_time(company, setting=setting)
        key = found.table.set_index(["way", "tier"]).loc[("hindsight", "key")]
        assert key["ratio_high"] < 1
        assert found.months == 12


def test_a_short_time_is_compared_after_fewer_months():
    rows = [("a", "2025-06-01", 5.0), ("b", "2025-06-01", 90.0), ("b", "2025-09-01", 1.0)]
    found = immortal_time(workspace(rows), silence=180)
    assert found.months == 6
    assert found.table["stay"].notna().any()
    assert found.table["person_months"].max() < 213 / MONTH
    assert found.plot() is not None
    assert found.reading()


def test_where_nobody_left_there_is_no_ratio_and_no_interval():
    rows = [
        (customer, f"{day:%Y-%m-%d}", money)
        for customer, money in (("a", 100.0), ("b", 1.0))
        for day in pd.date_range("2024-01-01", AS_OF, freq="30D")
    ]
    found = immortal_time(workspace(rows))
    assert found.table[["ratio", "difference_low"]].isna().all(axis=None)
    assert "no difference" in found.title()
    assert "in percentage points: Key 0.0; General 0.0." in found.reading()
    assert "Key 0.0% and 0.0%; General 0.0% and 0.0%." in found.reading()
    assert "In brackets" not in found.reading()
    assert "–" not in found.reading()


def test_too_short_a_time_is_said():
    with pytest.raises(NotEnoughData, match="was watched for longer than the 90 days"):
        immortal_time(workspace([("a", "2025-12-01", 5.0), ("b", "2025-12-05", 5.0)]))


def test_without_money_it_is_left_out_by_name():
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["a"], "ordered_at": ["2024-01-01"]})
    with pytest.raises(MissingColumns, match=r"orders\.amount"):
        immortal_time(from_frames({"orders": orders}, as_of=AS_OF))
