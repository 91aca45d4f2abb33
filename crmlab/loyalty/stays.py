"""How long customers stay: from when to when each was watched, and whether it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.data.model import NO_TIME
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, day, ngettext, number
from crmlab.loyalty.purchases import known_since
from crmlab.show.result import Exclusion, left_out_words
from crmlab.stats.tiers import assign, tier_rules, with_thresholds

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Whether a contract says who has left, or only silence does.
Setting = Literal["contract", "silence"]

#: Days without a purchase that count as having left.
SILENCE = 180
#: Days of a customer's purchases that make the tier where the company gives none.
LANDMARK = 90
#: Days of a month.
MONTH = 365.25 / 12

NEEDS = (
    {"customers": ["customer_id", "contract_from", "contract_to"]},
    {"orders": ["customer_id", "ordered_at"]},
)


@dataclass(frozen=True)
class Stays:
    """Every customer whose staying was watched for some time.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per customer: customer_id, origin (day), entry, time (days from the origin to the
        first and to the last moment of watching), event (whether it ended as one that left).
    setting : {"contract", "silence"}
    silence : int
    late : int
        Customers who are watched only from some time after the origin on.
    returned : int
        Silence: of those counted as having left, how many bought again.
    exclusions : tuple of Exclusion
    """

    frame: pd.DataFrame
    setting: Setting
    silence: int
    late: int
    returned: int
    exclusions: tuple[Exclusion, ...]

    def rule(self) -> str:
        """What counts as leaving, in a sentence or two."""
        if self.setting == "contract":
            return _(
                "A customer has left when the contract has ended; one that runs on at the end of "
                "the data is counted as watched until then."
            )
        return _(
            "No contract says who has left. A customer counts as having left on the day on which "
            "{days} days without a purchase are complete, not on the day of the last purchase: "
            "that it was the last was not known then. By this rule nobody leaves within {days} "
            "days of a purchase, so the months at the beginning are without risk."
        ).format(days=number(self.silence))

    def watched_late(self) -> str:
        """How many are watched from some time after the origin on, and why; empty for none."""
        if not self.late:
            return ""
        if self.setting == "contract":
            text = ngettext(
                "{count} contract began before the data; it counts only from the first day of the "
                "data on (delayed entry), for those that ended earlier are not in the data.",
                "{count} contracts began before the data; they count only from the first day of "
                "the data on (delayed entry), for those that ended earlier are not in the data.",
                self.late,
            )
        else:
            text = ngettext(
                "{count} customer was won before they can be watched; they count only from the "
                "day on which their purchases are known for {days} days (delayed entry), or from "
                "their first purchase.",
                "{count} customers were won before they can be watched; they count only from the "
                "day on which their purchases are known for {days} days (delayed entry), or from "
                "their first purchase.",
                self.late,
            )
        return text.format(count=number(self.late), days=number(self.silence))


def stays(crm: Workspace, *, setting: Setting | None = None, silence: int = SILENCE) -> Stays:
    """From when to when each customer was watched, and whether it ended as one that left.

    Parameters
    ----------
    crm : Workspace
        With customers: customer_id, contract_from, contract_to; or orders: customer_id, ordered_at.
    setting : {"contract", "silence"}, optional
        By default contract, where any contract is known.
    silence : int
        Days without a purchase that count as having left.

    Returns
    -------
    Stays

    Raises
    ------
    CrmlabError
        If `setting` or `silence` is something else.
    NotEnoughData
        If the data do not say, or nobody was watched.

    Notes
    -----
    Contract: the origin is the first day of the contract; it ends with the last, if that is not
    after `as_of`. Customers whose contract began before the first day of the data enter there.

    Silence: the origin is acquired_on, else the first purchase in the data. The event is the first
    silence of so many whole days, on the day it is complete. Those not complete at `as_of` are
    censored. Who was won before the data enters when the data have lasted so long that a silence
    would have been seen, if it had not begun before: had we let them enter with their first
    purchase, none could have had the event for so many days, and the rate would come out too low.
    Who had been silent until then is left out. Who was won within the data enters with the first
    purchase, for without one there would be no row.
    """
    chosen = _chosen(crm, setting)
    if isinstance(silence, bool) or not isinstance(silence, int | np.integer) or silence < 1:
        raise CrmlabError(
            _("silence is a whole number of days, such as 180; it is {value}.").format(
                value=repr(silence)
            )
        )
    if crm.as_of == NO_TIME:
        raise NotEnoughData(_("The data have no dates, so nobody can be watched."))
    found = _contracts(crm) if chosen == "contract" else _silences(crm, int(silence))
    if found.frame.empty:
        raise NotEnoughData(
            _(
                "Nobody was watched between {first} and {last} for any time in which leaving could "
                "be seen: {left}."
            ).format(
                first=day(crm.first_day),
                last=day(crm.as_of),
                left=_("; ").join(one.words() for one in found.exclusions) or _("no customers"),
            )
        )
    return found


def has_contracts(crm: Workspace) -> bool:
    """Whether the data know of any contract."""
    return crm.has("customers", "contract_to") and known(crm, "contract_from")


def known(crm: Workspace, column: str) -> bool:
    """Whether the data say this of any customer."""
    there = crm.has("customers", "customer_id", column)
    return there and bool(crm.customers[column].notna().any())


def has_purchases(crm: Workspace) -> bool:
    """Whether the data know when customers bought."""
    return crm.has("orders", "customer_id", "ordered_at")


def _chosen(crm: Workspace, setting: Setting | None) -> Setting:
    if setting not in (None, "contract", "silence"):
        raise CrmlabError(
            _("setting is 'contract' or 'silence'; it is {value}.").format(value=repr(setting))
        )
    contracts = has_contracts(crm)
    chosen: Setting = setting or ("contract" if contracts else "silence")
    if chosen == "contract" and not contracts:
        raise NotEnoughData(
            _(
                "No customer has a contract in the data (customers.contract_from and contract_to); "
                "with setting='silence' those who stop buying count as having left."
            )
        )
    if chosen == "silence" and not has_purchases(crm):
        raise NotEnoughData(
            _("Silence needs orders.customer_id and orders.ordered_at, which the data do not have.")
        )
    return chosen


def _contracts(crm: Workspace) -> Stays:
    every = crm.customers
    made = every[every["contract_from"].notna()]
    first, last = pd.Timestamp(crm.first_day), pd.Timestamp(crm.as_of)
    begins, ends = made["contract_from"].dt.normalize(), made["contract_to"].dt.normalize()
    future, before = begins > last, ends < first
    kept = ~(future | before)
    event = ends <= last
    frame = pd.DataFrame(
        {
            "customer_id": made["customer_id"],
            "origin": begins,
            "entry": (first - begins).dt.days.clip(lower=0).astype(float),
            # The last day of a contract is a day with it.
            "time": (ends.where(event, last) - begins).dt.days.astype(float) + 1,
            "event": event,
        }
    )[kept].reset_index(drop=True)
    counts = {
        _("no contract"): len(every) - len(made),
        _("contract begins after the data"): int(future.sum()),
        _("contract ended before the data begin"): int(before.sum()),
    }
    late = int((frame["entry"] > 0).sum())
    return Stays(frame, "contract", SILENCE, late, 0, _left_out(counts))


def _silences(crm: Workspace, silence: int) -> Stays:
    found = crm.query("first_lapses", silence=silence)
    first, last = pd.Timestamp(crm.first_day), pd.Timestamp(crm.as_of)
    begun, lapsed = found["first_day"], found["quiet_since"] + pd.Timedelta(days=silence)
    origin = known_since(crm, found).set_axis(found.index)
    before = origin < first
    # From then on a silence that began before the data is seen too.
    seen = first + pd.Timedelta(days=silence - 1)
    entered = begun.where(~before, seen)
    silent = before & (begun > seen)
    ended = lapsed.fillna(last)
    kept = ~silent & (entered < ended)
    frame = pd.DataFrame(
        {
            "customer_id": found["customer_id"],
            "origin": origin,
            "entry": (entered - origin).dt.days.astype(float),
            "time": (ended - origin).dt.days.astype(float),
            "event": lapsed.notna(),
        }
    )
    back = kept & (found["quiet_since"] < found["last_day"])
    frame = frame[kept].reset_index(drop=True)
    counts = {
        _("won before the data and silent at their beginning"): int(silent.sum()),
        _("not watched for a day"): int((~kept & ~silent).sum()),
    }
    late = int((frame["entry"] > 0).sum())
    return Stays(frame, "silence", silence, late, int(back.sum()), _left_out(counts))


def left_out(*exclusions: Exclusion) -> str:
    """How many customers were left out and why, in a sentence."""
    return left_out_words(exclusions, nothing=_("No customer was left out."))


def _left_out(counts: dict[str, int]) -> tuple[Exclusion, ...]:
    return tuple(Exclusion.of_customers(reason, count) for reason, count in counts.items() if count)


@dataclass(frozen=True)
class Groups:
    """A group for each customer, frozen at the origin.

    Attributes
    ----------
    frame : pandas.DataFrame
        As in `Stays`, with the column `by`; with a landmark everybody enters at it or later.
    by : str
        Column of the groups; empty for none.
    order : list of str
    landmark : bool
        Whether the tier is that of the first purchases.
    exclusions : tuple of Exclusion
    """

    frame: pd.DataFrame
    by: str
    order: list[str]
    landmark: bool
    exclusions: tuple[Exclusion, ...]

    def words(self) -> str:
        """Where the groups come from, in a sentence or two."""
        if self.by != "tier":
            return ""
        if self.landmark:
            return _(
                "The data give no tier. It is made of the revenue in the first {days} days from "
                "the first purchase in the data, by the shares of the tier rules. Customers count "
                "only after these days, so that nothing that came later makes the tier."
            ).format(days=number(LANDMARK))
        return _(
            "The tier is the one in the data, taken as given when the relationship began. Were it "
            "given later, by what customers had bought until then, those who stayed longer would "
            "be in the better tiers for that reason alone; immortal_time() shows by how much."
        )


def grouped(crm: Workspace, found: Stays, by: str | None, *, given: bool = True) -> Groups:
    """The groups to compare, each customer in the one of the beginning.

    Parameters
    ----------
    crm : Workspace
    found : Stays
    by : str or None
        A column of customers; ``"tier"`` where the data give none is made of the first purchases.
    given : bool
        Whether a tier in the data is taken; otherwise that of the first purchases.

    Returns
    -------
    Groups

    Raises
    ------
    NotEnoughData
        If the column is not known, or no customer has a group.
    """
    frame = found.frame
    if by is None:
        return Groups(frame, "", [], False, ())
    own = known(crm, by)
    if by == "tier" and not (own and given):
        return _by_landmark(crm, frame)
    if not own:
        names = [name for name in COVARIATES if crm.has("customers", "customer_id", name)]
        raise NotEnoughData(
            _("Nothing is known of {column}; customers can be grouped by: {names}.").format(
                column=by, names=_(", ").join(names) or _("none")
            )
        )
    column = crm.customers.dropna(subset=["customer_id"]).set_index("customer_id")[by]
    group = frame["customer_id"].map(column)
    kept = frame.assign(**{by: group.astype("str")})[group.notna()].reset_index(drop=True)
    if kept.empty:
        raise NotEnoughData(
            _("No customer who was watched has a known {column}.").format(column=by)
        )
    left = _left_out({_("{column} not given").format(column=by): len(frame) - len(kept)})
    return Groups(kept, by, _order(kept[by], by), False, left)


#: Columns of customers by which they can be compared.
COVARIATES = (
    "tier",
    "acquisition_channel",
    "customer_type",
    "region",
    "size",
    "industry",
    "scope",
)


def _by_landmark(crm: Workspace, frame: pd.DataFrame) -> Groups:
    if not crm.has("orders", "customer_id", "ordered_at", "amount"):
        raise NotEnoughData(
            _(
                "The data give no tier, and without orders.amount none can be made; by=None looks "
                "at all customers together."
            )
        )
    early = crm.query("early_revenue", days=LANDMARK).set_index("customer_id")
    filled = with_thresholds(early["amount"], tier_rules())
    tier = assign(early["amount"], filled).astype("str")
    landmark = early["first_day"] + pd.Timedelta(days=LANDMARK)
    passed = (frame["customer_id"].map(landmark) - frame["origin"]).dt.days.astype(float)
    placed = frame.assign(
        tier=frame["customer_id"].map(tier), entry=np.maximum(frame["entry"], passed)
    )
    unknown = placed["tier"].isna()
    short = ~unknown & (placed["entry"] >= placed["time"])
    kept = placed[~unknown & ~short].reset_index(drop=True)
    counts = {
        _("no purchase in the data, so no tier"): int(unknown.sum()),
        _("watched no longer than the {days} days that make the tier").format(
            days=number(LANDMARK)
        ): int(short.sum()),
    }
    if kept.empty:
        raise NotEnoughData(
            _(
                "No customer was watched for longer than the {days} days that make the tier, so "
                "tiers cannot be compared."
            ).format(days=number(LANDMARK))
        )
    return Groups(kept, "tier", _order(kept["tier"], "tier"), True, _left_out(counts))


def _order(groups: pd.Series, by: str) -> list[str]:
    """Tiers the best first, other groups the largest first."""
    present = list(groups.value_counts().index)
    if by != "tier":
        return [str(name) for name in present]
    rules = [name for name in tier_rules()["tier"] if name in present]
    return rules + [str(name) for name in present if name not in rules]
