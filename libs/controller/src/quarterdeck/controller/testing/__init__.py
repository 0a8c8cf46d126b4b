"""What tests of controllers need: a real API server of their own, and a network that misbehaves on request.

- `quarterdeck.controller.testing.control_plane.ControlPlane`: etcd and kube-apiserver on free loopback ports.
- `quarterdeck.controller.testing.proxy.FaultyProxy`: a TCP proxy that stalls, cuts and refuses connections.
"""
