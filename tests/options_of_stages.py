"""The numbers of config.yaml as the options of stages, as workflow/rules/common.smk makes them."""

import shlex

from projects import ROOT

from wsss.options import configuration

DEFAULTS, SCHEMA = (configuration.read(ROOT / name) for name in ("config.yaml", "workflow/config.schema.yaml"))
CONFIG = configuration.completed(DEFAULTS, defaults=DEFAULTS, schema=SCHEMA)


def numbers(stage: str) -> dict[str, object]:
    """The options that config.yaml fills in; some stages take the numbers of others."""
    borrowed = {"training_images": ["images"], "crf": ["masks"], "relabels": ["masks", "scores"]}.get(stage, [])
    found = {name: value for section in (stage, *borrowed) for name, value in CONFIG.get(section, {}).items()}
    return {name: value for name, value in found.items() if (stage, name) != ("relabels", "image_prior")}


def flags(stage: str) -> list[str]:
    """As workflow/rules/common.smk makes them."""
    return shlex.split(configuration.as_options(numbers(stage)))
