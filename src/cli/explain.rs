//! `grantor explain`: the lifetime policy's answer in words, from the store alone.

use std::io::Write;

use clap::Args;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, StoreUrl};
use crate::grants::explain::{Explanation, Flow, Question, Unnamed, explain, unnamed};
use crate::lifetime;
use crate::model::api::Api;
use crate::model::application::Application;
use crate::model::issuer::Issuer;
use crate::store::{self, Conn, Store};

/// What to explain.
#[derive(Args)]
pub(super) struct Arguments {
    /// The API's identifier; several for one token of several APIs; none for what the client gets
    /// that names none
    #[arg(long, required_unless_present = "client", value_name = "IDENTIFIER")]
    api: Vec<String>,
    /// The application
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Its secret, by id [default: the one that lives longest]
    #[arg(long, value_name = "SECRET_ID")]
    secret: Option<String>,
    /// How the token is come by
    #[arg(long, default_value = "client_credentials", value_parser = parse_flow)]
    flow: Flow,
    /// Seconds that the request asks for; negative: a token that never expires
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    validity_period: Option<String>,
    /// The authorization request is pushed
    #[arg(long)]
    pushed: bool,
}

fn parse_flow(text: &str) -> Result<Flow, String> {
    Flow::parse(text).ok_or_else(|| format!("one of {}", Flow::ALL.map(Flow::as_str).join(", ")))
}

pub(super) async fn run(asked: &Arguments, config: &Config) -> Result<(), Failure> {
    if let StoreUrl::Sqlite { path } = &config.store.url
        && !path.exists()
    {
        let path = path.display();
        return Err(Failure::Asked(format!(
            "there is no store at {path}; `grantor serve` makes it"
        )));
    }
    let store = Store::open(&config.store, &Issuer::new(config.issuer.clone()))?;
    let mut conn = store.read().await?;
    let now = Clock::real().now();
    let question = asked
        .question(&mut conn, config.tokens.apis_per_token_max, now)
        .await?;
    let explanation = explain(&question, &config.lifetimes, &mut conn, now).await?;
    drop(conn);
    store.close().await;
    print(&explanation)?;
    Ok(())
}

impl Arguments {
    async fn question(
        &self,
        conn: &mut Conn,
        apis_max: usize,
        now: i64,
    ) -> Result<Question, Failure> {
        let wrong = Failure::Asked;
        let mut apis = Vec::new();
        for identifier in &self.api {
            let api = store::apis::by_identifier(conn, identifier).await?;
            apis.push(api.ok_or_else(|| wrong(format!("there is no API '{identifier}'")))?);
        }
        let application = match &self.client {
            None => None,
            Some(client_id) => {
                let found = store::applications::get(conn, client_id).await?;
                Some(found.ok_or_else(|| wrong(format!("there is no application '{client_id}'")))?)
            }
        };
        if let (true, Some(application)) = (apis.is_empty(), &application) {
            apis = self.unnamed(application, conn, now).await?;
        }
        let validity_period = match &self.validity_period {
            None => None,
            Some(text) => Some(
                lifetime::parse_seconds(text)
                    .map_err(|why| wrong(format!("--validity-period: {why}")))?,
            ),
        };
        let (secret_id, flow, pushed) = (self.secret.clone(), self.flow, self.pushed);
        let question = Question {
            apis,
            application,
            secret_id,
            flow,
            validity_period,
            pushed,
        };
        question
            .checked(apis_max)
            .map_err(|why| wrong(why.to_string()))
    }

    /// The APIs of a request that names none, and a line that says why it is these.
    async fn unnamed(
        &self,
        application: &Application,
        conn: &mut Conn,
        now: i64,
    ) -> Result<Vec<Api>, Failure> {
        if self.flow != Flow::ClientCredentials {
            let text = "name an API with --api; only client_credentials goes without";
            return Err(Failure::Asked(text.to_owned()));
        }
        let (why, apis) = match unnamed(application, conn, now).await? {
            Unnamed::Default(api) => ("the tenant's default_audience", vec![*api]),
            Unnamed::Granted(apis) => ("every API that the application is granted", apis),
        };
        if apis.is_empty() {
            let text = "the application is granted no API, so a token request has to name one";
            return Err(Failure::Asked(text.to_owned()));
        }
        let names: Vec<_> = apis.iter().map(|api| api.identifier.as_str()).collect();
        writeln!(
            std::io::stdout(),
            "no API named: {why}, {}",
            names.join(" ")
        )?;
        Ok(apis)
    }
}

fn print(explanation: &Explanation) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let decision = &explanation.decision;
    for (step, text) in decision.trace.iter().zip(&explanation.texts) {
        writeln!(out, "  {:<22} {text}", step.rule.as_str())?;
    }
    writeln!(
        out,
        "lifetime: {} (rule: {})",
        decision.lifetime,
        decision.rule.as_str()
    )?;
    if let Some(refused) = explanation.refused {
        writeln!(out, "but a token request would be refused: {refused}")?;
    }
    Ok(())
}
