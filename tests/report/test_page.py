"""The report, as the file that it is; tests/report/test_in_a_browser.py looks at it in one."""

import base64
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
import report_runs as runs
from PIL import Image

from wsss.commands.report import report
from wsss.report import facts, gallery
from wsss.runtime.errors import WsssError


def written(results, **options):
    report((results,), **options)
    return (results / "report.html").read_text(encoding="utf-8")


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def opened(uri):
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_names_of_classes_and_commands_stay_text(run):
    text = written(run)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert data_of(text)["classes"][1]["name"] == "<script>alert(1)</script>"
    assert "snakemake --cores 2 &#39;&lt;results&gt;&#39;" in text


def test_it_may_load_nothing_from_elsewhere(run):
    text = written(run)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r'(?:src|href)="(?!#)', text)


def test_label_maps_are_class_indices_at_the_size_of_the_picture(run):
    images = {image["id"]: image for image in data_of(written(run))["images"]}
    layers = {layer["name"]: layer for layer in images["val 1/é"]["layers"]}
    assert list(layers) == ["psa prediction", "truth"]
    np.testing.assert_array_equal(opened(layers["psa prediction"]["labels"]), runs.predicted(1))
    np.testing.assert_array_equal(opened(layers["truth"]["labels"]), runs.truth_of(1))


def test_larger_pictures_are_reduced_and_keep_their_classes(run):
    image = data_of(written(run, longest_px=16))["images"][0]
    assert image["size"] == [16, 12]
    truth = next(layer for layer in image["layers"] if layer["name"] == "truth")
    assert set(np.unique(opened(truth["labels"]))) == {0, 1}


def test_activation_maps_stay_on_their_grid(run):
    image = data_of(written(run))["images"][0]
    cam = next(layer for layer in image["layers"] if layer["name"] == "CAM")
    [[of, uri]] = cam["maps"]
    assert (of, cam["covers"]) == (1, [1, 1])
    np.testing.assert_allclose(opened(uri) / 255, np.linspace(0, 1, 48).reshape(6, 8), atol=0.003)


def test_each_image_has_the_miou_of_its_own_pixels(run):
    judged = {(each["name"], each["split"]): each for each in data_of(written(run))["judged"]}
    assert set(judged) == {("random walk", "train"), ("psa prediction", "val")}
    images = judged["psa prediction", "val"]["images"]
    assert images["val 0/é"] == [1.0, []]
    # of 24 rows the first 4 are class 2 throughout: background 20 x 20 of 24 x 20, class 2 is 24 x 12 and 4 x 20 more
    miou, confused = images["val 1/é"]
    assert miou == pytest.approx((20 / 24 + 24 * 12 / (24 * 12 + 4 * 20)) / 2, abs=1e-4)
    assert confused == [[0, 2]]


def test_stores_of_one_kind_are_judged_apart(run):
    before = data_of(written(run))
    shutil.copy(run / "pseudo_masks.h5", run / "psa_relabels.h5")
    after = data_of(written(run))
    names = [(each["name"], each["split"]) for each in after["judged"]]
    assert names == [("random walk", "train"), ("psa relabels", "train"), ("psa prediction", "val")]
    walk, relabels, prediction = after["judged"]
    assert [walk, prediction] == before["judged"]
    assert relabels["confusion"] == walk["confusion"]
    names = [layer["name"] for layer in after["images"][0]["layers"]]
    assert len(names) == len(set(names)) == 1 + len(before["images"][0]["layers"])


def test_confusions_are_counted_over_all_images_also_those_left_out(run):
    few, all_of_them = data_of(written(run, images=1)), data_of(written(run))
    assert len(few["images"]) == 2
    assert len(all_of_them["images"]) == 8
    assert few["judged"][-1]["confusion"] == all_of_them["judged"][-1]["confusion"]


def test_it_says_which_images_were_left_out(run):
    text = written(run, images=3)
    assert "Of 5 val images 3 are shown: those with the lowest scores, the highest, and some between." in text
    shown = {image["id"] for image in data_of(text)["images"] if image["split"] == "val"}
    assert {"val 0/é", "val 4/é"} < shown


def test_the_rows_of_variants_stand_in_the_table_alone(run):
    assert not any("variant" in name for name in data_of(written(run))["layers"])


