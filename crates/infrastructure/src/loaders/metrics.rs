//! Reads `metrics.json`: metrics under `items`, their tiles under `layouts`.

use std::path::Path;

use metricd_application::catalog::{
    GivenDetails, LoadedLayout, LoadedMetric, LoadedMetrics, MetricContent, Place,
};
use metricd_core::{
    ids::{MetricId, QueryId},
    layout::{Breakpoint, LayoutItem},
    metric::{self, CacheTtl, Chart, MetricName, Tag},
};
use struson::reader::{ReaderError, ValueType};
use uuid::Uuid;

use super::{
    file::{name, unreadable},
    json::{self, Input, JsonFile, JsonNode, JsonValue, ObjectFields, ObjectList, shorten},
    report::{FileReport, member},
};

const ITEM: [&str; 11] = [
    "id",
    "queryId",
    "query_id",
    "isEditable",
    "is_editable",
    "name",
    "description",
    "owner",
    "tags",
    "display",
    "cache_ttl_seconds",
];
const LAYOUT: [&str; 6] = ["i", "x", "y", "w", "h", "static"];

/// Reads a file of metrics as far as it can be read.
#[must_use]
pub fn load_metrics(path: &Path) -> LoadedMetrics {
    let input = json::open(path).map(|(input, _)| input);
    read_metrics(name(path), input)
}

pub(super) fn read_metrics(file: String, input: std::io::Result<Input>) -> LoadedMetrics {
    let mut report = FileReport::new(file.clone());
    let mut loaded = LoadedMetrics { file, ..LoadedMetrics::default() };
    match input.and_then(JsonFile::new) {
        Err(error) => {
            loaded.left_out.add(None);
            report.findings.add(unreadable(&report.file, &error));
        }
        Ok(json) => {
            let mut path = "$".to_owned();
            if let Err(error) = read_file(json, &mut path, &mut loaded, &mut report) {
                loaded.left_out.add(None);
                report.reject_rest(&error, &path);
            }
        }
    }
    loaded.findings = report.findings;
    loaded
}

/// Reads everything, keeping `at` where it is, so that a fault which ends the file has a place.
fn read_file(
    mut json: JsonFile,
    at: &mut String,
    loaded: &mut LoadedMetrics,
    report: &mut FileReport,
) -> Result<(), ReaderError> {
    let (kind, line) = json.peek()?;
    if kind != ValueType::Object {
        loaded.left_out.add(None);
        report.reject_kind(line, "$", "an object with `items` and `layouts`", kind);
        json.skip()?;
        return json.finish();
    }
    let mut seen = (false, false);
    json.begin_object()?;
    while json.has_next()? {
        let (name, line) = json.name()?;
        let twice = match name.as_str() {
            "items" => std::mem::replace(&mut seen.0, true),
            "layouts" => std::mem::replace(&mut seen.1, true),
            _ => {
                report.note_unknown(line, "$", &name);
                json.skip()?;
                continue;
            }
        };
        *at = member("$", &name);
        if twice {
            report.reject_duplicate(line, "$", &name);
            json.skip()?;
        } else if name == "items" {
            read_items(&mut json, at, loaded, report)?;
        } else {
            read_layouts(&mut json, at, loaded, report)?;
        }
        *at = member("$", &name);
    }
    json.end_object()?;
    if !seen.0 {
        loaded.left_out.add(None);
        report.reject(line, "$", "`items` is missing", "Add `items`, a list of metrics.");
    }
    "$".clone_into(at);
    json.finish()
}

const ITEMS: ObjectList = ObjectList {
    kind: "a list of metrics",
    item_kind: "a metric, such as {\"id\": …, \"queryId\": …}",
    fields: &ITEM,
    // Tags lie one level deep, what `display` holds too.
    depth: 1,
};
const BREAKPOINT: ObjectList = ObjectList {
    kind: "a list of layout items",
    item_kind: "a layout item, such as {\"i\": …, \"x\": 0, …}",
    fields: &LAYOUT,
    depth: 0,
};

fn read_items(
    json: &mut JsonFile,
    at: &mut String,
    loaded: &mut LoadedMetrics,
    report: &mut FileReport,
) -> Result<(), ReaderError> {
    json.objects(&ITEMS, at, report, |fields| {
        match fields.map_or(Err(None), |mut fields| read_item(&mut fields)) {
            Ok(item) => loaded.items.push(item),
            Err(id) => loaded.left_out.add(id),
        }
    })
}

