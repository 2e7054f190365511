"""Configurations are read as they are written, or refused."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from projects import ROOT

from wsss.options import strict_yaml
from wsss.runtime.errors import WsssError


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *sorted((ROOT / "presets").glob("*.yaml"))], ids=str)
def test_our_own_files_are_read_as_others_read_them(path):
    assert strict_yaml.read(path) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("-3", -3), ("0", 0), ("0.5", 0.5), (".5", 0.5), ("1e-3", 0.001), ("-1.5E+2", -150.0), ("'010'", "010"),
     ("true", True), ("1.2.3", "1.2.3"), ("[1, 2]", [1, 2]), ("~", None), ("a", "a")],
)  # fmt: skip
def test_values(text, value):
    found = strict_yaml.parsed(f"key: {text}")["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("number", ["010", "1:30", "1:30.5", "0x1F", "0b11", "1_000", ".nan", ".inf", "-.inf", "1e999"])
def test_what_is_no_decimal_number_is_refused(number):
    with pytest.raises(strict_yaml.Refused, match=r"line 2: .* is no plain decimal number: write one"):
        strict_yaml.parsed(f"a: 1\nb: {number}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key a stands twice"),
        ("a:\n  b: 1\n  b: 1", "line 3: the key b stands twice"),
        ("[1]: 2", "line 1: a key is a list or a table"),
        ("a: [1", "line 1: "),
        ("!!python/object/apply:os.system [exit]", "could not determine a constructor"),
        ("a: 2020-99-99", "a value cannot be read"),
        ("[" * 5000, "a value cannot be read"),
        ("1: 2", "line 1: the key 1 is no word for YAML"),
        ("a: {null: 1}", "line 1: the key null is no word for YAML"),
        ("on: 1", "line 1: the key on is no word for YAML"),
        ("a: !!bool x", "a value cannot be read"),
        ("a: !!int {b: 1}", "a value cannot be read"),
        ("a: !!map [1]", "line 1: no table stands where one is announced"),
    ],
)
def test_texts_that_are_refused(text, reason):
    with pytest.raises(strict_yaml.Refused, match=reason):
        strict_yaml.parsed(text)


def test_references_are_bounded():
    doubled = "\n".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]" for n in range(60))
    with pytest.raises(strict_yaml.Refused, match="more than 100 references"):
        strict_yaml.parsed(f"a0: &a0 x\n{doubled}")


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"", b"a: \xff", b"a: 1\na: 2"])
def test_a_file_that_is_no_configuration_is_named(tmp_path, content):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(WsssError, match=r"x\.yaml"):
        strict_yaml.read(tmp_path / "x.yaml")
    with pytest.raises(WsssError, match=r"gone\.yaml cannot be read"):
        strict_yaml.read(tmp_path / "gone.yaml")


@given(st.text(alphabet="ab: \n-[]{}&*!'\"#|>?,%@0123.e+", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        strict_yaml.parsed(text)
    except strict_yaml.Refused as error:
        assert str(error)


def test_entries_of_the_command_line():
    taken = {"classifier": {"epochs": "3"}, "seed": 1, "cams_store": "a: {b"}
    strict_yaml.check_entries(["classifier={epochs: 3, balance: 1}", "seed=1", "cams_store=a: {b"], taken=taken)


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (["classifier={epochs: 3, epochs: 5}"], "--config: classifier, line 1: the key epochs stands twice: keep one"),
        (["classifier={epochs: 010}"], "--config: classifier, line 1: 010 is no plain decimal number: write one"),
        (["seed=1", "seed=2"], "--config: the key seed stands twice: keep one of them"),
    ],
)
def test_entries_that_say_something_twice_are_refused(entries, line):
    with pytest.raises(WsssError, match=re.escape(line)):
        strict_yaml.check_entries(entries, taken={"classifier": {"epochs": "5"}, "seed": 2})
