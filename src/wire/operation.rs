//! What an endpoint takes and gives, beside its handler: who may call it, the tables of its query
//! and body, and its answers. The router and the OpenAPI document are made of the same list.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::schema::Tables;
use crate::app::App;

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Operation {
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    /// Who may call it.
    pub(crate) access: Access,
    /// The parameters of the query string.
    pub(crate) query: Tables,
    /// The members of the body.
    pub(crate) body: Body,
    /// What it answers where it succeeds.
    pub(crate) answer: Answer,
    /// The statuses of what it refuses, beside those that follow from access, query and body.
    pub(crate) refuses: &'static [u16],
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// An application with its own credentials (RFC 6749 §2.3).
    Application,
    /// Either of an application or a Management token with this scope.
    ApplicationOr(&'static str),
    /// An access token of a user's, with the scope `openid`.
    User,
    /// A Management token with any of these scopes.
    AnyOf(&'static [&'static str]),
    /// A Management token with all of these scopes.
    AllOf(&'static [&'static str]),
}

impl Access {
    /// The scopes of which one is needed, or all.
    pub(crate) fn scopes(&self) -> &[&'static str] {
        match self {
            Self::Open | Self::Application | Self::User => &[],
            Self::ApplicationOr(scope) => std::slice::from_ref(scope),
            Self::AnyOf(scopes) | Self::AllOf(scopes) => scopes,
        }
    }
}

/// What a request carries beside its head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// Nothing that anybody reads.
    None,
    /// A form or JSON; all of it may be left out.
    Optional(Tables),
    /// A form or JSON.
    Fields(Tables),
    /// A form with a file in it (RFC 7578): the file's name, and what stands beside it.
    Upload(&'static str, Tables),
    /// A form or JSON of a protocol endpoint, where what is unknown is ignored (RFC 6749 §3.2).
    Parameters(Tables),
}

impl Body {
    /// The tables of the body.
    pub(crate) const fn tables(self) -> Tables {
        match self {
            Self::None => &[],
            Self::Upload(_, tables)
            | Self::Optional(tables)
            | Self::Fields(tables)
            | Self::Parameters(tables) => tables,
        }
    }
}

/// What an operation answers where it succeeds: status and shape.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// A status without a body.
    Empty(u16),
    /// An object with members of these tables.
    One(u16, Tables),
    /// An array of such objects.
    List(Tables),
    /// A page: an array, or an object with the collection under this name.
    Page(&'static str, Tables),
    /// JSON of another kind: an OpenAPI document, a number.
    Json(&'static str),
    /// A page for people; what it refuses is a page, too.
    Html,
    /// The same, or a redirect to where they go on.
    HtmlOrRedirect,
    /// A file that pages load; where there is none, a page.
    File,
}

impl Answer {
    /// The status of success.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Empty(status) | Self::One(status, _) => status,
            Self::List(_)
            | Self::Page(..)
            | Self::Json(_)
            | Self::Html
            | Self::HtmlOrRedirect
            | Self::File => 200,
        }
    }

    /// Whether people see it, in a browser.
    pub(crate) const fn is_for_people(self) -> bool {
        matches!(self, Self::Html | Self::HtmlOrRedirect | Self::File)
    }
}

impl Operation {
    /// What most operations share.
    pub(crate) const DEFAULT: Self = Self {
        summary: "",
        access: Access::Open,
        query: &[],
        body: Body::None,
        answer: Answer::Empty(200),
        refuses: &[],
    };
}

/// A line of the list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) operation: &'static Operation,
}

/// Routes with what they take and give.
pub(crate) struct Routes {
    pub(crate) router: Router<Arc<App>>,
    pub(crate) listed: Vec<Listed>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            router: Router::new(),
            listed: Vec::new(),
        }
    }

    /// A route that reads.
    pub(crate) fn get<H, T>(self, path: &str, handler: H, operation: &'static Operation) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.route(
            Method::GET,
            path,
            (on(MethodFilter::GET, handler), operation),
        )
    }

    /// A route that makes something, or does something.
    pub(crate) fn post<H, T>(self, path: &str, handler: H, operation: &'static Operation) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let on = on(MethodFilter::POST, handler);
        self.route(Method::POST, path, (on, operation))
    }

    /// A route that changes something.
    pub(crate) fn patch<H, T>(self, path: &str, handler: H, operation: &'static Operation) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let on = on(MethodFilter::PATCH, handler);
        self.route(Method::PATCH, path, (on, operation))
    }

    /// A route that does something of which the second time changes nothing.
    pub(crate) fn put<H, T>(self, path: &str, handler: H, operation: &'static Operation) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.route(
            Method::PUT,
            path,
            (on(MethodFilter::PUT, handler), operation),
        )
    }

    /// A route that takes something away.
    pub(crate) fn delete<H, T>(self, path: &str, handler: H, operation: &'static Operation) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let on = on(MethodFilter::DELETE, handler);
        self.route(Method::DELETE, path, (on, operation))
    }

    /// Puts all of `other` below a path.
    pub(crate) fn nest(mut self, path: &str, other: Self) -> Self {
        let below = other.listed.into_iter().map(|listed| Listed {
            path: format!("{path}{}", listed.path),
            ..listed
        });
        self.listed.extend(below);
        self.router = self.router.nest(path, other.router);
        self
    }

    /// Adds other routes.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.listed.extend(other.listed);
        self.router = self.router.merge(other.router);
        self
    }

    fn route(
        mut self,
        method: Method,
        path: &str,
        (on, operation): (MethodRouter<Arc<App>>, &'static Operation),
    ) -> Self {
        self.router = self.router.route(path, on);
        self.listed.push(Listed {
            method,
            path: path.to_owned(),
            operation,
        });
        self
    }
}
