# SPDX-License-Identifier: Apache-2.0
"""``fastae completion``: what a shell has to know to complete commands and options, made from the parser itself."""

import re
import textwrap
from typing import Any

EXAMPLES = """\
  eval "$(fastae completion bash)"                             now; in ~/.bashrc for always
  fastae completion zsh > ~/.zfunc/_fastae                     a directory of $fpath
  fastae completion fish > ~/.config/fish/completions/fastae.fish"""

_FILES = ("FILE", "OUT", "MODEL", "DIR")  # what the values of options are called that are names of files


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "completion",
        help="print a script that teaches a shell to complete fastae's commands and options",
        description="Completes commands, options and their choices; the names of files where these go.",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(runner=run)


def run(args):
    from . import get_parser

    parser = get_parser()
    commands: Any = next(action for action in parser._actions if not action.option_strings)
    about = {choice.dest: choice.help for choice in commands._choices_actions}
    print(SHELLS[args.shell](_options(parser), [(name, about[name], its) for name, its in commands.choices.items()]))


def _options(parser):
    return [action for action in parser._actions if action.option_strings]


def _places(parser):
    """What may be chosen from at a command's first place, as the shell of `completion`, and if files go elsewhere."""
    actions = [action for action in parser._actions if not action.option_strings]
    chosen = [str(choice) for action in actions[:1] for choice in action.choices or ()]
    return chosen, len(actions) > bool(chosen)


def _help(text):
    """The first clause of a help text, with nothing that a shell would take for its own."""
    text = re.split(r"[;(\[%]", text or "")[0]
    return re.sub(r"[^\w\s.<>^/,-]", "", text).strip()


def _lines(lines):
    return textwrap.indent("\n".join(lines), " " * 4)


def _bash(options, commands):
    def names(actions):
        return " ".join(name for action in actions for name in action.option_strings)

    values, words = [], []
    files: list[str] = []
    others: list[str] = []
    for name, _, parser in commands:
        for action in _options(parser):
            keys = [f'"{name} {option}"' for option in action.option_strings]
            if action.choices:
                choices = " ".join(map(str, action.choices))
                values.append(f'{"|".join(keys)}) COMPREPLY=($(compgen -W "{choices}" -- "$cur")); return ;;')
            elif action.nargs != 0:
                (files if action.metavar in _FILES else others).extend(keys)
        places = " ".join(_places(parser)[0])
        words.append(f'{name}) words="{names(_options(parser))}" places="{places}" ;;')
    values.append(f"{'|'.join(files)}) return ;;")  # what follows is for bash to complete: the name of a file
    values.append(f"{'|'.join(others)}) compopt +o default 2>/dev/null; return ;;")  # bash 3 has no such command
    return f"""\
_fastae() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} words= places=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{" ".join(name for name, _, _ in commands)} {names(options)}" -- "$cur"))
        return
    fi
    [[ $cur == "=" ]] && cur=
    [[ $prev == "=" ]] && prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    case "${{COMP_WORDS[1]}} $prev" in
{_lines(values)}
    esac
    case ${{COMP_WORDS[1]}} in
{_lines(words)}
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ -n $places ]]; then
        COMPREPLY=($(compgen -W "$places" -- "$cur"))
    fi
}}
complete -o default -F _fastae fastae"""


def _zsh(options, commands):
    def specs(actions):
        for action in actions:
            others = "_files" if action.metavar in _FILES else " "
            choices = f"({' '.join(map(str, action.choices))})" if action.choices else others
            value = "" if action.nargs == 0 else f":{action.dest}:{choices}"
            for option in action.option_strings:
                joined = ("=" if option.startswith("--") else "+") if value else ""  # it may be in one word with it
                yield f"'{option}{joined}[{_help(action.help)}]{value}'"

    arms = []
    for name, _, parser in commands:
        chosen, has_files = _places(parser)
        arms += [f"{name})", "    _arguments \\"]
        arms += [f"        {spec} \\" for spec in specs(_options(parser))]
        arms += [f"        '1:first:({' '.join(chosen)})' \\"] if chosen else []
        arms += [f"        '*:file:{'_files' if has_files else ' '}'", "    ;;"]
    described = [f"'{name}:{_help(about)}'" for name, about, _ in commands]
    return f"""\
#compdef fastae
_fastae() {{
    local -a commands=(
{_lines(described)}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        _arguments {" ".join(specs(options))}
        return
    fi
    local command=$words[2]
    shift words
    ((CURRENT--))
    case $command in
{_lines(arms)}
    esac
}}
if [[ $funcstack[1] == _fastae ]]; then  # called for the first time, from a directory of $fpath
    _fastae "$@"
else
    compdef _fastae fastae
fi"""


def _fish(options, commands):
    def lines(condition, actions):
        for action in actions:
            flags = " ".join(
                f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                for option in action.option_strings
            )
            choices = " ".join(map(str, action.choices or ()))
            value = f" -x -a '{choices}'" if choices else " -r -F" if action.metavar in _FILES else " -x"
            value = "" if action.nargs == 0 else value
            yield f"complete -c fastae -n '{condition}' {flags}{value} -d '{_help(action.help)}'"

    none_yet = "__fish_is_nth_token 1"
    script = list(lines(none_yet, options))
    for name, about, parser in commands:
        script.append(f"complete -c fastae -n '{none_yet}' -f -a {name} -d '{_help(about)}'")
        given = f"__fish_seen_subcommand_from {name}"
        script += lines(given, _options(parser))
        chosen, has_files = _places(parser)
        if chosen:
            script.append(f"complete -c fastae -n '{given}; and __fish_is_nth_token 2' -f -a '{' '.join(chosen)}'")
        if not has_files:
            script.append(f"complete -c fastae -n '{given}' -f")
    return "\n".join(script)


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
