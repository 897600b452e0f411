"""What a binary is made of, as a CycloneDX document that is the same for the same commit."""

import json
import hashlib
import subprocess
import tomllib
import uuid
from datetime import datetime, timezone

from board import ROOT, Failed
from tools import ZIG


def write(tools, board, seconds):
    """Writes the document beside the binary."""
    document = described(tools, board, seconds, metadata(tools, board.target), checksums())
    board.materials.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def metadata(tools, target):
    command = [tools.cargo, "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"cargo metadata: {done.stderr.strip()}")
    return json.loads(done.stdout)


def checksums():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(package["name"], package["version"]): package["checksum"] for package in lock["package"] if "checksum" in package}


def described(tools, board, seconds, told, sums):
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    root = told["resolve"]["root"]
    inside = reached(root, nodes, lambda node: linked(node, packages))
    along = reached(root, nodes, needed) - inside
    octets = board.binary.read_bytes()
    components = [component(packages[name], "required", sums) for name in inside if name != root]
    components += [component(packages[name], "excluded", sums) for name in along]
    components += [
        {"type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": tools.rust(), "scope": "required",
         "licenses": [{"expression": "MIT OR Apache-2.0"}]},
        {"type": "library", "bom-ref": "musl", "name": "musl", "scope": "required", "licenses": [{"expression": "MIT"}],
         "version": f"of zig {ZIG}" if tools.way == "source" else f"of Rust {tools.rust()}"},
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
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(octets).hexdigest()}],
                "properties": [{"name": "target", "value": board.target}],
            },
        },
        "components": sorted(components, key=lambda one: (one["name"], one["version"])),
        "dependencies": [
            {"ref": reference(packages[name]), "dependsOn": sorted(reference(packages[to]) for to in needed(nodes[name]))}
            for name in sorted(inside | along, key=lambda name: reference(packages[name]))
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


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def reached(root, nodes, following):
    found, waiting = set(), [root]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += following(nodes[name])
    return found


def linked(node, packages):
    """What gets into the binary: neither what makes code while it is compiled nor what only tests need."""
    is_macro = lambda package: any("proc-macro" in target["kind"] for target in package["targets"])
    ordinary = [to["pkg"] for to in node["deps"] if any(kind["kind"] is None for kind in to["dep_kinds"])]
    return [name for name in ordinary if not is_macro(packages[name])]


def needed(node):
    """All that is compiled on the way, without what tests need."""
    return [to["pkg"] for to in node["deps"] if any(kind["kind"] != "dev" for kind in to["dep_kinds"])]
