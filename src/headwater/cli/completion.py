"""`headwater completion SHELL`: a completion script for bash, zsh or fish.

The script is generated from the parser and contains all completions, so completing a word never starts Python.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from headwater.cli.options import REASONING

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute", "script_for")

SUMMARY = "complete commands and options in your shell"
USAGE = "completion SHELL"
DESCRIPTION = """\
Write a script for shell completion of headwater's commands, options and files."""
EXAMPLES = """\
examples:
  headwater completion fish | source     in ~/.config/fish/config.fish
  source <(headwater completion bash)    in ~/.bashrc
  source <(headwater completion zsh)     in ~/.zshrc, after compinit"""

SHELLS: Final = ("bash", "zsh", "fish")

FILES: Final = ("FILE", "FILE|JSON", "FILE|RUN", "PLACE")
"""The value names that are completed as files."""


class Option(NamedTuple):
    """An option: its spellings, its help, and the name of its value; "" without a value."""

    flags: tuple[str, ...]
    told: str
    value: str
    words: tuple[str, ...] = ()
    """The possible values, if they are known."""


class Level(NamedTuple):
    """The completions of one place: after `headwater`, after a command, or after an action of a command."""

    path: tuple[str, ...]
    options: tuple[Option, ...]
    below: dict[str, str]
    """The commands or actions that may follow, with their help."""
    files: bool
    """Whether a file may follow."""

    @property
    def name(self) -> str:
        """The words before this place."""
        return " ".join(self.path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    sys.stdout.write(script_for(asked.shell, asked.parser))
    return 0


def script_for(shell: str, parser: argparse.ArgumentParser) -> str:
    """Returns the script for one of `SHELLS`."""
    return _WRITERS[shell]([*_levels(parser, ())])


# --- levels and options


def _levels(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[Level]:
    below: dict[str, argparse.ArgumentParser] = {}
    told: dict[str, str] = {}
    options: list[Option] = []
    files = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
        elif action.option_strings:
            options.append(_option(action))
        elif action.choices is not None:
            told = dict.fromkeys(map(str, action.choices), "")
        else:
            files = files or action.metavar in FILES
    yield Level(path, tuple(options), told, files)
    for name, inner in below.items():
        yield from _levels(inner, (*path, name))


def _option(action: argparse.Action) -> Option:
    takes = action.nargs != 0
    value = str(action.metavar or action.dest.upper()) if takes else ""
    words: tuple[str, ...] = ()
    if "--reasoning" in action.option_strings and takes:
        words = REASONING
    elif "--model" in action.option_strings:
        words = _models()
    return Option(tuple(action.option_strings), (action.help or "").replace("%%", "%"), value, words)


def _models() -> tuple[str, ...]:
    """Returns the prefixes of model names; the models of a provider are not known here."""
    from headwater.providers.catalog import PROVIDERS

    return ("offline", *(f"{name}/" for name in sorted(PROVIDERS) if name != "offline"))


# --- bash


def _bash(levels: list[Level]) -> str:
    places = "\n".join(
        f"            {_quoted(f'{level.name}:{name}')}) path={_quoted(' '.join((*level.path, name)))} ;;"
        for level in levels
        for name in level.below
        if any(other.path == (*level.path, name) for other in levels)
    )
    values: list[str] = []
    for level in levels:
        for option in level.options:
            if option.value:
                flags = "|".join(_quoted(f"{level.name}:{flag}") for flag in option.flags)
                values.append(f"        {flags}) {_bash_value(option)}; return ;;")
    words: list[str] = []
    for level in levels:
        flags = " ".join(flag for option in level.options for flag in option.flags)
        follows = " ".join(level.below)
        files = "_headwater_files" if level.files else f"_headwater_words {_quoted(follows)}"
        words.append(f"        {_quoted(level.name)})\n            options={_quoted(flags)}")
        words.append(f"            follows={_quoted(files)} ;;")
    return _BASH.format(places=places, values="\n".join(values), words="\n".join(words))


def _bash_value(option: Option) -> str:
    if option.value in FILES:
        return "_headwater_files"
    return f"_headwater_words {_quoted(' '.join(option.words))}" if option.words else ":"


_BASH: Final = """\
# bash completion for headwater; in ~/.bashrc: source <(headwater completion bash)

_headwater_files() {{
    local IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$word"))
    type compopt >/dev/null 2>&1 && compopt -o filenames
}}

_headwater_words() {{
    COMPREPLY=($(compgen -W "$1" -- "$word"))
    if [[ ${{#COMPREPLY[@]}} -eq 1 && $COMPREPLY == */ ]]; then
        type compopt >/dev/null 2>&1 && compopt -o nospace
    fi
}}

_headwater() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} path= options= follows= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path:${{COMP_WORDS[i]}}" in
{places}
        esac
    done
    case "$path:$before" in
{values}
    esac
    case "$path" in
{words}
    esac
    if [[ $word == -* ]]; then
        _headwater_words "$options"
    else
        eval "$follows"
    fi
}}

complete -F _headwater headwater
"""


# --- zsh


def _zsh(levels: list[Level]) -> str:
    functions = "\n".join(map(_zsh_function, reversed(levels)))
    return _ZSH.format(functions=functions)


def _zsh_function(level: Level) -> str:
    name = "_".join(("_headwater", *level.path))
    specs = [_zsh_option(option) for option in level.options]
    body: list[str] = []
    if level.below:
        names = " ".join(_quoted(f"{name}:{told}" if told else name) for name, told in level.below.items())
        specs += ["'1: :->which'", "'*:: :->rest'"]
        body = [
            "    case $state in",
            f"        which) local -a names=({names}); _describe -t commands command names ;;",
            f"        rest) (( $+functions[{name}_$words[1]] )) && {name}_$words[1] ;;",
            "    esac",
        ]
    elif level.files:
        specs.append("'*:file:_files'")
    else:
        specs.append("'*:text:( )'")  # any text; a message here would prevent the completion of options
    arguments = " \\\n        ".join(("_arguments -C", *specs))
    state = "    local state line\n    typeset -A opt_args\n" if body else ""
    return "\n".join((f"{name}() {{", f"{state}    {arguments}", *body, "}", ""))


def _zsh_option(option: Option) -> str:
    told = option.told.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = ""
    if option.value:
        if option.value in FILES:
            action = "_files"
        elif option.words:
            words = " ".join(option.words)
            action = f'compadd -S "" -- {words}' if option.words[-1].endswith("/") else f"({words})"
        else:
            action = " "
        value = f":{option.value.lower().replace(':', ' ')}:{action}"
    if len(option.flags) == 1:
        return _quoted(f"*{option.flags[0]}[{told}]{value}")
    return f"'*'{{{','.join(option.flags)}}}{_quoted(f'[{told}]{value}')}"


_ZSH: Final = """\
#compdef headwater
# zsh completion for headwater; in ~/.zshrc, after compinit: source <(headwater completion zsh)

{functions}
if [ "$funcstack[1]" = "_headwater" ]; then
    _headwater "$@"
else
    compdef _headwater headwater
fi
"""


# --- fish


def _fish(levels: list[Level]) -> str:
    lines = ["# fish completion for headwater: ~/.config/fish/completions/headwater.fish", "complete -c headwater -f"]
    for level in levels:
        condition = _fish_condition(level)
        for name, told in level.below.items():
            described = f" -d {_fish_quoted(told)}" if told else ""
            lines.append(f"complete -c headwater -n {condition} -a {name}{described}")
        if level.files:
            lines.append(f"complete -c headwater -n {condition} -F")
        lines += [f"complete -c headwater -n {condition} {_fish_option(option)}" for option in level.options]
    return "\n".join(lines) + "\n"


def _fish_condition(level: Level) -> str:
    seen = [f"__fish_seen_subcommand_from {name}" for name in level.path]
    if level.below:
        names = " ".join(level.below)
        seen.append(f"not __fish_seen_subcommand_from {names}")
    return _fish_quoted("; and ".join(seen))


def _fish_option(option: Option) -> str:
    said = [f"-s {flag[1]}" if len(flag) == 2 else f"-l {flag[2:]}" for flag in option.flags]
    if option.value:
        said.append("-r -F" if option.value in FILES else "-x")
    if option.words:
        said.append(f"-a {_fish_quoted(' '.join(option.words))}")
    return " ".join((*said, f"-d {_fish_quoted(option.told)}"))


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quoted(text: str) -> str:
    """Returns the text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


_WRITERS: Final[dict[str, Callable[[list[Level]], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
