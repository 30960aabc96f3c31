//! Pings: what comes back, and what is told when nothing does.

use crate::event::{Fact, PingFact, What};
use crate::lab::parse;
use crate::run::{Outcome, Run};
use crate::world::Ended;

/// A user who pings a web server two routers away, 11 ms one way; the link between the routers carries 1400 bytes.
fn pinging(keys: &str, web: &str) -> Outcome {
    let source = format!(
        "title = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
         subnet = {{ home = \"203.192.1.0/24\", away = \"203.192.2.0/24\" }}\n\
         router.near = {{ subnets = [\"home\"], mss-clamp = false }}\n\
         router.far = {{ subnets = [\"away\"], mss-clamp = false }}\n\
         link.user = {{ between = [\"user\", \"near\"], delay = \"1 ms\" }}\n\
         link.middle = {{ between = [\"near\", \"far\"], delay = \"10 ms\", mtu = 1400 }}\n\
         authority.root = {{ root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }}\n\
         step = [{{ user = {{ ping = {{ {keys} }} }} }}]\n\
         [node.user]\naddress.home = \"203.192.1.50\"\nbrowser.trust = [\"root\"]\n\
         [node.web]\naddress.away = \"203.192.2.60\"\napp.port = 80\n{web}\n"
    );
    let plan = parse("t.toml", &source).unwrap_or_else(|e| panic!("{e:?}"));
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    assert_eq!(outcome.end, Ended::Quiet);
    outcome
}

/// What the user was told, without the identifier, which any will do for.
fn told(outcome: &Outcome) -> Vec<String> {
    let facts = outcome.events.iter().filter_map(|e| match &e.what {
        What::Fact(Fact::Ping(PingFact::Sent { .. })) => None,
        What::Fact(Fact::Ping(fact)) => Some(fact.to_string()),
        What::Fact(Fact::StepFailed { error }) => Some(error.clone()),
        _ => None,
    });
    facts.collect()
}

#[test]
fn replies_bring_the_data_back_a_round_trip_later() {
    let outcome = pinging("to = \"203.192.2.60\", count = 2, every = \"5 ms\"", "");
    assert_eq!(
        told(&outcome),
        [
            "echo reply 1 from 203.192.2.60 after 22 ms, TTL 62",
            "echo reply 2 from 203.192.2.60 after 22 ms, TTL 62",
            "ping 203.192.2.60: 2 sent, 2 received, round trip 22 ms",
        ]
    );
    let empty = pinging("to = \"203.192.2.60\", size = 0", "");
    assert_eq!(told(&empty).len(), 2, "no data at all");
}

#[test]
fn routers_say_why_it_went_no_further() {
    let expired = pinging("to = \"203.192.2.60\", ttl = 1", "");
    assert_eq!(
        told(&expired),
        [
            "echo request 1: 203.192.1.1 says time exceeded in transit",
            "ping 203.192.2.60: 1 sent, 0 received, 1 error",
            "ping 203.192.2.60: none of 1 answered: time exceeded in transit",
        ]
    );
    let nowhere = pinging("to = \"192.0.2.1\"", "");
    let told = told(&nowhere);
    assert_eq!(
        told[0],
        "echo request 1: 203.192.1.1 says network unreachable"
    );
}

/// Path MTU Discovery: the first is refused by the router, and the next one does not even leave.
#[test]
fn what_is_too_large_is_refused_on_the_way_and_then_at_once() {
    let keys = "to = \"203.192.2.60\", count = 2, size = 1400";
    let outcome = pinging(keys, "");
    assert_eq!(
        told(&outcome),
        [
            "echo request 1: 203.192.1.1 says fragmentation needed, MTU 1400",
            "ping 203.192.2.60: echo request 2 cannot leave: message too long, MTU 1400",
            "ping 203.192.2.60: 1 sent, 0 received, 2 errors",
            "ping 203.192.2.60: none of 2 answered: message too long, MTU 1400",
        ]
    );
    let fits = pinging("to = \"203.192.2.60\", size = 1372", "");
    assert_eq!(
        told(&fits)[0],
        "echo reply 1 from 203.192.2.60 after 22 ms, TTL 62"
    );
    let never = pinging("to = \"203.192.2.60\", size = 1473", "");
    let why = "ping 203.192.2.60: echo request 1 cannot leave: message too long, MTU 1500";
    assert_eq!(told(&never)[0], why);
}

#[test]
fn silence_is_waited_out() {
    let rule = "{ protocol = \"tcp\", port = 80, source = \"0.0.0.0/0\" }";
    let web = format!("security-groups = [\"web\"]\n[security-group.web]\ninbound = [{rule}]");
    let outcome = pinging("to = \"203.192.2.60\", timeout = \"300 ms\"", &web);
    assert_eq!(
        told(&outcome),
        [
            "echo request 1 to 203.192.2.60: nothing came within 300 ms",
            "ping 203.192.2.60: 1 sent, 0 received",
            "ping 203.192.2.60: none of 1 answered: nothing came back",
        ]
    );
}
