import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.control import control
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.language import speaking
from crmlab.stats.control_charts import Limits

# Ten weeks from Monday, 6 January 2025, and three days; 50 orders a week, four complaints.
MONDAY = pd.Timestamp("2025-01-06")
AS_OF = "2025-03-19"


def workspace(counts, orders=50, *, as_of=AS_OF, **columns):
    """So many complaints a week, the first on Monday; orders on Tuesday."""
    weeks = np.repeat(np.arange(len(counts)), counts)
    complaints = pd.DataFrame({"opened_at": MONDAY + pd.to_timedelta(weeks * 7, unit="D")})
    complaints["complaint_id"] = [str(number) for number in range(len(complaints))]
    for name, value in columns.items():
        complaints[name] = value
    frames = {"complaints": complaints}
    if orders:
        placed = np.repeat(np.arange(len(counts)), orders)
        frames["orders"] = pd.DataFrame(
            {
                "order_id": [f"O{number}" for number in range(len(placed))],
                "ordered_at": MONDAY + pd.to_timedelta(placed * 7 + 1, unit="D"),
                "route": np.where(np.arange(len(placed)) % 2, "A", "B"),
            }
        )
    return from_frames(frames, as_of=as_of)


STEADY = [4, 5, 3, 4, 4, 4, 5, 3, 4, 4]


def test_a_rate_is_complaints_per_1000_orders_with_limits_of_phase_one():
    result = control(workspace(STEADY))
    table = result.table
    assert table["begins_on"].iloc[0] == MONDAY
    assert table["per_1000"].tolist() == pytest.approx([count / 0.05 for count in STEADY])
    # Twenty complaints of 250 orders: 80, and 3 √(80/.05) = 120 beyond it.
    assert table["centre"].iloc[0] == pytest.approx(80)
    assert table[["lower", "upper"]].iloc[9].tolist() == pytest.approx([0, 200])
    assert table["phase"].tolist() == [1] * 5 + [2] * 5
    assert not table["signal"].any()
    assert "no signal after phase I" in result.title()
    assert "No later point breaks a rule" in result.reading()


def test_limits_widen_where_there_are_fewer_orders():
    crm = workspace(STEADY, orders=[80, 80, 80, 80, 80, 20, 80, 80, 80, 80])
    table = control(crm).table
    assert table["upper"].iloc[5] > 1.5 * table["upper"].iloc[4]
    assert table["orders"].tolist()[4:6] == [80, 20]


def test_a_week_out_of_line_is_a_signal_and_named():
    result = control(workspace([*STEADY[:8], 16, 4]), rules="western_1")
    assert result.table["signal"].tolist() == [False] * 8 + [True, False]
    assert result.table["rule"].iloc[8] == "western_1"
    assert "1 signal after phase I, in the week from Mar 3, 2025" in result.title()
    assert "the week from Mar 3, 2025 320.0 (above: beyond the limits)" in result.reading()
    assert "not what" in result.reading()


def test_a_signal_in_phase_one_alone_is_in_the_title_and_the_lines_are_named():
    result = control(workspace([4, 4, 16, *STEADY[:7]]), until="2025-02-16", rules="western_1")
    assert result.table["signal"].tolist() == [False, False, True] + [False] * 7
    assert "1 signal in phase I, none after it" in result.title()
    written = [text.get_text() for text in result.plot().texts]
    assert {"Centre", "Upper limit", "Lower limit"} <= {*written}


def test_limits_from_the_time_of_the_fault_hide_it():
    counts = [4, 4, 4, 4, 4, 4, 15, 15, 15, 15]
    assert control(workspace(counts), rules="western_1").table["signal"].sum() == 4
    late = control(workspace(counts), until="2025-03-16", rules="western_1").table
    assert late["phase"].eq(1).all()
    assert not late["signal"].any()


def test_limits_are_saved_and_judge_what_comes_later(tmp_path):
    before = control(workspace(STEADY), until="2025-03-16")
    before.limits.save(tmp_path / "limits.json")
    after = control(
        workspace([*STEADY[:9], 15]), limits=tmp_path / "limits.json", since="2025-03-01"
    )
    assert after.limits == before.limits
    assert after.table["phase"].tolist() == [2, 2]
    assert after.table["signal"].tolist() == [False, True]
    assert after.held
    assert "The limits were given and rest on 10 points" in after.reading()
    assert control(workspace(STEADY), limits=before.limits).limits == before.limits


