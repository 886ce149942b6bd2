"""How much memory a server has at hand."""

from pathlib import Path

MEGABYTE = 1024 * 1024


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, with theirs; Linux only."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for word in (task / "children").read_text().split():
            found += [int(word), *children(int(word))]
    return found


def resident(pid: int) -> int:
    """Return the bytes that the processes below this one have in memory together."""
    total = 0
    for each in children(pid):
        for line in Path(f"/proc/{each}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total
