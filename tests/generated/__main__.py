from __future__ import annotations

from tests.generated import files

for path, text in files().items():
    path.write_text(text, "utf-8")
