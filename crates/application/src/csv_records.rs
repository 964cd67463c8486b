//! Reads CSV records: RFC 4180, with line breaks of every kind, and whether each cell was quoted.
//!
//! Never guesses: a quote that is not closed, and text after a closing quote, are faults, because whatever
//! the author meant would be taken for something else.

use std::io::{self, BufRead};

/// A reader of CSV records.
pub struct CsvRecords<R> {
    input: R,
    /// The bytes that were read.
    bytes: u64,
    parser: Parser,
}

struct Parser {
    /// The line that is read next, from 1.
    line: u64,
    /// Whether the last byte was a carriage return: a line feed after it ends no further line.
    after_return: bool,
    state: State,
    /// Whether the cell that is read is quoted.
    is_quoted: bool,
}

/// A record. Its buffers are reused.
#[derive(Debug, Default)]
pub struct CsvRecord {
    text: Vec<u8>,
    cells: Vec<CellEnd>,
    /// The line where it begins, from 1.
    pub line: u64,
    /// The line of the first text after a closing quote, if there is any.
    pub stray_text: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct CellEnd {
    end: usize,
    is_quoted: bool,
}

/// The outcome of reading a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvRead {
    /// There is one.
    Record,
    /// The input has ended.
    End,
    /// The input has ended inside quotes, which open on this line.
    UnclosedQuote(u64),
}

#[derive(Debug, Clone, Copy)]
enum State {
    CellStart,
    Plain,
    /// Inside quotes, which open on this line.
    Quoted(u64),
    /// Behind a quote that closes a cell, unless another one follows.
    QuoteInQuotes(u64),
}

impl CsvRecord {
    /// Returns the cells, each with whether it was quoted.
    #[must_use]
    pub fn cells(&self) -> impl ExactSizeIterator<Item = (&[u8], bool)> {
        let start = |at: usize| at.checked_sub(1).map_or(0, |before| self.cells[before].end);
        self.cells
            .iter()
            .enumerate()
            .map(move |(at, cell)| (&self.text[start(at)..cell.end], cell.is_quoted))
    }

    /// Returns the number of cells.
    #[must_use]
    pub fn width(&self) -> usize {
        self.cells.len()
    }

    /// Returns the bytes of all cells together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing stands on its line.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.is_empty() && matches!(self.cells.as_slice(), [only] if !only.is_quoted)
    }

    fn begin(&mut self, line: u64) {
        self.text.clear();
        self.cells.clear();
        self.line = line;
        self.stray_text = None;
    }

    fn end_cell(&mut self, is_quoted: bool) {
        self.cells.push(CellEnd { end: self.text.len(), is_quoted });
    }
}

impl<R: BufRead> CsvRecords<R> {
    /// Reads `input` from where it stands.
    pub fn new(input: R) -> Self {
        let parser =
            Parser { line: 1, after_return: false, state: State::CellStart, is_quoted: false };
        Self { input, bytes: 0, parser }
    }

    /// Returns the number of bytes that were read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self, record: &mut CsvRecord) -> io::Result<CsvRead> {
        record.begin(self.parser.line);
        (self.parser.state, self.parser.is_quoted) = (State::CellStart, false);
        let mut is_begun = false;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(self.parser.end(record));
            }
            let is_second = !is_begun && self.parser.after_return && buffer[0] == b'\n';
            let skipped = usize::from(is_second);
            if !is_begun {
                (self.parser.after_return, is_begun) = (false, true);
            }
            let (parsed, is_done) = self.parser.parse(&buffer[skipped..], record);
            self.input.consume(skipped + parsed);
            self.bytes += (skipped + parsed) as u64;
            if is_done {
                return Ok(CsvRead::Record);
            }
        }
    }
}

impl Parser {
    /// Ends a record at the end of the input.
    fn end(&self, record: &mut CsvRecord) -> CsvRead {
        match self.state {
            State::Quoted(line) => CsvRead::UnclosedQuote(line),
            State::CellStart if record.cells.is_empty() => CsvRead::End,
            _ => {
                record.end_cell(self.is_quoted);
                CsvRead::Record
            }
        }
    }

    /// Parses as much of `buffer` as belongs to the record, and returns how much that is and whether the
    /// record ends there.
    fn parse(&mut self, buffer: &[u8], record: &mut CsvRecord) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = buffer.get(at) {
            match self.state {
                State::CellStart if *byte == b'"' => {
                    (self.state, self.is_quoted) = (State::Quoted(self.line), true);
                    at += 1;
                }
                State::Quoted(opened) => {
                    let rest = &buffer[at..];
                    let end = rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len());
                    self.line += line_breaks(&rest[..end], &mut self.after_return);
                    record.text.extend_from_slice(&rest[..end]);
                    at += end;
                    if at < buffer.len() {
                        (self.state, self.after_return) = (State::QuoteInQuotes(opened), false);
                        at += 1;
                    }
                }
                State::QuoteInQuotes(opened) if *byte == b'"' => {
                    record.text.push(b'"');
                    self.state = State::Quoted(opened);
                    at += 1;
                }
                State::CellStart | State::Plain | State::QuoteInQuotes(_) => {
                    let rest = &buffer[at..];
                    let ends = |byte: &u8| matches!(byte, b',' | b'\n' | b'\r');
                    let end = rest.iter().position(ends).unwrap_or(rest.len());
                    self.plain(&rest[..end], record);
                    at += end;
                    let Some(delimiter) = buffer.get(at) else { continue };
                    at += 1;
                    record.end_cell(self.is_quoted);
                    (self.state, self.is_quoted) = (State::CellStart, false);
                    if *delimiter != b',' {
                        self.after_return = *delimiter == b'\r';
                        self.line += 1;
                        return (at, true);
                    }
                }
            }
        }
        (at, false)
    }

    /// Adds text outside quotes.
    fn plain(&mut self, text: &[u8], record: &mut CsvRecord) {
        if text.is_empty() {
            return;
        }
        if self.is_quoted && record.stray_text.is_none() {
            record.stray_text = Some(self.line);
        }
        record.text.extend_from_slice(text);
        self.state = State::Plain;
    }
}

