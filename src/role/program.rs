//! A real program on a node: started in the node's namespace, its output collected, its end told.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::rc::Rc;

use super::Node;
use crate::event::Fact;
use crate::os::{Child, Exit, Namespace, Program};
use crate::world::Watches;

/// A node on which real programs run.
#[derive(Clone)]
pub struct Machine {
    /// The node; its sockets are the kernel's.
    pub node: Node,
    /// Its network namespace.
    pub namespace: Rc<Namespace>,
    /// What every program finds there. Its command is replaced.
    pub base: Program,
    /// For waiting on descriptors.
    pub watches: Watches,
}

/// More output than this is not kept.
const OUTPUT_MAX: usize = 64 * 1024;

impl Machine {
    /// What a program printed until now, its last line: for when it fails before the lab begins.
    #[must_use]
    pub fn last_words(child: &mut Child) -> String {
        let mut text = String::new();
        for mut file in child.take_output().unwrap_or_default() {
            let mut bytes = Vec::new();
            // Ends with "would block" when the program still runs; what came before is there.
            let _ = file.read_to_end(&mut bytes);
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        let last = text
            .trim()
            .lines()
            .next_back()
            .unwrap_or("it printed nothing");
        last.to_owned()
    }

    /// Runs a program to its end.
    pub async fn run(&self, command: Vec<String>) {
        let program = Program {
            run: command.clone(),
            ..self.base.clone()
        };
        let text = command.join(" ");
        match program.start(&self.namespace) {
            Ok(child) => self.attend(text, child).await,
            Err(error) => self.node.fact(Fact::StepFailed {
                error: format!("`{text}` could not be started: {error}"),
            }),
        }
    }

    /// Collects the output of a running program and tells its end.
    pub async fn attend(&self, command: String, mut child: Child) {
        self.node.fact(Fact::ProgramStarted {
            command: command.clone(),
        });
        let mut collected = Vec::new();
        for file in child.take_output().unwrap_or_default() {
            let text = Rc::new(RefCell::new(Vec::new()));
            collected.push(text.clone());
            let watches = self.watches.clone();
            self.node.executor.spawn(async move {
                // A pipe that cannot be read any more has told all it will.
                let _ = collect(file, &text, &watches).await;
            });
        }
        let status = loop {
            if self.watches.readable(child.ended()).await.is_err() {
                break None;
            }
            match child.try_wait() {
                Ok(Some(exit)) => break Some(exit),
                Ok(None) => {}
                Err(_) => break None,
            }
        };
        // What it printed last is in the pipes still: the readers come before this task once more.
        self.node
            .clock
            .sleep(std::time::Duration::from_millis(1))
            .await;
        let said = |n: usize| {
            let bytes = collected.get(n).map(|t| t.borrow().clone());
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        let (code, status) = match status {
            Some(Exit::Code(code)) => (Some(code), format!("exit code {code}")),
            Some(Exit::Signal(signal)) => (None, format!("signal {signal}")),
            None => (None, "unknown end".into()),
        };
        self.node.fact(Fact::ProgramEnded {
            command,
            status,
            code,
            output: said(0),
            errors: said(1),
        });
    }
}

async fn collect(mut from: File, into: &RefCell<Vec<u8>>, watches: &Watches) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                let mut kept = into.borrow_mut();
                let room = OUTPUT_MAX.saturating_sub(kept.len());
                kept.extend_from_slice(&buffer[..n.min(room)]);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                watches.readable(from.as_fd()).await?;
            }
            Err(e) => return Err(e),
        }
    }
}
