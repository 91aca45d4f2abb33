"""Used against not used, beside drawn against not drawn."""

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.sources import from_frames
from crmlab.loyalty.offer_contrast import offer_contrast
from crmlab.loyalty.offers import offers


def workspace(orders, arms):
    drawn = pd.DataFrame({"customer_id": list(arms), "arm": list(arms.values())})
    drawn["campaign"], drawn["assigned_at"] = "June", "2025-06-01"
    made = pd.DataFrame(orders, columns=["customer_id", "ordered_at", "promotion"])
    made.insert(0, "order_id", [str(n) for n in range(len(made))])
    return from_frames({"assignments": drawn, "orders": made}, as_of="2025-12-31")


def simulated(ratio, customers=500, seed=1, used=0.6):
    """A coupon that multiplies orders by `ratio`; each order uses it with that probability."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1, 1, customers)
    arm = rng.permutation(np.arange(customers) % 2)
    orders = []
    for month in range(1, 7):
        factor = np.where((arm == 1) & (month == 6), ratio, 1.0)
        for n in np.repeat(np.arange(customers), rng.poisson(rate * factor)):
            named = "June" if month == 6 and arm[n] and rng.random() < used else None
            orders.append((f"C{n}", f"2025-{month:02}-{rng.integers(1, 28):02}", named))
    return workspace(orders, {f"C{n}": ("holdout", "coupon")[arm[n]] for n in range(customers)})


def rows(result, arm="coupon"):
    return result.table[result.table["arm"] == arm].set_index("comparison")


def test_users_less_others_is_the_difference_of_their_means():
    arms = dict.fromkeys("ABCD", "coupon") | dict.fromkeys("WXYZ", "holdout")
    orders = [("A", "2025-06-02", "June"), ("A", "2025-06-03", None), ("B", "2025-06-04", "June")]
    orders += [("C", "2025-06-05", "another"), ("W", "2025-06-06", None), ("A", "2025-04-01", None)]
    result = offer_contrast(workspace(orders, arms))
    # A and B used it, with 2 orders and 1; C and D did not, with 1 and 0.
    assert rows(result)["difference"]["used"] == pytest.approx(100 * (1.5 - 0.5))
    assert rows(result)["difference"]["before"] == pytest.approx(100 * (1 / 3 / 2))
    assert result.used[["customers", "used", "share"]].iloc[0].tolist() == [4, 2, 0.5]


def test_a_coupon_that_does_nothing_looks_splendid_among_its_users():
    result = offer_contrast(simulated(1.0))
    table = rows(result)
    assert table["low"]["used"] > 100
    assert table["low"]["before"] > 0
    assert table["low"]["assigned"] < 0 < table["high"]["assigned"]
    assert table["low"]["compliers"] < 0 < table["high"]["compliers"]
    assert "Users were the busier ones before the offer too" in result.reading()


def test_the_fair_comparison_is_that_of_offers():
    crm = simulated(1.6)
    fair = rows(offer_contrast(crm)).loc["assigned"]
    row = offers(crm).row("coupon", "during")
    assert fair["difference"] == pytest.approx(row["more"])
    assert fair["low"] == pytest.approx(row["more_low"], abs=0.5)


def test_per_user_it_is_the_difference_over_the_share_of_users():
    result = offer_contrast(simulated(1.6, customers=2000))
    table = rows(result)
    share = result.used["share"].iloc[0]
    ratio = table["difference"]["compliers"] / table["difference"]["assigned"]
    assert ratio == pytest.approx(1 / share, rel=0.02)  # adjusted for history


@pytest.mark.slow
def test_intervals_per_user_hold_as_often_as_they_say():
    # Half of those who would use it do so with an order more; the others order as they would.
    rng = np.random.default_rng(7)
    held = 0
    for _draw in range(60):
        busy = rng.gamma(2, 1, 160)
        arm = rng.permutation(np.arange(160) % 2)
        willing = rng.random(160) < 0.4
        june = 1 + rng.poisson(busy) + (willing & (arm == 1) & (rng.random(160) < 0.5))
        april = rng.poisson(3 * busy)
        orders = []
        for n in range(160):
            orders += [(f"C{n}", "2025-06-02", None)] * int(june[n])
            if willing[n] and arm[n]:
                orders[-1] = (f"C{n}", "2025-06-02", "June")
            orders += [(f"C{n}", "2025-04-02", None)] * int(april[n])
        arms = {f"C{n}": ("holdout", "coupon")[arm[n]] for n in range(160)}
        row = rows(offer_contrast(workspace(orders, arms))).loc["compliers"]
        held += row["low"] < 50 < row["high"]
    assert 53 <= held <= 60


def test_where_nobody_used_it_there_is_nobody_to_compare():
    crm = simulated(1.5, used=0.0)
    result = offer_contrast(crm)
    assert rows(result)["difference"][["used", "compliers"]].isna().all()
    assert "there is nobody to compare" in result.reading()
    assert result.title() == "Nobody can be compared by whether the offer was used"
    result.plot()


def test_where_the_holdout_orders_nothing_users_alone_are_compared():
    arms = dict.fromkeys("ABCD", "coupon") | dict.fromkeys("WXYZ", "holdout")
    orders = [("A", "2025-06-02", "June"), ("A", "2025-06-03", None), ("B", "2025-06-04", "June")]
    result = offer_contrast(workspace(orders, arms))
    assert np.isfinite(rows(result)["difference"]["used"])
    assert rows(result)["difference"][["assigned", "compliers"]].isna().all()
    assert result.title() == "Coupon: what the offer itself brought cannot be told"
    assert "what the offer brought cannot be told" in result.reading()
    assert "–" not in result.reading() + result.alt()
    assert "drawn less holdout" not in result.alt()
    result.plot()


def test_a_single_user_is_compared_without_an_interval():
    arms = {"A": "coupon", "B": "coupon", "Y": "holdout", "Z": "holdout"}
    orders = [("A", "2025-06-02", "June"), ("Y", "2025-06-03", None)]
    result = offer_contrast(workspace(orders, arms))
    assert rows(result)["difference"]["used"] == 100
    assert "by 100.0 orders per 100 customers" in result.reading()
    assert "–" not in result.reading()


def test_users_among_the_holdout_are_counted():
    crm = simulated(1.5)
    orders = crm.orders.astype({"ordered_at": str})
    held = crm.assignments.query("arm == 'holdout'")["customer_id"]
    one = orders.index[orders["customer_id"].isin(held) & orders["ordered_at"].str.contains("-06-")]
    orders.loc[one[0], "promotion"] = "June"
    drawn = crm.assignments.astype({"assigned_at": str})
    result = offer_contrast(
        from_frames({"orders": orders, "assignments": drawn}, as_of="2025-12-31")
    )
    assert result.held_users == 1
    assert "1 customer of the holdout" in result.reading()


def test_promotions_are_needed():
    crm = simulated(1.5)
    orders = crm.orders.drop(columns="promotion")
    with pytest.raises(crmlab.errors.MissingColumns, match=r"orders\.promotion"):
        offer_contrast(from_frames({"orders": orders, "assignments": crm.assignments}))


def test_at_the_simulated_company_users_flatter_the_offer(company):
    result = offer_contrast(company)
    for arm in ("coupon", "points"):
        table = rows(result, arm)
        assert table["low"]["used"] > table["high"]["compliers"] > table["high"]["assigned"]
        assert table["low"]["before"] > 0
    assert result.held_users == 0
    assert "In the period of the offer, users differ" in result.reading()
