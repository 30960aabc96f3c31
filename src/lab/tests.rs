//! Whole files: the shipped labs as they should come out, and wrong ones with what is said about them.

mod app;
mod dns;
mod log;
mod ping;
mod span;

use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::plan::{Action, Check, Milestone};
use super::*;
use crate::impair::{Impairment, Matching};
use crate::net::topology::{Forwarding, NodeKind, Topology};
use crate::role::config::Role;
use crate::tls::config::Version;

mod alb;
mod attributes;
mod base;
mod changes;
mod links;

mod gateways;
mod vpc;

fn plan(source: &str) -> Plan {
    parse("x.toml", source).unwrap_or_else(|e| panic!("{}", show(&e)))
}

fn mistakes(source: &str) -> LabErrors {
    parse("x.toml", source).expect_err("the file should be wrong")
}

/// Every mistake in one line: place, message, label, help.
fn lines(errors: &LabErrors) -> String {
    let line = |m: &Mistake| {
        let (line, column) = m.position();
        let help = miette::Diagnostic::help(m).map_or(String::new(), |h| format!(" | {h}"));
        format!("{}:{line}:{column} {m} | {}{help}", m.file(), m.label())
    };
    let all: Vec<String> = errors.mistakes().iter().map(line).collect();
    all.join("\n")
}

fn show(errors: &LabErrors) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let mut text = String::new();
    handler
        .with_width(110)
        .render_report(&mut text, errors)
        .unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The smallest lab that is right, and `more` after it.
fn small(more: &str) -> String {
    format!(
        "title = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
         subnet.home = \"203.192.1.0/24\"\nrouter.internet.subnets = [\"home\"]\n\
         step = [{{ user = {{ get = \"http://203.192.1.60/\" }} }}]\n\
         node.user.address.home = \"203.192.1.50\"\nnode.user.browser.tls = [\"1.3\"]\n\
         node.web.address.home = \"203.192.1.60\"\nnode.web.app.port = 80\n{more}\n"
    )
}

#[test]
fn the_shipped_labs_load() {
    for lab in shipped() {
        let plan = load(lab.name).unwrap_or_else(|e| match e {
            LoadError::Lab(e) => panic!("{}", show(&e)),
            LoadError::Unknown { .. } | LoadError::Read { .. } | LoadError::TooLarge { .. } => {
                panic!("{e}")
            }
        });
        assert_eq!(plan.name, lab.name);
    }
    plan(&small(""));
}

#[test]
fn a_router_forwards_as_told() {
    let forwarding = |more: &str| {
        let plan = plan(&small(more));
        let router = plan.topology.node("internet").unwrap();
        plan.topology.nodes[router].forwarding
    };
    assert_eq!(forwarding(""), Forwarding::default());
    let neither = "router.internet.mss-clamp = false\nrouter.internet.icmp-errors = false";
    assert_eq!(
        forwarding(neither),
        Forwarding {
            mss_clamp: false,
            icmp_errors: false,
            ..Forwarding::default()
        }
    );
    let short = forwarding("router.internet.icmp-quote = 8");
    assert_eq!(short.icmp_quote, 8);
    let errors = mistakes(&small("router.internet.icmp-quote = 7"));
    insta::assert_snapshot!(lines(&errors), @"x.toml:10:30 `icmp-quote` is out of range | expected 8 to 528");
}

/// The network as text: nodes with their NICs and routes, then links.
fn describe(topology: &Topology) -> String {
    let nic = |n: usize| topology.nics[n].name.as_str();
    let mut text = String::new();
    for node in &topology.nodes {
        let kind = match &node.kind {
            NodeKind::Host => "host".to_owned(),
            NodeKind::Router => "router".to_owned(),
            NodeKind::DockerHost { publish } => {
                let publish = publish
                    .iter()
                    .map(|p| format!("{}={}", p.port, p.container));
                format!("docker {}", publish.collect::<Vec<_>>().join(" "))
            }
        };
        text += &format!("{} {kind}\n", node.name);
        for index in &node.nics {
            let n = &topology.nics[*index];
            let subnet = &topology.subnets[n.subnet].name;
            text += &format!("  {} {} in {subnet}\n", n.name, n.address);
        }
        for route in &node.routes {
            text += &format!("  to {} by {}\n", route.to, nic(route.nic));
        }
    }
    for link in &topology.links {
        let [a, b] = link.ends.map(nic);
        text += &format!(
            "{}: {a} - {b} mtu {} {:?}\n",
            link.name, link.mtu, link.impairments
        );
    }
    text
}