/// Reads one metric. When it is at fault, its id may still be readable.
fn read_item(fields: &mut ObjectFields<'_>) -> Result<LoadedMetric, Option<MetricId>> {
    let id = fields.required_text("id").and_then(|(text, line)| {
        metric_id(fields, "id", &text, line).map(|id| (id, fields.place("id", line)))
    });
    let query = query_id(fields);
    let is_editable = one_of(fields, "isEditable", "is_editable", boolean);
    if is_editable == Alias::Missing {
        fields.reject_missing("isEditable");
    }
    let details = GivenDetails {
        name: parsed_text(fields, "name", MetricName::parse),
        description: prose(fields, "description"),
        owner: prose(fields, "owner"),
        tags: tags(fields),
        cache_ttl: cache_ttl(fields),
        ..display(fields)
    };
    match (id, query, is_editable) {
        (Some((id, id_place)), Some((query_id, query_place)), Alias::Given(is_editable, ..))
            if !fields.is_faulty() =>
        {
            let content = MetricContent { query_id, is_editable, details };
            Ok(LoadedMetric { id, id_place, query_place, content })
        }
        (id, ..) => Err(id.map(|(id, _)| id)),
    }
}

fn prose(fields: &mut ObjectFields<'_>, name: &str) -> Option<String> {
    parsed_text(fields, name, |text| metric::check_prose(text).map(|()| text.to_owned()))
}

fn boolean(fields: &mut ObjectFields<'_>, name: &str) -> Option<(bool, u64)> {
    fields.boolean(name)
}

fn metric_id(fields: &mut ObjectFields<'_>, name: &str, text: &str, line: u64) -> Option<MetricId> {
    // `Uuid` would also read braces and forms without hyphens, which would not be found again.
    let id = Some(text).filter(|text| text.len() == 36).and_then(|text| Uuid::parse_str(text).ok());
    if id.is_none() {
        fields.reject(
            name,
            line,
            format!("`{name}` is not a UUID: `{}`", shorten(text)),
            "Write a UUID, such as 1379a764-2543-45fd-a78b-8c5a65827417.",
        );
    }
    id.map(MetricId)
}

fn query_id(fields: &mut ObjectFields<'_>) -> Option<(QueryId, Place)> {
    let read = |fields: &mut ObjectFields<'_>, name: &str| {
        let node = fields.take(name)?;
        fields.text_of(name, node)
    };
    match one_of(fields, "queryId", "query_id", read) {
        Alias::Given(text, name, line) => match QueryId::parse(text) {
            Ok(id) => Some((id, fields.place(name, line))),
            Err(error) => {
                let message = format!("`{name}` names no query: {error}");
                fields.reject(name, line, message, "Write the id of the metric's query.");
                None
            }
        },
        Alias::Missing => {
            fields.reject_missing("queryId");
            None
        }
        Alias::Faulty => None,
    }
}

/// A member that goes by two names.
#[derive(Debug, PartialEq)]
enum Alias<T> {
    /// Its value, the name that it goes by, and its line.
    Given(T, &'static str, u64),
    Missing,
    /// It is there and was rejected.
    Faulty,
}

fn one_of<T: PartialEq>(
    fields: &mut ObjectFields<'_>,
    name: &'static str,
    alias: &'static str,
    mut read: impl FnMut(&mut ObjectFields<'_>, &str) -> Option<(T, u64)>,
) -> Alias<T> {
    let there = fields.has(name) || fields.has(alias);
    let both = fields.has(name) && fields.has(alias);
    let first = read(fields, name);
    let second = read(fields, alias);
    match (first, second) {
        (Some((one, _)), Some((other, line))) if one != other => {
            fields.reject(
                alias,
                line,
                format!("`{alias}` and `{name}` mean the same and differ"),
                "Keep the one that is right.",
            );
            Alias::Faulty
        }
        (Some((value, line)), second) if second.is_some() || !both => {
            Alias::Given(value, name, line)
        }
        (None, Some((value, line))) if !both => Alias::Given(value, alias, line),
        _ if there => Alias::Faulty,
        _ => Alias::Missing,
    }
}

fn parsed_text<T, E: std::fmt::Display>(
    fields: &mut ObjectFields<'_>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    let (text, line) = fields.text(name)?;
    match parse(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = format!("`{name}` {error}; it is `{}`", shorten(&text));
            fields.reject(name, line, message, "Shorten it, or write it on one line.");
            None
        }
    }
}

fn tags(fields: &mut ObjectFields<'_>) -> Option<Vec<Tag>> {
    let node = fields.take("tags").filter(|node| node.value != JsonValue::Null)?;
    let JsonValue::Array(items) = node.value else {
        fields.reject_kind("tags", &node, "a list of texts");
        return None;
    };
    let mut tags = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("tags[{index}]");
        let JsonValue::Text(text) = &item.value else {
            let message = format!("a tag must be text in quotes, not {}", item.value.kind());
            fields.reject_inside(&place, item.line, message, "Write the tag in quotes.");
            continue;
        };
        match Tag::parse(text) {
            Ok(tag) => tags.push(tag),
            Err(error) => {
                let message = format!("a tag {error}; it is `{}`", shorten(text));
                fields.reject_inside(&place, item.line, message, "Shorten or remove it.");
            }
        }
    }
    Some(tags)
}

