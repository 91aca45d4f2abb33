"""Means and shares of satisfaction, and the Net Promoter Score."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import MissingColumns, NotEnoughData, UnknownName
from crmlab.language import set_language
from crmlab.satisfaction.answers import group_name
from crmlab.satisfaction.net_promoter import nps, nps_error, nps_interval, nps_of
from crmlab.satisfaction.scores import csat
from crmlab.stats.intervals import wilson

SURVEYS = {
    "response_id": ["1", "2", "3", "4", "5", "6"],
    "customer_id": ["A", "B", "C", "D", "E", "F"],
    "sent_at": ["2025-01-01"] * 6,
    "answered_at": ["2025-01-02"] * 5 + [None],
    "overall": [5, 4, 3, 2, None, None],
    "recommend": [10, 9, 8, 3, 7, None],
    "wave": ["w2", "w2", "w1", "w1", "w1", "w1"],
}


def workspace(orders=None, customers=None, **columns):
    frames = {"surveys": pd.DataFrame(SURVEYS | columns)}
    more = {"orders": orders, "customers": customers}
    frames |= {name: pd.DataFrame(frame) for name, frame in more.items() if frame is not None}
    return from_frames(frames, as_of="2025-12-31")


# --- satisfaction


def test_without_weights_the_mean_and_the_share_are_the_plain_ones():
    row = csat(workspace()).table.iloc[0]
    assert row["answers"] == 4
    assert row["mean"] == 3.5
    assert row["satisfied_share"] == 0.5
    assert row["low"] == pytest.approx(3.5 - 3.182446 * np.sqrt(5 / 3) / 2, abs=1e-6)
    low, high = wilson(1.5, 3)  # with so few customers the effective number is 3
    assert row["satisfied_low"] == pytest.approx(float(low))
    assert row["satisfied_high"] == pytest.approx(float(high))


def test_weights_count_and_can_be_left_aside():
    crm = workspace(weight=[1.0, 1.0, 1.0, 5.0, 1.0, 1.0])
    assert csat(crm).table["mean"].iloc[0] == pytest.approx((5 + 4 + 3 + 10) / 8)
    assert csat(crm, weighted=False).table["mean"].iloc[0] == 3.5
    assert "with its design weight" in csat(crm).reading()
    assert "counts once" in csat(crm, weighted=False).reading()


def test_answers_that_are_all_alike_have_no_interval_of_the_mean():
    result = csat(workspace(overall=[4, 4, 4, 4, None, None]))
    row = result.table.iloc[0]
    assert np.isnan([row["low"], row["high"]]).all()
    assert 0.4 < row["satisfied_low"] < row["satisfied_high"] == 1
    assert "The mean is 4.00 (– to –)" in result.reading()


def test_the_interval_of_a_mean_ends_where_the_scale_does():
    row = csat(workspace(overall=[5, 1, None, None, None, None])).table.iloc[0]
    assert row[["low", "high"]].tolist() == [1, 5]


def test_a_design_effect_below_1_is_not_said_to_make_more_of_the_answers():
    crm = workspace(overall=[5, 1, 4, 1, None, None], customer_id=list("AABBCC"))
    assert "cost no precision that could be seen" in csat(crm).reading()


def test_an_answer_of_weight_0_is_left_out_and_counted():
    result = csat(workspace(weight=[1.0, 1.0, 0.0, 1.0, 1.0, 1.0]))
    assert result.table["answers"].iloc[0] == 3
    assert "1 questionnaire (answered, but of weight 0)" in result.reading()


def test_what_is_left_out_is_counted_by_reason():
    said = csat(workspace()).reading()
    assert "1 questionnaire (not answered)" in said
    assert "1 questionnaire (answered, but not this question)" in said


def test_answers_of_one_customer_count_as_a_cluster():
    alone = csat(workspace(overall=[4, 4, 2, 2, 3, None])).table.iloc[0]
    same = csat(workspace(overall=[4, 4, 2, 2, 3, None], customer_id=list("AABBCD"))).table.iloc[0]
    assert same["mean"] == alone["mean"]
    assert same["high"] - same["low"] > alone["high"] - alone["low"]
    assert same["design_effect"] > 1.5


def test_groups_stand_by_their_mean_and_waves_in_time():
    customers = {"customer_id": list("ABCDEF"), "tier": ["general", "key"] * 3}
    by_tier = csat(workspace(customers=customers), by="tier")
    assert by_tier.table["tier"].tolist() == ["general", "key"]
    assert by_tier.table["mean"].tolist() == [4.0, 3.0]
    assert csat(workspace(), by="wave").table["wave"].tolist() == ["w1", "w2"]
    assert by_tier.title() == "Mean satisfaction from 3.00 (Key) to 4.00 (General)"


def test_a_group_that_is_not_known_is_shown_as_such():
    customers = {"customer_id": ["A", "B"], "tier": ["key", "key"]}
    result = csat(workspace(customers=customers), by="tier")
    assert result.table["tier"].isna().tolist() == [False, True]
    assert "not given 2.50" in result.reading()


def test_a_mode_without_weights_counts_where_weights_do_not():
    modes = {"mode": ["sample", "sample", "sample", "call_centre", "call_centre", "sample"]}
    crm = workspace(weight=[2.0, 2.0, 2.0, None, None, 2.0], **modes)
    chosen = ["sample", "call_centre"]
    assert csat(crm, modes=chosen).table["answers"].iloc[0] == 3
    table = csat(crm, by="mode", weighted=False, modes=chosen).table
    assert dict(zip(table["mode"], table["answers"], strict=True)) == {
        "sample": 3,
        "call_centre": 1,
    }


def test_small_groups_are_named_and_one_group_is_not_compared():
    assert (
        "Fewer than 30 answers, so little can be told: w1, w2."
        in csat(workspace(), by="wave").reading()
    )
    assert "There is only one group: w1" in csat(workspace(wave=["w1"] * 6), by="wave").reading()


def test_what_is_not_there_is_named():
    with pytest.raises(MissingColumns, match=r"surveys\.overall"):
        csat(from_frames({"surveys": pd.DataFrame(SURVEYS).drop(columns="overall")}))
    with pytest.raises(UnknownName, match="no column colour"):
        csat(workspace(), by="colour")
    with pytest.raises(NotEnoughData, match="answers the question Overall satisfaction"):
        csat(workspace(overall=[None] * 6))


def test_one_answer_has_a_mean_and_no_interval_of_it():
    result = csat(workspace(overall=[4, *[None] * 5]))
    assert result.table["mean"].iloc[0] == 4
    assert result.table[["low", "high"]].isna().all(axis=None)
    assert "4.00 (– to –)" in result.reading()


def test_mean_agrees_with_a_weighted_regression_with_errors_by_customer(company):
    import statsmodels.api as sm

    surveys = company.surveys
    frame = surveys[surveys["overall"].notna() & (surveys["mode"] != "call_centre")]
    values = frame["overall"].to_numpy(float)
    model = sm.WLS(values, np.ones(len(frame)), weights=frame["weight"].to_numpy(float))
    groups = pd.factorize(frame["customer_id"])[0]
    found = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    row = csat(company).table.iloc[0]
    assert row["mean"] == pytest.approx(found.params[0])
    assert (row["low"], row["high"]) == pytest.approx(tuple(found.conf_int()[0]))


def test_late_orders_of_the_bundled_company_leave_less_satisfied_customers(company):
    table = csat(company, by="on_time").table.set_index("on_time")
    assert table.loc[False, "high"] < table.loc[True, "low"]


# --- recommendation


def test_nps_counts_promoters_and_detractors_and_ignores_what_is_missing():
    assert nps_of([10, 9, 8, 7, 6, 0, np.nan]) == 0
    assert nps_of([9, 6], weights=[3, 1]) == 50
    assert np.isnan(nps_of([np.nan]))
    assert np.isnan(nps_error([]))


def test_nps_of_answers_that_agree_still_has_an_interval():
    assert nps_error([10] * 10) == 0
    low, high = nps_interval(10, 0, 0)
    assert (round(float(low), 1), float(high)) == (47.5, 100)
    one, highest = nps_interval(1, 0, 0)
    assert (one < 0, highest) == (True, 100)
    assert np.isnan(nps_interval(0, 0, 0).low)


def test_nps_of_independent_answers_has_the_adjusted_wald_interval():
    row = nps(workspace(recommend=[1, 8, 8, 10, 5, 9], answered_at=["2025-01-02"] * 6)).table.loc[0]
    low, high = nps_interval(2, 2, 2)
    assert (row["nps"], row["low"], row["high"]) == pytest.approx((0, float(low), float(high)))
    assert (row["promoters"], row["passives"]) == pytest.approx((1 / 3, 1 / 3))


def test_nps_says_which_there_are_more_of_or_that_it_cannot_be_told():
    many = {"answered_at": ["2025-01-02"] * 6}
    unclear = nps(workspace(recommend=[10, 10, 1, 1, 8, 8], **many)).reading()
    assert "cannot be told" in unclear
    assert "more promoters than" in nps(workspace(recommend=[10] * 6, **many)).reading()
    assert "more detractors than" in nps(workspace(recommend=[1] * 6, **many)).reading()


def test_nps_of_one_customer_who_answered_often_is_that_of_one_answer():
    row = nps(workspace(recommend=[10] * 5 + [None], customer_id=["A"] * 6)).table.loc[0]
    assert row["low"] == pytest.approx(float(nps_interval(1, 0, 0).low))
    assert row["design_effect"] == pytest.approx(5)


def test_nps_interval_covers_the_score_in_small_samples():
    random = np.random.default_rng(1)
    drawn = random.multinomial(12, [0.7, 0.2, 0.1], size=2000)
    counts, covered = np.unique(drawn, axis=0, return_counts=True)
    hits = [float(low) <= 60 <= float(high) for low, high in (nps_interval(*row) for row in counts)]
    assert 0.93 < np.average(hits, weights=covered) < 0.98


def test_nps_stands_by_group_with_its_own_words():
    result = nps(workspace(), by="wave")
    assert result.table["nps"].round(1).tolist() == [-33.3, 100.0]
    assert result.title() == "Net Promoter Score from -33.3 (w1) to 100.0 (w2)"
    assert "Net Promoter Score" in result.alt()


# --- both


def test_groups_are_named_in_the_language():
    set_language("zh_CN")
    assert group_name("stratum", "key") == "关键客户"
    assert group_name("customer_region", "East") == "华东"
    assert group_name("wave", "w1") == "w1"
    assert group_name("month", pd.Timestamp("2025-03-01")) == "2025-03"


@pytest.mark.parametrize("measure", [csat, nps])
@pytest.mark.parametrize("by", [None, "wave", "month"])
def test_pictures_have_their_title_and_every_group(measure, by):
    result = measure(workspace(), by=by)
    axes = result.plot()
    assert axes.get_figure().get_suptitle() == result.title()
    if by is None:
        assert axes.get_xticks().tolist() == result.distribution["answer"].tolist()
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == pytest.approx(result.distribution["share"])
        return
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [group_name(by, value) for value in result.table[by]]
    assert all(name in result.alt() for name in names)
    drawn = axes.collections[-1].get_offsets()[:, 0].tolist()
    assert drawn == pytest.approx(result.table[result.score].tolist())
