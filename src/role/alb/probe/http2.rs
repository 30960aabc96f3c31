//! A probe over HTTP/2: a GET, or a call of gRPC.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use h2::client::Builder;
use hyper::{HeaderMap, Request, Uri};

use super::Answer;
use crate::role::Node;
use crate::role::http::{Duplex, beside, close, within};
use crate::role::http2::Shared;
use crate::wire::grpc;

/// Where a probe asks.
pub(super) fn uri(https: bool, host: &str, path: &str) -> io::Result<Uri> {
    let scheme = if https { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(host);
    uri.path_and_query(path).build().map_err(io::Error::other)
}

pub(super) async fn ask(
    node: &Node,
    stream: Box<dyn Duplex>,
    request: Request<()>,
    body: Option<Bytes>,
) -> io::Result<Answer> {
    let stream = Shared::new(stream);
    let handshake = Builder::new().enable_push(false).handshake(stream.clone());
    let (mut sender, driver) = handshake.await.map_err(io::Error::other)?;
    let mut driver = pin!(driver);
    let exchange = async {
        let (response, mut sending) = sender.send_request(request, body.is_none())?;
        if let Some(body) = body {
            sending.send_data(body, true)?;
        }
        let (head, mut body) = response.await?.into_parts();
        while let Some(data) = body.data().await {
            let length = data?.len();
            body.flow_control().release_capacity(length)?;
        }
        let trailers = body.trailers().await?;
        drop(sender);
        Ok(Answer {
            status: head.status.as_u16(),
            grpc: trailers
                .as_ref()
                .and_then(status)
                .or_else(|| status(&head.headers)),
        })
    };
    let (answer, _) = beside(driver.as_mut(), exchange).await;
    let answer = answer.map_err(|e: h2::Error| io::Error::other(e))?;
    // Without a sender it says GOAWAY; what the target still says is read, so that nothing is reset.
    within(&node.clock, Duration::ZERO, driver).await;
    node.executor.spawn(close(stream));
    Ok(answer)
}

fn status(fields: &HeaderMap) -> Option<u8> {
    fields.get(grpc::STATUS)?.to_str().ok()?.parse().ok()
}
