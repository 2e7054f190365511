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
        mem_mb=growing(2000),
        runtime=growing(120),
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
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        options=flags("cue_scores"),
        code=code("cue_scores"),
    shell:
        "wsss cue_scores --images {input.images:q} --cams {input.cams:q} --pseudo_masks {input.pseudo_masks:q}"
        " --seeds {input.seeds:q} --json {output.json:q} --threads {threads} --log {log:q} {params.options}"


rule ablation:
    """The scores of a method, and of the method with one change at a time."""
    input:
        scores=ablated_scores,
    output:
        table="results/{family}_ablation.csv",
    log:
        "results/logs/{family}_ablation.log",
    benchmark:
        "results/benchmarks/{family}_ablation.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        code=code("ablation"),
    shell:
        "wsss ablation --scores {input.scores:q} --table {output.table:q} --log {log:q}"


rule examples:
    """Pictures of what a method made of a few images, step by step."""
    input:
        unpack(steps),
        images=rules.images.output.images,
        cams=rules.cams_gathered.output.store,
        masks="results/{method}_val_masks.h5",
    output:
        picture="results/{method}_examples.png",
    log:
        "results/logs/{method}_examples.log",
    benchmark:
        "results/benchmarks/{method}_examples.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=30,
    params:
        options=flags("examples"),
        code=code("examples"),
    shell:
        "wsss examples --images {input.images:q} --cams {input.cams:q} --affinity_labels {input.affinity_labels:q}"
        " --pseudo_masks {input.pseudo_masks:q} --saliency {input.saliency:q} --seeds {input.seeds:q}"
        " --masks {input.masks:q} --split val --picture {output.picture:q}"
        " --threads {threads} --log {log:q} {params.options}"
