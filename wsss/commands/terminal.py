"""What commands for people write to the terminal."""


def say(text: str) -> None:
    """Print a text: this is what these commands are for."""
    print(text, flush=True)  # noqa: T201 -- a process that is replaced or killed loses what was not flushed
