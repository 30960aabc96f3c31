//! From a request's head to what becomes of it: the rule it meets, and with `forward` the target group and the target.
//! A client with a valid cookie stays where it was.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::choose::pick;
use super::group::{Chosen, Group, NoTarget, Place};
use super::rule::{Answer, RequestView, decide};
use super::sticky::{self, Cookies};
use crate::event::{Balancing, Fact, Flow};
use crate::role::Node;
use crate::role::config::{
    Action, Alb, Forward, Listener, Stickiness, StickinessKind, TargetGroup,
};
use crate::tls::client::ClientSetup;

/// The target groups of one node of a load balancer, by name.
pub(super) type Groups = BTreeMap<String, Rc<Group>>;

/// Registers the targets of all groups. `behind` is how TLS is spoken with those of each group that want it.
pub(super) fn groups(
    node: &Node,
    config: &Alb,
    behind: &BTreeMap<String, Rc<ClientSetup>>,
) -> Groups {
    let start = |group: &TargetGroup, in_use| {
        let at = Place {
            zone: config.zone.clone(),
            zones: config.zones.clone(),
            in_use,
        };
        let tls = behind.get(&group.name).cloned();
        let started = Group::start(node.clone(), group.clone(), tls, at);
        (group.name.clone(), started)
    };
    let used = config.target_groups.iter().map(|g| start(g, true));
    let unused = config.unused_groups.iter().map(|g| start(g, false));
    used.chain(unused).collect()
}

/// The rules of a listener at work.
pub(super) struct Router {
    node: Node,
    listener: Listener,
    groups: Groups,
    cookies: Cookies,
}

/// What was decided about a request.
pub(super) struct Decision {
    /// The number of the rule that it met; `None` is the default one.
    pub(super) priority: Option<u16>,
    /// What the rule does, as access logs call it.
    pub(super) action: &'static str,
    pub(super) routed: Routed,
}

/// What becomes of a request.
pub(super) enum Routed {
    /// A target gets it.
    To(Destination),
    /// The load balancer answers as a rule says.
    Answered(Answer),
    /// There is nobody to get it: 503. The target group that was chosen comes with it.
    Nowhere(Option<String>),
}

/// Where a request goes, and what its response is to say of that.
pub(super) struct Destination {
    pub(super) chosen: Chosen,
    pub(super) group: Rc<Group>,
    group_lasts: Option<u64>,
    /// The client showed both cookies of a session, whatever became of its target.
    has_session: bool,
}

