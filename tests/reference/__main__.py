"""`make docs`: write the references anew."""

from __future__ import annotations

from tests.reference.pages import PAGES, standing

if __name__ == "__main__":
    for path, written in PAGES.items():
        path.write_text(written(standing(path)), encoding="utf-8")
