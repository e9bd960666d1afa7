#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the files of deployment against the tools that read them, and says which tools are not here. By Go, where that is
# there, it fetches helm (`go install`, pinned) into $POLYGRAPH_HOME/go; Kubernetes' schemas come by pip. Images are not
# built: that needs a registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
home="${POLYGRAPH_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/polygraph}"
export GOPATH="$home/go"
PATH="$GOPATH/bin:$home/prometheus:$PATH"
skipped=()

say() { printf '%s\n' "$*" >&2; }

# has TOOL [MODULE]: whether it is here or can be fetched; notes it when not.
has() {
  command -v "$1" >/dev/null && return 0
  if [[ -n "${2:-}" ]] && command -v go >/dev/null; then
    say "fetching $1 by go install $2"
    go install "$2" && return 0
  fi
  skipped+=("$1")
  return 1
}

# Kubernetes' schemas, which a Python package carries.
has_schemas() {
  [[ -x "$home/deploy-venv/bin/kubernetes-validate" ]] && return 0
  say "fetching Kubernetes' schemas by pip"
  python3 -m venv "$home/deploy-venv" && "$home/deploy-venv/bin/pip" install --quiet kubernetes-validate==1.37.0 && return 0
  skipped+=("Kubernetes' schemas")
  return 1
}

if has systemd-analyze; then
  unit="$(mktemp -d)"
  # The command isn't installed where this runs.
  sed 's#/usr/local/bin/polygraph#/bin/true#' deploy/systemd/polygraph.service > "$unit/polygraph.service"
  systemd-analyze verify "$unit/polygraph.service"
  rm -r "$unit"
fi
if has promtool; then
  for rules in dashboards/alerts/*.yml; do
    case "$rules" in
      *.test.yml) promtool test rules "$rules" ;;
      *) promtool check rules "$rules" ;;
    esac
  done
  promtool check config --syntax-only deploy/compose/prometheus.yml
fi
if has helm helm.sh/helm/v3/cmd/helm@v3.19.0; then
  helm lint --strict deploy/helm/polygraph
  rendered="$(mktemp --suffix=.yaml)"
  for values in "" workers.enabled=true "gpu.nvidia\\.com/gpu=1,workers.enabled=true"; do
    helm template check deploy/helm/polygraph --kube-version 1.31.0 ${values:+--set "$values"} > "$rendered"
    ! has_schemas || "$home/deploy-venv/bin/kubernetes-validate" --strict --quiet "$rendered"
  done
  rm "$rendered"
fi
if ! docker compose version >/dev/null 2>&1; then
  skipped+=("docker compose")
else
  POLYGRAPH_TOKEN=x GRAFANA_PASSWORD=x docker compose --file deploy/compose/compose.yaml config --quiet
fi
if ((${#skipped[@]})); then
  say "not checked, for want of: $(printf '%s\n' "${skipped[@]}" | sort -u | paste --serial --delimiters=' ')"
fi
