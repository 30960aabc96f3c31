//! The traces of RFC 8448 as test vectors: §3 (one round trip), §4 (resumption), §5 (HelloRetryRequest).

use aws_lc_rs::hmac::HMAC_SHA256 as HASH;

use super::tls13::{
    derive_secret, extract, finished_key, message_hash, ticket_psk, transcript_hash, verify_data,
};
use super::{expand_label, suite_parameters, traffic_keys};
use crate::wire::tls::key_exchange::ClientOffer;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    digits.chunks(2).map(|c| c[0] << 4 | c[1]).collect()
}

const CLIENT_HELLO: &str = "
    010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000
    910000000b0009000006736572766572ff01000100000a00140012001d001700180019010001010102010301040023000000
    3300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d
    0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c00024001";
const SERVER_HELLO: &str = "
    020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d
    0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304";
/// EncryptedExtensions, Certificate and CertificateVerify.
const AUTHENTICATION: &str = "
    080000240022000a00140012001d00170018001901000101010201030104001c0002400100000000
    0b0001b9000001b50001b0308201ac30820115a003020102020102300d06092a864886f70d01010b0500300e310c300a0603
    5504031303727361301e170d3136303733303031323335395a170d3236303733303031323335395a300e310c300a06035504
    03130372736130819f300d06092a864886f70d010101050003818d0030818902818100b4bb498f8279303d980836399b36c6
    988c0c68de55e1bdb826d3901a2461eafd2de49a91d015abbc9a95137ace6c1af19eaa6af98c7ced43120998e187a80ee0cc
    b0524b1b018c3e0b63264d449a6d38e22a5fda430846748030530ef0461c8ca9d9efbfae8ea6d1d03e2bd193eff0ab9a8002
    c47428a6d35a8d88d79f7f1e3f0203010001a31a301830090603551d1304023000300b0603551d0f0404030205a0300d0609
    2a864886f70d01010b05000381810085aad2a0e5b9276b908c65f73a7267170618a54c5f8a7b337d2df7a594365417f2eae8
    f8a58c8f8172f9319cf36b7fd6c55b80f21a03015156726096fd335e5e67f2dbf102702e608ccae6bec1fc63a42a99be5c3e
    b7107c3c54e9b9eb2bd5203b1c3b84e0a8b2f759409ba3eac9d91d402dcc0cc8f8961229ac9187b42b4de10000
    0f000084080400805a747c5d88fa9bd2e55ab085a61015b7211f824cd484145ab3ff52f1fda8477b0b7abc90db78e2d33a5c
    141a078653fa6bef780c5ea248eeaaa785c4f394cab6d30bbe8d4859ee511f602957b15411ac027671459e46445c9ea58c18
    1e818e95b8c3fb0bf3278409d3be152a3da5043e063dda65cdf5aea20d53dfacd42f74f3";
const SERVER_FINISHED: &str =
    "140000209b9b141d906337fbd2cbdce71df4deda4ab42c309572cb7fffee5454b78f0718";
const CLIENT_FINISHED: &str =
    "14000020a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61";

