//! A streaming view of a JSON file: one value at a time, each with its line, and faults in words.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
};

use metricd_application::catalog::Place;
use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ReaderSettings, ValueType};

use super::{
    file::BYTE_ORDER_MARK,
    report::{FileReport, line_of, member},
};

/// Bytes to read JSON from.
pub(super) type Input = Box<dyn Read + Send>;

/// Opens a file and says how large it is.
pub(super) fn open(path: &Path) -> io::Result<(Input, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok((Box::new(BufReader::with_capacity(64 * 1024, file)), metadata.len()))
}

/// A value of a JSON file. What lies deeper than was asked for is read past and left empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonValue {
    Null,
    Boolean(bool),
    /// As written, because only the field that takes it knows what it may be.
    Number(String),
    Text(String),
    Array(Vec<JsonNode>),
    Object(Vec<(String, JsonNode)>),
}

impl JsonValue {
    /// What it is, for a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A value and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonNode {
    pub(super) value: JsonValue,
    pub(super) line: u64,
}

/// A JSON file that is being read. After an error nothing more can be read from it.
pub(super) struct JsonFile {
    reader: JsonStreamReader<io::Chain<Cursor<Vec<u8>>, Input>>,
}

impl JsonFile {
    /// Begins to read `input`, past a byte-order mark.
    pub(super) fn new(mut input: Input) -> io::Result<Self> {
        let mut start = Vec::with_capacity(BYTE_ORDER_MARK.len());
        input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start)?;
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        let settings = ReaderSettings {
            track_path: false,
            // Fields judge their numbers themselves.
            restrict_number_values: false,
            ..ReaderSettings::default()
        };
        let reader = JsonStreamReader::new_custom(Cursor::new(start).chain(input), settings);
        Ok(Self { reader })
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.reader.current_position(false).data_pos.unwrap_or_default()
    }

    /// The kind of the next value, and its line.
    pub(super) fn peek(&mut self) -> Result<(ValueType, u64), ReaderError> {
        let kind = self.reader.peek()?;
        Ok((kind, self.line()))
    }

    fn line(&self) -> u64 {
        line_of(&self.reader.current_position(false))
    }

    pub(super) fn begin_array(&mut self) -> Result<(), ReaderError> {
        self.reader.begin_array()
    }

    pub(super) fn end_array(&mut self) -> Result<(), ReaderError> {
        self.reader.end_array()
    }

    pub(super) fn begin_object(&mut self) -> Result<(), ReaderError> {
        self.reader.begin_object()
    }

    pub(super) fn end_object(&mut self) -> Result<(), ReaderError> {
        self.reader.end_object()
    }

    pub(super) fn has_next(&mut self) -> Result<bool, ReaderError> {
        self.reader.has_next()
    }

    /// The name of the next member, and its line.
    pub(super) fn name(&mut self) -> Result<(String, u64), ReaderError> {
        self.reader.has_next()?;
        let line = self.line();
        Ok((self.reader.next_name_owned()?, line))
    }

    pub(super) fn skip(&mut self) -> Result<(), ReaderError> {
        self.reader.skip_value()
    }

    /// Checks that nothing follows the document.
    pub(super) fn finish(self) -> Result<(), ReaderError> {
        self.reader.consume_trailing_whitespace()
    }

    /// Reads a value, and of arrays and objects what lies at most `depth` levels deep.
    pub(super) fn node(&mut self, depth: u8) -> Result<JsonNode, ReaderError> {
        let (kind, line) = self.peek()?;
        let value = match kind {
            ValueType::Null => {
                self.reader.next_null()?;
                JsonValue::Null
            }
            ValueType::Boolean => JsonValue::Boolean(self.reader.next_bool()?),
            ValueType::Number => JsonValue::Number(self.reader.next_number_as_string()?),
            ValueType::String => JsonValue::Text(self.reader.next_string()?),
            ValueType::Array if depth == 0 => {
                self.skip()?;
                JsonValue::Array(Vec::new())
            }
            ValueType::Object if depth == 0 => {
                self.skip()?;
                JsonValue::Object(Vec::new())
            }
            ValueType::Array => {
                let mut items = Vec::new();
                self.begin_array()?;
                while self.has_next()? {
                    items.push(self.node(depth - 1)?);
                }
                self.end_array()?;
                JsonValue::Array(items)
            }
            ValueType::Object => {
                let mut members = Vec::new();
                self.begin_object()?;
                while self.has_next()? {
                    let (name, _) = self.name()?;
                    members.push((name, self.node(depth - 1)?));
                }
                self.end_object()?;
                JsonValue::Object(members)
            }
        };
        Ok(JsonNode { value, line })
    }

    /// Reads a list of objects, and gives `each` one, or none where something else stands or the list is none.
    pub(super) fn objects(
        &mut self,
        list: &ObjectList,
        at: &mut String,
        report: &mut FileReport,
        mut each: impl FnMut(Option<ObjectFields<'_>>),
    ) -> Result<(), ReaderError> {
        let (kind, line) = self.peek()?;
        if kind != ValueType::Array {
            each(None);
            report.reject_kind(line, at, list.kind, kind);
            return self.skip();
        }
        let path = at.clone();
        self.begin_array()?;
        for index in 0_u64.. {
            *at = format!("{path}[{index}]");
            if !self.has_next()? {
                break;
            }
            let (kind, line) = self.peek()?;
            if kind == ValueType::Object {
                each(Some(self.fields(list.fields, at.clone(), list.depth, report)?));
            } else {
                each(None);
                report.reject_kind(line, at, list.item_kind, kind);
                self.skip()?;
            }
        }
        self.end_array()
    }

    /// Reads an object's `known` members, each once; others are noted and read past. The next value
    /// must be an object.
    pub(super) fn fields<'a>(
        &mut self,
        known: &'static [&'static str],
        path: String,
        depth: u8,
        report: &'a mut FileReport,
    ) -> Result<ObjectFields<'a>, ReaderError> {
        let (_, line) = self.peek()?;
        let mut nodes: Vec<Option<JsonNode>> = vec![None; known.len()];
        let mut faulty = false;
        self.begin_object()?;
        while self.has_next()? {
            let line = self.line();
            let name = self.reader.next_name()?;
            match known.iter().position(|field| *field == name) {
                Some(at) if nodes[at].is_none() => nodes[at] = Some(self.node(depth)?),
                Some(at) => {
                    self.skip()?;
                    faulty = true;
                    report.reject_duplicate(line, &path, known[at]);
                }
                None => {
                    let name = name.to_owned();
                    self.skip()?;
                    report.note_unknown(line, &path, &name);
                }
            }
        }
        self.end_object()?;
        Ok(ObjectFields { report, known, nodes, path, line, faulty })
    }
}

