"""The page that explains every key of config.yaml."""

from pathlib import Path

from wsss.commands.terminal import say
from wsss.runtime.errors import WsssError


def configuration(*, project: Path = Path(__file__).parents[2]) -> None:
    """Print every key of config.yaml with its default, what it may hold, and what it means, as Markdown.

    docs/configuration.md is this page.

    Args:
        project: folder of config.yaml and workflow/.
    """
    from wsss.options.configuration import page, read

    try:
        defaults, schema = read(project / "config.yaml"), read(project / "workflow/config.schema.yaml")
    except FileNotFoundError as error:
        raise WsssError(f"{error.filename} does not exist: give the folder of the project by --project") from error
    say(page(defaults, schema).removesuffix("\n"))
