"""The side of an iSCSI pool that runs in the envoy: libiscsi by ctypes."""
