"""Customers and months around a change of the tariff: who pays it, from when, and how much more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.data import model
from crmlab.data.drawn import some_customers
from crmlab.data.mapping import tariff_change
from crmlab.errors import NotEnoughData
from crmlab.language import _, current_language, day, percent, with_interval
from crmlab.loyalty.purchases import customer_months
from crmlab.show.columns import shown
from crmlab.show.result import Exclusion
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.counts import CountRegression, poisson
from crmlab.stats.regression import Regression, least_squares

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

NEEDS = {"orders": ["customer_id", "ordered_at"], "customers": ["customer_id", "region"]}
#: What customers can be grouped by.
GROUPINGS = ("customer_type", "tier", "industry", "size", "scope", "acquisition_channel")
#: With fewer customers on either side a group is not judged.
FEWEST = 10
#: Prices per unit are used where the quantity of this share of the orders is known.
MOSTLY = 0.9
#: A measured rise whose interval reaches zero, or less than this, says nothing of a response.
LEAST_RISE = 0.01

Change = model.TariffChange | Mapping[str, Any] | None


@dataclass(frozen=True)
class Tariff:
    """The months of customers before and after a change of the tariff.

    Attributes
    ----------
    change : crmlab.data.model.TariffChange
    frame : pandas.DataFrame
        A row per customer and whole month in which the customer could buy: customer_id, month,
        orders, changed (pays the new tariff once it holds), after, group.
    by : str
        Column of the groups; empty for none.
    log_rise, log_error : float
        Logarithm of the new price over the old, and its standard error (0 where announced).
    measured : Estimate
        Rise of the list prices as they are in the orders, a share; NaN where they are not known.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    change: model.TariffChange
    frame: pd.DataFrame
    by: str
    log_rise: float
    log_error: float
    measured: Estimate
    exclusions: tuple[Exclusion, ...]
    part: str

    @property
    def announced(self) -> bool:
        """Whether the rise is declared rather than measured."""
        return self.change.share is not None

    def group_name(self, value: Any) -> str:
        """A group in the current language."""
        if not self.by:
            return _("all customers")
        return shown(self.by).written(value, "")

    def regions(self) -> str:
        """The regions of the change in the current language."""
        written = shown("region")
        return _(", ").join(written.written(name, "") for name in self.change.regions)

    def label(self) -> str:
        """What was changed, in the current language if it is given in it."""
        chinese = self.change.label_zh if current_language() == "zh_CN" else ""
        return chinese or self.change.label

    def sentence(self) -> str:
        """What was changed, where, when and by how much."""
        since, regions = day(self.change.since), self.regions()
        label = self.label() or _("list prices")
        share = self.change.share
        measured = with_interval(*self.measured[:3], percent)
        if share is None:
            text = _(
                "What was changed: {label}, for customers of {regions} from {since} on, by "
                "{measured} as measured in the list prices of the orders against those elsewhere."
            )
            return text.format(label=label, regions=regions, since=since, measured=measured)
        said = _(
            "What was changed: {label}, for customers of {regions} from {since} on, by {share} as "
            "announced."
        ).format(label=label, regions=regions, since=since, share=percent(share))
        if not np.isfinite(self.measured.low):
            return said
        if self.measured.low <= share <= self.measured.high:
            check = _("The list prices of the orders agree: {measured} against elsewhere.")
        else:
            check = _(
                "The list prices of the orders do not agree: {measured} against elsewhere. Ask why "
                "before relying on what follows."
            )
        return said + " " + check.format(measured=measured)


