//! Requests of a step: how often, how many at once, over which connection, and where redirects lead.

use std::rc::Rc;

use super::Browser;
use super::http1::{Asked, Lost};
use super::kept::Connection;
use crate::role::config::{Ask, Origin};
use crate::role::http::within;
use crate::role::http2::Tasks;

/// A connection that this task has used, and for whom.
type Slot = Option<(Origin, Connection)>;

impl Browser {
    pub(super) async fn ask(self: Rc<Self>, ask: Ask) {
        let ask = Rc::new(ask);
        let mut first = None;
        if ask.origin.https && self.config.tls.alpn.iter().any(|p| p == "h2") {
            // Which protocol it is shows when the first connection is there.
            let origin = &ask.origin;
            match self.take_kept(origin) {
                Some(connection) => first = Some(connection),
                None => match self.open(true, &origin.host, origin.port).await {
                    Ok(opened) if opened.http2 => {
                        self.ask_http2(opened, &ask).await;
                        return;
                    }
                    Ok(opened) => first = Some(Connection::new(opened)),
                    Err(error) => {
                        self.failed(error);
                        return;
                    }
                },
            }
        }
        let tasks = Tasks::new(self.node.executor.clone());
        for number in 0..ask.parallel as u64 {
            let slot = first.take().map(|c| (ask.origin.clone(), c));
            tasks.spawn(self.clone().ask_in_turn(ask.clone(), number, slot));
        }
        tasks.ended().await;
    }

    /// Every `parallel`th request from number `first` on, one after the other.
    async fn ask_in_turn(self: Rc<Self>, ask: Rc<Ask>, first: u64, mut slot: Slot) {
        let began = self.node.clock.now();
        for number in (first..ask.repeat).step_by(ask.parallel.max(1)) {
            let times = u32::try_from(number).unwrap_or(u32::MAX);
            let due = began + ask.every.saturating_mul(times);
            self.node.clock.sleep_until(due).await;
            if let Err(error) = self.ask_once(&ask, &mut slot).await {
                self.failed(error);
            }
        }
        if let Some((origin, connection)) = slot {
            self.put_back(&origin, connection).await;
        }
    }

    /// One request, and those to which its responses redirect.
    async fn ask_once(self: &Rc<Self>, ask: &Ask, slot: &mut Slot) -> Result<(), String> {
        let mut asked = Asked {
            origin: ask.origin.clone(),
            target: ask.target.clone(),
            method: ask.method.clone(),
            body: ask.body.clone(),
        };
        let mut followed = 0;
        loop {
            let (status, location) = self.answer_to(ask, &asked, slot).await?;
            let redirects = matches!(status, 301 | 302 | 303 | 307 | 308);
            let (Some(limit), Some(location), true) = (ask.follow, location, redirects) else {
                return Ok(());
            };
            if followed == limit {
                // As Chrome says it.
                return Err(format!(
                    "ERR_TOO_MANY_REDIRECTS: more than {limit} redirects"
                ));
            }
            followed += 1;
            let Some((origin, target)) = resolve(&asked, &location) else {
                return Err(format!("cannot follow a redirect to {location}"));
            };
            (asked.origin, asked.target) = (origin, target);
            // RFC 9110 §15.4: 303 is answered by GET, and so are 301 and 302 to POST.
            if status == 303 || matches!(status, 301 | 302) && asked.method == "POST" {
                asked.method = "GET".into();
                asked.body = None;
            }
        }
    }

