//! Docker hosts: what they say themselves of a container's packets.

use super::came;
use crate::event::{DropCause, TcpDeed, What};
use crate::lab::parse;
use crate::run::Run;

/// The link of the docker host carries less than its bridge. The host drops what the container sends, after it has made
/// it its own, and complains to the container, which knows the connection by its own address and port.
#[test]
fn a_container_hears_of_its_own_host_that_packets_are_too_large() {
    let source = "title = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
         subnet = { home = \"203.192.1.0/24\", apps = \"10.0.2.0/24\" }\n\
         router.vpc = { subnets = [\"home\", \"apps\"], mss-clamp = false }\n\
         link.host = { between = [\"vpc\", \"host\"], delay = \"1 ms\", mtu = 1400 }\n\
         authority.root = { root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }\n\
         step = [{ user = { get = \"http://10.0.2.21:32768/page\" } }]\n\
         [node.user]\naddress.home = \"203.192.1.50\"\nbrowser.trust = [\"root\"]\n\
         [node.host]\naddress.apps = \"10.0.2.21\"\n\
         docker = { bridge = \"172.17.0.1/16\", publish = [{ port = 32768, container = \"web\", to = 8080 }] }\n\
         [node.web]\ncontainer = { on = \"host\", address = \"172.17.0.2\" }\n\
         app = { port = 8080, route.\"/page\" = { size = \"6 kB\" } }\n";
    let plan = parse("t.toml", source).unwrap_or_else(|e| panic!("{e:?}"));
    let outcome = Run::new(&plan, 1).without_packets().execute().unwrap();
    let when = |node: &str, is: fn(&What) -> bool| {
        let mut all = outcome.events.iter();
        let found = all.find(|e| e.node.as_str() == node && is(&e.what));
        found.map(|e| e.at)
    };
    let too_big = |what: &What| {
        let cause = DropCause::TooBig;
        matches!(what, What::Dropped { cause: c, .. } if *c == cause)
    };
    let dropped = when("host", too_big).expect("the host drops some");
    let learnt = |what: &What| {
        let deed = TcpDeed::PathMtu { mtu: 1_400 };
        matches!(what, What::Tcp { deed: d, .. } if *d == deed)
    };
    // At once: the bridge takes no time, and the complaint does not go out to the host's own address first.
    assert_eq!(when("web", learnt), Some(dropped));
    let came = came(&outcome);
    assert_eq!(came.len(), 1, "{came:?}");
    assert_eq!(came[0].1, "200 6000");
}
