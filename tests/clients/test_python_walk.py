"""The Python client beside the served product: each call does what it is named for."""

from pathlib import Path

import httpx
import pytest
from careers_users_client import CareersUsers, CareersUsersError

from tests.clients.conftest import PASSWORD, SERVICE_TOKEN, Join, Person, Served
from tests.live_server import ROOT, until
from tests.mailbox import Received, parsed


def mail_to(served: Served, address: str, purpose: str) -> Received:
    """Return the mail of a purpose that an address has got, once it has come."""
    found: list[Received] = []

    def has_come() -> bool:
        paths = Path(served.folder / "mail").glob("*.eml")
        mails = [parsed(path) for path in paths]
        found[:] = [m for m in mails if (m.to, m.purpose) == (address, purpose)]
        return bool(found)

    until(has_come)
    return found[0]


def test_the_walk_of_the_document(served: Served, bob: Person) -> None:
    with CareersUsers(served.url) as client:
        user = client.register(
            username="alice",
            email="alice@example.com",
            password="password123",
            password_confirm="password123",
            first_name="Alice",
            last_name="Smith",
            bio="Software developer passionate about APIs",
        )
        assert (user["username"], user["avatar"]) == ("alice", None)
        assert (
            client.login(username="alice", password="password123")["id"] == user["id"]
        )
        client.refresh_tokens()
        found = client.list_users(search="passionate", batch_size=10, batch_number=0)
        assert [card["username"] for card in found["users"]] == ["alice"]
        assert client.get_profile("ALICE")["bio"] == user["bio"]
        assert client.get_own_profile()["email"] == "alice@example.com"
        changed = client.update_profile(
            last_name="Johnson", avatar="https://example.com/new-avatar.jpg"
        )
        assert (changed["first_name"], changed["last_name"]) == ("Alice", "Johnson")
        row = client.follow(username=bob.name)
        assert row["follower"] == user["id"]
        assert client.list_own_following()["results"] == [row]
        assert client.list_followers(bob.name)["results"][0]["username"] == "alice"
        assert client.list_following("me")["results"][0]["is_following"] is True
        assert client.get_own_stats()["following_count"] == 1
        assert client.get_stats(bob.name)["followers_count"] == 1
        client.unfollow(bob.name)
        assert client.get_own_stats()["following_count"] == 0
        client.logout()
        assert client.store.get() is None
        client.logout()  # Once more is no error.


def test_the_code_in_the_readme(
    alice: Person, bob: Person, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "clients/python/README.md").read_text("utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    for shown, real in (
        ("http://127.0.0.1:8000", served.url),
        ('"alice"', repr(alice.name)),
        ("password123", PASSWORD),
    ):
        assert shown in code
        code = code.replace(shown, real)
    bob.client.follow(username=alice.name)

    exec(code, {})

    assert capsys.readouterr().out == f"{bob.name}\n"


def test_follows_that_may_be_repeated(alice: Person, bob: Person) -> None:
    edge = alice.client.ensure_following(bob.name)
    assert alice.client.ensure_following(bob.name) == edge
    (row,) = alice.client.get_relationships(ids=[edge["following"]])["results"]
    assert (row["following"], row["blocking"]) == (True, False)
    assert bob.client.list_own_followers()["results"] == [edge]
    bob.client.remove_follower(alice.name)
    assert bob.client.list_own_followers()["count"] == 0
    alice.client.ensure_not_following(bob.name)


def test_blocks_and_mutes(alice: Person, bob: Person) -> None:
    alice.client.follow(username=bob.name)
    assert alice.client.mute(bob.name)["muted_until"] is None
    assert alice.client.mute(bob.name, duration=3600)["muted_until"] is not None
    assert alice.client.list_own_following(muted="exclude")["count"] == 0
    assert [user["username"] for user in alice.client.iter_mutes()] == [bob.name]
    alice.client.unmute(bob.name)
    assert alice.client.list_mutes()["count"] == 0
    alice.client.block(bob.name)
    assert [user["username"] for user in alice.client.iter_blocks()] == [bob.name]
    with pytest.raises(CareersUsersError) as caught:
        bob.client.get_profile(alice.name)
    assert caught.value.code == "user_not_found"
    alice.client.unblock(bob.name)
    assert alice.client.list_blocks()["count"] == 0


