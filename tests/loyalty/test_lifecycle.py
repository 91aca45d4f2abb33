"""Stages of the customer life: rules as data, and only what was known on the day."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import crmlab
from crmlab.data.model import Settings
from crmlab.data.simulate import SEED, effects
from crmlab.data.simulate.customers import make_customers
from crmlab.data.simulate.effects import effects_of, seed_of
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.loyalty.lifecycle import incentives, lifecycle
from crmlab.loyalty.stages import ORDER, lifecycle_rules, stages
from tests.loyalty.bought import every
from tests.loyalty.bought import workspace as of_purchases

workspace = partial(of_purchases, as_of="2024-12-31")


def of(found, customer):
    return found.frame.set_index("customer_id").loc[customer]


BOUGHT = [
    *every("steady", 20),
    *every("steady too", 20),
    *every("often", 5),
    *every("silent", 20, last="2024-10-01"),
    *every("gone", 20, last="2024-03-01"),
    *every("fading", 10, last="2024-07-10"),
    *[("fading", day) for day in ("2024-09-15", "2024-12-20")],
    *every("young", 30, first="2024-03-01"),
    *every("fresh", 30, first="2024-11-01"),
    ("once", "2024-12-30"),
    *every("seldom", 150),
]


def test_each_behaviour_has_its_stage():
    found = stages(workspace(BOUGHT)).frame.set_index("customer_id")["stage"]
    assert found.to_dict() == {
        "steady": "stable",
        "steady too": "stable",
        "often": "stable",
        "silent": "decline",  # 92 days, more than three gaps
        "gone": "lost",
        "fading": "decline",  # 20 purchases in the half year before, 3 in the last
        "young": "formation",  # ten months
        "fresh": "exploration",
        "once": "exploration",
        "seldom": "formation",  # two years, but not four purchases in the last
    }


def test_the_measures_are_those_of_the_rules():
    bought = [("A", "2024-01-01"), ("A", "2024-01-01"), ("A", "2024-01-31"), ("B", "2024-03-31")]
    found = stages(workspace(bought, as_of="2024-04-30"))
    a, b = of(found, "A"), of(found, "B")
    assert found.typical == 30
    assert a[["age", "purchases", "silence"]].tolist() == [120, 2, 90]
    assert a["expected_gap"] == 30  # (30 + 30) / 2
    assert a["silence_ratio"] == 3
    assert (b["expected_gap"], b["silence_ratio"]) == (30, 1)
    by_order = stages(workspace(bought, as_of="2024-04-30"), occasion="order")
    assert of(by_order, "A")["purchases"] == 3


def test_the_trend_compares_two_half_years_and_needs_both():
    bought = [*every("old", 20), *every("new", 20, first="2024-02-01")]
    bought += every("less", 10, last="2024-06-30") + every("less", 60, first="2024-07-01")
    found = stages(workspace(bought))
    assert of(found, "old")["trend"] == pytest.approx(1.0, abs=0.12)
    assert np.isnan(of(found, "new")["trend"])
    less = of(found, "less")

    def bought_from(first, last):
        return {
            who: sum(first <= day <= last for name, day in bought if name == who)
            for who in ("old", "less")
        }

    spring, autumn = (
        bought_from("2024-01-01", "2024-06-30"),
        bought_from("2024-07-01", "2024-12-31"),
    )
    assert less["trend"] == pytest.approx(autumn["less"] / spring["less"])
    share = sum(autumn.values()) / (sum(autumn.values()) + sum(spring.values()))
    assert less["drop_chance"] == pytest.approx(
        binom.cdf(autumn["less"], autumn["less"] + spring["less"], share)
    )


def test_a_season_that_all_have_is_no_decline():
    bought = []
    for number in range(20):
        bought += every(str(number), 5, last="2024-06-30")
        bought += every(str(number), 15, first="2024-07-01")
    result = lifecycle(workspace(bought))
    assert set(result.customers["stage"]) == {"stable"}
    assert "All together bought 0.3" in result.reading()


def test_stages_of_an_earlier_day_know_nothing_of_later():
    earlier = lifecycle(workspace(BOUGHT), at="2024-06-30").customers
    alone = lifecycle(workspace(
        [(who, day) for who, day in BOUGHT if pd.Timestamp(day) <= pd.Timestamp(2024, 6, 30)],
        as_of="2024-06-30",
    )).customers  # fmt: skip
    pd.testing.assert_frame_equal(earlier, alone)
    assert "fresh" not in set(earlier["customer_id"])


def test_a_day_counts_with_all_its_hours_in_the_time_zone_of_the_company():
    times = pd.to_datetime(["2024-01-01 08:00", "2024-06-29 23:30"]).tz_localize("UTC")
    orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": "A", "ordered_at": times})
    silent = []
    for zone in ("UTC", "Asia/Shanghai"):
        crm = from_frames({"orders": orders}, Settings(timezone=zone), as_of="2024-06-30")
        silent.append(int(stages(crm).frame["silence"].iloc[0]))
    assert silent == [1, 0]


def test_refunds_are_taken_from_the_revenue_and_are_no_sign_of_life():
    bought = [("A", "2024-01-10", 100.0), ("A", "2024-02-10", 50.0), ("A", "2024-06-20", -30.0)]
    bought += [("B", "2024-06-01", 80.0)]
    result = lifecycle(workspace(bought, as_of="2024-06-30"))
    a = result.customers.set_index("customer_id").loc["A"]
    assert (a["revenue"], a["purchases"], a["silence"]) == (120.0, 2, 141)
    assert result.table["revenue"].sum() == 200
    assert result.table["revenue_share"].sum() == pytest.approx(1)


def test_without_amounts_stages_are_known_and_revenue_is_not():
    orders = pd.DataFrame(BOUGHT, columns=["customer_id", "ordered_at"])
    orders.insert(0, "order_id", [str(number) for number in range(len(orders))])
    result = lifecycle(from_frames({"orders": orders}, as_of="2024-12-31"))
    assert result.table["revenue_share"].isna().all()
    assert "revenue" not in result.reading()
    result.plot()


def test_those_won_before_the_data_are_as_old_as_they_are():
    customers = {"customer_id": ["A"], "acquired_on": ["2015-06-30"]}
    bought = every("A", 10, first="2024-01-01", last="2024-06-30")
    result = lifecycle(workspace(bought, as_of="2024-06-30", customers=customers))
    found = result.customers.iloc[0]
    assert (found["age"], found["stage"]) == (3288, "stable")
    # 19 purchases in 182 of the 366 days of a year
    assert found["last_year"] == pytest.approx(19 / (182 / 366))
    assert "The data hold only 50% of the 12 months" in result.reading()
    assert "1 customer was won before the data begin" in result.reading()


def test_the_stages_come_in_the_order_of_a_life_with_intervals_that_hold_together():
    table = lifecycle(workspace(BOUGHT)).table
    assert table["stage"].tolist() == list(ORDER)
    assert table["customers"].tolist() == [2, 2, 3, 2, 1]
    # Wilson (1927) at 99 % for each of five: 3 of 10
    assert table.loc[2, ["low", "high"]].tolist() == pytest.approx([0.0796, 0.6800], abs=1e-4)


def test_rules_can_be_changed():
    rules = lifecycle_rules()
    rules = rules[rules["stage"] != "lost"]
    found = lifecycle(workspace(BOUGHT), rules=rules)
    assert "lost" not in set(found.table["stage"])
    assert found.customers.set_index("customer_id").loc["gone", "stage"] == "decline"
    own = pd.DataFrame(
        {
            "stage": ["VIP", "rest"],
            "way": 1,
            "measure": ["last_year", None],
            "at_least": [15.0, np.nan],
            "at_most": np.nan,
        }
    )
    result = lifecycle(workspace(BOUGHT), rules=own)
    assert result.table["stage"].tolist() == ["VIP", "rest"]
    assert result.title().startswith("The largest stage is rest")
    assert "VIP if last_year ≥ 15; rest otherwise." in result.definition.method
    result.plot()


def test_rules_that_cannot_be_read_are_refused():
    crm, rules = workspace(BOUGHT), lifecycle_rules()
    with pytest.raises(CrmlabError, match="Rules are a table with the columns stage, way"):
        lifecycle(crm, rules=rules.drop(columns="way"))
    with pytest.raises(CrmlabError, match="takes the rest, so it has a single row"):
        lifecycle(crm, rules=rules.iloc[:-1])
    with pytest.raises(UnknownName, match="no measure mood to make a rule of"):
        lifecycle(crm, rules=rules.replace({"measure": {"trend": "mood"}}))
    with pytest.raises(CrmlabError, match="neither at_least nor at_most"):
        lifecycle(crm, rules=rules.replace({"at_least": {180.0: np.nan}}))


def test_a_day_that_cannot_be_judged_is_refused():
    crm = workspace(BOUGHT)
    with pytest.raises(CrmlabError, match="is after the last day of the data, Dec 31, 2024"):
        lifecycle(crm, at="2025-01-01")
    with pytest.raises(CrmlabError, match="at is a day, such as '2025-06-30'; it is 'soon'"):
        lifecycle(crm, at="soon")
    with pytest.raises(NotEnoughData, match="Stages need purchases of 90 days before the day"):
        lifecycle(crm, at="2023-03-30")
    with pytest.raises(CrmlabError, match="occasion is 'day' or 'order'"):
        lifecycle(crm, occasion="week")


def test_one_customer_who_bought_once_has_a_stage():
    result = lifecycle(workspace([("A", "2024-01-01")], as_of="2024-05-31"))
    assert "Those in decline" not in result.reading()
    assert result.customers["stage"].tolist() == ["exploration"]
    assert np.isnan(result.customers["silence_ratio"].iloc[0])
    assert result.reading()
    result.plot()


def test_every_stage_has_the_incentives_of_the_course():
    table = incentives()
    assert table["stage"].unique().tolist() == list(ORDER)
    assert not table["incentive"].duplicated().any()
    reading = lifecycle(workspace(BOUGHT)).reading()
    assert all(label in reading for label in table["label"])


@pytest.mark.parametrize("student", ["", "20261234"])
def test_those_called_lost_have_left_the_company_and_the_stable_have_not(company, student):
    crm = crmlab.load(student=student) if student else company
    made = make_customers(
        seed_of(student) if student else SEED,
        2000,
        effects.values(effects_of(student) if student else None),
    )
    customers = lifecycle(crm).customers
    # Days of the simulation: 731 from 1 January 2024 to 31 December 2025.
    gone = customers["customer_id"].map(dict(zip(made.ids, made.left < 731, strict=True)))
    share = gone.groupby(customers["stage"]).mean()
    assert share["lost"] > 0.85
    assert 0.3 < share["decline"] < share["lost"]
    assert share["stable"] < 0.15


def test_where_nobody_bought_twice_no_silence_is_long():
    result = lifecycle(workspace([("A", "2023-01-01"), ("B", "2024-12-01")]))
    assert not {"decline", "lost"} & set(result.customers["stage"])
    assert "Nobody bought twice" in result.reading()
    assert "Nobody bought twice" not in lifecycle(workspace(BOUGHT)).reading()
