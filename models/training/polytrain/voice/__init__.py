# SPDX-License-Identifier: Apache-2.0
"""The network that looks for signs of a synthetic voice: its data, its front end, its training and its test set."""
