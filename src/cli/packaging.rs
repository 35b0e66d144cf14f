//! `anypoint-relay completions` and `anypoint-relay man`: what a package installs beside the binary, made of the command
//! line itself, so that it cannot be out of date.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

/// Print the completions of a shell
///
/// Such as: anypoint-relay completions bash > /usr/share/bash-completion/completions/anypoint-relay
#[derive(Clone, Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Print the manual page, or write the pages of all commands into a folder
///
/// Such as: anypoint-relay man /usr/local/share/man/man1. Exit codes: 0 written, 1 not.
#[derive(Clone, Debug, clap::Args)]
pub struct ManArgs {
    /// An existing folder; what has the names of the pages there is overwritten
    folder: Option<PathBuf>,
}

/// Runs `completions`.
pub fn completions(
    args: &CompletionsArgs,
    mut command: clap::Command,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    // Into memory first, because the generator panics where it cannot write.
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out.write_all(&script)?;
    Ok(())
}

/// Runs `man`.
pub fn man(args: &ManArgs, command: clap::Command, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some(folder) = &args.folder {
        clap_mangen::generate_to(command, folder)
            .with_context(|| format!("cannot write manual pages to {}", folder.display()))?;
        return Ok(());
    }
    clap_mangen::Man::new(command).render(out)?;
    Ok(())
}
