//! The head of a policy: what it permits at most, by callers and actions, whatever its conditions are.
//! Must never be narrower than the policy itself.

use std::collections::BTreeSet;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use metricd_core::actor::Action;

use super::schema::{self, ObjectKind, Standing};

pub(super) struct PolicyHead {
    who: PrincipalConstraint,
    actions: BTreeSet<Action>,
}

impl PolicyHead {
    pub(super) fn of(policy: &Policy) -> Self {
        let actions = policy.action_constraint();
        let objects = policy.resource_constraint();
        let reaches = |action: &Action| {
            covers(&actions, *action) && is_possible(&objects, ObjectKind::of(*action))
        };
        Self {
            who: policy.principal_constraint(),
            actions: Action::ALL.into_iter().filter(reaches).collect(),
        }
    }

    pub(super) fn holds(&self, standing: &Standing, action: Action) -> bool {
        self.actions.contains(&action) && is_meant(&self.who, standing)
    }
}

fn covers(constraint: &ActionConstraint, action: Action) -> bool {
    let action = schema::action_uid(action);
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => *one == action,
        ActionConstraint::In(some) => some.contains(&action),
    }
}

fn is_meant(constraint: &PrincipalConstraint, standing: &Standing) -> bool {
    let is_in = |group: &EntityUid| *group == standing.caller || standing.roles.contains(group);
    match constraint {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(caller) => *caller == standing.caller,
        PrincipalConstraint::In(group) => is_in(group),
        PrincipalConstraint::Is(kind) => schema::is_caller(kind),
        PrincipalConstraint::IsIn(kind, group) => schema::is_caller(kind) && is_in(group),
    }
}

fn is_possible(constraint: &ResourceConstraint, kind: ObjectKind) -> bool {
    let is = |name| schema::kind_named(name) == Some(kind);
    // All things are in the catalog, and each is in itself.
    let is_in = |group: &EntityUid| {
        let group = schema::kind_named(group.type_name());
        group == Some(kind) || group == Some(ObjectKind::Catalog)
    };
    match constraint {
        ResourceConstraint::Any => true,
        ResourceConstraint::Eq(one) => is(one.type_name()),
        ResourceConstraint::In(group) => is_in(group),
        ResourceConstraint::Is(name) => is(name),
        ResourceConstraint::IsIn(name, group) => is(name) && is_in(group),
    }
}
