"""What a result's column is called and how its values are written, for tables and Excel alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from crmlab.data.model import TABLES, Column
from crmlab.language import _, day, money, number, percent

Format = Literal[
    "text", "integer", "number", "number1", "sized", "chance", "percent", "money", "date", "boolean"
]  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A column as the reader sees it.

    Attributes
    ----------
    label : str
        In the current language.
    format : str
        How its values are written.
    values : mapping of str to str
        For a column of codes, the label of each code.
    """

    label: str
    format: Format
    values: Mapping[str, str] = field(default_factory=dict)

    def written(self, value: object, currency: str) -> str:
        """One value as text in the current language; a missing one as a dash.

        Examples
        --------
        >>> Shown("Share", "percent").written(0.125, "CNY")
        '12.5%'
        """
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            return "–"
        if str(value) in self.values:
            return self.values[str(value)]
        return _WRITERS[self.format](value, currency)


def _chance(value: float) -> str:
    """A probability; a very small one is not written as none."""
    return f"< {number(0.001, 3)}" if value < 0.001 else number(value, 3)


def _sized(value: float) -> str:
    """A number with as many decimals as its size leaves room for, in a column of many sizes."""
    size = abs(value)
    return number(value, 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3)


_WRITERS: dict[Format, Callable[[Any, str], str]] = {
    "text": lambda value, currency: str(value),
    "integer": lambda value, currency: number(value),
    "number": lambda value, currency: number(value, 3),
    "number1": lambda value, currency: number(value, 1),
    "sized": lambda value, currency: _sized(value),
    "chance": lambda value, currency: _chance(value),
    "percent": lambda value, currency: percent(value),
    "money": lambda value, currency: money(value, currency),
    "date": lambda value, currency: day(pd.Timestamp(value)),
    "boolean": lambda value, currency: _("yes") if value else _("no"),
}


def shown(
    name: str, *, format: str | None = None, values: Mapping[str, str] | None = None
) -> Shown:
    """Label, format and codes of a result's column.

    Columns of the data model are labelled by the model; the columns that measures add, here; any
    other keeps its name.

    Parameters
    ----------
    name : str
    format : str, optional
        In place of the book's usual format.
    values : mapping of str to str, optional
        Labels of codes, in place of the model's.

    Examples
    --------
    >>> shown("low").label, shown("low").format
    ('Low', 'percent')
    >>> shown("region").label
    'Region'
    """
    column = model_column(name)
    label, usual = _vocabulary().get(name) or (
        (column.shown(), _format_of(column)) if column else (name, "text")
    )
    codes = {code: column.shown_value(code) for code in column.codes} if column else {}
    chosen: Format = format if format else usual  # type: ignore[assignment]
    return Shown(label, chosen, codes if values is None else dict(values))


def model_column(name: str) -> Column | None:
    """The model's column of that name: of orders or customers first, else of the first table."""
    for table in (TABLES["orders"], TABLES["customers"], *TABLES.values()):
        if name in table:
            return table.column(name)
    return None


def _format_of(column: Column) -> Format:
    if column.unit == "money":
        return "money"
    formats: dict[str, Format] = {
        "integer": "integer",
        "number": "number1",
        "boolean": "boolean",
        "datetime": "date",
        "date": "date",
    }
    return formats.get(column.type, "text")


