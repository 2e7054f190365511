"""The command `wsss`: the table of stages. The only place that parses, exits or sets up logging."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from wsss import machine, progress
from wsss.errors import WsssError
from wsss.exchange import seeds_export, seeds_import
from wsss.inspection import export, inspect, summary
from wsss.stages.ablation import ablation
from wsss.stages.affinity_labels import affinity_labels
from wsss.stages.affinity_net import affinity_net
from wsss.stages.cams import cams
from wsss.stages.classifier import classifier
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
from wsss.stages.saliency import saliency
from wsss.stages.scores import scores
from wsss.stages.sec_segmenter import sec_segmenter
from wsss.stages.seeds import seeds

STAGES: dict[str, Callable[..., None]] = {
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
    "cue_scores": cue_scores,
    "ablation": ablation,
    "examples": examples,
    "gather": gather,
}

FOR_PEOPLE: dict[str, Callable[..., None]] = {
    "inspect": inspect,
    "summary": summary,
    "export": export,
    "seeds_import": seeds_import,
    "seeds_export": seeds_export,
}

ABOUT = """Weakly supervised semantic segmentation, a command a stage.

Stages take explicit files and numbers. `snakemake` fills them in from config.yaml; a log begins with its command.
Every command also takes --threads N (at most the cores that are there) and --log FILE (plain lines, the command first).
"""


def main() -> None:
    """Run one command; bad input ends in one line and exit status 1, an unknown option in exit status 2."""
    arguments, rest = _job_options(sys.argv[1:])
    machine.use_threads(arguments.threads)
    progress.set_up(arguments.log, "$ " + shlex.join(["wsss", *sys.argv[1:]]))
    try:
        tyro.extras.subcommand_cli_from_dict(
            {**STAGES, **FOR_PEOPLE}, args=rest, prog="wsss", description=ABOUT, use_underscores=True
        )
    except WsssError as error:
        progress.LOG.error("error: %s", error)
        sys.exit(f"error: {error}" if sys.stderr.isatty() else 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _job_options(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """--threads and --log, which every command takes, apart from the rest."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--log", type=Path)
    return parser.parse_known_args(words)
