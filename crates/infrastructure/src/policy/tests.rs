use std::{collections::BTreeSet, io::Write, path::Path, sync::Arc};

use metricd_application::ports::Policies;
use metricd_core::{
    actor::{Action, Identity, Object, Role},
    claim::{ClaimName, ClaimValue, Claims},
    ids::{MetricId, QueryId},
    metric::{Metric, MetricDetails, MetricName, Tag},
    sql::TableName,
};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::{
    loaded::LoadedPolicies,
    policies::{DEFAULT_POLICIES, MAX_BYTES},
    schema::{self, schema_text},
    *,
};

const ISSUER: &str = "https://login.example.com";

fn caller(subject: &str, roles: &[Role]) -> Identity {
    Identity {
        issuer: ISSUER.into(),
        subject: subject.into(),
        client: None,
        roles: roles.iter().copied().collect(),
        scopes: BTreeSet::new(),
        claims: Claims::new(),
    }
}

fn claiming(name: &str, value: ClaimValue) -> Identity {
    let claims = Claims::from([(claim(name), value)]);
    Identity { claims, ..caller("ann", &[Role::Viewer]) }
}

fn claim(name: &str) -> ClaimName {
    ClaimName::parse(name).unwrap()
}

fn claims() -> BTreeSet<ClaimName> {
    BTreeSet::from([claim("tenant_id")])
}

fn metric(id: u128) -> Metric {
    let (id, query_id) = (MetricId(Uuid::from_u128(id)), QueryId::from(Uuid::from_u128(id)));
    Metric::new(id, query_id, MetricDetails::named(MetricName::parse("Orders").unwrap()))
}

fn owned_by(owner: &str) -> Metric {
    let mut metric = metric(1);
    metric.details.owner = Some(owner.into());
    metric
}

fn tagged(tag: &str) -> Metric {
    let mut metric = metric(1);
    metric.details.tags = vec![Tag::parse(tag).unwrap()];
    metric
}

fn table(schema: Option<&str>, name: &str) -> TableName {
    TableName { schema: schema.map(str::to_owned), name: name.into() }
}

/// Whether `who` may do `action` to an ordinary thing of its kind.
fn may(policies: &CedarPolicies, who: &Identity, action: Action) -> bool {
    let who = Arc::new(who.clone());
    match ObjectKind::of(action) {
        ObjectKind::Catalog => policies.permits(&who, action, &Object::Catalog),
        ObjectKind::Metric => policies.permits(&who, action, &Object::Metric(&metric(1))),
        ObjectKind::Table => policies.permits(&who, action, &Object::Table(&table(None, "orders"))),
    }
}

fn may_on(policies: &CedarPolicies, who: &Identity, action: Action, metric: &Metric) -> bool {
    policies.permits(&Arc::new(who.clone()), action, &Object::Metric(metric))
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).unwrap();
}

fn file(text: impl AsRef<[u8]>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_ref()).unwrap();
    file
}

fn load_file(file: &NamedTempFile) -> Result<CedarPolicies, PolicyError> {
    CedarPolicies::load(PolicySource::File(file.path().into()), &claims())
}

fn try_load(text: impl AsRef<[u8]>) -> Result<CedarPolicies, PolicyError> {
    load_file(&file(text))
}

