//! Everything that reads one TLS record or handshake message without state, and the reader of recordings: the first
//! byte says where the client's bytes end and the server's begin.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tunlab::tls::static_rsa::recover;
use tunlab::wire::tls;

fuzz_target!(|input: &[u8]| {
    let Some((cut, bytes)) = input.split_first() else {
        return;
    };
    if let Some(header) = tls::RecordHeader::read(bytes) {
        let _ = header.is_plausible();
    }
    let _ = tls::handshake_header(bytes);
    if let Some(hello) = tls::ClientHello::read(bytes) {
        let _ = hello.versions();
    }
    if let Some(hello) = tls::ServerHello::read(bytes) {
        let _ = (hello.version(), hello.is_retry_request());
    }
    let _ = tls::encrypted_extensions_alpn(bytes);
    for version in [tls::TLS12, tls::TLS13] {
        let _ = tls::certificates(bytes, version);
    }
    let _ = tls::certificate_verify_scheme(bytes);
    let _ = tls::server_key_exchange_group(bytes);
    let _ = tls::encrypted_pre_master(bytes);
    let at = bytes.len() * usize::from(*cut) / 255;
    let (client, server) = bytes.split_at(at);
    let _ = recover(client, server, &tunlab_fuzz::key());
});
