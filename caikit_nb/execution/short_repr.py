"""A value's repr, short enough for one line of an error's text."""


def short_repr(value: object, limit: int = 60) -> str:
    """The value's repr on one line of at most `limit` characters. Raises nothing."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - a foreign __repr__ may raise anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"
