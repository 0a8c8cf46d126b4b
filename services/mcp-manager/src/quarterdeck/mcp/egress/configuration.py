"""What the proxy is told at its start."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from quarterdeck.common.outbound.networks import INSIDE
from quarterdeck.mcp.egress.constants import PORT, READY

MODULE = "quarterdeck.mcp.egress"

# A tunnel that is TLS passes the proxy twice. The first time it is refused or not, and the client is told by
# a proper answer; the second time, on a port that nobody else reaches, it is looked at. A port that looks
# answers every tunnel with yes, and says no with a certificate of its own.
_TEMPLATE = """\
http_port {listen}
http_port 127.0.0.1:{inner} ssl-bump tls-cert={certificate} generate-host-certificates=off
external_acl_type pods concurrency=200 children-max=1 children-startup=1 children-idle=1 queue-size=1000 \\
  ttl=1 negative_ttl=1 grace=0 %SRC %DST %PORT {helper}
external_acl_type names concurrency=200 children-max=1 children-startup=1 children-idle=1 queue-size=1000 \\
  ttl=1 negative_ttl=1 grace=0 %SRC %ssl::>sni %PORT {helper}

acl inside dst {private}
acl named external pods
acl tunnel method CONNECT
acl tls port {tls_ports}
acl second localport {inner}
acl itself src 127.0.0.1/32
acl ready dstdomain {ready}

# The address that is checked is the one that is used: names are resolved once and kept for a minute.
negative_dns_ttl 1 minute
http_access allow itself ready named
http_access deny inside
http_access allow second
http_access allow named
http_access deny all

# Who asks is said to the second port alone, and believed by it alone.
cache_peer 127.0.0.1 parent {inner} 0 no-query no-digest no-netdb-exchange proxy-only name=second
cache_peer_access second allow tunnel tls !second
cache_peer_access second deny all
never_direct allow tunnel tls !second
forwarded_for truncate
request_header_access X-Forwarded-For deny !tunnel
follow_x_forwarded_for allow second
follow_x_forwarded_for deny all

# A tunnel to these ports has to be TLS, and to say an allowed name as well: it is looked at, never opened.
acl beginning at_step SslBump1
acl same_name external names
ssl_bump peek beginning
ssl_bump splice same_name
ssl_bump terminate all

cache deny all
cache_mem 0
memory_cache_shared off
sslproxy_session_cache_size 0
memory_pools off
max_filedescriptors 8192
via off
shutdown_lifetime {grace} seconds
connect_timeout 10 seconds
read_timeout 15 minutes
logformat egress {{"ts":%ts.%03tu,"from":"%>a","server":"%et","asked":"%rm %ru","sni":"%ssl::>sni",\
"answer":"%>Hs","outcome":"%Ss","why":"%ea","bytes":%<st,"ms":%tr}}
access_log stdio:/dev/stdout logformat=egress
cache_log /dev/null
pid_filename none
netdb_filename none
coredump_dir /tmp
"""


def asked_by_squid() -> list[str]:
    """Returns the command of the process that answers.

    Squid starts it under a name in parentheses, by which Python does not find its environment: hence `env`.
    """
    return ["/usr/bin/env", sys.executable, "-m", MODULE, "answer"]


def configuration(
    helper: Sequence[str],
    certificate: str,
    *,
    listen: str = str(PORT),
    inner: int = PORT + 1,
    private: Sequence[str] = INSIDE,
    tls_ports: Sequence[int] = (443,),
    grace: int = 20,
) -> str:
    """Returns the text of squid.conf.

    Args:
        helper: the command that answers questions.
        certificate: a file with a certificate and its key. The proxy wants one and shows it to nobody.
        inner: a port of the loopback for what passes twice.
        private: networks that nobody gets to.
        tls_ports: where a tunnel has to be TLS.
        grace: seconds that tunnels may go on when it is told to end.
    """
    return _TEMPLATE.format(
        listen=listen,
        inner=inner,
        certificate=certificate,
        helper=" ".join(helper),
        private=" ".join(private),
        tls_ports=" ".join(map(str, tls_ports)),
        grace=grace,
        ready=READY,
    )
