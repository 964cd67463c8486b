"""The metricd under test: as scripts/test says it; by hand, that of a debug build."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = Path(os.environ.get("ACCEPTANCE_BINARY", TARGET / "debug/metricd")).absolute()
