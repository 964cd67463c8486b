//! What must hold of the gate for any bytes. The fuzz target and the tests share this file.

use metricd_core::sql::{Draft, Gate};

/// Whether the gate accepts `text`.
///
/// # Panics
/// When it accepts what it refuses in the form in which it is stored.
pub(crate) fn accepts(text: &[u8]) -> bool {
    let Ok(sql) = std::str::from_utf8(text) else {
        return false;
    };
    let gate = Gate::default();
    let Ok(draft) = Draft::parse(sql, &gate) else {
        return false;
    };
    let Ok(template) = draft.assume() else {
        return false;
    };
    if let Err(error) = gate.recheck(&template) {
        panic!("accepted, but its template is not: {error}\n{sql}\n{}", template.sql);
    }
    assert!(!template.sql.contains('\0'), "{sql}");
    true
}
