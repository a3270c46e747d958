//! How single JSON values arrive: kinds are kept apart, so that every rule can be told in its own
//! words instead of in a parser's, whose words repeat what was sent.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Reason;

/// A field that should hold text or a whole number.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Scalar {
    /// Absent or `null`.
    #[default]
    Absent,
    /// A string, as sent.
    Text(String),
    /// A whole number that fits a `u64`. `1.0` and `1e3` are none: JSON readers take them for floats.
    Whole(u64),
    /// Any other number: negative, fractional, or too large for a `u64`.
    Number(f64),
    /// A boolean, a list or an object.
    Other,
}

impl Scalar {
    /// The trimmed text; `None` when absent, `null` or blank.
    pub(crate) fn text(&self) -> Result<Option<&str>, Reason> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            _ => Err(Reason::NotAString),
        }
    }

    /// Whether nothing was sent: absent, `null` or blank.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.text(), Ok(None))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl<'de> Visitor<'de> for AnyScalar {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar::Absent)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Whole(number))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(u64::try_from(number).map_or(Scalar::Number(number as f64), Scalar::Whole))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Scalar, E> {
                Ok(Scalar::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

/// A field that should hold an object.
#[derive(Debug, Clone, Default)]
pub enum Object<T> {
    /// Absent or `null`.
    #[default]
    Absent,
    /// The object.
    Present(T),
    /// Anything else.
    Other,
}

impl<T> Object<T> {
    /// The object, if one was sent.
    pub(crate) fn into_option(self) -> Result<Option<T>, Reason> {
        match self {
            Self::Absent => Ok(None),
            Self::Present(value) => Ok(Some(value)),
            Self::Other => Err(Reason::NotAnObject),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyObject<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyObject<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E: Error>(self) -> Result<Object<T>, E> {
                Ok(Object::Absent)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Object<T>, E> {
                Ok(Object::Other)
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Object<T>, E> {
                Ok(Object::Other)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Object<T>, E> {
                Ok(Object::Other)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Object<T>, E> {
                Ok(Object::Other)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Object<T>, E> {
                Ok(Object::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Object<T>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Object::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object::Present)
            }
        }
        deserializer.deserialize_any(AnyObject(PhantomData))
    }
}

/// An object whose keys are page names. A key given twice is an error: the last of them would
/// silently win, and what the first one held would be lost.
#[derive(Debug, Clone)]
pub struct PageMap<T>(pub BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PageMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pages<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pages<T> {
            type Value = PageMap<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of pages")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PageMap<T>, A::Error> {
                let mut pages = BTreeMap::new();
                while let Some((page, value)) = map.next_entry::<String, T>()? {
                    if pages.insert(page, value).is_some() {
                        return Err(A::Error::duplicate_field("page"));
                    }
                }
                Ok(PageMap(pages))
            }
        }
        deserializer.deserialize_map(Pages(PhantomData))
    }
}
