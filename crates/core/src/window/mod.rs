//! The date window: from a caller's request and a template's defaults, the days that its SQL runs for.

mod calendar;
mod request;
mod resolve;
mod slots;

pub use calendar::{CalendarUnit, RelativeDay};
pub use request::{
    DEFAULT_DAYS, InvalidParam, MAX_DAYS, ParamName, WindowFault, WindowRequest, parse_date,
    parse_day_range, parse_timezone,
};
pub use resolve::Window;
pub use slots::{DateDefault, SessionZone, Slots};