def test_numbers_that_were_chosen_by_true_masks_are_marked(run):
    rows = re.findall(r"<tr( class=\"oracle\")?><th scope=\"row\">([^<]*)", written(run))
    oracles = [name.strip() for marked, name in rows if marked]
    assert len(oracles) == 1
    assert "(oracle)" in oracles[0]


def test_settings_that_differ_from_the_defaults_are_listed(run):
    # the learning rate is the default's, in other words
    assert facts.settings(facts.records(run)) == [("classifier", "epochs", "3", "16")]


@pytest.mark.parametrize(
    ("stage", "options", "changed"),
    [
        ("relabels", "--scales 0.5 1.0 --crf.steps 3", [("scales", "0.5 1.0", "1.0"), ("crf.steps", "3", "10")]),
        ("crf", "--crf.steps 3 --fit.epochs 2", [("crf.steps", "3", "10"), ("fit.epochs", "2", "10")]),
    ],
)
def test_settings_of_other_sections_are_listed_too(stage, options, changed):
    found = [facts.Record(stage, [stage, *options.split()], {})]
    assert facts.settings(found) == [(stage, *line) for line in changed]


def test_its_head_says_what_was_run_where(run):
    text = written(run)
    for fact in ("wsss 1.2.3 (commit abcdef)", "A processor, 2 cores", "3 train, 5 val", "0.2 minutes"):
        assert fact in text


LOGS = {
    "open.log": b"12:00:00 $ wsss cams --x 'abc\n",
    "bare.log": b"12:00:00 $ wsss \n",
    "gone.log": "gone",
    "zero.log": "/dev/zero",
}


def test_logs_and_times_that_cannot_be_read_are_left_out_with_a_word(run, caplog):
    for name, content in LOGS.items():
        if isinstance(content, bytes):
            (run / "logs" / name).write_bytes(content)
        else:
            (run / "logs" / name).symlink_to(content)
    (run / "benchmarks/latin.tsv").write_bytes(b"s\tmax_rss\tword\n7.5\tnan\tcaf\xe9\tmore\n")
    os.mkfifo(run / "benchmarks/pipe.tsv")
    text = written(run)
    assert "A processor, 2 cores" in text and "0.3 minutes" in text  # 12.5 + 0.5 + 7.5 s
    for name in [*LOGS, "pipe.tsv"]:
        assert sum(name in line for line in caplog.messages) == 1


def test_numbers_of_images_and_pixels_that_cannot_be_are_refused(run):
    for option, value in (("images", -1), ("longest_px", 0), ("longest_px", -5)):
        with pytest.raises(WsssError, match=f"--{option} is {value}: give the l"):
            written(run, **{option: value})


def test_several_runs_are_averaged(tmp_path):
    one, two = runs.write_run(tmp_path / "one"), runs.write_run(tmp_path / "two")
    report((one, two))
    text = (one / "report.html").read_text(encoding="utf-8")
    assert "Means over 2 runs" in text
    assert '<button type="button">±</button>' in text


def test_without_true_masks_it_has_shares_and_confidences(run_without_masks):
    text = written(run_without_masks)
    assert "nothing can be scored" in text
    data = data_of(text)
    assert data["judged"] == []
    of_val = [image["confidence"] for image in data["images"] if image["split"] == "val"]
    assert of_val == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5], abs=1e-3)


def test_a_store_of_other_classes_is_left_out(run):
    (run / "classes.csv").write_text(
        "class,name,mask_value,colour\n0,background,0,#000000\n1,cow,1,#800000\n2,horse,2,#008000\n"
    )
    found = written(run)
    assert data_of(found)["layers"] == ["truth"]
    assert "is of another data set" in found.replace("\n", " ")


def test_the_folder_of_a_run_is_needed(tmp_path):
    with pytest.raises(WsssError, match="images.csv does not exist: is .* the folder of a run"):
        report((tmp_path,))


def test_the_same_run_gives_the_same_page(run):
    assert written(run) == written(run)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
def test_never_more_images_than_asked_for(run, most):
    from wsss.datasets import manifest

    rows = manifest.read(run / "images.csv", "val")
    scores = {row.id: number / 10 for number, row in enumerate(rows)}
    assert len(gallery.chosen(rows, scores, most)) == most
