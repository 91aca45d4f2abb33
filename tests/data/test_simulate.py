from __future__ import annotations

import itertools
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data import model, simulate
from crmlab.data.simulate import calendar, effects, files, names, raw, texts
from crmlab.data.simulate.complaints import SLA_HOURS
from crmlab.data.simulate.customers import TARIFF_REGIONS
from crmlab.data.simulate.demand import OFFERS
from crmlab.errors import UnknownName

DATASETS = simulate.datasets_folder()
END = pd.Timestamp("2026-01-01")
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return simulate.company()


@pytest.fixture(scope="module")
def orders(tables: Tables) -> pd.DataFrame:
    """Orders without refunds."""
    return tables["orders"][tables["orders"]["amount"] > 0]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    for name in ("effects.toml", "workspace.toml"):
        (folder / name).write_bytes((DATASETS / name).read_bytes())
    simulate.write(folder)
    return folder


# --- shape ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(model.TABLES))
def test_tables_have_the_models_columns_and_types(tables: Tables, name: str) -> None:
    types = {
        "text": "str",
        "code": "str",
        "integer": "Int64",
        "number": "float64",
        "boolean": "boolean",
        "date": "datetime64[us]",
        "datetime": "datetime64[us]",
    }
    table = tables[name]
    assert tuple(table.columns) == model.table(name).names
    for column in model.table(name).columns:
        assert str(table[column.name].dtype) == types[column.type], column.name


@pytest.mark.parametrize("name", list(model.TABLES))
def test_values_are_allowed_keys_unique_and_references_exist(tables: Tables, name: str) -> None:
    table = tables[name]
    key = list(model.table(name).key)
    assert not table[key].isna().any(axis=None)
    assert not table.duplicated(key).any()
    for column in model.table(name).columns:
        values = table[column.name].dropna()
        if column.codes:
            assert set(values) <= set(column.codes), column.name
        if column.minimum is not None:
            assert (values >= column.minimum).all(), column.name
        if column.maximum is not None:
            assert (values <= column.maximum).all(), column.name
        if column.references:
            other, target = column.references.split(".")
            assert set(values) <= set(tables[other][target]), column.name


def test_sizes(tables: Tables) -> None:
    sizes = {
        "customers": (2000, 2000),
        "orders": (37_000, 42_000),
        "contacts": (28_000, 34_000),
        "surveys": (5_700, 6_300),
        "complaints": (2_700, 3_500),
        "staff": (60, 60),
    }
    for name, (low, high) in sizes.items():
        assert low <= len(tables[name]) <= high, (name, len(tables[name]))
    assert tables["surveys"]["sent_at"].dt.to_period("M").nunique() == 24
    assert tables["surveys"]["wave"].nunique() == 8


# --- consistency ----------------------------------------------------------------------------------


def test_on_time_agrees_with_the_times(orders: pd.DataFrame) -> None:
    arrived = orders[orders["delivered_at"].notna()]
    assert (arrived["on_time"] == (arrived["delivered_at"] <= arrived["promised_at"])).all()
    assert orders.loc[orders["delivered_at"].isna(), ["on_time", "damaged"]].isna().all(axis=None)


def test_orders_run_forward_in_time(orders: pd.DataFrame) -> None:
    assert (orders["ordered_at"] < orders["promised_at"]).all()
    sent = orders[orders["shipped_at"].notna()]
    assert (sent["ordered_at"] < sent["shipped_at"]).all()
    arrived = orders[orders["delivered_at"].notna()]
    assert (arrived["shipped_at"] < arrived["delivered_at"]).all()


def test_discount_is_list_price_less_amount(tables: Tables) -> None:
    o = tables["orders"]
    assert np.allclose(o["list_price"] - o["discount"], o["amount"])


