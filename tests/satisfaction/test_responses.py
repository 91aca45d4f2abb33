"""Which questionnaires count, and what is said of those that do not."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import set_language
from crmlab.satisfaction.index import satisfaction_index
from crmlab.satisfaction.reliability import reliability
from crmlab.satisfaction.responses import (
    clusters,
    dimension_names,
    facts,
    grouped_by,
    item_names,
    items,
    responses,
    weighed,
    wide,
)

SURVEYS = {
    "response_id": ["1", "2", "3", "4", "5"],
    "customer_id": ["A", "A", "B", None, "C"],
    "sent_at": ["2025-01-01"] * 5,
    "answered_at": ["2025-01-02", "2025-01-02", None, "2025-01-02", "2025-01-03"],
    "mode": ["sample", "follow_up", "sample", "call_centre", "sample"],
    "weight": [2.0, 6.0, 2.0, None, 2.0],
    "overall": [4, 2, None, 1, 5],
}
ANSWERS = {
    "response_id": ["1", "1", "2", "4", "5"],
    "item": ["rel1", "tan1", "tan1", "tan1", "own"],
    "aspect": ["perception"] * 5,
    "value": [5.0, 6.0, 3.0, 1.0, 2.0],
}
ITEMS = (
    model.Item("tan1", "tangibles", "Vehicles", "车辆", 1, 7, "technical"),
    model.Item("rel1", "reliability", "", "", 1, 7),
)


def workspace(answers=None, settings=None, **changed):
    frames = {"surveys": pd.DataFrame(SURVEYS | changed)}
    if answers is not None:
        frames["answers"] = pd.DataFrame(answers)
    return from_frames(frames, settings=settings or model.Settings(items=ITEMS))


@pytest.fixture(autouse=True)
def _english():
    yield
    set_language("en")


def test_only_questionnaires_drawn_at_random_count_unless_asked_for():
    found = responses(workspace())
    assert found.frame["response_id"].tolist() == ["1", "2", "5"]
    assert (found.sent, found.unanswered, found.left_out) == (4, 1, {"call_centre": 1})
    assert found.modes == ("follow_up", "sample")
    called = responses(workspace(), modes=["call_centre"])
    assert called.frame["response_id"].tolist() == ["4"]


def test_what_is_left_out_is_said_with_its_count():
    said = responses(workspace()).sentence()
    assert said == (
        "Left out: 1 questionnaire (not answered); 1 questionnaire (asked in the mode Call centre)."
    )


def test_an_unknown_mode_is_refused_with_those_there_are():
    with pytest.raises(UnknownName, match="mode post; the modes are: call_centre, follow_up, sam"):
        responses(workspace(), modes=["post"])


def test_nobody_answered_is_said():
    with pytest.raises(NotEnoughData, match="No questionnaire was answered"):
        responses(workspace(answered_at=[None] * 5))


def test_answers_without_a_weight_are_left_out_where_others_have_one():
    found = responses(workspace(weight=[2.0, None, 2.0, None, 2.0]))
    assert found.frame["response_id"].tolist() == ["1", "5"]
    assert (found.without_weight, found.unanswered, found.weighted) == (1, 1, True)


def test_without_any_weight_everyone_counts_once():
    found = responses(workspace(weight=[None] * 5))
    assert found.frame["weight"].tolist() == [1.0, 1.0, 1.0]
    assert not found.weighted


def test_data_of_the_call_centre_alone_are_not_refused():
    found = responses(workspace(mode=["call_centre"] * 5))
    assert len(found.frame) == 3
    assert found.modes == ("call_centre",)


def test_beside_questionnaires_of_no_named_mode_the_call_centre_does_not_count():
    found = responses(workspace(mode=[None, None, None, "call_centre", None]))
    assert found.frame["response_id"].tolist() == ["1", "2", "5"]
    assert (found.modes, found.left_out) == ((), {"call_centre": 1})


def test_where_weights_do_not_count_nobody_is_left_out_for_lacking_one():
    crm = workspace(weight=[2.0, None, 2.0, None, 2.0])
    found = responses(crm, weighted=False)
    assert found.frame["weight"].tolist() == [1.0, 1.0, 1.0]
    assert (found.without_weight, found.unanswered, found.weighted) == (0, 1, False)


def test_more_questionnaires_than_can_be_held_are_sampled_and_it_is_said(company, monkeypatch):
    monkeypatch.setattr(sys.modules["crmlab.data.questionnaires"], "LARGEST", 3000)
    found = responses(company)
    assert 500 < len(found.frame) < 2000
    assert found.part.startswith("Of 5,993 questionnaires those of ")


def test_questionnaires_that_name_nobody_are_all_used_however_many(monkeypatch):
    monkeypatch.setattr(sys.modules["crmlab.data.questionnaires"], "LARGEST", 3)
    found = responses(workspace(customer_id=[None] * 5))
    assert (len(found.frame), found.part) == (3, "")


def test_items_keep_their_order_and_speak_the_language():
    crm = workspace()
    assert items(crm)["item"].tolist() == ["tan1", "rel1"]
    assert item_names(crm) == {"tan1": "Vehicles", "rel1": "rel1"}
    assert dimension_names(crm) == {"tangibles": "Tangibles", "reliability": "Reliability"}
    set_language("zh_CN")
    assert item_names(crm)["tan1"] == "车辆"


def test_wide_has_a_row_for_each_questionnaire_that_counts():
    table = wide(workspace(ANSWERS), "perception")
    assert table.columns.tolist() == ["tan1", "rel1", "own"]
    assert table.index.tolist() == ["1", "2", "5"]
    assert table.loc["1"].tolist()[:2] == [6.0, 5.0]
    assert table.loc["2"].isna().tolist() == [False, True, True]
    only = wide(workspace(ANSWERS), "perception", dimensions=["reliability"])
    assert only.to_dict() == {"rel1": {"1": 5.0}}


def test_wide_without_such_an_answer_is_refused():
    with pytest.raises(NotEnoughData, match="an item of the aspect expectation"):
        wide(workspace(ANSWERS), "expectation")


def test_answers_of_one_customer_are_a_cluster_and_nobody_is_lumped_together():
    frame = pd.DataFrame(
        {"response_id": ["1", "2", "3", "4"], "customer_id": ["A", "A", None, None]}
    )
    assert clusters(frame).tolist() == [0, 0, 1, 2]


def test_the_bundled_company_has_the_questionnaire_of_the_course(company):
    perceived = wide(company, "perception", dimensions=["tangibles", "reliability"])
    assert perceived.shape[1] == 9
    assert perceived.notna().all().all()


# --- groups


def test_a_group_is_a_column_of_the_questionnaire_its_customer_or_its_order():
    frames = {
        "surveys": pd.DataFrame(SURVEYS | {"order_id": ["o1", "o2", None, "o9", "o3"]}),
        "customers": pd.DataFrame(
            {"customer_id": ["A", "C"], "tier": ["key", "general"], "region": ["S", "N"]}
        ),
        "orders": pd.DataFrame(
            {
                "order_id": ["o1", "o2", "o3"],
                "region": ["N", "S", "N"],
                "promised_at": ["2025-01-02 12:00"] * 3,
                "delivered_at": ["2025-01-02 11:00", "2025-01-02 13:00", None],
            }
        ),
    }
    crm = from_frames(frames, as_of="2025-12-31")
    frame = responses(crm).frame
    assert grouped_by(crm, frame, "mode").tolist() == ["sample", "follow_up", "sample"]
    assert grouped_by(crm, frame, "tier").tolist() == ["key", "key", "general"]
    assert grouped_by(crm, frame, "region").tolist() == ["N", "S", "N"]
    assert grouped_by(crm, frame, "customer_region").tolist() == ["S", "S", "N"]
    assert grouped_by(crm, frame, "on_time").tolist() == [True, False, False]
    assert grouped_by(crm, frame, "month").dt.strftime("%Y-%m").tolist() == ["2025-01"] * 3
    assert len(facts(crm)) == 5


def test_on_time_is_as_given_else_by_the_promise_and_not_known_before_it_is_due():
    orders = pd.DataFrame(
        {
            "order_id": ["given", "early", "late", "open", "not due", "no promise"],
            "promised_at": ["2025-03-02"] * 4 + ["2026-01-02", None],
            "delivered_at": ["2025-03-01", "2025-03-01", "2025-03-03", None, "2025-12-30", None],
            "on_time": [False, None, None, None, None, None],
        }
    )
    surveys = pd.DataFrame({"response_id": list("123456"), "order_id": orders["order_id"]})
    crm = from_frames({"surveys": surveys, "orders": orders}, as_of="2025-12-31")
    found = facts(crm)["on_time"]
    assert found.isna().tolist() == [False] * 4 + [True] * 2
    assert found.dropna().tolist() == [False, True, False, False]


def test_an_unknown_group_is_refused_with_those_there_are():
    crm = workspace()
    with pytest.raises(UnknownName, match=r"no column colour .* There are: month, response_id"):
        grouped_by(crm, responses(crm).frame, "colour")
    with pytest.raises(UnknownName, match="no column tier"):
        grouped_by(crm, responses(crm).frame, "tier")


def test_questionnaires_of_weight_0_are_left_out_and_counted():
    found = weighed(responses(workspace(weight=[2.0, 0.0, 2.0, None, 2.0])))
    assert found.frame["response_id"].tolist() == ["1", "5"]
    assert (found.without_weight, found.unanswered) == (1, 1)
    assert "1 questionnaire (answered, but without a weight)" in found.sentence()
    with pytest.raises(NotEnoughData, match="All questionnaires have the weight 0"):
        weighed(responses(workspace(weight=[0.0] * 5)))


def test_items_are_analysed_as_if_questionnaires_of_weight_0_were_not_there():
    random = np.random.default_rng(0)
    values = random.integers(1, 8, (40, 1)) + random.integers(-1, 2, (40, 2))
    names = [str(row) for row in range(40)]
    long = pd.DataFrame(values.clip(1, 7), names, ["tan1", "rel1"]).rename_axis("response_id")
    long = long.reset_index().melt("response_id", var_name="item").assign(aspect="perception")
    items = tuple(model.Item(item, "all", minimum=1, maximum=7) for item in ("tan1", "rel1"))

    def of(count, weights):
        surveys = pd.DataFrame({"response_id": names[:count], "weight": weights})
        kept = long[long["response_id"].isin(names[:count])]
        return from_frames({"surveys": surveys, "answers": kept}, model.Settings(items=items))

    some, all_of_them = of(20, [1.0] * 20), of(40, [1.0] * 20 + [0.0] * 20)
    for measure in (reliability, satisfaction_index):
        pd.testing.assert_frame_equal(measure(some).table, measure(all_of_them).table)
