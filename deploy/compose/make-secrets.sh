#!/bin/sh
# Makes what docker-compose.yml reads from secrets/: random passwords, URLs with them, a first token. Keeps what is there.
set -eu
umask 077
cd "$(dirname "$0")/../.."
mkdir -p secrets

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # keep NAME: what standard input holds, unless there is such a file already
    if [ -s "secrets/$1" ]; then cat >/dev/null; else cat >"secrets/$1.new" && mv "secrets/$1.new" "secrets/$1"; fi
}
bytes() { # bytes PREFIX NAME: the bytes of a secret, each as PREFIX and its number; as in our commands, no white space around
    content=$(LC_ALL=C sed 's/^[[:space:]]*//; s/[[:space:]]*$//' "secrets/$2")
    printf '%s' "$content" | od -An -v -tx1 | tr -d ' \n' | sed "s/../$1&/g"
}
url() { # url ROLE NAME: of the database, as that role with that password
    printf 'postgresql://%s:%s@postgres/retention\n' "$1" "$(bytes % "$2")"
}

for name in postgres owner worker web_server reader redis grafana; do random | keep "${name}_password"; done
random | keep web_secret
# URLs follow the passwords: to change one, write another into its file, run this again, then `docker compose up -d`.
url postgres postgres_password >secrets/postgres_url
url retention_owner owner_password >secrets/owner_url
url retention_worker worker_password >secrets/worker_url
url retention_web_server web_server_password >secrets/web_server_url
printf 'redis://:%s@redis/0\n' "$(bytes % redis_password)" >secrets/broker_url
# A file for the server, since arguments can be read by everybody on the host.
printf 'requirepass "%s"\n' "$(bytes '\\x' redis_password)" >secrets/redis_config
# The server keeps a token's digest; the token itself is for whoever starts all this.
printf 'retention_%s' "$(random)" | keep first_token
digest=$(sha256sum <secrets/first_token | cut -d' ' -f1)
printf '{"name": "first", "role": "approver", "sha256": "%s"}\n' "$digest" | keep web_tokens

uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then # what root would read, the containers read as the image's own user
    uid=10001 gid=10001
    chown -R "$uid:$gid" secrets
fi
chmod 700 secrets
chmod 600 secrets/*
chmod 640 secrets/grafana_password # Grafana runs as another user, in our group
touch .env
sed -i '/^SECRETS_[UG]ID=/d' .env
printf 'SECRETS_UID=%s\nSECRETS_GID=%s\n' "$uid" "$gid" >>.env
echo "secrets/ is complete; secrets/first_token has the token to log in with"
