#!/usr/bin/env python3
"""Does what the Dockerfile says, on a machine without a container engine:

   python3 tests/image/check.py

It reads the Dockerfile, so what is run here is what stands there; an instruction or an option that it does not
know is an error. The build stage runs in an empty folder: COPY takes from HEAD what .dockerignore leaves of it,
RUN is run by sh, without a network where it says so. The final stage is a folder that holds what is copied into
it, the shared libraries of the binary, root certificates and /etc/passwd: no shell, nothing else. There the
command line of the image is run by chroot as the image's user: `--version`, `check`, CMD until HEALTHCHECK is
content, and SIGTERM, after which it has to end well.

It needs root for chroot, and Rust. To be cheap it builds into target/ of this checkout, where the crates that the
relay is built from mostly are already, and the relay that it leaves there, target/release/anypoint-relay, is the
image's. It does not try the base images themselves: compiler and libraries are those of this machine, and RUN
may see the rest of the machine too.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target/image"
TARGET = ROOT / "target"
# What gcr.io/distroless/cc-debian12 has, as far as a Rust binary asks for it.
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1",
             "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
# Nobody answers at the addresses: a relay is alive all the same.
CONFIGURATION = """
listen: 0.0.0.0:{port}
admin: {{ listen: "127.0.0.1:0" }}
aws: {{ region: eu-west-1, endpoint: "http://127.0.0.1:9" }}
connections:
  nowhere:
    base_url: http://127.0.0.1:9
    organization: 3f8a6c2e-5b1d-4f70-9c3a-2d4e6f8a0b1c
    environment: 7c1e9d40-8a2b-4c6d-b5e3-1f2a3b4c5d6e
    client_id: {{ env: CLIENT_ID }}
    client_secret: {{ env: CLIENT_SECRET }}
targets:
  orders-api:
    kind: application
    platform: cloudhub2
    connection: nowhere
    deployment: orders-api
    secure_properties: {{ db.password: {{ secret: prod/orders/db, field: password }} }}
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SSL_CERT_FILE": str(CERTIFICATES),
    "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true",
    "CLIENT_ID": "none", "CLIENT_SECRET": "none",
}


class Wrong(Exception):
    pass


def say(text):
    print(text, flush=True)


