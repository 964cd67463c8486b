//! What metricd and the process of its embedded PostgreSQL tell each other: lines on standard input and output.

/// The variable that names the data folder to the process.
pub(super) const FOLDER_VARIABLE: &str = "METRICD_EMBEDDED_ENGINE";

/// What stands before each word of the process on its standard output, where a runner of tests may write too.
const MARK: &str = "metricd-engine: ";

/// What metricd tells the process. The end of standard input says that metricd is gone.
pub(super) mod order {
    /// To answer.
    pub(in super::super) const PING: &str = "ping";
    /// To end, as its connection is closed.
    pub(in super::super) const STOP: &str = "stop";
}

/// What the process tells metricd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It takes a connection.
    Ready,
    /// Another process works with the engine's files.
    InUse,
    /// The answer to a ping.
    Alive,
    /// It ends, and why.
    Failed(String),
}

impl Word {
    /// As a line.
    pub(super) fn line(&self) -> String {
        let word = match self {
            Self::Ready => "ready".to_owned(),
            Self::InUse => "in use".to_owned(),
            Self::Alive => "alive".to_owned(),
            Self::Failed(reason) => format!("failed {}", reason.replace(['\n', '\r'], " ")),
        };
        format!("{MARK}{word}\n")
    }

    /// Reads a line; `None` if it is none of the process's.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (_, word) = line.split_once(MARK)?;
        match word.trim_end() {
            "ready" => Some(Self::Ready),
            "in use" => Some(Self::InUse),
            "alive" => Some(Self::Alive),
            word => word.strip_prefix("failed ").map(|reason| Self::Failed(reason.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_said() {
        for word in
            [Word::Ready, Word::InUse, Word::Alive, Word::Failed("no space left on device".into())]
        {
            let line = word.line();
            assert_eq!(Word::read(&line), Some(word.clone()));
            assert_eq!(Word::read(&format!("test engine ... {line}")), Some(word));
        }
        let of_lines = Word::Failed("one\ntwo".into());
        assert_eq!(Word::read(&of_lines.line()), Some(Word::Failed("one two".into())));
        assert_eq!(Word::read("running 1 test"), None);
    }
}
