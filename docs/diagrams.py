"""Draws the pictures of the documents from the code.

    python docs/diagrams.py

writes `images/architecture.svg` (the rows of modules, by feature, with the imports
between features), `images/data-model.svg` (tables, columns and references) and
`images/production.svg` (who talks to whom; this one knows nothing of the code). A test
fails while the files are not what this would draw.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # So that it can be run from anywhere.

from docs.drawing import architecture, data_model, running  # noqa: E402

IMAGES = ROOT / "docs/images"


def pictures() -> dict[str, str]:
    """Return all pictures as SVG, by the names of their files."""
    return {
        "architecture.svg": architecture.draw(),
        "data-model.svg": data_model.draw(),
        "production.svg": running.draw(),
    }


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (IMAGES / name).write_text(picture, "utf-8")
