#!/usr/bin/env bash
# A person signs in and consents, and an application gets tokens, a refresh token among them: the code
# flow with PKCE as a browser and an application go it, with nothing but curl.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

orders_and_shop '"allow_offline_access": true'
browser=$(mktemp)
trap 'rm -f "$browser"' EXIT

email="ann-$RANDOM$RANDOM@example.com"
password='six quiet otters mend the kettle'
person=$(manage 201 POST users "{\"connection\": \"Username-Password-Authentication\",
  \"email\": \"$email\", \"password\": \"$password\"}" | sed 's/.*"user_id":"auth0|\([^"]*\)".*/\1/')
callback=http://127.0.0.1:3000/callback
web=$(manage 201 POST clients "{\"name\": \"Shop in the browser\", \"app_type\": \"spa\",
  \"token_endpoint_auth_method\": \"none\", \"callbacks\": [\"$callback\"]}" | json client_id)

# here URL: the same path at the address that is called; behind a proxy the issuer is another.
here() { printf '%s/%s\n' "$GRANTOR" "${1#"$ISSUER"}"; }

# goes [CURL'S ARGUMENTS]: where the answer sends the browser.
goes() {
  local to
  to=$(curl -sS -o /dev/null -b "$browser" -c "$browser" -w '%{redirect_url}' "$@")
  [[ -n $to ]] || fail "the browser is sent nowhere by $1"
  printf '%s\n' "$to"
}

# state URL: the value of `state` in a URL.
state() { sed 's/.*[?&]state=\([^&]*\).*/\1/' <<<"$1"; }

verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk
challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
page=$(goes -G "$GRANTOR/authorize" -d response_type=code -d "client_id=$web" -d state=1 \
  --data-urlencode "redirect_uri=$callback" --data-urlencode "audience=$ORDERS" \
  --data-urlencode 'scope=openid email offline_access read:orders' \
  -d "code_challenge=$challenge" -d code_challenge_method=S256)
[[ $page == */u/login?* ]] || fail "the sign-in page was expected, not $page"
next=$(goes "$GRANTOR/u/login" -d "state=$(state "$page")" --data-urlencode "username=$email" \
  --data-urlencode "password=$password")
page=$(goes "$(here "$next")")
say "the person has signed in"

[[ $page == */u/consent?* ]] || fail "the consent page was expected, not $page"
# What is accepted is what this very page has shown.
shown=$(curl -sS -b "$browser" -c "$browser" "$(here "$page")" |
  sed -n 's/.*name="state" value="\([^"]*\)".*/\1/p')
next=$(goes "$GRANTOR/u/consent" -d "state=$shown" -d action=accept)
left=$(goes "$(here "$next")")
[[ $left == "$callback?code="* ]] || fail "a code was expected, not $left"
code=$(sed 's/.*[?&]code=\([^&]*\).*/\1/' <<<"$left")
say "the person has consented, and the application has a code"

# tokens [CURL'S ARGUMENTS]: an exchange by the application, which has no secret.
tokens() { call 200 "$GRANTOR/oauth/token" -d "client_id=$web" "$@"; }

first=$(tokens -d grant_type=authorization_code -d "code=$code" -d "code_verifier=$verifier" \
  --data-urlencode "redirect_uri=$callback")
is "$(json expires_in <<<"$first")" 86400 "the access token"
refresh=$(json refresh_token <<<"$first")
say "its refresh token ends in $(json refresh_token_timeout <<<"$first") seconds, unless it is used"

second=$(tokens -d grant_type=refresh_token -d "refresh_token=$refresh" -d validity_period=600)
is "$(json expires_in <<<"$second")" 600 "a refreshed access token"
again=$(tokens -d grant_type=refresh_token -d "refresh_token=$refresh")
is "$(json refresh_token <<<"$again")" "$(json refresh_token <<<"$second")" "the successor after a lost answer"
say "whoever lost the answer gets the very same successor"

manage 204 DELETE "users/auth0%7C$person" >/dev/null
call 400 "$GRANTOR/oauth/token" -d "client_id=$web" -d grant_type=refresh_token \
  -d "refresh_token=$(json refresh_token <<<"$second")" >/dev/null
say "with the person everything is gone"

manage 204 DELETE "clients/$web" >/dev/null
clean_up
