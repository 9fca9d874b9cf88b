//! From `name=value` pairs to a struct, by serde.

use std::fmt::{self, Display};

use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::step::Excerpt;
use crate::{Error, Result};

/// Reads the options of a location of `scheme`.
pub(super) fn from_pairs<T: DeserializeOwned>(
    scheme: &str,
    pairs: &[(String, String)],
) -> Result<T> {
    T::deserialize(Pairs(pairs))
        .map_err(|Fault(fault)| Error::invalid_input(format!("cannot open `{scheme}:`: {fault}")))
}

struct Pairs<'de>(&'de [(String, String)]);

impl<'de> Deserializer<'de> for Pairs<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), Text { name, value }));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        // A struct that forgot `deny_unknown_fields` must not swallow a misspelt option.
        match self.0.iter().find(|(name, _)| !fields.contains(&name.as_str())) {
            Some((name, _)) => Err(unknown(name, fields)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0.first() {
            Some((name, _)) => Err(unknown(name, &[])),
            None => visitor.visit_unit(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The value of one option.
#[derive(Clone, Copy)]
struct Text<'de> {
    name: &'de str,
    value: &'de str,
}

impl<'de> IntoDeserializer<'de, Fault> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Text<'_> {
    /// Names the option in what is wrong with it.
    fn named(self, Fault(fault): Fault) -> Fault {
        Fault(format!("option `{}`: {fault}", Excerpt(self.name.as_bytes())))
    }
}

macro_rules! parsed {
    ($($deserialize:ident $visit:ident $type:ty: $what:expr,)+) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let read = match self.value.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(de::Error::invalid_value(Unexpected::Str(self.value), &$what)),
            };
            read.map_err(|fault| self.named(fault))
        })+
    };
}

macro_rules! parsed_integers {
    ($($deserialize:ident $visit:ident $type:ty,)+) => {
        parsed! {
            $($deserialize $visit $type:
                &*format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX),)+
        }
    };
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.value).map_err(|fault| self.named(fault))
    }

    parsed! {
        deserialize_bool visit_bool bool: "`true` or `false`",
        deserialize_f32 visit_f32 f32: "a number",
        deserialize_f64 visit_f64 f64: "a number",
    }

    parsed_integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let variant = IntoDeserializer::<Fault>::into_deserializer(self.value);
        visitor.visit_enum(variant).map_err(|fault| self.named(fault))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// What is wrong with the options.
#[derive(Debug)]
struct Fault(String);

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // Every value is text; that it is of the wrong type says nothing.
        Self::invalid_value(unexpected, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match unexpected {
            Unexpected::Str(text) => {
                Self(format!("`{}` is not {expected}", Excerpt(text.as_bytes())))
            }
            other => Self(format!("{other} is not {expected}")),
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let (variant, accepted) = (Excerpt(variant.as_bytes()), accepted(expected));
        Self(format!("`{variant}` is unknown; {accepted}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        unknown(field, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("option `{field}` has to be given"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(format!("option `{field}` is given twice"))
    }
}

fn unknown(name: &str, expected: &[&str]) -> Fault {
    let (name, accepted) = (Excerpt(name.as_bytes()), accepted(expected));
    Fault(format!("option `{name}` is unknown; {accepted}"))
}

fn accepted(names: &[&str]) -> String {
    if names.is_empty() {
        return "none is accepted".to_owned();
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("accepted are {}", names.join(", "))
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Options {
        durability: Durability,
        size: u32,
        ratio: f64,
        read_only: bool,
        offset: i8,
        name: String,
        letter: char,
        max: Option<u64>,
        wrapped: Wrapped,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Durability {
        #[default]
        Sync,
        Os,
        Both(u8),
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Wrapped(u16);

    fn read<T: DeserializeOwned>(pairs: &[(&str, &str)]) -> Result<T> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        from_pairs("pack", &pairs.iter().map(own).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_by_the_types_of_the_fields() {
        let pairs = [
            ("durability", "os"),
            ("size", "4294967295"),
            ("ratio", "0.5"),
            ("read_only", "true"),
            ("offset", "-7"),
            ("name", "7"),
            ("letter", "x"),
            ("max", "9"),
            ("wrapped", "3"),
        ];
        let options = Options {
            durability: Durability::Os,
            size: u32::MAX,
            ratio: 0.5,
            read_only: true,
            offset: -7,
            name: "7".into(),
            letter: 'x',
            max: Some(9),
            wrapped: Wrapped(3),
        };
        assert_eq!(read::<Options>(&pairs).unwrap(), options);
        assert_eq!(read::<Options>(&[]).unwrap(), Options::default());
    }

    /// Checks what is said of options that are refused.
    fn refused<T: DeserializeOwned + fmt::Debug>(pairs: &[(&str, &str)], fault: &str) {
        let error = read::<T>(pairs).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), format!("cannot open `pack:`: {fault}"), "{pairs:?}");
    }

    #[test]
    fn a_wrong_option_is_named_with_what_is_accepted() {
        let refused = refused::<Options>;
        refused(
            &[("durabilty", "os")],
            "option `durabilty` is unknown; accepted are `durability`, `size`, `ratio`, \
             `read_only`, `offset`, `name`, `letter`, `max`, `wrapped`",
        );
        refused(
            &[("durability", "oz")],
            "option `durability`: `oz` is unknown; accepted are `sync`, `os`, `both`",
        );
        let number = "is not a whole number from 0 to 4294967295";
        refused(&[("size", "-1")], &format!("option `size`: `-1` {number}"));
        refused(&[("size", "4294967296")], &format!("option `size`: `4294967296` {number}"));
        refused(&[("size", "")], &format!("option `size`: `` {number}"));
        refused(&[("ratio", "x")], "option `ratio`: `x` is not a number");
        refused(&[("read_only", "yes")], "option `read_only`: `yes` is not `true` or `false`");
        refused(&[("letter", "xy")], "option `letter`: `xy` is not a character");
        refused(&[("size", "1"), ("size", "2")], "option `size` is given twice");
        let max = "is not a whole number from 0 to 18446744073709551615";
        refused(&[("max", "a")], &format!("option `max`: `a` {max}"));
        let wrapped = "is not a whole number from 0 to 65535";
        refused(&[("wrapped", "a")], &format!("option `wrapped`: `a` {wrapped}"));
        assert!(read::<Options>(&[("durability", "both")]).is_err(), "it wants a field");
    }

    #[test]
    fn a_required_option_has_to_be_given() {
        #[derive(Debug, Deserialize)]
        struct Required {
            #[expect(dead_code, reason = "it is never read in full")]
            bucket: String,
        }
        refused::<Required>(&[], "option `bucket` has to be given");
    }

    #[test]
    fn where_no_option_is_accepted_every_one_is_refused() {
        #[derive(Debug, Deserialize)]
        struct Unit;
        #[derive(Debug, Deserialize)]
        struct Empty {}
        refused::<Unit>(&[("a", "b")], "option `a` is unknown; none is accepted");
        refused::<Empty>(&[("a", "b")], "option `a` is unknown; none is accepted");
        assert!(read::<Unit>(&[]).is_ok() && read::<Empty>(&[]).is_ok());
    }
}
