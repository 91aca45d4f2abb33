"""The rules of a good questionnaire, held against the items of the workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from crmlab.data.model import Item
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, current_language, ngettext, number
from crmlab.satisfaction.questionnaire import MOST_BOXES
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

_COLUMNS = (
    "rule", "looks_at", "language", "pattern", "limit", "label", "label_zh", "remedy", "remedy_zh",
)  # fmt: skip
_LOOKS_AT = ("words", "length", "same", "scale", "dimension")


def wording_rules() -> pd.DataFrame:
    """The rules that come with the book: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        rule; looks_at (``"words"``: the wording holds `pattern`; ``"length"``: it has more than
        `limit` words, in Chinese characters; ``"same"``: another item has it too; ``"scale"``: the
        scale has no middle; ``"dimension"``: items of a dimension have different scales); language
        (``"en"``, ``"zh"``, or missing where the wording does not matter); pattern (regular
        expression); limit; label, label_zh, remedy, remedy_zh.

    Examples
    --------
    >>> wording_rules()["rule"].unique().tolist()[:3]
    ['double', 'leading', 'negative']
    """
    return pd.read_csv(Path(__file__).parent / "wording_rules.csv", encoding="utf-8")


@dataclass(frozen=True, repr=False)
class DesignCheck(Result):
    """Result of `design_check`.

    Attributes
    ----------
    rules : pandas.DataFrame
    items : tuple of Item
    """

    measure = "satisfaction.design_check"

    rules: pd.DataFrame
    items: tuple[Item, ...]

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"rule": self._of_rules("label"), "advice": self._of_rules("remedy")}

    def _of_rules(self, column: str) -> dict[str, str]:
        named = f"{column}_zh" if current_language() == "zh_CN" else column
        first = self.rules.drop_duplicates("rule")
        return dict(zip(first["rule"], first[named].fillna(first[column]), strict=True))

    def _counts(self) -> pd.Series:
        """Items against each rule, most first."""
        pairs = self.table.drop_duplicates(["rule", "item"])
        return pairs["rule"].value_counts(sort=False).sort_values(ascending=False, kind="stable")

    def title(self) -> str:
        found = self.table["item"].nunique()
        return ngettext(
            "{found} of {count} item should be looked at again",
            "{found} of {count} items should be looked at again",
            len(self.items),
        ).format(found=number(found), count=number(len(self.items)))

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.ticker import MaxNLocator

        axes = charts.new_axes(ax, size=(7.2, 3.2))
        counts = self._counts().iloc[::-1]
        names = self._of_rules("label")
        bars = axes.barh([names[rule] for rule in counts.index], counts, color=charts.BLUE)
        axes.bar_label(bars, [number(count) for count in counts], padding=4)
        axes.set_xlim(0, max(counts.max() * 1.12 if len(counts) else 1, 1))
        axes.set_xlabel(_("Items"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        checked = _("{count} items were held against {rules} rules.").format(
            count=number(len(self.items)), rules=number(self.rules["rule"].nunique())
        )
        bare = sum(not (item.label or item.label_zh) for item in self.items)
        if bare:
            without = _("{count} of them have no wording, so only their scales were looked at.")
            checked = f"{checked} {without.format(count=number(bare))}"
        if self.table.empty:
            none = _("None breaks one.")
            return f"{checked} {none}"
        names = self._of_rules("label")
        parts = [
            _("{rule}: {count}").format(rule=names[rule], count=number(count))
            for rule, count in self._counts().items()
        ]
        found = _("Items against each rule: {parts}.").format(parts=_("; ").join(parts))
        caution = _(
            "A rule sees words, not sense: read each item before you change it. An item that is "
            "changed can no longer be compared with its earlier answers."
        )
        return f"{checked} {found}\n\n{caution}"

    def alt(self) -> str:
        return _("Bars of the number of items against each rule. {reading}").format(
            reading=self.reading().split("\n\n")[0]
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Items whose wording or scale meets a rule"),
            denominator=_("Items that the workspace declares"),
            period=self.context.period(),
            method=_(
                "Rules as a table (Dillman, Smyth and Christian 2014, chapters 4 and 5); wording "
                "in English and in Chinese is looked at separately"
            ),
            source=self.context.source,
        )


@measure(needs={})
def design_check(crm: Workspace, *, rules: pd.DataFrame | None = None) -> DesignCheck:
    """Which items of the questionnaire break a rule of good wording.

    Parameters
    ----------
    crm : Workspace
        Its settings declare the items.
    rules : pandas.DataFrame, optional
        In the shape of `wording_rules`, which are the default.

    Returns
    -------
    DesignCheck
        `.table` has a row per item, rule and language: item, rule, wording, words (what was
        found), advice (the rule's code; the rules hold the words).

    Raises
    ------
    NotEnoughData
        If the workspace declares no items.
    CrmlabError
        If the rules lack a column, look at something else, or hold a pattern that is not a regular
        expression.

    Notes
    -----
    Price questions and points to share out are amounts, not scales, and are not asked for a middle;
    neither are scales of more than eleven points.

    References
    ----------
    Dillman, D. A., Smyth, J. D. and Christian, L. M. (2014), Internet, Phone, Mail, and Mixed-Mode
    Surveys, 4th ed., Wiley.

    Examples
    --------
    >>> from crmlab.data.model import Settings
    >>> from crmlab.data.sources import from_frames
    >>> item = Item("a", "x", "Fast and friendly", maximum=4)
    >>> surveys = pd.DataFrame({"response_id": ["1"]})
    >>> found = design_check(from_frames({"surveys": surveys}, Settings(items=(item,))))
    >>> found.table["rule"].tolist()
    ['double', 'no_middle']
    """
    if not crm.settings.items:
        raise NotEnoughData(
            _("The workspace declares no items, so there is no questionnaire to check.")
        )
    chosen = _checked(wording_rules() if rules is None else rules)
    items = tuple(crm.settings.items)
    rows = [found for rule in chosen.itertuples() for found in _found(rule, items)]
    names = ["item", "rule", "wording", "words"]
    table = pd.DataFrame(rows, columns=names).drop_duplicates().astype("str")
    table["advice"] = table["rule"]
    return DesignCheck(table.reset_index(drop=True), Context.of(crm), chosen, items)


def _checked(rules: pd.DataFrame) -> pd.DataFrame:
    lacking = [name for name in _COLUMNS if name not in rules]
    if lacking:
        raise CrmlabError(
            _("The rules lack {names}. Begin with a copy of wording_rules().").format(
                names=", ".join(lacking)
            )
        )
    unknown = rules.loc[~rules["looks_at"].isin(_LOOKS_AT), "looks_at"]
    if len(unknown):
        raise CrmlabError(
            _("A rule looks at {what}; it can look at: {names}.").format(
                what=unknown.iloc[0], names=", ".join(_LOOKS_AT)
            )
        )
    for pattern in rules.loc[rules["looks_at"] == "words", "pattern"]:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise CrmlabError(
                _("The pattern {pattern} of a rule is not a regular expression: {problem}.").format(
                    pattern=pattern, problem=error
                )
            ) from error
    return rules


def _found(rule: Any, items: Sequence[Item]) -> Iterator[tuple[str, str, str, str]]:
    """Item, rule, wording and what was found, of each item that breaks the rule."""
    if rule.looks_at == "scale":
        yield from _without_middle(rule.rule, items)
    elif rule.looks_at == "dimension":
        yield from _mixed(rule.rule, items)
    else:
        wordings = {item.item: _wording(item, rule.language) for item in items}
        for code, wording in wordings.items():
            words = _words(rule, code, wording, wordings) if wording else ""
            if words:
                yield code, rule.rule, wording, words


def _wording(item: Item, language: str) -> str:
    return item.label_zh if language == "zh" else item.label


def _words(rule: Any, code: str, wording: str, wordings: Mapping[str, str]) -> str:
    """What a rule finds in a wording; empty if nothing."""
    if rule.looks_at == "words":
        hits = re.finditer(rule.pattern, wording, re.IGNORECASE)
        return ", ".join(dict.fromkeys(hit.group() for hit in hits))
    if rule.looks_at == "length":
        size = len(wording) if rule.language == "zh" else len(wording.split())
        return number(size) if size > rule.limit else ""
    same = [other for other, text in wordings.items() if other != code and _alike(text, wording)]
    return ", ".join(same)


def _alike(one: str, other: str) -> bool:
    return re.sub(r"\W+", "", one).casefold() == re.sub(r"\W+", "", other).casefold()


def _without_middle(rule: str, items: Sequence[Item]) -> Iterator[tuple[str, str, str, str]]:
    for item in items:
        points = item.maximum - item.minimum + 1
        amounts = item.dimension in ("price", "importance")
        if not amounts and points <= MOST_BOXES and points % 2 == 0:
            yield item.item, rule, item.label or item.label_zh, _scale(item)


def _mixed(rule: str, items: Sequence[Item]) -> Iterator[tuple[str, str, str, str]]:
    first: dict[str, Item] = {}
    for item in items:
        usual = first.setdefault(item.dimension, item) if item.dimension else item
        if (item.minimum, item.maximum) != (usual.minimum, usual.maximum):
            found = f"{_scale(item)}; {usual.item}: {_scale(usual)}"
            yield item.item, rule, item.label or item.label_zh, found


def _scale(item: Item) -> str:
    return f"{item.minimum:g}–{item.maximum:g}"
