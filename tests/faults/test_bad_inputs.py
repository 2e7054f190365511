"""Bad inputs of every kind: one error with the file and the way out, and nothing left behind."""

import shutil
from pathlib import Path

import bad_arrays
import bad_configurations
import bad_data_sets
import bad_inputs
import in_process
import outcomes
import pytest
from commands_of_wsss import files_below

from wsss.options import configuration

FORMATS = (
    bad_inputs.anything,
    bad_data_sets.of_manifest,
    bad_data_sets.of_classes,
    bad_data_sets.of_lists,
    bad_data_sets.of_xml,
    bad_data_sets.of_photographs,
    bad_data_sets.of_masks,
    bad_arrays.of_arrays,
    bad_arrays.of_pickles,
    bad_data_sets.of_coco,
)
CASES = [case for cases in FORMATS for case in cases()]
QUICK = 17
"""One in so many cases is tried in the quick part."""


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small data set in each layout, in which nothing is bad."""
    folder = tmp_path_factory.mktemp("good") / "data"
    folder.mkdir()
    bad_inputs.write(folder)
    return folder


def outcome(case: bad_inputs.Case, folder) -> str:
    """What becomes of a case; the files of the folder must be those that were there before, where it fails."""
    case.change(folder / case.file)
    before = files_below(folder)
    ended = in_process.wsss(*case.command, folder=folder)
    found = in_process.outcome(ended, name=case.called or Path(case.file).name)
    left = files_below(folder) - before
    if ended.status != 0 and left:
        return f"unclear: leaves {left}"
    return "right" if ended.status == 0 and case.harmless else found


def assert_told(cases: list[bad_inputs.Case], good, folder) -> None:
    wrong = []
    for case in cases:
        shutil.copytree(good, folder / "data", symlinks=True)
        found = outcome(case, folder / "data")
        shutil.rmtree(folder / "data")
        outcomes.count(f"input: {case.kind}", found)
        wrong += [] if found in ("right", "told") else [f"{case}: {found}"]
    assert wrong == []


@pytest.mark.parametrize("file", bad_inputs.FILES)
def test_a_good_input_is_taken(good, tmp_path, file):
    shutil.copytree(good, tmp_path / "data")
    ended = in_process.wsss(*bad_inputs.FILES[file], folder=tmp_path / "data")
    assert ended.status == 0, ended.said


def test_some_bad_inputs_are_told(good, tmp_path):
    quick = [case for case in CASES if case.name.split()[-1] not in ("lines", "brackets")]  # these take a second
    assert_told(quick[::QUICK], good, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("kind", dict.fromkeys(case.kind for case in CASES))
def test_all_bad_inputs_are_told(good, tmp_path, kind):
    assert_told([case for case in CASES if case.kind == kind], good, tmp_path)


@pytest.mark.faults
def test_bad_values_of_every_key_are_told():
    cases = list(bad_configurations.of_configuration())
    assert len(cases) > 500
    wrong = []
    for name, config in cases:
        try:
            configuration.completed(config, defaults=bad_inputs.DEFAULTS, schema=bad_configurations.SCHEMA)
            found = "silent"
        except configuration.WsssError as error:
            found = outcomes.of_message(str(error), name.split(" is ")[0].rpartition(": ")[2])
        except Exception as error:
            found = f"traceback: {error!r}"
        outcomes.count("input: configuration", found)
        wrong += [] if found == "told" else [f"{name}: {found}"]
    assert wrong == []


@pytest.mark.parametrize("text", bad_configurations.OF_A_SHELL)
def test_words_of_a_shell_are_values(text):
    """Each text of the configuration reaches the command as it is written."""
    for section, keys in configuration.sections(bad_configurations.SCHEMA).items():
        values = {key: text for key in keys if isinstance(bad_inputs.DEFAULTS[section].get(key), str)}
        words = bad_inputs.shlex.split(configuration.as_options(values))
        assert words == [word for key in values for word in (f"--{key}", text)]


@pytest.mark.parametrize("text", bad_configurations.OF_A_SHELL)
def test_a_file_may_have_a_name_of_a_shell(good, tmp_path, text):
    """Options of files take such names, and nothing is called."""
    name = text.replace("/", "_")
    folder = tmp_path / "data"
    shutil.copytree(good, folder)
    for part in ("images.csv", "classes.csv", "masks"):
        (folder / part).rename(folder / f"{name}{part}")
    words = ("--images", f"./{name}images.csv", "--classes_table", f"./{name}classes.csv", "--out", f"./{name}out.h5")
    ended = in_process.wsss("pseudo_masks_import", f"./{name}masks", *words, folder=folder)
    found = "right" if ended.status == 0 and (folder / f"{name}out.h5").exists() else f"unclear: {ended.said}"
    called = {path for path in files_below(tmp_path) if path.endswith("called")}
    outcomes.count("input: names of a shell", "silent" if called else found)
    assert (found, called) == ("right", set())
