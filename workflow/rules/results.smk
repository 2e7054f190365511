# From a method's segmenter to label maps, scores, tables and pictures. {variant} is a method, or a variant of one.
rule scores:
    """The class probabilities of each image of a split, on the network's grid."""
    input:
        images=rules.images.output.images,
        segmenter="results/{variant}_segmenter.safetensors",
        classifier=judge("image_prior", "feature_crf.weight"),
    output:
        scores=shard("{variant}_{split}_scores"),
    log:
        shard("{variant}_{split}_scores", LOG),
    benchmark:
        shard("{variant}_{split}_scores", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=1, mem_mb=8000, runtime=240),
    params:
        **settings("scores", flags_of_method("scores")),
    shell:
        "wsss scores --images {input.images:q} --segmenter {input.segmenter:q} --classifier {input.classifier:q}"
        " --split {wildcards.split}"
        " --shard {params.part} --scores {output.scores:q} --threads {threads} --log {log:q} {params.options}"


rule crf:
    """The numbers of the CRF of masks, fitted to a method's scores of training images."""
    input:
        images=rules.images.output.images,
        scores=f"results/{{method}}_{config['crf']['split']}_scores.h5",
        pseudo_masks=([PSEUDO_MASKS] if config["crf"]["masks"] == "pseudo" else []),
    output:
        fitted="results/{method}_crf.json",
    log:
        "results/logs/{method}_crf.log",
    benchmark:
        "results/benchmarks/{method}_crf.tsv"
    threads: 8
    resources:
        **needs(gpu=0, mem_mb=8000, runtime=240),
    params:
        **settings("crf"),
        start=flags_of_method("masks"),
    shell:
        "wsss crf --images {input.images:q} --scores {input.scores:q} --pseudo_masks {input.pseudo_masks:q}"
        " --fitted {output.fitted:q} --threads {threads} --log {log:q} {params.start} {params.options}"


rule masks:
    """The label maps of a split at the images' own size, before and after the CRF."""
    input:
        images=rules.images.output.images,
        scores="results/{variant}_{split}_scores.h5",
        fitted=fitted,
    output:
        masks=shard("{variant}_{split}_masks"),
    log:
        shard("{variant}_{split}_masks", LOG),
    benchmark:
        shard("{variant}_{split}_masks", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=0, mem_mb=16000, runtime=240),
    params:
        **settings("masks", flags_of_method("masks")),
    shell:
        "wsss masks --images {input.images:q} --scores {input.scores:q} --fitted {input.fitted:q}"
        " --split {wildcards.split} --shard {params.part} --masks {output.masks:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule relabels:
    """The training images labelled by a segmenter, cut to their tags: what a second round learns."""
    input:
        images=rules.training_images.output.training_images,
        segmenter="results/{variant}_segmenter.safetensors",
        classifier=judge("feature_crf.weight"),
        fitted=fitted,
    output:
        relabels=shard("{variant}_relabels"),
    log:
        shard("{variant}_relabels", LOG),
    benchmark:
        shard("{variant}_relabels", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=1, mem_mb=16000, runtime=240),
    params:
        **settings("relabels", flags_of_relabels),
    shell:
        "wsss relabels --images {input.images:q} --segmenter {input.segmenter:q} --classifier {input.classifier:q}"
        " --fitted {input.fitted:q} --shard {params.part} --relabels {output.relabels:q} --threads {threads} --log {log:q} {params.options}"


rule miou:
    """The table of a method's scores on a split, by VOC's protocol."""
    input:
        images=rules.images.output.images,
        masks=labelled,
    output:
        text=report("results/{variant}_{split}_miou.txt", caption="../report/miou.rst", category="Scores"),
        json="results/{variant}_{split}_miou.json",
    log:
        "results/logs/{variant}_{split}_miou.log",
    benchmark:
        "results/benchmarks/{variant}_{split}_miou.tsv"
    resources:
        **needs(gpu=0, mem_mb=2000, runtime=120),
    params:
        **settings("miou"),
    shell:
        "wsss miou --images {input.images:q} --masks {input.masks:q} --split {wildcards.split}"
        " --text {output.text:q} --json {output.json:q} --threads {threads} --log {log:q}"


rule cue_scores:
    """How good the cues of the training images are, where those have true masks."""
    input:
        images=rules.images.output.images,
        cams=[CAMS] if any(CAMS in METHODS[method]["shown"] for method in config["methods"]) else [],
        cues=[cue for method in config["methods"] for cue in METHODS[method]["scored"]],
    output:
        json=report("results/cue_scores.json", caption="../report/cue_scores.rst", category="Scores"),
    log:
        "results/logs/cue_scores.log",
    benchmark:
        "results/benchmarks/cue_scores.tsv"
    resources:
        **needs(gpu=0, mem_mb=2000, runtime=240),
    params:
        **settings("cue_scores"),
    shell:
        "wsss cue_scores --images {input.images:q} --cams {input.cams:q} --cues {input.cues:q}"
        " --json {output.json:q} --threads {threads} --log {log:q} {params.options}"


rule comparison:
    """The scores of a run as one table, from activation maps to the masks of each method after the CRF."""
    input:
        scores=["results/cue_scores.json", *expand(FINAL_SCORES, variant=config["methods"])],
    output:
        table=report("results/comparison.csv", caption="../report/comparison.rst", category="Scores"),
    log:
        "results/logs/comparison.log",
    benchmark:
        "results/benchmarks/comparison.tsv"
    localrule: True
    resources:
        **needs(gpu=0, mem_mb=1000, runtime=10),
    params:
        **settings("comparison"),
    shell:
        "wsss comparison --scores {input.scores:q} --table {output.table:q} --log {log:q}"


rule ablation:
    """The scores of a method and of its variants, one change at a time."""
    input:
        scores=lambda wildcards: expand(
            FINAL_SCORES, variant=[wildcards.method, *config[f"{wildcards.method}_ablation"]]
        ),
    output:
        table=report("results/{method}_ablation.csv", caption="../report/ablation.rst", category="Scores"),
    log:
        "results/logs/{method}_ablation.log",
    benchmark:
        "results/benchmarks/{method}_ablation.tsv"
    localrule: True
    resources:
        **needs(gpu=0, mem_mb=1000, runtime=10),
    params:
        **settings("ablation"),
    shell:
        "wsss ablation --scores {input.scores:q} --table {output.table:q} --log {log:q}"


rule examples:
    """Pictures of what a method made of a few images, step by step."""
    input:
        images=rules.images.output.images,
        cues=shown,
        masks=f"results/{{variant}}_{FINAL_SPLIT}_masks.h5",
    output:
        picture=report("results/{variant}_examples.png", caption="../report/examples.rst", category="Pictures"),
    log:
        "results/logs/{variant}_examples.log",
    benchmark:
        "results/benchmarks/{variant}_examples.tsv"
    resources:
        **needs(gpu=0, mem_mb=2000, runtime=30),
    params:
        **settings("examples"),
        split=FINAL_SPLIT,
    shell:
        "wsss examples --images {input.images:q} --cues {input.cues:q} --masks {input.masks:q} --split {params.split}"
        " --picture {output.picture:q} --threads {threads} --log {log:q} {params.options}"
