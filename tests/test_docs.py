"""What the pages of docs/, the README and the changelog show is there: commands, links, messages, Python."""

import functools
import pydoc
import re
import shlex
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import projects
import pytest
import report_runs
import torch
import tyro
import yaml
from PIL import Image
from projects import ROOT
from settings import CLASSES, FEATURES
from small_manifest import write_manifest
from small_stores import write

from wsss import cli
from wsss.labels import Classes
from wsss.networks import file
from wsss.networks.file import About
from wsss.networks.segmenter import Segmenter
from wsss.stores import kinds, store

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
}
BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.M)
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
GENERATED = {"changelog.md"}
"""Pages that docs/hooks.py makes."""

NOT_HERE = {"--sdm": "containers need Apptainer"}
"""Options of commands that cannot be run where tests run."""


class Command(NamedTuple):
    """A line of a block of commands, without its comment."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def blocks(page: str, *languages: str) -> list[str]:
    return [text for language, text in BLOCK.findall(PAGES[page]) if language in languages]


def commands(program: str) -> list[Command]:
    """The lines of all pages that begin with a program; what stands before it sets its environment."""
    found = []
    for page in PAGES:
        for text in blocks(page, "bash", "console"):
            for line in re.sub(r"\\\n", " ", text).splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    del words[0]
                if words[:1] == [program]:
                    found.append(Command(page, tuple(words)))
    assert found
    return found


def spans(program: str) -> list[Command]:
    """Commands in the running text, which may lack what the text leaves open."""
    found = []
    for page, text in PAGES.items():
        for span in re.findall(rf"`({program} [^`]+)`", BLOCK.sub("", text)):
            found.append(Command(page, tuple(shlex.split(span.split(" > ")[0]))))
    return found


OF_WSSS = [command for command in commands("wsss") if command.words[1] != "run"]
RUNS = [*commands("snakemake"), *(command for command in commands("wsss") if command.words[1] == "run")]
RUNS = [command for command in RUNS if command.page != "docs/adding_a_method.md"]  # which has a test of its own


def test_blocks_say_what_they_are():
    known = {"bash", "python", "yaml", "text"}
    found = {(page, language.split(" ")[0]) for page, text in PAGES.items() for language, _ in BLOCK.findall(text)}
    assert {language for _, language in found} <= known, found


@pytest.mark.parametrize("command", OF_WSSS, ids=str)
def test_a_command_of_wsss_takes_its_options(command):
    _, name, *words = command.words
    if name.startswith("-"):
        assert words == [] and name in ("--help", "--version")
        return
    function = {**cli.STAGES, **cli.COMMANDS}[name]
    calls = []

    @functools.wraps(function)
    def recorder(*positional, **named):
        calls.append((positional, named))

    tyro.cli(recorder, args=words, prog=f"wsss {name}", use_underscores=True)
    assert len(calls) == 1


CARRIED_OUT = ("inspect", "sheet", "summary", "report", "curves", "export", "predict")
"""Commands that look at a run, which are quick on a small one. Those of docs/exchange.md have a test of their own."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run of small pictures, the same as the runs of two seeds, and a new photograph."""
    folder = tmp_path_factory.mktemp("finished")
    results = report_runs.write_run(folder)
    shutil.copy(results / "psa_val_masks.h5", results / "psa_train_masks.h5")
    write_segmenter(results, report_runs.CLASSES)
    for seed in ("seed_0", "seed_1"):
        shutil.copytree(results, folder / seed / "results")
    (folder / "new").mkdir()
    shutil.copy(folder / "train0.png", folder / "new")
    return folder


def write_segmenter(results: Path, classes: Classes) -> None:
    """An untrained segmenter under the name that a run gives it."""
    torch.manual_seed(0)
    network = Segmenter.build(FEATURES, classes=len(classes.names), dilation=1)
    file.save(results / "psa_segmenter.safetensors", network, About(classes, "tags and cues"))


@pytest.mark.parametrize(
    "command",
    [each for each in OF_WSSS if each.words[1] in CARRIED_OUT and each.page != "docs/exchange.md"],
    ids=str,
)
def test_a_command_that_looks_at_a_run_does_something(finished, monkeypatch, capsys, command):
    monkeypatch.chdir(finished)
    _, name, *words = command.words
    words = ["train 0/é" if word == "train_00003" else word for word in words]  # the id of a picture of this run
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    tyro.cli(cli.COMMANDS[name], args=words, use_underscores=True)
    written = [path for path in finished.rglob("*") if before.get(path) != path.stat().st_mtime_ns]
    if name == "summary" or words == ["results/cams.h5"]:
        assert capsys.readouterr().out
    else:
        assert [path for path in written if path.is_file()]


