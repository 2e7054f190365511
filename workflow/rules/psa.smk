# PSA: affinity labels, AffinityNet, pseudo masks, and the segmenter that learns them.
rule affinity_labels:
    """Confident foreground, confident background and void of each training image."""
    input:
        images=rules.training_images.output.training_images,
        cams=CAMS,
    output:
        affinity_labels=shard("affinity_labels"),
    log:
        shard("affinity_labels", LOG),
    benchmark:
        shard("affinity_labels", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=0, mem_mb=16000, runtime=240),
    params:
        **settings("affinity_labels"),
    shell:
        "wsss affinity_labels --images {input.images:q} --cams {input.cams:q} --shard {params.part}"
        " --affinity_labels {output.affinity_labels:q} --threads {threads} --log {log:q} {params.options}"


rule affinity_net:
    """A network whose features say which neighbouring cells share a class."""
    input:
        images=rules.training_images.output.training_images,
        affinity_labels="results/affinity_labels.h5",
        weights=weights("affinity_net"),
    output:
        affinity_net="results/affinity_net.safetensors",
    log:
        "results/logs/affinity_net.log",
    benchmark:
        "results/benchmarks/affinity_net.tsv"
    threads: 8
    resources:
        **TRAINING,
    params:
        **settings_of_training("affinity_net"),
    shell:
        training(
            "wsss affinity_net --images {input.images:q} --affinity_labels {input.affinity_labels:q}"
            " --affinity_net {output.affinity_net:q} {params.options}"
        )


rule pseudo_masks:
    """Label maps of the training images: activation maps spread by a random walk along affinities."""
    input:
        images=rules.training_images.output.training_images,
        cams=CAMS,
        affinity_net=rules.affinity_net.output.affinity_net,
    output:
        pseudo_masks=shard("pseudo_masks"),
    log:
        shard("pseudo_masks", LOG),
    benchmark:
        shard("pseudo_masks", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=1, mem_mb=16000, runtime=240),
    params:
        **settings("pseudo_masks"),
    shell:
        "wsss pseudo_masks --images {input.images:q} --cams {input.cams:q} --affinity_net {input.affinity_net:q}"
        " --shard {params.part} --pseudo_masks {output.pseudo_masks:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule psa_segmenter:
    """A network that labels every pixel, trained on the pseudo masks: PSA, or a variant of its segmenter."""
    input:
        images=rules.training_images.output.training_images,
        pseudo_masks=lambda wildcards: VARIANTS[wildcards.psa][1].get("pseudo_masks_store", PSEUDO_MASKS),
        weights=weights("psa_segmenter", "psa"),
    output:
        segmenter="results/{psa}_segmenter.safetensors",
    log:
        "results/logs/{psa}_segmenter.log",
    benchmark:
        "results/benchmarks/{psa}_segmenter.tsv"
    threads: 8
    resources:
        **TRAINING,
    params:
        **settings_of_training("psa_segmenter", "psa"),
    shell:
        training(
            "wsss psa_segmenter --images {input.images:q} --pseudo_masks {input.pseudo_masks:q}"
            " --psa_segmenter {output.segmenter:q} {params.options}"
        )
