//! Names that many rules need. A command name (`process.name`) has at most 15 bytes, so longer
//! program names stand here cut.

/// Command names of shells.
pub const SHELLS: &[&str] =
    &["sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "fish", "csh", "tcsh", "rbash"];

/// Command names of network services that have no reason to start a shell. Java and PHP are not
/// here: they serve networks and also run builds and scripts.
pub const NETWORK_SERVICES: &[&str] = &[
    "nginx",
    "apache2",
    "httpd",
    "lighttpd",
    "caddy",
    "haproxy",
    "squid",
    "traefik",
    "uwsgi",
    "gunicorn",
    "postgres",
    "postmaster",
    "mysqld",
    "mariadbd",
    "mongod",
    "redis-server",
    "valkey-server",
    "memcached",
    "influxd",
    "clickhouse-serv",
    "named",
    "unbound",
    "dnsmasq",
    "vsftpd",
    "proftpd",
    "pure-ftpd",
    "smbd",
    "exim4",
    "dovecot",
    "slapd",
    "cupsd",
    "foomatic-rip",
    "snmpd",
    "sqlservr",
];

/// Folders in which everybody may create files.
pub const WORLD_WRITABLE: &[&str] = &[
    "/tmp/",
    "/var/tmp/",
    "/dev/shm/",
    "/run/shm/",
    "/dev/mqueue/",
    "/run/lock/",
    "/var/lock/",
    "/var/crash/",
];

/// Folders of programs that only root and the package manager write.
pub const SYSTEM_PROGRAMS: &[&str] = &[
    "/usr/",
    "/bin/",
    "/sbin/",
    "/lib/",
    "/lib64/",
    "/opt/",
    "/snap/",
    "/var/lib/flatpak/",
    "/var/lib/snapd/snap/",
    "/nix/store/",
    "/run/wrappers/",
    "/gnu/store/",
];

/// Command names of package managers and of what runs their scripts.
pub const PACKAGE_MANAGERS: &[&str] = &[
    "dpkg",
    "dpkg-preconfigu",
    "apt",
    "apt-get",
    "aptd",
    "aptitude",
    "unattended-upgr",
    "frontend",
    "rpm",
    "dnf",
    "dnf5",
    "dnf-automatic",
    "yum",
    "microdnf",
    "rpm-ostree",
    "zypper",
    "pacman",
    "apk",
    "packagekitd",
    "snapd",
];

/// Command names of container runtimes.
pub const CONTAINER_RUNTIMES: &[&str] = &[
    "runc",
    "crun",
    "youki",
    "containerd",
    "containerd-shim",
    "dockerd",
    "podman",
    "conmon",
    "crio",
    "buildah",
    "lxc-start",
    "lxd",
    "incusd",
];
