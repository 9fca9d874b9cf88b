use ramus_core::{Error, ErrorKind, Result, Step};

/// What a container keeps its entries under: each key is one step, and each step at most one key.
///
/// - Text and bytes are the step themselves, but for what cannot stand in one: `/` is written `%2F`,
///   NUL `%00`, `%` itself `%25`, and the empty text `%`. The step has at most 1024 bytes then. So
///   keys are listed in the order of their bytes, but for those with one of these three.
/// - Whole numbers without a sign are 16 hexadecimal digits, so that they are listed in their order.
pub trait StepKey: Sized {
    /// Returns the step of the key.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the step would be too long.
    fn to_step(&self) -> Result<Step>;

    /// Returns the key of a step.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if it is the step of no key.
    fn from_step(step: &Step) -> Result<Self>;
}

impl StepKey for String {
    fn to_step(&self) -> Result<Step> {
        Step::new(escaped(self.as_bytes()))
    }

    fn from_step(step: &Step) -> Result<Self> {
        Self::from_utf8(Vec::from_step(step)?).map_err(|cause| no_key(step).with_source(cause))
    }
}

impl StepKey for Vec<u8> {
    fn to_step(&self) -> Result<Step> {
        Step::new(escaped(self))
    }

    fn from_step(step: &Step) -> Result<Self> {
        let bytes = unescaped(step.as_bytes());
        // One key, one step: what could have been written otherwise is no key.
        bytes.filter(|bytes| escaped(bytes) == step.as_bytes()).ok_or_else(|| no_key(step))
    }
}

impl StepKey for u64 {
    fn to_step(&self) -> Result<Step> {
        Step::new(format!("{self:016x}"))
    }

    fn from_step(step: &Step) -> Result<Self> {
        fixed_hex(step.as_bytes()).ok_or_else(|| no_key(step))
    }
}

impl StepKey for Step {
    fn to_step(&self) -> Result<Step> {
        Ok(self.clone())
    }

    fn from_step(step: &Step) -> Result<Self> {
        Ok(step.clone())
    }
}

/// Returns the number that these 16 digits are, as they are written by a key.
pub(super) fn fixed_hex(digits: &[u8]) -> Option<u64> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 16 || !digits.iter().all(is_digit) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return b"%".to_vec();
    }
    let mut step = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'/' => step.extend(b"%2F"),
            b'%' => step.extend(b"%25"),
            0 => step.extend(b"%00"),
            byte => step.push(*byte),
        }
    }
    step
}

fn unescaped(step: &[u8]) -> Option<Vec<u8>> {
    if step == b"%" {
        return Some(Vec::new());
    }
    let mut bytes = Vec::with_capacity(step.len());
    let mut rest = step;
    while let Some((byte, behind)) = rest.split_first() {
        let (byte, behind) = match (byte, behind) {
            (b'%', [b'2', b'F', behind @ ..]) => (b'/', behind),
            (b'%', [b'2', b'5', behind @ ..]) => (b'%', behind),
            (b'%', [b'0', b'0', behind @ ..]) => (0, behind),
            (b'%', _) => return None,
            (byte, behind) => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    Some(bytes)
}

fn no_key(step: &Step) -> Error {
    Error::new(ErrorKind::Corrupt, format!("step `{step}` is no key of this container"))
}
