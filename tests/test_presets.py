"""presets/: overlays that most of their users run on machines which no test has."""

import pytest
from preset_configurations import PRESETS, merged, preset
from projects import ROOT

from wsss.options.training import Schedule
from wsss.runtime.errors import WsssError


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_configuration_that_the_results_list(name):
    config = preset(name)
    assert config["images"]["dataset"] == ("coco" if name.startswith("coco") else "voc")
    assert f"| `{name}` |" in (ROOT / "docs/results.md").read_text()
    seeds, segmenter = config["seeds"], config["sec_segmenter"]
    if "sec" in config["methods"] and not segmenter["decoder"]:
        assert segmenter["input_px"] == seeds["cells"] * segmenter["stride"]


def test_a_key_that_is_none_is_refused():
    with pytest.raises(WsssError, match="no key epoch: did you mean epochs"):
        merged({"classifier": {"epoch": 3}})


def test_sec_takes_8000_steps_as_published():
    names = Schedule.__dataclass_fields__
    schedule = Schedule(
        **{name: value for name, value in preset("voc12_sec")["sec_segmenter"].items() if name in names}
    )
    assert schedule.steps(10_582) == 8000
    assert schedule.lr_drops == 3
