"""The real Snakefile on tiny shapes: it runs, and each change reruns what depends on it, and nothing else."""

import csv
import json
import re
import shutil

import h5py
import numpy as np
import preloaded
import projects
import pytest

from wsss.datasets import shapes
from wsss.stores import store

SCORED = {"scores", "masks", "miou", "comparison"}
AFTER_WALK = SCORED | {"pseudo_masks", "cue_scores", "psa_segmenter", "examples", "report"}
AFTER_SEC = SCORED | {"sec_segmenter", "examples", "report"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, whose pipeline has been run once."""
    copy = projects.copied(tmp_path_factory.mktemp("pipeline") / "project")
    run = snakemake(copy)
    assert run.returncode == 0, run.stdout + run.stderr
    return copy


def snakemake(project, *words, overlays=(), targets=(), commands=preloaded.commands):
    """Run the copy's workflow with the copy's package; on one core, as a stage on two has workers that import anew."""
    words = ["--cores", 1, *words, "--configfile", "tiny.yaml", *overlays, "--", *targets]
    return projects.ended(commands() / "snakemake", *words, folder=project)


def would_run(project, *words, overlay=None):
    """Names of the rules that a dry run lists."""
    overlays = []
    if overlay:
        (project / "overlay.yaml").write_text(overlay)
        overlays = ["overlay.yaml"]
    dry = snakemake(project, "--dry-run", *words, overlays=overlays)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    return {name for name in re.findall(r"^(?:localrule|rule) (\w+):", dry.stdout + dry.stderr, re.M)} - {"all"}


@pytest.fixture
def edited(project):
    """A function that edits a file of the copy's package; undone after the test."""
    kept = {}

    def edit(name, old, new):
        path = project / "wsss" / name
        kept[path] = text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    yield edit
    for path, text in kept.items():
        path.write_text(text)


def test_a_folder_may_have_braces_in_its_name(project):
    dry = snakemake(project, "--dry-run", "--printshellcmds", "--config", "images={root: 'results/{a} {b}'}")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "--root 'results/{a} {b}'" in dry.stdout + dry.stderr


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        ("seed: 010", "overlay.yaml, line 1: 010 is no"),
        ("seed: 1\nseed: 2", "line 2: the key seed stands"),
    ],
)
def test_a_configuration_that_says_two_things_is_refused(project, overlay, line):
    (project / "overlay.yaml").write_text(overlay)
    dry = snakemake(project, "--dry-run", overlays=["overlay.yaml"])
    assert dry.returncode == 1
    assert line in dry.stdout + dry.stderr and "Traceback" not in dry.stderr


def benchmark(project, name, *words):
    """What a benchmark that looks at a run prints."""
    run = projects.ended(preloaded.commands() / "python", projects.ROOT / "benchmarks" / name, *words, folder=project)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_oracles_say_where_it_loses(project):
    table = benchmark(project, "oracles.py", "--variant", "sec")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line and "--" not in line]
    expected = ["of 12 train images", "CAM, the best", "… the best", "random walk, plain", "random walk, refined"]
    expected += ["… by true affinities, plain", "… by true affinities, refined", "random walk, with the truth's"]
    expected += ["of 4 val images", "sec, plain", "sec, refined", "… cut to the true tags, plain"]
    expected += ["… cut to the true tags, refined", "sec, with the truth's"]
    assert len(rows) == len(expected)
    for (name, score), words in zip(rows, expected, strict=True):
        assert name.startswith(words) and (score == "mIoU" or 0 <= float(score) <= 100)
    sec = json.loads((project / "results/sec_val_miou.json").read_text())["masks"]
    assert [row[1] for row in rows[9:11]] == [f"{100 * sec[name]['miou']:.1f}" for name in ("plain", "refined")]


def test_labels_that_the_latent_crf_asks_for(project):
    table = benchmark(project, "lcrf_labels.py", "--input-px", "64", "--cells", "8")
    head, _, *rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert head[0] == "of 12 train images" and rows[0][0] == "these numbers" and len(rows) == 16
    assert all(0 < float(score) <= 100 and 0 <= float(share) <= 1 for _, score, share in rows)
    assert len({score for _, score, _ in rows}) > 2 and rows[-1][:2] == ["the truth", "100.0"]


