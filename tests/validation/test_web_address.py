"""Hosts that can exist, and addresses of the web and of mail at them."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation.email_address import is_email
from careers_users.validation.web_address import is_host, is_web_address

LABEL = "l" * 63
repeatably = hypothesis_settings(
    max_examples=300, deadline=None, database=None, derandomize=True
)
HOSTS = [
    *("example.com", "EXAMPLE.com.", "localhost", "a.b.c.d.e", "1password.com", "3com"),
    *("xn--bcher-kva.example", "XN--BCHER-KVA.example", "xn--ls8h.la", "xn--i-7iq.ws"),
    *("xn--mgbb9fbpob.ir", "a--b.com", f"{LABEL}.{LABEL}.{LABEL}.{LABEL[:61]}"),
    *("0.0.0.0", "1.2.3.4", "255.255.255.255.", "[::1]", "[2001:DB8::192.0.2.1]"),
]
NO_HOSTS = [
    *(
        "",
        ".",
        "..",
        ".com",
        "a..b",
        "a.b..",
        "-a.com",
        "a-.com",
        "a.-",
        "exa_mple.com",
    ),
    *("256.256.256.256", "1.2.3", "1.2.3.4.5", "1.2.3.04", "0x100.2.3.4", "a.1"),
    *("1.2.3.0x4", "0x7f000001", "2130706433", "a.0x", "1.2.3.", "１.2.3.4"),
    *("[::1", "::1", "[:::1]", "[1.2.3.4]", "[::1%25eth0]", "[v1.a]", "[]"),
    *("xn--", "xn--a", "xn--pokxncvks", "xn--zn7c.com", "xn--a-yoc", "xn--abc-.com"),
    *(
        f"{LABEL}l.com",
        f"{LABEL}.{LABEL}.{LABEL}.{LABEL[:62]}",
        "bücher.example",
        "a b",
    ),
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_can_exist(host: str) -> None:
    assert is_host(host)
    for url in (f"http://{host}", f"HTTPS://{host}:8443/a.png?b#c", f"http://{host}:/"):
        assert is_web_address(url), url


@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_host_that_can_not(host: str) -> None:
    for url in (f"http://{host}", f"https://{host}:443/a.png"):
        assert not is_web_address(url), url


@pytest.mark.parametrize(
    ("port", "is_good"),
    [
        *(("1", True), ("65535", True), ("0080", True), ("0" * 99 + "80", True)),
        *(("0", False), ("000", False), ("65536", False), ("-1", False), ("8a", False)),
        *(("８０", False), ("80:80", False), ("9" * 1000, False)),
    ],
)
def test_ports(port: str, is_good: bool) -> None:
    assert is_web_address(f"https://example.com:{port}/") == is_good


@pytest.mark.parametrize(
    "url",
    [
        *("example.com", "//example.com", "ftp://example.com", "http:/example.com"),
        *("http://me@example.com", "http://me:pw@example.com", "http://@example.com"),
        *(
            "http://example.com/ ",
            "http://example.com/\n",
            "http://example.com\\@b.com",
        ),
        *('http://example.com/"', "http://example.com/<b>", "http://example.com/é"),
    ],
)
def test_texts_that_are_no_web_address(url: str) -> None:
    assert not is_web_address(url)


@repeatably
@given(st.text("aZ09.-xn:[]@%\u00e9", max_size=40))
def test_no_host_raises(value: str) -> None:
    assert is_web_address(f"http://{value}/") in (True, False)
    assert is_host(f"xn--{value}") in (True, False)
    assert is_email(f"a@{value}", ("local",)) in (True, False)


PRIVATE = [
    *("a@mail.local", "a@mail.test", "a@corp.internal", "a@b.home.arpa", "a@x.onion"),
    *("a@x.invalid", "a@x.localhost", "a@x.alt"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_domain_is_allowed_by_its_name_alone(address: str) -> None:
    domain = address.partition("@")[2]
    ending = domain.partition(".")[2]

    assert not is_email(address)
    assert is_email(address, (ending,))
    assert is_email(address.upper(), ("other", ending))
    assert not is_email(address, ("other", f"x{ending}"))
    # A part of another name, or a name without a dot, is not below it.
    assert not is_email(f"a@{domain}.arpa", (ending,))
    assert is_email(f"a@{ending}", (ending,)) == ("." in ending)


def test_an_address_at_a_private_domain_has_the_form_of_others() -> None:
    domain = f"{LABEL}.{LABEL}.{LABEL}.{'d' * 40}.local"
    local = "l" * (254 - len(domain) - 1)
    assert is_email(f"{local}@{domain}", ("local",))
    for wrong in (f"m{local}@{domain}", "a b@x.local", "@x.local", "a@-x.local"):
        assert not is_email(wrong, ("local",)), wrong
    for wrong in (
        "a@x..local",
        "a@.local",
        "a@x.local.",
        '"a"@x.local',
        "a@xn--a.local",
    ):
        assert not is_email(wrong, ("local",)), wrong


def test_a_local_part_has_at_most_64_characters() -> None:
    assert is_email("a" * 64 + "@example.com")
    assert not is_email("a" * 65 + "@example.com")
