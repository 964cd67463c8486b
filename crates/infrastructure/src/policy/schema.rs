//! The vocabulary of policies: Cedar's schema, and metricd's values as Cedar's entities.
//! Entities are made from parts, never by parsing text: a caller's name may hold any character.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Write,
    sync::LazyLock,
};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use metricd_core::{
    actor::{Action, Identity, Object, Role},
    claim::{ClaimName, ClaimValue},
    metric::{Metric, Tag},
    sql::TableName,
};

/// What kind of thing an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Everything together.
    Catalog,
    /// One metric.
    Metric,
    /// One table or view.
    Table,
}

impl ObjectKind {
    const ALL: [Self; 3] = [Self::Catalog, Self::Metric, Self::Table];

    /// The kind of thing that `action` is done to.
    #[must_use]
    pub fn of(action: Action) -> Self {
        match action {
            Action::Create | Action::Import | Action::Audit => Self::Catalog,
            Action::Read
            | Action::ReadSql
            | Action::Edit
            | Action::Approve
            | Action::Arrange
            | Action::Unlock
            | Action::Delete
            | Action::Record => Self::Metric,
            Action::WriteSql | Action::AnnounceChange | Action::Watch | Action::Unwatch => {
                Self::Table
            }
        }
    }

    /// The entity type, as policies write it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "Catalog",
            Self::Metric => "Metric",
            Self::Table => "Table",
        }
    }
}

/// The schema in Cedar's own syntax, for callers that have these claims.
pub(super) fn schema_text(claims: &BTreeSet<ClaimName>) -> String {
    let roles = Role::ALL.map(|role| format!("{:?}", role.as_str())).join(", ");
    let claims = claims.iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "    \"{name}\"?: String,");
        text
    });
    let mut text = format!(
        "entity Role enum [{roles}];\n\
         entity Caller in [Role] {{\n\
         \x20 issuer: String,\n\
         \x20 subject: String,\n\
         \x20 client?: String,\n\
         \x20 roles: Set<String>,\n\
         \x20 scopes: Set<String>,\n\
         \x20 claims: {{\n{claims}  }},\n\
         }};\n\
         entity Catalog enum [\"metricd\"];\n\
         entity Metric in [Catalog] {{ owner?: String, tags: Set<String>, editable: Bool }};\n\
         entity Table in [Catalog] {{ schema: String, name: String }};\n"
    );
    for kind in ObjectKind::ALL {
        let actions: Vec<String> = Action::ALL
            .into_iter()
            .filter(|action| ObjectKind::of(*action) == kind)
            .map(|action| format!("\"{action}\""))
            .collect();
        let _ = writeln!(
            text,
            "action {} appliesTo {{ principal: Caller, resource: {} }};",
            actions.join(", "),
            kind.as_str()
        );
    }
    text
}

pub(super) fn schema(claims: &BTreeSet<ClaimName>) -> Schema {
    let read = Schema::from_cedarschema_str(&schema_text(claims));
    read.map_or_else(|_| unreachable!("names of claims are quoted and plain"), |(schema, _)| schema)
}

/// Names that every decision needs, made once.
struct Names {
    caller: EntityTypeName,
    role: EntityTypeName,
    catalog: EntityTypeName,
    metric: EntityTypeName,
    table: EntityTypeName,
    action: EntityTypeName,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let name = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("`{text}` is a name"));
    Names {
        caller: name("Caller"),
        role: name("Role"),
        catalog: name("Catalog"),
        metric: name("Metric"),
        table: name("Table"),
        action: name("Action"),
    }
});

fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

pub(super) fn action_uid(action: Action) -> EntityUid {
    uid(&NAMES.action, action.as_str())
}

fn catalog_uid() -> EntityUid {
    uid(&NAMES.catalog, "metricd")
}

/// The name of a caller in policies: the issuer, `#`, and the subject, as in
/// `Caller::"https://login.example.com#ann"`. A `%` or `#` in the issuer is written `%25` or `%23`,
/// so that no two callers share a name.
#[must_use]
pub fn caller_name(issuer: &str, subject: &str) -> String {
    format!("{}#{subject}", issuer.replace('%', "%25").replace('#', "%23"))
}

