import datetime as dt

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import number, set_language
from crmlab.satisfaction.service_change import (
    difference_in_differences,
    ordered_logit,
    service_change,
)

SINCE = "2025-01-01"


def workspace(levels, answers=24, on_time=True):
    """Answers about orders of each region before and after, at a mean level of halves."""
    rows = []
    for region, (before, after) in levels.items():
        for month in range(24):
            day = pd.Timestamp(2024 + month // 12, month % 12 + 1, 10)
            middle = after if month >= 12 else before
            for n in range(answers):
                who = f"{region}{n}"
                answer = int(np.floor(middle + (n % 2) / 2 + (n // 2 % 3 - 1)))
                late = month < 12 and after != before and n < 3
                rows.append((f"{who}-{month}", who, day, region, answer, not late))
    names = ["order_id", "customer_id", "ordered_at", "region", "overall", "on_time"]
    frame = pd.DataFrame(rows, columns=names)
    surveys = frame[["order_id", "customer_id", "overall"]].assign(
        response_id="Q" + frame["order_id"], answered_at=frame["ordered_at"]
    )
    orders = frame.drop(columns=["overall"] if on_time else ["overall", "on_time"])
    return from_frames({"surveys": surveys, "orders": orders})


def test_the_change_is_that_of_the_region_less_that_of_the_others():
    crm = workspace({"N": (3, 3.5), "S": (3, 3.5), "W": (2.5, 4)})
    table = service_change(crm, region="W", since=SINCE).table.set_index("comparison")
    assert table["change"].to_dict() == pytest.approx(
        {"before_after": 1.5, "others": 0.5, "afterwards": 0.5, "beforehand": -0.5, "did": 1.0}
    )
    assert table.loc["did", "low"] > 0


def test_the_interval_is_that_of_leaving_out_one_customer_after_the_other():
    import statsmodels.api as sm

    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "y": random.normal(size=200),
            "own": np.arange(200) % 2 == 0,
            "after": np.arange(200) % 4 > 1,
            "weight": random.uniform(1, 3, 200),
            "who": np.arange(200) // 5,
        }
    )
    found = difference_in_differences(
        frame["y"], frame["own"], frame["after"], weights=frame["weight"], clusters=frame["who"]
    )
    frame["c"], frame["both"] = 1.0, frame["own"] & frame["after"]

    def fitted(part):
        design = part[["c", "own", "after", "both"]].astype(float)
        return sm.WLS(part["y"], design, weights=part["weight"]).fit().params["both"]

    value = fitted(frame)
    without = np.array([fitted(frame[frame["who"] != who]) for who in range(40)])
    error = np.sqrt(39 / 40 * np.sum((without - value) ** 2))
    assert found.value == pytest.approx(value)
    assert found.high - found.value == pytest.approx(2.022691 * error)
    assert found.value - found.low == pytest.approx(2.022691 * error)


def test_a_group_of_one_customer_has_a_change_without_an_interval_and_an_empty_one_none():
    values, treated, after = [1, 2, 2, 3, 1, 3], [1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 1]
    alone = difference_in_differences(values, treated, after, clusters=[0, 0, 1, 1, 2, 2])
    assert alone.value == pytest.approx(1 - 1.5)
    assert np.isnan([alone.low, alone.high]).all()
    assert np.isnan(difference_in_differences([1, 2, 3], [1, 1, 0], [0, 1, 0]).value)


def test_card_and_kruegers_means_give_their_published_difference():
    # Full-time equivalents in New Jersey and Pennsylvania (1994, table 3): 2.76, from unrounded
    # means.
    found = difference_in_differences([20.44, 21.03, 23.33, 21.17], [1, 1, 0, 0], [0, 1, 0, 1])
    assert found.value == pytest.approx(2.76, abs=0.011)


def test_without_a_change_nothing_is_claimed():
    result = service_change(workspace({"N": (3, 3.5), "W": (3, 3.5)}), region="W", since=SINCE)
    assert "no change that differs from elsewhere can be told" in result.title()
    assert "cannot be told from these answers" in result.reading()


def test_orders_on_time_stand_beside_it_where_they_are_known():
    levels = {"N": (3, 3), "S": (3, 3), "W": (3, 4)}
    known = service_change(workspace(levels), region="W", since=SINCE)
    unknown = service_change(workspace(levels, on_time=False), region="W", since=SINCE)
    # 3 of 24 orders late in W before, none after and none elsewhere.
    assert known.table["on_time_change"].tolist() == pytest.approx([0.125, 0, 0, -0.125, 0.125])
    # Three customers, always the same: too few to tell.
    assert "cannot be told: 12.5 percentage points" in known.reading()
    assert "on_time_change" not in unknown.table
    assert "Which orders came on time is not known." in unknown.reading()


def test_the_other_regions_serve_as_placebos():
    result = service_change(
        workspace({"N": (3, 3.5), "S": (3, 3.5), "W": (3, 4)}), region="W", since=SINCE
    )
    assert result.placebos.to_dict() == pytest.approx({"N": 0, "S": 0})
    assert "Put to each of the 2 other regions" in result.reading()


def test_what_the_other_regions_can_say_depends_on_their_number():
    crm = workspace({"N": (3, 3.5), "S": (3, 3.5), "W": (3, 4)})
    assert "by chance once in 3." in service_change(crm, region="W", since=SINCE).reading()
    assert "no less than in N." in service_change(crm, region="N", since=SINCE).reading()


def test_quarters_with_too_few_answers_leave_the_means_in_the_picture():
    crm = workspace({"N": (3, 3.5), "W": (3, 4)}, answers=2)
    result = service_change(crm, region="W", since=SINCE)
    assert result.quarters.empty
    assert result.plot().get_xlim()[0] < -0.9


def test_a_region_or_a_day_that_is_not_there_is_named():
    crm = workspace({"N": (3, 3), "W": (3, 3)})
    with pytest.raises(NotEnoughData, match="region X; the regions are: N, W"):
        service_change(crm, region="X", since=SINCE)
    with pytest.raises(NotEnoughData, match="one of the four groups has none"):
        service_change(crm, region="W", since="2030-01-01")
    with pytest.raises(CrmlabError, match="since = soon is not a date"):
        service_change(crm, region="W", since="soon")


def test_a_change_that_is_declared_need_not_be_named_again(company):
    declared = service_change(company)
    assert (declared.region, declared.since) == ("Southwest", dt.date(2025, 1, 1))
    said = "What was changed: New hub, in Southwest from Jan 1, 2025 on."
    assert declared.reading().startswith(said)
    with pytest.raises(CrmlabError, match="give both, or neither"):
        service_change(company, region="Southwest")
    crm = workspace({"N": (3, 3.5), "W": (3, 3.5)})
    assert "What was changed" not in service_change(crm, region="W", since=SINCE).reading()
    with pytest.raises(NotEnoughData, match="No change of the service is declared"):
        service_change(crm)


def test_the_region_is_called_by_its_name_in_the_language_of_the_reader():
    levels = {"North": (3, 3), "East": (3, 3), "Southwest": (3, 4)}
    result = service_change(workspace(levels), region="Southwest", since=SINCE)
    set_language("zh_CN")
    try:
        said = result.title() + result.reading() + result.alt()
    finally:
        set_language("en")
    assert "西南" in said
    assert not any(code in said for code in levels)


def test_an_ordered_logit_that_cannot_be_fitted_is_missing_not_wrong():
    answers = pd.Series([3.0] * 6)
    design = pd.DataFrame({"x": [0.0, 1.0] * 3})
    assert np.isnan(ordered_logit(answers, design, pd.Series(range(6)), "x").value)


def test_the_hub_of_the_simulated_company_is_found(company):
    result = service_change(company, region="Southwest", since="2025-01-01")
    did = result.table.set_index("comparison").loc["did"]
    # effects.toml: .9 in the ordered logit beyond fewer late orders; .08 of orders on time.
    assert result.logit.low < 0.9 < result.logit.high
    odds = number(np.exp(result.logit.value), 2)
    assert f"the odds of a higher answer were multiplied by {odds} (" in result.reading()
    assert did["on_time_low"] < 0.08 < did["on_time_high"]
    assert did["low"] > 0
    assert result.trend.low < 0 < result.trend.high
