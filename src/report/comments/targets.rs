//! Why a load balancer answers itself, told at its answer.

use std::time::Duration;

use crate::event::{Event, Fact, Serving, What};
use crate::name::Name;
use crate::time::Instant;

/// Failures of targets, and refusals of requests, that no answer has been seen for.
#[derive(Debug, Default)]
pub(super) struct Failures {
    unseen: Vec<(Name, u16, String)>,
    /// Responses that stopped in the middle: at whom, when, why, and to how many it may yet be told: to the target and to
    /// the client.
    broken_off: Vec<(Name, Instant, String, u8)>,
}

/// More are not waited for: clients that have gone get no answer.
const WAITING_MAX: usize = 256;

/// From a response's breaking off to the arrival of the RST_STREAM that tells of it, at the latest.
const TELLS_WITHIN: Duration = Duration::from_secs(2);

impl Failures {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Fact(fact) = &event.what else {
            return;
        };
        if let Fact::Serving(Serving::BrokenOff { cause, .. }) = fact {
            if self.broken_off.len() == WAITING_MAX {
                self.broken_off.remove(0);
            }
            self.broken_off
                .push((event.node.clone(), event.at, cause.clone(), 2));
            return;
        }
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
        if self.unseen.len() == WAITING_MAX {
            self.unseen.remove(0);
        }
        self.unseen.push((event.node.clone(), status, why.clone()));
    }

    /// A sentence, when `from` resets a stream because a response broke off.
    pub(super) fn broken_off(&mut self, from: &str, at: Instant) -> Option<String> {
        let tells = |since: Instant| at >= since && at - since <= TELLS_WITHIN;
        let mut all = self.broken_off.iter_mut();
        let found =
            all.find(|(node, since, _, left)| node.as_str() == from && tells(*since) && *left > 0);
        let (_, _, cause, left) = found?;
        *left -= 1;
        Some(format!(" In the middle of the response: {cause}."))
    }

    /// A sentence, when `from` sends this status because a target failed, or the request was refused.
    pub(super) fn behind(&mut self, from: &str, status: u16) -> Option<String> {
        let mut waiting = self.unseen.iter();
        let at = waiting.position(|(node, s, _)| node.as_str() == from && *s == status)?;
        let (node, _, cause) = self.unseen.remove(at);
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

    #[test]
    fn a_response_that_breaks_off_is_told_on_both_sides() {
        let mut failures = Failures::default();
        let local = "10.0.1.10:49152".parse().unwrap();
        let remote = "10.0.2.21:8080".parse().unwrap();
        failures.event(&Event {
            at: at(60.0),
            node: name("alb"),
            what: What::Fact(Fact::Serving(Serving::BrokenOff {
                flow: Flow { local, remote },
                cause: "silence".into(),
            })),
        });
        assert_eq!(failures.broken_off("alb", at(2_061.0)), None);
        assert_eq!(failures.broken_off("web-a", at(60.0)), None);
        for told in [60.0, 70.0] {
            let said = failures.broken_off("alb", at(told));
            assert_eq!(said.unwrap(), " In the middle of the response: silence.");
        }
        assert_eq!(failures.broken_off("alb", at(71.0)), None);
    }
}