def test_commands_in_the_text_have_names_and_options_that_exist(capsys):
    helped = {}
    for command in spans("wsss"):
        name, options = command.words[1], [word for word in command.words[2:] if word.startswith("--")]
        if name in ("COMMAND", "run") or name.startswith("--"):
            continue
        function = {**cli.STAGES, **cli.COMMANDS}[name]
        if name not in helped:
            with pytest.raises(SystemExit):
                tyro.cli(function, args=["--help"], use_underscores=True)
            helped[name] = capsys.readouterr().out
        for option in options:
            assert re.search(rf"{option}\b", helped[name]), str(command)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the photographs, tags and masks of docs/own_data.md, whose first commands were run."""
    copy = projects.copied(tmp_path_factory.mktemp("docs") / "project")
    shutil.copytree(ROOT / "presets", copy / "presets")
    rng = np.random.default_rng(0)
    for name in ("one.jpg", "two.jpg", "holiday/three.png", *(f"more/{i}.png" for i in range(9))):
        for folder in ("photographs", "masks"):
            path = copy / folder / (name if folder == "photographs" else Path(name).with_suffix(".png"))
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = (24, 32, 3) if folder == "photographs" else (24, 32)
            Image.fromarray(rng.integers(0, 256 if folder == "photographs" else 3, shape, np.uint8)).save(path)
    tags = ["one.jpg,cat", "two.jpg,cat;dog", "holiday/three.png,dog", *(f"more/{i}.png,dog" for i in range(9))]
    (copy / "tags.csv").write_text("\n".join(["file_name,tags", *tags]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        for command in OF_WSSS:
            if command.page == "docs/own_data.md" and command.words[1] in ("init", "check"):
                tyro.cli(cli.COMMANDS[command.words[1]], args=command.words[2:], use_underscores=True)
    return copy


@pytest.fixture(scope="module")
def dry_runs(project):
    """How a dry run of each command of Snakemake ends; with the tiny configuration where a command names none."""
    asked = {}
    for command in RUNS:
        words = command.words[2 if command.words[0] == "wsss" else 1 :]
        tiny = () if "--configfile" in words else ("--configfile", "tiny.yaml")
        asked[command] = (*tiny, "--dry-run", *words)
    different = [*dict.fromkeys(asked.values())]
    with ThreadPoolExecutor(2) as pool:
        ends = dict(zip(different, pool.map(lambda words: projects.snakemake(project, *words), different), strict=True))
    return {command: ends[words] for command, words in asked.items()}


@pytest.mark.parametrize("command", RUNS, ids=str)
def test_a_command_of_snakemake_has_a_plan(dry_runs, command):
    for option, reason in NOT_HERE.items():
        if option in command.words:
            pytest.skip(reason)
    run = dry_runs[command]
    output = run.stdout + run.stderr
    assert run.returncode == 0, output[-3000:]
    if "--workflow-profile" in command.words:  # else Snakemake passes over a name that is misspelt
        profile = command.words[command.words.index("--workflow-profile") + 1]
        assert f"Using workflow specific profile {profile} " in output


def test_commands_of_make_and_pip_name_what_there_is():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())
    assert {word for command in [*commands("make"), *spans("make")] for word in command.words[1:]} <= targets
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    named = re.findall(r"pip install (?:-e )?'(?:\.|wsss)\[(.*?)\]'", "\n".join(PAGES.values()))
    assert named and {name for names in named for name in names.split(",")} <= extras


def test_scripts_are_there():
    scripts = set(re.findall(r"python ((?:benchmarks|tests)/\S+?\.py)", "\n".join(PAGES.values())))
    assert scripts and all((ROOT / script).is_file() for script in scripts)


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as Markdown makes them; those of backticks and links are of their text."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", PAGES[page]), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", PAGES[page])):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if target.parent == ROOT / "docs" and target.name in GENERATED:
            target = ROOT / "CHANGELOG.md"
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), f"{page}: {link}"


def test_the_site_has_every_page_once():
    pages = [page for section in SITE["nav"] for entry in section.values() for page in entry]
    pages = [page if isinstance(page, str) else next(iter(page.values())) for page in pages]
    assert sorted(pages) == sorted({path.name for path in (ROOT / "docs").glob("*.md")} | GENERATED)


def test_the_site_loads_nothing_from_elsewhere():
    assert SITE["theme"]["font"] is False
    assert {plugin if isinstance(plugin, str) else next(iter(plugin)) for plugin in SITE["plugins"]} == {
        "search",
        "mkdocstrings",
    }
    assert "http" not in (ROOT / "docs/site.css").read_text() + "".join(SITE["extra_css"])


def test_documented_names_are_there():
    names = re.findall(r"^::: (\S+)(?:\n    options: (.*))?$", PAGES["docs/python_api.md"], re.M)
    assert names
    for name, options in names:
        found = pydoc.locate(name)
        assert found is not None, name
        for member in yaml.safe_load(options)["members"] if options else []:
            assert hasattr(found, member), f"{name}.{member}"
            assert getattr(found, member).__doc__, f"{name}.{member} has no docstring"


def test_messages_are_those_of_the_program():
    page = PAGES["docs/troubleshooting.md"]
    ours = page[page.index("## Messages") : page.index("### From Snakemake")]
    sources = [*sorted((ROOT / "wsss").rglob("*.py")), *sorted((ROOT / "workflow").rglob("*.smk"))]
    said = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in sources))
    rows = re.findall(r"^\| (`.*?) \|", ours, re.M)
    assert len(rows) > 30
    for part in [part for row in rows for part in re.findall(r"`(.*?)`", row)]:
        assert part in said, part


def test_the_page_of_stores_has_each_kind_and_the_schema():
    page = PAGES["docs/stores.md"]
    assert f"the version of the format ({store.SCHEMA})" in page
    rows = re.findall(r"^\| (`.*?) \|", page[page.index("## Kinds") : page.index("## Attributes")], re.M)
    assert {kind for row in rows for kind in re.findall(r"`(.*?)`", row)} == kinds.KINDS.keys()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The files of a run that the pages' Python opens: a network, CAMs, the list of images, and a photograph."""
    (tmp_path / "results").mkdir()
    write_manifest(tmp_path / "results")
    write(tmp_path / "results/cams.h5")
    write_segmenter(tmp_path / "results", CLASSES)
    Image.new("RGB", (40, 32), "grey").save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_runs(run, page):
    names = {"__name__": page}
    for text in blocks(page, "python"):
        exec(compile(text, page, "exec"), names)
