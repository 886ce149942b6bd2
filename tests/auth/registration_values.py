"""Values of a registration that are kept, and those that are refused."""

from typing import Any

NOT_STRINGS: tuple[Any, ...] = (None, True, 7, 1.5, [], ["text"], {}, {"a": "b"})


ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


CONTROLS = "\x00\x01\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f"


DECEPTIVE = [f"a{character}b" for character in ZERO_WIDTH + BIDI + CONTROLS]


LABEL = "d" * 63


LONGEST_EMAIL = f"{'m' * 64}@{LABEL}.{LABEL}.{'d' * 57}.com"


LONGEST_URL = "https://example.com/" + "a" * (2048 - 20)


# A letter that normal form C takes apart: one code point sent, two kept.
EXPANDS = "\u0958"


KEPT: dict[str, list[Any]] = {  # a pair: what is sent, and what is kept of it
    "username": [
        *"abc Alice2 ALICE3 a_b a.b a-b a.-_b __a a__ 1ab 123 ___ a.b-c_d me_".split(),
        *("u" * 30, "admin1"),
    ],
    "email": [
        *("bob@example.com", "Carol.Jones@Example.COM", "1@example.co"),
        *("d.a.v.e+news@mail.example.com", "o'hara@example.com"),
        *("erin@xn--bcher-kva.example.com", LONGEST_EMAIL),
        *((" dan@example.com\r\n", "dan@example.com"), "m" * 64 + "@example.com"),
    ],
    "first_name": [
        *("", "Alice", "O'Neil-%_\\\"<b>", "\u674e\u5c0f\u9f99", "\U0001f600"),
        *(
            (" \t Anne  Marie\n ", "Anne  Marie"),
            ("   ", ""),
            ("Zoe\u0308", "Zo\u00eb"),
        ),
        *(
            "\u00e9" * 150,
            ("e\u0301" * 150, "\u00e9" * 150),
            (f" {'x' * 150} ", "x" * 150),
        ),
    ],
    "bio": [
        *("", "one\n\ttwo", "\U0001f600" * 1000, ("one\r\ntwo", "one\ntwo")),
        *((" \n trimmed \n ", "trimmed"), ("Zoe\u0308", "Zo\u00eb")),
    ],
    "avatar": [
        *(None, ("", None), "https://example.com/avatar.jpg", "http://example.com"),
        *("HTTPS://Example.com/A", "https://example.com:8443/a?b=c&d=%20,(1)#e"),
        *("http://192.0.2.1/a.png", "https://[2001:db8::1]:80/a.png", LONGEST_URL),
        *("https://example.com:0080/", "https://example.com./", "http://1.2.3.4./"),
        "https://xn--bcher-kva.example.com/",
    ],
}


KEPT["last_name"] = KEPT["first_name"]


REFUSED: dict[str, list[Any]] = {
    "username": [
        *("", "ab", "u" * 31, ".ab", "ab.", "-ab", "ab-", "a..b", "a--b"),
        *("a b", " abc", "abc ", "abc\n", "a\tb", "a@b", "a+b", "a/b", "a%b", "a\\b"),
        *("\u00e4lice", "\u0430lice", "\uff41lice", "a\u0301bc", "\u0661\u0662\u0663"),
        *("ali\U0001f600", "\u212aate", *DECEPTIVE, *NOT_STRINGS),
    ],
    "email": [
        *("", "alice", "@example.com", "alice@", "alice@localhost", "alice@com"),
        *("alice@[127.0.0.1]", "alice@127.0.0.1", "alice@[IPv6:::1]", "a@@example.com"),
        *("a b@example.com", "a@example.com\x1f", "a@my.local", "a@corp.internal"),
        *("m" * 65 + "@example.com", "a@example.test", "a@localhost."),
        *("a@exam ple.com", "a@-example.com", "a@example-.com", "a@example..com"),
        *("a@.example.com", "a@example.com.", "a@exam_ple.com", "a@exa\x00mple.com"),
        *("a..b@example.com", ".a@example.com", "a.@example.com", "a@example.com\x00"),
        *('"a b"@example.com', "A <a@example.com>", "a@example.com, b@example.com"),
        *("\u00e4@example.com", "a@ex\u00e4mple.com", "a@example.com\u200b"),
        *(f"a@{'d' * 64}.com", "m" + LONGEST_EMAIL, *NOT_STRINGS),
    ],
    "password": [
        *(
            "",
            "seven77",
            "p" * 257,
            "pass\x00word",
            "\U0001f511" * 7,
            "Alice@Example.com",
        ),
        # Eight code points as typed, seven in normal form C.
        *("passwre\u0301", EXPANDS * 129, "alice@example.com", *NOT_STRINGS),
    ],
    "password_confirm": [
        "",
        "password124",
        "Password123",
        " password123",
        *NOT_STRINGS,
    ],
    "first_name": [
        *("x" * 151, EXPANDS * 76, "a\nb", "a\tb", "a\rb", *DECEPTIVE, *NOT_STRINGS),
    ],
    "bio": ["x" * 1001, EXPANDS * 501, "a\rb", *DECEPTIVE, *NOT_STRINGS],
    "avatar": [
        *("example.com/a.png", "//example.com/a.png", "/a.png", "https:example.com"),
        *("ftp://example.com/a", "javascript:alert(1)", "data:image/png;base64,AAAA"),
        *("https://", "https:///a.png", "https://:80/", "https://?a", "https://#a"),
        *(
            "https://me@example.com/",
            "https://me:pw@example.com/",
            "https://@example.com",
        ),
        *("https://example.com/a b", " https://example.com/", "https://example.com/ "),
        *(
            "https://example.com/\n",
            "https://exam\tple.com/",
            "https://example.com/\x00",
        ),
        *("https://example.com/'", 'https://example.com/"', "https://example.com/<b>"),
        *(
            "https://ex\u00e4mple.com/",
            "https://example.com/\u00e4",
            "https://exam\\ple.com",
        ),
        *("https://example.com:99999/", "https://example.com:port/", "https://[::1"),
        *("https://[example.com]/", "https://-example.com/", "https://..", " "),
        *("http://256.256.256.256/", "http://a..b/", "http://xn--pokxncvks/"),
        *("https://example.com:0/", "https://example.com:065536/"),
        LONGEST_URL + "a",
        *(value for value in NOT_STRINGS if value is not None),
    ],
}


REFUSED["last_name"] = REFUSED["first_name"]
