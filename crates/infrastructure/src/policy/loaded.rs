//! The policies of one file, with a cache of their decisions. Both are replaced together, so that no
//! decision of one file is ever served under another.

use std::{
    collections::{HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Effect, Entities, EntityUid, Policy,
    PolicyId, PolicySet, Request, Response, Schema, ValidationMode, ValidationWarning, Validator,
};
use metricd_application::error_chain;
use metricd_core::{
    actor::{Action, Identity, Object},
    ids::MetricId,
    metric::Tag,
    sql::TableName,
};
use quick_cache::{Equivalent, sync::Cache};
use thiserror::Error;
use tracing::{error, warn};

use super::{
    explanation::{Explanation, PolicyMention},
    fault::{PolicyError, PolicyFaults, Position},
    head::PolicyHead,
    schema::{self, Inexpressible, ObjectKind, Standing},
};

/// The maximum number of cached decisions. They do not expire by time, so their cache needs no clock
/// (`docs/adr/0013-which-cache-for-what.md`).
const MAX_DECISIONS: usize = 50_000;

/// The maximum depth of attributes that policies may access: those of the caller and the object alone.
const KNOWN_ENTITIES: u32 = 1;

pub(super) struct LoadedPolicies {
    pub(super) text: String,
    policies: PolicySet,
    entries: HashMap<PolicyId, PolicyEntry>,
    permits: Vec<PolicyHead>,
    decisions: Cache<DecisionKey, bool>,
}

/// A policy, as its author knows it.
struct PolicyEntry {
    mention: PolicyMention,
    /// Whether it was logged that it could not be evaluated.
    is_reported: AtomicBool,
}

/// Everything that a decision depends on beside the policies. A metric is in it with what policies
/// can see of it, not with its version: one that was removed and made again may be another.
#[derive(Debug, PartialEq, Eq)]
struct DecisionKey {
    who: Arc<Identity>,
    action: Action,
    object: ObjectKey,
}

#[derive(Debug, PartialEq, Eq)]
enum ObjectKey {
    Anything,
    Catalog,
    Metric { id: MetricId, owner: Option<String>, tags: Vec<Tag>, is_editable: bool },
    Table(TableName),
}

/// A borrowed key, so that a look-up allocates nothing.
#[derive(Clone, Copy)]
struct DecisionKeyRef<'a> {
    who: &'a Arc<Identity>,
    action: Action,
    /// `None`: whether it could be permitted on any object.
    object: Option<&'a Object<'a>>,
}

/// Few keys share what is hashed of them; what tells them apart is compared.
impl Hash for DecisionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let name = match &self.object {
            ObjectKey::Anything | ObjectKey::Catalog => None,
            ObjectKey::Metric { id, .. } => Some(Name::Metric(*id)),
            ObjectKey::Table(table) => Some(Name::Table(table)),
        };
        hash(&self.who, self.action, name, state);
    }
}

impl Hash for DecisionKeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let name = match self.object {
            None | Some(Object::Catalog) => None,
            Some(Object::Metric(metric)) => Some(Name::Metric(metric.id)),
            Some(Object::Table(table)) => Some(Name::Table(table)),
        };
        hash(self.who, self.action, name, state);
    }
}

fn hash<H: Hasher>(who: &Identity, action: Action, name: Option<Name<'_>>, state: &mut H) {
    (&who.subject, action, name).hash(state);
}

#[derive(Hash)]
enum Name<'a> {
    Metric(MetricId),
    Table(&'a TableName),
}

impl Equivalent<DecisionKey> for DecisionKeyRef<'_> {
    fn equivalent(&self, key: &DecisionKey) -> bool {
        let is_same_object = match (self.object, &key.object) {
            (None, ObjectKey::Anything) | (Some(Object::Catalog), ObjectKey::Catalog) => true,
            (Some(Object::Metric(metric)), ObjectKey::Metric { id, owner, tags, is_editable }) => {
                (metric.id, metric.is_editable) == (*id, *is_editable)
                    && metric.details.owner == *owner
                    && metric.details.tags == *tags
            }
            (Some(Object::Table(table)), ObjectKey::Table(known)) => **table == *known,
            _ => false,
        };
        is_same_object && self.action == key.action && *self.who == key.who
    }
}

impl From<DecisionKeyRef<'_>> for DecisionKey {
    fn from(DecisionKeyRef { who, action, object }: DecisionKeyRef<'_>) -> Self {
        let object = match object {
            None => ObjectKey::Anything,
            Some(Object::Catalog) => ObjectKey::Catalog,
            Some(Object::Metric(metric)) => ObjectKey::Metric {
                id: metric.id,
                owner: metric.details.owner.clone(),
                tags: metric.details.tags.clone(),
                is_editable: metric.is_editable,
            },
            Some(Object::Table(table)) => ObjectKey::Table((*table).clone()),
        };
        Self { who: Arc::clone(who), action, object }
    }
}

