//! Two more descriptions of the C ABI, made of the finished header: `holdfast.ffi.h`, for readers of C declarations that have
//! no preprocessor (LuaJIT, PHP, cffi), and `holdfast.json`, for generators of bindings.

use std::fmt::Write as _;

/// A declaration of the header, with its comment as plain text.
struct Declaration {
    about: String,
    kind: Kind,
}

enum Kind {
    Handle { name: String },
    Alias { name: String, of: String },
    Constant { name: String, value: String },
    Struct { name: String, fields: Vec<Field> },
    Callback { name: String, returns: String, parameters: Vec<(String, String)> },
    Function { name: String, returns: String, parameters: Vec<(String, String)> },
}

struct Field {
    about: String,
    name: String,
    of: String,
    /// The number of elements, for an array.
    count: Option<String>,
}

/// The contents of `holdfast.ffi.h` and of `holdfast.json`.
pub(crate) fn describe(header: &str, version: &str) -> (String, String) {
    let declarations = declarations(header);
    (for_ffi(&declarations, version), as_json(&declarations, version))
}

fn declarations(header: &str) -> Vec<Declaration> {
    let begin = header.find("/* ==== Handles").expect("the header has a section of handles");
    let body = &header[begin..header.rfind("\n#ifdef __cplusplus").expect("the header ends its C block")];
    let of_the_preamble = [
        ("HOLDFAST_NUL", "As the length of a text: it ends at its NUL."),
        ("HOLDFAST_NOWHERE", "As an index: there is none."),
    ];
    let constant = |(name, about): (&str, &str)| Declaration {
        about: about.to_owned(),
        kind: Kind::Constant { name: name.to_owned(), value: "SIZE_MAX".to_owned() },
    };
    let mut found: Vec<_> = of_the_preamble.into_iter().map(constant).collect();
    for item in body.split("\n\n").map(str::trim).filter(|item| !item.starts_with("/* ====")) {
        let (about, code) = comment(item);
        if !code.is_empty() {
            found.push(Declaration { about, kind: kind(code) });
        }
    }
    found
}

/// Splits off the comment that an item begins with.
fn comment(item: &str) -> (String, &str) {
    let Some(rest) = item.strip_prefix("/**") else { return (String::new(), item) };
    let (text, code) = rest.split_once("*/").expect("a comment ends");
    let lines = text.lines().map(|line| line.trim().trim_start_matches('*').trim());
    let words: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    (words.join(" "), code.trim())
}

fn kind(code: &str) -> Kind {
    if let Some(constant) = code.strip_prefix("#define ") {
        let (name, value) = constant.split_once(' ').expect("a constant has a value");
        return Kind::Constant { name: name.to_owned(), value: value.trim().to_owned() };
    }
    let Some(definition) = code.strip_prefix("typedef ") else {
        let code = code.strip_prefix("HOLDFAST_API").unwrap_or_else(|| panic!("what is this? {code}"));
        let (head, parameters) = code.split_once('(').expect("a function has parameters");
        let (returns, name) = named(head);
        return Kind::Function { name, returns, parameters: list(parameters) };
    };
    if let Some((head, body)) = definition.split_once('{') {
        let (body, name) = body.rsplit_once('}').expect("a struct ends");
        assert!(head.starts_with("struct "), "{head}");
        return Kind::Struct { name: name.trim_matches([' ', ';']).to_owned(), fields: fields(body) };
    }
    if let Some((returns, rest)) = definition.split_once("(*") {
        let (name, parameters) = rest.split_once(")(").expect("a callback has parameters");
        let returns = returns.trim().to_owned();
        return Kind::Callback { name: name.to_owned(), returns, parameters: list(parameters) };
    }
    let (of, name) = named(definition.trim_end_matches(';'));
    if of.starts_with("struct ") { Kind::Handle { name } } else { Kind::Alias { name, of } }
}

/// Splits a declaration into its type and its name.
fn named(declaration: &str) -> (String, String) {
    let declaration = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = declaration.rfind([' ', '*']).expect("a name follows its type") + 1;
    (declaration[..start].trim_end().to_owned(), declaration[start..].to_owned())
}

fn list(parameters: &str) -> Vec<(String, String)> {
    let parameters = parameters.trim_end_matches(';').trim_end_matches(')');
    parameters.split(',').map(str::trim).filter(|parameter| *parameter != "void").map(named).collect()
}

fn fields(body: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut rest = body.trim();
    while !rest.is_empty() {
        let (about, code) = comment(rest);
        let (declaration, after) = code.split_once(';').expect("a field ends");
        let (of, name) = named(declaration);
        let (name, count) = match name.split_once('[') {
            Some((name, count)) => (name.to_owned(), Some(count.trim_end_matches(']').to_owned())),
            None => (name, None),
        };
        fields.push(Field { about, name, of, count });
        rest = after.trim();
    }
    fields
}

