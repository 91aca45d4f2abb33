import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.telling_words import telling_words
from crmlab.complaints.text_classes import classify_texts
from crmlab.complaints.text_held import dealt, held_out
from crmlab.complaints.text_scores import class_scores, lowest_in_words, macro_scores, widest
from crmlab.complaints.text_ways import text_ways
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName

#: Wordings of two matters; each has a word of its own matter and nothing else in common.
LATE = ("late at the gate", "came late on monday", "so late we closed", "late for the fair",
        "two hours late yesterday", "the lorry was late", "late and no call", "late with our cargo",
        "again late in winter", "our order late")  # fmt: skip
RUDE = ("rude to the porter", "driver was rude here", "a rude answer", "rude voice by phone",
        "your clerk is rude", "rude man shouting", "very rude indeed", "rude without reason",
        "they were rude twice", "how rude of you")  # fmt: skip


def workspace(texts, labels, customers=None):
    rows = {
        "complaint_id": [str(at) for at in range(len(texts))],
        "customer_id": customers or [f"C{at % 17}" for at in range(len(texts))],
        "opened_at": "2025-03-01 09:00",
        "text": texts,
        "kind": labels,
    }
    return from_frames({"complaints": pd.DataFrame(rows)}, as_of="2025-03-31")


def two_matters(copies=8):
    texts = [f"{body} {at}" for body in (*LATE, *RUDE) for at in range(copies)]
    labels = ["transport"] * len(LATE) * copies + ["service"] * len(RUDE) * copies
    return texts, labels


def test_a_word_that_all_wordings_of_a_label_share_is_learnt_from_other_wordings():
    result = classify_texts(workspace(*two_matters()))
    assert result.right.value > 0.95
    assert result.table["wordings"].tolist() == [10, 10]
    assert result.table["judged"].all()
    assert result.macro["f1"].value > 0.95
    assert "160 texts" in result.reading()


def test_near_copies_let_a_classifier_seem_to_know_what_cannot_be_known():
    # Wordings have nothing in common, so what one says tells nothing of another.
    bodies = ["".join(np.random.default_rng(at).choice(list("abcdefghijkl"), 24))
              for at in range(40)]  # fmt: skip
    texts = [f"{body[:8]} {body[8:16]} {body[16:]} {at}" for body in bodies for at in range(6)]
    labels = [name for at in range(40) for name in [("service", "transport")[at % 2]] * 6]
    result = text_ways(workspace(texts, labels))
    share = result.table.set_index("way")["share"]
    assert share["mixed"] > 0.95
    assert share["apart"] < 0.75
    pair = result.differences.iloc[0]
    assert pair["way"] == "mixed"
    assert pair["differs"]
    assert "Near-copies on both sides" in result.title()
    assert "memory of near-copies" in result.reading()


def test_no_text_is_judged_by_a_classifier_that_saw_its_customer_or_wording(monkeypatch):
    from crmlab.complaints import text_held

    seen = []
    learnt = text_held.learnt

    def watched(counts, truth):
        model = learnt(counts, truth)

        def judged(rows):
            seen.append((counts.toarray(), rows.toarray()))
            return model(rows)

        return judged

    monkeypatch.setattr(text_held, "learnt", watched)
    # The customer stands in the text, as a word of its own, and so does the wording.
    texts = [f"who{chr(97 + c)} body{chr(97 + w) * 6} body{chr(97 + w) * 6}"
             for c in range(6) for w in range(12)]  # fmt: skip
    labels = [("service", "transport")[w % 2] for _c in range(6) for w in range(12)]
    customers = [f"C{c}" for c in range(6) for _w in range(12)]
    held_out(workspace(texts, labels, customers), "kind", "words", 0, "apart")
    assert len(seen) == 18
    for trained, judged in seen:
        assert not (trained.sum(axis=0) * judged.sum(axis=0)).any()
    assert sum(len(judged) for _trained, judged in seen) == 72


def test_groups_are_dealt_whole_and_labels_evenly():
    groups = np.repeat(np.arange(40), 5)
    truth = np.repeat(np.arange(40) % 2, 5)
    part = dealt(groups, truth, 4, np.random.default_rng(0))
    assert pd.Series(part).groupby(groups).nunique().eq(1).all()
    assert np.bincount(part).tolist() == [50] * 4
    assert np.bincount(part[truth == 0]).tolist() == [25] * 4


