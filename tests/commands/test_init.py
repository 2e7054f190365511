"""A configuration for a folder of photographs, which stands on its own."""

import pytest
import yaml
from PIL import Image
from projects import ROOT

from wsss.commands.init import init
from wsss.options import configuration
from wsss.runtime.errors import WsssError


@pytest.fixture
def photographs(tmp_path):
    """Sixty photographs of two classes, in a folder each; one of them is large."""
    for number in range(60):
        path = tmp_path / "photographs" / ("ducks" if number % 3 else "grey geese") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (900, 600) if number == 7 else (40, 30)).save(path)
    return tmp_path / "photographs"


def made(tmp_path, photographs, **options) -> dict:
    init(photographs, out=tmp_path / "mine.yaml", **options)
    return yaml.safe_load((tmp_path / "mine.yaml").read_text(encoding="utf-8"))


def test_what_it_finds_is_in_the_configuration(tmp_path, photographs, capsys):
    config = made(tmp_path, photographs, val_share=0.2)
    images = config["images"]
    assert images["dataset"] == "folder"
    assert images["classes"] == ["ducks=1", "grey geese=2"]
    assert images["longest_px"] == 500
    assert images["masks"] == ""
    printed = capsys.readouterr().out
    assert "60 photographs, 60 of them with tags; 48 are trained on" in printed
    assert "ducks (40), grey geese (20)" in printed
    assert printed.rstrip().endswith(f"snakemake --cores 8 --configfile {tmp_path / 'mine.yaml'}")


def made_configuration(tmp_path) -> dict:
    """What was written, as a run reads it."""
    config = configuration.read(tmp_path / "mine.yaml")
    defaults = configuration.read(ROOT / "config.yaml")
    schema = configuration.read(ROOT / "workflow/config.schema.yaml")
    for section in config:
        if isinstance(config[section], dict):
            config[section] = {**defaults[section], **config[section]}
    return configuration.completed({**defaults, **config}, defaults=defaults, schema=schema)


def test_it_is_a_whole_configuration_that_the_schema_takes(tmp_path, photographs):
    made(tmp_path, photographs)
    found = made_configuration(tmp_path)
    assert found["classifier"]["weights"] == "offline"


