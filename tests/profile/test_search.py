"""GET / with a search or with filters by name."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.text import SEPARATOR, fold
from tests.api import Api

# A search has three ways: SQLite's trigram index, PostgreSQL's, and none.
pytestmark = pytest.mark.also_without_pg_trgm

PARAMETERS = ("search", "q", "first_name", "last_name")


def found(api: Api, **query: str) -> list[str]:
    """The names of whom a question finds, whose number the reply must know."""
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
    assert found(api, search="mb", q="hann", first_name="na", last_name="g") == [
        "hanna"
    ]
    for wrong in PARAMETERS:
        query = dict.fromkeys(PARAMETERS, "n") | {wrong: "nowhere"}
        assert found(api, **query) == [], wrong


def test_terms_mean_themselves(api: Api) -> None:
    literals = [
        *("100% sure", "100x sure", "snake_case", "snakeXcase", "back\\slash"),
        *('say "hi"', "say hi!", "it's", "its;", "--x", "a; DROP TABLE users; --a"),
        *("one AND two", "one OR two", "NOT two", "NEAR(one two, 5)", "one* two"),
        *("^one", "search_text : one", "-one", "+one two", "(one) OR (two)"),
        *("{one two}", "one + two", "?1 :x @y $z", "\\% \\_ \\\\", "''' \"\"\""),
        *("%s %(x)s {0}", "[a-c]+.*$", "\\u0041 &amp; %41", "<b>one</b>", "\\"),
    ]
    usernames = register_bios(api, literals)

    for literal in literals:
        expected = [usernames[other] for other in literals if literal in other]
        assert found(api, search=literal) == expected, literal
    for sign in "%_\\\"'*-^:()+;{}?$&<.,@":
        expected = [usernames[other] for other in literals if sign in other]
        assert found(api, search=sign) == expected, sign
        assert found(api, search=sign * 3) == [
            usernames[other] for other in literals if sign * 3 in other
        ]
    # The wildcards and operators of LIKE and FTS5, where they would change the answer.
    for term in ("1%sure", "snake_as", "one_two", "sure OR snake", "sure AND 100"):
        assert found(api, search=term) == [], term
    for term in ("NOT", "OR", "AND", "NEAR", '"', '""', "one*", "sna*", "rowid:1"):
        assert found(api, search=term) == [
            usernames[other] for other in literals if fold(term) in fold(other)
        ]


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


def test_case_is_ignored_beyond_ascii(api: Api) -> None:
    same = [
        ("Straße", ["strasse", "STRASSE", "STRAẞE", "ß", "ẞ", "SS", "aße"]),
        ("GROSS", ["groß", "Groß"]),
        ("Σίσυφος", ["ΣΊΣΥΦΟΣ", "σίσυφοσ", "ς", "Σ", "φος", "ΦΟΣ"]),
        ("Ärger", ["ärger", "A\u0308RGER", "Ä", "a\u0308", "RGER"]),
        ("A\u0308pfel", ["Äpfel", "äPFEL", "pfel"]),
        ("İzmir", ["i\u0307zmir", "İZMIR", "İ", "zm"]),
        ("ЖУКОВ", ["жуков", "жУк", "ж"]),
        ("ﬃnch", ["FFINCH", "ffi", "f", "ﬁ", "finch"]),
        ("Ǆemal", ["ǆEMAL", "ǅemal", "ǅ"]),
        ("Åse", ["åse", "A\u030aSE", "\u212bse"]),
        ("한국", ["\u1112\u1161\u11ab국", "한", "국"]),
    ]
    usernames = {
        name: api.register(f"zz{number:02}zz", first_name=name).username
        for number, (name, _) in enumerate(same)
    }

    for name, terms in same:
        for term in terms:
            assert usernames[name] in found(api, search=term), (name, term)
            assert usernames[name] in found(api, first_name=term), (name, term)
    # A letter is not a part of an accented one, nor of the letter it resembles.
    for term, name in (
        ("arg", "Ärger"),
        ("izm", "İzmir"),
        ("ase", "Åse"),
        ("ı", "İzmir"),
    ):
        assert usernames[name] not in found(api, search=term), term


def test_terms_of_one_and_two_and_three_characters(api: Api) -> None:
    bios = [
        "a",
        "ab",
        "abc",
        "abcd",
        "b c",
        "é",
        "éa",
        "😀",
        "😀👍",
        "👍😀👍",
        "張偉",
        "İ",
    ]
    usernames = register_bios(api, bios)

    for term in (*bios, "b", "bc", "cd", "bcd", " ", "b ", "👍", "😀👍😀", "偉", "a b"):
        expected = [usernames[bio] for bio in bios if fold(term) in fold(bio)]
        assert found(api, search=term) == expected, term
    assert found(api, search="👍") == [usernames["😀👍"], usernames["👍😀👍"]]


def test_characters_that_look_lost_are_told_apart(api: Api) -> None:
    # SQLite's index reads the two noncharacters as the third, the replacement.
    usernames = register_bios(api, ["x\ufffex", "x\uffffx", "x\ufffdx"])

    for bio, username in usernames.items():
        assert found(api, search=bio) == [username], ascii(bio)


def test_terms_reach_over_lines_but_not_over_columns(api: Api) -> None:
    bio = "first line\nsecond\tline\n\nlast"
    api.register("annaberg", first_name="Anna", last_name="Berg", bio=bio)

    for term in ("line\nsecond", "\n", "\n\n", "e\n", "second\tline", "\n\nlast", "\t"):
        assert found(api, search=term) == ["annaberg"], term
    for term in ("anna berg", "bergfirst", "berg first", f"anna{SEPARATOR}berg"):
        assert found(api, search=term) == [], term
    for term in (SEPARATOR, f"{SEPARATOR}b", f"{SEPARATOR}be", "line second"):
        assert found(api, search=term) == [], term


def test_terms_have_at_most_150_characters(api: Api) -> None:
    # Folded, ß has two characters and ΐ none the fewer: what counts is what was typed.
    bios = [letter * 151 for letter in ("x", "ß", "😀", "%", '"', "ΐ")]
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
    api.patch("me/", {"last_name": "Newman"}, token=bob.access)

    assert found(api, search="old words") == ["bob"]
    assert found(api, search="new words") == ["alice"]
    assert found(api, search="words") == ["alice", "bob"]
    assert found(api, search="alice") == ["alice"]
    assert found(api, search="newman", last_name="newm") == ["bob"]

    with api.app.app_context(), db.session.begin():
        db.session.execute(delete(User).where(User.id == bob.id))

    assert found(api, search="words") == ["alice"]
    assert found(api, search="ol") == []
    api.register("bobby", bio="other things")
    assert found(api, search="old words") == []
    assert found(api, search="bob") == ["bobby"]


# Few characters, so that terms are often there: letters of several cases and forms,
# signs with a meaning in SQL or FTS5, what is not in the Basic Multilingual Plane.
LETTERS = st.sampled_from(
    "aAbäÄ\u0308ßsSςσΣİiI\u0307ıﬃf%_\\\"'*-^:( .x張😀👍\ufffd\uffff"
)
LINES = st.text(LETTERS, max_size=6)
TEXTS = st.text(LETTERS | st.sampled_from("\n\t"), max_size=12)
TERMS = st.fixed_dictionaries(
    {},
    optional={
        "search": st.text(LETTERS, min_size=1, max_size=4),
        "q": st.text(LETTERS | st.just("\n"), min_size=1, max_size=2),
        "first_name": st.text(LETTERS, min_size=1, max_size=3),
        "last_name": st.text(LETTERS, min_size=1, max_size=1),
    },
)


def matches(user: dict[str, str], terms: dict[str, str]) -> bool:
    """Whether a search should find a user, in the contract's words."""
    for parameter, term in terms.items():
        if parameter in ("search", "q"):
            columns = ["username", "first_name", "last_name", "bio"]
        else:
            columns = [parameter]
        if not any(fold(term) in fold(user[column]) for column in columns):
            return False
    return True


def test_any_search_finds_whom_a_plain_filter_finds(api: Api) -> None:
    accounts = [api.register(username) for username in ("aaab", "fsi", "x_.ff")]

    # The same examples each time: a run should not fail by chance.
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        texts=st.lists(st.tuples(LINES, LINES, TEXTS), min_size=3, max_size=3),
        questions=st.lists(TERMS, min_size=8, max_size=8),
    )
    def check(texts: list[tuple[str, str, str]], questions: list[Any]) -> None:
        users = []
        for account, words in zip(accounts, texts, strict=True):
            changes = dict(zip(("first_name", "last_name", "bio"), words, strict=True))
            response = api.patch("me/", changes, token=account.access)
            assert response.status_code == 200, response.text
            users.append(response.json)
        for terms in questions:
            expected = [user["username"] for user in users if matches(user, terms)]
            assert found(api, **terms) == expected, terms

    check()