fn cache_ttl(fields: &mut ObjectFields<'_>) -> Option<CacheTtl> {
    let name = "cache_ttl_seconds";
    let (seconds, line) = fields.placed_integer(name)?;
    let ttl = CacheTtl::from_seconds(seconds.into());
    if let Err(error) = ttl {
        let message = format!("`{name}` {error}; it is {seconds}");
        fields.reject(name, line, message, "Write a number of seconds; 0 for no caching.");
    }
    ttl.ok()
}

fn display(fields: &mut ObjectFields<'_>) -> GivenDetails {
    let mut details = GivenDetails::default();
    let Some(node) = fields.take("display").filter(|node| node.value != JsonValue::Null) else {
        return details;
    };
    let JsonValue::Object(members) = node.value else {
        fields.reject_kind("display", &node, "an object, such as {\"chart\": \"line\"}");
        return details;
    };
    let mut seen = Vec::new();
    for (name, node) in members {
        let path = member("display", &name);
        if seen.contains(&name) {
            let message = format!("`{name}` occurs twice in one object");
            fields.reject_inside(&path, node.line, message, "Keep the one that is right.");
            continue;
        }
        match (name.as_str(), &node.value) {
            ("chart" | "unit", JsonValue::Null) => (),
            ("chart", _) => details.chart = chart(fields, &path, &node),
            ("unit", JsonValue::Text(text)) if metric::check_unit(text).is_ok() => {
                details.unit = Some(text.clone());
            }
            ("unit", _) => {
                let message = "`unit` must be text in quotes, 1 to 20 characters on one line";
                fields.reject_inside(&path, node.line, message, "Write a unit, such as \"€\".");
            }
            _ => fields.note_unknown("display", &name, node.line),
        }
        seen.push(name);
    }
    details
}

fn chart(fields: &mut ObjectFields<'_>, path: &str, node: &JsonNode) -> Option<Chart> {
    let known = match &node.value {
        JsonValue::Text(text) => Chart::from_word(text),
        _ => None,
    };
    if known.is_none() {
        let words = Chart::ALL.map(Chart::as_str).join(", ");
        let advice = format!("Write one of {words}.");
        fields.reject_inside(path, node.line, "`chart` is not a kind of chart", advice);
    }
    known
}

fn read_layouts(
    json: &mut JsonFile,
    at: &mut String,
    loaded: &mut LoadedMetrics,
    report: &mut FileReport,
) -> Result<(), ReaderError> {
    let (kind, line) = json.peek()?;
    match kind {
        ValueType::Null => return json.skip(),
        ValueType::Object => (),
        _ => {
            report.reject_kind(line, at, "an object of breakpoints", kind);
            return json.skip();
        }
    }
    let layouts = at.clone();
    let mut seen = Vec::new();
    json.begin_object()?;
    while json.has_next()? {
        let (name, line) = json.name()?;
        *at = member(&layouts, &name);
        if seen.contains(&name) {
            report.reject_duplicate(line, &layouts, &name);
            json.skip()?;
            continue;
        }
        match Breakpoint::parse(name.as_str()) {
            Ok(breakpoint) => read_breakpoint(json, at, &breakpoint, loaded, report)?,
            Err(error) => {
                let message = format!("`{}` names no breakpoint: {error}", shorten(&name));
                report.reject(line, at.clone(), message, "Write a name such as `lg` or `md`.");
                json.skip()?;
            }
        }
        seen.push(name);
    }
    json.end_object()
}

fn read_breakpoint(
    json: &mut JsonFile,
    at: &mut String,
    breakpoint: &Breakpoint,
    loaded: &mut LoadedMetrics,
    report: &mut FileReport,
) -> Result<(), ReaderError> {
    json.objects(&BREAKPOINT, at, report, |fields| {
        let Some(mut fields) = fields else { return };
        let layout = read_layout(&mut fields, breakpoint);
        loaded.layouts.extend(layout.filter(|_| !fields.is_faulty()));
    })
}

fn read_layout(fields: &mut ObjectFields<'_>, breakpoint: &Breakpoint) -> Option<LoadedLayout> {
    let metric_id =
        fields.required_text("i").and_then(|(text, line)| metric_id(fields, "i", &text, line));
    let numbers = ["x", "y", "w", "h"].map(|name| fields.required_integer(name));
    let is_static = fields.optional_boolean("static");
    let [x, y, w, h] = numbers.map(|number| number.unwrap_or((1, 0)));
    let breakpoint = breakpoint.clone();
    let item = LayoutItem { breakpoint, x: x.0, y: y.0, w: w.0, h: h.0, is_static };
    for fault in item.faults() {
        let line = match fault.field {
            "x" => x.1,
            "y" => y.1,
            "w" => w.1,
            _ => h.1,
        };
        let advice = format!("Write {} or more.", fault.least);
        fields.reject(fault.field, line, fault.to_string(), advice);
    }
    Some(LoadedLayout { metric_id: metric_id?, place: fields.whole(), item })
}