def test_a_refund_mirrors_an_earlier_order(tables: Tables) -> None:
    refunds = tables["orders"][tables["orders"]["amount"] < 0]
    assert 300 < len(refunds) < 700
    taken_back = refunds.assign(amount=-refunds["amount"], cost=-refunds["cost"])
    pairs = taken_back.merge(tables["orders"], on=["customer_id", "route", "amount", "cost"])
    assert set(pairs["order_id_x"]) == set(refunds["order_id"])
    first = pairs.groupby("order_id_x")[["ordered_at_x", "ordered_at_y"]].min()
    assert (first["ordered_at_y"] < first["ordered_at_x"]).all()


def test_complaints_point_to_orders_that_went_wrong(tables: Tables) -> None:
    joined = tables["complaints"].merge(tables["orders"], on=["order_id", "customer_id"])
    facts = {
        "late_delivery": ~joined["on_time"],
        "damage": joined["damaged"],
        "documents": ~joined["documents_ok"],
        "short_delivery": joined["quantity_delivered"] < joined["quantity_ordered"],
    }
    for cause, went_wrong in facts.items():
        rows = joined["cause"] == cause
        assert rows.sum() > 100
        assert went_wrong[rows].all(), cause
    assert (joined["opened_at"] > joined["delivered_at"]).all()
    linked = tables["complaints"]["order_id"].notna()
    assert linked[tables["complaints"]["kind"] != "suggestion"].all()


def test_complaint_stages_run_forward_and_agree_with_the_events(tables: Tables) -> None:
    k = tables["complaints"].set_index("complaint_id")
    steps = ["opened_at", "first_response_at", "accepted_at", "investigated_at"]
    steps += ["negotiated_at", "resolved_at", "followed_up_at"]
    for before, after in itertools.pairwise(steps):
        both = k[k[after].notna()]
        assert (both[before] < both[after]).all(), after
    again = k[k["reopened_at"].notna()]
    assert (again["reopened_at"] > again["resolved_at"]).all()
    events = tables["complaint_events"]
    starts = {"accept": "first_response_at", "investigate": "accepted_at"}
    starts |= {"negotiate": "investigated_at", "resolve": "negotiated_at"}
    starts |= {"follow_up": "resolved_at", "reopen": "reopened_at"}
    for stage, column in starts.items():
        rows = events[events["stage"] == stage]
        begun = rows.groupby("complaint_id")["at"].agg(set)
        expected = k.loc[begun.index, column]
        held = [pd.isna(at) or at in times for at, times in zip(expected, begun, strict=True)]
        assert all(held), stage
    assert not events.duplicated(["complaint_id", "at"]).any()


def test_due_times_follow_the_promise_of_tier_and_severity(tables: Tables) -> None:
    k = tables["complaints"].merge(tables["customers"][["customer_id", "tier"]], on="customer_id")
    severities = ("low", "medium", "high")
    hours = [
        SLA_HOURS[tier][severities.index(severity)]
        for tier, severity in zip(k["tier"], k["severity"], strict=True)
    ]
    assert ((k["due_at"] - k["opened_at"]) == pd.to_timedelta(hours, unit="h")).all()


def test_contacts_are_linked(tables: Tables) -> None:
    contacts = tables["contacts"]
    about = contacts[contacts["order_id"].notna()]
    joined = about.merge(tables["orders"][["order_id", "customer_id"]], on="order_id")
    assert (joined["customer_id_x"] == joined["customer_id_y"]).all()
    complained = contacts[contacts["purpose"] == "complaint"]
    joined = complained.merge(tables["complaints"], on="complaint_id")
    assert len(joined) == len(tables["complaints"])
    assert (joined["contacted_at"] == joined["opened_at"]).all()
    answered = joined["first_response_at"].notna()
    assert (joined["responded_at"] == joined["first_response_at"])[answered].all()
    replies = contacts[contacts["in_reply_to"].notna()]
    joined = replies.merge(contacts, left_on="in_reply_to", right_on="contact_id")
    assert (joined["contacted_at_x"] > joined["contacted_at_y"]).all()
    assert (joined["customer_id_x"] == joined["customer_id_y"]).all()


