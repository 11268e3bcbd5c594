#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: `slurm_cluster.sh start <folder> [accounting]`,
# `slurm_cluster.sh stop <folder>`. Needs root. Installs Debian's packages where absent. Two partitions: `low`, which
# `high` preempts. With accounting it keeps what sacct tells, and the controller forgets a job in seconds.
set -euo pipefail
folder=$(realpath -m "$2")
accounting=${3-}

packages() {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@"
}

# slurmdbd and the database it keeps its records in.
start_accounting() {
    type -P slurmdbd mariadbd >/dev/null || packages slurmdbd mariadb-server
    mkdir -p "$folder/database"
    mariadb-install-db --no-defaults --user=root --datadir="$folder/database" >/dev/null
    mariadbd --no-defaults --user=root --datadir="$folder/database" --socket="$folder/database.sock" \
        --pid-file="$folder/mariadbd.pid" --bind-address=127.0.0.1 --port=13306 >"$folder/mariadbd.log" 2>&1 &
    until_true mariadb-admin --socket="$folder/database.sock" ping
    mariadb --socket="$folder/database.sock" --execute \
        "CREATE DATABASE slurm_acct_db; CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm';
        GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1'"
    install -m 600 /dev/stdin "$folder/slurmdbd.conf" <<CONF
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=13306
StorageUser=slurm
StoragePass=slurm
LogFile=$folder/slurmdbd.log
PidFile=$folder/slurmdbd.pid
CONF
    SLURM_CONF="$folder/slurm.conf" slurmdbd
    until_true sacctmgr --noheader show cluster
}

# Until the command succeeds; half a minute at most.
until_true() {
    for _ in $(seq 60); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.5
    done
    echo "Slurm did not come up, at: $*; the logs in $folder say why" >&2
    exit 1
}

start() {
    type -P slurmctld munged >/dev/null || packages slurm-wlm munge
    mkdir -p "$folder/state" "$folder/spool" /run/munge
    [ -s /etc/munge/munge.key ] || mungekey --create
    chown munge: /run/munge /etc/munge/munge.key
    local name cores memory
    name=$(hostname -s) cores=$(nproc) memory=$(awk '/MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$name(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MaxArraySize=4
MinJobAge=$([ -n "$accounting" ] && echo 2 || echo 3600)
AccountingStorageType=accounting_storage/$([ -n "$accounting" ] && echo slurmdbd || echo none)
ReturnToService=2
NodeName=$name NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory
PartitionName=low Nodes=$name Default=YES MaxTime=INFINITE State=UP PriorityTier=1 OverSubscribe=FORCE:4 GraceTime=0
PartitionName=high Nodes=$name MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF OverSubscribe=EXCLUSIVE
CONF
    export SLURM_CONF="$folder/slurm.conf"
    pgrep -x munged >/dev/null || munged --force --pid-file="$folder/munged.pid" 2>/dev/null
    [ -z "$accounting" ] || start_accounting
    slurmctld && slurmd
    until_true eval "sinfo --noheader --format=%t | grep -E 'idle|mix|alloc'"
}

stop() {
    export SLURM_CONF="$folder/slurm.conf"
    scancel --full --user="$(id -un)" 2>/dev/null || true
    local process
    for daemon in slurmd slurmctld slurmdbd mariadbd munged; do
        [ -s "$folder/$daemon.pid" ] || continue
        process=$(cat "$folder/$daemon.pid")
        kill "$process" 2>/dev/null || continue
        until_true eval "! kill -0 $process"
    done
}

"$1"