def test_scores_and_pictures_are_there(project):
    results = project / "results"
    scores = json.loads((results / "psa_val_miou.json").read_text())
    assert (results / "psa_val_miou.txt").read_text().startswith(f"mIoU  {100 * scores['miou']:.2f}\n")
    assert set(scores["masks"]) == {"plain", "refined"} and scores["evaluated"]["images"] == 4
    cues = json.loads((results / "cue_scores.json").read_text())
    assert set(cues) >= {"cam", "cam_oracle", "pseudo_masks"} and cues["images"] == 12
    assert set(cues["seeds"]) >= {"foreground precision", "background precision"}
    with (results / "comparison.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    names = [f"{method} segmenter{crf}" for method in ("psa", "sec", "lcrf") for crf in ("", " and CRF")]
    cams = ["CAM, background 0.2", f"CAM, background {cues['cam_oracle']['background']} (oracle)"]
    assert [row["maps"] for row in rows] == [*cams, "random walk", "random walk and CRF", *names]
    assert float(rows[5]["miou"]) == scores["masks"]["refined"]["miou"] and rows[5]["images"] == "4"
    assert list(rows[0])[4:] == list(scores["masks"]["plain"]["iou"])
    for method in ("psa", "sec", "lcrf"):
        assert (results / f"{method}_examples.png").stat().st_size > 10_000
    assert "image size: warped to 64 x 64 px" in (results / "sec_val_miou.txt").read_text()
    assert "image size: its own" in (results / "psa_val_miou.txt").read_text()


def test_each_stage_leaves_a_log_that_begins_with_its_command_and_a_benchmark(project):
    logs = sorted(path.relative_to(project / "results/logs") for path in (project / "results/logs").rglob("*.log"))
    assert len(logs) == 27
    for log in logs:
        assert "$ wsss " in (project / "results/logs" / log).read_text().splitlines()[0]
        assert (project / "results/benchmarks" / log.with_suffix(".tsv")).exists()


def test_nothing_to_do_after_a_run(project):
    assert would_run(project) == set()


def test_a_number_of_the_masks_reruns_masks_and_what_follows(project):
    assert would_run(project, overlay="masks: {crf.steps: 3}") == {"masks", "miou", "comparison", "examples", "report"}


def test_a_number_of_the_affinities_reruns_no_cams(project):
    changed = would_run(project, overlay="affinity_net: {radius: 4}")
    assert changed == AFTER_WALK | {"affinity_net"}


def test_a_prior_of_the_whole_image_reruns_scores_and_what_follows(project):
    assert would_run(project, overlay="scores: {image_prior: 0.5}") == SCORED | {"masks", "examples", "report"}


def test_a_number_of_the_seeds_reruns_sec_alone(project):
    changed = would_run(project, overlay="seeds: {threshold: 0.3}")
    assert changed == AFTER_SEC | {"seeds", "cue_scores"}


def test_seeds_of_confident_labels_need_no_saliency(project):
    (project / "overlay.yaml").write_text("seeds: {source: affinity_labels}")
    words = ("--dry-run", "--printshellcmds")
    dry = snakemake(project, *words, overlays=["overlay.yaml"], targets=["results/seeds.h5"])
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "--confident results/affinity_labels.h5" in dry.stdout + dry.stderr
    changed = would_run(project, overlay="seeds: {source: affinity_labels}")
    assert changed == AFTER_SEC | {"seeds", "cue_scores"}


def test_the_ablation_trains_sec_once_for_each_change(project):
    dry = snakemake(project, "--dry-run", targets=["results/sec_ablation.csv"])
    names = re.findall(
        r"^rule sec_segmenter:.*?output: results/(\w+)_segmenter\.safetensors", dry.stdout + dry.stderr, re.M | re.S
    )
    changes = ["without_seed", "without_expand", "without_constrain", "max_pooling", "mean_pooling"]
    assert sorted(names) == sorted(f"sec_{change}" for change in changes)
    assert len(re.findall(r"--expand_weight 0 ", dry.stdout + dry.stderr)) == 1


@pytest.mark.parametrize(
    ("method", "variants"),
    [("psa", ["psa_plain_crops", "psa_seed_1"]), ("sec", ["sec_seed_1"]), ("lcrf", ["lcrf_seed_1"])],
)
def test_a_seed_may_be_among_the_changes_of_an_ablation(project, method, variants):
    entries = {name: {"resize_px": [0, 0]} if name == "psa_plain_crops" else {"seed": 1} for name in variants}
    (project / "overlay.yaml").write_text(json.dumps({f"{method}_ablation": entries}))
    target = f"results/{method}_ablation.csv"
    dry = snakemake(project, "--dry-run", "--printshellcmds", overlays=["overlay.yaml"], targets=[target])
    assert dry.returncode == 0, dry.stdout + dry.stderr
    trained = re.findall(
        rf"wsss {method}_segmenter .*--{method}_segmenter results/(\w+)_segmenter\.safetensors .*--seed (\d+)",
        dry.stdout + dry.stderr,
    )
    assert {name: int(seed) for name, seed in trained if name in variants} == {
        name: int(name.endswith("seed_1")) for name in variants
    }


def test_a_variants_weights_are_an_input_of_its_training(project):
    (project / "overlay.yaml").write_text("psa_ablation: {psa_other: {weights: results/nowhere.pth}}")
    dry = snakemake(project, "--dry-run", overlays=["overlay.yaml"], targets=["results/psa_other_val_miou.txt"])
    told = dry.stdout + dry.stderr
    assert dry.returncode and "MissingInputException" in told and "results/nowhere.pth" in told


def test_examples_show_the_masks_that_a_second_round_learns(project):
    dry = snakemake(project, "--dry-run", "--printshellcmds", targets=["results/sec_second_round_examples.png"])
    told = dry.stdout + dry.stderr
    assert dry.returncode == 0, told
    assert "--cues results/cams.h5 results/sec_relabels.h5 " in told
    assert "pseudo_masks.h5" not in told


def test_examples_show_nothing_that_led_to_seeds_of_another_program(project):
    (project / "overlay.yaml").write_text("sec_seeds: results/cams.h5")
    targets = ["results/sec_examples.png"]
    dry = snakemake(project, "--dry-run", "--printshellcmds", overlays=["overlay.yaml"], targets=targets)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "--cues results/cams.h5 --masks" in dry.stdout + dry.stderr


def test_sec_learns_by_a_classifiers_features_where_it_is_to(project):
    (project / "overlay.yaml").write_text("sec_ablation: {sec_by_features: {constrain_by: features}}")
    targets = [f"results/{name}_segmenter.safetensors" for name in ("sec", "sec_by_features")]
    words = ("--dry-run", "--printshellcmds", "--forcerun", "sec_segmenter")
    dry = snakemake(project, *words, overlays=["overlay.yaml"], targets=targets)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    found = re.findall(r"--classifier (\S*) ?--sec_segmenter results/(\w+)_segmenter", dry.stdout + dry.stderr)
    assert set(found) == {("", "sec"), ("results/classifier.safetensors", "sec_by_features")}


def test_a_second_round_learns_what_a_segmenter_makes_of_the_training_images(project):
    overlay = "psa_ablation: {psa_third_round: {pseudo_masks_store: results/lcrf_second_round_relabels.h5}}"
    (project / "overlay.yaml").write_text(overlay)
    rounds = ("psa_second_round", "sec_second_round", "psa_third_round", "sec_max_pooling_second_round")
    targets = [f"results/{name}_val_miou.txt" for name in rounds]
    dry = snakemake(project, "--dry-run", "--printshellcmds", overlays=["overlay.yaml"], targets=targets)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    learned = (
        r"wsss psa_segmenter .*--pseudo_masks results/(\w+)\.h5 --psa_segmenter results/(\w+)_segmenter\.safetensors"
    )
    assert set(re.findall(learned, dry.stdout + dry.stderr)) >= {
        ("psa_relabels", "psa_second_round"),
        ("sec_relabels", "sec_second_round"),
        ("lcrf_relabels", "lcrf_second_round"),
        ("lcrf_second_round_relabels", "psa_third_round"),
        ("sec_max_pooling_relabels", "sec_max_pooling_second_round"),
    }
    run = snakemake(project, targets=targets[:1])
    assert run.returncode == 0, run.stdout + run.stderr
    with store.read(project / "results/psa_relabels.h5", "pseudo_masks") as relabels:
        assert len(relabels) == 12


def test_a_method_may_have_scores_of_its_own(project):
    (project / "overlay.yaml").write_text(
        "scores_of: {psa: {scales: [1, 1.5]}, sec: {feature_crf.weight: 10}, lcrf: {image_prior: 0.5}}"
    )
    variants = ("psa", "psa_plain_crops", "sec", "lcrf")
    targets = [f"results/{variant}_val_scores.h5" for variant in variants]
    targets += [f"results/{method}_relabels.h5" for method in ("psa", "sec")]
    words = ("--dry-run", "--printshellcmds", "--forcerun", "scores", "relabels")
    dry = snakemake(project, *words, overlays=["overlay.yaml"], targets=targets)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    found = re.findall(
        r"wsss scores .*--classifier (\S*) ?--split val.*--scores results/(\w+)_val.* --scales (.*)"
        r" --feature_crf.steps 10 --feature_crf.weight (\d+)",
        dry.stdout,
    )
    classifier = "results/classifier.safetensors"
    assert {method: (given, *options) for given, method, *options in found} == {
        "psa": ("", "1 1.5 --image_prior 0", "0"),
        "psa_plain_crops": ("", "1 1.5 --image_prior 0", "0"),
        "sec": (classifier, "1.0 --image_prior 0", "10"),
        "lcrf": (classifier, "1.0 --image_prior 0.5", "0"),
    }
    of_relabels = (
        r"wsss relabels .*--classifier (\S*) ?--fitted .*--relabels results/(\w+)_rel.* --scales (.*) --feature_crf.st"
    )
    assert set(re.findall(of_relabels, dry.stdout)) == {("", "psa", "1 1.5"), (classifier, "sec", "1.0")}


def test_a_method_may_have_a_crf_of_its_own(project):
    (project / "overlay.yaml").write_text("masks_of: {sec: {crf.appearance_px: 33}}")
    targets = [f"results/{variant}_val_masks.h5" for variant in ("psa", "sec", "sec_max_pooling")]
    words = ("--dry-run", "--printshellcmds", "--forcerun", "masks")
    dry = snakemake(project, *words, overlays=["overlay.yaml"], targets=targets)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    found = re.findall(r"wsss masks .*--masks results/(\w+)_val_masks\.h5 .*--crf\.appearance_px (\S+)", dry.stdout)
    assert dict(found) == {"psa": "80", "sec": "33", "sec_max_pooling": "33"}
    (project / "overlay.yaml").write_text("masks_of: {secc: {crf.appearance_px: 33}}")
    refused = snakemake(project, "--dry-run", overlays=["overlay.yaml"], targets=targets)
    assert refused.returncode == 1
    assert "masks_of: there is no method secc: give one of psa, sec, lcrf" in refused.stdout + refused.stderr


def test_other_seeds_can_be_learned(project):
    shutil.copy(project / "results/seeds.h5", project / "imported.h5")
    changed = would_run(project, overlay="sec_seeds: imported.h5")
    assert changed == AFTER_SEC | {"cue_scores"}


def test_the_latent_crf_may_go_by_the_maps_that_are_set(project):
    shutil.copy(project / "results/cams.h5", project / "imported.h5")
    overlay = "cams_store: imported.h5\nlcrf_segmenter: {evidence_from: cams}\n"
    for method, shown in (("pooling", ""), ("local_evidence", "imported.h5")):
        (project / "overlay.yaml").write_text(overlay.replace("cams}", f"cams, likelihood: {method}}}"))
        dry = snakemake(project, "--dry-run", "--printshellcmds", overlays=["overlay.yaml"])
        assert re.search(rf"wsss lcrf_segmenter .* --cams {shown} --seeds ", dry.stdout + dry.stderr)


def test_how_often_checkpoints_are_kept_reruns_nothing(project):
    assert would_run(project, overlay="checkpoint_steps: 7") == set()


def test_tensorboard_reruns_nothing(project):
    pytest.importorskip("tensorboard")
    assert would_run(project, overlay="tensorboard: true") == set()
    dry = snakemake(project, "--dry-run", "--printshellcmds", "--forcerun", "classifier", overlays=["overlay.yaml"])
    assert re.search(r"wsss classifier .* --tensorboard results/tensorboard ", dry.stdout + dry.stderr)


def test_an_edit_of_the_walk_reruns_pseudo_masks_and_what_follows(project, edited):
    edited("psa/random_walk.py", "def walk(", "MORE = 1\n\n\ndef walk(")
    assert would_run(project) == AFTER_WALK


def test_an_edit_of_a_loss_reruns_its_method_alone(project, edited):
    edited("sec/losses.py", "def seeding_loss(", "MORE = 1\n\n\ndef seeding_loss(")
    assert would_run(project) == AFTER_SEC | {"lcrf_segmenter"}  # whose warm start takes it


def test_an_edit_of_the_latent_crf_reruns_it_alone(project, edited):
    edited("lcrf/bound.py", "def messages(", "MORE = 1\n\n\ndef messages(")
    assert would_run(project) == SCORED | {"lcrf_segmenter", "examples", "report"}


def test_other_val_images_train_nothing_again(project):
    expected = {"images", "cue_scores", "examples", "report"} | SCORED
    assert would_run(project, "--config", "images={shapes_val: 5}") == expected


def test_other_training_images_train_everything_again(project):
    listed = would_run(project, "--config", "images={shapes_train: 13}")
    assert {"training_images", "classifier", "psa_segmenter", "sec_segmenter", "lcrf_segmenter", "images"} <= listed


def test_methods_that_are_not_asked_for_are_not_made(project):
    assert would_run(project, overlay="methods: [lcrf]") == {"cue_scores", "comparison", "report"}
    fresh = project.parent / "elsewhere"
    made = snakemake(project, "--dry-run", "--directory", fresh, overlays=["overlay.yaml"])
    names = set(re.findall(r"^(?:localrule|rule) (\w+):", made.stdout + made.stderr, re.M))
    assert "lcrf_segmenter" in names
    assert not names & {"affinity_net", "pseudo_masks", "seeds", "saliency", "psa_segmenter", "sec_segmenter"}


def test_a_fitted_crf_is_made_of_images_that_nothing_is_trained_on(project):
    changed = would_run(project, overlay="{fit_crf: true, crf: {split: train}}")
    assert changed == SCORED | {"crf", "examples", "report"}
    changed = would_run(project, overlay="{fit_crf: true, images: {crf_fit_images: 2}}")
    assert changed > {"images", "classifier", "cams", "pseudo_masks", "crf", "masks"}
    (project / "overlay.yaml").write_text("fit_crf: true")
    run = snakemake(project, "--dry-run", overlays=["overlay.yaml"])
    assert run.returncode != 0 and "set images: crf_fit_images to 2 or more, or" in run.stdout + run.stderr


def test_a_grid_that_does_not_fit_is_told_before_anything_runs(project):
    (project / "overlay.yaml").write_text("sec_segmenter: {input_px: 72}")
    run = snakemake(project, "--dry-run", overlays=["overlay.yaml"])
    assert run.returncode != 0 and "input_px is not seeds: cells times its stride" in run.stdout + run.stderr


def test_images_without_true_masks_are_segmented_but_not_scored(project):
    dry = snakemake(project, "--dry-run", targets=["results/psa_test_masks.h5"])
    assert dry.returncode == 0 and "split=test" in dry.stdout + dry.stderr
    dry = snakemake(project, "--dry-run", targets=["results/psa_test_miou.txt"])
    assert dry.returncode != 0 and "ask for results/psa_test_masks.h5 instead" in dry.stdout + dry.stderr


def test_a_data_set_of_ones_own_is_watched(tmp_path):
    project = projects.copied(tmp_path / "project")
    root, target = project, ["results/images.csv"]  # so that results lie below the root, too
    shapes.write(tmp_path / "drawn", train=3, val=2, size=64, seed=0)
    shutil.copytree(tmp_path / "drawn", root, dirs_exist_ok=True)
    overlay = {
        "images": {"dataset": "voc", "root": str(root), "classes": ["target=1", "stripes=2", "checker=3", "cross=4"]}
    }
    (project / "own.yaml").write_text(json.dumps(overlay))

    def run(*words):
        found = snakemake(project, *words, overlays=["own.yaml"], targets=target)
        assert found.returncode == 0, found.stdout + found.stderr
        return "Nothing to be done" in found.stdout + found.stderr

    run()
    (root / "JPEGImages/.hidden").touch()
    (root / "notes.txt").write_text("of no one's concern")
    assert run("--dry-run")
    for name in ("JPEGImages/train_00000.jpg", "SegmentationClass/val_00000.png", "image_labels.txt"):
        content = (root / name).read_bytes()
        (root / name).write_bytes(content + b"\n")
        assert not run("--dry-run"), name
        (root / name).write_bytes(content)
    assert run("--dry-run")


def test_an_edited_comment_reruns_nothing(project, edited):
    edited("psa/random_walk.py", "def walk(", "# said otherwise\ndef walk(")
    assert would_run(project) == set()


def test_nested_values_of_the_command_line_are_numbers(project):
    assert would_run(project, "--config", "masks={crf.steps: 3}", "images={download: false}") == {
        "masks",
        "miou",
        "comparison",
        "examples",
        "report",
    }


def test_a_key_that_stands_twice_on_the_command_line_is_refused(project):
    run = snakemake(project, "--dry-run", "--config", "masks={crf.steps: 3, crf.steps: 5}")
    assert run.returncode != 0
    assert "--config: masks, line 1: the key crf.steps stands twice" in run.stdout + run.stderr


def test_a_seed_of_the_whole_run_reaches_every_training(project):
    dry = snakemake(project, "--dry-run", "--config", "seed=7", "sec_segmenter={seed: 8}")
    said = re.findall(r"wsss (\w+) .*?--seed (\d+)", dry.stdout + dry.stderr)
    own = {"classifier": "7", "affinity_net": "7", "psa_segmenter": "7", "sec_segmenter": "8", "lcrf_segmenter": "7"}
    assert dict(said) == own
    assert "--shapes_seed 7" not in dry.stdout + dry.stderr


def test_an_unknown_key_ends_in_one_clear_line(project):
    (project / "overlay.yaml").write_text("masks: {crf.stepz: 3}")
    run = snakemake(project, "--dry-run", overlays=["overlay.yaml"])
    told = run.stdout + run.stderr
    assert run.returncode != 0 and "Traceback" not in told
    assert "config: masks: there is no key crf.stepz: did you mean crf.steps?" in told


def test_more_shards_change_no_bit_and_train_nothing_again(project, tmp_path):
    before = project / "results"
    copy = projects.copied(tmp_path / "project")
    shutil.copytree(before, copy / "results", dirs_exist_ok=True)
    shutil.copytree(project / ".snakemake/metadata", copy / ".snakemake/metadata")
    after = copy / "results"
    assert would_run(copy) == set()
    target = ["results/psa_val_miou.txt"]
    another = preloaded.commands_of_another
    run = snakemake(copy, "--set-scatter", "shards=2", targets=target, commands=another)
    assert run.returncode == 0, run.stdout + run.stderr
    for store_file in ("cams.h5", "affinity_labels.h5", "pseudo_masks.h5", "psa_val_scores.h5", "psa_val_masks.h5"):
        assert store.digest(after / store_file) == store.digest(before / store_file), store_file
        with h5py.File(after / store_file) as joined:
            assert joined.attrs["shards"] == 2
    assert (after / "psa_val_miou.txt").read_text() == (before / "psa_val_miou.txt").read_text()
    for network in ("affinity_net", "psa_segmenter"):
        assert "already trained with these options" in (after / f"logs/{network}.log").read_text()
    assert (after / "logs/classifier.log").read_text() == (before / "logs/classifier.log").read_text()
    dry = snakemake(copy, "--dry-run", "--set-scatter", "shards=2", targets=target)
    assert "Nothing to be done" in dry.stdout + dry.stderr
    with store.read(before / "cams.h5", "cams") as whole, store.read(after / "cams.h5", "cams") as parts:
        assert list(whole) == list(parts) and len(whole) == 12
        for image_id in whole:
            for name, array in whole[image_id].items():
                np.testing.assert_array_equal(array, parts[image_id][name], strict=True)
