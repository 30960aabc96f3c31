//! How TCP behaves on a node: its table `tcp`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::decode::{Fields, Item};
use super::network::{Network, Shape};
use crate::stack::{KeepAlive, Tcp, TcpLimits, TcpOptions};
use crate::units::Bytes;

/// The tables `tcp` of all nodes that have one, by the nodes' numbers.
pub(super) fn read(network: &Network<'_>) -> BTreeMap<usize, Tcp> {
    let nodes = network.nodes.iter().enumerate();
    nodes
        .filter_map(|(index, node)| {
            let item = node.tcp?;
            if matches!(node.shape, Shape::Docker { .. }) {
                let label = "expected `tcp` at its containers, which have stacks of their own";
                item.wrong_key("a docker host only forwards packets", label, None);
                return None;
            }
            if node.programs.program.is_some() {
                let label = "expected no `tcp` beside `program`";
                item.wrong_key("a real program has the kernel's TCP", label, None);
                return None;
            }
            Some((index, tcp(item.fields()?)?))
        })
        .collect()
}

fn tcp(mut table: Fields<'_>) -> Option<Tcp> {
    let (options, limits) = (TcpOptions::default(), TcpLimits::default());
    let receive_buffer = table.or("receive-buffer", options.receive_buffer, buffer);
    let send_buffer = table.or("send-buffer", options.send_buffer, buffer);
    let nodelay = table.or("nodelay", options.nodelay, Item::boolean);
    let ack_delay = table.or("ack-delay", options.ack_delay, ack_delay);
    let keep_alive = table.or("keep-alive", None, |i| keep_alive(i).map(Some));
    let user_timeout = table.or("user-timeout", options.user_timeout, positive);
    let syn_backlog = table.or("syn-backlog", limits.syn_backlog, backlog);
    let accept_backlog = table.or("accept-backlog", limits.accept_backlog, backlog);
    let syn_cookies = table.or("syn-cookies", limits.syn_cookies, Item::boolean);
    let syn_retries = table.or("syn-retries", limits.syn_retries, retries);
    let synack_retries = table.or("synack-retries", limits.synack_retries, retries);
    let ports = table.or("port-range", None, |i| ports(i).map(Some));
    let time_wait = table.or("time-wait", limits.time_wait, Item::duration);
    table.finish();
    Some(Tcp {
        options: TcpOptions {
            receive_buffer: receive_buffer?,
            send_buffer: send_buffer?,
            nodelay: nodelay?,
            ack_delay: ack_delay?,
            keep_alive: keep_alive?,
            user_timeout: user_timeout?,
        },
        limits: TcpLimits {
            syn_backlog: syn_backlog?,
            accept_backlog: accept_backlog?,
            syn_cookies: syn_cookies?,
            syn_retries: syn_retries?,
            synack_retries: synack_retries?,
            ports: ports?,
            time_wait: time_wait?,
        },
    })
}

/// Room for one small segment at least, and no more than a machine with many connections has.
fn buffer(item: Item<'_>) -> Option<usize> {
    let Bytes(bytes) = item.unit("a size", "\"64 KiB\"")?;
    if !(536..=16 * 1024 * 1024).contains(&bytes) {
        let message = format!("`{}` is out of range", item.key);
        item.wrong(message, "expected 536 B to 16 MiB", None);
        return None;
    }
    usize::try_from(bytes).ok()
}

fn ack_delay(item: Item<'_>) -> Option<Option<Duration>> {
    let delay = item.duration()?;
    if delay > Duration::from_millis(500) {
        let label = "expected 500 ms at most (RFC 9293 §3.8.6.3), \"0 ms\" acknowledges at once";
        item.wrong("`ack-delay` is too long", label, None);
        return None;
    }
    Some(Some(delay).filter(|d| !d.is_zero()))
}

fn keep_alive(item: Item<'_>) -> Option<KeepAlive> {
    let usual = KeepAlive::default();
    let mut table = item.fields()?;
    let idle = table.or("idle", usual.idle, positive);
    let interval = table.or("interval", usual.interval, positive);
    let count = table.or("count", usual.count, |i| {
        u32::try_from(i.integer(1..=127)?).ok()
    });
    table.finish();
    Some(KeepAlive {
        idle: idle?,
        interval: interval?,
        count: count?,
    })
}

fn positive(item: Item<'_>) -> Option<Duration> {
    let time = item.duration()?;
    if time.is_zero() {
        item.wrong(format!("`{}` is zero", item.key), "expected a time", None);
        return None;
    }
    Some(time)
}

fn backlog(item: Item<'_>) -> Option<usize> {
    usize::try_from(item.integer(1..=65_535)?).ok()
}

/// The waits between them double up to a minute, so that there are no more.
fn retries(item: Item<'_>) -> Option<u32> {
    u32::try_from(item.integer(0..=6)?).ok()
}

fn ports(item: Item<'_>) -> Option<(u16, u16)> {
    let ports = item.each(Item::port)?;
    match ports[..] {
        [first, last] if first <= last => Some((first, last)),
        [..] => {
            let label = "expected the first and the last port, such as [32768, 60999]";
            item.wrong("`port-range` is no range", label, None);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::parse;

    fn lab(tcp: &str) -> String {
        format!(
            "base = \"three-tier\"\ntitle = \"t\"\n\
             step = [{{ user = {{ get = \"https://your-app.com/\" }} }}]\n{tcp}\n"
        )
    }

    #[test]
    fn every_key_has_its_effect() {
        let plan = parse(
            "x.toml",
            &lab("[node.web-a.tcp]\n\
                 receive-buffer = \"8 KiB\"\nsend-buffer = \"16 KiB\"\nnodelay = false\n\
                 ack-delay = \"0 ms\"\nkeep-alive = { idle = \"60 s\", count = 3 }\n\
                 user-timeout = \"30 s\"\nsyn-backlog = 16\naccept-backlog = 2\n\
                 syn-cookies = false\nsyn-retries = 1\nsynack-retries = 2\n\
                 port-range = [32768, 60999]\ntime-wait = \"1 s\""),
        );
        let plan = plan.unwrap();
        let node = plan.topology.node("web-a").unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(
            plan.tcp,
            BTreeMap::from([(
                node,
                Tcp {
                    options: TcpOptions {
                        receive_buffer: 8_192,
                        send_buffer: 16_384,
                        nodelay: false,
                        ack_delay: None,
                        keep_alive: Some(KeepAlive {
                            idle: seconds(60),
                            interval: seconds(75),
                            count: 3,
                        }),
                        user_timeout: seconds(30),
                    },
                    limits: TcpLimits {
                        syn_backlog: 16,
                        accept_backlog: 2,
                        syn_cookies: false,
                        syn_retries: 1,
                        synack_retries: 2,
                        ports: Some((32_768, 60_999)),
                        time_wait: seconds(1),
                    },
                }
            )])
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let errors = parse(
            "x.toml",
            &lab("[node.web-a.tcp]\n\
                 receive-buffer = \"1 B\"\nack-delay = \"600 ms\"\nkeep-alive = { idle = \"0 s\" }\n\
                 syn-backlog = 0\nsyn-retries = 7\nport-range = [9, 3]\nno-delay = true\n\
                 [node.ec2-a.tcp]\n[node.web-b]\ntcp = {}\nprogram = {}"),
        );
        let errors = errors.expect_err("wrong");
        let said: Vec<String> = errors
            .mistakes()
            .iter()
            .map(|m| format!("{}: {m} | {}", m.position().0, m.label()))
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