/// What every topology must be, as `net/topology.rs` says.
fn assert_whole(topology: &Topology) {
    for (index, nic) in topology.nics.iter().enumerate() {
        let ends = topology.links.iter().flat_map(|l| l.ends);
        assert_eq!(ends.filter(|e| *e == index).count(), 1, "{}", nic.name);
        assert!(topology.nodes[nic.node].nics.contains(&index));
        assert!(topology.subnets[nic.subnet].cidr.contains(nic.address));
    }
    for (index, node) in topology.nodes.iter().enumerate() {
        assert!(
            node.nics
                .iter()
                .all(|nic| topology.nics[*nic].node == index)
        );
        assert!(node.routes.iter().all(|r| node.nics.contains(&r.nic)));
    }
}

#[test]
fn the_network_of_the_main_lab() {
    let plan = load("https-through-alb").unwrap();
    assert_whole(&plan.topology);
    insta::assert_snapshot!(describe(&plan.topology));
    let taps = plan
        .main_taps
        .iter()
        .map(|t| plan.topology.nics[*t].name.as_str());
    assert_eq!(taps.collect::<Vec<_>>(), ["user0", "alb-vpc"]);
    assert_eq!(plan.clock.to_string(), "2025-11-05T00:00:00Z");
    let validity = plan.pki.certificates[0].validity;
    assert_eq!(validity.0.to_string(), "2024-01-01T00:00:00Z");
    assert_eq!(validity.1.to_string(), "2025-12-31T23:59:59Z");
    let Action::Get(urls) = &plan.steps[0].action else {
        panic!("a browser's step")
    };
    assert_eq!(urls.len(), 1);
    let url = &urls[0];
    assert_eq!((url.host.as_str(), url.port), ("your-app.com", 443));
    assert_eq!(url.target, "/notification/health/check");
}

#[test]
fn a_step_fetches_several_urls_of_one_origin() {
    let lab = |get: &str| {
        format!(
            "base = \"three-tier\"\ntitle = \"t\"\nclock = 2025-11-05T00:00:00Z\n\
             step = [{{ user = {{ get = {get} }} }}]\n"
        )
    };
    let plan = parse(
        "x.toml",
        &lab("[\"https://your-app.com/a\", \"https://Your-App.com:443/b\"]"),
    )
    .unwrap();
    let Action::Get(urls) = &plan.steps[0].action else {
        panic!("a browser's step")
    };
    let targets: Vec<&str> = urls.iter().map(|u| u.target.as_str()).collect();
    assert_eq!(targets, ["/a", "/b"]);
    for (get, wrong) in [
        ("[]", "`get` is empty"),
        ("5", "`get` is not a list"),
        ("[\"https://your-app.com/\", 5]", "`get` is not a text"),
        (
            "[\"https://your-app.com/\", \"http://your-app.com/\"]",
            "`http://your-app.com/` needs a connection of its own",
        ),
        (
            "[\"https://your-app.com/\", \"https://your-app.com:444/\"]",
            "`https://your-app.com:444/` needs a connection of its own",
        ),
        (
            "[\"https://a/\", \"https://b/\", \"ftp://c/\"]",
            "`https://b/` needs a connection of its own",
        ),
    ] {
        let errors = mistakes(&lab(get));
        let text = lines(&errors);
        assert!(text.contains(wrong), "{get}: {text}");
    }
}