def test_who_declined_contact_gets_no_offer_letter_or_visit(tables: Tables) -> None:
    quiet = tables["customers"].loc[tables["customers"]["do_not_contact"], "customer_id"]
    reached = tables["contacts"][tables["contacts"]["customer_id"].isin(quiet)]
    assert len(quiet) > 50
    assert not reached["purpose"].isin(["promotion", "executive_visit"]).any()
    assert not (reached["channel"] == "visit").any()
    assert not tables["assignments"]["customer_id"].isin(quiet).any()


def test_next_weeks_visits_are_planned_and_not_made(tables: Tables) -> None:
    planned = tables["contacts"][tables["contacts"]["planned_for"] >= END]
    assert 5 < len(planned) < 60
    assert planned["contacted_at"].isna().all()
    assert planned["planned_for"].max() < END + pd.Timedelta(days=11)


def test_referrals_come_from_earlier_customers(tables: Tables) -> None:
    c = tables["customers"].set_index("customer_id")
    referred = c[c["referred_by"].notna()]
    earlier = c.loc[referred["referred_by"], "acquired_on"].to_numpy()
    assert len(referred) > 300
    assert (earlier < referred["acquired_on"].to_numpy()).all()
    assert (referred["acquisition_channel"] == "introduction").all()


def test_orders_are_placed_while_a_customer_is_one(tables: Tables, orders: pd.DataFrame) -> None:
    c = tables["customers"]
    joined = orders.merge(c[["customer_id", "acquired_on", "contract_to"]], on="customer_id")
    day = joined["ordered_at"].dt.normalize()
    assert (day >= joined["acquired_on"]).all()
    assert not (day > joined["contract_to"]).any()


def test_offers_are_randomised_and_used_only_as_assigned(
    tables: Tables, orders: pd.DataFrame
) -> None:
    drawn = tables["assignments"]
    assert set(drawn["campaign"]) == set(OFFERS)
    assert drawn.groupby("campaign")["arm"].value_counts().groupby(level=0).agg(np.ptp).max() <= 1
    used = orders[orders["promotion"].notna()]
    joined = used.merge(
        drawn, "left", left_on=["customer_id", "promotion"], right_on=["customer_id", "campaign"]
    )
    assert set(joined["arm"]) == {"coupon", "points"}
    assert (joined.loc[joined["arm"] == "coupon", "discount"] > 0).all()


def test_surveys_ask_about_orders_that_arrived(tables: Tables) -> None:
    joined = tables["surveys"].merge(tables["orders"], on=["order_id", "customer_id"])
    assert len(joined) == len(tables["surveys"])
    assert (joined["delivered_at"] < joined["sent_at"]).all()
    s = tables["surveys"]
    said = s.columns[s.columns.get_loc("overall") :]
    assert s.loc[s["answered_at"].isna(), said].isna().all(axis=None)
    assert s.loc[s["answered_at"].notna(), said].notna().all(axis=None)
    assert set(tables["answers"]["response_id"]) == set(
        s.loc[s["answered_at"].notna(), "response_id"]
    )


def test_follow_ups_are_of_questionnaires_not_answered(tables: Tables) -> None:
    s = tables["surveys"]
    again = s[s["mode"] == "follow_up"].merge(
        s[s["mode"] == "sample"], on=["customer_id", "order_id"], suffixes=("", "_first")
    )
    assert len(again) == (s["mode"] == "follow_up").sum()
    assert again["answered_at_first"].isna().all()
    assert np.allclose(again["weight"], 3 * again["weight_first"], atol=1e-3)


def test_nothing_has_happened_after_the_last_day(tables: Tables) -> None:
    for name, table in tables.items():
        for column in model.table(name).columns:
            if column.known_at == column.name or column.name == model.table(name).starts:
                assert not (table[column.name] >= END).any(), (name, column.name)


