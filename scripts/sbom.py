#!/usr/bin/env python3
"""Prints the software bill of materials of the C library or of the crate, as CycloneDX 1.5 JSON.

Usage: scripts/sbom.py [FEATURE...] >FILE

The components are what `cargo metadata` resolves for this platform with these features, without what is needed only for tests
or for building, with the checksums of Cargo.lock. The output is the same for the same lock file.
"""

import json
import re
import subprocess
import sys
import uuid


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def host():
    return re.search(r"^host: (.*)$", subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout, re.M)[1]


def shipped(metadata):
    """The ids of the packages that end up in the library: by normal dependencies only."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, left = {root}, [root]
    while left:
        for dependency in nodes[left.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if None in kinds and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                left.append(dependency["pkg"])
    return root, found, nodes


def checksums():
    lock = open("Cargo.lock", encoding="utf-8").read()
    return {
        (name, version): checksum
        for name, version, checksum in re.findall(
            r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([^"]+)"', lock
        )
    }


def component(package, kind, sums):
    name, version = package["name"], package["version"]
    result = {"type": kind, "bom-ref": f"pkg:cargo/{name}@{version}", "name": name, "version": version}
    result["purl"] = result["bom-ref"]
    if package["license"]:
        result["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (name, version) in sums:
        result["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
    return result


def main(features):
    metadata = json.loads(
        cargo("metadata", "--locked", "--format-version=1", "--filter-platform", host(), "--features", ",".join(features))
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    root, found, nodes = shipped(metadata)
    sums = checksums()
    ref = lambda id: f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}"
    others = sorted((id for id in found if id != root), key=ref)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], "library", sums)},
        "components": [component(packages[id], "library", sums) for id in others],
        "dependencies": [
            {"ref": ref(id), "dependsOn": sorted({ref(d["pkg"]) for d in nodes[id]["deps"] if d["pkg"] in found})}
            for id in [root, *others]
        ],
    }
    text = json.dumps(bom, sort_keys=True)
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}"
    json.dump(bom, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