/// The error of a decision that Cedar could not make; it counts as a denial.
#[derive(Debug, Error)]
pub(super) enum Undecidable {
    #[error("the action `{0}` does not apply to such an object")]
    Action(Action),
    /// Not known to happen.
    #[error("Cedar does not accept the request")]
    Refused(#[from] Inexpressible),
}

impl LoadedPolicies {
    /// Takes the policies of `text`, which stands in `file`.
    pub(super) fn parse(file: &str, text: String, schema: &Schema) -> Result<Self, PolicyError> {
        let mut faults = PolicyFaults::new(file, &text);
        let Some(read) = read(&text, &mut faults) else {
            return Err(faults.into_error());
        };
        let policies: Vec<&Policy> = read.iter().map(|(policy, _)| policy).collect();
        if !policies.iter().any(|policy| policy.effect() == Effect::Permit) {
            faults.about_all(
                "no caller is permitted anything: without a single `permit` policy every caller \
                 would be locked out",
            );
        }
        for (policy, start) in &read {
            misnamed(policy, *start, &mut faults);
        }
        let set = PolicySet::from_policies(policies.into_iter().cloned()).unwrap_or_else(|error| {
            faults.cedar((&error).into(), None);
            PolicySet::new()
        });
        validate(&set, &read, schema, &mut faults);
        if !faults.is_empty() {
            return Err(faults.into_error());
        }
        let permits = read
            .iter()
            .filter(|(policy, _)| policy.effect() == Effect::Permit)
            .map(|(policy, _)| PolicyHead::of(policy))
            .collect();
        let entries = read
            .iter()
            .map(|(policy, start)| {
                let mention = PolicyMention {
                    id: policy.annotation("id").filter(|id| !id.is_empty()).map(str::to_owned),
                    line: Position::at(&text, *start).line,
                };
                (policy.id().clone(), PolicyEntry { mention, is_reported: AtomicBool::new(false) })
            })
            .collect();
        let decisions = Cache::new(MAX_DECISIONS);
        Ok(Self { text, policies: set, entries, permits, decisions })
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn permits(&self, who: &Arc<Identity>, action: Action, object: &Object<'_>) -> bool {
        let key = DecisionKeyRef { who, action, object: Some(object) };
        self.cached(key, || match self.ask(who, action, object) {
            Ok(response) => {
                self.report(&response);
                Some(response.decision() == Decision::Allow)
            }
            Err(failure) => {
                error!(%action, error = error_chain(&failure), "Authorization decision failed; access denied");
                None
            }
        })
    }

    pub(super) fn might_permit(&self, who: &Arc<Identity>, action: Action) -> bool {
        self.cached(DecisionKeyRef { who, action, object: None }, || {
            let standing = Standing::of(who);
            Some(self.permits.iter().any(|head| head.holds(&standing, action)))
        })
    }

    pub(super) fn explain(
        &self,
        who: &Identity,
        action: Action,
        object: &Object<'_>,
    ) -> Result<Explanation, Undecidable> {
        let response = self.ask(who, action, object)?;
        let diagnostics = response.diagnostics();
        let entries = diagnostics.reason().filter_map(|id| self.entries.get(id));
        let mut determining: Vec<PolicyMention> =
            entries.map(|entry| entry.mention.clone()).collect();
        determining.sort_by_key(|mention| mention.line);
        let text_of = |AuthorizationError::PolicyEvaluationError(error): &AuthorizationError| {
            let mention =
                self.entries.get(error.policy_id()).map(|entry| entry.mention.to_string());
            format!("{}: {}", mention.unwrap_or_default(), error.inner())
        };
        let mut errors: Vec<String> = diagnostics.errors().map(text_of).collect();
        errors.sort();
        Ok(Explanation { allowed: response.decision() == Decision::Allow, determining, errors })
    }

    /// Returns the cached decision, or that of `decide`, which is cached if there is one; none is a denial.
    fn cached(&self, key: DecisionKeyRef<'_>, decide: impl FnOnce() -> Option<bool>) -> bool {
        if let Some(answer) = self.decisions.get(&key) {
            return answer;
        }
        let Some(answer) = decide() else { return false };
        self.decisions.insert(key.into(), answer);
        answer
    }

    fn ask(
        &self,
        who: &Identity,
        action: Action,
        object: &Object<'_>,
    ) -> Result<Response, Undecidable> {
        if ObjectKind::of(action) != schema::kind(object) {
            return Err(Undecidable::Action(action));
        }
        Ok(self.evaluate(who, action, object)?)
    }

    fn evaluate(
        &self,
        who: &Identity,
        action: Action,
        object: &Object<'_>,
    ) -> Result<Response, Inexpressible> {
        let standing = Standing::of(who);
        let principal = standing.caller.clone();
        let object = schema::object(object)?;
        let action = schema::action_uid(action);
        // All is made as the schema says, so that nothing is gained by comparing it each time.
        let request = Request::new(principal, action, object.uid(), Context::empty(), None)?;
        let entities = Entities::from_entities([schema::caller(who, standing)?, object], None)?;
        Ok(Authorizer::new().is_authorized(&request, &self.policies, &entities))
    }

    /// Logs each policy that could not be evaluated, once.
    fn report(&self, response: &Response) {
        for AuthorizationError::PolicyEvaluationError(failure) in response.diagnostics().errors() {
            let Some(entry) = self.entries.get(failure.policy_id()) else { continue };
            if !entry.is_reported.swap(true, Ordering::Relaxed) {
                let policy = &entry.mention;
                warn!(%policy, error = %failure.inner(), "Policy evaluation failed; the policy does not apply");
            }
        }
    }

    #[cfg(test)]
    pub(super) fn cached_decisions(&self) -> usize {
        self.decisions.len()
    }
}

/// The policies of `text` in its order, each with the byte where it begins and the name that it
/// goes by in Cedar's messages. None if the text does not parse.
fn read(text: &str, faults: &mut PolicyFaults<'_>) -> Option<Vec<(Policy, usize)>> {
    let parsed = match text.parse::<PolicySet>() {
        Ok(parsed) => parsed,
        Err(errors) => {
            errors.iter().for_each(|error| faults.cedar(error.into(), None));
            return None;
        }
    };
    for template in parsed.templates() {
        let at = text.find(&template.to_string()).unwrap_or(0);
        faults.at(at, "a template permits nothing; write the caller or object that is meant");
    }
    if !faults.is_empty() {
        return None;
    }
    let mut end = 0;
    let mut names = HashSet::new();
    let count = parsed.num_of_policies();
    let in_order = (0..count).filter_map(|n| parsed.policy(&PolicyId::new(format!("policy{n}"))));
    let read: Vec<_> = in_order
        .map(|policy| {
            let start = skip_blank(text, end);
            end = start + policy.to_string().len();
            let Position { line, column } = Position::at(text, start);
            let name = match policy.annotation("id") {
                Some(id) if !id.is_empty() => id.to_owned(),
                _ => format!("{line}:{column}"),
            };
            if !names.insert(name.clone()) {
                faults.at(start, format!("another policy before this one has the id `{name}`"));
            }
            (policy.new_id(PolicyId::new(name)), start)
        })
        .collect();
    if read.len() != count {
        faults.about_all("Cedar numbers policies otherwise than expected");
    }
    faults.is_empty().then_some(read)
}

/// Where the next word stands: behind white space and comments.
fn skip_blank(text: &str, from: usize) -> usize {
    let mut rest = text.get(from..).unwrap_or_default();
    loop {
        rest = rest.trim_start();
        if !rest.starts_with("//") {
            return text.len() - rest.len();
        }
        rest = rest.find(['\n', '\r']).map_or("", |end| &rest[end..]);
    }
}

/// Finds what Cedar cannot know to be wrong: names of things that metricd never writes so. A
/// `forbid` with such a name would forbid nothing.
fn misnamed(policy: &Policy, start: usize, faults: &mut PolicyFaults<'_>) {
    let mut reported = HashSet::new();
    for literal in policy.entity_literals() {
        if let Some(advice) = advice(&literal)
            && reported.insert(literal.clone())
        {
            faults.at(start, format!("`{literal}` names nothing: {advice}"));
        }
    }
}

fn advice(literal: &EntityUid) -> Option<&'static str> {
    let name = literal.id().unescaped();
    match schema::kind_named(literal.type_name()) {
        Some(ObjectKind::Metric) => {
            let is_id = uuid::Uuid::parse_str(name).is_ok_and(|id| id.to_string() == name);
            (!is_id).then_some("a metric is named by its id, in small letters and with hyphens")
        }
        Some(ObjectKind::Table) => {
            (!name.contains('.')).then_some("a table is named with its schema: public.orders")
        }
        None if schema::is_caller(literal.type_name()) => {
            (!name.contains('#')).then_some("a caller is named by issuer, `#` and subject")
        }
        Some(ObjectKind::Catalog) | None => None,
    }
}

fn validate(
    set: &PolicySet,
    read: &[(Policy, usize)],
    schema: &Schema,
    faults: &mut PolicyFaults<'_>,
) {
    let start =
        |id: &PolicyId| read.iter().find(|(policy, _)| policy.id() == id).map(|(_, start)| *start);
    // Only the caller and the object of a request are known: a policy that asks for an attribute of
    // anything else would always fail, and a `forbid` that fails forbids nothing.
    let validator = Validator::new(schema.clone());
    let result = validator.validate_with_level(set, ValidationMode::Strict, KNOWN_ENTITIES);
    let mut reported = HashSet::new();
    for error in result.validation_errors() {
        reported.insert(error.policy_id());
        faults.cedar(error.into(), start(error.policy_id()));
    }
    let (vain, odd): (Vec<_>, Vec<_>) = result.validation_warnings().partition(|warning| {
        matches!(
            warning,
            ValidationWarning::InvalidActionApplication(_) | ValidationWarning::ImpossiblePolicy(_)
        )
    });
    // A policy without effect is usually a mistake of its author.
    for warning in vain {
        if reported.insert(warning.policy_id()) {
            faults.cedar(warning.into(), start(warning.policy_id()));
        }
    }
    for warning in odd {
        warn!(%warning, "Suspicious policy");
    }
}
