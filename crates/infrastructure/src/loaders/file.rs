//! What all loaders say of a file as a whole.

use std::path::Path;

use metricd_application::catalog::{Finding, Place};

/// The name of a file in a report: as it was given.
pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

/// A file that the operating system does not let us read.
pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Finding {
    Finding::rejection(
        Place::file(file),
        format!("the file cannot be read: {error}"),
        "Check the path, and that the file may be read by the user who runs metricd.",
    )
}

/// A text in another encoding.
pub(super) fn not_utf8(place: Place) -> Finding {
    Finding::rejection(
        place,
        "the text is not UTF-8",
        "Save the file as UTF-8; spreadsheet programs offer it when exporting.",
    )
}

/// A UTF-8 byte-order mark, which some editors write and which means nothing.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
