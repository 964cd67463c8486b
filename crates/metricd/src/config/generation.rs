//! `[generation]`: how a sentence becomes a metric, and which model is asked, if any.

use std::time::Duration;

use metricd_application::context::Approval;
use metricd_infrastructure::generation::model::{ApiKey, Endpoint, ModelConfig};
use secrecy::{ExposeSecret, SecretString};

use super::{
    declare::{SectionDeclaration, SettingsSection, settings},
    limits::LimitSettings,
    reader::SettingsReader,
    types::{duration, integer, optional_text, parsed, switch},
};

settings! {
    /// How a sentence becomes a metric ([guide](models.md)).
    struct DeclaredGeneration in "generation" {
        /// `required` where such a metric answers only once it is
        /// [approved](changing-metrics.md#approval).
        approval: Approval = parsed("`none` or `required`", "none", approval);
        /// The URL of the model's server, up to `/v1`.
        base_url: Option<String> = optional_text("URL", "none: no model is asked");
        /// The model's name on that server.
        model: Option<String> = optional_text("string", "none");
        /// The key that the server asks for; local servers want none.
        api_key: Option<SecretString> = optional_text("string, secret", "none");
        /// How many suggestions for one sentence the model may make.
        attempts: u32 = integer(3).at_least(1).at_most(10);
        /// How long the model may take for one sentence, all attempts together; at most two thirds of
        /// `limits.request_timeout`.
        timeout: Duration = duration("20s");
        /// Whether the model is told values that stand in rows.
        send_samples: bool = switch();
    }
}

/// How a sentence becomes a metric.
#[derive(Debug, Clone)]
pub(crate) struct GenerationSettings {
    /// Whether a generated metric needs approval.
    pub(crate) approval: Approval,
    /// The model that is asked first; none unless configured.
    pub(crate) model: Option<ModelConfig>,
}

impl SettingsSection for GenerationSettings {
    fn declarations() -> Vec<SectionDeclaration> {
        DeclaredGeneration::declarations()
    }

    fn read(reader: &mut SettingsReader) -> Self {
        let declared = DeclaredGeneration::read(reader);
        Self { approval: declared.approval, model: declared.model(reader) }
    }
}

impl GenerationSettings {
    pub(super) fn validate(&self, limits: &LimitSettings, reader: &mut SettingsReader) {
        if let Some(model) = &self.model
            && model.timeout * 3 > limits.request_timeout * 2
        {
            let fault = "must be at most two thirds of limits.request_timeout: the other \
                         generators need the rest when the model fails";
            reader.reject("generation.timeout", fault);
        }
    }
}

impl DeclaredGeneration {
    /// Returns the model, which is configured whole or not at all.
    fn model(self, reader: &mut SettingsReader) -> Option<ModelConfig> {
        let endpoint = self.base_url.as_deref().and_then(|text| {
            let endpoint = Endpoint::parse(text);
            endpoint.map_err(|error| reader.reject("generation.base_url", error)).ok()
        });
        let api_key = self.api_key.as_ref().and_then(|key| {
            let key = ApiKey::parse(key.expose_secret());
            key.map_err(|error| reader.reject("generation.api_key", error)).ok()
        });
        match (&self.base_url, &self.model) {
            (None, Some(_)) => {
                reader.reject("generation.base_url", "is missing, but generation.model is set");
            }
            (Some(_), None) => {
                reader.reject("generation.model", "is missing, but generation.base_url is set");
            }
            (None, None) if self.api_key.is_some() => {
                reader.reject("generation.api_key", "there is no base_url to send it to");
            }
            _ => {}
        }
        if endpoint.as_ref().is_some_and(|endpoint| !endpoint.is_safe()) {
            let rule = "sent only over https or within this machine";
            if self.api_key.is_some() {
                reader.reject("generation.base_url", format_args!("an API key is {rule}"));
            }
            if self.send_samples {
                reader.reject("generation.send_samples", format_args!("row values are {rule}"));
            }
        }
        Some(ModelConfig {
            endpoint: endpoint?,
            model: self.model?,
            api_key,
            attempts: self.attempts,
            timeout: self.timeout,
            send_samples: self.send_samples,
        })
    }
}

fn approval(text: &str) -> Result<Approval, &'static str> {
    match text {
        "none" => Ok(Approval::NotNeeded),
        "required" => Ok(Approval::Required),
        _ => Err("must be `none` or `required`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load;

    #[test]
    fn a_model_is_configured_whole_or_not_at_all() {
        assert!(load("").unwrap().generation.model.is_none());
        assert!(
            load("[generation]\nbase_url = ''\nmodel = ''\n").unwrap().generation.model.is_none()
        );
        let model = |more: &str| {
            load(&format!(
                "[generation]\nmodel = 'qwen'\nbase_url = 'http://127.0.0.1:11434/v1'\n{more}"
            ))
        };
        let local = model("").unwrap().generation.model.unwrap();
        assert_eq!((local.attempts, local.timeout), (3, Duration::from_secs(20)));
        assert!(!local.send_samples && local.api_key.is_none());
        let set = model("attempts = 2\ntimeout = '5s'\nsend_samples = true\napi_key = 'hunter2'\n");
        let set = set.unwrap();
        assert!(!format!("{set:?}").contains("hunter2"));
        let set = set.generation.model.unwrap();
        assert_eq!((set.attempts, set.timeout), (2, Duration::from_secs(5)));
        assert!(set.send_samples && set.api_key.is_some());

        for (toml, fault) in [
            ("base_url = 'http://127.0.0.1/v1'", "generation.model: is missing"),
            ("model = 'qwen'", "generation.base_url: is missing"),
            ("api_key = 'hunter2'", "generation.api_key: there is no base_url"),
            ("model = 'qwen'\nbase_url = 'nowhere'", "generation.base_url: must be an address"),
            (
                "model = 'qwen'\nbase_url = 'https://x:hunter2@a.example'",
                "generation.base_url: must hold neither",
            ),
            (
                "model = 'qwen'\nbase_url = 'http://models.example/v1'\napi_key = 'hunter2'",
                "generation.base_url: an API key is sent only over https",
            ),
            (
                "model = 'qwen'\nbase_url = 'https://a.example'\napi_key = 'hunter2 x'",
                "generation.api_key: must be visible",
            ),
            ("attempts = 0", "generation.attempts: must be at least 1"),
            ("attempts = 11", "generation.attempts: must be at most 10"),
            ("timeout = '0s'", "generation.timeout: must be a time"),
            ("send_samples = 'hunter2'", "generation.send_samples: must be"),
            (
                "model = 'qwen'\nbase_url = 'https://a.example'\ntimeout = '21s'",
                "generation.timeout: must be at most two thirds of limits.request_timeout",
            ),
        ] {
            let faults = load(&format!("[generation]\n{toml}\n")).unwrap_err().to_string();
            assert!(faults.contains(fault), "{fault} is missing in {faults}");
            assert_eq!(faults.lines().count(), 2, "{faults}");
            assert!(!faults.contains("hunter2"), "{faults}");
        }
        let unsealed = "[generation]\nmodel = 'qwen'\nbase_url = 'http://vllm:8000/v1'\n";
        assert!(load(unsealed).unwrap().generation.model.is_some());
    }
}
