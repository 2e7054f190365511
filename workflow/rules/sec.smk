# SEC: saliency, seeds, and the segmenter that learns them by the losses seed, expand and constrain.
rule saliency:
    """How much the classifier's logits depend on each cell of a training image."""
    input:
        images=rules.training_images.output.training_images,
        classifier=rules.classifier.output.classifier,
    output:
        saliency=shard("saliency"),
    log:
        shard("saliency", LOG),
    benchmark:
        shard("saliency", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=1, mem_mb=8000, runtime=240),
    params:
        **settings("saliency"),
    shell:
        "wsss saliency --images {input.images:q} --classifier {input.classifier:q} --shard {params.part}"
        " --saliency {output.saliency:q} --threads {threads} --log {log:q} {params.options}"


rule seeds:
    """SEC's cues: confident cells of each class and of the background."""
    input:
        images=rules.training_images.output.training_images,
        cams=CAMS,
        confident=SEEDS_OF,
    output:
        seeds=shard("seeds"),
    log:
        shard("seeds", LOG),
    benchmark:
        shard("seeds", BENCHMARK)
    resources:
        **needs(gpu=0, mem_mb=4000, runtime=120),
    params:
        **settings("seeds"),
    shell:
        "wsss seeds --images {input.images:q} --cams {input.cams:q} --confident {input.confident:q}"
        " --shard {params.part} --seeds {output.seeds:q} --threads {threads} --log {log:q} {params.options}"


rule sec_segmenter:
    """A network that labels every pixel, trained on seeds and tags: SEC, or a variant of it."""
    input:
        images=rules.training_images.output.training_images,
        seeds=SEEDS,
        classifier=lambda wildcards: (
            [rules.classifier.output.classifier] if segmenter(wildcards.sec)["constrain_by"] == "features" else []
        ),
        weights=weights("sec_segmenter", "sec"),
    output:
        segmenter="results/{sec}_segmenter.safetensors",
    log:
        "results/logs/{sec}_segmenter.log",
    benchmark:
        "results/benchmarks/{sec}_segmenter.tsv"
    threads: 8
    resources:
        **TRAINING,
    params:
        **settings_of_training("sec_segmenter", "sec"),
    shell:
        training(
            "wsss sec_segmenter --images {input.images:q} --seeds {input.seeds:q}"
            " --classifier {input.classifier:q} --sec_segmenter {output.segmenter:q} {params.options}"
        )
