//! The length of intervals, in days.

/// An hour, in days.
pub(super) const HOUR: f64 = 1.0 / 24.0;

/// Returns the days of `1 mon 2 days 03:00`.
pub(super) fn written(text: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || ".:+-".contains(c);
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(end)?;
        if number.contains(':') {
            parts.push(clock_time(number));
            rest = after.trim_start();
            continue;
        }
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at_checked(end)?;
        parts.push(Some(plain_number(number)? * unit(&name.to_ascii_lowercase())?));
        rest = after.trim_start();
    }
    sum(parts.into_iter())
}

/// Returns the days of `[-]hours:minutes[:seconds]`. With a fraction after its second number it would be
/// minutes and seconds.
fn clock_time(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = |part: &str| part.parse::<u32>().ok().filter(|_| !part.starts_with('+'));
    let (hours, minutes) = match digits.split(':').collect::<Vec<_>>().as_slice() {
        [hours, minutes] => (whole(hours)?, whole(minutes)?),
        [hours, minutes, seconds] if seconds.starts_with(|c: char| c.is_ascii_digit()) => {
            plain_number(seconds)?;
            (whole(hours)?, whole(minutes)?)
        }
        _ => return None,
    };
    Some(sign * (f64::from(hours) * HOUR + f64::from(minutes) * HOUR / 60.0))
}

/// Parses digits, with a sign and a fraction at most.
pub(super) fn plain_number(text: &str) -> Option<f64> {
    let digits = text.chars().all(|c| c.is_ascii_digit() || ".+-".contains(c));
    text.parse().ok().filter(|_| digits)
}

/// Returns the sum of at least one part, all of one sign.
pub(super) fn sum(parts: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let parts = parts.collect::<Option<Vec<_>>>()?;
    let one_sign = parts.iter().all(|part| *part >= 0.0) || parts.iter().all(|part| *part <= 0.0);
    (one_sign && !parts.is_empty()).then(|| parts.iter().sum())
}

/// Returns the days of a unit, in every spelling that PostgreSQL accepts.
pub(super) fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "years" | "year" | "yrs" | "yr" | "y" => 365.0,
        "months" | "month" | "mons" | "mon" => 30.0,
        "weeks" | "week" | "w" => 7.0,
        "days" | "day" | "d" => 1.0,
        "hours" | "hour" | "hrs" | "hr" | "h" => HOUR,
        "minutes" | "minute" | "mins" | "min" | "m" => HOUR / 60.0,
        "seconds" | "second" | "secs" | "sec" | "s" => HOUR / 3600.0,
        _ => return None,
    })
}

/// Returns the days of a field of `INTERVAL '3' HOUR`, by PostgreSQL's bits.
pub(super) fn field(bits: i32) -> Option<f64> {
    unit(match bits {
        4 => "year",
        2 => "month",
        8 => "day",
        0x400 => "hour",
        0x800 => "minute",
        0x1000 => "second",
        _ => return None,
    })
}
