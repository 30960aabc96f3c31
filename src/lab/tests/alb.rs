//! Listeners' rules and target groups: what is read, and what is said about mistakes.

use super::{lines, mistakes, plan, small};
use crate::lab::plan::Action as Step;
use crate::role::config::{Action, Alb, Condition, Role, StickinessKind};

/// A lab whose load balancer has one HTTP listener that says `listener`, and target groups `web` and `api`.
fn with_listener(listener: &str) -> String {
    with(listener, "targets = [\"web:80\"]")
}

fn with(listener: &str, group: &str) -> String {
    small(&format!(
        "node.alb.address.home = \"203.192.1.70\"\n\
         node.alb.alb = {{ name = \"a\", listener = [{{ port = 80, {listener} }}] }}\n\
         target-group.web = {{ {group} }}\ntarget-group.api.targets = [\"web:80\"]"
    ))
}

fn alb(source: &str) -> Alb {
    let plan = plan(source);
    let found = plan.roles.into_iter().find_map(|(_, role)| match role {
        Role::Alb(alb) => Some(alb),
        Role::Browser(_)
        | Role::Resolver(_)
        | Role::App(_)
        | Role::Program(_)
        | Role::Interceptor(_)
        | Role::Attacker(_) => None,
    });
    found.expect("there is a load balancer")
}

/// What is said about a listener, without the place and the help.
fn said(source: &str) -> String {
    let all = lines(&mistakes(source));
    let short = all.lines().map(|line| {
        let line = line.split_once(' ').map_or(line, |(_, rest)| rest);
        line.split(" | ").next().unwrap_or(line).to_owned()
    });
    short.collect::<Vec<_>>().join("; ")
}

#[test]
fn rules_are_read_in_order_of_their_priority() {
    let alb = alb(&with_listener(
        "forward = \"web\", rule = [\
         { priority = 20, query-string = [[\"v=1\"], [\"debug\"]], fixed-response = { status = 404 } },\
         { priority = 10, http-header = { X-A = [\"*\"], X-B = [\"b\"] }, source-ip = [\"10.0.0.0/8\"], \
           forward = { groups = [{ group = \"api\", weight = 9 }, { group = \"web\" }], stickiness = \"1 h\" } },\
         { priority = 30, host-header = [\"*.a.b\"], redirect = { port = 443, protocol = \"HTTPS\", status = 301 } }]",
    ));
    let listener = &alb.listeners[0];
    let priorities: Vec<u16> = listener.rules.iter().map(|r| r.priority).collect();
    assert_eq!(priorities, [10, 20, 30]);
    assert_eq!(listener.rules[0].conditions.len(), 3);
    assert!(matches!(
        &listener.rules[1].conditions[..],
        [Condition::QueryString(a), Condition::QueryString(b)] if a[0].key.is_some() && b[0].key.is_none()
    ));
    let groups: Vec<&str> = listener.groups().collect();
    assert_eq!(groups, ["api", "web", "web"]);
    let Action::Redirect(redirect) = &listener.rules[2].action else {
        panic!("a redirect");
    };
    assert!(redirect.permanent);
    assert_eq!(
        (redirect.port.as_str(), redirect.path.as_str()),
        ("443", "/#{path}")
    );
    assert_eq!(alb.target_groups.len(), 2);
}

