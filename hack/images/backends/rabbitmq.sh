#!/bin/sh
# RabbitMQ, one node without plugins; its data carries the node's name, which therefore stays.
set -eu
mkdir -p /data/rabbitmq /tmp/rabbitmq
umask 077
cat >/tmp/rabbitmq/rabbitmq.conf <<CONF
listeners.tcp.default = 5672
default_user = quarterdeck
default_pass = $PASSWORD
log.console = true
log.console.level = warning
log.file = false
disk_free_limit.absolute = 50MB
CONF
echo '[].' >/tmp/rabbitmq/plugins
unset PASSWORD
export HOME=/data/rabbitmq ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP=/dev/null RABBITMQ_NODENAME=rabbit@localhost \
  RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=/tmp/rabbitmq/rabbitmq.conf \
  RABBITMQ_ENABLED_PLUGINS_FILE=/tmp/rabbitmq/plugins RABBITMQ_MNESIA_BASE=/data/rabbitmq/mnesia \
  RABBITMQ_LOG_BASE=/tmp/rabbitmq RABBITMQ_GENERATED_CONFIG_DIR=/tmp/rabbitmq/generated \
  RABBITMQ_PID_FILE=/tmp/rabbitmq/pid RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
  RUNNING_UNDER_SYSTEMD=true
exec /usr/lib/rabbitmq/bin/rabbitmq-server
