//! Resolves the window that a statement runs for, from a caller's request and a template's slots.
//!
//! `end_date` is inclusive for callers. A day's name depends on the time zone; an instant does not.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::{
    calendar::FIRST_DAY,
    request::{DEFAULT_DAYS, InvalidParam, MAX_DAYS, ParamName, WindowFault, WindowRequest},
    slots::{DateDefault, SessionZone, Slots},
};

/// The window that a template runs for. A part without a slot in the template is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// First day.
    pub start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days back from today.
    pub day_range: Option<u32>,
    /// The zone that decides which day is today, and when a day begins.
    pub timezone: Tz,
    /// The zone of the session that the statement runs in.
    pub session_timezone: Tz,
    /// Whether anything in the answer depends on `timezone`.
    pub uses_timezone: bool,
    /// Today in `timezone`.
    pub today: NaiveDate,
    /// Whether the answer is valid only until the next midnight in `timezone`.
    pub depends_on_today: bool,
    /// The instant that is bound for `now()`.
    pub now: DateTime<Utc>,
    /// Parameters that the caller sent and that have no slot.
    pub ignored: Vec<ParamName>,
}

impl Window {
    /// Resolves `request` against a template's slots, their defaults and the present instant, in the zone that
    /// applies where the caller asks for none.
    ///
    /// # Errors
    /// When the window would end before it begins or span more than [`MAX_DAYS`]; the fault names
    /// the parameters that the caller sent.
    pub fn resolve(
        slots: &Slots,
        request: &WindowRequest,
        now: DateTime<Tz>,
    ) -> Result<Self, Vec<WindowFault>> {
        let timezone = request.timezone.unwrap_or(now.timezone());
        let now = now.to_utc();
        let today = now.with_timezone(&timezone).date_naive();
        let asked_start = request.start_date.filter(|_| slots.start_date.is_some());
        let asked_end = request.end_date.filter(|_| slots.end_date.is_some());
        let length = default_length(slots, today);

        let default_end = slots.end_date.and_then(|default| default.on(today)).unwrap_or(today);
        let default_start = slots.start_date.and_then(|default| default.on(today));
        let begins = asked_start.or(default_start).filter(|start| *start > default_end);
        let end = asked_end.or(begins.map(|start| start.max(today))).unwrap_or(default_end);
        let start = asked_start.unwrap_or_else(|| match default_start {
            Some(start) if start <= end => start,
            _ => days_before(end, length),
        });

        let is_asked = asked_start.is_some() || asked_end.is_some();
        // A default that has grown too long is no fault of the caller.
        let start = if is_asked { start } else { start.max(days_before(end, MAX_DAYS)) };
        let start_date = slots.start_date.map(|_| start);
        let end_date = slots.end_date.map(|_| end);
        if let (Some(start), Some(end)) = (start_date, end_date)
            && let Some(reason) = invalid_span(start, end)
        {
            return Err(given(request)
                .into_iter()
                .map(|param| WindowFault { param, reason })
                .collect());
        }

        let moves = |default| !matches!(default, Some(DateDefault::Fixed(_)) | None);
        let end_follows_today = asked_end.is_none() && (begins.is_some() || moves(slots.end_date));
        // The start follows the end; without a slot for one, the end is today.
        let start_follows_today = asked_start.is_none()
            && match slots.start_date {
                Some(DateDefault::FromToday) => {
                    asked_end.is_none() && (slots.end_date.is_none() || end_follows_today)
                }
                // Before that day, the start is as far from the end as by default.
                Some(DateDefault::Fixed(day)) => end < day && moves(slots.end_date),
                default => moves(default),
            };
        let depends_on_today =
            slots.clock || slots.end_date.is_some() && end_follows_today || start_follows_today;
        let (session_timezone, is_callers) = match slots.session_zone {
            SessionZone::Any => (Tz::UTC, false),
            SessionZone::Caller => (timezone, true),
            SessionZone::Fixed(zone) => (zone, false),
        };
        let uses_timezone = slots.timezone || depends_on_today || is_callers;
        Ok(Self {
            start_date,
            end_date,
            day_range: slots.day_range.map(|default| request.day_range.unwrap_or(default)),
            timezone,
            session_timezone,
            uses_timezone,
            today,
            depends_on_today,
            now,
            ignored: ignored(slots, request, uses_timezone),
        })
    }

