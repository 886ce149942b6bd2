"""How long and how large things may be: written once, for schemas, columns and docs.

The numbers are the contract's; a comment stands where the reason is not plain.
"""

from datetime import timedelta

# The path below which all documented calls are.
BASE_PATH = "/careers/users"

# Text that is trimmed and normalised may come in with so many times its greatest
# length: four code points may make one letter (U+1F82), and CR LF is one line end.
UNTRIMMED_FACTOR = 4

USERNAME_MIN = 3
USERNAME_MAX = 30
# Letters, digits and "_", with "." and "-" between them, neither twice in a row. As
# ECMAScript and Python both read it; lengths are looked at apart.
USERNAME_PATTERN = r"^[A-Za-z0-9_]+((\.(-\.)*-?|-(\.-)*\.?)[A-Za-z0-9_]+)*$"
# RFC 5321, section 4.5.3.1.3, less the angle brackets; and section 4.5.3.1.1.
EMAIL_MAX = 254
EMAIL_LOCAL_MAX = 64
PASSWORD_MIN = 8
PASSWORD_MAX = 256
PASSWORD_RAW_MAX = PASSWORD_MAX * UNTRIMMED_FACTOR
# At login any stored password must be accepted, also an older and longer one.
LOGIN_FIELD_MAX = 4096
NAME_MAX = 150
BIO_MAX = 1000
AVATAR_MAX = 2048
TOKEN_MAX = 4096
SEARCH_TERM_MAX = 150
SEARCH_WORDS_MAX = 10

# The largest number a column of type BIGINT holds.
ID_MAX = 2**63 - 1
# ... and one of type INTEGER.
INTEGER_MAX = 2**31 - 1
# Numbers in a query string: more digits than any real batch has, few enough that the
# product of two still fits the database's integers.
QUERY_DIGITS_MAX = 9
BATCH_SIZE_MAX = 100
USERS_BATCH_SIZE = 10
# The document shows these lists whole.
FOLLOWS_BATCH_SIZE = 100
CURSOR_MAX = 64

# Of one user, as a viewer's reads have to look at them.
BLOCKS_MAX = 10_000
MUTES_MAX = 10_000
# A mute: from five minutes to a year.
MUTE_SECONDS_MIN = 300
MUTE_SECONDS_MAX = 31_536_000

# Live sessions of one user; the oldest ends when another is opened.
SESSIONS_MAX = 100
ACTIVITY_BATCH_SIZE = 50
EVENT_MAX = 40
USER_AGENT_MAX = 255
# The longest form of an IPv6 address (with an embedded IPv4 one).
ADDRESS_MAX = 45
# Room for a language tag: RFC 5646, section 4.4.1.
LOCALE_MAX = 35
# One word of a few: "impersonation" is the longest.
SUSPENSION_REASON_MAX = 30

# Events in one batch: with names of usual length they fit a body of 64 KiB.
EVENTS_MAX = 100
# For an event's id, source and subject (CloudEvents sets no limit; columns need one).
EVENT_WORD_MAX = 255
# The largest number in a snapshot: above any real one, far from where columns end.
COUNT_MAX = 10**12
# Users named by their numbers in one question; a batch has as many.
IDS_MAX = 100

# From a login on, absolute; an access token is renewed with the refresh token.
ACCESS_LIFETIME = timedelta(minutes=60)
REFRESH_LIFETIME = timedelta(days=7)
# RFC 7518, section 3.2: an HS256 key has at least as many bits as the hash.
MINIMUM_KEY_BYTES = 32
