"""Ids that say whose job they are: the owner's name, disguised by a fixed substitution."""

from __future__ import annotations

import uuid

ID_DELIMITER = ":"

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
_DISGUISED = "xzhwTHt7UjOsQFqvKPDulYNWdEy3e52Xka8CSA0mJ1MG6nZ-cBLfI4Rg9i_prVbo"
_DISGUISE = str.maketrans(_PLAIN, _DISGUISED)
_REVEAL = str.maketrans(_DISGUISED, _PLAIN)


def hash_name(name: str) -> str:
    """The name, each letter, digit, ``-`` and ``_`` replaced by another (contracts J9).

    The same in every process, and reversible; no secret is kept by it.
    """
    return name.translate(_DISGUISE)


def reveal_name(disguised: str) -> str:
    """The inverse of `hash_name`."""
    return disguised.translate(_REVEAL)


def make_job_id(name: str) -> str:
    """A new id for a job of the owner `name` (contracts J8)."""
    return f"{hash_name(name)}{ID_DELIMITER}{uuid.uuid4()}"


def owner_of(job_id: str) -> str:
    """The owner's name in an id that `make_job_id` made.

    Of any other id nothing sensible comes out: it doesn't carry a name.
    """
    # A name may hold the delimiter itself, a UUID never does.
    return reveal_name(job_id.rpartition(ID_DELIMITER)[0] or job_id)
