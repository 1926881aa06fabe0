"""What the test cluster's daemons are told, and the program by which its administrator talks to them."""

from __future__ import annotations

from typing import Final

CONFIGURATION: Final = """
[global]
fsid = {fsid}
mon initial members = a
mon host = {mons}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/$name.keyring
public addr = {address}
cluster addr = {address}
ms bind ipv6 = false
run dir = {folder}/run
crash dir = {folder}/run
admin socket =
log file = {folder}/log/$name.log
log to stderr = false
err to stderr = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 2
mon data avail crit = 1
# decide at once, report at once
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
mgr tick period = 1
mgr stats period = 1
osd mon report interval = 1
# a client that was killed holds its images until its watch lapses
osd client watch timeout = 5
ms async op threads = 2
osd op num shards = 2
osd op num threads per shard = 2
# without its Python modules a manager takes 36 MB instead of 300, and still tells how full the pools are
mgr module path = {folder}/modules
mgr initial modules =
mon data = {folder}/mon
mon cluster log file = {folder}/log/cluster.log
mon cluster log to stderr = false
osd data = {folder}/osd
mgr data = {folder}/mgr
osd objectstore = bluestore
osd fast shutdown = false
bluestore block create = true
bluestore block size = 2147483648
bluestore block wal create = false
bluestore block db create = false
bluestore cache autotune = false
bluestore cache size = 67108864
bluestore fsck on mkfs = false
bdev aio poll ms = 20
[mon]
keyring = {folder}/mon/keyring
"""

ADMIN: Final = """
import json, os, sys, time
import rados, rbd
conf, step, *words = sys.argv[1:]
end = time.monotonic() + 25
cluster = rados.Rados(conffile=conf, name="client.admin")
for name in ("rados_mon_op_timeout", "rados_osd_op_timeout", "client_mount_timeout"):
    cluster.conf_set(name, "25")
cluster.connect(timeout=25)
def mon(prefix, **arguments):
    code, out, status = cluster.mon_command(json.dumps({"prefix": prefix, "format": "json", **arguments}), b"")
    if code:
        sys.exit(f"{prefix}: {status} ({code})")
    return json.loads(out) if out.strip() else None
def until(test):
    while not test():
        if time.monotonic() > end:
            sys.exit(f"{step}: gave up waiting")
        time.sleep(0.02)
def osd_up():  # that very process: its pid is the nonce of its addresses
    return any(o["up"] and o["in"] and any(a["nonce"] == int(words[0]) for a in o["public_addrs"]["addrvec"])
               for o in mon("osd dump")["osds"])
def answers(pool):
    cluster.wait_for_latest_osdmap()
    with cluster.open_ioctx(pool) as ioctx:
        for number in range(64):
            try:
                ioctx.stat(f"probe-{number}")
            except rados.ObjectNotFound:
                pass
if step == "osd-new":
    mon("osd new", uuid=words[0], id=0)
elif step == "osd-up":
    until(osd_up)
    for pool in words[1:]:
        if pool not in cluster.list_pools():
            mon("osd pool create", pool=pool, pg_num=8, pgp_num=8)
            mon("osd pool application enable", pool=pool, app="rbd")
            with cluster.open_ioctx(pool) as ioctx:
                rbd.RBD().pool_init(ioctx, True)
        answers(pool)
elif step == "stats":
    until(lambda: cluster.get_cluster_stats()["kb"] > 0)
elif step == "images":
    with cluster.open_ioctx(words[0]) as ioctx:
        print(json.dumps(sorted(rbd.RBD().list(ioctx))))
"""
