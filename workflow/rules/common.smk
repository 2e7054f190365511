# Small helpers: the only Python of the workflow.
import shlex
import sys
from pathlib import Path

from wsss import options, provenance

validate(config, "../config.schema.yaml")


scattergather:
    shards=1,


wildcard_constraints:
    scatteritem=r"\d+-of-\d+",
    method="|".join(["psa", "sec", *config["sec_ablation"]]),
    sec="|".join(["sec", *config["sec_ablation"]]),
    split="train|val",


# `wsss` is the one of the environment that runs snakemake, whatever stands first on the PATH
shell.prefix(f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")


def flags(section, **changes):
    """One section of config.yaml as options, with changes: {scales: [0.5, 1]} -> --scales 0.5 1"""
    words = []
    for name, value in {**config[section], **changes}.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def sec_flags(wildcards):
    """The options of SEC's segmenter, with the change of its losses that its name stands for."""
    return flags("sec_segmenter", **config["sec_ablation"].get(wildcards.sec, {}))


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
    """A digest of the data set's folder, so that added photographs are seen; what is made or fetched is not found."""
    if config["images"]["dataset"] == "shapes" or config["images"]["download"]:
        return "generated"
    annotations = [".xml"] if config["images"]["tags"] == "annotations" else []
    return provenance.listing(
        Path(config["images"]["root"]), read=(".txt", ".npy", *annotations)
    )
