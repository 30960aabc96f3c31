//! Load balancing seen from the whole: small labs over the shipped base are run, and what the load balancer decided is
//! read from the trace.

use std::time::Duration;

use tunlab::dissect::message::Message;
use tunlab::event::{Balancing, CookieFact, Fact, HealthState, Serving, What};
use tunlab::run::{Outcome, Run};
use tunlab::time::Instant;

/// Runs the lab that says `more` over the base with three tiers, with seed 1.
pub(crate) fn run(more: &str) -> Outcome {
    let source = format!("title = \"t\"\nbase = \"three-tier\"\n{more}\n");
    let plan = tunlab::lab::parse("x.toml", &source).unwrap_or_else(|e| panic!("{e:?}"));
    Run::new(&plan, 1).execute().unwrap()
}

/// A step for each second, in which the user fetches `/`.
fn fetches(n: usize) -> String {
    let step =
        |s| format!("[[step]]\nat = \"{s} s\"\nuser = {{ get = \"https://your-app.com/\" }}\n");
    (1..=n).map(step).collect()
}

pub(crate) fn facts(outcome: &Outcome) -> impl Iterator<Item = (Instant, &str, &Fact)> {
    outcome.events.iter().filter_map(|e| {
        let What::Fact(fact) = &e.what else {
            return None;
        };
        Some((e.at, e.node.as_str(), fact))
    })
}

/// Who was chosen, and why, in order.
pub(crate) fn chosen(outcome: &Outcome) -> Vec<(String, String)> {
    let chosen = facts(outcome).filter_map(|(_, _, fact)| {
        let Fact::TargetChosen { target, reason, .. } = fact else {
            return None;
        };
        Some((target.to_string(), reason.clone()))
    });
    chosen.collect()
}

/// Statuses that the user got, with the moment in milliseconds.
pub(crate) fn answers(outcome: &Outcome) -> Vec<(u64, u16)> {
    let got = facts(outcome).filter_map(|(at, node, fact)| {
        let Fact::ResponseReceived { status, .. } = fact else {
            return None;
        };
        (node == "user").then_some((at.as_nanos() / 1_000_000, *status))
    });
    got.collect()
}

/// What the first `Set-Cookie` of this name in the capture says.
fn cookie(outcome: &Outcome, name: &str) -> String {
    let heads = outcome.frames.iter().flat_map(|f| &f.messages);
    let mut fields = heads
        .filter_map(|m| {
            let Message::HttpResponse(head) = m else {
                return None;
            };
            Some(&head.headers)
        })
        .flatten();
    let field = fields.find_map(|(n, v)| {
        let value = v.strip_prefix(name)?.strip_prefix('=')?;
        n.eq_ignore_ascii_case("set-cookie")
            .then(|| value.to_owned())
    });
    let field = field.expect("a cookie is set");
    assert!(
        field.contains("; Expires=Wed, 12 Nov 2025 "),
        "7 days: {field}"
    );
    field.split(';').next().unwrap().to_owned()
}

const STICKY: &str = "target-group.web.stickiness = { lasts = \"1 h\" }\n";

#[test]
fn a_client_that_shows_its_cookie_stays_with_its_target() {
    let first = run(&(STICKY.to_owned() + &fetches(1)));
    let (target, reason) = &chosen(&first)[0];
    assert_eq!(
        (target.as_str(), reason.as_str()),
        ("ec2-a", "healthy, round robin, 1 of 2")
    );
    let value = cookie(&first, "AWSALB");
    assert_eq!(
        value,
        cookie(&first, "AWSALBCORS"),
        "the twin says the same"
    );
    assert_eq!(value.len(), 128);

    let with = |value: &str| {
        let shown = format!("node.user.browser.cookie = \"AWSALB={value}\"\n");
        run(&(shown + STICKY + &fetches(3)))
    };
    let stayed = chosen(&with(&value));
    let by_cookie = ("ec2-a".to_owned(), "healthy, by its cookie".to_owned());
    assert_eq!(stayed, vec![by_cookie; 3]);
    // One letter changed: not ours any more, and no mistake that anyone would see.
    let changed = format!("{}{}", &value[..100], "A".repeat(28));
    let targets: Vec<String> = chosen(&with(&changed)).into_iter().map(|c| c.0).collect();
    assert_eq!(targets, ["ec2-a", "ec2-b", "ec2-a"]);
}

