# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the pieces of the set-up share. Sourced by ./dev.

export POLYGRAPH_HOME="${POLYGRAPH_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/polygraph}"

# A build, the networks and the test media take this much.
readonly ROOM_GB=6

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

# One line that says what is wrong and how to mend it.
die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

# check_room: only a first build needs room; later ones reuse it.
check_room() {
  [[ -x target/release/polygraph ]] && return 0
  local free_gb
  free_gb=$(($(df --output=avail -k . | tail -n 1) / 1024 / 1024))
  ((free_gb >= ROOM_GB)) ||
    die "there are $free_gb GB free in $PWD and a first build takes $ROOM_GB GB: free some, or clone onto a bigger disk"
}

# as_root COMMAND...: directly, or through sudo.
as_root() {
  if [[ "$(id -u)" == 0 ]]; then "$@"; else sudo "$@"; fi
}

# The python that set-up scripts run on: the system's, whatever version managers put before it.
system_python() {
  if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi
}
