rule psa_segmenter:
    """A network that labels every pixel, trained on the pseudo masks."""
    input:
        images=rules.images.output.images,
        pseudo_masks=rules.pseudo_masks_gathered.output.store,
        weights=weights("psa_segmenter"),
    output:
        segmenter="results/psa_segmenter.pt",
    log:
        "results/logs/psa_segmenter.log",
    benchmark:
        "results/benchmarks/psa_segmenter.tsv"
    threads: 8
    resources:
        gpu=1,
        nodes=1,
        launch="env",
        mem_mb=growing(16000),
        runtime=1440,
        checkpoint_steps=config["checkpoint_steps"],
    params:
        options=flags("psa_segmenter"),
        code=code("psa_segmenter"),
    shell:
        "{resources.launch} wsss psa_segmenter --images {input.images:q} --pseudo_masks {input.pseudo_masks:q}"
        " --psa_segmenter {output.segmenter:q} --threads {threads} --log {log:q}"
        " --gpus {resources.gpu} --nodes {resources.nodes}"
        " --checkpoint results/checkpoints/psa_segmenter.pt --checkpoint_steps {resources.checkpoint_steps}"
        " --curve results/curves/psa_segmenter.csv {params.options}"


rule scores:
    """The class probabilities of each image of a split, on the network's grid."""
    input:
        images=rules.images.output.images,
        segmenter="results/{method}_segmenter.pt",
    output:
        scores="results/{method}_{split}_scores/{scatteritem}.h5",
    log:
        "results/logs/{method}_{split}_scores/{scatteritem}.log",
    benchmark:
        "results/benchmarks/{method}_{split}_scores/{scatteritem}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=240,
    params:
        options=flags("scores"),
        code=code("scores"),
    shell:
        "wsss scores --images {input.images:q} --segmenter {input.segmenter:q} --split {wildcards.split}"
        " --shard {wildcards.scatteritem} --scores {output.scores:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule scores_gathered:
    """The shards of the scores as one store."""
    input:
        shards=gather.shards("results/{{method}}_{{split}}_scores/{scatteritem}.h5"),
    output:
        store="results/{method}_{split}_scores.h5",
    log:
        "results/logs/{method}_{split}_scores.log",
    benchmark:
        "results/benchmarks/{method}_{split}_scores.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        code=code("gather"),
    shell:
        "wsss gather --shards {input.shards:q} --store {output.store:q} --log {log:q}"


rule crf:
    """The numbers of the CRF at test time, fitted to a method's scores of training images."""
    input:
        images=rules.images.output.images,
        scores=fitted_to,
        pseudo_masks=(
            [rules.pseudo_masks_gathered.output.store]
            if config["crf"]["masks"] == "pseudo"
            else []
        ),
    output:
        fitted="results/{method}_crf.json",
    log:
        "results/logs/{method}_crf.log",
    benchmark:
        "results/benchmarks/{method}_crf.tsv"
    threads: 8
    resources:
        gpu=0,
        mem_mb=growing(8000),
        runtime=240,
    params:
        start=flags("masks"),
        options=flags("crf"),
        code=code("crf"),
    shell:
        "wsss crf --images {input.images:q} --scores {input.scores:q} --pseudo_masks {input.pseudo_masks:q}"
        " --fitted {output.fitted:q} --threads {threads} --log {log:q} {params.start} {params.options}"


rule masks:
    """The label maps of a split at the images' own size, before and after the CRF."""
    input:
        images=rules.images.output.images,
        scores=rules.scores_gathered.output.store,
        fitted=fitted_crf,
    output:
        masks="results/{method}_{split}_masks/{scatteritem}.h5",
    log:
        "results/logs/{method}_{split}_masks/{scatteritem}.log",
    benchmark:
        "results/benchmarks/{method}_{split}_masks/{scatteritem}.tsv"
    threads: 8
    resources:
        gpu=0,
        mem_mb=growing(16000),
        runtime=240,
    params:
        options=flags("masks"),
        code=code("masks"),
    shell:
        "wsss masks --images {input.images:q} --scores {input.scores:q} --fitted {input.fitted:q}"
        " --split {wildcards.split} --shard {wildcards.scatteritem} --masks {output.masks:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule masks_gathered:
    """The shards of the masks as one store."""
    input:
        shards=gather.shards("results/{{method}}_{{split}}_masks/{scatteritem}.h5"),
    output:
        store="results/{method}_{split}_masks.h5",
    log:
        "results/logs/{method}_{split}_masks.log",
    benchmark:
        "results/benchmarks/{method}_{split}_masks.tsv"
    localrule: True
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        code=code("gather"),
    shell:
        "wsss gather --shards {input.shards:q} --store {output.store:q} --log {log:q}"
