rule images:
    """The list of images with their masks and tags, every file checked."""
    output:
        images="results/images.csv",
        classes="results/classes.csv",
    log:
        "results/logs/images.log",
    benchmark:
        "results/benchmarks/images.tsv"
    threads: 8
    resources:
        gpu=0,
        mem_mb=growing(4000),
        runtime=120,
    params:
        options=flags("images"),
        listing=listing(),
        code=code("images"),
    shell:
        "wsss images --images {output.images:q} --classes_table {output.classes:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule classifier:
    """A network that tells which classes an image shows."""
    input:
        images=rules.images.output.images,
        classes=rules.images.output.classes,
        weights=weights("classifier"),
    output:
        classifier="results/classifier.pt",
    log:
        "results/logs/classifier.log",
    benchmark:
        "results/benchmarks/classifier.tsv"
    threads: 8
    resources:
        gpu=1,
        nodes=1,
        launch="env",
        mem_mb=growing(16000),
        runtime=720,
        checkpoint_steps=config["checkpoint_steps"],
    params:
        options=flags("classifier"),
        code=code("classifier"),
    shell:
        "{resources.launch} wsss classifier --images {input.images:q} --classes_table {input.classes:q}"
        " --classifier {output.classifier:q} --threads {threads} --log {log:q}"
        " --gpus {resources.gpu} --nodes {resources.nodes}"
        " --checkpoint results/checkpoints/classifier.pt --checkpoint_steps {resources.checkpoint_steps}"
        " --curve results/curves/classifier.csv {params.options}"


rule cams:
    """Class activation maps of the classes in each training image's tags."""
    input:
        images=rules.images.output.images,
        classifier=rules.classifier.output.classifier,
    output:
        cams="results/cams/{scatteritem}.h5",
    log:
        "results/logs/cams/{scatteritem}.log",
    benchmark:
        "results/benchmarks/cams/{scatteritem}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=240,
    params:
        options=flags("cams"),
        code=code("cams"),
    shell:
        "wsss cams --images {input.images:q} --classifier {input.classifier:q} --shard {wildcards.scatteritem}"
        " --cams {output.cams:q} --threads {threads} --log {log:q} {params.options}"


rule cams_gathered:
    """The shards of the activation maps as one store."""
    input:
        shards=gather.shards("results/cams/{scatteritem}.h5"),
    output:
        store="results/cams.h5",
    log:
        "results/logs/cams.log",
    benchmark:
        "results/benchmarks/cams.tsv"
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
