#!/usr/bin/env bash
# Asking why a token would live as long as it would, without issuing one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# why LIFETIME RULE QUERY: what is explained, and that a token really gets it.
why() {
  local told
  told=$(manage 200 GET "resource-servers/$API/token-lifetime?client_id=$SHOP_ID$3")
  is "$(json lifetime <<<"$told")" "$1" "the lifetime explained for '$3'"
  is "$(json rule <<<"$told")" "$2" "the rule explained for '$3'"
  lacks refused "an explanation for '$3'" <<<"$told"
  is "$(ask 200 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS${3}" | json expires_in)" "$1" "the token's own lifetime for '$3'"
  say "$1 seconds by the rule $2${3:+ ($3)}"
}

orders_and_shop '"token_lifetime": 300, "max_token_lifetime": 900'
why 300 api_default ""
why 600 requested "&validity_period=600"
why 900 api_maximum "&validity_period=901"
why 900 api_maximum "&validity_period=-1"
manage 200 PATCH "clients/$SHOP_ID" '{"access_token_lifetimes": {"application": 120}}' >/dev/null
why 120 application ""

told=$(manage 200 GET "resource-servers/$API/token-lifetime?flow=implicit")
is "$(json lifetime <<<"$told")" 300 "a token through the browser, without an application"
is "$(json rule <<<"$told")" api_web "its rule"
say "300 seconds by the rule api_web for tokens through the browser"

manage 204 DELETE "client-grants/$GRANT" >/dev/null
told=$(manage 200 GET "resource-servers/$API/token-lifetime?client_id=$SHOP_ID")
is "$(json refused <<<"$told")" access_denied "an application without a client grant"
is "$(ask 403 "$SHOP_ID" "$SHOP_SECRET" -d "audience=$ORDERS" | json error)" access_denied "and really"
say "without a client grant it says that the token would be refused"

clean_up
