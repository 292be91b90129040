#!/usr/bin/env python3
"""Builds the book with mdBook into target/book, and checks its links.

The chapters are also read as plain files of the repository, so some of their links lead to files outside of docs/. In the book
those lead to the repository that Cargo.toml names, or to this copy of it. Exits with 1 when a link leads nowhere.
"""

import os
import re
import subprocess
import sys
import tomllib
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "book"
# A link that is relative.
LINK = re.compile(r'\b(href|src)="(?![a-z]+:|//)([^"]*)"')


def in_repository(link: str, repository: str | None) -> str | None:
    """Returns the address of a file outside of docs/, by a link in a page; `None` if there is no such file."""
    path, mark, fragment = link.removeprefix("../").partition("#")
    for name in (path, path.removesuffix(".html") + ".md"):
        if (ROOT / name).exists():
            kind = "tree" if (ROOT / name).is_dir() else "blob"
            place = f"{repository}/{kind}/main/{name}" if repository else os.path.relpath(ROOT / name, BOOK)
            return f"{place}{mark}{fragment}"
    return None


def main() -> int:
    subprocess.run(["mdbook", "build", "--dest-dir", BOOK, ROOT], check=True)
    repository = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"].get("repository")
    # Each chapter once more on one page, and a page whose links hold anywhere.
    pages = {page.name: page.read_text() for page in BOOK.glob("*.html") if page.name not in ("print.html", "404.html")}
    anchors = {name: set(re.findall(r'\bid="([^"]+)"', text)) for name, text in pages.items()}
    broken = []

    for name, text in pages.items():

        def lead(match: re.Match) -> str:
            attribute, link = match.groups()
            if link.startswith("../"):
                address = in_repository(link, repository)
                if address is None:
                    broken.append(f"{name}: {link}")
                return f'{attribute}="{address}"'
            path, _, fragment = map(urllib.parse.unquote, link.partition("#"))
            target = path or name
            if not (BOOK / target).exists() or (fragment and fragment not in anchors.get(target, {fragment})):
                broken.append(f"{name}: {link}")
            return match.group()

        changed = LINK.sub(lead, text)
        (BOOK / name).write_text(changed)

    for link in broken:
        print(f"leads nowhere: {link}", file=sys.stderr)
    print(f"holdfast: the book is in {os.path.relpath(BOOK, ROOT)}, {len(pages)} pages, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
