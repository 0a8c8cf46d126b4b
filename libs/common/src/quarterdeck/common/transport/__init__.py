"""How services reach each other: unix sockets, mutual TLS from certificates on disk, or plaintext if said so.

Certificates prove the transport and nothing else: who calls is proven by its workload token.
"""
