//! What a client shows of cookies, and what it keeps of them: a jar, or always the same.

use std::cell::RefCell;
use std::rc::Rc;

use crate::event::{CookieFact, Fact, Flow};
use crate::role::Node;
use crate::role::config::{self, Origin};

mod date;
mod jar;

use jar::Jar;

/// The cookies of a client. Cloning shares them.
#[derive(Clone)]
pub(super) struct Cookies {
    node: Node,
    /// What it shows whomever it asks, in place of those in the jar.
    always: Option<String>,
    /// `None` when it keeps none.
    jar: Option<Rc<RefCell<Jar>>>,
}

impl Cookies {
    pub(super) fn new(node: &Node, config: &config::Browser) -> Self {
        Self {
            node: node.clone(),
            always: config.cookie.clone(),
            jar: config.cookies.then(Rc::default),
        }
    }

    /// The value of the field `Cookie` for a request on `flow`, where it has one.
    pub(super) fn show(&self, flow: Flow, origin: &Origin, target: &str) -> Option<String> {
        if self.always.is_some() {
            return self.always.clone();
        }
        let jar = self.jar.as_ref()?.borrow();
        let cookies = jar.shown(origin, target, self.node.clock.date())?;
        self.node.fact(Fact::Cookie(CookieFact::Shown {
            flow,
            cookies: cookies.clone(),
        }));
        Some(cookies)
    }

    /// Keeps what the fields of a response to a request for `target` set.
    pub(super) fn keep(&self, fields: &[(String, String)], origin: &Origin, target: &str) {
        let Some(jar) = &self.jar else { return };
        let set = fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        for (_, field) in set {
            let now = self.node.clock.date();
            let took = jar.borrow_mut().take(field, origin, target, now);
            self.node.fact(Fact::Cookie(took));
        }
    }
}
