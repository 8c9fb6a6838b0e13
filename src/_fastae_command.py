# SPDX-License-Identifier: Apache-2.0
"""The console command. Outside the package, because importing that takes time in which Ctrl-C shall be quiet too."""

import os
import signal


def main() -> int:
    """Run `fastae.cli.main`; before and after it there is nothing to clean up, so Ctrl-C just ends the process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and the like have it ignored
        signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    from fastae.cli import main as run

    return run()
