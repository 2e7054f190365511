"""The layouts of docs/data.md and docs/data_coco.md: the schema takes their configurations, and their table is read."""

import re

import pytest
import yaml
from PIL import Image
from projects import ROOT

from wsss.datasets import folder, tag_table
from wsss.options import configuration

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
PAGE_OF_COCO = (ROOT / "docs/data_coco.md").read_text(encoding="utf-8")
DEFAULTS = configuration.read(ROOT / "config.yaml")
SCHEMA = configuration.read(ROOT / "workflow/config.schema.yaml")


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE + PAGE_OF_COCO, re.S))
def test_each_configuration_is_one(block):
    images = DEFAULTS["images"] | yaml.safe_load(block)["images"]
    found = configuration.completed({**DEFAULTS, "images": images}, defaults=DEFAULTS, schema=SCHEMA)
    assert found["images"] == images


def test_the_table_is_read(tmp_path):
    (table,) = re.findall(r"```text\n(file_name,tags\n.*?)```", PAGE, re.S)
    for name in ("cats/one.jpg", "day 2/Föto (3).JPG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name, format="JPEG")
    (tmp_path / "tags.csv").write_text(table, encoding="utf-8")
    found = folder.read(tmp_path, table="tags.csv", masks="")
    assert found.problems == []
    assert found.tags == {"cats/one": ("cat",), "day 2/Föto (3)": ("cat", "traffic light")}


@pytest.mark.parametrize("names", [tag_table.FILE_COLUMNS, tag_table.TAG_COLUMNS])
def test_the_columns_are_those_of_the_page(names):
    listed = [f"`{name}`" for name in names]
    assert ", ".join(listed[:-1]) + f" or {listed[-1]}" in " ".join(PAGE.split())
