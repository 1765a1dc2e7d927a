#!/bin/sh
# The main job, on a small real repository with real pytest: first with the embedded model, then with recorded answers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$here/../fix.shep
work=$(mktemp -d "${TMPDIR:-/tmp}/shepherd-demo-XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -R "$here/repo/." "$work"
cd "$work"
export PYTHONDONTWRITEBYTECODE=1
if [ -t 1 ]; then export FORCE_COLOR=1; fi

title() { printf '\n\033[1m── %s\033[0m\n' "$*"; }
say() { printf '   %s\n' "$*"; }
timed() { begun=$(date +%s%N); sh_ "$@"; say "$((($(date +%s%N) - begun) / 1000000)) ms, with the start of the command"; }
sh_() { printf '\033[36m$ %s\033[0m\n' "$*"; "$@"; }

title "The program, checked and tested without a model"
sh_ shepherd check "$program"
sh_ shepherd test "$program"

title "A small repository with failing tests"
sh_ shepherd init
sh_ pytest -q || true

title "1. The embedded model (SmolLM2-135M, offline)"
say "A real model, but a weak one: this run may well end in \`failed\`. That is shown as it is."
if sh_ shepherd run "$program" "login works" --model local; then
  say "It worked this time."
else
  say "It failed; nothing of it reached the repository, and every step is recorded."
fi
sh_ shepherd log 1
say "Back to the beginning:"
sh_ shepherd revert 1@0

title "2. Recorded answers (labelled so: no model is asked)"
sh_ shepherd run "$program" "login works" --model cassette:"$here/recorded.jsonl"
sh_ pytest -q
sh_ shepherd log 2
sh_ shepherd diff 2@0 2@-1

title "3. The run is data"
say "Back to event 4: code and files; what can be compensated is, and the rest is said."
sh_ shepherd revert --dry-run 2@4
sh_ shepherd revert 2@4
sh_ git -c safe.directory='*' diff --no-index --stat "$here/repo/src/login.py" src/login.py && say "The repository is as it was."

say "A fork from event 4 goes on by itself, from the same model answer:"
sh_ shepherd fork 2@4
sh_ shepherd resume 3 --model cassette:"$here/recorded.jsonl"
sh_ shepherd log 3

title "4. Replay: nothing is performed, every hash is the same"
sh_ shepherd replay 2
sh_ shepherd replay 3

title "5. The checker in Lean: could the program have produced what is recorded?"
say "(Where it is not built yet, \`make lean\` builds it.)"
sh_ shepherd verify 2 && sh_ shepherd verify 3 || [ $? = 2 ]

title "6. It is all plain Git"
sh_ git --git-dir=.shepherd/trace.git fsck --strict --no-dangling
sh_ git --git-dir=.shepherd/trace.git log --oneline -5 refs/shepherd/runs/3/root
sh_ shepherd runs

title "7. A workspace of 200 MB in 8,000 files: fork, revert, merge"
mkdir large
(cd "$here/../.." && python -m bench.scopes.subject "$work/large/src" 200/8000)
cd large
sh_ shepherd init
say "The run reads the workspace once; its command then changes more than 500 files of a copy."
timed shepherd run --keep "$here/large.shep"
timed shepherd fork 1@2
timed shepherd resume --keep -q 2
timed shepherd revert 1@0
timed sh -c 'shepherd merge 2 | tail -n 3'
say "The same without the start of a command: the machine's fork with its commits, durable, and its files mounted."
cd "$here/../.."
sh_ python -m bench.scopes --size 200/8000 --rounds 3 --backend best
