"""The right estimator for each known effect of the simulated company, from its tables alone.

`recover` gives, for every effect that is a parameter, the estimate, its standard error, the 95 %
interval and the known value. Effects marked ``structural`` in effects.toml hold exactly and are
checked in test_simulate.py. The estimators follow the equations in the docstrings of
crmlab.data.simulate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import optimize, special, stats

from crmlab.data.simulate import calendar, effects, instrument, names, texts
from crmlab.data.simulate.contacts import INCIDENT_DAYS, OUT_CHANNELS, REPLIES, recent_contacts
from crmlab.data.simulate.customers import SOUTHWEST, TARIFF_DAY, TARIFF_REGIONS
from crmlab.data.simulate.demand import OFFERS
from crmlab.data.simulate.orders import FAULT_DAYS, FAULT_ROUTE
from crmlab.data.simulate.surveys import FOLLOWED_UP

Z = 1.959964
SOUTHWEST_NAME = names.REGIONS[SOUTHWEST]
TARIFF_NAMES = [names.REGIONS[code] for code in TARIFF_REGIONS]
FAULT_NAME = names.ROUTES[FAULT_ROUTE]
SUGGESTION = "suggestion"


@dataclass(frozen=True)
class Estimate:
    """An estimate with its standard error and 95 % interval."""

    value: float
    se: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, se: float, df: float = np.inf) -> Estimate:
        """With a symmetrical interval."""
        half = (Z if np.isinf(df) else stats.t.ppf(0.975, df)) * se
        return cls(float(value), float(se), float(value - half), float(value + half))

    @classmethod
    def log(cls, log_value: float, se: float, df: float = np.inf) -> Estimate:
        """Of a positive number, from its logarithm and the standard error of that."""
        on_log = cls.normal(log_value, se, df)
        value = np.exp(log_value)
        return cls(
            float(value), float(value * se), float(np.exp(on_log.low)), float(np.exp(on_log.high))
        )


Estimates = dict[str, Estimate]


# --- the company as an analyst arranges it ------------------------------------------------------


def minutes(times: pd.Series) -> pd.Series:
    """Minutes since the start of 2024."""
    return (times - pd.Timestamp(calendar.FIRST)) / pd.Timedelta(minutes=1)


def month_of(times: pd.Series) -> pd.Series:
    """Month, 0 for January 2024."""
    return (times.dt.year - 2024) * 12 + times.dt.month - 1


def before_end(times: pd.Series, days: int) -> pd.Series:
    """Times at least so many days before the end of the last day."""
    return times < pd.Timestamp("2026-01-01") - pd.Timedelta(days=days)


class Arranged:
    """The tables joined in the ways that several estimators need."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self.tables = tables
        self.customers = tables["customers"].set_index("customer_id", drop=False)
        self.position = pd.Series(np.arange(len(self.customers)), index=self.customers.index)

    def of_customer(self, ids: pd.Series, columns: list[str]) -> pd.DataFrame:
        """Columns of the customers, row by row."""
        return self.customers.loc[ids, columns].reset_index(drop=True)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Orders without refunds, with what is known of the customer and of complaints."""
        orders = self.tables["orders"]
        orders = orders[orders["amount"] > 0].reset_index(drop=True)
        who = ["tier", "customer_type", "account_manager"]
        orders = pd.concat([orders, self.of_customer(orders["customer_id"], who)], axis=1)
        orders["month"] = month_of(orders["ordered_at"])
        orders["row"] = self.position[orders["customer_id"]].to_numpy()
        orders["late"] = ~orders["on_time"]
        orders["wrong"] = ~orders["documents_ok"]
        orders["short"] = orders["quantity_delivered"] < orders["quantity_ordered"]
        for name in ("late", "damaged", "wrong", "short"):
            orders[name] = orders[name].fillna(False).astype(float)
        orders["incident"] = orders[["late", "damaged", "wrong", "short"]].max(axis=1)
        return orders.merge(self._grave, "left", "order_id").fillna(
            {"complained": 0.0, "quick": 0.0, "about_documents": 0.0}
        )

    @cached_property
    def _grave(self) -> pd.DataFrame:
        rows = self.complaints[self.complaints["kind"] != SUGGESTION]
        made = rows[["order_id", "quick"]].assign(complained=1.0)
        made["about_documents"] = (rows["cause"] == "documents").astype(float)
        return made

    @cached_property
    def complaints(self) -> pd.DataFrame:
        """Complaints with the customer's tier and whether the first answer came within 4 hours."""
        made = self.tables["complaints"]
        tier = self.of_customer(made["customer_id"], ["tier", "customer_type"])
        made = pd.concat([made, tier], axis=1)
        wait = minutes(made["first_response_at"]) - minutes(made["opened_at"])
        made["quick"] = (wait <= 240).astype(float)
        made["step"] = made["severity"].map({"low": 0.0, "medium": 1.0, "high": 2.0})
        return made

    @cached_property
    def placed(self) -> np.ndarray:
        """Orders by customer and month."""
        return self._counts(self.orders)

    @cached_property
    def again(self) -> np.ndarray:
        """The same without the first order, on the day of acquisition."""
        won = self.customers["acquired_on"].to_numpy()[self.orders["row"]]
        first = self.orders["ordered_at"].dt.normalize().to_numpy() == won
        first &= ~self.orders.assign(first=first).duplicated(["row", "first"]).to_numpy()
        return self._counts(self.orders[~first])

    def _counts(self, orders: pd.DataFrame) -> np.ndarray:
        made = np.zeros((len(self.customers), calendar.MONTHS))
        np.add.at(made, (orders["row"].to_numpy(), orders["month"].to_numpy()), 1)
        return made

    @cached_property
    def later(self) -> np.ndarray:
        """Orders in the two months after each month, by customer; the last two months have none."""
        made = np.full(self.again.shape, np.nan)
        made[:, :-2] = self.again[:, 1:-1] + self.again[:, 2:]
        return made

    @cached_property
    def remembered(self) -> np.ndarray:
        """Log rate effects of the two months before, by customer and month, as estimated.

        Customers who order much have more that goes wrong; left out, they would seem more alike.
        """
        found = iceberg(self) | followed_orders(self)
        effect = np.zeros(self.placed.shape)
        orders = self.orders
        at = (orders["row"].to_numpy(), orders["month"].to_numpy())
        silent = ((orders["incident"] > 0) & (orders["complained"] == 0)).to_numpy()
        effect[at[0][silent], at[1][silent]] = found["silent_orders"].value
        first = orders[orders["complained"] > 0].drop_duplicates(["row", "month"])
        after = found["complaint_orders"].value + found["quick_orders"].value * first["quick"]
        effect[first["row"], first["month"]] = after
        asked = self.first_questions
        effect[asked["row"], asked["month"]] += found["followup_orders"].value * asked["in_time"]
        made = np.zeros(effect.shape)
        made[:, 1:] += effect[:, :-1]
        made[:, 2:] += effect[:, :-2]
        return made

    @cached_property
    def first_questions(self) -> pd.DataFrame:
        """The first question of each customer and month."""
        made = self.questions.sort_values("contacted_at", kind="stable")
        made = made.assign(
            row=self.position[made["customer_id"]].to_numpy(), month=month_of(made["contacted_at"])
        )
        return made.drop_duplicates(["row", "month"])

    def months(self, rows: np.ndarray, month: np.ndarray) -> pd.DataFrame:
        """Customer-months: orders in the two months after, and what explains how many."""
        made = self.customers.iloc[rows][["tier", "customer_type", "region"]].reset_index(drop=True)
        made["row"], made["month"] = rows, month
        made["later"] = self.later[rows, month]
        past = np.cumsum(self.placed, axis=1)[rows, month]
        made["log_now"], made["log_past"] = np.log1p(self.placed[rows, month]), np.log1p(past)
        changed = made["region"].isin(TARIFF_NAMES).to_numpy() & (month >= 14)
        made["tariff"] = np.where(changed, made["customer_type"], "none")
        return made[made["later"].notna()].reset_index(drop=True)

    @cached_property
    def questions(self) -> pd.DataFrame:
        """Questions of customers, with whether they were answered within 7 days."""
        made = self.tables["contacts"]
        asked = made["purpose"].isin(["inquiry", "service"]) & (made["channel"] != "social")
        made = made[asked].reset_index(drop=True)
        made["hours"] = (minutes(made["responded_at"]) - minutes(made["contacted_at"])) / 60
        made["in_time"] = (made["hours"] <= 168).astype(float)
        made["phone"] = (made["channel"] == "phone").astype(float)
        return made

    @cached_property
    def answered(self) -> pd.DataFrame:
        """Answered questionnaires with the order asked about.

        `share` weighs those telephoned for the others who did not answer either.
        """
        made = self.tables["surveys"]
        made = made[made["answered_at"].notna()].reset_index(drop=True)
        orders = self.orders.drop(columns=["customer_id"])
        made = made.drop(columns="tier", errors="ignore").merge(orders, "left", "order_id")
        checked = self.tables["contacts"].loc[
            lambda c: c["purpose"] == "delivery_check", "order_id"
        ]
        made["checked"] = made["order_id"].isin(checked).astype(float)
        made["recovered"] = made["quick"] * made["complained"]
        staff = self.tables["staff"].set_index("staff_id")["satisfaction"]
        made["manager"] = staff.loc[made["account_manager"]].to_numpy()
        made["share"] = np.where(made["mode"] == "follow_up", float(FOLLOWED_UP), 1.0)
        made["post"] = (made["month"] >= 12).astype(float)
        made["changed"] = made["post"] * (made["region"] == SOUTHWEST_NAME)
        made["called"] = (made["mode"] == "call_centre").astype(float)
        made["overall"] = made["overall"].astype(float)
        return made

    @cached_property
    def wide(self) -> pd.DataFrame:
        """Answers with a column for each (aspect, item)."""
        return self.tables["answers"].pivot_table(
            values="value", index="response_id", columns=["aspect", "item"]
        )


