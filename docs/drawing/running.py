"""The service as it runs in production: who talks to whom."""

from docs.drawing.svg import COLOURS, GREY, PAPER, Sheet

WIDTH, HEIGHT = 1160.0, 500.0
TOP, BOX = 96.0, 360.0
SLATE, BLUE, GREEN, BROWN, *_ = COLOURS
NGINX = [
    *("TLS", "says who the client is", "keeps connections"),
    *("asks another instance", "when one is gone"),
]
POSTGRESQL = [
    *("users, follows,", "counters, sessions"),
    *("decides what is", "unique and in order"),
]


def draw() -> str:
    """Return the picture."""
    sheet = Sheet("careers_users in production", "clients, nginx, instances, database")
    sheet.text(32, 44, "In production", size=22, bold=True)
    words = "Files for all of it are in deploy/; nginx and the instances may repeat."
    sheet.text(32, 68, words, fill=GREY)
    _box(sheet, 32, 150, SLATE, "clients", ["browsers,", "apps,", "other services"])
    _box(sheet, 270, 190, BLUE, "nginx", NGINX)
    _instance(sheet, TOP, "instance, port 8001")
    _instance(sheet, TOP + 190, "instance, port 8002")
    _box(sheet, 938, 190, BROWN, "PostgreSQL", POSTGRESQL)
    middle = TOP + BOX / 2
    _hop(sheet, 182, 270, middle, middle, "https")
    for y in (TOP + 85, TOP + 275):
        _hop(sheet, 460, 550, middle, y, "http")
        _hop(sheet, 850, 938, y, middle, "SQL")
    return sheet.render(WIDTH, HEIGHT)


def _box(
    sheet: Sheet,
    x: float,
    width: float,
    colours: tuple[str, str],
    title: str,
    lines: list[str],
) -> None:
    strong, pale = colours
    sheet.box(x, TOP, width, BOX, fill=pale, stroke=strong)
    sheet.box(x, TOP, width, 36, fill=strong)
    middle = x + width / 2
    sheet.text(middle, TOP + 24, title, size=14, fill=PAPER, anchor="middle", bold=True)
    first = TOP + 36 + (BOX - 36) / 2 - 10 * (len(lines) - 1) + 4
    for number, line in enumerate(lines):
        sheet.text(middle, first + 20 * number, line, anchor="middle")


def _instance(sheet: Sheet, y: float, title: str) -> None:
    strong, pale = GREEN
    sheet.box(550, y, 300, 170, fill=pale, stroke=strong)
    sheet.box(550, y, 300, 36, fill=strong)
    sheet.text(700, y + 24, title, size=14, fill=PAPER, anchor="middle", bold=True)
    sheet.text(566, y + 58, "supervisor: one socket, starts and replaces", fill=GREY)
    for number in range(2):
        x = 566 + number * 138
        sheet.box(x, y + 70, 130, 84, fill=PAPER, stroke=strong)
        sheet.text(x + 65, y + 92, "worker process", anchor="middle", bold=True)
        for line, words in enumerate(["threads", "pool of connections"]):
            place = (x + 65, y + 114 + 20 * line)
            sheet.text(*place, words, size=11.5, fill=GREY, anchor="middle")


def _hop(sheet: Sheet, x0: float, x1: float, y0: float, y1: float, label: str) -> None:
    bend = (x0 + x1) / 2
    sheet.arrow([(x0, y0), (bend, y0), (bend, y1), (x1, y1)])
    end = y1 if y0 != y1 else y0
    sheet.text(x1 - 26, end - 8, label, size=11, fill=GREY, anchor="middle")
