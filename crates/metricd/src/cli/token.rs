//! `metricd token`

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use metricd_core::actor::Role;
use metricd_infrastructure::auth::{DevelopmentIssuer, TokenRequest};
use serde_json::{Map, Value};

use super::parsers::{refuse_repeated, role_parser};
use crate::{app, config::Config};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The role of its bearer
    #[arg(long, value_name = "ROLE", value_parser = role_parser())]
    role: Role,
    /// How long it is valid, such as 15m or 8h; at most a year
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// Its bearer's name [default: the role's]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// A claim to add: a string, or a list or an object in JSON. May be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    claims: Vec<(String, Value)>,
}

/// Parses a claim. A list or an object is JSON; anything else is a string.
fn parse_claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("must be written name=value")?;
    if name.is_empty() {
        return Err("must name a claim".into());
    }
    let value = if value.starts_with(['[', '{']) {
        serde_json::from_str(value).map_err(|error| format!("is not JSON: {error}"))?
    } else {
        Value::String(value.to_owned())
    };
    Ok((name.to_owned(), value))
}

pub(crate) fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    refuse_repeated("--claim", args.claims.iter().map(|(name, _)| name.as_str()));
    if !config.auth.issuers.is_empty() {
        bail!("token issuing is disabled: an issuer is configured, and tokens come from there");
    }
    let request = TokenRequest {
        role: args.role,
        ttl: args.ttl,
        subject: args.subject,
        claims: args.claims.into_iter().collect::<Map<_, _>>(),
    };
    let issuer = DevelopmentIssuer::open(&config.general.data_dir)?;
    let token = issuer.mint(&request, app::clock(config).now())?;
    super::output::print(&format!("{token}\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_a_text_unless_it_is_a_list_or_an_object() {
        let read = |text| parse_claim(text).map(|(_, value)| value);
        assert_eq!(read("tenant_id=42"), Ok(json!("42")));
        assert_eq!(read("equation=a=b"), Ok(json!("a=b")));
        assert_eq!(read("groups=[\"a\", \"b\"]"), Ok(json!(["a", "b"])));
        assert!(read("groups=[a").is_err());
        assert!(read("groups").is_err());
        assert!(read("=a").is_err());
    }
}