def test_weeks_that_are_not_whole_are_left_out_and_counted():
    # The data begin on Monday; the eleventh week ends after the last day.
    result = control(workspace([*STEADY, 7]))
    assert len(result.table) == 10
    assert "7 complaints (in a period that is not whole)" in result.reading()
    assert result.definition.exclusions[-1].count == 7


def test_weeks_before_the_first_complaint_do_not_count_as_free_of_complaints():
    result = control(workspace([0, 0, 0, *STEADY[:7]]))
    assert len(result.table) == 7
    assert result.table["complaints"].min() > 0


def test_months_can_be_charted():
    crm = workspace([4] * 13, as_of="2025-04-10")
    table = control(crm, every="month").table
    assert table["begins_on"].dt.month.tolist() == [2, 3]
    assert table["complaints"].tolist() == [16, 20]


def test_the_share_resolved_in_time_leaves_out_what_is_not_known_yet():
    count = sum(STEADY)
    opened = MONDAY + pd.to_timedelta(np.repeat(np.arange(10), STEADY) * 7, unit="D")
    resolved = pd.Series(opened + pd.Timedelta(days=1))
    resolved.iloc[0] = opened[0] + pd.Timedelta(days=9)  # late
    resolved.iloc[-2:] = pd.NaT  # open: one overdue, one not due yet
    due = pd.Series(opened + pd.Timedelta(days=3))
    due.iloc[-1] = pd.Timestamp("2025-04-01")
    crm = workspace(STEADY, orders=0, resolved_at=resolved.to_numpy(), due_at=due.to_numpy())
    table = control(crm, chart="p").table
    assert table["cases"].sum() == count - 1
    assert table["complaints"].iloc[0] == 3
    assert table["complaints"].iloc[-1] == 2
    assert table["share"].iloc[0] == pytest.approx(3 / 4)


def test_a_complaint_due_after_the_last_day_is_not_judged_even_if_it_is_resolved():
    opened = MONDAY + pd.to_timedelta(np.repeat(np.arange(10), STEADY) * 7, unit="D")
    resolved = pd.Series(opened + pd.Timedelta(days=1))
    due = pd.Series(opened + pd.Timedelta(days=3))
    due.iloc[-2:] = pd.Timestamp("2025-06-01")  # one resolved already, one open
    resolved.iloc[-1] = pd.NaT
    due.iloc[0], resolved.iloc[0] = opened[0].normalize(), opened[0].normalize()  # mere days
    resolved.iloc[1] = opened[1] + pd.Timedelta(days=4)  # late
    crm = workspace(STEADY, orders=0, resolved_at=resolved.to_numpy(), due_at=due.to_numpy())
    table = control(crm, chart="p").table
    assert table["cases"].sum() == sum(STEADY) - 2
    assert table["complaints"].sum() == sum(STEADY) - 3


def test_counts_need_no_orders_and_rates_do():
    crm = workspace(STEADY, orders=0)
    assert control(crm, chart="c").table["centre"].iloc[0] == pytest.approx(4)
    assert "Complaints a week" in control(crm, chart="c").title()
    with pytest.raises(MissingColumns, match=r"orders\.ordered_at"):
        control(crm)


def test_single_values_and_moving_averages_have_their_limits():
    single = control(workspace(STEADY), chart="individuals")
    ranges = np.abs(np.diff([80, 100, 60, 80, 80])).mean()
    assert single.limits.sigma == pytest.approx(ranges / 1.128)
    assert "d2 = 1.128" in single.reading()
    average = control(workspace(STEADY), chart="ewma", smoothing=0.5)
    assert average.table["per_1000"].iloc[:2].tolist() == pytest.approx([80, 90])
    assert average.limits.sigma == pytest.approx(np.sqrt(80))
    assert average.table["low"].isna().all()


def test_overdispersion_is_reported_and_laney_widens_the_limits():
    counts = [2, 30, 2, 30, 2, 30, 2, 30, 2, 30]
    plain, wide = (control(workspace(counts), laney=laney, rules="western_1") for laney in (0, 1))
    assert plain.dispersion.ratio > 5
    assert plain.dispersion.sigma == pytest.approx(wide.limits.sigma)
    assert plain.dispersion.other == len(wide.control.signals)
    assert "vary more than chance alone would make them" in plain.reading()
    assert "Laney's σz" in wide.reading()
    assert "no more than chance would make them" in control(workspace(STEADY)).reading()


