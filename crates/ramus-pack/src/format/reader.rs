use super::Fault;

/// Takes bytes from the front of what is left.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ENDS)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ENDS)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes so many bytes, which have to be zero.
    pub(crate) fn zeros(&mut self, length: usize) -> Result<(), Fault> {
        if Self(self.take(length)?).only_zeros() { Ok(()) } else { Err(NOT_ZERO) }
    }

    /// Returns whether there is nothing left, or zeros.
    pub(crate) fn only_zeros(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Ends the reading, at the end of the bytes.
    pub(crate) const fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(GOES_ON) }
    }
}

const ENDS: Fault = Fault::Damaged("it ends too early");
const GOES_ON: Fault = Fault::Damaged("it goes on after its end");
const NOT_ZERO: Fault = Fault::Damaged("bytes that are kept zero are not");

/// Returns the CRC-32 of the parts, one after the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}
