//! The stop words of text search, which the build of the embedded engine leaves out: without the file of a
//! language `to_tsvector` of it fails.
//!
//! Never changes a file that holds them already.

use std::{fs, io, path::Path};

macro_rules! languages {
    ($($language:literal)*) => {
        [$(($language, include_str!(concat!("stop_words/", $language, ".stop")))),*]
    };
}

/// The languages of PostgreSQL's text search that have stop words.
const STOP_WORDS: [(&str, &str); 15] = languages!(
    "danish" "dutch" "english" "finnish" "french" "german" "hungarian" "italian" "nepali" "norwegian"
    "portuguese" "russian" "spanish" "swedish" "turkish"
);

/// Writes the stop words where the engine looks for them, in the folder of its files.
pub(super) fn install(files: &Path) -> io::Result<()> {
    // What stands here covers the folder of the engine's own files, which all databases share.
    let folder = files.join("tmp/pglite/share/postgresql/tsearch_data");
    fs::create_dir_all(&folder)?;
    for (language, words) in STOP_WORDS {
        let path = folder.join(format!("{language}.stop"));
        if !fs::read(&path).is_ok_and(|there| there == words.as_bytes()) {
            fs::write(path, words)?;
        }
    }
    Ok(())
}
