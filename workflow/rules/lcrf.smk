rule lcrf_segmenter:
    """A network that labels every pixel, trained on tags alone: the latent CRF, and the latent CRF with a change."""
    input:
        images=rules.images.output.images,
        classifier=rules.classifier.output.classifier,
        seeds=warm_seeds,
        weights=weights("lcrf_segmenter"),
    output:
        segmenter="results/{lcrf}_segmenter.pt",
    log:
        "results/logs/{lcrf}_segmenter.log",
    benchmark:
        "results/benchmarks/{lcrf}_segmenter.tsv"
    threads: 8
    resources:
        gpu=1,
        nodes=1,
        launch="env",
        mem_mb=growing(16000),
        runtime=1440,
        checkpoint_steps=config["checkpoint_steps"],
    params:
        options=lcrf_flags,
        code=code("lcrf_segmenter"),
    shell:
        "{resources.launch} wsss lcrf_segmenter --images {input.images:q} --classifier {input.classifier:q}"
        " --seeds {input.seeds:q} --lcrf_segmenter {output.segmenter:q} --threads {threads} --log {log:q}"
        " --gpus {resources.gpu} --nodes {resources.nodes}"
        " --checkpoint results/checkpoints/{wildcards.lcrf}_segmenter.pt"
        " --checkpoint_steps {resources.checkpoint_steps}"
        " --curve results/curves/{wildcards.lcrf}_segmenter.csv {params.options}"
