//! Wireshark as the judge of our files: its command line tools must see in them what was put in. Skipped aloud where
//! the tools are not installed, unless `TUNLAB_TEST_REQUIRE` is `all`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use etherparse::PacketBuilder;
use tempfile::TempDir;

use super::{AtomicFile, Interface, Packet, PcapWriter, PcapngWriter};
use crate::event::{Direction, PacketId};
use crate::time::{Instant, UnixSeconds};

const EPOCH: UnixSeconds = UnixSeconds(1_762_300_800);
const USER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 50);
const ALB: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 23);
const ALB_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 20);

/// What `tool` prints, in an empty home: no preferences of the person who runs the test. It must print nothing on
/// stderr and exit with 0. `None` when it is not installed.
fn ask(tool: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(tool)
        .args(arguments)
        .arg(file)
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .output();
    let output = match output {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let required = std::env::var("TUNLAB_TEST_REQUIRE").is_ok_and(|value| value == "all");
            assert!(!required, "{tool} is required and not installed");
            // not `eprintln!`, which the test harness swallows when the test passes
            writeln!(
                std::io::stderr(),
                "\nSKIPPED: {tool} is not installed; {arguments:?} on a capture was not tested"
            )
            .unwrap();
            return None;
        }
        Err(e) => panic!("{tool}: {e}"),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    // tshark says so when a superuser runs it, whatever the file
    let complaints: Vec<_> = stderr
        .lines()
        .filter(|line| !line.starts_with("Running as user \"root\""))
        .collect();
    assert!(complaints.is_empty(), "{tool} {arguments:?}: {stderr}");
    assert!(output.status.success(), "{tool}: {}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

fn nics() -> [Interface; 2] {
    [
        Interface {
            name: "user0".into(),
            description: "User".into(),
            address: USER.into(),
        },
        Interface {
            name: "alb-vpc".into(),
            description: "ALB, inside".into(),
            address: ALB_INSIDE.into(),
        },
    ]
}

fn udp(from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(from.octets(), to.octets(), 64).udp(40_000, 9);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

/// Feeds three packets to `write`: out of user0, out of alb-vpc, into user0.
fn feed(mut write: impl FnMut(&Packet<'_>)) {
    let out = udp(USER, ALB, b"one");
    let inside = udp(ALB_INSIDE, TARGET, b"two");
    let back = udp(ALB, USER, b"three");
    let both = ["first".to_owned(), "zweiter, größer".to_owned()];
    let one = ["lost".to_owned()];
    let packet = Packet {
        interface: 0,
        at: Instant::from_nanos(1),
        direction: Direction::Out,
        id: PacketId(1),
        bytes: &out,
        peer: IpAddr::from([203, 0, 113, 1]),
        comments: &both,
        lost: false,
    };
    write(&packet);
    write(&Packet {
        interface: 1,
        at: Instant::from_nanos(20_016_640),
        id: PacketId(2),
        bytes: &inside,
        peer: IpAddr::from([10, 0, 1, 1]),
        comments: &one,
        lost: true,
        ..packet
    });
    write(&Packet {
        at: Instant::from_nanos(1_000_000_000),
        direction: Direction::In,
        id: PacketId(3),
        bytes: &back,
        comments: &[],
        ..packet
    });
}

fn pcapng() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.pcapng");
    let file = AtomicFile::create(&path).unwrap();
    let names = [
        (USER.into(), "user.example".to_owned()),
        (ALB.into(), "alb.example".to_owned()),
    ];
    let comment = Some("three packets");
    let mut writer = PcapngWriter::new(file, EPOCH, &nics(), &names, comment).unwrap();
    let secret = format!("CLIENT_RANDOM {} {}", "11".repeat(32), "22".repeat(48));
    writer.secrets(&[secret]).unwrap();
    feed(|packet| writer.packet(packet).unwrap());
    let file = writer.finish(Instant::from_nanos(2_000_000_000)).unwrap();
    file.commit().unwrap();
    (folder, path)
}

#[test]
fn tshark_sees_interfaces_times_comments_and_numbers() {
    let (_folder, path) = pcapng();
    let mut arguments = vec!["-n", "-T", "fields", "-E", "separator=|"];
    for field in [
        "frame.interface_name",
        "frame.interface_description",
        "frame.time_epoch",
        "frame.comment",
        "frame.packet_id",
        "frame.packet_flags_direction",
        "eth.src",
        "eth.dst",
        "frame.protocols",
        "data.data",
    ] {
        arguments.extend(["-e", field]);
    }
    arguments.push("-r");
    let Some(seen) = ask("tshark", &arguments, &path) else {
        return;
    };
    let seen: Vec<_> = seen.lines().collect();
    assert_eq!(
        seen,
        [
            "user0|User|1762300800.000000001|first,zweiter, größer|1|0x00000002\
             |02:00:cb:00:71:32|02:00:cb:00:71:01|eth:ethertype:ip:udp:data|6f6e65",
            "alb-vpc|ALB, inside|1762300800.020016640|lost|2|0x00000002\
             |02:00:0a:00:01:0a|02:00:0a:00:01:01|eth:ethertype:ip:udp:data|74776f",
            "user0|User|1762300801.000000000||3|0x00000001\
             |02:00:cb:00:71:01|02:00:cb:00:71:32|eth:ethertype:ip:udp:data|7468726565",
        ]
    );
}

#[test]
fn tshark_shows_our_names() {
    let (_folder, path) = pcapng();
    let arguments = ["-N", "n", "-Y", "frame.number == 1", "-r"];
    if let Some(seen) = ask("tshark", &arguments, &path) {
        assert!(seen.contains("user.example → alb.example  UDP"), "{seen}");
    }
}

#[test]
fn capinfos_finds_nothing_wrong() {
    let (_folder, path) = pcapng();
    let Some(seen) = ask("capinfos", &[], &path) else {
        return;
    };
    let squeezed: Vec<_> = seen
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "File type: Wireshark/... - pcapng",
        "File encapsulation: Ethernet",
        "File timestamp precision: nanoseconds (9)",
        "Number of packets: 3",
        "Strict time order: True",
        concat!("Capture application: tunlab ", env!("CARGO_PKG_VERSION")),
        "Capture comment: three packets",
        "Number of interfaces in file: 2",
        "Name = user0",
        "Name = alb-vpc",
        "Capture length = 262144",
        "Number of stat entries = 1",
        "Number of resolved IPv4 addresses in file: 2",
        "Number of decryption secrets in file: 1",
    ] {
        assert!(
            squeezed.iter().any(|seen| seen == line),
            "no `{line}` in:\n{seen}"
        );
    }
}

#[test]
fn tshark_reads_the_classic_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.pcap");
    let mut writer = PcapWriter::new(AtomicFile::create(&path).unwrap(), EPOCH, &nics()).unwrap();
    feed(|packet| writer.packet(packet).unwrap());
    writer.finish().unwrap().commit().unwrap();
    let arguments = [
        "-n",
        "-T",
        "fields",
        "-e",
        "frame.time_epoch",
        "-e",
        "ip.dst",
        "-r",
    ];
    if let Some(seen) = ask("tshark", &arguments, &path) {
        let seen: Vec<_> = seen.lines().collect();
        assert_eq!(
            seen,
            [
                "1762300800.000000001\t198.51.100.23",
                "1762300800.020016640\t10.0.2.20",
                "1762300801.000000000\t203.0.113.50",
            ]
        );
    }
    if let Some(seen) = ask("capinfos", &["-M"], &path) {
        assert!(seen.contains("nsecpcap"), "{seen}");
        assert!(
            seen.lines()
                .any(|line| line.starts_with("Strict time order:") && line.ends_with("True"))
        );
    }
}
