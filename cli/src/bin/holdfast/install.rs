//! The files that a package installs beside the program: completions for shells, manual pages.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::style::print;

/// Print what has a shell complete options and subcommands.
#[derive(Args)]
#[command(after_help = "Examples:
  holdfast completions bash > ~/.local/share/bash-completion/completions/holdfast
  holdfast completions zsh > ~/.zfunc/_holdfast          (with ~/.zfunc in fpath)
  holdfast completions fish > ~/.config/fish/completions/holdfast.fish")]
pub(crate) struct Completions {
    /// For which shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: Command) -> Result<ExitCode, Box<dyn Error>> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "holdfast", &mut script);
        print(&String::from_utf8(script)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Print the manual page, or write one for each subcommand into a folder.
#[derive(Args)]
#[command(after_help = "Examples:
  holdfast man | man -l -
  holdfast man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder for holdfast.1, holdfast-diagnose.1 and so on; it has to be there.
    folder: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, command: Command) -> Result<ExitCode, Box<dyn Error>> {
        let Some(folder) = self.folder else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            print(&String::from_utf8(page)?)?;
            return Ok(ExitCode::SUCCESS);
        };
        if !fs::metadata(&folder).is_ok_and(|there| there.is_dir()) {
            return Err(format!(
                "{} is no folder: make it first, or leave it out to print the page",
                folder.display()
            )
            .into());
        }
        clap_mangen::generate_to(command, &folder)?;
        Ok(ExitCode::SUCCESS)
    }
}