/// The one-way delays and computing times of a plan, added up by hand to the moments that its file expects.
#[test]
fn the_expected_moments_follow_from_the_delays() {
    let plans = shipped().map(|lab| load(lab.name).unwrap());
    // Those that are held against the text's timeline; real programs take the time they take.
    for plan in plans.filter(|p| p.program().is_none() && !p.timeline.is_empty()) {
        let delay = |name: &str| {
            let link = plan.topology.links.iter().find(|l| l.name.as_str() == name);
            match &link.unwrap().impairments[0][..] {
                [Impairment::Delay(d)] => *d,
                other => panic!("{other:?}"),
            }
        };
        let mut browser = None;
        let mut alb = None;
        let mut app = None;
        for (_, role) in &plan.roles {
            match role {
                Role::Browser(b) => browser = Some(b),
                Role::Alb(a) => alb = Some(a),
                Role::App(a) => app = Some(a),
                Role::Resolver(r) => assert_eq!(r.service.takes, Duration::ZERO),
                Role::Program(_) | Role::Interceptor(_) | Role::Attacker(_) => unreachable!(),
            }
        }
        let (browser, alb, app) = (browser.unwrap(), alb.unwrap(), app.unwrap());
        let server = alb.listeners[0].tls.as_ref().unwrap();
        let (d, v) = (delay("user") + delay("edge"), delay("vpc") + delay("ec2-a"));
        let syn = (delay("user") + delay("resolver")) * 2;
        let hello = syn + d * 2 + browser.tls.takes.wait;
        let one_trip = d * 2 + server.takes.hello + browser.tls.takes.finish;
        let both = server.versions.contains(&Version::Tls13)
            && browser.tls.versions.contains(&Version::Tls13);
        let established = if both {
            hello + one_trip
        } else {
            hello + one_trip + d * 2 + server.takes.finish
        };
        let at_alb = established + d;
        let target_syn = at_alb + alb.takes_in;
        let at_app = target_syn + v * 3;
        let back = at_app + app.takes + v;
        let moments = [
            Duration::ZERO,
            syn,
            syn + d * 2,
            hello,
            established,
            established,
            at_alb,
            target_syn,
            target_syn + v * 2,
            at_app,
            at_app + app.takes,
            back,
            back + alb.takes_out,
            back + alb.takes_out + d,
        ];
        let mut checked = 0;
        for expectation in &plan.expectations {
            if let Check::At { milestone, at } = expectation.check {
                assert_eq!(moments[milestone as usize], at, "{}", milestone.word());
                checked += 1;
            }
        }
        assert!(checked >= 11, "{checked}");
        assert_eq!(plan.timeline.last().unwrap().0, Milestone::ResponseAtUser);
    }
}

#[test]
fn links_are_found_between_nodes_and_nics() {
    let plan = plan(&small(
        "subnet.work = \"203.192.2.0/24\"\nrouter.far.subnets = [\"work\"]\n\
         subnet.office = \"10.0.0.0/24\"\nrouter.near.subnets = [\"office\"]\n\
         node.two.address = { home = \"203.192.1.7\", work = \"203.192.2.7\" }\n\
         node.two.default = \"work\"\n\
         node.desk.address.office = \"10.0.0.7\"\n\
         [link.long]\nbetween = [\"internet\", \"two\"]\nmtu = 1400\n\
         drop-nth = { matching = \"syn\", nth = [2] }\nloss = \"1 %\"\ndelay = \"1 ms\"\n\
         there = { rate = { rate = \"8 Mbit/s\" } }\nback = { delay = \"2 ms\" }\n\
         [link.trunk]\nbetween = [\"far\", \"internet\"]\n[link.lane]\nbetween = [\"near\", \"far\"]",
    ));
    assert_whole(&plan.topology);
    let long = plan
        .topology
        .links
        .iter()
        .find(|l| l.name.as_str() == "long");
    let long = long.unwrap();
    assert_eq!(
        plan.topology.nics[long.ends[0]].name.as_str(),
        "internet-two"
    );
    let words = |side: usize| long.impairments[side].iter().map(Impairment::word);
    assert_eq!(
        words(0).collect::<Vec<_>>(),
        ["rate", "delay", "loss", "drop-nth"]
    );
    assert_eq!(words(1).collect::<Vec<_>>(), ["delay", "loss", "drop-nth"]);
    assert_eq!(
        long.impairments[1][2],
        Impairment::DropNth {
            nth: vec![2],
            matching: Matching::Syn
        }
    );
    // The public routers do not hear of 10.0.0.0/24; the office hears of everything.
    insta::assert_snapshot!(describe(&plan.topology));
}

