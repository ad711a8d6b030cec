//! What a token is for: the APIs that the request names (or does not), and the scopes at them.
//! The rules are those of compatibility.md §6, "several APIs in one token".

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Ground;
use crate::directory::Stance;
use crate::lifetime::ApiTerms;
use crate::model::api::{Api, ClientPolicy, SystemApi, UserPolicy};
use crate::model::application::Application;
use crate::model::audience::Named;
use crate::model::client_grant::{ClientGrant, SubjectType};
use crate::model::refusal::{Code, Refusal, Stop, echo};
use crate::model::scope::Scopes;
use crate::tokens::issue::share_a_form;

/// An API of the token, and what the application may have at it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The API.
    pub api: Arc<Api>,
    /// The scopes that may be had: those of the client grant, or for users where the API wants none, all.
    pub scopes: Scopes,
    /// When the client grant ends, unix seconds.
    pub grant_ends_at: Option<i64>,
}

impl Target {
    fn under(grant: &ClientGrant, api: Arc<Api>) -> Self {
        Self {
            scopes: grant.scopes_at(&api),
            grant_ends_at: grant.expires_at,
            api,
        }
    }

    /// What it means for a lifetime.
    #[must_use]
    pub fn terms(&self, now: i64) -> ApiTerms<'_> {
        ApiTerms {
            identifier: &self.api.identifier,
            system: self.api.system,
            lifetimes: self.api.lifetimes,
            grant_expires_in: self.grant_ends_at.map(|end| end - now),
        }
    }
}

/// Finds the APIs of the token: at least one, or for a user none where none is named and none stands in.
///
/// # Errors
/// `access_denied` for an `audience`, `invalid_target` for a `resource` that is unknown or not
/// granted; `invalid_target` for APIs that cannot share a token; `invalid_request` for too many.
pub async fn find(
    named: &Named,
    application: &Application,
    subject: SubjectType,
    ground: Ground<'_>,
) -> Result<Vec<Target>, Stop> {
    let grants = ground
        .directory
        .client_grants(&application.client_id, Stance::MayBeStale)
        .await?;
    let asked = Asked {
        application,
        grants: &grants,
        subject,
        ground,
    };
    match named {
        Named::None => asked.unnamed().await,
        Named::Audience(audience) => Ok(vec![asked.one(audience, Code::AccessDenied).await?]),
        Named::Resources(resources) => asked.several(resources).await,
    }
}

struct Asked<'a> {
    application: &'a Application,
    grants: &'a [Arc<ClientGrant>],
    subject: SubjectType,
    ground: Ground<'a>,
}

