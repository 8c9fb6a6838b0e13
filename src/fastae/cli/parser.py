# SPDX-License-Identifier: Apache-2.0
"""argparse, told to keep the lines of examples and to say what may have been meant."""

import argparse
import difflib
import sys


class _Formatter(argparse.HelpFormatter):
    """Wraps paragraphs, but leaves alone what comes in lines."""

    def _fill_text(self, text, width, indent):
        return text if "\n" in text else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """An argument parser whose commands are parsers of the same kind."""

    def __init__(self, **options):
        super().__init__(**{"formatter_class": _Formatter, **options})

    def parse_known_args(self, args=None, namespace=None):
        """As argparse has it, but what a command does not know is refused by itself, with its own usage.

        Where a command takes any number of things they may also stand behind its options.
        """
        known, others = super().parse_known_args(args, namespace)
        rest = [action for action in self._actions if action.nargs == "*" and not action.option_strings]
        if rest and not any(text.startswith("-") for text in others):
            setattr(known, rest[0].dest, [*getattr(known, rest[0].dest), *others])
            others = []
        elif others:
            options = [name for action in self._actions for name in action.option_strings]
            self.error(f"unrecognized arguments: {' '.join(others)}{_perhaps(others[0].partition('=')[0], options)}")
        return known, others

    def _print_message(self, message, file=None):
        if file is sys.stdout:  # argparse passes over what goes wrong
            file.write(message)
        else:
            super()._print_message(message, file)

    def _check_value(self, action, value):
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            raise argparse.ArgumentError(action, error.message + _perhaps(value, list(action.choices))) from None


def _perhaps(word, choices):
    close = difflib.get_close_matches(str(word), [str(choice) for choice in choices], n=1)
    return f"; did you mean {close[0]}?" if close else ""


class Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser, *_):
        from importlib import metadata

        print(f"{parser.prog} {metadata.version('fastae')}")
        parser.exit()
