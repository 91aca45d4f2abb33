"""What goes with leaving sooner or later: Cox's model of how long customers stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.purchases import some_customers
from crmlab.loyalty.stays import (
    COVARIATES,
    MONTH,
    NEEDS,
    SILENCE,
    Groups,
    Setting,
    Stays,
    grouped,
    has_purchases,
    known,
    left_out,
    stays,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import cox as models
from crmlab.stats.cox import Cox
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Whether another customer has recommended us; made of customers.referred_by.
REFERRED = "referred"
#: Levels with fewer events are put together.
FEWEST = 5
#: Events for each coefficient below which intervals are too short (Peduzzi and others 1995).
ENOUGH = 10
#: How many times as large as its left end the right end of an axis is that takes fewer ticks.
WIDE = 50
#: Codes of levels that are none of the data's.
NOT_GIVEN, OTHERS, YES, NO = "(not given)", "(others)", "(yes)", "(no)"
USUAL = ("tier", REFERRED, "acquisition_channel", "customer_type", "region", "size")


@dataclass(frozen=True, repr=False)
class Hazards(Result):
    """Result of `hazards`.

    Attributes
    ----------
    model : Cox
        Its columns are named ``covariate=level``.
    proportional : pandas.DataFrame
        By covariate, and last "all": statistic, freedom, chance of so large a change of its ratios
        over time; changes (corrected by Holm).
    found : Stays
    groups : Groups
    redundant : tuple of str
        Covariates left out, as they follow from those before.
    combined : int
        Customers in levels that were put together, as too few of each left.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    steepest : str
        The column of the model whose ratio changes least likely by chance alone.
    confidence : float
    """

    measure = "loyalty.hazards"

    model: Cox
    proportional: pd.DataFrame
    found: Stays
    groups: Groups
    redundant: tuple[str, ...]
    combined: int
    exclusions: tuple[Exclusion, ...]
    part: str
    steepest: str
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["hazard_ratio", "low", "high"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = list(self.table["covariate"].unique())
        levels: dict[str, str] = {}
        for name in names:
            levels |= shown(name).values
        own = {
            NOT_GIVEN: _("not given"),
            OTHERS: _("others together"),
            YES: _("yes"),
            NO: _("no"),
        }
        return {"covariate": {name: _covariate(name) for name in names}, "level": levels | own}

    def title(self) -> str:
        holds = self.table[self.table["differs"].fillna(False).astype(bool)]
        if holds.empty:
            return _("Nothing that is known of customers goes with leaving beyond chance")
        row = holds.loc[np.log(holds["hazard_ratio"]).abs().idxmax()]
        return _("{covariate}, {level}: {ratio} times the hazard of {reference}").format(
            covariate=_covariate(row["covariate"]),
            level=self._level(row),
            ratio=number(row["hazard_ratio"], 2),
            reference=self._reference(row["covariate"]),
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = self.table.dropna(subset=["low"])
        axes = charts.new_axes(ax, size=(7.2, max(3.2, 1.6 + 0.32 * len(rows))))
        places = np.arange(len(rows))[::-1]
        holds = rows["differs"].fillna(False).astype(bool)
        colours = [charts.ORANGE if one else charts.BLUE for one in holds]
        axes.hlines(places, rows["low"], rows["high"], colors=colours)
        axes.scatter(rows["hazard_ratio"], places, color=colours, zorder=3)
        axes.axvline(1, color=charts.MUTED, linestyle=":", linewidth=1)
        axes.set_yticks(places, [self._against(row) for _index, row in rows.iterrows()])
        self._ratio_axis(axes, rows)
        axes.set_xlabel(
            _("Hazard ratio, {share} interval").format(share=percent(self.confidence, 0))
        )
        charts.set_title(axes, self.title())
        return axes

    @staticmethod
    def _ratio_axis(axes: Axes, rows: pd.DataFrame) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        axes.set_xscale("log")
        low, high = max(float(rows["low"].min()), 0.02), min(float(rows["high"].max()), 50.0)
        axes.set_xlim(min(low / 1.1, 0.8), max(high * 1.1, 1.25))
        left, right = axes.get_xlim()
        close = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20]
        ticks = close if right < WIDE * left else [0.03, 0.1, 0.3, 1, 3, 10, 30]
        inside = [tick for tick in ticks if left <= tick <= right]
        axes.xaxis.set_major_locator(FixedLocator(inside))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))

    def plot_over_time(self, ax: Axes | None = None) -> Axes:
        """Whether a ratio changes: of the coefficient whose change is the least likely by chance.

        Points are the scaled Schoenfeld residuals of the customers who left, the line their local
        mean: the coefficient as it would be at that time.
        """
        from statsmodels.nonparametric.smoothers_lowess import lowess

        axes = charts.new_axes(ax)
        table, name = self.model.residuals, self.steepest
        months = table["time"].to_numpy() / MONTH
        axes.scatter(months, table[name], s=12, color=charts.GREY)
        line = lowess(table[name].to_numpy(), months, frac=2 / 3, it=0)
        axes.plot(line[:, 0], line[:, 1], color=charts.ORANGE)
        axes.axhline(self.model.table.loc[name, "coefficient"], color=charts.BLUE, linestyle="--")
        covariate, level = name.split("=", 1)
        axes.set_xlabel(_("Months since the beginning"))
        axes.set_ylabel(_("Logarithm of the hazard ratio"))
        labels = self.value_labels()["level"]
        charts.set_title(
            axes,
            _("{covariate}, {level}: a level line where the ratio does not change").format(
                covariate=_covariate(covariate), level=labels.get(level, level)
            ),
        )
        return axes

    def reading(self) -> str:
        parts = [
            self._idea(),
            self._holds(),
            self._whole(),
            self._constant(),
            self.found.rule(),
            " ".join(part for part in (self.groups.words(), self.found.watched_late()) if part),
            self._made(),
            self.part,
            left_out(*self.found.exclusions, *self.groups.exclusions, *self.exclusions),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = self.table.dropna(subset=["low"])
        return _("Points with intervals of hazard ratios on a logarithmic axis. {parts}.").format(
            parts=_("; ").join(self._written(row) for _index, row in rows.iterrows())
        )

    # --- the words

    def _level(self, row: pd.Series) -> str:
        return self.value_labels()["level"].get(row["level"], str(row["level"]))

    def _reference(self, covariate: str) -> str:
        own = self.table[(self.table["covariate"] == covariate) & self.table["reference"]]
        return self._level(own.iloc[0])

    def _against(self, row: pd.Series) -> str:
        return _("{covariate}: {level} / {reference}").format(
            covariate=_covariate(row["covariate"]),
            level=self._level(row),
            reference=self._reference(row["covariate"]),
        )

    def _written(self, row: pd.Series) -> str:
        return _("{name} {ratio} ({low} to {high})").format(
            name=self._against(row),
            ratio=number(row["hazard_ratio"], 2),
            low=number(row["low"], 2),
            high=number(row["high"], 2),
        )

    def _idea(self) -> str:
        return _(
            "A hazard ratio of 0.5 says: of those still there, half as many leave at any time, all "
            "else in the model being equal. {events} of {customers} customers have left; {columns} "
            "ratios are estimated from them."
        ).format(
            events=number(self.model.events),
            customers=number(self.model.cases),
            columns=number(len(self.model.table)),
        )

    def _holds(self) -> str:
        holds = self.table[self.table["differs"].fillna(False).astype(bool)]
        if holds.empty:
            return _(
                "No ratio differs from 1 by more than chance would bring about among {count} "
                "(Holm)."
            ).format(count=number(len(self.model.table)))
        return _(
            "Beyond what chance would bring about among {count} ratios (Holm): {parts}. "
            "{intervals} These are associations: what was not recorded may lie behind them."
        ).format(
            count=number(len(self.model.table)),
            parts=_("; ").join(self._written(row) for _index, row in holds.iterrows()),
            intervals=intervals_in_brackets(self.confidence),
        )

    def _whole(self) -> str:
        from scipy.stats import chi2

        freedom = len(self.model.table)
        statistic = 2 * (self.model.log_likelihood - self.model.null_log_likelihood)
        said = _(
            "All together against nothing: likelihood ratio {statistic} with {freedom} degrees of "
            "freedom, probability {chance}."
        ).format(
            statistic=number(statistic, 2),
            freedom=number(freedom),
            chance=shown("probability").written(chi2.sf(statistic, freedom), ""),
        )
        each = self.model.events / freedom
        if each >= ENOUGH:
            return said
        few = _(
            "There are only {each} events for each ratio; with fewer than {enough} intervals are "
            "too short and ratios too far from 1. Take fewer covariates."
        ).format(each=number(each, 1), enough=number(ENOUGH))
        return f"{said} {few}"

    def _constant(self) -> str:
        tested = self.proportional.iloc[:-1]
        changing = tested[tested["changes"]]
        if tested["chance"].isna().all():
            return _("Whether the ratios stay the same over time cannot be told.")
        least = shown("probability").written(float(tested["chance"].min()), "")
        if changing.empty:
            return _(
                "The model takes each ratio to be the same at all times. Nothing speaks against it "
                "(Grambsch and Therneau's test, smallest probability {chance} of {count})."
            ).format(chance=least, count=number(len(tested)))
        return _(
            "The model takes each ratio to be the same at all times. That does not hold for: "
            "{names} (Grambsch and Therneau's test, smallest probability {chance}); there the "
            "figure is a mean over time, and plot_over_time() shows the change."
        ).format(names=_(", ").join(_covariate(str(name)) for name in changing.index), chance=least)

    def _made(self) -> str:
        parts = []
        if self.redundant:
            parts.append(
                _("Left out, as they follow from the others: {names}.").format(
                    names=_(", ").join(_covariate(name) for name in self.redundant)
                )
            )
        if self.combined:
            parts.append(
                _(
                    "Levels in which fewer than {fewest} customers left are taken together, "
                    "{count} customers in all."
                ).format(fewest=number(FEWEST), count=number(self.combined))
            )
        if (self.table["level"] == NOT_GIVEN).any():
            parts.append(_("Where a value is not given, that is a level of its own."))
        return " ".join(parts)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Rate of leaving of customers of a level, among those still there"),
            denominator=_("That of the reference level, all else in the model being equal"),
            period=self.context.period(),
            method=_(
                "{rule} Cox's proportional hazards model (1972) with delayed entry, ties as Efron "
                "(1977); the reference is the level with most events. Holm's correction over all "
                "ratios. Proportional hazards tested by scaled Schoenfeld residuals against 1 less "
                "the Kaplan-Meier curve (Grambsch and Therneau 1994)."
            ).format(rule=self.found.rule()),
            source=self.context.source,
            exclusions=(*self.found.exclusions, *self.groups.exclusions, *self.exclusions),
        )


def _covariate(name: str) -> str:
    return _("Referred by a customer") if name == REFERRED else shown(name).label


@measure(needs=NEEDS)
def hazards(
    crm: Workspace,
    *,
    setting: Setting | None = None,
    covariates: Sequence[str] | None = None,
    silence: int = SILENCE,
    confidence: float = 0.95,
) -> Hazards:
    """What goes with leaving sooner or later, each with all else being equal.

    Parameters
    ----------
    crm : Workspace
        With customers: customer_id, contract_from, contract_to; or orders: customer_id,
        ordered_at. And what is known of customers.
    setting : {"contract", "silence"}, optional
        As in `crmlab.loyalty.survival.survival`.
    covariates : sequence of str, optional
        Columns of customers, ``"referred"`` for whether referred_by is given, ``"tier"`` also where
        it must be made. By default tier, referred, acquisition_channel, customer_type, region and
        size, as far as known; the channel falls away where it says what referred says.
    silence : int
        Days without a purchase that count as having left.
    confidence : float

    Returns
    -------
    Hazards
        `.table` has a row per covariate and level: covariate, level, reference (whether the others
        of the covariate are compared with it), customers, events, hazard_ratio, low, high (missing
        for the reference, and where none has left), probability, corrected (Holm), differs.

    Raises
    ------
    CrmlabError
        If a covariate is none.
    NotEnoughData
        If nothing can be compared, or nobody left.

    Notes
    -----
    Of levels without any event the estimate is a ratio of 0; their customers are left out, which
    gives the other ratios their estimates in that limit. Of more than 20,000 customers a sample is
    used, as the reading says.

    References
    ----------
    Cox, D. R. (1972), Journal of the Royal Statistical Society B 34, 187-220. Peduzzi, P. and
    others (1995), Journal of Clinical Epidemiology 48, 1503-1510.
    """
    workspace, part = some_customers(crm) if has_purchases(crm) else (crm, "")
    found = stays(workspace, setting=setting, silence=silence)
    names = _names(workspace, covariates)
    try:
        frame, groups = _with_levels(workspace, found, names)
    except NotEnoughData as error:
        names = [name for name in names if name != "tier"]
        if covariates is not None or not names:
            raise
        frame, groups = _with_levels(workspace, found, names)
        part = f"{part} {error}".strip()
    if not frame["event"].any():
        raise NotEnoughData(
            _("None of {customers} customers has left, so nothing can be compared.").format(
                customers=number(len(frame))
            )
        )
    frame, combined = _combined(frame, names)
    kept = _estimable(frame, names)
    design, references, redundant = _design(frame[kept], names)
    used = frame[kept]
    model = models.cox(
        design, used["time"], used["event"], entry=used["entry"], confidence=confidence
    )
    left = int((~kept).sum())
    lost = (Exclusion.of_customers(_("in a level of which none has left"), left),) if left else ()
    return Hazards(
        _table(frame, model, references, 1 - confidence),
        Context.of(crm),
        model,
        _proportional(model, used, list(references), 1 - confidence),
        found,
        groups,
        redundant,
        combined,
        lost,
        part,
        _steepest(model, used),
        confidence,
    )


def _names(crm: Workspace, covariates: Sequence[str] | None) -> list[str]:
    """The covariates that are known."""
    possible = [*COVARIATES, REFERRED]
    there = [name for name in possible if _known(crm, name)]
    if covariates is None:
        names = [name for name in USUAL if name in there]
    else:
        names = [covariates] if isinstance(covariates, str) else list(dict.fromkeys(covariates))
        wrong = [name for name in names if name not in there]
        if wrong:
            raise CrmlabError(
                _("Nothing is known of {wrong}; covariates can be: {names}.").format(
                    wrong=_(", ").join(wrong), names=_(", ").join(there) or _("none")
                )
            )
    if not names:
        raise NotEnoughData(_("Nothing is known of customers by which they could be compared."))
    return names


def _known(crm: Workspace, name: str) -> bool:
    if name == "tier" and crm.has("orders", "customer_id", "ordered_at", "amount"):
        return True
    return known(crm, "referred_by" if name == REFERRED else name)


def _with_levels(crm: Workspace, found: Stays, names: Sequence[str]) -> tuple[pd.DataFrame, Groups]:
    """The customers who were watched, with the level of each covariate as text."""
    groups = Groups(found.frame, "tier" if "tier" in names else "", [], False, ())
    if "tier" in names and not known(crm, "tier"):
        groups = grouped(crm, found, "tier")
    frame = groups.frame.copy()
    listed = crm.has("customers", "customer_id")
    customers = crm.customers.dropna(subset=["customer_id"]) if listed else pd.DataFrame()
    for name in names:
        if name == "tier" and groups.landmark:
            continue
        column = customers.set_index("customer_id")["referred_by" if name == REFERRED else name]
        value = frame["customer_id"].map(column)
        if name == REFERRED:
            frame[name] = np.where(value.notna(), YES, NO)
        else:
            frame[name] = value.astype("str").where(value.notna(), NOT_GIVEN)
    return frame, groups


def _combined(frame: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Levels of few events put together, and how many customers that concerns."""
    frame, touched = frame.copy(), pd.Series(False, frame.index)
    for name in names:
        events = frame.groupby(name)["event"].sum()
        few = events.index[events < FEWEST]
        if len(few) > 1:
            rows = frame[name].isin(few)
            frame.loc[rows, name] = OTHERS
            touched |= rows
    return frame, int(touched.sum())


