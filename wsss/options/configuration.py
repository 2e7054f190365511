"""The configuration of a run: its schema and defaults, checks, and a page that explains every key."""

import difflib
import math
import shlex
from collections.abc import Iterator

import yaml

from wsss.options import strict_yaml
from wsss.options.strict_yaml import read as read
from wsss.runtime.errors import WsssError

Schema = dict[str, object]

RANGES = ("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
"""Keywords of a schema that restrict a single value."""

RENAMED = {
    "batch": "batch_size",
    "drops": "lr_drops",
    "crf.cells": "crf.max_cells",
    "held_out": "crf_fit_images",
}
"""New names of keys of earlier versions, in any section."""

OF_METHODS = {"scores_of": "scores", "masks_of": "masks"}
"""Tables of what single methods change, each with the section that they change."""

REPLACED = {"conv": "cells (or convcrf, for messages within a window)", "held": "crf_fit"}
"""New names of values of earlier versions."""


def completed(config: dict, *, defaults: dict, schema: Schema) -> dict:
    """Convert each value to the type of its default, check it, add the run's `seed` to sections without one, and order.

    The conversion is needed because Snakemake passes nested values of --config as text.

    Args:
        config: the defaults with the user's changes.
        defaults: the content of config.yaml.
        schema: schema of the configuration.

    Raises:
        WsssError: unknown keys and values that are not allowed, one line for each.
    """
    seeds = {name: [key for key in keys if key.rpartition(".")[2] == "seed"] for name, keys in sections(schema).items()}
    defaults = defaults | {name: dict.fromkeys(keys, defaults["seed"]) | defaults[name] for name, keys in seeds.items()}
    config = {name: _converted(value, _default(name, defaults)) for name, value in config.items()}
    problems = list(dict.fromkeys(_problems(config, schema)))
    if problems:
        raise WsssError("\n".join(problems))
    for name, keys in sections(schema).items():
        config[name] = dict.fromkeys(seeds[name], config["seed"]) | config[name]
        # in one order, wherever a value comes from: the options of a rule are text, and another order would rerun it
        config[name] = {key: config[name][key] for key in keys}
    return config


def as_options(values: dict) -> str:
    """Values as options of a command: {scales: [0.5, 1]} -> --scales 0.5 1"""
    words = []
    for name, value in values.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def sections(schema: Schema) -> dict[str, dict[str, Schema]]:
    """The sections with their keys, and the schema of each key; ablations, whose keys are names, are left out."""
    tables = {name: resolved(part, schema) for name, part in schema["properties"].items()}
    return {name: _keys(part, schema) for name, part in tables.items() if _keys(part, schema)}


def page(defaults: dict, schema: Schema) -> str:
    """Every key of a configuration with its default, allowed values and meaning, as Markdown."""
    lines = ["# Configuration", "", schema["description"], ""]
    known = sections(schema)
    single = {name: part for name, part in schema["properties"].items() if name not in known}
    lines += ["## Whole run", "", *_table(single, defaults, schema)]
    for name, keys in known.items():
        lines += ["", f"## {name}", "", resolved(schema["properties"][name], schema)["description"], ""]
        lines += _table(keys, defaults[name], schema)
    return "\n".join(lines) + "\n"


def allowed(part: Schema, schema: Schema) -> str:
    """A description of the values that a key may have: its type, range or choices."""
    part = resolved(part, schema)
    if "enum" in part:
        return "one of " + ", ".join(map(str, part["enum"]))
    if "const" in part:
        return str(part["const"])
    kind = part.get("type", "value")
    if kind == "array":
        count = f" of {part['maxItems']}" if part.get("minItems", 0) == part.get("maxItems") else ""
        return f"a list{count}, each {allowed(part['items'], schema)}"
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text"}
    words |= {"object": "a table of keys and values"}
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "and below"}
    return " ".join([words.get(kind, kind), *(f"{word} {part[name]}" for name, word in bounds.items() if name in part)])


def _table(keys: dict[str, Schema], defaults: dict, schema: Schema) -> Iterator[str]:
    yield "| key | default | allowed | meaning |"
    yield "| --- | --- | --- | --- |"
    for key, part in keys.items():
        leaf = resolved(part, schema)
        default = f"`{_written(defaults[key])}`" if key in defaults else "the run's `seed`"
        words = (f"`{key}`", default, allowed(leaf, schema), leaf["description"])
        yield f"| {' | '.join(word.replace('|', ' or ') for word in words)} |"


def _written(value: object) -> str:
    """A default as YAML; for a table, its keys."""
    value = list(value) if isinstance(value, dict) else value
    return (
        value or '""'
        if isinstance(value, str)
        else yaml.safe_dump(value, default_flow_style=True, width=999).split("\n")[0]
    )


def resolved(part: Schema, schema: Schema) -> Schema:
    """A part of a schema with its $ref resolved; its own keywords take precedence."""
    while "$ref" in part:
        name = part["$ref"].removeprefix("#/$defs/")
        part = schema["$defs"][name] | {key: value for key, value in part.items() if key != "$ref"}
    return part


