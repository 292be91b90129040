#!/usr/bin/env python3
"""Breaks bounds of the library one by one, and shows that the fuzzers' drivers find each.

A driver whose oracle is too weak passes whatever it is given. So each row below takes one check out of a copy of the sources, and
the test `fuzzing`, which runs the drivers over their seeds and over changes of them, has to fail. Prints a table, and exits with 1
when a broken bound was not found, or a row no longer fits the sources.

Usage: scripts/fuzz-bounds.py [WORD...]     only the bounds whose names contain one of the words
       scripts/fuzz-bounds.py --fit         only says whether each row fits the sources
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "bounds"
# A test that waits for ever has found something as well.
LIMIT_SECONDS = 300

# Name, file, the code with the bound, the code without it.
BOUNDS = [
    ("a server's SCRAM signature is compared", "src/connect/auth/scram.rs",
     "if shown.len() == self.signature.len() && openssl::memcmp::eq(&shown, &self.signature) {",
     "if shown.len() == self.signature.len() {"),
    ("a server ends SCRAM before it is believed", "src/connect/auth/scram.rs",
     'last.strip_prefix("v=").and_then(base64).ok_or_else(|| malformed("its end has no signature"))?;',
     'last.strip_prefix("v=").and_then(base64).unwrap_or_else(|| self.signature.to_vec());'),
    ("a server's nonce continues the client's", "src/connect/auth/scram.rs",
     "if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {", "if nonce.len() <= self.nonce.len() {"),
    ("SCRAM iterations are capped", "src/connect/auth/scram.rs",
     "if iterations > u64::from(most) {", "if iterations > u64::from(u32::MAX) {"),
    ("the authentication that is demanded was completed", "src/connect/auth/mod.rs",
     "Some(required) if required.demands_authentication() && !self.has_finished => {",
     "Some(required) if required.demands_authentication() && !self.has_finished && self.is_bound => {"),
    ("channel binding that is demanded was used", "src/connect/auth/mod.rs",
     "if self.credentials.channel_binding == ChannelBinding::Require && !self.is_bound {",
     "if self.credentials.channel_binding == ChannelBinding::Require && self.is_bound {"),
    ("a message is as long as its length field at least", "src/session/exchange/reader.rs",
     "if length < 4 || length > longest {", "if length > longest {"),
    ("nothing follows a row's last value", "src/session/transfer/result.rs",
     "if rest.is_empty() { Ok(()) } else { Err(malformed()) }", "Ok(())"),
    ("a bit string has the bytes of its bits", "src/protocol/text_format/bits.rs",
     "if bytes.len() != count.div_ceil(8) {", "if bytes.len() > usize::MAX - count.div_ceil(8) {"),
    ("figures are for those with the token", "src/exposition/http/pages.rs",
     "if !access.admits(headers) => with(", "if !access.admits(headers) && pool.is_none() => with("),
    ("a message forges no line of a log", "src/logging.rs",
     "let message = Printable(message).to_string();", "let message = message.to_string();"),
    ("a pool's name forges no line of a log", "src/logging.rs",
     "Self { pool: Printable(pool).to_string(), sink }", "Self { pool: pool.to_owned(), sink }"),
    ("a cancel request waits for the server's yes to TLS", "src/link/cancel.rs",
     'if answer != *b"S" {', 'if answer == *b"E" {'),
    ("a key of any length goes with its request", "src/link/cancel.rs",
     "request.extend_from_slice(&key.secret);", "request.extend_from_slice(&key.secret[..4]);"),
    ("a role's name forges no line of an explanation", "src/observe/exhaustion.rs",
     "none.to_owned() } else { Printable(text).to_string() }", "none.to_owned() } else { text.to_owned() }"),
    ("a handle from C is not NULL", "src/ffi/capi/boundary/handle.rs",
     "let is_one = !object.is_null()\n        && object.addr()", "let is_one = object.addr()"),
    ("a handle from C is of the right kind", "src/ffi/capi/boundary/handle.rs",
     "&& unsafe { (&raw const (*object).mark).read() } == H::MARK;", "&& unsafe { (&raw const (*object).mark).read() } != 0;"),
]


def copy_sources():
    """Copies what git tracks or would, so that what is changed there harms nobody."""
    tree = PLACE / "tree"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, tree / name
        if not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
    return tree


def run_drivers(tree):
    """Returns whether the drivers hold, and what the first that does not says."""
    command = [os.environ.get("CARGO", "cargo"), "test", "--workspace", "--all-features", "--test", "fuzzing"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(PLACE / "build"), RUST_BACKTRACE="0")
    built = subprocess.run([*command, "--no-run"], cwd=tree, env=environment, capture_output=True, text=True)
    if built.returncode != 0:
        sys.exit(f"holdfast: it does not compile:\n{built.stderr}")
    try:
        ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return False, "it did not end"
    lines = ran.stdout.splitlines() + ran.stderr.splitlines()
    failed = next((line.split()[1] for line in lines if line.startswith("test ") and line.endswith("FAILED")), "")
    if not failed:
        failed = next((line.strip() for line in lines if "signal" in line or "memory allocation" in line), "")
    return ran.returncode == 0, failed


def main():
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    if sys.argv[1:] == ["--fit"]:
        unfit = [row[0] for row in BOUNDS if (ROOT / row[1]).read_text().count(row[2]) != 1]
        print("\n".join(unfit) or "every row fits")
        return 1 if unfit else 0
    words = sys.argv[1:]
    chosen = [row for row in BOUNDS if not words or any(word in row[0] for word in words)]
    tree = copy_sources()
    print("holdfast: building the drivers, with every bound in place", file=sys.stderr)
    holds, said = run_drivers(tree)
    if not holds:
        sys.exit(f"holdfast: the drivers fail without a change: {said}")
    missed = 0
    for name, file, bound, without in chosen:
        path = tree / file
        text = path.read_text()
        if text.count(bound) != 1:
            sys.exit(f"holdfast: the row \"{name}\" does not fit {file} any more")
        path.write_text(text.replace(bound, without))
        holds, said = run_drivers(tree)
        path.write_text(text)
        missed += holds
        print(f"{'MISSED' if holds else 'found ':7} {name}{'' if holds else f': {said}'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} broken bounds were found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
