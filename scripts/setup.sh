#!/usr/bin/env bash
# Installs what Nines needs and this machine lacks, and says what it does. With everything there it does nothing.
#
#   scripts/setup.sh run    what `make run` needs: PostgreSQL 15 or later
#   scripts/setup.sh test   also what the tests need: Prometheus (promtool), Alertmanager's amtool, Chromium
set -euo pipefail

want=${1:-test}
say() { printf 'setup: %s\n' "$*" >&2; }

# postgres_dir prints a folder that holds a whole PostgreSQL server of version 15 or later.
postgres_dir() {
	local dir major
	for dir in $(command -v initdb >/dev/null && dirname "$(command -v initdb)") \
		$(command -v pg_config >/dev/null && pg_config --bindir) \
		$(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin 2>/dev/null | sort -rV); do
		[ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] || continue
		major=$("$dir/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
		if [ "$major" -ge 15 ]; then echo "$dir"; return; fi
	done
}

missing=()
[ -n "$(postgres_dir)" ] || missing+=(postgresql)
if [ "$want" = test ]; then
	command -v promtool >/dev/null && command -v prometheus >/dev/null || missing+=(prometheus)
	command -v amtool >/dev/null || missing+=(alertmanager)
	command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null || missing+=(alertmanager)
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
		[ -d "/Applications/Chromium.app" ] || [ -d "/Applications/Google Chrome.app" ] || missing+=(chromium)
fi
[ ${#missing[@]} -eq 0 ] && exit 0
# one word once
missing=($(printf '%s\n' "${missing[@]}" | sort -u))

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"
	elif command -v sudo >/dev/null; then sudo "$@"
	else
		say "this needs root and there is no sudo; as root run: $*"
		exit 1
	fi
}

on_debian() {
	local packages=() policy=/usr/sbin/policy-rc.d made_policy=
	say "asking apt-get for the list of packages"
	as_root apt-get update -qq
	for m in "${missing[@]}"; do
		case $m in
		alertmanager) packages+=(prometheus-alertmanager) ;;
		chromium) packages+=("$(apt-cache show chromium >/dev/null 2>&1 && echo chromium || echo chromium-browser)" fonts-liberation) ;;
		*) packages+=("$m") ;;
		esac
	done
	say "installing ${packages[*]} with apt-get"
	# The packages would start their own servers; Nines and its tests start what they need themselves.
	if [ ! -e "$policy" ]; then
		as_root sh -c "printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy"
		made_policy=1
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null || failed=1
	[ -z "$made_policy" ] || as_root rm -f "$policy"
	[ -z "${failed:-}" ] || { say "apt-get could not install ${packages[*]}"; exit 1; }
	if [ -z "$(postgres_dir)" ]; then
		say "the distribution's PostgreSQL is older than 15; adding the PostgreSQL project's own repository for 16"
		as_root apt-get install -y -qq postgresql-common >/dev/null
		as_root /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y >/dev/null
		as_root apt-get install -y -qq postgresql-16 >/dev/null
	fi
}

on_macos() {
	command -v brew >/dev/null || { say "install Homebrew (https://brew.sh) first, then run make setup again"; exit 1; }
	for m in "${missing[@]}"; do
		case $m in
		postgresql) say "brew install postgresql@16" && brew install -q postgresql@16 ;;
		chromium) say "brew install --cask chromium" && brew install -q --cask chromium ;;
		*) say "brew install $m" && brew install -q "$m" ;;
		esac
	done
}

case "$(uname -s)" in
Darwin) on_macos ;;
*)
	if command -v apt-get >/dev/null; then on_debian
	else
		say "missing: ${missing[*]}. This script knows Debian, Ubuntu and macOS; install them with your package manager."
		exit 1
	fi
	;;
esac
say "done"
