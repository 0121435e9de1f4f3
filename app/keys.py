"""Who may ask: API keys, known only by their SHA-256 digests."""

import hashlib
import hmac
import re

Digests = frozenset[str]

_DIGEST = re.compile(r"([0-9a-f]{64})(?: [ *]-)?")  # with what sha256sum says of its input


def digest(key: str) -> str:
    """Return the SHA-256 digest of a key, in hex: what the service stores instead of the key."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse_digests(text: object) -> Digests:
    """Read digests from text: separated by commas or lines, ``#`` starts a comment.

    Raises:
        ValueError: An entry is not a SHA-256 digest in hex. The message says how to make one, and
            never holds the entry, which may be the key itself.
    """
    if not isinstance(text, str):
        return frozenset(text) if isinstance(text, (set, frozenset)) else frozenset()
    entries = re.split(r"[,\n]", re.sub(r"#[^\n]*", "", text))
    found = [_DIGEST.fullmatch(entry.strip().lower()) for entry in entries if entry.strip()]
    digests = frozenset(match[1] for match in found if match)
    if None in found:
        raise ValueError("expected SHA-256 digests in hex; `printf %s KEY | sha256sum` makes one")
    return digests


def is_known(key: bytes, digests: Digests) -> bool:
    """Say whether a key is one of those digested, in a time that does not depend on which."""
    asked = hashlib.sha256(key).hexdigest()
    # The sum looks at every digest; any() would stop at the first hit.
    return sum(hmac.compare_digest(asked, known) for known in digests) > 0
