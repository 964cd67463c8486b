//! `[generation]`: how a sentence becomes a metric, and which model is asked, if any.

use metricd_application::context::Approval;
use metricd_infrastructure::generation::model::{ApiKey, Endpoint, ModelConfig};

use super::{Reader, Secret};

/// `[generation]`
#[derive(Debug, Clone)]
pub(crate) struct GenerationSettings {
    /// `approval`: `required` if such a metric answers nobody before it is approved. Default `none`.
    pub(crate) approval: Approval,
    /// The model that is asked first. Default none.
    ///
    /// - `base_url`: where, up to `/v1`.
    /// - `model`: its name there.
    /// - `api_key`: default none, as local servers want it.
    /// - `attempts`: how many suggestions one sentence is worth. Default 3.
    /// - `timeout`: how long one sentence may take. Default `20s`; at most two thirds of
    ///   `limits.request_timeout`.
    /// - `send_samples`: whether it is told values that stand in rows. Default `false`.
    pub(crate) model: Option<ModelConfig>,
}

/// The most attempts: each is a call that somebody waits for.
const MAX_ATTEMPTS: u32 = 10;

impl Reader {
    pub(super) fn generation(&mut self) -> GenerationSettings {
        GenerationSettings {
            approval: self.parsed("generation.approval", "none", |text| match text {
                "none" => Ok(Approval::NotNeeded),
                "required" => Ok(Approval::Required),
                _ => Err("must be `none` or `required`"),
            }),
            model: self.model(),
        }
    }

    fn model(&mut self) -> Option<ModelConfig> {
        let base_url = self.text("generation.base_url");
        let model = self.text("generation.model");
        let api_key = self.text("generation.api_key").map(Secret);
        let attempts = self.at_least("generation.attempts", 1, 3);
        if attempts > MAX_ATTEMPTS {
            self.faults.push(format!("generation.attempts: must be at most {MAX_ATTEMPTS}"));
        }
        let timeout = self.duration("generation.timeout", "20s");
        let send_samples = self.value("generation.send_samples").unwrap_or(false);

        let endpoint = base_url.as_deref().and_then(|text| {
            let endpoint = Endpoint::parse(text);
            endpoint.map_err(|error| self.faults.push(format!("generation.base_url: {error}"))).ok()
        });
        let key = api_key.as_ref().and_then(|key| {
            let key = ApiKey::parse(key.expose());
            key.map_err(|error| self.faults.push(format!("generation.api_key: {error}"))).ok()
        });
        if base_url.is_some() != model.is_some() {
            let (there, missing) =
                if model.is_some() { ("model", "base_url") } else { ("base_url", "model") };
            self.faults.push(format!("generation.{missing}: is missing, where {there} is given"));
        } else if api_key.is_some() && base_url.is_none() {
            self.faults.push("generation.api_key: there is no base_url to show it to".into());
        }
        if api_key.is_some() && endpoint.as_ref().is_some_and(|endpoint| !endpoint.is_safe()) {
            let why = "a key goes over https, or stays on this machine";
            self.faults.push(format!("generation.base_url: {why}"));
        }
        if send_samples && endpoint.as_ref().is_some_and(|endpoint| !endpoint.is_safe()) {
            let why = "values of rows go over https, or stay on this machine";
            self.faults.push(format!("generation.send_samples: {why}"));
        }
        let (endpoint, model) = (endpoint?, model?);
        Some(ModelConfig { endpoint, model, api_key: key, attempts, timeout, send_samples })
    }

    /// A text that is not empty: an empty variable sets nothing.
    fn text(&mut self, key: &str) -> Option<String> {
        self.value::<String>(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}
