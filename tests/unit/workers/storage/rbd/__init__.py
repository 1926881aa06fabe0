"""Tests of workers/storage/rbd."""
