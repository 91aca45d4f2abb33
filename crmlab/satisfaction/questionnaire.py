"""The customer satisfaction survey (客户满意度调查表): a page to print, a file to type it into."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.data import model
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, current_language, number, speaking
from crmlab.satisfaction.kano import answer_names
from crmlab.satisfaction.responses import item_names

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: A scale of more points than this is answered by a number instead of a box.
MOST_BOXES = 11
#: Of more answers than this a sample of customers says what has been asked.
MANY_ANSWERS = 500_000
#: General questions in their order: columns of surveys.
GENERAL = (
    "overall",
    "recommend",
    "repurchase_intention",
    "incident_tolerance",
    "competitor_attention",
    "brand_attention",
    "identification",
)
#: What identifies a questionnaire, typed in from its head.
IDENTIFYING = ("response_id", "customer_id", "order_id", "sent_at", "answered_at")
#: Parts in the order in which they are asked: the general before the specific.
PARTS = (
    "general", "rating", "expectation", "perception", "importance", "points", "kano", "price",
)  # fmt: skip


@dataclass(frozen=True)
class FormQuestion:
    """One question of the page.

    Attributes
    ----------
    part : str
        One of `PARTS`.
    column : str
        Column of the file into which the answer is typed.
    text : str
        Wording.
    minimum, maximum : float
        Ends of the scale.
    """

    part: str
    column: str
    text: str
    minimum: float
    maximum: float

    @property
    def boxes(self) -> int:
        """Number of boxes to tick; 0 where a number is written."""
        points = int(self.maximum - self.minimum) + 1
        return points if points <= MOST_BOXES else 0


@dataclass(frozen=True)
class Questionnaire:
    """A questionnaire in one language, as `questionnaire` makes it.

    Attributes
    ----------
    company : str
    language : str
    parts : tuple of str
        Those it has.
    questions : pandas.DataFrame
        A row per question in the order asked: part, column, text, minimum, maximum.
    settings : Settings
        Of the workspace whose items it asks.
    """

    company: str
    language: str
    asked: tuple[FormQuestion, ...]
    settings: model.Settings

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that it has, in order."""
        return tuple(part for part in PARTS if any(one.part == part for one in self.asked))

    @property
    def questions(self) -> pd.DataFrame:
        """The questions as a table."""
        names = ["part", "column", "text", "minimum", "maximum"]
        rows = [[getattr(one, name) for name in names] for one in self.asked]
        return pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        return f"<Questionnaire of {self.company!r}: {len(self.asked)} questions>"

    def html(self) -> str:
        """The page: HTML without scripts or anything from elsewhere, to be printed on A4."""
        with speaking(self.language):
            return _page(self)

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, to be opened in a browser and printed.

        Parameters
        ----------
        path : str or Path
            Such as ``"survey.html"``.
        """
        path = Path(path)
        path.write_text(self.html(), encoding="utf-8")
        return path

    def template(self, path: str | Path) -> Path:
        """Write an empty file to type answers into, and the mapping that reads it back.

        Parameters
        ----------
        path : str or Path
            Ends in ``.csv`` or ``.xlsx``. The mapping has the same name and ends in ``.toml``.

        Returns
        -------
        Path
            The mapping: ``crmlab.load`` reads the answers with it.

        Raises
        ------
        CrmlabError
            If the path has another ending, or either file is there already: it may hold answers.
        """
        path = Path(path)
        target = path.with_suffix(".toml")
        _check_target(path, target)
        empty = pd.DataFrame(columns=[*IDENTIFYING, *(one.column for one in self.asked)])
        if path.suffix == ".csv":
            # The mark at the beginning makes a spreadsheet read Chinese as it should.
            empty.to_csv(path, index=False, encoding="utf-8-sig")
        else:
            with pd.ExcelWriter(path, engine="openpyxl") as book:
                empty.to_excel(book, sheet_name="answers", index=False, freeze_panes=(1, 1))
                self.questions.to_excel(book, sheet_name="questions", index=False)
        target.write_text(_mapping(self, path), encoding="utf-8")
        return target


def questionnaire(
    crm: Workspace, *, language: str | None = None, aspects: Sequence[str] | None = None
) -> Questionnaire:
    """The questionnaire of a workspace's items, to print and to type back in.

    Parameters
    ----------
    crm : Workspace
        Its settings declare the items. Where it has answers, an item is asked about as it was; an
        item without answers by its dimension (``"kano"``, ``"price"``, ``"importance"``), else what
        customers perceive.
    language : str, optional
        ``"en"`` or ``"zh_CN"``; the current language by default.
    aspects : sequence of str, optional
        Only these, such as ``["perception"]`` for a short form. General questions are always asked.

    Returns
    -------
    Questionnaire

    Raises
    ------
    NotEnoughData
        If the workspace declares no item that could be asked about.
    UnknownName
        If there is no such aspect.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> item = model.Item("rel1", "reliability", "Keeps its promises", maximum=7)
    >>> surveys = pd.DataFrame({"response_id": ["1"], "overall": [4]})
    >>> crm = from_frames({"surveys": surveys}, model.Settings(name="Demo", items=(item,)))
    >>> questionnaire(crm).questions["column"].tolist()
    ['overall', 'rel1_perception']
    """
    known = model.table("answers").column("aspect").codes
    for aspect in aspects or ():
        if aspect not in known:
            raise UnknownName(
                _("There is no aspect {aspect}. There are: {names}.").format(
                    aspect=aspect, names=", ".join(known)
                )
            )
    pairs = [pair for pair in _asked(crm) if aspects is None or pair[1] in aspects]
    if not pairs:
        raise NotEnoughData(
            _(
                "The workspace declares no items to ask about. Declare each with a section "
                "[[items]] in the mapping or in workspace.toml."
            )
        )
    with speaking(language or current_language()):
        general = [_general(name) for name in GENERAL if _has_general(crm, name)]
        names = item_names(crm)
        specific = [_specific(item, aspect, names[item.item]) for item, aspect in pairs]
        ordered = sorted([*general, *specific], key=lambda one: PARTS.index(one.part))
        return Questionnaire(
            crm.settings.shown() or _("our company"),
            current_language(),
            tuple(ordered),
            crm.settings,
        )


# --- what is asked


def _asked(crm: Workspace) -> list[tuple[model.Item, str]]:
    """Items and aspects, in the order of the questionnaire and of the aspects."""
    answered = _answered(crm)
    order = list(model.table("answers").column("aspect").codes)
    usual = {"kano": ["functional", "dysfunctional"], "price": ["price"]}
    usual["importance"] = ["importance"]
    found = []
    for item in crm.settings.items:
        aspects = answered.get(item.item) or usual.get(item.dimension, ["perception"])
        found += [(item, aspect) for aspect in sorted(aspects, key=order.index)]
    return found


def _answered(crm: Workspace) -> dict[str, list[str]]:
    """The aspects that each item has answers of."""
    if not crm.has("answers", "response_id", "item", "aspect"):
        return {}
    some = crm if crm.rows("answers") <= MANY_ANSWERS else crm.sample(customers=2000)
    pairs = some.answers[["item", "aspect"]].drop_duplicates().dropna()
    return {str(item): part["aspect"].tolist() for item, part in pairs.groupby("item")}


def _has_general(crm: Workspace, name: str) -> bool:
    return crm.has("surveys", name) or (name == "overall" and not crm.has("surveys"))


def _general(name: str) -> FormQuestion:
    wording = {
        "overall": _("All in all, how satisfied are you with us?"),
        "recommend": _("How likely are you to recommend us to another company?"),
        "repurchase_intention": _("How likely are you to order from us again?"),
        "incident_tolerance": _("If something went wrong once, how likely would you stay with us?"),
        "competitor_attention": _("How closely do you look at what other companies offer?"),
        "brand_attention": _("How closely do you follow news from us?"),
        "identification": _("How far do you feel that we are the right partner for you?"),
    }
    column = model.table("surveys").column(name)
    low, high = float(column.minimum or 0), float(column.maximum or 0)
    return FormQuestion("general", name, wording[name], low, high)


def _specific(item: model.Item, aspect: str, label: str) -> FormQuestion:
    text = label
    if aspect == "functional":
        text = _("{attribute}: how do you feel if we offer it?").format(attribute=label)
    if aspect == "dysfunctional":
        text = _("{attribute}: how do you feel if we do not offer it?").format(attribute=label)
    column = f"{item.item}_{aspect}"
    return FormQuestion(_part(item, aspect), column, text, item.minimum, item.maximum)


def _part(item: model.Item, aspect: str) -> str:
    if aspect in ("functional", "dysfunctional"):
        return "kano"
    if aspect == "importance":
        return "points" if item.dimension == "importance" else "importance"
    if aspect == "perception" and item.maximum - item.minimum >= MOST_BOXES:
        return "rating"
    return aspect


# --- the page


def _headings(company: str) -> dict[str, tuple[str, str]]:
    """Heading of each part, and what it asks."""
    return {
        "general": (_("Overall"), _("Please tick one box for each question.")),
        "rating": (
            _("How well we do"),
            _("How well does {company} do each of these? Write a number on the scale."),
        ),
        "expectation": (
            _("What you expect"),
            _("Think of the service that a good logistics company should give. How far should each "
              "of these hold?"),
        ),
        "perception": (
            _("What you find"),
            _("Now think of {company}. How far does each of these hold?"),
        ),
        "importance": (
            _("How important it is"),
            _("How important is each of these to you?"),
        ),
        "points": (
            _("A hundred points"),
            _("Share out 100 points, more to what is more important to you. They must add up to "
              "100."),
        ),
        "kano": (
            _("There or not"),
            _("For each attribute there are two questions: if we offer it, and if we do not. "
              "Please tick one answer to each."),
        ),
        "price": (_("Price"), _("Please write a price for each line.")),
    }  # fmt: skip


def _ends(part: str, column: str) -> tuple[str, str]:
    """What the lowest and the highest point of a scale mean."""
    if column == "overall":
        return _("very dissatisfied"), _("very satisfied")
    if column in ("competitor_attention", "brand_attention"):
        return _("not at all closely"), _("very closely")
    if column == "identification":
        return _("not at all"), _("completely")
    return {
        "general": (_("not at all likely"), _("extremely likely")),
        "rating": (_("very badly"), _("very well")),
        "expectation": (_("does not hold"), _("holds fully")),
        "perception": (_("does not hold"), _("holds fully")),
        "importance": (_("not at all important"), _("extremely important")),
    }.get(part, ("", ""))


def _page(form: Questionnaire) -> str:
    css = (Path(__file__).parent / "questionnaire.css").read_text(encoding="utf-8")
    title = _("{company}: customer satisfaction survey").format(company=form.company)
    numbered = list(enumerate(form.asked, start=1))
    body = [f"<h1>{_safe(title)}</h1>", *_introduction(form)]
    for part in form.parts:
        questions = [_question(place, one) for place, one in numbered if one.part == part]
        body.append(_block(part, form.company, questions))
    body += _closing()
    language = form.language.replace("_", "-")
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _block(part: str, company: str, questions: list[str]) -> str:
    """A part: a table, because its head is printed again on every page that it goes on to."""
    heading, about = _headings(company)[part]
    rows = list(questions)
    if part == "points":
        together = _("Together: {points}").format(points=100)
        rows.append(f'<p class="total">{_safe(together)}</p>')
    return (
        f'<table class="part {part}" role="presentation"><thead><tr><td><h2>{_safe(heading)}</h2>'
        f'<p class="about">{_safe(about.format(company=company))}</p></td></tr></thead>\n<tbody>'
        + "\n".join(f"<tr><td>{row}</td></tr>" for row in rows)
        + "</tbody></table>"
    )


def _introduction(form: Questionnaire) -> list[str]:
    said = _(
        "Dear customer, we would like to know how we serve you, so that we can do better. There "
        "are {count} questions. Taking part is up to you, and you may leave out any question. Your "
        "answers are used for nothing but improving our service, and are reported only together "
        "with those of others."
    ).format(count=number(len(form.asked)))
    fields = [(_("Questionnaire no."), "response_id"), (_("Date"), "answered_at")]
    return [f"<p>{_safe(said)}</p>", _lines(fields)]


def _closing() -> list[str]:
    heading = _("About you")
    about = _(
        "If you write your customer number, we can answer you, and your answers are joined with "
        "your orders. Leave it empty to stay unnamed."
    )
    fields = [(_("Customer no."), "customer_id"), (_("Order no."), "order_id")]
    thanks = _("Thank you for your time.")
    return [
        f"<h2>{_safe(heading)}</h2>",
        f'<p class="about">{_safe(about)}</p>',
        _lines(fields),
        f'<p class="thanks">{_safe(thanks)}</p>',
    ]


def _lines(fields: Sequence[tuple[str, str]]) -> str:
    parts = [
        f'<span class="field" id="{name}">{_safe(label)} <span class="line"></span></span>'
        for label, name in fields
    ]
    return f"<p>{' &emsp; '.join(parts)}</p>"


def _question(place: int, one: FormQuestion) -> str:
    scale = _scale(one)
    return (
        f'<fieldset class="question" id="{_safe(one.column)}"><legend>{place}. {_safe(one.text)}'
        f'</legend><div class="scale">{scale}</div></fieldset>'
    )


def _scale(one: FormQuestion) -> str:
    if one.part == "kano":
        return "".join(
            f'<span class="answer">{code} {_safe(name)}</span>'
            for code, name in enumerate(answer_names(), start=1)
        )
    low, high = _ends(one.part, one.column)
    if one.boxes:
        points = [int(one.minimum) + step for step in range(one.boxes)]
        boxes = "".join(f'<span class="box">{point}</span>' for point in points)
        first = f'<span class="end low">{_safe(low)}</span>'
        return f'{first}{boxes}<span class="end">{_safe(high)}</span>'
    if not low:
        return '<span class="line"></span>'
    ends = _("from {lowest} ({low}) to {highest} ({high})").format(
        lowest=number(one.minimum), low=low, highest=number(one.maximum), high=high
    )
    return f'<span class="line"></span><span class="end">{_safe(ends)}</span>'


def _safe(text: str) -> str:
    return html.escape(text)


# --- the file to type into


def _check_target(path: Path, target: Path) -> None:
    if path.suffix not in (".csv", ".xlsx"):
        raise CrmlabError(
            _("The file of answers ends in .csv or .xlsx; {file} does not.").format(file=path.name)
        )
    there = [one.name for one in (path, target) if one.exists()]
    if there:
        raise CrmlabError(
            _(
                "{file} is there already and may hold answers. Give another name, or move it away."
            ).format(file=there[0])
        )


def _mapping(form: Questionnaire, path: Path) -> str:
    """The mapping that reads the file back."""
    general = [one.column for one in form.asked if one.part == "general"]
    columns = "\n".join(f'{name} = "{name}"' for name in (*IDENTIFYING, *general))
    names = {one.column for one in form.asked}
    items = [
        item
        for item in form.settings.items
        if any(column.startswith(f"{item.item}_") for column in names)
    ]
    settings = form.settings
    source = f"files = {_toml(path.name)}"
    source += '\nencoding = "utf-8-sig"' if path.suffix == ".csv" else ""
    return "\n".join(
        [
            f"# Answers typed into {path.name}, one row a questionnaire. Load them with",
            f'#   crmlab.load("{path.with_suffix(".toml").name}")',
            "items = [",
            *(f"  {_item(item)}," for item in items),
            "]",
            "",
            "[workspace]",
            f"name = {_toml(settings.name)}",
            f"name_zh = {_toml(settings.name_zh)}",
            f"currency = {_toml(settings.currency)}",
            f"timezone = {_toml(settings.timezone)}",
            "",
            "[surveys]",
            source,
            "",
            "[surveys.columns]",
            columns,
            "",
            "[answers]",
            source,
            "wide = true",
            'items = "{item}_{aspect}"',
            'columns = { response_id = "response_id" }',
            "",
        ]
    )


def _item(item: model.Item) -> str:
    parts = [
        f"item = {_toml(item.item)}",
        f"dimension = {_toml(item.dimension)}",
        f"label = {_toml(item.label)}",
        f"label_zh = {_toml(item.label_zh)}",
        f"minimum = {item.minimum:g}",
        f"maximum = {item.maximum:g}",
        f"quality = {_toml(item.quality)}",
    ]
    return "{ " + ", ".join(parts) + " }"


def _toml(text: str) -> str:
    """A text as TOML writes it, which is as JSON does."""
    return json.dumps(text, ensure_ascii=False)
