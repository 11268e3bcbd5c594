#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: `slurm_cluster.sh start <folder>`, `slurm_cluster.sh stop <folder>`.
# Needs root. Installs Debian's slurm-wlm and munge where absent. Two partitions: `low`, which `high` preempts.
set -euo pipefail
folder=$(realpath -m "$2")

start() {
    if ! command -v slurmctld munged >/dev/null; then
        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q slurm-wlm munge
    fi
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
MinJobAge=300
ReturnToService=2
NodeName=$name NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory
PartitionName=low Nodes=$name Default=YES MaxTime=INFINITE State=UP PriorityTier=1 OverSubscribe=FORCE:4 GraceTime=0
PartitionName=high Nodes=$name MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF OverSubscribe=EXCLUSIVE
CONF
    export SLURM_CONF="$folder/slurm.conf"
    pgrep -x munged >/dev/null || munged --force --pid-file="$folder/munged.pid" 2>/dev/null
    slurmctld && slurmd
    for _ in $(seq 60); do
        sinfo --noheader --format=%t 2>/dev/null | grep -qE 'idle|mix|alloc' && return
        sleep 0.5
    done
    echo "Slurm did not come up: $folder/slurmctld.log and slurmd.log say why" >&2
    exit 1
}

stop() {
    export SLURM_CONF="$folder/slurm.conf"
    scancel --full --user="$(id -un)" 2>/dev/null || true
    for daemon in slurmd slurmctld munged; do
        [ -s "$folder/$daemon.pid" ] && kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
    done
}

"$1"
