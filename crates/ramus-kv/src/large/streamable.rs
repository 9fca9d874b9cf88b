use bytes::Bytes;
use ramus_core::{Error, Result};

use crate::Contents;

/// Contents whose encoding is what a reader of the value wants to see: bytes, text, a file.
///
/// Their encoding can be written from a stream and read as one without ever being in memory as a whole:
/// [`Store::set_stream`](crate::Store::set_stream), [`Store::reader`](crate::Store::reader). Types whose
/// encoding has a structure of its own are better read as values, and are not streamable.
///
/// A type of one's own says what may be in it:
///
/// ```
/// use bytes::Bytes;
/// use ramus_core::Result;
/// use ramus_kv::{AnyBytes, Contents, Streamable};
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Picture(Bytes);
///
/// impl Contents for Picture {
///     fn encode(&self) -> Result<Bytes> {
///         Ok(self.0.clone())
///     }
///
///     fn decode(bytes: &Bytes) -> Result<Self> {
///         Ok(Self(bytes.clone()))
///     }
/// }
///
/// impl Streamable for Picture {
///     type Check = AnyBytes;
/// }
/// ```
pub trait Streamable: Contents {
    /// What looks at the bytes of a stream, and refuses those that
    /// [`decode`](Contents::decode) refuses.
    type Check: StreamCheck;
}

/// Looks at the encoding of a value piece by piece.
///
/// It has to accept just what [`Contents::decode`] accepts, however the bytes are cut into pieces: what
/// it lets pass is stored, and what is refused later cannot be read as a value.
pub trait StreamCheck: Default + Send + 'static {
    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if no value has an encoding that goes on
    /// like this.
    fn piece(&mut self, bytes: &[u8]) -> Result<()>;

    /// Ends the encoding.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if no value has an encoding that ends here.
    fn end(self) -> Result<()>;
}

/// Lets any bytes pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyBytes;

impl StreamCheck for AnyBytes {
    fn piece(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn end(self) -> Result<()> {
        Ok(())
    }
}

/// Lets UTF-8 pass.
#[derive(Clone, Debug, Default)]
pub struct Utf8 {
    /// The beginning of a character whose end has not come yet: at most three bytes.
    begun: Vec<u8>,
    /// How many bytes came before that.
    passed: u64,
}

impl StreamCheck for Utf8 {
    fn piece(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let ([_, ..], Some((first, rest))) = (&self.begun[..], bytes.split_first()) {
            self.begun.push(*first);
            bytes = rest;
            match str::from_utf8(&self.begun) {
                Ok(_) => {
                    self.passed += self.begun.len() as u64;
                    self.begun.clear();
                }
                Err(fault) if fault.error_len().is_some() => return Err(self.refuse()),
                Err(_) => {}
            }
        }
        let Err(fault) = str::from_utf8(bytes) else {
            self.passed += bytes.len() as u64;
            return Ok(());
        };
        let (valid, rest) = bytes.split_at(fault.valid_up_to());
        self.passed += valid.len() as u64;
        if fault.error_len().is_some() {
            return Err(self.refuse());
        }
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    fn end(self) -> Result<()> {
        if self.begun.is_empty() { Ok(()) } else { Err(self.refuse()) }
    }
}

impl Utf8 {
    fn refuse(&self) -> Error {
        Error::invalid_input(format!("the stream is not UTF-8 from byte {} on", self.passed))
    }
}

impl Streamable for Bytes {
    type Check = AnyBytes;
}

impl Streamable for String {
    type Check = Utf8;
}
