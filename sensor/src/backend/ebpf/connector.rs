//! A socket of the kernel's process connector (linux/cn_proc.h), which sends a message for each
//! fork, exec, exit and change of ids. Ours takes none: its filter looks at them in the process
//! that they are about, at the moment of the change.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{NetlinkAddr, bind};
use nix::unistd::write;
use socket2::{Domain, Protocol, Socket, Type};

/// Of linux/connector.h: the group of processes, and its value.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
/// Type of a netlink message without a meaning of its own.
const NLMSG_DONE: u16 = 3;

/// What a listener tells the connector.
#[derive(Clone, Copy)]
enum Wish {
    Listen = 1,
    Ignore = 2,
}

/// The socket. The connector sends as long as it is open.
#[derive(Debug)]
pub(super) struct Connector {
    socket: Socket,
}

impl Connector {
    pub(super) fn open() -> io::Result<Connector> {
        let domain = Domain::from(libc::AF_NETLINK);
        let protocol = Protocol::from(libc::NETLINK_CONNECTOR);
        let socket = Socket::new(domain, Type::DGRAM.cloexec(), Some(protocol))?;
        Ok(Connector { socket })
    }

    /// Asks for messages. In a pid or user namespace of its own, the kernel sends none.
    pub(super) fn listen(&self) -> nix::Result<()> {
        bind(self.socket.as_raw_fd(), &NetlinkAddr::new(0, CN_IDX_PROC))?;
        self.tell(Wish::Listen)
    }

    fn tell(&self, wish: Wish) -> nix::Result<()> {
        let message = message(wish);
        match write(&self.socket, &message)? {
            written if written == message.len() => Ok(()),
            _ => Err(Errno::EMSGSIZE),
        }
    }
}

/// Kernels before 6.6 do not notice that a listener is gone, and go on making messages.
impl Drop for Connector {
    fn drop(&mut self) {
        let _ = self.tell(Wish::Ignore);
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// struct nlmsghdr, struct cn_msg, enum proc_cn_mcast_op: numbers in native order.
fn message(wish: Wish) -> Vec<u8> {
    const BYTES: u32 = 16 + 20 + 4;
    let mut message = Vec::with_capacity(BYTES as usize);
    let mut put = |bytes: &[u8]| message.extend_from_slice(bytes);
    put(&BYTES.to_ne_bytes());
    put(&NLMSG_DONE.to_ne_bytes());
    // Flags, sequence, sender: none.
    put(&[0; 2 + 4 + 4]);
    put(&CN_IDX_PROC.to_ne_bytes());
    put(&CN_VAL_PROC.to_ne_bytes());
    // Sequence, acknowledgement.
    put(&[0; 4 + 4]);
    put(&4_u16.to_ne_bytes());
    put(&0_u16.to_ne_bytes());
    put(&(wish as u32).to_ne_bytes());
    message
}
