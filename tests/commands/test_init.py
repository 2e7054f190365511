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


def test_it_is_a_whole_configuration_that_the_schema_takes(tmp_path, photographs):
    config = made(tmp_path, photographs)
    defaults = configuration.read(ROOT / "config.yaml")
    schema = configuration.read(ROOT / "workflow/config.schema.yaml")
    for section in config:
        if isinstance(config[section], dict):
            config[section] = {**defaults[section], **config[section]}
    found = configuration.completed({**defaults, **config}, defaults=defaults, schema=schema)
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


def test_a_configuration_is_not_overwritten(tmp_path, photographs):
    made(tmp_path, photographs)
    with pytest.raises(WsssError, match="exists already"):
        made(tmp_path, photographs)


def test_problems_of_the_table_are_reported_and_nothing_is_written(tmp_path, photographs):
    (tmp_path / "tags.csv").write_text("file_name,tags\ngone.jpg,duck\n")
    with pytest.raises(WsssError, match="files in .* are not in the folder"):
        made(tmp_path, photographs, tags=str(tmp_path / "tags.csv"))
    assert not (tmp_path / "mine.yaml").exists()
