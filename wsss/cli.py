"""The command `wsss`: the table of stages. The only place that parses, exits or sets up logging."""

import argparse
import difflib
import inspect as signatures
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import tyro

from wsss.commands.cams_export import cams_export
from wsss.commands.cams_import import cams_import
from wsss.commands.check import check
from wsss.commands.configuration import configuration
from wsss.commands.curves import curves
from wsss.commands.export import export
from wsss.commands.init import init
from wsss.commands.inspect import inspect
from wsss.commands.predict import predict
from wsss.commands.pseudo_masks_import import pseudo_masks_import
from wsss.commands.report import report
from wsss.commands.run import run
from wsss.commands.seeds_export import seeds_export
from wsss.commands.seeds_import import seeds_import
from wsss.commands.sheet import sheet
from wsss.commands.summary import summary
from wsss.runtime import machine, progress, streams, version
from wsss.runtime.errors import WsssError, of_the_machine
from wsss.stages.ablation import ablation
from wsss.stages.affinity_labels import affinity_labels
from wsss.stages.affinity_net import affinity_net
from wsss.stages.cams import cams
from wsss.stages.classifier import classifier
from wsss.stages.comparison import comparison
from wsss.stages.crf import crf
from wsss.stages.cue_scores import cue_scores
from wsss.stages.examples import examples
from wsss.stages.gather import gather
from wsss.stages.images import images
from wsss.stages.lcrf_segmenter import lcrf_segmenter
from wsss.stages.masks import masks
from wsss.stages.miou import miou
from wsss.stages.psa_segmenter import psa_segmenter
from wsss.stages.pseudo_masks import pseudo_masks
from wsss.stages.relabels import relabels
from wsss.stages.saliency import saliency
from wsss.stages.scores import scores
from wsss.stages.sec_segmenter import sec_segmenter
from wsss.stages.seeds import seeds
from wsss.stages.training_images import training_images

STAGES: dict[str, Callable[..., None]] = {
    "training_images": training_images,
    "images": images,
    "classifier": classifier,
    "cams": cams,
    "affinity_labels": affinity_labels,
    "affinity_net": affinity_net,
    "pseudo_masks": pseudo_masks,
    "psa_segmenter": psa_segmenter,
    "saliency": saliency,
    "seeds": seeds,
    "sec_segmenter": sec_segmenter,
    "lcrf_segmenter": lcrf_segmenter,
    "scores": scores,
    "crf": crf,
    "masks": masks,
    "miou": miou,
    "relabels": relabels,
    "cue_scores": cue_scores,
    "comparison": comparison,
    "ablation": ablation,
    "examples": examples,
    "gather": gather,
}

COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "check": check,
    "run": run,
    "predict": predict,
    "summary": summary,
    "report": report,
    "curves": curves,
    "inspect": inspect,
    "sheet": sheet,
    "export": export,
    "configuration": configuration,
    "cams_import": cams_import,
    "cams_export": cams_export,
    "pseudo_masks_import": pseudo_masks_import,
    "seeds_import": seeds_import,
    "seeds_export": seeds_export,
}

ABOUT = """Weakly supervised semantic segmentation: from photographs and their tags to a label for every pixel.

usage: wsss COMMAND [OPTIONS]     wsss COMMAND --help     wsss --version

Every command also takes --threads N (number of cores) and --log FILE (plain lines, the command first)."""

NEXT = {
    "wsss COMMAND --help": "the options of a command.",
    "snakemake --cores 8 results/psa_val_miou.txt": "a whole run: the stages, with the numbers of config.yaml.",
    "wsss summary": "the scores of a run.",
    "wsss inspect results/cams.h5": "what a result file holds.",
    "head -1 results/logs/cams.log": "the command of a stage, which can be run on its own.",
}
"""What to type after reading the help."""

STATUS = (
    "Exit status: 0 done, 1 an error whose message says how to fix it, 2 a wrong command or option, 70 a bug in wsss."
)

CRASHED = 70
"""Exit status of a bug: EX_SOFTWARE of sysexits.h."""


