"""The pages of the errors that commands end with: code, title, what to do."""

from __future__ import annotations

from typing import Final

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "agent.none": (
        "a program without agents",
        "Only agents can be run. The file declares none; it may be meant to be imported, or to be tested with "
        "`shepherd test`.",
    ),
    "agent.unknown": (
        "no such agent",
        "The file has no agent of that name. The hint lists those it has.",
    ),
    "agent.which": (
        "several agents",
        "The file has several agents and none is called `main`. Name one: `shepherd run FILE:AGENT`.",
    ),
    "args.count": (
        "too many or too few arguments",
        "Each parameter of the agent takes one argument. Quote an argument that holds spaces, and write `--` "
        'before the arguments where one begins with a dash: `shepherd run fix.shep -- "-1"`.',
    ),
    "args.kind": (
        "a parameter that a command line cannot give",
        "Runs and agents cannot be written as text. Write an agent that makes the value and runs the other one.",
    ),
    "args.secret": (
        "an argument holds a secret",
        "Arguments are recorded for good. Pass the name of an environment variable instead, or let a handler send it.",
    ),
    "args.text": (
        "an argument is not UTF-8",
        "Texts are Unicode. Put other bytes into a file and let the agent read it.",
    ),
    "args.value": (
        "an argument does not fit its type",
        "A Text stands for itself; Int and Bool are written as in the language; anything else is JSON, for "
        'example `\'{"code": 0, "out": ""}\'` for a record and `\'["a", "b"]\'` for a list.',
    ),
    "args.wrong": (
        "arguments do not fit the agent",
        "Their number differs from that of its parameters.",
    ),
    "checker.answer": (
        "the checker answers something else than a verdict",
        "The command in SHEPHERD_SHEPREF, or the `shepref` on the PATH, must be that of the project.",
    ),
    "checker.command": (
        "no such checker",
        "SHEPHERD_SHEPREF holds the command that starts the checker, split into words as a shell does. Without it, "
        "`shepref` on the PATH is taken, or what is built in a checkout.",
    ),
    "checker.ended": (
        "the checker ended without a verdict",
        "The run is neither accepted nor rejected. `make lean` in a checkout builds the checker anew. A run of very "
        "many events may be more than the portable Lean can hold; the one that `lake build` makes holds more.",
    ),
    "checker.none": (
        "the checker in Lean is not here",
        "`shepherd verify` hands the run to a Lean program. Its sources are in the repository of the project: `make "
        "lean` there builds it with Lake, or with a Lean that it fetches. It is found through SHEPHERD_SHEPREF (a "
        "command), as `shepref` on the PATH, or in the checkout that shepherd is run from. `shepherd replay` needs "
        "none: it asks the Python core.",
    ),
    "checker.refused": (
        "the checker does not take the run",
        "It says why. The checker and shepherd must be of the same version.",
    ),
    "checker.start": (
        "the checker cannot be started",
        "Look at the permissions of the command that the error names.",
    ),
    "config.invalid": (
        "a setting that cannot be",
        "`.shepherd/config.toml` has an unknown setting or a value of the wrong kind; docs/handlers.md lists them all.",
    ),
    "config.read": (
        "the configuration cannot be read",
        "Look at the permissions of `.shepherd/config.toml`.",
    ),
    "config.syntax": (
        "the configuration is not TOML",
        "The error names the line. Texts stand in double quotes.",
    ),
    "event.none": (
        "no such event",
        "The run has fewer events. `shepherd log RUN` lists them.",
    ),
    "explain.unknown": (
        "no such code",
        "`shepherd explain` without a code lists all of them.",
    ),
    "extra.missing": (
        "an optional package is not installed",
        "Model clients, HTTP and the embedded model are extras, so that shepherd itself stays small. The hint has "
        "the command that installs what is missing.",
    ),
    "file.none": (
        "no such file",
        "Name a .shep file; `check`, `fmt` and `test` take folders too.",
    ),
    "file.unreadable": (
        "a program cannot be read",
        "Look at the permissions of the file; it must be UTF-8.",
    ),
    "file.write": (
        "a file cannot be written",
        "`shepherd fmt` leaves every file as it was where one cannot be written.",
    ),
    "handler.broken": (
        "a handler cannot be loaded",
        "An installed package offers a handler that fails when it is loaded. Update it or uninstall it.",
    ),
    "handler.claimed": (
        "two handlers for one operation",
        "Uninstall one of the packages that bring them.",
    ),
    "handler.class": (
        "an operation declared otherwise than its handler says",
        "How an effect can be taken back is a promise of its handler: declare it as the handler does.",
    ),
    "handler.close": (
        "a handler did not close",
        "What it left running may need to be ended by hand; the trace is complete.",
    ),
    "handler.none": (
        "an operation without a handler",
        "The agent is granted an operation that nothing here performs, so nothing was run or recorded. Install "
        "the package that brings its handler, or set it up in `.shepherd/config.toml` (docs/handlers.md). "
        "`shepherd doctor` lists the handlers there are; `shepherd test` needs none.",
    ),
    "internal": (
        "a bug in shepherd",
        "What was recorded is safe. SHEPHERD_TRACEBACK=1 shows where it happened.",
    ),
    "merge.changing": (
        "a file changed while it was merged",
        "Nothing was written. Merge again when the program that writes it has come to rest.",
    ),
    "merge.conflict": (
        "you and the run changed the same lines, or the same files",
        "Nothing was written; the error names each file, and the lines that clash. Texts are merged line by line; not "
        "so binary and very large files, links, and files that one side removed. `shepherd merge --markers` writes "
        "both versions of clashing lines into the files, with conflict markers; --keep-mine leaves the files that "
        "conflict as you have them; --overwrite takes the run's; beside --markers the two settle what has no lines. "
        "What is ignored, what you may not read, FIFOs, sockets and devices are never overwritten. `shepherd undo` "
        "takes back each of these. Or move "
        "your own changes aside and merge again: the run keeps its files, and `shepherd diff RUN` shows what it "
        "changed. `shepherd revert` and `shepherd undo` merge nothing by lines: they stop where you have changed "
        "since what they would put back, unless --keep-mine or --overwrite says what then.",
    ),
    "merge.kept": (
        "what a merge kept of your files is damaged",
        "Where a merge was built on an edit of yours, it keeps your version in .shepherd/merge/kept/, so that it can "
        "be undone exactly. That copy is not what was written. The error names the file: without it, what needs it "
        "cannot be undone or merged.",
    ),
    "merge.ignored": (
        "the run made what the workspace keeps out of runs",
        "A run does not get ignored files (secrets, caches, what .shepherdignore lists), so it cannot know that it "
        "would replace one, or a folder that holds one; and a new one could mean something to programs (`.venv/`, "
        "`.ssh/`). Nothing was written, nor is it with --overwrite. `shepherd merge --keep-mine` leaves such paths as "
        "you have them and merges the rest. Where runs are to have them, write `!PATH` into .shepherdignore, move "
        "yours aside and merge again.",
    ),
    "merge.corrupt": (
        "the plan of an interrupted merge is damaged",
        "Compare the workspace with the run (`shepherd diff RUN`), then remove the file that the error names.",
    ),
    "merge.denied": (
        "the workspace may not be read or written",
        "Nothing was changed. Give yourself the permission and merge again. Where what stands in the way may not be "
        "read, --keep-mine leaves it and merges the rest.",
    ),
    "merge.git": (
        "a run made files in .git/, or in another repository",
        "A file in .git/ can make Git run commands; so can one in .hg/, .svn/, .jj/ and .bzr/, and in a folder that "
        "Git takes for a repository because it has HEAD, objects/ and refs/. Such files are not merged. `shepherd "
        "merge --keep-mine` merges the rest. Where runs are to change the repository, write !.git/ into "
        ".shepherdignore.",
    ),
    "merge.interrupted": (
        "a merge was interrupted",
        "The workspace is half-way between two states, and the journal that leads on is kept. Any command that changes "
        "something finishes it first; `shepherd doctor --clean` does nothing else. Commands that only look say so, and "
        "a dry run stops.",
    ),
    "merge.io": (
        "writing to the workspace failed",
        "Mend the cause and merge again: a merge that had begun is finished.",
    ),
    "merge.locked": (
        "another merge is at work",
        "Wait until it has finished, then merge again.",
    ),
    "merge.own": (
        "a run made files in .shepherd/",
        "They are never merged. Remove them in the run, or discard it; `shepherd merge --keep-mine` merges the rest.",
    ),
    "merge.policy": (
        "a run changed what decides about later runs",
        "That are .shepherdignore, and what `.shepherd/config.toml` names in the workspace: the file of answers, the "
        "tracker's file, the cassette of the default model, and links where commands read or find programs. With such "
        "a file a run would give the next one more than you did. Nothing was written. `shepherd diff RUN` shows the "
        "change: make it by hand where you want it, then merge again. `shepherd merge --keep-mine` leaves these files "
        "as you have them and merges the rest.",
    ),
    "merges.corrupt": (
        "what a run gave the workspace is not known",
        "The record beside the run is damaged. Without it, the files that the run started from count as the last "
        "it gave.",
    ),
    "model.key": (
        "no key for a model",
        "Set the environment variable that the error names, or choose another --model.",
    ),
    "model.spec": (
        "no such model",
        "A model is written anthropic:NAME, openai:NAME, openai-responses:NAME, local, cassette:FILE or "
        "record:FILE=MODEL (docs/models.md).",
    ),
    "program.secret": (
        "the program holds a secret",
        "A program is recorded for good. Take the value out; handlers take secrets from environment variables.",
    ),
    "revision.ambiguous": (
        "a hash that is too short",
        "Several commits begin so. Add digits; the hint lists them.",
    ),
    "revision.event": (
        "no such event",
        "The run has fewer events; the hint says which there are.",
    ),
    "revision.event_missing": (
        "an event is needed",
        "Write RUN@EVENT, for example 3@7, 3@-1 or 3@last_green.",
    ),
    "revision.form": (
        "no name of an event",
        "Write a number, -1 for the last, last_green, or 4 digits of its hash or more.",
    ),
    "revision.green": (
        "no green event",
        "`last_green` is the last live outcome of a command that ended with code 0.",
    ),
    "revision.hash": (
        "no commit begins so",
        "`shepherd log` shows the hashes; `--all` those of reverted events too.",
    ),
    "revision.none": (
        "no run yet",
        "`shepherd run FILE` makes one.",
    ),
    "revision.run": (
        "no such run below",
        "`shepherd log RUN` names the runs of a tree: 3.0 is the first that run 3 made.",
    ),
    "revision.tree": (
        "no such run",
        "`shepherd runs` lists them all.",
    ),
    "run.compensated": (
        "what was compensated cannot be had back",
        "An undo would have to make effects again that were compensated. `shepherd fork` makes a run from the "
        "earlier event instead.",
    ),
    "run.discarded": (
        "a run that was discarded",
        "It has ended, and its effects were taken back as far as that goes. `shepherd undo` takes the discard back "
        "unless compensations were made; `shepherd fork` makes a run from an earlier event.",
    ),
    "run.empty": (
        "a run without events",
        "It was stopped before it began. Run the program again.",
    ),
    "run.ended": (
        "the run has ended",
        "A discarded run stays discarded, except for `shepherd undo`.",
    ),
    "run.moved": (
        "runs were moved",
        "A run that the event had below it belongs to another one now; it cannot be taken back there.",
    ),
    "run.own": (
        "a run of another owner",
        "Only its owner takes a run back.",
    ),
    "run.owned": (
        "a run below another",
        "It is owned by the run that made it or took it, its handler. From outside only root runs are reverted, "
        "forked or discarded; the hint names the root run's event at that time.",
    ),
    "run.step": (
        "no such event",
        "`shepherd log RUN` lists them.",
    ),
    "scope.backend": (
        "a way of copying that cannot be used here",
        "`shepherd doctor` says which can and why.",
    ),
    "scope.ignore": (
        "a mistake in .shepherdignore",
        "Its syntax is that of .gitignore; the file is UTF-8.",
    ),
    "scope.import": (
        "the workspace cannot be read",
        "Name a folder that you may read, with room for .shepherd/.",
    ),
    "scope.interrupted": (
        "a run's copy was left half-written",
        "It is rebuilt from the trace with the next `shepherd resume`.",
    ),
    "scope.io": (
        "a run's copy cannot be written",
        "Nothing of the trace is lost. Mend the cause, then `shepherd resume`.",
    ),
    "store.blob": (
        "contents were not kept before they were named",
        "This is a bug: report it. Nothing was recorded.",
    ),
    "store.closed": (
        "the writer of a run is closed",
        "This is a bug: report it.",
    ),
    "store.full": (
        "no room to record",
        "Free some space, then `shepherd resume`: all that was acknowledged is on disk.",
    ),
    "store.info": (
        "what is kept beside a run maps texts to texts",
        "This is a bug of the program that embeds shepherd.",
    ),
    "store.io": (
        "reading or writing the trace failed",
        "Check the disk; `shepherd doctor` looks at the traces.",
    ),
    "store.journal": (
        "a journal is damaged",
        "What was packed is safe. Restore the file from a copy, or move it away to go on without its events.",
    ),
    "store.locked": (
        "another process writes the run",
        "The error says which. Reading needs no lock: log, show, diff work.",
    ),
    "store.log": (
        "the log of a run is damaged",
        "Fetch the run from a copy of the trace.",
    ),
    "store.missing": (
        "no trace here",
        "`shepherd init` makes one.",
    ),
    "store.name": (
        "the name of a run is too long",
        "Use at most 900 characters.",
    ),
    "store.object": (
        "an object of the trace is damaged",
        "`shepherd doctor` says what is affected; a copy can restore it.",
    ),
    "store.object_missing": (
        "an object of the trace is missing",
        "Fetch it from a copy: git -C .shepherd/trace.git fetch COPY 'refs/shepherd/*:refs/shepherd/*'",
    ),
    "store.order": (
        "events out of order",
        "This is a bug: report it. Nothing was recorded.",
    ),
    "store.readonly": (
        "the trace cannot be written here",
        "Check the owner and the mount of `.shepherd/`.",
    ),
    "store.ref": (
        "a ref of the trace is damaged",
        "Restore it from a copy of the trace.",
    ),
    "store.repository": (
        "the objects of the trace cannot be opened",
        "Check who may read `.shepherd/trace.git/objects`. Git's own configuration has no part in it.",
    ),
    "store.size": (
        "too much in one step",
        "A step records at most 4 GiB.",
    ),
    "store.sync": (
        "the disk did not confirm a write",
        "Check it, then `shepherd resume` goes on from what is really there.",
    ),
    "too_deep": (
        "something nests too deep",
        "Values and programs nest a few hundred levels at most; split it up.",
    ),
    "trace.diverges": (
        "a trace that its program did not make",
        "The trace was changed, or another version of shepherd made it. `shepherd replay RUN` shows the first "
        "difference.",
    ),
    "trace.program": (
        "the recorded program cannot be read",
        "It is damaged, or another version of shepherd recorded it. A copy of the trace can restore it.",
    ),
    "undo.nothing": (
        "nothing to undo",
        "`undo` takes back the last revert, discard or merge. `revert` goes back to an event.",
    ),
    "usage": (
        "a command line that is not understood",
        "`shepherd COMMAND --help` shows how a command is used.",
    ),
    "workspace.folder": (
        "no such folder",
        "`shepherd init FOLDER` needs a folder that is there.",
    ),
    "workspace.none": (
        "not in a workspace",
        "No folder from here upwards has a `.shepherd/`. `shepherd init` makes one; `-C FOLDER` names another place.",
    ),
}
