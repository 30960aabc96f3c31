//! What is said of DNS messages.

use std::time::Duration;

use super::super::text::zone;
use super::{Ends, end_name, is_alb};
use crate::dissect::message::{Frame, Message};
use crate::lab::plan::Plan;
use crate::units::show_duration;

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
        ("NoError", Some(alias), _) => format!(
            "DNS answer: {name} is an alias of {alias}, whose addresses {from} does not know: the asker goes on with that name."
        ),
        ("NoError", None, Some(below)) => format!(
            "DNS referral: {from} does not know {name}, but whose servers do: those of {}, named here with their addresses.",
            zone(below)
        ),
        ("NoError", None, None) => format!(
            "DNS answer, NODATA: {name} is there, and has no record of this type. The SOA record says how long that may be kept."
        ),
        ("NXDomain", ..) => format!(
            "DNS answer, NXDOMAIN: there is no {name}, nor anything below it. The SOA record says how long that may be kept."
        ),
        ("ServFail", ..) => format!(
            "DNS answer, SERVFAIL: {from} could not find out about {name}. That says nothing about whether it is there."
        ),
        (code, ..) => format!("DNS answer: {code}, no address for {name}."),
    })
}
