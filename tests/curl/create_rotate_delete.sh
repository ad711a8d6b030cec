#!/usr/bin/env bash
# The life of an application: created, its secret rotated (with and without its tokens), deleted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop
token=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)
say "an application $SHOP_ID with a token"

read_again=$(manage 200 GET "clients/$SHOP_ID")
lacks client_secret "an application that is read" <<<"$read_again"
manage 200 PATCH "clients/$SHOP_ID" '{"name": "The shop"}' >/dev/null
is "$(manage 200 GET "clients/$SHOP_ID" | json name)" "The shop" "the new name"
say "renamed; its secret is never shown again"

old=$SHOP_SECRET
SHOP_SECRET=$(manage 200 POST "clients/$SHOP_ID/rotate-secret" | json client_secret)
is "$(ask 401 "$SHOP_ID" "$old" -d "audience=$ORDERS" | json error)" invalid_client "the old secret"
ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" >/dev/null
is_active "$SHOP_ID" "$SHOP_SECRET" "$token" true "a token from before the rotation"
say "secret rotated: the old one is refused, the tokens live on"

SHOP_SECRET=$(manage 200 POST "clients/$SHOP_ID/rotate-secret" '{"revoke_tokens": true}' | json client_secret)
is_active "$SHOP_ID" "$SHOP_SECRET" "$token" false "a token from before a rotation with revoke_tokens"
token=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)
is_active "$SHOP_ID" "$SHOP_SECRET" "$token" true "a token from after it"
say "rotated with revoke_tokens: every token from before is dead, a new one lives"

manage 204 DELETE "clients/$SHOP_ID" >/dev/null
manage 404 GET "clients/$SHOP_ID" >/dev/null
is "$(ask 401 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json error)" invalid_client "a deleted application"
seen=$(call 200 "$GRANTOR/oauth/introspect" -H "Authorization: Bearer $ADMIN" -d "token=$token")
is "$seen" '{"active":false}' "a token of a deleted application"
manage 404 GET "client-grants/$GRANT" >/dev/null
say "deleted, and its tokens and client grant with it"

manage 204 DELETE "resource-servers/$API" >/dev/null
manage 404 GET "resource-servers/$API" >/dev/null
say "the API is deleted too"
