//! HTTP applications.

use std::collections::BTreeMap;
use std::time::Duration;

/// An HTTP application.
#[derive(Debug, Clone)]
pub struct App {
    /// Where it listens.
    pub port: u16,
    /// How long it works on a request.
    pub takes: Duration,
    /// What it answers, by path; other paths get 404.
    pub routes: BTreeMap<String, Reply>,
}

/// An answer of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// As in 200.
    pub status: u16,
    /// As in `application/json`.
    pub content_type: String,
    /// The body.
    pub body: String,
}
