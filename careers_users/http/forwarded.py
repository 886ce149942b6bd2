"""The headers of proxies about clients: X-Forwarded-For, and Forwarded (RFC 7239)."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

_REMEMBERED = 4096
# RFC 7239, section 6.3: an identifier that hides the address.
_OBFUSCATED = re.compile(r"_[A-Za-z0-9._-]+", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}|_[A-Za-z0-9._-]+", re.ASCII)
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)
# Section 4: `token=value` or `token="value"`, then `;` (the same hop) or `,` (the next
# one). Unlike there, a value without quotes may have the colons of an address.
_PAIR = re.compile(
    r"[ \t]*(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s",;]+)))?[ \t]*(?P<end>[,;]|\Z)'
)


@lru_cache(maxsize=_REMEMBERED)
def node(text: str) -> str | None:
    """Return the address in what a proxy wrote for a client; None if it hides it.

    With or without a port, IPv6 also in brackets and with a zone, which is dropped;
    an IPv4-mapped address is IPv4. Raises ValueError for anything else.
    """
    if match := _BRACKETED.fullmatch(text):
        host, port = match.groups()
        if ":" not in host:
            raise ValueError(text)
    elif text.count(":") > 1:
        host, port = text, None
    else:
        host, separator, after = text.partition(":")
        port = after if separator else None
    if port is not None and not _PORT.fullmatch(port):
        raise ValueError(text)
    if host.lower() == "unknown" or _OBFUSCATED.fullmatch(host):
        return None
    # The zone is the proxy's name for one of its own interfaces.
    address = ip_address(host.partition("%")[0] if ":" in host else host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def listed(header: str) -> list[str]:
    """Return the elements of a list such as X-Forwarded-For, the nearest hop last."""
    return [element.strip() for element in header.split(",") if element.strip()]


def elements(header: str) -> list[dict[str, str]]:
    """Return the hops of the header Forwarded with their parameters, the nearest last.

    Raises ValueError for what is no such header.
    """
    hops: list[dict[str, str]] = [{}]
    position = 0
    while position < len(header):
        pair = _PAIR.match(header, position)
        if pair is None:
            raise ValueError(header)
        position = pair.end()
        if pair["name"]:
            name, quoted = pair["name"].lower(), pair["quoted"]
            if name in hops[-1]:
                raise ValueError(header)
            is_plain = quoted is None
            hops[-1][name] = (
                pair["plain"] if is_plain else re.sub(r"\\(.)", r"\1", quoted)
            )
        if pair["end"] == ",":
            hops.append({})
    return [hop for hop in hops if hop]
