"""What is derived from the model: the files committed are those it makes, and they are sound."""

import csv
import json
from pathlib import Path

import pytest
from frictionless import Package

from crmlab.data import dictionary, model
from crmlab.data.descriptions_zh import DESCRIPTIONS_ZH
from crmlab.data.mapping import parse_settings, read_toml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings():
    return parse_settings(read_toml(ROOT / "datasets/workspace.toml"), "workspace.toml")


@pytest.mark.parametrize(
    "name",
    ["docs/data_dictionary.md", "docs/data_dictionary_zh.md", "datasets/datapackage.json"],
)
def test_a_committed_file_is_what_the_model_makes(name, settings):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == dictionary.artefacts(settings)[name], "run: python -m crmlab.data.dictionary"


def test_the_dictionary_names_every_column_in_both_languages():
    for language in ("en", "zh"):
        text = dictionary.data_dictionary(language)
        for table in model.TABLES.values():
            part = text.split(f"## {table.name} ")[1].split("\n## ")[0]
            for column in table.columns:
                assert f"| `{column.name}`" in part


def test_every_description_has_its_chinese_and_none_is_left_over():
    said = {table.description for table in model.TABLES.values()}
    said |= {c.description for table in model.TABLES.values() for c in table.columns}
    assert set(DESCRIPTIONS_ZH) == said


def test_the_chinese_dictionary_has_no_english_sentence():
    text = dictionary.data_dictionary("zh")
    for description in DESCRIPTIONS_ZH:
        assert description not in text


def test_a_table_is_a_table_in_markdown():
    for line in dictionary.data_dictionary().splitlines():
        if line.startswith("|"):
            assert line.count("|") == 8


def test_written_files_are_the_artefacts(tmp_path, settings):
    for folder in ("docs", "datasets"):
        (tmp_path / folder).mkdir()
    workspace = (ROOT / "datasets/workspace.toml").read_bytes()
    (tmp_path / "datasets/workspace.toml").write_bytes(workspace)
    dictionary.write(tmp_path)
    for name, text in dictionary.artefacts(settings).items():
        assert (tmp_path / name).read_bytes() == text.encode()


# --- the data package


def package(folder, rows=None):
    """The bundled data package, with other rows in one of its files if asked for."""
    descriptor = json.loads((ROOT / "datasets/datapackage.json").read_text(encoding="utf-8"))
    for name, content in (rows or {}).items():
        table = model.table(name)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, table.names)
            writer.writeheader()
            writer.writerows(content)
    kept = [r for r in descriptor["resources"] if not rows or r["name"] in rows]
    return Package.from_descriptor(descriptor | {"resources": kept}, basepath=str(folder))


def test_the_package_describes_the_files_there_are():
    descriptor = json.loads((ROOT / "datasets/datapackage.json").read_text(encoding="utf-8"))
    assert [r["name"] for r in descriptor["resources"]] == list(model.TABLES)
    for resource in descriptor["resources"]:
        with (ROOT / "datasets" / resource["path"]).open(encoding="utf-8") as source:
            header = next(csv.reader(source))
        assert header == [entry["name"] for entry in resource["schema"]["fields"]]
        assert all(entry["title_zh"] for entry in resource["schema"]["fields"])


def test_the_beginning_of_every_file_is_valid():
    report = package(ROOT / "datasets").validate(limit_rows=200)
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "message"])[:5]


@pytest.mark.slow
def test_every_row_of_every_file_is_valid():
    report = package(ROOT / "datasets").validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "message"])[:5]


def test_the_package_finds_faults(tmp_path):
    rows = {
        "customers": [{"customer_id": "C1", "scope": "outside"}, {"customer_id": "C1"}],
        "orders": [{"order_id": "A", "customer_id": "C9", "amount": "x", "lines": 0}],
    }
    descriptor = package(tmp_path, rows)
    for resource in descriptor.resources:
        resource.schema.foreign_keys = [
            key
            for key in resource.schema.foreign_keys
            if key["reference"]["resource"] in ("", "customers")
        ]
    kinds = {row[0] for row in descriptor.validate().flatten(["type"])}
    assert {"constraint-error", "type-error", "foreign-key"} <= kinds