fn load(text: &str) -> CedarPolicies {
    try_load(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn default_policies() -> CedarPolicies {
    CedarPolicies::load(PolicySource::Default, &BTreeSet::new()).unwrap()
}

#[test]
fn the_default_policies_give_each_role_its_rights() {
    let policies = default_policies();
    let viewer: &[Action] = &[Action::Read];
    let editor: &[Action] = &[
        Action::Read,
        Action::ReadSql,
        Action::Create,
        Action::Edit,
        Action::Approve,
        Action::Arrange,
        Action::Delete,
        Action::Record,
        Action::WriteSql,
        Action::AnnounceChange,
    ];
    let expected: [(&[Role], &[Action]); 5] = [
        (&[], &[]),
        (&[Role::Viewer], viewer),
        (&[Role::Editor], editor),
        (&[Role::Viewer, Role::Editor], editor),
        (&[Role::Admin], &Action::ALL),
    ];
    for (roles, permitted) in expected {
        let who = caller("ann", roles);
        for action in Action::ALL {
            let expected = permitted.contains(&action);
            assert_eq!(may(&policies, &who, action), expected, "{roles:?} {action}");
            let might = policies.might_permit(&Arc::new(who.clone()), action);
            assert_eq!(might, expected, "{roles:?} might {action}");
        }
    }
}

#[test]
fn an_action_is_denied_on_what_it_is_not_done_to() {
    let policies = default_policies();
    let who = Arc::new(caller("ann", &[Role::Admin]));
    let orders = table(None, "orders");
    let metric = metric(1);
    for action in Action::ALL {
        for object in [Object::Catalog, Object::Metric(&metric), Object::Table(&orders)] {
            let fits = schema::kind(&object) == ObjectKind::of(action);
            assert_eq!(policies.permits(&who, action, &object), fits, "{action} {object:?}");
        }
    }
}

/// The examples of the default file, by their ids, without the slashes.
fn examples() -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in DEFAULT_POLICIES.lines() {
        let Some(line) = line.strip_prefix("// ") else { continue };
        if let Some(id) = line.strip_prefix("@id(\"").and_then(|rest| rest.strip_suffix("\")")) {
            examples.push((id.into(), String::new()));
            is_open = true;
        }
        if let Some((_, text)) = examples.last_mut().filter(|_| is_open) {
            text.push_str(line);
            text.push('\n');
            is_open = !line.ends_with(';');
        }
    }
    examples
}

fn with_example(id: &str) -> CedarPolicies {
    let examples = examples();
    let (_, text) = examples.iter().find(|(known, _)| known == id).unwrap();
    load(&format!("{DEFAULT_POLICIES}\n{text}"))
}

#[test]
fn every_example_of_the_default_file_can_be_used() {
    let examples = examples();
    assert_eq!(examples.len(), 5, "{examples:?}");
    let all: String = examples.into_iter().map(|(_, text)| text).collect();
    assert_eq!(load(&format!("{DEFAULT_POLICIES}\n{all}")).count(), 11);
}

#[test]
fn confidential_metrics_are_for_their_owner_and_admins() {
    let policies = with_example("confidential-for-owner");
    let mut secret = tagged("confidential");
    secret.details.owner = Some("ann".into());
    let reads = |who: &Identity, metric: &Metric| may_on(&policies, who, Action::Read, metric);
    assert!(reads(&caller("ann", &[Role::Viewer]), &secret));
    assert!(!reads(&caller("bob", &[Role::Editor]), &secret));
    assert!(reads(&caller("bob", &[Role::Admin]), &secret));
    assert!(reads(&caller("bob", &[Role::Viewer]), &tagged("finance")));
    secret.details.owner = None;
    assert!(!reads(&caller("ann", &[Role::Editor]), &secret));
}

#[test]
fn editors_may_be_held_to_their_own_metrics() {
    let policies = with_example("editors-change-their-own");
    for action in [Action::Edit, Action::Arrange, Action::Delete] {
        let changes = |who: &str, role, metric: &Metric| {
            may_on(&policies, &caller(who, &[role]), action, metric)
        };
        assert!(changes("ann", Role::Editor, &owned_by("ann")));
        assert!(!changes("bob", Role::Editor, &owned_by("ann")));
        assert!(!changes("ann", Role::Editor, &metric(1)));
        assert!(!changes("ann", Role::Viewer, &owned_by("ann")));
        assert!(changes("bob", Role::Admin, &owned_by("ann")));
    }
    assert!(may_on(&policies, &caller("bob", &[Role::Editor]), Action::Read, &owned_by("ann")));
}

#[test]
fn a_machine_may_be_held_to_posting_records() {
    let policies = with_example("machines-record");
    let scoped = |scope: &str| Identity {
        scopes: BTreeSet::from([scope.to_owned()]),
        client: Some("meter".into()),
        ..caller("meter", &[])
    };
    for action in Action::ALL {
        let expected = matches!(action, Action::Read | Action::Record);
        assert_eq!(may(&policies, &scoped("api/records"), action), expected, "{action}");
        assert!(!may(&policies, &scoped("api/records-not"), action), "{action}");
    }
}

#[test]
fn a_claim_may_be_compared_with_a_tag() {
    let policies = with_example("tenants-see-their-own");
    let reads = |who: &Identity| may_on(&policies, who, Action::Read, &tagged("acme"));
    assert!(reads(&claiming("tenant_id", ClaimValue::Text("acme".into()))));
    assert!(!reads(&claiming("tenant_id", ClaimValue::Text("globex".into()))));
    assert!(!reads(&claiming("tenant_id", ClaimValue::Unusable)));
    assert!(!reads(&caller("ann", &[Role::Viewer])));
    assert!(reads(&caller("ann", &[Role::Admin])));
}

#[test]
fn one_person_may_be_named() {
    let policies = with_example("ann-audits");
    assert!(may(&policies, &caller("ann", &[]), Action::Audit));
    assert!(!may(&policies, &caller("bob", &[]), Action::Audit));
    let elsewhere = Identity { issuer: "https://evil.example.com".into(), ..caller("ann", &[]) };
    assert!(!may(&policies, &elsewhere, Action::Audit));
}

const PERMIT: &str = "permit (principal, action, resource);";

#[test]
fn a_bad_policy_is_refused_with_its_place_and_what_is_wrong() {
    let cases = [
        ("permit (principal, action);", (3, 26), "resource"),
        ("permit (principal, action, resource)", (3, 37), "unexpected end of input"),
        ("permt (principal, action, resource);", (3, 1), "permt"),
        (
            "permit (principal, action, resource is Metric)\nwhen { resource.colour == \"red\" };",
            (4, 8),
            "`colour`",
        ),
        (
            "permit (principal, action, resource is Metric)\nwhen { resource.owner == \"ann\" };",
            (4, 8),
            "`owner`",
        ),
        ("permit (principal, action == Action::\"reed\", resource);", (3, 30), "did you mean"),
        ("permit (principal in Role::\"edtor\", action, resource);", (3, 22), "edtor"),
        ("permit (principal, action, resource == Catalog::\"metrics\");", (3, 40), "metrics"),
        ("permit (principal is User, action, resource);", (3, 22), "`User`"),
        (
            "permit (principal, action, resource is Metric)\nwhen { resource.tags == \"red\" };",
            (4, 8),
            "String",
        ),
        (
            "permit (principal, action, resource)\nwhen { principal.claims has tenant_id &&\n  \
             principal.claims.tenantid == \"acme\" };",
            (5, 3),
            "`claims.tenantid`",
        ),
        (
            "permit (principal, action == Action::\"read\", resource is Table);",
            (3, 1),
            "unable to find an applicable action",
        ),
        (
            "forbid (principal, action, resource is Metric) when { resource.editable && false };",
            (3, 1),
            "impossible",
        ),
        (
            "forbid (principal, action, resource is Metric)\n\
             when { Metric::\"00000000-0000-0000-0000-000000000002\".editable };",
            (4, 8),
            "level",
        ),
        ("permit (principal == ?principal, action, resource);", (3, 1), "template"),
        ("@id(\"all\")\npermit (principal, action, resource);", (3, 1), "has the id `all`"),
        (
            "forbid (principal, action, resource == Metric::\"0197A000-0000-7000-8000-000000000001\");",
            (3, 1),
            "small letters",
        ),
        ("forbid (principal, action, resource == Table::\"orders\");", (3, 1), "public.orders"),
        ("forbid (principal == Caller::\"ann\", action, resource);", (3, 1), "issuer"),
    ];
    for (text, (line, column), part) in cases {
        let file = file(format!("@id(\"all\")\n{PERMIT}\n{text}"));
        let error = load_file(&file).err().unwrap_or_else(|| panic!("was taken: {text}"));
        let place = format!("{}:{line}:{column}: ", file.path().display());
        let fault =
            error.faults().iter().map(ToString::to_string).find(|fault| {
                fault.strip_prefix(&place).is_some_and(|message| message.contains(part))
            });
        assert!(fault.is_some(), "`{place}` with `{part}` is missing in {error}");
    }
}

#[test]
fn all_faults_are_reported_in_the_order_of_the_file() {
    let error = try_load(
        "permit (principal, action, resource is Metric) when { resource.size > 1 };\n\
         permit (principal, action == Action::\"reed\", resource);\n\
         forbid (principal, action, resource == Table::\"orders\");\n",
    )
    .unwrap_err();
    let lines: Vec<_> = error.faults().iter().map(|fault| fault.position.unwrap().line).collect();
    assert_eq!(lines, [1, 2, 3], "{error}");

    let error =
        try_load("permit (principle, action, resource);\npermit (principal, act, resource);")
            .unwrap_err();
    let lines: Vec<_> = error.faults().iter().map(|fault| fault.position.unwrap().line).collect();
    assert_eq!(lines, [1, 2], "{error}");
}

#[test]
fn a_file_that_permits_nothing_is_refused() {
    for text in [
        "",
        "\n// permit (principal, action, resource);\n",
        "forbid (principal, action, resource);",
    ] {
        let error = try_load(text).unwrap_err();
        assert_eq!(error.faults().len(), 1, "{error}");
        assert!(error.to_string().contains("every caller would be locked out"), "{error}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    assert!(try_load([b'\xff']).unwrap_err().to_string().contains("not UTF-8"));
    let spaces = " ".repeat(MAX_BYTES - PERMIT.len());
    assert_eq!(load(&format!("{PERMIT}{spaces}")).count(), 1);
    let error = try_load(format!("{PERMIT}{spaces} ")).unwrap_err();
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    let missing = PolicySource::File("/nowhere/rights.cedar".into());
    let error = CedarPolicies::load(missing, &claims()).unwrap_err();
    assert!(matches!(error, PolicyError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/nowhere/rights.cedar"));
}

#[test]
fn a_mark_that_editors_write_is_passed_over() {
    assert_eq!(load(&format!("\u{feff}{PERMIT}")).count(), 1);
}

#[test]
fn a_bad_new_file_leaves_the_old_policies_in_force() {
    let file = file(PERMIT);
    let policies = load_file(&file).unwrap();
    let who = caller("ann", &[]);
    assert!(may(&policies, &who, Action::Edit));
    for bad in ["", "permit (", "permit (principal, action == Action::\"reed\", resource);"] {
        write(file.path(), bad);
        assert!(policies.reload().is_err(), "{bad}");
        assert!(may(&policies, &who, Action::Edit), "{bad}");
        assert!(may(&policies, &who, Action::Delete), "{bad}");
        assert_eq!(policies.text(), PERMIT);
    }
    std::fs::remove_file(file.path()).unwrap();
    assert!(policies.reload().is_err());
    assert!(may(&policies, &who, Action::Unlock));
}

#[test]
fn a_new_file_decides_at_once() {
    let file = file(PERMIT);
    let policies = load_file(&file).unwrap();
    let who = Arc::new(caller("ann", &[Role::Viewer]));
    assert!(may(&policies, &who, Action::Edit));
    assert!(policies.might_permit(&who, Action::Edit));
    write(file.path(), "permit (principal, action == Action::\"read\", resource);");
    policies.reload().unwrap();
    assert!(!may(&policies, &who, Action::Edit));
    assert!(!policies.might_permit(&who, Action::Edit));
    assert!(may(&policies, &who, Action::Read));
    write(file.path(), PERMIT);
    policies.reload().unwrap();
    assert!(may(&policies, &who, Action::Edit));
    assert!(policies.might_permit(&who, Action::Edit));
}

#[test]
fn a_decision_in_flight_is_not_cached_under_new_policies() {
    let file = file(PERMIT);
    let policies = load_file(&file).unwrap();
    let old = policies.loaded.load_full();
    write(file.path(), "permit (principal, action == Action::\"read\", resource);");
    policies.reload().unwrap();
    let who = Arc::new(caller("ann", &[]));
    let metric = metric(1);
    assert!(old.permits(&who, Action::Edit, &Object::Metric(&metric)));
    assert_eq!(policies.loaded.load().cached_decisions(), 0);
    assert!(!policies.permits(&who, Action::Edit, &Object::Metric(&metric)));
}

#[test]
fn decisions_are_cached_for_tokens_with_equal_claims() {
    let policies = default_policies();
    let metric = metric(1);
    for _ in 0..3 {
        let who = Arc::new(caller("ann", &[Role::Viewer]));
        assert!(policies.permits(&who, Action::Read, &Object::Metric(&metric)));
        assert!(!policies.permits(&who, Action::Edit, &Object::Metric(&metric)));
        assert!(policies.might_permit(&who, Action::Read));
    }
    assert_eq!(policies.loaded.load().cached_decisions(), 3);
    let scopes = BTreeSet::from(["api/records".to_owned()]);
    let other = Arc::new(Identity { scopes, ..caller("ann", &[Role::Viewer]) });
    assert!(policies.permits(&other, Action::Read, &Object::Metric(&metric)));
    assert_eq!(policies.loaded.load().cached_decisions(), 4);
}

#[test]
fn what_policies_see_of_a_metric_is_never_taken_from_memory() {
    let policies = load(
        "permit (principal, action, resource is Metric) when {\n\
         resource.tags.contains(\"open\") && resource.editable &&\n\
         resource has owner && resource.owner == \"ann\" };",
    );
    let who = caller("bob", &[]);
    let mut open = tagged("open");
    open.details.owner = Some("ann".into());
    assert!(may_on(&policies, &who, Action::Read, &open));
    let mut other = open.clone();
    other.details.tags.clear();
    assert!(!may_on(&policies, &who, Action::Read, &other));
    let mut other = open.clone();
    other.details.owner = Some("bob".into());
    assert!(!may_on(&policies, &who, Action::Read, &other));
    let mut other = open.clone();
    other.is_editable = false;
    assert!(!may_on(&policies, &who, Action::Read, &other));
    assert!(may_on(&policies, &who, Action::Read, &open));
}

#[test]
fn a_policy_that_fails_does_not_apply() {
    let policies = load(
        "@id(\"fails\")\n\
         permit (principal, action, resource is Metric)\n\
         when { 9223372036854775807 + (if resource.editable then 1 else 0) > 0 };\n\
         permit (principal, action == Action::\"read\", resource);",
    );
    let who = caller("ann", &[]);
    let metric = metric(1);
    assert!(!may_on(&policies, &who, Action::Edit, &metric));
    assert!(may_on(&policies, &who, Action::Read, &metric));
    let explained = policies.explain(&who, Action::Edit, &Object::Metric(&metric));
    assert!(!explained.allowed && explained.determining.is_empty(), "{explained:?}");
    assert_eq!(explained.errors.len(), 1);
    assert!(explained.errors[0].starts_with("fails (line 1): "), "{explained:?}");
    assert!(explained.errors[0].contains("overflow"), "{explained:?}");
}

#[test]
fn an_explanation_names_the_policies_that_decided() {
    let policies = load(
        "// Comments may hold policies: permit (principal, action, resource);\n\
         permit (principal, action == Action::\"read\", resource); // the first",
    );
    let metric = metric(1);
    let object = Object::Metric(&metric);
    let who = caller("ann", &[]);
    let explained = policies.explain(&who, Action::Read, &object);
    assert_eq!(explained.determining, [PolicyMention { id: None, line: 2 }]);

    let policies = load(
        "@id(\"readers\")\npermit (principal, action == Action::\"read\", resource);\n\
         \n  @id(\"all\") permit (principal, action, resource);\n\
         @id(\"no ann\") forbid (principal, action == Action::\"edit\", resource)\n\
         when { principal.subject == \"ann\" };",
    );
    let explain = |subject: &str, action| {
        let explained = policies.explain(&caller(subject, &[]), action, &object);
        let mentions: Vec<String> = explained.determining.iter().map(ToString::to_string).collect();
        (explained.allowed, mentions.join(", "))
    };
    assert_eq!(explain("ann", Action::Read), (true, "readers (line 1), all (line 4)".into()));
    assert_eq!(explain("ann", Action::Edit), (false, "no ann (line 5)".into()));
    assert_eq!(explain("bob", Action::Edit), (true, "all (line 4)".into()));
    let explained = policies.explain(&who, Action::Import, &object);
    assert!(!explained.allowed && explained.errors.len() == 1, "{explained:?}");
}

#[test]
fn a_callers_name_may_hold_anything() {
    let odd = [
        "",
        "\"",
        "\\",
        "a\"; permit (principal, action, resource); //",
        "ann\0bob",
        "\u{202e}nna",
        "Caller::\"ann\"",
        "line\nbreak",
        "🦀#🦀",
        "%23",
    ];
    let policies = default_policies();
    let named = load(&format!("permit (principal == Caller::\"{ISSUER}#ann\", action, resource);"));
    for subject in odd {
        let who = caller(subject, &[Role::Viewer]);
        assert!(may(&policies, &who, Action::Read), "{subject:?}");
        assert!(!may(&policies, &who, Action::Edit), "{subject:?}");
        assert!(!may(&named, &who, Action::Read), "{subject:?}");
        let who = Identity {
            issuer: subject.into(),
            client: Some(subject.into()),
            scopes: BTreeSet::from([subject.into()]),
            claims: Claims::from([(claim("tenant_id"), ClaimValue::Text(subject.into()))]),
            ..who
        };
        assert!(may_on(&policies, &who, Action::Read, &owned_by(subject)), "{subject:?}");
    }
}

#[test]
fn no_two_callers_and_no_two_tables_share_a_name() {
    let callers = [("a", "b#c"), ("a#b", "c"), ("a%23b", "c"), ("a%2523b", "c"), ("a", "b%23c")];
    let names: BTreeSet<_> =
        callers.iter().map(|(issuer, subject)| caller_name(issuer, subject)).collect();
    assert_eq!(names.len(), callers.len(), "{names:?}");
    assert_eq!(caller_name(ISSUER, "ann"), "https://login.example.com#ann");

    let tables = [("a", "b.c"), ("a.b", "c"), ("\"a.b\"", "c"), ("a", "\"b.c\"")];
    let names: BTreeSet<_> =
        tables.iter().map(|(schema, name)| table(Some(schema), name).with_schema()).collect();
    assert_eq!(names.len(), tables.len(), "{names:?}");
    assert_eq!(table(None, "orders").with_schema(), "public.orders");
}

#[test]
fn sql_may_be_permitted_on_some_tables() {
    let policies = load(
        "permit (principal, action == Action::\"writeSql\", resource == Table::\"public.orders\");\n\
         permit (principal, action == Action::\"writeSql\", resource)\n\
         when { resource.schema == \"shop\" };",
    );
    let who = Arc::new(caller("ann", &[]));
    let writes = |schema, name| {
        policies.permits(&who, Action::WriteSql, &Object::Table(&table(schema, name)))
    };
    assert!(writes(None, "orders"));
    assert!(writes(Some("public"), "orders"));
    assert!(writes(Some("shop"), "orders"));
    assert!(!writes(Some("hr"), "orders"));
    assert!(!writes(None, "salaries"));
}

#[test]
fn a_claim_may_be_called_anything_that_a_claim_may() {
    let words = ["if", "in", "is", "like", "has", "true", "then", "principal", "permit", "a_1"];
    let claims: BTreeSet<ClaimName> = words.map(claim).into();
    for word in words {
        let file = file(format!(
            "permit (principal, action, resource) when {{\n\
             principal.claims has \"{word}\" && principal.claims[\"{word}\"] == \"acme\" }};"
        ));
        let source = PolicySource::File(file.path().into());
        let policies = CedarPolicies::load(source, &claims).unwrap();
        assert!(may(&policies, &claiming(word, ClaimValue::Text("acme".into())), Action::Read));
        assert!(!may(&policies, &claiming(word, ClaimValue::Text("globex".into())), Action::Read));
        assert!(!may(&policies, &caller("ann", &[]), Action::Read));
    }
}

#[test]
fn the_guide_shows_the_schema_as_it_is() {
    let guide = include_str!("../../../../docs/guide/rights.md");
    assert!(guide.contains(&schema_text(&claims())), "{}", schema_text(&claims()));
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

fn random_policy(dice: &mut Dice) -> String {
    let effect = dice.pick(&["permit", "permit", "permit", "forbid"]);
    let principal = dice.pick(&[
        "principal",
        "principal is Caller",
        "principal in Role::\"viewer\"",
        "principal in Role::\"editor\"",
        "principal in Role::\"admin\"",
        "principal is Caller in Role::\"editor\"",
        "principal == Caller::\"https://login.example.com#ann\"",
        "principal in Caller::\"https://login.example.com#ann\"",
        "principal is Caller in Caller::\"https://login.example.com#bob\"",
    ]);
    let action = dice.pick(&[
        "action",
        "action == Action::\"read\"",
        "action == Action::\"record\"",
        "action == Action::\"audit\"",
        "action == Action::\"writeSql\"",
        "action in Action::\"unlock\"",
        "action in [Action::\"read\", Action::\"edit\", Action::\"delete\"]",
        "action in [Action::\"create\", Action::\"writeSql\", Action::\"arrange\"]",
    ]);
    let resource = dice.pick(&[
        "resource",
        "resource is Metric",
        "resource is Table",
        "resource is Catalog",
        "resource in Catalog::\"metricd\"",
        "resource == Catalog::\"metricd\"",
        "resource is Metric in Catalog::\"metricd\"",
        "resource is Table in Catalog::\"metricd\"",
        "resource == Metric::\"00000000-0000-0000-0000-000000000001\"",
        "resource in Metric::\"00000000-0000-0000-0000-000000000001\"",
        "resource == Table::\"public.orders\"",
    ]);
    let condition = dice.pick(&[
        "",
        "",
        "when { principal has client }",
        "when { principal.subject == \"ann\" }",
        "unless { principal.scopes.contains(\"api/records\") }",
        "unless { principal.claims has tenant_id }",
    ]);
    format!("{effect} ({principal}, {action}, {resource}) {condition};\n")
}

/// Whatever is permitted on something might be permitted on anything.
#[test]
fn might_permit_is_never_narrower_than_permits() {
    let schema = schema::schema(&claims());
    let mut callers = vec![caller("ann", &[])];
    for role in Role::ALL {
        callers.push(caller("ann", &[role]));
        callers.push(Identity {
            client: Some("meter".into()),
            scopes: BTreeSet::from(["api/records".to_owned()]),
            claims: Claims::from([(claim("tenant_id"), ClaimValue::Text("acme".into()))]),
            ..caller("bob", &[role])
        });
    }
    let callers: Vec<_> = callers.into_iter().map(Arc::new).collect();
    let metrics = [metric(1), metric(2)];
    let tables = [table(None, "orders"), table(Some("shop"), "carts")];
    let objects = |action| match ObjectKind::of(action) {
        ObjectKind::Catalog => vec![Object::Catalog],
        ObjectKind::Metric => metrics.iter().map(Object::Metric).collect(),
        ObjectKind::Table => tables.iter().map(Object::Table).collect(),
    };
    let mut dice = Dice(0x5eed_cafe);
    let (mut sets, mut given, mut refused) = (0, 0, 0);
    while sets < 150 {
        let count = 1 + dice.roll(3);
        let text: String = (0..count).map(|_| random_policy(&mut dice)).collect();
        // What could never apply is refused, and so are sets that only forbid.
        let Ok(policies) = LoadedPolicies::parse("random", text.clone(), &schema) else { continue };
        sets += 1;
        for (who, action) in
            callers.iter().flat_map(|who| Action::ALL.into_iter().map(move |action| (who, action)))
        {
            let might = policies.might_permit(who, action);
            refused += usize::from(!might);
            for object in objects(action) {
                if policies.permits(who, action, &object) {
                    given += 1;
                    assert!(might, "{who:?} {action} {object:?}\n{text}");
                }
            }
        }
    }
    assert!(given > 500 && refused > 500, "{given} {refused}");
}