    /// Returns the instant at which the next day in `timezone` begins: an answer that depends on today is
    /// valid until then.
    #[must_use]
    pub fn next_midnight(&self) -> DateTime<Utc> {
        next_midnight(self.now, self.timezone)
    }

    /// Returns the instant at which the next day in the session's zone begins: what a view makes of the clock is
    /// valid until then.
    #[must_use]
    pub fn next_session_midnight(&self) -> DateTime<Utc> {
        next_midnight(self.now, self.session_timezone)
    }
}

fn next_midnight(now: DateTime<Utc>, timezone: Tz) -> DateTime<Utc> {
    let today = now.with_timezone(&timezone).date_naive();
    let midnight = (today + Days::new(1)).and_time(NaiveTime::MIN);
    // Where clocks jump over midnight, the day begins at the first instant after the gap. Where
    // they fall back over it, midnight comes twice, and the first one may have passed.
    let instants = (0..=24 * 4).flat_map(|quarter| {
        let local =
            timezone.from_local_datetime(&(midnight + chrono::Duration::minutes(15 * quarter)));
        [local.earliest(), local.latest()]
    });
    instants
        .flatten()
        .map(|time| time.with_timezone(&Utc))
        .find(|instant| *instant > now)
        .unwrap_or_else(|| midnight.and_utc())
}

/// Returns the days between start and end when the caller sends neither.
fn default_length(slots: &Slots, today: NaiveDate) -> u32 {
    let start = slots.start_date.and_then(|default| default.on(today));
    let end = slots.end_date.map(|default| default.on(today).unwrap_or(today));
    match (start, end) {
        (Some(start), Some(end)) => u32::try_from((end - start).num_days()).unwrap_or(0),
        _ => DEFAULT_DAYS,
    }
}

fn days_before(day: NaiveDate, days: u32) -> NaiveDate {
    day.checked_sub_days(Days::new(u64::from(days))).unwrap_or(FIRST_DAY).max(FIRST_DAY)
}

fn invalid_span(start: NaiveDate, end: NaiveDate) -> Option<InvalidParam> {
    let days = (end - start).num_days();
    if days < 0 {
        Some(InvalidParam::EndsBeforeStart { start, end })
    } else if days > i64::from(MAX_DAYS) {
        Some(InvalidParam::TooLong { start, end })
    } else {
        None
    }
}

/// Returns the parameters that the caller sent and that have no effect.
fn ignored(slots: &Slots, request: &WindowRequest, uses_timezone: bool) -> Vec<ParamName> {
    let is_ignored = |param: &ParamName| match param {
        ParamName::StartDate => request.start_date.is_some() && slots.start_date.is_none(),
        ParamName::EndDate => request.end_date.is_some() && slots.end_date.is_none(),
        ParamName::DayRange => request.day_range.is_some() && slots.day_range.is_none(),
        ParamName::Timezone => request.timezone.is_some() && !uses_timezone,
    };
    ParamName::ALL.into_iter().filter(is_ignored).collect()
}

