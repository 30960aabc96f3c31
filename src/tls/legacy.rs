//! A client of TLS 1.0 or 1.1 (RFC 2246, RFC 4346), as far as it goes here: its ClientHello, and what the server answers.
//! No engine here speaks these versions; RFC 8996 ended them.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::random::Randomness;
use crate::wire::tls::{
    RecordHeader, ServerHello, alert_name, content_type, handshake_header, handshake_type,
    version_name,
};

/// Curves that such clients know: P-256 and P-384 (RFC 4492).
const GROUPS: [u16; 2] = [0x0017, 0x0018];

/// Sends a ClientHello for `version`, and says why nothing more comes of it.
pub(super) async fn offer<S>(
    version: u16,
    suites: &[u16],
    server_name: &str,
    stream: &mut S,
    randomness: &mut Randomness,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut random = [0; 32];
    randomness.fill(&mut random);
    let hello = client_hello(version, suites, server_name, random);
    let answer = async {
        stream
            .write_all(&record(content_type::HANDSHAKE, &hello))
            .await?;
        stream.flush().await?;
        let mut head = [0; RecordHeader::BYTES];
        stream.read_exact(&mut head).await?;
        let header = RecordHeader::read(&head).filter(RecordHeader::is_plausible);
        let mut fragment = vec![0; header.map_or(0, |h| h.length)];
        stream.read_exact(&mut fragment).await?;
        Ok::<_, std::io::Error>((header, fragment))
    };
    match answer.await {
        Ok((Some(header), fragment)) => read(header, &fragment),
        Ok((None, _)) => "the server does not answer in TLS".into(),
        Err(error) => error.to_string(),
    }
}

/// What the server's first record says.
fn read(header: RecordHeader, fragment: &[u8]) -> String {
    match (header.content_type, fragment) {
        (content_type::ALERT, [_, description]) => {
            let name = alert_name(*description).unwrap_or("without a name");
            format!("received fatal alert: {name}")
        }
        (content_type::HANDSHAKE, message) => {
            let hello = handshake_header(message)
                .filter(|(kind, _)| *kind == handshake_type::SERVER_HELLO)
                .and_then(|_| ServerHello::read(message.get(4..)?));
            match hello {
                Some(hello) => format!(
                    "the server goes on in {}, which is not spoken here",
                    version_name(hello.version())
                ),
                None => "the server's answer is no ServerHello".into(),
            }
        }
        _ => "the server's answer is no ServerHello".into(),
    }
}

/// One record. Its version is TLS 1.0's: who offers more does not know yet what the server can read (RFC 5246 §E.1).
fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(fragment.len()).unwrap_or(u16::MAX);
    [&[kind, 3, 1][..], &length.to_be_bytes(), fragment].concat()
}

/// The message of RFC 4346 §7.4.1.2 with the extensions of RFC 3546 §3.1 and RFC 4492 §5.1: server name, curves, point
/// formats.
fn client_hello(version: u16, suites: &[u16], server_name: &str, random: [u8; 32]) -> Vec<u8> {
    let numbers = |list: &[u16]| -> Vec<u8> { list.iter().flat_map(|n| n.to_be_bytes()).collect() };
    let name = [&[0][..], &vector16(server_name.as_bytes())].concat();
    let extensions = [
        extension(0, &vector16(&name)),
        extension(10, &vector16(&numbers(&GROUPS))),
        // Uncompressed points only.
        extension(11, &[1, 0]),
    ];
    let body = [
        &version.to_be_bytes()[..],
        &random,
        // No session to resume; one compression method, "null".
        &[0],
        &vector16(&numbers(suites)),
        &[1, 0],
        &vector16(&extensions.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[handshake_type::CLIENT_HELLO][..], &length[1..], &body].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(body)].concat()
}

/// `body` behind its length in two bytes. What is put in here is far shorter than 64 KiB.
fn vector16(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tls::ClientHello;

    #[test]
    fn the_hello_reads_as_what_it_was_made_of() {
        let message = client_hello(0x0301, &[0x002f, 0xc013], "your-app.com", [7; 32]);
        let (kind, length) = handshake_header(&message).unwrap();
        assert_eq!((kind, length), (1, message.len() - 4));
        let hello = ClientHello::read(&message[4..]).unwrap();
        assert_eq!(hello.legacy_version, 0x0301);
        assert_eq!(hello.suites, [0x002f, 0xc013]);
        assert_eq!(hello.server_name.as_deref(), Some("your-app.com"));
        assert_eq!(hello.groups, GROUPS);
        assert_eq!(hello.versions(), [0x0301]);
    }

    #[test]
    fn answers_are_told_in_words() {
        let told = |kind, fragment: &[u8]| {
            read(
                RecordHeader::read(&record(kind, fragment)).unwrap(),
                fragment,
            )
        };
        assert_eq!(told(21, &[2, 70]), "received fatal alert: protocol_version");
        let hello = [&[2, 0, 0, 38, 3, 1][..], &[1; 32], &[0, 0, 0x2f, 0]].concat();
        assert_eq!(
            told(22, &hello),
            "the server goes on in TLS 1.0, which is not spoken here"
        );
        for cut in 0..hello.len() {
            assert_eq!(
                told(22, &hello[..cut]),
                "the server's answer is no ServerHello"
            );
        }
        assert_eq!(told(23, &[0]), "the server's answer is no ServerHello");
    }
}
