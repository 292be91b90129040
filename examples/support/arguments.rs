//! The options of an example that measures something.

use std::env;
use std::process;

/// One option that takes a number.
pub(crate) struct Number {
    pub(crate) name: &'static str,
    pub(crate) usual: usize,
    pub(crate) meaning: &'static str,
}

/// What was given.
pub(crate) struct Arguments {
    numbers: Vec<(&'static str, usize)>,
    /// Figures for programs.
    pub(crate) json: bool,
}

impl Arguments {
    /// Reads the command line, or says what is wrong with it (exit code 2), or what there is (`--help`).
    pub(crate) fn read(about: &str, known: &[Number]) -> Self {
        let mut read = Self { numbers: known.iter().map(|n| (n.name, n.usual)).collect(), json: false };
        let mut given = env::args().skip(1);
        while let Some(word) = given.next() {
            match word.as_str() {
                "--json" => read.json = true,
                "--help" | "-h" => {
                    help(about, known);
                    process::exit(0);
                }
                other => {
                    let place = read.numbers.iter_mut().find(|(name, _)| *name == other);
                    let Some((name, value)) = place else { refuse(&format!("{other}: no such option")) };
                    let text = given.next().unwrap_or_else(|| refuse(&format!("{name} wants a number")));
                    match text.parse() {
                        Ok(number) if number > 0 => *value = number,
                        _ => refuse(&format!("{name} {text}: not a number from 1 on")),
                    }
                }
            }
        }
        read
    }

    /// # Panics
    /// If there is no such option.
    pub(crate) fn number(&self, name: &str) -> usize {
        self.numbers.iter().find(|(known, _)| *known == name).expect("an option that was named").1
    }
}

fn help(about: &str, known: &[Number]) {
    println!("{about}\n\nOptions:");
    for Number { name, usual, meaning } in known {
        println!("  {:<20} {meaning} (default: {usual})", format!("{name} N"));
    }
    println!("  {:<20} figures for programs, in one line", "--json");
}

fn refuse(what: &str) -> ! {
    eprintln!("{what}; --help lists the options");
    process::exit(2)
}
