"""Numbers that are typed: what is beyond the range of its option, and how options may be written."""

import pytest
import yaml

from wsss.options import ranges
from wsss.runtime.errors import WsssError


@pytest.mark.parametrize(
    "words",
    [
        ["--crop_px", "0", "--flip", "True"],
        ["--crop-px", "0"],
        ["--crop_px=0"],
        ["--crop_px", "8", "--crop_px", "0"],
        ["--images", "-1", "--backbone", "inf", "--crop_px", "0"],
    ],
)
def test_an_option_is_known_however_it_is_written(words):
    with pytest.raises(WsssError) as refused:
        ranges.check("classifier", words)
    assert str(refused.value) == "--crop_px is 0: give a whole number from 1 to 16384 (Side of the square crop, px)"


@pytest.mark.parametrize(
    ("command", "words", "problem"),
    [
        ("cams", "--scales 1 -1", "--scales is -1: give a number from 0.05 to 8 "),
        ("cams", "--scales --gamma 1", "--scales has 0 values: give 1 to 16 "),
        ("cams", "--scales" + 17 * " 1", "--scales has 17 values: give 1 to 16 "),
        ("classifier", "--stride 7", "--stride is 7: give one of 8, 16, 32 "),
        ("saliency", "--stride 0", "--stride is 0: give a whole number from 1 to 256 "),
        ("affinity_net", "--resize_px 8 9", "--resize_px is 8 9: give 0 0 "),
        ("classifier", "--gpus -1", "--gpus is -1: give a whole number from 0 to 1024 "),
        ("classifier", "--nodes 0", "--nodes is 0: give a whole number from 1 to 1024 "),
        ("classifier", "--checkpoint_steps 0", "--checkpoint_steps is 0: give a whole number from 1 "),
        ("init", "photographs --val_share nan", "--val_share is nan: give a number from 0 and below 1 "),
        ("cams_import", "--stride 0 maps", "--stride is 0: give a whole number from 1 "),
        ("seeds_import", "--cells 0 cues.pickle", "--cells is 0: give a whole number from 1 "),
    ],
)
def test_what_is_refused(command, words, problem):
    with pytest.raises(WsssError) as refused:
        ranges.check(command, words.split())
    assert str(refused.value).startswith(problem) and "\n" not in str(refused.value)


def test_each_option_that_is_wrong_has_a_line():
    with pytest.raises(WsssError) as refused:
        ranges.check("cams", ["--gamma", "0", "--scales", "1", "--stride", "0"])
    assert [line.split()[0] for line in str(refused.value).splitlines()] == ["--gamma", "--stride"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cams", ""),
        ("cams", "--help"),
        ("cams", "--stride x --gamma"),  # told by the parser, with the type of the option
        ("affinity_net", "--resize_px 0 0"),
        ("images", "--masks -1 --classes cat=8 dog=12"),
        ("seeds_import", "--cells 41 0 0"),  # files that are called 0
        ("summary", "results --form csv"),
    ],
)
def test_what_is_left_to_the_parser(command, words):
    ranges.check(command, words.split())


def test_without_libyaml_the_schema_is_the_same(monkeypatch):
    found = ranges._schema()
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert ranges._schema() == found
