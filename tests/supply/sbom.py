#!/usr/bin/env python3
"""The bill of materials of a built relay, as CycloneDX, and whether it is true:

   python3 tests/supply/sbom.py [BINARY]

BINARY is target/release/anypoint-relay unless told, built by `cargo auditable build --release`. The bill is
target/sbom/anypoint-relay.cdx.json: what is linked, with licences and checksums. It needs cargo-cyclonedx and
objcopy. Red where the bill and the binary differ:

- each package whose code shows in the binary, by the source paths of its panics, is on the bill;
- each package on the bill is in the list that cargo-auditable wrote into the binary, and has a licence and the
  checksum of Cargo.lock.

That list is longer than the bill: it also has what is needed to build alone, and what Cargo.lock holds for
features that nobody switched on. Both come from `cargo metadata`, which does not tell those apart; so the bill
is cut down to what `cargo tree` says. Who scans the binary by its list may be told of a crate that is not
there, and is never left without one that is.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BILL = ROOT / "target/sbom/anypoint-relay.cdx.json"
# What cargo-cyclonedx writes, beside Cargo.toml.
RAW = ROOT / "anypoint-relay_bin.cdx.json"


def run(*words, **how):
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **how).stdout


def name(package):
    return (package["name"], package["version"])


def linked():
    """What the compiler links into the relay, by the features that are on."""
    lines = run("cargo", "tree", "--locked", "--package", "anypoint-relay", "--edges", "normal,no-proc-macro",
                "--prefix", "none", "--format", "{p}").splitlines()
    return {(words[0], words[1].removeprefix("v")) for words in map(str.split, lines)}


def bill():
    # Of one commit it is always the same.
    when = run("git", "log", "-1", "--format=%ct").strip()
    run("cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries",
        "--no-build-deps", env=os.environ | {"SOURCE_DATE_EPOCH": when})
    text = RAW.read_text()
    RAW.unlink()
    # The folder of the project is nobody's business.
    text = re.sub(r"path\+file://[^\"#]*#anypoint-relay@", "anypoint-relay@", text)
    text = re.sub(r"\?download_url=file:[^\"]*", "", text)
    made, wanted = json.loads(text), linked()
    made["components"] = [part for part in made["components"] if name(part) in wanted]
    kept = {part["bom-ref"] for part in [made["metadata"]["component"], *made["components"]]}
    made["dependencies"] = [
        edge | {"dependsOn": [ref for ref in edge.get("dependsOn", []) if ref in kept]}
        for edge in made["dependencies"]
        if edge["ref"] in kept
    ]
    return made


def embedded(binary):
    """The list that cargo-auditable wrote into the binary."""
    with tempfile.TemporaryDirectory() as folder:
        section = pathlib.Path(folder, "list")
        run("objcopy", "--dump-section", f".dep-v0={section}", str(binary), os.devnull)
        return json.loads(zlib.decompress(section.read_bytes()))["packages"]


def seen(binary):
    """The packages of crates.io that a panic of the binary could name."""
    paths = re.findall(rb"/registry/src/[^/\0]+/([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d+[^/\0]*)/", binary.read_bytes())
    return {(crate.decode(), version.decode()) for crate, version in paths}


def faults(made, binary):
    packages = embedded(binary)
    listed, shown = {name(part) for part in packages}, seen(binary)
    components = made["components"]
    on_bill = {name(part) for part in components}
    locked = {name(part): part.get("checksum") for part in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    if len(shown) < 20:
        yield f"the binary names {len(shown)} packages in its panics: they can't be read any more"
    if [part["name"] for part in packages if part.get("root")] != ["anypoint-relay"]:
        yield "the list in the binary is not that of the relay"
    for crate in sorted(shown - on_bill):
        yield f"{crate}: its code is in the binary, and it is not on the bill"
    for crate in sorted(on_bill - listed):
        yield f"{crate}: on the bill, and not in the list of the binary"
    for part in components:
        if not part.get("licenses"):
            yield f"{name(part)}: no licence"
        if [it["content"] for it in part.get("hashes", [])] != [locked.get(name(part))]:
            yield f"{name(part)}: not the checksum of Cargo.lock"
    without = {part["bom-ref"] for part in components} - {
        ref for edge in made["dependencies"] for ref in edge["dependsOn"]
    }
    for ref in sorted(without):
        yield f"{ref}: nothing on the bill needs it"
    if str(ROOT) in json.dumps(made):
        yield "the bill names a folder of this machine"
    build = sum(part.get("kind") == "build" for part in packages)
    print(f"{len(components)} packages on the bill, {len(shown)} of them show in the binary; the binary's own list "
          f"has {len(packages)}, {build} of them to build alone")


def main():
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/anypoint-relay")
    made = bill()
    BILL.parent.mkdir(parents=True, exist_ok=True)
    BILL.write_text(json.dumps(made, indent=1) + "\n")
    found = list(faults(made, binary))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))


main()
