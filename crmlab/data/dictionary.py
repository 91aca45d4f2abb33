"""What is derived from the data model for readers: the data dictionary and the data package.

``python -m crmlab.data.dictionary FOLDER`` writes ``docs/data_dictionary.md``,
``docs/data_dictionary_zh.md`` and ``datasets/datapackage.json`` into a checkout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crmlab.data import model
from crmlab.data.checks import TIME_ORDER
from crmlab.data.descriptions_zh import DESCRIPTIONS_ZH

#: Frictionless' type of each of the model's.
_TYPES = {
    "text": "string",
    "code": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "datetime": "datetime",
    "date": "date",
}

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Data dictionary",
        "generated": (
            "Generated from `crmlab/data/model.py` by `python -m crmlab.data.dictionary`; change it"
            " there."
        ),
        "intro": (
            "Only a table's key is required, and a [mapping](mapping.md) may make it. A column that"
            " is missing leaves out the measures that need it, by name. Times are local times of"
            " the workspace's one time zone; money is in its one currency."
        ),
        "key": "Key: {names}.",
        "starts": "A row counts from `{name}` on: later than `as_of` it is left out.",
        "follows": "A row counts once `{name}` of its record is known.",
        "order": "Never earlier: {pairs}.",
        "head": "column | label | type | unit | what it says | allowed values | more",
        "personal": "personal information",
        "references": "→ `{name}`",
        "known_at": "known from `{name}`",
        "combine": "lines: {how}",
        "open": "or others",
        "separator": ", ",
    },
    "zh": {
        "title": "数据字典",
        "generated": (
            "由 `python -m crmlab.data.dictionary` 从 `crmlab/data/model.py` 生成；"
            "修改请在该处进行。"
        ),
        "intro": (
            "只有表的键是必需的，而且可以由[映射文件](mapping.md)生成。缺少某列时，需要该列的指标会被点名略去。"
            "时间均为工作区唯一时区的当地时间；金额均为唯一货币。"
        ),
        "key": "键：{names}。",
        "starts": "记录自 `{name}` 起计入：晚于 `as_of` 的不计。",
        "follows": "记录在其 `{name}` 已知之后才计入。",
        "order": "先后次序：{pairs}。",
        "head": "列 | 名称 | 类型 | 单位 | 含义 | 允许的值 | 其他",
        "personal": "个人信息",
        "references": "→ `{name}`",
        "known_at": "自 `{name}` 起已知",
        "combine": "合并各行：{how}",
        "open": "或其他",
        "separator": "，",
    },
}

_TYPE_WORDS_ZH = {
    "text": "文本",
    "code": "代码",
    "integer": "整数",
    "number": "数值",
    "boolean": "是/否",
    "datetime": "时间",
    "date": "日期",
}
_UNITS_ZH = {"money": "金额", "days": "天", "minutes": "分钟", "points": "积分", "share": "比例"}
_COMBINE_ZH = {
    "sum": "求和",
    "min": "最早/最小",
    "max": "最晚/最大",
    "any": "任一",
    "all": "全部",
}


def data_dictionary(language: str = "en") -> str:
    """The data dictionary as Markdown.

    Parameters
    ----------
    language : {"en", "zh"}

    Examples
    --------
    >>> data_dictionary("zh").splitlines()[0]
    '# 数据字典'
    """
    words = _WORDS[language]
    parts = [f"# {words['title']}", f"<!-- {words['generated']} -->", words["intro"]]
    for table in model.TABLES.values():
        parts += _table_part(table, language)
    return "\n\n".join(parts) + "\n"


def _table_part(table: model.Table, language: str) -> list[str]:
    words = _WORDS[language]
    label = table.label_zh if language == "zh" else table.label
    about = [_described(table.description, language)]
    about.append(words["key"].format(names=_code_list(table.key, words["separator"])))
    if table.starts:
        about.append(words["starts"].format(name=table.starts))
    if table.follows:
        about.append(words["follows"].format(name=table.follows))
    pairs = [f"`{first}` ≤ `{second}`" for first, second in TIME_ORDER.get(table.name, ())]
    if pairs:
        about.append(words["order"].format(pairs=words["separator"].join(pairs)))
    head = tuple(words["head"].split(" | "))
    rows = [head, ("---",) * len(head)]
    rows += [_column_row(column, table, language) for column in table.columns]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    joined = "".join(about) if language == "zh" else " ".join(about)
    return [f"## {table.name} — {label}", joined, "\n".join(lines)]


def _column_row(column: model.Column, table: model.Table, language: str) -> tuple[str, ...]:
    chinese = language == "zh"
    star = " \\*" if column.name in table.key else ""
    unit = _UNITS_ZH.get(column.unit, column.unit) if chinese else column.unit
    return (
        f"`{column.name}`{star}",
        column.label_zh if chinese else column.label,
        _TYPE_WORDS_ZH[column.type] if chinese else column.type,
        unit,
        _described(column.description, language),
        _allowed(column, language),
        _more(column, language),
    )


def _described(description: str, language: str) -> str:
    return DESCRIPTIONS_ZH[description] if language == "zh" else description


def _allowed(column: model.Column, language: str) -> str:
    words = _WORDS[language]
    if column.codes:
        which = 1 if language == "zh" else 0
        codes = [f"`{code}` {labels[which]}" for code, labels in column.codes.items()]
        return words["separator"].join([*codes, *([words["open"]] if column.open_codes else [])])
    low = "" if column.minimum is None else f"{column.minimum:g}"
    high = "" if column.maximum is None else f"{column.maximum:g}"
    if low and high:
        return f"{low} – {high}"
    return f"≥ {low}" if low else (f"≤ {high}" if high else "")


def _more(column: model.Column, language: str) -> str:
    words = _WORDS[language]
    notes = []
    if column.personal:
        notes.append(words["personal"])
    if column.references:
        notes.append(words["references"].format(name=column.references))
    if column.known_at and column.known_at != column.name:
        notes.append(words["known_at"].format(name=column.known_at))
    if column.combine != "same":
        how = _COMBINE_ZH[column.combine] if language == "zh" else column.combine
        notes.append(words["combine"].format(how=how))
    return words["separator"].join(notes)


def _code_list(names: Iterable[str], separator: str) -> str:
    return separator.join(f"`{name}`" for name in names)


# --- the data package ---------------------------------------------------------------------------


def data_package(settings: model.Settings) -> dict[str, Any]:
    """The bundled company's Frictionless Data Package.

    Parameters
    ----------
    settings : Settings
        The company's name, currency and time zone.

    Returns
    -------
    dict
        Content of ``datapackage.json``: a resource for each table, with types, units, constraints,
        keys and titles in English and Chinese.

    Examples
    --------
    >>> data_package(model.Settings(name="Demo"))["resources"][1]["path"]
    'orders.csv'
    """
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "crmlab-company",
        "title": settings.name,
        "title_zh": settings.name_zh,
        "description": (
            "A fictional logistics company, simulated with known effects for teaching customer"
            " relationship management. See datasheet.md and effects.toml."
        ),
        "currency": settings.currency,
        "timezone": settings.timezone,
        "licenses": [
            {
                "name": "CC-BY-4.0",
                "title": "Creative Commons Attribution 4.0",
                "path": "https://creativecommons.org/licenses/by/4.0/",
            }
        ],
        "resources": [_resource(table, settings) for table in model.TABLES.values()],
    }


def _resource(table: model.Table, settings: model.Settings) -> dict[str, Any]:
    return {
        "name": table.name,
        "type": "table",
        "title": table.label,
        "title_zh": table.label_zh,
        "description": table.description,
        "description_zh": DESCRIPTIONS_ZH[table.description],
        "path": f"{table.name}.csv",
        "scheme": "file",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": {
            "fields": [_field(column, table, settings) for column in table.columns],
            "missingValues": [""],
            "primaryKey": list(table.key),
            "foreignKeys": [
                _foreign_key(column, table) for column in table.columns if column.references
            ],
        },
    }


def _field(column: model.Column, table: model.Table, settings: model.Settings) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": column.name,
        "type": _TYPES[column.type],
        "title": column.label,
        "title_zh": column.label_zh,
        "description": column.description,
        "description_zh": DESCRIPTIONS_ZH[column.description],
    }
    if column.type == "datetime":
        made["format"] = "any"  # YYYY-MM-DD HH:MM, or YYYY-MM-DD at midnight
    if column.type == "boolean":
        made |= {"trueValues": ["true"], "falseValues": ["false"]}
    if column.unit:
        made["unit"] = settings.currency if column.unit == "money" else column.unit
    if column.decimals:
        made["decimals"] = column.decimals
    if column.personal:
        made["personal"] = True
    if column.codes:
        made["categories"] = [
            {"value": code, "label": label, "label_zh": label_zh}
            for code, (label, label_zh) in column.codes.items()
        ]
    constraints = _constraints(column, table)
    return made | ({"constraints": constraints} if constraints else {})


def _constraints(column: model.Column, table: model.Table) -> Mapping[str, Any]:
    made: dict[str, Any] = {}
    if column.name in table.key:
        made["required"] = True
    if table.key == (column.name,):
        made["unique"] = True
    if column.codes and not column.open_codes:
        made["enum"] = list(column.codes)
    for name, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
        if bound is not None:
            made[name] = int(bound) if float(bound).is_integer() else bound
    return made


def _foreign_key(column: model.Column, table: model.Table) -> dict[str, Any]:
    other, _dot, key = column.references.partition(".")
    resource = "" if other == table.name else other
    return {"fields": [column.name], "reference": {"resource": resource, "fields": [key]}}


# --- writing ------------------------------------------------------------------------------------


def artefacts(settings: model.Settings) -> dict[str, str]:
    """The files derived from the model, by their path in a checkout."""
    package = json.dumps(data_package(settings), ensure_ascii=False, indent=2) + "\n"
    return {
        "docs/data_dictionary.md": data_dictionary("en"),
        "docs/data_dictionary_zh.md": data_dictionary("zh"),
        "datasets/datapackage.json": package,
    }


def write(folder: str | Path) -> None:
    """Write the derived files into a checkout.

    Parameters
    ----------
    folder : str or Path
        The checkout; its ``datasets/workspace.toml`` says the company's settings.
    """
    from crmlab.data.mapping import parse_settings, read_toml

    folder = Path(folder)
    settings = parse_settings(read_toml(folder / "datasets/workspace.toml"), "workspace.toml")
    for name, text in artefacts(settings).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    import sys

    write(sys.argv[1] if len(sys.argv) > 1 else ".")