def test_few_photographs_are_trained_on_for_hundreds_of_steps(tmp_path, photographs):
    config = made(tmp_path, photographs)
    for name in ("classifier", "psa_segmenter"):
        section = config[name]
        assert section["epochs"] * (60 // section["batch_size"]) >= 200


def test_small_classes_are_named(tmp_path, photographs, capsys):
    for path in sorted((photographs / "grey geese").iterdir())[4:]:
        path.unlink()
    made(tmp_path, photographs)
    assert "warning: fewer than 10 photographs show grey geese" in capsys.readouterr().out


def test_tags_that_are_nearly_alike_are_named(tmp_path, photographs, capsys):
    lines = [
        f"ducks/{number}.jpg,{tag}"
        for number, tag in zip((1, 2, 4, 5, 7, 8), (*("Käfer",) * 4, "käfer", "Käfr"), strict=True)
    ]
    lines += [f"ducks/{number}.jpg,bee" for number in (10, 11)]
    (tmp_path / "tags.csv").write_text("\n".join(["file_name,tags", *lines]), encoding="utf-8")
    made(tmp_path, photographs, tags=str(tmp_path / "tags.csv"))
    printed = capsys.readouterr().out
    assert "warning: the tags käfer (1) and Käfer (4) are nearly alike: is it one class?" in printed
    assert "warning: the tags Käfr (1) and Käfer (4) are nearly alike" in printed
    assert printed.count("nearly alike") == 2


def test_masks_with_other_values_than_the_classes_are_told(tmp_path, photographs, capsys):
    for path in photographs.rglob("*.jpg"):
        mask = tmp_path / "masks" / path.relative_to(photographs).with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photograph:
            size = photograph.size
        Image.new("L", size, {"ducks": 2, "grey geese": 1}[path.parent.name]).save(mask)
    made(tmp_path, photographs, masks=str(tmp_path / "masks"))
    printed = capsys.readouterr().out
    assert "(ducks=1, grey geese=2): correct them there" in printed
    assert "warning: 60 of 60 masks show classes that their photographs' tags lack" in printed


@pytest.mark.parametrize("share", [-1, 1, 2, float("nan"), float("inf"), 0.999])
def test_a_share_that_leaves_nothing_to_train_on_is_refused(tmp_path, photographs, share):
    with pytest.raises(WsssError, match="--val_share .*: give a"):
        made(tmp_path, photographs, val_share=share)
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("name", ["background", " ducks", "du\ncks", "\u200b"])
def test_a_class_that_no_run_takes_is_refused(tmp_path, photographs, name):
    (photographs / "ducks").rename(photographs / name)
    with pytest.raises(WsssError, match="background: leave it out|expected a name in one line|line ends"):
        made(tmp_path, photographs)
    assert not (tmp_path / "mine.yaml").exists()


def test_a_folder_and_a_class_may_have_any_printable_name(tmp_path, photographs):
    (photographs / "ducks").rename(photographs / "a=b: {c} #d")
    renamed = photographs.rename(photographs.with_name("ph\nmethods: [sec]\nx: y #"))
    assert made(tmp_path, renamed)["images"]["classes"][0] == "a=b: {c} #d=1"
    assert made_configuration(tmp_path)["methods"] == ["psa"]


def test_all_photographs_that_cannot_be_read_are_named(tmp_path, photographs):
    for name in ("ducks/1.jpg", "grey geese/3.jpg"):
        (photographs / name).write_bytes(b"no picture")
    (photographs / "without a tag.jpg").write_bytes(b"no picture")
    with pytest.raises(WsssError) as caught:
        made(tmp_path, photographs)
    assert "ducks/1.jpg" in str(caught.value) and "grey geese/3.jpg" in str(caught.value)
    assert "without a tag" not in str(caught.value)


def test_a_configuration_is_not_overwritten(tmp_path, photographs):
    made(tmp_path, photographs)
    with pytest.raises(WsssError, match="exists already"):
        made(tmp_path, photographs)


def test_problems_of_the_table_are_reported_and_nothing_is_written(tmp_path, photographs):
    (tmp_path / "tags.csv").write_text("file_name,tags\ngone.jpg,duck\n")
    with pytest.raises(WsssError, match="files in .* are not in the folder"):
        made(tmp_path, photographs, tags=str(tmp_path / "tags.csv"))
    assert not (tmp_path / "mine.yaml").exists()


def test_masks_that_are_no_photographs_are_told(tmp_path, photographs, capsys):
    (tmp_path / "masks/ducks").mkdir(parents=True)
    Image.new("L", (40, 30), 1).save(tmp_path / "masks/ducks/1_mask.png")
    with pytest.raises(WsssError, match="masks have no photograph's name, such as a.png for a.jpg: rename them, such"):
        made(tmp_path, photographs, masks=str(tmp_path / "masks"))
    Image.new("L", (40, 30), 1).save(tmp_path / "masks/ducks/1.png")
    made(tmp_path, photographs, masks=str(tmp_path / "masks"), val_share=0.01)
    assert "masks have the name of no photograph, and are left out, such as ducks/1_mask.png" in capsys.readouterr().out


def test_a_share_that_holds_nothing_out_is_told(tmp_path, photographs):
    with pytest.raises(
        WsssError, match="--val_share 0.001 holds no photograph out: give a larger one, or leave it out"
    ):
        made(tmp_path, photographs, val_share=0.001)


def test_a_tag_called_background_is_refused_however_it_is_written(tmp_path, photographs):
    (tmp_path / "tags.csv").write_text("file_name,tags\nducks/1.jpg,Background\nducks/2.jpg,duck\n")
    with pytest.raises(WsssError, match="a tag is called background"):
        made(tmp_path, photographs, tags=str(tmp_path / "tags.csv"))


def test_the_command_to_type_is_quoted(tmp_path, photographs, capsys):
    init(photographs, out=tmp_path / "my own.yaml")
    assert capsys.readouterr().out.rstrip().endswith(f"--configfile '{tmp_path / 'my own.yaml'}'")
