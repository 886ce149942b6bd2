"""GET / with a search or with filters by name."""

from typing import Any

import pytest
from sqlalchemy import delete

from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.words import SEPARATOR, searchable
from tests.api import Api
from tests.auth.stored import change_user
from tests.profile import plain_search

# A search has three ways: SQLite's trigram index, PostgreSQL's, and none.
pytestmark = pytest.mark.also_without_pg_trgm

PARAMETERS = ("search", "q", "first_name", "last_name")


def found(api: Api, **query: str) -> list[str]:
    """Return the names of whom a question finds, whose number the reply must know."""
    response = api.get("", query_string={"batch_size": "100", **query})
    assert response.status_code == 200, response.text
    reply: Any = response.json
    usernames = [card["username"] for card in reply["users"]]
    assert reply["batch_info"]["total_users"] == len(usernames)
    return usernames


def register_bios(api: Api, bios: list[str]) -> dict[str, str]:
    """Register a user for each bio, with a name that no bio contains."""
    return {
        bio: api.register(f"zz{number:02}zz", bio=bio).username
        for number, bio in enumerate(bios)
    }


def test_search_and_q_look_in_username_names_and_bio(api: Api) -> None:
    api.register("one_marble")
    api.register("two", first_name="Marbled")
    api.register("three", last_name="Van Marble")
    api.register("four", bio="I like marble, and dogs.")
    api.register("five", email="marble@example.com", avatar="https://marble.example/")

    for parameter in ("search", "q"):
        expected = ["four", "one_marble", "three", "two"]
        assert found(api, **{parameter: "marble"}) == expected
        assert found(api, **{parameter: "arb"}) == expected
        assert found(api, **{parameter: "marbles"}) == []
        assert found(api, **{parameter: ""}) == ["five", *expected]
    assert found(api, first_name="marble") == ["two"]
    assert found(api, last_name="marble") == ["three"]


def test_all_that_is_asked_must_hold(api: Api) -> None:
    api.register("anna", first_name="Anna", last_name="Berg", bio="climbs, swims")
    api.register("annabel", first_name="Annabel", last_name="Stone", bio="swims")
    api.register("hanna", first_name="Hanna", last_name="Bergman", bio="climbs")

    assert found(api, search="swims", q="climbs") == ["anna"]
    assert found(api, search="swims", first_name="anna") == ["anna", "annabel"]
    assert found(api, first_name="anna", last_name="berg") == ["anna", "hanna"]
    assert found(api, search="swims", last_name="b") == ["anna"]
    assert found(api, search="be", q="hann", first_name="na", last_name="g") == [
        "hanna"
    ]
    for wrong in PARAMETERS:
        query = dict.fromkeys(PARAMETERS, "n") | {wrong: "nowhere"}
        assert found(api, **query) == [], wrong


FULL_NAMES = [
    (
        "Emma",
        "Lindberg",
        ["emma lindberg", "lindberg EMMA", " emma,  lindb ", "mma erg"],
    ),
    (
        "José",
        "García",
        ["jose garcia", "JOSÉ GARCÍA", "jose\u0301 garcia", "jo ga", "j"],
    ),
    ("Łukasz", "Styczeń", ["lukasz", "łukasz styczen", "lu st"]),
    ("İstanbul", "Işık", ["istanbul", "ISTANBUL", "isik", "ışık", "is"]),
    ("ＦＵＬＬ", "Straße", ["full strasse", "FULL STRAẞE", "ｆｕ", "tras"]),
    ("Jean-Luc", "O'Neil", ["jean-luc", "lu", "o'neil", "ne", "o'", "luc neil"]),
    ("張偉", "かが", ["張偉", "偉", "張", "が", "かが"]),
    ("Σίσυφος", "Жуков", ["ΣΙΣΥΦΟΣ", "σισυφοσ", "жук", "Ж"]),
    ("علی\u200cرضا", "كَرِيم", ["علیرضا", "كريم"]),
]


