#!/usr/bin/env bash
# Everything that one application holds at one API, revoked with its client grant.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop
first=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)
second=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)
other=$(manage 201 POST clients '{"name": "Another", "app_type": "non_interactive"}')
other_id=$(json client_id <<<"$other")
other_secret=$(json client_secret <<<"$other")
grant "$other_id" "$ORDERS" '"read:orders"' >/dev/null
others=$(ask 200 "$other_id" "$other_secret" -d "audience=$ORDERS" | json access_token)
say "two tokens of the shop, and one of another application"

manage 204 DELETE "client-grants/$GRANT?revoke_tokens=true" >/dev/null
for token in "$first" "$second"; do
  is_active "$SHOP_ID" "$SHOP_SECRET" "$token" false "a token of the deleted client grant"
done
is_active "$other_id" "$other_secret" "$others" true "another application's token"
is "$(ask 403 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json error)" access_denied "a token without a grant"
say "the shop's tokens are dead and it gets no new one; the other application goes on"

GRANT=$(grant "$SHOP_ID" "$ORDERS" '"read:orders"')
token=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)
is_active "$SHOP_ID" "$SHOP_SECRET" "$token" true "a token of the new grant"
is_active "$SHOP_ID" "$SHOP_SECRET" "$first" false "a token of the old grant"
say "granted anew: new tokens live, the old ones stay dead"

manage 204 DELETE "client-grants/$GRANT" >/dev/null
is_active "$SHOP_ID" "$SHOP_SECRET" "$token" true "a token after its grant was deleted without revoke_tokens"
say "without revoke_tokens, tokens live to their end"

manage 204 DELETE "clients/$other_id" >/dev/null
clean_up
