//! `tunlab completions`

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::exit::Exit;
use super::{Cli, print};
use crate::lab;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which shell.
    shell: Shell,
}

/// Prints a script that completes commands, options, and the names of labs.
pub(super) fn run(arguments: &Arguments) -> io::Result<Exit> {
    let labs = labs();
    // bash offers what any of a command's arguments can be: one of them is enough.
    let values: &[&str] = match arguments.shell {
        Shell::Bash => &["LAB"],
        Shell::Elvish | Shell::Fish | Shell::PowerShell | Shell::Zsh | _ => &["LAB", "OTHER"],
    };
    let mut command = with_labs(Cli::command(), &labs, values);
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tunlab", &mut script);
    let script = String::from_utf8_lossy(&script);
    print(&with_files(arguments.shell, &script, &labs))?;
    Ok(Exit::Met)
}

/// What can be named: every lab, and every folder of them.
fn labs() -> Vec<&'static str> {
    let mut all = Vec::new();
    for lab in lab::shipped() {
        let folder = lab.name.find('/').map(|slash| &lab.name[..=slash]);
        all.extend(folder.filter(|f| !all.contains(f)));
        all.push(lab.name);
    }
    all
}

/// Whatever takes a lab, a value of one of these names, can be one of these, and for `run` a folder too.
fn with_labs(command: Command, labs: &[&'static str], values: &[&str]) -> Command {
    let folders = command.get_name() == "run";
    let names = labs.iter().filter(|lab| folders || !lab.ends_with('/'));
    let names = PossibleValuesParser::new(names.copied());
    let takes_lab = |arg: &clap::Arg| {
        let value = arg.get_value_names().and_then(|names| names.first());
        value.is_some_and(|name| values.contains(&name.as_str()))
    };
    let command = command.mut_args(|arg| {
        if takes_lab(&arg) {
            arg.value_parser(names.clone())
        } else {
            arg
        }
    });
    command.mut_subcommands(|own| with_labs(own, labs, values))
}

/// A lab may be a file too. bash offers files where no name fits; zsh and fish want to be told.
fn with_files(shell: Shell, script: &str, labs: &[&'static str]) -> String {
    let single: Vec<&str> = labs.iter().copied().filter(|l| !l.ends_with('/')).collect();
    match shell {
        Shell::Zsh => {
            let script = script
                .replace(
                    &format!(":({})", labs.join(" ")),
                    ":_tunlab_labs_and_folders",
                )
                .replace(&format!(":({})", single.join(" ")), ":_tunlab_labs");
            let function = |name: &str, labs: &[&str]| {
                format!(
                    "(( $+functions[{name}] )) ||\n{name}() {{\n    _alternative 'labs:lab:({})' \
                     'files:lab file:_files -g \"*.toml\"'\n}}\n",
                    labs.join(" ")
                )
            };
            // Behind the line that says whose completions these are.
            let (first, rest) = script.split_once('\n').unwrap_or((&script, ""));
            format!(
                "{first}\n{}{}{rest}",
                function("_tunlab_labs", &single),
                function("_tunlab_labs_and_folders", labs)
            )
        }
        Shell::Fish => {
            let line = |command: &str, labs: &[&str]| {
                format!(
                    "complete -c tunlab -n \"__fish_seen_subcommand_from {command}\" -a \"{}\"\n",
                    labs.join(" ")
                )
            };
            let others = ["up", "diff"]
                .map(|command| line(command, &single))
                .concat();
            format!("{script}{}{others}", line("run", labs))
        }
        // `Shell` may grow; the others complete files by themselves, or not at all.
        Shell::Bash | Shell::Elvish | Shell::PowerShell | _ => script.to_owned(),
    }
}