fn for_ffi(declarations: &[Declaration], version: &str) -> String {
    let mut text = format!(
        "/* Holdfast {version}: what holdfast.h declares, without a preprocessor, for LuaJIT's ffi.cdef, PHP's FFI, cffi and the\n \
         * like. Made by build.rs; holdfast.h explains everything. Of the constants these are larger than an int, and so not\n \
         * here: HOLDFAST_NUL and HOLDFAST_NOWHERE, which are SIZE_MAX, HOLDFAST_NO_DURATION and HOLDFAST_NEVER,\n \
         * which are UINT64_MAX. */\n\nenum {{\n"
    );
    for declaration in declarations {
        if let Kind::Constant { name, value } = &declaration.kind
            && !value.ends_with("_MAX")
        {
            let _ = writeln!(text, "    {name} = {value},");
        }
    }
    text.push_str("};\n\n");
    let joined = |parameters: &[(String, String)]| {
        let all: Vec<_> = parameters.iter().map(|(of, name)| declared(of, name)).collect();
        if all.is_empty() { "void".to_owned() } else { all.join(", ") }
    };
    for declaration in declarations {
        let _ = match &declaration.kind {
            Kind::Constant { .. } => Ok(()),
            Kind::Handle { name } => writeln!(text, "typedef struct {name} {name};"),
            Kind::Alias { name, of } => writeln!(text, "typedef {};", declared(of, name)),
            Kind::Struct { name, fields } => {
                let _ = writeln!(text, "typedef struct {name} {{");
                for field in fields {
                    let count = field.count.as_ref().map(|count| format!("[{count}]")).unwrap_or_default();
                    let _ = writeln!(text, "    {}{count};", declared(&field.of, &field.name));
                }
                writeln!(text, "}} {name};")
            }
            Kind::Callback { name, returns, parameters } => {
                writeln!(
                    text,
                    "typedef {};",
                    declared(returns, &format!("(*{name})({})", joined(parameters)))
                )
            }
            Kind::Function { name, returns, parameters } => {
                writeln!(text, "{}({});", declared(returns, name), joined(parameters))
            }
        };
    }
    text
}

fn declared(of: &str, name: &str) -> String {
    if of.ends_with('*') { format!("{of}{name}") } else { format!("{of} {name}") }
}

fn as_json(declarations: &[Declaration], version: &str) -> String {
    let mut sections: [(&str, Vec<String>); 6] =
        ["handles", "aliases", "constants", "structs", "callbacks", "functions"]
            .map(|name| (name, Vec::new()));
    for Declaration { about, kind } in declarations {
        let about = quoted(about);
        let (section, entry) = match kind {
            Kind::Handle { name } => {
                let release = release(&about).map_or("null".to_owned(), quoted);
                (0, format!("{{\"name\": {}, \"release\": {release}, \"about\": {about}}}", quoted(name)))
            }
            Kind::Alias { name, of } => {
                (1, format!("{{\"name\": {}, \"type\": {}, \"about\": {about}}}", quoted(name), quoted(of)))
            }
            Kind::Constant { name, value } => {
                let value = if value.ends_with("_MAX") { quoted(value) } else { value.clone() };
                (2, format!("{{\"name\": {}, \"value\": {value}, \"about\": {about}}}", quoted(name)))
            }
            Kind::Struct { name, fields } => {
                let grows = fields.first().is_some_and(|field| field.name == "struct_size");
                let fields: Vec<_> = fields.iter().map(field_as_json).collect();
                let fields = fields.join(", ");
                (
                    3,
                    format!(
                        "{{\"name\": {}, \"grows\": {grows}, \"fields\": [{fields}], \"about\": {about}}}",
                        quoted(name)
                    ),
                )
            }
            Kind::Callback { name, returns, parameters } => {
                (4, call_as_json(name, returns, parameters, &about))
            }
            Kind::Function { name, returns, parameters } => {
                (5, call_as_json(name, returns, parameters, &about))
            }
        };
        sections[section].1.push(entry);
    }
    let mut text = format!("{{\n\"schema\": \"holdfast.abi.v1\",\n\"version\": {}", quoted(version));
    for (name, entries) in sections {
        let _ = write!(text, ",\n\"{name}\": [\n{}\n]", entries.join(",\n"));
    }
    text.push_str("\n}\n");
    text
}

/// The function that ends a handle, as the comment of the handle names it.
fn release(about: &str) -> Option<&str> {
    let after = about.split_once("Free it with ").or_else(|| about.split_once("Free them with "));
    let (_, rest) = after.or_else(|| about.split_once("Give it back with "))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
}

fn field_as_json(field: &Field) -> String {
    let count = field.count.as_deref().unwrap_or("null");
    let (name, of, about) = (quoted(&field.name), quoted(&field.of), quoted(&field.about));
    format!("{{\"name\": {name}, \"type\": {of}, \"count\": {count}, \"about\": {about}}}")
}

fn call_as_json(name: &str, returns: &str, parameters: &[(String, String)], about: &str) -> String {
    let parameters: Vec<_> = parameters.iter().map(|(of, name)| parameter_as_json(of, name)).collect();
    let (name, returns, parameters) = (quoted(name), quoted(returns), parameters.join(", "));
    format!(
        "{{\"name\": {name}, \"returns\": {returns}, \"parameters\": [{parameters}], \"about\": {about}}}"
    )
}

/// A handle that is put into a pointer to a pointer belongs to the caller; nothing else changes its owner.
fn parameter_as_json(of: &str, name: &str) -> String {
    let receives = of.ends_with("**") && !of.starts_with("const ");
    format!(
        "{{\"name\": {}, \"type\": {}, \"caller_owns_what_is_put_there\": {receives}}}",
        quoted(name),
        quoted(of)
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
