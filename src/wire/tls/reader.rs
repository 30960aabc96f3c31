//! The presentation language of RFC 8446 §3, and the numbers of extensions.

/// Extension types (RFC 8446 §4.2, RFC 7366, RFC 7627).
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const SUPPORTED_GROUPS: u16 = 10;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const ENCRYPT_THEN_MAC: u16 = 22;
    pub(crate) const EXTENDED_MASTER_SECRET: u16 = 23;
    pub(crate) const SESSION_TICKET: u16 = 35;
    pub(crate) const PRE_SHARED_KEY: u16 = 41;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const KEY_SHARE: u16 = 51;
}

/// Reads the presentation language of RFC 8446 §3: numbers big endian, vectors behind their length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn number(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.take(bytes)?;
        Some(digits.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        let b = self.take(2)?;
        Some(u16::from_be_bytes([b[0], b[1]]))
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        self.number(3)
    }

    pub(crate) fn random(&mut self) -> Option<[u8; 32]> {
        self.take(32)?.try_into().ok()
    }

    pub(crate) fn vector(&mut self, length_bytes: usize) -> Option<Self> {
        let n = self.number(length_bytes)?;
        Some(Reader(self.take(n)?))
    }

    pub(crate) fn vector8(&mut self) -> Option<Self> {
        self.vector(1)
    }

    pub(crate) fn vector16(&mut self) -> Option<Self> {
        self.vector(2)
    }

    pub(crate) fn vector24(&mut self) -> Option<Self> {
        self.vector(3)
    }

    pub(crate) fn u16s(&mut self) -> Option<Vec<u16>> {
        let mut list = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            list.push(self.u16()?);
        }
        Some(list)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }

    pub(crate) fn protocols(&mut self) -> Option<Vec<String>> {
        let mut list = self.vector16()?;
        let mut protocols = Vec::new();
        while !list.0.is_empty() {
            protocols.push(list.vector8()?.text());
        }
        Some(protocols)
    }

    /// The extensions block; TLS 1.2 hellos may end before it (RFC 5246 §7.4.1.2).
    pub(crate) fn extensions(&mut self) -> Option<Vec<(u16, &'a [u8])>> {
        let mut list = Vec::new();
        if self.0.is_empty() {
            return Some(list);
        }
        let mut block = self.vector16()?;
        while !block.0.is_empty() {
            list.push((block.u16()?, block.vector16()?.0));
        }
        Some(list)
    }
}
