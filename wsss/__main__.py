"""`python -m wsss`, the same as the command `wsss`."""

import sys
from collections.abc import Callable


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word, also while its modules are imported."""
    try:
        command_line = _imported()
        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


def _imported() -> Callable[[], None]:
    """The command line; where the machine keeps it from being imported, end in one line."""
    try:
        from wsss.cli import main as command_line
    except Exception as error:
        from wsss.runtime.errors import of_the_machine

        if line := of_the_machine(error):
            sys.exit(f"error: {line}")
        raise
    return command_line


if __name__ == "__main__":
    main()