/// Counts the line breaks in a text; a carriage return with its line feed is one.
fn line_breaks(text: &[u8], after_return: &mut bool) -> u64 {
    let mut count = 0;
    for byte in text {
        let is_second = *byte == b'\n' && *after_return;
        count += u64::from(matches!(byte, b'\n' | b'\r') && !is_second);
        *after_return = *byte == b'\r';
    }
    count
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    type Cells = Vec<(String, bool)>;

    /// Reads all records, by buffers of `capacity` bytes, and how it ends.
    fn read_all(text: &str, capacity: usize) -> (Vec<(u64, Cells, Option<u64>)>, CsvRead) {
        let mut records = CsvRecords::new(BufReader::with_capacity(capacity, text.as_bytes()));
        let (mut record, mut all) = (CsvRecord::default(), Vec::new());
        loop {
            match records.read(&mut record).unwrap() {
                CsvRead::Record => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let cells = record.cells().map(|(cell, quoted)| (text(cell), quoted)).collect();
                    all.push((record.line, cells, record.stray_text));
                }
                end => {
                    assert!(end != CsvRead::End || records.bytes() == text.len() as u64);
                    return (all, end);
                }
            }
        }
    }

    /// The records as lines: a number, and the cells, in brackets if they are quoted.
    fn shown(text: &str) -> String {
        let cell = |(text, is_quoted): &(String, bool)| {
            if *is_quoted { format!("[{text}]") } else { text.clone() }
        };
        let (records, end) = read_all(text, 3);
        assert_eq!(read_all(text, 4_096), (records.clone(), end), "{text:?}");
        let mut lines: Vec<String> = records
            .iter()
            .map(|(line, cells, stray)| {
                let cells: Vec<_> = cells.iter().map(cell).collect();
                let stray = stray.map_or(String::new(), |line| format!(" stray {line}"));
                format!("{line}:{}{stray}", cells.join("|"))
            })
            .collect();
        if let CsvRead::UnclosedQuote(line) = end {
            lines.push(format!("unclosed {line}"));
        }
        lines.join(" ")
    }

    #[test]
    fn records_have_their_lines_and_quotes() {
        for (text, expected) in [
            ("", ""),
            ("a,b\n1,2\n", "1:a|b 2:1|2"),
            ("a,b\r\n1,2\r\n3,4", "1:a|b 2:1|2 3:3|4"),
            ("a\r1\r\r2", "1:a 2:1 3: 4:2"),
            ("a\n\nb\n", "1:a 2: 3:b"),
            ("a\r\n\r\nb\r\n", "1:a 2: 3:b"),
            (",\n\"\",\n", "1:| 2:[]|"),
            ("\"a\nb\",c\nd\n", "1:[a\nb]|c 3:d"),
            ("\"a\r\nb\r\n\",c\r\nd\r\n", "1:[a\r\nb\r\n]|c 4:d"),
            ("\"a\r\",b\nc", "1:[a\r]|b 3:c"),
            ("\"a\"\"b\",\"\"\"\"", "1:[a\"b]|[\"]"),
            ("5\" pipe,a\"b\"", "1:5\" pipe|a\"b\""),
            ("a\n1,\"oops\n2,b\n", "1:a unclosed 2"),
            ("\"a", "unclosed 1"),
            ("\"a\"\"", "unclosed 1"),
            ("x\n\"a\n\"b\n", "1:x 2:[a\nb] stray 3"),
            ("\"a\" ,b", "1:[a ]|b stray 1"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in prop::collection::vec(
            prop::collection::vec(("[a,\"\r\n ü]{0,4}", any::<bool>()), 1..4), 0..6
        ), capacity in 1_usize..9, ending in prop_oneof!["\n", "\r\n", "\r"]) {
            let must_quote = |text: &str| text.contains([',', '"', '\r', '\n']);
            let written: Vec<Cells> = rows
                .into_iter()
                .map(|row| row.into_iter().map(|(t, q)| (t.clone(), q || must_quote(&t))).collect())
                .collect();
            let cell = |(text, is_quoted): &(String, bool)| {
                if *is_quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() }
            };
            let text: String = written
                .iter()
                .map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + &ending)
                .collect();
            let (records, end) = read_all(&text, capacity);
            prop_assert_eq!(end, CsvRead::End);
            let mut line = 1;
            for ((at, cells, stray), row) in records.iter().zip(&written) {
                prop_assert_eq!((at, cells, stray), (&line, row, &None));
                let text = row.iter().map(cell).collect::<Vec<_>>().join(",") + &ending;
                line += text.replace("\r\n", "\n").matches(['\r', '\n']).count() as u64;
            }
            prop_assert_eq!(records.len(), written.len());
        }
    }
}
