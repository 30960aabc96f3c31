//! A probe over HTTP/1.1: a GET.

use std::io;
use std::pin::pin;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::client::conn::http1::Builder;
use hyper::header::{HOST, USER_AGENT};

use super::{AGENT, Answer};
use crate::role::Node;
use crate::role::http::{Body, Duplex, Io, beside, close, empty, within};
use crate::role::http2::Shared;

pub(super) async fn ask(
    node: &Node,
    tls: bool,
    stream: Box<dyn Duplex>,
    host: &str,
    path: &str,
) -> io::Result<Answer> {
    let stream = Shared::new(stream);
    let handshake = Builder::new()
        .title_case_headers(true)
        .handshake::<_, Body>(Io::new(stream.clone()));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .body(empty())
        .map_err(io::Error::other)?;
    let mut connection = pin!(connection);
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // Read to its end, so that closing sends FIN and not RST.
        response.into_body().collect().await?;
        drop(sender);
        Ok(status)
    };
    let (status, _) = beside(connection.as_mut(), exchange).await;
    let status = status.map_err(|e: hyper::Error| io::Error::other(e))?;
    // What is left is to say that nothing follows; a target that holds its end open is not waited for.
    within(&node.clock, Duration::ZERO, connection).await;
    if tls {
        // Its close_notify is still to come.
        node.executor.spawn(close(stream));
    }
    Ok(Answer {
        status: status.as_u16(),
        grpc: None,
    })
}