def test_names_are_found_in_any_order_case_and_accent(api: Api) -> None:
    for number, (first_name, last_name, _) in enumerate(FULL_NAMES):
        names = {"first_name": first_name, "last_name": last_name}
        names = {name: value.replace("\u200c", "") for name, value in names.items()}
        api.register(f"zz{number:02}zz", **names)

    for number, (_, _, terms) in enumerate(FULL_NAMES):
        for term in terms:
            assert f"zz{number:02}zz" in found(api, search=term), term
    assert found(api, first_name="jose", last_name="arci") == ["zz01zz"]
    assert found(api, first_name=" JOSE\u0301 ") == ["zz01zz"]
    for term in ("emma garcia", "uc", "ei", "mm", "un", "ａｎｂ ul"):
        assert found(api, search=term) == [], term


def test_words_of_one_or_two_are_beginnings_or_whole_words_of_the_bio(
    api: Api,
) -> None:
    bios = [
        "UX and C#",
        "auxiliary",
        "u",
        "c++ c+ c",
        "a-ux.",
        "AI研究",
        "x_ai",
        "日本",
    ]
    usernames = register_bios(api, bios)
    api.register("ux.designer", last_name="Von (Aix)")

    for term, expected in (
        ("ux", ["UX and C#", "a-ux.", "ux.designer"]),
        ("c#", ["UX and C#"]),
        ("c+", ["c++ c+ c"]),
        ("c", ["c++ c+ c"]),
        ("u", ["u", "ux.designer"]),
        ("ai", ["x_ai", "ux.designer"]),
        ("研", ["AI研究"]),
        ("本", ["日本"]),
        ("日本", ["日本"]),
        ("d", ["ux.designer"]),
        ("(a", ["ux.designer"]),
        ("(", ["ux.designer"]),
        ("au", []),
    ):
        names = [usernames.get(name, name) for name in expected]
        assert found(api, search=term) == sorted(names), term


def test_a_search_is_of_at_most_10_words(api: Api) -> None:
    api.register("alice", bio=" ".join(f"word{number}" for number in range(12)))

    words = [f"word{number}" for number in range(11)]
    assert found(api, search=" ".join(words[:10])) == ["alice"]
    assert found(api, search=" ".join(words[:5]), q=",".join(words[5:10])) == ["alice"]
    for query, field in (
        ({"search": " ".join(words)}, "search"),
        ({"q": " ".join(["same"] * 11)}, "q"),
        ({"search": " ".join(words[:5]), "q": " ".join(words[5:])}, "search"),
    ):
        response = api.get("", query_string=query)
        assert response.status_code == 400
        assert response.json["code"] == "validation_failed"
        assert list(response.json["details"]) == [field]


def test_blank_limits_nothing_and_an_empty_folding_finds_no_user(api: Api) -> None:
    api.register("alice", first_name="Alice", last_name="Van Berg")

    for parameter in PARAMETERS:
        for blank in ("", " ", "\u3000\t"):
            assert found(api, **{parameter: blank}) == ["alice"], ascii(blank)
        for nothing in ("\u0301", "\u200d", " \u0323\ufe0f "):
            assert found(api, **{parameter: nothing}) == [], ascii(nothing)
    assert found(api, search=" , ") == ["alice"]
    assert found(api, search="\u0301 alice") == ["alice"]


def test_more_than_30_marks_in_a_row_are_refused(api: Api) -> None:
    api.register("alice", first_name="Alice")

    for parameter in PARAMETERS:
        assert found(api, **{parameter: "x" + "\u0301" * 30}) == []
        response = api.get("", query_string={parameter: "a" + "\u0301" * 31})
        assert response.status_code == 400
        assert list(response.json["details"]) == [parameter]


def test_words_mean_themselves(api: Api) -> None:
    literals = [
        *("100% sure", "100x sure", "snake_case", "snakeXcase", "back\\slash"),
        *('say "hi"', "say hi!", "it's", "its;", "--x", "a; DROP TABLE users; --a"),
        *("one AND two", "one OR two", "NOT two", "NEAR(one two, 5)", "one* two"),
        *("^one", "search_text : one", "-one", "+one two", "(one) OR (two)"),
        *("{one two}", "one + two", "?1 :x @y $z", "\\% \\_ \\\\", "''' \"\"\""),
        *("%s %(x)s {0}", "[a-c]+.*$", "\\u0041 &amp; %41", "<b>one</b>", "QQone"),
    ]
    usernames = register_bios(api, literals)
    users = {
        name: {"username": name, "first_name": "", "last_name": "", "bio": bio}
        for bio, name in usernames.items()
    }
    terms = [*literals, *(sign * 3 for sign in "%_\\\"'*-^:()+;{}?$&<.,@"), *'%_\\"*']
    terms += ["1%sure", "snake_as", "one_two", "NEAR", '""', "sna*", "rowid:1", "QQs"]

    for term in terms:
        query = {"search": term}
        expected = [n for n, user in users.items() if plain_search.passes(user, query)]
        assert found(api, **query) == expected, term


