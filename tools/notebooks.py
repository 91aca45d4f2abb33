"""Keep the committed notebooks and the catalogues of messages in order.

    python tools/notebooks.py execute [CHAPTER…]   run the notebooks and write them back, normalised
    python tools/notebooks.py extract              Markdown cells into locale/*/notebooks.po
    python tools/notebooks.py messages             messages of the package into locale/*/crmlab.po
    python tools/notebooks.py check                say what is not in order, change nothing

Run it in the locked environment. Two executions give the same bytes: what changes from run to run
(times, widget models, versions) is not kept. Translations are kept; a message whose English has
changed keeps its old translation, marked fuzzy, and is not shown until someone has looked at it;
messages that are no longer used are dropped.
"""

from __future__ import annotations

import argparse
import re
import string
import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import nbformat
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from nbformat import NotebookNode

from crmlab.language import LOCALE
from crmlab.report.chapters import Chapter, all_chapters, choose
from crmlab.report.execute import NotebookFailed, execute
from crmlab.report.translate import context

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "crmlab"
LANGUAGES = ("zh_CN",)
CELL_TIMEOUT = 120

_KEPT_OF_CELL = ("crmlab", "slideshow", "tags")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_LANGUAGE_INFO = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_HEADER = """\
msgid ""
msgstr ""
"Project-Id-Version: crmlab\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""
# gettext(message), ngettext(singular, plural, n)
_KEYWORDS = {"_": None, "ngettext": (1, 2)}
_ADDRESS = re.compile(r"\b0x[0-9a-f]{8,16}\b")
_STYLER_ID = re.compile(r"\bT_[0-9a-f]{5}(?=\b|_)")
_LINK = re.compile(r"https?://[^\s)>\]]+")


# ---- notebooks


def normalised(notebook: NotebookNode) -> NotebookNode:
    """A copy without anything that differs between two executions or two computers."""
    clean = deepcopy(notebook)
    clean.metadata = NotebookNode(kernelspec=dict(_KERNEL), language_info=dict(_LANGUAGE_INFO))
    clean.nbformat, clean.nbformat_minor = 4, 5
    count = 0
    for cell in clean.cells:
        cell.source = cell.source.rstrip("\n")
        cell.metadata = NotebookNode(
            {name: cell.metadata[name] for name in _KEPT_OF_CELL if cell.metadata.get(name)}
        )
        if cell.cell_type == "code":
            count += bool(cell.source.strip())
            cell.execution_count = count if cell.source.strip() else None
            cell.outputs = [_normalised_output(one, count) for one in _joined(cell.outputs)]
    return clean


def as_text(notebook: NotebookNode) -> str:
    """The notebook as it is written to its file."""
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def run_and_normalise(chapter: Chapter) -> NotebookNode:
    """The notebook executed as it stands, normalised.

    Raises
    ------
    NotebookFailed
        If a cell fails.
    """
    source = normalised(chapter.read())
    return normalised(execute(source, {}, cell_timeout=CELL_TIMEOUT))


def _joined(outputs: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """Outputs, what was printed in several pieces being one."""
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output.output_type != "stream":
            yield output
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            streams[output.name] = output
            yield output


def _normalised_output(output: NotebookNode, count: int) -> NotebookNode:
    if output.output_type == "execute_result":
        output.execution_count = count
    if "data" in output:
        output.data.pop(_WIDGET, None)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("image/") and isinstance(value, str):
            output.data[kind] = value.replace("\n", "")
        elif isinstance(value, str):
            output.data[kind] = _without_addresses(value, count)
    if "text" in output:
        output.text = _without_addresses(output.text, count)
    return output


def _without_addresses(text: str, count: int) -> str:
    """Text without addresses in memory; a Styler's random id becomes the cell's number."""
    return _STYLER_ID.sub(f"T_{count:05d}", _ADDRESS.sub("0x0", text))


# ---- catalogues


def prose(chapters: Iterable[Chapter]) -> Catalog:
    """The Markdown cells of notebooks as messages, each with its cell as context."""
    template = Catalog()
    for chapter in chapters:
        for cell in chapter.read().cells:
            if cell.cell_type == "markdown" and cell.source.strip():
                template.add(
                    cell.source,
                    context=context(chapter.stem, cell.id),
                    locations=[(f"notebooks/{chapter.path.name}", 0)],
                )
    return template


def package_messages(package: Path = PACKAGE) -> Catalog:
    """The messages in the package's code."""
    template = Catalog()
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package.parent).as_posix()
        found = extract_from_file(
            "python", path, _KEYWORDS, comment_tags=("Translators:",), strip_comment_tags=True
        )
        for _line, message, comments, _context in found:
            template.add(message, locations=[(place, 0)], auto_comments=comments)
    return template


def load_catalogue(path: Path, language: str) -> Catalog:
    """A catalogue as it stands; an empty one if there is no file."""
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as source:
        return read_po(source, locale=language)


