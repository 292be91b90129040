//! What a library looks like to programs that were compiled before: its functions and the types these mention, by abidw
//! out of the debug information, and what abidiff says of two such dumps.
//!
//! abidw knows C. Of a Rust library it also writes down every type of every dependency, and shows an optional callback as
//! an enum that abidiff does not look into. So a dump is cut down to what exported functions reach, callbacks become the
//! pointers they are, and what is no part of the ABI (places in the source, modules, numbering) goes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::toolchain::{Checked, library};

/// An XML element, as abidw writes them: no text, one tag a line.
#[derive(Clone)]
struct Element {
    tag: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn walk<'a>(&'a self, see: &mut impl FnMut(&'a Element)) {
        see(self);
        for child in &self.children {
            child.walk(see);
        }
    }

    fn print(&self, depth: usize, to: &mut String) {
        let indent = "  ".repeat(depth);
        write!(to, "{indent}<{}", self.tag).unwrap();
        for (key, value) in &self.attributes {
            write!(to, " {key}='{value}'").unwrap();
        }
        if self.children.is_empty() {
            to.push_str("/>\n");
            return;
        }
        to.push_str(">\n");
        for child in &self.children {
            child.print(depth + 1, to);
        }
        writeln!(to, "{indent}</{}>", self.tag).unwrap();
    }
}

fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((key, rest)) = text.split_once("='") {
        let (value, rest) = rest.split_once('\'').expect("values end");
        found.push((key.trim().to_owned(), value.to_owned()));
        text = rest;
    }
    found
}

fn parse(text: &str) -> Element {
    let mut open = vec![Element { tag: String::new(), attributes: Vec::new(), children: Vec::new() }];
    for line in text.lines().map(str::trim) {
        let inner = line.strip_prefix('<').and_then(|l| l.strip_suffix('>')).expect("one tag a line");
        if inner.starts_with('/') {
            let done = open.pop().expect("tags match");
            open.last_mut().expect("tags match").children.push(done);
            continue;
        }
        let (inner, is_closed) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
        let (tag, rest) = inner.split_once(' ').unwrap_or((inner, ""));
        let element = Element { tag: tag.to_owned(), attributes: attributes(rest), children: Vec::new() };
        if is_closed {
            open.last_mut().expect("tags match").children.push(element);
        } else {
            open.push(element);
        }
    }
    open.pop().and_then(|mut whole| whole.children.pop()).expect("one element at the top")
}

/// The pointer in an optional callback, which has the same bytes: C knows it by that alone.
fn callback(element: &Element) -> Option<&str> {
    let name = element.get("name")?;
    let is_function =
        ["C", "C-unwind"].iter().any(|abi| name.contains(&format!("extern &quot;{abi}&quot; fn(")));
    if !name.starts_with("Option&lt;") || !is_function {
        return None;
    }
    let mut pointer = None;
    element.walk(&mut |inner| {
        if inner.tag == "var-decl" {
            pointer = inner.get("type-id");
        }
    });
    pointer
}

/// Cuts a dump down, the types in the order in which the functions, by name, mention them.
struct Cut<'a> {
    types: HashMap<&'a str, &'a Element>,
    /// The new numbers.
    numbers: HashMap<&'a str, usize>,
    kept: Vec<Element>,
}

impl<'a> Cut<'a> {
    /// A type's new number.
    fn number(&mut self, mut id: &'a str) -> usize {
        while let Some(pointer) = self.types.get(id).and_then(|element| callback(element)) {
            id = pointer;
        }
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.numbers.len() + 1;
        self.numbers.insert(id, number);
        if let Some(element) = self.types.get(id).copied() {
            let kept = self.rewritten(element);
            self.kept.push(kept);
        }
        number
    }

    fn rewritten(&mut self, element: &'a Element) -> Element {
        let mut attributes = Vec::new();
        for (key, value) in &element.attributes {
            match key.as_str() {
                "filepath" | "line" | "column" => {}
                "id" => attributes.push((key.clone(), format!("type-{}", self.number(value)))),
                "type-id" => attributes.push((key.clone(), format!("type-{}", self.number(value)))),
                _ => attributes.push((key.clone(), value.clone())),
            }
        }
        let children = element.children.iter().map(|child| self.rewritten(child)).collect();
        Element { tag: element.tag.clone(), attributes, children }
    }
}

fn cut(whole: &Element) -> String {
    let (mut types, mut functions, mut symbols) = (HashMap::new(), BTreeMap::new(), BTreeMap::new());
    whole.walk(&mut |element| {
        if let Some(id) = element.get("id") {
            types.entry(id).or_insert(element);
        }
        if let ("elf-symbol", Some(name)) = (element.tag.as_str(), element.get("name")) {
            symbols.insert(name, element);
        }
        if let ("function-decl", Some(name)) = (element.tag.as_str(), element.get("elf-symbol-id")) {
            functions.insert(name, element);
        }
    });
    let mut cut = Cut { types, numbers: HashMap::new(), kept: Vec::new() };
    let functions: Vec<_> = functions.into_values().map(|function| cut.rewritten(function)).collect();
    let instructions = Element {
        tag: "abi-instr".to_owned(),
        attributes: attributes("address-size='64' path='holdfast.h' language='LANG_C99'"),
        children: cut.kept.into_iter().chain(functions).collect(),
    };
    let symbols = Element {
        tag: "elf-function-symbols".to_owned(),
        attributes: Vec::new(),
        children: symbols.into_values().cloned().collect(),
    };
    let corpus = Element { children: vec![symbols, instructions], ..whole.clone() };
    let mut text = String::new();
    corpus.print(0, &mut text);
    text
}

