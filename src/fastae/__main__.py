# SPDX-License-Identifier: Apache-2.0
"""``python -m fastae`` is the command line."""

import sys

from fastae.cli import main

if __name__ == "__main__":
    sys.exit(main())
