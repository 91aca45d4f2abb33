import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.words import TRADE, near_copies, normalised, tokens
from crmlab.data.simulate import texts as simulated


def test_full_width_letters_blanks_and_capitals_are_made_alike():
    assert normalised("ＤＡＭＡＧＥＤ\u3000 ２件\n") == "damaged 2件"
    assert normalised(None) == normalised(np.nan) == normalised("   ") == ""


def test_words_of_both_languages_are_cut_and_numbers_are_no_words():
    assert tokens("外箱破损 3件, LATE again!") == ["外箱", "破损", "件", "late", "again"]
    assert tokens("12 345 ，。！") == tokens(None) == tokens("") == []


def test_words_of_the_trade_stay_whole_and_the_common_dictionary_is_left_alone():
    import rjieba

    assert "缺件" in tokens("又缺件了")
    assert tokens("缺件")[0] in TRADE
    assert not rjieba.has_word("缺件")


def test_other_numbers_openings_and_ends_make_near_copies_and_other_matters_do_not():
    bodies = ["司机态度恶劣还和门卫吵架", "单证不齐报关行不收货", "冷链断链食品化冻变质"]
    bodies += ["合同有效期内涨价不讲信用", "约好上午下午才到仓库", "新来的仓管不会操作系统"]
    openings = ["你好，", "再次反映，", "", "客服您好，", "真是气人，"]
    ends = ["，请尽快处理。", "！", "，谢谢。"]
    made = [(a + f"{n}" + b + c) for n, b in enumerate(bodies) for a in openings for c in ends]
    group = near_copies(made)
    assert group.tolist() == [at for at in range(6) for _text in range(15)]


def test_the_groups_are_the_templates_that_the_simulation_wrote_from():
    rng = np.random.default_rng(3)
    cause = rng.integers(0, len(simulated.MARKERS), 1500)
    made = simulated.complaint_texts(rng, cause, rng.random(1500) < 0.1, 0.0)
    named = pd.Series([simulated.cause_named(text) for text in made])
    group = near_copies(made)
    told = named != ""
    # No group joins texts of two causes but for a few chains.
    own = named[told].groupby(group[told]).agg(lambda part: part.value_counts().iloc[0])
    assert own.sum() / told.sum() > 0.97
    assert 80 < len(np.unique(group)) < 250


def test_a_chain_that_would_join_most_texts_is_broken_up():
    # Each text shares half of its pieces with the next one.
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = [letters[at : at + 12] for at in range(14)]
    assert len(np.unique(near_copies(made, likeness=0.3))) > 1


def test_few_or_empty_texts_have_groups_too():
    assert near_copies([]).tolist() == []
    assert near_copies(["", "7", "!"]).tolist() == [0, 0, 0]
    assert near_copies(["a", "b", "a"]).tolist() == [0, 1, 0]
    assert near_copies(pd.Series(["late", None], index=[5, 6])).tolist() == [0, 1]


@pytest.mark.parametrize("text", ["🙂🙂", "\u200b", "ａ" * 5000])
def test_odd_texts_do_not_break_the_cutting(text):
    assert isinstance(tokens(text), list)
