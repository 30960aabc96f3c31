//! The dissector, fed arbitrary packets: each behind its length in two bytes. Both with the secrets of a run, which
//! stand in a file beside the corpus, and as an observer. It must not panic, and numbers every frame.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tunlab::dissect::{Dissector, Sight};
use tunlab::event::{Crossing, Direction, PacketId, TapId};
use tunlab::time::Instant;

static SECRETS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("../corpus/keys.log").lines().collect());

fuzz_target!(|input: &[u8]| {
    for sight in [Sight::WithSecrets, Sight::Observer] {
        let mut dissector = Dissector::new(sight);
        for line in SECRETS.iter() {
            dissector.secret(line);
        }
        let mut rest = input;
        let mut number = 0;
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
            let (bytes, after) = after.split_at(length);
            rest = after;
            number += 1;
            let frame = dissector.frame(
                &Crossing {
                    at: Instant::ZERO,
                    tap: TapId(0),
                    direction: Direction::Out,
                    packet: PacketId(number as u64),
                    bytes,
                    lost: None,
                },
                "tap",
            );
            assert_eq!(frame.number, number);
        }
    }
});
