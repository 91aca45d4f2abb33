"""Contacts in both directions.

A customer replies to one of our messages with log-odds::

    purpose + reply_<channel> + wording_<tone> + .15 potential | .3 key
    + over_contact_linear · n + over_contact_square · n²

n being our contacts with the customer in the 30 days before, counted to 6. The noise is logistic
and correlated .1 within a customer. The channel depends on the purpose (telephone where replies are
rare), so that comparing channels without purpose misleads. The letters of the letter test have
variants at random and reply probability .12 + letter_variant_… for variant B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crmlab.data.simulate import calendar, texts
from crmlab.data.simulate.calendar import DAY, DAYS, EMPTY, END, MONTH_START, day_of
from crmlab.data.simulate.complaints import CHANNELS as COMPLAINT_CHANNELS
from crmlab.data.simulate.complaints import Complaints
from crmlab.data.simulate.customers import TEAMS, Customers, Staff
from crmlab.data.simulate.demand import OFFERS, QUESTION_CHANNELS, Offers, Questions
from crmlab.data.simulate.effects import stream
from crmlab.data.simulate.frames import frame, maybe
from crmlab.data.simulate.orders import Orders
from crmlab.data.simulate.satisfaction import logistic

LETTERS = {"LETTER-2411": 10, "LETTER-2504": 15, "LETTER-2511": 22}
LETTER_REPLY = 0.12
PERSONALISED = 2
INCIDENT_DAYS = (day_of("2025-07-01"), day_of("2025-07-31"))
POSTS_A_DAY = 0.0008
OUT_CHANNELS = ("phone", "email", "wechat", "letter")
#: Purposes of messages that may be replied to: log-odds, channels, tones.
REPLIES: dict[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = {
    "thanks": (-1.2, (0.0, 0.25, 0.15, 0.6), (0.2, 0.35, 0.35, 0.07, 0.03)),
    "delivery_check": (0.85, (0.1, 0.6, 0.3, 0.0), (0.3, 0.25, 0.3, 0.1, 0.05)),
    "promotion": (-1.9, (0.55, 0.2, 0.25, 0.0), (0.3, 0.3, 0.25, 0.1, 0.05)),
    "follow_up": (1.0, (0.1, 0.65, 0.25, 0.0), (0.3, 0.25, 0.3, 0.1, 0.05)),
    "recovery": (-0.3, (0.7, 0.2, 0.1, 0.0), (0.2, 0.15, 0.4, 0.15, 0.1)),
    "collection": (-1.2, (0.75, 0.15, 0.05, 0.05), (0.25, 0.05, 0.2, 0.25, 0.25)),
}
_WINDOW = 30 * DAY

Part = dict[str, Any]


def contacts_table(
    seed: int,
    customers: Customers,
    staff: Staff,
    orders: Orders,
    questions: Questions,
    offers: Offers,
    complaints: Complaints,
    surveys: pd.DataFrame,
    money: pd.DataFrame,
    e: Mapping[str, float],
) -> pd.DataFrame:
    """The table of contacts, by time; visits that were planned but not made have no time."""
    inbound = [
        _asked(seed, questions, customers),
        _complained(complaints),
        _posted(seed, customers, e),
    ]
    outbound = [
        _thanks(seed, orders, customers, e),
        _checks(seed, orders),
        _offers(seed, offers),
        _follow_ups(seed, questions),
        _recoveries(seed, complaints),
        _collections(seed, orders, money),
        _told(seed, surveys, orders, e),
    ]
    quiet = [
        _letters(seed, customers),
        _visits(seed, customers, e),
        _telephoned(surveys, customers),
        _events(seed, customers),
    ]
    made = [_whole(part) for part in (*inbound, *outbound, *quiet)]
    every = {name: np.concatenate([part[name] for part in made]) for name in made[0]}
    _reply(seed, every, customers, e)
    _answer_letters(seed, every, customers, e)
    return _table(seed, every, customers, staff, orders, complaints)


def _whole(part: Part) -> Part:
    """A part with every column, empty where it says nothing."""
    size = len(part["customer"])
    empty: Part = {
        "customer": None,
        "at": None,
        "inbound": np.zeros(size, bool),
        "channel": None,
        "purpose": None,
        "order": np.full(size, -1),
        "complaint": np.full(size, -1),
        "question": np.full(size, -1),
        "asks": np.zeros(size, bool),
        "staff": np.full(size, -1),
        "planned": np.full(size, EMPTY),
        "responded": np.full(size, EMPTY),
        "campaign": np.full(size, None, object),
        "variant": np.full(size, None, object),
        "negative": np.zeros(size, bool),
    }
    whole = empty | part
    for name in ("channel", "purpose", "campaign"):
        if isinstance(whole[name], str):
            whole[name] = np.full(size, whole[name], object)
    return whole


def _asked(seed: int, questions: Questions, customers: Customers) -> Part:
    return {
        "customer": questions.customer,
        "at": questions.at,
        "inbound": np.ones(len(questions.at), bool),
        "channel": np.array(QUESTION_CHANNELS, object)[questions.channel],
        "purpose": np.where(questions.inquiry, "inquiry", "service").astype(object),
        "question": np.arange(len(questions.at)),
        "asks": np.ones(len(questions.at), bool),
        "staff": questions.staff,
        "responded": questions.answered_at,
    }


def _complained(made: Complaints) -> Part:
    return {
        "customer": made.customer,
        "at": made.opened,
        "inbound": np.ones(len(made), bool),
        "channel": np.array(COMPLAINT_CHANNELS, object)[made.channel],
        "purpose": "complaint",
        "order": made.order,
        "complaint": np.arange(len(made)),
        "asks": np.ones(len(made), bool),
        "staff": made.owner,
        "responded": made.answered,
    }


def _posted(seed: int, customers: Customers, e: Mapping[str, float]) -> Part:
    """Posts on social media: more of them, and worse, in the month of the public incident."""
    rng = stream(seed, "posts")
    days = np.arange(DAYS)
    incident = (days >= INCIDENT_DAYS[0]) & (days <= INCIDENT_DAYS[1])
    mean = POSTS_A_DAY * len(customers) * np.exp(e["social_incident_volume"] * incident)
    day = np.repeat(days, rng.poisson(mean))
    size = len(day)
    here = np.flatnonzero((customers.acquired < 0) & ~customers.internal)
    customer = here[rng.integers(0, len(here), size)]
    negative = rng.random(size) < 0.25 + e["social_incident_tone"] * incident[day]
    at = calendar.office_hours(rng, day)
    asks = rng.random(size) < 0.4
    hours = rng.lognormal(2.0, 1.0, size)
    return {
        "customer": customer,
        "at": at,
        "inbound": np.ones(size, bool),
        "channel": "social",
        "purpose": "service",
        "asks": asks,
        "staff": rng.integers(*TEAMS["service"], size),
        "responded": np.where(
            asks & (rng.random(size) < 0.8), at + (hours * 60).astype(int), EMPTY
        ),
        "negative": negative,
    }


def _thanks(seed: int, orders: Orders, customers: Customers, e: Mapping[str, float]) -> Part:
    rng = stream(seed, "thanks")
    more = e["thanks_coverage_key"]
    chance = np.array([0.03, 0.03 + more / 3, 0.03 + more])[customers.tier[orders.customer]]
    order = np.flatnonzero((rng.random(len(orders)) < chance) & orders.known())
    day = calendar.next_workday(orders.delivered[order] // DAY + rng.integers(1, 6, len(order)))
    return _about_orders(rng, orders, order, calendar.office_hours(rng, day), "thanks")


def _checks(seed: int, orders: Orders) -> Part:
    rng = stream(seed, "checks")
    order = np.flatnonzero(orders.checked & orders.known())
    at = orders.delivered[order] + rng.integers(30, 20 * 60, len(order))
    return _about_orders(rng, orders, order, at, "delivery_check")


def _about_orders(
    rng: np.random.Generator, orders: Orders, order: np.ndarray, at: np.ndarray, purpose: str
) -> Part:
    made = {"customer": orders.customer[order], "order": order, "at": at}
    return _sent(rng, purpose, made)


def _sent(rng: np.random.Generator, purpose: str, made: Part) -> Part:
    """A message of ours: its channel by purpose; what lies after the last day is left out."""
    size = len(made["at"])
    channel = rng.choice(4, size, p=REPLIES[purpose][1])
    made["channel"] = np.array(OUT_CHANNELS, object)[channel]
    made["purpose"] = np.full(size, purpose, object)
    kept = made["at"] < END
    return {name: values[kept] for name, values in made.items()}


def _offers(seed: int, offers: Offers) -> Part:
    rng = stream(seed, "offer messages")
    parts = []
    for name, month in OFFERS.items():
        customer = np.flatnonzero(offers.arm[month] > 0)
        day = MONTH_START[month] + rng.integers(0, 3, len(customer))
        parts.append((customer, calendar.office_hours(rng, day), np.full(len(day), name, object)))
    customer, at, campaign = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _sent(rng, "promotion", {"customer": customer, "at": at, "campaign": campaign})


def _follow_ups(seed: int, questions: Questions) -> Part:
    rng = stream(seed, "follow-ups")
    answered = (questions.answered_at != EMPTY) & (rng.random(len(questions.at)) < 0.3)
    question = np.flatnonzero(answered)
    at = questions.answered_at[question] + rng.integers(DAY, 6 * DAY, len(question))
    made = {"customer": questions.customer[question], "question": question, "at": at}
    return _sent(rng, "follow_up", made | {"staff": questions.staff[question]})


def _recoveries(seed: int, complaints: Complaints) -> Part:
    rng = stream(seed, "recoveries")
    row = np.flatnonzero(rng.random(len(complaints)) < 0.5)
    at = complaints.resolved[row] + rng.integers(60, 2 * DAY, len(row))
    made = {"customer": complaints.customer[row], "complaint": row, "order": complaints.order[row]}
    return _sent(rng, "recovery", made | {"at": at, "staff": complaints.owner[row]})


def _collections(seed: int, orders: Orders, money: pd.DataFrame) -> Part:
    """A reminder to one in four of those who are more than ten days behind."""
    rng = stream(seed, "collections")
    due, paid = money["due_at"].to_numpy(), money["paid_at"].to_numpy()
    behind = np.where(np.isnat(paid), np.datetime64("2026-01-01", "us"), paid) - due
    order = np.flatnonzero((behind > np.timedelta64(10, "D")) & (rng.random(len(due)) < 0.25))
    due_day = (due[order] - calendar.ORIGIN).astype("m8[D]").astype(np.int64)
    day = calendar.next_workday(due_day + 10)
    return _about_orders(rng, orders, order, calendar.office_hours(rng, day), "collection")


def _told(seed: int, surveys: pd.DataFrame, orders: Orders, e: Mapping[str, float]) -> Part:
    """Dissatisfied answerers told what was improved (将改进措施反馈给客户), within ten days."""
    rng = stream(seed, "closed loop")
    low = surveys[(surveys["overall"] <= 2).fillna(False).to_numpy(dtype=bool)]
    low = low[rng.random(len(low)) < e["closed_loop"]]
    order = np.searchsorted(orders.ids, low["order_id"].to_numpy(dtype=object))
    answered = (low["answered_at"].to_numpy() - calendar.ORIGIN).astype("m8[D]").astype(np.int64)
    day = calendar.next_workday(answered + rng.integers(1, 8, len(low)))
    return _about_orders(rng, orders, order, calendar.office_hours(rng, day), "recovery")


def _letters(seed: int, customers: Customers) -> Part:
    """The letter test: variants A and B at random among those who may be written to."""
    rng = stream(seed, "letters")
    parts = []
    for name, month in LETTERS.items():
        start = MONTH_START[month]
        here = (customers.acquired < start) & (customers.left > start) & ~customers.silent
        customer = np.flatnonzero(here)
        variant = np.array(["A", "B"], object)[rng.permutation(np.arange(len(customer)) % 2)]
        at = calendar.office_hours(rng, start + 4 + rng.integers(0, 3, len(customer)))
        parts.append((customer, at, variant, np.full(len(customer), name, object)))
    customer, at, variant, campaign = (np.concatenate(c) for c in zip(*parts, strict=True))
    made = {"customer": customer, "at": at, "variant": variant, "campaign": campaign}
    return made | {"channel": "letter", "purpose": "promotion"}


def _visits(seed: int, customers: Customers, e: Mapping[str, float]) -> Part:
    """The visit plan (回访计划), next week's visits included; made or not."""
    rng = stream(seed, "visits")
    monthly = np.array([0.012, 0.09, 0.35])[customers.tier] * ~customers.silent
    first, last = np.maximum(customers.acquired, 0), np.minimum(customers.left, DAYS + 8)
    counts = rng.poisson(monthly * (last - first) * 12 / 365.25)
    customer = np.repeat(np.arange(len(customers)), counts)
    span = (last - first)[customer]
    planned = calendar.next_workday(
        (first[customer] + rng.random(len(customer)) * span).astype(int)
    )
    made = rng.random(len(customer)) < e["visits_made"]
    at = calendar.office_hours(rng, planned + rng.choice([0, 0, 0, 1, 3], len(customer)))
    at = np.where(made & (at < END), at, EMPTY)
    chief = (customers.tier[customer] == 2) & (rng.random(len(customer)) < 0.2)
    return {
        "customer": customer,
        "at": at,
        "planned": planned * DAY,
        "channel": "visit",
        "purpose": np.where(chief, "executive_visit", "consultation").astype(object),
    }


