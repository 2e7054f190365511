# Small helpers: the only Python of the workflow.
import os
from pathlib import Path

from wsss.datasets import listing
from wsss.options import configuration, consistency, strict_yaml
from wsss.options.network import weights_file
from wsss.runtime import machine, pipeline, provenance
from wsss.runtime.errors import WsssError

DEFAULTS = configuration.read(Path(workflow.basedir, "config.yaml"))
SCHEMA = configuration.read(Path(workflow.basedir, "workflow/config.schema.yaml"))
try:
    for file in workflow.overwrite_configfiles:  # again: Snakemake takes 010 for 8 and the last of equal keys
        configuration.read(Path(file))
    strict_yaml.check_entries(workflow.config_settings.config_args, taken=workflow.config_settings.config)
    config |= configuration.completed(config, defaults=DEFAULTS, schema=SCHEMA)
    consistency.check(config)
    config["images"]["root"] = str(Path(config["images"]["root"]).expanduser())
except WsssError as error:
    raise WorkflowError(str(error))


# The methods, each with the cues that its page of examples shows, in order, and those that are scored where masks are.
# Of METHOD there are METHOD.smk with a rule METHOD_segmenter, and the sections METHOD_segmenter and METHOD_ablation.
# What leads to pseudo masks or seeds is neither made nor shown where these come of another program.
CAMS, PSEUDO_MASKS, SEEDS = config["cams_store"], config["pseudo_masks_store"], config["sec_seeds"]
BEFORE_MASKS = [CAMS, "results/affinity_labels.h5"] if PSEUDO_MASKS == DEFAULTS["pseudo_masks_store"] else []
SEEDS_OF = f"results/{config['seeds']['source']}.h5"
BEFORE_SEEDS = [CAMS, SEEDS_OF] if SEEDS == DEFAULTS["sec_seeds"] else []
METHODS = {
    "psa": {"shown": [*BEFORE_MASKS, PSEUDO_MASKS], "scored": [PSEUDO_MASKS]},
    "sec": {"shown": [*BEFORE_SEEDS, SEEDS], "scored": [SEEDS]},
    "lcrf": {"shown": [CAMS], "scored": []},
}

# methods and their variants by name, each with its method and what it changes of the method's segmenter; of each the
# second round is PSA's segmenter, trained on the label maps that the first one gives the training images
VARIANTS = {method: (method, {}) for method in METHODS} | {
    variant: (method, changes) for method in METHODS for variant, changes in config[f"{method}_ablation"].items()
}
VARIANTS = {
    f"{name}_second_round": ("psa", {"pseudo_masks_store": f"results/{name}_relabels.h5"}) for name in VARIANTS
} | VARIANTS
OF_METHOD = {method: [name for name, (of, _) in VARIANTS.items() if of == method] for method in METHODS}


scattergather:
    shards=1,


SHARDED = len(gather.shards("{scatteritem}")) > 1


wildcard_constraints:
    **{method: "|".join(names) for method, names in OF_METHOD.items()},  # {psa}: PSA or a variant of it
    scatteritem=r"\d+-of-\d+",
    store=r"cams|affinity_labels|pseudo_masks|saliency|seeds|\w+_(scores|masks|relabels)",
    method="|".join(METHODS),
    variant="|".join(VARIANTS),
    split="train|crf_fit|val|test",


shell.prefix(pipeline.before_each_command())
# stages end with the run that started them, even if that is killed; `wsss run` takes its lock away then
machine.announce_run()
pipeline.announce()

# for the commands of a profile, which run in the folder of --directory
os.environ.update(WSSS_PROFILES=f"{workflow.basedir}/profiles")


def needs(**resources):
    """Resources of a job: memory and minutes grow with each further attempt, but not a training's minutes."""
    grow = ["mem_mb"] if "launch" in resources else ["mem_mb", "runtime"]
    return resources | {name: lambda wildcards, attempt, once=resources[name]: once * attempt for name in grow}


# what a training asks for, which decides no result; of several GPUs or nodes each takes its share of a batch
TRAINING = needs(gpu=1, nodes=1, launch="env", mem_mb=16000, runtime=1440, checkpoint_steps=config["checkpoint_steps"])
TRAINING |= {"tensorboard": "results/tensorboard" if config["tensorboard"] else ""}


def training(command):
    """The command of a training, with the options that decide no result: on what it runs, and where it is recorded."""
    job = "--threads {threads} --gpus {resources.gpu} --nodes {resources.nodes} --log {log:q}"
    record = "--checkpoint {params.checkpoint} --curve {params.curve} --tensorboard {resources.tensorboard}"
    return f"{{resources.launch}} {command} {job} {record} --checkpoint_steps {{resources.checkpoint_steps}}"


LOG, BENCHMARK = "results/logs/{}.log", "results/benchmarks/{}.tsv"


