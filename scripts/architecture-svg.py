#!/usr/bin/env python3
"""Writes docs/architecture.svg, the drawing of docs/architecture.md: python3 scripts/architecture-svg.py

The tables below are the drawing's text; the rest of this file lays them out. Needs nothing but Python.
"""

from html import escape
from pathlib import Path

# Rooms of src/, and the package cli/, the highest floor first. A room may use rooms of its own floor (left of it) and of floors below.
FLOORS = [
    ("front doors", ["ffi < C, C++, Node", "cli/, the program"]),
    ("around the pool", ["queue", "exposition"]),
    ("who gets a connection", ["pool"]),
    ("typed API", ["sql"]),
    ("opening a session", ["connect"]),
    ("statements and results", ["session"]),
    ("bytes under a deadline", ["link"]),
    ("decisions and settings; no network", ["resilience", "observe", "protocol", "config"]),
    ("used by all", ["sys", "error"]),
]

# The life of a connection: boxes by name, with column, row and a second line.
STATES = {
    "opening": (0, 0, "capacity, slot, dial, TLS, auth, role"),
    "in use": (1, 0, "one caller; statements, COPY, guest"),
    "idle": (0, 1, "15 s at most; polled before reuse"),
    "settling": (1, 1, "on a worker: cancel, drain, roll back"),
    "departing": (0, 2, "counts until the server has let go"),
    "gone": (1, 2, "Place dropped, next waiter woken"),
}
# From, to, what causes it.
MOVES = [
    ("opening", "in use", "opened for a caller"),
    ("opening", "idle", "min_idle"),
    ("idle", "in use", "get: validate"),
    ("in use", "idle", "clean"),
    ("in use", "settling", "unclean"),
    ("settling", "idle", "at rest"),
    ("idle", "departing", "idle, old, dead, role"),
    ("settling", "departing", "1 s is over"),
    ("departing", "gone", ""),
]

# The life of pool.query(text, params): room, what happens there.
QUERY = [
    ("pool", "get a connection: idle, handed over, or opened"),
    ("sql", "find the description; write ToSql values"),
    ("session", "Bind + Execute + Sync, with Parse and names to close if needed"),
    ("link", "send; wait for bytes until the deadline; follow the status"),
    ("session", "read DataRow into one block; judge an error: stale? run again"),
    ("sql", "Row values by FromSql, from the block"),
    ("pool", "give back: clean at once, or settle on a worker"),
]

FONT = "font-family='Helvetica,Arial,sans-serif'"
INK, LINE, SOFT, WARM, COOL = "#1c2733", "#66788a", "#eef2f6", "#fdf1dc", "#e2f0ea"


def text(x, y, words, size=12, anchor="middle", weight="normal", fill=INK):
    return (f"<text x='{x:g}' y='{y:g}' {FONT} font-size='{size}' font-weight='{weight}' "
            f"text-anchor='{anchor}' fill='{fill}'>{escape(words)}</text>")


def box(x, y, width, height, fill):
    return (f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='5' "
            f"fill='{fill}' stroke='{LINE}'/>")


def arrow(x1, y1, x2, y2):
    return f"<line x1='{x1:g}' y1='{y1:g}' x2='{x2:g}' y2='{y2:g}' stroke='{LINE}' marker-end='url(#tip)'/>"


def floors(left, top):
    out = [text(left, top, "Rooms of src/: each uses the floors below", 14, "start", "bold")]
    width, height, gap = 400, 44, 24
    for number, (what, rooms) in enumerate(FLOORS):
        y = top + 16 + number * (height + gap)
        share = width / len(rooms)
        for place, room in enumerate(rooms):
            out.append(box(left + place * share + 2, y, share - 4, height - 14, SOFT))
            out.append(text(left + (place + 0.5) * share, y + 20, room, 12, "middle", "bold"))
        out.append(text(left + 4, y + height - 2, what, 10, "start", fill=LINE))
        if number + 1 < len(FLOORS):
            out.append(arrow(left + width / 2, y + height - 12, left + width / 2, y + height + gap - 3))
    return out


def life(left, top):
    out = [text(left, top, "The life of a connection", 14, "start", "bold")]
    width, height, across, down = 225, 42, 365, 122

    def place(name):
        column, row, _ = STATES[name]
        return left + column * across, top + 16 + row * down

    for name, (_, _, what) in STATES.items():
        x, y = place(name)
        out += [box(x, y, width, height, WARM), text(x + width / 2, y + 17, name, 12, "middle", "bold"),
                text(x + width / 2, y + 33, what, 10)]
    for start, end, why in MOVES:
        (x1, y1), (x2, y2) = place(start), place(end)
        back = (end, start) in [(a, b) for a, b, _ in MOVES]
        shift = (9 if x2 < x1 else -9) if back else 0
        if y1 == y2:
            a, b = (x1 + width, x2) if x2 > x1 else (x1, x2 + width)
            line = (a, y1 + height / 2, b, y2 + height / 2)
        elif x1 == x2:
            line = (x1 + width / 2, y1 + height, x2 + width / 2, y2)
        else:
            rises = y2 < y1
            a = x1 + width if x2 > x1 else x1
            b = x2 if x2 > x1 else x2 + width
            line = (a, y1 + (10 if rises else height - 10) + shift, b, y2 + (height - 10 if rises else 10) + shift)
        out.append(arrow(*line))
        if why:
            if x1 == x2:
                out.append(text((line[0] + line[2]) / 2 + 6, (line[1] + line[3]) / 2 + 4, why, 10, "start"))
            else:
                x = line[0] + (line[2] - line[0]) * (0.4 if back else 0.5)
                y = line[1] + (line[3] - line[1]) * (0.4 if back else 0.5) + (14 if shift > 0 else -6)
                out.append(text(x, y, why, 10))
    return out


def query(left, top):
    out = [text(left, top, "The life of pool.query(text, params)", 14, "start", "bold")]
    for number, (room, what) in enumerate(QUERY):
        y = top + 14 + number * 34
        out += [box(left, y, 74, 24, COOL), text(left + 37, y + 16, room, 12, "middle", "bold"),
                text(left + 86, y + 16, what, 12, "start")]
        if number + 1 < len(QUERY):
            out.append(arrow(left + 37, y + 24, left + 37, y + 33))
    return out


def main():
    width, height = 1090, 660
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'>",
        "<!-- Written by scripts/architecture-svg.py; change the tables there. -->",
        "<title>Holdfast: rooms, the life of a connection, the life of a query</title>",
        f"<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
        f"<path d='M0 0 L8 4 L0 8 z' fill='{LINE}'/></marker></defs>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        *floors(20, 30),
        *life(470, 30),
        *query(470, 402),
        "</svg>",
    ]
    target = Path(__file__).resolve().parent.parent / "docs" / "architecture.svg"
    target.write_text("\n".join(parts) + "\n")


main()
