//! Why a load balancer answers itself, told at its answer.

use crate::event::{Event, Fact, What};
use crate::name::Name;

/// Failures of targets that no answer has been seen for.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(Name, u16, String)>);

/// More are not waited for: clients that have gone get no answer.
const WAITING_MAX: usize = 256;

impl Failures {
    pub(super) fn event(&mut self, event: &Event) {
        if let What::Fact(Fact::TargetFailed { status, cause, .. }) = &event.what {
            if self.0.len() == WAITING_MAX {
                self.0.remove(0);
            }
            self.0.push((event.node.clone(), *status, cause.clone()));
        }
    }

    /// A sentence, when `from` sends this status because a target failed.
    pub(super) fn behind(&mut self, from: &str, status: u16) -> Option<String> {
        let mut waiting = self.0.iter();
        let at = waiting.position(|(node, s, _)| node.as_str() == from && *s == status)?;
        let (node, _, cause) = self.0.remove(at);
        Some(format!(" {node} made it itself: {cause}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture::{at, name};

    #[test]
    fn a_cause_is_told_once_with_the_status_it_led_to() {
        let mut failures = Failures::default();
        for (status, cause) in [(504, "too slow"), (502, "reset")] {
            failures.event(&Event {
                at: at(0.0),
                node: name("alb"),
                what: What::Fact(Fact::TargetFailed {
                    target: "10.0.2.21:32768".parse().unwrap(),
                    flow: None,
                    status,
                    cause: cause.into(),
                }),
            });
        }
        assert_eq!(failures.behind("alb", 503), None);
        assert_eq!(failures.behind("web-a", 502), None);
        let said = failures.behind("alb", 502);
        assert_eq!(said.unwrap(), " alb made it itself: reset.");
        assert_eq!(failures.behind("alb", 502), None);
    }
}
