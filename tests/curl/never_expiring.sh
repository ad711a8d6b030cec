#!/usr/bin/env bash
# Tokens that never expire: opaque, without expires_in and exp, and revoked at once.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop '"token_lifetime": -1'
is "$(manage 200 GET "resource-servers/$API" | json max_token_lifetime)" -1 "the maximum, never by implication"

answer=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS")
lacks expires_in "the answer" <<<"$answer"
token=$(json access_token <<<"$answer")
[[ $token != *.*.* ]] || fail "a token that never expires should be opaque"
seen=$(introspect "$SHOP_ID" "$SHOP_SECRET" "$token")
is "$(json active <<<"$seen")" true "active"
lacks exp "its introspection" <<<"$seen"
say "a token without an end, opaque"

is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d validity_period=600 | json expires_in)" 600 "asking for less"
long=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d validity_period=31536000)
is "$(json expires_in <<<"$long")" 31536000 "asking for a year"
[[ $(json access_token <<<"$long") != *.*.* ]] || fail "a token of a year should be opaque"
is "$(ask 400 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d validity_period=0 | json error)" invalid_request "asking for 0"
say "who asks for 600 seconds gets them, a year too, and 0 is refused"

revoke "$SHOP_ID" "$SHOP_SECRET" "$token"
is "$(introspect "$SHOP_ID" "$SHOP_SECRET" "$token")" '{"active":false}' "after its revocation"
say "revoked, and inactive at once"

kept=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)
changed=$(manage 200 PATCH "resource-servers/$API" '{"token_lifetime": 3600}')
is "$(json max_token_lifetime <<<"$changed")" 2592000 "the maximum, unset again"
is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json expires_in)" 3600 "the next token"
is_active "$SHOP_ID" "$SHOP_SECRET" "$kept" true "a token from before"
say "with a finite lifetime again, the next token ends; those from before live until they are revoked"

clean_up
