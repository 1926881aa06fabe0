"""The images of a Ceph pool, in the envoy's process: imported there only, so that no worker ever loads the library."""
