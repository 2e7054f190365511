"""The one exception that a user is meant to see."""


class WsssError(Exception):
    """Something the user can fix: its text names the thing, what is wrong with it, and the way out.

    The command line prints the text after "error: " and exits with status 1, without a traceback.
    """


def refuse(problems: list[str], title: str) -> None:
    """Raise one error that lists every problem, a line each; do nothing where there is none."""
    if problems:
        raise WsssError("\n  ".join([f"{title} ({len(problems)} found):", *problems]))
