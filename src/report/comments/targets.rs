//! Why a load balancer answers itself, told at its answer.

use crate::event::{Event, Fact, Serving, What};
use crate::name::Name;

/// Failures of targets, and refusals of requests, that no answer has been seen for.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<(Name, u16, String)>);

/// More are not waited for: clients that have gone get no answer.
const WAITING_MAX: usize = 256;

impl Failures {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Fact(fact) = &event.what else {
            return;
        };
        let (status, why) = if let Fact::TargetFailed { status, cause, .. } = fact {
            (*status, cause)
        } else if let Fact::Serving(Serving::Refused { status, why, .. }) = fact
            // Of a 5xx the failure of the target has been told, and more exactly.
            && *status < 500
        {
            (*status, why)
        } else {
            return;
        };
        if self.0.len() == WAITING_MAX {
            self.0.remove(0);
        }
        self.0.push((event.node.clone(), status, why.clone()));
    }

    /// A sentence, when `from` sends this status because a target failed, or the request was refused.
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
    use crate::event::Flow;
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

    #[test]
    fn a_refused_request_is_told_at_its_answer() {
        let mut failures = Failures::default();
        let (local, remote) = (
            "10.0.1.10:443".parse().unwrap(),
            "192.0.2.1:50000".parse().unwrap(),
        );
        failures.event(&Event {
            at: at(0.0),
            node: name("alb"),
            what: What::Fact(Fact::Serving(Serving::Refused {
                flow: Flow { local, remote },
                status: 400,
                why: "it has two lengths".into(),
            })),
        });
        let said = failures.behind("alb", 400);
        assert_eq!(said.unwrap(), " alb made it itself: it has two lengths.");
    }
}
