from dataclasses import replace

import pytest

from crmlab.errors import CrmlabError
from crmlab.loyalty.clv_explorer import clv_of, explore_clv, worth_in_words
from crmlab.loyalty.future_value import future_value


def test_the_value_is_the_sum_over_the_years():
    direct = sum(250 * (0.7 / 1.12) ** year for year in range(1, 400))
    assert clv_of(250, 0.7, 0.12) == pytest.approx(direct)
    assert clv_of(250, 0.0, 0.12) == 0.0


@pytest.mark.parametrize(("retention", "discount"), [(1.1, 0.1), (-0.1, 0.1), (0.8, 0.0)])
def test_what_has_no_value_is_refused(retention, discount):
    with pytest.raises(CrmlabError, match="retention lies between"):
        clv_of(1.0, retention, discount)


def test_the_words_say_what_a_point_is_worth():
    said = worth_in_words(0.8, 0.10, 1000.0, "EUR")
    assert "is worth €2,667" in said  # 800 / 0.3
    assert "less than €3,667" in said  # with the first margin at once
    assert "retention adds €126" in said  # 810 / 0.29 − 800 / 0.3
    assert "discount €92" in said  # 800 / 0.29 − 800 / 0.3
    assert "margin €27" in said
    assert "for 5.0 years" in said


@pytest.fixture
def caught(monkeypatch):
    """What is handed to the explorer in place of being shown."""
    handed = {}
    monkeypatch.setattr(
        "crmlab.show.widgets.explorer",
        lambda figure, move, words, controls: handed.update(
            figure=figure, move=move, words=words, controls=controls
        ),
    )
    return handed


def test_a_discount_beyond_the_usual_is_where_its_slider_starts(company, caught):
    explore_clv(replace(future_value(company), discount=0.45))
    assert caught["controls"]["discount"].value == 0.45


def test_money_on_the_axis_is_in_whole_units_with_separators(company, caught):
    explore_clv(future_value(company))
    (axes,) = caught["figure"].axes
    for margin, last in ((2900.0, "24,000"), (0.0, "1")):
        caught["move"](retention=0.8, discount=0.1, margin=margin)
        ticks = [at for at in axes.get_yticks() if at <= axes.get_ylim()[1]]
        labels = axes.yaxis.get_major_formatter().format_ticks(ticks)
        assert labels[-1] == last
        assert len(set(labels)) == len(labels)


def test_the_explorer_starts_at_the_estimates_and_follows_its_sliders(company, caught):
    result = future_value(company)
    explore_clv(result)
    start = {name: control.value for name, control in caught["controls"].items()}
    assert start["retention"] == pytest.approx(result.retention, abs=0.005)
    assert start["margin"] == pytest.approx(result.yearly_margin, rel=0.05)
    assert start["discount"] == result.discount
    (axes,) = caught["figure"].axes
    for values in (start, {"retention": 0.5, "discount": 0.2, "margin": 100.0}):
        caught["move"](**values)
        line, _across, dot = axes.lines
        expected = clv_of(values["margin"], values["retention"], values["discount"])
        assert dot.get_ydata()[0] == pytest.approx(expected)
        assert line.get_ydata()[0] == 0.0
        assert axes.get_ylim()[1] > line.get_ydata()[-1]
        assert caught["words"](**values)