impl Router {
    /// # Errors
    /// When a rule names a target group that there is not.
    pub(super) fn new(
        node: &Node,
        config: &Alb,
        listener: &Listener,
        groups: &Groups,
    ) -> io::Result<Self> {
        if !listener.groups().all(|g| groups.contains_key(g)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            node: node.clone(),
            listener: listener.clone(),
            groups: groups.clone(),
            cookies: Cookies::new(node, &config.name),
        })
    }

    /// Decides about a request that came in on `flow`.
    pub(super) fn route(&self, flow: Flow, view: &RequestView<'_>) -> Decision {
        let listener = &self.listener;
        let rule = decide(&listener.rules, view);
        let priority = rule.map(|r| r.priority);
        let action = rule.map_or(&listener.default, |r| &r.action);
        let met = |action: String| {
            if !listener.rules.is_empty() {
                self.node.fact(Fact::Balancing(Balancing::RuleMet {
                    flow,
                    priority,
                    action,
                }));
            }
        };
        let routed = match action {
            Action::FixedResponse(fixed) => {
                met(format!("fixed response {}", fixed.status));
                Routed::Answered(Answer::fixed(fixed))
            }
            Action::Redirect(redirect) => {
                let https = listener.tls.is_some();
                let answer = Answer::redirect(redirect, view, https, listener.port);
                met(match &answer.location {
                    Some(location) => format!("redirect {} to {location}", answer.status),
                    None => "the URL to redirect to is too long".to_owned(),
                });
                Routed::Answered(answer)
            }
            Action::Forward(forward) => self.forward(forward, view, met),
        };
        Decision {
            priority,
            action: action.word(),
            routed,
        }
    }

    fn forward(&self, forward: &Forward, view: &RequestView<'_>, met: impl Fn(String)) -> Routed {
        let Some((group, stays)) = self.group(forward, view) else {
            return Routed::Nowhere(None);
        };
        let how = match (forward.groups.len(), stays) {
            (1, _) => "",
            (_, true) => ", by its cookie",
            (_, false) => ", by weight",
        };
        met(format!("forward to {}{how}", group.config.name));
        match self.target(group, view) {
            Ok((chosen, has_session)) => Routed::To(Destination {
                chosen,
                group: group.clone(),
                group_lasts: forward.stickiness.map(|d| d.as_secs()),
                has_session,
            }),
            Err(NoTarget) => Routed::Nowhere(Some(group.config.name.clone())),
        }
    }

    /// The target group, and whether the client stays with it.
    fn group(&self, forward: &Forward, view: &RequestView<'_>) -> Option<(&Rc<Group>, bool)> {
        if let [only] = &forward.groups[..] {
            return Some((self.groups.get(&only.group)?, false));
        }
        if forward.stickiness.is_some()
            && let Some(name) = self.cookie(view, "AWSALBTG")
            && forward.groups.iter().any(|g| g.group.as_bytes() == name)
        {
            let name = String::from_utf8(name).ok()?;
            return Some((self.groups.get(&name)?, true));
        }
        let shares = || forward.groups.iter().map(|g| u64::from(g.weight));
        let mut random = [0; 8];
        self.node.chance.fill("target group", &mut random);
        let all: u64 = shares().sum();
        let index = pick(shares(), u64::from_le_bytes(random) % all.max(1))?;
        Some((self.groups.get(&forward.groups[index].group)?, false))
    }

    /// The target, and whether the application's cookie brought the client there.
    fn target(
        &self,
        group: &Rc<Group>,
        view: &RequestView<'_>,
    ) -> Result<(Chosen, bool), NoTarget> {
        let wanted = group.config.stickiness.as_ref().and_then(|s| {
            let content = match &s.kind {
                StickinessKind::LoadBalancer => self.cookie(view, "AWSALB"),
                // Both must come back: the application's own says that the session goes on.
                StickinessKind::Application(name) => {
                    let own = sticky::sent(view.values("cookie"), name);
                    own.first().and_then(|_| self.cookie(view, "AWSALBAPP-0"))
                }
            };
            sticky::address_of(&content?)
        });
        let chosen = group.choose(wanted)?;
        Ok((chosen, wanted.is_some()))
    }

    /// What the first valid cookie called `name`, or its twin, says.
    fn cookie(&self, view: &RequestView<'_>, name: &str) -> Option<Vec<u8>> {
        let twin = format!("{name}CORS");
        let mut values = sticky::sent(view.values("cookie"), name);
        values.extend(sticky::sent(view.values("cookie"), &twin));
        values.into_iter().find_map(|v| self.cookies.read(v))
    }

    /// The `Set-Cookie` fields that the load balancer adds to the response of `to`, which has these of its own.
    pub(super) fn set_cookies<'a>(
        &self,
        to: &Destination,
        mut own: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<String> {
        let mut cookies = Vec::new();
        if let Some(lasts) = to.group_lasts {
            let name = to.group.config.name.as_bytes();
            cookies.extend(self.cookies.pair("AWSALBTG", name, lasts));
        }
        let address = sticky::address_bytes(to.chosen.address);
        match &to.group.config.stickiness {
            None => {}
            Some(Stickiness {
                kind: StickinessKind::LoadBalancer,
                lasts,
            }) => cookies.extend(self.cookies.pair("AWSALB", &address, lasts.as_secs())),
            Some(Stickiness {
                kind: StickinessKind::Application(name),
                lasts,
            }) => {
                let begins = own.any(|field| sticky::sets(field, name));
                // Each response of a session counts its time anew, and says where it goes on.
                let value = if begins || to.has_session {
                    self.cookies.write(&address, lasts.as_secs())
                } else {
                    None
                };
                cookies.extend(self.application_cookies(value.as_deref()));
            }
        }
        cookies
    }

    /// The value is in the first of four, which AWS cuts longer ones into; what is not needed is taken back.
    fn application_cookies(&self, value: Option<&str>) -> [String; 4] {
        const TAKEN_BACK: &str = "_remove_";
        [0, 1, 2, 3].map(|n| {
            let value = value.filter(|_| n == 0).unwrap_or(TAKEN_BACK);
            self.cookies.set(&format!("AWSALBAPP-{n}"), value, "")
        })
    }
}
