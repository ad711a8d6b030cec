#!/usr/bin/env bash
# Shortening an API's lifetimes: in force for the next token; tokens that are out keep their end.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop
token=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json access_token)

changed=$(manage 200 PATCH "resource-servers/$API" '{"token_lifetime": 900, "max_token_lifetime": 3600}')
is "$(json token_lifetime <<<"$changed")" 900 "token_lifetime"
is "$(json token_lifetime_for_web <<<"$changed")" 900 "token_lifetime_for_web, lowered with it"
is "$(json max_token_lifetime <<<"$changed")" 3600 "max_token_lifetime"

is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json expires_in)" 900 "the next token"
is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d validity_period=7200 | json expires_in)" 3600 "asking for more than the maximum"
is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d validity_period=-1 | json expires_in)" 3600 "asking for a token that never expires"
say "the next token lives 900 seconds; whoever asks for more gets 3600"

seen=$(introspect "$SHOP_ID" "$SHOP_SECRET" "$token")
is "$(json active <<<"$seen")" true "the token from before"
is "$(($(json exp <<<"$seen") - $(json iat <<<"$seen")))" 86400 "its lifetime"
say "the token from before keeps its 86400"

problem=$(manage 400 PATCH "resource-servers/$API" '{"token_lifetime": 7200}')
is "$(json errorCode <<<"$problem")" invalid_body "a default above the maximum"
manage 400 PATCH "resource-servers/$API" '{"token_lifetime": 0}' >/dev/null
is "$(manage 200 GET "resource-servers/$API" | json token_lifetime)" 900 "after two refused changes"
say "a default above the maximum and a lifetime of 0 are refused, and change nothing"

manage 200 PATCH "clients/$SHOP_ID" '{"access_token_lifetimes": {"application": 300}}' >/dev/null
is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json expires_in)" 300 "the application's own value"
manage 200 PATCH "clients/$SHOP_ID" '{"access_token_lifetimes": {"application": null}}' >/dev/null
is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json expires_in)" 900 "the API's value again"
say "one application can have a value of its own, and give it back"

clean_up
