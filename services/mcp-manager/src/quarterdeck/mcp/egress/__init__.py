"""The egress proxy: a kept proxy (Squid) in front, and our answers to who may reach what behind it.

A tool pod's NetworkPolicy lets it reach the proxy and nothing else. The proxy asks `answers` about each
request: the pod is known by its address, and its hosts are in the annotation that the controller gave it.
"""