#[test]
fn stickiness_ends_though_the_browser_keeps_the_cookie() {
    let short = "target-group.web.stickiness = { lasts = \"2 s\" }\n";
    let value = cookie(&run(&(short.to_owned() + &fetches(1))), "AWSALB");
    let shown = format!("node.user.browser.cookie = \"AWSALB={value}\"\n");
    let reasons: Vec<String> = chosen(&run(&(shown + short + &fetches(4))))
        .into_iter()
        .map(|c| c.1)
        .collect();
    // Set at 1 s; what is shown at 3 s is too old.
    assert_eq!(
        reasons[..2],
        ["healthy, by its cookie", "healthy, by its cookie"]
    );
    assert!(
        reasons[2..].iter().all(|r| r.contains("round robin")),
        "{reasons:?}"
    );
}

#[test]
fn an_application_cookie_needs_both_cookies() {
    let app = "target-group.web.stickiness = { cookie = \"SESSION\", lasts = \"1 h\" }\n\
               node.web-a.app.route.\"/\".headers = { Set-Cookie = [\"SESSION=1\"] }\n\
               node.web-b.app.route.\"/\".headers = { Set-Cookie = [\"SESSION=1\"] }\n";
    let value = cookie(&run(&(app.to_owned() + &fetches(1))), "AWSALBAPP-0");
    let second = cookie(&run(&(app.to_owned() + &fetches(1))), "AWSALBAPP-1");
    assert_eq!(second, "_remove_");
    let with = |cookie: String| {
        let shown = format!("node.user.browser.cookie = \"{cookie}\"\n");
        let targets = chosen(&run(&(shown + app + &fetches(3))));
        targets.into_iter().map(|c| c.0).collect::<Vec<_>>()
    };
    assert_eq!(
        with(format!("SESSION=1; AWSALBAPP-0={value}")),
        ["ec2-a"; 3]
    );
    assert_eq!(
        with(format!("AWSALBAPP-0={value}")),
        ["ec2-a", "ec2-b", "ec2-a"]
    );
}

/// What became of the user's cookies, in order: the kind, and for those that are shown their names.
fn cookies(outcome: &Outcome) -> Vec<String> {
    let kept = facts(outcome).filter_map(|(_, node, fact)| {
        let (Fact::Cookie(fact), "user") = (fact, node) else {
            return None;
        };
        Some(match fact {
            CookieFact::Stored { name, .. } => format!("stored {name}"),
            CookieFact::Removed { name } => format!("removed {name}"),
            CookieFact::Refused { name, why } => format!("refused {name}: {why}"),
            CookieFact::Shown { cookies, .. } => {
                let pairs = cookies.split("; ").filter_map(|p| p.split_once('='));
                let names: Vec<&str> = pairs.map(|(name, _)| name).collect();
                format!("shown {}", names.join(" "))
            }
        })
    });
    kept.collect()
}

