import pandas as pd
import pytest

from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData, UnknownName
from crmlab.language import set_language
from crmlab.show.display import picture_of, shown_table
from crmlab.tiering import practice_rules, practices

AS_OF = "2025-12-31"
QUARTERS = ("2025-02-01", "2025-05-01", "2025-08-01", "2025-11-01")

#: K1 and K2 are key, G1 to G3 general; each orders once in every quarter.
PEOPLE = pd.DataFrame(
    {
        "customer_id": ["K1", "K2", "G1", "G2", "G3"],
        "tier": ["key", "key", "general", "general", "general"],
    }
)


def orders(days=QUARTERS, **more):
    rows = [
        (f"{who}-{at}", who, day) for who in PEOPLE["customer_id"] for at, day in enumerate(days)
    ]
    frame = pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at"])
    return frame.assign(amount=100.0, **more)


def contacts(rows):
    """Rows of customer, day and what differs from a telephone call of ours to follow up."""
    usual = {"direction": "outbound", "purpose": "follow_up", "channel": "phone"}
    frame = pd.DataFrame(
        [usual | {"customer_id": who, "contacted_at": day} | more for who, day, more in rows]
    )
    return frame.assign(contact_id=[str(i) for i in range(len(frame))])


def found(practice, tables, **options):
    """Value of a practice by key customer."""
    crm = from_frames({"customers": PEOPLE, "orders": orders()} | tables, as_of=AS_OF)
    rows = practices(crm, **options).by_customer
    return rows[rows["practice"] == practice].set_index("customer_id")


def test_relationship_counts_the_quarters_in_which_we_were_in_touch():
    every = [("K1", day, {}) for day in QUARTERS]
    once = [("K2", day, {}) for day in ("2025-02-01", "2025-02-02", "2024-12-31")]
    dunned = [("K2", day, {"purpose": "collection"}) for day in QUARTERS]
    theirs = [("K2", day, {"direction": "inbound"}) for day in QUARTERS]
    rows = found("relationship", {"contacts": contacts(every + once + dunned + theirs)})
    assert rows["value"].tolist() == [4, 1]
    assert rows["met"].tolist() == [True, False]


def test_visits_and_meetings_are_counted_in_the_last_12_months():
    made = [
        ("K1", "2025-01-01", {"purpose": "executive_visit", "channel": "visit"}),
        ("K2", "2024-12-31", {"purpose": "executive_visit", "channel": "meeting"}),
        ("K2", "2025-06-01", {"channel": "event"}),
    ]
    tables = {"contacts": contacts(made)}
    assert found("executive_visits", tables)["met"].tolist() == [True, False]
    assert found("meetings", tables)["value"].tolist() == [0, 1]


def test_a_questionnaire_and_its_survey_contact_are_counted_once():
    asked = [
        ("K1", "2025-03-01", {"purpose": "survey"}),
        ("K1", "2025-03-02", {"purpose": "consultation"}),
    ]
    sent = pd.DataFrame({"response_id": ["1"], "customer_id": ["K1"], "sent_at": ["2025-03-01"]})
    assert found("asking", {"contacts": contacts(asked)})["value"].tolist() == [2, 0]
    both = found("asking", {"contacts": contacts(asked), "surveys": sent})
    assert both["value"].tolist() == [2, 0]
    assert found("asking", {"surveys": sent, "orders": orders(promotion="P")})[
        "value"
    ].tolist() == [1, 0]


def test_information_is_the_share_answered_within_24_hours_of_four_inquiries_or_more():
    def asked(who, answers):
        return [
            (
                who,
                f"2025-03-0{day} 08:00",
                {
                    "direction": "inbound",
                    "needs_answer": True,
                    "responded_at": f"2025-03-{day + days:02d} 08:00",
                },
            )
            for day, days in enumerate(answers, start=1)
        ]

    tables = {"contacts": contacts(asked("K1", [1, 1, 1, 1, 5]) + asked("K2", [1, 1, 1]))}
    rows = found("information", tables)
    assert rows.loc["K1", "value"] == pytest.approx(0.8)
    assert bool(rows.loc["K1", "met"])
    assert pd.isna(rows.loc["K2", "met"])


def test_rewards_are_measured_against_customers_outside_the_tier():
    frame = orders(list_price=200.0, discount=10.0)
    frame.loc[frame["customer_id"] == "K1", "discount"] = 20.0
    rows = found("rewards", {"orders": frame})
    assert rows["value"].tolist() == pytest.approx([0.05, 0])
    assert rows["met"].tolist() == [True, False]


def test_new_services_are_known_of_customers_who_had_ordered_some_but_not_all():
    days = ("2024-06-01", *QUARTERS)
    frame = orders(days, service_line="A")
    frame.loc[
        (frame["customer_id"] == "K1") & (frame["ordered_at"] == QUARTERS[0]), "service_line"
    ] = "B"
    frame = frame[(frame["customer_id"] != "K2") | (frame["ordered_at"] != "2024-06-01")]
    rows = found("new_services", {"orders": frame})
    assert rows.loc["K1", "value"] == 1
    assert pd.isna(rows.loc["K2", "value"])


def test_one_service_for_all_leaves_nothing_new_to_supply():
    frame = orders(("2024-06-01", *QUARTERS), service_line="A", promotion="P")
    crm = from_frames({"customers": PEOPLE, "orders": frame}, as_of=AS_OF)
    result = practices(crm)
    assert "new_services" in result.absent
    assert "What these data cannot show" in result.reading()


