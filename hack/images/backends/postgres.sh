#!/bin/sh
# PostgreSQL with the role and the database `quarterdeck`; PASSWORD is the role's.
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
data=/data/postgresql
if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data.new"
  printf '%s\n' "$PASSWORD" >/tmp/password
  initdb -D "$data.new" -U quarterdeck -E UTF8 --locale=C.UTF-8 --auth=scram-sha-256 --pwfile=/tmp/password
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$data.new/pg_hba.conf"
  echo 'CREATE DATABASE quarterdeck' | postgres --single -D "$data.new" postgres
  mv "$data.new" "$data"
fi
unset PASSWORD
# The default signal of a stop waits for every client to leave; INT does not.
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=300
