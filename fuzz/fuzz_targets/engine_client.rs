//! The teaching engine's client, fed arbitrary bytes after its ClientHello. It must not panic, and once it has failed it
//! stays so. The first byte chooses what it offers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tunlab_fuzz::{client, now};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let mut client = client(*choice);
    let result = client.handle_wire(bytes, now());
    assert!(client.poll_wire().is_some(), "the ClientHello at least");
    if result.is_err() {
        assert!(client.handle_wire(b"more", now()).is_err());
        assert!(client.send(b"data").is_err());
        assert_eq!(client.poll_wire(), None);
    }
});