#[test]
fn a_browser_comes_back_with_the_cookies_that_it_was_given() {
    let both = ["stored AWSALB", "stored AWSALBCORS"];
    let shown = "shown AWSALB AWSALBCORS";
    for alpn in ["http/1.1", "h2"] {
        let speaks = format!(
            "node.user.browser.alpn = [\"{alpn}\"]\n\
             node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", forward = \"web\", alpn = [\"{alpn}\"] }}]\n"
        );
        let outcome = run(&(speaks.clone() + STICKY + &fetches(3)));
        let by_cookie = ("ec2-a".to_owned(), "healthy, by its cookie".to_owned());
        assert_eq!(chosen(&outcome)[1..], vec![by_cookie; 2], "{alpn}");
        let expected = [&both[..], &[shown], &both, &[shown], &both].concat();
        assert_eq!(cookies(&outcome), expected, "{alpn}");
        // Several requests of one step over one connection: in HTTP/1.1 the second one shows what the first was given.
        let asks =
            "[[step]]\nuser = { request = { url = \"https://your-app.com/\", repeat = 2 } }\n";
        let outcome = run(&(speaks + STICKY + asks));
        let targets: Vec<String> = chosen(&outcome).into_iter().map(|c| c.0).collect();
        assert_eq!(targets, ["ec2-a", "ec2-a"], "{alpn}");
    }
    let forgets = "node.user.browser.cookies = false\n".to_owned();
    let outcome = run(&(forgets + STICKY + &fetches(2)));
    let targets: Vec<String> = chosen(&outcome).into_iter().map(|c| c.0).collect();
    assert_eq!(targets, ["ec2-a", "ec2-b"]);
    assert_eq!(cookies(&outcome), Vec::<String>::new());
}

#[test]
fn cookies_keep_to_their_domain_path_scheme_and_time() {
    let route = |path: &str, fields: &str| {
        ["web-a", "web-b"].map(|node| {
            format!(
                "node.{node}.app.route.\"{path}\" = {{ body = \"x\", headers = {{ Set-Cookie = [{fields}] }} }}\n"
            )
        })
    };
    let lab = [
        "node.resolver.resolver.zone.\"www.your-app.com\" = \"198.51.100.10\"\n\
         node.alb.alb.listener = [{ port = 443, certificate = \"your-app\", forward = \"web\" }, { port = 80, forward = \"web\" }]\n"
            .to_owned(),
        route(
            "/in/login",
            "\"host=1\", \"domain=1; Domain=your-app.com; Path=/\", \"secure=1; Path=/; Secure\", \
             \"short=1; Path=/; Max-Age=2\", \"other=1; Domain=example.org\"",
        )
        .concat(),
        route("/in/out", "\"host=; Max-Age=0\"").concat(),
        ["https://your-app.com/in/login", "https://your-app.com/in/out", "http://your-app.com/", "https://www.your-app.com/"]
            .iter()
            .zip(1..)
            .map(|(url, at)| format!("[[step]]\nat = \"{at} s\"\nuser = {{ get = \"{url}\" }}\n"))
            .collect(),
    ];
    assert_eq!(
        cookies(&run(&lab.concat())),
        [
            "stored host",
            "stored domain",
            "stored secure",
            "stored short",
            "refused other: your-app.com is not in the domain example.org",
            "shown host domain secure short",
            "removed host",
            "shown domain",
            "shown domain",
        ]
    );
}

#[test]
fn weights_share_requests_and_a_weight_of_zero_gets_none() {
    let forward = |groups: &str| {
        format!(
            "target-group.web.targets = [\"ec2-a:32768\"]\ntarget-group.new.targets = [\"ec2-b:32768\"]\n\
             node.alb.alb.listener = [{{ port = 443, certificate = \"your-app\", forward = [{groups}] }}]\n{}",
            fetches(20)
        )
    };
    let to_b = |groups: &str| {
        let targets = chosen(&run(&forward(groups)));
        assert_eq!(targets.len(), 20);
        targets.iter().filter(|(t, _)| t == "ec2-b").count()
    };
    let web = "{ group = \"web\", weight = 9 }";
    assert_eq!(
        to_b(&format!("{web}, {{ group = \"new\", weight = 0 }}")),
        0
    );
    let some = to_b(&format!("{web}, {{ group = \"new\", weight = 9 }}"));
    assert!((1..20).contains(&some), "{some}");
    assert_eq!(
        some,
        to_b(&format!("{web}, {{ group = \"new\", weight = 9 }}")),
        "by the seed"
    );
}

