rule affinity_labels:
    """Where an image surely shows one of its classes, and where surely background."""
    input:
        images=rules.images.output.images,
        cams=rules.cams_gathered.output.store,
    output:
        affinity_labels="results/affinity_labels/{scatteritem}.h5",
    log:
        "results/logs/affinity_labels/{scatteritem}.log",
    benchmark:
        "results/benchmarks/affinity_labels/{scatteritem}.tsv"
    threads: 8
    resources:
        gpu=0,
        mem_mb=growing(16000),
        runtime=240,
    params:
        options=flags("affinity_labels"),
        code=code("affinity_labels"),
    shell:
        "wsss affinity_labels --images {input.images:q} --cams {input.cams:q} --shard {wildcards.scatteritem}"
        " --affinity_labels {output.affinity_labels:q} --threads {threads} --log {log:q} {params.options}"


rule affinity_labels_gathered:
    """The shards of the affinity labels as one store."""
    input:
        shards=gather.shards("results/affinity_labels/{scatteritem}.h5"),
    output:
        store="results/affinity_labels.h5",
    log:
        "results/logs/affinity_labels.log",
    benchmark:
        "results/benchmarks/affinity_labels.tsv"
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


rule affinity_net:
    """A network that tells which neighbouring cells share a class."""
    input:
        images=rules.images.output.images,
        affinity_labels=rules.affinity_labels_gathered.output.store,
        weights=weights("affinity_net"),
    output:
        affinity_net="results/affinity_net.pt",
    log:
        "results/logs/affinity_net.log",
    benchmark:
        "results/benchmarks/affinity_net.tsv"
    threads: 8
    resources:
        gpu=1,
        nodes=1,
        launch="env",
        mem_mb=growing(16000),
        runtime=720,
        checkpoint_steps=config["checkpoint_steps"],
    params:
        options=flags("affinity_net"),
        code=code("affinity_net"),
    shell:
        "{resources.launch} wsss affinity_net --images {input.images:q} --affinity_labels {input.affinity_labels:q}"
        " --affinity_net {output.affinity_net:q} --threads {threads} --log {log:q}"
        " --gpus {resources.gpu} --nodes {resources.nodes}"
        " --checkpoint results/checkpoints/affinity_net.pt --checkpoint_steps {resources.checkpoint_steps}"
        " --curve results/curves/affinity_net.csv {params.options}"


rule pseudo_masks:
    """Label maps of the training images: activation maps spread by a random walk along affinities."""
    input:
        images=rules.images.output.images,
        cams=rules.cams_gathered.output.store,
        affinity_net=rules.affinity_net.output.affinity_net,
    output:
        pseudo_masks="results/pseudo_masks/{scatteritem}.h5",
    log:
        "results/logs/pseudo_masks/{scatteritem}.log",
    benchmark:
        "results/benchmarks/pseudo_masks/{scatteritem}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=240,
    params:
        options=flags("pseudo_masks"),
        code=code("pseudo_masks"),
    shell:
        "wsss pseudo_masks --images {input.images:q} --cams {input.cams:q} --affinity_net {input.affinity_net:q}"
        " --shard {wildcards.scatteritem} --pseudo_masks {output.pseudo_masks:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule pseudo_masks_gathered:
    """The shards of the pseudo masks as one store."""
    input:
        shards=gather.shards("results/pseudo_masks/{scatteritem}.h5"),
    output:
        store="results/pseudo_masks.h5",
    log:
        "results/logs/pseudo_masks.log",
    benchmark:
        "results/benchmarks/pseudo_masks.tsv"
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
