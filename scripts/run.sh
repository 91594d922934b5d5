#!/usr/bin/env bash
# The quickstart: a control plane that watches itself and a small shop with a fault switch. Ctrl-C stops both; the data
# folder stays, so the next start goes on where this one ended.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${NINES_DATA:-data}

# The key that signs pages to the shop's pager. It lives in the data folder only.
mkdir -p "$data"
key="$data/pager-secret"
if [ ! -s "$key" ]; then
	(umask 077 && printf 'whsec_%s\n' "$(head -c 32 /dev/urandom | base64)" >"$key")
fi
NINES_PAGER_SECRET=$(cat "$key")
export NINES_PAGER_SECRET SHOP_PAGER_SECRET=$NINES_PAGER_SECRET

bin/shop &
shop=$!
trap 'kill $shop 2>/dev/null || true; wait $shop 2>/dev/null || true' EXIT
trap 'exit 0' INT
trap 'exit 0' TERM

bin/nines serve --data "$data" \
	--apply examples/quickstart \
	--scrape-config examples/quickstart/scrape.yml \
	--welcome examples/quickstart/welcome.txt "$@" &
nines=$!
trap 'kill -TERM $nines 2>/dev/null || true; wait $nines 2>/dev/null || true; kill $shop 2>/dev/null || true; wait $shop 2>/dev/null || true' EXIT
wait $nines
