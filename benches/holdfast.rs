//! Holdfast beside its peers, in one run. `cargo bench --bench holdfast -- --help` says more.
//!
//! It looks at `/proc` and pins processes to CPUs, hence Linux only.

#[cfg(target_os = "linux")]
mod measurements;
#[cfg(target_os = "linux")]
mod support;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("these measurements read /proc and pin processes to CPUs: Linux only");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match run::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
mod run {
    use std::env;
    use std::thread;

    use holdfast_testkit::embedded::EmbeddedPostgres;

    use crate::measurements::{
        Bench, capi, first_row, footprint, free_get, instructions, opening, point_query, raw_session, rows,
        scarcity,
    };
    use crate::support::json::{Report, Surroundings};
    use crate::support::options::{Asked, HELP, Options};
    use crate::support::report::Measurement;
    use crate::support::{Outcome, children, procfs, subjects};

    pub fn run() -> Outcome<()> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        if let [flag, measurement, subject, url] = arguments.as_slice()
            && flag == children::FLAG
        {
            return child(measurement, subject, url);
        }
        match Options::read(arguments.into_iter())? {
            Asked::Help => print!("{HELP}"),
            Asked::Nothing => println!("nothing to do without arguments; --help says what there is"),
            Asked::Run(options) => measure(&options)?,
        }
        Ok(())
    }

    fn child(measurement: &str, subject: &str, url: &str) -> Outcome<()> {
        match measurement {
            rows::NAME => rows::child(subject, url),
            footprint::NAME => footprint::child(subject, url),
            capi::NAME => capi::child(subject, url),
            instructions::NAME => instructions::child(subject, url),
            first_row::NAME => first_row::child(subject, url),
            other => Err(format!("no child measures {other}").into()),
        }
    }

    type Part = (&'static str, fn(&Bench<'_>) -> Outcome<Vec<Measurement>>);

    const PARTS: [Part; 12] = [
        ("get", free_get::measure),
        ("crowd", scarcity::crowd),
        ("hold", scarcity::hold),
        ("point", point_query::prepared),
        ("text", point_query::text),
        ("instructions", instructions::measure),
        ("rows", rows::measure),
        ("raw", raw_session::measure),
        ("capi", capi::measure),
        ("open", opening::measure),
        ("first", first_row::measure),
        ("footprint", footprint::measure),
    ];

    fn measure(options: &Options) -> Outcome<()> {
        let load_before = procfs::load()?;
        // Enough for the subjects of one measurement, all connected at the same time.
        let server = EmbeddedPostgres::builder().max_connections(120).start()?;
        server.execute(subjects::TABLES)?;
        server.execute("vacuum analyze")?;
        let surroundings = Surroundings {
            cpus: thread::available_parallelism()?.get(),
            load_before,
            postgresql: server.major_version()?,
            transport: if options.unix { "Unix-domain socket" } else { "TCP" },
            quick: options.quick,
        };
        let url = if options.unix { server.socket_url() } else { server.url() };
        let bench = Bench { server: &server, url, options };

        introduce(&surroundings, options);
        let mut all = Vec::new();
        for (name, part) in PARTS {
            if !options.wants(name) {
                continue;
            }
            eprintln!("measuring {name} ...");
            let results = part(&bench)?;
            if !options.json {
                for result in &results {
                    println!("{result}");
                }
            }
            all.extend(results);
        }
        if options.json {
            println!("{}", Report { surroundings: &surroundings, measurements: &all });
        } else {
            conclude(&all);
        }
        Ok(())
    }

    fn introduce(s: &Surroundings, options: &Options) {
        if options.json {
            return;
        }
        let cpus = s.cpus;
        println!(
            "{cpus} CPUs, load {:.2} before the start, PostgreSQL {} over {}",
            s.load_before, s.postgresql, s.transport
        );
        if s.load_before > 0.5 {
            println!(
                "Something else is running here: expect noise, and trust \"Holdfast / it\" more than the figures."
            );
        }
        println!();
    }

    fn conclude(all: &[Measurement]) {
        let verdicts: Vec<bool> =
            all.iter().flat_map(|m| m.targets.iter().filter_map(|t| m.is_met(t))).collect();
        let met = verdicts.iter().filter(|met| **met).count();
        if !verdicts.is_empty() {
            println!("{met} of {} targets met", verdicts.len());
        }
    }
}
