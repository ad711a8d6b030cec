#!/usr/bin/env bash
# One token for several APIs (RFC 8707): the shortest lifetime wins, and each API sees its own part.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop
stock=$(unique stock)
stock_id=$(manage 201 POST resource-servers \
  "{\"identifier\": \"$stock\", \"token_lifetime\": 1800, \"scopes\": [{\"value\": \"read:stock\"}]}" | json id)

refused=$(ask 400 "$SHOP_ID" "$SHOP_SECRET" -d "resource=$ORDERS" -d "resource=$stock")
is "$(json error <<<"$refused")" invalid_target "a resource that is not granted"
say "a resource that is not granted is refused"

grant "$SHOP_ID" "$stock" '"read:stock"' >/dev/null
answer=$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "resource=$ORDERS" -d "resource=$stock")
is "$(json expires_in <<<"$answer")" 1800 "the shorter of 86400 and 1800"
is "$(json scope <<<"$answer")" "read:orders write:orders read:stock" "the scopes of both"
token=$(json access_token <<<"$answer")
seen=$(introspect "$SHOP_ID" "$SHOP_SECRET" "$token")
[[ $seen == *"\"aud\":[\"$ORDERS\",\"$stock\"]"* ]] || fail "aud should hold both APIs: $seen"
is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" | json expires_in)" 1800 "a token that names no API"
say "one token for both, for 1800 seconds; naming neither means all that are granted"

server=$(manage 201 POST clients "{\"name\": \"Stock\", \"app_type\": \"resource_server\",
  \"resource_server_identifier\": \"$stock\"}")
server_id=$(json client_id <<<"$server")
seen=$(introspect "$server_id" "$(json client_secret <<<"$server")" "$token")
is "$(json aud <<<"$seen")" "$stock" "aud, as the stock's own server sees it"
is "$(json scope <<<"$seen")" read:stock "scope, as the stock's own server sees it"
say "the stock's own server sees only what concerns it"

refused=$(ask 400 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" -d "resource=$stock")
is "$(json error <<<"$refused")" invalid_request "audience and resource in one request"
say "audience and resource do not go together"

manage 204 DELETE "clients/$server_id" >/dev/null
manage 204 DELETE "resource-servers/$stock_id" >/dev/null
clean_up
