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


# a dry run is there to list the jobs and their commands, of which the default profile says nothing in a run
if workflow.output_settings.dryrun and len(workflow.output_settings.quiet or ()) == 3:
    for shown in (each for handler in workflow.logger_manager.logger.handlers for each in handler.filters):
        shown.quiet, shown.printshellcmds = set(), True

# two lines of each step that name nothing: what is done the stages say
SCHEDULER = ("Select jobs to execute", "Execute ")
workflow.logger_manager.logger.addFilter(lambda record: not str(record.msg).startswith(SCHEDULER))


rule report:
    """One page that shows the run: scores, confusions, curves, images, times and settings."""
    input:
        images=rules.images.output.images,
        results=final_results(),
        pictures=expand("results/{method}_examples.png", method=config["methods"]),
    output:
        page=report("results/report.html", caption="workflow/report/report.rst", category="Report"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    localrule: True
    threads: 1
    resources:
        **needs(gpu=0, mem_mb=4000, runtime=60),
    shell:
        "wsss report results --page {output.page:q} --threads {threads} --log {log:q}"


rule all:
    """The methods of this run from photographs to tables of their scores (label maps without true masks), and a report."""
    default_target: True
    input:
        final_results(),
        rules.report.output,
    localrule: True