#[test]
fn a_rule_keeps_the_limits() {
    let rule = |rule: &str| {
        said(&with_listener(&format!(
            "forward = \"web\", rule = [{{ {rule} }}]"
        )))
    };
    let forward = "forward = \"web\"";
    let cases = [
        (format!("priority = 0, path-pattern = [\"/\"], {forward}"), "`priority` is out of range"),
        (format!("priority = 1, {forward}"), "the rule has no condition"),
        (
            format!("priority = 1, path-pattern = [\"/a\", \"/b\", \"/c\", \"/d\"], {forward}"),
            "`path-pattern` has 4 values",
        ),
        (
            format!("priority = 1, path-pattern = [\"/a\", \"/b\", \"/c\"], http-request-method = [\"A\", \"B\", \"C\"], {forward}"),
            "the rule has 6 values",
        ),
        (
            format!("priority = 1, path-pattern = [\"/*/*/*\", \"/?/?/?\"], {forward}"),
            "the rule has 6 wildcards",
        ),
        (format!("priority = 1, host-header = [\"localhost\"], {forward}"), "`localhost` is not a host"),
        (format!("priority = 1, path-pattern = [\"/a b\"], {forward}"), "`/a b` is not a path"),
        (
            format!("priority = 1, path-pattern = [\"/{}\"], {forward}", "a".repeat(128)),
            "`path-pattern` cannot be compared with",
        ),
        (format!("priority = 1, http-request-method = [\"get\"], {forward}"), "`get` is not a method"),
        (format!("priority = 1, http-header = {{ Host = [\"a\"] }}, {forward}"), "`Host` is compared by a condition of its own"),
        (
            format!("priority = 1, http-header.{} = [\"a\"], {forward}", "a".repeat(41)),
            "`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not a header's name",
        ),
        (format!("priority = 1, source-ip = [\"10.0.0.1\"], {forward}"), "`10.0.0.1` is not an address range"),
        ("priority = 1, path-pattern = [\"/\"]".into(), "there is nothing to check or do here"),
        ("priority = 1, path-pattern = [\"/\"], forward = \"wob\"".into(), "unknown target group `wob`"),
        ("priority = 1, path-pattern = [\"/\"], forward = [{ group = \"web\", weight = 0 }]".into(), "no target group has a share"),
        ("priority = 1, path-pattern = [\"/\"], forward = [{ group = \"web\" }, { group = \"web\" }]".into(), "`web` is there twice"),
        ("priority = 1, path-pattern = [\"/\"], forward = { groups = [{ group = \"web\" }], stickiness = \"8 d\" }".into(), "`stickiness` is not a time"),
        ("priority = 1, path-pattern = [\"/\"], redirect = { host = \"#{host}\" }".into(), "the redirect changes nothing"),
        ("priority = 1, path-pattern = [\"/\"], redirect = { path = \"/#{hots}\" }".into(), "`#{hots}` stands for nothing in `path`"),
        ("priority = 1, path-pattern = [\"/\"], redirect = { host = \"#{path}\" }".into(), "`#{path}` stands for nothing in `host`"),
        ("priority = 1, path-pattern = [\"/\"], redirect = { path = \"a\" }".into(), "`a` does not begin with a slash"),
        ("priority = 1, path-pattern = [\"/\"], redirect = { status = 303, path = \"/a\" }".into(), "`status` is out of range"),
        ("priority = 1, path-pattern = [\"/\"], fixed-response = { status = 302 }".into(), "302 is no status of a fixed response"),
        ("priority = 1, path-pattern = [\"/\"], fixed-response = { status = 200, type = \"image/png\" }".into(), "unknown content type `image/png`"),
        (
            format!("priority = 1, path-pattern = [\"/\"], fixed-response = {{ status = 200, body = \"{}\" }}", "a".repeat(1025)),
            "`body` has 1025 bytes",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(rule(&text), message, "{text}");
    }
    let same = "forward = \"web\", rule = [{ priority = 1, path-pattern = [\"/\"], forward = \"web\" }, \
                { priority = 1, path-pattern = [\"/\"], forward = \"web\" }]";
    assert_eq!(
        said(&with_listener(same)),
        "priority 1 is taken in this listener"
    );
    let rule = |n| format!("{{ priority = {n}, path-pattern = [\"/\"], forward = \"web\" }}");
    let many: Vec<String> = (1..=101).map(rule).collect();
    let many = format!("forward = \"web\", rule = [{}]", many.join(", "));
    assert_eq!(
        said(&with_listener(&many)),
        "the load balancer has 101 rules"
    );
}

#[test]
fn a_default_rule_forwards_redirects_or_answers() {
    assert_eq!(said(&with_listener("rule = []")), "`forward` is missing");
    let redirect = alb(&with_listener(
        "redirect = { protocol = \"HTTPS\", port = 443 }",
    ));
    assert!(matches!(redirect.listeners[0].default, Action::Redirect(_)));
    assert!(redirect.target_groups.is_empty());
    let both = "forward = \"web\", fixed-response = { status = 503 }";
    assert_eq!(
        said(&with_listener(both)),
        "`fixed-response` is one too many"
    );
}

#[test]
fn from_https_no_redirect_leads_to_http() {
    let listener = "certificate = \"c\", redirect = { protocol = \"HTTP\", port = 80 }";
    let pki = "\nauthority.r = { root = \"R\", intermediate = \"I\", valid = [2020-01-01, 2040-01-01] }\n\
               certificate.c = { issuer = \"r\", names = [\"a.b\"], valid = [2024-01-01, 2025-12-31] }";
    let source = with_listener(listener) + pki;
    assert_eq!(
        said(&source),
        "a redirect from HTTPS to HTTP is not allowed"
    );
}

#[test]
fn browsers_keep_cookies_and_curl_when_told() {
    let with = |program: &str| {
        let source = small("").replace("node.user.browser.tls = [\"1.3\"]", program);
        assert!(source.contains(program), "{source}");
        source
    };
    let keeps = |program: &str| {
        let roles = plan(&with(program)).roles.into_iter();
        let mut browsers = roles.filter_map(|(_, role)| match role {
            Role::Browser(browser) => Some(browser.cookies),
            Role::Alb(_)
            | Role::Resolver(_)
            | Role::App(_)
            | Role::Program(_)
            | Role::Interceptor(_)
            | Role::Attacker(_) => None,
        });
        browsers.next().unwrap()
    };
    assert!(keeps("node.user.browser = { }"));
    assert!(!keeps("node.user.browser = { cookies = false }"));
    assert!(!keeps("node.user.browser = { cookie = \"a=1\" }"));
    assert!(!keeps("node.user.client = { }"));
    assert!(keeps("node.user.client = { cookies = true }"));
    let both = with("node.user.browser = { cookie = \"a=1\", cookies = true }");
    assert_eq!(said(&both), "its cookie is always the same");
}

#[test]
fn a_target_group_has_everything_that_aws_lets_one_set() {
    let group = "targets = [\"web:80\"], slow-start = \"30 s\", deregistration-delay = \"0 s\", \
                 cross-zone = \"use-load-balancer-configuration\", \
                 stickiness = { cookie = \"SESSION\", lasts = \"1 h\" }, \
                 minimum-healthy-targets = { count = 2, percentage = 50 }, \
                 health-check = { port = 8081, path = \"/health\", interval = \"10 s\", timeout = \"2 s\", \
                 healthy-threshold = 2, unhealthy-threshold = 3, matcher = \"200,301-302\" }";
    let alb = alb(&with("forward = \"web\"", group));
    let group = &alb.target_groups[0];
    let check = group.health_check.as_ref().unwrap();
    assert_eq!(
        (check.port, check.wanted().as_str()),
        (Some(8081), "200,301-302")
    );
    assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (2, 3));
    assert_eq!(group.minimum_healthy.percentage, Some(50));
    assert!(group.cross_zone && group.deregistration_delay.is_zero());
    let kind = &group.stickiness.as_ref().unwrap().kind;
    assert_eq!(*kind, StickinessKind::Application("SESSION".into()));
}