def test_rules_are_chosen_by_name_and_their_false_signals_counted():
    result = control(workspace(STEADY), rules=["western_1", "nelson_2"])
    assert result.alarms["rule"].tolist() == ["western_1", "nelson_2", "any"]
    assert "nine in a row on one side: 0, by chance" in result.reading()
    assert len(control(workspace(STEADY), rules="nelson").alarms) == 9
    assert control(workspace(STEADY), chart="ewma").rules == ("western_1",)
    with pytest.raises(UnknownName, match="no run rule western_9"):
        control(workspace(STEADY), rules="western_9")


def test_a_kind_and_a_place_are_chosen_by_their_columns():
    crm = workspace(STEADY, cause=["damage", "attitude"] * 20, order_id=["O0", "O1"] * 20)
    result = control(crm, of={"cause": "damage"}, where={"route": "B"})
    assert result.table["complaints"].sum() == 20
    assert result.table["orders"].eq(25).all()
    assert "(Cause: Damaged goods; Route: B)" in result.title()
    # Damage is complained of on route B alone.
    with pytest.raises(NotEnoughData, match="Phase I has no event"):
        control(crm, of={"cause": "damage"}, where={"route": "A"})


def test_complaints_without_an_order_have_no_place_which_is_said():
    crm = workspace(STEADY, order_id=["O0", "O2", None, None] * 10)
    result = control(crm, where={"route": "B"})
    assert result.table["complaints"].sum() == 20
    assert "20 complaints (place not known)" in result.reading()


def test_dated_by_the_order_complaints_and_orders_belong_together():
    # Complaints of one week's orders are opened in the next, in which nobody orders.
    orders = pd.DataFrame({"order_id": [str(number) for number in range(600)]})
    week = np.repeat([0, 2, 4, 6, 8, 10], 100)
    orders["ordered_at"] = MONDAY + pd.to_timedelta(week * 7, unit="D")
    complaints = orders.iloc[::10].rename(columns={"ordered_at": "opened_at"})
    complaints = complaints.assign(opened_at=complaints["opened_at"] + pd.Timedelta(days=8))
    complaints["complaint_id"] = complaints["order_id"]
    crm = from_frames({"orders": orders, "complaints": complaints}, as_of="2025-04-06")
    by_order = control(crm, dated="ordered")
    assert by_order.table["per_1000"].tolist() == pytest.approx([100] * 6)
    assert by_order.skipped == 5
    assert "within 8 days" in by_order.reading()
    # When they are opened nobody orders, so that no week has both.
    with pytest.raises(NotEnoughData, match="Phase I has no event"):
        control(crm)


def test_what_is_left_out_is_said_in_the_language_in_which_it_is_asked_for():
    result = control(workspace([*STEADY, 7]))
    assert result.definition.exclusions[-1].words().startswith("7 complaints")
    with speaking("zh_CN"):
        assert "complaints" not in result.definition.exclusions[-1].words()


def test_complaints_long_after_their_orders_are_warned_of(company):
    assert "the two do not belong together" in control(company).reading()
    assert "the two do not belong together" not in control(company, every="month").reading()


def test_a_share_that_is_known_of_no_complaint_is_said():
    with pytest.raises(NotEnoughData, match="Of no complaint is it known"):
        control(workspace(STEADY), chart="p")


def test_what_cannot_be_asked_is_said():
    crm = workspace(STEADY, cause="damage", order_id="O0")
    with pytest.raises(UnknownName, match="chart is one of u, p, c, individuals, ewma, not x"):
        control(crm, chart="x")
    with pytest.raises(UnknownName, match="every is one of week, month, not day"):
        control(crm, every="day")
    with pytest.raises(UnknownName, match="of is one of kind, cause"):
        control(crm, of={"text": "x"})
    with pytest.raises(UnknownName, match=r"cause has no lateness\. There are: damage"):
        control(crm, of={"cause": "lateness"})
    with pytest.raises(UnknownName, match=r"route has no Z\. There are: A, B"):
        control(crm, where={"route": "Z"})
    with pytest.raises(UnknownName, match="no column rout"):
        control(crm, where={"rout": "A"})
    with pytest.raises(CrmlabError, match='not with "u"'):
        control(crm, share="in_time")
    with pytest.raises(CrmlabError, match="laney = True goes with"):
        control(crm, chart="c", laney=True)
    with pytest.raises(NotEnoughData, match="at least 2 points in phase I; there are 1"):
        control(crm, until="2025-01-12")
    strangers = workspace(STEADY, order_id="not ours")
    with pytest.raises(NotEnoughData, match="No complaint names an order whose day is known"):
        control(strangers, dated="ordered")
    with pytest.raises(NotEnoughData, match="no period to chart"):
        control(crm, since="2030-01-01")
    with pytest.raises(NotEnoughData, match="no whole month"):
        control(workspace([1], as_of="2025-01-20"), every="month")


