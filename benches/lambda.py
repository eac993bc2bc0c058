#!/usr/bin/env python3
"""Cold start, answers and memory of the Lambda, started here as AWS starts it.

    cargo build --release --no-default-features --features lambda --bin qdn-api
    benches/lambda.py --program target/release/qdn-api --runs 10

It plays both ends of the Lambda runtime interface. The jobs are in a bucket of MiniStack (./scripts/setup installs
it), so that the figures hold our own work and a loopback, and neither AWS's start of a machine nor a network. AWS gives
256 MB a seventh of a core; here it has a whole one.
"""

import argparse
import hashlib
import json
import os
import queue
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def ministack():
    python = ROOT / "tests/python/.venv/bin/python"
    if not python.exists():
        sys.exit("MiniStack is not installed: run ./scripts/setup")
    port = free_port()
    settings = {**os.environ, "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen([python, ROOT / "tests/python/serve.py"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=settings)
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health")
            break
        except OSError:
            time.sleep(0.05)
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/bench-jobs", method="PUT"))
    return process, port


class Runtime(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.events, self.answers, self.asked = queue.Queue(), queue.Queue(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


    def handle_error(self, *_):
        """The program is killed between two events, each time."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet, or the second waits 40 ms for an answer to the first.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.server.asked.set()
        event = self.server.events.get()
        if event is None:
            return
        body = json.dumps(event).encode()
        self.send_response(200)
        self.send_header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("lambda-runtime-deadline-ms", "4102444800000")
        self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:qdn-api")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def do_POST(self):
        self.server.answers.put(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def event(method, path, headers=(), body=b""):
    headers = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "content-type": "application/json", **dict(headers)}
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench"}
    context = {"accountId": "a", "apiId": "a", "domainName": "a", "domainPrefix": "a", "http": http, "requestId": "i", "routeKey": "$default", "stage": "$default", "time": "t", "timeEpoch": 0}
    made = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers, "requestContext": context, "isBase64Encoded": False}
    return {**made, "body": body.decode()} if body else made


def one(program, keys, store_port):
    runtime = Runtime()
    settings = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "qdn-api",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_LOG_STREAM_NAME": "l",
        "AWS_LAMBDA_LOG_GROUP_NAME": "l", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store_port}", "QDN_STORE": "s3://bench-jobs/live", "QDN_KEYS": keys, "QDN_TERMS": "{}",
    }
    began = time.perf_counter()
    process = subprocess.Popen([program], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    figures = {}
    try:
        if not runtime.asked.wait(10):
            sys.exit("it never asked for an event")
        figures["start to first question, ms"] = (time.perf_counter() - began) * 1000

        def ask(name, asked, status):
            began = time.perf_counter()
            runtime.events.put(asked)
            answer = json.loads(runtime.answers.get(timeout=20))
            figures[name] = (time.perf_counter() - began) * 1000
            if answer["statusCode"] != status:
                sys.exit(f"{name}: {answer}")

        track = event("GET", "/api/v1/track/AAAAAAAAAAAAAAAAAAAAAA")
        ask("first answer (track: one read of S3), ms", track, 404)
        ask("second answer, ms", track, 404)
        credentials = json.dumps({"user": "nobody", "passphrase": "wrong"}).encode()
        ask("a sign-in (Argon2id), ms", event("POST", "/api/v1/session", body=credentials), 401)
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        figures["peak memory, MiB"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    finally:
        process.kill()
        process.wait()
        runtime.events.put(None)
        runtime.shutdown()
    return figures


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--program", default=ROOT / "target/release/qdn-api", type=Path)
    options.add_argument("--runs", default=10, type=int)
    options = options.parse_args()
    server, port = ministack()
    keys = json.dumps({"link": ["A" * 43], "session": ["A" * 43]})
    try:
        runs = [one(options.program, keys, port) for _ in range(options.runs + 1)][1:]
    finally:
        server.kill()
    print(f"| {options.runs} runs, {options.program.stat().st_size / 1e6:.1f} MB on disk | median | least–most |\n|---|---|---|")
    for name in runs[0]:
        all_of_it = [run[name] for run in runs]
        print(f"| {name} | {statistics.median(all_of_it):.1f} | {min(all_of_it):.1f}–{max(all_of_it):.1f} |")


main()