def main() -> None:
    """Run one command; bad input ends in one line and exit status 1, an unknown command or option in exit status 2."""
    streams.prepare()
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        _run(lambda: sys.stdout.write(_help()), "help")
    elif words[0] == "--version":
        _run(lambda: sys.stdout.write(f"{version.in_words()}\n"), "version")
    elif words[0] == "run" and words[1:] not in (["-h"], ["--help"]):
        _run(lambda: run(*words[1:]), "run")  # Snakemake parses them
    else:
        arguments, rest = _job_options(words)
        name, function = _command(rest)
        machine.use_threads(arguments.threads)
        machine.end_with_run()
        _run(lambda: _logged(function, name, rest[1:], log=arguments.log), name, log=arguments.log)


def _logged(function: Callable[..., None], name: str, words: list[str], *, log: Path | None) -> None:
    """Call a command with its words, and log it."""
    from wsss.options import ranges  # with YAML, for which --help does not wait

    try:
        progress.set_up(log, "$ " + shlex.join(["wsss", *sys.argv[1:]]), _circumstances)
    except OSError as error:
        raise WsssError(of_the_machine(error) or str(error)) from error
    ranges.check(name, words)
    tyro.cli(function, args=words, prog=f"wsss {name}", use_underscores=True)
    if log and name in STAGES:
        progress.done("/".join(log.with_suffix("").parts[-2:]).removeprefix("logs/"))


def _circumstances() -> Iterator[str]:
    """What a log says after its command: by what, on what and for which run the command was carried out."""
    yield f"by {version.in_words()}"
    yield f"on {machine.in_words()}"
    if machine.COMMAND in os.environ:
        yield f"for {os.environ[machine.COMMAND]}"


def _run(work: Callable[[], object], name: str, *, log: Path | None = None) -> None:
    """Do the work of a command, and end the process as its error deserves."""
    try:
        try:
            work()
        finally:
            sys.stdout.flush()  # as Python ends, it would be too late to tell what could not be written
    except WsssError as error:
        progress.LOG.error("error: %s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # what reads our output has ended, such as `| head`
        _give_up_stdout()
        sys.exit(1)
    except Exception as error:
        if line := of_the_machine(error):
            progress.LOG.error("error: %s", line)
            _give_up_stdout()
            sys.exit(1)
        progress.LOG.error("%s crashed", name, exc_info=True)
        what = log or "the lines above"
        plea = "error: this is a bug in %s: please report it with %s at the project's issue tracker"
        progress.LOG.error(plea, version.in_words(), what)
        sys.exit(CRASHED)


def _give_up_stdout() -> None:
    """Close it: what could not be written would fail once more as Python ends."""
    with suppress(OSError):
        sys.stdout.close()


def _command(words: list[str]) -> tuple[str, Callable[..., None]]:
    """The command that the words begin with; where there is none, exit with status 2 and the nearest name."""
    table = {**STAGES, **COMMANDS}
    name = words[0] if words else ""
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`wsss --help` lists them"
        sys.stderr.write(f"error: there is no command {name!r}: {hint}\n")
        sys.exit(2)
    return name, table[name]


def _help() -> str:
    """The commands in two groups, each with the first sentence of its docstring, and what to type next."""
    stages, commands = (
        {name: signatures.getdoc(function).split("\n\n")[0].replace("\n", " ") for name, function in table.items()}
        for table in (STAGES, COMMANDS)
    )
    tables = {"Stages, in the order of a run:": stages, "Commands for people:": commands, "Where to go next:": NEXT}
    width = shutil.get_terminal_size().columns
    lines = [part for line in ABOUT.split("\n") for part in textwrap.wrap(line, width) or [""]]
    for title, table in tables.items():
        lines += ["", title, *_columns(table, width)]
    return "\n".join([*lines, "", *textwrap.wrap(STATUS, width), ""])


def _columns(table: dict[str, str], width: int) -> Iterator[str]:
    """Names and what they mean side by side."""
    longest = max(map(len, table))
    for name, text in table.items():
        start = f"  {name:<{longest}}  "
        yield from textwrap.wrap(
            text, max(width, len(start) + 20), initial_indent=start, subsequent_indent=" " * len(start)
        )


def _job_options(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """--threads and --log, which every command takes, apart from the rest."""
    parser = argparse.ArgumentParser(prog="wsss", add_help=False, allow_abbrev=False)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--log", type=Path)
    options, rest = parser.parse_known_args(words)
    if options.threads < 1:
        parser.error(f"--threads is {options.threads}: give a number of cores, at least 1")
    return options, rest
