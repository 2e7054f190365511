"""The options of each stage: those of its section of config.yaml, and the files that its rule names."""

import functools
import inspect as signatures
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tyro
from options_of_stages import CONFIG, SCHEMA, flags, numbers
from projects import ROOT

from wsss import cli
from wsss.options import configuration, ranges
from wsss.runtime.errors import WsssError

RULES = dict(
    re.findall(
        r"^rule (\w+):\n(.*?)(?=^rule |\Z)",
        "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk"))),
        flags=re.MULTILINE | re.DOTALL,
    )
)
SECTIONS = [
    name
    for name, section in CONFIG.items()
    if isinstance(section, dict) and name in configuration.sections(SCHEMA)  # no table of changes
] + ["relabels"]  # which has the numbers of scores and masks


def rule_options(stage: str) -> list[str]:
    """The options that the rule's shell command spells out, but for those of every command."""
    shell = RULES[stage].split("shell:")[1]
    assert re.search(rf'"wsss {stage} ', shell)
    of_trainings = (
        ["gpus", "nodes", "checkpoint", "curve", "tensorboard", "checkpoint_steps"] if "training(" in shell else []
    )
    return [name for name in re.findall(r"--([\w.]+)", shell) if name not in ("threads", "log")] + of_trainings


def with_value(names: list[str]) -> list[str]:
    return [word for name in names for word in (f"--{name}", "1")]


def parsed(stage: str, words: list[str]) -> dict[str, object]:
    """The arguments that the stage would be called with, by their names on the command line."""
    recorded = {}

    @functools.wraps(cli.STAGES[stage])
    def recorder(**arguments):
        recorded.update(arguments)

    tyro.cli(recorder, args=words, prog=f"wsss {stage}", use_underscores=True)
    return dict(_flat(recorded, cli.STAGES[stage]))


def _flat(arguments: dict[str, object], stage: Callable):
    for name, value in arguments.items():
        if not hasattr(value, "__dataclass_fields__"):
            yield name, value
            continue
        annotation = signatures.signature(stage).parameters[name].annotation
        prefix = "" if hasattr(annotation, "__metadata__") else f"{name}."
        for field, inner in vars(value).items():
            yield prefix + field, inner


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_each_section_belongs_to_a_stage():
    assert set(SECTIONS) <= set(cli.STAGES)
    assert all(function.__name__ == name for name, function in cli.STAGES.items())
    assert all(function.__module__ == f"wsss.stages.{name}" for name, function in cli.STAGES.items())


@pytest.mark.parametrize("stage", SECTIONS)
def test_a_stage_takes_the_options_of_its_section_and_files(stage):
    found = parsed(stage, [*with_value(rule_options(stage)), *flags(stage)])
    assert set(found) == {*rule_options(stage), *numbers(stage)}
    assert not set(rule_options(stage)) & set(numbers(stage))
    for name, value in numbers(stage).items():
        expected = Path(value) if isinstance(found[name], Path) else value
        assert plain(found[name]) == expected, name


def test_training_images_takes_the_options_of_images():
    found = parsed("training_images", [*with_value(rule_options("training_images")), *flags("images")])
    assert set(found) == {*rule_options("training_images"), *numbers("images")}


WITHOUT_SECTION = [name for name in RULES if name in cli.STAGES and name not in (*SECTIONS, "training_images")]


@pytest.mark.parametrize("stage", WITHOUT_SECTION)
def test_a_stage_without_section_takes_its_files(stage):
    assert set(parsed(stage, with_value(rule_options(stage)))) == set(rule_options(stage))


def test_stages_have_no_defaults():
    for stage in cli.STAGES.values():
        for parameter in signatures.signature(stage).parameters.values():
            assert parameter.default is parameter.empty
            assert parameter.kind is parameter.KEYWORD_ONLY


@pytest.mark.parametrize("stage", ["cams", "masks"])
def test_an_option_that_is_left_out_is_asked_for(stage, capsys):
    words = [*with_value(rule_options(stage)), *flags(stage)]
    names = [*rule_options(stage), *CONFIG[stage]]
    for name in names:
        place = words.index(f"--{name}")
        after = next((i for i in range(place + 1, len(words)) if words[i].startswith("--")), len(words))
        with pytest.raises(SystemExit) as ended:
            parsed(stage, words[:place] + words[after:])
        assert ended.value.code == 2
        assert f"--{name}" in capsys.readouterr().err


def beyond(part: dict) -> dict[str, str]:
    """Numbers that a key cannot have; none for what is no number."""
    part = configuration.resolved(part.get("items", part), SCHEMA)
    if isinstance(part.get("enum", [""])[0], int):
        return {"below": str(min(part["enum"]) - 1), "above": str(max(part["enum"]) + 1), "none": "nan"}
    if part.get("type") not in ("integer", "number"):
        return {}
    below = part["minimum"] - 1 if "minimum" in part else part["exclusiveMinimum"]
    above = part["maximum"] + 1 if "maximum" in part else part["exclusiveMaximum"]
    return {"below": str(below), "above": str(above), "none": "nan"}


@pytest.mark.parametrize("where", ["below", "above", "none"])
@pytest.mark.parametrize("stage", cli.STAGES)
def test_a_number_beyond_its_range_is_refused_before_a_stage_begins(stage, where, monkeypatch):
    monkeypatch.setattr(cli.progress, "set_up", lambda *_: None)
    keys = {name: part for section in configuration.sections(SCHEMA).values() for name, part in section.items()}
    keys |= configuration.sections(SCHEMA).get(stage, {})
    found = {name: beyond(configuration.resolved(keys[name], SCHEMA)).get(where) for name in numbers(stage)}
    wrong = {name: value for name, value in found.items() if value is not None}
    words = [word for name, value in wrong.items() for word in (f"--{name}", value)]
    with pytest.raises(WsssError if wrong else SystemExit) as ended:  # without any the parser asks for files
        cli._logged(cli.STAGES[stage], stage, words, log=None)
    told = str(ended.value).splitlines() if wrong else []
    expected = [f"--{name} is {value}: give " for name, value in wrong.items()]
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == expected


@pytest.mark.parametrize("stage", [name for name in cli.STAGES if name in RULES])
def test_every_number_of_a_stage_has_a_range_in_which_that_of_the_configuration_lies(stage):
    words = [*with_value(rule_options(stage)), *flags(stage)]
    ranges.check(stage, words)
    taken = {name: value if isinstance(value, tuple) else (value,) for name, value in parsed(stage, words).items()}
    names = [name for name, values in taken.items() if {*map(type, values)} & {int, float}]
    if names:
        with pytest.raises(WsssError) as refused:
            ranges.check(stage, [word for name in names for word in (f"--{name}", "inf")])
        assert [line.split()[0] for line in str(refused.value).splitlines()] == [f"--{name}" for name in names]
