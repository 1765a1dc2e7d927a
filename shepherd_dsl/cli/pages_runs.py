"""The pages of the error values of runs: what `try do` gives in `Err`, and what ends a run that does not handle it."""

from __future__ import annotations

from typing import Final

RUNS: Final[dict[str, tuple[str, str]]] = {
    "abandoned": (
        "a run was taken back in between",
        "The run was reverted or discarded before its operation was answered.",
    ),
    "answers": (
        "no file of answers",
        "The file that stands for the person asked by human.approve cannot be read.",
    ),
    "command": (
        "a command that cannot be started",
        "It is empty, has an open quote, or is too long for the system.",
    ),
    "compensated": (
        "compensated effects are gone",
        "They cannot be had back by an undo. Fork from the earlier event.",
    ),
    "denied": (
        "not granted",
        "The grants of the run, or of one above it, do not allow the operation with these arguments. `shepherd "
        "show RUN@0` shows the grants. A limit (`at most n`) is shared by all runs made under it.",
    ),
    "depth": (
        "a value nests too deep",
        "Values nest at most 100 levels where they leave a run.",
    ),
    "discarded": (
        "the awaited run was discarded",
        "It has no value. A run that discards it must not await it.",
    ),
    "ended": (
        "the run has ended",
        "Nothing can be asked of it any more but its trace, a fork or a merge.",
    ),
    "fail": (
        "the program failed itself",
        "It said `fail` with this text.",
    ),
    "grant": (
        "a grant that cannot be read",
        "A run asked for grants in a form that none has.",
    ),
    "handle": (
        "a run where none may be",
        "Runs cannot be turned into text, nor be part of what leaves a run.",
    ),
    "handler": (
        "a bug in a handler",
        "The operation could be asked again safely, so this is an error and not `Unknown`.",
    ),
    "http.connect": (
        "no connection",
        "Nothing was sent.",
    ),
    "http.lost": (
        "an answer was lost in a crash",
        "The request changes nothing and can be made again.",
    ),
    "http.protocol": (
        "not HTTP",
        "The server answered with something else.",
    ),
    "http.redirects": (
        "too many redirects",
        "The limit is `http.redirects` in `.shepherd/config.toml`.",
    ),
    "http.request": (
        "a request that cannot be sent",
        "Its method, address or headers are not what HTTP allows.",
    ),
    "http.secret": (
        "a secret that cannot be sent",
        "Secrets go into headers or the body, and must be set in the environment.",
    ),
    "http.timeout": (
        "no whole answer in time",
        "The limit is `http.time_limit` in `.shepherd/config.toml`.",
    ),
    "index": (
        "no such element",
        "The list is shorter.",
    ),
    "is_folder": (
        "the path is a folder",
        "Name a file in it.",
    ),
    "jail": (
        "a command that cannot be confined",
        "`shepherd doctor` says what works here. `[jail] off = true` in `.shepherd/config.toml` runs them unconfined.",
    ),
    "limit": (
        "no room to record what a command wrote",
        "Recording its files would have left too little of the disk, so they are as before the command. The bound is a "
        "quarter of `jail.keep_free` in `.shepherd/config.toml`. Free some space, or let the command write less.",
    ),
    "link": (
        "the path is a symbolic link",
        "Links are never followed, so that a run stays in its files.",
    ),
    "model.auth": (
        "the key is not accepted",
        "The provider refused it (401, 403).",
    ),
    "model.cassette": (
        "the cassette has no answer",
        "Its file has no answer for this request, or cannot be read. `--model record:FILE=MODEL` asks MODEL where "
        "an answer is missing, and adds it.",
    ),
    "model.connection": (
        "no connection to the model",
        "It broke or was never there; all tries failed.",
    ),
    "model.local": (
        "the embedded model did not start",
        "`shepherd doctor` says whether it is installed.",
    ),
    "model.malformed": (
        "an answer that is not what the API promises",
        "It was not tried again.",
    ),
    "model.overloaded": (
        "the provider is overloaded",
        "All tries failed (503, 529). Go on later with `shepherd resume`.",
    ),
    "model.quota": (
        "the account has no credit",
        "The provider says so (402, insufficient_quota).",
    ),
    "model.rate_limit": (
        "too many requests",
        "All tries failed (429).",
    ),
    "model.refused": (
        "the model declined to answer",
        "Or the provider's filter did.",
    ),
    "model.request": (
        "a request that cannot be sent to the model",
        "Its form is wrong, or the provider refuses it.",
    ),
    "model.server": (
        "the provider failed",
        "All tries failed (5xx).",
    ),
    "model.timeout": (
        "no answer from the model in time",
        "All tries failed.",
    ),
    "moved": (
        "runs were moved",
        "A run below the one that is taken back belongs to another one now.",
    ),
    "name": (
        "an unknown name",
        "The core program names something that is not there, or calls it with too many arguments.",
    ),
    "no_answer": (
        "nobody answered",
        "The question of human.approve ended without an answer. `--yes` and `--no` answer all.",
    ),
    "no_terminal": (
        "no terminal to ask on",
        "human.approve needs one. `--yes` and `--no` answer without asking.",
    ),
    "not_done": (
        "certainly not carried out",
        "The operation was interrupted before it did anything.",
    ),
    "not_executable": (
        "the program cannot be executed",
        "The file is there, but the system does not run it.",
    ),
    "not_folder": (
        "a file where a folder is needed",
        "A part of the path is a file.",
    ),
    "not_found": (
        "no such file or program",
        "In the run's own copy, or on the search path for a command.",
    ),
    "not_text": (
        "the file is not UTF-8 text",
        "file.read gives texts only.",
    ),
    "output": (
        "too much output",
        "The command was ended; the limit is `shell.output_max` in `.shepherd/config.toml`.",
    ),
    "own": (
        "a run of another owner",
        "Who holds a run is its handler; the asker has given it away or never had it.",
    ),
    "path": (
        "not a normal path",
        "A path is relative, with `/` between its parts, and without `..`, `.` or empty parts.",
    ),
    "range": (
        "a number out of range",
        "The error says from where to where it may be.",
    ),
    "retracted": (
        "retracted before",
        "The comment was taken back already.",
    ),
    "size": (
        "a value that is too large",
        "Texts have at most 2^24 characters, lists 2^20 elements, integers 65,536 bits.",
    ),
    "step": (
        "no such event",
        "The run has fewer events.",
    ),
    "steps": (
        "too many steps without an effect",
        "Between two events a run may make as many local steps as its program says (1,000,000). It probably loops "
        "without end. Where it only has much to do (a `for` makes about 4 an element, and those of its body), allow it "
        "more, with `shepherd run --steps 5000000 …` or `steps` of `[run]` in `.shepherd/config.toml`. The bound is "
        "part of the core program: its digest changes with it, and a run that is resumed keeps the bound it was "
        "started with.",
    ),
    "stop": (
        "the run is not at an intent",
        "Only a run that waits with an intent can be answered or denied.",
    ),
    "timeout": (
        "the time limit of a command",
        "It was ended; the limit is `shell.time_limit` in `.shepherd/config.toml`.",
    ),
    "too_large": (
        "a file that is too large to be read as text",
        "Let a command look at it instead.",
    ),
    "tracker": (
        "the tracker's file cannot be used",
        "The error says why; docs/handlers.md says what it looks like.",
    ),
    "type": (
        "a value of the wrong kind",
        "In a checked program, what came from outside did not have the declared type.",
    ),
    "unknown": (
        "nobody knows whether it happened",
        "An operation was under way when its driver stopped, and its handler cannot tell. `try do` lets a program "
        "decide; `shepherd resume --again` performs it once more.",
    ),
    "zero": (
        "division by zero",
        "`/` and `%` need another divisor.",
    ),
    "conflict": (
        "files conflict",
        "Two runs changed the same files, so nothing was merged. The error names them.",
    ),
}
