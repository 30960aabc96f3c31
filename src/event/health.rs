//! The health of a load balancer's targets (AWS "Health checks for your target groups").

/// How a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthState {
    /// Registered, and not known yet.
    Initial,
    /// It passes, or is not checked.
    Healthy,
    /// It fails.
    Unhealthy,
    /// Taken out; requests under way may end.
    Draining,
    /// It gets nothing: it is not registered, or what it is registered with does not use it.
    Unused,
}

impl HealthState {
    /// All of them, with AWS's words.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("initial", Self::Initial),
        ("healthy", Self::Healthy),
        ("unhealthy", Self::Unhealthy),
        ("draining", Self::Draining),
        ("unused", Self::Unused),
    ];

    /// AWS's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

/// Why a target is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthReason {
    /// Its registration is under way.
    RegistrationInProgress,
    /// The first probes are under way.
    InitialHealthChecking,
    /// It answered with another status.
    ResponseCodeMismatch,
    /// It did not answer in time.
    Timeout,
    /// No connection, or no HTTP.
    FailedHealthChecks,
    /// It is being taken out.
    DeregistrationInProgress,
    /// It is not in the target group.
    NotRegistered,
    /// No load balancer uses its target group, or none has a node in its availability zone.
    NotInUse,
    /// Its instance has been stopped.
    InvalidState,
    /// Its address is that of a load balancer.
    IpUnusable,
}

impl HealthReason {
    /// All of them, with AWS's reason codes. Two of AWS's are not here: Target.HealthCheckDisabled is for Lambda
    /// functions, and what Elb.InternalError stands for does not happen.
    pub const WORDS: [(&'static str, Self); 10] = [
        ("Elb.RegistrationInProgress", Self::RegistrationInProgress),
        ("Elb.InitialHealthChecking", Self::InitialHealthChecking),
        ("Target.ResponseCodeMismatch", Self::ResponseCodeMismatch),
        ("Target.Timeout", Self::Timeout),
        ("Target.FailedHealthChecks", Self::FailedHealthChecks),
        (
            "Target.DeregistrationInProgress",
            Self::DeregistrationInProgress,
        ),
        ("Target.NotRegistered", Self::NotRegistered),
        ("Target.NotInUse", Self::NotInUse),
        ("Target.InvalidState", Self::InvalidState),
        ("Target.IpUnusable", Self::IpUnusable),
    ];

    /// AWS's reason code.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_word() {
        for (word, state) in HealthState::WORDS {
            assert_eq!(state.word(), word);
        }
        for (word, reason) in HealthReason::WORDS {
            assert_eq!(reason.word(), word);
        }
    }
}
