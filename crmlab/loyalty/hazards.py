"""What goes with leaving sooner or later: Cox's model of how long customers stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.data.drawn import some_customers
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number, percent
from crmlab.loyalty.covariates import (
    FEWEST,
    NOT_GIVEN,
    combined,
    compared,
    covariate_name,
    covariates_of,
    design_of,
    estimable,
    level_name,
    level_names,
    with_levels,
)
from crmlab.loyalty.ratios_over_time import RatiosOverTime, by_period, ratio_axis
from crmlab.loyalty.stays import (
    NEEDS,
    SILENCE,
    Groups,
    Setting,
    Stays,
    has_purchases,
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

#: Events for each coefficient below which intervals are too short (Peduzzi and others 1995).
ENOUGH = 10


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
    alike : tuple of str
        Covariates left out, as all customers of the model are alike in them.
    redundant : tuple of str
        Covariates left out, as they follow from those before.
    combined : int
        Customers in levels that were put together, as too few of each left.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    each : pandas.Series
        By column of the model, the chance of so large a change of its ratio over time.
    confidence : float
    """

    measure = "loyalty.hazards"

    model: Cox
    proportional: pd.DataFrame
    found: Stays
    groups: Groups
    alike: tuple[str, ...]
    redundant: tuple[str, ...]
    combined: int
    exclusions: tuple[Exclusion, ...]
    part: str
    each: pd.Series
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["hazard_ratio", "low", "high"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = list(self.table["covariate"].unique())
        covariates = {name: covariate_name(name) for name in names}
        return {"covariate": covariates, "covariate_level": level_names(names)}

    def title(self) -> str:
        holds = self.table[self.table["differs"].fillna(False).astype(bool)]
        if holds.empty:
            return _("Nothing that is known of customers goes with leaving beyond chance")
        row = holds.loc[np.log(holds["hazard_ratio"]).abs().idxmax()]
        return _("{covariate}, {level}: {ratio} times the hazard of {reference}").format(
            covariate=covariate_name(row["covariate"]),
            level=level_name(row["covariate"], row["covariate_level"]),
            ratio=number(row["hazard_ratio"], 2),
            reference=level_name(row["covariate"], self._reference(row["covariate"])),
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
        ratio_axis(axes, "x", rows["low"].min(), rows["high"].max())
        axes.set_xlabel(
            _("Hazard ratio, {share} interval").format(share=percent(self.confidence, 0))
        )
        charts.set_title(axes, self.title())
        return axes

    def over_time(self, covariate: str | None = None) -> RatiosOverTime:
        """Whether a ratio stays the same over time: its value in several periods.

        Parameters
        ----------
        covariate : str, optional
            One of the model's. By default one whose ratios change by the test if there is any, and
            of all levels the one whose change is the least likely by chance.

        Returns
        -------
        RatiosOverTime

        Raises
        ------
        CrmlabError
            If the model does not have the covariate.
        NotEnoughData
            If too few left to look at periods.
        """
        tested = self.proportional.iloc[:-1]
        if covariate is not None and covariate not in tested.index:
            raise CrmlabError(
                _("The model has no covariate {name}; it has: {names}.").format(
                    name=covariate, names=_(", ").join(tested.index)
                )
            )
        among = list(tested.index[tested["changes"]]) or list(tested.index)
        among = among if covariate is None else [covariate]
        own = self.each[[name.split("=", 1)[0] in among for name in self.each.index]]
        column = str(own.fillna(1.0).idxmin())
        chosen, level = column.split("=", 1)
        return RatiosOverTime(
            by_period(self.model, column, self.confidence),
            self.context,
            chosen,
            level,
            self._reference(chosen),
            self.model,
            self.proportional,
            len(own),
            self._define(),
            self.confidence,
        )

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

    def _reference(self, covariate: str) -> str:
        own = self.table[(self.table["covariate"] == covariate) & self.table["reference"]]
        return str(own["covariate_level"].iloc[0])

    def _against(self, row: pd.Series) -> str:
        return compared(row["covariate"], row["covariate_level"], self._reference(row["covariate"]))

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
            "figure is a mean over time, and over_time() shows the change."
        ).format(
            names=_(", ").join(covariate_name(str(name)) for name in changing.index), chance=least
        )

    def _made(self) -> str:
        parts = []
        if self.alike:
            parts.append(
                _("Left out, as all customers who are compared are alike in it: {names}.").format(
                    names=_(", ").join(covariate_name(name) for name in self.alike)
                )
            )
        if self.redundant:
            parts.append(
                _("Left out, as they follow from the others: {names}.").format(
                    names=_(", ").join(covariate_name(name) for name in self.redundant)
                )
            )
        if self.combined:
            parts.append(
                _(
                    "Levels in which fewer than {fewest} customers left are taken together, "
                    "{count} customers in all."
                ).format(fewest=number(FEWEST), count=number(self.combined))
            )
        if (self.table["covariate_level"] == NOT_GIVEN).any():
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
        `.table` has a row per covariate and level: covariate, covariate_level, reference (whether
        the others of the covariate are compared with it), customers, events, hazard_ratio, low,
        high (missing for the reference, and where none has left), probability, corrected (Holm),
        differs.
        `.over_time()` looks at whether a ratio stays the same.

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
    names = covariates_of(workspace, covariates)
    try:
        frame, groups = with_levels(workspace, found, names)
    except NotEnoughData as error:
        names = [name for name in names if name != "tier"]
        if covariates is not None or not names:
            raise
        frame, groups = with_levels(workspace, found, names)
        part = f"{part} {error}".strip()
    if not frame["event"].any():
        raise NotEnoughData(
            _("None of {customers} customers has left, so nothing can be compared.").format(
                customers=number(len(frame))
            )
        )
    frame, together = combined(frame, names)
    kept = estimable(frame, names)
    used = frame[kept]
    design = design_of(used, names)
    model = models.cox(
        design.columns, used["time"], used["event"], entry=used["entry"], confidence=confidence
    )
    clock = models.kaplan_meier_clock(used["time"], used["event"], entry=used["entry"])
    left = int((~kept).sum())
    lost = (Exclusion.of_customers(_("in a level of which none has left"), left),) if left else ()
    return Hazards(
        _table(frame, model, design.references, 1 - confidence),
        Context.of(crm),
        model,
        _proportional(model, clock, list(design.references), 1 - confidence),
        found,
        groups,
        design.alike,
        design.redundant,
        together,
        lost,
        part,
        models.proportional(model, clock)["chance"].iloc[:-1],
        confidence,
    )


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
                    "covariate_level": str(code),
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
    model: Cox, clock: NDArray[np.float64], names: Sequence[str], level: float
) -> pd.DataFrame:
    terms = {
        name: [column for column in model.table.index if str(column).startswith(f"{name}=")]
        for name in names
    }
    table = models.proportional(model, clock, terms=terms)
    holds, _adjusted = holm(table["chance"].iloc[:-1], level)
    return table.assign(changes=[*holds, False])