def _keys(part: Schema, schema: Schema) -> dict[str, Schema]:
    """The keys of a table: its own, then those of the parts that it is composed of."""
    keys = dict(part.get("properties", {}))
    for other in part.get("allOf", []):
        keys |= {key: leaf for key, leaf in _keys(resolved(other, schema), schema).items() if key not in keys}
    return keys


def _default(name: str, defaults: dict) -> object:
    """The default of a key; for a table of changes, the section whose values its entries change."""
    return _Entries(defaults.get(changed, {})) if (changed := _changed(name)) else defaults.get(name)


def _changed(name: str) -> str:
    """The section whose values the entries of a table of changes change, such as an ablation's; nothing for others."""
    if name.endswith("_ablation"):
        return f"{name.removesuffix('_ablation')}_segmenter"
    return OF_METHODS.get(name, "")


class _Entries(dict):
    """Defaults of a table of changes: its keys are names, and its values are changes of one section."""

    def get(self, name: str, default: object = None) -> object:
        return dict(self)


def _converted(value: object, default: object) -> object:
    """A value, converted from text to the type of the default; unchanged if that is not possible."""
    if isinstance(value, dict):
        return {
            key: _converted(item, default.get(key) if isinstance(default, dict) else None)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_converted(item, default[0] if isinstance(default, list) and default else None) for item in value]
    if not isinstance(value, str) or isinstance(default, str | type(None)):
        return value
    try:
        loaded = strict_yaml.parsed(value) if value else value
    except strict_yaml.Refused:
        return value  # the text itself is then refused, with what is allowed
    if isinstance(default, bool):
        return loaded if isinstance(loaded, bool) else value
    if isinstance(default, int | float):
        return loaded if isinstance(loaded, int | float) and not isinstance(loaded, bool) else value
    return value


def _problems(config: dict, schema: Schema) -> Iterator[str]:
    """The problems of a configuration: one line for each, with its section and key."""
    import jsonschema  # the import takes 0.2 s

    yield from _endless("", config)
    unknown = list(_unknown(config, schema))
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(config))
    # the other two kinds of errors follow from any other error in the same table
    wrong = [error for error in errors if error.validator not in ("additionalProperties", "unevaluatedProperties")]
    yield from unknown
    for error in wrong or ([] if unknown else errors):
        yield _line(list(error.absolute_path), error, schema)


def _endless(where: str, value: object) -> Iterator[str]:
    """Numbers that are none: JSON schema lets NaN pass every bound."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _endless(f"{where}{key}: ", item)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"config: {where.removesuffix(': ')} is {value}: give a finite number"


def _unknown(config: dict, schema: Schema) -> Iterator[str]:
    yield from _unknown_keys("", config, schema["properties"])
    for section, keys in sections(schema).items():
        if isinstance(config.get(section), dict):
            yield from _unknown_keys(f"{section}: ", config[section], keys)
    for name, entries in config.items():
        if _changed(name) and name in schema["properties"] and isinstance(entries, dict):
            for entry, changes in entries.items():
                if isinstance(changes, dict):
                    yield from _unknown_keys(f"{name}: {entry}: ", changes, _changeable(name, schema))


def _changeable(name: str, schema: Schema) -> dict[str, Schema]:
    """The keys that an entry of a table of changes may have: those of the section, with what is said of them there."""
    keys = _keys(schema["properties"][name]["additionalProperties"], schema)
    return keys | sections(schema)[_changed(name)]


def _unknown_keys(where: str, found: dict, known: dict) -> Iterator[str]:
    for key in found:
        if key in known:
            continue
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"it is now {RENAMED[key]}" if key in RENAMED else f"did you mean {near[0]}?" if near else "remove it"
        yield f"config: {where}there is no key {key}: {hint}"


def _line(path: list, error: object, schema: Schema) -> str:
    """One line for a value that is not allowed."""
    where, value = _where(path), error.instance
    if isinstance(value, str) and value in REPLACED:
        return f"config: {where} is {value}: it is now {REPLACED[value]}"
    if error.validator == "pattern" and path and path[0].endswith("_ablation"):
        start = path[0].removesuffix("ablation")
        return (
            f"config: {where}: the name {value!r} must be {start} followed by up to 100 lower-case letters, digits or _"
        )
    leaf = _leaf(path, schema)
    if leaf is None or error.validator not in RANGES:
        return f"config: {where}: {error.message}"
    is_key = path[-1:] and isinstance(path[-1], str)  # not an item of a list
    expected = allowed({**leaf, **error.schema} if is_key else error.schema, schema)
    return f"config: {where} is {value!r}: give {expected} ({leaf['description'].rstrip('.')})"


def _leaf(path: list, schema: Schema) -> Schema | None:
    """The schema of the key at a path; for an entry of a table of changes, that of the key that it changes."""
    section, keys = path[0] if path else "", path[1:]
    if _changed(section) and path[2:]:
        leaf = _changeable(section, schema).get(path[2])
    else:
        leaf = sections(schema).get(section, {}).get(keys[0]) if keys else schema["properties"].get(section)
    return resolved(leaf, schema) if leaf else None


def _where(path: list) -> str:
    """The place of a value: its section, its key, and, of a list, its number."""
    return ": ".join(str(step) for step in path) or "top level"
