//! What a request asks of a metric beside its identity.
//!
//! Knows no SQL. A new kind of parameter is a new field here; [`AnswerKey`](crate::answer_key::AnswerKey)
//! compares the values that SQL binds and what [`Parameters::shown`] says.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::window::{ParamName, Slots, Window, WindowFault, WindowRequest};

/// The parameters as the caller sent them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParameterRequest {
    /// The window.
    pub window: WindowRequest,
}

/// The parameters that a template runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The window.
    pub window: Window,
}

/// The parameters as an answer shows them. A part that has no effect on the answer is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShownParameters<'a> {
    /// First day.
    pub start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days back from today.
    pub day_range: Option<u32>,
    /// The time zone that decides which day is today, and when a day begins.
    pub timezone: Option<Tz>,
    /// Parameters that the caller sent and that have no effect.
    pub ignored: &'a [ParamName],
}

impl ShownParameters<'_> {
    /// Returns the name of the time zone.
    #[must_use]
    pub fn timezone_name(&self) -> Option<&'static str> {
        self.timezone.map(Tz::name)
    }
}

impl Parameters {
    /// Resolves `request` against a template's slots, their defaults and the present instant, in the zone that
    /// applies where the caller asks for none.
    ///
    /// # Errors
    /// When the window would end before it begins or is too long.
    pub fn resolve(
        slots: &Slots,
        request: &ParameterRequest,
        now: DateTime<Tz>,
    ) -> Result<Self, Vec<WindowFault>> {
        let window = Window::resolve(slots, &request.window, now)?;
        Ok(Self { window })
    }

    /// Returns what an answer shows of its parameters.
    #[must_use]
    pub fn shown(&self) -> ShownParameters<'_> {
        let Self { window } = self;
        ShownParameters {
            start_date: window.start_date,
            end_date: window.end_date,
            day_range: window.day_range,
            timezone: window.uses_timezone.then_some(window.timezone),
            ignored: &window.ignored,
        }
    }

    /// Returns the instant from which on the same request resolves to other parameters; `None` if that
    /// depends on no clock.
    #[must_use]
    pub fn valid_until(&self) -> Option<DateTime<Utc>> {
        self.window.depends_on_today.then(|| self.window.next_midnight())
    }
}
