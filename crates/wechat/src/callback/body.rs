//! A push body as text: which format it has, and its fields, whichever that is.
//! Knows shapes only; what events mean is `event`'s.

use std::fmt;

use quick_xml::Reader;
use quick_xml::events::Event as Token;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{CallbackError, Format, MAX_BODY};

/// The body's format, by its first character that is not white space.
pub(super) fn format(body: &str) -> Result<Format, CallbackError> {
    match body.trim_start().as_bytes().first() {
        Some(b'<') => Ok(Format::Xml),
        Some(b'{') => Ok(Format::Json),
        _ => Err(CallbackError::Malformed("it begins with neither < nor {")),
    }
}

/// The body as text, if it is one and not too long.
pub(super) fn text(body: &[u8]) -> Result<&str, CallbackError> {
    if body.len() > MAX_BODY {
        return Err(CallbackError::TooLarge);
    }
    std::str::from_utf8(body).map_err(|_| CallbackError::Malformed("it is not UTF-8"))
}

/// A body whose format is known and that declares no document type: what it holds may be read, and read again.
pub(super) struct Body<'b> {
    text: &'b str,
    format: Format,
}

impl<'b> Body<'b> {
    pub(super) fn new(text: &'b str) -> Result<Self, CallbackError> {
        let format = format(text)?;
        if format == Format::Xml {
            refuse_doctype(text)?;
        }
        Ok(Self { text, format })
    }

    /// Reads the fields that `T` has, and passes over all others whatever their shape.
    pub(super) fn fields<T: DeserializeOwned>(&self) -> Result<T, CallbackError> {
        match self.format {
            Format::Xml => quick_xml::de::from_str(self.text)
                .map_err(|_| CallbackError::Malformed("its XML has another shape")),
            Format::Json => serde_json::from_str(self.text)
                .map_err(|_| CallbackError::Malformed("its JSON has another shape")),
        }
    }
}

/// Entities are never expanded here, but no push of WeChat's declares any: whoever does is up to something.
fn refuse_doctype(body: &str) -> Result<(), CallbackError> {
    let mut reader = Reader::from_str(body);
    loop {
        match reader.read_event() {
            Ok(Token::DocType(_)) => return Err(CallbackError::Doctype),
            Ok(Token::Eof) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(CallbackError::Malformed("it is not well-formed XML")),
        }
    }
}

/// A scalar field as text: in XML everything is text, in JSON some are numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    // An XML element comes as a map whose text is `$text`.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut text = String::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "$text" {
                text = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }
}

/// A list that WeChat writes as a bare object when it has one element.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ListVisitor(std::marker::PhantomData))
            .map(OneOrMany)
    }
}

struct ListVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object, an array of objects, or nothing")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut many = Vec::new();
        while let Some(one) = list.next_element()? {
            many.push(one);
        }
        Ok(many)
    }
}
