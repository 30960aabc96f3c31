//! Security groups and network ACLs as lab files have them.

use std::time::Duration;

use super::{lines, mistakes, plan, small};
use crate::lab::plan::Action;
use crate::net::Change;
use crate::net::topology::NodeKind;
use crate::net::topology::vpc::Way;

const GROUPS: &str = r#"
[security-group.web]
inbound = [
    { protocol = "tcp", port = "32768-60999", source = "client" },
    { protocol = "tcp", port = 80, source = "203.192.1.0/24" },
    { protocol = "icmp", source = "0.0.0.0/0" },
]
[security-group.client]
outbound = []
"#;

#[test]
fn groups_reach_the_nics_of_their_nodes() {
    let more = "node.web.security-groups = [\"web\"]\n\
                node.web.connection-tracking = { tcp-established = \"350 s\" }\n\
                node.user.security-groups = [\"client\"]\n";
    let plan = plan(&small(&format!("{more}{GROUPS}")));
    let vpc = &plan.topology.vpc;
    let web = &vpc.security_groups[0];
    let shown: Vec<String> = web
        .inbound
        .iter()
        .map(|r| vpc.show_rule(Way::Inbound, r))
        .chain(web.outbound.iter().map(|r| vpc.show_rule(Way::Outbound, r)))
        .collect();
    assert_eq!(
        shown,
        [
            "inbound TCP to port 32768-60999 from security group client",
            "inbound TCP to port 80 from 203.192.1.0/24",
            "inbound ICMP from 0.0.0.0/0",
            "outbound all traffic to 0.0.0.0/0",
        ]
    );
    assert!(vpc.security_groups[1].outbound.is_empty());
    let nic = |name: &str| {
        let nics = &plan.topology.nics;
        nics.iter().position(|n| n.name.as_str() == name).unwrap()
    };
    let interfaces: Vec<_> = vpc
        .interfaces
        .iter()
        .map(|i| (i.nic, i.groups.clone(), i.tracking.tcp_established))
        .collect();
    let days = Duration::from_secs(432_000);
    assert_eq!(
        interfaces,
        [
            (nic("user0"), vec![1], days),
            (nic("web0"), vec![0], Duration::from_secs(350)),
        ]
    );
}

