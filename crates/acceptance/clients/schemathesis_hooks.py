"""Hooks of schemathesis: bodies of JSON lines are sent as they are generated."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def json_lines(_context, value):
    return value.encode() if isinstance(value, str) else str(value).encode()