# --- small estimators ---------------------------------------------------------------------------


def columns(frame: pd.DataFrame, numeric: list[str], dummies: list[str]) -> pd.DataFrame:
    """Design matrix: a constant, numbers as they are, categories without their first value."""
    made = [pd.DataFrame({"const": 1.0}, index=frame.index), frame[numeric].astype(float)]
    for name in dummies:
        made.append(pd.get_dummies(frame[name], prefix=name, dtype=float).iloc[:, 1:])
    design = pd.concat(made, axis=1)
    varies = design.max() > design.min()
    return design.loc[:, varies | (design.columns == "const")]


LINKS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "poisson": (np.exp, lambda mean: mean),
    "logit": (special.expit, lambda mean: mean * (1 - mean)),
    "linear": (lambda score: score, np.ones_like),
}


def fitted(
    family: str,
    y: pd.Series | np.ndarray,
    design: pd.DataFrame,
    groups: pd.Series,
    weights: np.ndarray | None = None,
) -> Callable[[str], Estimate]:
    """A generalised linear model with canonical link and customer-robust intervals, by name.

    Newton's method; test_recovery.py holds it against statsmodels' GLM.
    """
    mean_of, variance_of = LINKS[family]
    x, observed = design.to_numpy(), np.asarray(y, float)
    w = np.ones(len(x)) if weights is None else weights
    parameters = np.zeros(x.shape[1])
    if family == "poisson":
        parameters[0] = np.log(np.average(observed, weights=w))
    for _round in range(50):
        mean = mean_of(x @ parameters)
        information = x.T @ (x * (w * variance_of(mean))[:, None])
        step = np.linalg.solve(information, x.T @ (w * (observed - mean)))
        parameters = parameters + step
        if np.max(np.abs(step)) < 1e-9:
            break
    mean = mean_of(x @ parameters)
    root = x * np.sqrt(w * variance_of(mean))[:, None]
    covariance, df = jackknife(root[:, None, :], x * (w * (observed - mean))[:, None], groups)
    at = {name: position for position, name in enumerate(design.columns)}

    def coefficient(name: str) -> Estimate:
        return Estimate.normal(parameters[at[name]], np.sqrt(covariance[at[name], at[name]]), df)

    return coefficient