def test_limits_that_rest_on_few_points_are_said_to_say_little():
    said = control(workspace(STEADY), until="2025-01-19").reading()
    assert "limits that rest on 2 points say little" in said
    assert "may serve as a standard" not in said
    said = control(workspace(STEADY * 3, as_of="2025-08-03")).reading()
    assert "No point of phase I breaks a rule, so it may serve as a standard." in said


def test_all_points_may_be_phase_one():
    result = control(workspace(STEADY), until="2025-12-31")
    assert "all of them phase I" in result.title()
    assert "of use when later ones are added" in result.reading()


@pytest.mark.parametrize("chart", ["u", "p", "c", "individuals", "ewma"])
def test_every_chart_draws_itself_and_says_what_it_shows(company, chart):
    result = control(company, chart=chart, every="month")
    axes = result.plot()
    assert axes.get_title() or axes.figure.get_suptitle()
    assert result.reading()
    assert result.alt()
    assert result.definition.method


def test_the_loading_dock_is_seen_and_the_holidays_are_no_signal_when_dated_by_the_order(company):
    dock = control(
        company, of={"cause": "damage"}, where={"route": "R03"}, every="month", dated="ordered",
        until="2025-05-31", rules="western_1",
    )  # fmt: skip
    found = dock.signals(2)["begins_on"].dt.strftime("%Y-%m").tolist()
    # effects.toml: route_fault_damage, 10 June to 31 August 2025
    assert found == ["2025-06", "2025-07", "2025-08"]
    by_opening, by_order = (control(company, dated=name) for name in ("opened", "ordered"))
    assert by_opening.dispersion.chance < 0.05 < by_order.dispersion.chance


def test_the_season_of_late_deliveries_is_a_signal_and_its_cause_named(company):
    # crmlab.data.simulate.orders: more is late in February, June and November.
    late = control(company, of={"cause": "late_delivery"}, every="month", dated="ordered")
    assert "2025-11" in late.signals(2)["begins_on"].dt.strftime("%Y-%m").tolist()
    every = control(company, chart="c", every="month", rules="western_1")
    assert every.excess["cause"].iloc[0] == "late_delivery"
    assert "the largest part" in every.reading()
    assert "Late delivery" in every.reading()


def test_the_same_seed_says_the_same(company):
    one, two = (control(company, of={"cause": "damage"}, seed=3) for _ in range(2))
    assert one.reading() == two.reading()
    assert isinstance(one.limits, Limits)


def test_complaints_that_are_in_no_point_are_counted_by_reason():
    def left_out(result):
        return {one.reason: one.count for one in result.gathered.exclusions}

    orders = [50, 50, 0, 50, 50, 50, 50, 50, 50, 50]
    result = control(workspace(STEADY, orders=orders), since="2025-01-13")
    assert result.table["complaints"].sum() == sum(STEADY) - 4 - 3
    assert left_out(result)["before the first day charted"] == 4
    assert left_out(result)["in a period without an order"] == 3
    assert "1 period has no point" in result.reading()
    known = [True, False] * 15 + [None] * (sum(STEADY) - 30)
    result = control(
        workspace(STEADY, first_contact_resolution=known), chart="p", share="first_contact"
    )
    assert result.table["cases"].sum() == 30
    assert left_out(result)["outcome not known, or not yet"] == sum(STEADY) - 30


def test_a_share_near_one_has_few_of_the_rarer_outcome():
    resolved = ([True] * 13 + [False]) * 10
    crm = workspace([14] * 10, first_contact_resolution=resolved)
    text = control(crm, chart="p", share="first_contact").reading()
    assert "have 1.0 or fewer expected cases of the rarer outcome" in text