#[test]
fn a_request_that_outlasts_the_deregistration_delay_is_a_502() {
    let outcome = run("target-group.web.targets = [\"ec2-a:32768\"]\n\
         target-group.web.deregistration-delay = \"2 s\"\n\
         node.web-a.app.takes = \"10 s\"\n\
         [[step]]\nat = \"0 s\"\nuser = { get = \"https://your-app.com/\" }\n\
         [[step]]\nat = \"1 s\"\nalb = { deregister = \"ec2-a:32768\" }\n\
         [[step]]\nat = \"5 s\"\nuser = { get = \"https://your-app.com/\" }\n");
    let statuses: Vec<u16> = answers(&outcome).iter().map(|a| a.1).collect();
    assert_eq!(statuses, [502, 503], "then there is nobody");
    let at = answers(&outcome)[0].0;
    assert!((3_000..3_100).contains(&at), "1 s and 2 s of delay: {at}");
    let states: Vec<HealthState> = facts(&outcome)
        .filter_map(|(_, _, fact)| {
            let Fact::Balancing(Balancing::Health { state, .. }) = fact else {
                return None;
            };
            Some(*state)
        })
        .collect();
    assert_eq!(states, [HealthState::Draining, HealthState::Unused]);
}

/// Two nodes of one load balancer, each in its zone with one target; the user is sent to the first.
fn two_nodes(cross_zone: bool) -> String {
    format!(
        "lasts = \"11 s\"\nwithout = [\"node.alb.alb\"]\n\
         load-balancer.two = {{ listener = [{{ port = 443, certificate = \"your-app\", forward = \"web\" }}] }}\n\
         target-group.web.cross-zone = {cross_zone}\n\
         target-group.web.health-check = {{ interval = \"10 s\" }}\n\
         node.alb.alb = \"two\"\nnode.alb.az = \"a\"\n\
         node.alb-b.alb = \"two\"\nnode.alb-b.az = \"b\"\n\
         node.alb-b.address = {{ edge = \"198.51.100.11\", vpc = \"10.0.1.11\" }}\n\
         node.ec2-a.az = \"a\"\nnode.ec2-b.az = \"b\"\n{}",
        fetches(4)
    )
}

#[test]
fn each_node_asks_by_itself_and_keeps_to_its_zone_when_told() {
    let targets = |outcome: &Outcome| {
        let chosen = chosen(outcome).into_iter().map(|c| c.0);
        chosen.collect::<Vec<_>>()
    };
    let near = run(&two_nodes(false));
    assert_eq!(targets(&near), ["ec2-a"; 4]);
    let across = run(&two_nodes(true));
    assert_eq!(targets(&across), ["ec2-a", "ec2-b", "ec2-a", "ec2-b"]);
    let probes = |node: &str| {
        let probed =
            |f: &Fact| matches!(f, Fact::Balancing(Balancing::Probed { passed: true, .. }));
        facts(&across)
            .filter(|(_, n, f)| *n == node && probed(f))
            .count()
    };
    assert_eq!(
        (probes("alb"), probes("alb-b")),
        (4, 4),
        "two targets, at 0 s and 10 s"
    );
}

#[test]
fn a_new_target_starts_slowly() {
    let outcome = run(&format!(
        "target-group.web.targets = [\"ec2-a:32768\"]\ntarget-group.web.slow-start = \"30 s\"\n\
         [[step]]\nat = \"500 ms\"\nalb = {{ register = \"ec2-b:32768\" }}\n{}",
        fetches(40)
    ));
    let chosen = chosen(&outcome);
    let to_b =
        |range: std::ops::Range<usize>| chosen[range].iter().filter(|(t, _)| t == "ec2-b").count();
    // Its share is s/30 against 1: of the first ten requests about 10 × 0.15, of the last ten half.
    assert_eq!(to_b(0..10), 1);
    assert_eq!(to_b(30..40), 5);
    assert!(chosen.iter().any(|(_, why)| why.contains("slow start at")));
    assert!(outcome.ended - Instant::ZERO < Duration::from_secs(60));
}

