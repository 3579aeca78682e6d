//! Settings that can be switched off: `limit = "off"`, `limit = 1000`.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::Error as Plain;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor};

/// A setting that the word `"off"` switches off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

impl<T: FromStr<Err: Display>> FromStr for Maybe<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "off" => Ok(Maybe(None)),
            _ => text.parse().map(|it| Maybe(Some(it))).map_err(|e: T::Err| or_off(&e)),
        }
    }
}

impl<T: Display> Display for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.pad("off"),
            Some(it) => it.fmt(f),
        }
    }
}

fn or_off(error: &impl Display) -> String {
    format!("{error}, or \"off\"")
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrOff(PhantomData))
    }
}

/// Reads the word `off`, and hands every other simple value on to `T`.
struct OrOff<T>(PhantomData<T>);

impl<T> OrOff<T> {
    fn hand_on<'de, E: Error>(self, value: impl IntoDeserializer<'de, Plain>) -> Result<Maybe<T>, E>
    where
        T: Deserialize<'de>,
    {
        T::deserialize(value.into_deserializer()).map(|it| Maybe(Some(it))).map_err(|e| E::custom(or_off(&e)))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrOff<T> {
    type Value = Maybe<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or \"off\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Maybe<T>, E> {
        if text == "off" { Ok(Maybe(None)) } else { self.hand_on(text.to_owned()) }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Maybe<T>, E> {
        self.hand_on(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Maybe<T>, E> {
        self.hand_on(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Maybe<T>, E> {
        self.hand_on(number)
    }
}