/// A caller's name and roles, as far as the head of a policy can ask for them.
pub(super) struct Standing {
    pub(super) caller: EntityUid,
    /// The caller's roles and all lesser ones.
    pub(super) roles: HashSet<EntityUid>,
}

impl Standing {
    pub(super) fn of(who: &Identity) -> Self {
        let highest = who.roles.last();
        let roles = Role::ALL
            .into_iter()
            .filter(|role| highest.is_some_and(|highest| role <= highest))
            .map(|role| uid(&NAMES.role, role.as_str()))
            .collect();
        Self { caller: uid(&NAMES.caller, &caller_name(&who.issuer, &who.subject)), roles }
    }
}

/// Why a value could not be put in Cedar's terms, in Cedar's words.
pub(super) type Inexpressible = Box<dyn std::error::Error + Send + Sync>;

type Attributes = HashMap<String, RestrictedExpression>;

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn texts<'a>(all: impl IntoIterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(all.into_iter().map(text))
}

pub(super) fn caller(who: &Identity, standing: Standing) -> Result<Entity, Inexpressible> {
    let claims = who.claims.iter().filter_map(|(name, value)| match value {
        ClaimValue::Text(value) => Some((name.to_string(), text(value))),
        ClaimValue::Unusable => None,
    });
    let mut attributes = Attributes::from([
        ("issuer".to_owned(), text(&who.issuer)),
        ("subject".to_owned(), text(&who.subject)),
        ("roles".to_owned(), texts(who.roles.iter().map(|role| role.as_str()))),
        ("scopes".to_owned(), texts(who.scopes.iter().map(String::as_str))),
        ("claims".to_owned(), RestrictedExpression::new_record(claims)?),
    ]);
    if let Some(client) = &who.client {
        attributes.insert("client".to_owned(), text(client));
    }
    Ok(Entity::new(standing.caller, attributes, standing.roles)?)
}

pub(super) fn object(object: &Object<'_>) -> Result<Entity, Inexpressible> {
    match object {
        Object::Catalog => Ok(Entity::with_uid(catalog_uid())),
        Object::Metric(metric) => self::metric(metric),
        Object::Table(table) => self::table(table),
    }
}

fn metric(metric: &Metric) -> Result<Entity, Inexpressible> {
    let mut attributes = Attributes::from([
        ("tags".to_owned(), texts(metric.details.tags.iter().map(Tag::as_str))),
        ("editable".to_owned(), RestrictedExpression::new_bool(metric.is_editable)),
    ]);
    if let Some(owner) = &metric.details.owner {
        attributes.insert("owner".to_owned(), text(owner));
    }
    let name = uid(&NAMES.metric, &metric.id.to_string());
    Ok(Entity::new(name, attributes, HashSet::from([catalog_uid()]))?)
}

fn table(table: &TableName) -> Result<Entity, Inexpressible> {
    let attributes = Attributes::from([
        ("schema".to_owned(), text(table.schema())),
        ("name".to_owned(), text(&table.name)),
    ]);
    let name = uid(&NAMES.table, &table.with_schema());
    Ok(Entity::new(name, attributes, HashSet::from([catalog_uid()]))?)
}

pub(super) fn kind(object: &Object<'_>) -> ObjectKind {
    match object {
        Object::Catalog => ObjectKind::Catalog,
        Object::Metric(_) => ObjectKind::Metric,
        Object::Table(_) => ObjectKind::Table,
    }
}

pub(super) fn is_caller(name: &EntityTypeName) -> bool {
    *name == NAMES.caller
}

pub(super) fn kind_named(name: &EntityTypeName) -> Option<ObjectKind> {
    ObjectKind::ALL.into_iter().find(|kind| {
        *name
            == *match kind {
                ObjectKind::Catalog => &NAMES.catalog,
                ObjectKind::Metric => &NAMES.metric,
                ObjectKind::Table => &NAMES.table,
            }
    })
}
