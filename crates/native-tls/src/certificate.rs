//! The fields of an X.509 certificate that webpki does not tell, or not of one of version 1.
//!
//! Must never take what is not DER: each element is read to its end, and nothing may follow the last one.

use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::NaiveDateTime;

const BOOLEAN: u8 = 0x01;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// `UTF8String`, `PrintableString`, `TeletexString` and `IA5String`.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];

/// The bit of the key's usage by which it may sign certificates.
const SIGNS_CERTIFICATES: u8 = 0x04;

/// What a certificate states.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    /// 0 for version 1.
    version: u8,
    /// What is signed.
    pub(crate) signed: &'a [u8],
    /// The identifier of the signature's algorithm, without its tag.
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    /// The first and the last second in which it is valid, since 1970.
    pub(crate) validity: (i64, i64),
    /// The subject's public key with its algorithm.
    pub(crate) public_key: &'a [u8],
    extensions: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Fields<'a> {
    /// Reads a certificate; `None` where it is none.
    pub(crate) fn read(certificate: &'a [u8]) -> Option<Self> {
        let mut parts = only(certificate)?.sequence()?;
        let signed = parts.next(SEQUENCE)?;
        let algorithm = parts.next(SEQUENCE)?;
        let signature = parts.next(BIT_STRING)?.bits()?;
        parts.end()?;

        let mut fields = Reader(signed.content);
        let version = match fields.next_if(VERSION) {
            Some(version) => *only(version.content)?.content.last()?,
            None => 0,
        };
        let _serial = fields.take()?;
        if fields.next(SEQUENCE)?.content != algorithm.content {
            return None;
        }
        let issuer = fields.next(SEQUENCE)?;
        let mut validity = Reader(fields.next(SEQUENCE)?.content);
        let validity = (validity.take()?.seconds()?, validity.take()?.seconds()?);
        let subject = fields.next(SEQUENCE)?;
        let public_key = fields.next(SEQUENCE)?;
        let mut extensions = Vec::new();
        while !fields.0.is_empty() {
            let field = fields.take()?;
            if field.tag == EXTENSIONS {
                extensions = read_extensions(field.content)?;
            }
        }
        Some(Self {
            version,
            signed: signed.whole,
            algorithm: algorithm.content,
            signature,
            issuer: issuer.whole,
            subject: subject.whole,
            validity,
            public_key: public_key.whole,
            extensions,
        })
    }

    /// Whether it is older than version 3: webpki reads no such one.
    pub(crate) fn is_old(&self) -> bool {
        self.version < 2
    }

    /// Whether it may issue others: it says so, or it is too old to say anything and its own issuer.
    pub(crate) fn is_authority(&self) -> bool {
        if self.is_old() {
            return self.issuer == self.subject;
        }
        let said = self.extension(BASIC_CONSTRAINTS).and_then(|value| {
            let flag = only(value)?.sequence()?.next_if(BOOLEAN)?;
            Some(flag.content == [0xff])
        });
        said == Some(true)
    }

    /// Whether it may issue one that has no names that could be told to be within its limits.
    pub(crate) fn may_issue_any(&self) -> bool {
        let may_sign = |usage: &[u8]| {
            let usage = only(usage).filter(|usage| usage.tag == BIT_STRING);
            // The first byte tells how many bits of the last one do not count.
            let bits = usage.and_then(|usage| usage.content.get(1).copied());
            bits.is_some_and(|bits| bits & SIGNS_CERTIFICATES != 0)
        };
        self.is_authority()
            && self.extension(NAME_CONSTRAINTS).is_none()
            && self.extension(KEY_USAGE).is_none_or(may_sign)
    }

    /// Whether names or addresses stand beside the subject: the subject's own name does not count then.
    pub(crate) fn has_alternative_names(&self) -> bool {
        self.extension(ALTERNATIVE_NAMES).is_some()
    }

    /// The subject's first common name.
    pub(crate) fn common_name(&self) -> Option<&'a str> {
        let mut sets = only(self.subject)?.sequence()?;
        while !sets.0.is_empty() {
            let mut attributes = Reader(sets.next(SET)?.content);
            while !attributes.0.is_empty() {
                let mut attribute = attributes.next(SEQUENCE)?.sequence()?;
                let kind = attribute.next(OBJECT_IDENTIFIER)?;
                let value = attribute.take()?;
                if kind.content == COMMON_NAME {
                    let text = std::str::from_utf8(value.content).ok()?;
                    return TEXTS.contains(&value.tag).then_some(text);
                }
            }
        }
        None
    }

    /// What it is for, as an error says it.
    pub(crate) fn names(&self) -> Vec<String> {
        let Some(alternatives) = self.extension(ALTERNATIVE_NAMES) else {
            return self.common_name().map(str::to_owned).into_iter().collect();
        };
        let mut list = only(alternatives).and_then(|list| list.sequence()).unwrap_or(Reader(&[]));
        let mut names = Vec::new();
        while let Some(name) = list.take() {
            match name.tag {
                DNS_NAME => names.push(String::from_utf8_lossy(name.content).into_owned()),
                IP_ADDRESS => names.extend(address(name.content)),
                _ => {}
            }
        }
        names
    }

    fn extension(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        self.extensions.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value)
    }
}

fn read_extensions(content: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut list = only(content)?.sequence()?;
    let mut extensions = Vec::new();
    while !list.0.is_empty() {
        let mut extension = list.next(SEQUENCE)?.sequence()?;
        let kind = extension.next(OBJECT_IDENTIFIER)?;
        let _is_critical = extension.next_if(BOOLEAN);
        let value = extension.next(OCTET_STRING)?;
        extension.end()?;
        extensions.push((kind.content, value.content));
    }
    Some(extensions)
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = || Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string());
    let v6 = || Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string());
    v4().or_else(v6)
}

/// The one element that `bytes` are.
fn only(bytes: &[u8]) -> Option<Element<'_>> {
    let mut reader = Reader(bytes);
    let element = reader.take()?;
    reader.end()?;
    Some(element)
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    fn sequence(&self) -> Option<Reader<'a>> {
        (self.tag == SEQUENCE).then_some(Reader(self.content))
    }

    fn bits(&self) -> Option<&'a [u8]> {
        self.content.strip_prefix(&[0])
    }

    fn seconds(&self) -> Option<i64> {
        let text = std::str::from_utf8(self.content).ok()?;
        let text = match self.tag {
            // Years of two digits are those from 1950 to 2049.
            UTC_TIME if text < "5" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        let time = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?;
        Some(time.and_utc().timestamp())
    }
}

/// Reads elements one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        // No field has a tag of several bytes.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, following) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - following.len()];
        self.0 = following;
        Some(Element { tag, content, whole })
    }

    fn next(&mut self, tag: u8) -> Option<Element<'a>> {
        self.take().filter(|element| element.tag == tag)
    }

    fn next_if(&mut self, tag: u8) -> Option<Element<'a>> {
        if *self.0.first()? == tag { self.take() } else { None }
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
