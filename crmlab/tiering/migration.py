"""Migration (客户级别迁移): who rose, who fell, who left, and where that leads if it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, money, number, percent
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    left_out_words,
    measure,
    require,
)
from crmlab.stats.intervals import check_confidence, wilson
from crmlab.stats.tiers import Value, tier_names
from crmlab.tiering import markov
from crmlab.tiering.movement import (
    COLUMNS,
    INACTIVE,
    NEW,
    Periods,
    States,
    choose_periods,
    customer_states,
    moves_without_change,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: What those who bought in the first period did; together they are all of them.
OF_BUYERS = ("up", "steady", "down", "lost")
#: An interval is given where at least this share of the resamples have a long run.
ENOUGH = 0.95
#: Where the check of chance has fewer of the customers than this share, the reading says so.
PART = 0.9


@dataclass(frozen=True, repr=False)
class Migration(Result):
    """Result of `migration`.

    Attributes
    ----------
    periods : Periods
        `.first` and `.second`, each its first and last day.
    rules : pandas.DataFrame
        The tier rules, every threshold an amount of money per 12 months.
    summary : pandas.DataFrame
        A row per movement (up, steady, down, lost, won_back, new): movement, customers, of (how
        many could have moved so), share, low, high.
    case : {"return", "inflow", "dying", "none"}
        What the long run rests on: the inactive come back; they do not, and new customers take
        their place; neither; or it cannot be told.
    long_run : pandas.DataFrame
        A row per case that can be thought and tier: case, tier, now (share of those who bought in
        the second period), share (in the long run), low, high. Empty for dying and none.
    halving : float
        Periods until the distance to the long run is halved; for dying, until the number of
        customers is.
    chance : pandas.DataFrame
        As `crmlab.tiering.movement.moves_without_change` returns it.
    states : States
        The state of each customer.
    without_customer : int
        Orders that name no customer.
    value : {"revenue", "profit"}
    confidence : float
    resamples : int
    """

    measure = "tiering.migration"

    periods: Periods
    rules: pd.DataFrame
    summary: pd.DataFrame
    case: str
    long_run: pd.DataFrame
    halving: float
    chance: pd.DataFrame
    states: States
    without_customer: int
    value: Value
    confidence: float
    resamples: int

    def matrix(self) -> pd.DataFrame:
        """Number of customers by state in the first period (rows) and in the second (columns)."""
        return _counts(self.states.table, self.states.tiers)

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = self._names()
        return {"origin": names, "destination": names}

    def title(self) -> str:
        shares = self.summary.set_index("movement")["share"]
        return _("{steady} kept their tier, {up} rose, {down} fell, {lost} bought no more").format(
            **{name: percent(shares[name]) for name in OF_BUYERS}
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        counts = self.matrix()
        counts = counts[counts.sum(axis=1) > 0]
        shares = counts.div(counts.sum(axis=1), axis=0).to_numpy()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(3.0, 0.72 * len(counts) + 1.5)))
        axes.imshow(shares, cmap="Blues", aspect="auto", vmin=0, vmax=1)
        for row, column in np.ndindex(*shares.shape):
            self._write(axes, row, column, shares[row, column], int(counts.iloc[row, column]))
        self._outline(axes, counts)
        names = self._names()
        labels = [f"{names[code]}\n{number(total)}" for code, total in counts.sum(axis=1).items()]
        axes.set_yticks(range(len(counts)), labels)
        axes.set_xticks(range(len(counts.columns)), [names[code] for code in counts.columns])
        first, second = self.periods.names()
        axes.set_xlabel(_("To, {period}: share of the row, and customers").format(period=second))
        axes.set_ylabel(_("From, {period}").format(period=first), fontsize=9)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._moved(), self._came(), self._thresholds(), self._by_chance()]
        parts += [self._long_run(), self._caution(), self._left_out()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = self._names()
        parts = []
        for origin, rows in self.table.groupby("origin", sort=False):
            most = rows.loc[rows["share"].idxmax()]
            parts.append(
                _("from {origin} {share} to {destination}").format(
                    origin=names[str(origin)],
                    share=percent(most["share"]),
                    destination=names[most["destination"]],
                )
            )
        return _(
            "Heat map of the moves between tiers, a row for each tier of the first period. The "
            "fullest cell of each row: {parts}."
        ).format(parts=_("; ").join(parts))

    # --- words

    def _names(self) -> dict[str, str]:
        return tier_names(self.rules) | {INACTIVE: _("Inactive"), NEW: _("New")}

    def _row(self, movement: str) -> pd.Series:
        return self.summary.set_index("movement").loc[movement]

    def _with_interval(self, row: pd.Series) -> str:
        return _share_in_words(row["share"], row["low"], row["high"])

    def _moved(self) -> str:
        first, second = self.periods.names()
        said = {name: self._with_interval(self._row(name)) for name in OF_BUYERS}
        return _(
            "Of {customers} customers who bought from {first}, in the second period, {second}, "
            "{steady} were in the same tier, {up} in a better one, {down} in a worse one, and "
            "{lost} bought nothing. In brackets: intervals that hold for the four together with "
            "{confidence} confidence; in the table, for each row together."
        ).format(
            customers=number(self._row("steady")["of"]),
            first=first,
            second=second,
            confidence=percent(self.confidence, 0),
            **said,
        )

    def _came(self) -> str:
        back, new = self._row("won_back"), self._row("new")
        if back["of"]:
            won = _(
                "Of {customers} customers known before who bought nothing in the first period, "
                "{share} bought in the second."
            ).format(customers=number(back["of"]), share=self._with_interval(back))
        else:
            won = _(
                "Nobody is known who was a customer already and bought nothing in the first "
                "period, so nobody could be won back."
            )
        if not new["of"]:
            return won
        came = _("Of {customers} who bought in the second period, {share} were new.").format(
            customers=number(new["of"]), share=self._with_interval(new)
        )
        return f"{won} {came}"

    def _thresholds(self) -> str:
        names = self._names()
        parts = [
            _("{tier} from {limit}").format(
                tier=names[row.tier], limit=money(row.at_least, self.context.currency)
            )
            for row in self.rules.iloc[:-1].itertuples()
        ]
        last = names[self.rules["tier"].iloc[-1]]
        if not parts:
            return _("There is one tier only: {last}.").format(last=last)
        said = (
            _("Both periods are judged by the same thresholds of revenue in 12 months: {parts}; "
              "the rest {last}.")
            if self.value == "revenue"
            else _("Both periods are judged by the same thresholds of profit in 12 months: "
                   "{parts}; the rest {last}.")
        )  # fmt: skip
        return said.format(parts=_("; ").join(parts), last=last)

    def _by_chance(self) -> str:
        if self.chance.empty:
            return ""
        up, down = (row for _index, row in self.chance.iterrows())
        expected = _(
            "Customers near a threshold cross it by chance. Had nobody changed how often and how "
            "much they buy, of {customers} who bought in both periods {up} would have risen and "
            "{down} fallen (in brackets: {confidence} of the random deals); {up_seen} and "
            "{down_seen} did."
        ).format(
            customers=number(up["of"]),
            up=_share_in_words(up["expected"], up["low"], up["high"]),
            down=_share_in_words(down["expected"], down["low"], down["high"]),
            confidence=percent(self.confidence, 0),
            up_seen=percent(up["share"]),
            down_seen=percent(down["share"]),
        )
        words = [expected, _up_verdict(up), _down_verdict(down)]
        both = self.matrix().loc[self.states.tiers, self.states.tiers].to_numpy().sum()
        if up["of"] < PART * both:
            words.append(_("This was reckoned on a random part of the customers."))
        return " ".join(words)

    def _long_run(self) -> str:
        return {
            "return": self._in_the_end,
            "inflow": self._in_the_end,
            "dying": self._dying,
            "none": self._no_long_run,
        }[self.case]()

    def _in_the_end(self) -> str:
        words = [
            _(
                "If customers kept moving at these rates for ever, those who buy would in the long "
                "run be: {parts}."
            ).format(parts=self._mix(self.case, now=True)),
            self._assumed(),
        ]
        if np.isfinite(self.halving):
            words.append(
                _("Half of the way there takes {periods} periods of {months} months.").format(
                    periods=number(self.halving, 1),
                    months=number(self.periods.months(), self._decimals()),
                )
            )
        if self.long_run["low"].isna().any():
            words.append(_("Where no interval stands, the moves are too few for one."))
        return " ".join(words)

    def _decimals(self) -> int:
        """Whole months are written without decimals."""
        return 0 if abs(self.periods.months() - round(self.periods.months())) < 0.05 else 1

    def _mix(self, case: str, *, now: bool) -> str:
        names = self._names()
        said = _("{tier} {share}, now {now}") if now else _("{tier} {share}")
        parts = [
            said.format(
                tier=names[row["tier"]], share=self._with_interval(row), now=percent(row["now"])
            )
            for _index, row in self.long_run[self.long_run["case"] == case].iterrows()
        ]
        return _("; ").join(parts)

    def _assumed(self) -> str:
        count = number(self._row("new")["customers"])
        if self.case == "inflow":
            said = _(
                "This takes {count} new customers every period, spread over the tiers as seen, and "
                "takes it that the inactive never come back."
            ).format(count=count)
            if self._row("won_back")["of"]:
                return said
            return said + " " + _("Whether they do cannot be seen here.")
        closed = _(
            "This takes the customers known today as a closed company: the inactive come back at "
            "the rate seen, however long they have been away, and new customers are left out."
        )
        if "inflow" not in set(self.long_run["case"]):
            return closed
        return (
            closed
            + " "
            + _(
                "If the inactive never came back and {count} new customers came every period, as "
                "seen, it would be: {parts}."
            ).format(count=count, parts=self._mix("inflow", now=False))
        )

    def _dying(self) -> str:
        return _(
            "No new customers are seen and nobody who came back, so at these rates the company has "
            "no customers in the long run: their number is halved in {periods} periods of {months} "
            "months."
        ).format(
            periods=number(self.halving, 1), months=number(self.periods.months(), self._decimals())
        )

    def _no_long_run(self) -> str:
        return _(
            "A long run is not computed: from these moves there is no one answer, because some "
            "tier has nobody in the first period or nobody who leaves it."
        )

    def _caution(self) -> str:
        if self.periods.kind == "years":
            return ""
        if self.periods.kind == "halves":
            return _(
                "The data do not span two years, so the periods are their two halves. Seasons "
                "differ between them, and a season looks like a movement."
            )
        if round(self.periods.months()) % 12:
            return _("The periods are not whole years: a season looks like a movement.")
        return ""

    def _left_out(self) -> str:
        return left_out_words(self._exclusions(), nothing=_("No customer was left out."))

    def _exclusions(self) -> tuple[Exclusion, ...]:
        found = [
            Exclusion.of_orders(_("no customer given, in all the data"), self.without_customer),
            Exclusion.of_customers(
                _("the value of all they bought in a period is not known"),
                self.states.unknown_money,
            ),
            Exclusion.of_customers(
                _("no purchase, and not won, by the end of the second period"),
                self.states.unknown_start,
            ),
        ]
        return tuple(one for one in found if one.count)

    def _write(self, axes: Axes, row: int, column: int, share: float, count: int) -> None:
        colour = "white" if share > 0.6 else charts.INK
        text = f"{percent(share)}\n{number(count)}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)

    def _outline(self, axes: Axes, counts: pd.DataFrame) -> None:
        """A frame around the cells of those who stayed where they were."""
        from matplotlib.patches import Rectangle

        for row, code in enumerate(counts.index):
            if code in counts.columns:
                column = list(counts.columns).index(code)
                axes.add_patch(
                    Rectangle(
                        (column - 0.49, row - 0.48), 0.98, 0.96, fill=False,
                        edgecolor=charts.ORANGE, linewidth=1.6,
                    )
                )  # fmt: skip

    def _define(self) -> Definition:
        first, second = self.periods.names()
        return Definition(
            numerator=_(
                "Customers of a state in the first period who are in a state in the second"
            ),
            denominator=_("Customers of that state in the first period"),
            period=_("{first}, then {second}").format(first=first, second=second),
            method=_(
                "{thresholds} Inactive: a customer before, and no purchase in the period. New: "
                "first purchase, or won, in the second period. {confidence} Wilson intervals, "
                "simultaneous by Bonferroni over the cells of a row (Goodman 1965). Long run: "
                "{model}; percentile bootstrap over customers, {resamples} resamples, thresholds "
                "fixed."
            ).format(
                thresholds=self._thresholds(),
                confidence=percent(self.confidence, 0),
                model=self._model(),
                resamples=number(self.resamples),
            ),
            source=self.context.source,
            exclusions=self._exclusions(),
        )

    def _model(self) -> str:
        return {
            "return": _("stationary distribution of the closed chain of tiers and inactive, among "
                        "the tiers"),
            "inflow": _("ν (I − Q)⁻¹ with the new customers ν and the moves between tiers Q"),
            "dying": _("none, as nobody comes"),
            "none": _("not computed"),
        }[self.case]  # fmt: skip


@measure(needs={"orders": ["customer_id", "ordered_at", "amount"]})
def migration(
    crm: Workspace,
    *,
    periods: Sequence[Sequence[Any]] | None = None,
    rules: pd.DataFrame | None = None,
    value: Value = "revenue",
    confidence: float = 0.95,
    resamples: int = 999,
    seed: int = 0,
) -> Migration:
    """Who moved to which tier from one period to the next, and where that leads in the long run.

    Parameters
    ----------
    crm : Workspace
        With orders: customer_id, ordered_at, amount; for ``value="profit"`` also cost. With
        customers: acquired_on it is known who is new and who has long been quiet.
    periods : two pairs of dates, optional
        First and last day of each period; the second begins on the day after the first ends.
        Default: the last two times 12 months, or the two halves of data that span less.
    rules : pandas.DataFrame, optional
        Tier rules in the shape of `crmlab.stats.tiers.tier_rules`, which are the default.
    value : {"revenue", "profit"}
        What the thresholds are about.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Migration
        `.table` has a row for each origin that has customers and each destination: origin,
        destination, customers, share (of the origin), low, high. Origins are the tiers, inactive
        and new; destinations the tiers and inactive. `.summary`, `.long_run` and `.chance` are
        described there; `.matrix()` has the counts.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If nobody bought anything in the first period, or the data are of one day.
    CrmlabError
        If the periods or the rules cannot be used, or `value` or `confidence` is not allowed.

    Notes
    -----
    Tiers are computed in both periods, by the same thresholds: money per 12 months, and where the
    rules cut by rank, the thresholds that their ranks give in the first period. The tier that the
    company has given (customers.tier) is not used. It is written down once, so by it nobody would
    ever move; and tiers by rank in each period would let somebody fall only because others rose.

    A purchase is an order that is not negative. Who bought in the first period has a tier there; a
    customer who did not is inactive there if they bought earlier or were won (acquired_on) by its
    end, and new if they first bought, or were won, in the second. Without acquired_on, customers
    who have been quiet since before the data begin cannot be told from new ones.

    The intervals of a row hold together: k destinations, each a Wilson interval of confidence
    1 − (1 − confidence)/k, which are Goodman's. Those of up, steady, down and lost hold together
    as well (drawn again from the bundled company, all of a row held in 95 to 98 of 100, the four in
    98, those of the long run in 95); won_back (of the inactive) and new (of those who bought in
    the second period) stand alone.

    The long run takes the shares of this one pair of periods as constant probabilities that depend
    on the state alone. If some of the inactive came back, it is the stationary distribution π = πP
    of the tiers and inactive, conditional on a tier: a number of new customers that stays the same
    does not change it, as the customers known grow for ever. If nobody came back, inactive is the
    end, and with the number ν of new customers by tier the company settles at ν(I − Q)⁻¹; where
    there are new customers too, that is given beside the first. The distance to the long run
    shrinks by the second largest eigenvalue of P, or the largest of Q, each period. The intervals
    draw customers anew, with thresholds fixed, and take percentiles: what the constant rates leave
    out is not in them.

    References
    ----------
    Goodman, L. A. (1965), Technometrics 7, 247-254. Kemeny, J. G. and Snell, J. L. (1960), Finite
    Markov Chains. Bartholomew, D. J. (1973), Stochastic Models for Social Processes. Pfeifer, P. E.
    and Carraway, R. L. (2000), Journal of Interactive Marketing 14 (2), 43-55.
    """
    _check(crm, value, confidence)
    chosen = choose_periods(crm, periods)
    states = customer_states(crm, chosen, rules, value)
    counts = _counts(states.table, states.tiers)
    case, long_run, halving = _long_run(counts, states.tiers, confidence, resamples, seed)
    return Migration(
        _long(counts, confidence),
        Context.of(crm),
        chosen,
        states.rules,
        _summary(counts, states.tiers, confidence),
        case,
        long_run,
        halving,
        moves_without_change(crm, chosen, states.rules, value, confidence=confidence, seed=seed),
        states,
        int(crm.query("orders_accounting")["orders_without_customer"].iloc[0]),
        value,
        confidence,
        resamples,
    )


def _check(crm: Workspace, value: str, confidence: float) -> None:
    check_confidence(confidence)
    if value not in COLUMNS:
        raise CrmlabError(
            _("migration() knows the values {names}, not {value}.").format(
                names=", ".join(COLUMNS), value=value
            )
        )
    if value == "profit":
        needs = {"orders": ["customer_id", "ordered_at", "amount", "cost"]}
        require(crm, "tiering.migration", crm.missing(needs))


def _counts(states: pd.DataFrame, tiers: list[str]) -> pd.DataFrame:
    """Customers by origin (tiers, inactive, new) and destination (tiers, inactive)."""
    counts = pd.crosstab(states["origin"], states["destination"])
    return counts.reindex(
        index=[*tiers, INACTIVE, NEW], columns=[*tiers, INACTIVE], fill_value=0
    ).astype("int64")


def _long(counts: pd.DataFrame, confidence: float) -> pd.DataFrame:
    totals = counts.sum(axis=1)
    there = counts[totals > 0]
    table = pd.DataFrame(
        {
            "origin": np.repeat(there.index, len(there.columns)),
            "destination": np.tile(there.columns, len(there)),
            "customers": there.to_numpy().ravel(),
        }
    )
    trials = table["origin"].map(totals)
    together = _together(confidence, len(counts.columns))
    low, high = wilson(table["customers"], trials, confidence=together)
    return table.assign(share=table["customers"] / trials, low=low, high=high)


def _together(confidence: float, parts: int) -> float:
    """Confidence of each interval, so that all of them together have that asked for."""
    return 1 - (1 - confidence) / parts


def _summary(counts: pd.DataFrame, tiers: list[str], confidence: float) -> pd.DataFrame:
    between = counts.loc[tiers, tiers].to_numpy()
    buyers = int(counts.loc[tiers].to_numpy().sum())
    moved = {
        "up": (np.tril(between, -1).sum(), buyers),
        "steady": (np.trace(between), buyers),
        "down": (np.triu(between, 1).sum(), buyers),
        "lost": (counts.loc[tiers, INACTIVE].sum(), buyers),
        "won_back": (counts.loc[INACTIVE, tiers].sum(), counts.loc[INACTIVE].sum()),
        "new": (counts.loc[NEW, tiers].sum(), counts[tiers].to_numpy().sum()),
    }
    rows = []
    for movement, (customers, of) in moved.items():
        together = _together(confidence, len(OF_BUYERS)) if movement in OF_BUYERS else confidence
        low, high = wilson(customers, of, confidence=together)
        share = customers / of if of else np.nan
        rows.append((movement, int(customers), int(of), share, float(low), float(high)))
    return pd.DataFrame(rows, columns=["movement", "customers", "of", "share", "low", "high"])


def _possible(counts: pd.DataFrame, tiers: list[str]) -> list[str]:
    """The ways in which a long run can be thought, the one taken first coming first."""
    ways = {"return": counts.loc[INACTIVE, tiers].sum(), "inflow": counts.loc[NEW, tiers].sum()}
    return [way for way, seen in ways.items() if seen > 0]


def _long_run(
    counts: pd.DataFrame, tiers: list[str], confidence: float, resamples: int, seed: int
) -> tuple[str, pd.DataFrame, float]:
    """Which case holds, the shares of the tiers in the long run, and the periods to halve it."""
    cells = counts.to_numpy()
    now = cells[:, :-1].sum(axis=0) / max(1, cells[:, :-1].sum())
    rows, halvings = [], {}
    for way in _possible(counts, tiers):
        try:
            share = _mix(way, cells)
        except NotEnoughData:
            continue
        low, high = _interval(way, cells, confidence, resamples, seed)
        parts = {"tier": tiers, "now": now, "share": share, "low": low, "high": high}
        rows.append(pd.DataFrame({"case": way} | parts))
        halvings[way] = markov.periods_to_halve(_factor(way, cells))
    if rows:
        case = next(iter(halvings))
        return case, pd.concat(rows, ignore_index=True), halvings[case]
    nobody = pd.DataFrame(columns=["case", "tier", "now", "share", "low", "high"])
    case, halving = _without_long_run(counts, tiers)
    return case, nobody, halving


def _without_long_run(counts: pd.DataFrame, tiers: list[str]) -> tuple[str, float]:
    """Whether the company dies out, as nobody comes, and how fast; or nothing can be said."""
    if _possible(counts, tiers):
        return "none", np.nan
    try:
        halving = markov.periods_to_halve(_factor("inflow", counts.to_numpy()))
    except NotEnoughData:
        return "none", np.nan
    return ("dying", halving) if np.isfinite(halving) else ("none", np.nan)


def _mix(way: str, cells: NDArray[np.int64]) -> Array:
    """Shares of the tiers in the long run; 0 for a tier that nobody was in."""
    present = _present(cells)
    rates = _rates(way, cells)
    if way == "return":
        found = markov.stationary(rates)[:-1]
    else:
        found = markov.with_inflow(cells[-1, :-1][present], rates)
    if found.sum() <= 0:
        raise NotEnoughData(_("In the long run nobody buys."))
    shares = np.zeros(len(present))
    shares[present] = found / found.sum()
    return shares


def _factor(way: str, cells: NDArray[np.int64]) -> float:
    """What the distance to the long run is multiplied by each period."""
    rates = _rates(way, cells)
    if way == "return":
        return markov.second_eigenvalue(rates)
    return markov.largest_eigenvalue(rates)


def _present(cells: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which tiers anybody was in, in either period."""
    tiers = cells.shape[1] - 1
    return np.asarray(cells[:, :tiers].sum(axis=0) + cells[:tiers].sum(axis=1) > 0)