def test_precision_recall_and_f1_by_hand():
    recorded = pd.Series(["a"] * 6 + ["b"] * 4)
    found = pd.Series(["a", "a", "a", "b", None, None, "a", "b", "b", None], dtype="object")
    table = class_scores(recorded, found, [np.arange(10)]).set_index("label")
    assert table.loc["a", ["texts", "named", "right"]].tolist() == [6, 4, 3]
    assert table.loc["a", ["precision", "recall", "f1"]].tolist() == pytest.approx([0.75, 0.5, 0.6])
    assert table.loc["b", ["precision", "recall"]].tolist() == pytest.approx([2 / 3, 0.5])
    macro = macro_scores(recorded, found, ["a", "b"], [np.arange(10)])
    assert macro["precision"].value == pytest.approx((0.75 + 2 / 3) / 2)
    assert macro["recall"].value == pytest.approx(0.5)
    assert macro["recall"].low < 0.5 < macro["recall"].high
    # One cluster alone has nothing to be left out.
    assert macro_scores(recorded, found, ["a", "b"], [np.zeros(10)]) == {}
    besides = class_scores(recorded, found, [np.arange(10)], besides=["b", "c"])
    assert besides["label"].tolist() == [*table.index, "c"]
    assert besides["texts"].tolist()[-1] == 0


def test_precision_and_recall_are_those_of_scikit_learn(company):
    from sklearn.metrics import precision_recall_fscore_support

    result = classify_texts(company)
    names = result.table["kind"].tolist()
    expected = precision_recall_fscore_support(
        result.texts["recorded"], result.texts["found"], labels=names
    )
    for name, values in zip(("precision", "recall", "f1", "texts"), expected, strict=True):
        np.testing.assert_allclose(result.table[name], values)
    for at, name in enumerate(("precision", "recall", "f1")):
        assert result.macro[name].value == pytest.approx(expected[at].mean())


def test_the_interval_is_that_of_the_clusters_that_are_most_alike():
    flags = [1, 1, 1, 1, 0, 0, 0, 0]
    alone, pairs = np.arange(8), [0, 0, 0, 0, 1, 1, 1, 1]
    assert widest(flags, [alone, pairs]) == widest(flags, [pairs])
    assert widest(flags, [pairs]).high - widest(flags, [pairs]).low > 0.9


def test_the_lowest_recall_may_be_that_of_a_label_no_text_was_given():
    table = pd.DataFrame({"cause": ["damage", "documents"], "judged": True})
    for name, values in {"precision": [0.4, np.nan], "recall": [1.0, 0.0]}.items():
        for column in (name, f"{name}_low", f"{name}_high"):
            table[column] = values
    said = lowest_in_words(table, "cause")
    assert "those recorded so): Damaged goods 40.0%" in said
    assert "those found): Wrong documents 0.0%" in said


def test_small_labels_are_shown_and_not_judged():
    texts, labels = two_matters()
    texts = [*texts, "steep stairs", "a lamp is needed", "open on sundays"]
    result = classify_texts(workspace(texts, [*labels, *["suggestion"] * 3]))
    row = result.table.set_index("kind").loc["suggestion"]
    assert row["texts"] == 3
    assert not row["judged"]
    assert "Shown and not judged" in result.reading()
    assert "Suggestion" in result.reading()
    words = telling_words(workspace(texts, [*labels, *["suggestion"] * 3]))
    assert words.small == ("suggestion",)
    assert "suggestion" not in set(words.table["kind"])


def test_texts_without_label_or_customer_are_said_or_stand_alone():
    texts, labels = two_matters()
    crm = workspace([*texts, "late", None], [*labels, None, "service"])
    result = classify_texts(crm)
    assert len(result.texts) == 160
    assert [one.words() for one in result.definition.exclusions] == [
        "1 complaint (no text)",
        "1 complaint (label not recorded)",
    ]
    nobody = workspace(texts, labels, [None] * len(texts))
    assert classify_texts(nobody).texts["customer"].nunique() == 160


