//! DNS in a few words.

use std::net::IpAddr;

use crate::dissect::message::Message;

/// What an answer says first of all: addresses, else where to go on, else that there is nothing.
pub(super) fn answer(message: &Message) -> Option<String> {
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
    if *truncated {
        return Some(format!("truncated {name}"));
    }
    if let Some(first) = addresses.first() {
        let kind = match first {
            IpAddr::V4(_) => "A",
            IpAddr::V6(_) => "AAAA",
        };
        let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        return Some(format!("{kind} {}", all.join(", ")));
    }
    if response_code != "NOERROR" {
        return Some(format!("{response_code} {name}"));
    }
    Some(match (aliases.last(), referral) {
        (Some(alias), _) => format!("CNAME {alias}"),
        (None, Some(zone)) => format!("referral to {}", super::super::text::zone(zone)),
        (None, None) => format!("NODATA {name}"),
    })
}
