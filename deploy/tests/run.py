"""Runs the deployment tests: every `test_*.py` of this folder. Closes with a line that counts them."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    # Tests import the files beside them.
    sys.path.insert(0, str(HERE))
    suite = unittest.defaultTestLoader.discover(str(HERE), pattern=(sys.argv[1:] or ["test_*.py"])[0])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    print(f"deployment: {result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 0 if result.testsRun and not failed and not skipped else 1


if __name__ == "__main__":
    sys.exit(main())
