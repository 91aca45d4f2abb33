"""Price sensitivity (价格敏感度): what a rise of the tariff did to the number of orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.tariff import FEWEST, NEEDS, Change, Tariff, response, tariff
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.counts import CountRegression, poisson
from crmlab.stats.multiplicity import holding, holm
from crmlab.stats.weighted import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

CONFIDENCE = 0.95
#: A figure that turns up oftener than this by chance is not claimed.
LEVEL = 0.05
#: Smaller probabilities are written as smaller than this.
LEAST = 0.001
#: Whole months that the trial before the change needs on either side.
MONTHS_BEFORE = 3

_SHOWN = (
    "customers_changed", "customers_other", "elasticity", "low", "high", "sensitivity",
    "revenue_change", "revenue_low", "revenue_high", "before_after", "across",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class PriceResponse(Result):
    """Result of `price_response`.

    Attributes
    ----------
    tariff : Tariff
    overall : Estimate
        Elasticity of all customers together, weighted by their orders before.
    unlike : float
        Probability by chance of groups as unlike as these; NaN with fewer than two.
    fits : dict
        Of each group that is judged the regression of counts; ``did`` is its last coefficient.
    trial : str
        First month of the change that was made up in the time before; empty where that is too
        short.
    """

    measure = "loyalty.price_response"

    tariff: Tariff
    overall: Estimate
    unlike: float
    fits: Mapping[Any, CountRegression]
    trial: str

    def main_columns(self) -> Sequence[str]:
        grouped = [self.tariff.by] if self.tariff.by else []
        return [*grouped, *(name for name in _SHOWN if name in self.table)]

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["low", "high"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        kinds = {
            "elastic": _("elastic"),
            "inelastic": _("inelastic"),
            "open": _("cannot be told"),
        }
        return {"sensitivity": kinds}

    def title(self) -> str:
        judged = self.table.dropna(subset=["low"])
        if judged.empty:
            return _("How orders answer to the price cannot be told")
        if len(judged) == 1 and judged["high"].iloc[0] >= 0:
            return _("That orders fall when the price rises cannot be told from chance")
        if len(judged) == 1:
            return _("A price 1% higher: {change} fewer orders ({low} to {high})").format(
                **_less(judged.iloc[0])
            )
        least = judged.loc[judged["elasticity"].idxmin()]
        if self.unlike > LEVEL:
            return _("Groups do not differ in their response to the price by more than chance")
        return _("Most sensitive to the price: {group}, elasticity {value}").format(
            group=self._name(least), value=number(least["elasticity"], 1)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        table = self.table.dropna(subset=["low"]).sort_values(
            "elasticity", ascending=False, kind="stable"
        )
        places = np.arange(len(table))
        axes.axvline(0, color=charts.MUTED, linewidth=1)
        axes.axvline(-1, color=charts.MUTED, linewidth=1, linestyle=":")
        axes.hlines(places, table["low"], table["high"], color=charts.BLUE, linewidth=2.5)
        axes.scatter(table["elasticity"], places, color=charts.BLUE, s=46, zorder=3)
        axes.scatter(
            table["before_after"], places, facecolor="white", edgecolor=charts.ORANGE, s=46,
            zorder=3,
        )  # fmt: skip
        axes.set_yticks(places, [self._name(row) for _i, row in table.iterrows()])
        axes.set_ylim(-0.6, len(table) - 0.1)
        axes.margins(x=0.1)
        if len(table):
            self._label_marks(axes, table.iloc[-1], places[-1])
        axes.set_xlabel(_("Elasticity with 95% interval (dotted: −1, where revenue stays)"))
        charts.set_title(axes, self.title())
        return axes

    def _label_marks(self, axes: Axes, row: pd.Series, place: float) -> None:
        """What the two marks are, beside those of the uppermost group."""
        for column, colour, text, up in (
            ("elasticity", charts.BLUE, _("against elsewhere"), 9),
            ("before_after", charts.ORANGE, _("before and after only"), -17),
        ):
            axes.annotate(
                text, (row[column], place), xytext=(0, up), textcoords="offset points",
                ha="center", fontsize=9, color=colour,
            )  # fmt: skip

    # --- the words

    def _name(self, row: pd.Series) -> str:
        return self.tariff.group_name(row[self.tariff.by] if self.tariff.by else None)

    def reading(self) -> str:
        answer = [self._elasticities(), self._kinds(), self._unlike(), self._revenue()]
        checks = [self._naive(), self._across(), self._before(), self._who()]
        parts = [self.tariff.sentence(), *answer, *checks]
        return "\n\n".join(part for part in parts if part)

    def _listed(
        self, table: pd.DataFrame, *columns: str, written: Callable[[float], str] | None = None
    ) -> str:
        """Each group with a figure, and with its interval where three columns are named."""
        text = _("{group} {value} ({low} to {high})") if len(columns) > 1 else _("{group} {value}")
        names = dict(zip(("value", "low", "high"), columns, strict=False))
        said = written or (lambda value: number(value, 2))
        return _("; ").join(
            text.format(
                group=self._name(row), **{name: said(row[own]) for name, own in names.items()}
            )
            for _i, row in table.iterrows()
        )

    def _elasticities(self) -> str:
        judged = self.table.dropna(subset=["low"])
        if judged.empty:
            return _("Nowhere are there enough orders on both sides to say how they answered.")
        said = _(
            "Elasticity of the number of orders, the percentage by which it changes if the price "
            "rises by 1%: {groups}. {intervals}"
        ).format(
            groups=self._listed(judged, "elasticity", "low", "high"),
            intervals=intervals_in_brackets(CONFIDENCE),
        )
        missing = self.table[self.table["low"].isna()]
        if len(missing):
            said += " " + _("Too few customers or orders to judge: {groups}.").format(
                groups=_(", ").join(self._name(row) for _i, row in missing.iterrows())
            )
        return said

    def _kinds(self) -> str:
        said = []
        for kind, text in (
            ("elastic", _("Elastic, orders fall by more than the price rises: {groups}.")),
            ("inelastic", _("Inelastic, orders fall by less than the price rises: {groups}.")),
            ("open", _("Whether it is above or below 1 cannot be told: {groups}.")),
        ):
            rows = self.table[self.table["sensitivity"] == kind]
            if len(rows):
                names = _(", ").join(self._name(row) for _i, row in rows.iterrows())
                said.append(text.format(groups=names))
        return " ".join(said)

    def _unlike(self) -> str:
        if not np.isfinite(self.unlike):
            return ""
        together = _("All customers together: {value} ({low} to {high}).").format(
            value=number(self.overall.value, 2),
            low=number(self.overall.low, 2),
            high=number(self.overall.high, 2),
        )
        text = (
            _("The groups differ by more than chance would bring about ({chance}).")
            if self.unlike <= LEVEL
            else _("That the groups differ is not shown by these data ({chance}).")
        )
        return text.format(chance=_probability(self.unlike)) + " " + together

    def _revenue(self) -> str:
        judged = self.table.dropna(subset=["low"])
        if judged.empty:
            return ""
        columns = ("revenue_change", "revenue_low", "revenue_high")
        return _(
            "What the rise brings in, fewer orders at a higher price, if orders stay as large: "
            "{groups}."
        ).format(groups=self._listed(judged, *columns, written=percent))

    def _naive(self) -> str:
        judged = self.table.dropna(subset=["low", "before_after"])
        if judged.empty:
            return ""
        return _(
            "Before and after in the changed regions alone would say {groups}; it takes for a "
            "response to the price whatever else happened to orders at the time, the season and "
            "customers who leave among it."
        ).format(groups=self._listed(judged, "before_after"))

    def _across(self) -> str:
        if "across" not in self.table or self.table["across"].isna().all():
            return ""
        known = self.table.dropna(subset=["across"])
        return _(
            "Customers with higher list prices compared with others before the change would say "
            "{groups}; they are other customers, who buy other things in other amounts, and that "
            "comparison says nothing of what a price does."
        ).format(groups=self._listed(known, "across"))

    def _before(self) -> str:
        if not self.trial:
            return _(
                "The time before the change is too short to look whether the regions had parted "
                "before."
            )
        known = self.table.dropna(subset=["placebo"])
        if known.empty:
            return ""
        apart = known[known["placebo_apart"].astype(bool)]
        groups = self._listed(known, "placebo", "placebo_low", "placebo_high")
        text = (
            _(
                "The same calculation for a rise made up in {month}, when there was none, gives "
                "{groups}: no more than chance. That is no sign of paths already parting, and no "
                "proof that they were not."
            )
            if apart.empty
            else _(
                "The same calculation for a rise made up in {month}, when there was none, gives "
                "{groups}: more than chance for {apart}. There paths parted before the change, and "
                "the figure above may come from that."
            )
        )
        names = _(", ").join(self._name(row) for _i, row in apart.iterrows())
        return text.format(month=self.trial, groups=groups, apart=names)

    def _who(self) -> str:
        frame = self.tariff.frame
        sides = frame.groupby("changed")["customer_id"].nunique()
        said = _(
            "Compared are the customers who pay the new tariff ({changed}) and those who do not "
            "({others}), with their months before and after. Who leaves counts with months of no "
            "orders: leaving is part of the response, as far as it came of the price."
        ).format(changed=number(sides[True]), others=number(sides[False]))
        return f"{said} {left_out_words(self.tariff.exclusions, self.tariff.part)}"

    def alt(self) -> str:
        judged = self.table.dropna(subset=["low"])
        return _(
            "Points with 95% intervals of the elasticity of the number of orders: {groups}. Hollow "
            "points: before and after alone."
        ).format(groups=self._listed(judged, "elasticity", "low", "high"))

    def _define(self) -> Definition:
        rise = (
            _("the rise as announced")
            if self.tariff.announced
            else _("the rise as measured, whose error is in the intervals")
        )
        return Definition(
            numerator=_(
                "Log of the ratio of orders after to before of customers who pay the new tariff, "
                "less that of the others"
            ),
            denominator=_("Log of the new price over the old: {rise}").format(rise=rise),
            period=self.context.period(),
            method=_(
                "Difference in differences by Poisson regression with a level for each customer "
                "and an effect of each month, which both sides share, a group at a time (Hausman, "
                "Hall and Griliches 1984; Wooldridge 1999). 95% t intervals by the jackknife over "
                "customers; they do not allow for what else may have happened in some regions "
                "only. Elastic or inelastic after Holm's correction for {count} groups. Months "
                "count after the one in which a customer is first known, to the end of the data."
            ).format(count=number(len(self.table))),
            source=self.context.source,
            exclusions=self.tariff.exclusions,
        )


def _less(row: pd.Series) -> dict[str, str]:
    """An elasticity as percentages by which orders fall."""
    return {
        "change": percent(-row["elasticity"] / 100, 2),
        "low": percent(-row["high"] / 100, 2),
        "high": percent(-row["low"] / 100, 2),
    }


def _probability(chance: float) -> str:
    if chance < LEAST:
        return _("p < {least}").format(least=number(LEAST, 3))
    return _("p = {chance}").format(chance=number(chance, 3))


@measure(needs=NEEDS)
def price_response(
    crm: Workspace,
    *,
    by: str | None = "customer_type",
    change: Change = None,
    newcomers: bool = True,
) -> PriceResponse:
    """How the number of orders answers to a change of the tariff, for each type of customer.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; customers: customer_id, region, and `by`. With
        orders.list_price the rise is also measured.
    by : str, optional
        customer_type, tier, industry, size, scope or acquisition_channel; None for all together.
    change : crmlab.data.model.TariffChange or mapping, optional
        Such as ``{"regions": ["South"], "since": "2025-04-01", "share": 0.25}``; if not given the
        first that the workspace declares. The region is that of the customer. Without a share the
        rise is measured.
    newcomers : bool
        Whether customers count who became so after the first whole month of the data began.

    Returns
    -------
    PriceResponse
        `.table` has a row per group, the most sensitive first: the column of `by`,
        customers_changed, customers_other, orders_before, orders_after (of those who pay the new
        tariff), elasticity, low, high, sensitivity (elastic, inelastic, open), revenue_change,
        revenue_low, revenue_high (shares), before_after and across (elasticities by two comparisons
        that mislead; across needs list prices), placebo, placebo_low, placebo_high, placebo_apart.
        Groups of fewer than ten customers on a side are not judged.

    Raises
    ------
    CrmlabError
        If `change` cannot be read.
    NotEnoughData
        If no change is known, one of its sides has no customers or months, the rise is neither
        given nor to be seen in list prices, or nothing is known of `by`.

    Notes
    -----
    For customer i in month t the expected number of orders is exp(αᵢ + γₜ + β · changedᵢ · afterₜ),
    a group at a time; the elasticity is β / log(1 + rise). The levels αᵢ are conditioned on
    (`crmlab.stats.counts.poisson`). Where all customers are there in all months, β is the log of
    the double ratio of sums of orders. All customers together have the mean of the groups' own,
    weighted by their orders before. Groups are compared by Cochran's Q, the sum of squares of their
    elasticities from the mean, weighted by their inverse variances. The trial before the change
    puts it a year earlier, or in the middle of the time before, and takes only months before the
    real one. Revenue changes by (1 + rise) to the power of 1 + elasticity.

    References
    ----------
    Hausman, J., Hall, B. H. and Griliches, Z. (1984), Econometrica 52, 909-938. Wooldridge, J. M.
    (1999), Journal of Econometrics 90, 77-97. Bertrand, M., Duflo, E. and Mullainathan, S. (2004),
    Quarterly Journal of Economics 119, 249-275. Cochran, W. G. (1954), Biometrics 10, 101-129.
    """
    found = tariff(crm, by=by, change=change, newcomers=newcomers)
    trial = _trial_month(found.frame)
    prices = _prices(crm, found)
    fits = {name: _fits(part, trial, prices) for name, part in found.frame.groupby("group")}
    rows = [_row(found, name, fit) for name, fit in fits.items()]
    table = pd.DataFrame(rows)
    table["sensitivity"] = _kinds(table["elasticity"], table["error"], table["freedom"])
    table["placebo_apart"] = _apart(table)
    unlike = _unlike(table)
    overall = _together(table, found.log_error / abs(found.log_rise))
    table = table.drop(columns=["error", "own_error", "freedom", "placebo_chance"])
    if prices.empty:
        table = table.drop(columns="across")
    table = table.rename(columns={"group": by}) if by else table.drop(columns="group")
    table = table.sort_values("elasticity", kind="stable", ignore_index=True)
    first = "" if trial is None else f"{trial:%Y-%m}"
    judged = {name: fit["did"] for name, fit in fits.items() if fit["did"] is not None}
    return PriceResponse(table, Context.of(crm), found, overall, unlike, judged, first)


def _trial_month(frame: pd.DataFrame) -> pd.Timestamp | None:
    """First month of a change made up before the real one; None where time is too short."""
    after = frame.loc[frame["after"], "month"].min()
    months = np.sort(frame.loc[~frame["after"], "month"].unique())
    months = pd.DatetimeIndex(months)
    if len(months) < 2 * MONTHS_BEFORE:
        return None
    earlier = after - pd.DateOffset(years=1)
    if (months < earlier).sum() >= MONTHS_BEFORE:
        return pd.Timestamp(earlier)
    return pd.Timestamp(months[len(months) // 2])


def _prices(crm: Workspace, found: Tariff) -> pd.Series:
    """Mean log list price of each customer's orders before the change; empty if not known."""
    if not crm.has("orders", "list_price"):
        return pd.Series(dtype=float)
    rows = crm.query("list_prices", period_to=found.change.since - timedelta(days=1))
    sums = rows.groupby("customer_id")[["log_price", "orders"]].sum()
    return sums["log_price"] / sums["orders"]


