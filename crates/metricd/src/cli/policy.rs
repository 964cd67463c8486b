//! `metricd policy`: checks and prints the authorization policies. Needs no database.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use metricd_core::{
    actor::{Action, Identity, Object, Role},
    claim::{ClaimName, ClaimValue},
    ids::{MetricId, QueryId},
    metric::{Metric, MetricDetails, MetricName, Tag},
    sql::TableName,
};
use metricd_infrastructure::{
    auth::DevelopmentIssuer,
    policy::{CedarPolicies, Explanation, ObjectKind, PolicyError, caller_name},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    exit::REJECTED,
    output::OutputFormat,
    parsers::{parse_claim, refuse_repeated, role_parser},
};
use crate::{app, config::Config};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check the policies, and with --action explain a decision
    Check(Box<CheckArgs>),
    /// Print the policies in force
    Show,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Policies to check [default: those in force]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The action to authorize; without it only the policies are checked
    #[arg(long, value_parser = action_parser())]
    action: Option<Action>,
    /// How to print the decision
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
    #[command(flatten)]
    caller: CallerArgs,
    #[command(flatten)]
    object: ObjectArgs,
}

/// The caller.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The caller")]
struct CallerArgs {
    /// A role of the caller. May be repeated
    #[arg(long = "role", requires = "action", value_name = "ROLE", value_parser = role_parser())]
    roles: Vec<Role>,
    /// The caller's name
    #[arg(long, requires = "action", value_name = "NAME", default_value = "user")]
    subject: String,
    /// The issuer of the caller's token
    #[arg(
        long,
        requires = "action",
        value_name = "ISS",
        default_value = DevelopmentIssuer::ISSUER
    )]
    issuer: String,
    /// The application that the caller uses
    #[arg(long, requires = "action", value_name = "ID")]
    client: Option<String>,
    /// A scope of the caller's token. May be repeated
    #[arg(long = "scope", requires = "action", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A claim of the caller's token, by the name that the settings give it, such as
    /// `tenant_id=acme`. May be repeated
    #[arg(long = "claim", requires = "action", value_name = "NAME=VALUE", value_parser = parse_claim)]
    claims: Vec<(ClaimName, String)>,
}

/// The object of the action.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The metric or table")]
struct ObjectArgs {
    /// The metric's id
    #[arg(long, requires = "action", value_name = "UUID")]
    id: Option<Uuid>,
    /// The metric's owner
    #[arg(long, requires = "action", value_name = "NAME")]
    metric_owner: Option<String>,
    /// A tag of the metric. May be repeated
    #[arg(long = "tag", requires = "action", value_name = "TAG", value_parser = Tag::parse)]
    tags: Vec<Tag>,
    /// The metric is locked
    #[arg(long, requires = "action")]
    locked: bool,
    /// The table that SQL reads; without a schema, one of `public`
    #[arg(long, requires = "action", value_name = "TABLE")]
    table: Option<TableName>,
}

fn action_parser() -> impl TypedValueParser<Value = Action> {
    PossibleValuesParser::new(Action::ALL.map(Action::as_str))
        .try_map(|word| Action::from_word(&word).ok_or("there is no such action"))
}

pub(crate) fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(args) => check(config, *args),
        Command::Show => show(config),
    }
}

