"""What goes with leaving: Cox's model of the customers."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

import crmlab
from crmlab.data.simulate import effects
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.loyalty.covariates import NOT_GIVEN, OTHERS, YES
from crmlab.loyalty.hazards import hazards
from crmlab.loyalty.ratios_over_time import ratio_axis
from crmlab.loyalty.stays import MONTH
from crmlab.show import charts
from crmlab.stats.cox import cox

AS_OF = "2025-12-31"
FIRST = pd.Timestamp("2024-01-01")


def customers_of(days, **columns):
    """Customers of a contract from the first day on, that ends after so many days."""
    frame = pd.DataFrame({"customer_id": [f"C{i}" for i in range(len(days))], **columns})
    ends = FIRST + pd.to_timedelta(np.asarray(days), unit="D")
    return frame.assign(
        contract_from="2024-01-01", contract_to=pd.Series(ends).dt.strftime("%Y-%m-%d")
    )


def workspace(customers):
    orders = pd.DataFrame({"order_id": ["1"], "customer_id": ["x"], "ordered_at": ["2024-01-01"]})
    return from_frames({"orders": orders, "customers": customers}, as_of=AS_OF)


def drawn(seed, n, **rates):
    """Lives in days of n customers for each rate a day."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.exponential(1 / rate, n).round() for rate in rates.values()])


def row(found, covariate, level):
    return found.table.set_index(["covariate", "covariate_level"]).loc[(covariate, level)]


@pytest.fixture(scope="module")
def two():
    """A hundred customers in the north, who leave; fewer so in the south."""
    days = drawn(1, 100, north=1 / 300, south=1 / 900)
    return hazards(workspace(customers_of(days, region=["N"] * 100 + ["S"] * 100)))


def test_the_ratio_is_that_of_statsmodels(two):
    frame = two.found.frame
    south = np.repeat([0.0, 1.0], 100)[:, None]
    fit = PHReg(frame["time"], south, status=frame["event"] * 1.0, ties="efron").fit()
    found = row(two, "region", "S")
    assert found["hazard_ratio"] == pytest.approx(np.exp(fit.params[0]))
    np.testing.assert_allclose(found[["low", "high"]].astype(float), np.exp(fit.conf_int()[0]))
    assert found["differs"]


def test_the_reference_has_a_ratio_of_one_and_no_interval(two):
    reference = row(two, "region", "N")
    assert reference["reference"]
    assert reference["hazard_ratio"] == 1
    assert np.isnan(reference["low"])
    assert pd.isna(reference["differs"])
    assert two.table["customers"].tolist() == [100, 100]
    assert two.table["events"].sum() == two.model.events


def test_the_title_and_the_reading_name_what_holds(two):
    assert re.fullmatch(r"Region, S: 0\.\d\d times the hazard of N", two.title())
    assert "Beyond what chance would bring about among 1 ratios" in two.reading()
    assert "Nothing speaks against it" in two.reading()


@pytest.mark.parametrize("student", ["", "20261234"])
def test_that_the_referred_leave_less_is_recovered(student, company):
    crm = crmlab.load(student=student) if student else company
    known = effects.effects_of(student) if student else effects.values()
    found = hazards(crm, setting="contract")
    ratio = row(found, "referred", YES)
    assert ratio["low"] < np.exp(known["referral_churn"]) < ratio["high"]
    key = row(found, "tier", "key")
    assert key["low"] < known["churn_key"] / known["churn_general"] < key["high"]


def test_a_channel_that_says_who_was_referred_is_left_out_and_named(company):
    found = hazards(company, setting="contract")
    assert found.redundant == ("acquisition_channel",)
    assert "follow from the others: Acquisition channel" in found.reading()
    alone = hazards(company, setting="contract", covariates=["acquisition_channel"])
    assert alone.redundant == ()


def test_customers_of_a_level_nobody_has_left_are_left_out_and_counted():
    days = [*drawn(2, 60, north=1 / 300, south=1 / 300), *[9999] * 30]
    regions = ["N"] * 60 + ["S"] * 60 + ["E"] * 30
    found = hazards(workspace(customers_of(days, region=regions)))
    east = row(found, "region", "E")
    assert (east["customers"], east["events"]) == (30, 0)
    assert np.isnan(east["hazard_ratio"])
    assert [(one.reason, one.count) for one in found.exclusions] == [
        ("in a level of which none has left", 30)
    ]
    without = hazards(workspace(customers_of(days[:120], region=regions[:120])))
    pd.testing.assert_frame_equal(found.model.table, without.model.table)


