"""Values that no client should send: as JSON, in a query, in a path and in headers.

All are bytes as they go over the wire, since no library would write most of them.
"""

import json
from urllib.parse import quote_from_bytes

MANY = 60_000  # Characters, near the most that a body may hold.
BODY_MAX = 64 * 1024

WORDS = (b"null", b"true", b"false", b"undefined", b"None", b"yes")
NUMBERS = (
    *(b"0", b"-0", b"-1", b"1", b"2147483647", b"2147483648", b"-2147483649"),
    *(b"9007199254740992", b"9007199254740993", b"9223372036854775807"),
    *(b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616"),
    *(b"1" + b"0" * 400, b"9" * 10_000, b"-" + b"9" * 10_000, b"0." + b"9" * 10_000),
    *(b"1.5", b"1.0", b"1e0", b"1e400", b"-1e400", b"1e-9999", b"1e999999999"),
    *(b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"0x1", b"1_0", b".5", b"1."),
    *("１２".encode(), "٣".encode(), b"1 2", b"1,"),
)
# Python writes a lone surrogate as its escape, and so do attackers.
TEXTS = (
    *("", " ", "\t", "\x00", "a\x00b", "\ud800", "a\udc00\ud800b", "\x1f", "\x7f\x85"),
    *("１２", "٣", "1_0", " 7", "7 ", "1e3", "0x10", "-1", "1.0", "²", "9" * 400),
    *("2147483648", "9223372036854775807", "9223372036854775808", "9" * 10_000),
    *("null", "true", "me", "ME", "login", ".", "..", "../../etc/passwd", "a/b", "-"),
    *("%", "_", "\\", "%25", "%00", "*", '"', "'", "a'b\"c`d", "a\r\nX-Evil: 1\r\n"),
    *("' OR '1'='1", "'; DROP TABLE users; --", "{{7*7}}", "${jndi:ldap://x}", "%s%n"),
    *("<script>alert(1)</script>", "\u202egnp.exe", "\u200b", "\ufeffa", "\u2028"),
    *("\ufffe\uffff", "\U0010ffff", "e\u0301", "İ", "ı", "ẞ", "ﷺ" * 150, "ΐ" * 150),
    *("a" + "\u0301" * 1000, "\U0001f600" * 300, "x" * 31, "x" * 151, "x" * 257),
    *("x" * 1001, "x" * 4097, "x" * MANY, "é" * (MANY // 6), "\u0345" * 5_000),
    *("http://[", "http://[::1", "http://u:p@example.com/", "javascript:alert(1)"),
    *("http://example.com:99999/", "https://" + "a." * 1000, "http://\u2100.com/"),
    *("a@b", "a@[127.0.0.1]", "@", "a@" + "b" * 300 + ".com", "a" * 65 + "@b.com"),
    *("a@b.com\n", '"a b"@example.com', "a@xn--a.com", "a@１.com", "a@b..com"),
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
    *("2024-02-30T00:00:00Z", "2024-01-01", "now", "2024-01-01T24:00:60.9999999Z"),
)
RAW_TEXTS = (
    *(b'"a\x00b"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf5\x80\x80\x80"'),
    *(b'"\\x41"', b'"\\u12"', b'"\\ud800\\u0041"', b'"\n"', b'"unended', b"'a'", b""),
)
CONTAINERS = (
    *(b"[]", b"{}", b"[null]", b'[""]', b"[[]]", b"[1,2]", b'{"a":1}', b'{"":""}'),
    *(b'{"a":1,"a":2}', b'{"$ne":null}', b'{"__proto__":{}}', b'["a","a"]'),
    *(b"[" * 200 + b"]" * 200, b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 9_000),
    *(b"[" * 100_000, b"[0" + b",0" * 30_000 + b"]", b'[{"a":[{"b":' * 4_000),
)
JSON = (
    *WORDS,
    *NUMBERS,
    *(json.dumps(text).encode() for text in TEXTS),
    *RAW_TEXTS,
    *CONTAINERS,
)

# Whole bodies. A value instead of an object, what is no JSON, what is too much of it.
BODIES = (
    *(b"", b" ", b"null", b"true", b"1", b'"{}"', b"[]", b"[{}]", b"[null]", b"{}{}"),
    *(b"{", b"}", b"{}]", b'{"a"}', b'{"a":}', b"{'a':1}", b'{"a":1,}', b"{a:1}"),
    *(b'{"a":NaN}', b'{"a":1,"a":1}', b'{"":1,"":2}', b'{"\\ud800":1}', b'{"\xff":1}'),
    *(b'{"__class__":1}', b'{"\\u0000":1}', b"\xef\xbb\xbf{}", b"\x00{}", b"{}\x00"),
    *("{}".encode(code) for code in ("utf-16", "utf-16-le", "utf-32-be")),
    *(b"a=1&b=2", b"--x\r\n\r\n", b"<xml/>", b"\x1f\x8b\x08\x00", b"\xff" * 1000),
    *(b"[" * MANY, b'{"a":' * 12_000, b"[" * 100_000, b" " * BODY_MAX, b"9" * MANY),
    *(b"{}".ljust(BODY_MAX + 1), b'{"' + b"x" * MANY + b'":1}', b"[{" * 30_000),
    b"{" + b",".join(b'"k%d":0' % number for number in range(6_000)) + b"}",
)

_UNPRINTABLE = (
    *(b"\x00", b"a\x00b", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xc0\x80"),
    *(b"\xf0\x9f\x98", b"\r\n", b"\x7f", b"\x1f"),
)
_SHORT = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in TEXTS
    if len(text.encode("utf-8", "surrogatepass")) <= 6_000
)
# As they stand between two slashes, or after an equals sign.
ESCAPED = tuple(
    quote_from_bytes(raw, safe="").encode()
    for raw in (*_UNPRINTABLE, *_SHORT, *NUMBERS[:13])
)
UNESCAPED = (
    *(b"%", b"%1", b"%zz", b"%u0041", b"a%", b"+", b"a+b", b"\xff", b"\xc3\xa9"),
    *(b"a;b", b"a,b", b"[]", b"{}", b"|", b"~", b"$", b"@", b"!", b"(", b"<x>", b"`"),
    *(b"%2e%2e", b"%252e", b"%00%00", b"%F0%9F%98%80", b"1%002", b"%EF%BC%91"),
)
# They lead to another place, whatever that may be.
STRAYS = (b"a%2Fb", b"%2F", b"%2e%2e%2fme", b"a/b", b"/", b"//", b"a?b", b"a%3Fb", b"")
QUERIES = (
    *(b"?", b"??", b"&", b"&&&", b"=", b"=1", b"a", b"a=1&a=2", b"a[]=1", b"a.b=1"),
    *(b"%00=1", b"%FF=1", b"a=%FF", b"\xff=\xff", b"a=" + b"9" * 6_000, b"a=1;b=2"),
    *(b"&".join(b"a%d=1" % number for number in range(900)), b"%", b"a=%", b"#a"),
)

CONTENT_TYPES = (
    *(b"", b";", b"text/plain", b"text/json", b"application/jsonx", b"application"),
    *(b"application/x-www-form-urlencoded", b"multipart/form-data", b"json", b"\xff"),
    *(b"multipart/form-data; boundary=x", b"application/json, text/html", b"*/*"),
    *(b"application/json; charset=utf-16", b'application/json; charset="', b"a" * 5000),
    *(b"application/json;" * 300, b"APPLICATION/JSON", b"application/a+json"),
)
HEADER_VALUES = (
    *(b"", b"\x00", b"\xff\xfe", b"x" * 8_000, b"%00%0d%0aa: b", "１".encode()),
    *(b"';--", b"../..", b'"', b"\x1b[31m", b"9" * 5_000, b",,,;;;===", b"\t"),
)
HEADERS = (
    *(b"X-Request-ID", b"User-Agent", b"X-Forwarded-For", b"X-Forwarded-Proto"),
    *(b"Forwarded", b"Accept", b"Accept-Encoding", b"Cookie", b"Range", b"Origin"),
    *(b"If-None-Match", b"If-Modified-Since", b"X-HTTP-Method-Override", b"Host"),
    *(b"Access-Control-Request-Method", b"Accept-Language", b"Referer", b"Via"),
)


def authorizations(token: bytes, refresh: bytes) -> list[bytes]:
    """Return values of the header Authorization, none of which is in order.

    `token` is a good access token, `refresh` a good refresh token of the same user.
    """
    head, payload, signature = token.split(b".")
    none = b"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    deep = b"W1tb" * 900  # [[[...
    good = b"Bearer " + token
    bad = [
        *(b"", b"Bearer", b"Bearer ", b"Bearer x", b"Bearer a.b.c", b", , x", b"Basic"),
        *(b"Basic YTpi", b"Token " + token, token, b"Bearer" + token, b"\xff", b"\x00"),
        *(good + b"x", good + b" x", good[:7] + good[8:], b"Bearer " + refresh),
        *(good + b", " + good, good + b"=", good + b"." + signature),
        *(b"Bearer \xff.\xff.\xff", b"Bearer \x00", b"Bearer ..", b"Bearer .a.b"),
        *(
            "Bearer é.é.é".encode(),
            b"Bearer " + b"a" * 5_000,
            b"Bearer " + b"a." * 2_000,
        ),
    ]
    parts = [
        *((none, payload, b""), (none, payload, signature), (payload, head, signature)),
        *((head, payload, signature[::-1]), (deep, payload, signature)),
        *((head, deep, signature), (b"e30", b"e30", b"e30"), (b"bnVsbA", b"MQ", b"MQ")),
    ]
    return bad + [b"Bearer " + b".".join(part) for part in parts]