    /// The status and the `Location` of the response.
    async fn answer_to(
        self: &Rc<Self>,
        ask: &Ask,
        asked: &Asked,
        slot: &mut Slot,
    ) -> Result<(u16, Option<String>), String> {
        let clock = &self.node.clock;
        let began = clock.now();
        let left = || {
            ask.timeout
                .map(|t| (began + t).saturating_since(clock.now()))
        };
        let late = || {
            let timeout = ask.timeout.unwrap_or_default();
            let limit = crate::units::show_duration(timeout);
            format!("no response within {limit}")
        };
        loop {
            let mut connection = match self.connection(asked, slot).await {
                Some(connection) => connection,
                None => {
                    let origin = &asked.origin;
                    let opening = self.open(origin.https, &origin.host, origin.port);
                    let opened = match left() {
                        Some(left) => within(clock, left, opening).await.ok_or_else(late)?,
                        None => opening.await,
                    };
                    Connection::new(opened?)
                }
            };
            let exchange = self.exchange(&mut connection, ask, asked);
            let outcome = match left() {
                Some(left) => within(clock, left, exchange).await,
                None => Some(exchange.await),
            };
            match outcome {
                None => {
                    self.give_up(connection, ask.resets).await;
                    return Err(late());
                }
                Some(Ok(answered)) => {
                    let status = answered.whole.status;
                    let headers = answered.whole.answer.headers.iter();
                    let location = headers
                        .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
                        .map(|(_, value)| value.clone())
                        .next();
                    let (node, cookies) = (&self.node, &self.cookies);
                    let on = (connection.flow, None);
                    let Asked { origin, target, .. } = asked;
                    answered.whole.tell(node, cookies, on, origin, target);
                    if answered.reusable {
                        *slot = Some((asked.origin.clone(), connection));
                    } else {
                        self.leave(connection).await;
                    }
                    return Ok((status, location));
                }
                Some(Err(Lost::Stale)) => self.give_up(connection, false).await,
                Some(Err(Lost::For(error))) => {
                    self.give_up(connection, false).await;
                    return Err(error);
                }
            }
        }
    }

    /// One that this task or an earlier one has used and left open.
    async fn connection(self: &Rc<Self>, asked: &Asked, slot: &mut Slot) -> Option<Connection> {
        match slot.take() {
            Some((origin, connection)) if origin == asked.origin => return Some(connection),
            Some((origin, connection)) => self.put_back(&origin, connection).await,
            None => {}
        }
        self.take_kept(&asked.origin)
    }
}

/// Where a `Location` leads (RFC 3986 §5.2, for http and https; the fragment stays here).
fn resolve(asked: &Asked, location: &str) -> Option<(Origin, String)> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, rest) = match location.split_once("//") {
        Some(("https:", rest)) => (Some(true), rest),
        Some(("http:", rest)) => (Some(false), rest),
        Some(("", rest)) => (Some(asked.origin.https), rest),
        _ => (None, location),
    };
    let Some(https) = scheme else {
        let path = asked.target.split('?').next().unwrap_or_default();
        let target = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some(_) => {
                let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
                format!("{folder}{location}")
            }
            None => asked.target.clone(),
        };
        return Some((asked.origin.clone(), target));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, if https { 443 } else { 80 }),
    };
    if host.is_empty() {
        return None;
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    let origin = Origin {
        https,
        host: host.to_ascii_lowercase(),
        port,
    };
    Some((origin, format!("{slash}{target}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_as_a_reference() {
        let origin = Origin {
            https: true,
            host: "your-app.com".into(),
            port: 443,
        };
        let asked = Asked {
            origin,
            target: "/a/b?c".into(),
            method: "GET".into(),
            body: None,
        };
        let to = |location: &str| {
            let (origin, target) = resolve(&asked, location)?;
            let scheme = if origin.https { "https" } else { "http" };
            Some(format!(
                "{scheme}://{}:{}{target}",
                origin.host, origin.port
            ))
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(to("http://Other.com"), is("http://other.com:80/"));
        assert_eq!(to("//x:8443/d#e"), is("https://x:8443/d"));
        assert_eq!(to("/d?e=//f"), is("https://your-app.com:443/d?e=//f"));
        assert_eq!(to("d"), is("https://your-app.com:443/a/d"));
        assert_eq!(to("?d"), is("https://your-app.com:443/a/b?d"));
        assert_eq!(to("https://:80/"), None);
    }
}