impl Asked<'_> {
    async fn one(&self, audience: &str, code: Code) -> Result<Target, Stop> {
        let Some(api) = self
            .ground
            .directory
            .api(audience, Stance::MayBeStale)
            .await?
        else {
            return Err(self.unknown(audience, code).into());
        };
        let not_granted = || self.not_granted(audience, code);
        Ok(self.at(api).ok_or_else(not_granted)?)
    }

    /// What may be had at an API; `None`: nothing.
    fn at(&self, api: Arc<Api>) -> Option<Target> {
        let needs_grant = match self.subject {
            SubjectType::Client => api.client_policy == ClientPolicy::RequireClientGrant,
            SubjectType::User => match api.user_policy {
                UserPolicy::RequireClientGrant => true,
                UserPolicy::DenyAll => return None,
                UserPolicy::AllowAll => {
                    let defined = api.scopes.iter().map(|scope| scope.value.as_str());
                    return Some(Target {
                        scopes: defined.collect(),
                        grant_ends_at: None,
                        api,
                    });
                }
            },
        };
        let is_for = |grant: &&Arc<ClientGrant>| grant.is_for(&api, self.subject, self.ground.now);
        let grant = self.grants.iter().find(is_for).filter(|_| needs_grant)?;
        Some(Target::under(grant, api))
    }

    async fn several(&self, resources: &[String]) -> Result<Vec<Target>, Stop> {
        let different: BTreeSet<&String> = resources.iter().collect();
        self.check_count(different.len())?;
        let mut targets: Vec<Target> = Vec::with_capacity(resources.len());
        for resource in resources {
            let target = self.one(resource, Code::InvalidTarget).await?;
            if !targets.iter().any(|other| other.api.id == target.api.id) {
                targets.push(target);
            }
        }
        let [first, _, ..] = targets.as_slice() else {
            return Ok(targets);
        };
        if let Some(system) = targets.iter().find(|target| target.api.system.is_some()) {
            return Err(alone(&system.api).into());
        }
        let apis: Vec<_> = targets
            .iter()
            .map(|target| Arc::clone(&target.api))
            .collect();
        if !share_a_form(&apis) {
            let text = format!(
                "'{}' and the other resources differ in signing_alg or token_dialect, or have HS256, so one token cannot serve them; ask for one token each.",
                echo(&first.api.identifier)
            );
            return Err(Refusal::new(Code::InvalidTarget, text).into());
        }
        Ok(targets)
    }

    /// What stands in where no API is named: the tenant's `default_audience`; else every API that the
    /// application is granted.
    async fn unnamed(&self) -> Result<Vec<Target>, Stop> {
        let settings = self.ground.directory.settings(Stance::MayBeStale).await?;
        let Some(audience) = &settings.default_audience else {
            return match self.subject {
                SubjectType::Client => self.every_granted().await,
                // The token is for userinfo only (lifetime.md, The decision).
                SubjectType::User => Ok(Vec::new()),
            };
        };
        match self.one(audience, Code::AccessDenied).await {
            Ok(target) => Ok(vec![target]),
            Err(Stop::Refused(refusal)) => Err(of_default_audience(refusal).into()),
            Err(fault) => Err(fault),
        }
    }

    /// Every API that the application is granted, system APIs excepted, in the order of the grants.
    async fn every_granted(&self) -> Result<Vec<Target>, Stop> {
        let mut targets = Vec::new();
        for grant in self.grants.iter().filter(|grant| self.counts(grant)) {
            let api = self
                .ground
                .directory
                .api(&grant.audience, Stance::MayBeStale)
                .await?;
            if let Some(api) = api.filter(|api| is_open(api, grant)) {
                targets.push(Target::under(grant, api));
            }
        }
        if targets.is_empty() {
            let text = "Missing required parameter: audience (the application is granted no API that could stand in for it).";
            return Err(Refusal::invalid_request(text).into());
        }
        self.check_count(targets.len())?;
        Ok(targets)
    }

    fn counts(&self, grant: &ClientGrant) -> bool {
        grant.subject_type == self.subject && grant.is_live(self.ground.now)
    }

    fn check_count(&self, count: usize) -> Result<(), Refusal> {
        let max = self.ground.apis_per_token_max;
        if count <= max {
            return Ok(());
        }
        Err(Refusal::invalid_request(format!(
            "A token for {count} APIs was asked for; at most {max} share one (tokens.apis_per_token_max). Name those that are needed with 'resource'."
        )))
    }

    /// Auth0's words, and the nearest of the application's own APIs: nobody else's names are told.
    fn unknown(&self, audience: &str, code: Code) -> Refusal {
        let near = self
            .grants
            .iter()
            .map(|grant| grant.audience.as_str())
            .find(|own| is_near(own, audience));
        let hint = near
            .map(|own| format!(" Did you mean '{own}'?"))
            .unwrap_or_default();
        Refusal::new(code, format!("Service not found: {}{hint}", echo(audience)))
    }

    fn not_granted(&self, audience: &str, code: Code) -> Refusal {
        let client_id = &self.application.client_id;
        Refusal::new(
            code,
            format!(
                "Client '{client_id}' is not authorized to access resource server '{}'. You need to create a 'client-grant' associated to this API.",
                echo(audience)
            ),
        )
    }
}

/// Says where an audience came from that the request did not name.
fn of_default_audience(mut refusal: Refusal) -> Refusal {
    refusal
        .description
        .push_str(" The request names no audience, and this is the tenant's default_audience.");
    refusal
}

/// A grant that counts where no API is named: system APIs are always named.
pub(super) fn is_open(api: &Api, grant: &ClientGrant) -> bool {
    api.system.is_none()
        && api.id == grant.api_id
        && api.client_policy == ClientPolicy::RequireClientGrant
}

/// The same but for case, scheme or a last slash: what people get wrong.
fn is_near(own: &str, asked: &str) -> bool {
    let plain = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let rest = lower
            .split_once("://")
            .map_or(lower.as_str(), |(_, rest)| rest);
        rest.trim_end_matches('/').to_owned()
    };
    plain(own) == plain(asked)
}

fn alone(api: &Api) -> Refusal {
    let name = match api.system {
        Some(SystemApi::Mfa) => "The MFA audience",
        _ => "The Management API",
    };
    Refusal::new(
        Code::InvalidTarget,
        format!("{name} never shares a token with another audience."),
    )
}

/// The scopes that the token of an application carries: those asked for, or all that it may have.
///
/// # Errors
/// `invalid_scope` where one is asked for that is not to be had.
pub fn scopes(targets: &[Target], asked: Option<&Scopes>) -> Result<Scopes, Refusal> {
    let carried = shared_scopes(targets);
    let Some(asked) = asked else {
        return Ok(carried);
    };
    match asked.iter().find(|value| !carried.contains(value)) {
        Some(value) => Err(Refusal::new(
            Code::InvalidScope,
            format!("The scope '{}' is not granted to the client.", echo(value)),
        )),
        None => Ok(asked.clone()),
    }
}

/// A scope is carried only if it may be had at every API of the token that defines it.
#[must_use]
pub fn shared_scopes(targets: &[Target]) -> Scopes {
    let is_everywhere = |value: &&str| {
        targets
            .iter()
            .all(|target| !target.api.defines(value) || target.scopes.contains(value))
    };
    let all = targets.iter().flat_map(|target| target.scopes.iter());
    all.filter(is_everywhere).collect()
}
