"""The page that explains every key of config.yaml."""

from pathlib import Path

from wsss.commands.terminal import say
from wsss.runtime import pipeline
from wsss.runtime.errors import WsssError

PROJECT = pipeline.root()
"""The folder of this wsss: a clone, or an installation."""


def configuration(*, project: Path = PROJECT) -> None:
    """Print every key of config.yaml with its default, what it may hold, and what it means, as Markdown.

    docs/configuration.md is this page.

    Args:
        project: folder of config.yaml and workflow/.
    """
    from wsss.options.configuration import page, read

    files = project / "config.yaml", project / "workflow/config.schema.yaml"
    if missing := [file for file in files if not file.exists()]:
        raise WsssError(f"{missing[0]} does not exist: give the folder of the project by --project")
    say(page(*map(read, files)).removesuffix("\n"))