def test_characters_that_look_lost_are_told_apart(api: Api) -> None:
    # SQLite's index reads the two noncharacters as the third, the replacement. No
    # profile can have them now, but one from an earlier version may.
    for number, bio in enumerate(("x\ufffex", "x\uffffx", "x\ufffdx")):
        name = api.register(f"zz{number}zz").username
        change_user(api.app, name, bio=bio, **searchable(name, "", "", bio))
        assert found(api, search=bio) == [name], ascii(bio)


def test_words_are_found_over_lines_but_not_over_columns(api: Api) -> None:
    bio = "first line\nsecond\tline\n\nlast"
    api.register("annaberg", first_name="Anna", last_name="Berg", bio=bio)

    for term in ("line\nsecond", "line second", "last\tline", "annab rg first"):
        assert found(api, search=term) == (["annaberg"] if "rg" not in term else [])
    for term in (
        "bergfirst",
        f"anna{SEPARATOR}berg",
        SEPARATOR,
        f"a{SEPARATOR}",
        "qqa",
    ):
        assert found(api, search=term) == [], ascii(term)
        assert found(api, first_name=term) == [], ascii(term)


def test_name_filters_mean_themselves_too(api: Api) -> None:
    names = ["100%", "100x", "a_b", "acb", "\\", "O'Neil", 'The "Rock"', "x AND y"]
    for number, name in enumerate(names):
        fields = {"first_name": name, "last_name": names[-1 - number]}
        api.register(f"user{number}", **fields)

    for number, name in enumerate(names):
        assert found(api, first_name=name) == [f"user{number}"]
        assert found(api, last_name=name) == [f"user{len(names) - 1 - number}"]
    for name in ("100_", "a%b", "___", "%%%", "x OR y", "O''Neil", "\\\\"):
        assert found(api, first_name=name) == []
        assert found(api, last_name=name) == []


def test_terms_have_at_most_150_characters(api: Api) -> None:
    # Folded, ß has two characters: what counts is what was typed.
    bios = [letter * 151 for letter in ("x", "ß", "😀", "%", '"', "ø")]
    usernames = register_bios(api, bios)

    for bio in bios:
        longest = bio[:150]
        assert found(api, search=longest) == [usernames[bio]]
        assert found(api, first_name=longest) == []
        for parameter in PARAMETERS:
            response = api.get("", query_string={parameter: bio})
            assert response.status_code == 400, parameter
            assert list(response.json["details"]) == [parameter]
    four = dict.fromkeys(PARAMETERS, "x" * 150)
    assert found(api, **four) == []


def test_the_index_follows_updates_and_deletions(api: Api) -> None:
    alice = api.register("alice", first_name="Alice", bio="old words")
    bob = api.register("bob", bio="old words")

    api.patch("me/", {"bio": "new words"}, token=alice.access)
    api.patch("me/", {"last_name": "Freshman"}, token=bob.access)

    assert found(api, search="old words") == ["bob"]
    assert found(api, search="new words") == ["alice"]
    assert found(api, search="words") == ["alice", "bob"]
    assert found(api, search="alice") == ["alice"]
    assert found(api, search="freshman", last_name="fresh") == ["bob"]

    with api.app.app_context(), db.session.begin():
        db.session.execute(delete(User).where(User.id == bob.id))

    assert found(api, search="words") == ["alice"]
    assert found(api, search="ol") == []
    api.register("bobby", bio="other things")
    assert found(api, search="old words") == []
    assert found(api, search="bob") == ["bobby"]
