//! The key log: every TLS secret of the run, in the order in which they came to be, as NSS key log lines (RFC 9850).

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Collects secrets from both sides of all connections. Both sides of a connection derive the same ones: the first
/// to do so is heard. That is the server in TLS 1.3 and the client in TLS 1.2, and in both cases before anything
/// encrypted with the secret is on the wire. Cloning shares the collection.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    new: Vec<String>,
    /// Heard from one side so far.
    once: BTreeSet<String>,
}

impl Collected {
    /// How many lines may wait for the other side. Where that is a real program it never speaks; a line forgotten
    /// here costs no more than being there twice.
    const ONCE_MAX: usize = 8192;

    fn add(&mut self, line: String) {
        if self.once.remove(&line) {
            return;
        }
        if self.once.len() == Self::ONCE_MAX {
            self.once.pop_first();
        }
        self.once.insert(line.clone());
        self.new.push(line);
    }
}

impl Secrets {
    /// The lines that came since the last call, without line ends.
    #[must_use]
    pub fn drain(&self) -> Vec<String> {
        std::mem::take(&mut self.collected().new)
    }

    fn collected(&self) -> MutexGuard<'_, Collected> {
        // A panic elsewhere cannot leave the collection half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secrets themselves.
        write!(f, "Secrets({} new)", self.collected().new.len())
    }
}

impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::from(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        self.collected().add(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::KeyLog;

    #[test]
    fn each_line_once_in_order() {
        let secrets = Secrets::default();
        secrets.log("CLIENT_RANDOM", &[0xab; 2], &[0x01]);
        secrets.clone().log("CLIENT_RANDOM", &[0xab; 2], &[0x01]);
        secrets.log("EXPORTER_SECRET", &[0xab; 2], &[0x02]);
        assert_eq!(
            secrets.drain(),
            ["CLIENT_RANDOM abab 01", "EXPORTER_SECRET abab 02"]
        );
        assert!(secrets.drain().is_empty());
    }

    #[test]
    fn memory_is_bounded_when_the_other_side_never_speaks() {
        let secrets = Secrets::default();
        for n in 0..10_000_u32 {
            secrets.log("CLIENT_RANDOM", &n.to_be_bytes(), &[0]);
        }
        assert_eq!(secrets.drain().len(), 10_000);
        assert_eq!(secrets.collected().once.len(), Collected::ONCE_MAX);
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let secrets = Secrets::default();
        secrets.log("CLIENT_RANDOM", &[0xab], &[0xcd]);
        assert_eq!(format!("{secrets:?}"), "Secrets(1 new)");
    }
}