def test_levels_of_few_events_are_put_together_and_said():
    days = [*drawn(3, 50, north=1 / 200, south=1 / 200), 10, 20, 30]
    regions = ["N"] * 50 + ["S"] * 50 + ["A", "B", "C"]
    found = hazards(workspace(customers_of(days, region=regions)))
    assert row(found, "region", OTHERS)[["customers", "events"]].tolist() == [3, 3]
    assert "3 customers in all" in found.reading()


def test_a_value_that_is_not_given_is_a_level_of_its_own():
    days = drawn(4, 50, north=1 / 200, south=1 / 200, unknown=1 / 200)
    regions = ["N"] * 50 + ["S"] * 50 + [None] * 50
    found = hazards(workspace(customers_of(days, region=regions)))
    assert row(found, "region", NOT_GIVEN)["customers"] == 50
    assert "a level of its own" in found.reading()


def test_too_few_events_for_the_ratios_are_warned_of():
    days = [30, 60, 90, 120, 9999, 40, 70, 100, 130, 160, 9999, 9999]
    found = hazards(workspace(customers_of(days, region=["N"] * 5 + ["S"] * 7)))
    assert "There are only 9.0 events for each ratio" in found.reading()


@pytest.fixture(scope="module")
def changing():
    """In the south they leave three times as fast in the first 150 days, then a third as fast."""
    draw = drawn(5, 500, one=1 / 300, other=1 / 300)
    later = np.where(draw < 450, draw / 3, 150 + 3 * (draw - 450))
    days = np.where(np.repeat([False, True], 500), later, draw).round()
    region = ["N"] * 500 + ["S"] * 500
    size = np.tile(["small", "large"], 500)
    return hazards(workspace(customers_of(days, region=region, size=size)))


def test_a_ratio_that_changes_over_time_is_said_and_shown_in_periods(changing):
    assert changing.proportional.loc["region", "changes"]
    assert "does not hold for: Region" in changing.reading()
    shown = changing.over_time()
    assert row(changing, "region", "N")["reference"]
    assert shown.title() == "Region: S / N: the hazard ratio falls over time"
    first, last = shown.table.iloc[0], shown.table.iloc[-1]
    assert first["ends"] < 150 / MONTH < last["begins"]
    assert first["low"] < 3 < first["high"]
    assert last["low"] < 1 / 3 < last["high"]
    assert "is but a mean of these." in shown.reading()
    assert "Of 2 ratios" not in shown.reading()  # of those that change it is the only one
    assert shown.table["events"].sum() == changing.model.events


def test_a_ratio_that_does_not_change_is_not_said_to(changing):
    shown = changing.over_time("size")
    assert shown.title().endswith("no change over time beyond chance")
    assert "that the periods differ may be chance" in shown.reading()
    assert (shown.table["low"] < 1).all()
    assert (shown.table["high"] > 1).all()


def test_the_ratio_of_a_period_is_nearly_that_of_a_model_of_the_period_alone(changing):
    found, frame = changing.over_time("size"), changing.found.frame
    size = np.where(np.tile([False, True], 500), "large", "small")
    own = pd.DataFrame({"x": (size == found.level) * 1.0})
    own["region"] = np.repeat([0.0, 1.0], 500)
    begins, ends = (found.table[end].iloc[1] * MONTH for end in ("begins", "ends"))
    part = frame["time"] > begins
    alone = cox(
        own[part.to_numpy()],
        frame["time"].clip(upper=ends)[part],
        (frame["event"] & (frame["time"] <= ends))[part],
        entry=np.full(part.sum(), begins),
    ).table.loc["x", ["hazard_ratio", "low", "high"]]
    ours = found.table.loc[1, ["hazard_ratio", "low", "high"]].astype(float)
    np.testing.assert_allclose(np.log(ours), np.log(alone.astype(float)), atol=0.1)


def test_of_all_levels_that_whose_change_is_least_likely_is_shown(company):
    found = hazards(company, setting="contract")
    shown = found.over_time()
    assert f"{shown.covariate}={shown.level}" == found.each.idxmin()
    assert f"Of {len(found.each)} ratios it is the one" in shown.reading()
    assert "dashed line at" in shown.alt()
    assert len(shown.plot().collections) == 2 * len(shown.table)
    with pytest.raises(CrmlabError, match="no covariate colour; it has: tier, referred"):
        found.over_time("colour")


