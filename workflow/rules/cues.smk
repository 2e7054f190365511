rule training_images:
    """The training images without their masks, every file checked: all that trainings and their cues depend on."""
    output:
        training_images="results/training_images.csv",
        classes="results/classes.csv",
    log:
        "results/logs/training_images.log",
    benchmark:
        "results/benchmarks/training_images.tsv"
    threads: 8
    resources:
        **needs(gpu=0, mem_mb=4000, runtime=120),
        options=lambda wildcards: flags("images"),
    params:
        code=provenance.code("training_images"),
        listing=listing.training(config["images"]),
    shell:
        "wsss training_images --training_images {output.training_images:q} --classes_table {output.classes:q}"
        " --threads {threads} --log {log:q} {resources.options}"


rule images:
    """The list of all images with their masks and tags, every file checked."""
    input:
        training_images=rules.training_images.output.training_images,
    output:
        images="results/images.csv",
    log:
        "results/logs/images.log",
    benchmark:
        "results/benchmarks/images.tsv"
    priority: 1  # what is wrong with it is told before anything trains
    threads: 8
    resources:
        **needs(gpu=0, mem_mb=4000, runtime=120),
    params:
        **settings("images"),
        listing=listing.listing(config["images"]),
    shell:
        "wsss images --training_images {input.training_images:q} --images {output.images:q}"
        " --threads {threads} --log {log:q} {params.options}"


rule classifier:
    """The multi-label classifier of whole images."""
    input:
        images=rules.training_images.output.training_images,
        classes=rules.training_images.output.classes,
        weights=weights("classifier"),
    output:
        classifier="results/classifier.safetensors",
    log:
        "results/logs/classifier.log",
    benchmark:
        "results/benchmarks/classifier.tsv"
    threads: 8
    resources:
        **TRAINING,
    params:
        **settings_of_training("classifier"),
    shell:
        training(
            "wsss classifier --images {input.images:q} --classes_table {input.classes:q}"
            " --classifier {output.classifier:q} {params.options}"
        )


rule cams:
    """Class activation maps of the classes in each training image's tags."""
    input:
        images=rules.training_images.output.training_images,
        classifier=rules.classifier.output.classifier,
    output:
        cams=shard("cams"),
    log:
        shard("cams", LOG),
    benchmark:
        shard("cams", BENCHMARK)
    threads: 8
    resources:
        **needs(gpu=1, mem_mb=8000, runtime=240),
    params:
        **settings("cams"),
    shell:
        "wsss cams --images {input.images:q} --classifier {input.classifier:q} --shard {params.part}"
        " --cams {output.cams:q} --threads {threads} --log {log:q} {params.options}"


if SHARDED:

    rule gather:
        """The shards of any store as one store."""
        input:
            shards=gather.shards("results/{{store}}/{scatteritem}.h5"),
        output:
            store="results/{store}.h5",
        log:
            "results/logs/{store}.log",
        benchmark:
            "results/benchmarks/{store}.tsv"
        localrule: True
        resources:
            **needs(gpu=0, mem_mb=1000, runtime=10),
        params:
            **settings("gather"),
        shell:
            "wsss gather --shards {input.shards:q} --store {output.store:q} --log {log:q}"