def tariff(
    crm: Workspace, *, by: str | None, change: Change = None, newcomers: bool = True
) -> Tariff:
    """The months of all customers around the change of the tariff, and by how much prices rose.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at; customers: customer_id, region, and `by`.
    by : str or None
        Column of customers that makes the groups.
    change : crmlab.data.model.TariffChange or mapping, optional
        As in ``[[workspace.tariff_changes]]``; the first that is declared if not given.
    newcomers : bool
        Whether customers count who became so after the first whole month began.

    Raises
    ------
    CrmlabError
        If `change` cannot be read.
    NotEnoughData
        If no change is known, there are no customers or months on one of its sides, or no rise is
        given and none can be measured.

    Notes
    -----
    A customer's months count from the first that begins after the day the customer is known from
    (so the first order, without which nobody would be a customer, does not), to the end of the
    data, whether or not the customer has left: of many it is not known. If the change does not
    begin with a month, the month in which it begins is left out.
    """
    asked = _asked_for(crm, change)
    workspace, part = some_customers(crm)
    months = customer_months(workspace)
    frame, exclusions = _placed(workspace, months, asked, by, newcomers)
    _check_sides(frame, asked)
    fitted = _measured(workspace, asked)
    logs = fitted.estimate(1) if fitted else NOTHING
    log_rise, log_error = _rise(asked, logs, float(fitted.errors[1]) if fitted else np.nan)
    ends = [float(np.expm1(end)) for end in (logs.value, logs.low, logs.high)]
    share = Estimate(ends[0], ends[1], ends[2], np.nan)
    return Tariff(asked, frame, by or "", log_rise, log_error, share, exclusions, part)


def _asked_for(crm: Workspace, change: Change) -> model.TariffChange:
    if isinstance(change, model.TariffChange):
        return change
    if change is not None:
        return tariff_change(change, "change")
    declared = crm.settings.tariff_changes
    if not declared:
        raise NotEnoughData(
            _(
                "No change of the tariff is declared. Name the regions of its customers and its "
                "first day under [[workspace.tariff_changes]] in the mapping, or as change="
                '{{"regions": ["South"], "since": "2025-04-01"}}.'
            ).format()
        )
    return declared[0]


def _placed(
    crm: Workspace,
    months: pd.DataFrame,
    change: model.TariffChange,
    by: str | None,
    newcomers: bool,
) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    known = _attributes(crm, by)
    start = pd.Timestamp(change.since)
    ends = months["month"] + pd.offsets.MonthBegin()
    part = months[(months["month"] >= start) | (ends <= start)]
    first = part["month"].min()
    frame = part[["customer_id", "month", "orders", "since"]].assign(
        region=part["customer_id"].map(known["region"]),
        group=part["customer_id"].map(known["group"]),
        after=part["month"] >= start,
    )
    steps = {
        _("region not known"): frame["region"].isna(),
        _("{column} not known").format(column=shown(by or "").label): frame["group"].isna(),
        _("customers only after the first month had begun"): (frame["since"] >= first)
        & (not newcomers),
        _("no whole month as a customer"): frame["month"] <= frame["since"],
    }
    exclusions = []
    for reason, out in steps.items():
        gone = out.reindex(frame.index)
        before = frame["customer_id"].nunique()
        frame = frame[~gone]
        exclusions.append(
            Exclusion.of_customers(reason, before - frame["customer_id"].nunique())
        )  # fmt: skip
    frame = frame.assign(changed=frame["region"].isin(change.regions)).reset_index(drop=True)
    columns = ["customer_id", "month", "orders", "changed", "after", "group"]
    return frame[columns], tuple(one for one in exclusions if one.count)


def _attributes(crm: Workspace, by: str | None) -> pd.DataFrame:
    """Region and group of each customer."""
    there = [name for name in GROUPINGS if crm.has("customers", name)]
    if by is not None and by not in there:
        raise NotEnoughData(
            _(
                "Nothing is known of {column}; customers can be grouped by: {names}. by=None takes "
                "them all together."
            ).format(column=by, names=_(", ").join(there) or _("none"))
        )
    listed = crm.customers.drop_duplicates("customer_id").set_index("customer_id")
    return pd.DataFrame(
        {"region": listed["region"], "group": listed[by] if by else pd.Series("all", listed.index)}
    )