def test_some_things_are_still_open_at_the_end(tables: Tables, orders: pd.DataFrame) -> None:
    assert orders["delivered_at"].isna().sum() > 50
    assert tables["complaints"]["resolved_at"].isna().sum() > 5
    asked = tables["contacts"][tables["contacts"]["needs_answer"]]
    assert asked["responded_at"].isna().sum() > 300
    assert (orders["paid_at"].isna() & orders["due_at"].notna()).sum() > 100


def test_points_are_earned_by_members_and_never_overdrawn(
    tables: Tables, orders: pd.DataFrame
) -> None:
    members = tables["customers"].loc[lambda c: c["member_since"].notna(), "customer_id"]
    earning = orders[orders["points_earned"].notna()]
    assert set(earning["customer_id"]) <= set(members)
    balance = (earning["points_earned"] - earning["points_redeemed"].fillna(0)).groupby(
        earning["customer_id"]
    )
    assert (balance.cumsum() >= 0).all()


def test_it_is_seasonal(orders: pd.DataFrame) -> None:
    daily = orders.groupby(orders["ordered_at"].dt.normalize()).size()
    assert daily["2024-11-11"] > 2 * daily.median()
    assert daily["2024-02-10":"2024-02-17"].mean() < 0.4 * daily.median()
    by_day = daily.groupby(daily.index.day_of_week).mean()
    assert by_day[6] < 0.5 * by_day[0]


def test_customers_are_of_both_languages_and_a_few_internal(tables: Tables) -> None:
    c = tables["customers"]
    assert 3 <= (c["scope"] == "internal").sum() <= 6
    assert 0.1 < c["name"].str.isascii().mean() < 0.2
    assert 0.08 < tables["complaints"]["text"].str.isascii().mean() < 0.25


# --- structural effects ---------------------------------------------------------------------------


def test_tiers_have_their_shares_of_customers_and_margin(tables: Tables) -> None:
    known = effects.values()
    shares = tables["customers"]["tier"].value_counts(normalize=True)
    assert shares["key"] == known["customer_share_key"]
    assert shares["general"] == known["customer_share_general"]
    o = tables["orders"].merge(tables["customers"][["customer_id", "tier"]], on="customer_id")
    o = o[~o["order_id"].isin(_refunded(o))]
    margin = (o["amount"] - o["cost"]).groupby(o["tier"]).sum()
    margin /= margin.sum()
    assert margin["key"] == pytest.approx(known["profit_share_key"], abs=0.005)
    assert margin["general"] == pytest.approx(known["profit_share_general"], abs=0.005)


def _refunded(orders: pd.DataFrame) -> pd.Series:
    return orders.loc[orders["amount"] < 0, "order_id"]


def test_some_key_customers_lose_money(tables: Tables) -> None:
    c = tables["customers"]
    o = tables["orders"].merge(c[["customer_id", "tier"]], on="customer_id")
    key = o[o["tier"] == "key"]
    margin = (key["amount"] - key["cost"]).groupby(key["customer_id"]).sum()
    expected = round(effects.values()["unprofitable_key_share"] * (c["tier"] == "key").sum())
    assert (margin < 0).sum() == expected


def test_the_tariff_change_is_in_every_list_price_of_its_regions() -> None:
    still = {f"price_{kind}": 0.0 for kind in names.TYPES}
    without = simulate.company(3, customers=200, effects=still | {"tariff_change": 0.0})["orders"]
    changed = simulate.company(3, customers=200, effects=still | {"tariff_change": 0.25})["orders"]
    ratio = changed["list_price"] / without["list_price"]
    here = changed["region"].isin(["South", "North", "Northeast"])
    here &= changed["ordered_at"] >= pd.Timestamp("2025-04-01")
    whole = (changed["amount"] > 0) & (without["list_price"] > 100)
    assert ratio[here & whole].between(1.24, 1.26).all()
    assert (ratio[~here & (changed["amount"] > 0)] == 1).all()


