"""The presets, as `snakemake --configfile` reads them."""

import copy
import functools

import yaml
from projects import ROOT
from snakemake.utils import update_config

from wsss.options import configuration

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def merged(overlay: dict) -> dict:
    """The configuration with an overlay, as `snakemake --configfile` reads it."""
    config, defaults = copy.deepcopy(_read("config.yaml")), _read("config.yaml")
    update_config(config, overlay)
    return configuration.completed(config, defaults=defaults, schema=_read("workflow/config.schema.yaml"))


@functools.cache
def preset(name: str) -> dict:
    return merged(yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text()))


@functools.cache
def _read(name: str) -> dict:
    return configuration.read(ROOT / name)
