#!/usr/bin/env python3
"""Prints figures on the arrangement of src/, tests/, cli/ and testkit/src/: python3 scripts/structure.py

An arrow is drawn from one room of src/pool to another (a folder, or a file beside them) when code of the one names the other in
a path that begins with `crate`, `super` or `self`; modules of tests and `pub use` of a mod.rs do not count. It goes up when the
other is later in ORDER. tests/house.rs keeps the figures within bounds.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# The endings of source files; others hold data.
ENDINGS = (".rs", ".c", ".h", ".cc", ".cpp", ".hpp", ".js", ".css")

# Rooms of src/pool, from the lowest up: parts, what wires them, flows, handles.
ORDER = """telemetry admission connection outage fleet workers core guards tasks pooled_connection lifecycle server handle report submission transaction""".split()


def code(path):
    """The text without comments and modules of tests."""
    text = path.read_text()
    tests = re.search(r"\n#\[cfg\(test\)\]\nmod tests \{", text)
    return re.sub(r"//[^\n]*", "", text[:tests.start()] if tests else text)


def is_test(path):
    return path.name in ("tests.rs", "fuzzing.rs", "failpoint.rs") or path.name.endswith("_tests.rs") \
        or "tests" in path.parts


def expand(tree):
    """The paths of a `use` tree, each as a list of names."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        return [[name.strip() for name in tree.split(" as ")[0].split("::") if name.strip()]]
    start, depth, items = brace + 1, 0, []
    for at, char in enumerate(tree[brace:], brace):
        depth += (char == "{") - (char == "}")
        if (char == "," and depth == 1) or depth == 0:
            items.append(tree[start:at])
            start = at + 1
        if depth == 0:
            break
    prefix = [name.strip() for name in tree[:brace].split("::") if name.strip()]
    return [prefix + path for item in items if item.strip() for path in expand(item)]


def module(path):
    parts = list(path.relative_to(SRC).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "mod" else parts


def file_of(names, files):
    """The file in which the longest part of a path is a module."""
    for length in range(len(names), 0, -1):
        if tuple(names[:length]) in files:
            return files[tuple(names[:length])]
    return None


def imports(path, files):
    text = code(path)
    if path.name == "mod.rs":
        text = re.sub(r"pub(\([^)]*\))? use [^;]*;", "", text)
    paths = [names for tree in re.findall(r"\buse ([^;]+);", text) for names in expand(tree)]
    paths += [names.split("::") for names in re.findall(r"\b(?:crate|super)(?:::\w+)+", re.sub(r"\buse [^;]+;", "", text))]
    found = set()
    for names in paths:
        base = module(path)
        if names[0] == "crate":
            names = names[1:]
        elif names[0] in ("super", "self"):
            while names and names[0] in ("super", "self"):
                base = base[:-1] if names[0] == "super" else base
                names = names[1:]
            names = base + names
        else:
            continue
        target = file_of(names, files)
        if target and target != path:
            found.add(target)
    return found


def circles(edges):
    """The groups of files that reach each other."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for other in edges.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen
    reached = {file: reach(file) for file in edges}
    return {frozenset(other for other in reached[file] if file in reached.get(other, ())) for file in edges
            if file in reached[file]}


def room(path):
    return path.relative_to(SRC / "pool").with_suffix("").parts[0]


def sizes(top):
    """Prints the longest file of a top folder, and the folder in it with the most files at one level."""
    files = [path for path in (ROOT / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    lengths = {path: len(path.read_text().splitlines()) for path in files if path.suffix in ENDINGS}
    folders = {}
    for path in files:
        folders.setdefault(path.parent, []).append(path)
    longest = max(lengths, key=lengths.get)
    fullest = max(folders, key=lambda folder: len(folders[folder]))
    print(f"longest file of {top}: {lengths[longest]} lines ({longest.relative_to(ROOT)})")
    print(f"most files at one level of {top}: {len(folders[fullest])} ({fullest.relative_to(ROOT)})")


def main():
    sources = sorted(SRC.rglob("*.rs"))
    files = {tuple(module(path)): path for path in sources}
    pool = [path for path in sources if SRC / "pool" in path.parents and not is_test(path)]
    inside = [path for path in pool if path.parent != SRC / "pool" or path.name != "mod.rs"]
    edges = {path: {other for other in imports(path, files) if other in inside} for path in inside}
    arrows = {(room(a), room(b)) for a in edges for b in edges[a] if room(a) != room(b)}
    unknown = {name for pair in arrows for name in pair} - set(ORDER)
    assert not unknown, f"ORDER lacks {sorted(unknown)}"
    up = sorted((a, b) for a, b in arrows if ORDER.index(b) > ORDER.index(a))
    lines = sum(len(path.read_text().splitlines()) for path in sources)
    knots = sorted(sorted(str(file.relative_to(SRC)) for file in knot) for knot in circles(edges))
    print(f"lines of src: {lines} in {len(sources)} files")
    sizes("src")
    sizes("tests")
    sizes("cli")
    sizes("testkit/src")
    print(f"arrows in pool: {len(arrows)}")
    print(f"arrows up in pool: {len(up)} ({', '.join(f'{a} -> {b}' for a, b in up)})")
    print(f"circles of files in pool: {len(knots)} ({'; '.join(', '.join(knot) for knot in knots)})")


if __name__ == "__main__":
    main()