def _fits(
    part: pd.DataFrame, trial: pd.Timestamp | None, prices: pd.Series
) -> dict[str, CountRegression | None]:
    """All that is fitted of one group."""
    fits: dict[str, CountRegression | None] = dict.fromkeys(
        ["did", "before_after", "placebo", "across"]
    )
    if part.groupby("changed")["customer_id"].nunique().reindex([True, False]).min() < FEWEST:
        return fits
    fits["did"] = _fitted(part)
    fits["before_after"] = _before_after(part[part["changed"]])
    if trial is not None:
        before = part[~part["after"]]
        fits["placebo"] = _fitted(before.assign(after=before["month"] >= trial))
    if len(prices):
        fits["across"] = _compared(part[~part["after"]], prices)
    return fits


def _fitted(part: pd.DataFrame) -> CountRegression | None:
    try:
        return response(part)
    except NotEnoughData:
        return None


def _before_after(part: pd.DataFrame) -> CountRegression | None:
    """Orders after over before, of the changed regions by themselves."""
    cells = part.groupby(["customer_id", "after"])["orders"].agg(["sum", "size"]).reset_index()
    try:
        return poisson(
            cells["sum"],
            cells[["after"]].astype(float),
            exposure=cells["size"],
            groups=cells["customer_id"],
            clusters=cells["customer_id"],
        )
    except NotEnoughData:
        return None


