//! What is said of DNS messages.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::text::zone;
use super::{Ends, end_name, is_alb};
use crate::dissect::message::{Frame, Message};
use crate::event::{Event, Fact, What};
use crate::lab::plan::Plan;
use crate::units::show_duration;

/// What clients are finding out.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    /// By client and name: how many look-ups go on.
    open: BTreeMap<(String, String), usize>,
}

impl LookUps {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Fact(fact) = &event.what else {
            return;
        };
        let key = |name: &str| (event.node.to_string(), name.to_owned());
        if let Fact::LookupSent { name } = fact {
            *self.open.entry(key(name)).or_default() += 1;
        }
        if let Fact::LookupAnswered { name, .. } | Fact::LookupFailed { name, .. } = fact
            && let Some(open) = self.open.get_mut(&key(name))
        {
            *open = open.saturating_sub(1);
        }
    }

    /// Whether an answer about a name comes to a client that has asked for it, and has done with that.
    pub(super) fn late(&self, client: &str, name: &str) -> bool {
        let open = self.open.get(&(client.to_owned(), name.to_owned()));
        open == Some(&0)
    }
}

/// An answer that nobody waits for.
pub(super) fn late(name: &str, Ends { from, to, .. }: &Ends) -> String {
    format!(
        "DNS answer, late: {to} waits for {from} no longer, the look-up of {name} is over. The port is closed, and what comes is \
         thrown away."
    )
}

/// A query for records of a type; `again`: how long ago the same one was asked first.
pub(super) fn query(
    (name, kind): (&str, &str),
    frame: &Frame,
    ends: &Ends,
    again: Option<Duration>,
) -> String {
    let Ends { from, to, .. } = ends;
    let what = match kind {
        "A" => format!("the address of {name}"),
        "AAAA" => format!("the IPv6 address of {name}"),
        _ => format!("the {kind} records of {name}"),
    };
    if let Some(after) = again.map(show_duration) {
        return format!(
            "DNS query, asked again: {from} has no answer of {to} about {name} {after} after the first time."
        );
    }
    if frame.tcp.is_some() {
        return format!(
            "DNS query by TCP: {from} asks {to} for {what}, in a connection, where an answer may have any size."
        );
    }
    format!(
        "DNS query: {from} asks {to} for {what}. It is not encrypted: anyone on the path reads the name."
    )
}

/// An answer.
pub(super) fn answer(plan: &Plan, message: &Message, ends: &Ends) -> Option<String> {
    let Message::DnsAnswer {
        name,
        addresses,
        aliases,
        referral,
        truncated,
        response_code,
    } = message
    else {
        return None;
    };
    let Ends { from, to, .. } = ends;
    if *truncated {
        return Some(format!(
            "DNS answer, truncated: what {from} knows of {name} does not fit into a datagram that {to} takes. TC says so, and the \
             question is to be asked again by TCP."
        ));
    }
    let through = match aliases.last() {
        Some(alias) => format!(", an alias of {alias},"),
        None => String::new(),
    };
    if !addresses.is_empty() {
        let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let to_alb = addresses.iter().all(|a| is_alb(plan, &end_name(plan, *a)));
        let whose = if to_alb {
            " That is the load balancer, not the application."
        } else {
            ""
        };
        return Some(format!(
            "DNS answer: {name}{through} is at {}.{whose}",
            all.join(", ")
        ));
    }
    Some(match (response_code.as_str(), aliases.last(), referral) {
        ("NOERROR", Some(alias), _) => format!(
            "DNS answer: {name} is an alias of {alias}, whose addresses {from} does not know: the asker goes on with that name."
        ),
        ("NOERROR", None, Some(below)) => format!(
            "DNS referral: {from} does not know {name}, but whose servers do: those of {}, named here with their addresses.",
            zone(below)
        ),
        ("NOERROR", None, None) => format!(
            "DNS answer, NODATA: {name} is there, and has no record of this type. The SOA record says how long that may be kept."
        ),
        ("NXDOMAIN", ..) => format!(
            "DNS answer, NXDOMAIN: there is no {name}, nor anything below it. The SOA record says how long that may be kept."
        ),
        ("SERVFAIL", ..) => format!(
            "DNS answer, SERVFAIL: {from} could not find out about {name}. That says nothing about whether it is there."
        ),
        (code, ..) => format!("DNS answer: {code}, no address for {name}."),
    })
}
