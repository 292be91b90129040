//! The examples in other languages prove what they say. That in Rust has its tests within; that for Node is run by the tests of the
//! package for Node.

#[allow(dead_code)]
#[path = "../../tests/c_abi/toolchain.rs"]
mod toolchain;

use std::process::Command;

use toolchain::{Checked, bounded, library, root, tree};

#[test]
fn the_service_in_c_survives_a_full_server() {
    let program = toolchain::program("testkit-orders");
    let folder = root().join("testkit/examples/c");
    Command::new("gcc")
        .args(toolchain::WARNINGS)
        .args(["orders.c", "orders_test.c", "testkit.c", "-lholdfast", "-lpthread", "-o"])
        .arg(&program)
        .arg("-I")
        .arg(tree().join("include"))
        .arg("-L")
        .arg(library())
        .current_dir(folder)
        .checked();
    let said = bounded(program)
        .env("LD_LIBRARY_PATH", library())
        .env("HOLDFAST_TESTKIT", env!("CARGO_BIN_EXE_holdfast-testkit"))
        .checked();
    assert!(said.ends_with("ok: the service had met the full server\n"), "{said}");
}
