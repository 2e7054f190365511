"""Hooks of mkdocs: the changelog as a page, and links to files that are no pages of the site as plain names."""

import re
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent


def on_files(files: Files, config) -> Files:  # noqa: ANN001
    """Add CHANGELOG.md, whose links begin at the top level."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](").replace("[docs/", "[")
    files.append(File.generated(config, "changelog.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links out of docs/ become names of files; the place of an edit joins the title of its block of code."""
    markdown = re.sub(r"\[[^]]*\]\(\.\./([^)]*)\)", r"`\1`", markdown)
    return re.sub(r'^(```\w+ title="[^"]+)" (after|replace)="((?:[^"\\]|\\.)*)"$', _titled, markdown, flags=re.M)


def _titled(found: re.Match) -> str:
    title, how, place = found.groups()
    place = place.strip().replace('\\"', "'")
    return f'{title}: {"after" if how == "after" else "instead of"} {place}"'