def shard(store, pattern="results/{}.h5"):
    """The file of a part of a store, or its log or benchmark; of one shard it is the store itself."""
    return pattern.format(f"{store}/{{scatteritem}}" if SHARDED else store)


def flags(section, **changes):
    """One section of config.yaml as options, with changes: {scales: [0.5, 1]} -> --scales 0.5 1"""
    return configuration.as_options({**config[section], **changes})


def of_method(section, wildcards):
    """The section scores or masks, with the changes of the method that the wildcards name, or of a variant's."""
    method = wildcards.get("method") or VARIANTS[wildcards.variant][0]
    return config[section] | config[f"{section}_of"].get(method, {})


def flags_of_method(section):
    """The section scores or masks as options, as a function of the wildcards."""
    return lambda wildcards: configuration.as_options(of_method(section, wildcards))


def flags_of_relabels(wildcards):
    """The options of scores but for the prior, and the CRF of masks: the tags say what classes the images show."""
    scores = {name: value for name, value in of_method("scores", wildcards).items() if name != "image_prior"}
    return configuration.as_options(scores | of_method("masks", wildcards))


def judge(*options):
    """The classifier as an input of what scores images, where one of these options of scores asks for it."""
    return lambda wildcards: (
        ["results/classifier.safetensors"] if any(of_method("scores", wildcards)[name] for name in options) else []
    )


def settings(stage, options=None):
    """The params of a stage: its section of config.yaml as options, the digest of its code, its part of the images.

    Snakemake does not look into a shell command: without the digest an edit of the package would rerun nothing.
    `options` is a function of the wildcards, for a stage whose options are not its section as it stands.
    """
    # a function: Snakemake takes braces in a text, such as those of a path, for wildcards
    options = options or ((lambda wildcards: flags(stage)) if stage in config else None)
    return {
        **({"options": options} if options else {}),
        "code": provenance.code(stage),
        "part": lambda wildcards: wildcards.get("scatteritem", "1-of-1"),
    }


def segmenter(variant):
    """The section of a method's segmenter, with the changes of a variant."""
    method, changes = VARIANTS[variant]
    return {name: changes.get(name, value) for name, value in config[f"{method}_segmenter"].items()}


def by_cams(settings):
    """Whether the likelihood goes by stored activation maps."""
    return settings["likelihood"] == "local_evidence" and settings["evidence_from"] == "cams"


def settings_of_training(stage, method=None):
    """The params of a training; of a method's segmenter, with the changes of the variant that is asked for."""
    name = f"{{{method}}}_segmenter" if method else stage
    options = {"options": lambda wildcards: flags(stage, **(segmenter(wildcards[method]) if method else {}))}
    places = {"checkpoint": f"results/checkpoints/{name}.pt", "curve": f"results/curves/{name}.csv"}
    return {**options, "code": provenance.code(stage), **places}


def weights(section, method=None):
    """The local file of a network's weights as an input of its rule; nothing where the weights go by a name.

    With a method a function of the wildcards, since a variant may have weights of its own.
    """
    if method:
        return lambda wildcards: _local(segmenter(wildcards[method])["weights"])
    return _local(config[section]["weights"])


def _local(weights):
    return [str(file)] if (file := weights_file(weights)) else []


def shown(wildcards):
    """The cues on a variant's page of examples; where it learns masks of another network, those."""
    method, changes = VARIANTS[wildcards.variant]
    masks = changes.get("pseudo_masks_store")
    return [CAMS, masks] if masks else METHODS[method]["shown"]


def fitted(wildcards):
    """The fitted CRF of a variant's method, where the run takes its numbers from there."""
    return [f"results/{VARIANTS[wildcards.variant][0]}_crf.json"] if config["fit_crf"] else []


def labelled(wildcards):
    """The label maps that are scored: an error before anything runs where there are no true masks to score them by."""
    masks = f"results/{wildcards.variant}_{wildcards.split}_masks.h5"
    if wildcards.split == "test" or not config["images"]["masks"]:
        lacking = "the images of the split test have" if config["images"]["masks"] else "config: images: masks names"
        raise WorkflowError(f"{lacking} no true masks, so nothing can be scored: ask for {masks} instead")
    return masks


# the split that a run ends with: the photographs that are held out, or those it was trained on where none are
FINAL_SPLIT = "val" if config["images"]["val"] or config["images"]["val_share"] else "train"
FINAL_SCORES = f"results/{{variant}}_{FINAL_SPLIT}_miou.json"


def final_results():
    """What a run ends with: tables of scores where there are true masks, else label maps."""
    tables = ["results/comparison.csv"] if config["images"]["masks"] else []
    ending = "miou.txt" if config["images"]["masks"] else "masks.h5"
    return tables + [f"results/{method}_{FINAL_SPLIT}_{ending}" for method in config["methods"]]
