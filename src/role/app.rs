//! An HTTP/1.1 application: answers by path after a while, and reports what it saw.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, DATE, SERVER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

use super::Node;
use super::config::{App, Reply};
use super::http::{Body, Io, Timer, full, listed};
use crate::event::{Fact, Flow};
use crate::stack::TcpStream;

/// Room for connections that nobody has accepted yet, as `listen(2)` in common servers.
const BACKLOG: usize = 511;

/// Starts the application on `node`.
///
/// # Errors
/// When its port is taken.
pub fn start(node: Node, config: App) -> io::Result<()> {
    let listener = node.host.listen(config.port, BACKLOG)?;
    let config = Rc::new(config);
    let executor = node.executor.clone();
    executor.spawn(async move {
        loop {
            let stream = listener.accept().await;
            let (node, config) = (node.clone(), config.clone());
            node.executor.clone().spawn(serve(node, config, stream));
        }
    });
    Ok(())
}

async fn serve(node: Node, config: Rc<App>, stream: TcpStream) {
    let flow = stream.flow();
    node.fact(Fact::Accepted(flow));
    let timer = Timer::new(node.clock.clone());
    let handler = node.clone();
    let service = service_fn(move |request| {
        let (node, config) = (handler.clone(), config.clone());
        async move { Ok::<_, Infallible>(respond(&node, &config, flow, request).await) }
    });
    // An error here is the peer's: it went away, or did not speak HTTP. Its packets tell the story.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(timer)
        .auto_date_header(false)
        .title_case_headers(true)
        .serve_connection(Io::new(stream), service)
        .await;
    node.fact(Fact::Closed(flow));
}

async fn respond(
    node: &Node,
    config: &App,
    flow: Flow,
    request: Request<Incoming>,
) -> Response<Body> {
    node.fact(Fact::RequestReceived {
        flow,
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: listed(request.headers()),
    });
    node.clock.sleep(config.takes).await;
    let not_found = Reply {
        status: 404,
        content_type: "text/plain".into(),
        body: "not found\n".into(),
    };
    let reply = config
        .routes
        .get(request.uri().path())
        .unwrap_or(&not_found);
    let body = full(reply.body.clone());
    node.fact(Fact::ResponseSent {
        flow,
        status: reply.status,
        bytes: body.size_hint().exact(),
    });
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in [
        (DATE, node.clock.date().to_http_date()),
        (SERVER, "tunlab".into()),
        (CONTENT_TYPE, reply.content_type.clone()),
    ] {
        // A lab file cannot hold a value that HTTP cannot; were it so, the header would be missing.
        if let Ok(value) = value.try_into() {
            headers.insert(name, value);
        }
    }
    response
}
