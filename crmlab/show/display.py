"""Show a result in a notebook: its table, picture and reading; and keep it for the report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from crmlab.language import _, current_language, ngettext, number, set_close, set_language
from crmlab.show.accounting import for_reader
from crmlab.show.charts import house_style, png, style
from crmlab.show.columns import Shown, shown
from crmlab.show.result import Context, Result, Tables, needs_a_result

ROWS = 12


@dataclass
class _Session:
    """What `start` set for this notebook."""

    out: Path | None = None
    written: list[str] = field(default_factory=list)


_session = _Session()


def start(*, language: str = "en", out: str = "") -> None:
    """Begin a notebook: its language, the house style of pictures, and where results are kept.

    Parameters
    ----------
    language : str
    out : str
        Folder that `show` writes every table and definition to; empty writes nothing.
    """
    import matplotlib as mpl

    set_language(language)
    mpl.rcParams.update(style())
    _session.out = Path(out) if out else None
    _session.written.clear()


def show(result: Result | Tables, *, table: bool = True, picture: bool = True) -> None:
    """Show a result: its table, its picture, its reading. Of a workspace: what was read.

    Parameters
    ----------
    result : Result or Workspace
    table, picture : bool
        Whether to show each; the reading is always shown.

    Raises
    ------
    CrmlabError
        If it is not a result.
    """
    if not isinstance(result, Result) and hasattr(result, "accounting"):
        _display_accounting(result)
        return
    result = needs_a_result(result)
    if table:
        _display_table(result)
    if picture:
        display_picture(picture_of(result), result.alt())
    display_words(result.reading())
    if _session.out is not None:
        _keep(result, _session.out)


def picture_of(result: Result) -> bytes:
    """The result's picture in the house style, as PNG bytes."""
    with house_style():
        figure = result.plot().get_figure()
        assert figure is not None
        return png(figure)  # type: ignore[arg-type]


def display_picture(image: bytes, alt: str) -> None:
    """Display PNG bytes with their text as ``text/plain`` and as metadata for the report."""
    from IPython.display import display

    data, metadata = bundle(image, alt)
    display(data, metadata=metadata, raw=True)


def display_words(said: str) -> None:
    """Display sentences as Markdown, with the same words as plain text."""
    from IPython.display import display

    display(words_bundle(said), raw=True)


def words_bundle(said: str) -> dict[str, object]:
    """Sentences as Markdown and as plain text.

    Examples
    --------
    >>> words_bundle("10 customers")
    {'text/markdown': '10 customers', 'text/plain': '10 customers'}
    """
    said = set_close(said)
    # Two dollar signs would make a formula of what stands between them.
    return {"text/markdown": said.replace("$", "\\$"), "text/plain": said}


def shown_table(result: Result, rows: int | None = None) -> pd.DataFrame:
    """A result's table as the reader sees it: labels for names, formatted text for values.

    Parameters
    ----------
    result : Result
    rows : int, optional
        At most so many rows.
    """
    columns = {}
    looks = _looks(result)
    for name in result.main_columns():
        look = looks[name]
        values = result.table[name].head(rows) if rows else result.table[name]
        columns[look.label] = [look.written(value, result.context.currency) for value in values]
    return pd.DataFrame(columns)


def _looks(result: Result) -> dict[str, Shown]:
    formats, labels = result.formats(), result.value_labels()
    return {
        name: shown(name, format=formats.get(name), values=labels.get(name))
        for name in result.table.columns
    }


def bundle(image: bytes, alt: str) -> tuple[dict[str, object], dict[str, object]]:
    """Data and metadata of an image display; the text stands in both."""
    from base64 import b64encode

    alt = set_close(alt)
    data: dict[str, object] = {"image/png": b64encode(image).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt}}


def _display_table(result: Result) -> None:
    from IPython.display import display

    head = shown_table(result, ROWS)
    html, plain = _rendered(head)
    rest = len(result.table) - len(head)
    if rest > 0:
        more = ngettext(
            "… and {rows} more row. All rows: add .table to the name of the result.",
            "… and {rows} more rows. All rows: add .table to the name of the result.",
            rest,
        ).format(rows=number(rest))
        html, plain = f"{html}\n<p>{more}</p>", f"{plain}\n{more}"
    elif len(result.main_columns()) < len(result.table.columns):
        more = _("The table has more columns: add .table to the name of the result.")
        html, plain = f"{html}\n<p>{more}</p>", f"{plain}\n{more}"
    display({"text/html": html, "text/plain": plain}, raw=True)


def _display_accounting(crm: Tables) -> None:
    from IPython.display import display

    account = for_reader(crm.accounting)
    counts = account[shown("rows").label]
    written = account.assign(**{counts.name: [number(count) for count in counts]})
    html, plain = _rendered(written.fillna(""))
    display({"text/html": html, "text/plain": plain}, raw=True)
    context = Context.of(crm)
    display_words(
        _("{source}, {period}. Tables: {tables}.").format(
            source=context.source,
            period=context.period(),
            tables=_(", ").join(dict.fromkeys(account.iloc[:, 0])),
        )
    )


def _rendered(table: pd.DataFrame) -> tuple[str, str]:
    html = table.to_html(index=False, border=0, classes="crmlab", justify="left")
    return html, table.to_string(index=False)


def _keep(result: Result, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    _session.written.append(result.measure)
    name = f"{len(_session.written):02d}_{result.measure}"
    result.table.to_parquet(out / f"{name}.parquet", index=False)
    description = {
        "number": len(_session.written),
        "measure": result.measure,
        "title": result.title(),
        "reading": result.reading(),
        "alt": result.alt(),
        "language": current_language(),
        "currency": result.context.currency,
        "columns": [{"name": column, **asdict(look)} for column, look in _looks(result).items()],
        "definition": asdict(result.definition),
    }
    text = set_close(json.dumps(description, ensure_ascii=False, indent=2))
    (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
