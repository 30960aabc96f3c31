//! What belongs to a pair of ends: which flow a packet is of, what TIME-WAIT remembers. Entries are small, so that with many connections the table strains the caches as
//! little as it can: an IPv4 key is twelve bytes of an entry of sixteen.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use crate::wire::packet::FlowKey;

/// Values, flow numbers if nothing else is said, by key.
pub(super) struct FlowTable<V = u32> {
    v4: HashMap<V4Key, V, FlowHash>,
    /// All others.
    rest: HashMap<FlowKey, V, FlowHash>,
}

impl<V> Default for FlowTable<V> {
    fn default() -> Self {
        Self {
            v4: HashMap::default(),
            rest: HashMap::default(),
        }
    }
}

/// A key of two IPv4 ends: local address, remote address, both ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct V4Key(u32, u32, u32);

impl V4Key {
    fn new(key: &FlowKey) -> Option<Self> {
        match (key.local.ip(), key.remote.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let ports = u32::from(key.local.port()) << 16 | u32::from(key.remote.port());
                Some(Self(local.to_bits(), remote.to_bits(), ports))
            }
            (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
        }
    }
}

impl<V: Copy> FlowTable<V> {
    pub(super) fn get(&self, key: &FlowKey) -> Option<V> {
        match V4Key::new(key) {
            Some(key) => self.v4.get(&key),
            None => self.rest.get(key),
        }
        .copied()
    }

    pub(super) fn insert(&mut self, key: FlowKey, value: V) {
        match V4Key::new(&key) {
            Some(key) => self.v4.insert(key, value),
            None => self.rest.insert(key, value),
        };
    }

    pub(super) fn remove(&mut self, key: &FlowKey) {
        match V4Key::new(key) {
            Some(key) => self.v4.remove(&key),
            None => self.rest.remove(key),
        };
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.rest.len()
    }
}

/// Hashes flow keys with FxHash's multiply and rotate: the keys come from our own nodes, so nobody can aim at it,
/// and no map is ever iterated.
#[derive(Default, Clone)]
struct FlowHash;

struct FlowHasher(u64);

impl BuildHasher for FlowHash {
    type Hasher = FlowHasher;
    fn build_hasher(&self) -> FlowHasher {
        FlowHasher(0)
    }
}

impl Hasher for FlowHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }
    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_key_counts() {
        let key = |local: &str, remote: &str| FlowKey {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        let keys = [
            key("10.0.0.1:443", "10.0.0.2:50000"),
            key("10.0.0.3:443", "10.0.0.2:50000"),
            key("10.0.0.1:443", "10.0.0.3:50000"),
            key("10.0.0.1:444", "10.0.0.2:50000"),
            key("10.0.0.1:443", "10.0.0.2:50001"),
            key("[2001:db8::1]:443", "[2001:db8::2]:50000"),
            key("[2001:db8::1]:443", "[2001:db8::2]:50001"),
        ];
        let mut table = FlowTable::default();
        for (id, key) in (0..).zip(keys) {
            assert_eq!(table.get(&key), None);
            table.insert(key, id);
        }
        assert_eq!(table.len(), keys.len());
        for (id, key) in (0..).zip(keys) {
            assert_eq!(table.get(&key), Some(id));
            table.remove(&key);
            assert_eq!(table.get(&key), None);
        }
        assert_eq!(table.len(), 0);
    }
}