def test_too_few_who_left_make_no_periods():
    days = [30, 60, 90, 120, 150, 40, 70, 100, 130, 9999]
    found = hazards(workspace(customers_of(days, region=["N"] * 5 + ["S"] * 5)))
    with pytest.raises(NotEnoughData, match="9 customers left, too few"):
        found.over_time()


def test_a_covariate_in_which_all_are_alike_does_not_follow_from_the_others():
    days = drawn(9, 40, north=1 / 200, south=1 / 200)
    customers = customers_of(days, region=["N"] * 40 + ["S"] * 40, size="large")
    found = hazards(workspace(customers))
    assert (found.alike, found.redundant) == (("size",), ())
    assert "Left out, as all customers who are compared are alike in it: Size." in found.reading()


def test_contracts_that_began_before_the_data_enter_late():
    days = drawn(6, 80, north=1 / 300, south=1 / 300)
    customers = customers_of(days, region=["N"] * 80 + ["S"] * 80)
    customers.loc[:39, "contract_from"] = "2023-01-01"
    found = hazards(workspace(customers))
    frame = found.found.frame
    south = (np.arange(160) >= 80)[:, None] * 1.0
    # statsmodels has one at risk at the very time of entry.
    entry = frame["entry"] + 0.5 * (frame["entry"] > 0)
    status = frame["event"] * 1.0
    fit = PHReg(frame["time"], south, status=status, entry=entry, ties="efron").fit()
    ratio = row(found, "region", "S") if row(found, "region", "N")["reference"] else None
    expected = np.exp(fit.params[0])
    if ratio is None:  # the south has more events, so it is the reference
        ratio, expected = row(found, "region", "N"), 1 / expected
    assert ratio["hazard_ratio"] == pytest.approx(expected)
    assert found.found.late == 40


def test_a_sample_is_said(monkeypatch):
    module = sys.modules["crmlab.loyalty.hazards"]
    monkeypatch.setattr(module, "some_customers", lambda crm: (crm, "Only some are used."))
    days = drawn(7, 40, north=1 / 300, south=1 / 300)
    found = hazards(workspace(customers_of(days, region=["N"] * 40 + ["S"] * 40)))
    assert "Only some are used." in found.reading()


def test_silence_takes_the_tier_of_the_first_days_where_none_is_given():
    random = np.random.default_rng(8)
    rows = []
    for customer in range(200):
        last, at = random.uniform(50, 700), random.uniform(0, 60)
        while at < last:
            rows.append((f"C{customer}", FIRST + pd.Timedelta(days=int(at)), random.lognormal()))
            at += random.exponential(30)
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    orders["order_id"] = orders.index.astype(str)
    found = hazards(from_frames({"orders": orders}, as_of=AS_OF), silence=120)
    assert found.groups.landmark
    assert set(found.table["covariate"]) == {"tier"}
    assert found.found.frame["entry"].max() == 0
    assert "The data give no tier" in found.reading()


def test_what_cannot_be_compared_is_said():
    with pytest.raises(NotEnoughData, match="has left"):
        hazards(workspace(customers_of([9999, 9999], region=["N", "S"])))
    with pytest.raises(NotEnoughData, match="alike"):
        hazards(workspace(customers_of([30, 60], region=["N", "N"])))
    with pytest.raises(NotEnoughData, match="Nothing is known of customers"):
        hazards(workspace(customers_of([30, 60])))
    with pytest.raises(CrmlabError, match="Nothing is known of colour"):
        hazards(workspace(customers_of([30, 60], region=["N", "S"])), covariates=["colour"])


def test_the_picture_and_its_words_have_each_ratio(two):
    axes = two.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Region: S / N"]
    assert "Region: S / N" in two.alt()
    assert two.definition.method


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.4, 2.5, [0.5, 0.7, 1, 1.5, 2]),
        (0.01, 90, [0.03, 0.1, 0.3, 1, 3, 10, 30]),
    ],
)
def test_the_ticks_of_a_wide_axis_keep_apart(low, high, ticks):
    axes = charts.new_axes(None)
    ratio_axis(axes, "x", low, high)
    assert axes.get_xticks().tolist() == ticks
