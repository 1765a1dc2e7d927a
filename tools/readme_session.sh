#!/bin/sh
# Puts a session from a real terminal into README.md, between the two session marks. Run it from the repository's root
# with the virtual environment's bin/ on PATH.
set -eu
root=$(pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/shepherd-readme-XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -R examples/demo/repo/. "$work"
cp examples/fix.shep examples/demo/recorded.jsonl "$work"
cd "$work"
export NO_COLOR=1 COLUMNS=110 PYTHONDONTWRITEBYTECODE=1
log=$work.session
step() { printf '    $ %s\n' "$*" >>"$log"; (eval "$*" 2>&1 || true) | sed 's/^/    /' >>"$log"; }
: >"$log"
step shepherd init . '>' /dev/null
step shepherd test fix.shep
step shepherd run fix.shep "'login works'" --model cassette:recorded.jsonl
step shepherd log
step shepherd diff 4 6
step shepherd revert 4
step shepherd fork 4
step shepherd resume --model cassette:recorded.jsonl
step shepherd replay 1
step shepherd replay 2
step git --git-dir=.shepherd/trace.git fsck --strict
cd "$root"
python - "$log" <<'PY'
import pathlib, sys
readme = pathlib.Path("README.md")
text = readme.read_text()
head, rest = text.split("<!-- session:begin", 1)
mark, rest = rest.split("-->\n", 1)
_, tail = rest.split("<!-- session:end -->", 1)
session = pathlib.Path(sys.argv[1]).read_text().rstrip()
readme.write_text(f"{head}<!-- session:begin{mark}-->\n{session}\n<!-- session:end -->{tail}")
PY
rm -f "$log"