/// A list of objects, as a file should have it.
pub(super) struct ObjectList {
    /// What the list is, for a sentence.
    pub(super) kind: &'static str,
    /// What an object of it is, for a sentence.
    pub(super) item_kind: &'static str,
    /// The known members of an object.
    pub(super) fields: &'static [&'static str],
    /// How deep lists and objects may lie in a member.
    pub(super) depth: u8,
}

/// The known members of an object, to be taken one by one. Whatever is not as it should be becomes
/// a finding and makes the object [`faulty`](Self::faulty).
pub(super) struct ObjectFields<'a> {
    report: &'a mut FileReport,
    known: &'static [&'static str],
    nodes: Vec<Option<JsonNode>>,
    path: String,
    line: u64,
    faulty: bool,
}

impl ObjectFields<'_> {
    /// Whether anything was rejected.
    pub(super) fn is_faulty(&self) -> bool {
        self.faulty
    }

    /// A member as it is, `null` included.
    pub(super) fn take(&mut self, name: &str) -> Option<JsonNode> {
        let at = self.known.iter().position(|field| *field == name)?;
        self.nodes[at].take()
    }

    /// Whether a member is there and was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        let at = self.known.iter().position(|field| *field == name);
        at.is_some_and(|at| self.nodes[at].is_some())
    }

    /// A member that may be missing or `null`.
    fn optional(&mut self, name: &str) -> Option<JsonNode> {
        self.take(name).filter(|node| node.value != JsonValue::Null)
    }

    /// The path of a member.
    pub(super) fn path(&self, name: &str) -> String {
        member(&self.path, name)
    }

    /// The place of the object.
    pub(super) fn whole(&self) -> Place {
        Place::value(&self.report.file, self.line, self.path.as_str())
    }

    /// The place of a member.
    pub(super) fn place(&self, name: &str, line: u64) -> Place {
        Place::value(&self.report.file, line, self.path(name))
    }

    /// Rejects a member.
    pub(super) fn reject(
        &mut self,
        name: &str,
        line: u64,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.faulty = true;
        let path = self.path(name);
        self.report.reject(line, path, message, advice);
    }

    /// Rejects something inside a member; `path` begins with the member's name.
    pub(super) fn reject_inside(
        &mut self,
        path: &str,
        line: u64,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.faulty = true;
        let path = format!("{}.{path}", self.path);
        self.report.reject(line, path, message, advice);
    }

    /// Notes a name inside a member that means nothing.
    pub(super) fn note_unknown(&mut self, inside: &str, name: &str, line: u64) {
        let path = self.path(inside);
        self.report.note_unknown(line, &path, name);
    }

    /// Rejects the object for lack of a member.
    pub(super) fn reject_missing(&mut self, name: &str) {
        self.faulty = true;
        let (line, path) = (self.line, self.path.clone());
        self.report.reject(line, path, format!("`{name}` is missing"), format!("Add `{name}`."));
    }

    /// Rejects a member for being of another kind than `wanted`.
    pub(super) fn reject_kind(&mut self, name: &str, node: &JsonNode, wanted: &str) {
        let found = node.value.kind();
        self.reject(
            name,
            node.line,
            format!("`{name}` must be {wanted}, not {found}"),
            format!("Write {wanted}."),
        );
    }

    /// The text of `node`, with its line.
    pub(super) fn text_of(&mut self, name: &str, node: JsonNode) -> Option<(String, u64)> {
        match node.value {
            JsonValue::Text(text) if text.contains('\0') => {
                let advice = "Remove it: PostgreSQL cannot store it.";
                self.reject(name, node.line, format!("`{name}` holds the character NUL"), advice);
                None
            }
            JsonValue::Text(text) => Some((text, node.line)),
            _ => {
                self.reject_kind(name, &node, "text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, name: &str) -> Option<(String, u64)> {
        let Some(node) = self.take(name) else {
            self.reject_missing(name);
            return None;
        };
        self.text_of(name, node)
    }

    /// A text that may be missing or `null`.
    pub(super) fn text(&mut self, name: &str) -> Option<(String, u64)> {
        let node = self.optional(name)?;
        self.text_of(name, node)
    }

    /// `true` or `false`, if it is there at all.
    pub(super) fn boolean(&mut self, name: &str) -> Option<(bool, u64)> {
        let node = self.take(name)?;
        if let JsonValue::Boolean(value) = node.value {
            return Some((value, node.line));
        }
        self.reject_kind(name, &node, "true or false");
        None
    }

    /// `true` or `false`, if it is there and not `null`.
    pub(super) fn optional_boolean(&mut self, name: &str) -> Option<bool> {
        let node = self.optional(name)?;
        if let JsonValue::Boolean(value) = node.value {
            return Some(value);
        }
        self.reject_kind(name, &node, "true, false or null");
        None
    }

    /// A whole number that must be there.
    pub(super) fn required_integer(&mut self, name: &str) -> Option<(i32, u64)> {
        let Some(node) = self.take(name) else {
            self.reject_missing(name);
            return None;
        };
        self.integer_of(name, &node).map(|value| (value, node.line))
    }

    /// A whole number that may be missing or `null`.
    pub(super) fn integer(&mut self, name: &str) -> Option<i32> {
        self.placed_integer(name).map(|(value, _)| value)
    }

    /// The same with its line.
    pub(super) fn placed_integer(&mut self, name: &str) -> Option<(i32, u64)> {
        let node = self.optional(name)?;
        self.integer_of(name, &node).map(|value| (value, node.line))
    }

    fn integer_of(&mut self, name: &str, node: &JsonNode) -> Option<i32> {
        let JsonValue::Number(text) = &node.value else {
            self.reject_kind(name, node, "a whole number");
            return None;
        };
        let value = text.parse::<i32>();
        if value.is_err() {
            let shown = shorten(text);
            if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                let message = format!("`{name}` is out of range: {shown}");
                let advice = format!("Write a number from {} to {}.", i32::MIN, i32::MAX);
                self.reject(name, node.line, message, advice);
            } else {
                let message = format!("`{name}` must be a whole number, not {shown}");
                let advice = "Write it without a fraction and without an exponent.";
                self.reject(name, node.line, message, advice);
            }
        }
        value.ok()
    }

    /// A finite number that may be missing or `null`.
    pub(super) fn number(&mut self, name: &str) -> Option<f64> {
        let node = self.optional(name)?;
        let JsonValue::Number(text) = &node.value else {
            self.reject_kind(name, &node, "a number");
            return None;
        };
        let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
        let digits = text.split(['e', 'E']).next().unwrap_or_default();
        let vanished = value == 0.0 && digits.bytes().any(|b| matches!(b, b'1'..=b'9'));
        if value.is_finite() && !vanished {
            return Some(value);
        }
        let message = if vanished {
            format!("`{name}` is too small to be told from zero: {}", shorten(text))
        } else {
            format!("`{name}` is not a finite number: {}", shorten(text))
        };
        self.reject(name, node.line, message, "Write a number that a float8 can hold.");
        None
    }
}

/// A value to show in a message, of which a file decides how long it is.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
