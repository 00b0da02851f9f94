"""Who may use the HTTP service: tokens, of which only hashes are kept.

A token is traded for a pass that ends after a while. A pass is signed with the token's hash, so it
is good also after the service was restarted, and good no more once the token is another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from caikit_nb.experiments.database import ExperimentDB
from caikit_nb.experiments.schema import tokens

PASS_S = 3600.0
_LONGEST_EMAIL = 200


@dataclass(frozen=True, slots=True)
class Pass:
    """What a client shows with each request.

    Attributes:
        text: As in ``Authorization: Bearer …``.
        expires_at: Seconds since the epoch.
    """

    text: str
    expires_at: float


class Tokens:
    """The tokens of a database."""

    def __init__(self, db: ExperimentDB) -> None:
        self._database = db.database

    def add(self, email: str) -> str:
        """A new token for somebody, in the place of the old one.

        Raises:
            ValueError: the e-mail address can't be one.
        """
        if not 0 < len(email) <= _LONGEST_EMAIL or not email.isprintable() or ":" in email:
            raise ValueError(f"an e-mail address is needed, not {email[:40]!r}")
        token = secrets.token_urlsafe(32)
        with self._database.writing() as tx:
            tx.execute(delete(tokens).where(tokens.c.email == email))
            tx.execute(insert(tokens).values(email=email, hash=_hash(token)))
        return token

    def trade(self, email: str, token: str, now: float) -> Pass | None:
        """A pass for who has a token; None for others."""
        kept = self._hash_of(email)
        if not hmac.compare_digest(kept, _hash(token)):
            return None
        expires_at = int(now + PASS_S)
        claim = f"{email}:{expires_at}"
        text = base64.urlsafe_b64encode(f"{claim}:{_sign(claim, kept)}".encode()).decode()
        return Pass(text, expires_at)

    def owner_of(self, text: str, now: float) -> str | None:
        """Whose pass that is; None if it is nobody's, or its time is over."""
        try:
            claim, _, signature = base64.urlsafe_b64decode(text).decode().rpartition(":")
            email, _, expires_at = claim.rpartition(":")
            is_over = now >= int(expires_at)
        except ValueError:
            return None
        is_genuine = hmac.compare_digest(
            _sign(claim, self._hash_of(email)).encode(), signature.encode()
        )
        return email if is_genuine and not is_over else None

    def _hash_of(self, email: str) -> str:
        """A hash that no token has if there is nobody of that address: that takes as long."""
        with self._database.reading() as tx:
            found = tx.scalar(select(tokens.c.hash).where(tokens.c.email == email))
        return secrets.token_hex(32) if found is None else str(found)


def _hash(token: str) -> str:
    # A token is 256 random bits: there is nothing to guess that a slow hash would slow down.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _sign(claim: str, key: str) -> str:
    return hmac.new(key.encode(), claim.encode(), hashlib.sha256).hexdigest()