def _telephoned(surveys: pd.DataFrame, customers: Customers) -> Part:
    """The calls to those who had not answered the survey."""
    rows = surveys[surveys["mode"] == "follow_up"]
    position = pd.Series(np.arange(len(customers)), index=customers.ids)
    at = (rows["sent_at"].to_numpy() - calendar.ORIGIN).astype("m8[m]").astype(np.int64)
    customer = position[rows["customer_id"]].to_numpy()
    return {
        "customer": customer,
        "at": at,
        "channel": "phone",
        "purpose": "survey",
        "responded": at + 6,
        "staff": np.full(len(at), TEAMS["service"][0]) + np.arange(len(at)) % 24,
    }


def _events(seed: int, customers: Customers) -> Part:
    """Two customer events a year (业务洽谈会); higher tiers come oftener."""
    rng = stream(seed, "events")
    parts = []
    for text in ("2024-04-18", "2024-10-24", "2025-04-17", "2025-10-23"):
        day = day_of(text)
        here = (customers.acquired < day) & (customers.left > day) & ~customers.internal
        here &= rng.random(len(customers)) < np.array([0.04, 0.12, 0.4])[customers.tier]
        customer = np.flatnonzero(here)
        parts.append((customer, calendar.office_hours(rng, np.full(len(customer), day))))
    customer, at = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"customer": customer, "at": at, "channel": "event", "purpose": "consultation"}