def test_the_workspace_declares_the_tariff_change_that_was_made() -> None:
    [declared] = crmlab.load().settings.tariff_changes
    assert declared.regions == tuple(names.REGIONS[code] for code in TARIFF_REGIONS)
    assert declared.since == date(2025, 4, 1)
    assert declared.share == effects.values()["tariff_change"]
    [own] = crmlab.load(student="20261234").settings.tariff_changes
    assert own.share == simulate.effects_of("20261234")["tariff_change"]
    assert own.regions == declared.regions


# --- seeds, effects, students ---------------------------------------------------------------------


def test_same_seed_same_company_other_seed_another() -> None:
    first, again = simulate.company(5, customers=150), simulate.company(5, customers=150)
    other = simulate.company(6, customers=150)
    for name in model.TABLES:
        pd.testing.assert_frame_equal(first[name], again[name])
    assert not first["orders"].equals(other["orders"])


def test_an_effect_on_letters_leaves_the_other_tables_alone() -> None:
    before = simulate.company(5, customers=150)
    after = simulate.company(5, customers=150, effects={"letter_variant_personalised": 0.5})
    for name in set(model.TABLES) - {"contacts"}:
        pd.testing.assert_frame_equal(before[name], after[name])
    assert not before["contacts"].equals(after["contacts"])


def test_an_effect_that_is_not_declared_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="no_such_effect"):
        simulate.company(1, customers=100, effects={"no_such_effect": 1.0})


def test_every_effect_is_said_in_both_languages_and_lies_in_its_range() -> None:
    for effect in effects.declared().values():
        assert effect.low <= effect.value <= effect.high, effect.name
        assert effect.sentence.endswith(".")
        assert effect.sentence_zh.endswith("。")
        assert 1 <= effect.chapter <= 5


def test_students_get_their_own_company() -> None:
    one = simulate.variant("20261234")
    other = simulate.variant("20265678")
    assert simulate.effects_of("20261234") != simulate.effects_of("20265678")
    assert not one["customers"]["name"].equals(other["customers"]["name"])
    assert simulate.effects_of(" ２０２６1234 ") == simulate.effects_of("20261234")


def test_a_students_effects_lie_in_their_ranges() -> None:
    for student in ("1", "2", "20261234"):
        for name, value in simulate.effects_of(student).items():
            effect = effects.declared()[name]
            assert effect.low - 1e-4 <= value <= effect.high + 1e-4, name


# --- texts ----------------------------------------------------------------------------------------


def test_templates_name_their_own_cause_and_no_other() -> None:
    rng = np.random.default_rng(0)
    size = 4000
    cause = rng.integers(0, len(texts.MARKERS), size)
    made = texts.complaint_texts(rng, cause, rng.random(size) < 0.4, 0.0)
    named = [texts.cause_named(text) for text in made]
    recorded = np.array(list(texts.MARKERS))[cause]
    wrong = [(t, n) for t, n, r in zip(made, named, recorded, strict=True) if n not in (r, "")]
    assert not wrong
    assert 0.2 < np.mean([name == "" for name in named]) < 0.4
    assert len(set(made)) > 0.7 * size


@pytest.mark.parametrize("subject", ["thanks", "collection", "letter", "survey", "consultation"])
def test_messages_hold_words_of_their_own_tone_only(subject: str) -> None:
    tone = np.arange(400) % len(texts.TONE_NAMES)
    english = np.arange(400) % 3 == 0
    made = texts.messages(np.random.default_rng(1), subject, tone, english)
    assert [texts.tone_of(message) for message in made] == [texts.TONE_NAMES[code] for code in tone]


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_committed_files_are_what_the_simulation_writes(written: Path) -> None:
    committed = files.read_sums(DATASETS)
    assert files.read_sums(written) == committed
    for name, digest in committed.items():
        assert files.checksum(DATASETS / name) == digest, name


def test_reading_the_files_gives_the_simulated_tables(tables: Tables) -> None:
    back = files.read_tables(DATASETS)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(back[name], table)


