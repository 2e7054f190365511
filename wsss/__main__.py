"""`python -m wsss`, the same as the command `wsss`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word, also while its modules are imported."""
    try:
        from wsss.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
