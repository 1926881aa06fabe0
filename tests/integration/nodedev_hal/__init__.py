"""The nodedev-hal driver on a private bus, with a peer of our own that speaks HAL's protocol: there is no HAL any more."""
