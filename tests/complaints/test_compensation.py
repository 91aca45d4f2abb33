import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.compensation import compensation
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import speaking
from crmlab.stats.weighted import difference


def cell(count, satisfied, paid, severity="low", **more):
    """So many complaints, of which so many end satisfied."""
    usual = {
        "severity": severity,
        "compensation": 100.0 if paid else 0.0,
        "kind": "transport",
        "opened_at": "2025-03-03 09:00",
    }
    return [usual | {"satisfaction_after": 5 if n < satisfied else 1} | more for n in range(count)]


def workspace(*cells, **columns):
    rows = [row for part in cells for row in part]
    frame = pd.DataFrame(rows).assign(**columns)
    frame["complaint_id"] = frame.index.astype(str)
    if "customer_id" not in frame:
        frame["customer_id"] = "C" + frame["complaint_id"]
    return from_frames({"complaints": frame}, as_of="2025-03-31")


def simpson():
    """In either stratum the compensated are ahead by ten points; all together they are behind."""
    return workspace(
        cell(60, 54, True), cell(540, 432, False),
        cell(480, 192, True, "high"), cell(120, 36, False, "high"),
    )  # fmt: skip


def test_simpsons_paradox_is_found_and_the_standardised_difference_is_that_of_the_strata():
    result = compensation(simpson())
    table = result.table.set_index("comparison")
    # 246 of 540 and 468 of 660
    assert table.loc["naive", "difference"] == pytest.approx(246 / 540 - 468 / 660)
    assert table.loc["within", "difference"].tolist() == pytest.approx([0.1, 0.1])
    assert table.loc["within", "severity"].tolist() == ["low", "high"]
    assert table.loc["standardised", "difference"] == pytest.approx(0.1)
    # Both strata hold 600 complaints.
    assert table.loc["standardised", "satisfied_share"] == pytest.approx((0.9 + 0.4) / 2)
    # The matched are weighted to the compensated: 60 of one stratum and 480 of the other.
    others = (60 * 0.8 + 480 * 0.3) / 540
    assert table.loc["matched", "others_satisfied"] == pytest.approx(others)
    said = result.reading()
    assert "Within each of 2 groups the compensated are ahead" in said
    assert "Simpson's paradox" in said
    assert result.title() == "Compensation looks useless, until Severity is taken into account"


def test_the_standardised_interval_is_that_of_stratified_sampling():
    row = compensation(simpson()).table.set_index("comparison").loc["standardised"]
    half = 0.5**2
    parts = [(0.9, 60), (0.8, 540), (0.4, 480), (0.3, 120)]
    error = np.sqrt(sum(half * share * (1 - share) / count for share, count in parts))
    reach = (row["difference_high"] - row["difference_low"]) / 2
    assert reach == pytest.approx(1.962 * error, rel=0.01)


def test_a_single_compensated_customer_of_a_stratum_is_not_taken_for_certain():
    crm = workspace(
        cell(1, 1, True), cell(10, 5, False),
        cell(9, 5, True, "high"), cell(10, 4, False, "high"),
    )  # fmt: skip
    row = compensation(crm).table.set_index("comparison").loc["standardised"]
    # The one is held against the 6 of 10 compensated who are satisfied; p(1 - p)/(m - 1) elsewhere.
    low = 0.4**2 + 0.5 * 0.5 / 9
    high = 5 / 9 * 4 / 9 / 8 + 0.4 * 0.6 / 9
    error = np.sqrt(30 / 29 * ((11 / 30) ** 2 * low + (19 / 30) ** 2 * high))
    reach = (row["difference_high"] - row["difference_low"]) / 2
    assert reach == pytest.approx(2.0452 * error, rel=1e-4)


def test_without_confounding_no_paradox_is_claimed():
    crm = workspace(
        cell(50, 40, True), cell(50, 25, False),
        cell(50, 30, True, "high"), cell(50, 15, False, "high"),
    )  # fmt: skip
    result = compensation(crm)
    table = result.table.set_index("comparison")
    assert table.loc["naive", "difference"] == pytest.approx(0.3)
    assert table.loc["standardised", "difference"] == pytest.approx(0.3)
    assert "Simpson" not in result.reading()
    assert result.title() == "Severity being equal, compensated customers are more satisfied"


def test_where_compensation_goes_with_less_satisfaction_that_is_said():
    crm = workspace(cell(80, 20, True), cell(80, 60, False))
    result = compensation(crm)
    assert result.title() == "Severity being equal, compensated customers are less satisfied"
    assert "fewer by more than chance" in result.reading()
    assert "bought no satisfaction" in result.reading()


def test_the_naive_interval_is_that_of_two_means():
    crm = workspace(cell(30, 20, True), cell(40, 20, False))
    row = compensation(crm).table.set_index("comparison").loc["naive"]
    paid = np.arange(70) < 30
    satisfied = [1] * 20 + [0] * 10 + [1] * 20 + [0] * 20
    theirs = difference(satisfied, paid, ~paid)
    assert row["difference"] == pytest.approx(theirs.value)
    assert row["difference_low"] == pytest.approx(theirs.low, abs=0.01)


