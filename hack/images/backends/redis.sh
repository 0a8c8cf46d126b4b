#!/bin/sh
# Redis as a cache: nothing is kept. The password comes in a file, so that no list of processes shows it.
set -eu
umask 077
cat >/tmp/redis.conf <<CONF
requirepass $PASSWORD
bind 0.0.0.0
save ""
appendonly no
dir /tmp
maxmemory 64mb
CONF
unset PASSWORD
exec redis-server /tmp/redis.conf