#[test]
fn a_step_revokes_what_is_there() {
    let step = |rule: &str| {
        let steps = format!(
            "node.web.security-groups = [\"web\"]\n{GROUPS}\
             [[expect]]\nthat = \"x\"\ndropped = {{ at = \"web\", by = \"security-group\", count = 0 }}\n"
        );
        small(&steps).replace(
            "step = [",
            &format!("step = [{{ at = \"2 s\", security-group = {{ revoke = {{ group = \"web\", {rule} }} }} }}, "),
        )
    };
    let right = step("inbound = { protocol = \"icmp\", source = \"0.0.0.0/0\" }");
    let Action::Network(Change::Rule(change)) = &plan(&right).steps[0].action else {
        panic!("a change")
    };
    assert!(!change.allow && change.group == 0);
    let wrong = step("inbound = { protocol = \"icmp\", source = \"10.0.0.0/8\" }");
    insta::assert_snapshot!(lines(&mistakes(&wrong)), @r#"
    x.toml:5:78 `web` has no such inbound rule | expected a rule of the group, word for word
    "#);
}

#[test]
fn network_acls_stand_in_the_order_of_their_numbers() {
    let plan = plan(&small(
        "[network-acl.home]\nsubnets = [\"home\"]\ninbound = [\n\
         { number = 200, action = \"deny\", protocol = \"all\", source = \"0.0.0.0/0\" },\n\
         { number = 100, action = \"allow\", protocol = \"tcp\", port = \"1024-65535\", source = \"10.0.0.0/8\" },\n]\n",
    ));
    let acl = &plan.topology.vpc.network_acls[0];
    let numbers: Vec<_> = acl.inbound.iter().map(|r| (r.number, r.allow)).collect();
    assert_eq!(numbers, [(100, true), (200, false)]);
    assert_eq!((acl.subnets.as_slice(), acl.outbound.len()), (&[0][..], 0));
}

#[test]
fn mistakes_in_rules_are_all_told() {
    let errors = mistakes(&small(
        r#"
node.user.security-groups = ["wbe"]
node.user.connection-tracking = { udp = "5 s" }
node.web.connection-tracking = {}
[security-group.web]
inbound = [
    { protocol = "tcp", port = "60999-32768", source = "10.0.1.0/24" },
    { protocol = "icmp", port = 7, source = "10.0.1.0/24" },
    { protocol = "udp", port = 53, source = "10.0.1.7/24" },
    { protocol = "tpc", port = 53, source = "nobody" },
    { protocol = "tcp", destination = "0.0.0.0/0" },
]
[network-acl.a]
subnets = ["home", "hoem"]
inbound = [
    { number = 0, action = "permit", protocol = "all", source = "web" },
]
[network-acl.b]
subnets = ["home"]
outbound = [
    { number = 1, action = "deny", protocol = "all", destination = "0.0.0.0/0" },
    { number = 1, action = "allow", protocol = "all", destination = "0.0.0.0/0" },
]
"#,
    ));
    insta::assert_snapshot!(lines(&errors), @r#"
    x.toml:11:30 unknown security group `wbe` | no security group has this name | did you mean `web`? known here: `web`
    x.toml:12:41 `udp` is out of range | expected 30 s to 60 s
    x.toml:13:10 no security group tracks connections here | expected `security-groups` beside it: without them nothing is tracked
    x.toml:16:32 `60999-32768` is no range of ports | expected a port, or first and last such as "32768-60999"
    x.toml:17:26 this protocol has no ports | expected no `port`, or the protocol "tcp" or "udp"
    x.toml:18:45 `10.0.1.7/24` is no range of addresses | expected the first address of the range
    x.toml:19:18 unknown protocol `tpc` | no protocol has this name | did you mean `tcp`? known here: `all`, `tcp`, `udp`, `icmp`
    x.toml:19:45 unknown security group `nobody` | no security group has this name | known here: `web`
    x.toml:20:5 `source` is missing | expected `source` in this table | for example `source = "10.0.1.0/24"`
    x.toml:20:25 unknown key `destination` | not a key of this table | known here: `protocol`, `port`, `source`
    x.toml:23:20 unknown subnet `hoem` | no subnet has this name | did you mean `home`? known here: `home`
    x.toml:25:16 `number` is out of range | expected 1 to 32766
    x.toml:25:28 unknown action `permit` | no action has this name | known here: `allow`, `deny`
    x.toml:25:65 `web` is no range of addresses | expected a range such as "10.0.1.0/24", "0.0.0.0/0" or "10.0.2.21/32"
    x.toml:28:12 the subnet `home` has a network ACL already | expected one for each subnet
    x.toml:31:5 two rules have the number 1 | expected a number of its own
    "#);
}

#[test]
fn route_tables_flow_logs_and_docker_ports_are_laid_out() {
    let plan = plan(&small(
        r#"
subnet.private = "10.0.2.0/24"
router.vpc.subnets = ["private"]
node.nat.address = { private = "10.0.2.20", home = "203.192.1.20" }
node.nat.nat-gateway = {}
node.worker.address.private = "10.0.2.40"
node.ec2.address.private = "10.0.2.21"
node.ec2.docker.bridge = "172.17.0.1/16"
node.ec2.docker.publish = [
    { container = "a", to = 80 }, { port = 32769, container = "a", to = 81 }, { port = 0, container = "a", to = 82 },
]
node.a.container = { on = "ec2", address = "172.17.0.2" }
[route-table.private]
subnets = ["private"]
routes = { "0.0.0.0/0" = "nat" }
[flow-log]
aggregation-interval = "1 min"
nodes = ["ec2", "nat"]
"#,
    ));
    let topology = &plan.topology;
    let nic = |name: &str| {
        let nics = &topology.nics;
        nics.iter().position(|n| n.name.as_str() == name).unwrap()
    };
    let table = &topology.vpc.route_tables[0];
    assert_eq!(table.routes[0].nic, nic("vpc-nat"));
    let gateway = topology.vpc.nat_gateways[0];
    assert_eq!(
        (gateway.inside, gateway.outside),
        (nic("nat-private"), nic("nat-home"))
    );
    let log = topology.vpc.flow_log.as_ref().unwrap();
    assert_eq!(log.interval, Duration::from_secs(60));
    assert_eq!(
        log.nics,
        [nic("nat-private"), nic("nat-home"), nic("ec2-eth0")]
    );
    let docker = topology.node("ec2").unwrap();
    let NodeKind::DockerHost { publish } = &topology.nodes[docker].kind else {
        panic!("a docker host")
    };
    let ports: Vec<u16> = publish.iter().map(|p| p.port).collect();
    assert_eq!(ports, [32_768, 32_769, 32_770]);
    assert!(plan.why_virtual_only().unwrap().contains("route tables"));
}

#[test]
fn mistakes_in_routes_are_all_told() {
    let errors = mistakes(&small(
        r#"
node.user.nat-gateway = {}
[route-table.a]
subnets = ["home"]
routes = { "0.0.0.0/0" = "wbe", "10.0.0.7/8" = "web" }
[route-table.b]
subnets = ["home"]
[flow-log]
aggregation-interval = "5 min"
nodes = []
"#,
    ));
    let all = lines(&errors);
    for part in [
        "`user` cannot be a NAT gateway",
        "unknown node `wbe`",
        "`10.0.0.7/8` is no range of addresses",
        "`home` has a route table already",
        "unknown aggregation interval `5 min`",
        "`nodes` is empty",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert_eq!(errors.mistakes().len(), 6, "{all}");
}
