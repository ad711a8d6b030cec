#!/usr/bin/env bash
# Rotating a secret without an outage: for grace_seconds both secrets work, and a token that is got
# with the old one does not outlive it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop
old=$SHOP_SECRET
SHOP_SECRET=$(manage 200 POST "clients/$SHOP_ID/rotate-secret" '{"grace_seconds": 3600}' | json client_secret)
[[ $SHOP_SECRET != "$old" ]] || fail "the secret is the same as before"

is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json expires_in)" 86400 "a token got with the new secret"
left=$(ask 200 "$SHOP_ID" "$old" -d "audience=$ORDERS" | json expires_in)
((left > 3000 && left <= 3600)) || fail "a token got with the old secret lives $left seconds; the secret has at most 3600"
say "both secrets work; the old one's token ends with it, in $left seconds"

new=$(manage 200 POST "clients/$SHOP_ID/rotate-secret" | json client_secret)
for secret in "$old" "$SHOP_SECRET"; do
  is "$(ask 401 "$SHOP_ID" "$secret" -d "audience=$ORDERS" | json error)" invalid_client "a secret from before"
done
ask 200 "$SHOP_ID" "$new" -d "audience=$ORDERS" >/dev/null
say "a rotation without grace ends the overlap at once"

manage 400 POST "clients/$SHOP_ID/rotate-secret" '{"grace_seconds": 2592001}' >/dev/null
say "more than 30 days of grace are refused"

clean_up