def _compared(before: pd.DataFrame, prices: pd.Series) -> CountRegression | None:
    """Orders of customers with higher and lower list prices."""
    cells = before.groupby("customer_id")["orders"].agg(["sum", "size"])
    cells = cells.assign(price=prices.reindex(cells.index)).dropna()
    if not len(cells):
        return None
    design = np.column_stack([np.ones(len(cells)), cells["price"] - cells["price"].mean()])
    try:
        return poisson(cells["sum"], design, exposure=cells["size"], clusters=cells.index)
    except NotEnoughData:
        return None


def _elasticity(fit: CountRegression | None, found: Tariff) -> tuple[Estimate, float]:
    """Elasticity with its interval, and its standard error; the rise may have one too."""
    if fit is None:
        return NOTHING, np.nan
    value = float(fit.coefficients[-1]) / found.log_rise
    error = float(np.hypot(fit.errors[-1], value * found.log_error)) / abs(found.log_rise)
    return t_interval(value, error, fit.freedom, confidence=CONFIDENCE), error


def _row(found: Tariff, name: Any, fits: Mapping[str, CountRegression | None]) -> dict[str, Any]:
    part = found.frame[found.frame["group"] == name]
    changed = part[part["changed"]]
    answer, error = _elasticity(fits["did"], found)
    placebo, placebo_error = _elasticity(fits["placebo"], found)
    across = fits["across"]
    rise = np.exp(found.log_rise)
    revenue = [rise ** (1 + end) - 1 for end in answer[:3]]
    return {
        "group": name,
        "customers_changed": changed["customer_id"].nunique(),
        "customers_other": part["customer_id"].nunique() - changed["customer_id"].nunique(),
        "orders_before": int(changed.loc[~changed["after"], "orders"].sum()),
        "orders_after": int(changed.loc[changed["after"], "orders"].sum()),
        "elasticity": answer.value,
        "low": answer.low,
        "high": answer.high,
        "revenue_change": revenue[0],
        "revenue_low": revenue[1],
        "revenue_high": revenue[2],
        "before_after": _elasticity(fits["before_after"], found)[0].value,
        "across": np.nan if across is None else float(across.coefficients[-1]),
        "placebo": placebo.value,
        "placebo_low": placebo.low,
        "placebo_high": placebo.high,
        "error": error,
        "own_error": np.nan
        if fits["did"] is None
        else float(fits["did"].errors[-1]) / abs(found.log_rise),
        "freedom": np.nan if fits["did"] is None else fits["did"].freedom,
        "placebo_chance": _chance(placebo.value, placebo_error, fits["placebo"]),
    }


