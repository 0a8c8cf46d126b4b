# shellcheck shell=bash
# Daemons that outlive the script that starts them. For each, the state folder keeps what is needed to find it
# again (pids/NAME: process id and start time, so that a later process of the same id is not taken for it), to
# start it again (commands/NAME: the words of its command, separated by zero bytes) and to read it (log/NAME).

start_time() {  # PID: in clock ticks; nothing when it is gone or only waits to be reaped
  sed -n 's/.*) //; /^Z/!p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

pid_of() {  # NAME: prints the process id of a daemon that is alive
  local pid started
  read -r pid started 2>/dev/null <"$STATE/pids/$1" || return 1
  [[ -n $started && $(start_time "$pid") == "$started" ]] && echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

frozen() { [[ $(sed 's/.*) //' "/proc/$(pid_of "$1")/stat" 2>/dev/null | cut -d' ' -f1) == T ]]; }

start() {  # NAME COMMAND...: in the background, with its command kept
  local name=$1; shift
  mkdir -p "$STATE"/{pids,commands,log}
  running "$name" && return
  printf '%s\0' "$@" >"$STATE/commands/$name"
  start_again "$name"
}

start_again() {  # NAME: as it was last started
  local words=()
  mapfile -d '' -t words 2>/dev/null <"$STATE/commands/$1" || return 1
  setsid "${words[@]}" >>"$STATE/log/$1" 2>&1 </dev/null 9>&- &
  local pid=$!
  sleep 0.1
  echo "$pid $(start_time $pid)" >"$STATE/pids/$1"
}

stop() {  # NAME...: all told at once, woken when frozen, given some seconds, then killed
  local name pid
  for name; do pid=$(pid_of "$name") && { kill "$pid"; kill -CONT "$pid"; }; done
  for _ in {1..50}; do
    for name; do running "$name" && sleep 0.1 && continue 2; done
    return 0
  done
  for name; do pid=$(pid_of "$name") && kill -9 "$pid"; done
  sleep 0.2
}

await() {  # SECONDS DAEMON WHAT COMMAND...: until COMMAND succeeds, or DAEMON has died
  local end=$((SECONDS + $1)) daemon=$2 what=$3; shift 3
  until "$@" >/dev/null 2>&1; do
    running "$daemon" || { tail -20 "$STATE/log/$daemon" >&2; die "$daemon has died; its log: $STATE/log/$daemon"; }
    (( SECONDS < end )) || { tail -20 "$STATE/log/$daemon" >&2; die "gave up waiting for $what; log: $STATE/log/$daemon"; }
    sleep 0.2
  done
}