def test_priority_is_measured_against_others_on_the_same_service():
    frame = orders(service_line="A", on_time=True)
    # Others are late in half of their orders, K1 never, K2 always.
    frame.loc[frame["order_id"].str.contains("G.-[01]"), "on_time"] = False
    frame.loc[frame["customer_id"] == "K2", "on_time"] = False
    rows = found("priority_supply", {"orders": frame})
    assert rows["value"].tolist() == pytest.approx([0.5, -0.5])
    frame.loc[frame["customer_id"] == "K2", "service_line"] = "B"
    alone = found("priority_supply", {"orders": frame})
    assert pd.isna(alone.loc["K2", "value"])


def test_watching_asks_for_a_contact_within_30_days_of_a_fall():
    # Four orders in the first quarter, two in the second, two afterwards.
    days = ("2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04", "2025-05-01", "2025-05-02")
    tables = {
        "orders": orders((*days, "2025-08-01", "2025-11-01")),
        "contacts": contacts([("K1", "2025-07-30", {}), ("K2", "2025-07-31", {})]),
    }
    rows = found("watching", tables)
    assert rows["value"].tolist() == [1, 0]


def test_shares_of_a_customers_own_records_are_not_compared_between_tiers():
    frame = orders(service_line="A", on_time=True, promotion="P")
    result = practices(from_frames({"customers": PEOPLE, "orders": frame}, as_of=AS_OF))
    table = result.table.set_index("practice")
    assert table.loc["priority_supply", "verdict"] == "not_compared"
    assert pd.isna(table.loc["priority_supply", "others"])
    assert table.loc["promotions", ["customers", "share", "others", "others_share"]].tolist() == [
        2,
        1,
        3,
        1,
    ]
    assert "Not compared: Priority supply." in result.reading()


def test_customers_who_did_not_buy_are_left_out_and_counted():
    frame = orders(promotion="P")
    frame.loc[frame["customer_id"] == "K2", "ordered_at"] = "2024-06-01"
    result = practices(from_frames({"customers": PEOPLE, "orders": frame}, as_of=AS_OF))
    assert result.idle == 1
    assert result.fewest["customer_id"].tolist() == ["K1"]
    assert result.definition.exclusions[0].count == 1


def test_nobody_who_bought_is_an_error_that_says_so():
    frame = orders(promotion="P")
    frame.loc[frame["customer_id"].str.startswith("K"), "ordered_at"] = "2024-06-01"
    crm = from_frames({"customers": PEOPLE, "orders": frame}, as_of=AS_OF)
    with pytest.raises(NotEnoughData, match="tier key bought in the last 12 months"):
        practices(crm)


def test_a_tier_nobody_is_in_is_an_error_that_names_the_tiers():
    crm = from_frames({"customers": PEOPLE, "orders": orders(promotion="P")}, as_of=AS_OF)
    with pytest.raises(UnknownName, match="The tiers are: key, general"):
        practices(crm, tier="gold")


def test_without_a_name_the_best_tier_is_looked_at_whatever_it_is_called():
    people = PEOPLE.replace({"tier": {"key": "gold", "general": "silver"}})
    frame = orders(promotion="P")
    frame.loc[frame["customer_id"].str.startswith("K"), "amount"] = 900.0
    result = practices(from_frames({"customers": people, "orders": frame}, as_of=AS_OF))
    assert (result.tier, result.others) == ("gold", "silver")
    assert "gold" in result.title()


def test_orders_alone_show_no_practice():
    with pytest.raises(MissingColumns, match=r"tiering\.practices needs contacts\.customer_id"):
        practices(from_frames({"orders": orders()}, as_of=AS_OF))


def test_the_rules_can_be_edited_and_shortened():
    rules = practice_rules().query("practice == 'promotions'").assign(at_least=5)
    rows = found("promotions", {"orders": orders(promotion="P")}, rules=rules)
    assert rows["met"].tolist() == [False, False]


def test_rules_of_another_shape_are_refused():
    crm = from_frames({"customers": PEOPLE, "orders": orders(promotion="P")}, as_of=AS_OF)
    with pytest.raises(CrmlabError, match="they lack: at_least"):
        practices(crm, rules=practice_rules().drop(columns="at_least"))
    with pytest.raises(CrmlabError, match="The practices are: priority_supply"):
        practices(crm, rules=practice_rules().replace("asking", "guessing"))


def test_the_companys_executive_visits_go_to_key_customers_alone(company):
    result = practices(company)
    row = result.table.set_index("practice").loc["executive_visits"]
    visits = company.contacts.query("purpose == 'executive_visit' and contacted_at >= '2025-01-01'")
    visited = set(visits["customer_id"]) & set(result.fewest["customer_id"])
    assert row["share"] == pytest.approx(len(visited) / row["customers"])
    assert (row["others_share"], row["verdict"]) == (0, "more")
    assert result.table["practice"].tolist() == practice_rules()["practice"].tolist()


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_practices_are_shown_in_both_languages(company, language):
    set_language(language)
    result = practices(company)
    first = {"en": "Priority supply", "zh_CN": "优先供货"}[language]
    assert shown_table(result).iloc[0, 0] == first
    assert first in result.alt()
    assert first in result.definition.method
    assert picture_of(result)[:4] == b"\x89PNG"