def test_iterators_meet_everyone_once(join: Join, alice: Person) -> None:
    others = [join() for _ in range(5)]
    for other in others:
        other.client.follow(username=alice.name)
        alice.client.follow(username=other.name)
    names = [other.name for other in reversed(others)]
    client = alice.client

    for rows in (
        client.iter_followers(alice.name, batch_size=2),
        client.iter_following(alice.name, batch_size=2),
        client.iter_following("me", batch_size=2, muted="exclude"),
    ):
        assert [row["username"] for row in rows] == names
    mine = client.iter_own_following(batch_size=2)
    assert [row["following_username"] for row in mine] == names
    theirs = client.iter_own_followers(batch_size=2)
    assert [row["follower_username"] for row in theirs] == names
    ids = [edge["following"] for edge in client.iter_own_following()]
    found = client.iter_users(ids=ids, batch_size=2, ordering="-created_at")
    assert {row["username"] for row in found} == set(names)
    assert list(client.iter_users(search="no such user at all")) == []


def test_an_expired_token_between_two_batches(join: Join, alice: Person) -> None:
    for _ in range(3):
        join().client.follow(username=alice.name)
    rows = alice.client.iter_own_followers(batch_size=1)

    next(rows)
    alice.expire("access")

    assert len(list(rows)) == 2


def test_sessions(alice: Person, served: Served) -> None:
    with CareersUsers(served.url) as phone, CareersUsers(served.url) as tablet:
        for client in (phone, tablet):
            client.login(username=alice.name, password=PASSWORD)
        assert alice.client.list_sessions()["count"] == 3
        (mine,) = [s for s in phone.list_sessions()["results"] if s["current"]]
        assert mine["device"].startswith("careers-users-client/")
        alice.client.end_session(mine["id"])
        with pytest.raises(CareersUsersError):
            phone.get_own_profile()
        assert alice.client.logout_all(keep_current=True)["count"] == 1
        assert alice.client.logout_all()["count"] == 1
        assert alice.client.store.get() is None


def test_a_log_out_of_a_session_that_has_ended_is_no_error(
    alice: Person, served: Served
) -> None:
    with CareersUsers(served.url) as elsewhere:
        elsewhere.login(username=alice.name, password=PASSWORD)
        elsewhere.logout_all(keep_current=True)

    alice.client.logout()

    assert alice.client.store.get() is None


def test_a_log_out_that_fails_forgets_the_tokens(alice: Person) -> None:
    alice.wire.disturb("POST logout/", lambda _: httpx.Response(503, json={}))

    with pytest.raises(CareersUsersError):
        alice.client.logout()

    assert alice.client.store.get() is None


def test_a_log_out_with_an_expired_token_ends_the_session(alice: Person) -> None:
    before = alice.tokens
    alice.expire("access")

    alice.client.logout()

    alice.client.store.set(before)
    with pytest.raises(CareersUsersError) as caught:
        alice.client.get_own_profile()
    assert caught.value.code == "token_revoked"


def test_the_account(alice: Person, served: Served) -> None:
    client, address = alice.client, f"{alice.name}@example.com"
    client.verify_email(token=mail_to(served, address, "verify").token)
    assert client.get_security()["email_verified"] is True
    client.send_verification()
    client.confirm_session(password=PASSWORD)
    client.update_profile(email=f"new-{address}")
    assert client.get_security()["pending_email"] == f"new-{address}"
    for place, side, waits_for in (
        (f"new-{address}", "new", "old"),
        (address, "old", None),
    ):
        token = mail_to(served, place, f"change-{side}").token
        assert client.confirm_email_change(token=token)["waiting_for"] == waits_for
    client.change_password(
        old_password=PASSWORD, password="another one", password_confirm="another one"
    )
    events = [event["event"] for event in client.iter_activity(batch_size=3)]
    assert events[0] == "password_changed"
    assert events[-1] == "registered"
    assert len(client.list_activity(batch_size=3)["results"]) == 3
    client.reset_password(username=alice.name)
    token = mail_to(served, f"new-{address}", "reset").token
    client.confirm_password_reset(
        token=token, password=PASSWORD, password_confirm=PASSWORD
    )
    client.login(username=alice.name, password=PASSWORD)
    assert client.export_account()["account"]["username"] == alice.name
    client.delete_account(password=PASSWORD)
    assert client.store.get() is None


def test_a_sister_service(served: Served, alice: Person) -> None:
    with CareersUsers(served.url, service_token=SERVICE_TOKEN) as service:
        reply = service.report_events(
            {
                "specversion": "1.0",
                "id": alice.name,
                "source": "https://posts.example.com",
                "type": "post.created",
                "time": "2024-01-15T10:30:00Z",
                "data": {"author_username": alice.name},
            }
        )
        assert reply["results"][0]["status"] == "applied"
        (user,) = service.list_users(ids=[alice.client.get_own_profile()["id"]])[
            "users"
        ]
        assert user["username"] == alice.name
    assert alice.client.get_own_stats()["posts_count"] == 1
