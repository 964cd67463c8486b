//! One suggestion: what is sent, and what each kind of answer means.

use std::{sync::Arc, time::Duration};

use metricd_application::ports::{
    GenerateError, QueryGenerator, RefusedAttempt, Suggestion, SuggestionRequest,
};
use metricd_core::{
    schema::{ColumnKind, ColumnSamples, SampledSchema, Schema, Table, TableColumn},
    sql::TableName,
};
use metricd_infrastructure::generation::model::{ModelConfig, ModelGenerator};
use serde_json::{Value, json};

use super::{
    log::Log,
    server::{Act, KEY, ModelServer, completion, written},
};
use crate::support::*;

const PROMPT: &str = "Alerts about the turbine, per day";
const SQL: &str = "SELECT 1 AS n ORDER BY 1";

fn schema() -> SampledSchema {
    let column = TableColumn {
        name: "alert_category".into(),
        ty: "text".into(),
        kind: ColumnKind::Text,
        comment: Some("What it is about".into()),
    };
    let name = TableName { schema: None, name: "metrics".into() };
    let mut samples = ColumnSamples::default();
    samples.insert(&name, "alert_category", vec!["Need approval".into()]);
    let table = Table { name, comment: None, columns: vec![column], foreign_keys: Vec::new() };
    SampledSchema { schema: Arc::new(Schema { tables: vec![table] }), samples }
}

async fn suggest(generator: &ModelGenerator) -> Result<Suggestion, GenerateError> {
    suggest_again(generator, &[]).await
}

async fn suggest_again(
    generator: &ModelGenerator,
    refused: &[RefusedAttempt],
) -> Result<Suggestion, GenerateError> {
    let (query_id, schema) = (query_id("q"), Arc::new(schema()));
    let today = day("2025-08-02");
    let request =
        SuggestionRequest { query_id: &query_id, prompt: PROMPT, schema: &schema, today, refused };
    generator.suggest(&request).await
}

async fn suggestion_of(act: Act) -> Result<Suggestion, GenerateError> {
    suggest(&ModelServer::that([act]).await.generator()).await
}

/// Lets time pass for everything that counts it, at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn choice(part: &str, value: Value) -> Act {
    let mut body = completion(&written(SQL));
    *body["choices"][0].pointer_mut(part).unwrap() = value;
    Act::Body(body)
}

