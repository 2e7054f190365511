"""`python -m wsss`, the same as the command `wsss`."""

from wsss.cli import main

if __name__ == "__main__":
    main()