def recent_contacts(customer: np.ndarray, at: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """How many counted contacts each customer had in the 30 days before each contact.

    Examples
    --------
    >>> recent_contacts(np.array([7, 7, 7]), np.array([0, 60, 50000]), np.array([True, True, True]))
    array([0, 1, 0])
    """
    scale = np.int64(1) << 32
    base = customer.astype(np.int64) * scale + _WINDOW
    now = base + np.maximum(at, 0)
    keys = np.sort(now[counted])
    before = np.searchsorted(keys, now, side="left")
    return before - np.searchsorted(keys, now - _WINDOW, side="left")


def _reply(seed: int, every: Part, customers: Customers, e: Mapping[str, float]) -> None:
    """Draw tones, and who replies when."""
    rng = stream(seed, "replies")
    size = len(every["at"])
    purpose, outbound = every["purpose"], ~every["inbound"]
    test = np.char.startswith(np.where(every["variant"] == None, "", "x"), "x")  # noqa: E711
    counted = outbound & (every["at"] != EMPTY)
    n = np.minimum(recent_contacts(every["customer"], every["at"], counted), 6)
    every["tone"] = np.zeros(size, np.int64)
    score = np.full(size, -np.inf)
    for name, (base, _channels, tones) in REPLIES.items():
        rows = np.flatnonzero(outbound & (purpose == name) & ~test)
        every["tone"][rows] = rng.choice(5, len(rows), p=tones)
        score[rows] = base
    score += _channel_score(every["channel"], e) + _tone_score(every["tone"], e)
    score += np.array([0, 0.15, 0.3])[customers.tier[every["customer"]]]
    score += e["over_contact_linear"] * n + e["over_contact_square"] * n**2
    own = rng.standard_normal(len(customers))[every["customer"]]
    noise = logistic(np.sqrt(0.1) * own + np.sqrt(0.9) * rng.standard_normal(size))
    _respond(rng, every, score + noise > 0)


def _channel_score(channel: np.ndarray, e: Mapping[str, float]) -> np.ndarray:
    score = np.zeros(len(channel))
    for name in ("phone", "wechat", "letter"):
        score[channel == name] = e[f"reply_{name}"]
    return score


def _tone_score(tone: np.ndarray, e: Mapping[str, float]) -> np.ndarray:
    return np.array([0.0, *(e[f"wording_{name}"] for name in texts.TONES)])[tone]


def _respond(rng: np.random.Generator, every: Part, replied: np.ndarray) -> None:
    rows = np.flatnonzero(replied)
    hours = np.minimum(np.exp(np.log(18) + 1.1 * rng.standard_normal(len(rows))), 280)
    every["responded"][rows] = every["at"][rows] + 1 + (hours * 60).astype(np.int64)


def _answer_letters(seed: int, every: Part, customers: Customers, e: Mapping[str, float]) -> None:
    rng = stream(seed, "letter replies")
    rows = np.flatnonzero(np.isin(every["variant"], ["A", "B"]))
    second = every["variant"][rows] == "B"
    own = customers.kind[every["customer"][rows]] == PERSONALISED
    gain = np.where(own, e["letter_variant_personalised"], e["letter_variant_others"])
    replied = np.zeros(len(every["at"]), bool)
    replied[rows] = rng.random(len(rows)) < LETTER_REPLY + gain * second
    _respond(rng, every, replied)


def _table(
    seed: int,
    every: Part,
    customers: Customers,
    staff: Staff,
    orders: Orders,
    complaints: Complaints,
) -> pd.DataFrame:
    when = np.where(every["at"] == EMPTY, every["planned"], every["at"])
    order = np.argsort(when, kind="stable")
    every = {name: values[order] for name, values in every.items()}
    who = every["customer"]
    ids = np.array([f"T{number:05d}" for number in range(1, len(who) + 1)], object)
    staff_row = np.where(every["staff"] < 0, customers.manager[who], every["staff"])
    responded = np.where(every["at"] == EMPTY, EMPTY, calendar.happened(every["responded"]))
    return frame(
        "contacts",
        {
            "contact_id": ids,
            "customer_id": customers.ids[who],
            "order_id": maybe(orders.ids[every["order"]], every["order"] >= 0),
            "complaint_id": maybe(complaints.ids[every["complaint"]], every["complaint"] >= 0),
            "in_reply_to": _replied_to(every, ids),
            "contacted_at": every["at"],
            "direction": np.where(every["inbound"], "inbound", "outbound"),
            "channel": every["channel"],
            "purpose": every["purpose"],
            "staff_id": staff.ids[staff_row],
            "needs_answer": every["asks"],
            "planned_for": every["planned"],
            "responded_at": responded,
            "campaign": every["campaign"],
            "variant": every["variant"],
            "message": _messages(seed, every, customers),
        },
    )


def _replied_to(every: Part, ids: np.ndarray) -> np.ndarray:
    """Our follow-ups point to the question they answer."""
    asked = every["inbound"] & (every["question"] >= 0)
    own = np.full(every["question"].max() + 2, -1)
    own[every["question"][asked]] = np.flatnonzero(asked)
    ours = ~every["inbound"] & (every["question"] >= 0)
    return maybe(ids[own[every["question"]]], ours)


def _messages(seed: int, every: Part, customers: Customers) -> np.ndarray:
    """The text of each contact; complaints have theirs in their own table."""
    rng = stream(seed, "messages")
    made = np.full(len(every["at"]), None, object)
    english = customers.english[every["customer"]]
    outbound, purpose = ~every["inbound"], every["purpose"]
    letter = np.isin(every["variant"], ["A", "B"])
    happened = every["at"] != EMPTY
    for name in (*REPLIES, "consultation", "survey"):
        rows = np.flatnonzero(outbound & (purpose == name) & ~letter & happened)
        made[rows] = texts.messages(rng, name, every["tone"][rows], english[rows])
    rows = np.flatnonzero(letter)
    made[rows] = texts.messages(rng, "letter", every["tone"][rows], english[rows])
    rows = np.flatnonzero(np.isin(purpose, ["inquiry", "service"]) & (every["channel"] != "social"))
    made[rows] = texts.question_texts(rng, english[rows])
    rows = np.flatnonzero(every["channel"] == "social")
    made[rows] = texts.posts(rng, every["negative"][rows])
    return made
