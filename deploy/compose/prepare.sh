#!/usr/bin/env bash
# prepare.sh FOLDER: makes what compose.yaml needs and no repository may hold, in folders for one service each:
# a password of the database for PostgreSQL (password/), the same in metricd's settings (settings/), and a certificate
# for localhost (certificate/). What is there already stays.
set -euo pipefail
cd "$1"

# The users of PostgreSQL's image and of metricd's.
postgres=999
metricd=10001

# give USER FILE: leaves a file to one user, if this one may do that.
give() {
    chmod 400 "$2"
    [ "$(id -u)" != 0 ] || chown "$1:$1" "$2"
}

umask 077
if [ ! -s password/password ]; then
    openssl rand -hex 24 >password/password
fi
give "$postgres" password/password

# Written anew each time: a certificate or settings may have been lost while the password was not.
rm -f settings/metricd.toml
printf '[database]\nurl = "postgres://metricd:%s@postgres/metricd"\n' "$(cat password/password)" >settings/metricd.toml
give "$metricd" settings/metricd.toml

if [ ! -s certificate/fullchain.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
        -keyout certificate/privkey.pem -out certificate/fullchain.pem 2>/dev/null
fi

# The folders themselves: each is the root of a volume that one service opens.
chmod 755 password settings certificate
