"""Values as JSON, safe to show on a terminal."""

from __future__ import annotations

import json
import re

_NOT_SHOWN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def json_text(value: object) -> str:
    """The value, indented, ending with a newline."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
