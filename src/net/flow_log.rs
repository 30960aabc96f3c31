//! Flow logs: counts what passes network interfaces, and what filters refuse there, interval by interval.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::topology::Topology;
use super::topology::vpc::Tuple;
use crate::event::{FlowAction, FlowCounts, FlowRecord};
use crate::time::{Instant, UnixSeconds};

/// Counts for the interfaces that are logged.
#[derive(Debug, Default)]
pub(super) struct FlowLog {
    interval: Duration,
    /// By NIC: whether it is logged.
    logged: Vec<bool>,
    /// By interval, NIC, flow and action.
    counts: BTreeMap<(u64, usize, Tuple, FlowAction), Counts>,
}

#[derive(Debug)]
struct Counts {
    packets: u64,
    bytes: u64,
    first: Instant,
    last: Instant,
}

impl FlowLog {
    pub(super) fn new(topology: &Topology) -> Self {
        let Some(config) = &topology.vpc.flow_log else {
            return Self::default();
        };
        let mut logged = vec![false; topology.nics.len()];
        for nic in &config.nics {
            logged[*nic] = true;
        }
        Self {
            interval: config.interval,
            logged,
            counts: BTreeMap::new(),
        }
    }

    /// Whether `nic` is logged.
    pub(super) fn watches(&self, nic: usize) -> bool {
        self.logged.get(nic).copied().unwrap_or(false)
    }

    /// A packet came to `nic`, or was to leave by it.
    pub(super) fn note(
        &mut self,
        now: Instant,
        nic: usize,
        tuple: Tuple,
        bytes: usize,
        action: FlowAction,
    ) {
        let key = (self.number(now), nic, tuple, action);
        let counts = self.counts.entry(key).or_insert(Counts {
            packets: 0,
            bytes: 0,
            first: now,
            last: now,
        });
        counts.packets += 1;
        counts.bytes += bytes as u64;
        counts.last = now;
    }

    /// All records, interval by interval, with the NICs that they are of.
    pub(super) fn records(
        &self,
        topology: &Topology,
        epoch: UnixSeconds,
        ended: Instant,
    ) -> Vec<(usize, FlowRecord)> {
        /// More intervals in which nothing happens nobody reads.
        const SILENT_MAX: u64 = 1_000;
        let date = |at: Instant| UnixSeconds(epoch.0 + (at - Instant::ZERO).as_secs());
        let nics = || (0..self.logged.len()).filter(|nic| self.logged[*nic]);
        let mut records = Vec::new();
        if nics().next().is_none() {
            return records;
        }
        let mut counted = self.counts.iter().peekable();
        let mut silent = 0;
        for number in 0..=self.number(ended) {
            for nic in nics() {
                let interface = interface_id(topology.nics[nic].address);
                let before = records.len();
                while let Some(((_, _, tuple, action), counts)) =
                    counted.next_if(|((n, i, _, _), _)| (*n, *i) == (number, nic))
                {
                    let counts_of = FlowCounts {
                        source: tuple.source,
                        destination: tuple.destination,
                        source_port: tuple.source_port.unwrap_or(0),
                        destination_port: tuple.destination_port.unwrap_or(0),
                        protocol: tuple.protocol,
                        packets: counts.packets,
                        bytes: counts.bytes,
                        action: *action,
                    };
                    let record = FlowRecord {
                        interface: interface.clone(),
                        start: date(counts.first),
                        end: date(counts.last),
                        counts: Some(counts_of),
                    };
                    records.push((nic, record));
                }
                if records.len() == before && silent < SILENT_MAX {
                    silent += 1;
                    let begins = epoch.0 + number * self.interval.as_secs();
                    let record = FlowRecord {
                        interface,
                        start: UnixSeconds(begins),
                        end: UnixSeconds(begins + self.interval.as_secs()),
                        counts: None,
                    };
                    records.push((nic, record));
                }
            }
        }
        records
    }

    fn number(&self, at: Instant) -> u64 {
        let interval = self.interval.as_nanos().max(1);
        let number = (at - Instant::ZERO).as_nanos() / interval;
        u64::try_from(number).unwrap_or(u64::MAX)
    }
}

/// Seventeen hexadecimal digits, as AWS's; the last ones are the address.
fn interface_id(address: IpAddr) -> String {
    let bits = match address {
        IpAddr::V4(a) => u64::from(a.to_bits()),
        IpAddr::V6(a) => (a.to_bits() & u128::from(u64::MAX)) as u64,
    };
    format!("eni-{bits:017x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::net::topology::Nic;
    use crate::net::topology::vpc::{FlowLogging, Vpc};

    #[test]
    fn flows_are_counted_interval_by_interval() {
        let nic = |n: &str, last| Nic {
            name: Name::new(n).unwrap(),
            node: 0,
            subnet: 0,
            address: [10, 0, 2, last].into(),
        };
        let topology = Topology {
            nics: vec![nic("a0", 21), nic("b0", 22)],
            vpc: Vpc {
                flow_log: Some(FlowLogging {
                    interval: Duration::from_secs(60),
                    nics: vec![0, 1],
                }),
                ..Vpc::default()
            },
            ..Topology::default()
        };
        let mut log = FlowLog::new(&topology);
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let tuple = Tuple {
            protocol: 6,
            source: [10, 0, 1, 10].into(),
            source_port: Some(49_152),
            destination: [10, 0, 2, 21].into(),
            destination_port: Some(80),
        };
        log.note(at(1), 0, tuple, 60, FlowAction::Accept);
        log.note(at(59), 0, tuple, 40, FlowAction::Accept);
        log.note(at(59), 0, tuple, 40, FlowAction::Reject);
        log.note(at(60), 0, tuple, 40, FlowAction::Accept);
        let lines: Vec<String> = log
            .records(&topology, UnixSeconds(1_000), at(61))
            .iter()
            .map(|(_, record)| record.to_string())
            .collect();
        let flow = "10.0.1.10 10.0.2.21 49152 80 6";
        assert_eq!(
            lines,
            [
                format!("2 123456789012 eni-0000000000a000215 {flow} 2 100 1001 1059 ACCEPT OK"),
                format!("2 123456789012 eni-0000000000a000215 {flow} 1 40 1059 1059 REJECT OK"),
                "2 123456789012 eni-0000000000a000216 - - - - - - - 1000 1060 - NODATA".to_owned(),
                format!("2 123456789012 eni-0000000000a000215 {flow} 1 40 1060 1060 ACCEPT OK"),
                "2 123456789012 eni-0000000000a000216 - - - - - - - 1060 1120 - NODATA".to_owned(),
            ]
        );
    }
}
