"""How large a description may be, whoever wrote it."""

MAX_TEXT = 64 << 20
"""Bytes of a text. Arrays of more than a few numbers stand beside it, so that a text stays small."""

MAX_DEPTH = 48
"""How deep data may be nested. A rule within a rule takes four."""

INLINE = 32
"""As many numbers of an array stand in the text; more are an array of their own."""
