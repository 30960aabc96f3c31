//! How the health of a target follows from its probes (AWS "Health checks for your target groups").

use crate::event::{HealthReason, HealthState};
use crate::role::config::HealthCheck;

/// The health of one target, as one node of the load balancer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) state: HealthState,
    pub(super) reason: Option<HealthReason>,
    /// Successes, or failures, in a row.
    in_a_row: u32,
}

impl Health {
    /// Of a target that has just been registered.
    pub(super) const fn new(is_checked: bool) -> Self {
        let (state, reason) = if is_checked {
            let reason = HealthReason::InitialHealthChecking;
            (HealthState::Initial, Some(reason))
        } else {
            (HealthState::Healthy, None)
        };
        Self {
            state,
            reason,
            in_a_row: 0,
        }
    }

    /// Of a target whose registration is under way.
    pub(super) const fn registering() -> Self {
        Self {
            state: HealthState::Initial,
            reason: Some(HealthReason::RegistrationInProgress),
            in_a_row: 0,
        }
    }

    /// Of a target that gets nothing, for this reason.
    pub(super) const fn unused(reason: HealthReason) -> Self {
        Self {
            state: HealthState::Unused,
            reason: Some(reason),
            in_a_row: 0,
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.state == HealthState::Healthy
    }

    /// A probe has ended: well, or for this reason not. Whether the state, or the reason for it, is another now.
    pub(super) fn probed(
        &mut self,
        outcome: Result<(), HealthReason>,
        check: &HealthCheck,
    ) -> bool {
        let before = (self.state, self.reason);
        match outcome {
            Ok(()) => self.passed(check),
            Err(reason) => self.failed(reason, check),
        }
        before != (self.state, self.reason)
    }

    fn passed(&mut self, check: &HealthCheck) {
        let needed = match self.state {
            // "Each load balancer node … a newly registered target must pass one health check".
            HealthState::Initial => 1,
            HealthState::Unhealthy => check.healthy_threshold,
            HealthState::Healthy => {
                // A success ends a row of failures that did not suffice.
                self.in_a_row = 0;
                return;
            }
            HealthState::Draining | HealthState::Unused => return,
        };
        if self.state == HealthState::Initial {
            self.in_a_row = 0;
        }
        self.in_a_row += 1;
        if self.in_a_row >= needed {
            (self.state, self.reason) = (HealthState::Healthy, None);
            self.in_a_row = 0;
        }
    }

    fn failed(&mut self, reason: HealthReason, check: &HealthCheck) {
        match self.state {
            HealthState::Initial | HealthState::Healthy => {
                self.in_a_row += 1;
                if self.in_a_row >= check.unhealthy_threshold {
                    (self.state, self.reason) = (HealthState::Unhealthy, Some(reason));
                    self.in_a_row = 0;
                }
            }
            HealthState::Unhealthy => {
                self.reason = Some(reason);
                self.in_a_row = 0;
            }
            HealthState::Draining | HealthState::Unused => {}
        }
    }

    /// It is being taken out.
    pub(super) const fn drain(&mut self) {
        self.state = HealthState::Draining;
        self.reason = Some(HealthReason::DeregistrationInProgress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Result<(), HealthReason> = Err(HealthReason::Timeout);

    fn check() -> HealthCheck {
        HealthCheck {
            healthy_threshold: 3,
            unhealthy_threshold: 2,
            ..HealthCheck::default()
        }
    }

    /// The states after each probe, and how often something changed.
    fn after(health: &mut Health, probes: &[Result<(), HealthReason>]) -> (String, usize) {
        let mut changes = 0;
        let states: Vec<&str> = probes
            .iter()
            .map(|p| {
                changes += usize::from(health.probed(*p, &check()));
                health.state.word()
            })
            .collect();
        (states.join(" "), changes)
    }

    #[test]
    fn one_success_is_enough_at_first_and_the_threshold_later() {
        let mut health = Health::new(true);
        let probes = [
            SLOW,
            Ok(()),
            SLOW,
            Ok(()),
            SLOW,
            SLOW,
            Ok(()),
            Ok(()),
            Ok(()),
        ];
        let (states, changes) = after(&mut health, &probes);
        assert_eq!(
            states,
            "initial healthy healthy healthy healthy unhealthy unhealthy unhealthy healthy"
        );
        assert_eq!(changes, 3);
    }

    #[test]
    fn a_failure_begins_the_row_of_successes_again() {
        let mut health = Health::new(true);
        let probes = [SLOW, SLOW, Ok(()), Ok(()), SLOW, Ok(()), Ok(())];
        let (states, _) = after(&mut health, &probes);
        assert!(states.ends_with("unhealthy unhealthy"), "{states}");
        assert_eq!(health.reason, Some(HealthReason::Timeout));
    }

    #[test]
    fn the_reason_is_that_of_the_last_failure() {
        let mut health = Health::new(true);
        after(&mut health, &[SLOW, SLOW]);
        let other = Err(HealthReason::ResponseCodeMismatch);
        assert!(health.probed(other, &check()));
        assert_eq!(health.reason, Some(HealthReason::ResponseCodeMismatch));
        assert!(!health.probed(other, &check()));
    }

    #[test]
    fn without_checks_everybody_is_healthy_and_a_drained_target_stays_so() {
        let mut health = Health::new(false);
        assert!(health.is_healthy());
        health.drain();
        assert!(!health.probed(Ok(()), &check()));
        assert_eq!(health.state, HealthState::Draining);
    }
}
