# Small helpers: the only Python of the workflow.
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from wsss import options, provenance
from wsss.data import voc

validate(config, "../config.schema.yaml")
if config["sec_seeds"] == "results/seeds.h5":
    cells, of_segmenter = config["seeds"]["cells"], config["sec_segmenter"]
    if of_segmenter["input_px"] != cells * of_segmenter["stride"]:
        raise WorkflowError(
            "config: sec_segmenter: input_px is not seeds: cells times its stride: change one of them"
        )


if config["fit_crf"] and config["masks"]["crf.engine"] != "conv":
    raise WorkflowError(
        "config: fit_crf fits a CRF of engine conv: set masks: crf.engine to conv"
    )
if (
    config["fit_crf"]
    and config["crf"]["split"] == "held"
    and config["images"]["held_out"] < 2
):
    raise WorkflowError(
        "config: fit_crf needs images that no network is trained on: set images: held_out, or crf: split to train"
    )
if (
    config["fit_crf"]
    and config["crf"]["masks"] == "annotated"
    and not config["images"]["masks"]
):
    raise WorkflowError(
        "config: crf: masks is annotated, but images: masks names no folder of true masks"
    )
engines = [part.get("crf.engine") for part in config.values() if isinstance(part, dict)]
if "lattice" in engines and not find_spec("pydensecrf"):
    raise WorkflowError(
        "config: crf.engine lattice needs pydensecrf: pip install pydensecrf2, or set it to conv"
    )


scattergather:
    shards=1,


# names of the variants of a method, and their changes
ABLATIONS = {"sec": config["sec_ablation"], "lcrf": config["lcrf_ablation"]}


wildcard_constraints:
    scatteritem=r"\d+-of-\d+",
    family="|".join(ABLATIONS),
    sec="|".join(["sec", *ABLATIONS["sec"]]),
    lcrf="|".join(["lcrf", *ABLATIONS["lcrf"]]),
    method="|".join(["psa", "sec", "lcrf", *ABLATIONS["sec"], *ABLATIONS["lcrf"]]),
    split="train|held|val",


# `wsss` is the one of the environment that runs snakemake, whatever stands first on the PATH
shell.prefix(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

# for the commands of a profile, which run in the folder of --directory
os.environ.update(WSSS_PROFILES=f"{workflow.basedir}/profiles")


def growing(amount):
    """MB of memory or minutes for a job, and as much more at each further attempt."""

    def needed(wildcards, attempt):
        return amount * attempt

    return needed


def flags(section, **changes):
    """One section of config.yaml as options, with changes: {scales: [0.5, 1]} -> --scales 0.5 1"""
    words = []
    for name, value in {**config[section], **changes}.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def sec_flags(wildcards):
    """The options of SEC's segmenter, with the change that its name stands for."""
    return flags("sec_segmenter", **ABLATIONS["sec"].get(wildcards.sec, {}))


def lcrf_flags(wildcards):
    """The options of the latent CRF's segmenter, with the change that its name stands for."""
    return flags("lcrf_segmenter", **ABLATIONS["lcrf"].get(wildcards.lcrf, {}))


def warm_seeds(wildcards):
    """Seeds for a warm start of the latent CRF, where there is one."""
    changed = {**config["lcrf_segmenter"], **ABLATIONS["lcrf"].get(wildcards.lcrf, {})}
    return [config["sec_seeds"]] if changed["warm_share"] else []


def ablated_scores(wildcards):
    """The scores of a method and of each of its variants."""
    return [
        f"results/{method}_val_miou.json"
        for method in (wildcards.family, *ABLATIONS[wildcards.family])
    ]


def steps(wildcards):
    """The cues of a method that a page of examples shows, [] for those that it does without."""
    of_psa = {
        "affinity_labels": "results/affinity_labels.h5",
        "pseudo_masks": "results/pseudo_masks.h5",
    }
    of_sec = {"saliency": "results/saliency.h5", "seeds": config["sec_seeds"]}
    family = wildcards.method.split("_")[0]
    shown = {"psa": of_psa, "sec": of_sec}.get(family, {})
    return {kind: shown.get(kind, []) for kind in (*of_psa, *of_sec)}


def fitted_to(wildcards):
    """The scores of training images to which a method's CRF is fitted."""
    return f"results/{wildcards.method}_{config['crf']['split']}_scores.h5"


def fitted_crf(wildcards):
    """The fitted CRF of a method, where one is asked for; its variants take the same."""
    return (
        [f"results/{wildcards.method.split('_')[0]}_crf.json"]
        if config["fit_crf"]
        else []
    )


def weights(section):
    """The local file of a network's weights as an input of its rule; nothing where the weights go by a name."""
    file = options.weights_file(config[section]["weights"])
    return [str(file)] if file else []


def where_used(method, path):
    """A file as an input where the method is among those of this run."""
    return [path] if method in config["methods"] else []


def code(stage):
    """A digest of the code of a stage: without it an edit of the package would rerun nothing."""
    return provenance.code(stage)


def listing():
    """A digest of what stage images reads, so that added photographs are seen; what is made or fetched is not found."""
    images = config["images"]
    if images["dataset"] == "shapes" or images["download"]:
        return "generated"
    names = ("train", "extra", "val", "masks", "tags")
    parts = voc.parts(**{name: images[name] for name in names})
    return provenance.listing(Path(images["root"]), parts)
