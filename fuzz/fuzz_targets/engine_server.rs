//! The teaching engine's server, fed arbitrary bytes: first whole, then one by one. It must not panic, and must say the
//! same both times. The first byte chooses what it offers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tunlab_fuzz::{now, server};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let mut whole = server(*choice);
    let all = whole.handle_wire(bytes, now());
    let mut cut = server(*choice);
    let mut one = Ok(());
    for byte in bytes {
        one = one.and(cut.handle_wire(&[*byte], now()));
    }
    assert_eq!(all, one);
    assert_eq!(whole.poll_wire(), cut.poll_wire());
    assert_eq!(whole.key_exchange(), cut.key_exchange());
});
