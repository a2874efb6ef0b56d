"""Commands about the machine and the shell: doctor, completion."""

import argparse
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from reverie.commands.talking import load, say

SHELLS = ("bash", "zsh", "fish")
EGL = "import os; os.environ['MUJOCO_GL'] = 'egl'; import mujoco; c = mujoco.GLContext(8, 8); c.make_current(); print('drawn')"


def doctor(options: argparse.Namespace) -> dict[str, Any]:
    """What there is to work with."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    import reverie
    from reverie.layers.precision import fast_dtype, peak_flops
    from reverie.sampling.estimate import total_memory

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    packages = {name: installed(name) for name in ("torch", "numpy", "av", "pillow", "safetensors", "mujoco")}
    speed = {"fp32": round(peak_flops(torch.float32) / 1e9), "bf16": round(peak_flops(torch.bfloat16) / 1e9)}
    try:
        model = load(None).digest
    except ValueError as error:
        model = f"cannot be loaded: {error}"
    facts = {
        "reverie": reverie.__version__, "python": platform.python_version(), **packages, "system": platform.platform(), "device": "cpu",
        "threads": torch.get_num_threads(), "gflops": speed, "computes_in": str(fast_dtype()).removeprefix("torch."), "memory_gb": round(total_memory() / 1e9, 1),
        "free_memory_gb": _free_memory(), "free_disk_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1), "egl": _egl(), "model": model,
    }  # fmt: skip
    for key, value in facts.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        say(options, f"{key.replace('_', ' '):<16}{text}")
    return facts


def _free_memory() -> float | None:
    """GB that a new program may take, where Linux says it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((round(int(line.split()[1]) * 1024 / 1e9, 1) for line in lines if line.startswith("MemAvailable:")), None)


def _egl() -> str:
    """Whether the simulator can draw without a screen; tried in a process of its own, since drivers may crash."""
    try:
        done = subprocess.run([sys.executable, "-P", "-c", EGL], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "no: the driver does not answer"
    if done.returncode == 0 and "drawn" in done.stdout:
        return "yes"
    return f"no: {(done.stderr.strip().splitlines() or [f'exit code {done.returncode}'])[-1]} (only `reverie worlds` and `reverie evaluate tasks` need it)"


def completion(options: argparse.Namespace) -> dict[str, Any]:
    """The parser as a completion script."""
    table = dict(_commands(options.root))
    if options.shell == "fish":
        text = _fish(table)
    else:
        text = _bash(table, "autoload -U +X bashcompinit && bashcompinit" if options.shell == "zsh" else "")
    say(options, text)
    return {"shell": options.shell, "script": text}


def _commands(parser: argparse.ArgumentParser, path: str = "") -> list[tuple[str, list[tuple[str, str]]]]:
    """(path of a command, its (word, help): commands below it, or options) for every command."""
    words: list[tuple[str, str]] = []
    below: list[tuple[str, list[tuple[str, str]]]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                words.append((name, helps.get(name, "")))
                below += _commands(inner, f"{path} {name}".strip())
        else:
            words += [(option, (action.help or "").split(";")[0]) for option in action.option_strings if option.startswith("--")]
    return [(path, words), *below]


def _bash(table: dict[str, list[tuple[str, str]]], before: str) -> str:
    paths = " | ".join(f'"{path}"' for path in table if path)
    cases = "\n".join(f'        "{path}") words="{" ".join(word for word, _ in words)}" ;;' for path, words in table.items())
    return f"""{before}
_reverie() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" path="" words="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "${{path:+$path }}$word" in {paths}) path="${{path:+$path }}$word" ;; esac
    done
    case "$path" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ -n "$path" && "$current" != -* ]]; then COMPREPLY+=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _reverie reverie""".strip()


def _fish(table: dict[str, list[tuple[str, str]]]) -> str:
    lines = []
    for path, words in table.items():
        condition = " ; and ".join(f"__fish_seen_subcommand_from {part}" for part in path.split()) or "__fish_use_subcommand"
        for word, text in words:
            said = text.replace("\\", "").replace("'", "\\'").replace("%%", "%")
            what = f"-l {word[2:]}" if word.startswith("--") else f"-f -a {word}"
            lines.append(f"complete -c reverie -n '{condition}' {what} -d '{said}'")
    return "\n".join(lines)
