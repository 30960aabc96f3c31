//! VPC flow log records, version 2: what passed a network interface in one aggregation interval (VPC User Guide, "Flow
//! log records"). One line a flow and action, fields separated by spaces.

use std::fmt;
use std::net::IpAddr;

use crate::time::UnixSeconds;

/// What a record says of its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowAction {
    /// It passed security group and network ACL.
    Accept,
    /// One of them refused it.
    Reject,
}

impl FlowAction {
    /// Its word in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
        }
    }
}

/// The packets of one direction of a flow at one interface, in one aggregation interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowCounts {
    /// `srcaddr`.
    pub source: IpAddr,
    /// `dstaddr`.
    pub destination: IpAddr,
    /// `srcport`: 0 where the protocol has none.
    pub source_port: u16,
    /// `dstport`.
    pub destination_port: u16,
    /// `protocol`: its IANA number.
    pub protocol: u8,
    /// `packets`.
    pub packets: u64,
    /// `bytes`, of IP packets.
    pub bytes: u64,
    /// `action`.
    pub action: FlowAction,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRecord {
    /// `interface-id`.
    pub interface: String,
    /// `start`: when the first packet was received; without one, when the interval began.
    pub start: UnixSeconds,
    /// `end`: when the last one was, or the interval ended.
    pub end: UnixSeconds,
    /// What passed; `None` when nothing did in this interval (`NODATA`).
    pub counts: Option<FlowCounts>,
}

/// The account that all labs' records are in: twelve digits, as an account's.
const ACCOUNT: &str = "123456789012";

/// The fields in the order of the format, by AWS's names, which are also the keys in lab files.
pub const FLOW_FIELDS: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

impl FlowRecord {
    /// The values of all fields, in their order.
    #[must_use]
    pub fn values(&self) -> [String; 14] {
        let dash = || "-".to_owned();
        let of = |value: fn(&FlowCounts) -> String| self.counts.as_ref().map_or_else(dash, value);
        [
            "2".to_owned(),
            ACCOUNT.to_owned(),
            self.interface.clone(),
            of(|c| c.source.to_string()),
            of(|c| c.destination.to_string()),
            of(|c| c.source_port.to_string()),
            of(|c| c.destination_port.to_string()),
            of(|c| c.protocol.to_string()),
            of(|c| c.packets.to_string()),
            of(|c| c.bytes.to_string()),
            self.start.0.to_string(),
            self.end.0.to_string(),
            of(|c| c.action.word().to_owned()),
            if self.counts.is_some() {
                "OK".to_owned()
            } else {
                "NODATA".to_owned()
            },
        ]
    }

    /// The value of the field that lab files call `key`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<String> {
        let at = FLOW_FIELDS.iter().position(|f| *f == key)?;
        self.values().get(at).cloned()
    }
}

/// The line, without its end.
impl fmt::Display for FlowRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.values().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the VPC User Guide, with the labs' account: SSH accepted, and an interval without data.
    #[test]
    fn lines_are_those_of_the_format() {
        let accepted = FlowRecord {
            interface: "eni-1235b8ca123456789".into(),
            start: UnixSeconds(1_418_530_010),
            end: UnixSeconds(1_418_530_070),
            counts: Some(FlowCounts {
                source: [172, 31, 16, 139].into(),
                destination: [172, 31, 16, 21].into(),
                source_port: 20_641,
                destination_port: 22,
                protocol: 6,
                packets: 20,
                bytes: 4_249,
                action: FlowAction::Accept,
            }),
        };
        assert_eq!(
            accepted.to_string(),
            "2 123456789012 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 \
             1418530010 1418530070 ACCEPT OK"
        );
        assert_eq!(accepted.value("srcport").unwrap(), "20641");
        let silent = FlowRecord {
            counts: None,
            ..accepted
        };
        assert_eq!(
            silent.to_string(),
            "2 123456789012 eni-1235b8ca123456789 - - - - - - - 1418530010 1418530070 - NODATA"
        );
    }
}
