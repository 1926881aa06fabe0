"""The model of a power cut: from system calls to disks to verdicts, without a disk."""
