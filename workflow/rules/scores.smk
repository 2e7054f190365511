rule miou:
    """The table of a method's scores on a split, by VOC's protocol."""
    input:
        images=rules.images.output.images,
        masks=rules.masks_gathered.output.store,
    output:
        text="results/{method}_{split}_miou.txt",
        json="results/{method}_{split}_miou.json",
    log:
        "results/logs/{method}_{split}_miou.log",
    benchmark:
        "results/benchmarks/{method}_{split}_miou.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=60,
    params:
        code=code("miou"),
    shell:
        "wsss miou --images {input.images:q} --masks {input.masks:q} --split {wildcards.split}"
        " --text {output.text:q} --json {output.json:q} --threads {threads} --log {log:q}"


rule cue_scores:
    """How good the cues of the training images are, where those have true masks."""
    input:
        images=rules.images.output.images,
        cams=rules.cams_gathered.output.store,
        pseudo_masks=where_used("psa", rules.pseudo_masks_gathered.output.store),
        seeds=where_used("sec", config["sec_seeds"]),
    output:
        json="results/cue_scores.json",
    log:
        "results/logs/cue_scores.log",
    benchmark:
        "results/benchmarks/cue_scores.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=60,
    params:
        options=flags("cue_scores"),
        code=code("cue_scores"),
    shell:
        "wsss cue_scores --images {input.images:q} --cams {input.cams:q} --pseudo_masks {input.pseudo_masks:q}"
        " --seeds {input.seeds:q} --json {output.json:q} --threads {threads} --log {log:q} {params.options}"


rule psa_examples:
    """Pictures of what PSA made of a few images, step by step."""
    input:
        images=rules.images.output.images,
        cams=rules.cams_gathered.output.store,
        affinity_labels=rules.affinity_labels_gathered.output.store,
        pseudo_masks=rules.pseudo_masks_gathered.output.store,
        masks="results/psa_val_masks.h5",
    output:
        picture="results/psa_examples.png",
    log:
        "results/logs/psa_examples.log",
    benchmark:
        "results/benchmarks/psa_examples.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=20,
    params:
        options=flags("psa_examples"),
        code=code("psa_examples"),
    shell:
        "wsss psa_examples --images {input.images:q} --cams {input.cams:q} --affinity_labels {input.affinity_labels:q}"
        " --pseudo_masks {input.pseudo_masks:q} --masks {input.masks:q} --split val --picture {output.picture:q}"
        " --threads {threads} --log {log:q} {params.options}"
