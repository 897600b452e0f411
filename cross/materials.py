"""What a binary is made of, as a CycloneDX document that is the same for the same commit."""

import hashlib
import json
import os
import re
import subprocess
import uuid
from datetime import datetime, timezone

from board import ROOT, Failed
from tools import ZIG


def write(tools, board, seconds):
    """Writes the document beside the binary."""
    document = described(tools, board, seconds, metadata(tools, board.target), checksums())
    board.materials.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def check(board):
    """A program in the field is known by its digest, so that the document must have that, and the lock file's checksum of
    each crate (S-341). Returns how many crates there are."""
    document = json.loads(board.materials.read_text())
    if document["metadata"]["component"]["hashes"] != [digest(board.binary.read_bytes())]:
        raise Failed(f"{board.materials} is that of another binary: cross/build {board.name}")
    locked = checksums()
    named = [one for one in document["components"] if one.get("purl")]
    strange = [one["bom-ref"] for one in named if one.get("hashes") != [{"alg": "SHA-256", "content": locked.get((one["name"], one["version"]))}]]
    missing = direct() - {one["name"] for one in named}
    if strange or missing:
        raise Failed(f"{board.materials}: not of the lock file: {strange}; missing: {sorted(missing)}")
    return len(named)


def metadata(tools, target):
    return json.loads(cargo(tools, "metadata", "--locked", "--format-version", "1", "--filter-platform", target))


def tree(tools, target, edges):
    """The packages that are really built, as (name, version): metadata also has what no feature asks for."""
    told = cargo(tools, "tree", "--locked", "-e", edges, "--prefix", "none", "--no-dedupe", "--target", target)
    words = [line.split() for line in told.splitlines() if line]
    return {(line[0], line[1].removeprefix("v")) for line in words}


def cargo(tools, *words):
    done = subprocess.run([tools.cargo, *words], cwd=ROOT, env={**os.environ, "RUSTC": tools.rustc}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"cargo {words[0]}: {done.stderr.strip()}")
    return done.stdout


def checksums():
    """By name and version. Python reads TOML from 3.11 on, and older ones are in use."""
    packages = (dict(re.findall(r'^(\w+) = "(.*)"$', block, re.M)) for block in (ROOT / "Cargo.lock").read_text().split("[[package]]"))
    return {(package["name"], package["version"]): package["checksum"] for package in packages if "checksum" in package}


def direct():
    """The crates that poppet itself names."""
    table = re.search(r"^\[dependencies\]\n(.*?)^\[", (ROOT / "Cargo.toml").read_text(), re.M | re.S)[1]
    return {renamed(line) or name for name, line in re.findall(r"^([\w-]+) = (.*)$", table, re.M)}


def renamed(line):
    found = re.search(r'package = "([\w-]+)"', line)
    return found and found[1]


def described(tools, board, seconds, told, sums):
    packages = {(package["name"], package["version"]): package for package in told["packages"]}
    ids = {package["id"]: name for name, package in packages.items()}
    root = ids[told["resolve"]["root"]]
    inside = tree(tools, board.target, "normal,no-proc-macro")
    along = tree(tools, board.target, "normal,build") - inside
    needs = {ids[node["id"]]: {ids[to["pkg"]] for to in node["deps"]} & (inside | along) for node in told["resolve"]["nodes"]}
    octets = board.binary.read_bytes()
    components = [component(packages[name], "required", sums) for name in inside if name != root]
    components += [component(packages[name], "excluded", sums) for name in along]
    components += [
        {"type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": tools.rust(), "scope": "required",
         "licenses": [{"expression": "MIT OR Apache-2.0"}]},
        {"type": "library", "bom-ref": "musl", "name": "musl", "scope": "required", "licenses": [{"expression": "MIT"}],
         "version": f"of zig {ZIG}"},
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"poppet {hashlib.sha256(octets).hexdigest()}").urn,
        "metadata": {
            "timestamp": datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                **component(packages[root], None, sums),
                "type": "application",
                "hashes": [digest(octets)],
                "properties": [{"name": "target", "value": board.target}],
            },
        },
        "components": sorted(components, key=lambda one: (one["name"], one["version"])),
        "dependencies": [
            {"ref": reference(packages[name]), "dependsOn": [reference(packages[to]) for to in sorted(needs[name])]}
            for name in sorted(inside | along)
        ],
    }


def component(package, scope, sums):
    made = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
        "licenses": [{"expression": (package["license"] or "NOASSERTION").replace("/", " OR ")}],
    }
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if scope:
        made["scope"] = scope
    return made


def digest(octets):
    return {"alg": "SHA-256", "content": hashlib.sha256(octets).hexdigest()}


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"