/// Returns the ends of the window that the caller sent.
fn given(request: &WindowRequest) -> Vec<ParamName> {
    let start = request.start_date.map(|_| ParamName::StartDate);
    let end = request.end_date.map(|_| ParamName::EndDate);
    start.into_iter().chain(end).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::window::{CalendarUnit, RelativeDay, parse_date};

    fn day(text: &str) -> NaiveDate {
        parse_date(text).unwrap()
    }

    /// Half past eight in the evening of 15 June 2025, UTC: already the 16th in Asia.
    fn now() -> DateTime<Tz> {
        at("2025-06-15T20:30:00Z")
    }

    fn at(instant: &str) -> DateTime<Tz> {
        instant.parse::<DateTime<Utc>>().unwrap().with_timezone(&Tz::UTC)
    }

    fn relative() -> Slots {
        Slots {
            start_date: Some(DateDefault::FromToday),
            end_date: Some(DateDefault::FromToday),
            ..Slots::default()
        }
    }

    fn fixed(start: &str, end: &str) -> Slots {
        Slots {
            start_date: Some(DateDefault::Fixed(day(start))),
            end_date: Some(DateDefault::Fixed(day(end))),
            ..Slots::default()
        }
    }

    fn asked(start: &str, end: &str) -> WindowRequest {
        WindowRequest {
            start_date: parse_date(start).ok(),
            end_date: parse_date(end).ok(),
            ..WindowRequest::default()
        }
    }

    fn span(slots: &Slots, request: &WindowRequest) -> String {
        match Window::resolve(slots, request, now()) {
            Ok(window) => {
                let day =
                    |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
                format!("{}..{}", day(window.start_date), day(window.end_date))
            }
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "),
        }
    }

    #[test]
    fn the_ends_move_together() {
        let june = fixed("2025-06-01", "2025-06-10");
        let cases = [
            (relative(), "", "", "2025-05-16..2025-06-15"),
            (relative(), "2025-06-01", "", "2025-06-01..2025-06-15"),
            (relative(), "", "2025-03-31", "2025-03-01..2025-03-31"),
            (relative(), "2025-07-01", "", "2025-07-01..2025-07-01"),
            (relative(), "2025-01-01", "2025-01-02", "2025-01-01..2025-01-02"),
            (june, "", "", "2025-06-01..2025-06-10"),
            (june, "2025-06-05", "", "2025-06-05..2025-06-10"),
            (june, "", "2025-06-05", "2025-06-01..2025-06-05"),
            // Past the other's default, the other moves: the end to today, the start by the length.
            (june, "2025-06-12", "", "2025-06-12..2025-06-15"),
            (june, "2025-06-20", "", "2025-06-20..2025-06-20"),
            (june, "", "2025-05-20", "2025-05-11..2025-05-20"),
            (june, "2025-06-10", "2025-06-10", "2025-06-10..2025-06-10"),
        ];
        for (slots, start, end, expected) in cases {
            assert_eq!(span(&slots, &asked(start, end)), expected, "{start}..{end}");
        }
    }

    #[test]
    fn a_window_follows_today_when_an_end_of_it_was_left_to_today() {
        let june = fixed("2025-06-01", "2025-06-10");
        let cases = [
            (relative(), "", "", true),
            (relative(), "2025-06-01", "", true),
            (relative(), "", "2025-06-01", false),
            (relative(), "2025-05-01", "2025-06-01", false),
            (june, "", "", false),
            (june, "2025-06-05", "", false),
            (june, "", "2025-05-20", false),
            // The end moved to today, and the zone decides which day that is.
            (june, "2025-06-12", "", true),
        ];
        for (slots, start, end, expected) in cases {
            let timezone = Some(Tz::Asia__Tokyo);
            let request = WindowRequest { timezone, ..asked(start, end) };
            let window = Window::resolve(&slots, &request, now()).unwrap();
            assert_eq!(window.depends_on_today, expected, "{start}..{end}");
            assert_eq!(window.uses_timezone, expected, "{start}..{end}");
            assert_eq!(window.ignored.is_empty(), expected, "{start}..{end}");
        }
    }

    #[test]
    fn relative_ends_are_defaults_like_others() {
        let quarter = RelativeDay { start_of: Some(CalendarUnit::Quarter), ..RelativeDay::TODAY };
        let this_quarter = Slots {
            start_date: Some(DateDefault::Relative(quarter)),
            end_date: Some(DateDefault::Relative(RelativeDay { months: 3, days: -1, ..quarter })),
            ..Slots::default()
        };
        let since = |day| Slots {
            start_date: Some(DateDefault::Fixed(day)),
            end_date: Some(DateDefault::FromToday),
            ..Slots::default()
        };
        let until =
            Slots { end_date: Some(DateDefault::Fixed(day("2025-03-31"))), ..Slots::default() };
        let cases = [
            (this_quarter, "", "", "2025-04-01..2025-06-30", true),
            (this_quarter, "2025-01-01", "", "2025-01-01..2025-06-30", true),
            (this_quarter, "2025-05-01", "2025-05-31", "2025-05-01..2025-05-31", false),
            (this_quarter, "", "2025-05-31", "2025-04-01..2025-05-31", true),
            (this_quarter, "", "2025-03-31", "2024-12-31..2025-03-31", true),
            (this_quarter, "2025-08-01", "", "2025-08-01..2025-08-01", true),
            (since(day("2025-01-15")), "", "", "2025-01-15..2025-06-15", true),
            (since(day("2025-01-15")), "", "2025-02-28", "2025-01-15..2025-02-28", false),
            (since(day("2025-06-05")), "", "2025-05-31", "2025-05-21..2025-05-31", true),
            // Of what is to come, and of what is longer ago than a window is long.
            (since(day("2026-01-01")), "", "", "2026-01-01..2026-01-01", true),
            (since(day("1900-01-01")), "", "", "1925-07-10..2025-06-15", true),
            (until, "", "", "..2025-03-31", false),
            (until, "", "2024-12-31", "..2024-12-31", false),
        ];
        for (slots, start, end, expected, follows) in cases {
            assert_eq!(span(&slots, &asked(start, end)), expected, "{start}..{end}");
            let window = Window::resolve(&slots, &asked(start, end), now()).unwrap();
            assert_eq!(window.depends_on_today, follows, "{start}..{end}");
        }
    }

    #[test]
    fn a_wrong_window_names_what_was_given() {
        assert_eq!(
            span(&relative(), &asked("2025-06-02", "2025-06-01")),
            "start_date: the window must not end before it begins: start_date 2025-06-02, end_date \
             2025-06-01 | end_date: the window must not end before it begins: start_date \
             2025-06-02, end_date 2025-06-01"
        );
        let too_long = span(&relative(), &asked("1900-01-01", ""));
        assert!(too_long.starts_with("start_date: the window must not span more than 36500 days"));
        assert!(!too_long.contains(" | "), "{too_long}");
    }

    #[test]
    fn the_longest_window_is_36500_days() {
        let end = day("2025-06-15");
        let start = end - Days::new(u64::from(MAX_DAYS));
        let request = |start: NaiveDate| WindowRequest {
            start_date: Some(start),
            end_date: Some(end),
            ..WindowRequest::default()
        };
        assert!(Window::resolve(&relative(), &request(start), now()).is_ok());
        assert!(Window::resolve(&relative(), &request(start - Days::new(1)), now()).is_err());
    }

    #[test]
    fn what_has_no_slot_is_listed() {
        let request = WindowRequest {
            start_date: Some(day("2025-01-01")),
            end_date: Some(day("2025-01-02")),
            day_range: Some(7),
            timezone: Some(chrono_tz::Asia::Tokyo),
        };
        let ignored = |slots| Window::resolve(&slots, &request, now()).unwrap().ignored;
        assert_eq!(ignored(Slots::default()), ParamName::ALL);
        assert_eq!(ignored(relative()), [ParamName::DayRange, ParamName::Timezone]);
        let days = Slots { day_range: Some(30), clock: true, ..Slots::default() };
        assert_eq!(ignored(days), [ParamName::StartDate, ParamName::EndDate]);
        let window = Window::resolve(&days, &request, now()).unwrap();
        assert_eq!((window.day_range, window.start_date), (Some(7), None));
    }

    #[test]
    fn the_time_zone_decides_what_today_is() {
        let clock = Slots { clock: true, ..Slots::default() };
        for (zone, today, midnight) in [
            ("UTC", "2025-06-15", "2025-06-16T00:00:00Z"),
            ("Asia/Tokyo", "2025-06-16", "2025-06-16T15:00:00Z"),
            ("America/New_York", "2025-06-15", "2025-06-16T04:00:00Z"),
            ("Asia/Kathmandu", "2025-06-16", "2025-06-16T18:15:00Z"),
        ] {
            let request = WindowRequest { timezone: zone.parse().ok(), ..WindowRequest::default() };
            let window = Window::resolve(&clock, &request, now()).unwrap();
            assert_eq!(window.today, day(today), "{zone}");
            assert_eq!(
                window.next_midnight(),
                midnight.parse::<DateTime<Utc>>().unwrap(),
                "{zone}"
            );
            assert!(window.depends_on_today && window.uses_timezone);
        }
        let window = Window::resolve(&Slots::default(), &WindowRequest::default(), now()).unwrap();
        assert!(!window.depends_on_today && !window.uses_timezone);
    }

    #[test]
    fn the_session_has_the_zone_that_its_statement_needs() {
        let tokyo = chrono_tz::Asia::Tokyo;
        let of = |session_zone, timezone| {
            let slots = Slots { session_zone, ..Slots::default() };
            let request = WindowRequest { timezone, ..WindowRequest::default() };
            let now = now().with_timezone(&chrono_tz::Europe::Berlin);
            let window = Window::resolve(&slots, &request, now).unwrap();
            (window.session_timezone.name(), window.uses_timezone, window.ignored)
        };
        let ignored = vec![ParamName::Timezone];
        assert_eq!(of(SessionZone::Any, Some(tokyo)), ("UTC", false, ignored.clone()));
        assert_eq!(of(SessionZone::Caller, Some(tokyo)), ("Asia/Tokyo", true, Vec::new()));
        assert_eq!(of(SessionZone::Caller, None), ("Europe/Berlin", true, Vec::new()));
        let fixed = SessionZone::Fixed(chrono_tz::America::New_York);
        assert_eq!(of(fixed, Some(tokyo)), ("America/New_York", false, ignored));
    }

    #[test]
    fn a_day_may_begin_after_a_gap_or_twice() {
        let clock = Slots { clock: true, ..Slots::default() };
        for (zone, now, midnight) in [
            // Clocks go from 23:59 to 01:00.
            ("America/Havana", "2025-03-08T20:00:00Z", "2025-03-09T05:00:00Z"),
            ("Asia/Beirut", "2025-03-29T12:00:00Z", "2025-03-29T22:00:00Z"),
            // Clocks go back to midnight or before it: the day begins the first time.
            ("America/Havana", "2025-11-01T20:00:00Z", "2025-11-02T04:00:00Z"),
            ("Asia/Beirut", "2025-10-25T12:00:00Z", "2025-10-25T22:00:00Z"),
        ] {
            let request = WindowRequest { timezone: zone.parse().ok(), ..WindowRequest::default() };
            let window = Window::resolve(&clock, &request, at(now)).unwrap();
            let expected = midnight.parse::<DateTime<Utc>>().unwrap();
            assert_eq!(window.next_midnight(), expected, "{zone} {now}");
        }
    }

    fn days() -> impl Strategy<Value = NaiveDate> {
        (0_u64..60_000).prop_map(|days| day("1950-01-01") + Days::new(days))
    }

    fn defaults() -> impl Strategy<Value = DateDefault> {
        use CalendarUnit::{Month, Quarter, Week, Year};
        let units = proptest::sample::select(vec![
            None,
            Some(Week),
            Some(Month),
            Some(Quarter),
            Some(Year),
        ]);
        prop_oneof![
            Just(DateDefault::FromToday),
            days().prop_map(DateDefault::Fixed),
            (units, -1_300..1_300, -36_500..36_500).prop_map(|(start_of, months, days)| {
                DateDefault::Relative(RelativeDay { start_of, months, days })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_window_is_what_was_asked_or_refused(
            start in proptest::option::of(days()),
            end in proptest::option::of(days()),
            (first, length) in (days(), 0_u64..400),
            defaults in proptest::collection::vec(defaults(), 2),
            is_fixed: bool,
        ) {
            let slots = if is_fixed {
                fixed(&first.to_string(), &(first + Days::new(length)).to_string())
            } else {
                Slots {
                    start_date: Some(defaults[0]),
                    end_date: Some(defaults[1]),
                    ..Slots::default()
                }
            };
            let request = WindowRequest { start_date: start, end_date: end, ..WindowRequest::default() };
            match Window::resolve(&slots, &request, now()) {
                Ok(window) => {
                    let (first, last) = (window.start_date.unwrap(), window.end_date.unwrap());
                    prop_assert!(first <= last && (last - first).num_days() <= i64::from(MAX_DAYS));
                    prop_assert!(start.is_none_or(|start| start == first));
                    prop_assert!(end.is_none_or(|end| end == last));
                    prop_assert!(window.ignored.is_empty());
                }
                Err(faults) => {
                    prop_assert!(!faults.is_empty());
                    prop_assert_eq!(
                        faults.len(),
                        usize::from(start.is_some()) + usize::from(end.is_some())
                    );
                }
            }
        }

        #[test]
        fn the_next_midnight_begins_another_day(
            seconds in 0_i64..2_000_000_000,
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        ) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&Tz::UTC);
            let request = WindowRequest { timezone: Some(zone), ..WindowRequest::default() };
            let window = Window::resolve(&Slots::default(), &request, now).unwrap();
            let midnight = window.next_midnight();
            let local = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
            prop_assert!(midnight > now);
            prop_assert!(local(midnight) > window.today);
            prop_assert!(local(midnight - chrono::Duration::seconds(1)) <= window.today);
        }
    }
}
