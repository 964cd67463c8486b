//! A page of the documentation: its blocks, and what its prose shows between backticks.
//!
//! Knows as much of Markdown as the pages use. Must never run anything.

/// A page of the documentation.
#[derive(Debug)]
pub struct DocPage {
    /// Its path in the repository.
    pub name: String,
    /// Its blocks, from top to bottom.
    pub blocks: Vec<Block>,
    /// What stands between backticks in its prose.
    pub inline: Vec<InlineCode>,
}

/// A fenced block of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line that opens it.
    pub line: usize,
    /// The language that it says, or nothing.
    pub language: String,
    /// What is in it.
    pub text: String,
}

/// A part of a sentence between backticks.
#[derive(Debug, PartialEq, Eq)]
pub struct InlineCode {
    /// The line on which its paragraph begins.
    pub line: usize,
    /// What is in it, on one line.
    pub text: String,
}

/// The commands of a block, and the lines that they print.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// What is typed.
    pub script: String,
    /// What is shown of the output.
    pub printed: Vec<String>,
}

/// What a piece of inline code shows that can be true or false.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A command of metricd's, without its name.
    Command(&'a str),
    /// A flag of some command.
    Flag(&'a str),
    /// A call of curl.
    Curl(&'a str),
    /// A target of the Makefile.
    Target(&'a str),
    /// A method and a path of the API.
    Request(&'a str, &'a str),
    /// A statement about the privileges of a role.
    Statement(&'a str),
    /// A variable of the environment that is a setting.
    Variable(&'a str),
    /// A dotted name, which is a setting if its first part is a section of the settings.
    Dotted(&'a str),
    /// A dotted name with a value, likewise.
    Assignment(&'a str),
}

impl DocPage {
    /// Reads a page.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> Self {
        let mut page = Self { name: name.to_owned(), blocks: Vec::new(), inline: Vec::new() };
        let (mut paragraph, mut begins) = (String::new(), 1);
        let mut open: Option<Block> = None;
        for (line, text) in (1..).zip(text.lines()) {
            let fence = text.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some(_)) => page.blocks.extend(open.take()),
                (Some(block), None) => block.text.extend([text, "\n"]),
                (None, Some(language)) => {
                    page.add_inline(begins, &std::mem::take(&mut paragraph));
                    let language = language.trim().to_owned();
                    open = Some(Block { line, language, text: String::new() });
                }
                (None, None) => {
                    // A row of a table is a paragraph of its own.
                    if text.trim().is_empty() || text.starts_with('|') {
                        page.add_inline(begins, &std::mem::take(&mut paragraph));
                    }
                    if text.trim().is_empty() {
                        continue;
                    }
                    if paragraph.is_empty() {
                        begins = line;
                    }
                    paragraph.extend([text.trim(), " "]);
                }
            }
        }
        page.add_inline(begins, &paragraph);
        page.blocks.extend(open);
        page
    }

    fn add_inline(&mut self, line: usize, paragraph: &str) {
        let parts = paragraph.split('`').skip(1).step_by(2);
        self.inline.extend(parts.map(|part| InlineCode { line, text: part.replace("\\|", "|") }));
    }
}

impl Block {
    /// Returns what is typed and what is printed: a block of `console` shows both.
    #[must_use]
    pub fn example(&self) -> Example {
        if self.language != "console" {
            return Example { script: self.text.clone(), printed: Vec::new() };
        }
        let mut example = Example::default();
        let mut goes_on = false;
        for line in self.text.lines() {
            let command = line.strip_prefix("$ ").or_else(|| goes_on.then_some(line));
            goes_on = command.is_some_and(|command| command.ends_with('\\'));
            match command {
                Some(command) => example.script.extend([command, "\n"]),
                None => example.printed.push(line.to_owned()),
            }
        }
        example
    }
}

impl Example {
    /// Whether the commands are shown to fail.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.printed.iter().any(|line| line.starts_with("error:"))
    }

    /// Returns a line that is shown and was not printed. Spaces do not count, and `…` stands for anything.
    #[must_use]
    pub fn missing_in(&self, output: &str) -> Option<&str> {
        let dense = |text: &str| text.split_whitespace().collect::<String>();
        let output = dense(output);
        let has = |line: &&str| line.split('…').all(|part| output.contains(&dense(part)));
        self.printed.iter().map(String::as_str).find(|line| !has(line))
    }
}

impl InlineCode {
    /// Returns what it shows, if that can be true or false.
    #[must_use]
    pub fn shown(&self) -> Option<Shown<'_>> {
        let text = self.text.as_str();
        let word = text.split([' ', '=']).next().unwrap_or_default();
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b"_.".contains(&b))
        };
        if let Some(command) = text.strip_prefix("metricd ") {
            return Some(Shown::Command(command));
        }
        if let Some((command, ")")) = text
            .split_once("$(metricd ")
            .and_then(|(_, rest)| rest.split_at_checked(rest.len() - 1))
        {
            return Some(Shown::Command(command));
        }
        if text.starts_with("--") {
            return Some(Shown::Flag(word));
        }
        if text.starts_with("curl ") {
            return Some(Shown::Curl(text));
        }
        if let Some(target) = text.strip_prefix("make ") {
            return Some(Shown::Target(target));
        }
        if let Some((method @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE"), path)) =
            text.split_once(' ')
            && path.starts_with('/')
        {
            return Some(Shown::Request(method, path));
        }
        if ["GRANT", "REVOKE"].contains(&word) && text.contains(" ON ") {
            return Some(Shown::Statement(text));
        }
        if word.starts_with("METRICD_") {
            return Some(Shown::Variable(word));
        }
        let is_dotted = is_name(word) && word.contains('.');
        match text.strip_prefix(word)? {
            "" if is_dotted => Some(Shown::Dotted(word)),
            rest if is_dotted && rest.starts_with(" = ") => Some(Shown::Assignment(text)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page\n\nRun `metricd load orders.csv\n--table orders` or `make run`.\n\n\
        | a | `--dry-run` |\n| b | `a \\|\\| b` |\n\n```console\n$ metricd watch \\\n  orders\norders is watched\n```\n\n\
        Then `POST /metrics`, `limits.max_rows`, `query.timezone = \"UTC\"`, `METRICD_LOG=debug`, `curl -V`, `GRANT SELECT ON t TO r`, `x`.\n";

    #[test]
    fn a_page_is_blocks_and_prose() {
        let page = DocPage::parse("page.md", PAGE);
        let [block] = page.blocks.as_slice() else { panic!("{:?}", page.blocks) };
        assert_eq!((block.line, block.language.as_str()), (9, "console"));
        let script = "metricd watch \\\n  orders\n".to_owned();
        let printed = vec!["orders is watched".to_owned()];
        assert_eq!(block.example(), Example { script, printed });
        let shown: Vec<_> = page.inline.iter().map(|code| (code.line, code.shown())).collect();
        let expected = [
            (3, Some(Shown::Command("load orders.csv --table orders"))),
            (3, Some(Shown::Target("run"))),
            (6, Some(Shown::Flag("--dry-run"))),
            (7, None),
            (15, Some(Shown::Request("POST", "/metrics"))),
            (15, Some(Shown::Dotted("limits.max_rows"))),
            (15, Some(Shown::Assignment("query.timezone = \"UTC\""))),
            (15, Some(Shown::Variable("METRICD_LOG"))),
            (15, Some(Shown::Curl("curl -V"))),
            (15, Some(Shown::Statement("GRANT SELECT ON t TO r"))),
            (15, None),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_shown_line_may_leave_something_out() {
        let printed = ["error: no such file".to_owned(), "{\"a\": 1, …, \"c\": 3}".to_owned()];
        let example = Example { script: String::new(), printed: printed.into() };
        assert!(example.fails());
        assert_eq!(
            example.missing_in("error: no such file\n{\n \"a\": 1,\n\"b\": 2, \"c\": 3}"),
            None
        );
        let missing = example.missing_in("error: no such file {\"a\": 1}");
        assert_eq!(missing, Some("{\"a\": 1, …, \"c\": 3}"));
    }
}