def test_money_per_customer_more_is_the_money_over_the_gain():
    crm = workspace(cell(200, 160, True), cell(200, 80, False))
    result = compensation(crm)
    assert result.paid == 100
    # 100 over a gain of .4; what was paid does not vary, so the interval is the gain's turned over.
    row = result.table.set_index("comparison").loc["matched"]
    assert result.price.value == pytest.approx(250)
    assert result.price.low == pytest.approx(100 / row["difference_high"])
    assert result.price.high == pytest.approx(100 / row["difference_low"])
    none = compensation(workspace(cell(30, 16, True), cell(30, 15, False)))
    assert np.isnan(none.price.low)
    assert "cannot be told, since the gain may be none" in none.reading()


def test_what_something_unseen_would_have_to_be_is_said_with_the_known_as_a_measure():
    result = compensation(simpson())
    # .65 of .55
    assert result.ratio.value == pytest.approx(0.65 / 0.55)
    ratio = 13 / 11
    assert f"{ratio + np.sqrt(ratio * (ratio - 1)):.2f} each (E-value)" in result.reading()
    mark = result.yardstick
    assert mark[["among_compensated", "among_others"]].tolist() == pytest.approx(
        [480 / 540, 120 / 660] if mark["stratum"] == "high" else [60 / 540, 540 / 660]
    )


def test_a_stratum_without_a_pair_is_left_out_and_counted():
    crm = workspace(cell(20, 15, True), cell(20, 10, False), cell(9, 3, True, "high"))
    result = compensation(crm)
    assert result.without_pair == 9
    row = result.table.set_index("comparison").loc["standardised"]
    assert row[["answers", "others_answers"]].tolist() == [20, 20]
    assert "9 answers count for nothing there" in result.reading()
    assert result.unmatched == 9
    assert "9 have none" in result.reading()


def test_of_few_customers_nothing_is_judged():
    crm = workspace(
        cell(60, 50, True), cell(60, 30, False), customer_id=[f"C{n % 4}" for n in range(120)]
    )
    result = compensation(crm)
    assert result.table["difference_low"].isna().all()
    assert result.title() == "Whether compensation satisfies cannot be told from these answers"
    assert "An interval cannot be given" in result.reading()


def test_where_nothing_varies_no_interval_is_claimed():
    result = compensation(workspace(cell(30, 30, True), cell(30, 0, False)))
    assert result.table["difference"].tolist() == [1, 1, 1, 1]
    assert result.table["difference_low"].isna().all()
    assert "cannot be told" in result.title()


def test_like_with_like_there_may_be_no_difference():
    crm = workspace(
        cell(30, 27, True), cell(270, 243, False), cell(270, 54, True, "high"),
        cell(30, 6, False, "high"),
    )  # fmt: skip
    result = compensation(crm)
    assert result.table.set_index("comparison").loc["naive", "difference_high"] < 0
    assert result.title().startswith("Severity being equal, compensation shows no difference")


def test_without_severity_like_is_not_compared_with_like():
    frame = pd.DataFrame(cell(30, 25, True) + cell(30, 15, False)).drop(columns=["severity"])
    frame["complaint_id"] = frame.index.astype(str)
    result = compensation(from_frames({"complaints": frame}, as_of="2025-03-31"))
    assert result.by == ""
    assert "like cannot be compared with like" in result.reading()
    result.plot()
    only = frame.drop(columns=["kind"])
    result = compensation(from_frames({"complaints": only}, as_of="2025-03-31"))
    assert result.title() == "Compensated 83% satisfied, not compensated 50%"


def test_what_cannot_be_computed_is_said():
    with pytest.raises(NotEnoughData, match=r"Of 5 complaints .* 5 were compensated"):
        compensation(workspace(cell(5, 3, True)))
    with pytest.raises(UnknownName, match="by = region is none of severity, cause"):
        compensation(simpson(), by="region")


def test_the_effect_of_the_company_is_hidden_as_it_stands_and_found_among_like(company):
    result = compensation(company)
    table = result.table.set_index("comparison")
    assert table.loc["naive", "difference"] < 0
    assert table.loc["standardised", "difference_low"] > 0
    assert table.loc["matched", "difference_low"] > 0
    # effects.toml: compensation_recovery .6
    assert result.odds.low < np.exp(0.6) < result.odds.high
    assert "paradox" in result.reading()


def test_other_strata_and_both_languages(company):
    for code in ("en", "zh_CN"):
        with speaking(code):
            result = compensation(company, by="cause")
            assert result.table["cause"].notna().sum() > 8
            assert result.reading()
            assert len(result.plot().get_yticks()) == 11
    with speaking("en"):
        assert (
            "Named and drawn are the 8 groups with the most answers, of 10"
            in compensation(company, by="cause").reading()
        )