#[test]
fn several_containers_and_several_links_to_one_router() {
    let plan = plan(&small(
        "subnet.work = \"203.192.2.0/24\"\nrouter.far.subnets = []\n\
         node.h = { address.home = \"203.192.1.9\", docker.bridge = \"172.17.0.1/16\" }\n\
         node.c.container = { on = \"h\", address = \"172.17.0.2\" }\n\
         node.d.container = { on = \"h\", address = \"172.17.0.3\" }\n",
    ));
    assert_whole(&plan.topology);
    let node = plan.topology.node("h").unwrap();
    let nics = plan.topology.nodes[node].nics.iter();
    let names: Vec<&str> = nics.map(|n| plan.topology.nics[*n].name.as_str()).collect();
    assert_eq!(names, ["h-eth0", "h-docker0", "h-docker0-2"]);

    let both = small(
        "subnet.work = \"203.192.2.0/24\"\nrouter.r.subnets = [\"work\", \"lab\"]\nsubnet.lab = \"203.192.3.0/24\"\n\
         node.two.address = { work = \"203.192.2.7\", lab = \"203.192.3.7\" }\n",
    );
    let plan = self::plan(&format!("{both}link.x.between = [\"r\", \"two-lab\"]\n"));
    assert_whole(&plan.topology);
    let names: Vec<&str> = plan
        .topology
        .links
        .iter()
        .map(|l| l.name.as_str())
        .collect();
    assert_eq!(names, ["user0", "web0", "two-work", "x"]);
    let x = plan.topology.links[3]
        .ends
        .map(|n| plan.topology.nics[n].name.as_str());
    assert_eq!(x, ["r-two-2", "two-lab"]);
    assert_eq!(
        lines(&mistakes(&format!(
            "{both}link.x.between = [\"r\", \"two\"]\n"
        ))),
        "x.toml:15:19 several links join `r` and `two` | which of them? | \
         name the NIC instead of the node: `two-work` or `two-lab`"
    );
}

