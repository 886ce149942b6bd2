"""`users suspend` and `users restore`, and what other commands say of such users."""

from pathlib import Path

import pytest
from flask import Flask

from careers_users.account import parking
from tests.account.suspending import edges, follow, log_in, parked
from tests.api import PASSWORD, Account, Api
from tests.auth.stored import NOON, set_clock
from tests.cli.command import done, lines_of_json, refused, run
from tests.live_server import wrong_counters
from tests.stress.filled import app_on


@pytest.fixture
def pair(api: Api) -> tuple[Account, Account]:
    """Two users who follow each other."""
    alice, bob = api.register("alice"), api.register("bob")
    follow(api, alice, bob)
    follow(api, bob, alice)
    return alice, bob


def shown(app: Flask, name: str) -> dict[str, object]:
    """Return what `users show` says of a user."""
    output = done(app, "users", "show", name, "--json")
    found: dict[str, object] = lines_of_json(output)[0]
    return found


def names(app: Flask, *options: str) -> list[str]:
    """Return whom `users list` lists."""
    output = done(app, "users", "list", "--json", *options)
    return [user["username"] for user in lines_of_json(output)]


def test_suspend_and_restore(
    api: Api,
    app: Flask,
    pair: tuple[Account, Account],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_clock(monkeypatch, NOON)
    words = ("users", "suspend", "ALICE@example.com", "--reason", "spam")
    result = run(app, *words, "--until", "2031-06-01", "--note", "Sent 400 links")
    assert (result.exit_code, result.stdout) == (
        0,
        "Suspended alice for spam until 2031-06-01T00:00:00Z; 0 sessions ended.\n",
    )
    assert result.stderr == "Follows: 2 of 2\n"
    assert log_in(api, pair[0]).json["code"] == "account_suspended"
    assert len(parked(database_url)) == 2
    now = shown(app, "alice")
    assert (now["status"], now["suspension_reason"]) == ("suspended", "spam")
    assert now["suspended_at"] == "2031-05-17T12:00:00Z"
    assert now["suspended_until"] == "2031-06-01T00:00:00Z"
    assert (now["suspension_note"], now["parked_follows"]) == ("Sent 400 links", 2)
    said = done(app, "users", "audit", "alice")
    assert "by=operator reason=spam until=2031-06-01T00:00:00Z" in said

    assert done(app, "users", "restore", "alice") == "Restored alice.\n"
    assert log_in(api, pair[0]).status_code == 200
    now = shown(app, "alice")
    assert (now["status"], now["suspension_note"]) == ("active", None)
    assert (now["followers_count"], now["parked_follows"]) == (1, 0)
    assert done(app, "users", "restore", "alice") == "alice is not suspended.\n"
    assert wrong_counters(database_url) == []
    assert done(app, "users", "recount", "--check") == "All counters are right.\n"


@pytest.mark.usefixtures("pair")
def test_a_second_call_changes_what_is_said(app: Flask) -> None:
    first = ("users", "suspend", "alice", "--reason", "abuse", "--note", "A note")
    said = done(app, *first, "--until", "2999-01-01T10:00:00+02:00")
    assert said.endswith(" until 2999-01-01T08:00:00Z; 1 sessions ended.\n")
    again = done(app, "users", "suspend", "alice", "--reason", "legal")
    assert again == "Suspended alice for legal; 0 sessions ended.\n"
    now = shown(app, "alice")
    assert (now["suspension_reason"], now["suspended_until"]) == ("legal", None)
    assert now["suspension_note"] is None


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "Missing option '--reason'"),
        (("--reason", "rude"), 2, "'rude' is not one of"),
        (("--reason", "spam", "--until", "soon"), 2, "Not a time like"),
        (("--reason", "spam", "--until", "2020-01-01"), 2, "is in the past"),
        (("--reason", "spam", "--until", "0001-01-01T00:00:00+14:00"), 2, "Not a time"),
        (("--reason", "spam", "--note", "a\x07b"), 1, "note: Control and invisible"),
        (("--reason", "spam", "--note", "\udce4"), 1, "note: NUL and lone surrogate"),
        (("--reason", "spam", "--note", "a" * 1001), 1, "note: Longer than"),
    ],
)
@pytest.mark.usefixtures("pair")
def test_refusals_of_suspend(
    app: Flask, options: tuple[str, ...], code: int, said: str
) -> None:
    assert said in refused(app, "users", "suspend", "alice", *options, code=code)
    assert shown(app, "alice")["status"] == "active"


