"""What commands for people write to the terminal."""


def say(text: str) -> None:
    """Print a text: this is what these commands are for."""
    print(text)  # noqa: T201
