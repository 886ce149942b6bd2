"""The commands for single accounts: `users ...` and `auth revoke`."""

import logging
from functools import partial

import pytest
from flask import Flask

from careers_users.account import service as account_service
from tests.api import PASSWORD, Account, Api
from tests.auth.stored import at_once, change_user, sessions
from tests.cli.command import done, lines_of_json, refused, run
from tests.live_server import wrong_counters

ANOTHER = "a better password"
REGISTRATION = {"password": PASSWORD, "password_confirm": PASSWORD}


def status_of_login(api: Api, username: str, password: str = PASSWORD) -> int:
    """Log in; return the status."""
    body = {"username": username, "password": password}
    return api.post("login/", body).status_code


def assert_signed_out(api: Api, account: Account) -> None:
    """Assert that both tokens of an account are refused."""
    assert api.get("me/", token=account.access).json["code"] == "token_revoked"
    refreshed = api.post("token/refresh/", {"refresh": account.refresh})
    assert refreshed.status_code == 401


# -- create ----------------------------------------------------------------------------


def test_create_makes_an_account_like_a_registered_one(api: Api, app: Flask) -> None:
    words = ("users", "create", "Alice", "alice@example.com", "--password-stdin")
    names = ("--first-name", "Alice", "--bio", "Likes chess", "--json")
    made = lines_of_json(done(app, *words, *names, stdin=f"{PASSWORD}\n"))[0]

    assert (made["username"], made["email"]) == ("Alice", "alice@example.com")
    assert status_of_login(api, "alice") == 200
    profile = api.get("alice/").json
    assert (profile["id"], profile["bio"]) == (made["id"], "Likes chess")
    batch = api.get("?search=chess").json
    assert batch["batch_info"]["total_users"] == 1
    assert done(app, "users", "recount", "--check") == "All counters are right.\n"


@pytest.mark.parametrize(
    ("username", "email", "password", "said"),
    [
        ("al", "al@example.com", PASSWORD, "username: Use 3 to 30"),
        ("admin", "al@example.com", PASSWORD, "username: This name is reserved."),
        ("alice", "nobody", PASSWORD, "email: Not a valid email address."),
        ("alice", "al@example.com", "short", "password: Length must be"),
        ("alice", "al@example.com", "", "password: Length must be"),
        ("alicealice", "al@example.com", "alicealice", "password: Must not be the"),
        ("BOB", "al@example.com", PASSWORD, "This username is already taken"),
        ("alice", "BOB@example.com", PASSWORD, "email address is already registered"),
    ],
)
def test_create_refuses_what_registration_refuses(
    api: Api, app: Flask, username: str, email: str, password: str, said: str
) -> None:
    api.register("bob")
    words = ("users", "create", username, email, "--password-stdin")
    message = refused(app, *words, stdin=f"{password}\n")
    assert message.startswith("careers-users: ")
    assert said in message
    assert api.get("").json["batch_info"]["total_users"] == 1


def test_a_password_is_never_an_argument_and_needs_a_terminal(app: Flask) -> None:
    words = ("users", "create", "alice", "alice@example.com")
    assert "--password-stdin" in refused(app, *words, code=2, stdin=f"{PASSWORD}\n")
    refused(app, *words, "--password", PASSWORD, code=2)


# -- show and list ---------------------------------------------------------------------


def test_show_tells_all_but_the_hash(api: Api, app: Flask) -> None:
    alice = api.register("Alice", first_name="Zoë")
    api.post("login/", {"username": "alice", "password": PASSWORD})
    api.register("bob")
    api.post("follow/", {"username": "bob"}, token=alice.access)
    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)

    for name in ("alice", "ALICE@example.com"):
        shown = lines_of_json(done(app, "users", "show", name, "--json"))[0]
        assert shown["id"] == alice.id
        assert (shown["first_name"], shown["password"]) == ("Zoë", "argon2id")
        assert (shown["sessions"], shown["following_count"]) == (1, 1)
        assert shown["created_at"].endswith("Z")
    text = done(app, "users", "show", "alice")
    assert "alice@example.com" in text.lower()
    assert "$argon2" not in text
    change_user(app, "bob", password_hash="!")
    assert '"password": "unusable"' in done(app, "users", "show", "bob", "--json")


def test_list_finds_and_limits(api: Api, app: Flask) -> None:
    for name in ("alice", "bob", "carol"):
        api.register(name, bio="Plays 100%_" if name == "bob" else "")
    done(app, "users", "deactivate", "carol")

    def names(*options: str) -> list[str]:
        output = done(app, "users", "list", "--json", *options)
        return [user["username"] for user in lines_of_json(output)]

    assert names() == ["alice", "bob", "carol"]
    assert names("--limit", "0") == ["alice", "bob", "carol"]
    assert names("--search", "100%_") == ["bob"]
    assert names("--search", "CAROL@") == ["carol"]
    assert names("--search", "nobody") == []
    assert names("--inactive") == ["carol"]
    result = run(app, "users", "list", "--limit", "2")
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["alice", "bob"]
    assert result.stderr == "There are more than 2: see --limit.\n"


# -- sessions and passwords ------------------------------------------------------------