fn show(config: &Config) -> anyhow::Result<ExitCode> {
    match app::policies(config, None) {
        Ok(policies) => {
            super::output::print(&policies.text())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => rejected(error, OutputFormat::Table),
    }
}

fn check(config: &Config, args: CheckArgs) -> anyhow::Result<ExitCode> {
    let CheckArgs { policy, action, caller, object, format } = args;
    let policies = match app::policies(config, policy.as_deref()) {
        Ok(policies) => policies,
        Err(error) => return rejected(error, format),
    };
    let text = match action {
        None => summary(&policies, format)?,
        Some(action) => {
            let caller = caller.identity(&config.auth.claim_names())?;
            let object = object.named(action)?;
            Decision::new(&policies, &caller, action, &object).render(format)?
        }
    };
    super::output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the policies' faults: as text on standard error, or as a JSON document.
fn rejected(error: PolicyError, format: OutputFormat) -> anyhow::Result<ExitCode> {
    let faults: Vec<Value> = error
        .faults()
        .iter()
        .map(|fault| {
            json!({
                "file": fault.file,
                "line": fault.position.map(|position| position.line),
                "column": fault.position.map(|position| position.column),
                "message": fault.message,
            })
        })
        .collect();
    match format {
        OutputFormat::Json if !faults.is_empty() => {
            super::output::print(&document(&json!({ "faults": faults }))?)?;
        }
        _ => super::output::print_error(&error.into()),
    }
    Ok(ExitCode::from(REJECTED))
}

fn document(value: &Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

fn summary(policies: &CedarPolicies, format: OutputFormat) -> anyhow::Result<String> {
    let (source, count) = (policies.source(), policies.count());
    let plural = if count == 1 { "policy" } else { "policies" };
    match format {
        OutputFormat::Table => Ok(format!("{source}: {count} {plural}, no faults\n")),
        OutputFormat::Json => document(&json!({ "source": source.to_string(), "policies": count })),
    }
}

impl CallerArgs {
    fn identity(self, known: &BTreeSet<ClaimName>) -> anyhow::Result<Identity> {
        refuse_repeated("--claim", self.claims.iter().map(|(name, _)| name.as_str()));
        if let Some((name, _)) = self.claims.iter().find(|(name, _)| !known.contains(name)) {
            bail!("the settings name no claim `{name}`, so that no token has it");
        }
        let claims =
            self.claims.into_iter().map(|(name, text)| (name, ClaimValue::Text(text))).collect();
        Ok(Identity {
            issuer: self.issuer,
            subject: self.subject,
            client: self.client,
            roles: self.roles.into_iter().collect(),
            scopes: self.scopes.into_iter().collect(),
            claims,
        })
    }
}

/// An object of the kind that an action applies to.
enum NamedObject {
    Catalog,
    Metric(Box<Metric>),
    Table(TableName),
}

impl ObjectArgs {
    fn named(self, action: Action) -> anyhow::Result<NamedObject> {
        let describes_metric = self.id.is_some()
            || self.metric_owner.is_some()
            || !self.tags.is_empty()
            || self.locked;
        let kind = ObjectKind::of(action);
        if describes_metric && kind != ObjectKind::Metric {
            bail!("`{action}` does not apply to a metric: leave out the options that describe one");
        }
        if self.table.is_some() && kind != ObjectKind::Table {
            bail!("`{action}` does not apply to a table: leave out --table");
        }
        match kind {
            ObjectKind::Catalog => Ok(NamedObject::Catalog),
            ObjectKind::Metric => self.metric().map(Box::new).map(NamedObject::Metric),
            ObjectKind::Table => {
                self.table.map(NamedObject::Table).context("name the table with --table")
            }
        }
    }

    /// Returns a metric with the attributes that policies can see.
    fn metric(self) -> anyhow::Result<Metric> {
        let id = self.id.unwrap_or_default();
        let details = MetricDetails {
            owner: self.metric_owner,
            tags: self.tags,
            ..MetricDetails::named(MetricName::parse("Any")?)
        };
        let metric = Metric::new(MetricId(id), QueryId::from(id), details);
        Ok(Metric { is_editable: !self.locked, ..metric })
    }
}

impl NamedObject {
    fn object(&self) -> Object<'_> {
        match self {
            Self::Catalog => Object::Catalog,
            Self::Metric(metric) => Object::Metric(metric),
            Self::Table(table) => Object::Table(table),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Catalog => "Catalog::\"metricd\"".into(),
            Self::Metric(metric) => format!("Metric::\"{}\"", metric.id),
            Self::Table(table) => format!("Table::{:?}", table.with_schema()),
        }
    }
}

struct Decision {
    caller: String,
    action: Action,
    object: String,
    explanation: Explanation,
    /// Whether the caller may read the metric; none for other objects.
    is_readable: Option<bool>,
}

impl Decision {
    fn new(
        policies: &CedarPolicies,
        caller: &Identity,
        action: Action,
        named: &NamedObject,
    ) -> Self {
        let object = named.object();
        let is_metric = matches!(named, NamedObject::Metric(_));
        Self {
            caller: format!("Caller::{:?}", caller_name(&caller.issuer, &caller.subject)),
            action,
            object: named.name(),
            explanation: policies.explain(caller, action, &object),
            is_readable: is_metric.then(|| policies.explain(caller, Action::Read, &object).allowed),
        }
    }

    fn render(&self, format: OutputFormat) -> anyhow::Result<String> {
        match format {
            OutputFormat::Table => Ok(self.text()),
            OutputFormat::Json => self.document(),
        }
    }

    fn text(&self) -> String {
        let Explanation { allowed, determining, errors } = &self.explanation;
        let names: Vec<String> = determining.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        let decision = match (allowed, determining.is_empty()) {
            (true, _) => format!("Allow: permitted by {names}"),
            (false, false) => format!("Deny: forbidden by {names}"),
            (false, true) => "Deny: no policy permits it".to_owned(),
        };
        let failed = errors.iter().map(|error| format!("Did not apply: {error}"));
        let hidden = (self.action != Action::Read && self.is_readable == Some(false))
            .then(|| "The caller may not `read` this metric: the response is 404".to_owned());
        let lines: Vec<String> =
            std::iter::once(decision).chain(failed).chain(hidden).chain([String::new()]).collect();
        lines.join("\n")
    }

    fn document(&self) -> anyhow::Result<String> {
        let Explanation { allowed, determining, errors } = &self.explanation;
        let policies: Vec<Value> = determining
            .iter()
            .map(|mention| json!({ "id": mention.id, "line": mention.line }))
            .collect();
        document(&json!({
            "decision": if *allowed { "allow" } else { "deny" },
            "caller": self.caller,
            "action": self.action.as_str(),
            "object": self.object,
            "policies": policies,
            "errors": errors,
            "readable": self.is_readable,
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use metricd_infrastructure::policy::PolicySource;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        check: CheckArgs,
    }

    fn answer(line: &str) -> anyhow::Result<Decision> {
        let words = std::iter::once("check").chain(line.split_whitespace());
        let CheckArgs { action, caller, object, .. } = Line::try_parse_from(words)?.check;
        let action = action.context("there is no action")?;
        let claims = BTreeSet::from([ClaimName::parse("tenant_id")?]);
        let policies = CedarPolicies::load(PolicySource::Default, &claims)?;
        let caller = caller.identity(&claims)?;
        Ok(Decision::new(&policies, &caller, action, &object.named(action)?))
    }

    #[test]
    fn a_decision_is_explained_by_its_policies() {
        let text = |line| answer(line).unwrap().text();
        assert!(
            text("--action edit --role editor --tag finance --locked")
                .starts_with("Allow: permitted by editors-change (line ")
        );
        assert_eq!(text("--action read"), "Deny: no policy permits it\n");
        assert_eq!(
            text("--action edit --claim tenant_id=acme"),
            "Deny: no policy permits it\n\
             The caller may not `read` this metric: the response is 404\n"
        );
    }

    #[test]
    fn a_json_decision_names_the_caller_and_the_object() {
        let line = "--action writeSql --role viewer --subject ann --issuer urn:x --table orders";
        let document: Value =
            serde_json::from_str(&answer(line).unwrap().document().unwrap()).unwrap();
        assert_eq!(
            document,
            json!({
                "decision": "deny",
                "caller": "Caller::\"urn:x#ann\"",
                "action": "writeSql",
                "object": "Table::\"public.orders\"",
                "policies": [],
                "errors": [],
                "readable": null,
            })
        );
    }

    #[test]
    fn a_question_that_makes_no_sense_is_refused() {
        for (line, words) in [
            ("--role viewer", "required arguments were not provided"),
            ("--action fly", "invalid value 'fly' for '--action"),
            ("--action read --role king", "invalid value 'king' for '--role"),
            ("--action writeSql", "name the table with --table"),
            ("--action edit --table orders", "`edit` does not apply to a table"),
            ("--action audit --tag finance", "`audit` does not apply to a metric"),
            ("--action writeSql --table orders --locked", "`writeSql` does not apply to a metric"),
            ("--action writeSql --table .orders", "must be a table, or a schema and a table"),
            ("--action read --claim nope=1", "the settings name no claim `nope`"),
            ("--action read --claim tenant_id", "must be written name=value"),
        ] {
            let Err(error) = answer(line) else { panic!("{line} is answered") };
            let message = error.to_string();
            assert!(message.contains(words), "{line}: {message}");
        }
    }
}
