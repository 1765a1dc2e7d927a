"""The embedded model's own process: a GGUF file behind an OpenAI-compatible server on the loopback interface.

Runs by itself, imports nothing of the project, and talks to the process that started it over pipes:

    stdin    one line, the key that requests must carry; then nothing, until the end of input ends this process
    stdout   one JSON line once the model answers: {"url": …}
    stderr   what llama.cpp says

So llama.cpp can crash or hold the interpreter's lock without hurting shepherd, and nothing outlives shepherd: when it
ends, in whatever way, stdin closes, and on Linux the kernel kills this process too.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent dies (Linux; elsewhere the pipe alone does it)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


def exit_at_end_of_input() -> None:
    """Ends this process at once when stdin closes."""
    while os.read(0, 1 << 16):
        pass
    os._exit(0)


def wait_until_healthy(url: str, *, seconds: float) -> None:
    """Returns once `/health` says ok. Raises TimeoutError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + seconds
    while True:
        try:
            with opener.open(f"{url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"the model did not become healthy within {seconds:g} s")
        time.sleep(0.05)


def main() -> None:
    """Serves one model until stdin closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--context", type=int, default=8192, help="tokens of a conversation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parent", type=int, required=True, help="the process to die with")
    options = parser.parse_args()
    die_with_parent(options.parent)
    key = sys.stdin.buffer.readline().decode().strip()
    threading.Thread(target=exit_at_end_of_input, daemon=True).start()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.n_ctx = options.context
    # One slot: requests wait for one another, so that no answer depends on what else is asked meanwhile.
    params.n_parallel = 1
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.warmup = False
    params.use_jinja = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    server = xllamacpp.Server(params)
    url = server.listening_address
    wait_until_healthy(url, seconds=60)
    print(json.dumps({"url": url}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
