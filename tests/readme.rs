//! The options reference in the README is the one that the table of options makes. Its code is run as documentation
//! tests of the crate.

use std::env;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- options: written by `make readme` -->\n";
const END: &str = "<!-- end of options -->\n";

#[test]
fn the_options_reference_in_the_readme_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the options is there");
    let (_, after) = rest.split_once(END).expect("the mark behind the options is there");
    let current = format!("{before}{BEGIN}\n{}\n{END}{after}", holdfast::config::reference_table());
    if env::var_os("HOLDFAST_WRITE_README").is_some() {
        fs::write(&path, current).unwrap();
    } else {
        assert!(readme == current, "the options changed: write the reference anew with `make readme`");
    }
}