def ordered(
    y: pd.Series,
    design: pd.DataFrame,
    groups: pd.Series,
    weights: pd.Series | None = None,
    *,
    probit: bool = False,
) -> Callable[[str], Estimate]:
    """Weighted ordered logit or probit with customer-robust intervals.

    statsmodels' OrderedModel takes no weights; without weights the two agree (test_recovery.py).
    """
    x = design.drop(columns="const", errors="ignore").to_numpy()
    codes, levels = pd.factorize(y, sort=True)
    w = np.ones(len(codes)) if weights is None else weights.to_numpy()
    cuts = len(levels) - 1
    start = _first_cuts(codes, w, cuts, probit)
    parameters = np.concatenate([np.zeros(x.shape[1]), start])
    for _round in range(50):
        scores, roots = _ordered_scores(parameters, x, codes, cuts, probit)
        flat = (np.sqrt(w)[:, None, None] * roots).reshape(-1, len(parameters))
        step = np.linalg.solve(flat.T @ flat, w @ scores)
        parameters = parameters + step
        if np.max(np.abs(step)) < 1e-9:
            break
    scores, roots = _ordered_scores(parameters, x, codes, cuts, probit)
    roots = np.sqrt(w)[:, None, None] * roots
    covariance, df = jackknife(roots, w[:, None] * scores, groups)
    names_ = [name for name in design.columns if name != "const"]

    def coefficient(name: str) -> Estimate:
        at = names_.index(name)
        return Estimate.normal(parameters[at], np.sqrt(covariance[at, at]), df)

    return coefficient


def _first_cuts(codes: np.ndarray, w: np.ndarray, cuts: int, probit: bool) -> np.ndarray:
    shares = np.cumsum(np.bincount(codes, w, cuts + 1) / w.sum())[:-1]
    return stats.norm.ppf(shares) if probit else np.log(shares / (1 - shares))


