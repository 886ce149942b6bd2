"""The graph as sets in Python: what each call answers, and what each viewer sees."""

from dataclasses import dataclass, field

Pair = tuple[str, str]
Answer = int | str


@dataclass
class Graph:
    """Users by name; edges, blocks and mutes by pair, with their place in lists."""

    names: list[str]
    edges: dict[Pair, int] = field(default_factory=dict)
    parked: dict[Pair, int] = field(default_factory=dict)
    blocks: dict[Pair, int] = field(default_factory=dict)
    mutes: dict[Pair, int] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    last: int = 0

    # -- who sees whom -----------------------------------------------------------------

    def meets(self, viewer: str, other: str) -> bool:
        """Return whether a viewer may meet a user by name."""
        return other not in self.suspended and (other, viewer) not in self.blocks

    def lists(self, viewer: str, other: str) -> bool:
        """Return whether a viewer may meet a user in lists."""
        return self.meets(viewer, other) and (viewer, other) not in self.blocks

    def directory(self, viewer: str) -> list[str]:
        """Return all whom the directory shows."""
        return [name for name in self.names if self.lists(viewer, name)]

    def followers(self, viewer: str, owner: str) -> list[str]:
        """Return the followers of a user whom the viewer meets, newest first."""
        found = [pair[0] for pair in newest(self.edges) if pair[1] == owner]
        return [name for name in found if self.lists(viewer, name)]

    def following(self, viewer: str, owner: str) -> list[str]:
        """Return the users followed by a user whom the viewer meets, newest first."""
        found = [pair[1] for pair in newest(self.edges) if pair[0] == owner]
        return [name for name in found if self.lists(viewer, name)]

    def numbers(self, owner: str) -> tuple[int, int]:
        """Return how many follow a user, and how many the user follows."""
        return (
            sum(pair[1] == owner for pair in self.edges),
            sum(pair[0] == owner for pair in self.edges),
        )

    def blocked(self, viewer: str) -> list[str]:
        """Return the viewer's blocks, newest first."""
        found = [pair[1] for pair in newest(self.blocks) if pair[0] == viewer]
        return [name for name in found if name not in self.suspended]

    def muted(self, viewer: str) -> list[str]:
        """Return the viewer's mutes, newest first."""
        found = [pair[1] for pair in newest(self.mutes) if pair[0] == viewer]
        return [
            name
            for name in found
            if self.meets(viewer, name)
            or (name not in self.suspended and (viewer, name) in self.blocks)
        ]

    # -- what calls do and answer ------------------------------------------------------

    def follow(self, viewer: str, other: str, *, is_put: bool) -> Answer:
        """Follow; return the status or the code."""
        if not self.meets(viewer, other):
            return "user_not_found"
        if viewer == other:
            return "cannot_follow_self"
        if (viewer, other) in self.blocks:
            return "blocking"
        if (viewer, other) in self.edges:
            return 200 if is_put else "already_following"
        self.edges[viewer, other] = self._next()
        return 201

    def end(self, viewer: str, other: str, edge: Pair, missing: Answer) -> Answer:
        """End an edge; `missing` is the answer if there is none."""
        if not self.meets(viewer, other):
            return "user_not_found"
        if viewer == other:
            return "cannot_follow_self"
        return missing if self.edges.pop(edge, None) is None else 200

    def block(self, viewer: str, other: str) -> Answer:
        """Block, which ends the edges both ways."""
        answer = self._target(viewer, other)
        if answer == 200 and (viewer, other) not in self.blocks:
            self.blocks[viewer, other] = self._next()
            self.edges.pop((viewer, other), None)
            self.edges.pop((other, viewer), None)
        return answer

    def mute(self, viewer: str, other: str) -> Answer:
        """Mute, or mute again, which leaves the mute at its place."""
        answer = self._target(viewer, other)
        if answer == 200:
            self.mutes.setdefault((viewer, other), self._next())
        return answer

    def take_back(self, of: dict[Pair, int], viewer: str, other: str) -> Answer:
        """Unblock or unmute."""
        answer = self._target(viewer, other)
        if answer == 200:
            of.pop((viewer, other), None)
        return answer

    def suspend(self, name: str) -> None:
        """Suspend a user, whose edges are parked."""
        self.suspended.add(name)
        for pair in [pair for pair in self.edges if name in pair]:
            self.parked[pair] = self.edges.pop(pair)

    def restore(self, name: str) -> None:
        """Restore a user, with the edges to those who are not suspended."""
        self.suspended.discard(name)
        for pair in [pair for pair in self.parked if not self.suspended & {*pair}]:
            self.edges[pair] = self.parked.pop(pair)

    def _target(self, viewer: str, other: str) -> Answer:
        if other in self.suspended:
            return "user_not_found"
        return "cannot_target_self" if viewer == other else 200

    def _next(self) -> int:
        self.last += 1
        return self.last


def newest(places: dict[Pair, int]) -> list[Pair]:
    """Return pairs in the order of a list."""
    return sorted(places, key=lambda pair: -places[pair])
