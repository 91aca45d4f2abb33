"""Loyalty by points of satisfaction, and the zone of indifference (无差异区)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crmlab.data.order_faults import KINDS
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.language import _, ngettext, number, percent, signed, with_interval
from crmlab.loyalty.answers import TIED_FROM, answers_of, left_out
from crmlab.loyalty.coefficients import Coefficients, of_answers, of_counts
from crmlab.loyalty.link_answers import intended, later_orders
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    left_out_words,
    measure,
)
from crmlab.stats.clustered import NOTHING, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Outcome = Literal["orders", "intention"]

LEVELS = (1, 2, 3, 4, 5)
#: The answer that the others are held against, and the two that may be a zone of indifference.
MIDDLE = 3
ZONE = (3, 4)
#: Ratios that are taken for no difference between 3 and 4 points, if nothing else is said.
MARGINS = {"orders": 1.25, "intention": 1.5}
#: A level or category of fewer customers than this is not judged.
FEWEST = 10
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class SatisfactionLink(Result):
    """Result of `satisfaction_link`.

    Attributes
    ----------
    outcome : {"orders", "intention"}
    months : int
        Whole months after that of the order, in which orders are counted.
    margin : float
        A ratio of 4 against 3 points between 1/margin and margin is taken for none.
    zone : pandas.DataFrame
        Against 3 or 4 points: level (``"low"`` for 1 or 2, ``"high"`` for 5), ratio, low, high.
    step : crmlab.stats.clustered.Estimate
        Ratio of 4 against 3 points with its 90 % interval: that of two one-sided tests at 5 %.
    straight : crmlab.stats.clustered.Estimate
        Ratio per point, were the logarithm a straight line.
    bent : float
        Probability of levels as far from a straight line by chance; NaN with two levels.
    tied : pandas.DataFrame
        As `zone`, of customers who give us 90 % or more of their needs; empty if not known.
    within : pandas.DataFrame
        As `zone`, from comparing answers of the same customer alone; empty with intention.
    tied_known : bool
    controls : tuple of str
        What else was held equal, as columns of `used`.
    used : pandas.DataFrame
        The answers that are compared: customer_id, overall, later (orders, or the intention),
        weight, and the controls.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    measure = "loyalty.satisfaction_link"

    outcome: Outcome
    months: int
    margin: float
    zone: pd.DataFrame
    step: Estimate
    straight: Estimate
    bent: float
    tied: pd.DataFrame
    within: pd.DataFrame
    tied_known: bool
    controls: tuple[str, ...]
    used: pd.DataFrame
    exclusions: tuple[Exclusion, ...]
    part: str

    @property
    def indifferent(self) -> bool:
        """Whether 3 and 4 points are alike within the margin, by two one-sided tests."""
        return bool(self.step.low > 1 / self.margin and self.step.high < self.margin)

    def formats(self) -> dict[str, str]:
        return dict.fromkeys(["ratio", "low", "high"], "number")

    def title(self) -> str:
        low, high = (_signed(self._of_zone(name)["ratio"]) for name in ("low", "high"))
        if self.outcome == "orders":
            said = _("Later orders, against 3–4 points: {low} at 1–2 points, {high} at 5")
        else:
            said = _("Odds of intending more, against 3–4 points: {low} at 1–2, {high} at 5")
        return said.format(low=low, high=high)

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax)
        judged = self.table.dropna(subset=["ratio"])
        low, high = judged["low"].fillna(judged["ratio"]), judged["high"].fillna(judged["ratio"])
        axes.axvspan(ZONE[0] - 0.3, ZONE[1] + 0.3, color="#eceff3", zorder=0)
        axes.axhline(1, color=charts.MUTED, linewidth=1)
        ends = np.array([judged["overall"].min(), judged["overall"].max()], float)
        if not np.isnan(self.bent):
            axes.plot(
                ends, self.straight.value ** (ends - MIDDLE), "--", color=charts.GREY, linewidth=1.5
            )
        axes.errorbar(
            judged["overall"], judged["ratio"],
            yerr=[judged["ratio"] - low, high - judged["ratio"]],
            fmt="o", color=charts.BLUE, capsize=4, markersize=7,
        )  # fmt: skip
        axes.set_yscale("log")
        _ratio_ticks(axes, float(low.min()), float(high.max()))
        axes.set_xlim(0.5, 5.5)
        axes.set_xticks(LEVELS)
        axes.set_xlabel(
            _("Overall satisfaction; bars: 95% interval")
            if np.isnan(self.bent)
            else _("Overall satisfaction; dashed: a straight line; bars: 95% interval")
        )
        axes.set_ylabel(
            _("Orders in the following months,\nratio to those after 3 points")
            if self.outcome == "orders"
            else _("Odds of a higher intention,\nratio to those at 3 points")
        )
        axes.text(
            sum(ZONE) / 2, 0.97,
            _("Zone of indifference") if self.indifferent else _("3 and 4 points"),
            ha="center", va="top", color=charts.MUTED, transform=axes.get_xaxis_transform(),
            fontsize=10,
        )  # fmt: skip
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [
            self._ends(),
            self._bend(),
            self._zone(),
            self._captive(),
            self._own(),
            self._limits(),
            left_out_words(self.exclusions, self.part),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        said = [
            _("answer {points}: {ratio} ({low} to {high})").format(
                points=number(row["overall"]), **_ratios(row)
            )
            for _i, row in self.table.dropna(subset=["low"]).iterrows()
        ]
        return _("Ratios to answer 3 with intervals, by overall satisfaction. {said}.").format(
            said=_("; ").join(said)
        )

    # --- the words

    def _of_zone(self, name: str) -> pd.Series:
        return self.zone.set_index("level").loc[name]

    def _ends(self) -> str:
        known = (
            _("of customers who give us less than {share} of their needs").format(
                share=percent(TIED_FROM, 0)
            )
            if self.tied_known
            else _("of all customers, those who cannot choose among them")
        )
        if self.outcome == "orders":
            said = ngettext(
                "Orders in the month after that of the order asked about, relative to those after "
                "3 or 4 points: {low} after 1 or 2 points, {high} after 5, in {answers} answers "
                "{known}. {intervals}",
                "Orders in the {months} months after that of the order asked about, relative to "
                "those after 3 or 4 points: {low} after 1 or 2 points, {high} after 5, in "
                "{answers} answers {known}. {intervals}",
                self.months,
            )
        else:
            said = _(
                "Odds of a higher intention to buy again, relative to those at 3 or 4 points: "
                "{low} at 1 or 2 points, {high} at 5, in {answers} answers {known}. {intervals}"
            )
        return said.format(
            months=number(self.months),
            low=_written(self._of_zone("low")),
            high=_written(self._of_zone("high")),
            answers=number(self.table.loc[self.table["ratio"].notna(), "answers"].sum()),
            known=known,
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _bend(self) -> str:
        if np.isnan(self.bent):
            return ""
        line, chance = _signed(self.straight.value), shown("probability").written(self.bent, "")
        if self.bent < 1 - CONFIDENCE:
            return _(
                "A straight line ({line} a point) does not do: so bent a line would come about by "
                "chance with probability {chance}. What a point brings depends on where one stands."
            ).format(line=line, chance=chance)
        return _(
            "A straight line ({line} a point) cannot be ruled out (probability of so bent a line "
            "by chance: {chance})."
        ).format(line=line, chance=chance)

    def _zone(self) -> str:
        if np.isnan(self.step.low):
            return _("Whether 3 and 4 points differ cannot be told.")
        low, high = _signed(self.step.low), _signed(self.step.high)
        lower, upper = _signed(1 / self.margin), _signed(self.margin)
        value = _signed(self.step.value)
        if self.indifferent:
            return _(
                "Between 3 and 4 points it is {value} (90% interval {low} to {high}), inside the "
                "margin of {lower} to {upper}: a zone of indifference, by two one-sided tests at "
                "5%."
            ).format(value=value, low=low, high=high, lower=lower, upper=upper)
        return _(
            "Between 3 and 4 points it is {value} (90% interval {low} to {high}), not wholly "
            "inside the margin of {lower} to {upper}: a zone of indifference is not shown."
        ).format(value=value, low=low, high=high, lower=lower, upper=upper)

    def _captive(self) -> str:
        if not self.tied_known:
            return _(
                "What share of their needs customers give us is not known, so those who would stay "
                "whatever happens are among them and flatten the line."
            )
        if self.tied.empty:
            return _(
                "Customers who give us {share} of their needs or more are too few to judge apart."
            ).format(share=percent(TIED_FROM, 0))
        low, high = (_written(row) for _i, row in self.tied.iterrows())
        return _(
            "Of customers who give us {share} of their needs or more, as they say: {low} after 1 "
            "or 2 points, {high} after 5."
        ).format(share=percent(TIED_FROM, 0), low=low, high=high)

    def _own(self) -> str:
        if self.within.empty:
            return ""
        low, high = (_written(row) for _i, row in self.within.iterrows())
        return _(
            "From answers of the same customer alone: {low} after 1 or 2 points, {high} after 5."
        ).format(low=low, high=high)

    def _limits(self) -> str:
        if self.outcome == "orders":
            return _(
                "This is an association: what makes a customer content and what makes one order "
                "may have a common cause that is not in the data. Customers were asked after an "
                "order, so months without one are not judged."
            )
        return _(
            "This is an association between two answers on one sheet: a customer's mood colours "
            "both. What is intended is not what is done."
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=ngettext(
                "Orders in the whole month after that of the order",
                "Orders in the {months} whole months after that of the order",
                self.months,
            ).format(months=number(self.months))
            if self.outcome == "orders"
            else _("Intention to buy again, 1 to 5 points"),
            denominator=_("Answered questionnaires of named customers, one a customer and month")
            if self.outcome == "orders"
            else _("Answered questionnaires of named customers"),
            period=self.context.period(),
            method=self._method(),
            source=self.context.source,
            exclusions=self.exclusions,
        )

    def _method(self) -> str:
        names = {
            "late": _("order late"),
            "damaged": _("order damaged"),
            "documents": _("documents wrong"),
            "short": _("order short"),
            "complained": _("order complained of"),
            "month": _("month"),
            "orders_now": _("orders of the month"),
            "orders_before": _("orders a month before it"),
            "months_before": _("months known"),
        }
        held = _(", ").join(names.get(one) or shown(one).label for one in self.controls)
        if self.outcome == "orders":
            said = _(
                "Poisson regression of the number of orders on the answer, without weights; held "
                "equal: {held}. Errors by the jackknife over customers."
            )
        else:
            said = _(
                "Ordered logit of the intention on the answer, by the questionnaires' weights; "
                "held equal: {held}. Errors clustered by customer."
            )
        return (
            said.format(held=held or _("nothing"))
            + " "
            + _(
                "Straight line against levels by a Wald test; equivalence of 3 and 4 points by two "
                "one-sided tests (Schuirmann 1987, Journal of Pharmacokinetics and "
                "Biopharmaceutics 15, 657-680). The form follows Mittal and Kamakura (2001), "
                "Journal of Marketing Research 38, 131-142."
            )
        )


@measure(
    needs=[
        {
            "surveys": ["customer_id", "overall", "order_id"],
            "orders": ["order_id", "customer_id", "ordered_at"],
        },
        {
            "surveys": ["customer_id", "overall", "answered_at"],
            "orders": ["customer_id", "ordered_at"],
        },
        {"surveys": ["customer_id", "overall", "repurchase_intention"]},
    ]
)
def satisfaction_link(
    crm: Workspace,
    *,
    outcome: Outcome | None = None,
    months: int = 2,
    margin: float | None = None,
) -> SatisfactionLink:
    """How loyalty goes with each point of satisfaction, not assuming that it is a straight line.

    Parameters
    ----------
    crm : Workspace
        With surveys: customer_id, overall. For ``outcome="orders"`` also orders: customer_id,
        ordered_at, and surveys.order_id with orders.order_id, or surveys.answered_at; for
        ``"intention"`` surveys.repurchase_intention. surveys.share_of_needs tells the captive.
    outcome : {"orders", "intention"}, optional
        Orders in the months after that of the order asked about, or the intention to buy again. By
        default the first, where the data show it.
    months : int
        1 to 12 whole calendar months.
    margin : float, optional
        Ratios of 4 against 3 points from 1/margin to margin are taken for no difference; 1.25 for
        orders, 1.5 for odds of intention. It should be chosen before looking.

    Returns
    -------
    SatisfactionLink
        `.table` has a row per level 1 to 5: overall, answers, customers, ratio (to level 3; of
        orders, or of odds), low, high. Of customers who are not captive, where that is known. A
        level of fewer than 10 customers is not judged.

    Raises
    ------
    CrmlabError
        If an option is not one of these.
    MissingColumns
        If what the outcome needs is not there.
    NotEnoughData
        If fewer than 10 customers answered 3, or no other level has as many, or the regression
        cannot be made.

    Notes
    -----
    Orders: log E = bₗ + controls, Poisson's likelihood with errors over customers; controls are
    log(1 + orders of the month), log((orders before + ½)/(months before + ½)) and log(1 + months
    before), the month, tier and region, and what went wrong with the order, as far as known. So a
    customer who always orders much is compared with others who do. ``.within`` conditions on the
    customer instead; it is free of all that is lasting in a customer, but an answer that made one
    order more also brings the next questionnaire sooner.

    With levels l and covariance V of b, the line is tested by Rb = 0, R spanning what is orthogonal
    to 1 and l: Wald's b'R'(RVR')⁻¹Rb as an F. The straight line itself is that of generalised least
    squares through b. Captive customers are told apart by what they say of their needs, in the
    same questionnaire. Neighbouring answers of a customer resemble each other, so that
    a ratio holds a little of theirs too.

    References
    ----------
    Schuirmann, D. J. (1987), Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680. Mittal,
    V. and Kamakura, W. A. (2001), Journal of Marketing Research 38, 131-142. Heskett, J. L. et al.
    (1994), Harvard Business Review 72(2), 164-174, on the zone of indifference.
    """
    chosen, limit = _checked(crm, outcome, months, margin)
    found, workspace = answers_of(crm)
    if chosen == "orders":
        frame, unused = later_orders(workspace, found.frame, months)
    else:
        frame, unused = intended(workspace, found.frame)
    frame["customer"] = pd.factorize(frame["customer_id"])[0]
    all_free, of_tied, known = _told_apart(frame)
    judged = _levels_judged(all_free)
    free = all_free[all_free["overall"].isin(judged)].reset_index(drop=True)
    counts = {
        _("share of needs not given"): len(frame) - len(all_free) - len(of_tied),
        _("a level that too few gave"): len(all_free) - len(free),
    }
    controls = _controls(free, chosen)
    dummies = {str(level): free["overall"] == level for level in judged if level != MIDDLE}
    levels = _fitted(free, dummies, controls, chosen)
    names = list(dict.fromkeys(name.split("=")[0] for name in controls))
    return SatisfactionLink(
        _table(all_free, levels, judged),
        Context.of(crm),
        chosen,
        months,
        limit,
        _ends(free, controls, chosen),
        _ratio(levels, "4", 0.9),
        _line(levels, judged),
        _bent(levels, judged),
        _of_tied(of_tied, chosen),
        _within(free) if chosen == "orders" else pd.DataFrame(),
        known,
        tuple(names),
        free[["customer_id", "overall", "later", "weight", *names]],
        (*found.exclusions, *unused, *left_out(counts)),
        found.part,
    )


def _checked(
    crm: Workspace, outcome: str | None, months: int, margin: float | None
) -> tuple[Outcome, float]:
    """The outcome, by default the first that the data show, and the margin that goes with it."""
    if outcome not in (None, *MARGINS):
        raise CrmlabError(
            _("outcome is 'orders' or 'intention'; it is {outcome}.").format(outcome=repr(outcome))
        )
    if months not in range(1, 13):
        raise CrmlabError(_("months = {value} is not from 1 to 12.").format(value=months))
    linked = not crm.missing({"surveys": ["order_id"], "orders": ["order_id"]})
    needs: dict[str, dict[str, list[str]]] = {
        "orders": {"orders": ["customer_id", "ordered_at"]}
        | ({} if linked else {"surveys": ["answered_at"]}),
        "intention": {"surveys": ["repurchase_intention"]},
    }
    missing = crm.missing(needs[outcome]) if outcome else {}
    if missing:
        columns = ", ".join(f"{table}.{name}" for table in missing for name in missing[table])
        raise MissingColumns(
            _(
                "With outcome={outcome}, satisfaction_link() needs {columns}, which {source} does "
                "not have."
            ).format(outcome=repr(outcome), columns=columns, source=crm.source),
            measure="loyalty.satisfaction_link",
            missing=missing,
        )
    by_orders = outcome == "orders" or (outcome is None and not crm.missing(needs["orders"]))
    chosen: Outcome = "orders" if by_orders else "intention"
    limit = MARGINS[chosen] if margin is None else margin
    if not 1 < limit <= 10:
        raise CrmlabError(_("margin = {value} is not above 1 and at most 10.").format(value=limit))
    return chosen, limit


# --- the regressions


def _told_apart(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, bool]:
    """Answers of customers who are free to go, of those tied to us, and whether that is known."""
    share = frame["share_of_needs"].astype(float)
    if not share.notna().any():
        return frame, frame.iloc[:0], False
    free, tied = frame[share < TIED_FROM], frame[share >= TIED_FROM]
    return free.reset_index(drop=True), tied.reset_index(drop=True), True


def _levels_judged(frame: pd.DataFrame) -> list[int]:
    customers = frame.groupby("overall")["customer_id"].nunique()
    judged = [level for level in LEVELS if customers.get(level, 0) >= FEWEST]
    if MIDDLE not in judged or len(judged) < 2:
        raise NotEnoughData(
            _(
                "Levels of satisfaction are compared with 3 points, and need {fewest} customers "
                "each: {said}."
            ).format(
                fewest=number(FEWEST),
                said=_("; ").join(
                    _("{points} points {count}").format(
                        points=number(level), count=number(customers.get(level, 0))
                    )
                    for level in LEVELS
                ),
            )
        )
    return judged


def _controls(frame: pd.DataFrame, outcome: Outcome) -> dict[str, pd.Series]:
    """Columns held equal, by name; those of a category are named column=value."""
    if outcome == "intention":
        return _dummies(frame, ["tier"])
    found = {
        name: frame[name]
        for name in ("orders_now", "orders_before", "months_before")
        if frame[name].std() > 1e-9
    }
    return found | _wrong(frame) | _dummies(frame, ["tier", "region", "month"])


def _wrong(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """What went wrong with the order, as far as enough orders did."""
    names = [name for name in (*KINDS, "complained") if name in frame]
    return {name: frame[name] for name in names if _enough(frame, frame[name] > 0)}


def _enough(frame: pd.DataFrame, flags: pd.Series) -> bool:
    """Whether either side of a flag has customers enough to judge by."""
    customers, own = frame["customer"].to_numpy(), flags.to_numpy(bool)
    return all(len(np.unique(customers[side])) >= FEWEST for side in (own, ~own))


def _dummies(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, pd.Series]:
    """0 and 1 for every category but the first with customers enough; the rest go with that."""
    found: dict[str, pd.Series] = {}
    for column in columns:
        if column not in frame:
            continue
        kinds = [
            one
            for one in sorted(frame[column].dropna().unique())
            if _enough(frame, frame[column] == one)
        ]
        rest = bool((~frame[column].isin(kinds)).any())
        for kind in kinds if rest else kinds[1:]:
            found[f"{column}={kind}"] = (frame[column] == kind).astype(float)
    return found


def _fitted(
    frame: pd.DataFrame,
    terms: dict[str, pd.Series],
    controls: dict[str, pd.Series],
    outcome: Outcome,
) -> Coefficients:
    design = pd.DataFrame(terms | controls, index=frame.index).astype(float)
    if outcome == "orders":
        return of_counts(frame["later"], design, frame["customer_id"])
    return of_answers(frame["later"], design, frame["customer_id"], frame["weight"])


def _zone_terms(frame: pd.DataFrame) -> dict[str, pd.Series]:
    terms = {"low": frame["overall"] < ZONE[0], "high": frame["overall"] > ZONE[1]}
    return {name: flags for name, flags in terms.items() if _enough(frame, flags)}


def _ends(frame: pd.DataFrame, controls: dict[str, pd.Series], outcome: Outcome) -> pd.DataFrame:
    """Ratios of 1 or 2 points and of 5 to 3 or 4; missing where too few answered so."""
    terms = _zone_terms(frame)
    return _ratios_of(_fitted(frame, terms, controls, outcome) if terms else None)


def _ratios_of(found: Coefficients | None) -> pd.DataFrame:
    rows = []
    for name in ("low", "high"):
        ratio = NOTHING if found is None else _ratio(found, name, CONFIDENCE)
        rows.append({"level": name, "ratio": ratio.value, "low": ratio.low, "high": ratio.high})
    return pd.DataFrame(rows)


def _of_tied(frame: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """The same of captive customers, who are fewer: only what they ordered before is held equal."""
    terms = _zone_terms(frame) if len(frame) else {}
    if not terms:
        return pd.DataFrame()
    names = [] if outcome == "intention" else ["orders_now", "orders_before"]
    controls = {name: frame[name] for name in names if frame[name].std() > 1e-9}
    try:
        return _ratios_of(_fitted(frame, terms, controls, outcome))
    except NotEnoughData:
        return pd.DataFrame()


def _within(frame: pd.DataFrame) -> pd.DataFrame:
    """From answers of the same customer: each has a level of its own."""
    terms = _zone_terms(frame) | _wrong(frame) | _dummies(frame, ["month"])
    design = pd.DataFrame(terms, index=frame.index).astype(float)
    try:
        return _ratios_of(of_counts(frame["later"], design, frame["customer_id"], within=True))
    except NotEnoughData:
        return pd.DataFrame()


def _ratio(found: Coefficients, name: str, confidence: float) -> Estimate:
    if name not in found.names:
        return NOTHING
    return found.ratio(found.only(name), confidence=confidence)


def _table(frame: pd.DataFrame, found: Coefficients, judged: Sequence[int]) -> pd.DataFrame:
    rows = []
    for level in LEVELS:
        own = frame[frame["overall"] == level]
        ratio = _ratio(found, str(level), CONFIDENCE)
        same = level == MIDDLE and level in judged
        rows.append(
            {
                "overall": level,
                "answers": len(own),
                "customers": own["customer_id"].nunique(),
                "ratio": 1.0 if same else ratio.value,
                "low": ratio.low,
                "high": ratio.high,
            }
        )
    return pd.DataFrame(rows)


def _of_levels(found: Coefficients, judged: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Points from the middle and places of the coefficients of the other levels."""
    others = [level for level in judged if level != MIDDLE]
    places = [found.names.index(str(level)) for level in others]
    return np.array(others, float) - MIDDLE, np.array(places)


def _line(found: Coefficients, judged: Sequence[int]) -> Estimate:
    """The straight line through the middle that fits the levels best, as a ratio per point."""
    points, places = _of_levels(found, judged)
    inverse = np.linalg.pinv(found.covariance[np.ix_(places, places)], hermitian=True)
    vector = np.zeros(len(found.names))
    vector[places] = inverse @ points / (points @ inverse @ points)
    return found.ratio(vector, confidence=CONFIDENCE)


def _bent(found: Coefficients, judged: Sequence[int]) -> float:
    points, places = _of_levels(found, judged)
    if len(places) < 2:
        return np.nan
    # With the middle at 0 a line is b = c · points; the rest of the space is what it is not.
    across = np.linalg.svd(points[None, :])[2][1:]
    rows = np.zeros((len(across), len(found.names)))
    rows[:, places] = across
    return found.chance_of(rows)


# --- how ratios are written


def _signed(ratio: float) -> str:
    """A ratio as a change in percent."""
    return _("not known") if np.isnan(ratio) else signed(ratio - 1)


def _ratios(row: pd.Series) -> dict[str, str]:
    return {name: number(row[name], 2) for name in ("ratio", "low", "high")}


def _written(row: pd.Series) -> str:
    if np.isnan(row["ratio"]):
        return _("not known (too few answers)")
    return with_interval(row["ratio"], row["low"], row["high"], _signed)


def _ratio_ticks(axes: Axes, low: float, high: float) -> None:
    """Ticks at round ratios."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    rounds = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50]
    axes.set_ylim(min(low, 0.95) / 1.1, max(high, 1.05) * 1.25)
    axes.yaxis.set_major_locator(FixedLocator(rounds))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