def _ordered_scores(
    parameters: np.ndarray, x: np.ndarray, codes: np.ndarray, cuts: int, probit: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each row, and roots R (rows × levels × parameters): information is Σ R'R."""
    law = stats.norm if probit else stats.logistic
    beta, tau = parameters[: x.shape[1]], parameters[x.shape[1] :]
    edges = np.concatenate([[-np.inf], tau, [np.inf]])
    at = edges[None, :] - (x @ beta)[:, None]
    cumulative, density = law.cdf(at), law.pdf(np.where(np.isinf(at), 0, at))
    density[:, [0, -1]] = 0
    chance = np.maximum(np.diff(cumulative, axis=1), 1e-300)
    rows = np.arange(len(codes))
    own = chance[rows, codes]
    upper = density[rows, codes + 1] / own
    lower = density[rows, codes] / own
    to_tau = np.zeros((len(codes), cuts))
    last = codes < cuts
    to_tau[rows[last], codes[last]] += upper[last]
    to_tau[rows[~last | (codes > 0)], codes[~last | (codes > 0)] - 1] -= lower[~last | (codes > 0)]
    scores = np.hstack([-(upper - lower)[:, None] * x, to_tau])

    roots = np.zeros((len(codes), cuts + 1, x.shape[1] + cuts))
    for level in range(cuts + 1):
        step = density[:, level + 1] - density[:, level]
        roots[:, level, : x.shape[1]] = -step[:, None] * x
        if level < cuts:
            roots[:, level, x.shape[1] + level] += density[:, level + 1]
        if level > 0:
            roots[:, level, x.shape[1] + level - 1] -= density[:, level]
        roots[:, level] /= np.sqrt(chance[:, level])[:, None]
    return scores, roots


def jackknife(
    roots: np.ndarray, scores: np.ndarray, groups: pd.Series | np.ndarray
) -> tuple[np.ndarray, int]:
    """Covariance by leaving out one customer at a time, each by one Newton step (CR3).

    The plain cluster-robust covariance is too small where a few customers hold most of the data.
    `roots` (rows × any × parameters) are such that the information is the sum of R'R.
    """
    codes, unique = pd.factorize(np.asarray(groups))
    many = len(unique)
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    sums = np.stack([part.sum(axis=0) for part in np.split(scores[order], edges)])
    flat = [part.reshape(-1, scores.shape[1]) for part in np.split(roots[order], edges)]
    own = np.stack([part.T @ part for part in flat])
    without = own.sum(axis=0) - own
    try:
        moved = np.linalg.solve(without, sums[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:  # a customer who alone holds a category cannot be left out
        moved = (np.linalg.pinv(without, hermitian=True) @ sums[:, :, None])[:, :, 0]
    return (many - 1) / many * moved.T @ moved, many - 1


def sandwich(bread: np.ndarray, scores: np.ndarray, groups: pd.Series) -> tuple[np.ndarray, int]:
    """Cluster-robust covariance with the usual small-sample factor, and its degrees of freedom."""
    codes, unique = pd.factorize(np.asarray(groups))
    sums = np.zeros((len(unique), scores.shape[1]))
    np.add.at(sums, codes, scores)
    n, many = len(scores), len(unique)
    factor = many / (many - 1) * (n - 1) / (n - scores.shape[1])
    return factor * bread @ (sums.T @ sums) @ bread, many - 1


def proportion(hits: float, trials: float) -> Estimate:
    """A proportion with Wilson's interval."""
    share = hits / trials
    centre = (hits + Z**2 / 2) / (trials + Z**2)
    half = Z * np.sqrt(share * (1 - share) * trials + Z**2 / 4) / (trials + Z**2)
    se = np.sqrt(max(share * (1 - share), 1 / trials**2) / trials)
    return Estimate(share, se, centre - half, centre + half)


def of(flags: pd.Series) -> Estimate:
    """Proportion of rows that are true."""
    return proportion(float(flags.sum()), len(flags))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two proportions with Newcombe's interval."""
    value = first.value - second.value
    low = value - np.hypot(first.value - first.low, second.high - second.value)
    high = value + np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, float(np.hypot(first.se, second.se)), low, high)


def mean_log(values: pd.Series) -> Estimate:
    """Median of a lognormal variable."""
    logs = np.log(values.to_numpy(dtype=float))
    return Estimate.log(logs.mean(), logs.std(ddof=1) / np.sqrt(len(logs)), len(logs) - 1)


def scaled(estimate: Estimate, by: float) -> Estimate:
    """The estimate times a positive number."""
    return Estimate(estimate.value * by, estimate.se * by, estimate.low * by, estimate.high * by)


# --- chapter 1 ----------------------------------------------------------------------------------


def letter_test(a: Arranged) -> Estimates:
    contacts = a.tables["contacts"]
    letters = contacts[contacts["variant"].notna()].reset_index(drop=True)
    own = (
        a.of_customer(letters["customer_id"], ["customer_type"])["customer_type"] == "personalised"
    )
    replied, second = letters["responded_at"].notna(), letters["variant"] == "B"
    return {
        "letter_variant_personalised": difference(
            of(replied[own & second]), of(replied[own & ~second])
        ),
        "letter_variant_others": difference(
            of(replied[~own & second]), of(replied[~own & ~second])
        ),
    }


def replies(a: Arranged) -> Estimates:
    contacts = a.tables["contacts"]
    counted = (contacts["direction"] == "outbound") & contacts["contacted_at"].notna()
    at = minutes(contacts["contacted_at"]).fillna(0).to_numpy().astype(np.int64)
    rows = a.position[contacts["customer_id"]].to_numpy()
    n = np.minimum(recent_contacts(rows, at, counted.to_numpy()), 6)
    made = pd.DataFrame({"n": n, "n2": n**2, "row": rows}, index=contacts.index)
    made["tier"] = a.of_customer(contacts["customer_id"], ["tier"])["tier"]
    made["purpose"] = contacts["purpose"]
    made["replied"] = contacts["responded_at"].notna()
    kept = counted & contacts["purpose"].isin(REPLIES) & contacts["variant"].isna()
    kept &= contacts["channel"].isin(OUT_CHANNELS) & before_end(contacts["contacted_at"], 13)
    made["tone"] = contacts.loc[kept, "message"].map(texts.tone_of)
    made = made[kept]
    for name in ("phone", "wechat", "letter"):
        made[name] = (contacts.loc[kept, "channel"] == name).astype(float)
    for name in texts.TONES:
        made[name] = (made["tone"] == name).astype(float)
    numeric = ["n", "n2", "phone", "wechat", "letter", *texts.TONES]
    b = fitted("logit", made["replied"], columns(made, numeric, ["purpose", "tier"]), made["row"])
    found = {f"reply_{name}": b(name) for name in ("phone", "wechat", "letter")}
    found |= {f"wording_{name}": b(name) for name in texts.TONES}
    return found | {"over_contact_linear": b("n"), "over_contact_square": b("n2")}


def following_up(a: Arranged) -> Estimates:
    """Logit with a normal effect of each member of staff, by Gauss–Hermite quadrature."""
    q = a.questions[before_end(a.questions["contacted_at"], 7)]
    staff = a.tables["staff"].set_index("staff_id")["level"]
    cells = q.groupby(["staff_id", "phone"])["in_time"].agg(["sum", "size"]).reset_index()
    cells["junior"] = (staff.loc[cells["staff_id"]] == "junior").to_numpy().astype(float)
    code, who = pd.factorize(cells["staff_id"])
    x = np.column_stack([np.ones(len(cells)), cells["junior"], cells["phone"]])
    hits, trials = cells["sum"].to_numpy(), cells["size"].to_numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(25)

    def loss(p: np.ndarray) -> float:
        score = (x @ p[:3])[:, None] + np.exp(p[3]) * nodes
        log = hits[:, None] * score - trials[:, None] * np.logaddexp(0, score)
        total = np.zeros((len(who), len(nodes)))
        np.add.at(total, code, log)
        top = total.max(axis=1, keepdims=True)
        return -float(np.sum(top[:, 0] + np.log(np.exp(total - top) @ weights)))

    fit = optimize.minimize(loss, np.array([0.8, -0.5, 0.5, -0.7]), method="BFGS")
    covariance = np.linalg.inv(hessian(loss, fit.x))
    se = np.sqrt(np.diag(covariance))
    df = len(who) - 2
    correction = 0.5 * np.log(len(who) / df)
    return {
        "followup_junior": Estimate.normal(fit.x[1], se[1] * np.exp(correction), df),
        "followup_phone": Estimate.normal(fit.x[2], se[2]),
        "staff_spread": Estimate.log(fit.x[3] + correction, se[3], df),
    }


def hessian(f: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Second derivatives by central differences."""
    size = len(at)
    made = np.zeros((size, size))
    unit = np.eye(size) * step
    for i in range(size):
        for j in range(i, size):
            value = f(at + unit[i] + unit[j]) - f(at + unit[i] - unit[j])
            value += f(at - unit[i] - unit[j]) - f(at - unit[i] + unit[j])
            made[i, j] = made[j, i] = value / (4 * step**2)
    return made


def answering(a: Arranged) -> Estimates:
    q = a.questions
    quick = q[(q["in_time"] > 0) & before_end(q["contacted_at"], 7)]
    b = fitted(
        "linear", np.log(quick["hours"]), columns(quick, [], ["channel"]), quick["customer_id"]
    )
    slow = q[(q["in_time"] == 0) & before_end(q["contacted_at"], 26)]
    visits = a.tables["contacts"].loc[lambda c: c["planned_for"].notna()]
    visits = visits[before_end(visits["planned_for"], 6)]
    return {
        "answer_time_phone": b("channel_phone"),
        "never_answered": of(slow["responded_at"].isna()),
        "visits_made": of(visits["contacted_at"].notna()),
    }


def followed_orders(a: Arranged) -> Estimates:
    first = a.first_questions
    made = a.months(first["row"].to_numpy(), first["month"].to_numpy())
    made = made.merge(first[["row", "month", "in_time"]], on=["row", "month"])
    numeric = ["in_time", "log_now", "log_past"]
    b = fitted("poisson", made["later"], columns(made, numeric, ["tier", "month"]), made["row"])
    return {"followup_orders": b("in_time")}


def thanks_and_posts(a: Arranged) -> Estimates:
    orders = a.orders[before_end(a.orders["delivered_at"], 10)]
    contacts = a.tables["contacts"]
    thanked = orders["order_id"].isin(contacts.loc[contacts["purpose"] == "thanks", "order_id"])
    key, general = orders["tier"] == "key", orders["tier"] == "general"
    posts = contacts[contacts["channel"] == "social"]
    day = minutes(posts["contacted_at"]) // 1440
    month = (day >= INCIDENT_DAYS[0]) & (day <= INCIDENT_DAYS[1])
    bad = posts["message"].map(texts.is_negative)
    days = INCIDENT_DAYS[1] - INCIDENT_DAYS[0] + 1
    ratio = np.log((month.sum() / days) / ((~month).sum() / (calendar.DAYS - days)))
    se = np.sqrt(1 / month.sum() + 1 / (~month).sum())
    return {
        "thanks_coverage_key": difference(of(thanked[key]), of(thanked[general])),
        "social_incident_tone": difference(of(bad[month]), of(bad[~month])),
        "social_incident_volume": Estimate.normal(ratio, se),
    }


# --- chapter 2 ----------------------------------------------------------------------------------

SERVED = ["late", "damaged", "wrong", "short", "checked", "recovered", "post", "changed", "manager"]


def satisfaction(a: Arranged) -> Estimates:
    every = a.answered
    made = every[every["called"] == 0].reset_index(drop=True)
    design = columns(made, SERVED, ["tier", "region"])
    b = ordered(made["overall"], design, made["row"], made["share"])
    found = {
        "late_satisfaction": b("late"),
        "damage_satisfaction": b("damaged"),
        "documents_satisfaction": b("wrong"),
        "short_satisfaction": b("short"),
        "check_satisfaction": b("checked"),
        "recovered_satisfaction": b("recovered"),
        "service_change_satisfaction": b("changed"),
        "employee_satisfaction": b("manager"),
    }
    design = columns(every, [*SERVED, "called"], ["tier", "region"])
    b = ordered(every["overall"], design, every["row"], every["share"])
    return found | {"call_centre_satisfaction": b("called")}


def drivers(a: Arranged) -> Estimates:
    made = a.answered
    well = (made["incident"] == 0) & (made["complained"] == 0)
    made = made[(made["called"] == 0) & well].reset_index(drop=True)
    ratings = [f"lsq_{name}" for name in instrument.ATTRIBUTES]
    rated = a.wide["perception"].loc[made["response_id"], ratings].reset_index(drop=True)
    made[ratings] = (rated - instrument.RATING) / instrument.RATING_SPREAD
    served = ["checked", "post", "changed", "manager"]
    design = columns(made, [*ratings, *served], ["tier", "region"])
    b = ordered(made["overall"], design, made["row"], made["share"], probit=True)
    return {f"driver_{name}": b(f"lsq_{name}") for name in instrument.ATTRIBUTES}


def answering_surveys(a: Arranged) -> Estimates:
    made = a.answered
    drawn = made[made["called"] == 0].reset_index(drop=True)
    came = (drawn["mode"] == "sample").astype(float)
    b = fitted(
        "logit", came, columns(drawn, ["overall"], []), drawn["row"], drawn["share"].to_numpy()
    )
    recommend = ordered(made["recommend"], columns(made, ["overall"], []), made["row"])
    made = made.assign(
        low=(made["overall"] <= 2).astype(float),
        high=(made["overall"] == 5).astype(float),
        captive=(made["share_of_needs"] >= 0.9).astype(float),
    )
    design = columns(made, ["low", "high", "captive"], [])
    intention = ordered(made["repurchase_intention"], design, made["row"])
    each = made.groupby("row")["captive"].max()
    contacts = a.tables["contacts"]
    told = contacts[(contacts["purpose"] == "recovery") & contacts["complaint_id"].isna()]
    low = made[(made["overall"] <= 2) & before_end(made["answered_at"], 14)]
    return {
        "closed_loop": of(low["order_id"].isin(told["order_id"])),
        "nonresponse_satisfaction": b("overall"),
        "recommend_slope": recommend("overall"),
        "intention_low": intention("low"),
        "intention_high": intention("high"),
        "captive_share": of(each > 0),
    }


def on_time(a: Arranged) -> Estimates:
    orders = a.orders[before_end(a.orders["promised_at"], 17)].copy()
    orders["on_time"] = orders["on_time"].astype(float)
    orders["changed"] = ((orders["region"] == SOUTHWEST_NAME) & (orders["month"] >= 12)).astype(
        float
    )
    design = columns(orders, ["changed"], ["region", "month"])
    b = fitted("linear", orders["on_time"], design, orders["row"])
    return {"service_change_on_time": b("changed")}


def service_quality(a: Arranged) -> Estimates:
    made = a.answered[a.answered["called"] == 0].set_index("response_id")
    items = instrument.servqual_items()
    wide = a.wide.loc[a.wide["expectation"][items[0]].notna()]
    wide = wide.loc[wide.index.isin(made.index)]
    about = made.loc[wide.index]
    years, weight, who = about["month"] / 12, about["share"].to_numpy(), about["row"]
    perceived = wide["perception"][items].to_numpy()
    expected = wide["expectation"][items].to_numpy()
    time = pd.DataFrame({"const": 1.0, "years": years})
    dimension = np.repeat(np.arange(5), instrument.ITEMS_OF)
    found = {}
    for code, name in enumerate(instrument.DIMENSIONS):
        gap = (perceived - expected)[:, dimension == code].mean(axis=1)
        found[f"gap_{name}"] = fitted("linear", gap, time, who, weight)("const")
        points = wide["importance"][name]
        found[f"importance_{name}"] = fitted("linear", points, time[["const"]], who, weight)(
            "const"
        )
    found["expectation_trend"] = fitted("linear", expected.mean(axis=1), time, who, weight)("years")
    return found | _loadings(perceived, dimension, weight, who)


def _loadings(
    perceived: np.ndarray, dimension: np.ndarray, weight: np.ndarray, who: pd.Series
) -> Estimates:
    """Loadings from the mean covariance of two items of a dimension, by weighted moments."""
    centred = perceived - np.average(perceived, axis=0, weights=weight)
    sums = np.column_stack([centred[:, dimension == code].sum(axis=1) for code in range(5)])
    squares = np.column_stack([(centred[:, dimension == c] ** 2).sum(axis=1) for c in range(5)])
    many = np.array(instrument.ITEMS_OF)
    within = (sums**2 - squares) / (many * (many - 1))
    upper = np.triu_indices(5, 1)
    means = sums / many
    moments = np.column_stack([within, means[:, upper[0]] * means[:, upper[1]]])
    mean = np.average(moments, axis=0, weights=weight)
    scores = weight[:, None] * (moments - mean)
    covariance, df = sandwich(np.eye(len(mean)) / weight.sum(), scores, who)

    def correlation(m: np.ndarray) -> float:
        loading = np.sqrt(m[:5])
        return float(m[5:].sum() / (loading[upper[0]] * loading[upper[1]]).sum())

    found = {"factor_correlation": _of_moments(correlation, mean, covariance, df)}
    for code, name in enumerate(instrument.DIMENSIONS):
        log = 0.5 * np.log(mean[code])
        se = 0.5 * np.sqrt(covariance[code, code]) / mean[code]
        found[f"loading_{name}"] = Estimate.log(log, se, df)
    return found


def _of_moments(
    f: Callable[[np.ndarray], float], mean: np.ndarray, covariance: np.ndarray, df: int
) -> Estimate:
    gradient = optimize.approx_fprime(mean, f, 1e-6)
    return Estimate.normal(f(mean), np.sqrt(gradient @ covariance @ gradient), df)


def kano(a: Arranged) -> Estimates:
    found = {}
    for name, kind in zip(instrument.KANO, instrument.KANO_TYPE, strict=True):
        pair = a.wide[[("functional", f"kano_{name}"), ("dysfunctional", f"kano_{name}")]].dropna()
        likes = (pair.iloc[:, 0] == 1).to_numpy()
        minds = (pair.iloc[:, 1] == 5).to_numpy()
        here = np.select([likes & ~minds, likes & minds, ~likes & minds], [0, 1, 2], 3)
        found[f"kano_{name}"] = of(pd.Series(here == kind))
    return found


# --- chapter 3 ----------------------------------------------------------------------------------


def contracts(a: Arranged) -> Estimates:
    """Hazard and order rate of customers with a contract: they are seen to leave."""
    made = a.customers[a.customers["contract_from"].notna()]
    start = pd.Timestamp(calendar.FIRST)
    came = ((made["acquired_on"] - start).dt.days).clip(lower=0).to_numpy()
    went = ((made["contract_to"] - start).dt.days).to_numpy()
    left = (went < calendar.DAYS).astype(float)
    went = np.minimum(went + 0.5 * left, calendar.DAYS)
    made = made.assign(
        left=left, months=(went - came) * 12 / 365.25, referred=made["referred_by"].notna() * 1.0
    )
    made = made[made["months"] > 0]
    design = columns(made, ["referred"], ["tier"])
    fit = sm.GLM(
        made["left"], design, family=sm.families.Poisson(), offset=np.log(made["months"])
    ).fit()
    effect = fit.params["referred"]
    found = {"referral_churn": Estimate.normal(effect, fit.bse["referred"])}
    for tier in names.TIERS:
        rows = made[made["tier"] == tier]
        exposure = float((rows["months"] * np.exp(effect * rows["referred"])).sum())
        found[f"churn_{tier}"] = rate(float(rows["left"].sum()), exposure)
    return found | _heterogeneity(a, made.index, came, went)


def rate(events: float, exposure: float) -> Estimate:
    """A rate with the mid-P interval."""

    def tail(mean: float) -> float:
        return stats.poisson.cdf(events, mean) - 0.5 * stats.poisson.pmf(events, mean)

    high = optimize.brentq(lambda m: tail(m) - 0.025, 1e-9, 5 * events + 30)
    low = optimize.brentq(lambda m: tail(m) - 0.975, 1e-9, events + 1) if events else 0.0
    se = np.sqrt(max(events, 1.0)) / exposure
    return Estimate(events / exposure, se, low / exposure, high / exposure)


def _heterogeneity(a: Arranged, ids: pd.Index, came: np.ndarray, went: np.ndarray) -> Estimates:
    """Negative binomial counts: the gamma distribution's shape is 1 / α."""
    busy = calendar.day_weights()
    monthly = np.bincount(calendar.MONTH_OF_DAY, busy)
    daily = busy / monthly[calendar.MONTH_OF_DAY] * calendar.SEASON[calendar.MONTH_OF_DAY]
    cumulative = np.concatenate([[0], np.cumsum(daily)])
    days = np.arange(calendar.DAYS + 1)
    edges = calendar.MONTH_START
    low = np.clip(came[:, None], edges[:-1], edges[1:])
    high = np.clip(went[:, None], edges[:-1], edges[1:])
    present = np.interp(high, days, cumulative) - np.interp(low, days, cumulative)
    rows = a.position[ids].to_numpy()
    exposure = (present * np.exp(a.remembered[rows])).sum(axis=1)
    made = a.customers.loc[ids].reset_index(drop=True)
    counts = a.again[rows].sum(axis=1)
    changed = made["region"].isin(TARIFF_NAMES)
    made["tariff"] = np.where(changed, made["customer_type"], "none")
    design = columns(made, [], ["tier", "tariff"]).to_numpy()

    def loss(p: np.ndarray) -> float:
        mean, shape = exposure * np.exp(design @ p[:-1]), np.exp(p[-1])
        return -float(stats.nbinom.logpmf(counts, shape, shape / (shape + mean)).sum())

    start = np.concatenate([[0.0] * design.shape[1], [0.5]])
    fit = optimize.minimize(loss, start, method="BFGS")
    se = np.sqrt(np.linalg.inv(hessian(loss, fit.x))[-1, -1])
    return {"order_rate_shape": Estimate.log(fit.x[-1], se)}


def later_orders(a: Arranged) -> Estimates:
    """Zone of indifference: orders after the month asked about, customers not captive."""
    made = a.answered
    made = made[(made["called"] == 0) & (made["share_of_needs"] < 0.9)].reset_index(drop=True)
    months = a.months(made["row"].to_numpy(), made["month"].to_numpy())
    kept = made[made["month"] < calendar.MONTHS - 2].reset_index(drop=True)
    extra = [name for name in SERVED if name not in ("post", "changed")]
    months[[*extra, "changed", "incident", "complained"]] = kept[
        [*extra, "changed", "incident", "complained"]
    ]
    months["low"] = (kept["overall"] <= 2).astype(float)
    months["high"] = (kept["overall"] == 5).astype(float)
    numeric = ["low", "high", *extra, "changed", "complained", "log_now", "log_past"]
    design = columns(months, numeric, ["tier", "month", "region"])
    b = fitted("poisson", months["later"], design, months["row"])
    return {"satisfaction_low_orders": b("low"), "satisfaction_high_orders": b("high")}


def offers(a: Arranged) -> Estimates:
    """Intention to treat: orders in the month of the offer and after it, by the arm assigned."""
    made = a.tables["assignments"]
    month = made["campaign"].map(OFFERS).to_numpy()
    rows = a.position[made["customer_id"]].to_numpy()
    past = np.cumsum(a.placed, axis=1)[rows, month - 1]
    frame = pd.DataFrame({"row": rows, "month": month, "log_past": np.log1p(past)})
    recent = sum(a.placed[rows, month - back] for back in (1, 2, 3))
    frame["log_recent"] = np.log1p(recent)
    frame["tier"] = a.of_customer(made["customer_id"], ["tier"])["tier"]
    for arm in ("coupon", "points"):
        frame[arm] = (made["arm"] == arm).astype(float)
    design = columns(frame, ["coupon", "points", "log_past", "log_recent"], ["tier", "month"])
    found = {}
    for name, ahead in (("lift", 0), ("dip", 1)):
        b = fitted("poisson", a.again[rows, month + ahead], design, frame["row"])
        found |= {f"{arm}_{name}": b(arm) for arm in ("coupon", "points")}
    return found


def prices(a: Arranged, e: Mapping[str, float]) -> Estimates:
    """Half a year before the tariff change and half a year after, changed regions and others."""
    here = ~(a.customers["acquired_on"] >= pd.Timestamp("2024-10-01")).to_numpy()
    parts = []
    for post, months in ((0.0, slice(9, 15)), (1.0, slice(15, 21))):
        part = a.customers[["customer_type", "region", "tier"]].reset_index(drop=True)
        part["orders"] = a.again[:, months].sum(axis=1)
        part["post"], part["row"] = post, np.arange(len(part))
        parts.append(part[here])
    made = pd.concat(parts, ignore_index=True)
    changed = made["region"].isin(TARIFF_NAMES).astype(float)
    for kind in names.TYPES:
        own = (made["customer_type"] == kind).astype(float)
        made[f"post_{kind}"] = own * made["post"]
        made[f"changed_{kind}"] = own * changed
        made[f"effect_{kind}"] = own * changed * made["post"]
    numeric = [f"{word}_{kind}" for word in ("post", "changed", "effect") for kind in names.TYPES]
    design = columns(made, numeric, ["customer_type", "tier"])
    b = fitted("poisson", made["orders"], design, made["row"])
    by = 1 / np.log1p(e["tariff_change"])
    return {f"price_{kind}": scaled(b(f"effect_{kind}"), by) for kind in names.TYPES}


def price_point(a: Arranged) -> Estimates:
    prices_ = a.wide["price"].dropna()
    middle = np.sqrt(prices_["too_cheap"] * prices_["too_expensive"])
    return {"price_point": mean_log(middle)}


# --- chapter 4 ----------------------------------------------------------------------------------


def iceberg(a: Arranged) -> Estimates:
    """Who complains; and what those who do and those who do not order afterwards."""
    orders = a.orders
    wrong = orders[(orders["incident"] > 0) & before_end(orders["delivered_at"], 4)]
    found = {
        f"complain_{kind}": of(wrong.loc[wrong["customer_type"] == kind, "complained"])
        for kind in names.TYPES
    }
    alone = orders[a.placed[orders["row"], orders["month"]] == 1]
    alone = alone.assign(silent=alone["incident"] * (1 - alone["complained"]))
    made = a.months(alone["row"].to_numpy(), alone["month"].to_numpy())
    made = made.merge(alone[["row", "month", "silent", "complained", "quick"]], on=["row", "month"])
    design = columns(
        made,
        ["silent", "complained", "quick", "log_past"],
        ["tier", "customer_type", "region", "tariff", "month"],
    )
    b = fitted("poisson", made["later"], design, made["row"])
    return found | {
        "silent_orders": b("silent"),
        "complaint_orders": b("complained"),
        "quick_orders": _quick_orders(a),
    }


def _quick_orders(a: Arranged) -> Estimate:
    """Months with a complaint: the first was answered within 4 hours or not."""
    first = a.orders[a.orders["complained"] > 0].drop_duplicates(["row", "month"])
    made = a.months(first["row"].to_numpy(), first["month"].to_numpy())
    made = made.merge(first[["row", "month", "quick"]], on=["row", "month"])
    design = columns(made, ["quick", "log_now", "log_past"], ["tier", "month"])
    return fitted("poisson", made["later"], design, made["row"])("quick")


def handling(a: Arranged) -> Estimates:
    made = a.complaints
    asked = made[made["satisfaction_after"].notna()].reset_index(drop=True)
    asked["paid"] = (asked["compensation"] > 0).astype(float)
    asked["told"] = asked["told_of_improvement"].astype(float)
    design = columns(asked, ["quick", "paid", "step", "told"], [])
    after = asked["satisfaction_after"].astype(float)
    b = ordered(after, design, asked["customer_id"])
    first = made[made["first_contact_resolution"].notna()].reset_index(drop=True)
    trained = a.tables["staff"].set_index("staff_id")["trained_on"]
    first["trained"] = (trained.loc[first["owner"]].to_numpy() < first["opened_at"]).astype(float)
    settled = first["first_contact_resolution"].astype(float)
    f = fitted("logit", settled, columns(first, ["trained", "step"], []), first["customer_id"])
    known = made[before_end(made["opened_at"], 1)]
    key, general = known["tier"] == "key", known["tier"] == "general"
    return {
        "quick_recovery": b("quick"),
        "compensation_recovery": b("paid"),
        "severity_recovery": b("step"),
        "told_recovery": b("told"),
        "training_resolution": f("trained"),
        "fast_lane_key": difference(of(known.loc[key, "quick"]), of(known.loc[general, "quick"])),
    }


def stages(a: Arranged) -> Estimates:
    made = a.complaints
    made = made[before_end(made["opened_at"], 45)]
    slow = made[~made["first_contact_resolution"].astype(bool)]
    events = a.tables["complaint_events"]
    rounds = events[events["stage"] == "investigate"].groupby("complaint_id").size()
    rounds = rounds.reindex(slow["complaint_id"]).to_numpy()
    straight = slow[rounds == 1]
    spans = {
        "accept": ("first_response_at", "accepted_at"),
        "investigate": ("accepted_at", "investigated_at"),
        "negotiate": ("investigated_at", "negotiated_at"),
        "resolve": ("negotiated_at", "resolved_at"),
    }
    found = {
        f"hours_{stage}": scaled(mean_log(minutes(straight[b]) - minutes(straight[a_])), 1 / 60)
        for stage, (a_, b) in spans.items()
    }
    return found | {
        "rework": of(pd.Series(rounds > 1)),
        "reopened": of(made["reopened_at"].notna()),
    }


def faults(a: Arranged) -> Estimates:
    orders = a.orders[before_end(a.orders["promised_at"], 17)].copy()
    day = minutes(orders["ordered_at"]) // 1440
    during = (day >= FAULT_DAYS[0]) & (day <= FAULT_DAYS[1])
    orders["fault"] = ((orders["route"] == FAULT_NAME) & during).astype(float)
    about = np.zeros((len(a.customers), calendar.MONTHS), bool)
    complained = orders[orders["about_documents"] > 0]
    about[complained["row"], complained["month"]] = True
    row, month = orders["row"].to_numpy(), orders["month"].to_numpy()
    again = [(month >= back) & about[row, np.maximum(month - back, 0)] for back in (1, 2)]
    orders["again"] = (again[0] | again[1]).astype(float)
    b = fitted(
        "linear", orders["damaged"], columns(orders, ["fault"], ["service_line"]), orders["row"]
    )
    d = fitted("linear", orders["wrong"], columns(orders, ["again"], []), orders["row"])
    named = a.complaints["text"].map(texts.cause_named)
    told = named != ""
    return {
        "route_fault_damage": b("fault"),
        "repeat_documents": d("again"),
        "text_label_noise": of((named != a.complaints["cause"])[told]),
    }


# --- chapter 5 ----------------------------------------------------------------------------------


def order_values(a: Arranged, e: Mapping[str, float]) -> Estimates:
    """Customers' mean log price by tier in 2024, and how it moved in 2025."""
    orders = a.orders.copy()
    orders["log"] = np.log(orders["list_price"])
    changed = orders["region"].isin(TARIFF_NAMES)
    changed &= orders["ordered_at"] >= pd.Timestamp(calendar.FIRST) + pd.Timedelta(days=TARIFF_DAY)
    orders["log"] -= np.log1p(e["tariff_change"]) * changed
    orders["year"] = orders["month"] // 12
    of_line = orders["log"] - orders.groupby(["row", "year"])["log"].transform("mean")
    lines = columns(orders, [], ["service_line"])
    within = lines.drop(columns="const")
    within = within - within.groupby([orders["row"], orders["year"]]).transform("mean")
    slope = np.linalg.lstsq(within.to_numpy(), of_line.to_numpy(), rcond=None)[0]
    orders["log"] -= lines.drop(columns="const").to_numpy() @ slope
    cells = orders.pivot_table(
        values="log", index="row", columns="year", aggfunc=["mean", "size", "var"]
    )
    tier = a.customers["tier"].to_numpy()[cells.index]
    first = {name: cells["mean"][0][tier == name].dropna() for name in names.TIERS}
    found = {
        f"order_value_{name}": _welch(first[name], first["general"])
        for name in ("potential", "key")
    }
    freedom = cells["size"] - 1
    noise = float((cells["var"] * freedom).sum().sum() / freedom.sum().sum())
    both = cells["mean"].notna().all(axis=1)
    moved = (cells["mean"][1] - cells["mean"][0])[both].to_numpy()
    spread = np.sqrt(noise * (1 / cells["size"][0] + 1 / cells["size"][1]))[both].to_numpy()
    general = tier[both.to_numpy()] == "general"
    found["migration_up"] = _moved_share(moved[general], spread[general])
    found["migration_down"] = _moved_share(-moved[~general], spread[~general])
    return found


def _welch(first: pd.Series, second: pd.Series) -> Estimate:
    parts = [values.var() / len(values) for values in (first, second)]
    total = sum(parts)
    df = total**2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (first, second), strict=True))
    return Estimate.normal(first.mean() - second.mean(), np.sqrt(total), df)


def _moved_share(moved: np.ndarray, spread: np.ndarray) -> Estimate:
    """Share of a mixture that moved by one, the others by nothing; normal errors of known size."""
    ratio = np.exp((moved - 0.5) / spread**2)

    def loss(score: float) -> float:
        share = 1 / (1 + np.exp(-score))
        return -float(np.log1p(share * (ratio - 1)).sum())

    fit = optimize.minimize_scalar(loss, bounds=(-8, 4), method="bounded")
    share = 1 / (1 + np.exp(-fit.x))
    score = (ratio - 1) / (1 + share * (ratio - 1))
    se = 1 / np.sqrt(np.sum(score**2))
    wide = Z * se / (share * (1 - share))
    low, high = 1 / (1 + np.exp(-(fit.x - wide))), 1 / (1 + np.exp(-(fit.x + wide)))
    return Estimate(share, se, low, high)


# --- all ----------------------------------------------------------------------------------------

ESTIMATORS: tuple[Callable[[Arranged], Estimates], ...] = (
    letter_test,
    replies,
    following_up,
    answering,
    followed_orders,
    thanks_and_posts,
    satisfaction,
    drivers,
    answering_surveys,
    on_time,
    service_quality,
    kano,
    contracts,
    later_orders,
    offers,
    price_point,
    iceberg,
    handling,
    stages,
    faults,
)


def recover(
    tables: Mapping[str, pd.DataFrame], known: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Estimate every effect.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        A simulated company.
    known : mapping of str to float, optional
        Its effects; the declared ones by default.

    Returns
    -------
    pandas.DataFrame
        By effect: estimate, se, low, high, known, z.
    """
    e = effects.values(known)
    arranged = Arranged(tables)
    found: Estimates = {}
    for estimator in ESTIMATORS:
        found |= estimator(arranged)
    found |= prices(arranged, e) | order_values(arranged, e)
    made = pd.DataFrame.from_dict(
        {name: vars(estimate) for name, estimate in found.items()}, orient="index"
    ).rename(columns={"value": "estimate"})
    made["known"] = [e[name] for name in made.index]
    made["z"] = (made["estimate"] - made["known"]) / made["se"]
    return made.rename_axis("effect")