def instructions(text):
    """Each instruction with its arguments, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def options(rest):
    """The options at the start of the arguments, and what follows them."""
    found = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        found[match[1]] = match[2]
        rest = rest[match.end():]
    return found, rest


def only(found, known, line):
    if unknown := set(found) - set(known):
        raise Wrong(f"{line}: this check does not know --{min(unknown)}")


def words(rest):
    """The exec form, which needs no shell."""
    try:
        parsed = json.loads(rest)
    except ValueError:
        parsed = None
    if not isinstance(parsed, list):
        raise Wrong(f"{rest}: a JSON array is needed, the image has no shell")
    return parsed


def one_release(images):
    """A binary that asks for a newer glibc than the final stage has would not start there."""
    debian = {"bookworm": "debian12", "trixie": "debian13"}
    releases = {release for image in images for pair in debian.items() for release in pair if release in image}
    if not any(releases == set(pair) for pair in debian.items()):
        raise Wrong(f"compiler and final stage are not of one Debian release: {', '.join(images)}")


class Stage:
    def __init__(self, name):
        self.name = name
        self.folder = WORK / name
        self.folder.mkdir()
        self.workdir = "/"
        self.command, self.entrypoint, self.health, self.user, self.ports = [], [], None, None, []

    def place(self, path):
        """Where a path of the image is on this machine."""
        joined = os.path.normpath(os.path.join(self.workdir, path))
        return self.folder / joined.lstrip("/")


def context():
    """What a build of HEAD would send: the committed files, less those that .dockerignore names."""
    folder = WORK / "context"
    folder.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    # With the time of now: cargo takes files for unchanged that are older than what it built before.
    subprocess.run(["tar", "-xm", "-C", str(folder)], input=archive, check=True)
    for line in (ROOT / ".dockerignore").read_text().split():
        if not re.fullmatch(r"[\w.]+", line):
            raise Wrong(f".dockerignore: this check knows plain names only, not {line}")
        path = folder / line
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return folder


def copy(stages, stage, sent, rest):
    found, rest = options(rest)
    only(found, ["from"], f"COPY {rest}")
    *sources, goal = shlex.split(rest)
    for source in sources:
        origin = stages[found["from"]].place(source) if "from" in found else sent / source
        to = stage.place(goal)
        if goal.endswith("/"):
            to = to / origin.name
        if not origin.exists():
            raise Wrong(f"COPY {rest}: there is no {source}")
        to.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, to, dirs_exist_ok=True, copy_function=shutil.copy2)
        else:
            shutil.copy2(origin, to)


def run(stage, rest):
    found, rest = options(rest)
    only(found, ["network"], f"RUN {rest}")
    before = []
    if "network" in found:
        if found["network"] != "none":
            raise Wrong(f"RUN {rest}: this check knows --network=none only")
        if subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0:
            before = ["unshare", "-n"]
        else:
            say("  with a network, because none can be taken away here")
    say(f"  {' '.join(before + [rest])}")
    # Tools that a RUN installs are the same ones that .ci/run has.
    tools = TARGET / "tools"
    environment = os.environ | {"CARGO_INSTALL_ROOT": str(tools), "PATH": f"{tools}/bin:{os.environ['PATH']}"}
    environment.pop("CARGO_TARGET_DIR", None)
    began = time.monotonic()
    done = subprocess.run([*before, "sh", "-c", rest], cwd=stage.place("."), env=environment)
    if done.returncode:
        raise Wrong(f"RUN {rest}: exit code {done.returncode}")
    say(f"  {time.monotonic() - began:.0f} s")


def build(text):
    """All stages, carried out."""
    sent, stages, images, defaults, stage = context(), {}, [], {}, None
    for word, rest in instructions(text):
        if word == "ARG" and stage is None:
            name, _, value = rest.partition("=")
            defaults[name] = value
        elif word == "FROM":
            image, _, name = rest.partition(" AS ")
            image = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], image)
            name = name or "final"
            images.append(image)
            stage = stages[name] = Stage(name)
            say(f"{name}: {image}")
        elif stage is None:
            raise Wrong(f"{word} {rest}: before FROM")
        elif word == "WORKDIR":
            stage.workdir = os.path.join(stage.workdir, rest)
            stage.place(".").mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            copy(stages, stage, sent, rest)
        elif word == "RUN" and stage.name == "final":
            raise Wrong(f"RUN {rest}: the final stage has no shell")
        elif word == "RUN":
            cached(stage)
            run(stage, rest)
        elif word == "USER":
            stage.user = rest
        elif word == "EXPOSE":
            stage.ports.append(int(rest))
        elif word == "HEALTHCHECK":
            found, rest = options(rest)
            only(found, ["interval", "timeout", "start-period", "retries"], "HEALTHCHECK")
            stage.health = words(rest.removeprefix("CMD "))
        elif word == "ENTRYPOINT":
            stage.entrypoint = words(rest)
        elif word == "CMD":
            stage.command = words(rest)
        else:
            raise Wrong(f"{word} {rest}: this check does not know {word}")
    one_release(images)
    return stages["final"]


def cached(stage):
    """The stage's target/ is this checkout's; what was copied out of it before is not there any more."""
    link = stage.place("target")
    if stage.place("Cargo.toml").exists() and not link.exists():
        (TARGET / "release/anypoint-relay").unlink(missing_ok=True)
        link.symlink_to(TARGET)


def furnish(stage):
    """What the base image of the final stage has."""
    binary = stage.place(stage.entrypoint[0])
    if not binary.is_file():
        raise Wrong(f"ENTRYPOINT: {stage.entrypoint[0]} is not in the image")
    listed = subprocess.run(["ldd", str(binary)], check=True, stdout=subprocess.PIPE, text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", listed):
        if pathlib.Path(path).name not in LIBRARIES:
            raise Wrong(f"{path}: distroless cc has no such library")
        to = stage.place(path)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to)
    certificates = stage.place(str(CERTIFICATES))
    certificates.parent.mkdir(parents=True)
    shutil.copy2(CERTIFICATES, certificates)
    stage.place("/etc/passwd").write_text(PASSWD)
    stage.place("/home/nonroot").mkdir(parents=True)


def inside(stage, command):
    """The words that run a command in the image, as its user."""
    if not re.fullmatch(r"\d+:\d+", stage.user or "") or stage.user.startswith("0:"):
        raise Wrong(f"USER {stage.user}: a number that is not root's is needed")
    return ["chroot", f"--userspec={stage.user}", "--groups=", str(stage.folder), *command]


def ask(stage, command):
    done = subprocess.run(inside(stage, command), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=30)
    return done.returncode, done.stdout.strip()


def well(stage, command):
    code, text = ask(stage, command)
    say(f"{' '.join(command)}: exit code {code}: {text.splitlines()[0] if text else ''}")
    if code:
        raise Wrong(text)


def serve(stage):
    """CMD until HEALTHCHECK is content, then SIGTERM."""
    command = stage.entrypoint + stage.command
    if ask(stage, stage.health)[0] == 0:
        raise Wrong("HEALTHCHECK is content where no relay runs")
    log = WORK / "log"
    with log.open("wb") as file:
        relay = subprocess.Popen(inside(stage, command), env=ENVIRONMENT, stdout=file, stderr=file)
    try:
        for _ in range(100):
            code, text = ask(stage, stage.health)
            if code == 0 or relay.poll() is not None:
                break
            time.sleep(0.1)
        if code or relay.poll() is not None:
            raise Wrong(f"{' '.join(stage.health)}: {text}\n{log.read_text()}")
        say(f"{' '.join(command)}: {' '.join(stage.health)}: {text}")
        relay.send_signal(signal.SIGTERM)
        code = relay.wait(30)
        say(f"SIGTERM: exit code {code}")
        if code:
            raise Wrong(log.read_text())
    finally:
        relay.kill()
        relay.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    stage = build((ROOT / "Dockerfile").read_text())
    furnish(stage)
    example = (ROOT / "config/relay.example.yaml").read_text()
    for port in stage.ports:
        if not re.search(rf"^listen: .*\b{port}\b", example, re.M):
            raise Wrong(f"EXPOSE {port}: config/relay.example.yaml listens elsewhere")
    # Where CMD says that the file is.
    file = stage.place(stage.command[-1])
    file.parent.mkdir(parents=True)
    file.write_text(CONFIGURATION.format(port=free_port()))
    well(stage, [*stage.entrypoint, "--version"])
    well(stage, [*stage.entrypoint, "check", stage.command[-1]])
    serve(stage)


def main():
    if os.geteuid():
        sys.exit("root is needed for chroot")
    try:
        check()
    except Wrong as wrong:
        sys.exit(f"image: {wrong}")
    finally:
        # While the copied sources are there cargo takes what was built of them for this checkout's own.
        for folder in WORK.glob("*/src"):
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