/// Returns the part of a library with full debug information that programs rely on.
pub fn dump(library: &Path) -> String {
    let whole = library.with_extension("abidw");
    Command::new("abidw")
        .args(["--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed", "--out-file"])
        .arg(&whole)
        .arg(library)
        .checked();
    let text = fs::read_to_string(&whole).unwrap();
    fs::remove_file(whole).unwrap();
    cut(&parse(&text))
}

/// The same of the library under test, made once for all tests.
pub fn of_the_library() -> &'static str {
    static DUMP: OnceLock<String> = OnceLock::new();
    DUMP.get_or_init(|| dump(&library().join("libholdfast.so")))
}

/// How many parameters each function has, by the debug information.
pub fn parameters(dump: &str) -> BTreeMap<String, usize> {
    let whole = parse(dump);
    let mut found = BTreeMap::new();
    whole.walk(&mut |element| {
        if let ("function-decl", Some(name)) = (element.tag.as_str(), element.get("name")) {
            let count = element.children.iter().filter(|child| child.tag == "parameter").count();
            found.insert(name.to_owned(), count);
        }
    });
    found
}

/// A struct of the library, in bytes.
pub struct Struct {
    pub name: String,
    pub size: u64,
    /// Name, offset and size.
    pub fields: Vec<(String, u64, u64)>,
}

/// The structs in a dump whose inside programs know.
pub fn structs(dump: &str) -> Vec<Struct> {
    let whole = parse(dump);
    let bytes =
        |element: &Element, name| element.get(name).and_then(|bits| bits.parse::<u64>().ok()).map(|b| b / 8);
    let (mut sizes, mut found) = (HashMap::new(), Vec::new());
    whole.walk(&mut |element| {
        if let (Some(id), Some(size)) = (element.get("id"), bytes(element, "size-in-bits")) {
            sizes.insert(id, size);
        }
        // A handle has no size.
        if let ("class-decl", Some(size)) = (element.tag.as_str(), bytes(element, "size-in-bits")) {
            found.push((element, size));
        }
    });
    let field = |member: &Element| {
        let variable = member.children.first().expect("a member has a type");
        let (name, kind) = (variable.get("name").expect("a name"), variable.get("type-id").expect("a type"));
        (name.to_owned(), bytes(member, "layout-offset-in-bits").expect("an offset"), sizes[kind])
    };
    let read = |(element, size): (&Element, u64)| Struct {
        name: element.get("name").expect("a name").to_owned(),
        size,
        fields: element.children.iter().map(field).collect(),
    };
    found.into_iter().map(read).collect()
}

/// How a library stands to an earlier one.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// Functions came, or structs that may grow did: what was compiled before still runs.
    Additions(String),
    /// Programs that were compiled before may not run any more.
    Incompatible(String),
}

/// The struct of a name in a dump.
fn struct_named<'a>(dump: &'a Element, name: &str) -> Option<&'a Element> {
    let mut found = None;
    dump.walk(&mut |element| {
        if element.tag == "class-decl" && element.get("name") == Some(name) {
            found = Some(element);
        }
    });
    found
}

/// Whether further fields follow all those of the earlier struct, in memory that was not its own.
fn has_grown(old: &Element, new: &Element) -> bool {
    let bits = |element: &Element, name| element.get(name).and_then(|bits| bits.parse::<u64>().ok());
    let first_further = new.children.get(old.children.len());
    first_further.is_some_and(|field| bits(field, "layout-offset-in-bits") >= bits(old, "size-in-bits"))
}

/// A dump with its growing structs as far as programs of the earlier dump know them.
fn as_known_before(old: &Element, mut new: Element, growing: &BTreeSet<&str>) -> Element {
    let known = |element: &Element| {
        let name = element.get("name").filter(|name| growing.contains(name))?;
        struct_named(old, name).filter(|old| has_grown(old, element)).cloned()
    };
    fn visit(element: &mut Element, known: &impl Fn(&Element) -> Option<Element>) {
        if let Some(old) = known(element) {
            element.children.truncate(old.children.len());
            for (key, value) in &mut element.attributes {
                if key == "size-in-bits" {
                    old.get(key).unwrap_or_default().clone_into(value);
                }
            }
        }
        element.children.iter_mut().for_each(|child| visit(child, known));
    }
    visit(&mut new, &known);
    new
}

/// Returns abidiff's report on two dumps, if it finds them different. `exceptions` is a file of rules on what to ignore.
fn abidiff(options: &[&str], exceptions: &Path, old: &Path, new: &Path) -> Option<String> {
    let mut command = Command::new("abidiff");
    let output = command.args(options).arg("--suppressions").args([exceptions, old, new]).output().unwrap();
    // Bits: 1 and 2 are failures of abidiff itself, 4 is a change, 8 an incompatible one by its own lights.
    let code = output.status.code().unwrap();
    assert!(code & 3 == 0, "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    (code != 0).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Compares two dumps. `growing` are the structs that say their size, and so may have got more fields at their end.
pub fn compare(old: &Path, new: &Path, growing: &BTreeSet<&str>, exceptions: &Path) -> Change {
    let read = |path: &Path| parse(&fs::read_to_string(path).unwrap());
    let mut known = String::new();
    as_known_before(&read(old), read(new), growing).print(0, &mut known);
    let seen_by_old = new.with_extension("seen-by-old-programs.abi");
    fs::write(&seen_by_old, known).unwrap();
    if let Some(report) = abidiff(&["--no-added-syms"], exceptions, old, &seen_by_old) {
        return Change::Incompatible(report);
    }
    abidiff(&[], exceptions, old, new).map_or(Change::None, Change::Additions)
}