/// A target is registered once, however often it is said: it gets no second share, and no second probe.
#[test]
fn a_target_that_is_registered_again_is_the_same() {
    let outcome = run(&format!(
        "target-group.web.targets = [\"ec2-a:32768\", \"ec2-b:32768\", \"ec2-b:32768\"]\n\
         [[step]]\nat = \"0 ms\"\nalb = {{ register = \"ec2-b:32768\" }}\n{}",
        fetches(4)
    ));
    let names: Vec<_> = chosen(&outcome).into_iter().map(|c| c.0).collect();
    assert_eq!(names, ["ec2-a", "ec2-b", "ec2-a", "ec2-b"]);
}

/// A target of one application, and who stops it when.
fn stopped(app: &str, stop: &str) -> Outcome {
    run(&format!(
        "target-group.web.targets = [\"ec2-a:32768\"]\nlasts = \"40 s\"\n\
         node.web-a.app.route.\"/long\" = {{ takes = \"15 s\", body = \"long\" }}\n{app}\n\
         [[step]]\nat = \"1 s\"\nuser = {{ get = \"https://your-app.com/long\" }}\n\
         [[step]]\nat = \"2 s\"\nweb-a = {{ stop = {stop} }}\n\
         [[step]]\nat = \"3 s\"\nuser = {{ get = \"https://your-app.com/\" }}\n"
    ))
}

/// What was done to an application, in milliseconds.
fn services(outcome: &Outcome) -> Vec<(u64, &'static str)> {
    let done = facts(outcome).filter_map(|(at, _, fact)| {
        assert!(!matches!(fact, Fact::StepFailed { .. }), "{fact:?}");
        let Fact::Service { service, .. } = fact else {
            return None;
        };
        Some((at.as_nanos() / 1_000_000, *service))
    });
    done.collect()
}

#[test]
fn a_stop_is_sigterm_and_then_sigkill() {
    // What is under way may end while SIGTERM is all there is; nobody listens any more.
    let patient = stopped("", "true");
    assert_eq!(services(&patient), [(2_000, "stopping")]);
    assert_eq!(answers(&patient)[..1], [(3_083, 502)]);
    assert_eq!(answers(&patient)[1].1, 200);
    // Ten seconds are not enough for it.
    let docker = stopped("", "{ }");
    let late = (12_000, "killed, for it was not done in time");
    assert_eq!(services(&docker), [(2_000, "stopping"), late]);
    assert_eq!(answers(&docker), [(3_083, 502), (12_010, 502)]);
    let enough = stopped("", "{ timeout = \"20 s\" }");
    assert_eq!(services(&enough), [(2_000, "stopping")]);
    assert_eq!(answers(&enough), answers(&patient));
    // Without a handler it ends at once; as process 1 of its container it does not hear.
    let plain = stopped("node.web-a.app.on-sigterm = \"end\"", "{ }");
    assert_eq!(services(&plain), [(2_000, "ended by SIGTERM")]);
    assert_eq!(answers(&plain), [(2_010, 502), (3_083, 502)]);
    let deaf = stopped("node.web-a.app.on-sigterm = \"ignore\"", "{ }");
    assert_eq!(services(&deaf), [(2_000, "ignores SIGTERM"), late]);
    assert_eq!(answers(&deaf), [(3_089, 200), (12_010, 502)]);
}

