//! Internet gateways, public addresses, MTUs and availability zones as lab files have them.

use std::net::IpAddr;
use std::time::Duration;

use super::{lines, mistakes, plan, small};

const CLOUD: &str = r#"
subnet.public = { range = "10.0.0.0/24", mtu = 9001 }
subnet.private = "10.0.1.0/24"
router.vpc.subnets = ["public", "private"]
internet-gateway.igw = { vpc = "vpc", internet = "internet" }
"#;

#[test]
fn a_gateway_stands_between_two_routers_and_knows_public_addresses() {
    let plan = plan(&small(&format!(
        r#"{CLOUD}
node.api.address = {{ private = "10.0.1.10", public = "10.0.0.10" }}
node.api.public-address = "198.51.100.10"
node.ec2.address.public = "10.0.0.11"
node.ec2.public-address = "198.51.100.11"
node.ec2.mtu = 1400
node.ec2.docker.bridge = "172.17.0.1/16"
node.nat.address.public = "10.0.0.20"
node.nat.public-address = "198.51.100.20"
node.nat.nat-gateway = {{}}
[route-table.public]
subnets = ["public"]
routes = {{ "0.0.0.0/0" = "igw" }}
[link.edge]
between = ["igw", "internet"]
delay = "1 ms"
"#
    )));
    let topology = &plan.topology;
    let nic = |name: &str| {
        let nics = &topology.nics;
        nics.iter().position(|n| n.name.as_str() == name).unwrap()
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let gateway = &topology.vpc.internet_gateways[0];
    assert_eq!(gateway.inside, nic("igw-vpc"));
    assert_eq!(gateway.outside, nic("igw-internet"));
    assert_eq!(
        gateway.public,
        [
            (nic("api-private"), ip("198.51.100.10")),
            (nic("ec2-eth0"), ip("198.51.100.11")),
            (nic("nat0"), ip("198.51.100.20")),
        ]
    );
    let nat = topology.vpc.nat_gateways[0];
    assert_eq!((nat.inside, nat.outside), (nic("nat0"), nic("nat0")));
    // Who has the address on the Internet is found by it, and the Internet's router knows the way.
    assert_eq!(
        topology.node_with(ip("198.51.100.11")),
        topology.node("ec2")
    );
    let routes = |node: &str| &topology.nodes[topology.node(node).unwrap()].routes;
    let to_api = routes("internet")
        .iter()
        .find(|r| r.to.contains(ip("198.51.100.10")));
    assert_eq!(to_api.unwrap().nic, nic("internet-igw"));
    let out = routes("vpc")
        .iter()
        .find(|r| r.to.contains(ip("203.192.1.50")));
    assert_eq!(out, None, "route tables alone lead out");
    let mtu = |name: &str| {
        let end = nic(name);
        let mut links = topology.links.iter();
        links.find(|l| l.ends.contains(&end)).unwrap().mtu
    };
    let mtus = [
        "user0",
        "api-public",
        "api-private",
        "ec2-eth0",
        "igw-vpc",
        "igw-internet",
    ]
    .map(mtu);
    assert_eq!(mtus, [1_500, 9_001, 1_500, 1_400, 9_001, 1_500]);
    assert!(plan.why_virtual_only().unwrap().contains("route tables"));
}

#[test]
fn mistakes_about_gateways_are_all_told() {
    let errors = mistakes(&small(&format!(
        r#"{CLOUD}
internet-gateway.none = {{ vpc = "user", internet = "internt" }}
internet-gateway.round = {{ vpc = "vpc", internet = "vpc", mtu = 60 }}
internet-gateway.circle = {{ vpc = "vpc", internet = "vpc" }}
node.user.public-address = "198.51.100.1"
node.a.address.public = "10.0.0.11"
node.a.public-address = "10.9.9.9"
node.b.address.public = "10.0.0.12"
node.b.public-address = "203.192.1.77"
node.c.address.public = "10.0.0.13"
node.c.public-address = "198.51.100.13"
node.d.address.public = "10.0.0.14"
node.d.public-address = "198.51.100.13"
node.d.mtu = "9001"
subnet.more = {{ mtu = 9001, rnge = "10.0.7.0/24" }}
[route-table.home]
subnets = ["home"]
routes = {{ "0.0.0.0/0" = "igw" }}
"#
    )));
    insta::assert_snapshot!(lines(&errors));
}

#[test]
fn machines_are_in_the_zones_of_their_subnets() {
    let plan = plan(&small(
        r#"
subnet.a = { range = "10.0.1.0/24", az = "eu-1a" }
subnet.b = { range = "10.0.2.0/24", az = "eu-1b" }
router.vpc.subnets = ["a", "b"]
node.db.address.b = "10.0.2.10"
node.api.address = { a = "10.0.1.10", b = "10.0.2.11" }
node.web.az = "eu-1c"
zones.between = [
    { az = ["eu-1b", "eu-1a"], delay = "0.6 ms" },
    { az = ["eu-1a", "eu-1c"], delay = "0.4 ms" },
]
"#,
    ));
    let topology = &plan.topology;
    let delay = |from: &str, to: &str| {
        let nic = |name: &str| {
            let mut nics = topology.nics.iter();
            nics.position(|n| n.name.as_str() == name).unwrap()
        };
        topology.vpc.zones.delay(nic(from), nic(to))
    };
    let ms = |tenths: u64| Duration::from_micros(tenths * 100);
    assert_eq!(
        delay("vpc-api", "vpc-db"),
        ms(6),
        "ports are where the machines are"
    );
    assert_eq!(delay("vpc-db", "vpc-api"), ms(6), "both ways");
    assert_eq!(delay("vpc-db", "vpc-api-2"), ms(0), "in one zone");
    assert_eq!(delay("api-a", "web0"), ms(4), "a node says it itself");
    assert_eq!(delay("db0", "web0"), ms(0), "nothing is said of these two");
    assert_eq!(delay("db0", "user0"), ms(0), "in no zone");
}

#[test]
fn mistakes_about_zones_are_all_told() {
    let errors = mistakes(&small(
        r#"
subnet.a = { range = "10.0.1.0/24", az = "a" }
router.vpc.subnets = ["a"]
node.db = { address.a = "10.0.1.10", az = "b" }
node.web.az = "c"
zones = { betwen = [], between = [
    { az = ["a", "d"], delay = "1 ms" },
    { az = ["a", "a"], delay = "1 ms" },
    { az = ["a", "b", "c"], delay = "1 s", rtt = "2 ms" },
    { az = ["a", "c"], delay = "1" },
    { az = ["a", "c"], delay = "1 ms" },
    { az = ["c", "a"], delay = "1 ms" },
] }
"#,
    ));
    insta::assert_snapshot!(lines(&errors));
}

#[test]
fn a_nat_gateway_has_no_security_group_and_a_route_no_local_range() {
    let lab = |nat: &str, routes: &str| {
        small(&format!(
            r#"{CLOUD}
node.nat.address.public = "10.0.0.20"
node.nat.public-address = "198.51.100.20"
node.nat.nat-gateway = {{}}
{nat}
security-group.web = {{ inbound = [], outbound = [] }}
[route-table.private]
subnets = ["private"]
routes = {{ {routes} }}
[link.edge]
between = ["igw", "internet"]
delay = "1 ms"
"#
        ))
    };
    let everywhere = "\"0.0.0.0/0\" = \"nat\"";
    plan(&lab("", everywhere));
    let filtered = lines(&mistakes(&lab(
        "node.nat.security-groups = [\"web\"]",
        everywhere,
    )));
    assert!(
        filtered.contains("a NAT gateway has no security groups"),
        "{filtered}"
    );
    let local = lines(&mistakes(&lab("", "\"10.0.0.128/25\" = \"nat\"")));
    assert!(
        local.contains("`10.0.0.128/25` is in the subnet `public` of the same router"),
        "{local}"
    );
}
