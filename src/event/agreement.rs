//! What one side of a key exchange had, sent, received and computed.

use std::fmt;

/// One side of one key exchange, complete. It is told only where a seed rules: what the operating system's randomness
/// makes stays in the engine.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyAgreement {
    /// The group, by its number in the IANA "TLS Supported Groups" registry: 0x001d for X25519.
    pub group: u16,
    /// What it drew and kept to itself: the scalar of a curve; the seed of a decapsulation key, or the message that was
    /// encapsulated (FIPS 203 §7). A hybrid group's own parts are agreements before it.
    pub private: Vec<u8>,
    /// The share it sent.
    pub public: Vec<u8>,
    /// The share it received.
    pub peer: Vec<u8>,
    /// What it computed of its private value and the peer's share. Never sent.
    pub shared: Vec<u8>,
}

impl fmt::Debug for KeyAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secrets themselves: it is printed where events are logged.
        write!(f, "KeyAgreement({:#06x})", self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_secret() {
        let agreement = KeyAgreement {
            group: 0x1d,
            private: vec![0xab],
            public: vec![0xcd],
            peer: vec![0xef],
            shared: vec![0x99],
        };
        assert_eq!(format!("{agreement:?}"), "KeyAgreement(0x001d)");
    }
}