def _vocabulary() -> dict[str, tuple[str, Format]]:
    return {
        "share": (_("Share"), "percent"),
        "low": (_("Low"), "percent"),
        "high": (_("High"), "percent"),
        "customers": (_("Customers"), "integer"),
        "orders": (_("Orders"), "integer"),
        "on_time": (_("On time"), "integer"),
        "late": (_("Late"), "integer"),
        "overdue": (_("Overdue"), "integer"),
        "below": (_("Below the others"), "boolean"),
        "unknown": (_("Not known"), "integer"),
        "layer": (_("Layer"), "text"),
        "customers_share": (_("Share of customers"), "percent"),
        "taught": (_("Share as taught"), "percent"),
        "agrees": (_("Agrees"), "boolean"),
        "recency": (_("Recency (days)"), "integer"),
        "frequency": (_("Frequency (orders)"), "integer"),
        "monetary": (_("Monetary"), "money"),
        "r": (_("R score"), "integer"),
        "f": (_("F score"), "integer"),
        "m": (_("M score"), "integer"),
        "segment": (_("Segment"), "text"),
        "revenue": (_("Revenue"), "money"),
        "revenue_share": (_("Share of revenue"), "percent"),
        "revenue_low": (_("Low (revenue)"), "percent"),
        "revenue_high": (_("High (revenue)"), "percent"),
        "revenue_change": (_("Change of revenue"), "percent"),
        "customers_changed": (_("Customers who pay it"), "integer"),
        "customers_other": (_("Other customers"), "integer"),
        "orders_before": (_("Orders before"), "integer"),
        "orders_after": (_("Orders after"), "integer"),
        "elasticity": (_("Elasticity"), "number"),
        "sensitivity": (_("Response to the price"), "text"),
        "before_after": (_("Before and after alone"), "number"),
        "raw": (_("Elasticity, by itself"), "number"),
        "price_point": (_("Point"), "text"),
        "falling": (_("Falling curve"), "text"),
        "rising": (_("Rising curve"), "text"),
        "price": (_("Price"), "number"),
        "with_all": (_("With answers out of order"), "number"),
        "across": (_("Across customers"), "number"),
        "placebo": (_("Made-up rise"), "number"),
        "placebo_low": (_("Low (made up)"), "number"),
        "placebo_high": (_("High (made up)"), "number"),
        "placebo_apart": (_("Differs (made up)"), "boolean"),
        "design_effect": (_("Design effect"), "number"),
        "treatment": (_("Treatment"), "text"),
        "table": (_("Table"), "text"),
        "file": (_("File"), "text"),
        "step": (_("Step"), "text"),
        "rows": (_("Rows"), "integer"),
        "remark": (_("Remark"), "text"),
        "score": (_("Score"), "number"),
        "l": (_("L score"), "integer"),
        "c": (_("C score"), "integer"),
        "length": (_("Length (days)"), "integer"),
        "price_realisation": (_("Price realisation"), "percent"),
        "cluster": (_("Cluster"), "text"),
        "silhouette": (_("Silhouette"), "number"),
        "jaccard": (_("Jaccard similarity"), "number"),
        "way": (_("Way"), "text"),
        "orders_per_customer": (_("Orders per customer"), "number1"),
        "rank": (_("Rank"), "integer"),
        "contacts_cost": (_("Cost of contacts"), "money"),
        "lines_cost": (_("Cost of order lines"), "money"),
        "surveys_cost": (_("Cost of questionnaires"), "money"),
        "points_cost": (_("Cost of points"), "money"),
        "cost_to_serve": (_("Cost to serve"), "money"),
        "profit_after_service": (_("Profit after service"), "money"),
        "point": (_("Point of the curve"), "text"),
        "discount_share": (_("Discount share"), "percent"),
        "reason": (_("Main reason"), "text"),
        "profit_at_median": (_("Profit with it at the median"), "money"),
        "activity": (_("Activity"), "text"),
        "block": (_("Part of the cost"), "text"),
        "units": (_("Units"), "integer"),
        "rate": (_("Cost of one"), "money"),
        "money": (_("Money"), "money"),
        "yearly_profit": (_("Yearly profit"), "money"),
        "yearly_profit_low": (_("Low (yearly profit)"), "money"),
        "yearly_profit_high": (_("High (yearly profit)"), "money"),
        "retention": (_("Retention"), "percent"),
        "retention_low": (_("Low (retention)"), "percent"),
        "retention_high": (_("High (retention)"), "percent"),
        "retained": (_("Bought again"), "integer"),
        "clv": (_("Customer lifetime value"), "money"),
        "clv_low": (_("Low (lifetime value)"), "money"),
        "clv_high": (_("High (lifetime value)"), "money"),
        "active": (_("Active now"), "integer"),
        "total": (_("Value of all active"), "money"),
        "destination": (_("To"), "text"),
        "origin": (_("From"), "text"),
        "profit_share": (_("Share of profit"), "percent"),
        "profit": (_("Profit"), "money"),
        "at_least": (_("At least"), "money"),
        "class": (_("Class"), "text"),
        "margin": (_("Margin"), "money"),
        "margin_share": (_("Share of margin"), "percent"),
        "managed_share": (_("With account manager"), "percent"),
        "customers_per_manager": (_("Customers per manager"), "number1"),
        "on_time_share": (_("On time"), "percent"),
        "quick_share": (_("Answered within 4 hours"), "percent"),
        "contact_rate": (_("Contacts a year"), "number1"),
        "complaint_rate": (_("Complaints per 1,000 orders"), "number1"),
        "satisfaction": (_("Satisfaction"), "number"),
        "satisfied_share": (_("Answers 4 or 5"), "percent"),
        "practice": (_("Practice"), "text"),
        "others": (_("Other customers"), "integer"),
        "others_share": (_("Share of the others"), "percent"),
        "cases": (_("Cases"), "integer"),
        "per_hour": (_("Cases an hour"), "number"),
        "work_share": (_("Share of the work"), "percent"),
        "wait_fifo": (_("First come first served (min)"), "number1"),
        "wait_priority": (_("Priority (min)"), "number1"),
        "wait_change": (_("Change (min)"), "number1"),
        "simulated": (_("Simulated (min)"), "number1"),
        "answered_fifo": (_("In time, first come"), "percent"),
        "answered": (_("In time, priority"), "percent"),
        "verdict": (_("Compared with the others"), "text"),
        "extra_cost": (_("Cost beyond today"), "money"),
        "kept": (_("Worth of a customer kept"), "money"),
        "kept_low": (_("Low (worth)"), "money"),
        "kept_high": (_("High (worth)"), "money"),
        "lost": (_("Lost in a year"), "number1"),
        "lost_low": (_("Low (lost)"), "number1"),
        "lost_high": (_("High (lost)"), "number1"),
        "break_even": (_("To be kept in a year"), "number1"),
        "break_even_low": (_("Low (to be kept)"), "number1"),
        "break_even_high": (_("High (to be kept)"), "number1"),
        "pays": (_("Can it pay?"), "text"),
        "visits_cost": (_("Visits"), "money"),
        "calls_cost": (_("Calls"), "money"),
        "managers": (_("Account managers"), "integer"),
        "managers_cost": (_("Account managers (cost)"), "money"),
        "desk_cost": (_("Complaint desk"), "money"),
        "promise_cost": (_("Cost of the promise"), "money"),
        "cost_per_customer": (_("Cost per customer"), "money"),
        "cost_share": (_("Cost as share of margin"), "percent"),
        "visits_today": (_("Visits per customer today"), "number1"),
        "calls_today": (_("Calls per customer today"), "number1"),
        "answer_within_hours": (_("Answer within (hours)"), "number1"),
        "answered_share": (_("Share in time"), "percent"),
        "spread": (_("Standard deviation"), "number"),
        "proportional": (_("In proportion"), "integer"),
        "neyman": (_("Neyman's rule"), "integer"),
        "sampling": (_("Kind of sample"), "text"),
        "bias": (_("Bias"), "number"),
        "rmse": (_("Root mean square error"), "number"),
        "coverage": (_("Intervals that hold the truth"), "percent"),
        "coverage_low": (_("Low (intervals)"), "percent"),
        "coverage_high": (_("High (intervals)"), "percent"),
        "width": (_("Mean length of interval"), "number"),
        "margin_proportional": (_("Margin, in proportion"), "number"),
        "margin_neyman": (_("Margin, Neyman's rule"), "number"),
        "visits_per_year": (_("Visits a year"), "integer"),
        "calls_per_year": (_("Calls a year"), "integer"),
        "dimension": (_("Dimension"), "text"),
        "questionnaires": (_("Questionnaires"), "integer"),
        "expectation": (_("Expectation"), "number"),
        "perception": (_("Perception"), "number"),
        "expectation_low": (_("Low (expectation)"), "number"),
        "expectation_high": (_("High (expectation)"), "number"),
        "perception_low": (_("Low (perception)"), "number"),
        "perception_high": (_("High (perception)"), "number"),
        "gap": (_("Gap"), "number"),
        "probability": (_("Probability by chance"), "chance"),
        "short": (_("Falls short"), "boolean"),
        "apart": (_("Differs"), "boolean"),
        "importance": (_("Importance"), "percent"),
        "contribution": (_("Adds to the weighted gap"), "number"),
        "quality": (_("Kind of quality"), "text"),
        "gap_low": (_("Low (gap)"), "number"),
        "gap_high": (_("High (gap)"), "number"),
        "gap_apart": (_("Differs (gap)"), "boolean"),
        "importance_low": (_("Low (importance)"), "number"),
        "importance_high": (_("High (importance)"), "number"),
        "importance_apart": (_("Differs (importance)"), "boolean"),
        "predictors": (_("Predictors"), "integer"),
        "r_squared": (_("R²"), "percent"),
        "adjusted": (_("Adjusted R²"), "percent"),
        "disconfirmation": (_("Against expectations"), "text"),
        "at_start": (_("At the start"), "number"),
        "at_end": (_("At the end"), "number"),
        "a_year": (_("Change a year"), "number"),
        "answers": (_("Answers"), "integer"),
        "answer": (_("Answer"), "integer"),
        "mean": (_("Mean"), "number"),
        "satisfied_low": (_("Low (4 or 5)"), "percent"),
        "satisfied_high": (_("High (4 or 5)"), "percent"),
        "promoters": (_("Promoters"), "percent"),
        "passives": (_("Passives"), "percent"),
        "detractors": (_("Detractors"), "percent"),
        "nps": (_("Net Promoter Score"), "number1"),
        "month": (_("Month"), "text"),
        "customer_region": (_("Region of the customer"), "text"),
        "batch": (_("Batch"), "text"),
        "effective": (_("Answers of equal weight"), "number1"),
        "centre": (_("Centre"), "number"),
        "lower": (_("Lower limit"), "number"),
        "upper": (_("Upper limit"), "number"),
        "signal": (_("Signal"), "boolean"),
        "rule": (_("Rule broken"), "text"),
        "phase": (_("Phase"), "integer"),
        "next_class": (_("Next class"), "text"),
        "told": (_("Can be told"), "boolean"),
        "treat_as": (_("Treat as"), "text"),
        "must_be": (_("Must-be"), "percent"),
        "one_dimensional": (_("One-dimensional"), "percent"),
        "attractive": (_("Attractive"), "percent"),
        "indifferent": (_("Indifferent"), "percent"),
        "reverse": (_("Reverse"), "percent"),
        "questionable": (_("Questionable"), "percent"),
        "strength": (_("Strength"), "percent"),
        "better": (_("Better"), "number"),
        "better_low": (_("Low (better)"), "number"),
        "better_high": (_("High (better)"), "number"),
        "worse": (_("Worse"), "number"),
        "worse_low": (_("Low (worse)"), "number"),
        "worse_high": (_("High (worse)"), "number"),
        "present_score": (_("Score if there"), "number"),
        "present_low": (_("Low (if there)"), "number"),
        "present_high": (_("High (if there)"), "number"),
        "absent_score": (_("Score if missing"), "number"),
        "absent_low": (_("Low (if missing)"), "number"),
        "absent_high": (_("High (if missing)"), "number"),
        "comparison": (_("Comparison"), "text"),
        "change": (_("Change"), "number"),
        "on_time_change": (_("Change in share on time"), "percent"),
        "on_time_low": (_("Low (on time)"), "percent"),
        "on_time_high": (_("High (on time)"), "percent"),
        "sent": (_("Sent"), "integer"),
        "returned": (_("Came back"), "integer"),
        "characteristic": (_("Characteristic"), "text"),
        "unlike_before": (_("Difference before matching"), "number"),
        "unlike_after": (_("Difference after matching"), "number"),
        "category": (_("Category"), "text"),
        "asked_share": (_("Share of those asked"), "percent"),
        "returned_share": (_("Share of those who answered"), "percent"),
        "standardised": (_("Standardised difference"), "number"),
        "population": (_("Population"), "integer"),
        "population_share": (_("Share of the population"), "percent"),
        "answers_share": (_("Share of the answers"), "percent"),
        "weighted_share": (_("Share when weighted"), "percent"),
        "error": (_("Off the truth by"), "number"),
        "standard_error": (_("Standard error"), "number"),
        "holds": (_("Interval holds the truth"), "boolean"),
        "group": (_("Group"), "text"),
        "compared_with": (_("Compared with"), "text"),
        "other_score": (_("Score of the other"), "number"),
        "difference": (_("Difference"), "number"),
        "differs": (_("They differ"), "boolean"),
        "items": (_("Items"), "integer"),
        "alpha": (_("Cronbach's α"), "number"),
        "alpha_standardised": (_("Standardised α"), "number"),
        "omega": (_("McDonald's ω"), "number"),
        "omega_low": (_("Low (ω)"), "number"),
        "omega_high": (_("High (ω)"), "number"),
        "reliable": (_("Reliable?"), "text"),
        "incomplete": (_("Incomplete"), "integer"),
        "rating": (_("Rating"), "number1"),
        "slope": (_("Change per unit of the rating"), "number"),
        "beta": (_("Standardised coefficient"), "number"),
        "part": (_("Part of R²"), "percent"),
        "part_low": (_("Low (part)"), "percent"),
        "part_high": (_("High (part)"), "percent"),
        "vif": (_("Variance inflation"), "number1"),
        "associated": (_("Associated"), "boolean"),
        "odds_ratio": (_("Odds ratio"), "number"),
        "days": (_("Median days"), "number1"),
        "told_in_time": (_("Told in time"), "integer"),
        "stands_out": (_("Differs from the others"), "boolean"),
        "employee_satisfaction": (_("Employee satisfaction"), "number1"),
        "weighting": (_("Weights"), "text"),
        "index": (_("Index"), "number1"),
        "index_points": (_("Points of the index"), "number1"),
        "rating_low": (_("Low (rating)"), "number1"),
        "rating_high": (_("High (rating)"), "number1"),
        "stated": (_("Stated importance"), "number1"),
        "stated_low": (_("Low (stated)"), "number1"),
        "stated_high": (_("High (stated)"), "number1"),
        "derived": (_("Derived importance"), "percent"),
        "derived_low": (_("Low (derived)"), "percent"),
        "derived_high": (_("High (derived)"), "percent"),
        "field_stated": (_("Field by stated importance"), "text"),
        "field": (_("Field by derived importance"), "text"),
        "steady": (_("In this field in resamples"), "percent"),
        "gain": (_("Gain"), "number"),
        "gain_low": (_("Low (gain)"), "number"),
        "gain_high": (_("High (gain)"), "number"),
        "among_two": (_("Among the best two in resamples"), "percent"),
        "wording": (_("Wording"), "text"),
        "words": (_("What was found"), "text"),
        "advice": (_("Advice"), "text"),
        "room": (_("Room"), "number"),
        "difference_low": (_("Low (difference)"), "number"),
        "difference_high": (_("High (difference)"), "number"),
        "beyond_chance": (_("Beyond chance"), "boolean"),
        "factor": (_("Factor"), "text"),
        "eigenvalue": (_("Eigenvalue"), "number"),
        "random": (_("Without a further factor"), "number"),
        "beyond": (_("Beyond chance"), "boolean"),
        "item": (_("Item"), "text"),
        "loading": (_("Loading"), "number"),
        "second_factor": (_("Second factor"), "text"),
        "second_loading": (_("Second loading"), "number"),
        "communality": (_("Communality"), "number"),
        "adequacy": (_("KMO of the item"), "number"),
        "place": (_("Where it loads"), "text"),
        "figure": (_("Figure"), "text"),
        "now": (_("Now"), "number"),
        "change_low": (_("Low (change)"), "number"),
        "change_high": (_("High (change)"), "number"),
        "then": (_("Predicted"), "number"),
        "parameter": (_("Parameter"), "text"),
        "estimate": (_("Estimate"), "number"),
        "alive": (_("P(alive)"), "percent"),
        "alive_low": (_("Low (P(alive))"), "percent"),
        "alive_high": (_("High (P(alive))"), "percent"),
        "expected": (_("Expected purchases"), "number1"),
        "expected_low": (_("Low (expected)"), "number1"),
        "expected_high": (_("High (expected)"), "number1"),
        "actual": (_("Purchases seen"), "number1"),
        "actual_low": (_("Low (seen)"), "number"),
        "actual_high": (_("High (seen)"), "number"),
        "method": (_("Way of predicting"), "text"),
        "total_error": (_("Total off by"), "percent"),
        "mae": (_("A customer off by"), "number"),
        "correlation": (_("Correlation"), "number"),
        "band": (_("Band of P(alive)"), "text"),
        "held": (_("Agrees"), "boolean"),
        "margin_rate": (_("Margin (of revenue)"), "percent"),
        "future": (_("Value to come of a customer"), "money"),
        "future_low": (_("Low (of a customer)"), "money"),
        "future_high": (_("High (of a customer)"), "money"),
        "future_total": (_("Value to come of all"), "money"),
        "future_total_low": (_("Low (of all)"), "money"),
        "future_total_high": (_("High (of all)"), "money"),
        "future_share": (_("Share of the value to come"), "percent"),
        "survival": (_("Share left"), "percent"),
        "survival_low": (_("Low (left)"), "percent"),
        "survival_high": (_("High (left)"), "percent"),
        "contracts": (_("Contracts"), "integer"),
        "not_renewed": (_("Not renewed"), "integer"),
        "expected_retention": (_("Retention expected"), "percent"),
        "expected_retention_low": (_("Low (expected)"), "percent"),
        "expected_retention_high": (_("High (expected)"), "percent"),
        "measure": (_("Measure"), "text"),
        "made_of": (_("Made of"), "text"),
        "predictor": (_("Predictor"), "text"),
        "kind": (_("Kind"), "text"),
        "item_total": (_("Correlation with the rest"), "number"),
        "total_low": (_("Low (with the rest)"), "number"),
        "total_high": (_("High (with the rest)"), "number"),
        "alpha_if_deleted": (_("α without it"), "number"),
        "stays": (_("Share of the top that stays"), "percent"),
        "stays_low": (_("Low (stays)"), "percent"),
        "stays_high": (_("High (stays)"), "percent"),
        "scored": (_("How it is scored"), "text"),
        "direction": (_("Direction"), "text"),
        "known_share": (_("Known of"), "percent"),
        "lower_quartile": (_("Lower quartile"), "number"),
        "median": (_("Median"), "number"),
        "covariate": (_("What is known"), "text"),
        "level": (_("Level"), "text"),
        "reference": (_("Reference level"), "boolean"),
        "hazard_ratio": (_("Hazard ratio"), "number"),
        "begins": (_("From month"), "number1"),
        "ends": (_("To month"), "number1"),
        "corrected": (_("Probability, corrected"), "chance"),
        "events": (_("Left"), "integer"),
        "person_months": (_("Months watched"), "integer"),
        "leaving": (_("Leaving in a month"), "percent"),
        "median_months": (_("Median months"), "number1"),
        "ratio_low": (_("Low (ratio)"), "number"),
        "ratio_high": (_("High (ratio)"), "number"),
        "stay": (_("Stay"), "percent"),
        "stay_low": (_("Low (stay)"), "percent"),
        "stay_high": (_("High (stay)"), "percent"),
        "stay_12": (_("Stay 12 months"), "percent"),
        "stay_12_low": (_("Low (12 months)"), "percent"),
        "stay_12_high": (_("High (12 months)"), "percent"),
        "stay_24": (_("Stay 24 months"), "percent"),
        "stay_24_low": (_("Low (24 months)"), "percent"),
        "stay_24_high": (_("High (24 months)"), "percent"),
        "upper_quartile": (_("Upper quartile"), "number"),
        "score_lower_quartile": (_("Lower quartile (score)"), "number1"),
        "score_upper_quartile": (_("Upper quartile (score)"), "number1"),
        "window": (_("Period"), "text"),
        "period": (_("Period"), "integer"),
        "holdout_customers": (_("Customers of the holdout"), "integer"),
        "orders_per_100": (_("Orders per 100 customers"), "number1"),
        "log_ratio": (_("Log ratio of orders"), "number"),
        "more": (_("More orders per 100 customers"), "number1"),
        "more_low": (_("Low (more orders)"), "number1"),
        "more_high": (_("High (more orders)"), "number1"),
        "plain": (_("Log ratio, plain"), "number"),
        "plain_low": (_("Low (plain)"), "number"),
        "plain_high": (_("High (plain)"), "number"),
        "gained": (_("Money gained per customer"), "money"),
        "value": (_("Value"), "number"),
        "unit": (_("Unit"), "text"),
        "gained_low": (_("Low (money gained)"), "money"),
        "gained_high": (_("High (money gained)"), "money"),
        "case": (_("Case"), "text"),
        "ratio": (_("Ratio"), "number"),
        "incidents": (_("Gone wrong"), "integer"),
        "again": (_("Bought again after them"), "percent"),
        "again_others": (_("Bought again after the others"), "percent"),
        "orders_after_others": (_("Orders after the others"), "number"),
        "others_before": (_("Others' orders before"), "number"),
        "others_after": (_("Others' orders after"), "number"),
        "attendances": (_("Attendances"), "integer"),
        "gaps": (_("Gaps that ended"), "integer"),
        "open_gaps": (_("Still open"), "integer"),
        "median_low": (_("Low (median)"), "number1"),
        "median_high": (_("High (median)"), "number1"),
        "day_90": (_("90% by day"), "integer"),
        "day_90_low": (_("Low (90%)"), "integer"),
        "day_90_high": (_("High (90%)"), "integer"),
        "day_95": (_("95% by day"), "integer"),
        "day_95_low": (_("Low (95%)"), "integer"),
        "day_95_high": (_("High (95%)"), "integer"),
        "completed_90": (_("90% of the ended ones by day"), "integer"),
        "customer_median": (_("Median, each customer once"), "number1"),
        "customer_median_low": (_("Low (each customer once)"), "number1"),
        "customer_median_high": (_("High (each customer once)"), "number1"),
        "typical": (_("Typical mean gap (days)"), "number1"),
        "until": (_("Until"), "date"),
        "cohort": (_("Won in"), "text"),
        "age": (_("Age"), "integer"),
        "buyers": (_("Bought"), "integer"),
        "over": (_("Over"), "boolean"),
        "stage": (_("Stage"), "text"),
        "silence": (_("Days since the last purchase"), "integer"),
        "incentive": (_("Incentive"), "text"),
        "tested": (_("Tested by a draw"), "boolean"),
        "lift": (_("Change of orders"), "percent"),
        "lift_low": (_("Low (change)"), "percent"),
        "lift_high": (_("High (change)"), "percent"),
        "cost_each": (_("Cost per customer"), "money"),
        "cost_total": (_("Cost"), "money"),
        "gain_total": (_("Gain of all"), "money"),
        "pays_from": (_("Pays from (change of orders)"), "percent"),
        "chosen": (_("In the plan"), "boolean"),
        "chosen_share": (_("Share of plans made again"), "percent"),
        "last_year": (_("Purchases in 12 months"), "number1"),
    }
