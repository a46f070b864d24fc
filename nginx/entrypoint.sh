#!/bin/sh
# Puts the environment into the templates beside this file and becomes Nginx, in the foreground. Everything is written
# under FISHID_NGINX_RUN. docs/GATEWAY.md lists the variables. With `test` as argument Nginx only checks the result.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=${FISHID_NGINX_RUN:-/tmp/nginx}

die() {
  printf 'gateway: %s\n' "$1" >&2
  exit 2
}

need_number() {
  case $2 in
    '' | *[!0-9]*) die "$1 is '$2'; it must be a whole number" ;;
  esac
}

export FISHID_NGINX_PORT="${FISHID_NGINX_PORT:-8080}"
export FISHID_NGINX_STATUS="${FISHID_NGINX_STATUS:-127.0.0.1:8081}"
export FISHID_NGINX_WORKERS="${FISHID_NGINX_WORKERS:-2}"
export FISHID_PAGE="${FISHID_PAGE:-/usr/share/fishid/page}"
export FISHID_RATE_PER_S="${FISHID_RATE_PER_S:-10}"
export FISHID_RATE_BURST="${FISHID_RATE_BURST:-40}"
export FISHID_CONNECTIONS_PER_CLIENT="${FISHID_CONNECTIONS_PER_CLIENT:-64}"
export FISHID_TLS_PORT="${FISHID_TLS_PORT:-8443}"
for name in FISHID_NGINX_WORKERS FISHID_RATE_PER_S FISHID_RATE_BURST FISHID_CONNECTIONS_PER_CLIENT FISHID_TLS_PORT; do
  eval "need_number $name \"\$$name\""
done
[ -n "${FISHID_API_REPLICAS:-}" ] || die "FISHID_API_REPLICAS is not set: name the servers, such as 'api-1:8080 api-2:8080'"
[ -e "$FISHID_PAGE/index.html" ] || die "there is no page in '$FISHID_PAGE': nginx/build_page.sh makes it"

# A replica that failed three times within two seconds is left out for as long. Not once and ten seconds, which are
# Nginx's own numbers: with one replica dead, one mishap of the other would leave nobody.
resolve='' FISHID_RESOLVER=''
if [ "${FISHID_API_RESOLVE:-off}" = on ]; then
  # The names stand for replicas that come and go: asked again every five seconds. Nginx 1.27.3 or newer.
  resolve=' resolve'
  servers=$(sed -n 's/^nameserver[[:space:]]*//p' /etc/resolv.conf | sed 's/^\(.*:.*\)$/[\1]/' | tr '\n' ' ')
  [ -n "$servers" ] || die "FISHID_API_RESOLVE is on, and /etc/resolv.conf names no server"
  FISHID_RESOLVER="resolver ${servers}valid=5s;"
fi
FISHID_API_SERVERS=''
for replica in $FISHID_API_REPLICAS; do
  FISHID_API_SERVERS="$FISHID_API_SERVERS    server $replica max_fails=3 fail_timeout=2s$resolve;
"
done
FISHID_REAL_IP=''
for network in ${FISHID_TRUSTED_PROXIES:-}; do
  FISHID_REAL_IP="${FISHID_REAL_IP}set_real_ip_from $network;
"
done
FISHID_NGINX_FRONT=plain
FISHID_TLS_PORT_IN_ADDRESS=''
if [ -n "${FISHID_TLS_CERTIFICATE:-}" ]; then
  [ -r "$FISHID_TLS_CERTIFICATE" ] || die "FISHID_TLS_CERTIFICATE is '$FISHID_TLS_CERTIFICATE', which cannot be read"
  [ -r "${FISHID_TLS_KEY:-}" ] || die "FISHID_TLS_KEY is '${FISHID_TLS_KEY:-}', which cannot be read"
  FISHID_NGINX_FRONT=tls
  [ "$FISHID_TLS_PORT" = 443 ] || FISHID_TLS_PORT_IN_ADDRESS=":$FISHID_TLS_PORT"
fi
export FISHID_API_SERVERS FISHID_RESOLVER FISHID_REAL_IP FISHID_NGINX_FRONT FISHID_TLS_PORT_IN_ADDRESS

mkdir -p "$run"
cp "$here"/*.conf "$run/"
cp /etc/nginx/mime.types "$run/"
# Only these: Nginx has variables of its own, written the same way.
# shellcheck disable=SC2016
names='${FISHID_NGINX_PORT} ${FISHID_NGINX_STATUS} ${FISHID_NGINX_WORKERS} ${FISHID_NGINX_FRONT} ${FISHID_PAGE}
  ${FISHID_RATE_PER_S} ${FISHID_RATE_BURST} ${FISHID_CONNECTIONS_PER_CLIENT} ${FISHID_API_SERVERS} ${FISHID_RESOLVER} ${FISHID_REAL_IP}
  ${FISHID_TLS_PORT} ${FISHID_TLS_PORT_IN_ADDRESS} ${FISHID_TLS_CERTIFICATE} ${FISHID_TLS_KEY}'
for template in "$here"/*.template; do
  file=$(basename "$template" .template)
  envsubst "$names" <"$template" >"$run/$file"
done

if [ "${1:-}" = test ]; then
  exec nginx -t -p "$run/" -c "$run/nginx.conf"
fi
exec nginx -p "$run/" -c "$run/nginx.conf" -g 'daemon off;'