#[tokio::test]
async fn a_request_holds_the_tables_the_sentence_and_the_shape() {
    let server = ModelServer::that([Act::query(SQL)]).await;
    let suggestion = suggest(&server.generator()).await.unwrap();
    let explanation = "What was asked for.".to_owned();
    assert_eq!(suggestion, Suggestion::Query { sql: SQL.into(), explanation });

    let requests = server.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(request.head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{}", request.head);
    assert!(request.head.contains(&format!("authorization: bearer {KEY}\r\n")));
    assert!(request.head.contains("content-type: application/json\r\n"));
    assert_eq!(request.body["model"], "tiny");
    let shape = &request.body["response_format"];
    assert_eq!(shape["type"], "json_schema");
    assert_eq!(shape["json_schema"]["strict"], true);
    assert_eq!(
        shape["json_schema"]["schema"]["required"],
        json!(["understood", "sql", "explanation"])
    );
    let turns = request.turns();
    assert_eq!(turns.iter().map(|turn| turn.0).collect::<Vec<_>>(), ["system", "user"]);
    let document: Value = serde_json::from_str(turns[1].1).unwrap();
    assert_eq!(document["question"], PROMPT);
    assert_eq!(document["today"], "2025-08-02");
    assert_eq!(document["tables"][0]["columns"][0]["comment"], "What it is about");
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let server = ModelServer::that([Act::query(SQL)]).await;
    let config = ModelConfig { api_key: None, ..server.config() };
    suggest(&ModelGenerator::new(config).unwrap()).await.unwrap();
    assert!(!server.requests()[0].head.contains("authorization"));
}

#[tokio::test]
async fn values_of_rows_are_sent_only_when_the_operator_said_so() {
    let server = ModelServer::that([Act::query(SQL)]).await;
    for send_samples in [false, true] {
        let config = ModelConfig { send_samples, ..server.config() };
        suggest(&ModelGenerator::new(config).unwrap()).await.unwrap();
    }
    let sent =
        server.requests().into_iter().map(|request| request.body.to_string().contains("Need app"));
    assert_eq!(sent.collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn what_was_refused_is_said_with_its_reason() {
    let server = ModelServer::that([Act::query(SQL)]).await;
    let refused = [
        RefusedAttempt { sql: Some("DELETE FROM t".into()), reason: "no SELECT".into() },
        RefusedAttempt { sql: None, reason: "no JSON".into() },
    ];
    suggest_again(&server.generator(), &refused).await.unwrap();
    let requests = server.requests();
    let turns = requests[0].turns();
    let roles: Vec<_> = turns.iter().map(|turn| turn.0).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant", "user"]);
    assert!(turns[2].1.contains("DELETE FROM t") && turns[3].1.contains("no SELECT"));
    assert!(turns[5].1.contains("no JSON"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_as_it_should_is_unavailable() {
    let http = |rest: &str| Act::Raw(format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes());
    let mut latin =
        b"HTTP/1.1 200 OK\r\n\r\n{\"choices\": [{\"message\": {\"content\": \"".to_vec();
    latin.extend_from_slice(b"\xe9\xff\"}}]}");
    let redirect = "location: /v1/chat/completions\r\n";
    let cases = [
        ("hangs up", Act::Raw(Vec::new()), "cannot be reached"),
        ("hangs up in the header", http("content-le"), "cannot be reached"),
        ("no HTTP", Act::Raw(b"220 ready\r\n\r\n".to_vec()), "cannot be reached"),
        ("truncated", http("content-length: 999\r\n\r\n{\"choices\""), "cannot be reached"),
        ("truncated chunk", http("transfer-encoding: chunked\r\n\r\nff\r\n{"), "cannot be reached"),
        ("no gzip", http("content-encoding: gzip\r\n\r\n{\"choices\": []}"), "cannot be reached"),
        ("endless", Act::Endless, "larger than 256 KiB"),
        ("not JSON", http("\r\n<html>"), "not a chat completion"),
        ("no body", http("\r\n"), "not a chat completion"),
        ("no UTF-8", Act::Raw(latin), "not a chat completion"),
        ("UTF-16", http("\r\n\u{0}{\u{0}}"), "not a chat completion"),
        ("another shape", Act::Body(json!({ "answer": written(SQL) })), "not a chat completion"),
        ("a list", Act::Body(json!([completion(SQL)])), "not a chat completion"),
        ("no choices", Act::Body(json!({ "choices": [] })), "not a chat completion"),
        ("no message", Act::Body(json!({ "choices": [{}] })), "not a chat completion"),
        ("no content", choice("/message/content", Value::Null), "not a chat completion"),
        ("content of parts", choice("/message/content", json!([])), "not a chat completion"),
        ("refusal", choice("/message", json!({ "refusal": "I can't." })), "refuses to answer"),
        ("filtered", choice("/finish_reason", json!("content_filter")), "refuses to answer"),
        ("400", Act::Status(400, ""), "status 400"),
        ("401", Act::Status(401, ""), "status 401"),
        ("403", Act::Status(403, ""), "status 403"),
        ("404", Act::Status(404, ""), "status 404"),
        ("429", Act::Status(429, ""), "status 429"),
        ("500", Act::Status(500, ""), "status 500"),
        ("503", Act::Status(503, "retry-after: soon\r\n"), "status 503"),
        ("201", Act::Status(201, ""), "status 201"),
        ("302", Act::Status(302, redirect), "status 302"),
        ("307", Act::Status(307, redirect), "status 307"),
    ];
    for (name, act, expected) in cases {
        let server = ModelServer::that([act]).await;
        let error = suggest(&server.generator()).await.expect_err(name);
        assert!(matches!(error, GenerateError::Unavailable(_)), "{name}: {error:?}");
        let text = format!("{} {error:?}", chain(&error));
        assert!(text.contains(expected), "{name}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("turbine"), "{name}: {text}");
        // Only a server that may dislike the format is asked again.
        let expected = if name == "400" { 3 } else { 1 };
        assert_eq!(server.requests().len(), expected, "{name}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let server = ModelServer::that([Act::Silent]).await;
    let config = server.config();
    // Held until the end, so that no other process listens there meanwhile.
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let deaf_url = format!("http://{}/v1", deaf.local_addr().unwrap());
    let endpoint = metricd_infrastructure::generation::model::Endpoint::parse(&deaf_url).unwrap();
    let generator = ModelGenerator::new(ModelConfig { endpoint, ..config }).unwrap();
    let error = suggest(&generator).await.unwrap_err();
    assert!(matches!(error, GenerateError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_read_in_spite_of_its_dress() {
    let mut without_extras = completion(&written(SQL));
    without_extras.as_object_mut().unwrap().retain(|key, _| key == "choices");
    without_extras["choices"][0].as_object_mut().unwrap().retain(|key, _| key == "message");
    let mut with_odd_extras = completion(&written(SQL));
    with_odd_extras["service_tier"] = json!(7);
    with_odd_extras["usage"] = json!("none");
    with_odd_extras["choices"][0]["finish_reason"] = json!("eos");
    with_odd_extras["choices"][0]["message"]["refusal"] = json!("");
    for act in [
        Act::Says(format!("```json\n{}\n```", written(SQL))),
        Act::Says(format!("<think>Hm, {{a}}.</think>\n{}", written(SQL))),
        Act::Body(without_extras),
        Act::Body(with_odd_extras),
    ] {
        let suggestion = suggestion_of(act).await.unwrap();
        assert!(
            matches!(&suggestion, Suggestion::Query { sql, .. } if sql == SQL),
            "{suggestion:?}"
        );
    }
}

#[tokio::test]
async fn an_unreadable_answer_may_be_requested_again() {
    for (act, expected) in [
        (choice("/finish_reason", json!("length")), "cut off"),
        (Act::Says("I would count the alerts.".into()), "no JSON object"),
        (Act::Says(r#"{"understood": true, "sql": null}"#.into()), "there is no `sql`"),
        (Act::Says(String::new()), "no JSON object"),
    ] {
        let error = suggestion_of(act).await.unwrap_err();
        let GenerateError::Unreadable(reason) = error else { panic!("{error:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_model_may_not_understand() {
    let text = r#"{"understood": false, "sql": null, "explanation": "There are no prices."}"#;
    let explanation = "There are no prices.".to_owned();
    let suggestion = suggestion_of(Act::Says(text.into())).await.unwrap();
    assert_eq!(suggestion, Suggestion::NotUnderstood { explanation });
}

#[tokio::test]
async fn a_format_that_a_server_does_not_know_is_left_out_from_then_on() {
    for status in [400, 422] {
        let server =
            ModelServer::that([Act::Status(status, ""), Act::Status(status, ""), Act::query(SQL)])
                .await;
        let generator = server.generator();
        suggest(&generator).await.unwrap();
        suggest(&generator).await.unwrap();
        let requests = server.requests();
        let formats: Vec<_> = requests.iter().map(|request| request.format()).collect();
        assert_eq!(formats, [Some("json_schema"), Some("json_object"), None, None]);
    }
}

#[tokio::test]
async fn a_request_that_no_format_saves_changes_nothing() {
    let refusal = || Act::Status(400, "");
    let server = ModelServer::that([refusal(), refusal(), refusal(), Act::query(SQL)]).await;
    let generator = server.generator();
    suggest(&generator).await.unwrap_err();
    suggest(&generator).await.unwrap();
    assert_eq!(server.requests()[3].format(), Some("json_schema"));
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let server =
        ModelServer::that([Act::Status(429, "retry-after: 60\r\n"), Act::query(SQL)]).await;
    let generator = server.generator();
    suggest(&generator).await.unwrap_err();
    let error = suggest(&generator).await.unwrap_err();
    assert!(chain(&error).contains("asked for a pause"), "{}", chain(&error));
    assert_eq!(server.requests().len(), 1);
    pass(Duration::from_secs(61)).await;
    suggest(&generator).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn no_server_is_left_alone_for_ever() {
    let endless = "retry-after: 18446744073709551615\r\n";
    let server = ModelServer::that([Act::Status(503, endless), Act::query(SQL)]).await;
    let generator = server.generator();
    suggest(&generator).await.unwrap_err();
    pass(Duration::from_secs(301)).await;
    suggest(&generator).await.unwrap();
}

#[tokio::test]
async fn four_sentences_are_before_the_model_at_once() {
    let server = ModelServer::that([Act::Held(written(SQL))]).await;
    let generator = Arc::new(server.generator());
    let asked: Vec<_> = (0..7)
        .map(|_| {
            let generator = Arc::clone(&generator);
            tokio::spawn(async move { suggest(&generator).await })
        })
        .collect();
    while server.requests().len() < 4 {
        tokio::task::yield_now().await;
    }
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests().len(), 4);
    server.release(7);
    for suggestion in asked {
        suggestion.await.unwrap().unwrap();
    }
    assert_eq!(server.requests().len(), 7);
}

#[tokio::test]
async fn an_abandoned_call_is_cancelled_and_logged() {
    for act in [Act::Silent, Act::Drips] {
        let log = Log::begin();
        let server = ModelServer::that([act]).await;
        let generator = server.generator();
        let mut asked = Box::pin(suggest(&generator));
        while server.requests().is_empty() {
            let turn = tokio::time::timeout(Duration::from_millis(5), &mut asked).await;
            assert!(turn.is_err());
        }
        drop(asked);
        while server.left() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lines = log.lines("Model called");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("outcome=\"abandoned\""), "{lines:?}");
    }
}

#[tokio::test]
async fn a_call_is_logged_once_without_key_or_prompt() {
    let log = Log::begin();
    let server = ModelServer::that([Act::query(SQL), Act::Status(500, "")]).await;
    let generator = server.generator();
    suggest(&generator).await.unwrap();
    suggest(&generator).await.unwrap_err();
    let lines = log.lines("Model called");
    let [answered, failed] = lines.as_slice() else { panic!("{lines:?}") };
    for part in [
        "INFO",
        "model=\"tiny\"",
        "outcome=\"answered\"",
        "status=200",
        "prompt_tokens=321",
        "completion_tokens=45",
        "duration_ms=",
    ] {
        assert!(answered.contains(part), "{part} is missing in {answered}");
    }
    assert!(failed.contains("outcome=\"status\"") && failed.contains("status=500"), "{failed}");
    assert!(!failed.contains("tokens"), "{failed}");
    // Not even at TRACE, by whichever crate.
    for secret in ["hunter2", "turbine", "SELECT 1", "Need approval"] {
        assert!(!log.holds(secret), "{secret}");
    }
}
