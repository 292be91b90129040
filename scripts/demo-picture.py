#!/usr/bin/env python3
"""Runs the demonstration in a terminal and draws what that shows at the end: docs/demo.svg, the picture in the README.

Usage: scripts/demo-picture.py [PROGRAM]    PROGRAM is target/release/holdfast, which `make demo` builds.

The terminal is pyte's and the drawing rich's; both are installed from PyPI into target/pictures. `make pictures` runs it.
"""

import os
import pty
import subprocess
import sys
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
TOOLS = TOP / "target" / "pictures"
COLUMNS, ROWS = 112, 120
TITLE = "make demo"

# As rich's own, but without fonts from the network and with room only for what there is.
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img"
     aria-label="The output of make demo">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def with_tools():
    """Runs this script again under the Python that has the packages, unless it is the one already."""
    python = TOOLS / "bin" / "python"
    if Path(sys.prefix).resolve() == TOOLS.resolve():
        return
    if not python.exists():
        print("installing pyte and rich from PyPI", file=sys.stderr)
        venv.create(TOOLS, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pyte", "rich"], check=True)
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


def shown_by(program):
    """What a terminal of this size shows once the program has ended: rows of characters with their attributes."""
    import pyte

    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        environment = dict(os.environ, TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS))
        for name in ("DATABASE_URL", "NO_COLOR"):
            environment.pop(name, None)
        os.execve(program, [str(program), "verify"], environment)
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux tells of the end in this way.
            break
        if not data:
            break
        stream.feed(data)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"{program} verify ended with {code}:\n" + "\n".join(screen.display).rstrip())
    return screen


def drawn(screen):
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    rows = [screen.buffer[row] for row in range(ROWS)]
    lines = ["".join(row[column].data for column in range(COLUMNS)).rstrip() for row in rows]
    last = max(index for index, line in enumerate(lines) if line)
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True, color_system="truecolor")
    for row, line in zip(rows[: last + 1], lines):
        text = Text()
        for column, character in enumerate(line):
            cell = row[column]
            colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow").replace("bright", "bright_")
            if colour and len(colour) == 6 and all(c in "0123456789abcdef" for c in colour):
                colour = "#" + colour
            text.append(character, Style(color=colour, bold=cell.bold or None))
        console.print(text, soft_wrap=True)
    return console.export_svg(title=TITLE, code_format=SVG, unique_id="demo")


def main():
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "target" / "release" / "holdfast"
    if not program.exists():
        sys.exit(f"{program} is not there: run `make demo` first")
    with_tools()
    picture = TOP / "docs" / "demo.svg"
    picture.write_text(drawn(shown_by(program.resolve())))
    print(f"{picture.relative_to(TOP)} is drawn")


main()
