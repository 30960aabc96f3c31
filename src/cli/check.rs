//! `tunlab check`

use std::io;

use clap::Args;

use super::exit::Exit;
use super::run::show;
use super::{Colour, print};
use crate::lab;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Lab files, or names of shipped labs.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, colour: Colour) -> io::Result<Exit> {
    let mut exit = Exit::Met;
    for file in &arguments.files {
        match lab::load(file) {
            Ok(plan) => {
                let (nodes, links) = (plan.topology.nodes.len(), plan.topology.links.len());
                let (steps, expectations) = (plan.steps.len(), plan.expectations.len());
                print(&format!(
                    "ok    {file}  {nodes} nodes, {links} links, {steps} steps, {expectations} expectations\n"
                ))?;
            }
            Err(e) => {
                show(e, colour);
                exit = Exit::CouldNotRun;
            }
        }
    }
    Ok(exit)
}