/// What is added to the smallest lab, each wrong in one or more ways.
const CASES: &[&str] = &[
    // top
    "titel = \"x\"",
    "limit = \"0 s\"",
    "limit = 5",
    "look_for = \"x\"",
    "notes = [\"\", 1]",
    // subnets, routers, nodes
    "subnet.b = \"10.0.0.0/33\"\nsubnet.c = \"10.0.0.5/24\"\nsubnet.d = \"203.192.0.0/16\"\nsubnet.EC2 = \"10.1.0.0/16\"",
    "router.web.subnets = [\"home\"]\nrouter.r2 = { subnets = [\"home\", \"hom\"] }",
    "node.a = {}\nnode.b.address = {}\nnode.c.address.hom = \"203.192.1.9\"\nnode.d.address.home = \"10.0.0.1\"\nnode.e.address.home = \"203.192.1.1\"\nnode.f.address.home = \"203.192.1.50\"",
    "subnet.far = \"10.0.0.0/24\"\nnode.a.address.far = \"10.0.0.9\"",
    "node.a = { address.home = \"203.192.1.9\", default = \"far\", brwoser = {} }",
    "node.user0 = { address.home = \"203.192.1.9\" }\nrouter.internet-user = { subnets = [] }\nnode.internet = { address.home = \"203.192.1.10\" }",
    // docker
    "node.h = { address.home = \"203.192.1.9\", app = { port = 1 }, docker = { bridge = \"172.17.0.9/16\" } }",
    "node.h = { address.home = \"203.192.1.9\", docker = { bridge = \"172.17.0.1/16\", publish = [{ port = 80, container = \"web\", to = 80 }, { port = 80, container = \"c\", to = 70000 }] } }\nnode.c = { container = { on = \"h\", address = \"172.17.0.1\" } }\nnode.d = { container = { on = \"web\", address = \"172.17.0.2\" }, address = {} }",
    "node.h = { address.home = \"203.192.1.9\", docker = { bridge = \"203.192.1.1/25\" } }",
    // links
    "[link.user]\nbetween = [\"user\", \"web\"]\ndelay = \"5 parsecs\"\nmtu = 20\nloss = \"101 %\"\nrate = { rate = \"0 bit/s\", queu = 1 }\ndrop-nth = { matching = \"sin\", nth = [0] }\nthere = { delay = 1, mtu = 5 }",
    "link.a.between = [\"user\", \"web\"]\nlink.b.between = [\"usr\", \"internet\"]\nlink.c.between = [\"user\"]\nlink.d.between = [\"user\", \"internet\"]\nlink.e.between = [\"internet\", \"user0\"]\nlink.web0.between = [\"internet\", \"internet\"]",
    "link.web0.between = [\"internet\", \"user\"]",
    // pki
    "authority.r = { root = \"R\", intermediate = \"\", valid = [2020-01-01] }\ncertificate.c = { issuer = \"q\", names = [], valid = [2024-01-01, 2023-01-01] }\ncertificate.d = { issuer = \"r\", names = [\"*.x\", \"a b\"], valid = [\"2025-02-30\", 5] }",
    "certificate.c = { issuer = \"lab-root\", names = [\"a.b\"], key = \"RSA-1024\", valid = [2024-01-01, 2025-01-01] }\ncertificate.d = { issuer = \"lab-root\", names = [\"a.b\"], key = 2048, valid = [2024-01-01, 2025-01-01] }",
    // roles
    "node.user.browser.resolver = \"web\"",
    "node.b = { address.home = \"203.192.1.9\", browser = { resolver = \"nobody\", trust = [\"x\"], tls = [], alpn = [\"http/2\"], user-agent = \"a\\nb\", takes = { wait = \"1 ms\" } } }",
    "node.b = { address.home = \"203.192.1.9\", resolver = { zone = { \"a b\" = \"1.2.3\", c = [\"1.2.3.4\", 5] }, ttl = \"0.5 s\" } }",
    "node.b = { address.home = \"203.192.1.9\", alb = { name = \"x\", listener = [{ port = 443, certificate = \"y\", tls = [\"1.1\"], alpn = [\"h3\"], forward = \"z\" }, { port = 443, tls = [\"1.3\"], forward = \"web\" }] } }\ntarget-group.web.targets = [\"web\", \"wbe:80\", \"internet:80\", \"web:0\"]",
    "node.b = { address.home = \"203.192.1.9\", app = { port = 0, route = { x = {}, \"/a\" = { status = 99, body = 5 } } } }",
    // TLS
    "node.b = { address.home = \"203.192.1.9\", browser = { tls = [\"1.2\", \"1.3\"], suites = [\"TLS_AES_128_GCM_SHA256\"], groups = [\"X25519\", \"X25519\"], resume = 1, certificate = \"c\" } }",
    "node.b = { address.home = \"203.192.1.9\", browser = { tls = [\"1.2\"], groups = [\"X25519MLKEM768\"] } }\nnode.c = { address.home = \"203.192.1.8\", browser = { suites = [\"TLS_AES_256_GCM\"], groups = [\"P-257\"] } }",
    "authority.r = { root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2030-01-01] }\ncertificate.c = { issuer = \"r\", names = [\"a.b\"], valid = [2024-01-01, 2025-01-01] }\nnode.b = { address.home = \"203.192.1.9\", alb = { name = \"x\", listener = [{ port = 443, certificate = \"c\", resumption = \"tickts\", mutual-authentication = { trust = [], must = true, advertise-ca-names = 1 }, forward = \"w\" }, { port = 444, certificate = \"c\", mutual-authentication = { mode = \"passthrough\", trust = [\"r\"], required = false }, forward = \"w\" }, { port = 80, groups = [\"X25519\"], mutual-authentication = {}, forward = \"w\" }] } }\ntarget-group.w.targets = [\"web:80\"]",
    "node.b = { address.home = \"203.192.1.9\", browser = { tls = [\"1.0\", \"1.3\"], suites = [\"TLS_RSA\"] } }\nauthority.r = { root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2030-01-01] }\ncertificate.c = { issuer = \"r\", names = [\"a.b\"], valid = [2024-01-01, 2025-01-01] }\nnode.c = { address.home = \"203.192.1.8\", alb = { name = \"x\", listener = [{ port = 443, certificate = \"c\", security-policy = \"ELBSecurityPolicy-2016\", tls = [\"1.2\"], forward = \"w\" }] } }\ntarget-group.w.targets = [\"web:80\"]\n[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80\", mismatch = \"cipher\" }",
    // RSA key exchange
    "node.b = { address.home = \"203.192.1.9\", browser = { suites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\", \"TLS_AES_128_GCM_SHA256\"] } }\nnode.c = { address.home = \"203.192.1.8\", browser = { extended-master-secret = false, encrypt-then-mac = 1 } }",
    "authority.r = { root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }\ncertificate.ec = { issuer = \"r\", names = [\"a.b\"], valid = [2024-01-01, 2025-01-01] }\ncertificate.rsa = { issuer = \"r\", names = [\"a.b\"], key = \"RSA-2048\", valid = [2024-01-01, 2025-01-01] }\nnode.b = { address.home = \"203.192.1.9\", browser = { suites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"], tls = [\"1.3\"] } }\nnode.c = { address.home = \"203.192.1.8\", browser = { suites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"], resume = true, certificate = \"ec\" } }\nnode.d = { address.home = \"203.192.1.7\", alb = { name = \"x\", listener = [{ port = 443, certificate = \"ec\", suites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"], forward = \"web\" }, { port = 444, certificate = \"rsa\", suites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"], resumption = \"memory\", mutual-authentication = { trust = [\"r\"] }, forward = \"web\" }] } }\ntarget-group.web.targets = [\"web:80\"]",
    "[[expect]]\nthat = \"x\"\npre-master = { on = \"user -> web:80\", secret = 48 }\n[[expect]]\nthat = \"x\"\npre-master = { on = \"user -> web:80\", same = false }\n[[expect]]\nthat = \"x\"\npre-master = { on = \"user -> web:80\", write-keys = 3 }\n[[expect]]\nthat = \"x\"\npre-master = { on = \"user -> web:80\", same = true, extended = true }",
    // scenario
    "timeline.tcp-sny = \"5 ms\"\ntimeline.tcp-syn = 5",
    // expectations
    "expect = [{ that = \"x\" }, { clean = true }, { that = \"x\", clean = false }, { that = \"x\", clean = true, tcp = {} }]",
    "[[expect]]\nthat = \"x\"\ntcp = { handshake = \"user - web\" }\n[[expect]]\nthat = \"x\"\ntcp = { closed = \"user -> wbe:80\", rtt = \"1 ms\" }\n[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80\", messages = [\"ClientHelo\", \"ChangeCipherSpec\"] }\n[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80\" }",
    "[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80 #0\", suite = \"TLS_AES\" }\n[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80 #2\", group = \"x25519\", from = \"web\" }\n[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80\", handshake = \"short\" }\n[[expect]]\nthat = \"x\"\ntls = { on = \"user -> web:80\", alert = \"expired\", from = \"wbe\" }",
    "[[expect]]\nthat = \"x\"\nkeys = { on = \"user -> web\", recomputed = true }\n[[expect]]\nthat = \"x\"\nkeys = { on = \"user -> web:80\", differ = false }\n[[expect]]\nthat = \"x\"\nkeys = { on = \"user -> web:80\" }",
    "[[expect]]\nthat = \"x\"\npackets = { on = \"usr0\", as = \"spy\", filter = \"tcp\", count = 1, at-most = 2 }\n[[expect]]\nthat = \"x\"\nreadable = { on = \"user0\", text = \"\", is = 1 }\n[[expect]]\nthat = \"x\"\nheader = { name = \"a b\", value = \"\" }\n[[expect]]\nthat = \"x\"\nstatus = { at = \"user\", is = 2000 }\n[[expect]]\nthat = \"x\"\ntiming = { from = \"tcp-syn\", to = \"tcp\" }\n[[expect]]\nthat = \"x\"\nnever-sees = { node = \"web\", address = \"x\" }\n[[expect]]\nthat = \"x\"\ntarget = { node = \"web\", address = \"1.2.3.4\" }\n[[expect]]\nthat = \"x\"\npackets = { filter = \"http.requst\", count = 1 }\n[[expect]]\nthat = \"x\"\npackets = { filter = \"tcp\", from = 10, by = \"1 minute\", count = 1 }\n[[expect]]\nthat = \"x\"\npackets = { filter = \"tcp\", from = \"10 s\", by = \"5 s\", at-least = 1 }\n[[expect]]\nthat = \"x\"\npackets = { filter = \"tcp\", from = \"1 s\", to = \"2 s\" }",
];

