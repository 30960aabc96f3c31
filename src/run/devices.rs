//! A lab's routers as network namespaces: the kernel forwards between TUN devices, one for each link of a router, named
//! after the NIC at the link's other end. Links, impairments and taps stay ours.

use std::io;
use std::rc::Rc;

use crate::lab::plan::Plan;
use crate::net::topology::{NodeKind, Topology};
use crate::os::{Namespace, Tun, TunConfig};
use crate::role::config::Role;
use crate::world::Device;

/// The longest interface name the kernel takes.
const NAME_MAX: usize = 15;

/// The kernel's part of a lab. Dropped, nothing is left of it.
pub(super) struct Kernel {
    /// Namespaces by node (index into the topology).
    pub(super) namespaces: Vec<(usize, Rc<Namespace>)>,
    pub(super) devices: Vec<Device>,
}

impl Kernel {
    pub(super) fn set_up(plan: &Plan, offload: bool) -> io::Result<Self> {
        let topology = &plan.topology;
        let mut kernel = Self {
            namespaces: Vec::new(),
            devices: Vec::new(),
        };
        for (index, node) in topology.nodes.iter().enumerate() {
            if !has_namespace(plan, index) {
                continue;
            }
            let namespace = Namespace::new()?;
            for nic in &node.nics {
                let config = TunConfig {
                    offload,
                    ..config(topology, index, *nic)
                };
                let tun = Tun::create(&namespace, &config)?;
                kernel.devices.push(Device { nic: *nic, tun });
            }
            kernel.namespaces.push((index, Rc::new(namespace)));
        }
        Ok(kernel)
    }
}

/// Whether node number `index` is the kernel's: a router, or a machine that real programs run on.
pub(super) fn has_namespace(plan: &Plan, index: usize) -> bool {
    let runs_program = |(n, role): &(usize, Role)| *n == index && role.is_program();
    plan.topology.nodes[index].kind == NodeKind::Router || plan.roles.iter().any(runs_program)
}

fn config(topology: &Topology, node: usize, nic: usize) -> TunConfig {
    let link = topology.links.iter().find(|l| l.ends.contains(&nic));
    let far = topology.peer(nic).unwrap_or(nic);
    let routes = topology.nodes[node].routes.iter().filter(|r| r.nic == nic);
    // A router's device is called after the NIC that it leads to, a host's after its own.
    let named = if topology.nodes[node].kind == NodeKind::Router {
        far
    } else {
        nic
    };
    let mut name = topology.nics[named].name.to_string();
    if name.len() > NAME_MAX {
        // Unique still: the number of the NIC is.
        name = format!("tun{nic}");
    }
    TunConfig {
        name,
        address: topology.nics[nic].address,
        mtu: link.map_or(1500, |l| l.mtu),
        routes: routes.map(|r| (r.to.address, r.to.prefix)).collect(),
        offload: false,
    }
}
