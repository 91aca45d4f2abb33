"""How many customers to ask, and how many of each kind (抽样调查)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.responses import (
    Responses,
    clusters,
    excluded,
    facts,
    grouped_by,
    responses,
    weighed,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    left_out_words,
    measure,
    require,
)
from crmlab.stats import weighted
from crmlab.stats.intervals import check_confidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

METHODS = ("proportional", "neyman")
#: What is known of customers before they are asked, and can make strata.
STRATA = ("tier", "customer_region", "industry", "size", "scope", "customer_type")
#: A saving of fewer answers than this share is not worth a word.
SLIGHT = 0.02
#: Behind a label that may lie over a line.
CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 1}
#: Margins over which the explorer draws its curve.
MARGINS = np.arange(0.01, 0.1501, 0.005)


# --- formulas -----------------------------------------------------------------------------------


def sample_size(
    margin: float,
    *,
    population: int | None = None,
    share: float = 0.5,
    confidence: float = 0.95,
    nearest: bool = False,
) -> int:
    """How many customers must answer, for a share to be known to within a margin.

    Parameters
    ----------
    margin : float
        Half the length of the interval, such as 0.05 for five percentage points.
    population : int, optional
        Customers there are; without it they are taken to be unlimited.
    share : float
        The share expected. 0.5, the default, asks for the most answers: it is safe.
    confidence : float
    nearest : bool
        Round to the nearest whole number, as published tables do, instead of up.

    Returns
    -------
    int
        Answers of a simple random sample; at most `population`.

    Raises
    ------
    CrmlabError
        If margin, share or confidence do not lie between 0 and 1, or the population is below 1.

    Notes
    -----
    With z the normal quantile, n₀ = z² p(1 − p) / margin² in an unlimited population, and
    n = n₀ / (1 + (n₀ − 1)/N) among N customers. Rounded up, so that the margin is kept. The table
    of Krejcie and Morgan is this formula with z² = 3.841, rounded to the nearest whole number.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., equation 4.3. Krejcie, R. V. and Morgan,
    D. W. (1970), Educational and Psychological Measurement 30, 607-610.

    Examples
    --------
    >>> sample_size(0.05), sample_size(0.05, population=1000)
    (385, 278)
    >>> sample_size(0.05, population=80), sample_size(0.05, population=80, nearest=True)
    (67, 66)
    """
    _check_share(margin, "margin")
    _check_share(share, "share")
    first = _quantile(confidence) ** 2 * share * (1 - share) / margin**2
    wanted = first if population is None else first / (1 + (first - 1) / _whole(population))
    return _rounded(wanted, population, nearest)


def sample_size_mean(
    margin: float, spread: float, *, population: int | None = None, confidence: float = 0.95
) -> int:
    """How many customers must answer, for a mean to be known to within a margin.

    Parameters
    ----------
    margin : float
        Half the length of the interval, in the unit of the answers.
    spread : float
        Standard deviation of the answers, known from before or from a pilot.
    population : int, optional
        Customers there are; without it they are taken to be unlimited.
    confidence : float

    Returns
    -------
    int
        Answers of a simple random sample, rounded up; at most `population`.

    Raises
    ------
    CrmlabError
        If margin or spread is not positive, or the population is below 1.

    Notes
    -----
    n₀ = (z · spread / margin)², and n = n₀ / (1 + n₀/N) among N customers.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., section 4.6.

    Examples
    --------
    >>> sample_size_mean(0.1, 1.2), sample_size_mean(0.1, 1.2, population=2000)
    (554, 434)
    """
    _check_positive(margin, "margin")
    _check_positive(spread, "spread")
    first = (_quantile(confidence) * spread / margin) ** 2
    wanted = first if population is None else first / (1 + first / _whole(population))
    return _rounded(wanted, population, False)


def margin_of_error(
    size: int,
    *,
    share: float = 0.5,
    spread: float | None = None,
    population: int | None = None,
    confidence: float = 0.95,
) -> float:
    """To within what margin so many answers know a share, or a mean where a spread is given.

    Parameters
    ----------
    size : int
        Answers of a simple random sample.
    share : float
        The share expected.
    spread : float, optional
        Standard deviation of the answers, for the margin of their mean.
    population : int, optional
        Customers there are; without it they are taken to be unlimited.
    confidence : float

    Returns
    -------
    float
        Half the length of the interval: of a share between 0 and 1, of a mean in its own unit.

    Raises
    ------
    CrmlabError
        If there are more answers than customers, or a number is out of its range.

    Notes
    -----
    z √(p(1 − p)/n · (N − n)/(N − 1)) for a share, z · spread/√n · √(1 − n/N) for a mean: the
    formulas of `sample_size` and `sample_size_mean` read backwards.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., sections 2.6 and 3.2.

    Examples
    --------
    >>> round(margin_of_error(385), 4), round(margin_of_error(278, population=1000), 4)
    (0.0499, 0.05)
    >>> round(margin_of_error(434, spread=1.2, population=2000), 3)
    0.1
    """
    answers = _whole(size)
    customers = math.inf if population is None else _whole(population)
    if answers > customers:
        raise _too_many(size, int(customers))
    z = _quantile(confidence)
    if spread is not None:
        _check_positive(spread, "spread")
        return z * spread * math.sqrt((1 - answers / customers) / answers)
    _check_share(share, "share")
    left = 1.0 if math.isinf(customers) else (customers - answers) / max(customers - 1, 1)
    return z * math.sqrt(share * (1 - share) / answers * left)


def allocate(
    strata: pd.DataFrame, size: int, *, method: str = "proportional", at_least: int = 2
) -> pd.DataFrame:
    """How many of a sample to take from each stratum.

    Parameters
    ----------
    strata : pandas.DataFrame
        A row per stratum: stratum, customers and, for Neyman's rule, spread: the standard deviation
        of what is asked.
    size : int
        Of the whole sample.
    method : str
        ``"proportional"`` to the customers, or ``"neyman"``: proportional to customers × spread,
        which makes the standard error of the mean smallest.
    at_least : int
        From every stratum, or all its customers where it has fewer. With two, a spread can be
        estimated.

    Returns
    -------
    pandas.DataFrame
        `strata` with a column sample: whole customers, which add up to `size`.

    Raises
    ------
    UnknownName
        If there is no such method.
    CrmlabError
        If the customers do not suffice, `size` does not suffice for `at_least`, or a number of
        customers or a spread is missing or not valid.

    Notes
    -----
    A stratum that would give more than it has gives all, one that would give fewer than `at_least`
    gives these, and the others share the rest in proportion. Fractions are rounded down and what is
    left goes to the largest fractions, of equal ones to the first.

    References
    ----------
    Neyman, J. (1934), Journal of the Royal Statistical Society 97, 558-625. Cochran, W. G. (1977),
    Sampling Techniques, 3rd ed., sections 5.5 and 5.8.

    Examples
    --------
    >>> strata = pd.DataFrame({"stratum": ["A", "B", "C"], "customers": [800, 150, 50],
    ...                        "spread": [1.0, 1.0, 4.0]})
    >>> allocate(strata, 100)["sample"].tolist()
    [80, 15, 5]
    >>> allocate(strata, 100, method="neyman")["sample"].tolist()
    [70, 13, 17]
    """
    customers, pull = _pulls(strata, method)
    most, least = customers, np.minimum(customers, at_least)
    if size > most.sum():
        raise _too_many(size, int(most.sum()))
    if size < least.sum():
        raise CrmlabError(
            _(
                "{size} answers do not suffice for {at_least} of each of {strata} strata. Take at "
                "least {least} answers, or fewer strata."
            ).format(
                size=number(size),
                at_least=number(at_least),
                strata=number(len(strata)),
                least=number(least.sum()),
            )
        )
    shared = _shared(pull, least, most, size)
    return strata.assign(sample=_largest_remainders(shared, size))


def _pulls(strata: pd.DataFrame, method: str) -> tuple[Array, Array]:
    """Customers of each stratum, and what it gets in proportion to."""
    if method not in METHODS:
        raise UnknownName(
            _("There is no allocation {method}. There are: {names}.").format(
                method=method, names=", ".join(METHODS)
            )
        )
    customers = strata["customers"].to_numpy(float)
    spread = strata["spread"].to_numpy(float) if method == "neyman" else np.ones(len(customers))
    if not len(customers) or not (customers >= 1).all() or not (spread >= 0).all():
        raise CrmlabError(
            _(
                "Every stratum needs at least one customer and, for Neyman's rule, a spread that "
                "is not negative; none may be missing."
            )
        )
    # Where all answer alike nothing need be asked; a stratum is still asked before any is asked
    # more often than it has customers.
    largest = spread.max() if spread.max() > 0 else 1.0
    return customers, customers * np.maximum(spread / largest, 1e-9)


def _shared(pull: Array, least: Array, most: Array, size: int) -> Array:
    """In proportion to `pull`, within `least` and `most`, adding up to `size`."""
    # The sum rises with the factor of proportion, in straight lines between the places where a
    # stratum reaches one of its bounds.
    factors = np.unique(np.concatenate([least / pull, most / pull]))
    sums = [np.clip(factor * pull, least, most).sum() for factor in factors]
    return np.clip(float(np.interp(size, sums, factors)) * pull, least, most)


def _largest_remainders(shares: Array, total: int) -> NDArray[np.int64]:
    whole = np.floor(shares + 1e-9).astype(np.int64)
    left = int(total - whole.sum())
    first = np.argsort(-(shares - whole).round(9), kind="stable")[:left]
    whole[first] += 1
    return whole


def _quantile(confidence: float) -> float:
    from scipy.stats import norm

    check_confidence(confidence)
    return float(norm.ppf((1 + confidence) / 2))


def _rounded(wanted: float, population: int | None, nearest: bool) -> int:
    # 400.00000000000006 is 400: without rounding one answer too many would be asked for.
    whole = round(wanted) if nearest else math.ceil(round(wanted, 9))
    return max(1, whole if population is None else min(whole, int(population)))


def _check_share(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise CrmlabError(
            _("{name} lies between 0 and 1, such as 0.05; it is {value}.").format(
                name=name, value=value
            )
        )


def _check_positive(value: float, name: str) -> None:
    if not 0 < value < math.inf:
        raise CrmlabError(
            _("{name} is a number above 0; it is {value}.").format(name=name, value=value)
        )


def _whole(value: int) -> int:
    if not value >= 1:
        raise CrmlabError(
            _("A number of customers or answers is at least 1; it is {value}.").format(value=value)
        )
    return int(value)


def _too_many(size: int, customers: int) -> CrmlabError:
    return CrmlabError(
        _("{size} answers cannot come from {customers} customers, each asked once.").format(
            size=number(size), customers=number(customers)
        )
    )


# --- the plan -----------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class SamplePlan(Result):
    """Result of `sample_plan`.

    Attributes
    ----------
    by : str
        What makes the strata.
    size : int
        Answers that the plans are for.
    margin : float or None
        The margin that was asked for; None where the number of answers was, or where two of each
        stratum are more than it takes.
    plans : pandas.DataFrame
        Index random, proportional, neyman: error (standard error of the mean of all customers) and
        margin, both in points of the answer.
    enough : int
        Answers by Neyman's rule that would reach the standard error of the proportional plan.
    answered : Responses
        What the spreads come from.
    left_out : tuple of Exclusion
    borrowed : int
        Strata with too few answers, which take the spread of all.
    confidence : float
    """

    measure = "satisfaction.sample_plan"

    by: str
    size: int
    margin: float | None
    plans: pd.DataFrame
    enough: int
    answered: Responses
    left_out: tuple[Exclusion, ...]
    borrowed: int
    confidence: float

    @property
    def saving(self) -> float:
        """Share of the answers that Neyman's rule saves at the same precision."""
        return 1 - self.enough / self.size

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["mean", "low", "high", "spread"], "number")

    def main_columns(self) -> list[str]:
        hidden = ("margin_proportional", "margin_neyman")
        return [column for column in self.table if column not in hidden]

    def title(self) -> str:
        if self.saving < SLIGHT:
            return _(
                "Neyman's rule saves less than {share} of the answers of a proportional sample"
            ).format(share=percent(SLIGHT, 0))
        return _("Neyman's rule saves {share} of the answers of a proportional sample").format(
            share=percent(self.saving, 0)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.8, 0.75 * len(table) + 1.5)))
        places, widest = np.arange(len(table))[::-1], table[list(METHODS)].to_numpy().max()
        looks = {"proportional": (charts.BLUE, 0.19), "neyman": (charts.ORANGE, -0.19)}
        for method, (colour, up) in looks.items():
            axes.barh(places + up, table[method], 0.36, color=colour, label=_plan_name(method))
            for place, size, margin in zip(
                places, table[method], table[f"margin_{method}"], strict=True
            ):
                label = _("{size}  (± {margin})").format(
                    size=number(size), margin=number(margin, 2)
                )
                axes.text(size + 0.01 * widest, place + up, label, va="center", fontsize=9)
        axes.set_yticks(places, [self._name(value) for value in table[self.by]])
        axes.set_xlim(0, 1.2 * widest)
        axes.set_xlabel(_("Answers; in brackets the margin of the stratum's own mean"))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._whole()]
        if len(self.table) > 1:
            parts += [self._gain(), self._part()]
        return "\n\n".join([*parts, self._basis()])

    def alt(self) -> str:
        parts = [
            _("{stratum} {proportional} and {neyman}").format(
                stratum=self._name(row[self.by]),
                proportional=number(row["proportional"]),
                neyman=number(row["neyman"]),
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Bars of the answers in proportion and by Neyman's rule. {strata}.").format(
            strata=_("; ").join(parts)
        )

    def _name(self, value: object) -> str:
        column = "region" if self.by == "customer_region" else self.by
        return shown(column).written(value, "")

    def _margin(self, plan: str) -> str:
        return number(self.plans.loc[plan, "margin"], 3)

    def _whole(self) -> str:
        customers = number(self.table["customers"].sum())
        confidence = percent(self.confidence, 0)
        if self.margin is None:
            return _(
                "The answers of {size} of {customers} customers, drawn at random from all, tell "
                "the mean of overall satisfaction to within ± {margin} points, at {confidence} "
                "confidence."
            ).format(
                size=number(self.size),
                customers=customers,
                margin=self._margin("random"),
                confidence=confidence,
            )
        return _(
            "To tell the mean of overall satisfaction to within ± {margin} points, at {confidence} "
            "confidence, {size} of {customers} customers have to answer if they are drawn at "
            "random from all. Whoever will not answer comes on top."
        ).format(
            margin=number(self.margin, 2),
            confidence=confidence,
            size=number(self.size),
            customers=customers,
        )

    def _gain(self) -> str:
        margins = _(
            "Drawn in each stratum in proportion to its customers, as many answers give ± "
            "{proportional}; by Neyman's rule, which asks more where answers differ more, ± "
            "{neyman}."
        ).format(proportional=self._margin("proportional"), neyman=self._margin("neyman"))
        spreads = {
            "low": number(self.table["spread"].min(), 2),
            "high": number(self.table["spread"].max(), 2),
        }
        if self.saving < SLIGHT:
            gain = _(
                "At the same precision that saves less than {share} of the answers; the strata's "
                "standard deviations are {low} to {high}."
            ).format(share=percent(SLIGHT, 0), **spreads)
        else:
            gain = _(
                "The same precision would take {enough} answers by Neyman's rule instead of "
                "{size}, because the strata's standard deviations differ, from {low} to {high}."
            ).format(enough=number(self.enough), size=number(self.size), **spreads)
        return f"{margins} {gain}"

    def _part(self) -> str:
        worst = self.table.loc[self.table["margin_proportional"].idxmax()]
        return _(
            "What suffices for the whole does not suffice for each part. In proportion, {stratum} "
            "has {answers}, which tell the stratum's own mean to within ± {margin} only. To "
            "compare strata, ask as many of each as the comparison takes, and weight the answers "
            "when they are put together."
        ).format(
            stratum=self._name(worst[self.by]),
            answers=ngettext("{count} answer", "{count} answers", worst["proportional"]).format(
                count=number(worst["proportional"])
            ),
            margin=number(worst["margin_proportional"], 2),
        )

    def _basis(self) -> str:
        answers = int(self.table["answers"].sum())
        basis = ngettext(
            "Means and standard deviations are estimated from {answers} answer, {period}.",
            "Means and standard deviations are estimated from {answers} answers, {period}.",
            answers,
        ).format(answers=number(answers), period=self.context.period())
        if self.borrowed:
            basis += " " + ngettext(
                "{count} stratum has fewer than two answers and is given the standard deviation "
                "of all.",
                "{count} strata have fewer than two answers and are given the standard deviation "
                "of all.",
                self.borrowed,
            ).format(count=number(self.borrowed))
        nothing = _("Nothing was left out.")
        return f"{basis} {left_out_words(self.left_out, self.answered.part, nothing=nothing)}"

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Customers whose answer is needed, in each stratum"),
            denominator=_("Listed customers who are not internal and whose stratum is known"),
            period=self.context.period(),
            method=_(
                "Strata: {column}. Standard deviations of overall satisfaction within them, "
                "{weights}; proportional and Neyman's (1934) allocation with largest remainders, "
                "at least two of each stratum; standard errors without replacement, Cochran "
                "(1977), chapter 5. Intervals of the means at {confidence}, answers of one "
                "customer as a cluster."
            ).format(
                column=shown(self.by).label,
                weights=_("weighted") if self.answered.weighted else _("without weights"),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(
    needs={
        "surveys": ["response_id", "customer_id", "overall"],
        "customers": ["customer_id"],
    }
)
def sample_plan(
    crm: Workspace,
    *,
    by: str = "tier",
    size: int | None = None,
    margin: float = 0.1,
    confidence: float = 0.95,
) -> SamplePlan:
    """How many customers of each stratum the next survey should have answers of.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, overall; customers: customer_id and `by`.
    by : str
        What makes the strata; known before anybody is asked: ``"tier"``, ``"customer_region"``,
        ``"industry"``, ``"size"``, ``"scope"`` or ``"customer_type"``.
    size : int, optional
        Answers to plan for; by default as many as a simple random sample needs for `margin`.
    margin : float
        To within how many points the mean of overall satisfaction is to be known.
    confidence : float

    Returns
    -------
    SamplePlan
        `.table` has a row per stratum, the one with most customers first: the column `by`,
        customers, answers (given so far), mean, low, high (of overall satisfaction), spread
        (standard deviation), proportional and neyman (answers to have by either plan),
        margin_proportional and margin_neyman (to within which the stratum's own mean is known).

    Raises
    ------
    MissingColumns
        If the columns are not there.
    UnknownName
        If `by` is none of these.
    NotEnoughData
        If no stratum has two answers, or all are alike.

    Notes
    -----
    The standard deviation within a stratum is weighted, √(Σw(y − ȳ)²/Σw · n/(n − 1)). With W the
    stratum's share of the customers, the variance of a stratified mean is
    Σ W² S²/n · (1 − n/N); that of a simple random sample has the variance within strata and
    between their means together. The next survey is taken to ask every customer once.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., equations 5.7 and 5.27.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> who = [str(i) for i in range(300)]
    >>> customers = pd.DataFrame({"customer_id": who, "tier": ["key"] * 100 + ["general"] * 200})
    >>> surveys = pd.DataFrame({"response_id": who, "customer_id": who})
    >>> surveys["overall"] = [1, 5] * 50 + [3, 4] * 100
    >>> crm = from_frames({"surveys": surveys, "customers": customers})
    >>> sample_plan(crm, size=60).table[["tier", "customers", "proportional", "neyman"]]
          tier  customers  proportional  neyman
    0  general        200            40      20
    1      key        100            20      40
    """
    column = _stratum(crm, by)
    found = weighed(responses(crm))
    counted, left_out = _population(crm, by, column)
    stratum = grouped_by(crm, found.frame, by)
    if by != "scope":
        scope = found.frame["response_id"].map(facts(crm)["scope"])
        stratum = stratum.where(scope.ne("internal"))
    frame = found.frame.assign(stratum=stratum)
    known = frame[frame["overall"].notna() & frame["stratum"].isin(counted.index)]
    table, borrowed = _strata(known, counted, confidence)
    planned, asked_for = _planned(table, margin, confidence) if size is None else (size, None)
    for method in METHODS:
        table[method] = allocate(table, planned, method=method)["sample"]
        table[f"margin_{method}"] = _own_margins(table, method, confidence)
    plans, enough = _plans(table, planned, confidence)
    return SamplePlan(
        table.rename(columns={"stratum": by}),
        Context.of(crm),
        by,
        planned,
        asked_for,
        plans,
        enough,
        found,
        (*found.exclusions(), *unused(frame, known), *left_out),
        borrowed,
        confidence,
    )


def _stratum(crm: Workspace, by: str) -> str:
    """The column of customers that makes the strata."""
    if by not in STRATA:
        raise UnknownName(
            _("Strata are made by one of {names}, not by {by}.").format(
                names=", ".join(STRATA), by=by
            )
        )
    column = "region" if by == "customer_region" else by
    if not crm.has("customers", column):
        require(crm, "satisfaction.sample_plan", {"customers": (column,)})
    return column


def _population(crm: Workspace, by: str, column: str) -> tuple[pd.Series, tuple[Exclusion, ...]]:
    """Customers of each stratum, and who is in none."""
    groups = crm.query("customer_groups")
    internal = groups["scope"].eq("internal") & (column != "scope")
    nowhere = groups[by].isna() & ~internal
    left_out = [
        Exclusion.of_customers(_("internal"), int(groups.loc[internal, "customers"].sum())),
        Exclusion.of_customers(_("stratum not known"), int(groups.loc[nowhere, "customers"].sum())),
    ]
    counted = groups[~internal & ~nowhere].groupby(by)["customers"].sum()
    counted = counted.sort_values(ascending=False, kind="stable")
    return counted, tuple(one for one in left_out if one.count)


def unused(frame: pd.DataFrame, known: pd.DataFrame) -> tuple[Exclusion, ...]:
    """Questionnaires that came back but say nothing of overall satisfaction in a stratum."""
    silent = int(frame["overall"].isna().sum())
    found = {
        _("without overall satisfaction"): silent,
        _("of a customer in no stratum"): len(frame) - silent - len(known),
    }
    return excluded(found)


def _strata(known: pd.DataFrame, counted: pd.Series, confidence: float) -> tuple[pd.DataFrame, int]:
    """What is known of each stratum; how many had to take the spread of all."""
    rows = [
        {"stratum": stratum, "customers": int(customers)}
        | _answers(known[known["stratum"] == stratum], confidence)
        for stratum, customers in counted.items()
    ]
    table = pd.DataFrame(rows)
    together = _answers(known, confidence)
    if table.empty or not (table["answers"] >= 2).any() or not together["spread"] > 0:
        raise NotEnoughData(
            _(
                "A sample is planned from answers that differ: no stratum has two answers, or all "
                "customers answered alike."
            )
        )
    few = table["answers"] < 2
    table.loc[few, "spread"] = together["spread"]
    return table, int(few.sum())


def _answers(part: pd.DataFrame, confidence: float) -> dict[str, Any]:
    values, weights = part["overall"].to_numpy(float), part["weight"].to_numpy(float)
    mean = weighted.mean(values, weights=weights, clusters=clusters(part), confidence=confidence)
    spread = np.nan
    if len(values) >= 2:
        square = np.average((values - mean.value) ** 2, weights=weights)
        spread = math.sqrt(square * len(values) / (len(values) - 1))
    limits = {"mean": mean.value, "low": mean.low, "high": mean.high}
    return {"answers": len(values), **limits, "spread": spread}


def _variances(table: pd.DataFrame) -> tuple[float, float]:
    """Variance of the answers of all customers, and the part of it that lies within strata."""
    share = table["customers"] / table["customers"].sum()
    within = float((share * table["spread"] ** 2).sum())
    means = table["mean"].fillna((share * table["mean"]).sum() / share[table["mean"].notna()].sum())
    between = float((share * (means - (share * means).sum()) ** 2).sum())
    return within + between, within


def _planned(table: pd.DataFrame, margin: float, confidence: float) -> tuple[int, float | None]:
    """Answers for a margin, and that margin; two of each stratum at least, which have no margin."""
    spread, customers = math.sqrt(_variances(table)[0]), int(table["customers"].sum())
    needed = sample_size_mean(margin, spread, population=customers, confidence=confidence)
    least = int(np.minimum(table["customers"], 2).sum())
    return (least, None) if needed < least else (needed, margin)


def _own_margins(table: pd.DataFrame, method: str, confidence: float) -> pd.Series:
    left = 1 - table[method] / table["customers"]
    return _quantile(confidence) * table["spread"] * np.sqrt(left / table[method])


def _plans(table: pd.DataFrame, size: int, confidence: float) -> tuple[pd.DataFrame, int]:
    """Standard errors of the three plans, and the answers that Neyman's rule needs as well."""
    customers = table["customers"].sum()
    total = _variances(table)[0]
    variances = {"random": total / size * (1 - size / customers)}
    for method in METHODS:
        variances[method] = _variance(table, table[method])
    errors = np.sqrt(pd.Series(variances))
    plans = pd.DataFrame({"error": errors, "margin": _quantile(confidence) * errors})
    return plans, _enough(table, size, variances["proportional"])


def _variance(table: pd.DataFrame, sample: pd.Series) -> float:
    """Variance of the mean of all customers with so many answers of each stratum."""
    share = table["customers"] / table["customers"].sum()
    left = 1 - sample / table["customers"]
    return float((share**2 * table["spread"] ** 2 / sample * left).sum())


def _enough(table: pd.DataFrame, size: int, variance: float) -> int:
    """Fewest answers by Neyman's rule whose mean varies no more than that, at most `size`."""
    least, most = int(np.minimum(table["customers"], 2).sum()), size
    # No stratum can give more customers than it has, so we look instead of solving for the number.
    while least < most:
        middle = (least + most) // 2
        reached = _variance(table, allocate(table, middle, method="neyman")["sample"])
        if reached <= variance * (1 + 1e-9):
            most = middle
        else:
            least = middle + 1
    return most


def _plan_name(method: str) -> str:
    return {"proportional": _("In proportion"), "neyman": _("Neyman's rule")}[method]


# --- the explorer -------------------------------------------------------------------------------


def explore_sample_size(crm: Workspace) -> None:
    """Sliders over the number of answers that a share needs: margin, population, share, confidence.

    Parameters
    ----------
    crm : Workspace
        How many customers there are at the beginning.
    """
    import ipywidgets

    from crmlab.show.widgets import explorer

    own = int(crm.query("customer_groups")["customers"].sum()) if crm.has("customers") else 1000
    usual: dict[str, Any] = {
        "continuous_update": False,
        "style": {"description_width": "initial"},
        "layout": {"width": "420px"},
    }
    controls = {
        "margin": ipywidgets.FloatSlider(
            value=0.05, min=0.01, max=0.15, step=0.005, readout_format=".1%",
            description=_("Margin ±"), **usual,
        ),
        "population": ipywidgets.SelectionSlider(
            value=own, options=_populations(own), description=_("Customers"), **usual
        ),
        "share": ipywidgets.FloatSlider(
            value=0.5, min=0.05, max=0.95, step=0.05, readout_format=".0%",
            description=_("Share expected"), **usual,
        ),
        "confidence": ipywidgets.SelectionSlider(
            value=0.95, options=[(percent(one, 0), one) for one in (0.8, 0.9, 0.95, 0.99)],
            description=_("Confidence"), **usual,
        ),
    }  # fmt: skip
    figure, move = _curve()
    explorer(figure, move, _needed, controls)


def _populations(own: int) -> list[tuple[str, int]]:
    sizes = sorted({100, 300, 1000, 3000, 10_000, 100_000, own})
    return [(number(size), size) for size in sizes] + [(_("unlimited"), 0)]


def _needed(margin: float, population: int, share: float, confidence: float) -> str:
    size = sample_size(margin, population=population or None, share=share, confidence=confidence)
    told = {
        "share": percent(share, 0),
        "margin": percent(margin),
        "confidence": percent(confidence, 0),
        "size": number(size),
    }
    if not population:
        return _(
            "A share of about {share} is told to within ± {margin}, at {confidence} confidence, by "
            "{size} answers, however many customers there are."
        ).format(**told)
    return _(
        "A share of about {share} is told to within ± {margin}, at {confidence} confidence, by "
        "{size} answers of {population} customers: {part} of them."
    ).format(population=number(population), part=percent(size / population), **told)


def _curve() -> tuple[Any, Any]:
    """The figure with the curve of answers against the margin, and what moves it."""
    with charts.house_style():
        axes = charts.new_axes()
        (without,) = axes.plot([], [], color=charts.GREY, linestyle="--", linewidth=1)
        (curve,) = axes.plot([], [], color=charts.BLUE)
        (guide,) = axes.plot([], [], color=charts.MUTED, linewidth=1)
        (point,) = axes.plot([], [], "o", color=charts.ORANGE)
        label = axes.text(0, 0, "", ha="left", va="bottom", bbox=CLEAR)
        axes.set_xlim(0, 0.155)
        axes.set_yscale("log")
        axes.set_ylim(10, 30_000)
        axes.yaxis.set_major_formatter(lambda value, _place: number(value))
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Margin ±"))
        axes.set_ylabel(_("Answers; dashed: unlimited customers"))

    def move(margin: float, population: int, share: float, confidence: float) -> None:
        among = population or None

        def needed(one: float, among: int | None) -> int:
            return sample_size(one, population=among, share=share, confidence=confidence)

        here = needed(margin, among)
        without.set_data(MARGINS, [needed(one, None) for one in MARGINS])
        curve.set_data(MARGINS, [needed(one, among) for one in MARGINS])
        guide.set_data([0, margin, margin], [here, here, 10])
        point.set_data([margin], [here])
        label.set_text(number(here))
        label.set_position((margin + 0.002, here * 1.05))

    return axes.figure, move