def test_any_labels_of_the_record_will_do():
    texts, labels = two_matters()
    named = ["迟到" if one == "transport" else "态度" for one in labels]
    result = text_ways(workspace(texts, named))
    assert not result.with_rules
    assert set(result.table["way"]) == {"commonest", "apart", "mixed"}
    assert "none of the labels of the record" in result.reading()
    assert set(classify_texts(workspace(texts, named)).table["kind"]) == {"迟到", "态度"}


def test_texts_of_a_single_customer_are_still_told_apart():
    texts, labels = two_matters()
    result = text_ways(workspace(texts, labels, ["C1"] * len(texts)))
    assert result.table.set_index("way").loc["apart", "share"] > 0.95
    assert result.differences["low"].notna().all()
    assert "nan" not in result.reading().lower()
    assert not classify_texts(workspace(texts, labels, ["C1"] * len(texts))).table["judged"].any()


def test_of_very_many_labels_the_commonest_are_learnt():
    texts, labels = two_matters()
    rare = [f"rare {at}" for at in range(45)]
    result = classify_texts(workspace([*texts, *rare], [*labels, *rare]))
    assert len(result.table) == 40
    assert result.definition.exclusions[0].words() == (
        "7 complaints (label not among the 40 commonest)"
    )


def test_what_cannot_be_learnt_is_refused(company):
    with pytest.raises(CrmlabError, match="first_contact_resolution holds no words"):
        classify_texts(company, label="first_contact_resolution")
    texts, labels = two_matters()
    with pytest.raises(CrmlabError, match="'words' or 'characters'"):
        classify_texts(workspace(texts, labels), features="letters")
    with pytest.raises(UnknownName, match=r"complaints\.cause is not there"):
        classify_texts(workspace(texts, labels), label="cause")
    with pytest.raises(NotEnoughData, match="needs 50 texts"):
        classify_texts(workspace(texts[:40], labels[:40]))
    with pytest.raises(NotEnoughData, match="1 such labels"):
        classify_texts(workspace(texts, ["service"] * len(texts)))
    with pytest.raises(CrmlabError, match="words = 0"):
        telling_words(workspace(texts, labels), words=0)


def test_the_words_that_tell_are_those_of_the_matter():
    result = telling_words(workspace(*two_matters()))
    first = result.table.groupby("kind")["word"].first()
    assert first.to_dict() == {"service": "rude", "transport": "late"}
    top = result.table[result.table["word"] == "late"].iloc[0]
    assert (top["texts"], top["share"]) == (80, 1.0)
    assert "late" in result.alt()
    letters = telling_words(workspace(*two_matters()), features="characters", words=3)
    assert letters.table.groupby("kind").size().max() == 3


def test_where_no_label_is_common_enough_the_picture_is_empty_and_nothing_warns():
    texts, labels = two_matters()
    few = [f"{label}{place % 5}" for place, label in enumerate(labels)]
    result = telling_words(workspace(texts, few))
    assert result.table.empty
    assert not result.plot().texts


def test_characters_do_as_well_as_words():
    result = classify_texts(workspace(*two_matters()), features="characters")
    assert result.right.value > 0.8
    assert "Pieces of one to three characters" in result.definition.method


def test_the_same_seed_gives_the_same(company):
    one, other = classify_texts(company).table, classify_texts(company, seed=1).table
    pd.testing.assert_frame_equal(one, classify_texts(company, seed=0).table)
    assert not one.equals(other)


def test_a_random_split_flatters_the_classifier_of_the_company(company):
    kinds, causes = text_ways(company), text_ways(company, label="cause")
    for result in (kinds, causes):
        share = result.table.set_index("way")["share"]
        row = result.differences.iloc[0]
        assert row["low"] > 0.05
        # Right labels are 94 in a hundred, and of one text in ten nothing can be told.
        assert share["mixed"] < 0.95
        assert share["rules_first"] > share["rules"]
    assert causes.table.set_index("way")["share"]["apart"] < kinds.table.set_index("way")[
        "share"]["apart"]  # fmt: skip


def test_pictures_and_words_are_there_in_both_languages(company):
    from crmlab.language import speaking

    for code in ("en", "zh_CN"):
        with speaking(code):
            for result in (
                classify_texts(company, label="cause"),
                text_ways(company),
                telling_words(company),
            ):
                assert result.plot().get_figure() is not None
                assert result.reading()
                assert result.alt()
                assert result.definition.method
