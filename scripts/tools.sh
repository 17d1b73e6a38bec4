#!/usr/bin/env bash
# Installs what this machine lacks, by the ordinary package clients. What is there is left alone.
#   tools.sh run    what the pipeline itself needs
#   tools.sh        also what the tests need
set -euo pipefail

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
quiet() { # Debian starts a server when it installs one; the tests start their own, so here it does not
  [ -n "${made:-}" ] || [ -e /usr/sbin/policy-rc.d ] && return
  printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
  $sudo chmod +x /usr/sbin/policy-rc.d
  made=1
  trap '$sudo rm -f /usr/sbin/policy-rc.d' EXIT
}
need() { # COMMAND PACKAGE WHAT-FOR
  command -v "$1" >/dev/null 2>&1 && return
  echo "installing $2 ($3)" >&2
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "cannot install $2: no apt-get here; install $1 by hand" >&2
    exit 1
  fi
  quiet
  [ -n "${updated:-}" ] || { $sudo apt-get update -qq >&2; updated=1; }
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "$2" >&2 </dev/null
}

command -v go >/dev/null 2>&1 || { echo "Go 1.26 or newer is needed and not installed" >&2; exit 1; }
command -v clickhouse >/dev/null 2>&1 || need npm npm "fetches the evidence engine"
[ "${1:-}" = run ] && exit 0

need npm npm "fetches the SCIM server and the senders of the tests"
need java openjdk-17-jre-headless "runs a real Kafka broker in the tests"
need javac openjdk-17-jdk-headless "builds the Kafka Streams job of the benchmarks"
need mvn maven "fetches the real Kafka broker and the Debezium of the tests"
need node nodejs "runs the SCIM server and the senders of the tests"
need python3 python3 "sums up the test run"
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
  need python3-venv python3-venv "installs the SCIM compliance tester of the tests"
fi
need promtool prometheus "tests the alerts"
need setpriv util-linux "runs PostgreSQL as nobody in the tests"
need slapd slapd "a real LDAP server for the tests"
need samba samba-ad-dc "a real Active Directory domain controller for the tests"
[ -d /usr/share/samba/setup ] || need samba-ad-provision samba-ad-provision "sets up the domain of the tests"
if ! command -v postgres >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
  need postgres postgresql "a real target of the SQL connector"
fi