def test_no_user_is_found_under_a_name_that_no_user_has(app: Flask) -> None:
    for words in (("suspend", "--reason", "spam"), ("restore",)):
        said = refused(app, "users", *words, "nobody")
        assert said == "careers-users: There is no such user.\n"


def test_lists_tell_the_status(api: Api, app: Flask) -> None:
    for name in ("alice", "bob", "carol", "dora"):
        api.register(name)
    done(app, "users", "deactivate", "bob")
    done(app, "users", "deactivate", "carol")
    for name in ("carol", "dora"):
        done(app, "users", "suspend", name, "--reason", "spam")
    assert names(app, "--status", "active") == ["alice"]
    assert names(app, "--status", "inactive") == ["bob"]
    assert names(app, "--status", "suspended") == ["carol", "dora"]
    assert names(app, "--inactive") == ["bob", "carol"]
    lines = done(app, "users", "list").splitlines()
    states = [line.split()[2] for line in lines]
    assert states == ["active", "inactive", "suspended", "suspended"]


@pytest.mark.usefixtures("pair")
def test_ctrl_c_is_a_sentence_and_another_call_goes_on(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def interrupted(_user_id: int) -> int:
            raise KeyboardInterrupt

        patch.setattr(parking, "settle_batch", interrupted)
        words = ("users", "suspend", "alice", "--reason", "spam")
        assert "Run it again" in refused(app, *words, code=130)
    assert shown(app, "alice")["status"] == "suspended"
    assert len(edges(database_url)) == 2
    done(app, *words)
    assert (len(edges(database_url)), len(parked(database_url))) == (0, 2)


def test_a_suspended_user_can_be_deleted_and_get_a_password(
    api: Api, app: Flask, pair: tuple[Account, Account], database_url: str
) -> None:
    alice, _ = pair
    done(app, "users", "suspend", "alice", "--reason", "spam")
    words = ("users", "set-password", "alice", "--password-stdin")
    done(app, *words, stdin="another password\n")
    assert log_in(api, alice, "another password").json["code"] == "account_suspended"
    assert log_in(api, alice, PASSWORD).json["code"] == "invalid_credentials"
    done(app, "users", "delete", "alice", "--yes")
    assert parked(database_url) == []
    assert wrong_counters(database_url) == []
    assert api.get("").json["batch_info"]["total_users"] == 1


SAME = (
    "status suspended_at suspended_until suspension_reason suspension_note "
    "parked_follows followers_count"
).split()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_export_and_import_carry_the_suspension_and_the_edges(
    app: Flask,
    pair: tuple[Account, Account],
    other_url: str,
    tmp_path: Path,
    kind: str,
) -> None:
    words = ("users", "suspend", "alice", "--reason", "impersonation")
    done(app, *words, "--until", "2999-01-01", "--note", "Says to be bob,\ntoo")
    users, follows = (str(tmp_path / f"{name}.{kind}") for name in ("users", "follows"))
    done(app, "users", "export", users, "--with-passwords")
    done(app, "users", "export-follows", follows)

    with app_on(other_url) as there:
        assert done(there, "users", "import", users).startswith("Added 2 users")
        for added in (2, 0):
            said = done(there, "users", "import-follows", follows)
            assert said.startswith(f"Added {added} follows")
        for name in ("alice", "bob"):
            here, new = shown(app, name), shown(there, name)
            assert [new[column] for column in SAME] == [here[column] for column in SAME]
        assert (len(edges(other_url)), len(parked(other_url))) == (0, 2)
        assert wrong_counters(other_url) == []
        assert log_in(Api(there), pair[0]).json["code"] == "account_suspended"
        done(there, "users", "restore", "alice")
        assert len(edges(other_url)) == 2
