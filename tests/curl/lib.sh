# Shared by the scripts beside it. They talk to a running server with nothing but bash and curl:
#
#   CLIENT_ID=… CLIENT_SECRET=… tests/curl/walkthrough.sh
#
# GRANTOR is the server's address [http://127.0.0.1:8080]; CLIENT_ID and CLIENT_SECRET are those of an
# application that holds every Management scope, such as the first one. Each script makes what it
# needs under new names, checks every answer, stops at the first one that is wrong, and cleans up.

GRANTOR=${GRANTOR:-http://127.0.0.1:8080}
: "${CLIENT_ID:?is needed: the id of an application that may administer the server}"
: "${CLIENT_SECRET:?is needed: the secret of that application}"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

say() { printf -- '- %s\n' "$*"; }

# is ACTUAL EXPECTED WHAT
is() {
  [[ $1 == "$2" ]] || fail "$3: expected '$2', got '$1'"
}

# json NAME: the first member of that name in the JSON on standard input; text, number or boolean.
json() {
  local answer pattern
  answer=$(cat)
  pattern="\"$1\":(\"([^\"]*)\"|[^],}]+)"
  [[ $answer =~ $pattern ]] || fail "no member '$1' in: $answer"
  printf '%s\n' "${BASH_REMATCH[2]:-${BASH_REMATCH[1]}}"
}

# lacks NAME WHAT: the JSON on standard input has no such member.
lacks() {
  local answer
  answer=$(cat)
  [[ $answer != *"\"$1\":"* ]] || fail "$2: there should be no '$1' in: $answer"
}

# call STATUS URL [CURL'S ARGUMENTS]: prints the body; fails where the status is another.
call() {
  local wanted=$1 answer status
  shift
  answer=$(curl -sS -w '\n%{http_code}' "$@") || fail "curl could not reach $1"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  [[ $status == "$wanted" ]] || fail "$1: expected status $wanted, got $status: $answer"
  printf '%s\n' "$answer"
}

# ask STATUS ID SECRET [CURL'S ARGUMENTS]: a token by client credentials; prints the whole answer.
ask() {
  local status=$1 id=$2 secret=$3
  shift 3
  call "$status" "$GRANTOR/oauth/token" -u "$id:$secret" -d grant_type=client_credentials "$@"
}

# introspect ID SECRET TOKEN: prints the answer.
introspect() { call 200 "$GRANTOR/oauth/introspect" -u "$1:$2" -d "token=$3"; }

# revoke ID SECRET TOKEN
revoke() { call 200 "$GRANTOR/oauth/revoke" -u "$1:$2" -d "token=$3" >/dev/null; }

# is_active ID SECRET TOKEN true|false WHAT
is_active() { is "$(introspect "$1" "$2" "$3" | json active)" "$4" "$5"; }

# manage STATUS METHOD PATH [BODY]: the Management API; prints the answer.
manage() {
  local status=$1 method=$2 path=$3
  local arguments=(-X "$method" -H "Authorization: Bearer $ADMIN")
  [[ $# -lt 4 ]] || arguments+=(-H 'Content-Type: application/json' -d "$4")
  call "$status" "$GRANTOR/api/v2/$path" "${arguments[@]}"
}

# unique NAME: an identifier that no API has yet.
unique() { printf 'https://%s-%s-%s.example/\n' "$1" "$(date +%s)" "$RANDOM$RANDOM"; }

# orders_and_shop [FIELDS]: an API (with further fields), an application, and the client grant.
# Sets ORDERS (the identifier), API and GRANT (ids), SHOP_ID and SHOP_SECRET.
orders_and_shop() {
  local shop
  ORDERS=$(unique orders)
  API=$(manage 201 POST resource-servers "{\"identifier\": \"$ORDERS\", \"name\": \"Orders\",
    \"scopes\": [{\"value\": \"read:orders\"}, {\"value\": \"write:orders\"}]${1:+, $1}}" | json id)
  shop=$(manage 201 POST clients '{"name": "Shop", "app_type": "non_interactive"}')
  SHOP_ID=$(json client_id <<<"$shop")
  SHOP_SECRET=$(json client_secret <<<"$shop")
  GRANT=$(grant "$SHOP_ID" "$ORDERS" '"read:orders", "write:orders"')
}

# grant ID AUDIENCE SCOPES: a client grant; prints its id. SCOPES are written as JSON writes them.
grant() {
  manage 201 POST client-grants \
    "{\"client_id\": \"$1\", \"audience\": \"$2\", \"scope\": [${3:-}]}" | json id
}

# clean_up: removes what orders_and_shop made.
clean_up() {
  manage 204 DELETE "clients/$SHOP_ID" >/dev/null
  manage 204 DELETE "resource-servers/$API" >/dev/null
}

# The issuer names the Management API; behind a proxy it is not the address that is called.
ISSUER=$(call 200 "$GRANTOR/.well-known/oauth-authorization-server" | json issuer)
ADMIN=$(ask 200 "$CLIENT_ID" "$CLIENT_SECRET" -d "audience=${ISSUER}api/v2/" | json access_token)