def _estimable(frame: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Rows in no level without an event."""
    kept = pd.Series(True, frame.index)
    for name in names:
        kept &= frame.groupby(name)["event"].transform("any").astype(bool)
    return kept


def _design(
    frame: pd.DataFrame, names: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str], tuple[str, ...]]:
    """A column per level but the reference; the references; covariates that say nothing new."""
    references: dict[str, str] = {}
    redundant = []
    columns = pd.DataFrame(index=frame.index)
    for name in names:
        events = frame.groupby(name)["event"].sum().sort_values(ascending=False, kind="stable")
        levels = [str(level) for level in events.index if events[level] > 0]
        if len(levels) < 2:
            redundant.append(name)
            continue
        reference = NO if name == REFERRED else levels[0]
        own = {
            f"{name}={level}": (frame[name] == level).astype(float)
            for level in levels
            if level != reference
        }
        joined = pd.concat([columns, pd.DataFrame(own)], axis=1)
        if np.linalg.matrix_rank(joined.corr(), tol=1e-9) < joined.shape[1]:
            redundant.append(name)
            continue
        columns, references[name] = joined, reference
    if columns.empty:
        raise NotEnoughData(
            _("In what is known of customers all who were watched are alike, or none has left.")
        )
    return columns, references, tuple(redundant)


def _table(
    frame: pd.DataFrame, model: Cox, references: Mapping[str, str], level: float
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for name, reference in references.items():
        counts = frame.groupby(name)["event"].agg(["size", "sum"])
        order = [reference, *(one for one in counts.index if one != reference)]
        for code in order:
            key = f"{name}={code}"
            own = model.table.loc[key] if key in model.table.index else None
            rows.append(
                {
                    "covariate": name,
                    "level": str(code),
                    "reference": code == reference,
                    "customers": int(counts.loc[code, "size"]),
                    "events": int(counts.loc[code, "sum"]),
                    "hazard_ratio": np.nan if own is None else own["hazard_ratio"],
                    "low": np.nan if own is None else own["low"],
                    "high": np.nan if own is None else own["high"],
                    "probability": np.nan if own is None else own["chance"],
                }
            )
    table = pd.DataFrame(rows)
    table.loc[table["reference"], "hazard_ratio"] = 1.0
    holds, adjusted = holm(table["probability"], level)
    differs = pd.Series(holds, dtype="boolean").where(table["probability"].notna())
    return table.assign(corrected=adjusted, differs=differs)


def _proportional(
    model: Cox, used: pd.DataFrame, names: Sequence[str], level: float
) -> pd.DataFrame:
    clock = _clock(used)
    terms = {
        name: [column for column in model.table.index if str(column).startswith(f"{name}=")]
        for name in names
    }
    table = models.proportional(model, clock, terms=terms)
    holds, _adjusted = holm(table["chance"].iloc[:-1], level)
    return table.assign(changes=[*holds, False])


def _clock(used: pd.DataFrame) -> NDArray[np.float64]:
    return models.kaplan_meier_clock(used["time"], used["event"], entry=used["entry"])


def _steepest(model: Cox, used: pd.DataFrame) -> str:
    each = models.proportional(model, _clock(used))["chance"].iloc[:-1]
    return str(each.fillna(1.0).idxmin())
