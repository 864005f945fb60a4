#!/bin/sh
# Makes the packages of Ocellus: package.sh deb|rpm|tarball BINARY DIRECTORY
#
# The same sources and the same binary give the same package, to the byte.
set -eu

kind=$1 binary=$(realpath "$2") out=$3
here=$(dirname "$(realpath "$0")")
root=$here/../..
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
# The time of the last change, or what who packages sets.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
umask 022

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
tree=$stage/ocellus-$version
mkdir -p "$out" "$tree"
out=$(realpath "$out")

# What every package installs.
lay_out() {
    install -D -m 755 "$binary" "$tree/usr/bin/ocellus"
    install -D -m 644 "$here/ocellus.service" "$tree/usr/lib/systemd/system/ocellus.service"
    install -D -m 644 "$here/ocellus.toml" "$tree/etc/ocellus/ocellus.toml"
    install -d "$tree/etc/ocellus/conf.d" "$tree/etc/ocellus/rules"
    for rule in "$root"/rules/dist/*.wasm; do
        name=$(basename "$rule")
        install -D -m 644 "$rule" "$tree/usr/share/ocellus/rules/$name"
        # In force are the rules of /etc: a link for each that is shipped, and what an operator adds.
        ln -s "../../../usr/share/ocellus/rules/$name" "$tree/etc/ocellus/rules/$name"
    done
    doc=$tree/usr/share/doc/ocellus
    install -D -m 644 "$root/examples/ocellus.toml" "$doc/ocellus.toml"
    for page in README.md SECURITY.md CHANGELOG.md LICENSE docs/operating.md docs/metrics.md \
        docs/config.schema.json; do
        install -D -m 644 "$root/$page" "$doc/$(basename "$page")"
    done
    install -d "$tree/usr/share/man/man1" "$tree/usr/share/bash-completion/completions" \
        "$tree/usr/share/zsh/site-functions" "$tree/usr/share/fish/vendor_completions.d"
    "$binary" man | gzip -9n >"$tree/usr/share/man/man1/ocellus.1.gz"
    "$binary" completions bash >"$tree/usr/share/bash-completion/completions/ocellus"
    "$binary" completions zsh >"$tree/usr/share/zsh/site-functions/_ocellus"
    "$binary" completions fish >"$tree/usr/share/fish/vendor_completions.d/ocellus.fish"
    find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

deb() {
    architecture=$(dpkg --print-architecture)
    install -d "$tree/DEBIAN"
    size=$(find "$tree" -type f -printf '%k\n' | awk '{ sum += $1 } END { print sum }')
    # A binary that was built here needs the libc that it was built with, or a later one.
    libc=$(dpkg-query --showformat='${Version}' --show libc6 | sed 's/-.*//')
    cat >"$tree/DEBIAN/control" <<CONTROL
Package: ocellus
Version: $version
Architecture: $architecture
Maintainer: The Ocellus authors <ocellus@users.noreply.github.com>
Section: admin
Priority: optional
Installed-Size: $size
Depends: libc6 (>= $libc), libgcc-s1
Homepage: https://github.com/ocellus/ocellus
Description: Linux EDR sensor with WebAssembly rules
 Watches the processes of a host through eBPF, lets WebAssembly rules judge each event, and writes
 ECS events as JSON or MessagePack to files, sockets and collectors.
CONTROL
    echo /etc/ocellus/ocellus.toml >"$tree/DEBIAN/conffiles"
    for script in postinst prerm postrm; do
        install -m 755 "$here/deb/$script" "$tree/DEBIAN/$script"
    done
    find "$tree" -type f -not -path '*/DEBIAN/*' -printf '%P\n' | sort |
        (cd "$tree" && xargs md5sum >"DEBIAN/md5sums")
    find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    package=$out/ocellus_${version}_$architecture.deb
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$package" >/dev/null
    echo "$package"
}

tarball() {
    package=$out/ocellus-$version-$(uname -m).tar.gz
    tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --directory "$stage" "ocellus-$version" | gzip -9n >"$package"
    echo "$package"
}

rpm() {
    rpmbuild -bb --quiet --define "_topdir $stage/rpm" --define "_rpmdir $stage/out" \
        --define "tree $tree" --define "ocellus_version $version" \
        --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
        --define "clamp_mtime_to_source_date_epoch 1" "$here/ocellus.spec"
    for package in "$stage"/out/*/*.rpm; do
        cp "$package" "$out/"
        echo "$out/$(basename "$package")"
    done
}

case $kind in
deb | rpm | tarball) lay_out && "$kind" ;;
*) echo "package.sh: deb, rpm or tarball, not $kind" >&2 && exit 2 ;;
esac
