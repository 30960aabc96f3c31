//! The device under smoltcp: one packet in, packets out, buffers from a pool.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::rc::Rc;

use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

use crate::wire::offload::SegmentSize;

/// The largest packet that is left to the devices to cut: an IPv4 packet, with room for options.
const LARGE_MAX: Option<NonZeroUsize> = NonZeroUsize::new(65_435);

/// Packet buffers that are used again. Shared by all stacks of a world: packets are made at one node and end at
/// another.
#[derive(Clone, Default)]
pub struct Pool(Rc<RefCell<Vec<Vec<u8>>>>);

impl Pool {
    /// More than a burst of one window needs; what comes back beyond it is freed.
    const KEEP: usize = 1024;

    /// More bytes than any headers have. smoltcp leaves unused fields of a header as they are, and they must be zero;
    /// what follows the headers it always writes.
    const HEADERS: usize = 128;

    pub(super) fn take(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.0.borrow_mut().pop().unwrap_or_default();
        let headers = Self::HEADERS.min(length).min(buffer.len());
        buffer[..headers].fill(0);
        buffer.resize(length, 0);
        buffer
    }

    /// Gives a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut pool = self.0.borrow_mut();
        if pool.len() < Self::KEEP {
            pool.push(buffer);
        }
    }
}

pub(super) struct Port {
    pub(super) incoming: Option<Vec<u8>>,
    pub(super) outgoing: VecDeque<(Vec<u8>, SegmentSize)>,
    pool: Pool,
    mtu: usize,
    checksums: bool,
    offload: bool,
}

impl Port {
    pub(super) const fn new(mtu: usize, checksums: bool, offload: bool, pool: Pool) -> Self {
        Self {
            incoming: None,
            outgoing: VecDeque::new(),
            pool,
            mtu,
            checksums,
            offload,
        }
    }

    /// An empty port for packets of at most `mtu` bytes, otherwise like this one.
    pub(super) fn narrower(&self, mtu: usize) -> Self {
        Self::new(mtu, self.checksums, self.offload, self.pool.clone())
    }
}

pub(super) struct Incoming {
    packet: Vec<u8>,
    pool: Pool,
}

pub(super) struct Outgoing<'a> {
    queue: &'a mut VecDeque<(Vec<u8>, SegmentSize)>,
    pool: Pool,
    segments: SegmentSize,
}

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.packet);
        self.pool.give(self.packet);
        result
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut packet = self.pool.take(length);
        let result = f(&mut packet);
        self.queue.push_back((packet, self.segments));
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segments = meta.segmentation_offload_size;
    }
}

impl Device for Port {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let packet = self.incoming.take()?;
        let pool = self.pool.clone();
        let outgoing = Outgoing {
            queue: &mut self.outgoing,
            pool: pool.clone(),
            segments: None,
        };
        Some((Incoming { packet, pool }, outgoing))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing {
            queue: &mut self.outgoing,
            pool: self.pool.clone(),
            segments: None,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.mtu;
        if !self.checksums || self.offload {
            caps.checksum.tcp = Checksum::None;
            caps.checksum.udp = Checksum::None;
        }
        if self.offload {
            caps.segmentation.tcpv4 = LARGE_MAX;
        }
        caps
    }
}
