rule saliency:
    """How much the classifier's scores hang on each cell of a training image."""
    input:
        images=rules.images.output.images,
        classifier=rules.classifier.output.classifier,
    output:
        saliency="results/saliency/{scatteritem}.h5",
    log:
        "results/logs/saliency/{scatteritem}.log",
    benchmark:
        "results/benchmarks/saliency/{scatteritem}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=240,
    params:
        options=flags("saliency"),
        code=code("saliency"),
    shell:
        "wsss saliency --images {input.images:q} --classifier {input.classifier:q} --shard {wildcards.scatteritem}"
        " --saliency {output.saliency:q} --threads {threads} --log {log:q} {params.options}"


rule saliency_gathered:
    """The shards of the saliency maps as one store."""
    input:
        shards=gather.shards("results/saliency/{scatteritem}.h5"),
    output:
        store="results/saliency.h5",
    log:
        "results/logs/saliency.log",
    benchmark:
        "results/benchmarks/saliency.tsv"
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


rule seeds:
    """SEC's cues: a few cells of each class and of the background that are surely right."""
    input:
        images=rules.images.output.images,
        cams=rules.cams_gathered.output.store,
        saliency=rules.saliency_gathered.output.store,
    output:
        seeds="results/seeds/{scatteritem}.h5",
    log:
        "results/logs/seeds/{scatteritem}.log",
    benchmark:
        "results/benchmarks/seeds/{scatteritem}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=growing(4000),
        runtime=120,
    params:
        options=flags("seeds"),
        code=code("seeds"),
    shell:
        "wsss seeds --images {input.images:q} --cams {input.cams:q} --saliency {input.saliency:q}"
        " --shard {wildcards.scatteritem} --seeds {output.seeds:q} --threads {threads} --log {log:q} {params.options}"


rule seeds_gathered:
    """The shards of the seeds as one store."""
    input:
        shards=gather.shards("results/seeds/{scatteritem}.h5"),
    output:
        store="results/seeds.h5",
    log:
        "results/logs/seeds.log",
    benchmark:
        "results/benchmarks/seeds.tsv"
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


rule sec_segmenter:
    """A network that labels every pixel, trained on seeds and tags: SEC, and SEC with a change of its losses."""
    input:
        images=rules.images.output.images,
        seeds=config["sec_seeds"],
        weights=weights("sec_segmenter"),
    output:
        segmenter="results/{sec}_segmenter.pt",
    log:
        "results/logs/{sec}_segmenter.log",
    benchmark:
        "results/benchmarks/{sec}_segmenter.tsv"
    threads: 8
    resources:
        gpu=1,
        nodes=1,
        launch="env",
        mem_mb=growing(16000),
        runtime=1440,
        checkpoint_steps=config["checkpoint_steps"],
    params:
        options=sec_flags,
        code=code("sec_segmenter"),
    shell:
        "{resources.launch} wsss sec_segmenter --images {input.images:q} --seeds {input.seeds:q}"
        " --sec_segmenter {output.segmenter:q} --threads {threads} --log {log:q}"
        " --gpus {resources.gpu} --nodes {resources.nodes}"
        " --checkpoint results/checkpoints/{wildcards.sec}_segmenter.pt"
        " --checkpoint_steps {resources.checkpoint_steps}"
        " --curve results/curves/{wildcards.sec}_segmenter.csv {params.options}"
