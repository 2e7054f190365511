# The latent CRF: a segmenter that learns from tags alone.
rule lcrf_segmenter:
    """A network that labels every pixel, trained on tags alone: the latent CRF, or a variant of it."""
    input:
        images=rules.training_images.output.training_images,
        classifier=rules.classifier.output.classifier,
        cams=lambda wildcards: [CAMS] if by_cams(segmenter(wildcards.lcrf)) else [],
        seeds=lambda wildcards: [SEEDS] if segmenter(wildcards.lcrf)["warm_share"] else [],
        weights=weights("lcrf_segmenter", "lcrf"),
    output:
        segmenter="results/{lcrf}_segmenter.safetensors",
    log:
        "results/logs/{lcrf}_segmenter.log",
    benchmark:
        "results/benchmarks/{lcrf}_segmenter.tsv"
    threads: 8
    resources:
        **TRAINING,
    params:
        **settings_of_training("lcrf_segmenter", "lcrf"),
    shell:
        training(
            "wsss lcrf_segmenter --images {input.images:q} --classifier {input.classifier:q}"
            " --cams {input.cams:q} --seeds {input.seeds:q} --lcrf_segmenter {output.segmenter:q} {params.options}"
        )
