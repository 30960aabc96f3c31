//! Applications: what they can be told, and what they cannot.

use super::{lines, mistakes, plan, small};
use crate::lab::plan::Action;
use crate::role::config::{App, Failing, Fault, KeepAlive, OnSigterm, Role, Service};

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of role"
)]
fn app_of(more: &str) -> App {
    let plan = plan(&small(more));
    let found = plan.roles.iter().find_map(|(_, role)| match role {
        Role::App(app) => Some(app.clone()),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn an_application_has_manners_and_faults() {
    let app = app_of(
        "node.web.app.keep-alive = \"5 s\"\nnode.web.app.workers = 4\nnode.web.app.header-limit = \"16 KiB\"\n\
         node.web.app.route.\"/a\".fault = \"reset\"\nnode.web.app.route.\"/a\".after = \"10 B\"\n\
         node.web.app.route.\"/a\".during = [{ from = \"1 s\", to = \"2 s\", status = 503 }]",
    );
    assert_eq!(
        app.keep_alive,
        KeepAlive::For(std::time::Duration::from_secs(5))
    );
    assert_eq!((app.workers, app.header_limit), (Some(4), 16 * 1024));
    let route = &app.routes["/a"];
    let fault = Fault {
        how: Failing::Reset,
        after: Some(10),
    };
    assert_eq!(route.reply.delivery.fault, Some(fault));
    assert_eq!(route.during[0].2.status, 503);
    let step = small("").replace(
        "user = { get = \"http://203.192.1.60/\" }",
        "web = { stop = true }",
    );
    let action = |step: &str| plan(step).steps[0].action.clone();
    let stop = |timeout| Action::Serve(Service::Stop { timeout });
    assert_eq!(action(&step), stop(None));
    let seconds = |n| Some(std::time::Duration::from_secs(n));
    let docker = step.replace("stop = true", "stop = { }");
    assert_eq!(action(&docker), stop(seconds(10)));
    let patient = step.replace("stop = true", "stop = { timeout = \"30 s\" }");
    assert_eq!(action(&patient), stop(seconds(30)));
    assert_eq!(app.on_sigterm, OnSigterm::Finish);
    let deaf = app_of("node.web.app.on-sigterm = \"ignore\"");
    assert_eq!(deaf.on_sigterm, OnSigterm::Ignore);
}

#[test]
fn what_an_application_cannot_do_is_said_at_once() {
    let text = "node.web.app.keep-alive = \"0 s\"\nnode.web.app.hosts = [\"a b\"]\nnode.web.app.believes = \"luck\"\nnode.web.app.on-sigterm = \"wait\"\n\
        [node.web.app.route.\"/a\"]\nbody = \"x\"\nsize = \"1 kB\"\nchunked = true\ncontent-length = 3\nafter = \"1 B\"\n\
        headers = { \"A B\" = \"c\" }\nduring = [{ from = \"2 s\", to = \"1 s\" }]";
    let said = lines(&mistakes(&small(text)));
    for part in [
        "`keep-alive` is zero",
        "`a b` is not a host name",
        "unknown header `luck`",
        "unknown way to take SIGTERM `wait`",
        "there are two bodies",
        "chunks have no `Content-Length`",
        "nothing goes wrong after so many bytes",
        "`A B` is not a header's name",
        "this answer is never given",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert_eq!(said.lines().count(), 9, "{said}");
    let step = small("").replace(
        "user = { get = \"http://203.192.1.60/\" }",
        "web = { stop = false, start = true }",
    );
    let said = lines(&mistakes(&step));
    assert!(said.contains("`stop` is true or absent"), "{said}");
    assert!(said.contains("`start` is one too many"), "{said}");
}

#[test]
fn an_application_speaks_http_2_and_grpc() {
    let app = app_of(
        "node.web.app.http2 = true\nnode.web.app.max-concurrent-streams = 7\n\
         [node.web.app.route.\"/s/A\"]\ngrpc = { status = 5, message = \"no\" }\ntrailers = { x = [\"1\", \"2\"] }\n\
         fault = \"reset-stream\"",
    );
    assert_eq!((app.http2, app.streams), (true, Some(7)));
    let reply = &app.routes["/s/A"].reply;
    assert_eq!(reply.content_type, "application/grpc");
    assert_eq!(reply.grpc.as_ref().map(|g| g.status), Some(5));
    assert_eq!(reply.trailers.len(), 2);
    assert_eq!(
        reply.delivery.fault.map(|f| f.how),
        Some(Failing::ResetStream)
    );
}

#[test]
fn what_is_of_the_other_http_is_said() {
    let text = "node.web.app.http2 = true\n[node.web.app.route.\"/a\"]\nchunked = true\nraw = \"x\"\n\
                grpc = { status = 17, code = 1 }\n\
                [node.web.app.route.\"/b\"]\ngrpc = { messages = 2, every = \"1 s\" }\n\
                pieces = { count = 2, every = \"1 s\" }";
    let said = lines(&mistakes(&small(text)));
    for part in [
        "`chunked` is of HTTP/1.1",
        "`raw` is of HTTP/1.1",
        "`status` is out of range",
        "unknown key `code`",
        "a stream of messages has its own pauses",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");
    let text = "node.web.app.max-concurrent-streams = 1\n[node.web.app.route.\"/a\"]\ngrpc = {}\n\
                trailers = { x = \"1\" }\nfault = \"reset-stream\"";
    let said = lines(&mistakes(&small(text)));
    for part in [
        "HTTP/1.1 has no streams",
        "`grpc` is of HTTP/2",
        "`trailers` is of HTTP/2",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    let step = small("").replace(
        "user = { get = \"http://203.192.1.60/\" }",
        "user = { request = { url = \"http://203.192.1.60/\", grpc = true, method = \"GET\" } }",
    );
    let said = lines(&mistakes(&step));
    assert!(said.contains("a gRPC call is always a POST"), "{said}");
}
