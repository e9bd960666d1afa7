# SPDX-License-Identifier: Apache-2.0
"""Joining what the networks say: the four quadrants of true and fake picture and voice, and what joins them best."""
