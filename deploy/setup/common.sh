# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the pieces of the set-up share. Sourced by ./dev.

export POLYGRAPH_HOME="${POLYGRAPH_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/polygraph}"

# A build, the networks and the test media take this much; and this much of it is in $POLYGRAPH_HOME.
readonly ROOM_GB=6 HOME_GB=1

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

# One line that says what is wrong and how to mend it.
die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

# check_room: only a first build and a first download need room; later ones reuse it.
check_room() {
  local free
  if [[ ! -x target/release/polygraph ]]; then
    free="$(free_gb .)"
    ((free >= ROOM_GB)) ||
      die "there are $free GB free in $PWD and a first build takes $ROOM_GB GB: free some, or clone onto a bigger disk"
  fi
  if [[ ! -d "$POLYGRAPH_HOME/networks" ]]; then
    free="$(free_gb "$POLYGRAPH_HOME")"
    ((free >= HOME_GB)) ||
      die "there are $free GB free for $POLYGRAPH_HOME, and networks and media take $HOME_GB GB: free some, or set POLYGRAPH_HOME to a folder on a bigger disk"
  fi
}

# free_gb FOLDER: free on its disk; the folder need not be there yet.
free_gb() {
  local folder="$1"
  until [[ -d "$folder" ]]; do folder="$(dirname "$folder")"; done
  echo $(($(df --output=avail -k "$folder" | tail -n 1) / 1024 / 1024))
}

# as_root COMMAND...: directly, or through sudo.
as_root() {
  if [[ "$(id -u)" == 0 ]]; then "$@"; else sudo "$@"; fi
}

# The python that set-up scripts run on: the system's, whatever version managers put before it.
system_python() {
  if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi
}
