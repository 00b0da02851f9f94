"""Text that a message can carry.

A job may print or raise half of a character, as a cut emoji is. No message to a front end can be
encoded with that, and a card that is never sent would say "running" for ever.
"""

from __future__ import annotations

from typing import Any


def encodable(value: Any) -> Any:
    """The same value with a replacement character for what UTF-8 can't encode.

    Args:
        value: A text, or containers of JSON with texts in them; all else is left as it is.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    elif isinstance(value, dict):
        return {encodable(key): encodable(each) for key, each in value.items()}
    elif isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(encodable(each) for each in value)
    return value
