//! What the OpenAPI document says of schemas beyond what their types say: what is always there, and what nothing
//! else may stand beside.

use std::collections::BTreeMap;

use utoipa::openapi::{
    AllOf, Object, OneOfBuilder, OpenApi, Ref, RefOr, Schema,
    path::{Parameter, ParameterIn},
    schema::{AdditionalProperties, SchemaType, Type},
};

use crate::{
    failures::operations,
    routes::audit::list::{action_schema, outcome_schema},
};

/// What requests hold: unknown fields are refused.
const CLOSED_INPUTS: [&str; 6] =
    ["DisplayInput", "MetricPatch", "NewMetric", "NewRecord", "PreviewRequest", "Rollback"];

/// What else requests hold.
const OPEN_INPUTS: [&str; 1] = ["LayoutItemInput"];

/// The fields of responses that are left out where there is nothing to say.
const LEFT_OUT: [(&str, &str); 9] = [
    ("CreatedMetric", "generation"),
    ("CreatedMetric", "notes"),
    ("Health", "degraded"),
    ("Health", "unended_queries"),
    ("Liveness", "build"),
    ("Preview", "generation"),
    ("Problem", "errors"),
    ("Problem", "hint"),
    ("Readiness", "reason"),
];

/// Completes the schemas of `document`.
pub(crate) fn complete(document: &mut OpenApi) {
    for operation in operations(document) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                complete_parameter(parameter);
            }
        }
    }
    let Some(components) = &mut document.components else { return };
    for (name, schema) in &mut components.schemas {
        let RefOr::T(schema) = schema else { continue };
        if CLOSED_INPUTS.contains(&name.as_str()) {
            close(schema);
        } else if !OPEN_INPUTS.contains(&name.as_str()) {
            require_all(name, schema);
        }
    }
    for name in ["NewMetric", "PreviewRequest"] {
        split_by_source(&mut components.schemas, name);
    }
}

/// A parameter that is there has a value.
fn complete_parameter(parameter: &mut Parameter) {
    if parameter.parameter_in == ParameterIn::Query {
        match parameter.name.as_str() {
            "action" => parameter.schema = Some(action_schema().into()),
            "outcome" => parameter.schema = Some(outcome_schema().into()),
            _ => {}
        }
    }
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
        forbid_null(schema);
    }
}

fn forbid_null(schema: &mut Object) {
    if let SchemaType::Array(types) = &mut schema.schema_type {
        types.retain(|kind| *kind != Type::Null);
        if let [only] = &types[..] {
            schema.schema_type = SchemaType::Type(only.clone());
        }
    }
}

fn close(schema: &mut Schema) {
    if let Schema::Object(object) = schema {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
}

/// A response has every field, and null where there is no value.
fn require_all(name: &str, schema: &mut Schema) {
    match schema {
        Schema::Object(object) => {
            let is_left_out = |field: &String| LEFT_OUT.contains(&(name, field.as_str()));
            let fields = object.properties.keys().filter(|field| !is_left_out(field));
            object.required = fields.cloned().collect();
            for (_, property) in
                object.properties.iter_mut().filter(|(field, _)| is_left_out(field))
            {
                let is_nullable = match property {
                    RefOr::T(Schema::Object(property)) => {
                        forbid_null(property);
                        continue;
                    }
                    RefOr::T(Schema::OneOf(either)) => either.items.first().cloned(),
                    _ => None,
                };
                if let Some(value) = is_nullable {
                    *property = value;
                }
            }
        }
        Schema::AllOf(AllOf { items, .. }) => {
            for item in items {
                if let RefOr::T(item) = item {
                    require_all(name, item);
                }
            }
        }
        _ => {}
    }
}

/// A metric comes from SQL or from a sentence: one schema for each, and `name` for either.
fn split_by_source(schemas: &mut BTreeMap<String, RefOr<Schema>>, name: &str) {
    let Some(RefOr::T(Schema::Object(both))) = schemas.remove(name) else { return };
    let mut either = OneOfBuilder::new().description(both.description.clone());
    for (suffix, given, missing) in [
        ("FromSql", "query", "query_generation_prompt"),
        ("FromSentence", "query_generation_prompt", "query"),
    ] {
        let mut one = both.clone();
        if let Some(RefOr::T(Schema::Object(given))) = one.properties.get_mut(given) {
            forbid_null(given);
        }
        one.required.push(given.to_owned());
        one.properties.remove(missing);
        let one_name = format!("{name}{suffix}");
        either = either.item(Ref::from_schema_name(&one_name));
        schemas.insert(one_name, RefOr::T(one.into()));
    }
    schemas.insert(name.to_owned(), RefOr::T(either.build().into()));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::openapi::document;

    fn schemas() -> Value {
        serde_json::to_value(document()).unwrap()["components"]["schemas"].take()
    }

    #[test]
    fn what_is_named_here_is_in_the_document() {
        let schemas = schemas();
        for name in CLOSED_INPUTS.iter().chain(&OPEN_INPUTS) {
            assert!(schemas[name].is_object(), "{name}");
        }
        for (name, field) in LEFT_OUT {
            assert!(schemas[name]["properties"][field].is_object(), "{name}.{field}");
        }
    }

    /// The names of the schemas that `part` of a document refers to.
    fn named(part: &Value) -> Vec<String> {
        let text = part.to_string();
        let names = text.split("\"#/components/schemas/").skip(1);
        names.filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect()
    }

    #[test]
    fn every_object_in_a_request_is_listed() {
        let document = serde_json::to_value(document()).unwrap();
        let items = document["paths"].as_object().unwrap().values();
        let operations = items.flat_map(|item| item.as_object().unwrap().values());
        let mut waiting: Vec<_> = operations.flat_map(|o| named(&o["requestBody"])).collect();
        let mut seen = Vec::new();
        while let Some(name) = waiting.pop() {
            let schema = &document["components"]["schemas"][&name];
            waiting.extend(named(schema).into_iter().filter(|name| !seen.contains(name)));
            let of_source = name.trim_end_matches("FromSql").trim_end_matches("FromSentence");
            let is_listed = CLOSED_INPUTS.contains(&of_source) || OPEN_INPUTS.contains(&of_source);
            assert!(schema["properties"].is_null() || is_listed, "{name}");
            seen.push(name);
        }
        assert!(seen.contains(&"DisplayInput".to_owned()), "{seen:?}");
    }

    #[test]
    fn a_response_has_every_field_and_a_request_no_other() {
        let schemas = schemas();
        assert!(schemas["Metric"]["required"].as_array().unwrap().contains(&json!("owner")));
        assert!(!schemas["Problem"]["required"].as_array().unwrap().contains(&json!("hint")));
        assert_eq!(schemas["MetricPatch"]["additionalProperties"], json!(false));
        assert_eq!(schemas["MetricPatch"]["required"], json!(null));
        assert_eq!(schemas["LayoutItemInput"]["additionalProperties"], json!(null));
        let one_of = json!([
            {"$ref": "#/components/schemas/NewMetricFromSql"},
            {"$ref": "#/components/schemas/NewMetricFromSentence"},
        ]);
        assert_eq!(schemas["NewMetric"]["oneOf"], one_of);
        let sql = &schemas["NewMetricFromSql"];
        assert_eq!(sql["properties"]["query"]["type"], "string");
        assert_eq!(sql["required"], json!(["is_editable", "layouts", "query"]));
    }
}
