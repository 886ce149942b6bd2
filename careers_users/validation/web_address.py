"""Web addresses: whether a URL is one, and whether its host can exist."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

import idna

PORT_MAX = 65535
# RFC 1035, section 2.3.4: what fits a DNS name's 255 octets.
HOST_MAX = 253

_URL = re.compile(r"https?://[!-~]+", re.ASCII | re.IGNORECASE)
# Characters that RFC 3986 has no place for. Browsers would read some of them as others.
_REFUSED = re.compile(r"[\"'`<>\\{}|^]")
_AUTHORITY = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]*))?", re.ASCII
)
# RFC 1123, section 2.1.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# A last label by which browsers take the host for an IPv4 address (WHATWG URL, section
# 3.5, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def is_web_address(value: str) -> bool:
    """Return whether `value` is an http or https URL with a host that can exist.

    ASCII only, without user information; nothing is asked of the network.
    """
    if not _URL.fullmatch(value) or _REFUSED.search(value):
        return False
    try:
        authority = _AUTHORITY.fullmatch(urlsplit(value).netloc)
    except ValueError:  # Brackets that do not match.
        return False
    return (
        authority is not None
        and _is_port(authority["port"])
        and is_host(authority["host"])
    )


def is_host(value: str) -> bool:
    """Return whether `value` can be the name or the address of a host (RFC 1123)."""
    if value.startswith("["):
        return _is_address(IPv6Address, value[1:-1])
    name = value.removesuffix(".").lower()
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _is_address(IPv4Address, name)
    return len(name) <= HOST_MAX and all(map(_is_label, labels))


def _is_port(digits: str | None) -> bool:
    # Their number is bounded as the URL's is; `int` takes up to 4,300.
    return not digits or 1 <= int(digits) <= PORT_MAX


def _is_address(kind: type[IPv4Address] | type[IPv6Address], value: str) -> bool:
    try:
        kind(value)
    except AddressValueError:
        return False
    return True


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    return not label.startswith("xn--") or _is_a_label(label)


def _is_a_label(label: str) -> bool:
    """Return whether a label is what IDNA makes of a word (UTS 46, section 4.1).

    By its table, not RFC 5892's alone, which has no emoji; domains do.
    """
    try:
        word = label[4:].encode().decode("punycode")
        idna.check_initial_combiner(word)
        idna.check_bidi(word)
        joins = all(
            idna.valid_contextj(word, place)
            for place, character in enumerate(word)
            if character in "\u200c\u200d"
        )
        return (
            joins
            and not word.isascii()
            and idna.uts46_remap(word) == word
            and b"xn--" + word.encode("punycode") == label.encode()
        )
    except (idna.IDNAError, ValueError):
        return False