#[test]
fn who_is_stopping_can_still_be_killed() {
    let outcome = run("target-group.web.targets = [\"ec2-a:32768\"]\n\
         node.web-a.app.takes = \"10 s\"\n\
         [[step]]\nuser = { get = \"https://your-app.com/\" }\n\
         [[step]]\nat = \"1 s\"\nweb-a = { stop = true }\n\
         [[step]]\nat = \"3 s\"\nweb-a = { crash = true }\n");
    assert_eq!(answers(&outcome), [(3_010, 502)]);
}

/// A WebSocket over which a word goes every second, to a target that is taken out at 3 s.
fn websocket(more: &str) -> Outcome {
    run(&format!(
        "target-group.web.deregistration-delay = \"5 s\"\n\
         node.web-a.app.route.\"/chat\" = {{ websocket = \"echo\" }}\n{more}\n\
         [[step]]\nuser = {{ websocket = {{ url = \"https://your-app.com/chat\", lasts = \"60 s\", every = \"1 s\", \
         send = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\", \"10\", \"11\", \"12\"] }} }}\n\
         [[step]]\nat = \"3 s\"\nalb = {{ deregister = \"ec2-a:32768\" }}\n"
    ))
}

#[test]
fn an_open_websocket_is_cut_at_the_end_of_the_deregistration_delay() {
    let outcome = websocket("");
    let user = facts(&outcome).filter(|(_, node, _)| *node == "user");
    let mut messages = 0;
    let mut closed = None;
    for (at, _, fact) in user {
        messages += usize::from(matches!(fact, Fact::WebSocketMessage { .. }));
        if let Fact::WebSocketClosed { code, .. } = fact {
            closed = Some((at.as_nanos() / 1_000_000, *code));
        }
    }
    assert_eq!((messages, closed), (8, Some((8_010, 1006))));
    let cut = facts(&outcome).filter_map(|(at, node, fact)| {
        let Fact::Serving(Serving::Deregistered { target, .. }) = fact else {
            return None;
        };
        Some((at.as_nanos() / 1_000_000, node, target.as_str()))
    });
    assert_eq!(cut.collect::<Vec<_>>(), [(8_000, "alb", "ec2-a")]);
    // The application's connection ends in the same moment.
    let ended = facts(&outcome).find_map(|(at, node, fact)| {
        let closed = node == "web-a" && matches!(fact, Fact::WebSocketClosed { code: 1006, .. });
        closed.then(|| at.as_nanos() / 1_000_000)
    });
    assert_eq!(ended, Some(8_000));
}

#[test]
fn an_open_websocket_is_an_outstanding_request() {
    let least = "target-group.web.algorithm = \"least-outstanding-requests\"\n\
                 [[step]]\nat = \"1 s\"\nuser = { request = { url = \"https://your-app.com/\", repeat = 4 } }\n";
    let targets: Vec<String> = chosen(&websocket(least)).into_iter().map(|c| c.0).collect();
    assert_eq!(targets, ["ec2-a", "ec2-b", "ec2-b", "ec2-b", "ec2-b"]);
}

#[test]
fn a_response_under_way_is_cut_with_its_target() {
    let outcome = run("target-group.web.targets = [\"ec2-a:32768\"]\n\
         target-group.web.deregistration-delay = \"2 s\"\n\
         node.web-a.app.route.\"/big\" = { size = \"20 kB\", pieces = { count = 10, every = \"1 s\" } }\n\
         [[step]]\nuser = { get = \"https://your-app.com/big\" }\n\
         [[step]]\nat = \"3 s\"\nalb = { deregister = \"ec2-a:32768\" }\n");
    let failed = facts(&outcome).find_map(|(at, node, fact)| {
        let failed = node == "user" && matches!(fact, Fact::StepFailed { .. });
        failed.then(|| at.as_nanos() / 1_000_000)
    });
    assert_eq!(failed, Some(5_010));
    let cut = |f: &Fact| matches!(f, Fact::Serving(Serving::Deregistered { .. }));
    assert_eq!(facts(&outcome).filter(|(_, _, f)| cut(f)).count(), 1);
}