#[test]
fn wrong_files_say_what_is_wrong() {
    let mut text = String::new();
    for case in CASES {
        let errors = mistakes(&small(case));
        text += &format!("{case}\n=> {}\n\n", lines(&errors).replace('\n', "\n=> "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_mistake_is_shown_in_its_source() {
    let errors = mistakes(
        "base = \"three-tier\"\ntitle = \"x\"\n[link.user]\ndelya = \"5 ms\"\n[[step]]\n\
         user = { get = \"https://your-app.com/\" }\n[[expect]]\nthat = \"x\"\nstatus = { at = \"usr\", is = 200 }\n",
    );
    insta::assert_snapshot!(show(&errors), @r#"
  × 2 mistakes in the lab `x.toml`

Error:
  × unknown key `delya`
   ╭─[x.toml:4:1]
 3 │ [link.user]
 4 │ delya = "5 ms"
   · ──┬──
   ·   ╰── not a key of this table
 5 │ [[step]]
   ╰────
  help: did you mean `delay`? known here: `between`, `mtu`, `delay`, `loss`, `rate`, `drop-nth`, `jitter`,
        `reorder`, `duplicate`, `corrupt`, `outage`, `there`, `back`

Error:
  × unknown node `usr`
   ╭─[x.toml:9:17]
 8 │ that = "x"
 9 │ status = { at = "usr", is = 200 }
   ·                 ──┬──
   ·                   ╰── no node has this name
   ╰────
  help: did you mean `user`? known here: `user`, `resolver`, `alb`, `ec2-a`, `ec2-b`, `web-a`, `web-b`,
        `internet`, `vpc`
"#);
}

#[test]
fn syntax_errors_are_all_reported_and_nothing_else() {
    let errors = mistakes("titel = \nlimit = [1,, 2]\nclock = 2025-99-05\n");
    let places: Vec<(usize, usize)> = errors.mistakes().iter().map(Mistake::position).collect();
    assert_eq!(places.iter().map(|p| p.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(
        errors
            .mistakes()
            .iter()
            .all(|m| m.to_string().starts_with("not TOML: "))
    );
}

#[test]
fn an_unknown_lab_gives_the_nearest() {
    let Err(LoadError::Unknown { nearest, .. }) = load("https-trough-alb") else {
        panic!("there is no such lab");
    };
    assert_eq!(nearest, ["https-through-alb"]);
    let error = load("zzz").unwrap_err();
    assert_eq!(error.to_string(), "no lab is called `zzz`");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.starts_with("`tunlab list` has all of them"), "{help}");
    let folder = load(concat!(env!("CARGO_MANIFEST_DIR"), "/labs")).unwrap_err();
    let help = miette::Diagnostic::help(&folder).unwrap().to_string();
    assert!(help.starts_with("it is a folder"), "{help}");
    assert!(matches!(load("zzz.toml"), Err(LoadError::Read { .. })));
}

/// The main lab and its base in one file.
fn whole_lab() -> String {
    let lab = load_source("https-through-alb");
    let base = shipped::base("three-tier").unwrap();
    let scenario = &lab[lab.find("[[step]]").unwrap()..];
    format!("title = \"x\"\n{base}\n{scenario}")
}

fn load_source(name: &str) -> &'static str {
    shipped().find(|l| l.name == name).unwrap().source
}

/// Puts a key that nobody knows into each table in turn; each time it must be noticed in its line.
#[test]
fn no_table_takes_an_unknown_key() {
    let whole = whole_lab();
    plan(&whole);
    let mut tried = 0;
    let mut places: Vec<(usize, &str)> = Vec::new();
    places.extend(
        whole
            .match_indices("{ ")
            .map(|(at, _)| (at + 2, "zzz = 1, ")),
    );
    places.extend(
        whole
            .match_indices("]\n")
            .map(|(at, _)| (at + 2, "zzz = 1\n")),
    );
    for (at, key) in places {
        let line_start = whole[..at - 1].rfind('\n').map_or(0, |i| i + 1);
        if key.ends_with('\n') && !whole[line_start..].starts_with('[') {
            continue; // the end of a list, not of a header
        }
        let text = format!("{}{key}{}", &whole[..at], &whole[at..]);
        let line = text[..=at].matches('\n').count() + 1;
        let errors = mistakes(&text);
        let noticed = |m: &Mistake| m.position().0 == line;
        assert!(
            errors.mistakes().iter().any(noticed),
            "line {line}: {}",
            lines(&errors)
        );
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
}

/// Depth and size are the parser's and ours to bear: nothing recurses without end, nothing takes for ever.
#[test]
fn monstrous_files_are_refused_and_not_feared() {
    let deep = |open: &str, close: &str| {
        let n = 100_000;
        format!("a = {}1{}", open.repeat(n), close.repeat(n))
    };
    let wide: String = (0..5_000).map(|n| format!("node.n{n}.x = 1\n")).collect();
    for text in [
        deep("[", "]"),
        deep("{ a = ", "}"),
        format!("{} = 1", ["a"; 100_000].join(".")),
        format!("[{}]", ["a"; 100_000].join(".")),
        wide,
    ] {
        assert!(!mistakes(&text).mistakes().is_empty());
    }
}

/// What an edit does to a text.
#[derive(Debug, Clone)]
enum Edit {
    Put(usize, u8),
    Insert(usize, u8),
    Cut(usize, usize),
    /// What is right of the equals sign in two lines changes places.
    Swap(usize, usize),
}

impl Edit {
    fn apply(&self, text: &mut Vec<u8>) {
        let length = text.len().max(1);
        match *self {
            Self::Put(at, byte) => {
                if let Some(b) = text.get_mut(at % length) {
                    *b = byte;
                }
            }
            Self::Insert(at, byte) => text.insert(at % length, byte),
            Self::Cut(at, n) => {
                let at = at % length;
                text.drain(at..(at + n).min(text.len()));
            }
            Self::Swap(a, b) => {
                let whole = String::from_utf8_lossy(text).into_owned();
                let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
                let (a, b) = (a % lines.len(), b % lines.len());
                if let (Some((ka, va)), Some((kb, vb))) =
                    (whole_split(&lines[a]), whole_split(&lines[b]))
                {
                    lines[a] = format!("{ka}={vb}");
                    lines[b] = format!("{kb}={va}");
                }
                *text = lines.join("\n").into_bytes();
            }
        }
    }
}

fn whole_split(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=')?;
    Some((key.to_owned(), value.to_owned()))
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<usize>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, b)| Edit::Put(at, b)),
        (
            at(),
            proptest::sample::select(b"\"'[]{}=,.\n#-0aZ ".to_vec())
        )
            .prop_map(|(at, b)| Edit::Insert(at, b)),
        (at(), 1..40_usize).prop_map(|(at, n)| Edit::Cut(at, n)),
        (at(), at()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a file holds, the answer is a whole plan or mistakes that can be shown.
    #[test]
    fn no_edit_makes_a_panic(edits in proptest::collection::vec(edit(), 1..6)) {
        let mut text = whole_lab().into_bytes();
        for edit in &edits {
            edit.apply(&mut text);
        }
        match parse("x.toml", &String::from_utf8_lossy(&text)) {
            Ok(plan) => assert_whole(&plan.topology),
            Err(errors) => prop_assert!(!show(&errors).is_empty()),
        }
    }
}
