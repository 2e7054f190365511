# Weakly supervised semantic segmentation: from photographs and their tags to a label for every pixel.
#
#     snakemake --cores 8 results/psa_val_miou.txt
#
# Numbers live in config.yaml, what a machine gives in profiles/, and each rule is a command of `wsss`.
from snakemake.utils import min_version

min_version("9.3")


configfile: f"{workflow.basedir}/config.yaml"  # also where --directory puts the results elsewhere


# --lint asks for an environment of each rule; without --sdm apptainer this line does nothing else
container: "docker://python:3.12"


include: "workflow/rules/common.smk"
include: "workflow/rules/cues.smk"


for method in METHODS:

    include: f"workflow/rules/{method}.smk"


include: "workflow/rules/results.smk"


rule all:
    """The methods of this run from photographs to tables of their scores (label maps without true masks), and pictures."""
    default_target: True
    input:
        final_results(),
        expand("results/{method}_examples.png", method=config["methods"]),
    localrule: True
