"""Does the model predict: fitted to the first part of the data, held against the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from crmlab.data.drawn import some_customers
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number, percent
from crmlab.loyalty.future import MOST, counted
from crmlab.loyalty.histories import (
    MODEL_NAMES,
    Array,
    Cohort,
    Histories,
    Model,
    Unit,
    fitted,
    histories,
)
from crmlab.loyalty.purchases import NEEDS, Occasion
from crmlab.loyalty.uncertainty import evaluated, interval, neighbours, spread
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.intervals import check_confidence
from crmlab.stats.lifetime import RepeatBuying
from crmlab.stats.weighted import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Picture = Literal["tracking", "conditional"]

#: With more customers than these a sample of them is used: their days of purchase are read.
LARGEST = 100_000
#: Fewer days than these before or after the split cannot be judged.
LEAST_DAYS = 28
#: Fewer customers than these have no interval of their mean.
FEWEST = 5


@dataclass(frozen=True, repr=False)
class Holdout(Result):
    """Result of `holdout`.

    Attributes
    ----------
    errors : pandas.DataFrame
        A row per way of predicting, as in `.table` of the picture ``"tracking"``.
    by_frequency : pandas.DataFrame
        A row per number of repeat purchases before the split, as in `.table` of the picture
        ``"conditional"``.
    weeks : pandas.DataFrame
        A row per whole week: week (its first day), actual, expected (repeat purchases), low, high
        (uncertainty of the parameters and chance), held_out.
    customers : pandas.DataFrame
        A row per customer of the fit: customer_id, frequency, recency_days, age_days, actual and
        expected purchases after the split.
    split : datetime.date
        Last day that the model is fitted to.
    later : int
        Customers first seen after the split.
    model : {"bg_nbd", "pareto_nbd"}
    picture : {"tracking", "conditional"}
    histories : Histories
        Up to the split.
    part : str
        What the customers are a sample of, in words; empty if they are all.
    confidence : float
    """

    measure = "loyalty.holdout"

    errors: pd.DataFrame
    by_frequency: pd.DataFrame
    weeks: pd.DataFrame
    customers: pd.DataFrame
    split: date
    later: int
    model: Model
    picture: Picture
    histories: Histories
    part: str
    confidence: float

    def formats(self) -> Mapping[str, str]:
        names = [f"{what}{end}" for what in ("actual", "expected") for end in ("", "_low", "_high")]
        return dict.fromkeys(names, "number1" if self.picture == "tracking" else "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        many = self.by_frequency["frequency"]
        counts = dict(zip(many.astype(str), counted(many), strict=True))
        return {"method": method_names(self.model), "frequency": counts}

    def title(self) -> str:
        row = self.errors.iloc[0]
        if self.picture == "conditional":
            judged = self.by_frequency["held"].dropna()
            if judged.empty:
                return _("Too few customers to see who buys as {model} expects").format(
                    model=MODEL_NAMES[self.model]
                )
            return _("After the split {held} of {groups} groups buy as {model} expects").format(
                held=number(int(judged.sum())),
                groups=number(len(judged)),
                model=MODEL_NAMES[self.model],
            )
        if np.isnan(row["total_error"]):
            return _("Nobody bought after the split; {model} expects {expected} purchases").format(
                model=MODEL_NAMES[self.model], expected=number(row["expected"])
            )
        if row["total_error"] >= 0:
            said = _("{model} expects {error} too many purchases after the split")
        else:
            said = _("{model} expects {error} too few purchases after the split")
        return said.format(model=MODEL_NAMES[self.model], error=percent(abs(row["total_error"])))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        if self.picture == "tracking":
            self._draw_weeks(axes)
        else:
            self._draw_groups(axes)
        charts.set_title(axes, self.title())
        return axes

    def _draw_weeks(self, axes: Axes) -> None:
        weeks = self.weeks
        axes.fill_between(
            weeks["week"], weeks["low"], weeks["high"], color=charts.ORANGE, alpha=0.2, linewidth=0
        )
        axes.plot(weeks["week"], weeks["actual"], color=charts.BLUE, linewidth=1.5)
        axes.plot(weeks["week"], weeks["expected"], color=charts.ORANGE)
        axes.axvline(pd.Timestamp(self.split), color=charts.MUTED, linestyle="--", linewidth=1.2)
        axes.text(
            pd.Timestamp(self.split), 1.0, _(" held out"), color=charts.MUTED, va="top",
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        axes.set_ylim(0, None)
        charts.date_axis(axes.xaxis)
        axes.set_ylabel(_("Repeat purchases a week"))
        axes.set_xlabel(_("Blue: seen. Orange: expected, with its band"))

    def _draw_groups(self, axes: Axes) -> None:
        table = self.by_frequency
        places = np.arange(len(table))
        looks = {"actual": (charts.BLUE, "o", -0.08), "expected": (charts.ORANGE, "D", 0.08)}
        for name, (colour, marker, aside) in looks.items():
            middle = table[name].to_numpy()
            reach = np.abs(table[[f"{name}_low", f"{name}_high"]].to_numpy().T - middle)
            axes.errorbar(
                places + aside, middle, yerr=np.nan_to_num(reach), color=colour, marker=marker,
                markersize=5, capsize=3, linewidth=1.5,
            )  # fmt: skip
        axes.set_xticks(places, counted(table["frequency"]))
        axes.set_ylim(0, None)
        axes.set_xlabel(_("Purchases after the first, before the split"))
        axes.set_ylabel(_("Mean after it: blue seen, orange expected"))

    def reading(self) -> str:
        parts = [
            self._setting(),
            self._model(),
            self._others(),
            self._groups() if self.picture == "conditional" else self._band(),
            self._left_out(),
            self.histories.words(),
            self.part,
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if self.picture == "conditional":
            parts = [
                _("{purchases}: {actual}, expected {expected}").format(
                    purchases=label, actual=number(row.actual, 2), expected=number(row.expected, 2)
                )
                for label, row in zip(
                    counted(self.by_frequency["frequency"]),
                    self.by_frequency.itertuples(),
                    strict=True,
                )
            ]
            return _(
                "Two lines of mean purchases after the split, seen and expected, by the purchases "
                "before it. {parts}."
            ).format(parts=_("; ").join(parts))
        held = self.weeks[self.weeks["held_out"]]
        return _(
            "Lines of repeat purchases a week, seen and expected, with a dashed line on {split}. "
            "After it {actual} a week are seen on average and {expected} expected."
        ).format(
            split=day(self.split),
            actual=number(held["actual"].mean(), 1),
            expected=number(held["expected"].mean(), 1),
        )

    # --- the words

    def _setting(self) -> str:
        return _(
            "{model} was fitted to {customers} customers as they stood on {split}. What they did "
            "in the {days} days after that was not shown to it."
        ).format(
            model=MODEL_NAMES[self.model],
            customers=number(len(self.customers)),
            split=day(self.split),
            days=number((self.context.last_day - self.split).days),
        )

    def _model(self) -> str:
        row = self.errors.iloc[0]
        said = _(
            "It expected {expected} purchases ({low} to {high}); there were {actual}, so it was "
            "off by {error}. {intervals} They hold the uncertainty of the parameters, not chance."
        )
        if not row["actual"]:
            said = _(
                "It expected {expected} purchases ({low} to {high}); there were none. {intervals} "
                "They hold the uncertainty of the parameters, not chance."
            )
        return said.format(
            expected=number(row["expected"]),
            low=number(row["expected_low"]),
            high=number(row["expected_high"]),
            actual=number(row["actual"]),
            error=percent(row["total_error"]),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _others(self) -> str:
        names = method_names(self.model)
        said = _("{method}: total off by {error}, a customer by {mae}, correlation {correlation}")
        if not self.errors["actual"].any():
            # Nothing is no measure of an error, nor does it go with anything.
            said = _("{method}: {expected} purchases expected, off by {mae} a customer")
        parts = [
            said.format(
                method=names[row.method],
                error=percent(row.total_error),
                expected=number(row.expected),
                mae=number(row.mae, 2),
                correlation=_figure(row.correlation),
            )
            for row in self.errors.itertuples()
        ]
        best = self.errors.sort_values("mae", kind="stable")["method"].iloc[0]
        return _("{parts}. Nearest to single customers on average: {best}.").format(
            parts=_("; ").join(parts), best=names[best]
        )

    def _groups(self) -> str:
        held = self.by_frequency["held"]
        labels = counted(self.by_frequency["frequency"])
        missed = held.eq(False).fillna(False)
        parts = []
        if missed.any():
            parts.append(
                _(
                    "What was expected lies outside the interval of what was seen for customers "
                    "with so many purchases before the split: {groups}. By chance {by_chance} of "
                    "{all} intervals of {confidence} miss on average."
                ).format(
                    groups=_listed(labels, missed),
                    by_chance=number((1 - self.confidence) * int(held.notna().sum()), 1),
                    all=number(int(held.notna().sum())),
                    confidence=percent(self.confidence, 0),
                )
            )
        elif held.notna().any():
            parts.append(
                _(
                    "In every group of customers with equally many purchases before the split, "
                    "what was expected lies within the interval of what was seen."
                )
            )
        if held.isna().any():
            parts.append(
                _(
                    "Too few to be judged are customers with so many purchases before the split: "
                    "{groups}."
                ).format(groups=_listed(labels, held.isna()))
            )
        return " ".join(parts)

    def _band(self) -> str:
        held = self.weeks[self.weeks["held_out"]]
        inside = held["actual"].between(held["low"], held["high"]).mean()
        return _(
            "Of the weeks after the split, {share} lie within the band ({confidence}). The model "
            "knows neither seasons nor prices nor offers: what they do is seen as distance from "
            "the line."
        ).format(share=percent(inside, 0), confidence=percent(self.confidence, 0))

    def _left_out(self) -> str:
        if not self.later:
            return _("Nobody was seen for the first time after the split.")
        return ngettext(
            "Left out is {count} customer first seen after the split, of whom nothing was known.",
            "Left out are {count} customers first seen after the split, of whom nothing was known.",
            self.later,
        ).format(count=number(self.later))

    def _define(self) -> Definition:
        later = Exclusion.of_customers(_("first seen after the split"), self.later)
        return Definition(
            numerator=_("Purchases after {split}, seen and expected").format(split=day(self.split)),
            denominator=_("Customers whom the model was fitted to by that day"),
            period=self.context.period(),
            method=_(
                "{model} by maximum likelihood up to the split; expected purchases of each "
                "customer after it given their own history. The same rate: repeat purchases over "
                "time since the first. The recency rule: that rate for those who bought in the "
                "last third of the days up to the split, nothing for the others. Fader, Hardie and "
                "Lee (2005); Wübben and von Wangenheim (2008)."
            ).format(model=MODEL_NAMES[self.model]),
            source=self.context.source,
            exclusions=self.histories.exclusions() + ((later,) if self.later else ()),
        )


@measure(needs=NEEDS)
def holdout(
    crm: Workspace,
    *,
    split: date | None = None,
    model: Model = "bg_nbd",
    picture: Picture = "tracking",
    cohort: Cohort = "won",
    unit: Unit = "week",
    occasion: Occasion = "day",
    confidence: float = 0.95,
) -> Holdout:
    """Does the model predict: fitted to the first part of the data, held against the rest.

    Parameters
    ----------
    crm : Workspace
        As for `repeat_buying`.
    split : datetime.date, optional
        Last day that the model sees; default after two thirds of the days.
    model : {"bg_nbd", "pareto_nbd"}
    picture : {"tracking", "conditional"}
        Repeat purchases week by week, or mean purchases after the split by those before it.
    cohort, unit, occasion
        As in `repeat_buying`.
    confidence : float

    Returns
    -------
    Holdout
        `.table` has, with the picture ``"tracking"``, a row per way of predicting: method,
        expected (purchases after the split in all), expected_low, expected_high, actual,
        total_error (of the actual), mae (mean absolute error of a customer), correlation (of
        expected and actual purchases). With ``"conditional"``, a row per number of repeat purchases
        before the split, the last for seven or more: frequency, customers, actual, actual_low,
        actual_high, expected (means of a customer), expected_low, expected_high, held (what was
        expected lies in the interval of the actual; missing for fewer than five customers).
        `.errors`, `.by_frequency` and `.weeks` have both and the series.

    Raises
    ------
    NotEnoughData
        If there are fewer than 28 days before or after the split, or the model cannot be fitted.
    CrmlabError
        If an argument is not one of those allowed.

    Notes
    -----
    The expected repeat purchases of a cohort up to day D are Σ E[X(D − dᵢ)], dᵢ the first day of
    customer i: what the model says of them as newcomers, on both sides of the split. The band of a
    week is ± z times the root of its variance by the errors of the parameters and of
    n m (1 + Δ (r + 1)/α − m), with m the purchases of a customer in a week of length Δ: purchases
    are Poisson with rates that differ (for BG/NBD, where frequent buyers leave sooner, this is a
    little too wide). Expected purchases after the split given the history are those of `alive`.

    Correlation and mean absolute error tell whether customers are told apart, the total whether the
    model is right on the whole; a simple rule can be as good at the former.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), Marketing Science 24(2), 275-284, figures
    3 to 5. Wübben, M. and von Wangenheim, F. (2008), Journal of Marketing 72(3), 82-93.
    """
    _check(picture)
    check_confidence(confidence)
    some, part = some_customers(crm, LARGEST)
    last = _split(some, split)
    before = histories(some, cohort=cohort, unit=unit, occasion=occasion, until=last)
    whole = histories(some, cohort=cohort, unit=unit, occasion=occasion)
    fit = fitted(before, model)
    customers = _customers(before, whole)
    groups, group = before.groups(fitted=True)
    ahead = (some.as_of - last).days / before.days
    usual, around = evaluated(fit, groups, lambda one, *history: one.expected(ahead, *history))
    customers["expected"] = usual[group]
    errors = _errors(customers, around, groups, ahead, before, some, model, confidence)
    by_frequency = _by_frequency(customers, around, groups, confidence)
    tables = {"tracking": errors, "conditional": by_frequency}
    return Holdout(
        tables[picture].copy(),
        Context.of(crm),
        errors,
        by_frequency,
        _weeks(some, before, fit, confidence),
        customers.reset_index(drop=True),
        last,
        len(whole.frame) - len(before.frame),
        model,
        picture,
        before,
        part,
        confidence,
    )


def method_names(model: str) -> dict[str, str]:
    """The ways of predicting, in the current language."""
    return {
        "model": MODEL_NAMES[model],
        "same_rate": _("same rate as before"),
        "recency": _("recency rule"),
    }


def _check(picture: str) -> None:
    if picture not in ("tracking", "conditional"):
        raise CrmlabError(
            _("picture is 'tracking' or 'conditional'; it is {picture}.").format(
                picture=repr(picture)
            )
        )


def _split(crm: Workspace, split: date | None) -> date:
    """The last day that the model sees."""
    length = (crm.as_of - crm.first_day).days + 1
    last = (
        crm.first_day + timedelta(days=2 * length // 3 - 1)
        if split is None
        else pd.Timestamp(split).date()
    )
    if (last - crm.first_day).days + 1 < LEAST_DAYS or (crm.as_of - last).days < LEAST_DAYS:
        raise NotEnoughData(
            _(
                "A holdout needs {least} days before and after the split at least; the data run "
                "from {first} to {last}, split on {split}."
            ).format(
                least=LEAST_DAYS, first=day(crm.first_day), last=day(crm.as_of), split=day(last)
            )
        )
    return last


def _customers(before: Histories, whole: Histories) -> pd.DataFrame:
    """The customers of the fit, with the purchases they made after the split."""
    frame = before.frame[before.frame["fitted"]]
    total = whole.frame.set_index("customer_id")["purchases"]
    later = frame["customer_id"].map(total).to_numpy() - frame["purchases"].to_numpy()
    columns = ["customer_id", "frequency", "recency_days", "age_days"]
    return frame[columns].assign(actual=later)


def _errors(
    customers: pd.DataFrame,
    around: Array,
    groups: pd.DataFrame,
    ahead: float,
    before: Histories,
    crm: Workspace,
    model: Model,
    confidence: float,
) -> pd.DataFrame:
    age = customers["age_days"].to_numpy() / before.days
    rate = np.divide(customers["frequency"], age, out=np.zeros(len(age)), where=age > 0)
    silent = (customers["age_days"] - customers["recency_days"]).to_numpy()
    recent = silent <= ((before.until - crm.first_day).days + 1) / 3
    ways = {
        "model": customers["expected"].to_numpy(),
        "same_rate": rate * ahead,
        "recency": np.where(recent, rate * ahead, 0.0),
    }
    many = groups["customers"].to_numpy(float)
    low, high = interval(float(customers["expected"].sum()), around @ many, confidence)
    actual = customers["actual"].to_numpy(float)
    rows = []
    for method, expected in ways.items():
        own = method == "model"
        rows.append(
            {
                "method": method,
                "expected": float(expected.sum()),
                "expected_low": float(low) if own else np.nan,
                "expected_high": float(high) if own else np.nan,
                "actual": float(actual.sum()),
                "total_error": float(expected.sum() / actual.sum() - 1) if actual.any() else np.nan,
                "mae": float(np.abs(expected - actual).mean()),
                "correlation": _correlation(expected, actual),
            }
        )
    return pd.DataFrame(rows)


def _correlation(expected: Array, actual: Array) -> float:
    if np.ptp(expected) == 0 or np.ptp(actual) == 0:
        return float("nan")
    return float(np.corrcoef(expected, actual)[0, 1])


def _by_frequency(
    customers: pd.DataFrame, around: Array, groups: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    capped = customers["frequency"].clip(upper=MOST)
    of_group = groups["frequency"].clip(upper=MOST).to_numpy()
    many = groups["customers"].to_numpy(float)
    rows = []
    for frequency, part in customers.groupby(capped):
        seen = part["actual"].to_numpy(float)
        error = seen.std(ddof=1) / np.sqrt(len(seen)) if len(seen) >= FEWEST else np.nan
        actual = t_interval(float(seen.mean()), float(error), len(seen) - 1, confidence=confidence)
        weights = np.where(of_group == frequency, many, 0.0)
        expected = float(part["expected"].mean())
        low, high = interval(expected, around @ weights / weights.sum(), confidence)
        held = None if np.isnan(error) else bool(actual.low <= expected <= actual.high)
        rows.append(
            {
                "frequency": int(frequency),
                "customers": len(part),
                "actual": actual.value,
                "actual_low": max(actual.low, 0.0) if held is not None else np.nan,
                "actual_high": actual.high,
                "expected": expected,
                "expected_low": float(low),
                "expected_high": float(high),
                "held": held,
            }
        )
    return pd.DataFrame(rows).astype({"held": "boolean"})


def _weeks(
    crm: Workspace,
    before: Histories,
    fit: RepeatBuying,
    confidence: float,
) -> pd.DataFrame:
    """Repeat purchases of the customers of the fit in each whole week, seen and expected."""
    frame = before.frame[before.frame["fitted"]]
    start = pd.Timestamp(crm.first_day)
    length = (crm.as_of - crm.first_day).days + 1
    first = (frame["first_day"] - start).dt.days.to_numpy()
    new = np.bincount(first, minlength=length).astype(float)
    seen = _repeat_purchases(crm, frame, before.bought.occasion)
    actual = np.bincount((seen["purchase_day"] - start).dt.days, seen["many"], minlength=length)
    ends = np.arange(7, length + 1, 7) - 1
    times = np.arange(length) / before.days

    def weekly(model: RepeatBuying) -> Array:
        upto = np.convolve(new, np.asarray(model.expected_new(times)))[:length]
        return np.diff(upto[ends], prepend=0.0)

    expected = weekly(fit)
    apart = spread([weekly(one) for one in neighbours(fit)])
    present = np.cumsum(new)[ends]
    mean = np.divide(expected, present, out=np.zeros(len(ends)), where=present > 0)
    shape, scale = (float(fit.parameters[place]) for place in (0, 1))
    chance = expected * (1 + 7 / before.days * (shape + 1) / scale - mean)
    reach = float(norm.ppf((1 + confidence) / 2)) * np.sqrt(apart**2 + np.maximum(chance, 0.0))
    days = start + pd.to_timedelta(ends - 6, unit="D")
    return pd.DataFrame(
        {
            "week": days,
            "actual": np.diff(np.cumsum(actual)[ends], prepend=0.0),
            "expected": expected,
            "low": np.maximum(expected - reach, 0.0),
            "high": expected + reach,
            "held_out": days > pd.Timestamp(before.until),
        }
    )


def _repeat_purchases(crm: Workspace, frame: pd.DataFrame, occasion: Occasion) -> pd.DataFrame:
    """The days on which these customers bought again, and how often on each."""
    found = crm.query("purchase_days")
    found = found[found["customer_id"].isin(frame["customer_id"])]
    first = found["customer_id"].map(frame.set_index("customer_id")["first_day"])
    many = pd.Series(1, found.index) if occasion == "day" else found["orders"]
    return found.assign(many=many - (found["purchase_day"] == first).astype(int))


def _listed(labels: Sequence[str], which: pd.Series) -> str:
    return _(", ").join(one for one, wanted in zip(labels, which, strict=True) if wanted)


def _figure(value: float) -> str:
    return _("not known") if np.isnan(value) else number(value, 2)
