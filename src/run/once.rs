//! What the main capture has seen leave: where that arrives at another of its taps as it was, it is not shown a second
//! time. Two clients that talk with each other are both tapped.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::{Crossing, Direction, PacketId};

/// More are not remembered: they arrived long ago.
const KEPT_MAX: usize = 65_536;

#[derive(Default)]
pub(super) struct Once(BTreeMap<PacketId, u64>);

impl Once {
    /// Whether a packet that belongs into the main capture is news to it.
    pub(super) fn is_news(&mut self, crossing: &Crossing<'_>) -> bool {
        let content = content(crossing.bytes);
        match crossing.direction {
            Direction::In => self.0.get(&crossing.packet) != Some(&content),
            Direction::Out => {
                self.0.insert(crossing.packet, content);
                while self.0.len() > KEPT_MAX {
                    self.0.pop_first();
                }
                true
            }
        }
    }
}

/// All but what every router changes, the time to live and the checksum behind it; what gateways change counts.
fn content(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.get(12..).unwrap_or(bytes).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TapId;
    use crate::time::Instant;

    #[test]
    fn a_packet_is_news_once_unless_it_was_changed() {
        let mut once = Once::default();
        let mut is_news = |id: u64, direction, ttl: u8, source: u8| {
            let mut bytes = vec![0x45; 28];
            (bytes[8], bytes[12]) = (ttl, source);
            once.is_news(&Crossing {
                at: Instant::ZERO,
                tap: TapId(0),
                direction,
                packet: PacketId(id),
                bytes: &bytes,
                lost: None,
            })
        };
        assert!(is_news(1, Direction::Out, 64, 10));
        assert!(!is_news(1, Direction::In, 63, 10));
        assert!(is_news(1, Direction::In, 62, 198), "translated");
        assert!(is_news(2, Direction::In, 63, 10), "from elsewhere");
        assert!(is_news(1, Direction::Out, 63, 10), "a router sends it on");
    }
}