def write_catalogue(catalogue: Catalog, path: Path, language: str) -> None:
    """Write a catalogue, with no dates and no line numbers in it."""
    body = BytesIO()
    write_po(
        body, catalogue, width=98, omit_header=True, ignore_obsolete=True, include_lineno=False
    )
    header = _HEADER.format(language=language, plural_forms=catalogue.plural_forms)
    text = header + body.getvalue().decode("utf-8").strip("\n") + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def updated_prose(known: Catalog, template: Catalog) -> Catalog:
    """The prose with the translations there are, cell by cell: fuzzy where the cell changed."""
    translated = {message.context: message for message in known if message.id}
    fresh = Catalog(locale=known.locale)
    for message in template:
        if not message.id:
            continue
        before = translated.get(message.context)
        added = fresh.add(message.id, context=message.context, locations=message.locations)
        if before is not None and before.string:
            added.string = before.string
            if before.id != message.id or before.fuzzy:
                added.flags.add("fuzzy")
    return fresh


def updated_messages(known: Catalog, template: Catalog) -> Catalog:
    """The package's messages with the translations there are: fuzzy where the English changed."""
    known.update(template)
    return known


def faults(known: Catalog, template: Catalog) -> list[str]:
    """What is not in order in a catalogue: missing, fuzzy, stale, or with other fields or links."""
    wanted = {(message.context, message.id) for message in template if message.id}
    have = {(message.context, message.id): message for message in known if message.id}
    found = [f"missing: {_brief(key)}" for key in wanted if key not in have]
    found += [f"stale: {_brief(key)}" for key in have if key not in wanted]
    for key in wanted & have.keys():
        found += [f"{fault}: {_brief(key)}" for fault in _faults_of(have[key])]
    return sorted(found)


def _faults_of(message: Message) -> Iterator[str]:
    translations = _forms(message.string)
    if not translations or not all(translations):
        yield "not translated"
        return
    if message.fuzzy:
        yield "fuzzy"
    originals = _forms(message.id)
    compared = _links if message.context else _fields
    for translation in translations:
        if compared(translation) != compared(originals[-1]):
            yield "other links" if message.context else "other fields"


def _forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (str(text or ""),)


def _fields(text: str) -> set[str]:
    return {str(name) for _text, name, _format, _convert in string.Formatter().parse(text) if name}


def _links(text: str) -> set[str]:
    return set(_LINK.findall(text))


def _brief(key: tuple[object, object]) -> str:
    where, text = key
    first = _forms(text)[0].strip().splitlines()[0][:60]
    return f"{where}: {first}" if where else first


def _path(language: str, domain: str) -> Path:
    return LOCALE / language / f"{domain}.po"


# ---- commands


def _execute(names: Sequence[str]) -> int:
    failed = 0
    for chapter in choose(names):
        try:
            notebook = run_and_normalise(chapter)
        except NotebookFailed as error:
            failure = error.failure
            print(f"{chapter.stem}, cell {failure.cell}: {failure.message}", file=sys.stderr)
            failed = 1
            continue
        chapter.path.write_text(as_text(notebook), encoding="utf-8", newline="\n")
        print(f"{chapter.path.relative_to(ROOT)} written")
    return failed


def _extract() -> int:
    template = prose(all_chapters())
    for language in LANGUAGES:
        path = _path(language, "notebooks")
        write_catalogue(updated_prose(load_catalogue(path, language), template), path, language)
        _report(path, language, template)
    return 0


def _messages() -> int:
    template = package_messages()
    for language in LANGUAGES:
        path = _path(language, "crmlab")
        write_catalogue(updated_messages(load_catalogue(path, language), template), path, language)
        _report(path, language, template)
    return 0


def _report(path: Path, language: str, template: Catalog) -> None:
    found = faults(load_catalogue(path, language), template)
    print(f"{path.relative_to(ROOT)} written: {len(template)} messages, {len(found)} to look at")


def _check() -> int:
    found = []
    for chapter in all_chapters():
        if chapter.path.read_text(encoding="utf-8") != as_text(normalised(chapter.read())):
            found.append(f"{chapter.stem}: not normalised; run: tools/notebooks.py execute")
    templates = {"notebooks": prose(all_chapters()), "crmlab": package_messages()}
    for language in LANGUAGES:
        for domain, template in templates.items():
            known = load_catalogue(_path(language, domain), language)
            found += [f"{language}/{domain}.po: {fault}" for fault in faults(known, template)]
    print("\n".join(found) or "All in order.")
    return int(bool(found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; the exit code says whether all went well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("execute").add_argument("chapters", nargs="*")
    for name in ("extract", "messages", "check"):
        commands.add_parser(name)
    asked = parser.parse_args(arguments)
    if asked.command == "execute":
        return _execute(asked.chapters)
    return {"extract": _extract, "messages": _messages, "check": _check}[asked.command]()


if __name__ == "__main__":
    raise SystemExit(main())
