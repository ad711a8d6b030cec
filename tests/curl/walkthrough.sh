#!/usr/bin/env bash
# The README's walk: a token that lives 600 seconds, why it does, its revocation, and one that never
# expires.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop
say "an API $ORDERS, an application $SHOP_ID and a client grant"

answer=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d validity_period=600)
is "$(json expires_in <<<"$answer")" 600 "expires_in of a token with validity_period=600"
is "$(json token_type <<<"$answer")" Bearer "token_type"
is "$(json scope <<<"$answer")" "read:orders write:orders" "scope"
token=$(json access_token <<<"$answer")
say "a token that lives 600 seconds"

why=$(manage 200 GET "resource-servers/$API/token-lifetime?client_id=$SHOP_ID&validity_period=600")
is "$(json lifetime <<<"$why")" 600 "the explained lifetime"
is "$(json rule <<<"$why")" requested "the rule"
say "because: $(json text <<<"$why")"

seen=$(introspect "$SHOP_ID" "$SHOP_SECRET" "$token")
is "$(json active <<<"$seen")" true "active"
is "$(json aud <<<"$seen")" "$ORDERS" "aud"
is "$(json iss <<<"$seen")" "$ISSUER" "iss"
is "$(($(json exp <<<"$seen") - $(json iat <<<"$seen")))" 600 "exp - iat"
say "introspection sees the same"

revoke "$SHOP_ID" "$SHOP_SECRET" "$token"
is "$(introspect "$SHOP_ID" "$SHOP_SECRET" "$token")" '{"active":false}' "a revoked token"
say "revoked, and inactive at once"

manage 200 PATCH "resource-servers/$API" '{"token_lifetime": -1}' >/dev/null
answer=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS")
lacks expires_in "a token that never expires" <<<"$answer"
is_active "$SHOP_ID" "$SHOP_SECRET" "$(json access_token <<<"$answer")" true "it is active"
say "a token that never expires"

clean_up