def _rates(way: str, cells: NDArray[np.int64]) -> Array:
    """Shares that move from state to state: P with the inactive, or Q of the tiers alone."""
    kept = np.append(_present(cells), True)
    chosen = cells[:-1][kept][:, kept].astype(float)
    totals = chosen.sum(axis=1, keepdims=True)
    # Of those who never come back, nothing needs to be known.
    used = totals if way == "return" else totals[:-1]
    if (used == 0).any():
        raise NotEnoughData(_("Nobody was in one of the tiers, so nothing is known of its moves."))
    if way == "return":
        return np.asarray(chosen / totals)
    return np.asarray(chosen[:-1, :-1] / used)


def _interval(
    way: str, cells: NDArray[np.int64], confidence: float, resamples: int, seed: int
) -> tuple[Array, Array]:
    """Percentiles of the long-run shares over draws of the customers; NaN where too few have one.

    Customers count by origin and destination alone, so a draw of customers is a draw of the counts.
    """
    total = int(cells.sum())
    random = np.random.default_rng(seed)
    draws = random.multinomial(total, cells.ravel() / total, size=resamples)
    found = np.full((resamples, cells.shape[1] - 1), np.nan)
    for place, draw in enumerate(draws):
        with suppress(NotEnoughData):
            found[place] = _mix(way, draw.reshape(cells.shape))
    known = ~np.isnan(found[:, 0])
    if known.mean() < ENOUGH:
        nothing = np.full(found.shape[1], np.nan)
        return nothing, nothing
    tail = (1 - confidence) / 2
    low, high = np.quantile(found[known], [tail, 1 - tail], axis=0)
    return low, high


def _share_in_words(share: float, low: float, high: float) -> str:
    if np.isnan(low):
        return percent(share)
    return _("{share} ({low} to {high})").format(
        share=percent(share), low=percent(low), high=percent(high)
    )


def _up_verdict(up: pd.Series) -> str:
    if up["share"] > up["high"]:
        return _("More rose than chance would bring about.")
    if up["share"] < up["low"]:
        return _("Fewer rose than chance would bring about.")
    return _("The number that rose cannot be told from chance.")


def _down_verdict(down: pd.Series) -> str:
    if down["share"] > down["high"]:
        return _("More fell than chance would bring about.")
    if down["share"] < down["low"]:
        return _("Fewer fell than chance would bring about.")
    return _("The number that fell cannot be told from chance.")


__all__ = ["Migration", "migration"]