#[test]
fn the_whole_schedule_of_one_round_trip() {
    let mut messages = [hex(CLIENT_HELLO), hex(SERVER_HELLO)].concat();
    let early = extract(HASH, &[], &[]);
    let first = "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a";
    assert_eq!(early, hex(first));
    let derived = derive_secret(HASH, &early, "derived", &[]);
    let shared = "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d";
    let handshake = extract(HASH, &derived, &hex(shared));
    let expected = "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac";
    assert_eq!(handshake, hex(expected));
    let client = derive_secret(HASH, &handshake, "c hs traffic", &messages);
    let server = derive_secret(HASH, &handshake, "s hs traffic", &messages);
    let expected = "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21";
    assert_eq!(client, hex(expected));
    let expected = "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38";
    assert_eq!(server, hex(expected));

    messages.extend(hex(AUTHENTICATION));
    let key = "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8";
    assert_eq!(finished_key(HASH, &server), hex(key));
    let finished = hex(SERVER_FINISHED);
    assert_eq!(verify_data(HASH, &server, &messages), finished[4..]);
    messages.extend(finished);
    let derived = derive_secret(HASH, &handshake, "derived", &[]);
    let main = extract(HASH, &derived, &[]);
    let expected = "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919";
    assert_eq!(main, hex(expected));
    for (label, expected) in [
        (
            "c ap traffic",
            "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        ),
        (
            "s ap traffic",
            "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        ),
        (
            "exp master",
            "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50",
        ),
    ] {
        let secret = derive_secret(HASH, &main, label, &messages);
        assert_eq!(secret, hex(expected), "{label}");
    }

    let finished = hex(CLIENT_FINISHED);
    assert_eq!(verify_data(HASH, &client, &messages), finished[4..]);
    messages.extend(finished);
    let resumption = derive_secret(HASH, &main, "res master", &messages);
    let expected = "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c";
    assert_eq!(resumption, hex(expected));
    let psk = "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3";
    assert_eq!(ticket_psk(HASH, &resumption, &[0, 0]), hex(psk));
}

#[test]
fn a_binder_binds_the_hello_before_it() {
    let zeros = "00".repeat(0x57);
    let hello = hex(&format!(
        "
        010001fc03031bc3ceb6bbe39cff938355b5a50adb6db21b7a6af649d7b4bc419d7876487d95000006130113031302010001
        cd0000000b0009000006736572766572ff01000100000a00140012001d001700180019010001010102010301040033002600
        24001d0020e4ffb68ac05f8d96c99da26698346c6be16482badddafe051a66b4f18d668f0b002a0000002b0003020304000d
        0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c0002400100150057{zeros}
        002900dd00b800b22c035d829359ee5ff7af4ec900000000262a6494dc486d2c8a34cb33fa90bf1b0070ad3c498883c9367c09
        a2be785abc55cd226097a3a982117283f82a03a143efd3ff5dd36d64e861be7fd61d2827db279cce145077d454a3664d4e6d
        a4d29ee03725a6a4dafcd0fc67d2aea70529513e3da2677fa5906c5b3f7d8f92f228bda40dda721470f9fbf297b5aea61764
        6fac5c03272e970727c621a79141ef5f7de6505e5bfbc388e93343694093934ae4d357fad6aacb
        0021203add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d"
    ));
    let offered = ClientOffer::read(&hello[4..]).unwrap().psk.unwrap();
    assert_eq!(offered.identities[0].len(), 0xb2);
    let bound = &hello[..4 + offered.bound];
    let digest = "63224b2e4573f2d3454ca84b9d009a04f6be9e05711a8396473aefa01e924a14";
    assert_eq!(transcript_hash(HASH, bound), hex(digest));

    let psk = hex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3");
    let early = extract(HASH, &[], &psk);
    let expected = "9b2188e9b2fc6d64d71dc329900e20bb41915000f678aa839cbb797cb7d8332c";
    assert_eq!(early, hex(expected));
    let binder_key = derive_secret(HASH, &early, "res binder", &[]);
    assert_eq!(verify_data(HASH, &binder_key, bound), offered.binders[0]);
    let expected = "3fbbe6a60deb66c30a32795aba0eff7eaa10105586e7be5c09678d63b6caab62";
    let secret = derive_secret(HASH, &early, "c e traffic", &hello);
    assert_eq!(secret, hex(expected));
}

#[test]
fn a_hello_that_was_answered_by_a_retry_request_counts_as_its_hash() {
    let zeros = "00".repeat(0xaf);
    let cookie = "
        0074007271dcd04bb88bc3189119398a00000000eefafc76c146b823b096f8aacad365dd0030953f4edf625636e5f21bb2e2
        3fcc654b1b5b40318d10d137abcbb87574e36e8a1f025f7dfa5d6e50781b5eda4aa15b0c8be778257d16aa3030e9e7841dd9
        e4c0342267e8ca0caf571fb2b7cff0f934b0";
    let first = hex("
        010000b00303b0b1c5a5aa37c5919f2ed1d5c6fff7fcb7849716945a2b8cee9258a346677b6f000006130113031302010000
        810000000b0009000006736572766572ff01000100000a00080006001d00170018003300260024001d0020e8e8e3f3b93a25
        ed97a14a7dcacb8a272c6288e585c6484d05262fcad062ad1f002b0003020304000d0020001e040305030603020308040805
        080604010501060102010402050206020202002d00020101001c00024001");
    let retry = hex(&format!(
        "020000ac0303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c001301000084003300020017
        002c{cookie}002b00020304"
    ));
    let second = hex(&format!(
        "010001fc0303b0b1c5a5aa37c5919f2ed1d5c6fff7fcb7849716945a2b8cee9258a346677b6f000006130113031302010001
        cd0000000b0009000006736572766572ff01000100000a00080006001d001700180033004700450017004104
        a6da7392ec591e17abfd535964b99894d13befb221b3def2ebe3830eac8f0151812677c4d6d2237e85cf01d6910cfb83954e
        76ba7352830534159897e8065780002b0003020304000d0020001e04030503060302030804080508060401050106010201
        0402050206020202002c{cookie}002d00020101001c00024001001500af{zeros}"
    ));
    let server = hex("
        020000770303bb341d847fd789c47c387172dc0c9bf147fccacb5043d86ca4c598d3ff571b9800130100004f003300450017
        004104583e054b7a66672ae020ad9d2686fcc85b5ad41a134a0f03ee72b893052bd85b4c8de6776f5b04ac07d83540eab3e3
        d9c547bc6528c4317d294686093a6cad7d002b00020304");
    let messages = [message_hash(HASH, &first), retry, second, server].concat();
    let digest = "8aa8e828ec2f8a884fec95a3139de01c15a3daa7ff5bfc3f4bfcc21b438d7bf8";
    assert_eq!(transcript_hash(HASH, &messages), hex(digest));

    let derived = derive_secret(HASH, &extract(HASH, &[], &[]), "derived", &[]);
    let shared = hex("c142ce13ca11b5c2233652e63ad3d97844f1621fbfb9de69d547dc8fedeabeb4");
    let handshake = extract(HASH, &derived, &shared);
    let expected = "ce022e5e6e81e50736d773f2d3adfce8220d049bf510f0dbfac927ef4243b148";
    assert_eq!(handshake, hex(expected));
    let client = derive_secret(HASH, &handshake, "c hs traffic", &messages);
    let expected = "158aa7ab8855073582b41d674b4055cabcc534728f659314861b4e08e2011566";
    assert_eq!(client, hex(expected));
}

#[test]
fn keys_under_traffic_secrets() {
    let suite = suite_parameters(0x1301).unwrap();
    for (secret, key, iv) in [
        (
            "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
            "dbfaa693d1762c5b666af5d950258d01",
            "5bd3c71b836e0b76bb73265f",
        ),
        (
            "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
            "17422dda596ed5d9acd890e3c63f5051",
            "5b78923dee08579033e523d9",
        ),
    ] {
        let keys = traffic_keys(&suite, &hex(secret));
        assert_eq!((keys.key, keys.iv), (hex(key), hex(iv)));
        let alone = expand_label(HASH, &hex(secret), "key", b"", 16);
        assert_eq!(alone, hex(key));
    }
}
