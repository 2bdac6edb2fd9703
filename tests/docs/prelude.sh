# Goes before the commands of a page, which then run as they stand.
# What a page says to install is here: tests/deploy/test_release.py installs each extra.
pip() { :; }

# Targets are looked up, and what they hand on is looked over; the slow ones run by themselves.
make() {
  local word
  command make --dry-run -C "$ROOT" "$@" >/dev/null
  for word in "$@"; do
    case $word in
      BENCH=*) "$PYTHON" -c "from tests.benchmarks.__main__ import _arguments as read; read()" ${word#BENCH=} ;;
      QUALITY=*) "$PYTHON" -c "from tests.benchmarks.quality.__main__ import _arguments as read; read()" ${word#QUALITY=} ;;
    esac
  done
}

# A server runs beside the commands after it.
scoreline() {
  case " $* " in
    " serve "*)
      "$PYTHON" -m scoreline "$@" >/dev/null 2>server.log &
      server=$!
      until "$PYTHON" -m scoreline health >/dev/null 2>&1; do
        kill -0 "$server" || { cat server.log; exit 1; }
        sleep 0.1
      done
      ;;
    *" -f "* | *" --watch "*) follow "$@" ;;
    *) "$PYTHON" -m scoreline "$@" ;;
  esac
}

# Ends a command that runs for ever once it has printed something; one that ends before that has failed.
follow() {
  "$PYTHON" -m scoreline "$@" >followed.log &
  local followed=$!
  until [ -s followed.log ]; do
    kill -0 "$followed" 2>/dev/null || { wait "$followed"; return 1; }
    sleep 0.1
  done
  kill "$followed"
  wait "$followed" || [ $? = 143 ]
  cat followed.log
}

end() {
  local code=$?
  if [ -n "${server:-}" ]; then kill "$server" && wait "$server"; fi
  exit "$code"
}
trap end EXIT
set -euo pipefail
