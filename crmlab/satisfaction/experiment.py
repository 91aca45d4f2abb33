"""Samples drawn in several ways from a population that is known, and how far they miss its mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.data.simulate.truth import known_truth
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number, percent
from crmlab.satisfaction.responses import facts, responses
from crmlab.satisfaction.sampling import METHODS, allocate, unused
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Exclusion, Result, left_out_words, measure
from crmlab.stats.intervals import check_confidence, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: Samples are drawn from at least so many times as many.
LARGER = 2
BINS = 40


@dataclass(frozen=True)
class Population:
    """A population whose answers are all known.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per answer: customer_id, answer, stratum, calls (whether the customer belongs to those
        who call), said (what the customer would have said on calling).
    simulated : bool
        Whether it is what everyone would have answered, asked or not; else it is who answered.
    lacks_strata, lacks_calls : bool
        Whether the strata or the callers are not known.
    left_out : tuple of Exclusion
    part : str
        What the answers are a sample of, in words; empty if they are all.
    """

    frame: pd.DataFrame
    simulated: bool
    lacks_strata: bool
    lacks_calls: bool
    left_out: tuple[Exclusion, ...]
    part: str = ""


@dataclass(frozen=True, repr=False)
class Samples(Result):
    """Result of `compare_samples`.

    Attributes
    ----------
    population : pandas.DataFrame
        What was drawn from, a row per answer: customer_id, answer, stratum, calls, said.
    truth : float
        Mean of all its answers.
    estimates : pandas.DataFrame
        The mean that each draw found, a column per kind of sample.
    simulated : bool
        Whether the population is what everyone would have answered, asked or not.
    who, moment : float
        What callers differ by from all in their own answers, and what being asked on calling adds;
        missing where there are no callers.
    lacking : tuple of str
        Kinds of sample that could not be drawn: ``"strata"``, ``"calls"``, ``"few"``.
    size, draws : int
    left_out : tuple of Exclusion
    part : str
        What the answers are a sample of, in words; empty if they are all.
    confidence : float
    """

    measure = "satisfaction.compare_samples"

    population: pd.DataFrame
    truth: float
    estimates: pd.DataFrame
    simulated: bool
    who: float
    moment: float
    lacking: tuple[str, ...]
    size: int
    draws: int
    left_out: tuple[Exclusion, ...]
    part: str
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return dict.fromkeys(["mean", "bias", "low", "high", "spread", "rmse", "width"], "number")

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"sampling": _names()}

    def main_columns(self) -> list[str]:
        hidden = ("mean", "coverage_low", "coverage_high")
        return [column for column in self.table if column not in hidden]

    def title(self) -> str:
        callers = self._callers()
        told = {"size": number(self.size)}
        if callers is None:
            return _("Random samples of {size} scatter around the true mean").format(**told)
        told["apart"] = number(abs(callers["bias"]), 2)
        if callers["high"] < 0:
            return _(
                "Random samples of {size} scatter around the truth, callers {apart} below"
            ).format(**told)
        if callers["low"] > 0:
            return _(
                "Random samples of {size} scatter around the truth, callers {apart} above"
            ).format(**told)
        return _("Samples of {size}, random or of callers, scatter around the truth").format(**told)

    def plot(self, ax: Axes | None = None) -> Axes:
        kinds = list(self.estimates)
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.85 * len(kinds) + 1.4))
        edges = _edges(self.estimates, self.size)
        axes.axvline(self.truth, color=charts.MUTED, linestyle="--", linewidth=1, zorder=3)
        for place, kind in zip(range(len(kinds))[::-1], kinds, strict=True):
            counts, _edges_again = np.histogram(self.estimates[kind], edges)
            colour = charts.ORANGE if kind == "call_centre" else charts.BLUE
            axes.bar(
                edges[:-1],
                0.8 * counts / counts.max(),
                np.diff(edges),
                bottom=place,
                align="edge",
                color=colour,
            )
        axes.set_yticks(np.arange(len(kinds))[::-1] + 0.3, [self._label(kind) for kind in kinds])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.05, len(kinds))
        axes.set_xlabel(_("Mean that a sample finds; dashed: true mean"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._from(), self._random()]
        if self._callers() is not None:
            parts.append(self._convenience())
        return "\n\n".join([*parts, *self._lacks(), self._left_out()])

    def alt(self) -> str:
        parts = [
            _("{kind} from {low} to {high}").format(
                kind=_names()[kind],
                low=number(self.estimates[kind].min(), 2),
                high=number(self.estimates[kind].max(), 2),
            )
            for kind in self.estimates
        ]
        return _("Histograms of the means found, the true mean at {truth}. {kinds}.").format(
            truth=number(self.truth, 2), kinds=_("; ").join(parts)
        )

    def _callers(self) -> pd.Series | None:
        found = self.table[self.table["sampling"] == "call_centre"]
        return None if found.empty else found.iloc[0]

    def _label(self, kind: str) -> str:
        row = self.table.set_index("sampling").loc[kind]
        return _("{kind}\n{coverage} of intervals hold it").format(
            kind=_names()[kind], coverage=percent(row["coverage"], 0)
        )

    def _from(self) -> str:
        told = {
            "answers": number(len(self.population)),
            "truth": number(self.truth, 2),
            "period": self.context.period(),
            "draws": number(self.draws),
            "size": number(self.size),
        }
        if self.simulated:
            return _(
                "The company is simulated, so it is known what every customer would have answered "
                "about the first order of each month: {answers} answers, {period}, mean {truth}. "
                "From them {draws} samples of {size} of each kind were drawn."
            ).format(**told)
        return _(
            "Nobody knows what those would have said who did not answer. The {answers} answers "
            "there are, {period}, stand for a population whose mean, {truth}, is known. From them "
            "{draws} samples of {size} of each kind were drawn."
        ).format(**told)

    def _random(self) -> str:
        table = self.table[self.table["sampling"] != "call_centre"]
        parts = [
            _(
                "{kind}: standard error {spread}, true mean inside {coverage} of the intervals"
            ).format(
                kind=_names()[row["sampling"]],
                spread=number(row["spread"], 3),
                coverage=percent(row["coverage"]),
            )
            for _index, row in table.iterrows()
        ]
        return _(
            "Samples drawn at random miss the truth now on this side, now on that; of their "
            "{confidence} intervals about as many as that should hold it. {kinds}."
        ).format(confidence=percent(self.confidence, 0), kinds=_("; ").join(parts))

    def _convenience(self) -> str:
        row: Any = self._callers()
        told = {
            "bias": number(abs(row["bias"]), 2),
            "coverage": percent(row["coverage"]),
            "width": number(row["width"], 2),
            "usual": number(self.table["width"].iloc[0], 2),
            "confidence": percent(self.confidence, 0),
        }
        if row["low"] <= 0 <= row["high"]:
            return _(
                "Of samples of callers no bias can be seen here; {coverage} of their intervals "
                "hold the true mean. A sample itself cannot say so: one has to know the truth."
            ).format(**told)
        side = (
            _("Samples of callers lie {bias} below the truth on average.")
            if row["bias"] < 0
            else _("Samples of callers lie {bias} above the truth on average.")
        )
        blind = _(
            "Their intervals are {width} long, those of random samples {usual}, and nothing in "
            "them shows the bias; {coverage} of them hold the true mean, where {confidence} "
            "should. More answers would make them shorter around the same wrong value."
        )
        return " ".join([side.format(**told), blind.format(**told), *self._parts()])

    def _parts(self) -> list[str]:
        if not self.simulated:
            return []
        return [
            _(
                "As a whole, callers lie {whole} from the truth: {who} because others call than "
                "are asked at random, {moment} because they are asked when they call."
            ).format(
                whole=_signed(self.who + self.moment),
                who=_signed(self.who),
                moment=_signed(self.moment),
            )
        ]

    def _lacks(self) -> list[str]:
        said = {
            "strata": _("The tiers of customers are not known, so no stratified sample was drawn."),
            "calls": _(
                "It is not known who called before answering, so no sample of callers was drawn."
            ),
            "few": _(
                "Fewer callers answered than a sample takes, so no sample of callers was drawn."
            ),
        }
        return [said[one] for one in self.lacking]

    def _left_out(self) -> str:
        return left_out_words(self.left_out, self.part)

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Mean that a sample finds, less the mean of the population"),
            denominator=(
                _("What every customer would have answered about the first order of a month")
                if self.simulated
                else _("Answers to overall satisfaction")
            ),
            period=self.context.period(),
            method=_(
                "{draws} samples of {size} without replacement of each kind; strata are the tiers; "
                "{confidence} t intervals with the finite-population correction, Cochran (1977), "
                "chapters 2 and 5, for callers as if they were drawn at random. Low and high: bias "
                "± 1.96 simulation errors."
            ).format(
                draws=number(self.draws),
                size=number(self.size),
                confidence=percent(self.confidence, 0),
            ),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"surveys": ["response_id", "overall"]})
def compare_samples(
    crm: Workspace,
    *,
    size: int = 200,
    draws: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Samples:
    """How far samples miss the truth: drawn at random, in strata, or of those who happen to call.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, overall. With customers: tier there are stratified samples, and
        with contacts: customer_id, channel, contacted_at samples of callers.
    size : int
        Answers of a sample.
    draws : int
        Samples of each kind.
    confidence : float
    seed : int
        The same seed, the same samples.

    Returns
    -------
    Samples
        `.table` has a row per kind of sample (random, proportional, neyman, call_centre):
        sampling, mean (of the means found), bias (less the true mean), low, high (of the bias: its
        simulation error), spread (standard deviation of the means found), rmse (root mean square
        error), coverage (share of intervals that hold the true mean), coverage_low, coverage_high
        (simulation error, Wilson), width (mean length of the intervals).

    Raises
    ------
    MissingColumns
        If the columns are not there.
    NotEnoughData
        If there are not at least twice as many answers as a sample takes.

    Notes
    -----
    The population of the simulated company is what every external customer would have answered
    about the first order of each month that arrived by the 18th (`known_truth`); of real data it is
    all who answered in the modes of `responses`, where callers are those who telephoned on an
    earlier day than they answered. The unit that is drawn is an answer, of which one customer may
    have given several.

    Samples without replacement: how often each answer is in one follows the multivariate
    hypergeometric distribution, which is drawn from. Neyman's allocation knows the true standard
    deviations, as nobody does in practice: it shows the most that is to be gained.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., chapters 2 and 5. Kish, L. (1965), Survey
    Sampling, section 13.1, on bias and root mean square error.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> surveys = pd.DataFrame({"response_id": range(400), "overall": [1, 2, 3, 4, 5] * 80})
    >>> surveys["response_id"] = surveys["response_id"].astype(str)
    >>> found = compare_samples(from_frames({"surveys": surveys}), size=50, draws=2000)
    >>> found.truth, found.lacking
    (3.0, ('strata', 'calls'))
    >>> found.table[["spread", "coverage"]].round(2).to_numpy().tolist()
    [[0.19, 0.95]]
    """
    check_confidence(confidence)
    everyone = _population(crm)
    frame = everyone.frame
    _check_size(size, draws, len(frame))
    truth = float(frame["answer"].mean())
    callers = frame[frame["calls"].astype(bool)]
    random = np.random.default_rng(seed)
    drawn, lacking = _drawn(random, everyone, callers, size, draws, confidence)
    kinds = {kind: _summary(found, truth) for kind, found in drawn.items()}
    return Samples(
        pd.DataFrame([{"sampling": kind} | row for kind, row in kinds.items()]),
        Context.of(crm),
        frame,
        truth,
        pd.DataFrame({kind: found.means for kind, found in drawn.items()}),
        everyone.simulated,
        float(callers["answer"].mean() - truth),
        float((callers["said"] - callers["answer"]).mean()),
        tuple(lacking),
        size,
        draws,
        everyone.left_out,
        everyone.part,
        confidence,
    )


def _check_size(size: int, draws: int, answers: int) -> None:
    if size < 2 or draws < 2:
        raise CrmlabError(
            _("size and draws are at least 2; they are {size} and {draws}.").format(
                size=size, draws=draws
            )
        )
    if answers < LARGER * size:
        raise NotEnoughData(
            _(
                "Samples of {size} are drawn from at least twice as many answers; there are "
                "{answers}. Choose a smaller size."
            ).format(size=number(size), answers=number(answers))
        )


# --- the population -----------------------------------------------------------------------------


def _population(crm: Workspace) -> Population:
    return _answered(crm) if crm.simulated is None else _simulated(crm)


def _simulated(crm: Workspace) -> Population:
    truth = known_truth(crm)
    able = truth[truth["eligible"]]
    frame = pd.DataFrame(
        {
            "customer_id": able["customer_id"],
            "answer": able["answer"],
            "stratum": able["tier"],
            "calls": able["called"],
            "said": able["answer_called"],
        }
    ).reset_index(drop=True)
    late = Exclusion.of_orders(
        _("of an internal customer, or arrived after the 18th, too late for the month's survey"),
        len(truth) - len(able),
    )
    return Population(frame, True, False, False, (late,) if late.count else ())


def _answered(crm: Workspace) -> Population:
    found = responses(crm)
    frame = found.frame[found.frame["overall"].notna()]
    tier = frame["response_id"].map(facts(crm)["tier"])
    nowhere = tier.isna() if tier.notna().any() else pd.Series(False, frame.index)
    calls = _called_before(crm, frame)
    together = pd.DataFrame(
        {
            "customer_id": frame["customer_id"],
            "answer": frame["overall"].astype(float),
            "stratum": tier,
            "calls": False if calls is None else calls,
            "said": frame["overall"].astype(float),
        }
    )[~nowhere].reset_index(drop=True)
    left_out = (*found.exclusions(), *unused(found.frame, together))
    return Population(together, False, not tier.notna().any(), calls is None, left_out, found.part)


def _called_before(crm: Workspace, frame: pd.DataFrame) -> pd.Series | None:
    """Whether the customer had telephoned on an earlier day; None where it cannot be known."""
    needed = {"contacts": ["customer_id", "channel", "contacted_at"]}
    needed["surveys"] = ["customer_id", "answered_at"]
    if crm.missing(needed):
        return None
    contacts = crm.query("contacts_summary")
    inbound = contacts["direction"].isna() | (contacts["direction"] == "inbound")
    calls = contacts[inbound & (contacts["channel"] == "phone")]
    days = calls.groupby("customer_id")["first_day"].min()
    first = days.reindex(frame["customer_id"]).to_numpy("datetime64[us]")
    answered = frame["answered_at"].dt.normalize().to_numpy("datetime64[us]")
    return pd.Series(first < answered, frame.index)


# --- drawing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Drawn:
    """The mean of each draw and the ends of its interval."""

    means: Array
    low: Array
    high: Array


def _drawn(
    random: np.random.Generator,
    everyone: Population,
    callers: pd.DataFrame,
    size: int,
    draws: int,
    confidence: float,
) -> tuple[dict[str, _Drawn], list[str]]:
    """Samples of each kind that can be drawn, and what lacks for the others."""
    frame, lacking = everyone.frame, []
    whole = [frame["answer"].to_numpy(float)]
    drawn = {"random": _draw(random, whole, [size], draws, confidence)}
    if everyone.lacks_strata:
        lacking.append("strata")
    else:
        drawn |= _stratified(random, frame, size, draws, confidence)
    if everyone.lacks_calls or len(callers) < size:
        lacking.append("calls" if everyone.lacks_calls else "few")
    else:
        said = [callers["said"].to_numpy(float)]
        drawn["call_centre"] = _draw(random, said, [size], draws, confidence, among=len(frame))
    return drawn, lacking


def _stratified(
    random: np.random.Generator, frame: pd.DataFrame, size: int, draws: int, confidence: float
) -> dict[str, _Drawn]:
    parts = [part["answer"].to_numpy(float) for _stratum, part in frame.groupby("stratum")]
    strata = pd.DataFrame(
        {
            "customers": [len(part) for part in parts],
            "spread": [part.std(ddof=1) if len(part) > 1 else 0.0 for part in parts],
        }
    )
    found = {}
    for method in METHODS:
        sizes = allocate(strata, size, method=method)["sample"].tolist()
        found[method] = _draw(random, parts, sizes, draws, confidence)
    return found


def _draw(
    random: np.random.Generator,
    strata: list[Array],
    sizes: list[int],
    draws: int,
    confidence: float,
    *,
    among: int = 0,
) -> _Drawn:
    """Draw from each stratum without replacement, and estimate the mean of all with its interval.

    `among` is the population that a sample is taken to be of, where that is another one.
    """
    from scipy.stats import t

    total = sum(len(answers) for answers in strata)
    means, variance = np.zeros(draws), np.zeros(draws)
    for answers, size in zip(strata, sizes, strict=True):
        mean, square = _moments(random, answers, size, draws)
        share, left = len(answers) / total, 1 - size / (among or len(answers))
        means += share * mean
        variance += share**2 * square / size * left
    # A stratum of one answer is asked as a whole and spends no degree of freedom.
    freedom = sum(size - 1 for size in sizes)
    reach = float(t.ppf((1 + confidence) / 2, max(freedom, 1))) * np.sqrt(variance)
    return _Drawn(means, means - reach, means + reach)


def _moments(
    random: np.random.Generator, answers: Array, size: int, draws: int
) -> tuple[Array, Array]:
    """Mean and variance of each of many samples without replacement."""
    values, counts = np.unique(answers, return_counts=True)
    times = random.multivariate_hypergeometric(counts, size, size=draws, method="marginals")
    means = times @ values / size
    squares = times @ values**2 - size * means**2
    return means, np.maximum(squares, 0) / max(size - 1, 1)


def _summary(drawn: _Drawn, truth: float) -> dict[str, float]:
    misses = drawn.means - truth
    held = (drawn.low <= truth) & (truth <= drawn.high)
    spread, bias = misses.std(ddof=1), misses.mean()
    error = 1.96 * spread / np.sqrt(len(misses))
    coverage = wilson(held.sum(), len(held))
    return {
        "mean": float(drawn.means.mean()),
        "bias": float(bias),
        "low": float(bias - error),
        "high": float(bias + error),
        "spread": float(spread),
        "rmse": float(np.sqrt(np.mean(misses**2))),
        "coverage": float(held.mean()),
        "coverage_low": float(coverage.low),
        "coverage_high": float(coverage.high),
        "width": float((drawn.high - drawn.low).mean()),
    }


# --- words and picture --------------------------------------------------------------------------


def _names() -> dict[str, str]:
    return {
        "random": _("Simple random"),
        "proportional": _("Stratified, in proportion"),
        "neyman": _("Stratified, Neyman's rule"),
        "call_centre": _("Callers"),
    }


def _signed(value: float) -> str:
    said = number(value, 2)
    return said if value < 0 else f"+{said}"


def _edges(estimates: pd.DataFrame, size: int) -> Array:
    """Bins for all kinds, of whole steps of what a mean can be, so that none must stay empty."""
    low, high = estimates.min().min(), estimates.max().max()
    step = max(1, int(np.ceil((high - low) / BINS * size))) / size
    return np.arange(low - step / 2, high + 1.5 * step, step)
