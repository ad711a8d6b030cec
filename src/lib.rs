//! Grantor: an OAuth 2.0 authorization server that decides how long a token lives, and why.
//!
//! Code map, from the inside out (ARCHITECTURE.md tells the story):
//! [`model`] the nouns, [`lifetime`] the policy, [`store`] the only SQL, [`keys`] what signs,
//! [`directory`] what a node knows, [`tokens`] issuing and recognising, [`users`] how users prove who
//! they are, [`grants`] what a request may have, and the edges: [`oauth`] and [`management`].

pub mod app;
pub mod audit;
pub mod background;
pub mod bootstrap;
pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod grants;
pub mod keys;
pub mod lifetime;
pub mod login;
pub mod logout;
pub mod mail;
pub mod management;
pub mod model;
pub mod oauth;
mod openapi;
pub mod renewal;
pub mod router;
pub mod secret;
pub mod serve;
pub mod sessions;
pub mod socket;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod users;
pub mod uses;
pub mod wire;
