"""What the daemons of the test cluster are told."""

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