def _chance(value: float, error: float, fit: CountRegression | None) -> float:
    from scipy.stats import t

    return np.nan if fit is None else float(2 * t.sf(abs(value) / error, fit.freedom))


def _kinds(elasticity: pd.Series, error: pd.Series, freedom: pd.Series) -> pd.Series:
    """Which are told from −1, corrected for the number of groups."""
    from scipy.stats import t

    chances = 2 * t.sf(np.abs(elasticity + 1) / error, freedom)
    told, _adjusted = holm(chances, LEVEL)
    kind = pd.Series(np.where(elasticity < -1, "elastic", "inelastic"), elasticity.index)
    kind = kind.where(pd.Series(told, elasticity.index), "open")
    return kind.where(elasticity.notna())


def _apart(table: pd.DataFrame) -> pd.Series:
    """Whether the trial before the change finds something, corrected for the groups."""
    return pd.Series(holding(table["placebo_chance"], LEVEL), table.index)


def _together(table: pd.DataFrame, of_rise: float) -> Estimate:
    """The mean elasticity, weighted by orders before the change, of those who pay it.

    `of_rise` is the error of the rise as a share of it, which is the same in all groups.
    """
    judged = table.dropna(subset=["error"])
    if judged.empty:
        return NOTHING
    weight = judged["orders_before"] / judged["orders_before"].sum()
    value = float((weight * judged["elasticity"]).sum())
    own = float(np.sqrt((weight**2 * judged["own_error"] ** 2).sum()))
    error = float(np.hypot(own, value * of_rise))
    return t_interval(value, error, float(judged["freedom"].sum()), confidence=CONFIDENCE)


def _unlike(table: pd.DataFrame) -> float:
    """Probability by chance of elasticities as unlike as these (Cochran's Q).

    The error of the rise, which all share, makes none unlike another.
    """
    from scipy.stats import chi2

    judged = table.dropna(subset=["error"])
    if len(judged) < 2:
        return np.nan
    weight = 1 / judged["own_error"] ** 2
    mean = float(np.average(judged["elasticity"], weights=weight))
    spread = float((weight * (judged["elasticity"] - mean) ** 2).sum())
    return float(chi2.sf(spread, len(judged) - 1))
