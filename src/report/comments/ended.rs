//! Why somebody ends a connection that nobody is done with, told at its FIN.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::Ends;
use crate::dissect::message::Frame;
use crate::event::{Event, Fact, Serving, What};
use crate::lab::plan::Plan;
use crate::name::Name;
use crate::net::topology::NodeKind;
use crate::time::Instant;

/// A process's connections are closed by its kernel when it is killed, and seen a little later where the capture is.
const SOON: Duration = Duration::from_millis(100);

/// What was ended before its time.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The last time that a process on a node was ended by force, and how.
    killed: BTreeMap<Name, (Instant, &'static str)>,
    /// Connections that a load balancer cuts because the target behind is gone for good: from where, to where, when, and
    /// which target. Of the target's own connection the load balancer's port is not known.
    cut: Vec<(Option<SocketAddr>, SocketAddr, Instant, Name)>,
}

impl Ended {
    pub(super) fn event(&mut self, event: &Event) {
        let What::Fact(fact) = &event.what else {
            return;
        };
        if let Fact::Service { service, .. } = fact
            && (service.starts_with("killed") || service.starts_with("ended"))
        {
            self.killed.insert(event.node.clone(), (event.at, service));
        }
        if let Fact::Serving(Serving::Deregistered {
            flow,
            target,
            address,
        }) = fact
        {
            self.cut.retain(|(.., at, _)| event.at - *at <= SOON);
            let (at, name) = (event.at, target);
            self.cut
                .push((Some(flow.local), flow.remote, at, name.clone()));
            self.cut.push((None, *address, at, name.clone()));
        }
    }

    /// A sentence about the FIN in `frame`.
    pub(super) fn why(&mut self, frame: &Frame, ends: &Ends, plan: &Plan) -> Option<String> {
        let from = &ends.from;
        let soon = |at: Instant| at <= frame.at && frame.at - at <= SOON;
        let cut = self.cut.iter().position(|(source, destination, at, _)| {
            let ours = source.is_none_or(|s| s == frame.source);
            ours && *destination == frame.destination && soon(*at)
        });
        if let Some(index) = cut {
            let (.., target) = self.cut.remove(index);
            return Some(format!(
                " The deregistration delay of {target} is over: {from} cuts what is still under way."
            ));
        }
        let mut killed = self.killed.iter();
        let (node, (_, how)) = killed.find(|(node, (at, _))| {
            soon(*at) && (node.as_str() == from.as_str() || publishes(plan, from, frame, node))
        })?;
        Some(format!(
            " The process on {node} was {how}: the kernel closes what it had open."
        ))
    }
}

/// Whether the docker host `from` sends the frame for its container `node`.
fn publishes(plan: &Plan, from: &str, frame: &Frame, node: &Name) -> bool {
    let topology = &plan.topology;
    let (Some(host), Some(container)) = (topology.node(from), topology.node(node.as_str())) else {
        return false;
    };
    let NodeKind::DockerHost { publish } = &topology.nodes[host].kind else {
        return false;
    };
    let inside = topology.nodes[container].nics.iter().copied();
    let mut beside = inside.filter(|nic| {
        let peer = topology.peer(*nic);
        peer.is_some_and(|peer| topology.nics[peer].node == host)
    });
    beside.any(|nic| {
        let address = topology.nics[nic].address;
        let mut ports = publish.iter().filter(|p| p.container.ip() == address);
        ports.any(|p| p.port == frame.source.port())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::fixture::{self, at, name};

    #[test]
    fn a_fin_is_explained_by_the_kill_of_who_sends_it() {
        let run = fixture::main_lab();
        let mut fins = run.frames.iter().filter(|f| f.source.port() == 32_768);
        let frame = fins.next_back().unwrap();
        let ends = Ends {
            from: "ec2-a".into(),
            to: "alb".into(),
        };
        let said = |node: &str, service, ms: f64| {
            let mut ended = Ended::default();
            ended.event(&Event {
                at: at(ms),
                node: name(node),
                what: What::Fact(Fact::Service {
                    port: 8080,
                    service,
                }),
            });
            ended.why(frame, &ends, &run.plan)
        };
        let now = (frame.at - Instant::ZERO).as_secs_f64() * 1_000.0 - 0.5;
        assert_eq!(
            said("ec2-a", "killed", now).unwrap(),
            " The process on ec2-a was killed: the kernel closes what it had open."
        );
        assert_eq!(said("alb", "killed", now), None);
        assert_eq!(said("ec2-a", "stopping", now), None);
        assert_eq!(said("ec2-a", "killed", now + 1.0), None);
    }
}
