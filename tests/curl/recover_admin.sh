#!/usr/bin/env bash
# Locked out: `grantor admin-secret` on the server's machine. Besides what the other scripts need,
# PROGRAM names the program [grantor], and it must find the server's configuration.
#
# It leaves one more secret with the first application; rotate-secret ends it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PROGRAM=${PROGRAM:-grantor}

# printed NAME: what admin-secret printed under that name, from standard input.
printed() { sed -n "s/^ *$1  *//p"; }

# works ID SECRET WHAT: a Management token is to be had; the server hears of the change within a second.
works() {
  local tries status
  for ((tries = 0; tries < 20; tries++)); do
    status=$(curl -sS -o /dev/null -w '%{http_code}' "$GRANTOR/oauth/token" -u "$1:$2" \
      -d grant_type=client_credentials -d "audience=${ISSUER}api/v2/")
    [[ $status != 200 ]] || return 0
    sleep 0.1
  done
  fail "$3: no Management token, status $status"
}

recovered=$("$PROGRAM" admin-secret)
id=$(printed client_id <<<"$recovered")
secret=$(printed client_secret <<<"$recovered")
[[ -n $secret && $secret != "$CLIENT_SECRET" ]] || fail "no new secret in: $recovered"
works "$id" "$secret" "the recovered secret"
works "$CLIENT_ID" "$CLIENT_SECRET" "the secret from before"
say "one more secret for $id, and the one from before still works"

another=$("$PROGRAM" admin-secret --new)
new_id=$(printed client_id <<<"$another")
[[ -n $new_id && $new_id != "$id" ]] || fail "no new application in: $another"
works "$new_id" "$(printed client_secret <<<"$another")" "the new application"
say "a new application $new_id that may administer the server"

manage 204 DELETE "clients/$new_id" >/dev/null
