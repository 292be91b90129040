//! That languages which read C declarations by themselves can use the library: `holdfast.ffi.h` loads in LuaJIT and PHP, and
//! `holdfast.json` says the same as the header. A language that is not installed is named on stderr and left out.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use crate::support::server;
use crate::toolchain::{self, Checked, library, root};
use crate::{declared, tool_exists};

fn for_ffi() -> String {
    fs::read_to_string(root().join("include/holdfast.ffi.h")).unwrap()
}

/// Says that a test has run nothing. Not by `eprintln!`, which is kept back when a test passes: `scripts/count-tests.awk` counts
/// these lines as tests that were not run.
pub fn leave_out(name: &str, why: &str) {
    let line = format!("holdfast: left out: {name}, since {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Writes a program and has an interpreter run it, with the library's path, the declarations' path and the server's URL.
fn run(interpreter: &[&str], name: &str, program: &str) {
    if !tool_exists(interpreter[0]) {
        leave_out(name, &format!("{} is not installed", interpreter[0]));
        return;
    }
    let path = toolchain::program(name);
    fs::write(&path, program).unwrap();
    let said = Command::new(interpreter[0])
        .args(&interpreter[1..])
        .arg(path)
        .arg(library().join("libholdfast.so"))
        .arg(root().join("include/holdfast.ffi.h"))
        .arg(server().url())
        .env_remove("DATABASE_URL")
        .checked();
    assert!(said.contains("42 of 1 row, as text"), "{said}");
}

#[test]
fn the_declarations_have_no_preprocessor_and_all_functions() {
    let (text, header) = (for_ffi(), fs::read_to_string(root().join("include/holdfast.h")).unwrap());
    assert!(!text.contains('#') && !text.contains("HOLDFAST_API"), "a directive is left");
    for name in declared(&header) {
        assert!(text.contains(&format!("{name}(")), "holdfast.ffi.h lacks {name}");
    }
    let constants = header.lines().filter_map(|line| line.strip_prefix("#define HOLDFAST_")?.split_once(' '));
    for (name, value) in constants
        .filter(|(name, value)| !name.starts_with("VERSION") && *name != "API" && !value.ends_with("_MAX"))
    {
        assert!(
            text.contains(&format!("    HOLDFAST_{name} = {value},\n")),
            "holdfast.ffi.h lacks HOLDFAST_{name}"
        );
    }
    let source = toolchain::program("ffi.c");
    fs::write(&source, format!("#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n{text}"))
        .unwrap();
    Command::new("gcc").args(["-std=c99", "-Wall", "-Werror", "-fsyntax-only"]).arg(source).checked();
}

#[test]
fn the_description_for_generators_says_what_the_header_says() {
    let text = fs::read_to_string(root().join("include/holdfast.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let header = fs::read_to_string(root().join("include/holdfast.h")).unwrap();
    let names = |section: &str| -> BTreeSet<&str> {
        json[section].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
    };
    let functions = names("functions");
    assert_eq!(functions, declared(&header));
    for handle in json["handles"].as_array().unwrap() {
        // The library's own, which a callback sees, are marked as never freed.
        let is_the_librarys = handle["about"].as_str().unwrap().contains("it is not freed");
        let release = handle["release"].as_str();
        assert!(release.map_or(is_the_librarys, |name| functions.contains(name)), "{handle}");
    }
    let query =
        json["functions"].as_array().unwrap().iter().find(|f| f["name"] == "holdfast_pool_query").unwrap();
    assert_eq!(query["parameters"][7]["caller_owns_what_is_put_there"], true, "{query}");
    let stats = json["structs"].as_array().unwrap().iter().find(|s| s["name"] == "holdfast_stats").unwrap();
    assert!(
        stats["grows"] == true && stats["fields"].as_array().unwrap().iter().any(|f| f["count"] == 64),
        "{stats}"
    );
    assert!(
        names("constants").contains("HOLDFAST_STATUS_OK") && names("callbacks").contains("holdfast_destroy")
    );
}

#[test]
fn luajit_runs_a_query() {
    run(
        &["luajit"],
        "query.lua",
        r#"
local ffi = require("ffi")
local library, declarations, url = arg[1], arg[2], arg[3]
ffi.cdef(io.open(declarations):read("*a"))
local hf = ffi.load(library)
local pool, err = ffi.new("holdfast_pool *[1]"), ffi.new("holdfast_error *[1]")
local result, text = ffi.new("holdfast_result *[1]"), ffi.new("holdfast_str[1]")
local function ok(status)
    if status ~= hf.HOLDFAST_STATUS_OK then error(ffi.string(hf.holdfast_error_message(err[0]).ptr)) end
end
ok(hf.holdfast_pool_open_url(url, #url, pool, err))
local param = ffi.new("holdfast_param[1]")
local value = "41"
param[0].value, param[0].len = ffi.cast("const void *", value), #value
local sql = "select $1::int + 1"
ok(hf.holdfast_pool_query(pool[0], nil, sql, #sql, param, 1, hf.HOLDFAST_FORMAT_TEXT, result, err))
ok(hf.holdfast_result_text(result[0], 0, 0, text, err))
local stats = ffi.new("holdfast_stats[1]")
stats[0].struct_size = ffi.sizeof("holdfast_stats")
ok(hf.holdfast_pool_stats(pool[0], stats, err))
assert(stats[0].opens == 1 and stats[0].errors[1] == 0)
print(ffi.string(text[0].ptr, text[0].len) .. " of " .. tonumber(hf.holdfast_result_rows(result[0])) .. " row, as text")
hf.holdfast_result_free(result[0])
hf.holdfast_pool_free(pool[0])
"#,
    );
}

#[test]
fn php_runs_a_query() {
    run(
        &["php", "-d", "ffi.enable=1"],
        "query.php",
        r#"<?php
[$_, $library, $declarations, $url] = $argv;
if (!extension_loaded('ffi')) { fwrite(STDERR, "no FFI in this PHP\n"); exit(1); }
$hf = FFI::cdef(file_get_contents($declarations), $library);
$pool = $hf->new('holdfast_pool *');
$error = $hf->new('holdfast_error *');
$result = $hf->new('holdfast_result *');
$text = $hf->new('holdfast_str');
function ok($status) {
    global $hf, $error;
    if ($status !== $hf->HOLDFAST_STATUS_OK) { throw new Exception(FFI::string($hf->holdfast_error_message($error)->ptr)); }
}
ok($hf->holdfast_pool_open_url($url, strlen($url), FFI::addr($pool), FFI::addr($error)));
$sql = 'select 41 + 1';
ok($hf->holdfast_pool_query($pool, null, $sql, strlen($sql), null, 0, $hf->HOLDFAST_FORMAT_TEXT, FFI::addr($result), FFI::addr($error)));
ok($hf->holdfast_result_text($result, 0, 0, FFI::addr($text), FFI::addr($error)));
echo FFI::string($text->ptr, $text->len), ' of ', $hf->holdfast_result_rows($result), " row, as text\n";
$hf->holdfast_result_free($result);
$hf->holdfast_pool_free($pool);
"#,
    );
}

/// cffi is read by Python itself: whether it is there shows when it is imported.
#[test]
fn cffi_runs_a_query() {
    let has_cffi = Command::new("python3")
        .args(["-c", "import cffi"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_cffi {
        leave_out("query.py", "Python's cffi is not installed");
        return;
    }
    run(
        &["python3"],
        "query.py",
        r#"
import sys
import cffi

library, declarations, url = sys.argv[1:]
ffi = cffi.FFI()
ffi.cdef(open(declarations).read())
hf = ffi.dlopen(library)
pool, error = ffi.new("holdfast_pool **"), ffi.new("holdfast_error **")
result, text = ffi.new("holdfast_result **"), ffi.new("holdfast_str *")


def ok(status):
    if status != hf.HOLDFAST_STATUS_OK:
        raise RuntimeError(ffi.string(hf.holdfast_error_message(error[0]).ptr))


ok(hf.holdfast_pool_open_url(url.encode(), len(url), pool, error))
sql = b"select 41 + 1"
ok(hf.holdfast_pool_query(pool[0], ffi.NULL, sql, len(sql), ffi.NULL, 0, hf.HOLDFAST_FORMAT_TEXT, result, error))
ok(hf.holdfast_result_text(result[0], 0, 0, text, error))
rows = hf.holdfast_result_rows(result[0])
print(f"{ffi.string(text.ptr, text.len).decode()} of {rows} row, as text")
hf.holdfast_result_free(result[0])
hf.holdfast_pool_free(pool[0])
"#,
    );
}