def _check_sides(frame: pd.DataFrame, change: model.TariffChange) -> None:
    """Customers who pay the new tariff and others, with months before and after."""
    sides = frame.groupby(["changed", "after"])["customer_id"].nunique()
    regions = _(", ").join(change.regions)
    if len(sides) < 4:
        raise NotEnoughData(
            _(
                "A response to the tariff needs customers in {regions} and elsewhere, with whole "
                "months before and after {since}; one of the four groups is empty."
            ).format(regions=regions, since=day(change.since))
        )
    if (frame.groupby("changed")["orders"].sum() == 0).any():
        raise NotEnoughData(
            _(
                "A response to the tariff needs orders of customers in {regions} and elsewhere; on "
                "one of the two sides there are none in the months that count."
            ).format(regions=regions)
        )


def _rise(change: model.TariffChange, measured: Estimate, error: float) -> tuple[float, float]:
    """Log of the rise and its error: as announced, else as measured."""
    if change.share is not None:
        return float(np.log1p(change.share)), 0.0
    low, high = measured.low, measured.high
    if not np.isfinite(low) or low <= 0 <= high or abs(measured.value) < LEAST_RISE:
        raise NotEnoughData(
            _(
                "By how much the tariff rose is not given, and the list prices of the orders do "
                "not show it. Give it as share = 0.25 with the change."
            )
        )
    return measured.value, error


def _measured(crm: Workspace, change: model.TariffChange) -> Regression | None:
    """Log list prices of the same customer and service line, after less before.

    The second coefficient is that of the changed regions less that of the others.
    """
    if not crm.has("orders", "list_price"):
        return None
    cells = ["customer_id", "service_line"]
    found = [
        crm.query("list_prices", period_to=change.since - timedelta(days=1)),
        crm.query("list_prices", period_from=change.since),
    ]
    units = sum(each["unit_orders"].sum() for each in found)
    named = ("unit_orders", "log_unit_price")
    if units < MOSTLY * sum(each["orders"].sum() for each in found):
        named = ("orders", "log_price")
    before, after = (
        each.astype({"service_line": "object"})
        .fillna({"service_line": ""})
        .set_index(cells)[list(named)]
        .set_axis(["orders", "log"], axis=1)
        .query("orders > 0")
        for each in found
    )
    both = before.add_suffix("_before").join(after.add_suffix("_after"), how="inner").reset_index()
    listed = crm.customers.drop_duplicates("customer_id").set_index("customer_id")["region"]
    both = both[both["customer_id"].map(listed).notna()]
    changed = both["customer_id"].map(listed).isin(change.regions).astype(float)
    if changed.nunique() < 2:  # prices of one side only
        return None
    moved = both["log_after"] / both["orders_after"] - both["log_before"] / both["orders_before"]
    weight = 1 / (1 / both["orders_before"] + 1 / both["orders_after"])
    design = np.column_stack([np.ones(len(both)), changed])
    try:
        return least_squares(design, moved, weights=weight, clusters=both["customer_id"])
    except NotEnoughData:  # prices of a single customer on one side
        return None


def response(part: pd.DataFrame) -> CountRegression:
    """Difference in differences of the counts of a panel; ``did`` is the last column.

    Parameters
    ----------
    part : pandas.DataFrame
        customer_id, month, orders, changed, after.

    Notes
    -----
    Poisson regression with a level for each customer and an effect of each month shared by those
    who pay the new tariff and those who do not. Where all customers are there in all months, its
    estimate is the log of (changed after / before) / (others after / before), of sums of orders.
    """
    design, names = months_of(part)
    did = (part["changed"] & part["after"]).to_numpy(float)
    return poisson(
        part["orders"],
        np.column_stack([design, did]),
        groups=part["customer_id"],
        clusters=part["customer_id"],
        names=[*names, "did"],
    )


def months_of(part: pd.DataFrame) -> tuple[Array, list[str]]:
    """A column for each month but the first, and their names."""
    codes, months = pd.factorize(part["month"], sort=True)
    columns = np.zeros((len(part), len(months)))
    columns[np.arange(len(part)), codes] = 1
    return columns[:, 1:], [str(month.date()) for month in pd.DatetimeIndex(months)[1:]]