def test_deactivate_ends_sessions_and_activate_lets_in_again(
    api: Api, app: Flask
) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    assert done(app, "users", "deactivate", "Alice") == (
        "Deactivated alice; 1 sessions ended.\n"
    )
    assert_signed_out(api, alice)
    assert status_of_login(api, "alice") == 401
    assert api.get("me/", token=bob.access).status_code == 200
    reasons = {row["revoked_reason"] for row in sessions(app).values()}
    assert reasons == {None, "deactivated"}

    assert done(app, "users", "activate", "alice") == "Activated alice.\n"
    assert_signed_out(api, alice)
    assert status_of_login(api, "alice") == 200


def test_set_password_ends_sessions(api: Api, app: Flask) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    words = ("users", "set-password", "alice", "--password-stdin")
    for bad in ("short", "ALICE@example.com", ""):
        assert "password: " in refused(app, *words, stdin=f"{bad}\n")
    assert api.get("me/", token=alice.access).status_code == 200

    said = done(app, *words, stdin=f"{ANOTHER}\r\n")
    assert said == "Changed the password of alice; 1 sessions ended.\n"
    assert_signed_out(api, alice)
    assert status_of_login(api, "alice") == 401
    assert status_of_login(api, "alice", ANOTHER) == 200
    assert api.get("me/", token=bob.access).status_code == 200


def test_revoke_signs_out_and_lets_in_again(api: Api, app: Flask) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    api.post("login/", {"username": "alice", "password": PASSWORD})
    said = done(app, "auth", "revoke", "alice@example.com")
    assert said == "alice is signed out: 2 sessions ended.\n"
    assert_signed_out(api, alice)
    assert status_of_login(api, "alice") == 200
    assert api.get("me/", token=bob.access).status_code == 200


# -- delete ----------------------------------------------------------------------------


def test_delete_asks_and_keeps_the_counters_of_others_exact(
    api: Api, app: Flask, database_url: str
) -> None:
    alice, bob, carol = (api.register(name) for name in ("alice", "bob", "carol"))
    for one, other in ((alice, bob), (bob, alice), (carol, alice), (carol, bob)):
        api.post("follow/", {"following": other.id}, token=one.access)

    result = run(app, "users", "delete", "alice", stdin="n\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Delete alice (alice@example.com, number {alice.id})?" in result.stderr
    assert api.get("alice/").status_code == 200

    assert done(app, "users", "delete", "alice", "--yes") == "Deleted alice.\n"
    assert api.get("alice/").status_code == 404
    assert_signed_out(api, alice)
    assert wrong_counters(database_url) == []
    numbers = [
        (profile["followers_count"], profile["following_count"])
        for profile in (api.get("bob/").json, api.get("carol/").json)
    ]
    assert numbers == [(1, 0), (0, 1)]
    assert api.get("").json["batch_info"]["total_users"] == 2
    # The address is free again, and the name reserved for a time.
    assert api.register("alicia", email="alice@example.com").id > carol.id
    wanted = {**REGISTRATION, "username": "alice", "email": "other@example.com"}
    assert api.post("register/", wanted).json["code"] == "username_taken"


def test_delete_while_others_follow_and_unfollow(
    api: Api, app: Flask, database_url: str
) -> None:
    star = api.register("star")
    fans = [api.register(f"fan{number}") for number in range(6)]
    for fan in fans[:3]:
        api.post("follow/", {"following": star.id}, token=fan.access)

    def leave(fan: Account) -> int:
        return api.delete("star/unfollow/", token=fan.access).status_code

    def join(fan: Account) -> int:
        body = {"following": star.id}
        return api.post("follow/", body, token=fan.access).status_code

    calls = [partial(leave, fan) for fan in fans[:3]]
    calls += [partial(join, fan) for fan in fans[3:]]
    *statuses, _ = at_once(*calls, lambda: accounts_removed(app, star.id))
    assert set(statuses[:3]) <= {200, 404}
    assert set(statuses[3:]) <= {201, 404}
    assert wrong_counters(database_url) == []
    assert api.get("star/").status_code == 404


def accounts_removed(app: Flask, user_id: int) -> None:
    """Delete an account as the command does, in a thread of its own."""
    with app.app_context():
        account_service.delete_account(user_id, by="operator")


@pytest.mark.parametrize(
    "words",
    [
        ("users", "show"),
        ("users", "deactivate"),
        ("users", "activate"),
        ("users", "set-password", "--password-stdin"),
        ("users", "delete", "--yes"),
        ("auth", "revoke"),
    ],
)
def test_no_user_is_found_under_a_name_that_no_user_has(
    app: Flask, words: tuple[str, ...]
) -> None:
    for name in ("nobody", "nobody@example.com"):
        said = refused(app, *words, name, stdin=f"{PASSWORD}\n")
        assert said == "careers-users: There is no such user.\n"


def test_actions_of_an_operator_are_recorded(
    api: Api, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    alice = api.register("alice")
    caplog.set_level(logging.INFO, "careers_users.security")
    caplog.clear()
    for words in (
        ("users", "deactivate"),
        ("users", "activate"),
        ("users", "set-password", "--password-stdin"),
        ("auth", "revoke"),
        ("users", "delete", "--yes"),
    ):
        done(app, *words, "alice", stdin=f"{ANOTHER}\n")
    records = [r for r in caplog.records if r.name == "careers_users.security"]
    assert [record.getMessage() for record in records] == [
        "account_deactivated",
        "account_activated",
        "password_changed",
        "session_ended",
        "account_deleted",
    ]
    assert {vars(record)["user_id"] for record in records} == {alice.id}
    assert {vars(record)["details"]["by"] for record in records} == {"operator"}
    assert ANOTHER not in caplog.text
