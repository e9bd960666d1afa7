# SPDX-License-Identifier: Apache-2.0
"""Training of Polygraph's own networks. Users never need this; README.md says how it is run."""
