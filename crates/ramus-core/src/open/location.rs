use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::options;
use crate::step::Excerpt;
use crate::{Error, Result};

/// Where a storage is and how it is opened: `scheme:path?key=value&key=value`.
///
/// ```
/// use ramus_core::open::Location;
///
/// let location: Location = "pack:./my%20data?durability=os".parse()?;
/// assert_eq!(location.scheme(), "pack");
/// assert_eq!(location.path(), "./my data");
/// # Ok::<(), ramus_core::Error>(())
/// ```
///
/// # What is promised
///
/// - The scheme is two or more letters, digits, `+`, `-` or `.`, the first a letter, up to the first
///   colon; capitals count as small letters. So `C:\data` has none.
/// - The path is everything from there to the first `?`, and may be empty. What it means is the
///   backend's: `//host/name` is a path like any other. The options are the rest. A `#` stands for
///   itself.
/// - In the path, and in the names and values of options, `%20` and the like stand for a byte; they
///   have to make up UTF-8. A `%` itself is written `%25`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A scheme, in small letters.
    scheme: String,
    /// Decoded.
    path: String,
    /// Decoded, in the order of the text; no name is empty.
    options: Vec<(String, String)>,
}

impl Location {
    /// Returns the scheme, in small letters, without the colon.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the path, with `%20` and the like decoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the options as a struct with a field for each; what is not named has its default, if
    /// the struct gives one (`#[serde(default)]`).
    ///
    /// Fields may be text, numbers, `bool`, `char`, `Option` of those, newtypes of them, and enums
    /// without fields.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an unknown option, one that is given
    /// twice, one that has to be given and is not, and a value that the field does not take. The
    /// message names the option and says what is accepted.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T> {
        options::from_pairs(&self.scheme, &self.options)
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = split_scheme(text) else {
            return Err(no_scheme(text, "is"));
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let pairs = query.split('&').filter(|_| !query.is_empty());
        Ok(Self {
            scheme,
            path: decode("path", path)?,
            options: pairs.map(option).collect::<Result<_>>()?,
        })
    }
}

/// Returns the scheme in small letters, and what follows its colon.
pub(super) fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    is_scheme(scheme).then(|| (scheme.to_ascii_lowercase(), rest))
}

/// Returns whether this can stand before the colon of a location.
pub(super) fn is_scheme(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.len() >= 2 && text.as_bytes()[0].is_ascii_alphabetic() && text.bytes().all(allowed)
}

/// Returns the error for a text without a scheme; `known` says which would be right.
pub(super) fn no_scheme(text: &str, known: &str) -> Error {
    let text = Excerpt(text.as_bytes());
    Error::invalid_input(format!(
        "location `{text}` has no scheme: `scheme:path?option=value` {known}"
    ))
}

fn option(text: &str) -> Result<(String, String)> {
    let shown = Excerpt(text.as_bytes());
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Error::invalid_input(format!(
            "option `{shown}` has to be written `name=value`"
        )));
    };
    Ok((decode("option", name)?, decode("option", value)?))
}

fn decode(what: &str, text: &str) -> Result<String> {
    let shown = Excerpt(text.as_bytes());
    if let Some(rest) = text.split('%').skip(1).find(|rest| !begins_with_byte(rest)) {
        let rest = Excerpt(rest.as_bytes());
        return Err(Error::invalid_input(format!(
            "{what} `{shown}` has `%{rest}`: two hex digits have to follow; `%25` is the sign itself"
        )));
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(cause) => {
            let message = format!("{what} `{shown}` is not UTF-8 once it is decoded");
            Err(Error::invalid_input(message).with_source(cause))
        }
    }
}

fn begins_with_byte(text: &str) -> bool {
    text.as_bytes().first_chunk::<2>().is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_location_is_a_scheme_a_path_and_options() {
        let check = |text: &str, scheme: &str, path: &str, options: &[(&str, &str)]| {
            let location: Location = text.parse().unwrap();
            assert_eq!((location.scheme(), location.path()), (scheme, path), "{text}");
            let pairs: Vec<_> = location.options.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(pairs, options, "{text}");
        };
        check("mem:", "mem", "", &[]);
        check("MEM:?", "mem", "", &[]);
        check("pack:./data?durability=os", "pack", "./data", &[("durability", "os")]);
        check("pack:/a%20b%3F?n=%26&m=a=b", "pack", "/a b?", &[("n", "&"), ("m", "a=b")]);
        check("git+ssh://me@host:22/x#y", "git+ssh", "//me@host:22/x#y", &[]);
        check("pack:a+b?c=d+e", "pack", "a+b", &[("c", "d+e")]);
        check("pack:a?b=c?d=", "pack", "a", &[("b", "c?d=")]);
    }

    #[test]
    fn a_malformed_location_says_what_would_be_right() {
        let check = |text: &str, fault: &str| {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), fault);
        };
        for text in ["", "./data", "C:\\data", ":x", "1a:x", "a b:x", "é:x"] {
            let shown = text.escape_debug();
            check(
                text,
                &format!("location `{shown}` has no scheme: `scheme:path?option=value` is"),
            );
        }
        let pair = "has to be written `name=value`";
        check("mem:?durability", &format!("option `durability` {pair}"));
        check("mem:?=os", &format!("option `=os` {pair}"));
        check("mem:?a=b&", &format!("option `` {pair}"));
        let sign = "two hex digits have to follow; `%25` is the sign itself";
        check("pack:50%", &format!("path `50%` has `%`: {sign}"));
        check("pack:a%2g%20", &format!("path `a%2g%20` has `%2g`: {sign}"));
        check("pack:?a=%é", &format!("option `%é` has `%é`: {sign}"));
        check("pack:%ff", "path `%ff` is not UTF-8 once it is decoded");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(location) = text.parse::<Location>() {
                prop_assert!(is_scheme(location.scheme()));
            }
        }

        #[test]
        fn any_path_and_value_can_be_written(path in "\\PC{0,20}", value in "\\PC{0,20}") {
            let escape = |text: &str| {
                let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
                bytes.concat()
            };
            let text = format!("pack:{}?k={}", escape(&path), escape(&value));
            let location: Location = text.parse()?;
            prop_assert_eq!(location.path(), &path);
            prop_assert_eq!(&location.options, &[("k".to_owned(), value)]);
        }
    }
}
