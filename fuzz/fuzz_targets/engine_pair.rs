//! A client and a server, and somebody between them: each four bytes of the input change one byte on the way (which
//! side sent it, where, how). Nobody panics, and data gets through as it was sent or not at all. The first byte chooses
//! what both offer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tunlab_fuzz::{client, now, server};

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    let mut sides = [client(*choice), server(*choice)];
    let mut sent = [0; 2];
    let mut failed = [false; 2];
    for turn in 0..12 {
        let from = turn % 2;
        if turn >= 4 && sides[from].is_established() && !failed[from] {
            let _ = sides[from].send(b"what was sent");
        }
        let mut bytes = sides[from].poll_wire().unwrap_or_default();
        for change in rest.chunks_exact(4) {
            let at = usize::from(u16::from_be_bytes([change[1], change[2]]));
            if usize::from(change[0] & 1) == from
                && let Some(byte) = at.checked_sub(sent[from]).and_then(|n| bytes.get_mut(n))
            {
                *byte ^= change[3];
            }
        }
        sent[from] += bytes.len();
        failed[1 - from] |= sides[1 - from].handle_wire(&bytes, now()).is_err();
        if let Some(data) = sides[1 - from].poll_data() {
            assert!(
                data.chunks(13).all(|piece| piece == b"what was sent"),
                "data was changed on the way"
            );
        }
    }
});
