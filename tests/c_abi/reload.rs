//! The library as a plug-in: loaded, used and unloaded by a program that is not linked with it.

use crate::support::server;
use crate::toolchain::{self, Checked, library, root};

#[test]
fn a_thousand_rounds_of_loading_and_unloading_lose_nothing() {
    let program = toolchain::program("reload");
    toolchain::compiler("gcc")
        .args(["-std=gnu11", "-O2", "-Wno-pedantic"])
        .arg(root().join("tests/c_abi/reload.c"))
        .arg("-o")
        .arg(&program)
        .arg("-ldl")
        .checked();
    let mut command = toolchain::bounded(program);
    command.arg(library().join("libholdfast.so")).arg(server().url()).env_remove("DATABASE_URL");
    assert_eq!(command.checked(), "as before\n");
}