def test_files_are_plain_utf8_with_newlines_and_of_bearable_size() -> None:
    total = 0
    for path in sorted(DATASETS.rglob("*")):
        if path.is_file():
            total += path.stat().st_size
            assert path.stat().st_size < 7_000_000, path.name
    assert total < 22_000_000
    for path in DATASETS.glob("*.csv"):
        content = path.read_bytes()
        assert b"\r" not in content
        assert not content.startswith(b"\xef\xbb\xbf")
        content.decode("utf-8")


def test_the_workspace_declares_every_item_answered(tables: Tables) -> None:
    with (DATASETS / "workspace.toml").open("rb") as file:
        declared = tomllib.load(file)
    items = {item["item"]: model.Item(**item) for item in declared["items"]}
    answers = tables["answers"]
    assert set(answers["item"]) == set(items)
    bounds = answers.groupby("item")["value"].agg(["min", "max"])
    for name, low, high in bounds.itertuples():
        assert items[name].minimum <= low
        assert high <= items[name].maximum
    qualities = [item.quality for item in items.values() if item.maximum == 7]
    assert set(qualities) == {"technical", "functional"}
    assert len(qualities) == 22


def test_workdays_know_holidays_and_make_up_days() -> None:
    days = calendar.workdays()
    assert days[date(2024, 2, 12)] is False
    assert days[date(2025, 9, 28)] is True
    for day, works in days.items():
        assert works == (day.weekday() >= 5)
    with (DATASETS / "workspace.toml").open("rb") as file:
        declared = tomllib.load(file)["workspace"]["workdays"]
    assert declared == {day.isoformat(): works for day, works in days.items()}


# --- the careless exports -------------------------------------------------------------------------


def test_undoing_the_listed_faults_gives_the_clean_exports(tables: Tables) -> None:
    listed = pd.read_csv(DATASETS / "raw" / raw.FAULTS, dtype="str", keep_default_na=False)
    for export in raw.exports(tables):
        found = raw.read_export(export, DATASETS / "raw")
        faults = [
            raw.Fault(file, int(row), *rest)
            for file, row, *rest in listed[listed["file"] == export.file].itertuples(index=False)
        ]
        for fault in faults:
            if fault.column:
                assert found.loc[fault.row - 1, fault.column] == fault.planted
        clean = raw.undone(found, faults)
        pd.testing.assert_frame_equal(clean, export.cells, check_dtype=False)


def test_faults_of_every_kind_are_planted() -> None:
    listed = pd.read_csv(DATASETS / "raw" / raw.FAULTS, dtype="str", keep_default_na=False)
    kinds = {
        "missing_mcar",
        "missing_mar",
        "missing_mnar",
        "missing_code",
        "orphan",
        "duplicate",
        "near_duplicate",
        "out_of_range",
        "unknown_code",
        "stray_space",
        "full_width",
        "impossible_time",
        "date_without_time",
        "date_format",
        "unit_in_value",
        "rare_character",
    }
    assert kinds <= set(listed["kind"])
    assert not listed.duplicated(["file", "row", "column", "kind"]).any()


def test_only_the_call_centre_needs_gb18030() -> None:
    folder = DATASETS / "raw"
    (folder / "tms_orders.csv").read_bytes().decode("gbk")
    with pytest.raises(UnicodeDecodeError):
        (folder / "callcentre_complaints.csv").read_bytes().decode("gbk")
    (folder / "callcentre_complaints.csv").read_bytes().decode("gb18030")
    assert (folder / "crm_contacts.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_missing_depends_on_what_it_should(tables: Tables) -> None:
    listed = pd.read_csv(DATASETS / "raw" / raw.FAULTS, dtype="str", keep_default_na=False)
    mnar = listed[(listed["kind"] == "missing_mnar") & (listed["column"] == "满意度")]
    assert (mnar["true"].astype(int) <= 2).mean() > 0.6