#[test]
fn a_target_group_keeps_the_limits() {
    let group = |more: &str| {
        said(&with(
            "forward = \"web\"",
            &format!("targets = [\"web:80\"], {more}"),
        ))
    };
    let cases = [
        (
            "health-check = { interval = \"4 s\" }",
            "`interval` is out of range",
        ),
        (
            "health-check = { timeout = \"121 s\" }",
            "`timeout` is out of range",
        ),
        (
            "health-check = { interval = \"10 s\", timeout = \"10 s\" }",
            "a probe would last into the next one",
        ),
        (
            "health-check = { interval = \"5 s\" }",
            "a probe would last into the next one",
        ),
        (
            "health-check = { healthy-threshold = 1 }",
            "`healthy-threshold` is out of range",
        ),
        (
            "health-check = { matcher = 500 }",
            "`matcher` is out of range",
        ),
        (
            "health-check = { matcher = \"302-301\" }",
            "`302-301` are no statuses",
        ),
        (
            "health-check = { path = \"health\" }",
            "`health` is not a path",
        ),
        ("health-check = { port = \"x\" }", "`x` is not a port"),
        ("slow-start = \"29 s\"", "`slow-start` is out of range"),
        (
            "slow-start = \"30 s\", algorithm = \"weighted-random\"",
            "only round robin starts slowly",
        ),
        ("protocol = \"TCP\"", "unknown protocol `TCP`"),
        (
            "protocol-version = \"HTTP3\"",
            "unknown protocol version `HTTP3`",
        ),
        (
            "health-check = { protocol = \"TCP\" }",
            "unknown protocol `TCP`",
        ),
        (
            "protocol-version = \"GRPC\", health-check = { matcher = \"0-100\" }",
            "`0-100` are no statuses",
        ),
        (
            "protocol-version = \"GRPC\", health-check = { matcher = 200 }",
            "`matcher` is out of range",
        ),
        (
            "protocol-version = \"HTTP2\", health-check = { matcher = 12 }",
            "`matcher` is out of range",
        ),
        ("algorithm = \"least\"", "unknown algorithm `least`"),
        (
            "stickiness = { cookie = \"AWSALBX\" }",
            "the load balancer keeps these names for itself",
        ),
        (
            "stickiness = { cookie = \"a b\" }",
            "`a b` is not a cookie's name",
        ),
        (
            "stickiness = { lasts = \"0 s\" }",
            "`lasts` is out of range",
        ),
        (
            "cross-zone = \"as-the-load-balancer\"",
            "`as-the-load-balancer` is no way across zones",
        ),
        (
            "stickiness = {}, cross-zone = false",
            "clients cannot stay with targets of one zone",
        ),
        (
            "deregistration-delay = \"3601 s\"",
            "`deregistration-delay` is out of range",
        ),
        (
            "minimum-healthy-targets = 0",
            "`minimum-healthy-targets` is out of range",
        ),
        (
            "minimum-healthy-targets = { percentage = 101 }",
            "`percentage` is out of range",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(group(text), message, "{text}");
    }
}

/// The small lab with two nodes of a load balancer that says `more`.
fn with_nodes(more: &str) -> String {
    small(&format!(
        "node.alb-a = {{ address.home = \"203.192.1.70\", alb = \"two\", az = \"a\" }}\n\
         node.alb-b = {{ address.home = \"203.192.1.71\", alb = \"two\", az = \"b\" }}\n\
         target-group.web.targets = [\"web:80\"]\nload-balancer.two = {{ listener = [{{ port = 80, {more} }}] }}"
    ))
}

#[test]
fn several_nodes_are_one_load_balancer() {
    let alb = alb(&with_nodes("forward = \"web\""));
    assert_eq!((alb.name.as_str(), alb.zone.as_deref()), ("two", Some("a")));
    // What is wrong with it is said once, not once a node.
    assert_eq!(
        said(&with_nodes("forward = \"wob\"")),
        "unknown target group `wob`"
    );
    let lost = with_nodes("forward = \"web\"") + "load-balancer.three = {}\n";
    assert_eq!(said(&lost), "the load balancer has no node");
    let unknown =
        with_nodes("forward = \"web\"").replace("alb = \"two\", az = \"b\"", "alb = \"to\"");
    assert_eq!(said(&unknown), "unknown load balancer `to`");
}

#[test]
fn targets_come_and_leave_by_steps() {
    let step = |step: &str| {
        with_listener("forward = \"web\"")
            .replace("step = [", &format!("step = [{{ alb = {{ {step} }} }}, "))
    };
    let plan = plan(&step("deregister = \"web:80\", group = \"web\""));
    let Step::Register(registration) = &plan.steps[0].action else {
        panic!("a registration");
    };
    assert!(!registration.comes);
    assert_eq!(registration.group, "web");
    assert_eq!(said(&step("deregister = \"web:80\"")), "`group` is missing");
    assert_eq!(
        said(&step("deregister = \"web:80\", group = \"x\"")),
        "unknown target group `x`"
    );
    assert_eq!(
        said(&step("register = \"web\", group = \"web\"")),
        "`web` is not a target"
    );
}

#[test]
fn a_load_balancer_knows_its_zones_and_who_is_not_used() {
    let zones = |more: &str| {
        let lab = with("forward = \"web\"", "targets = [\"web:80\"]");
        alb(&format!("{lab}\n{more}")).zones
    };
    assert!(zones("").is_empty());
    assert_eq!(zones("node.alb.az = \"a\""), ["a"]);
    let both = "node.alb.az = \"a\"\nnode.web.az = \"b\"\nnode.alb.alb.availability-zones = [\"a\", \"b\"]";
    let lab = small(&format!(
        "node.alb.address.home = \"203.192.1.70\"\nnode.alb.alb.name = \"a\"\n{both}\n\
         node.alb.alb.listener = [{{ port = 80, forward = \"web\" }}]\n\
         target-group.web = {{ targets = [\"web:80\", \"alb:80\"], registration-takes = \"1 s\" }}\n\
         target-group.old.targets = [\"web:80\"]"
    ));
    let found = alb(&lab);
    assert_eq!(found.zones, ["a", "b"]);
    let taken: Vec<bool> = found.target_groups[0]
        .targets
        .iter()
        .map(|t| t.is_load_balancer)
        .collect();
    assert_eq!(taken, [false, true]);
    assert_eq!(found.unused_groups[0].name, "old");
    let unknown = lab.replace("zones = [\"a\", \"b\"]", "zones = [\"a\", \"c\"]");
    assert_eq!(said(&unknown), "unknown availability zone `c`");
}

#[test]
fn an_instance_is_stopped_or_started() {
    let lab = with("forward = \"web\"", "targets = [\"web:80\"]");
    let step = |what: &str| {
        let other = format!("step = [{{ web = {{ {what} }} }}]");
        lab.replace(
            "step = [{ user = { get = \"http://203.192.1.60/\" } }]",
            &other,
        )
    };
    let last = plan(&step("instance = \"stop\"")).steps.pop().unwrap();
    assert!(matches!(last.action, Step::Instance { runs: false, .. }));
    let reboot = said(&step("instance = \"reboot\""));
    assert_eq!(reboot, "unknown state change `reboot`");
    let both = said(&step("instance = \"stop\", power = \"off\""));
    assert_eq!(both, "`instance` is one too many");
}

/// AWS "Sticky sessions for your Application Load Balancer".
#[test]
fn sessions_stick_to_a_target_only_where_they_stick_to_its_group() {
    let both = "groups = [{ group = \"web\" }, { group = \"api\" }]";
    let lab = |stickiness: &str, forward: &str| {
        let group = format!("targets = [\"web:80\"], stickiness = {stickiness}");
        with(&format!("forward = {forward}"), &group)
    };
    let own = "{ lasts = \"1 h\" }";
    let applications = "{ cookie = \"SESSION\" }";
    let loose = said(&lab(own, &format!("{{ {both} }}")));
    assert_eq!(
        loose,
        "sessions of `web` stick to a target, and not to the group"
    );
    plan(&lab(own, &format!("{{ {both}, stickiness = \"1 h\" }}")));
    let never = said(&lab(
        applications,
        &format!("{{ {both}, stickiness = \"1 h\" }}"),
    ));
    assert_eq!(never, "sessions of `web` stick by the application's cookie");
    plan(&lab(applications, "\"web\""));
}

#[test]
fn a_target_group_belongs_to_one_load_balancer() {
    let lab = with("forward = \"web\"", "targets = [\"web:80\"]");
    let second = |name: &str, group: &str| {
        format!(
            "{lab}\nnode.b.address.home = \"203.192.1.71\"\n\
             node.b.alb = {{ name = \"{name}\", listener = [{{ port = 80, forward = \"{group}\" }}] }}"
        )
    };
    plan(&second("b", "api"));
    plan(&second("a", "web"));
    assert_eq!(
        said(&second("b", "web")),
        "`b` forwards to target group `web`"
    );
    assert_eq!(
        said(&second("my b", "api")),
        "`my b` is not a load balancer's name"
    );
}
